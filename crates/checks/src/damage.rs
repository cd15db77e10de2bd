//! Edits valid ledgers and opens them: either the stored events are returned from the first one on
//! without a gap, or the damage is reported.
//!
//! Input: which ledger, then the edits. Only what docs/reference/ledger.md declares undetectable
//! may go unnoticed: a removed end, and a sector lost in the last group that was written.

use std::sync::OnceLock;

use ledger::Fault;

use crate::decisions::Decisions;
use crate::ledger_bytes::{BLOCK_LEN, SECTOR_LEN, SEGMENT_LEN, is_zero, name};
use crate::stored::{
    Files, SOUND_LEDGERS, disk_of, files_of, open, read, shows, sound_files, takes_a_batch, tells,
};
use crate::written::{Written, records_of};

const EDITS_MAX: usize = 6;
/// Maximum number of bytes that one edit changes, unless it replaces a whole file.
const RUN_LEN_MAX: usize = 3 * BLOCK_LEN;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let sound = sound_ledger(decisions.below(SOUND_LEDGERS));
    let mut files = sound.files.clone();
    for _ in 0..EDITS_MAX {
        if decisions.is_empty() {
            break;
        }
        edit(&mut files, sound, &mut decisions);
    }
    let disk = disk_of(&files);
    let read = read(&disk);
    if let Ok((told, summary)) = &read {
        assert!(sound.told.starts_with(told), "other events than were stored");
        sound.assert_as_written(&files, told.len());
        let all_told = told.len() == sound.told.len();
        if !all_told {
            sound.assert_only_an_anchor_shows(&files, told.len());
        }
        // Removing a last segment without records is also a removed end.
        let all_segments = summary.segments == sound.files.len() as u64;
        let nothing_told = summary.torn_bytes + summary.indexes_missing == 0;
        let whole = all_told && all_segments && nothing_told;
        assert!(!whole || is_all_of(sound, &files), "changed bytes are passed over");
    }
    let opened = open(&disk);
    changed_only_what_it_may(&files, &files_of(&disk), opened.is_ok());
    match opened {
        Ok(ledger) => {
            let records = usize::try_from(ledger.report().records).expect("few");
            assert!(records <= sound.told.len(), "more records than were written");
            if let Ok((told, _)) = &read {
                assert_eq!(records, told.len(), "not those that a reader from outside finds");
            }
            shows(&ledger, &sound.told[..records]);
            tells(&ledger, &sound.told[..records], read.is_err());
            drop(ledger);
            takes_a_batch(&disk, read.as_ref().ok().map(|(told, _)| &told[..]));
        }
        Err(Fault::Damage(_) | Fault::NewerFormat { .. } | Fault::OlderFormat { .. }) => {
            assert!(read.is_err(), "sound for a reader from outside, and not opened");
            assert!(files != sound.files, "nothing was edited");
        }
        Err(fault) => panic!("{fault}"),
    }
}

fn sound_ledger(number: usize) -> &'static Written {
    static LEDGERS: [OnceLock<Written>; SOUND_LEDGERS] = [const { OnceLock::new() }; SOUND_LEDGERS];
    LEDGERS[number].get_or_init(|| Written::new(sound_files(number)))
}

/// Returns whether the files are those that were written, apart from unused segments.
fn is_all_of(sound: &Written, files: &Files) -> bool {
    files.iter().all(|(name, bytes)| match sound.files.get(name) {
        Some(written) => written == bytes,
        None => is_zero(bytes),
    })
}

