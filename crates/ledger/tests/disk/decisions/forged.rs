//! Incomplete decisions whose cause is not a crash.

use ledger::Fault;
use ledger::disk::simulated::SimulatedDisk;
use lottery::AgencyId;

use super::setting::{ALONE, ask, batch, begun, fill, open, shown_by};
use crate::support::bytes::{
    End, RECORDS_AT, RecordPlace, SEGMENT_LEN, chain_at, continue_index, mend_index, mend_record,
    records_in, segment_header,
};
use crate::support::{Ask, FIRST, SECOND, Shown, check, edit, segments};

/// How many records the decision of the last FINISH has.
const RECORDS: usize = 4;

/// Returns a ledger whose last group is a batch and the last FINISH, and what it shows before them.
fn made() -> (SimulatedDisk, Shown) {
    let disk = begun();
    let ledger = open(&disk).unwrap();
    assert_eq!(ask(&ledger, &[batch(0, 600)]), 1);
    let before = shown_by(&ledger);
    assert_eq!(ask(&ledger, &[Ask::Finish(ALONE, AgencyId(2))]), 1);
    (disk, before)
}

fn decision(segment: &[u8]) -> Vec<RecordPlace> {
    let records = records_in(segment);
    records[records.len() - RECORDS..].to_vec()
}

#[track_caller]
fn assert_damaged(disk: &SimulatedDisk, what: &str) {
    for found in [check(disk).map(drop), open(disk).map(drop)] {
        assert!(matches!(found, Err(Fault::Damage(_))), "{what}: {found:?}");
    }
}

#[track_caller]
fn assert_cut(disk: &SimulatedDisk, before: &Shown, what: &str) {
    let torn_bytes = check(disk).unwrap().torn_bytes;
    let ledger = open(disk).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert!(torn_bytes > 0 && ledger.report().cut_bytes == torn_bytes, "{what}");
    assert_eq!(shown_by(&ledger), *before, "{what}");
}

#[test]
fn a_decision_with_a_damaged_record_is_damage() {
    let (disk, _) = made();
    for record in decision(&disk.contents(FIRST)) {
        for byte in record.range() {
            disk.flip(FIRST, byte, 0x10);
            assert_damaged(&disk, &format!("byte {byte}"));
            disk.flip(FIRST, byte, 0x10);
        }
    }
    check(&disk).unwrap();
}

#[test]
fn a_decision_that_ends_elsewhere_than_the_rules_say_is_damage() {
    let (disk, before) = made();
    let whole = disk.contents(FIRST);
    let from = records_in(&whole).len() - RECORDS - 1;
    let forge = |lefts: &[u16]| {
        let mut file = whole.clone();
        put_lefts(&mut file, from, lefts);
        rechain(&mut file, 1, from);
        disk.put(FIRST, &file);
    };
    // The batch before the decision, and the decision.
    forge(&[0, 3, 2, 1, 0]);
    assert!(disk.contents(FIRST) == whole, "sums and chain are mended as they were written");
    for lefts in [
        [0, 0, 0, 0, 0],
        [0, 0, 2, 1, 0],
        [0, 1, 0, 1, 0],
        [0, 2, 1, 0, 0],
        [0, 3, 1, 0, 0],
        [0, 3, 3, 1, 0],
        [0, 3, u16::MAX, 1, 0],
        [1, 0, 2, 1, 0],
        [4, 3, 2, 1, 0],
        [u16::MAX, 3, 2, 1, 0],
    ] {
        forge(&lefts);
        assert_damaged(&disk, &format!("{lefts:?}"));
    }
    // The records that should follow look as if they had never been written.
    for lefts in [[0, 4, 3, 2, 1], [0, u16::MAX, u16::MAX - 1, u16::MAX - 2, u16::MAX - 3]] {
        forge(&lefts);
        assert_cut(&disk, &before, &format!("{lefts:?}"));
    }
}

#[test]
fn a_decision_over_two_groups_is_damage() {
    let (disk, _) = made();
    edit(&disk, FIRST, |file| {
        let records = records_in(file);
        let from = records.len() - 2;
        for record in &records[from..] {
            file[record.at + 40..record.at + 48].copy_from_slice(&(from as u64).to_le_bytes());
        }
        rechain(file, 1, from);
    });
    assert_damaged(&disk, "the last two records in a group of their own");
}

