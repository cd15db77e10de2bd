//! Long lives of a ledger from a seed: everything that a disk may do to it, in any order, and
//! after each opening a comparison with what it had acknowledged.
//!
//! `LEDGER_SEED=7 cargo test -p ledger --test long_runs` lives the life of one seed again.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails should say so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use engine::conformance::TestClock;
use fastrand::Rng;
use ledger::disk::Disk as _;
use ledger::disk::simulated::{Failure, Operation, SimulatedDisk};
use ledger::{Archive, Fault, SimulatedEngine};
use lottery::{
    Agencies, AgencyId, Batch, Bets, ChunkId, DrawId, DrawName, DrawState, DrawTerms, NumberRange,
    ProgressError, SealedNumber, StoreFault, Timestamp,
};

const SEEDS: u64 = 150;
const STEPS: usize = 250;
/// Errors of a system that has no memory or descriptors for now, or was interrupted: Linux's
/// numbers.
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const EINTR: i32 = 4;
const SEGMENT_LEN: u64 = 96 << 10;
const AGENCIES: u32 = 3;
const WINNING_NUMBER: u32 = 7;

/// A batch by draw, agency and chunk.
type Key = (u32, u32, u32);

/// What was asked, and what must therefore be so.
#[derive(Default)]
struct Account {
    sent: BTreeMap<Key, String>,
    acknowledged: BTreeSet<Key>,
    opened: u32,
    finished: BTreeSet<(u32, u32)>,
}

/// What was asked of the ledger and said to be done.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Open(u32),
    Append(Key),
    Finish(u32, u32),
}

type Answers = (Sender<(Asked, Result<(), Option<StoreFault>>)>, Receiver<Answer>);
type Answer = (Asked, Result<(), Option<StoreFault>>);

