//! What a store keeps: the events of the lottery, in the order in which they were decided.

use crate::act::Signed;
use crate::agencies::AgencyId;
use crate::bets::ChunkDigest;
use crate::draw::{DrawId, DrawTerms};
use crate::store::{Batch, ChunkId};

/// Something that was decided, and that nothing later undoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A draw was opened.
    DrawOpened {
        /// Its number: one more than the draws opened before.
        draw: DrawId,
        /// What it was opened with.
        terms: DrawTerms,
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
    },
    /// A draw was made.
    DrawMade {
        /// Which one.
        draw: DrawId,
        /// The winning number.
        number: u32,
        /// How many bets took part, so that a recount can be held against it.
        bets: u64,
    },
    /// An operator, or the clock, did something.
    Acted(Box<Signed>),
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
