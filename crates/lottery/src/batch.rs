//! Batches: bets that an agency sends together.

use crate::agencies::AgencyId;
use crate::bet::Bet;
use crate::bet_name::{BetName, ChunkId, UnsoundBet};
use crate::bets::{Bets, bets_in};
use crate::draw::DrawId;

/// Bets sent together, to be stored all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Batch {
    pub draw: DrawId,
    pub agency: AgencyId,
    /// The agency's id for it.
    pub chunk: ChunkId,
    /// The validated bets.
    pub bets: Bets,
}

/// A batch read from a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct StoredBatch<'a> {
    pub draw: DrawId,
    pub agency: AgencyId,
    /// The agency's id for it.
    pub chunk: ChunkId,
    /// The bets' canonical text.
    pub text: &'a str,
}

impl Batch {
    /// Returns the batch as a store would return it.
    #[must_use]
    pub fn stored(&self) -> StoredBatch<'_> {
        let Self { draw, agency, chunk, ref bets } = *self;
        StoredBatch { draw, agency, chunk, text: bets.text() }
    }
}

impl<'a> StoredBatch<'a> {
    /// Iterates over the bets with their names, in order. Validates all but the range of numbers.
    pub fn bets(&self) -> impl Iterator<Item = Result<(BetName, Bet<'a>), UnsoundBet>> + use<'a> {
        let Self { draw, agency, chunk, text } = *self;
        (0..).zip(bets_in(text)).map(move |(position, bet)| {
            let name = BetName { draw, agency, chunk, position };
            bet.map(|bet| (name, bet)).map_err(|fault| UnsoundBet { name, fault })
        })
    }
}
