//! A standby: follows a central over HTTP, and keeps a copy of its ledger and operators with which
//! another central can be started when the first one is lost.
//!
//! ```text
//! follow    asks again and again, from where the copy ends, until it is asked to stop
//! copy      appends the records of an answer to the copy, in durable groups
//! incoming  the body of an answer, for a reader that blocks
//! source    what the central is asked, over TLS and with the token, and what it answers
//! address   where the central is
//! state     what a standby tells of itself, where it keeps the copy, why it ends
//! limits    the limits of a standby
//! ```
//!
//! Invariants:
//! - nothing is stored that does not continue the chain of the copy, or that the rules forbid;
//! - the copy is always a ledger that a central can be started on;
//! - what the central sends is bounded in memory and in time;
//! - the token, and hashes of passwords, are sent over TLS or within this machine only.
//!
//! Deliberately absent: deciding that the central is lost, and starting another one.

mod address;
mod copy;
mod follow;
mod incoming;
pub mod limits;
mod source;
mod state;

pub use address::{Address, AddressError};
pub use follow::Follower;
pub use source::Source;
pub use state::{FollowError, Place, State};
