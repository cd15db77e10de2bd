//! Exports of a draw: bets as CSV or Parquet, winners as CSV or JSON, and a manifest of the files.
//!
//! ```text
//! bets        writes a draw's bets, batch by batch
//! csv         bets as CSV
//! cells       CSV cells that no spreadsheet evaluates as a formula
//! parquet     bets as Parquet
//! winners     winners by agency
//! manifest    names, lengths and digests of the files
//! digested    a writer that counts and hashes
//! ```
//!
//! Invariants:
//! - bets are in the order of the store, and memory does not grow with their number;
//! - equal draws make equal bytes of CSV and JSON.
//!
//! Deliberately absent: the source of batches and the destination of bytes, which is any `Write`.

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
