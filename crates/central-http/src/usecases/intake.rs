//! How many bets each draw had at which time, in all and by agency, for the board's charts.
//!
//! Totals are sampled every few seconds while a draw is open. Every second sample is dropped once
//! there are too many, so that the others stay evenly apart. They are in memory: after a restart
//! only the average until then is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use central::Zone;
use lottery::{AgencyId, DrawId, DrawStatus, Timestamp, View};
use parking_lot::Mutex;

use crate::limits::{
    BOARD_STRIPS_MAX, INTAKE_AGENCY_DRAWS_MAX, INTAKE_AGENCY_SAMPLES_MAX, INTAKE_CELLS_MAX,
    INTAKE_DRAWS_MAX, INTAKE_SAMPLE_TIME, INTAKE_SAMPLES_MAX,
};
use crate::usecases::dated_name::undated;

/// The samples of the newest draws.
#[derive(Debug, Default)]
pub(crate) struct Intake(Mutex<BTreeMap<DrawId, OfDraw>>);

/// The number of bets in a draw at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) bets: u64,
}

/// The bets of the agencies with the most of them, over time.
#[derive(Debug, Default)]
pub(crate) struct Strips {
    /// From the opening on.
    pub(crate) times: Vec<Timestamp>,
    /// The agency with the most bets first.
    pub(crate) agencies: Vec<Strip>,
}

/// The number of bets of an agency at each time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    pub(crate) agency: AgencyId,
    pub(crate) bets: Vec<u32>,
}

#[derive(Debug, Default)]
struct OfDraw {
    /// Its name without the date.
    name: String,
    totals: Series<u64>,
    /// The bets of each agency that has begun, by number; only while the draw is open.
    agencies: Series<Box<[(AgencyId, u32)]>>,
    strips: Arc<Strips>,
}

/// Samples at even distances, and a newest one that is replaced until it is far enough from the one
/// before.
#[derive(Debug)]
struct Series<T> {
    samples: Vec<(Timestamp, T)>,
    /// The distance, in samplings.
    stride: u32,
    /// The number of samplings since the last sample that stays.
    since: u32,
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self { samples: Vec::new(), stride: 1, since: 0 }
    }
}

impl<T> Series<T> {
    /// Adds a sample, and drops every second one if there are then too many.
    fn add(&mut self, at: Timestamp, value: T, is_too_many: impl Fn(&[(Timestamp, T)]) -> bool) {
        if self.since > 0 {
            self.samples.pop();
        }
        self.samples.push((at, value));
        self.since += 1;
        if self.since < self.stride {
            return;
        }
        self.since = 0;
        // Of an odd number the newest one stays.
        if self.samples.len() % 2 == 1 && is_too_many(&self.samples) {
            let mut place = 0;
            self.samples.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride = self.stride.saturating_mul(2);
        }
    }
}

impl Intake {
    /// Samples open draws. Costs as much as the agencies that have begun in the newest of them.
    pub(crate) fn sample(&self, view: &View, zone: Zone, now: Timestamp) {
        let open = view.open_draws();
        let detailed = open.iter().rev().take(INTAKE_AGENCY_DRAWS_MAX).map(|it| it.id).min();
        for status in &open {
            let is_detailed = detailed.is_some_and(|first| status.id >= first);
            let agencies = is_detailed.then(|| agencies_of(view, status.id));
            self.add(status, agencies, zone, now);
        }
        let mut draws = self.0.lock();
        for (id, draw) in draws.iter_mut() {
            let is_open = open.binary_search_by_key(id, |it| it.id).is_ok();
            if !is_open || detailed.is_some_and(|first| *id < first) {
                draw.agencies = Series::default();
            }
        }
        while draws.len() > INTAKE_DRAWS_MAX {
            draws.pop_first();
        }
    }

    fn add(
        &self,
        status: &DrawStatus,
        agencies: Option<Box<[(AgencyId, u32)]>>,
        zone: Zone,
        now: Timestamp,
    ) {
        let mut draws = self.0.lock();
        let name = || undated(status, zone);
        let of_draw = || OfDraw { name: name(), ..OfDraw::default() };
        let draw = draws.entry(status.id).or_insert_with(of_draw);
        draw.totals.add(now, status.bets, |samples| samples.len() > INTAKE_SAMPLES_MAX);
        draw.strips = match (agencies, status.life.opened_at) {
            (Some(agencies), Some(opened_at)) => {
                draw.agencies.add(now, agencies, |samples| {
                    let cells: usize = samples.iter().map(|(_, agencies)| agencies.len()).sum();
                    samples.len() > INTAKE_AGENCY_SAMPLES_MAX || cells > INTAKE_CELLS_MAX
                });
                Arc::new(Strips::of(&draw.agencies.samples, opened_at))
            }
            _ => Arc::default(),
        };
    }

