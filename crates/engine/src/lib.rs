//! The engine: turns requests into durable events, and publishes and answers them.
//!
//! ```text
//! requests --> Engine -- begin  --> what other engines appended
//!                |-- decide --> each request, against the state
//!                |-- commit --> one durable group
//!                |-- publish -> the view
//!                `-- answer --> every request
//! readers  --> View, and the log's Reader: bets, winners, audit log
//! ```
//!
//! [`Engine`] takes requests; groups are committed by its own thread or by the owner of its
//! [`Committer`]. [`Log`] is the contract of whatever stores the events: memory ([`MemoryLog`]), a
//! folder (crate `ledger`), or a log shared by several engines. The module `conformance`, behind a
//! feature, tests them all.
//!
//! [`Copier`] copies a history from one log to another; [`StreamWriter`] and [`StreamReader`] turn
//! its records into bytes and back, for files and connections.
//!
//! Invariants:
//! - nothing is answered or published before it is durable, and an answered change is in the view;
//! - a decision, an event and all that follows from it, is stored whole or not at all;
//! - a decision that was not stored leaves no trace;
//! - every log of the same events has the same chain.
//!
//! Deliberately absent: disk formats, sockets, SQL, how durability is reached.

mod body;
mod chain;
mod clock;
mod committer;
#[cfg(feature = "conformance")]
pub mod conformance;
mod copier;
mod engine;
mod groups;
pub mod limits;
mod log;
mod memory;
mod requests;
mod stream;
#[doc(hidden)]
pub mod sync;

pub use body::{Body, Decoded, FEATURE, decode, feature_of};
pub use chain::{Chain, LedgerId, Link, NotAChain};
pub use clock::Clock;
pub use committer::Committer;
pub use copier::{Copier, CopyError};
pub use engine::{Done, Engine, Queue};
pub use groups::Groups;
pub use log::{ENTRY_OVERHEAD_LEN, Entry, Gone, Log, News, Reader, Record, Recovered, Tip};
pub use memory::MemoryLog;
pub use requests::Request;
pub use stream::{StreamError, StreamReader, StreamStart, StreamWriter};
