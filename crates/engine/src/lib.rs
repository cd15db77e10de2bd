//! Requests become events by the rules, events durable in a log, and then the view and the answers.
//!
//! ```text
//! requests --> Engine -- begin --> what others appended since
//!                | rules decide each request against the state
//!                |-- commit --> one durable group
//!                |-- the group is in the published view
//!                `-- all are answered
//! readers  --> View, and the log's Reader: bets, winners, audit log
//! ```
//!
//! [`Engine`] is what everybody talks to; its turns are taken by a thread of its own, or by who
//! steps it ([`Committer`]). [`Log`] is the contract of whatever keeps the events: in memory
//! ([`MemoryLog`]), in a folder (the crate `ledger`), shared by several engines. [`conformance`] is
//! the one suite for all of them.
//!
//! Invariants:
//! - nobody is told of anything that is not durable, and what was told is in the view;
//! - a decision, an event and all that follows from it, is stored whole or not at all;
//! - what was decided and not stored leaves no trace;
//! - every log of the same events has the same chain.
//!
//! Deliberately absent: bytes on disk, sockets, SQL, how durability is reached.

mod body;
mod chain;
mod clock;
mod committer;
#[cfg(feature = "conformance")]
pub mod conformance;
mod engine;
mod groups;
pub mod limits;
mod log;
mod memory;
mod requests;
#[doc(hidden)]
pub mod sync;

pub use body::{Body, Decoded, decode};
pub use chain::{Chain, LedgerId, Link};
pub use clock::Clock;
pub use committer::Committer;
pub use engine::{Done, Engine, Queue};
pub use groups::Groups;
pub use log::{ENTRY_OVERHEAD_LEN, Entry, Gone, Log, News, Reader, Recovered, Tip};
pub use memory::MemoryLog;
pub use requests::Request;
