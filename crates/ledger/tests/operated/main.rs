//! Draws that operators lead, over crashes at every point: what is found again is what the first
//! of the requests give, in their order, and nothing that was answered is missing from it.
//!
//! The comparison is with the log in memory, over which the engine passes its suite too.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod script;

use std::sync::Arc;
use std::sync::mpsc;

use engine::conformance::TestClock;
use fastrand::Rng;
use ledger::disk::simulated::{Failure, SimulatedDisk};
use ledger::{Archive, Fault, SimulatedEngine};
use lottery::{Acted, DrawStatus};

use script::{Script, Shown, is_fault};

/// So short that a script goes over into a second one.
const SEGMENT_LEN: u64 = 96 << 10;
/// Lives with other requests between.
const SEEDS: u64 = 40;
/// Most requests that share a write.
const GROUP_MAX: usize = 4;

/// A ledger and its clock.
struct Opened {
    ledger: SimulatedEngine,
    clock: Arc<TestClock>,
}

fn open(disk: &SimulatedDisk) -> Result<Opened, Fault> {
    let clock = Arc::new(TestClock::default());
    let shown = Arc::clone(&clock) as _;
    let ledger = SimulatedEngine::open_on(Arc::new(disk.clone()), SEGMENT_LEN, shown)?;
    Ok(Opened { ledger, clock })
}

fn shown_by(opened: &Opened) -> Shown {
    Shown::by(&opened.ledger)
}

/// Asks what is left of a script from a place on, a few requests at a time, until the ledger fails;
/// gives how many requests were answered.
fn play(script: &Script, opened: &Opened, from: usize, rng: &mut Rng) -> usize {
    let Opened { ledger, clock } = opened;
    let (sender, receiver) = mpsc::channel();
    let mut answered = from;
    let mut place = from;
    while place < script.asks.len() && answered == place {
        // What shares a group comes at the same time.
        let now = script.asks[place].0;
        clock.set(now);
        let group = script.asks[place..].iter().take_while(|(at, _)| *at == now);
        for (_, ask) in group.take(rng.usize(1..=GROUP_MAX)) {
            ask.clone().put_to(ledger, place, &sender);
            place += 1;
        }
        ledger.commit_group();
        for (of, answer) in receiver.try_iter() {
            if !is_fault(&answer) {
                assert_eq!((of, &answer), (answered, &script.answers[answered]));
                answered += 1;
            }
        }
    }
    answered
}

/// The place in the script that the ledger is at: behind what was answered, and not further than
/// what was asked with it.
fn place_of(script: &Script, shown: &Shown, answered: usize, what: &str) -> usize {
    let last = (answered + GROUP_MAX).min(script.asks.len());
    let is_at = |place: &usize| {
        script.shown[*place] == *shown || script.due.get(*place).is_some_and(|due| due == shown)
    };
    let found = (answered..=last).find(is_at);
    found.unwrap_or_else(|| {
        let (after, found) = (format!("{:#?}", script.shown[answered]), format!("{shown:#?}"));
        let mut lines = after.lines().zip(found.lines());
        let differs = lines.find(|(one, other)| one != other);
        panic!("{what}: {answered} requests were answered; {differs:?}")
    })
}

/// Says whether the life was interrupted.
fn crash_and_go_on(script: &Script, after: u64, failure: Failure, luck: u64) -> bool {
    let what = format!("{failure:?} from operation {after} on, luck {luck}");
    let disk = SimulatedDisk::new();
    disk.fail_after(after, failure);
    let mut rng = Rng::with_seed(after);
    let answered = match open(&disk) {
        Ok(ledger) => play(script, &ledger, 0, &mut rng),
        Err(Fault::Io { .. }) => 0,
        Err(fault) => panic!("{what}: {fault}"),
    };
    let disk = disk.crash(&mut || match luck {
        0 => false,
        1 => true,
        _ => rng.bool(),
    });
    let ledger = open(&disk).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let place = place_of(script, &shown_by(&ledger), answered, &what);
    assert_eq!(play(script, &ledger, place, &mut rng), script.asks.len(), "{what}");
    drop(ledger);
    let ledger = open(&disk).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert_eq!(shown_by(&ledger), *script.shown.last().unwrap(), "{what}");
    drop(ledger);
    let archive = Archive::open_on(Arc::new(disk)).unwrap();
    let summary = archive.check(|_| Ok::<_, Fault>(())).unwrap_or_else(|f| panic!("{what}: {f}"));
    assert_eq!(summary.torn_bytes, 0, "{what}");
    answered < script.asks.len()
}

/// How many times a disk is written while a script is played.
fn operations(script: &Script, seed: u64) -> u64 {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk).unwrap();
    assert_eq!(play(script, &ledger, 0, &mut Rng::with_seed(seed)), script.asks.len());
    disk.operations()
}

#[test]
fn wherever_a_life_is_cut_short_it_goes_on_from_where_it_was() {
    let script = Script::new(None);
    let end = script.shown.last().unwrap();
    assert!(end.statuses().iter().all(DrawStatus::is_published));
    for acted in [Acted::NumberAwaited, Acted::NumbersDiffer, Acted::NumbersAgree(7)] {
        let answer = format!("Ok({acted:?})");
        assert!(script.answers.contains(&answer), "{answer} is not in the script");
    }
    let operations = operations(&script, 0);
    let mut interrupted = 0;
    for after in 0..operations {
        for failure in [Failure::Clean, Failure::NotDurable, Failure::Forgotten] {
            for luck in 0..3 {
                interrupted += u64::from(crash_and_go_on(&script, after, failure, luck));
            }
        }
    }
    assert!(interrupted > operations, "most failures interrupt it: {interrupted}");
}

#[test]
fn so_it_does_whatever_else_people_ask_between() {
    for seed in 0..SEEDS {
        let script = Script::new(Some(seed));
        let mut rng = Rng::with_seed(seed);
        let operations = operations(&script, seed);
        for _ in 0..12 {
            let failures = [Failure::Clean, Failure::NotDurable, Failure::Forgotten];
            let failure = failures[rng.usize(..failures.len())];
            crash_and_go_on(&script, rng.u64(..operations), failure, rng.u64(..3));
        }
    }
}