/// Edits the files as an accident or an attacker might.
fn edit(files: &mut Files, sound: &Written, decisions: &mut Decisions<'_>) {
    let kind = decisions.below(11);
    let (name_of, at) = somewhere(sound, decisions);
    let Some(file) = files.get_mut(&name_of) else { return };
    let unit = decisions.one_of(&[SECTOR_LEN, BLOCK_LEN]);
    let run = at.min(file.len())..(at + decisions.below(RUN_LEN_MAX) + 1).min(file.len());
    match kind {
        0 | 1 if at < file.len() => file[at] ^= 1 << decisions.below(8),
        2 => {
            let bytes = decisions.bytes(run.len().min(64));
            file[run.start..run.start + bytes.len()].copy_from_slice(bytes);
        }
        3 => file[run].fill(0),
        4 => {
            let sectors = run.start / unit * unit..(run.end.next_multiple_of(unit)).min(file.len());
            file[sectors].fill(0);
        }
        5 | 6 => copy_units(files, &name_of, at, sound, unit, kind == 5, decisions),
        7 => file.truncate(at),
        8 => file.extend_from_slice(decisions.bytes(64)),
        // A foreign first segment would begin another, equally valid ledger.
        9 if name_of != name(1) => {
            let other = sound_ledger(decisions.below(SOUND_LEDGERS));
            other.files.get(&name_of).inspect(|foreign| file.clone_from(foreign));
        }
        10 => move_file(files, &name_of, decisions),
        _ => {}
    }
}

/// Returns a position in a file: near the beginning of a structure, or anywhere.
fn somewhere(sound: &Written, decisions: &mut Decisions<'_>) -> (String, usize) {
    let near = usize::from(decisions.byte());
    match decisions.below(4) {
        0 => {
            let (name, place) = &sound.places[decisions.below(sound.places.len())];
            (name.clone(), place.at + near)
        }
        1 => {
            let (name, place) = &sound.places[decisions.below(sound.places.len())];
            (name.clone(), place.at + decisions.below(place.len))
        }
        2 => {
            let number = 1 + decisions.below(sound.files.len());
            (name(number), decisions.one_of(&[0, BLOCK_LEN - 100, SEGMENT_LEN]) + near)
        }
        _ => {
            let number = 1 + decisions.below(sound.files.len());
            (name(number), decisions.below(sound.files[&name(number)].len()))
        }
    }
}

/// Copies a sector or a block to another place, or swaps the two.
fn copy_units(
    files: &mut Files,
    from: &str,
    at: usize,
    sound: &Written,
    unit: usize,
    swap: bool,
    decisions: &mut Decisions<'_>,
) {
    let (to, to_at) = somewhere(sound, decisions);
    let unit_at = |files: &Files, name: &str, at: usize| {
        let start = at / unit * unit;
        files.get(name)?.get(start..start + unit).map(<[u8]>::to_vec)
    };
    let (Some(one), Some(other)) = (unit_at(files, from, at), unit_at(files, &to, to_at)) else {
        return;
    };
    let mut put = |name: &str, at: usize, bytes: &[u8]| {
        let file = files.get_mut(name).expect("it was read from");
        file[at / unit * unit..][..unit].copy_from_slice(bytes);
    };
    put(&to, to_at, &one);
    if swap {
        put(from, at, &other);
    }
}

/// Removes a file, or puts it in the place of another.
fn move_file(files: &mut Files, from: &str, decisions: &mut Decisions<'_>) {
    let (keeps, number) = (decisions.flag(), decisions.below(files.len() + 2));
    let bytes = if keeps { files[from].clone() } else { files.remove(from).unwrap_or_default() };
    // Number 0 removes the file.
    if number > 0 {
        files.insert(name(number), bytes);
    }
}

/// Checks that opening changes no record: it only builds indexes, cuts a torn tail and creates
/// segments. A folder that it refuses must stay unchanged.
fn changed_only_what_it_may(before: &Files, after: &Files, opened: bool) {
    if !opened {
        return assert!(before == after, "something was changed and not opened");
    }
    for (name, before) in before {
        let Some(after) = after.get(name) else {
            // An unused segment is created again when it is needed.
            assert!(is_zero(before), "{name} was removed");
            continue;
        };
        let (before, after) = (records_of(before), records_of(after));
        if !is_zero(before) {
            let pairs = || before.chunks(BLOCK_LEN).zip(after.chunks(BLOCK_LEN));
            let block = pairs().take_while(|(before, after)| before == after).count();
            let differs = |(before, after): (&[u8], &[u8])| {
                before.iter().zip(after).take_while(|(a, b)| a == b).count()
            };
            let cut = block * BLOCK_LEN + pairs().nth(block).map_or(0, differs);
            assert!(is_zero(after.get(cut..).unwrap_or_default()), "{name} was written to");
        }
    }
}
