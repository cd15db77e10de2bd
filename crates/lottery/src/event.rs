//! What a store keeps: the events of the lottery, in the order in which they were decided.
//!
//! An event and those that follow from it by the rules are one decision, kept whole or not at all:
//! `[finished, closed, made, published]` when the last agency of a draw that goes by itself has
//! finished; `[close, closed]`, `[number entered, made]`, `[publish, published]` when operators or
//! the clock act; alone, every other.

use crate::act::RecordedAct;
use crate::agencies::AgencyId;
use crate::bets::{ChunkDigest, SetDigest};
use crate::draw::{DrawId, DrawTerms, SealedNumber};
use crate::requests::{Batch, ChunkId};

/// Something that was decided, and that nothing later undoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A draw was opened, to go by itself.
    DrawOpened {
        /// Its number: one more than the draws opened before.
        draw: DrawId,
        /// What it was opened with.
        terms: DrawTerms,
        /// What it is made with.
        number: SealedNumber,
    },
    /// A batch was accepted. The bets themselves are kept beside the event.
    BatchAccepted(BatchSummary),
    /// An agency has no more bets.
    AgencyFinished {
        /// In which draw.
        draw: DrawId,
        /// Which agency.
        agency: AgencyId,
    },
    /// A draw takes no more bets.
    DrawClosed {
        /// Which one.
        draw: DrawId,
        /// How many bets take part.
        bets: u64,
        /// Which ones.
        set: SetDigest,
    },
    /// A draw was made.
    DrawMade {
        /// Which one.
        draw: DrawId,
        /// Which result of this draw it is, from 1.
        attempt: u32,
        /// The winning number.
        number: u32,
    },
    /// The winners of a draw may be told, and nothing changes its result any more.
    DrawPublished {
        /// Of which one.
        draw: DrawId,
    },
    /// An operator, or the clock, did something.
    Acted(Box<RecordedAct>),
}

/// What the rules need to know of an accepted batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSummary {
    /// In which draw.
    pub draw: DrawId,
    /// Of which agency.
    pub agency: AgencyId,
    /// The agency's number for it.
    pub chunk: ChunkId,
    /// How many bets.
    pub bets: u32,
    /// What its content is compared by.
    pub digest: ChunkDigest,
}

impl BatchSummary {
    /// The summary of a batch.
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
