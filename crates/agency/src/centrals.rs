//! Which of its centrals an agency uses, and which one is next when that one is lost.
//!
//! Each agency has an order of its own, so that those of a central that is away spread over all the
//! others. The order depends on the agency's number alone: every run begins at the same central.
//!
//! Invariants:
//! - all other centrals are tried before a lost one is tried again;
//! - at most one round is made between two pauses.

use lottery::AgencyId;

use crate::error::{Loss, Lost};
use crate::options::Central;

/// The centrals of a run.
#[derive(Debug)]
pub(crate) struct Centrals<'a> {
    /// The one in use, followed by those to try next.
    order: Vec<&'a Central>,
    /// What was lost since the last pause.
    round: Vec<Lost>,
}

impl<'a> Centrals<'a> {
    /// `all` must not be empty.
    pub(crate) fn of(agency: AgencyId, all: &'a [Central]) -> Self {
        let mut order: Vec<_> = all.iter().collect();
        fastrand::Rng::with_seed(agency.0.into()).shuffle(&mut order);
        Self { order, round: Vec::new() }
    }

    /// Returns the central in use.
    pub(crate) fn current(&self) -> &'a Central {
        self.order.first().expect("options without a central are refused")
    }

    /// Moves on to the next central because of `loss`. Returns how each one was lost, if all were
    /// since the last pause: the round is over.
    pub(crate) fn next(&mut self, loss: Loss) -> Option<Vec<Lost>> {
        self.round.push(Lost { address: self.current().address.clone(), loss });
        self.order.rotate_left(1);
        (self.round.len() == self.order.len()).then(|| std::mem::take(&mut self.round))
    }

    /// Begins a new round, because of a pause.
    pub(crate) fn begin_round(&mut self) {
        self.round.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn centrals(count: usize) -> Vec<Central> {
        (0..count).map(|n| Central { address: format!("central-{n}:1"), tls: None }).collect()
    }

    /// Returns the addresses that an agency tries when it loses `losses` centrals in a row.
    fn tried(agency: u32, all: &[Central], losses: usize) -> Vec<String> {
        let mut centrals = Centrals::of(AgencyId(agency), all);
        let next = |_| {
            let address = centrals.current().address.clone();
            centrals.next(Loss::Closed);
            address
        };
        (0..losses).map(next).collect()
    }

    #[test]
    fn agencies_spread_over_the_centrals_and_those_of_a_lost_one_over_the_others() {
        let all = centrals(4);
        let mut firsts = BTreeMap::<_, u32>::new();
        for agency in 1..=1_200 {
            let [first, second] = tried(agency, &all, 2).try_into().unwrap();
            *firsts.entry((first, second)).or_default() += 1;
        }
        // Each of the 12 pairs has about 100.
        assert_eq!(firsts.len(), 12);
        assert!(firsts.values().all(|count| (70..130).contains(count)), "{firsts:?}");
    }

    proptest! {
        #[test]
        fn a_round_tries_each_central_once_and_the_next_one_repeats_it(
            agency: u32,
            count in 1..9usize,
        ) {
            let all = centrals(count);
            let tried = tried(agency, &all, 2 * count);
            prop_assert_eq!(&tried[..count], &tried[count..]);
            let mut round = tried[..count].to_vec();
            round.sort_unstable();
            let expected: Vec<_> = all.iter().map(|central| central.address.clone()).collect();
            prop_assert_eq!(round, expected);
        }

        #[test]
        fn a_round_ends_when_all_were_lost_since_the_last_pause(
            agency: u32,
            count in 1..9usize,
            pauses in prop::collection::vec(any::<bool>(), 0..40),
        ) {
            let all = centrals(count);
            let mut centrals = Centrals::of(AgencyId(agency), &all);
            let mut expected = Vec::new();
            for pause in pauses {
                if pause {
                    centrals.begin_round();
                    expected.clear();
                }
                expected.push(centrals.current().address.clone());
                let round = centrals.next(Loss::Closed);
                prop_assert_eq!(round.is_some(), expected.len() == count);
                if let Some(round) = round {
                    let round: Vec<_> = round.into_iter().map(|lost| lost.address).collect();
                    prop_assert_eq!(round, std::mem::take(&mut expected));
                }
            }
        }
    }
}
