//! How many bets each draw had at which time, for the board's chart.
//!
//! A draw's total is sampled every few seconds while the draw is open. Old samples are further apart
//! than new ones, which bounds their number. They are in memory: after a restart only the average
//! until then is known.

use std::collections::BTreeMap;

use lottery::{DrawId, DrawStatus, Timestamp};
use parking_lot::Mutex;

use crate::limits::{INTAKE_DRAWS_MAX, INTAKE_SAMPLE_TIME, INTAKE_SAMPLES_MAX};

/// The samples of the newest draws.
#[derive(Debug, Default)]
pub(crate) struct Intake(Mutex<BTreeMap<DrawId, Vec<Sample>>>);

/// The number of bets in a draw at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) bets: u64,
}

impl Intake {
    /// Samples open draws.
    pub(crate) fn sample(&self, open: &[DrawStatus], now: Timestamp) {
        let mut draws = self.0.lock();
        for status in open {
            let samples = draws.entry(status.id).or_default();
            samples.push(Sample { at: now, bets: status.bets });
            if samples.len() > INTAKE_SAMPLES_MAX {
                let mut at = 0;
                samples.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
            }
        }
        while draws.len() > INTAKE_DRAWS_MAX {
            draws.pop_first();
        }
    }

    /// Returns the samples of a draw, from its opening until it was closed. Until the first sample of
    /// an open draw, its total is the last one.
    pub(crate) fn of(&self, status: &DrawStatus, now: Timestamp) -> Vec<Sample> {
        let Some(opened_at) = status.life.opened_at else { return Vec::new() };
        let first = Sample { at: opened_at, bets: 0 };
        let sampled = self.0.lock().get(&status.id).cloned().unwrap_or_default();
        let closed_at = status.life.closed.as_ref().map(|closing| closing.at);
        // While the draw is open its samples change only when it is sampled.
        let end_at = closed_at.or_else(|| sampled.is_empty().then_some(now));
        let end = end_at.map(|at| Sample { at, bets: status.bets });
        // The rate of too short a time says nothing.
        let step = INTAKE_SAMPLE_TIME.as_secs() * 1000;
        let last = end_at.map_or(u64::MAX, |end| end.0.saturating_sub(step));
        let between = sampled.into_iter().filter(|it| opened_at < it.at && it.at.0 <= last);
        [first].into_iter().chain(between).chain(end).collect()
    }
}

#[cfg(test)]
mod tests {
    use lottery::{Agencies, DrawName, DrawState, DrawTerms, Lifecycle, NumberRange, Schedule};

    use super::*;

    fn status(id: u32, bets: u64) -> DrawStatus {
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        let life = Lifecycle::announced(Schedule::default(), Timestamp(0));
        let life = Lifecycle { opened_at: Some(Timestamp(1_000)), ..life };
        let (state, id) = (DrawState::Open, DrawId(id));
        DrawStatus { id, terms, state, agencies_finished: 0, batches: 1, bets, life }
    }

    fn samples(of: &[(u64, u64)]) -> Vec<Sample> {
        of.iter().map(|(at, bets)| Sample { at: Timestamp(*at), bets: *bets }).collect()
    }

    #[test]
    fn a_draw_has_samples_from_its_opening_until_now() {
        let intake = Intake::default();
        assert_eq!(intake.of(&status(1, 7), Timestamp(9_000)), samples(&[(1_000, 0), (9_000, 7)]));
        intake.sample(&[status(1, 50)], Timestamp(11_000));
        intake.sample(&[status(1, 90)], Timestamp(21_000));
        let now = intake.of(&status(1, 99), Timestamp(22_000));
        assert_eq!(now, samples(&[(1_000, 0), (11_000, 50), (21_000, 90)]));
    }

    #[test]
    fn samples_are_bounded_and_old_ones_are_further_apart() {
        let intake = Intake::default();
        let step = INTAKE_SAMPLE_TIME.as_secs() * 1000;
        let times = (1..=3 * INTAKE_SAMPLES_MAX as u64).map(|at| 1_000 + at * step);
        let last = Timestamp(times.clone().next_back().unwrap());
        times.for_each(|at| intake.sample(&[status(1, at)], Timestamp(at)));
        let kept = intake.of(&status(1, last.0), last);
        assert!(kept.len() <= INTAKE_SAMPLES_MAX + 2, "{}", kept.len());
        let apart = |at: usize| kept[at + 1].at.0 - kept[at].at.0;
        assert!(apart(1) > step && apart(kept.len() - 3) == step, "{kept:?}");
        let draws = u32::try_from(INTAKE_DRAWS_MAX).unwrap();
        (2..=1 + draws).for_each(|id| intake.sample(&[status(id, 1)], last));
        assert_eq!(intake.0.lock().len(), INTAKE_DRAWS_MAX);
        assert!(!intake.0.lock().contains_key(&DrawId(1)), "the oldest draw is forgotten");
    }
}
