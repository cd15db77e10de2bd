//! Exports of a draw: bets as CSV or Parquet, winners as CSV or JSON, and a manifest of the files;
//! and of the audit log.
//!
//! ```text
//! bets        writes a draw's bets, batch by batch
//! csv         bets as CSV
//! audit       the audit log as CSV
//! cells       CSV cells that no spreadsheet evaluates as a formula
//! parquet     bets as Parquet
//! winners     winners by agency, or bet by bet
//! manifest    names, lengths and digests of the files
//! digested    a writer that counts and hashes
//! ```
//!
//! Invariants:
//! - bets are in the order of the store, and memory does not grow with their number;
//! - equal draws make equal bytes of CSV and JSON.
//!
//! Deliberately absent: the source of batches and the destination of bytes, which is any `Write`.

mod audit;
mod bets;
mod cells;
mod csv;
mod digested;
mod error;
pub mod limits;
mod manifest;
mod parquet;
mod winners;

pub use audit::AuditWriter;
pub use bets::{BetsWriter, Format};
pub use cells::Cells;
pub use digested::{Digested, Summary};
pub use error::ExportError;
pub use manifest::Manifest;
pub use winners::{WinningBetsWriter, winners_csv, winners_json};
