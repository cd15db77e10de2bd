//! A seeded simulation of two engines that share a log: every guarantee must hold whatever the log
//! does and whichever engine is asked.
//!
//! - Agencies switch between the engines and send to either or both.
//! - Operators and a program with a token act at either or both; their rights may be revoked in the
//!   meantime ([`rights`]).
//! - The clock opens and closes draws; some draws are automatic.
//! - Two requests made at the same moment are decided in either order ([`races`]).
//! - The log ([`SharedLog`](engine::conformance::SharedLog)) is unavailable or full, loses the
//!   answers of commits that were stored or not, and loses entries that could be read. During its
//!   calls the other engine commits or the standby is promoted.
//! - Engines end gracefully or in the middle of a commit.
//!
//! Faults stop after a while; then every draw must complete. The engines, the rules and the views
//! are the production code; the [`auditor`] sees only the events.
//!
//! Does not cover the protocol, connections and disks: the other simulation does.

mod auditor;
mod events;
mod people;
mod races;
mod rights;
mod shown;
mod site;
mod world;

use fastrand::Rng;
use lottery::StoreFault;

pub use self::events::Events;
use self::people::{Agency, Operators};
use self::shown::Shown;
use self::site::{Answer, Ask};
use self::world::{Asked, World};
use crate::limits::{SHARED_END_TIME_MAX, SHARED_FAULTS_TIME};
use crate::run::{Failure, played};
use crate::wrong::{Wrong, wrong};

/// Runs two engines that share a log once. The seed determines everything.
///
/// # Errors
/// When a guarantee is violated or the code panics.
pub fn run_shared(seed: u64) -> Result<Events, Failure> {
    let mut run = Run::new(seed);
    played(|| run.play()).map_err(|Wrong(what)| Failure {
        seed,
        tick: run.world.now,
        what,
        trace: run.world.trace.to_string(),
    })
}

struct Run {
    world: World,
    agencies: Vec<Agency>,
    operators: Operators,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let operators = Operators::new(&mut rng);
        let agencies = Agency::all(&mut rng, &operators);
        Self { world: World::new(rng), agencies, operators }
    }

    fn play(&mut self) -> Result<Events, Wrong> {
        let faults_until = self.world.rng.u64(SHARED_FAULTS_TIME);
        while !self.is_over() {
            self.world.now += 1;
            if self.world.now == faults_until {
                self.world.is_faulty = false;
                self.world.log.heal();
            }
            if self.world.now > faults_until + SHARED_END_TIME_MAX {
                return wrong("the run has not come to its end");
            }
            self.tick()?;
        }
        // The engines commit in turn: a group may contain what the other engine has yet to read.
        for site in [0, 1, 0, 1] {
            self.world.ask(site, Ask::Time);
            self.commit_group(site)?;
        }
        let world = &mut self.world;
        world.auditor.judge()?;
        if let Some(Asked { ask, .. }) = world.asked.values().next() {
            return wrong(format!("{ask:?} was never answered"));
        }
        world.count_at_the_end();
        Ok(world.events)
    }

    fn is_over(&self) -> bool {
        let world = &self.world;
        !world.is_faulty
            && world.asked.is_empty()
            && world.sites.iter().all(Option::is_some)
            && self.operators.are_done(world.auditor.now())
            && self.agencies.iter().all(Agency::is_done)
    }

    fn tick(&mut self) -> Result<(), Wrong> {
        self.world.set_clocks();
        for site in [0, 1] {
            let commits = self.world.log.counts().commits;
            self.world.keep_up(site)?;
            self.judge_reports(commits)?;
        }
        self.world.have_faults();
        for agency in &mut self.agencies {
            agency.step(&mut self.world);
        }
        self.world.change_rights();
        self.operators.step(&mut self.world, &self.agencies);
        let first = self.world.rng.usize(..2);
        for site in [first, 1 - first] {
            if self.world.commits_now(site) {
                if self.world.rng.u8(..4) == 0 {
                    self.world.ask(site, Ask::Time);
                }
                self.commit_group(site)?;
            }
        }
        Ok(())
    }

    fn commit_group(&mut self, number: usize) -> Result<(), Wrong> {
        let commits = self.world.log.counts().commits;
        if let Some(site) = &self.world.sites[number] {
            site.commit_group();
        }
        self.judge_reports(commits)
    }

    /// Checks what the engines reported since the log had `commits` commits: the engine that took
    /// its turn or started, and the other one meanwhile.
    fn judge_reports(&mut self, commits: u64) -> Result<(), Wrong> {
        let world = &mut self.world;
        let has_committed = world.log.counts().commits > commits;
        world.auditor.read(&world.log.durable(), &world.rights)?;
        let (answers, told) = {
            let mut pages = world.book.pages();
            (std::mem::take(&mut pages.answers), std::mem::take(&mut pages.told))
        };
        for told in &told {
            world.trace.note(world.now, "told", [told.site as u64, told.durable as u64]);
            world.auditor.told(told)?;
        }
        for (number, site) in world.sites.iter().enumerate() {
            if let Some(site) = site {
                world.auditor.see(
                    number,
                    &Shown::of(site.view()),
                    world.auditor.durable().len(),
                )?;
            }
        }
        let mut killed = [false; 2];
        for answer in answers {
            let fault = answer.outcome.fault();
            if !matches!(fault, Some(StoreFault::Full(_) | StoreFault::Failed(_))) && !has_committed
            {
                return wrong(format!("answered without a commit: {:?}", answer.outcome));
            }
            let failed = matches!(fault, Some(StoreFault::Failed(_)));
            let asked = self.take_answer(answer)?;
            killed[asked] |= failed;
        }
        for number in [0, 1] {
            if killed[number] {
                let world = &mut self.world;
                world.auditor.killed(&world.log.readable());
                world.end(number)?;
            }
        }
        Ok(())
    }

    /// Checks an answer and passes it to the requester; returns the engine that gave it.
    fn take_answer(&mut self, answer: Answer) -> Result<usize, Wrong> {
        let world = &mut self.world;
        let Some(Asked { site, at, ask }) = world.asked.remove(&answer.request) else {
            return wrong(format!("request {} was answered twice", answer.request));
        };
        world.trace.note(world.now, "answered", [answer.request, site as u64]);
        world.events.not_allowed += u64::from(answer.outcome.is_not_allowed());
        world.auditor.answered(&ask, &answer, &world.rights)?;
        world.events.held += u64::from(at < world.now);
        for agency in &mut self.agencies {
            agency.answered(&ask, &answer.outcome);
        }
        world.races.answered(answer.request, (site, ask), answer.outcome, &mut world.events);
        Ok(site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 100;

    #[test]
    fn many_runs_keep_every_promise_and_go_through_every_race_in_both_orders() {
        let mut events = Events::default();
        for seed in 0..SEEDS {
            events.add(&run_shared(seed).unwrap_or_else(|failure| panic!("{failure}")));
        }
        for (name, count) in events.by_name() {
            assert!(count > 0, "no {name} in {SEEDS} runs");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let runs = || (0..20).map(|seed| run_shared(seed).unwrap()).collect::<Vec<_>>();
        assert_eq!(runs(), runs());
    }
}
