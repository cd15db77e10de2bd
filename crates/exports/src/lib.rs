//! A draw as files for others: its bets as CSV or Parquet, its winners as CSV or JSON, and a
//! manifest that says what each file must be.
//!
//! ```text
//! bets        a draw's batches, one after the other, into one file
//! csv         the bets as lines
//! cells       cells of CSV that no spreadsheet takes for a formula
//! parquet     the bets as columns
//! winners     the winners, by agency
//! manifest    names, lengths and digests of files
//! digested    bytes on their way, counted and digested
//! ```
//!
//! Invariants:
//! - bets are in the order of the store, and memory does not grow with how many there are;
//! - the same draw makes the same bytes of CSV and JSON.
//!
//! Deliberately absent: where batches come from and where bytes go. Anything that is `Write` will
//! do, a file or an answer over the network.

mod bets;
mod cells;
mod csv;
mod digested;
mod error;
pub mod limits;
mod manifest;
mod parquet;
mod winners;

pub use bets::{BetsWriter, Format};
pub use cells::Cells;
pub use digested::{Digested, Summary};
pub use error::ExportError;
pub use manifest::Manifest;
pub use winners::{winners_csv, winners_json};
