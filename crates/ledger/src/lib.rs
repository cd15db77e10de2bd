//! The embedded store: an append-only, hash-chained log of events in preallocated segments.
//!
//! Everything the lottery decides is one record, written once and never changed. A batch is
//! acknowledged when its record is durable; whatever requests are pending share one durable write.
//! The byte format is documented where it is coded ([`record`], [`body`], [`segment`], [`index`])
//! and in docs/ledger.md.
//!
//! Map: [`Ledger`] is the store, an [`engine`] on its own thread; [`keeper`] prepares segments
//! ahead and indexes full ones; [`recovery`] opens a folder; [`reading`] finds winners and scans
//! beside the writer; [`scrub`] reads all of it slowly; [`Archive`] reads a folder from outside;
//! both opening and checking are a [`pass`] over its segments. All IO goes through [`disk`].
//!
//! Deliberately absent: sockets, clocks (times come with the requests), logging, updates in place,
//! deletion.

mod archive;
mod block_buffer;
mod contents;
pub mod disk;
mod error;
mod index;
mod keeper;
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
mod segments;
#[cfg(any(test, feature = "simulation"))]
mod stepped;

pub use archive::{Archive, Summary};
pub use error::{Damage, Fault};
pub use log::{Ledger, Options};
pub use pass::Entry;
pub use recovery::Report;
pub use scrub::{Scrub, ScrubFindings, ScrubNews, ScrubPace};
#[cfg(any(test, feature = "simulation"))]
pub use stepped::SteppedLedger;
