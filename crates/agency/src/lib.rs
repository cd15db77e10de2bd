//! The agency: reads a file of bets, sends it in batches and asks for its winners.
//!
//! [`run()`] is the entry point. It validates the whole file before sending anything, keeps
//! several batches in flight, reconnects after lost connections, to another central if there are
//! several, and resumes interrupted runs.
//!
//! ```text
//! rows         parses CSV into rows with their line numbers, in constant memory
//! file         the file, guaranteed unchanged each time it is read
//! plan         groups rows into batches, deterministically for the same file and limits
//! form         how the file is written: delimiter, header, encoding
//! looks        guesses how an unexpected file is written
//! check        validates the whole file and finds every invalid row
//! reread       reads the file again for reports: rejected rows, winning bets
//! outbox       batches sent and not acknowledged; what to skip and what to send next
//! transport    a socket's bytes, in plain text or over TLS
//! connection   connects a socket with a wire session
//! centrals     which central is in use, and which one is next when it is lost
//! attempt      one connection's conversation, from HELLO to the winners
//! run          repeats attempts until the winners are received
//! language     the languages of what people read
//! texts        every message to people, in both languages
//! preview      the batches that a file would make (feature `preview`)
//! ```
//!
//! Invariants:
//! - nothing is sent of a file with invalid rows, unless the options allow it;
//! - a batch keeps its id until it is acknowledged;
//! - FINISH is sent only when all batches are stored, and for a file without bets only if the
//!   options allow it.
//!
//! Does not print (events go to `tracing` and to the caller) and does not read configuration.

mod attempt;
mod backoff;
mod centrals;
mod check;
mod connection;
mod error;
mod file;
mod form;
mod language;
pub mod limits;
mod looks;
mod options;
mod outbox;
mod plan;
#[cfg(feature = "preview")]
pub mod preview;
mod reread;
mod rows;
mod run;
mod texts;
mod transport;

pub use error::{
    AgencyError, BetsOver, Lines, Loss, Lost, OptionFault, RowFault, RowReason, Speaks,
};
pub use form::{Delimiter, Encoding, Form, FormError};
pub use language::Language;
pub use looks::Looks;
pub use options::{Central, Options, Progress, Report};
pub use reread::{CheckedFile, Rejected, WinningBet, WinningBets};
pub use run::run;
pub use texts::certificate_text;
pub use transport::Tls;
