//! Incomplete decisions whose cause is not a crash.

use std::ops::Range;

use ledger::Fault;
use ledger::disk::simulated::SimulatedDisk;
use lottery::AgencyId;
use sha2::{Digest as _, Sha256};

use super::setting::{
    ALONE, Ask, SEGMENT_LEN, Shown, ask, batch, begun, check, fill, open, records_in, segments,
};

const FIRST: &str = "segment-0000000001.bol";
const SECOND: &str = "segment-0000000002.bol";
/// How many records the decision of the last FINISH has.
const RECORDS: usize = 4;

/// Returns a ledger whose last group is a batch and the last FINISH, and what it shows before them.
fn made() -> (SimulatedDisk, Shown, Vec<Range<usize>>) {
    let disk = begun();
    let ledger = open(&disk).unwrap();
    assert_eq!(ask(&ledger, &[batch(0, 600)]), 1);
    let before = Shown::by(&ledger);
    assert_eq!(ask(&ledger, &[Ask::Finish(ALONE, AgencyId(2))]), 1);
    drop(ledger);
    let records = records_in(&disk.contents(FIRST));
    (disk, before, records)
}

fn decision(records: &[Range<usize>]) -> &[Range<usize>] {
    &records[records.len() - RECORDS..]
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
    assert_eq!(Shown::by(&ledger), *before, "{what}");
}

#[test]
fn a_decision_whose_last_records_were_not_written_is_cut_whole() {
    let (disk, before, records) = made();
    let whole = disk.contents(FIRST);
    for missing in &decision(&records)[1..] {
        let mut file = whole.clone();
        file[missing.start..].fill(0);
        disk.put(FIRST, &file);
        assert_cut(&disk, &before, &format!("nothing from byte {} on", missing.start));
    }
}

#[test]
fn a_decision_with_a_damaged_record_is_damage() {
    let (disk, _, records) = made();
    for record in decision(&records) {
        for byte in record.clone() {
            disk.flip(FIRST, byte, 0x10);
            assert_damaged(&disk, &format!("byte {byte}"));
            disk.flip(FIRST, byte, 0x10);
        }
    }
    check(&disk).unwrap();
}

