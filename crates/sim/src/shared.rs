//! A seeded simulation of two engines that share a log: every guarantee must hold whatever the log
//! does and whichever engine is asked.
//!
//! - Agencies switch between the engines and send to either or both.
//! - Operators and a program with a token act at either or both; their rights may be revoked in the
//!   meantime ([`rights`]).
//! - The clock opens and closes draws; some draws are automatic.
//! - Two requests made at the same moment are decided in either order ([`races`]).
//! - The log ([`SharedLog`]) is unavailable or full, loses the answers of commits that were stored
//!   or not, and loses entries that could be read. During its calls the other engine commits or the
//!   standby is promoted.
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

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::LedgerId;
use engine::conformance::{Lost, SharedLog, TestClock};
use fastrand::Rng;
use lottery::{Act, Actor, Event, StoreFault, Timestamp};

use self::auditor::Auditor;
pub use self::events::Events;
use self::people::{Agency, Operators};
use self::races::Races;
use self::rights::Rights;
use self::shown::Shown;
use self::site::{Answer, Ask, Book, Site};
use crate::limits::{SHARED_END_TIME_MAX, SHARED_FAULTS_TIME, SKEW_MS_MAX};
use crate::run::{Failure, played};
use crate::setting::pick;
use crate::trace::Trace;
use crate::world::{Wrong, wrong};

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

/// The shared state of a run.
struct World {
    now: u64,
    rng: Rng,
    is_faulty: bool,
    log: SharedLog,
    clocks: [Arc<TestClock>; 2],
    skews_ms: [i64; 2],
    /// The tick until which each engine commits nothing, except during the other one's calls.
    idle_until: [u64; 2],
    /// The engines; `None` while one is down.
    sites: [Option<Site>; 2],
    book: Book,
    rights: Rights,
    /// The unanswered requests, by number: the engine asked, and when.
    asked: BTreeMap<u64, Asked>,
    requests: u64,
    acts: u64,
    auditor: Auditor,
    races: Races,
    events: Events,
    trace: Trace,
}

struct Asked {
    site: usize,
    at: u64,
    ask: Ask,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let operators = Operators::new(&mut rng);
        let agencies = Agency::all(&mut rng, &operators);
        let world = World {
            now: 0,
            rng,
            is_faulty: true,
            log: SharedLog::new(LedgerId([7; 16])),
            clocks: Default::default(),
            skews_ms: [0; 2],
            idle_until: [0; 2],
            sites: [None, None],
            book: Book::default(),
            rights: Rights::new(),
            asked: BTreeMap::new(),
            requests: 0,
            acts: 0,
            auditor: Auditor::default(),
            races: Races::default(),
            events: Events::default(),
            trace: Trace::new(),
        };
        Self { world, agencies, operators }
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
        Rights::step(&mut self.world);
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

impl World {
    /// Sends a request to an engine, if it is up; returns the request's number.
    fn ask(&mut self, site: usize, ask: Ask) -> Option<u64> {
        let asked = self.sites[site].as_ref()?;
        self.requests += 1;
        let request = self.requests;
        self.trace.note(self.now, "asked", [request, site as u64]);
        if let Ask::Append(batch) = &ask {
            let chunk = (batch.draw, batch.agency, batch.chunk.0);
            self.auditor.sent(chunk, batch.bets.text());
        }
        if let Ask::Act(recorded, credential) = &ask {
            let version = self.rights.version();
            self.auditor.asked(recorded.why.clone(), (credential.clone(), version));
        }
        asked.ask(request, ask.clone(), &self.log, (&self.rights, &self.clocks[site]));
        self.asked.insert(request, Asked { site, at: self.now, ask });
        Some(request)
    }

    /// Sends a request to each engine at the same moment.
    fn ask_both(&mut self, asks: [Ask; 2]) {
        let [one, other] = asks;
        let (one, other) = (self.ask(0, one), self.ask(1, other));
        if let (Some(one), Some(other)) = (one, other) {
            self.races.begin(one, other);
        }
    }

    /// Returns whether an event that happens once in `rate` ticks happens now.
    fn strikes(&mut self, rate: u64) -> bool {
        self.is_faulty && self.rng.u64(..rate) == 0
    }

    /// Returns whether an engine commits a group now: usually yes, with occasional idle periods.
    fn commits_now(&mut self, site: usize) -> bool {
        if self.strikes(50) {
            self.idle_until[site] = self.now + self.rng.u64(1..=40);
            self.events.idle += 1;
        }
        let is_idle = self.is_faulty && self.now < self.idle_until[site];
        !is_idle && self.rng.u8(..4) > 0
    }

    /// Returns the time of an engine's clock. A tick is a second, apart from clock jumps.
    fn clock(&self, site: usize) -> Timestamp {
        const START_MS: u64 = 1_700_000_000_000;
        Timestamp((START_MS + self.now * 1000).saturating_add_signed(self.skews_ms[site]))
    }

