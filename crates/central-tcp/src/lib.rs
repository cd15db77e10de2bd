//! The agencies' TCP server: sockets on one side, the service on the other.
//!
//! ```text
//! listener      accepts connections within the limits
//! rejector      tells connections over a limit why, and closes them
//! handshake     plain text, or TLS with a certificate
//! transport     the bytes of a connection: the socket alone, or TLS on it
//! socket        joins a connection to its socket and to the service
//! connection    one connection without its socket: a state machine
//! draw_lookup   which draw a message is for
//! winners       requests for winners that wait, and winners being sent
//! log_limit     how much of one connection is logged
//! answers       the queue of the service's answers to one connection
//! translate     wire values to domain values and back; errors to codes
//! ```
//!
//! Invariants:
//! - one task a connection; it never blocks and holds no lock while it waits;
//! - an idle connection holds no buffer: memory to read into exists while a message arrives;
//! - a reply leaves only after the service's answer, in the order of the requests.
//!
//! Deliberately absent: the messages and who may send which when (`wire`), and every decision about
//! bets and draws (`central`, `lottery`).

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
