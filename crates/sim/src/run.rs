//! Runs one simulation tick by tick until every agency has its winners or a check fails.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;
use thiserror::Error;

use crate::agency::Agency;
use crate::auditor::Auditor;
use crate::central::Central;
use crate::damage;
use crate::faults::Faults;
use crate::limits::END_TIME_MAX;
use crate::network::Network;
use crate::rogue::Rogue;
use crate::setting::Setting;
use crate::trace::Trace;
use crate::world::World;
use crate::wrong::{Wrong, wrong};

/// The result of a successful run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The faults that occurred.
    pub faults: Faults,
    /// Duration of the run in ticks.
    pub ticks: u64,
    /// Number of agencies.
    pub agencies: u64,
    /// Number of batches in the ledger at the end.
    pub batches: u64,
    /// Number of bets in those batches.
    pub bets: u64,
    /// Digest of all events: equal for every run of the same seed.
    pub trace: u64,
}

/// A failed run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("seed {seed}, tick {tick}: {what}\nwhat happened last:\n{trace}")]
pub struct Failure {
    /// The run's seed, which reproduces the failure.
    pub seed: u64,
    /// The tick at which the failure was detected.
    pub tick: u64,
    /// What went wrong.
    pub what: String,
    /// The last events before the failure.
    pub trace: String,
}

/// Runs the whole system once. The seed determines everything.
///
/// # Errors
/// When a guarantee is violated or the code panics.
pub fn run(seed: u64) -> Result<Outcome, Failure> {
    let mut rng = Rng::with_seed(seed);
    let setting = Setting::new(&mut rng);
    let mut run = Run::new(rng, &setting);
    let outcome = played(|| run.play());
    let world = &run.world;
    outcome.map_err(|Wrong(what)| Failure {
        seed,
        tick: world.now,
        what,
        trace: world.trace.to_string(),
    })
}

/// Runs `play`; a panic counts as a failure.
pub(crate) fn played<T>(play: impl FnOnce() -> Result<T, Wrong>) -> Result<T, Wrong> {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        wrong(format!("a panic: {}", text.unwrap_or("without a text")))
    })
}

struct Run<'a> {
    setting: &'a Setting,
    world: World,
    central: Central<'a>,
    agencies: Vec<Agency<'a>>,
    rogue: Rogue,
}

impl<'a> Run<'a> {
    fn new(rng: Rng, setting: &'a Setting) -> Self {
        let world = World {
            now: 0,
            rng,
            network: Network::default(),
            auditor: Auditor::new(setting),
            faults: Faults::default(),
            trace: Trace::new(),
            central_up: false,
            draws_open: 1,
            bound: BTreeMap::new(),
            faulty: true,
            clock_error_ms: 0,
        };
        let agencies = setting.files.iter();
        let agencies = agencies.map(|file| Agency::new(file, setting.frame_len_max)).collect();
        let (central, rogue) = (Central::new(setting), Rogue::default());
        Self { setting, world, central, agencies, rogue }
    }

    fn play(&mut self) -> Result<Outcome, Wrong> {
        while !self.is_over() {
            if self.world.now > self.setting.faults_until + END_TIME_MAX {
                return wrong("the run has not come to its end");
            }
            self.tick()?;
        }
        let world = &mut self.world;
        let disk = self.central.shut_down(world)?;
        let holdings = world.auditor.judge(&disk)?;
        damage::is_noticed(&disk, self.setting, &mut world.faults)?;
        world.faults.segments_filled += holdings.segments - 1;
        world.note("the run ends", [holdings.batches, holdings.bets]);
        Ok(Outcome {
            faults: world.faults,
            ticks: world.now,
            agencies: self.setting.agencies.into(),
            batches: holdings.batches,
            bets: holdings.bets,
            trace: world.trace.digest(),
        })
    }

    /// Returns whether every agency is done, or can only wait for a draw that never takes place.
    fn is_over(&self) -> bool {
        let without_draw = !self.world.faulty && self.world.auditor.someone_gave_up();
        let waits = |agency: &Agency<'_>| agency.is_done() || (without_draw && agency.only_waits());
        self.agencies.iter().all(waits)
    }

    fn tick(&mut self) -> Result<(), Wrong> {
        let (world, rates) = (&mut self.world, self.setting.rates);
        world.now += 1;
        world.faulty = world.now < self.setting.faults_until;
        if world.faulty {
            let (rng, faults) = (&mut world.rng, &mut world.faults);
            world.network.cut_some(rng, world.now, rates.cut, faults);
        }
        world.disturb_clock();
        let mut order: Vec<usize> = (0..self.agencies.len()).collect();
        world.rng.shuffle(&mut order);
        for at in order {
            if world.strikes(rates.agency_crash) {
                self.agencies[at].crash(world);
            }
            self.agencies[at].step(world)?;
        }
        self.rogue.step(self.setting, world)?;
        self.central.step(world)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 300;

    #[test]
    fn many_runs_keep_every_promise_and_go_through_every_fault() {
        let mut faults = Faults::default();
        for seed in 0..SEEDS {
            let outcome = run(seed).unwrap_or_else(|failure| panic!("{failure}"));
            faults.add(&outcome.faults);
        }
        for (name, count) in faults.by_name() {
            assert!(count > 0, "no {name} in {SEEDS} runs");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let runs: Vec<_> = (0..20).map(|seed| run(seed).unwrap()).collect();
        let again: Vec<_> = (0..20).map(|seed| run(seed).unwrap()).collect();
        assert_eq!(runs, again);
        assert_ne!(runs[0].trace, runs[1].trace);
    }
}