    /// Returns the samples of a draw, from its opening until it was closed. Until the first sample of
    /// an open draw, its total is the last one.
    pub(crate) fn of(&self, status: &DrawStatus, now: Timestamp) -> Vec<Sample> {
        let Some(opened_at) = status.life.opened_at else { return Vec::new() };
        let first = Sample { at: opened_at, bets: 0 };
        let draws = self.0.lock();
        let sampled = draws.get(&status.id).map_or(&[][..], |draw| &draw.totals.samples);
        let closed_at = status.life.closed.as_ref().map(|closing| closing.at);
        // While the draw is open its samples change only when it is sampled.
        let end_at = closed_at.or_else(|| sampled.is_empty().then_some(now));
        let end = end_at.map(|at| Sample { at, bets: status.bets });
        // The rate of too short a time says nothing.
        let step = INTAKE_SAMPLE_TIME.as_secs() * 1000;
        let last = end_at.map_or(u64::MAX, |end| end.0.saturating_sub(step));
        let between = sampled.iter().map(|(at, bets)| Sample { at: *at, bets: *bets });
        let between = between.filter(|it| opened_at < it.at && it.at.0 <= last);
        [first].into_iter().chain(between).chain(end).collect()
    }

    /// Returns the newest earlier draw that has samples and the same name apart from the date.
    pub(crate) fn before(&self, status: &DrawStatus, zone: Zone) -> Option<DrawId> {
        status.life.opened_at?;
        let name = undated(status, zone);
        let draws = self.0.lock();
        let mut earlier = draws.range(..status.id).rev();
        earlier.find(|(_, draw)| draw.name == name).map(|(id, _)| *id)
    }

    /// Returns the bets of a draw's agencies over time; none of one that had too few samples.
    pub(crate) fn strips(&self, draw: DrawId) -> Arc<Strips> {
        self.0.lock().get(&draw).map(|draw| Arc::clone(&draw.strips)).unwrap_or_default()
    }
}

impl Strips {
    fn of(samples: &[(Timestamp, Box<[(AgencyId, u32)]>)], opened_at: Timestamp) -> Self {
        let after = samples.iter().filter(|(at, _)| *at > opened_at);
        let times = [opened_at].into_iter().chain(after.clone().map(|(at, _)| *at));
        let Some((_, newest)) = samples.last() else { return Self::default() };
        let mut most = newest.to_vec();
        most.sort_unstable_by_key(|(agency, bets)| (u32::MAX - bets, *agency));
        most.truncate(BOARD_STRIPS_MAX);
        let strip = |(agency, _): (AgencyId, u32)| {
            let of = |agencies: &[(AgencyId, u32)]| {
                let place = agencies.binary_search_by_key(&agency, |it| it.0);
                place.map_or(0, |place| agencies[place].1)
            };
            let bets = after.clone().map(|(_, agencies)| of(agencies));
            Strip { agency, bets: [0].into_iter().chain(bets).collect() }
        };
        Self { agencies: most.into_iter().map(strip).collect(), times: times.collect() }
    }
}

fn agencies_of(view: &View, draw: DrawId) -> Box<[(AgencyId, u32)]> {
    let begun = view.all_begun(draw).filter(|it| it.bets > 0);
    begun.map(|it| (it.agency, u32::try_from(it.bets).unwrap_or(u32::MAX))).collect()
}

#[cfg(test)]
mod tests {
    use lottery::{Agencies, DrawName, DrawState, DrawTerms, Lifecycle, NumberRange, Schedule};

    use super::*;

