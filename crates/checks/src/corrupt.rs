//! The corruptor: folders that a ledger wrote, damaged in every way that a disk, a copy gone wrong
//! or a hand that knows the format might, and what must hold of each.
//!
//! A seed decides the folder, the damage and where it strikes. For each damaged folder:
//!
//! 1. opening refuses what is damaged outside the batches of sealed segments and their indexes, and
//!    it refuses just what a reader that leaves the same unread finds;
//! 2. where only those show it, whatever is derived from them is told as it was acknowledged or
//!    not at all, and the scrub reports it, unless opening mended it: an index is derived;
//! 3. what a check calls sound is what was written, but for a [`Class`] that only an outside anchor
//!    shows, and for a tail that was never acknowledged.
//!
//! Deliberately absent: believing the ledger's own code on where things are
//! ([`crate::ledger_bytes`]).

mod base;
mod harm;

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::disk::simulated::SimulatedDisk;
use ledger::{Archive, Fault, SimulatedEngine};
use lottery::{DrawState, ReadError};

use crate::ledger_bytes::{RECORDS_AT, SEGMENT_LEN, is_zero, name};
use crate::stored::{
    DRAW, Files, Told, audit_log, audit_log_in, batches_in, disk_of, files_of, open, read,
    read_records, scan, winners_in,
};
use base::Base;
pub use harm::Harm;

/// How often a harm tries to find something to strike.
const STRIKES_MAX: usize = 1_000;

/// What came of a damaged folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Opening refuses it.
    Refused,
    /// Opened; what is damaged is not told, and the scrub reports it.
    Scrubbed,
    /// Opened, and made whole again: an index.
    Mended,
    /// Only bytes that were never acknowledged are different: a torn tail.
    Unacknowledged,
    /// Nothing is behind a sound beginning: only an outside anchor shows that there was more.
    Shorter,
    /// Rewritten to its end, every sum and the chain anew: only an outside anchor shows it.
    Rewritten,
}

/// What happened to a folder, and what came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was done to it.
    pub harms: Vec<Harm>,
    /// What came of it.
    pub class: Class,
}

/// Counts over many folders.
#[derive(Debug, Default)]
pub struct Counts {
    harms: BTreeMap<Harm, u64>,
    classes: BTreeMap<Class, u64>,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        for harm in &outcome.harms {
            *self.harms.entry(*harm).or_default() += 1;
        }
        *self.classes.entry(outcome.class).or_default() += 1;
    }

    /// What was counted, by name.
    #[must_use]
    pub fn by_name(&self) -> Vec<(String, u64)> {
        let harms = self.harms.iter().map(|(harm, count)| (format!("{harm:?}"), *count));
        let classes = self.classes.iter().map(|(class, count)| (format!("-> {class:?}"), *count));
        harms.chain(classes).collect()
    }

    /// What never happened, and should in a hundred folders.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let classes = [
            Class::Refused,
            Class::Scrubbed,
            Class::Mended,
            Class::Unacknowledged,
            Class::Shorter,
            Class::Rewritten,
        ];
        let harms = Harm::ALL.iter().filter(|harm| !self.harms.contains_key(harm));
        let classes = classes.iter().filter(|class| !self.classes.contains_key(class));
        let harms = harms.map(|harm| format!("{harm:?}"));
        harms.chain(classes.map(|class| format!("{class:?}"))).collect()
    }
}

/// Damages one folder and looks at what comes of it. The seed decides everything.
///
/// # Panics
/// When something that must hold does not.
#[must_use]
pub fn corrupt(seed: u64) -> Outcome {
    let (base, files, harms) = damaged(seed);
    let class = judge(&files, base, &harms);
    Outcome { harms, class }
}

/// What [`corrupt`] does to a folder.
#[must_use]
pub fn harms_of(seed: u64) -> Vec<Harm> {
    damaged(seed).2
}

fn damaged(seed: u64) -> (&'static Base, Files, Vec<Harm>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let base = Base::get(rng.usize(..Base::COUNT));
    let mut files = base.files.clone();
    let at = usize::try_from(seed % Harm::ALL.len() as u64).expect("few");
    let mut harms = Vec::new();
    strike(Harm::ALL[at], &mut files, base, &mut rng, &mut harms);
    assert!(!harms.is_empty(), "{:?} found nothing to strike", Harm::ALL[at]);
    while rng.u8(..4) == 0 && harms.len() < 3 {
        let harm = Harm::ALL[rng.usize(..Harm::ALL.len())];
        strike(harm, &mut files, base, &mut rng, &mut harms);
    }
    (base, files, harms)
}

/// Strikes until something is different; notes that it happened.
fn strike(
    harm: Harm,
    files: &mut Files,
    base: &Base,
    rng: &mut fastrand::Rng,
    harms: &mut Vec<Harm>,
) {
    let before = files.clone();
    for _ in 0..STRIKES_MAX {
        harm.strike(files, base, rng);
        if *files != before {
            return harms.push(harm);
        }
    }
}

