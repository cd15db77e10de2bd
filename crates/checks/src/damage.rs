//! Edits valid ledgers and opens them: either the stored events are returned from the first one on
//! without a gap, or the damage is reported.
//!
//! Input: which ledger, then the edits. Only what docs/ledger.md declares undetectable may go
//! unnoticed: a removed end, and a sector lost in the last group that was written.

use std::sync::OnceLock;

use ledger::{Fault, SimulatedEngine};
use lottery::{DrawState, Draws, ReadError};

use crate::decisions::Decisions;
use crate::ledger_bytes::{
    BLOCK_LEN, RECORD_HEADER_LEN, RecordPlace, SECTOR_LEN, SEGMENT_LEN, is_zero, name, records_in,
};
use crate::stored::{
    DRAW, Files, SOUND_LEDGERS, Told, audit_log, audit_log_in, batches_in, call, disk_of, files_of,
    open, read, scan, sound_files, takes_a_batch, winners_in,
};

const EDITS_MAX: usize = 6;
/// Maximum number of bytes that one edit changes, unless it replaces a whole file.
const RUN_LEN_MAX: usize = 3 * BLOCK_LEN;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let sound = Sound::get(decisions.below(SOUND_LEDGERS));
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
        let lost = sound.lost(&files, told.len());
        assert_eq!(told.len(), sound.intact(&files), "an event passed over, or one from nowhere");
        assert!(lost.is_none_or(|lost| lost.may_be_passed_over(&files)), "damage is passed over");
        // Removing a last segment without records is also a removed end.
        let all_segments = summary.segments == sound.files.len() as u64;
        let nothing_told = summary.torn_bytes + summary.indexes_missing == 0;
        let whole = lost.is_none() && all_segments && nothing_told;
        assert!(!whole || sound.is_all_of(&files), "changed bytes are passed over");
    }
    let opened = open(&disk);
    changed_only_what_it_may(&files, &files_of(&disk), opened.is_ok());
    match opened {
        Ok(ledger) => {
            tells_the_truth(&ledger, sound, read.as_ref().ok().map(|(told, _)| told.len()));
            drop(ledger);
            takes_a_batch(&disk, read.is_ok());
            if let Ok((told, _)) = read {
                let (now, summary) = crate::stored::read(&disk).expect("it is sound still");
                assert!(now.len() == told.len() + 2 && now.starts_with(&told), "other events");
                let mended = summary.torn_bytes + summary.indexes_missing == 0;
                assert!(mended, "opening leaves something half done");
            }
        }
        Err(Fault::Damage(_) | Fault::NewerFormat { .. } | Fault::OlderFormat { .. }) => {
            assert!(read.is_err(), "sound for a reader from outside, and not opened");
            assert!(files != sound.files, "nothing was edited");
        }
        Err(fault) => panic!("{fault}"),
    }
}

/// A ledger as it was written.
struct Sound {
    files: Files,
    told: Vec<Told>,
    /// The position of each record.
    places: Vec<(String, RecordPlace)>,
}

/// The first missing record.
#[derive(Clone, Copy)]
struct Lost<'a> {
    file: &'a str,
    place: RecordPlace,
    /// Whether an intact record was written after this one had become durable.
    witnessed: bool,
}

impl Sound {
    fn get(kind: usize) -> &'static Self {
        static LEDGERS: [OnceLock<Sound>; SOUND_LEDGERS] =
            [const { OnceLock::new() }; SOUND_LEDGERS];
        LEDGERS[kind].get_or_init(|| Self::new(sound_files(kind)))
    }

    fn new(files: Files) -> Self {
        let (told, _) = read(&disk_of(&files)).expect("a sound ledger");
        let places = files.iter().flat_map(|(name, bytes)| {
            records_in(bytes).into_iter().map(|place| (name.clone(), place))
        });
        let places: Vec<_> = places.collect();
        assert_eq!(places.len(), told.len(), "every record has its place");
        Self { files, told, places }
    }

    fn is_intact(&self, files: &Files, (name, place): &(String, RecordPlace)) -> bool {
        let bytes = |files: &Files| {
            let file = files.get(name).map(|file| file.get(place.at..place.at + place.len));
            file.flatten().map(<[u8]>::to_vec)
        };
        bytes(files) == bytes(&self.files)
    }

    /// Returns the number of leading intact records, up to the last complete decision.
    fn intact(&self, files: &Files) -> usize {
        let intact = self.places.iter().take_while(|place| self.is_intact(files, place)).count();
        let ends = self.places[..intact].iter().rposition(|(_, place)| place.left == 0);
        ends.map_or(0, |last| last + 1)
    }

    /// Returns the record after the first `kept`, or the first changed one of its decision.
    fn lost(&self, files: &Files, kept: usize) -> Option<Lost<'_>> {
        let left = self.places.get(kept)?.1.left;
        let decision = &self.places[kept..=kept + left];
        let changed = decision.iter().find(|place| !self.is_intact(files, place));
        let (file, place) = changed.unwrap_or(&decision[0]);
        let mut behind = self.places[kept + 1..].iter();
        let witnessed = behind.any(|it| it.1.group > place.sequence && self.is_intact(files, it));
        Some(Lost { file, place: *place, witnessed })
    }

    /// Returns whether the files are those that were written, apart from unused segments.
    fn is_all_of(&self, files: &Files) -> bool {
        files.iter().all(|(name, bytes)| match self.files.get(name) {
            Some(written) => written == bytes,
            None => is_zero(bytes),
        })
    }
}

