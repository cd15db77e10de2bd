//! The plan of a round, made from its seed: who takes part, and who is killed when.
//!
//! A seed always gives the same plan. A run of it differs a little each time: the system decides
//! when processes run.

use std::fmt;
use std::ops::RangeInclusive;

use clap::ValueEnum;
use fastrand::Rng;

/// How the central is ended while agencies send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ending {
    /// By kill -9, several times; agencies too
    Kill,
    /// By SIGTERM, once
    Sigterm,
}

/// A round.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) bets: u32,
    pub(super) segment_len: u64,
    pub(super) agencies: Vec<AgencyPlan>,
    /// In the order of their moments.
    pub(super) strikes: Vec<Strike>,
}

/// How an agency sends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AgencyPlan {
    pub(super) legacy: bool,
    pub(super) window: u16,
    pub(super) batch_bets: usize,
}

/// The killing of a process.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Strike {
    pub(super) victim: Victim,
    pub(super) moment: Moment,
    /// And then so much later.
    pub(super) then_ms: u64,
    /// And once more so much after its restart, ready or not, if it is the central.
    pub(super) again_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Central,
    /// By its place among the agencies, from 0.
    Agency(usize),
}

/// What must have been logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// So many thousandths of all chunks acknowledged.
    Acknowledged(u64),
    /// The central's line that so many agencies have finished.
    Finished(usize),
}

const AGENCIES: RangeInclusive<usize> = 3..=5;
const BETS: RangeInclusive<u32> = 80_000..=160_000;
const WINDOW: RangeInclusive<u16> = 1..=16;
const BATCH_BETS: RangeInclusive<usize> = 12..=93;
/// From the shortest there is, so that kills meet segments being made, filled and indexed.
const SEGMENT_LENS: [u64; 5] = [96 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
const KILLS: RangeInclusive<usize> = 3..=6;
const ACKNOWLEDGED_PERMILLE: RangeInclusive<u64> = 5..=980;
const THEN_MS: RangeInclusive<u64> = 0..=20;
const AGAIN_MS: RangeInclusive<u64> = 0..=60;

impl Plan {
    /// The plan of a seed.
    pub(super) fn of(seed: u64, ending: Ending) -> Self {
        let mut random = Rng::with_seed(seed);
        let agencies = (0..random.usize(AGENCIES)).map(|_| AgencyPlan {
            legacy: random.u8(..4) == 0,
            window: random.u16(WINDOW),
            batch_bets: random.usize(BATCH_BETS),
        });
        let agencies: Vec<_> = agencies.collect();
        let mut strikes: Vec<_> = match ending {
            Ending::Kill => {
                let count = random.usize(KILLS);
                (0..count).map(|_| kill(&mut random, agencies.len())).collect()
            }
            Ending::Sigterm => vec![sigterm(&mut random)],
        };
        strikes.sort_by_key(|strike| strike.moment);
        Self {
            bets: random.u32(BETS),
            segment_len: SEGMENT_LENS[random.usize(..SEGMENT_LENS.len())],
            agencies,
            strikes,
        }
    }
}

fn kill(random: &mut Rng, agencies: usize) -> Strike {
    let victim = match random.u8(..10) {
        0..6 => Victim::Central,
        _ => Victim::Agency(random.usize(..agencies)),
    };
    let moment = match random.u8(..6) {
        0 => Moment::Finished(random.usize(1..=agencies)),
        _ => Moment::Acknowledged(random.u64(ACKNOWLEDGED_PERMILLE)),
    };
    let again = victim == Victim::Central && random.u8(..4) == 0;
    let again_ms = random.u64(AGAIN_MS);
    let then_ms = random.u64(THEN_MS);
    Strike { victim, moment, then_ms, again_ms: again.then_some(again_ms) }
}

fn sigterm(random: &mut Rng) -> Strike {
    let moment = Moment::Acknowledged(random.u64(ACKNOWLEDGED_PERMILLE));
    Strike { victim: Victim::Central, moment, then_ms: random.u64(THEN_MS), again_ms: None }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Sigterm => "sigterm",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_the_same_plan_of_the_same_seed_only() {
        for ending in [Ending::Kill, Ending::Sigterm] {
            assert_eq!(Plan::of(7, ending), Plan::of(7, ending));
            assert_ne!(Plan::of(7, ending), Plan::of(8, ending));
        }
    }

    #[test]
    fn plans_every_kind_of_agency_and_strike() {
        let plans: Vec<_> = (0..200).map(|seed| Plan::of(seed, Ending::Kill)).collect();
        let agencies = || plans.iter().flat_map(|plan| &plan.agencies);
        let strikes = || plans.iter().flat_map(|plan| &plan.strikes);
        assert!(agencies().any(|it| it.legacy) && agencies().any(|it| !it.legacy && it.window > 8));
        assert!(strikes().any(|it| it.victim != Victim::Central));
        assert!(strikes().any(|it| it.again_ms.is_some()));
        assert!(strikes().any(|it| matches!(it.moment, Moment::Finished(_))));
        assert!(plans.iter().all(|it| it.strikes.is_sorted_by_key(|strike| strike.moment)));
        let struck = |it: &Plan| it.strikes.iter().any(|it| it.victim == Victim::Central);
        assert!(plans.iter().filter(|it| struck(it)).count() > 150);
    }
}
