//! The service of a central: requests to the engine and what follows from them, for every kind of
//! client.
//!
//! ```text
//! central     Central: open, serve, shut down; what a server is
//! options     what it is started with
//! service     what servers ask: bets, draws, winners, operators' acts, who is connected
//! zone        the lottery's time zone, in which people read and type times
//! metrics     what is counted while agencies are served
//! places      how many connections there are, in all and from one address
//! paced       log lines that a flood would repeat
//! limits      every named limit
//! ```
//!
//! Invariants:
//! - nothing is acknowledged before the engine said that it is durable;
//! - a store that failed for good ends [`Central::serve`] with an error, and nothing is
//!   acknowledged from then on;
//! - servers know the service, and neither each other nor the engine.
//!
//! Deliberately absent: sockets, messages and pages (crates `central-tcp` and `central-http`),
//! which log it is, how durability is reached, and the process: signals, configuration, exit codes.

mod central;
mod connection_limiter;
pub mod limits;
mod log_throttle;
mod metrics;
mod options;
mod service;
mod zone;

pub use central::{Central, ServeError, Server};
pub use connection_limiter::{ConnectionLimit, ConnectionLimiter, ConnectionPermit, counted_as};
pub use log_throttle::LogThrottle;
pub use metrics::{Counted, Exposition, Metrics, RefusedBatches};
pub use options::{Mode, Options};
pub use service::{
    AgencyDraws, At, Change, Configs, Connected, Draw, DrawWinners, Failure, Identity, NameRefused,
    NoDraw, Node, Nodes, OfAgency, OpenError, Presence, PresenceGuard, Service, Stage,
    WinnersStages, draw_name,
};
pub use zone::{LocalTime, UnknownZone, Zone};