#[test]
fn a_decision_that_ends_elsewhere_than_the_rules_say_is_damage() {
    let (disk, before, records) = made();
    let whole = disk.contents(FIRST);
    let from = records.len() - RECORDS - 1;
    let forge = |lefts: &[u16]| {
        let mut file = whole.clone();
        for (record, left) in records[from..].iter().zip(lefts) {
            file[record.start + 26..record.start + 28].copy_from_slice(&left.to_le_bytes());
        }
        rechain(&mut file, &records, from);
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
    let (disk, _, records) = made();
    let mut file = disk.contents(FIRST);
    let from = records.len() - 2;
    for record in &records[from..] {
        let group = u64::try_from(from).unwrap();
        file[record.start + 40..record.start + 48].copy_from_slice(&group.to_le_bytes());
    }
    rechain(&mut file, &records, from);
    disk.put(FIRST, &file);
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
    let records = records_in(&whole);
    let len = usize::try_from(SEGMENT_LEN).unwrap();
    for missing in &decision(&records)[1..] {
        for with_index in [true, false] {
            let mut file = whole.clone();
            file[missing.start..records[records.len() - 1].end].fill(0);
            file.truncate(if with_index { file.len() } else { len });
            disk.put(FIRST, &file);
            assert_damaged(&disk, &format!("from {} on, index: {with_index}", missing.start));
        }
    }
}

#[test]
fn a_decision_over_two_segments_is_damage() {
    let disk = full();
    let (mut first, second) = (disk.contents(FIRST), disk.contents(SECOND));
    let (mut records, behind) = (records_in(&first), records_in(&second));
    let moved = records.split_off(records.len() - 2);
    let moved = moved[0].start..moved[1].end;
    // The second segment starts with the end of the decision, with a valid header.
    let last = records[records.len() - 1].clone();
    let mut split = second[..4096].to_vec();
    let sequence = u64::try_from(records.len()).unwrap();
    split[24..32].copy_from_slice(&sequence.to_le_bytes());
    split.extend_from_slice(&first[moved.clone()]);
    split.extend_from_slice(&second[behind[0].clone()]);
    split.resize(second.len(), 0);
    for record in records_in(&split) {
        split[record.start + 48..record.start + 56].copy_from_slice(&2_u64.to_le_bytes());
    }
    first[moved].fill(0);
    continue_behind(&mut split, &first[last.start + 56..last.end]);
    disk.put(SECOND, &split);
    mend_index(&mut first, &last, 2);
    disk.put(FIRST, &first);
    assert_damaged(&disk, "with an index");
    first.truncate(usize::try_from(SEGMENT_LEN).unwrap());
    disk.put(FIRST, &first);
    assert_damaged(&disk, "without an index");
}

#[test]
fn a_decision_that_ends_elsewhere_than_the_rules_say_is_damage_in_a_full_segment_too() {
    let disk = full();
    let (whole, second) = (disk.contents(FIRST), disk.contents(SECOND));
    let records = records_in(&whole);
    let from = records.len() - RECORDS;
    let forge = |lefts: &[u16]| {
        let mut first = whole.clone();
        for (record, left) in records[from..].iter().zip(lefts) {
            first[record.start + 26..record.start + 28].copy_from_slice(&left.to_le_bytes());
        }
        rechain(&mut first, &records, from);
        let last = &records[records.len() - 1];
        mend_index(&mut first, last, 0);
        let mut second = second.clone();
        continue_behind(&mut second, &first[last.start + 56..last.end]);
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

/// Rewrites a segment's index to end with the record `last` and to list `forgotten` fewer events.
fn mend_index(file: &mut Vec<u8>, last: &Range<usize>, forgotten: u32) {
    let index = usize::try_from(SEGMENT_LEN).unwrap();
    let count = |at: usize| u32::from_le_bytes(*file[index + at..].first_chunk().unwrap());
    let (batches, events) = (count(24), count(28) - forgotten);
    let lists = index + 92..index + 92 + usize::try_from(52 * batches + 8 * events).unwrap();
    file.drain(lists.end..lists.end + usize::try_from(8 * forgotten).unwrap());
    file[index + 28..index + 32].copy_from_slice(&events.to_le_bytes());
    let end = u32::try_from(last.end).unwrap();
    file[index + 52..index + 56].copy_from_slice(&end.to_le_bytes());
    let sum = crc32c::crc32c(&file[lists]);
    file[index + 40..index + 44].copy_from_slice(&sum.to_le_bytes());
    file.copy_within(last.start + 56..last.start + 88, index + 60);
    let sum = crc32c::crc32c(&file[index + 16..index + 92]);
    file[index + 12..index + 16].copy_from_slice(&sum.to_le_bytes());
}

/// Rewrites a segment's header to continue a chain.
fn continue_behind(file: &mut [u8], chain: &[u8]) {
    file[40..72].copy_from_slice(&chain[..32]);
    let sum = crc32c::crc32c(&file[16..104]);
    file[12..16].copy_from_slice(&sum.to_le_bytes());
    let records = records_in(file);
    rechain(file, &records, 0);
}

/// Recomputes the chain and the header checksums from a record on.
fn rechain(file: &mut [u8], records: &[Range<usize>], from: usize) {
    // The chain is in the segment's header or in the previous record.
    let before = from.checked_sub(1).map_or(40, |before| records[before].start + 56);
    let mut chain: [u8; 32] = *file[before..].first_chunk().unwrap();
    for record in &records[from..] {
        let bytes = &mut file[record.clone()];
        let head_len = usize::from(u16::from_le_bytes([bytes[28], bytes[29]]));
        let body_len = u32::from_le_bytes(*bytes[32..].first_chunk().unwrap());
        let (head, tail) = bytes[88..88 + usize::try_from(body_len).unwrap()].split_at(head_len);
        let hash = Sha256::new().chain_update(chain).chain_update(&bytes[8..32]);
        let hash = hash.chain_update(head).chain_update(Sha256::digest(tail));
        chain = hash.finalize().into();
        bytes[56..88].copy_from_slice(&chain);
        let sum = crc32c::crc32c(&bytes[8..88]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    }
}
