//! The log in a folder: append-only and hash-chained, in preallocated segments.
//!
//! Every event is one record, written once and never changed; a group of them is one durable
//! write. The byte format is documented where it is coded ([`record`], [`segment`], [`index`], and
//! [`engine::Body`] for what all logs share) and in docs/ledger.md.
//!
//! Map: [`Ledger`] is the [`engine::Log`]; [`segment_pool`] prepares segments ahead and indexes full
//! ones; [`recovery`] opens a folder; [`reading`] finds winners and scans beside the writer;
//! [`scrub`] reads all of it slowly; [`Archive`] reads a folder from outside; both opening and
//! checking are a [`pass`] over its segments. All IO goes through [`disk`].
//!
//! Deliberately absent: rules, sockets, clocks (times come with the events), logging, updates in
//! place, deletion.

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

pub use archive::{Archive, Summary};
pub use error::{Damage, Fault};
pub use log::{Ledger, Options};
pub use pass::Entry;
pub use recovery::Report;
pub use scrub::{Scrub, ScrubFindings, ScrubNews, ScrubPace};
#[cfg(any(test, feature = "simulation"))]
pub use simulated_engine::SimulatedEngine;
