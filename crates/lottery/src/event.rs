//! The events that a store keeps, in the order of decision.
//!
//! A decision is an event and those that follow from it; it is stored whole or not at all:
//! - automatic draw, last agency: `[finished, closed, made, published]`;
//! - operators or the clock: `[close, closed]`, `[number entered, made]`, `[publish, published]`;
//!   in an automatic draw, `[close, closed, made, published]`;
//! - every other event is alone.

use crate::act::RecordedAct;
use crate::agencies::AgencyId;
use crate::batch::Batch;
use crate::bet_name::ChunkId;
use crate::bets::{ChunkDigest, SetDigest};
use crate::draw::{DrawId, DrawTerms, SealedNumber, Timestamp};

/// A decision, never undone once stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Event {
    /// An automatic draw was opened.
    DrawOpened {
        /// Its number: one more than the draws before.
        draw: DrawId,
        terms: DrawTerms,
        /// Its winning number.
        number: SealedNumber,
    },
    /// A batch was accepted. The bets are stored next to the event.
    BatchAccepted(BatchSummary),
    /// An agency has finished.
    AgencyFinished { draw: DrawId, agency: AgencyId },
    /// A draw takes no more bets.
    DrawClosed {
        draw: DrawId,
        /// The number of bets in the draw.
        bets: u64,
        /// The digest of those bets.
        set: SetDigest,
    },
    /// A draw was made.
    DrawMade {
        draw: DrawId,
        /// The number of this result in the draw, from 1.
        attempt: u32,
        number: u32,
    },
    /// The winners of a draw were published; its result is final.
    DrawPublished { draw: DrawId },
    /// An operator, a program or the clock acted.
    Acted(Box<RecordedAct>),
}

/// An event read from a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The number of events stored before it.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The event.
    pub event: Event,
}

/// The part of an accepted batch that the rules need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct BatchSummary {
    pub draw: DrawId,
    pub agency: AgencyId,
    /// The agency's id for the batch.
    pub chunk: ChunkId,
    pub bets: u32,
    /// The digest of its content.
    pub digest: ChunkDigest,
}

impl BatchSummary {
    /// Summarises a batch.
    #[must_use]
    pub fn of(batch: &Batch) -> Self {
        Self {
            draw: batch.draw,
            agency: batch.agency,
            chunk: batch.chunk,
            bets: batch.bets.count(),
            digest: *batch.bets.digest(),
        }
    }
}