    fn named(id: u32, name: &str, bets: u64) -> DrawStatus {
        let terms = DrawTerms {
            name: DrawName::new(name).unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        let life = Lifecycle::announced(Schedule::default(), Timestamp(0));
        let life = Lifecycle { opened_at: Some(Timestamp(1_000)), ..life };
        let (state, id) = (DrawState::Open, DrawId(id));
        DrawStatus { id, terms, state, agencies_finished: 0, batches: 1, bets, life }
    }

    fn status(id: u32, bets: u64) -> DrawStatus {
        named(id, "sorteo", bets)
    }

    fn add(intake: &Intake, status: &DrawStatus, at: u64) {
        intake.add(status, None, Zone::default(), Timestamp(at));
    }

    fn samples(of: &[(u64, u64)]) -> Vec<Sample> {
        of.iter().map(|(at, bets)| Sample { at: Timestamp(*at), bets: *bets }).collect()
    }

    #[test]
    fn a_draw_has_samples_from_its_opening_until_now() {
        let intake = Intake::default();
        assert_eq!(intake.of(&status(1, 7), Timestamp(9_000)), samples(&[(1_000, 0), (9_000, 7)]));
        add(&intake, &status(1, 50), 11_000);
        add(&intake, &status(1, 90), 21_000);
        let now = intake.of(&status(1, 99), Timestamp(22_000));
        assert_eq!(now, samples(&[(1_000, 0), (11_000, 50), (21_000, 90)]));
    }

    #[test]
    fn samples_are_bounded_and_evenly_apart_up_to_the_newest() {
        let intake = Intake::default();
        let step = INTAKE_SAMPLE_TIME.as_secs() * 1000;
        let times = (1..=3 * INTAKE_SAMPLES_MAX as u64).map(|at| 1_000 + at * step);
        let last = times.clone().next_back().unwrap();
        for at in times {
            add(&intake, &status(1, at), at);
            let newest = intake.of(&status(1, at), Timestamp(at)).pop().unwrap();
            assert_eq!(newest, Sample { at: Timestamp(at), bets: at });
        }
        let kept = intake.of(&status(1, last), Timestamp(last));
        let expected = INTAKE_SAMPLES_MAX / 2..=INTAKE_SAMPLES_MAX + 2;
        assert!(expected.contains(&kept.len()), "{}", kept.len());
        // The first is the opening, and the newest one is still replaced.
        let apart: Vec<_> = kept.windows(2).map(|pair| pair[1].at.0 - pair[0].at.0).collect();
        assert!(apart[1..apart.len() - 1].iter().all(|it| *it == 4 * step), "{apart:?}");
    }

    #[test]
    fn the_oldest_draw_is_forgotten() {
        let (intake, view) = (Intake::default(), View::default());
        let draws = u32::try_from(INTAKE_DRAWS_MAX).unwrap();
        (1..=1 + draws).for_each(|id| add(&intake, &status(id, 1), 9_000));
        intake.sample(&view, Zone::default(), Timestamp(9_000));
        assert_eq!(intake.0.lock().len(), INTAKE_DRAWS_MAX);
        assert!(!intake.0.lock().contains_key(&DrawId(1)));
    }

    #[test]
    fn the_newest_earlier_draw_of_the_same_name_is_found() {
        let intake = Intake::default();
        for (id, name) in [(1, "nocturna 31/12"), (2, "nocturna"), (3, "matutina"), (5, "nocturna")]
        {
            add(&intake, &named(id, name, 1), 9_000);
        }
        let before = |id, name| intake.before(&named(id, name, 1), Zone::default());
        // The draws close on the last day of 1969, by the clocks of the lottery.
        assert_eq!(before(4, "nocturna 31/12/1969"), Some(DrawId(2)));
        assert_eq!(before(2, "nocturna"), Some(DrawId(1)));
        assert_eq!(before(4, "matutina"), Some(DrawId(3)));
        assert_eq!(before(3, "matutina"), None);
        assert_eq!(before(4, "vespertina"), None);
    }

    #[test]
    fn the_agencies_with_the_most_bets_have_strips() {
        let intake = Intake::default();
        let column = |bets: &[(u32, u32)]| {
            Some(bets.iter().map(|(agency, bets)| (AgencyId(*agency), *bets)).collect())
        };
        let columns = [column(&[(7, 40)]), column(&[(2, 5), (7, 40), (9, 50)])];
        for (at, column) in [11_000, 21_000].into_iter().zip(columns) {
            intake.add(&status(1, 9), column, Zone::default(), Timestamp(at));
        }
        let strips = intake.strips(DrawId(1));
        assert_eq!(strips.times, [1_000, 11_000, 21_000].map(Timestamp));
        let strip = |agency, bets: &[u32]| Strip { agency: AgencyId(agency), bets: bets.to_vec() };
        assert_eq!(
            strips.agencies,
            [strip(9, &[0, 0, 50]), strip(7, &[0, 40, 40]), strip(2, &[0, 0, 5])]
        );
        // However many agencies and samples there are.
        let many: Vec<_> = (1..=5_000).map(|agency| (agency, agency)).collect();
        for at in 0..1_000 {
            let now = Timestamp(30_000 + at * 10_000);
            intake.add(&status(1, 9), column(&many), Zone::default(), now);
        }
        let strips = intake.strips(DrawId(1));
        assert_eq!(strips.agencies.len(), BOARD_STRIPS_MAX);
        assert_eq!(strips.agencies[0].agency, AgencyId(5_000));
        assert!(strips.times.len() <= INTAKE_AGENCY_SAMPLES_MAX + 2, "{}", strips.times.len());
        // Those of a draw that is no longer open take no more room.
        intake.sample(&View::default(), Zone::default(), Timestamp(99_000));
        assert!(intake.0.lock()[&DrawId(1)].agencies.samples.is_empty());
        assert_eq!(intake.strips(DrawId(1)).agencies.len(), BOARD_STRIPS_MAX);
    }
}
