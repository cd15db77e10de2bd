//! The log in a folder: append-only and hash-chained, in preallocated segments.
//!
//! Every event is one record, written once and never changed. A group of records is one durable
//! write (group commit). The byte format is documented where it is coded ([`record`], [`segment`],
//! [`index`], and [`engine::Body`] for what all logs share) and in docs/reference/ledger.md.
//!
//! - [`Ledger`] implements [`engine::Log`].
//! - [`segment_pool`] preallocates segments and indexes full ones.
//! - [`recovery`] opens a folder.
//! - [`reading`] finds winners and scans records concurrently with the writer.
//! - [`scrub`] rereads all sealed segments slowly.
//! - [`Archive`] reads a folder without a running ledger.
//! - Opening and checking share one [`pass`] over the segments.
//! - All IO goes through [`disk`].
//!
//! Out of scope: rules, sockets, clocks (times come with the events), logging, updates in place,
//! deletion.

mod archive;
mod block_buffer;
mod contents;
pub mod disk;
mod error;
mod index;
pub mod limits;
mod log;
#[cfg(all(test, models))]
mod models;
mod pass;
mod reading;
mod record;
mod recovery;
mod scrub;
mod segment;
mod segment_pool;
mod segments;
#[cfg(any(test, feature = "simulation"))]
mod simulated_engine;
mod window;

pub use archive::{Archive, Summary};
pub use error::{Damage, Fault};
pub use log::{Ledger, Options};
pub use recovery::Report;
pub use scrub::{Scrub, ScrubFindings, ScrubNews, ScrubPace};
#[cfg(any(test, feature = "simulation"))]
pub use simulated_engine::SimulatedEngine;