struct Life {
    seed: u64,
    rng: Rng,
    disk: SimulatedDisk,
    ledger: Option<SimulatedEngine>,
    account: Account,
    answers: Answers,
    /// This ledger said that it failed for good.
    failed: bool,
    /// Draws are brought to their end.
    ending: bool,
    /// What happened, so that a test shows what it went through.
    seen: BTreeMap<&'static str, u64>,
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::with_seed(seed),
            disk: SimulatedDisk::new(),
            ledger: None,
            account: Account::default(),
            answers: mpsc::channel(),
            failed: false,
            ending: false,
            seen: BTreeMap::new(),
        }
    }

    fn live(&mut self) {
        for step in 0..STEPS {
            self.ending = step > STEPS * 3 / 4;
            if self.ledger.is_none() {
                self.disturb_opening();
                self.open();
                continue;
            }
            match self.rng.u8(..100) {
                0..75 => self.ask(),
                75..90 => self.commit_group(),
                90..92 => self.close_in_order(),
                92..94 => self.kill(),
                94..96 => self.lose_power(),
                96..98 => self.fail_soon(),
                _ => self.change_room(),
            }
        }
        self.lose_power();
        self.disk.limit_room(None);
        self.open();
        self.close_in_order();
        self.flip_bits();
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn ask(&mut self) {
        let ledger = self.ledger.as_ref().unwrap();
        let draw = self.rng.u32(1..=2);
        let agency = self.rng.u32(1..=AGENCIES);
        let id = DrawId(draw);
        if self.account.opened < 2 && self.rng.bool() {
            let draw = self.account.opened + 1;
            let done = answer(&self.answers.0, Asked::Open(draw));
            return ledger.open_draw(terms(draw), SealedNumber(WINNING_NUMBER), done);
        }
        let others = if self.ending { 30 } else { 300 };
        match self.rng.u32(..others) {
            0 => {
                let done = answer(&self.answers.0, Asked::Finish(draw, agency));
                ledger.finish(id, AgencyId(agency), done);
            }
            _ => {
                let before = self.account.sent.range((draw, agency, 0)..(draw, agency, u32::MAX));
                let next = before.last().map_or(0, |((_, _, chunk), _)| chunk + 1);
                // Sometimes one sent before, sometimes one ahead of its turn.
                let chunk = match self.rng.u8(..8) {
                    0 => self.rng.u32(0..=next),
                    1 => next + self.rng.u32(..3),
                    _ => next,
                };
                let key = (draw, agency, chunk);
                let text = text_of(key, &mut self.rng);
                let text = self.account.sent.entry(key).or_insert(text);
                let bets = Bets::parse(text, NumberRange::default());
                let bets = if text.is_empty() { Bets::none() } else { bets.unwrap() };
                let batch =
                    Batch { draw: id, agency: AgencyId(agency), chunk: ChunkId(chunk), bets };
                ledger.append(batch, answer(&self.answers.0, Asked::Append(key)));
            }
        }
    }

    fn commit_group(&mut self) {
        self.ledger.as_ref().unwrap().commit_group();
        self.take_answers();
    }

    fn take_answers(&mut self) {
        let answers: Vec<Answer> = self.answers.1.try_iter().collect();
        for (asked, answer) in answers {
            match answer {
                Ok(()) => {
                    assert!(!self.failed, "{asked:?} was acknowledged after a failure");
                    self.account.note(asked);
                    self.saw("acknowledged");
                }
                Err(Some(StoreFault::Failed(_))) => {
                    self.failed = true;
                    self.saw("failed");
                }
                Err(Some(StoreFault::Full(_))) => self.saw("full"),
                Err(Some(StoreFault::Closed)) => self.saw("closed"),
                Err(None) => self.saw("refused"),
            }
        }
    }

    /// Has something go wrong in the opening that comes.
    fn disturb_opening(&mut self) {
        match self.rng.u8(..10) {
            0 => self.fail_soon(),
            1 => {
                self.disk.fail_reads_after(self.rng.u64(..20));
                self.saw("read failures");
            }
            2 => self.flip_bits(),
            _ => {}
        }
    }

    fn open(&mut self) {
        self.failed = false;
        let disk: Arc<SimulatedDisk> = Arc::new(self.disk.clone());
        match SimulatedEngine::open_on(disk, SEGMENT_LEN, Arc::new(TestClock::at(AT))) {
            Ok(ledger) => {
                if ledger.report().cut_bytes > 0 {
                    self.saw("torn tails");
                }
                self.ledger = Some(ledger);
                self.check();
            }
            Err(Fault::Io { .. }) => {
                self.saw("openings refused");
                self.disk.stop_failing();
                self.disk.limit_room(None);
            }
            Err(fault) => panic!("{fault}"),
        }
    }

    fn close_in_order(&mut self) {
        self.leave();
        self.saw("orderly ends");
    }

    fn kill(&mut self) {
        self.leave();
        self.disk.stop_failing();
        self.saw("kills");
    }

    fn lose_power(&mut self) {
        if self.rng.bool() {
            // In the middle of a write.
            self.disk.fail_after(self.rng.u64(..2), Failure::NotDurable);
            if let Some(ledger) = &self.ledger {
                ledger.commit_group();
            }
        }
        self.leave();
        let luck = self.rng.u8(..4);
        let rng = &mut self.rng;
        self.disk = self.disk.crash(&mut || match luck {
            0 => false,
            1 => true,
            _ => rng.bool(),
        });
        self.saw("power losses");
    }

    /// The process ends: what is pending gets its answer or none, as luck has it.
    fn leave(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            drop(ledger);
            self.take_answers();
        }
    }

    fn fail_soon(&mut self) {
        let failures = [Failure::Clean, Failure::NotDurable, Failure::Forgotten];
        let failure = failures[self.rng.usize(..failures.len())];
        self.disk.fail_after(self.rng.u64(..12), failure);
        self.saw("failures");
    }

    fn change_room(&mut self) {
        let room = self.disk.used() + self.rng.u64(..40_000);
        self.disk.limit_room(self.rng.bool().then_some(room));
        let most = 4096 + self.rng.usize(..20_000);
        self.disk.limit_writes(self.rng.bool().then_some(most));
        let operation = [Operation::Create, Operation::Allocate][self.rng.usize(..2)];
        let errno = [EINTR, ENOMEM, EMFILE][self.rng.usize(..3)];
        self.disk.refuse(operation, errno, self.rng.u64(..3));
        self.saw("changes of room");
    }

    /// Flips one bit of what is durable, sees that it is found, and puts it back.
    fn flip_bits(&mut self) {
        self.disk.stop_failing();
        let names = self.disk.names().unwrap();
        for name in names {
            let bytes = self.disk.contents(&name);
            let records = &bytes[..bytes.len().min(usize::try_from(SEGMENT_LEN).unwrap())];
            let Some(last) = records.iter().rposition(|&byte| byte != 0) else { continue };
            let torn = check(&self.disk).is_ok_and(|torn_bytes| torn_bytes > 0);
            if torn {
                return;
            }
            let offset = self.rng.usize(..=last);
            // What may be a newer version has its own answer, and the end its own test.
            if (8..12).contains(&offset) {
                continue;
            }
            self.disk.flip(&name, offset, 1 << self.rng.u8(..8));
            let found = check(&self.disk);
            let Err(Fault::Damage(damage)) = found else {
                panic!("a bit of byte {offset} of {name} was flipped: {found:?}");
            };
            assert_eq!(damage.file, name, "byte {offset}: {damage}");
            self.disk.flip(&name, offset, bytes[offset] ^ self.disk.contents(&name)[offset]);
            self.saw("flipped bits");
        }
    }

    fn check(&mut self) {
        let ledger = self.ledger.as_ref().unwrap();
        let (sender, receiver) = mpsc::channel();
        let (draw, agency) = (DrawId(1), AgencyId(1));
        ledger.progress(draw, agency, Box::new(move |it| sender.send(it).unwrap()));
        ledger.commit_group();
        if let Err(ProgressError::Store(_)) = receiver.recv().unwrap() {
            self.failed = true;
            return;
        }
        let statuses: Vec<_> = ledger.view().all_draws().collect();
        let mut found = BTreeMap::new();
        for status in &statuses {
            let scanned = ledger.scan(status.id, &mut |batch| {
                let key = (batch.draw.0, batch.agency.0, batch.chunk.0);
                let twice = found.insert(key, batch.text.to_owned());
                assert_eq!(twice, None, "{key:?} is stored twice");
                ControlFlow::Continue(())
            });
            if scanned.is_err() {
                return self.saw("unreadable");
            }
        }
        let account = &self.account;
        assert!(statuses.len() >= account.opened as usize, "a draw is lost");
        for key in &account.acknowledged {
            assert!(found.contains_key(key), "{key:?} was acknowledged, and lost");
        }
        for (key, text) in &found {
            assert_eq!(account.sent.get(key), Some(text), "{key:?} was never sent so");
        }
        for status in &statuses {
            let draw = status.id.0;
            let finished = account.finished.iter().filter(|(of, _)| *of == draw).count() as u64;
            assert!(status.agencies_finished >= finished, "a FINISH is lost");
            let stored = found.range((draw, 0, 0)..(draw + 1, 0, 0)).count() as u64;
            assert_eq!(status.batches, stored);
            let expected = match status.agencies_finished {
                finished if finished == u64::from(AGENCIES) => {
                    DrawState::Drawn { number: WINNING_NUMBER }
                }
                _ => DrawState::Open,
            };
            assert_eq!(
                (status.state, status.is_published()),
                (expected, expected != DrawState::Open)
            );
            if status.is_published() {
                self.check_winners(draw, &found);
            }
        }
        self.saw("checks");
    }

    fn check_winners(&self, draw: u32, found: &BTreeMap<Key, String>) {
        let Ok(winners) = self.ledger.as_ref().unwrap().winners(DrawId(draw)) else { return };
        for agency in 1..=AGENCIES {
            let batches = found.range((draw, agency, 0)..(draw, agency + 1, 0));
            let bets = batches.flat_map(|(_, text)| text.split('&'));
            let won = bets.filter(|bet| bet.ends_with(&format!("|{WINNING_NUMBER}")));
            let mut expected: Vec<_> = won.map(|bet| bet.split('|').nth(2).unwrap()).collect();
            let documents = winners.of(AgencyId(agency));
            let mut given: Vec<_> = documents.iter().flat_map(|of| of.iter()).collect();
            expected.sort_unstable();
            given.sort_unstable();
            assert_eq!(given, expected, "winners of agency {agency} in draw {draw}");
        }
    }
}

