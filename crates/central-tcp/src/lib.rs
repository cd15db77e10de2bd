//! Agencies over TCP: sockets on one side, the domain service on the other.
//!
//! ```text
//! listener      takes connections, up to the limits
//! rejector   what becomes of those over a limit
//! security          how connections come in: in plain text, or by TLS with a certificate
//! transport     what a connection's bytes pass through: the socket alone, or TLS on it
//! socket        one connection and its socket: reads, writes, waits, calls the service
//! connection    one connection without its socket: requests, calls, answers, replies, times
//! log_limit     how much of one connection is logged
//! draw_lookup   which draw a message is for
//! winners       the requests for winners that wait, and winners on their way out
//! answers       where the service's answers meet the connection's task
//! translate     wire values to domain values and back, errors to codes
//! ```
//!
//! Invariants:
//! - one task a connection; it never blocks and holds no lock while it waits;
//! - an idle connection holds no buffer: memory to read into exists while a message arrives;
//! - a reply leaves only after the store's completion, in the order of the requests.
//!
//! Deliberately absent: what the messages look like and who may say what when (`wire`), and every
//! decision about bets and draws (`service`).

mod answers;
pub mod connection;
mod draw_lookup;
mod handshake;
pub mod limits;
mod listener;
mod log_limit;
mod rejector;
mod socket;
pub mod translate;
mod transport;
mod winners;

pub use handshake::{Listeners, Listening};
pub use limits::{Limits, LimitsError};
pub use listener::AgencyServer;
