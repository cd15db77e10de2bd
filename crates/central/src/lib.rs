//! The central: serves agencies over TCP and operators over HTTP, over an engine.
//!
//! ```text
//! central     Central: open, serve, shut down
//! options     what it is started with
//! service     the domain service: what is asked of the store, the draw's making, its winners
//! tcp/        agencies: sockets, sessions, and the translation of wire values to domain values
//! http/       operators: the API, metrics and health
//! paced       log lines that a flood would repeat
//! places      how many connections there are, in all and from one address
//! metrics     what is counted while agencies are served
//! limits      every named limit
//! clock       where the time comes from
//! zone        the lottery's time zone, in which people read and type times
//! ```
//!
//! Invariants:
//! - nothing is acknowledged before the store said that it is durable;
//! - a store that failed for good ends [`Central::serve`] with an error, and nothing is
//!   acknowledged from then on;
//! - `tcp` and `http` talk to `service` only, and `service` knows nothing of sockets or messages;
//! - a slow, silent or broken agency costs bounded memory and delays nobody.
//!
//! Deliberately absent: which store it is, how durability is reached, what the bytes of the
//! protocol look like (crate `wire`), and the process: signals, configuration, exit codes.

mod central;
mod http;
pub mod limits;
mod metrics;
mod options;
mod paced;
mod places;
mod service;
mod tcp;
mod zone;

pub use central::{Central, ServeError};
pub use http::{
    ClientHeader, ClientHeaderError, GroupCounts, Host, HttpOptions, Network, NetworkError, Origin,
    OriginError, Proxies, Scrubbed, openapi,
};
pub use limits::{HttpLimits, Limits, LimitsError};
pub use options::{Mode, Options};
pub use places::NoPlace;
pub use service::{
    Candidate, Change, Connected, Identity, NameRefused, NoDraw, OfAgency, OpenError, Presence,
    Service, WinnersError, draw_name, unnamed_draw,
};
pub use tcp::{Listeners, Listening, translate};
pub use zone::{UnknownZone, Zone};