    fn set_clocks(&mut self) {
        if self.strikes(60) {
            let site = self.rng.usize(..2);
            self.skews_ms[site] = self.rng.i64(-SKEW_MS_MAX..=SKEW_MS_MAX);
            self.events.clock_jumps += 1;
        }
        for site in [0, 1] {
            self.clocks[site].set(self.clock(site));
        }
    }

    /// Starts an engine that is down; occasionally ends one that is up.
    fn keep_up(&mut self, number: usize) -> Result<(), Wrong> {
        if self.sites[number].is_some() && self.strikes(80) {
            self.end(number)?;
            self.events.restarts += 1;
        }
        if self.sites[number].is_some() {
            return Ok(());
        }
        let clock = Arc::clone(&self.clocks[number]);
        let Ok(site) = Site::start(number, &self.log, clock, &self.book) else {
            self.events.refused_starts += 1;
            return Ok(());
        };
        self.auditor.read(&self.log.durable(), &self.rights)?;
        let shown = Shown::of(site.view());
        self.sites[number] = Some(site);
        self.auditor.started(number, &shown)
    }

    /// Ends an engine, which refuses all pending requests.
    fn end(&mut self, number: usize) -> Result<(), Wrong> {
        self.sites[number] = None;
        let closed = std::mem::take(&mut self.book.pages().answers);
        for answer in closed {
            let is_closed = matches!(answer.outcome.fault(), Some(StoreFault::Closed));
            let asked = self.asked.remove(&answer.request);
            let Some(asked) = asked.filter(|asked| is_closed && asked.site == number) else {
                return wrong(format!("answered by an end: {:?}", answer.outcome));
            };
            self.auditor.answered(&asked.ask, &answer, &self.rights)?;
        }
        Ok(())
    }

    fn have_faults(&mut self) {
        if self.strikes(25) {
            self.log.be_away(self.rng.u32(1..=6));
        }
        if self.strikes(12) {
            self.log.cut_begin();
        }
        if self.strikes(40) {
            self.log.set_full(true);
        } else if !self.is_faulty || self.rng.u8(..6) == 0 {
            self.log.set_full(false);
        }
        if self.strikes(12) {
            self.log.promote();
        }
        if self.strikes(12) {
            self.log.refuse_commit();
        }
        if self.strikes(6) {
            let lost = *pick(&mut self.rng, &[Lost::NotStored, Lost::Readable, Lost::Durable]);
            if self.rng.u8(..8) == 0 {
                self.log.kill_in_commit(lost);
            } else {
                self.log.lose_answer(lost);
                if let Some(hook) = self.meanwhile() {
                    self.log.before_settling(hook);
                }
            }
        }
        if self.strikes(12)
            && let Some(hook) = self.meanwhile()
        {
            self.log.before_commit(hook);
        }
    }

    /// Returns what happens during a call of the log: the other engine commits, the standby is
    /// promoted, or the log becomes unavailable for a while.
    fn meanwhile(&mut self) -> Option<impl FnOnce() + Send + 'static> {
        let site = self.rng.usize(..2);
        self.ask(site, Ask::Time)?;
        let committer = self.sites[site].as_ref()?.committer().clone();
        let log = self.log.clone();
        let mut steps: Vec<_> = (0..self.rng.usize(1..=3)).map(|_| self.rng.u8(..6)).collect();
        if self.rng.u8(..3) == 0 {
            // The engine reads entries that are then lost.
            steps = vec![5, 2];
        }
        Some(move || {
            for step in steps {
                match step {
                    0 | 1 => committer.commit_unless_committing(),
                    2 | 3 => log.promote(),
                    4 => log.be_away(2),
                    _ => {
                        // The engine then knows entries that may be lost.
                        log.refuse_commit();
                        committer.commit_unless_committing();
                    }
                }
            }
        })
    }

    fn count_at_the_end(&mut self) {
        self.events.add_of_log(&self.log.counts());
        for by in self.auditor.drawn() {
            let count = [&mut self.events.drawn_by_first, &mut self.events.drawn_by_second];
            *count.into_iter().nth(by).expect("there are two") += 1;
        }
        let mut closing_times = Vec::new();
        for entry in self.auditor.durable() {
            let Event::Acted(recorded) = &entry.event else { continue };
            match (&recorded.act, &recorded.by) {
                (Act::Announce { schedule, .. }, _) => closing_times.push(schedule.closes_at),
                (Act::Edit { .. } | Act::Cancel(_), _) => self.events.mended += 1,
                (Act::Reopen { .. }, _) => self.events.reopened += 1,
                (Act::CorrectNumber { .. }, _) => self.events.corrected += 1,
                (Act::Void(_), _) => self.events.voided += 1,
                (Act::Close(_), Actor::Clock) => self.events.closed_by_clock += 1,
                (Act::Close(_), _) => {
                    let early = closing_times.iter().flatten().any(|at| entry.at < *at);
                    self.events.closed_before_clock += u64::from(early);
                }
                _ => {}
            }
        }
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