fn judge(files: &Files, base: &Base, harms: &[Harm]) -> Class {
    let disk = disk_of(files);
    let check = read(&disk);
    let skim = Archive::open_on(Arc::new(disk.clone())).and_then(|it| it.skim());
    assert!(check.is_err() || skim.is_ok(), "opening refuses what a check finds sound");
    let opened = open(&disk);
    let ledger = match (skim, opened) {
        (Err(found), Err(refused)) => {
            assert_eq!(found.to_string(), refused.to_string(), "one pass, one finding");
            assert!(matches!(refused, Fault::Damage(_) | Fault::NewerFormat { .. }), "{refused}");
            assert!(files_of(&disk) == *files, "something was changed, and not opened");
            return Class::Refused;
        }
        (Ok(_), Ok(ledger)) => ledger,
        (skim, opened) => panic!(
            "opening and a reader that leaves the same unread differ: {:?}, {:?}",
            skim.err(),
            opened.err()
        ),
    };
    match check {
        Ok((told, _)) => {
            tells(&ledger, &told);
            assert!(ledger.scrub_now().is_empty(), "the scrub finds what a check does not");
            drop(ledger);
            let (after, summary) = read(&disk).expect("opening leaves it sound");
            assert!(after == told && summary.torn_bytes == 0, "opening leaves other than it tells");
            sound(files, base, &told, harms)
        }
        Err(fault) => unsound(files, base, ledger, &disk, harms, &fault),
    }
}

/// Judges a folder that a check finds sound, and what is told of it.
fn sound(files: &Files, base: &Base, told: &[Told], harms: &[Harm]) -> Class {
    let same = base.told.iter().zip(told).take_while(|(was, is)| was == is).count();
    base.assert_as_written(files, same);
    if same < told.len() {
        let in_the_last =
            base.places.get(same).is_some_and(|(file, _)| *file == name(used_segments(files)));
        let rewritten = harms.iter().any(|harm| harm.rewrites_the_end(in_the_last));
        assert!(rewritten, "other events than were stored are called sound");
        return Class::Rewritten;
    }
    if same < base.told.len() {
        base.assert_only_an_anchor_shows(files, same);
        return Class::Shorter;
    }
    if base.records_differ(files) { Class::Unacknowledged } else { Class::Mended }
}

/// Judges a folder that was opened though a check finds damage.
fn unsound(
    files: &Files,
    base: &Base,
    ledger: SimulatedEngine,
    disk: &SimulatedDisk,
    harms: &[Harm],
    fault: &Fault,
) -> Class {
    // With more than one, another may have made it a shorter ledger.
    if let (Some(place), [_]) = (base.differs_where_opening_reads(files), harms) {
        panic!("opened, though {place} is not as it was written; a check finds: {fault}");
    }
    // When it is an index only that is damaged, the records say what there is to tell.
    let records = read_records(&disk_of(files));
    if let Ok(told) = &records {
        sound(files, base, told, harms);
    }
    tells_nothing_else(&ledger, records.as_deref().unwrap_or(&base.told));
    let scrubbed = ledger.scrub_now();
    drop(ledger);
    if !scrubbed.is_empty() {
        return Class::Scrubbed;
    }
    // Opening made an index anew, and nothing is wrong any more.
    let (told, _) = read(disk).unwrap_or_else(|fault| panic!("nothing reports it: {fault}"));
    sound(files, base, &told, harms)
}

/// The store tells just this.
fn tells(ledger: &SimulatedEngine, told: &[Told]) {
    assert_eq!(audit_log(ledger).as_deref(), Ok(&audit_log_in(told)[..]));
    let batches = batches_in(told, DRAW);
    match state(ledger) {
        None => return assert!(batches.is_empty()),
        Some(DrawState::Drawn { number }) => {
            assert_eq!(ledger.winners(DRAW), Ok(winners_in(&batches, number)));
        }
        Some(_) => assert_eq!(ledger.winners(DRAW), Err(ReadError::NotDrawn)),
    }
    assert_eq!(scan(ledger, DRAW).as_ref(), Ok(&batches));
}

/// What the store tells is what was acknowledged, or it says that it can't be read.
fn tells_nothing_else(ledger: &SimulatedEngine, told: &[Told]) {
    let unreadable = |why: ReadError| {
        assert!(matches!(&why, ReadError::Unreadable(it) if it.contains("damaged")), "{why}");
    };
    let batches = batches_in(told, DRAW);
    match audit_log(ledger) {
        Ok(found) => assert!(audit_log_in(told) == found, "another audit log is told"),
        Err(why) => unreadable(why),
    }
    match scan(ledger, DRAW) {
        Ok(found) => assert!(batches == found, "other bets are told"),
        Err(why) => unreadable(why),
    }
    match (state(ledger), ledger.winners(DRAW)) {
        (Some(DrawState::Drawn { number }), Ok(found)) => {
            assert_eq!(found, winners_in(&batches, number), "other winners are told");
        }
        (Some(DrawState::Drawn { .. }), Err(why)) => unreadable(why),
        (_, found) => assert!(found.is_err()),
    }
}

fn state(ledger: &SimulatedEngine) -> Option<DrawState> {
    ledger.view().draw(DRAW).map(|draw| draw.state)
}

/// The records of a segment's file, and the rest of its block of the header.
fn records_of(file: &[u8]) -> &[u8] {
    &file[..file.len().min(SEGMENT_LEN)]
}

/// Whether a file is a segment in use.
fn is_used(file: &[u8]) -> bool {
    file.len() > RECORDS_AT && !is_zero(&file[..512])
}

/// The numbers of the segments in use.
fn used_segments(files: &Files) -> usize {
    (1..).take_while(|number| files.get(&name(*number)).is_some_and(|file| is_used(file))).count()
}