impl Account {
    fn note(&mut self, asked: Asked) {
        match asked {
            Asked::Open(draw) => self.opened = self.opened.max(draw),
            Asked::Append(key) => drop(self.acknowledged.insert(key)),
            Asked::Finish(draw, agency) => drop(self.finished.insert((draw, agency))),
        }
    }
}

/// Says on the way out of a failed test which seed it was.
impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: LEDGER_SEED={} cargo test -p ledger --test long_runs", self.seed);
        }
    }
}

const AT: Timestamp = Timestamp(1_700_000_000_000);

/// A completion that keeps of an outcome what the account needs.
fn answer<T, E: Into<Refused>>(
    answers: &Sender<Answer>,
    asked: Asked,
) -> Box<dyn FnOnce(Result<T, E>) + Send> {
    let answers = answers.clone();
    Box::new(move |outcome| {
        let kept = outcome.map(drop).map_err(|error| error.into().0);
        // The receiver is gone only when the test has failed.
        let _ = answers.send((asked, kept));
    })
}

/// The store's fault behind a refusal, if it was one.
struct Refused(Option<StoreFault>);

macro_rules! refused_by {
    ($($error:ident),+) => {
        $(impl From<lottery::$error> for Refused {
            fn from(error: lottery::$error) -> Self {
                match error {
                    lottery::$error::Store(fault) => Self(Some(fault)),
                    _ => Self(None),
                }
            }
        })+
    };
}

