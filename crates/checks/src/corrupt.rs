//! The corruptor: damages folders written by a ledger in every way that a disk, a broken copy or an
//! attacker who knows the format might, and checks what must hold for each.
//!
//! The seed determines the folder, the damage and where it strikes. Invariants for each damaged
//! folder:
//!
//! 1. opening refuses damage outside the batches of sealed segments and their indexes, and refuses
//!    exactly what a reader that skips the same parts refuses;
//! 2. when only batches or indexes are damaged, data derived from them is returned as acknowledged
//!    or not at all, and the scrub reports the damage, unless opening rebuilt the index;
//! 3. a folder that a check accepts holds what was written, except for a [`Class`] that only an
//!    outside anchor detects, and for a tail that was never acknowledged.
//!
//! Locates data with [`crate::ledger_bytes`] instead of the ledger's own code.

mod base;
mod harm;

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::disk::simulated::SimulatedDisk;
use ledger::{Archive, Fault, SimulatedEngine};

use crate::ledger_bytes::{RECORDS_AT, is_zero, name};
use crate::stored::{Files, Told, disk_of, files_of, open, read, read_records, shows, tells};
use base::Base;
pub use harm::Harm;

/// How many times a harm tries to change something.
const STRIKES_MAX: usize = 1_000;

/// The outcome for a damaged folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Opening refuses the folder.
    Refused,
    /// The folder opens, the damaged data is not returned, and the scrub reports it.
    Scrubbed,
    /// The folder opens and the damage, in an index, is repaired.
    Mended,
    /// Only bytes that were never acknowledged differ: a torn tail.
    Unacknowledged,
    /// The end is missing after a valid beginning: only an outside anchor detects it.
    Shorter,
    /// All checksums and the chain are recomputed to the end: only an outside anchor detects it.
    Rewritten,
}

/// The damage done to a folder, and the outcome.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The damage, in order.
    pub harms: Vec<Harm>,
    /// The outcome.
    pub class: Class,
}

/// Counts over many folders.
#[derive(Debug, Default)]
pub struct Counts {
    harms: BTreeMap<Harm, u64>,
    classes: BTreeMap<Class, u64>,
}

impl Counts {
    /// Adds one outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        for harm in &outcome.harms {
            *self.harms.entry(*harm).or_default() += 1;
        }
        *self.classes.entry(outcome.class).or_default() += 1;
    }

    /// Returns each kind of damage and outcome with its count.
    #[must_use]
    pub fn by_name(&self) -> Vec<(String, u64)> {
        let harms = self.harms.iter().map(|(harm, count)| (format!("{harm:?}"), *count));
        let classes = self.classes.iter().map(|(class, count)| (format!("-> {class:?}"), *count));
        harms.chain(classes).collect()
    }

    /// Returns the kinds that never occurred but should within a hundred folders.
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

/// Damages one folder and checks the outcome. The seed determines everything.
///
/// # Panics
/// When an invariant is violated.
#[must_use]
pub fn corrupt(seed: u64) -> Outcome {
    let (base, files, harms) = damaged(seed);
    let class = judge(&files, base, &harms);
    Outcome { harms, class }
}

/// Returns the damage that [`corrupt`] does with this seed.
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

/// Applies the harm until something changes, and records it.
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
            shows(&ledger, &told);
            tells(&ledger, &told, false);
            assert!(ledger.scrub_now().is_empty(), "the scrub finds what a check does not");
            drop(ledger);
            let (after, summary) = read(&disk).expect("opening leaves it sound");
            assert!(after == told && summary.torn_bytes == 0, "opening leaves other than it tells");
            sound(files, base, &told, harms)
        }
        Err(fault) => unsound(files, base, ledger, &disk, harms, &fault),
    }
}

/// Classifies a folder that a check accepts, and verifies its contents.
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

/// Classifies a folder that opens although a check finds damage.
fn unsound(
    files: &Files,
    base: &Base,
    ledger: SimulatedEngine,
    disk: &SimulatedDisk,
    harms: &[Harm],
    fault: &Fault,
) -> Class {
    // With several harms, another one may have made it a shorter ledger.
    if let (Some(place), [_]) = (base.differs_where_opening_reads(files), harms) {
        panic!("opened, though {place} is not as it was written; a check finds: {fault}");
    }
    // If only an index is damaged, the records determine what must be returned.
    let records = read_records(&disk_of(files));
    if let Ok(told) = &records {
        sound(files, base, told, harms);
    }
    tells(&ledger, records.as_deref().unwrap_or(&base.told), true);
    let scrubbed = ledger.scrub_now();
    drop(ledger);
    if !scrubbed.is_empty() {
        return Class::Scrubbed;
    }
    // Opening rebuilt an index, and there is no damage left.
    let (told, _) = read(disk).unwrap_or_else(|fault| panic!("nothing reports it: {fault}"));
    sound(files, base, &told, harms)
}

/// Returns whether a file is a segment in use.
fn is_used(file: &[u8]) -> bool {
    file.len() > RECORDS_AT && !is_zero(&file[..512])
}

/// Returns the number of segments in use.
fn used_segments(files: &Files) -> usize {
    (1..).take_while(|number| files.get(&name(*number)).is_some_and(|file| is_used(file))).count()
}
