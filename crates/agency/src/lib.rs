//! The agency: reads a file of bets, sends it in batches, and asks for its winners.
//!
//! [`run()`] is all of it. The file is checked whole before anything is sent, several batches are
//! in flight at once, lost connections are made again, and an interrupted run is gone on with.
//!
//! ```text
//! rows         CSV -> rows with their lines, in constant memory
//! file         the file, the same at each reading
//! plan         rows -> batches, the same for the same file and limits
//! form         how the file is written: delimiter, header, encoding
//! looks        what a file looks like that is written otherwise
//! check        the first reading: every row at fault
//! outbox       batches sent and not acknowledged; what is skipped, what comes next
//! transport    a socket's bytes, in plain text or by TLS
//! connection   a socket and wire's session
//! attempt      what is said on one connection, from HELLO to the winners
//! run          attempts until the winners are there
//! preview      what would be sent of a file (feature `preview`)
//! ```
//!
//! Invariants: nothing is sent of a file with rows at fault, unless that was asked for; a batch
//! keeps its id until it is acknowledged; FINISH is only said when all batches are stored, and of a
//! file without bets only if that was asked for.
//!
//! Deliberately absent: printing (events go to `tracing` and to the caller) and configuration.

mod attempt;
mod backoff;
mod check;
mod connection;
mod error;
mod file;
mod form;
pub mod limits;
mod looks;
mod options;
mod outbox;
mod plan;
#[cfg(feature = "preview")]
pub mod preview;
mod rows;
mod run;
mod transport;

pub use error::{AgencyError, Lines, Loss, RowFault, RowReason, Speaks};
pub use form::{Delimiter, Encoding, Form, FormError};
pub use looks::Looks;
pub use options::{Options, Progress, Report};
pub use run::run;
pub use transport::Tls;
