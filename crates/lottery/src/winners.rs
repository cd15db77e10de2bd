//! The winners: documents of winning bets, by agency.
//!
//! Only [`WinningResult::wins`] judges a bet. An index knows [`BetKey`]s only; what it finds is
//! judged like any other bet.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::agencies::AgencyId;
use crate::batch::StoredBatch;
use crate::bet::{Bet, BetKey};
use crate::bet_name::{BetName, UnsoundBet};

/// A draw's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WinningResult {
    /// The winning number.
    pub number: u32,
}

/// The winners of a draw, by agency. Agencies without winners are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Winners {
    by_agency: BTreeMap<AgencyId, Documents>,
}

/// Documents of winning bets, one for each bet, in the order of acceptance.
///
/// Stored joined by commas, which no document contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    joined: String,
    count: u64,
}

impl WinningResult {
    /// Whether a bet wins.
    #[must_use]
    pub fn wins(self, bet: &Bet<'_>) -> bool {
        bet.number() == self.number
    }

    /// Calls `visit` with the winning bets of a batch, in order, until it breaks.
    ///
    /// # Errors
    /// The first invalid bet.
    pub fn visit(
        self,
        batch: &StoredBatch<'_>,
        visit: &mut dyn FnMut(BetName, &Bet<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, UnsoundBet> {
        for bet in batch.bets() {
            let (name, bet) = bet?;
            if self.wins(&bet) && visit(name, &bet).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns the keys of all bets that may win.
    #[must_use]
    pub fn keys(self) -> [BetKey; 1] {
        [BetKey::of_number(self.number)]
    }
}

impl Winners {
    /// Adds the winning bets of a batch; returns the number of bets in it.
    ///
    /// # Errors
    /// The first invalid bet; winners before it are added.
    pub fn add_batch(
        &mut self,
        result: WinningResult,
        batch: &StoredBatch<'_>,
    ) -> Result<u64, UnsoundBet> {
        let mut bets = 0;
        for bet in batch.bets() {
            let (name, bet) = bet?;
            self.add_if_wins(result, name, &bet);
            bets += 1;
        }
        Ok(bets)
    }

    /// Adds a bet, if it wins.
    pub fn add_if_wins(&mut self, result: WinningResult, name: BetName, bet: &Bet<'_>) {
        if result.wins(bet) {
            self.add(name.agency, bet.document());
        }
    }

    /// Adds a winning bet.
    pub fn add(&mut self, agency: AgencyId, document: &str) {
        self.by_agency.entry(agency).or_default().push(document);
    }

    /// Returns an agency's winners, if it has any.
    #[must_use]
    pub fn of(&self, agency: AgencyId) -> Option<&Documents> {
        self.by_agency.get(&agency)
    }

    /// Iterates over the agencies that have winners, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (AgencyId, &Documents)> {
        self.by_agency.iter().map(|(agency, documents)| (*agency, documents))
    }

    /// Returns the number of winning bets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_agency.values().map(Documents::count).sum()
    }
}

impl Documents {
    /// Iterates over the documents, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (self.count > 0).then(|| self.joined.split(',')).into_iter().flatten()
    }

    /// Returns all documents joined by commas.
    #[must_use]
    pub fn joined(&self) -> &str {
        &self.joined
    }

    /// Returns the number of documents.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    fn push(&mut self, document: &str) {
        assert!(!document.contains(','), "a document holds no comma");
        if self.count > 0 {
            self.joined.push(',');
        }
        self.joined.push_str(document);
        self.count += 1;
    }
}
