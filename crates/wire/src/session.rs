//! One connection: who may say what, and when. A session a side.
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
//! Without HELLO it is the field's protocol: the agency waits for each reply, winners come in one
//! WINNERS, and an ERROR of any kind is the last that is sent. At any time the central may send an
//! ERROR without a chunk and close.
//!
//! The sessions move no bytes: the caller reads into `space` and says how much was `filled`, then
//! takes requests or events until there are none; it writes `outgoing` and says how much was
//! `sent`. Time is the caller's as well: it asks `is_mid_message` and judges how long it lasted.

mod agency;
mod central;
mod replies;

pub use agency::{AgencyEvent, AgencySession, Mode, ProtocolViolation, SendError};
pub use central::{CentralSession, RequestError, SessionLimits};
pub use replies::Ticket;
