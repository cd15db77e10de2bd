//! The log in PostgreSQL: several centrals append to one table, and stand in for each other.
//!
//! One row, `ledger`, is the end of the log. A central's turn locks it, reads what others appended,
//! decides, and stores a group in the same transaction; so there is one order of events, one chain,
//! and one set of rules, as with the ledger in a folder.
//!
//! - [`PostgresLog`] implements [`engine::Log`].
//! - [`target`] reads the URL of a store.
//! - [`session`] is one connection, with a deadline for everything that is asked.
//! - [`primary`] finds the server to write to among the hosts, and rejects unsafe settings.
//! - [`rows`] converts events to rows and back.
//! - [`connections`] are those beside the one of the turns.
//! - [`reader`] reads durable events on them.
//! - [`operators`] keeps operators, sessions and attempts to log in for all centrals.
//! - [`archive`] reads a store without a central.
//! - [`watch`] brings an idle central to a turn when others have appended, and has centrals see each
//!   other.
//! - [`nodes`] are the centrals as they see each other.
//! - [`report`] says what the servers of a store are.
//! - [`schema`] creates and migrates the tables.
//!
//! Invariants:
//! - nothing is acknowledged before the servers that must have it, have it: a commit with a notice,
//!   or without an answer, is settled by a write of its own;
//! - a row is stored only directly after what its central knows: a late statement stores nothing;
//! - a primary older than one that was seen is never written to.
//!
//! Deliberately absent: rules, copies of them in SQL, pools of connections, and failover itself,
//! which is the database's.

mod archive;
mod connections;
mod error;
pub mod limits;
mod log;
mod nodes;
mod operators;
mod primary;
mod reader;
pub mod report;
mod rows;
pub mod schema;
mod session;
mod status;
mod store;
mod target;
mod watch;

pub use archive::{Archive, Summary};
pub use error::StoreError;
pub use log::{Options, PostgresLog, Watched};
pub use nodes::{Node, Shown};
pub use operators::{OperatorsChangeError, OperatorsTable, SharedOperators};
pub use status::{Status, StoreState};
pub use target::{Target, TargetError};
pub use watch::{Watch, Watcher};
