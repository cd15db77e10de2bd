//! The state machines of a connection, one per side: which message may be sent when.
//!
//! ```text
//! agency                                central
//! HELLO                           ->                      only as the first message, once
//!                                 <-    WELCOME
//! BETS, up to a window of them    ->
//!                                 <-    BETS_ACK, or ERROR of the chunk, in the same order
//! FINISH, once all are answered   ->
//!                                 <-    FINISH_ACK
//! GET_WINNERS                     ->
//!                                 <-    NO_WINNERS, or WINNERS_PART until the last
//! ```
//!
//! Without HELLO, as originally, the agency waits for each reply, winners come in one
//! WINNERS, and any ERROR is the last message. The central may send an ERROR without a chunk and
//! close at any time.
//!
//! The sessions do no IO: the caller reads into `space` and calls `filled`, takes requests or
//! events until there are none, writes `outgoing` and calls `sent`. It also keeps time:
//! `is_mid_message` says whether to apply a timeout.

mod agency;
mod central;
mod replies;

pub use agency::{AgencyEvent, AgencySession, Mode, ProtocolViolation, SendError};
pub use central::{CentralSession, RequestError, SessionLimits};
pub use replies::Ticket;