impl Lost<'_> {
    /// Returns whether nothing in the files shows that the record was acknowledged.
    fn may_be_passed_over(&self, files: &Files) -> bool {
        let RecordPlace { at, len, .. } = self.place;
        let Some(file) = files.get(self.file) else { return !self.witnessed };
        let rest = file.get(at..SEGMENT_LEN).unwrap_or_default();
        let end_removed = is_zero(rest);
        let has_unwritten = [at + RECORD_HEADER_LEN, at + len].into_iter().any(|end| {
            let mut from = at;
            std::iter::from_fn(|| {
                let sector = from..((from / SECTOR_LEN + 1) * SECTOR_LEN).min(end);
                from = sector.end;
                (!sector.is_empty()).then_some(sector)
            })
            .any(|sector| file.get(sector).is_some_and(is_zero))
        });
        !self.witnessed && (end_removed || has_unwritten)
    }
}

/// Edits the files as an accident or an attacker might.
fn edit(files: &mut Files, sound: &Sound, decisions: &mut Decisions<'_>) {
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
            let other = Sound::get(decisions.below(SOUND_LEDGERS));
            other.files.get(&name_of).inspect(|foreign| file.clone_from(foreign));
        }
        10 => move_file(files, &name_of, decisions),
        _ => {}
    }
}

/// Returns a position in a file: near the beginning of a structure, or anywhere.
fn somewhere(sound: &Sound, decisions: &mut Decisions<'_>) -> (String, usize) {
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
    sound: &Sound,
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

/// Returns the part of a segment's file before its index.
fn records_of(file: &[u8]) -> &[u8] {
    &file[..file.len().min(SEGMENT_LEN)]
}

/// Checks that the store returns what was stored, from the first record on, or an error.
fn tells_the_truth(ledger: &SimulatedEngine, sound: &Sound, read: Option<usize>) {
    let records = usize::try_from(ledger.report().records).expect("few");
    assert!(records <= sound.told.len(), "more records than were written");
    if let Some(read) = read {
        assert_eq!(records, read, "not those that a reader from outside finds");
    }
    let stored = &sound.told[..records];
    let mut draws = Draws::default();
    for told in stored {
        draws.replay(&told.event, told.at).expect("it was decided so");
    }
    match audit_log(ledger) {
        Ok(found) => assert_eq!(found, audit_log_in(stored)),
        Err(why) => unreadable(&why, read),
    }
    let register = ledger.view().all_registrations().map(|it| (*it).clone());
    assert!(register.eq(draws.register().cloned()), "another register");
    let Some(draw) = draws.status(DRAW) else { return };
    assert!(ledger.view().all_draws().eq(draws.statuses()), "other draws");
    for agency in draw.terms.agencies.iter() {
        let progress = call(ledger, |it, done| it.progress(DRAW, agency, done));
        assert_eq!(progress, draws.progress(DRAW, agency), "another state");
    }
    let batches = batches_in(stored, DRAW);
    match scan(ledger, DRAW) {
        Ok(found) => assert_eq!(found, batches),
        Err(why) => unreadable(&why, read),
    }
    match (draw.state, ledger.winners(DRAW)) {
        (DrawState::Drawn { number }, Ok(found)) => {
            assert_eq!(found, winners_in(&batches, number));
        }
        (DrawState::Drawn { .. }, Err(why)) => unreadable(&why, read),
        (_, found) => assert_eq!(found, Err(ReadError::NotDrawn)),
    }
}

fn unreadable(why: &ReadError, read: Option<usize>) {
    let damage = matches!(why, ReadError::Unreadable(words) if words.contains("damaged"));
    assert!(damage && read.is_none(), "{why}");
}
