//! Undamaged folders written by a ledger, with their known contents.

use std::ops::Deref;
use std::sync::OnceLock;

use engine::conformance::submit;
use ledger::disk::simulated::{Failure, SimulatedDisk};
use lottery::{Act, AuditedAction, OperatorsChange};

use crate::ledger_bytes::{SEGMENT_LEN, is_zero, name};
use crate::stored::{self, Files, append_group, batch, files_of, make_draw, open, open_draw, read};
use crate::written::{Written, records_of};

use super::{is_used, used_segments};

/// Number of groups of batches. Segments have the minimum length; each group fills a twelfth.
const GROUPS: u32 = 50;
const BETS: u32 = 60;

/// An undamaged folder; see the module documentation.
pub(super) struct Base {
    written: Written,
    /// Earlier states of the folder.
    pub(super) older: Vec<Files>,
}

impl Deref for Base {
    type Target = Written;

    fn deref(&self) -> &Written {
        &self.written
    }
}

impl Base {
    /// The number of different folders.
    pub(super) const COUNT: usize = 4;

    pub(super) fn get(kind: usize) -> &'static Self {
        static BASES: [OnceLock<Base>; Base::COUNT] = [const { OnceLock::new() }; Base::COUNT];
        BASES[kind].get_or_init(|| Self::new(kind))
    }

    fn new(kind: usize) -> Self {
        // Once the draw is made, its close holds a digest of the bets that no harm here recomputes.
        let (disk, mut older) = written(kind == 0);
        let mut files = match kind {
            // Killed right after the rotation to the last segment.
            1 => just_rotated(&mut older),
            // Killed during a write.
            2 => torn(&disk),
            _ => files_of(&disk),
        };
        if kind == 3 {
            // With preallocated segments.
            for _ in 0..2 {
                files.insert(name(files.len() + 1), vec![0; SEGMENT_LEN]);
            }
        }
        let (_, summary) = read(&stored::disk_of(&files)).expect("a sound folder");
        assert_eq!(summary.torn_bytes > 0, kind == 2, "the one that was killed in a write");
        Self { written: Written::new(files), older }
    }

    /// Returns a changed place that opening reads: anything except the batches of indexed segments,
    /// the indexes, and what follows the last record.
    pub(super) fn differs_where_opening_reads(&self, files: &Files) -> Option<String> {
        let (last, place) = self.places.last().expect("there are records");
        let end = place.range().end;
        for (name, written) in &self.files {
            let Some(file) = files.get(name) else {
                // An unused segment may be missing.
                if is_used(written) {
                    return Some(format!("{name}, which is missing,"));
                }
                continue;
            };
            let (file, written) = (records_of(file), records_of(written));
            if file.len() != written.len() {
                return Some(format!("{name}'s length"));
            }
            let differing = (0..file.len()).filter(|at| file[*at] != written[*at]);
            let is_unread = |at: &usize| match name == last {
                true => *at >= end,
                false => self.batch_at(name, *at),
            };
            if let Some(at) = differing.into_iter().find(|at| !is_unread(at)) {
                return Some(format!("byte {at} of {name}"));
            }
        }
        None
    }

    /// Returns whether this byte of a file belongs to a batch.
    fn batch_at(&self, name: &str, at: usize) -> bool {
        let found = self
            .places
            .iter()
            .zip(&self.told)
            .find(|((file, place), _)| file == name && place.range().contains(&at));
        found.is_some_and(|(_, told)| told.text.is_some())
    }

    /// Returns whether anything before the indexes changed.
    pub(super) fn records_differ(&self, files: &Files) -> bool {
        self.files.iter().any(|(name, written)| {
            let file = files.get(name).map_or(&[][..], |file| records_of(file));
            file != records_of(written) && (is_used(written) || !is_zero(file))
        })
    }
}

/// Returns a ledger of several segments, with its draw made if `made`, and its earlier states.
fn written(made: bool) -> (SimulatedDisk, Vec<Files>) {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk).expect("an empty folder");
    assert_eq!(open_draw(&ledger, "sorteo"), stored::DRAW);
    let mut older = Vec::new();
    for chunk in 0..GROUPS {
        append_group(&ledger, chunk, 3, BETS + chunk % 7);
        if chunk % 5 == 0 {
            let revoked = OperatorsChange::RevokeToken(chunk);
            stored::act(&ledger, "ana", Act::Audited(AuditedAction::ChangeOperators(revoked)));
        }
        older.push(files_of(&disk));
    }
    if made {
        make_draw(&ledger);
    }
    drop(ledger);
    (disk, older)
}

/// Returns the folder when its last segment had just received its first group and the previous
/// segment was not sealed yet. Keeps only the older states in `older`.
fn just_rotated(older: &mut Vec<Files>) -> Files {
    let grown = older.windows(2).rposition(|two| used_segments(&two[0]) < used_segments(&two[1]));
    older.truncate(grown.expect("segments were filled") + 2);
    let mut files = older.pop().expect("two at the least");
    let before = name(used_segments(&files) - 1);
    files.get_mut(&before).expect("it is in use").truncate(SEGMENT_LEN);
    files
}

/// Returns the folder after a write of which only some sectors survived.
fn torn(disk: &SimulatedDisk) -> Files {
    let ledger = open(disk).expect("a sound folder");
    let next = open_draw(&ledger, "otro");
    disk.fail_after(0, Failure::NotDurable);
    let batch = lottery::Batch { draw: next, ..batch(1, 0, BETS) };
    let pending = submit(|done| ledger.append(batch, done));
    ledger.commit_group();
    pending.answer().expect_err("the disk failed");
    let mut sector = 0;
    files_of(&disk.crash(&mut || {
        sector += 1;
        sector % 3 != 2
    }))
}