refused_by!(OpenDrawError, AppendError, FinishError);

fn check(disk: &SimulatedDisk) -> Result<u64, Fault> {
    let archive = match Archive::open_on(Arc::new(disk.clone())) {
        Err(Fault::NoLedger) => return Ok(0),
        archive => archive?,
    };
    archive.check(|_| Ok::<_, Fault>(())).map(|summary| summary.torn_bytes)
}

/// Mostly short, sometimes empty, sometimes as long as a batch may be.
fn text_of((draw, agency, chunk): Key, rng: &mut Rng) -> String {
    let bets = match rng.u8(..10) {
        0 => 0,
        1 => 120,
        _ => rng.u32(1..40),
    };
    let mut text = String::new();
    for bet in 0..bets {
        let separator = if bet == 0 { "" } else { "&" };
        let number = rng.u32(..50);
        let document = format!("{draw}{agency}{chunk:04}{bet:03}");
        write!(text, "{separator}Zoë {bet}|Díaz|{document}|1990-01-02|{number}").unwrap();
    }
    text
}

fn terms(draw: u32) -> DrawTerms {
    DrawTerms {
        name: DrawName::new(format!("sorteo {draw}")).unwrap(),
        agencies: Agencies::first(AGENCIES).unwrap(),
        numbers: NumberRange::default(),
    }
}

#[test]
fn a_ledger_that_goes_through_everything_keeps_what_it_acknowledged_and_nothing_else() {
    let seeds = match std::env::var("LEDGER_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let all = seeds.end - seeds.start == SEEDS;
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let mut life = Life::new(seed);
        life.live();
        life.seen.iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    let kinds = [
        "acknowledged",
        "refused",
        "failed",
        "full",
        "closed",
        "torn tails",
        "read failures",
        "openings refused",
        "orderly ends",
        "kills",
        "power losses",
        "failures",
        "changes of room",
        "flipped bits",
        "checks",
    ];
    for kind in kinds {
        assert!(!all || seen.get(kind).is_some_and(|times| *times > 0), "no {kind} in any life");
    }
}