/// Returns a ledger whose first segment ends with a decision and whose second has a batch.
fn full() -> SimulatedDisk {
    let disk = begun();
    fill(&disk, 704);
    let ledger = open(&disk).unwrap();
    assert_eq!(ask(&ledger, &[Ask::Finish(ALONE, AgencyId(2))]), 1);
    assert_eq!(segments(&disk), [FIRST]);
    assert_eq!(ask(&ledger, &[batch(0, 600)]), 1);
    drop(ledger);
    assert_eq!(segments(&disk), [FIRST, SECOND]);
    check(&disk).unwrap();
    disk
}

#[test]
fn a_decision_that_is_not_whole_in_a_full_segment_is_damage() {
    let disk = full();
    let whole = disk.contents(FIRST);
    let decision = decision(&whole);
    for missing in &decision[1..] {
        for with_index in [true, false] {
            let mut file = whole.clone();
            file[missing.at..decision[RECORDS - 1].range().end].fill(0);
            file.truncate(if with_index { file.len() } else { SEGMENT_LEN });
            disk.put(FIRST, &file);
            assert_damaged(&disk, &format!("from {} on, index: {with_index}", missing.at));
        }
    }
}

#[test]
fn a_decision_over_two_segments_is_damage() {
    let disk = full();
    let (mut first, second) = (disk.contents(FIRST), disk.contents(SECOND));
    let decision = decision(&first);
    let moved = decision[2].at..decision[3].range().end;
    // The second segment starts with the end of the decision, with a valid header.
    let behind = records_in(&second)[0];
    let mut split = second[..RECORDS_AT].to_vec();
    split.extend_from_slice(&first[moved.clone()]);
    split.extend_from_slice(&second[behind.range()]);
    split.resize(second.len(), 0);
    first[moved].fill(0);
    continue_behind(&first, &mut split);
    disk.put(SECOND, &split);
    reindex(&mut first, 2);
    disk.put(FIRST, &first);
    assert_damaged(&disk, "with an index");
    edit(&disk, FIRST, |first| first.truncate(SEGMENT_LEN));
    assert_damaged(&disk, "without an index");
}

#[test]
fn a_decision_that_ends_elsewhere_than_the_rules_say_is_damage_in_a_full_segment_too() {
    let disk = full();
    let (whole, second) = (disk.contents(FIRST), disk.contents(SECOND));
    let from = records_in(&whole).len() - RECORDS;
    let forge = |lefts: &[u16]| {
        let (mut first, mut second) = (whole.clone(), second.clone());
        put_lefts(&mut first, from, lefts);
        rechain(&mut first, 1, from);
        reindex(&mut first, 0);
        continue_behind(&first, &mut second);
        disk.put(FIRST, &first);
        disk.put(SECOND, &second);
    };
    forge(&[3, 2, 1, 0]);
    assert!(disk.contents(FIRST) == whole && disk.contents(SECOND) == second, "as written");
    for lefts in [[0, 0, 0, 0], [0, 2, 1, 0], [2, 1, 0, 0], [4, 3, 2, 1], [1, 0, 1, 0]] {
        forge(&lefts);
        assert_damaged(&disk, &format!("{lefts:?}"));
    }
}

/// Says of the records from one on how many of the same decision follow each.
fn put_lefts(file: &mut [u8], from: usize, lefts: &[u16]) {
    for (record, left) in records_in(file)[from..].iter().zip(lefts) {
        file[record.at + 26..record.at + 28].copy_from_slice(&left.to_le_bytes());
    }
}

/// Recomputes the chain and the checksums of the records from one on.
fn rechain(file: &mut [u8], number: usize, from: usize) {
    let records = records_in(file);
    let before = from.checked_sub(1).map(|before| records[before]);
    let chain = chain_at(file, before.as_ref());
    let mut end = End { sequence: records[from].sequence, chain };
    for record in &records[from..] {
        mend_record(&mut file[record.range()], number, &mut end);
    }
}

/// Makes the second segment continue the first.
fn continue_behind(first: &[u8], second: &mut [u8]) {
    let header = segment_header(2, &End::of(first).unwrap());
    second[..header.len()].copy_from_slice(&header);
    rechain(second, 2, 0);
}

/// Makes the first segment's index end where its records do and list `forgotten` fewer events.
fn reindex(file: &mut Vec<u8>, forgotten: usize) {
    let end = End::of(file).unwrap();
    let records_end = records_in(file).pop().unwrap().range().end;
    let mut index = file.split_off(SEGMENT_LEN);
    let count = |at: usize| usize::from(index[at]);
    let (batches, events) = (count(24), count(28) - forgotten);
    index[28] = u8::try_from(events).unwrap();
    let listed = 92 + 52 * batches + 8 * events;
    index.drain(listed..listed + 8 * forgotten);
    continue_index(&mut index, records_end - RECORDS_AT, &end);
    mend_index(&mut index, 0);
    file.extend(index);
}
