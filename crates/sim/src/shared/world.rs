//! The shared state of a run: the log, its two engines, their clocks, and the faults.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::LedgerId;
use engine::conformance::{Lost, SharedLog, TestClock};
use fastrand::Rng;
use lottery::{Act, Actor, Event, StoreFault, Timestamp};

use super::auditor::Auditor;
use super::events::Events;
use super::races::Races;
use super::rights::Rights;
use super::shown::Shown;
use super::site::{Ask, Book, Site};
use crate::limits::SKEW_MS_MAX;
use crate::setting::pick;
use crate::trace::Trace;
use crate::wrong::{Wrong, wrong};

/// The shared state of a run.
pub(super) struct World {
    pub(super) now: u64,
    pub(super) rng: Rng,
    pub(super) is_faulty: bool,
    pub(super) log: SharedLog,
    pub(super) clocks: [Arc<TestClock>; 2],
    pub(super) skews_ms: [i64; 2],
    /// The tick until which each engine commits nothing, except during the other one's calls.
    pub(super) idle_until: [u64; 2],
    /// The engines; `None` while one is down.
    pub(super) sites: [Option<Site>; 2],
    pub(super) book: Book,
    pub(super) rights: Rights,
    /// The unanswered requests, by number: the engine asked, and when.
    pub(super) asked: BTreeMap<u64, Asked>,
    pub(super) requests: u64,
    pub(super) acts: u64,
    pub(super) auditor: Auditor,
    pub(super) races: Races,
    pub(super) events: Events,
    pub(super) trace: Trace,
}

pub(super) struct Asked {
    pub(super) site: usize,
    pub(super) at: u64,
    pub(super) ask: Ask,
}

impl World {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
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
        }
    }

    /// Sends a request to an engine, if it is up; returns the request's number.
    pub(super) fn ask(&mut self, site: usize, ask: Ask) -> Option<u64> {
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
    pub(super) fn ask_both(&mut self, asks: [Ask; 2]) {
        let [one, other] = asks;
        let (one, other) = (self.ask(0, one), self.ask(1, other));
        if let (Some(one), Some(other)) = (one, other) {
            self.races.begin(one, other);
        }
    }

    /// Returns whether an event that happens once in `rate` ticks happens now.
    pub(super) fn strikes(&mut self, rate: u64) -> bool {
        self.is_faulty && self.rng.u64(..rate) == 0
    }

    /// Returns whether an engine commits a group now: usually yes, with occasional idle periods.
    pub(super) fn commits_now(&mut self, site: usize) -> bool {
        if self.strikes(50) {
            self.idle_until[site] = self.now + self.rng.u64(1..=40);
            self.events.idle += 1;
        }
        let is_idle = self.is_faulty && self.now < self.idle_until[site];
        !is_idle && self.rng.u8(..4) > 0
    }

    /// Returns the time of an engine's clock. A tick is a second, apart from clock jumps.
    pub(super) fn clock(&self, site: usize) -> Timestamp {
        const START_MS: u64 = 1_700_000_000_000;
        Timestamp((START_MS + self.now * 1000).saturating_add_signed(self.skews_ms[site]))
    }

    /// Revokes and restores rights.
    pub(super) fn change_rights(&mut self) {
        let now = self.clock(0);
        let has_ended = self.rights.change(&mut self.rng, self.is_faulty, now);
        self.events.rights_ended += u64::from(has_ended);
    }

    pub(super) fn set_clocks(&mut self) {
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
    pub(super) fn keep_up(&mut self, number: usize) -> Result<(), Wrong> {
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
    pub(super) fn end(&mut self, number: usize) -> Result<(), Wrong> {
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

    pub(super) fn have_faults(&mut self) {
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
    pub(super) fn meanwhile(&mut self) -> Option<impl FnOnce() + Send + 'static> {
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

    pub(super) fn count_at_the_end(&mut self) {
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
