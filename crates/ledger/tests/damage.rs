//! Any change in a ledger's files is found, a torn tail is told from damage, and whatever a reader
//! gets was acknowledged.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod workload;

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::Engine;
use ledger::disk::simulated::{Failure, SimulatedDisk};
use ledger::disk::{Claim, Disk as _};
use ledger::{Archive, Damage, Fault, Summary};
use lottery::{DrawState, ReadError};

use workload::{
    DRAW, OPTIONS, WINNING_NUMBER, append, begin, check_contents, open, play, try_open,
};

const FIRST: &str = "segment-0000000001.bol";
const SECOND: &str = "segment-0000000002.bol";

/// Returns a ledger of several segments, its draw made, closed in order.
fn played() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    assert!(play(&ledger, 1).complete);
    drop(ledger);
    // Segments without an index when the ledger was closed are indexed now.
    drop(open(&disk));
    disk
}

fn check(disk: &SimulatedDisk) -> Result<Summary, Fault> {
    Archive::open_on(Arc::new(disk.clone())).unwrap().check(|_| Ok(()))
}

fn damage(result: Result<impl Sized, Fault>, what: &str) -> Damage {
    match result {
        Err(Fault::Damage(damage)) => damage,
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: nothing was found"),
    }
}

/// Returns where the records of the last segment in use end, judging by its bytes.
fn records_end(disk: &SimulatedDisk, name: &str) -> usize {
    let records = &disk.contents(name)[..usize::try_from(OPTIONS.segment_len).unwrap()];
    records.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

/// Returns the names and bytes of all files.
fn contents(disk: &SimulatedDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.names().unwrap();
    names.into_iter().map(|name| (name.clone(), disk.contents(&name))).collect()
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.names().unwrap();
    names.retain(|name| disk.contents(name).iter().any(|&byte| byte != 0));
    names.sort_unstable();
    names
}

#[test]
fn a_sound_ledger_checks_and_tells_what_it_holds() {
    let summary = check(&played()).unwrap();
    assert!(summary.segments >= 3, "the workload fills segments: {}", summary.segments);
    assert_eq!((summary.torn_bytes, summary.indexes_missing), (0, 0));
    assert_eq!(summary.records, 1 + 3 * 12 + 3 + 3);
    assert_eq!(summary.draws[0].state, DrawState::Drawn { number: WINNING_NUMBER });
    assert_eq!(summary.draws[0].batches, 36);
}

#[test]
fn any_flipped_bit_is_found_by_a_check_and_nothing_wrong_is_served() {
    let disk = played();
    let sound = open(&disk).winners(DRAW).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for name in segments(&disk) {
        let whole = disk.contents(&name);
        let len = whole.len();
        let end = records_end(&disk, &name);
        let index = usize::try_from(OPTIONS.segment_len).unwrap();
        // Every byte of the header and of the first records, then a sample.
        let sample: Vec<_> = (0..400).map(|_| random.usize(4096..end)).collect();
        let in_index: Vec<_> = (index..len).step_by(13).collect();
        for offset in (0..104).chain(4096..4400).chain(end - 100..end).chain(sample).chain(in_index)
        {
            let mask = 1 << random.u8(..8);
            let what = format!("{name}, bit {mask:#x} of byte {offset}");
            disk.flip(&name, offset, mask);
            let found = check(&disk);
            // Only a change of the version may be reported as another version instead of damage.
            let newer = matches!(found, Err(Fault::NewerFormat { .. } | Fault::OlderFormat { .. }))
                && (8..12).contains(&offset);
            let half_index = offset >= index && matches!(&found, Ok(s) if s.indexes_missing > 0);
            if !newer && !half_index {
                assert_eq!(damage(found, &what).file, name, "{what}");
            }
            if let Ok(ledger) = try_open(&disk, OPTIONS) {
                match ledger.winners(DRAW) {
                    Ok(winners) => assert_eq!(winners, sound, "{what}"),
                    Err(error) => assert!(error.to_string().contains("damaged"), "{what}: {error}"),
                }
            }
            // An index may have been rebuilt meanwhile; records never change.
            let now = disk.contents(&name);
            assert!(offset >= index || now[offset] != whole[offset], "{what}: it was written to");
            if now[offset] != whole[offset] {
                disk.flip(&name, offset, mask);
            }
        }
    }
    check(&disk).unwrap();
}

#[test]
fn damage_to_what_was_acknowledged_last_is_not_taken_for_a_torn_tail() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    append(&ledger, &mut run, 1, 0, 40).unwrap();
    drop(ledger);
    let end = records_end(&disk, FIRST);
    for offset in 4096..end {
        disk.flip(FIRST, offset, 0x40);
        let what = format!("byte {offset}");
        let opened = try_open(&disk, OPTIONS);
        assert_eq!(damage(opened.map(drop), &what).file, FIRST);
        damage(check(&disk), &what);
        disk.flip(FIRST, offset, 0x40);
    }
    check_contents(&open(&disk), &run, "the flips are undone");
}

#[test]
fn a_bad_record_with_later_ones_behind_it_is_damage_even_if_it_looks_unwritten() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    for chunk in 0..4 {
        append(&ledger, &mut run, 1, chunk, 40).unwrap();
    }
    drop(ledger);
    // A whole sector in the middle reads as zeros, as if it had never been written.
    let file = disk.open(FIRST, Claim::Write).unwrap();
    file.write_at(4096 + 1024, &[0; 512]).unwrap();
    file.sync().unwrap();
    let found = damage(try_open(&disk, OPTIONS).map(drop), "a lost sector");
    assert!(found.what.contains("was durable"), "{found}");
    damage(check(&disk), "a lost sector");
}

#[test]
fn a_torn_tail_is_cut_at_whatever_sector_it_was_torn() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    append(&ledger, &mut run, 1, 0, 40).unwrap();
    let before = records_end(&disk, FIRST);
    disk.fail_after(0, Failure::NotDurable);
    append(&ledger, &mut run, 1, 1, 40).unwrap_err();
    drop(ledger);
    let sectors = (records_end(&disk, FIRST) - before).div_ceil(512) + 8;
    let mut torn = 0;
    for survivors in 0_u32..1 << sectors.min(9) {
        let mut sector = 0;
        let crashed = disk.crash(&mut || {
            sector += 1;
            survivors >> (sector - 1) & 1 == 1
        });
        let summary = check(&crashed).unwrap();
        torn += u32::from(summary.torn_bytes > 0);
        let ledger = open(&crashed);
        assert_eq!(ledger.report().cut_bytes, summary.torn_bytes);
        check_contents(&ledger, &run, &format!("survivors {survivors:b}"));
        append(&ledger, &mut run, 1, 1, 7).ok();
        run.acknowledged.remove(&(1, 1));
        drop(ledger);
        assert_eq!(check(&crashed).unwrap().torn_bytes, 0);
    }
    assert!(torn > 100, "most subsets of the sectors are torn tails: {torn}");
}

#[test]
fn removed_files_records_and_segments_of_others_are_found() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    disk.remove(FIRST).unwrap();
    assert_eq!(damage(check(&disk), "the first file is missing").file, FIRST);

    let disk = played();
    disk.remove(SECOND).unwrap();
    assert_eq!(damage(check(&disk), "the second file is missing").file, SECOND);
    assert_eq!(damage(try_open(&disk, OPTIONS).map(drop), "").file, SECOND);

    // A segment of another ledger, valid in itself.
    let disk = played();
    let other = SimulatedDisk::new();
    let ledger = open(&other);
    assert!(play(&ledger, 2).complete);
    drop(ledger);
    let foreign = other.contents(SECOND);
    disk.remove(SECOND).unwrap();
    disk.create(SECOND).unwrap().write_at(0, &foreign).unwrap();
    assert_eq!(damage(check(&disk), "a foreign segment").file, SECOND);

    // The last decision is removed completely: nothing in the folder shows it, only a chain that
    // was kept.
    let disk = played();
    let sound = check(&disk).unwrap();
    let end = records_end(&disk, &last);
    // The last FINISH and the events that follow from it: bodies of 8, 48, 12 and 4 bytes, padded
    // to 8.
    let decision_len = 4 * (88 + 8) + 8 + 48 + 16 + 8;
    let file = disk.open(&last, Claim::Write).unwrap();
    file.write_at((end - decision_len) as u64, &vec![0; decision_len]).unwrap();
    let shorter = check(&disk).unwrap();
    assert_eq!(shorter.records, sound.records - 4);
    assert_ne!(shorter.end, sound.end);
}

#[test]
fn a_lost_header_is_damage_and_nothing_is_made_anew_over_it() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    let whole = disk.contents(&last);
    let file = disk.open(&last, Claim::Write).unwrap();
    file.write_at(0, &[0; 512]).unwrap();
    file.sync().unwrap();
    assert_eq!(damage(check(&disk), "a lost header").file, last);
    let opened = try_open(&disk, OPTIONS);
    assert_eq!(damage(opened.map(drop), "a lost header").file, last);
    assert!(disk.contents(&last)[512..] == whole[512..]);
}

#[test]
fn a_segment_cut_anywhere_is_damage_and_is_not_made_anew() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    let whole = disk.contents(&last);
    for len in [1, 16, 103, 104, 511, 512, 4095, 4096, 5000, 98_303] {
        let what = format!("cut to {len} bytes");
        disk.put(&last, &whole[..len]);
        assert_eq!(damage(check(&disk), &what).file, last, "{what}");
        let opened = try_open(&disk, OPTIONS);
        assert_eq!(damage(opened.map(drop), &what).file, last, "{what}");
        assert!(disk.contents(&last) == whole[..len], "{what}");
    }
}

#[test]
fn bytes_where_nothing_was_written_are_found() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    let number = disk.names().unwrap().len();
    let unused = format!("segment-{number:010}.bol");
    for (name, offset) in [(FIRST, 104), (FIRST, 4095), (&last, 1000), (&unused, 5000)] {
        disk.flip(name, offset, 1);
        let what = format!("{name} at {offset}");
        assert_eq!(damage(check(&disk), &what).file, name, "{what}");
        let opened = try_open(&disk, OPTIONS);
        assert_eq!(damage(opened.map(drop), &what).file, name, "{what}");
        disk.flip(name, offset, 1);
    }
    // The last first, because a check ends at the first damage.
    for name in [&last, FIRST] {
        let len = disk.contents(name).len() as u64;
        disk.open(name, Claim::Write).unwrap().write_at(len, &[1]).unwrap();
        let found = damage(check(&disk), name);
        assert_eq!((found.file.as_str(), found.offset), (name, len));
    }
    // Nor is it accepted when the index before it is missing.
    let len = disk.contents(FIRST).len() as u64 - 1;
    let first = disk.open(FIRST, Claim::Write).unwrap();
    first.write_at(OPTIONS.segment_len, &[0; 92]).unwrap();
    let found = damage(check(&disk), "behind a missing index");
    assert_eq!((found.file.as_str(), found.offset), (FIRST, len));
}

#[test]
fn a_newer_format_and_a_folder_in_use_are_told_as_such() {
    let disk = played();
    for version in [3, 1] {
        disk.flip(FIRST, 8, 2 ^ version);
        let opened = try_open(&disk, OPTIONS).map(drop);
        match opened {
            Err(Fault::NewerFormat { version: 3, known: 2, .. }) if version == 3 => {}
            Err(Fault::OlderFormat { version: 1, known: 2, .. }) if version == 1 => {}
            other => panic!("{other:?}"),
        }
        disk.flip(FIRST, 8, 2 ^ version);
    }
    // A newer program wrote events unknown to this one: the segment's header says so.
    let header = disk.contents(FIRST)[..104].to_vec();
    let mut newer = header.clone();
    newer[96] = 2;
    let sum = crc32c::crc32c(&newer[16..]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    let file = disk.open(FIRST, Claim::Write).unwrap();
    file.write_at(0, &newer).unwrap();
    let opened = try_open(&disk, OPTIONS).map(drop);
    assert!(matches!(opened, Err(Fault::NewerFeature { feature: 2, known: 1, .. })));
    file.write_at(0, &header).unwrap();

    let ledger = open(&disk);
    let again = try_open(&disk, OPTIONS).map(drop);
    assert!(matches!(again, Err(Fault::InUse)));
    assert!(check(&disk).unwrap().central_runs);
    drop(ledger);
}

#[test]
fn an_index_is_made_again_when_it_is_missing_or_unsound() {
    let disk = played();
    let sound = open(&disk).winners(DRAW).unwrap();
    let index = usize::try_from(OPTIONS.segment_len).unwrap();
    let whole = disk.contents(FIRST);
    for (offset, indexes_built) in [(index + 40, 1), (index + 100, 1), (whole.len() - 1, 0)] {
        disk.flip(FIRST, offset, 1);
        let ledger = open(&disk);
        assert_eq!(ledger.report().indexes_built, indexes_built, "byte {offset}");
        assert_eq!(ledger.winners(DRAW).unwrap(), sound);
        drop(ledger);
        if indexes_built == 0 {
            disk.flip(FIRST, offset, 1);
        }
        assert!(disk.contents(FIRST) == whole, "byte {offset}");
    }
}

/// Returns where a segment's records are, from the first on while they are contiguous.
fn records_in(segment: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut records = Vec::new();
    let mut at = 4096;
    while segment.get(at..at + 4) == Some(b"BLR2") {
        let body_len = u32::from_le_bytes(segment[at + 32..at + 36].try_into().unwrap());
        let len = 88 + usize::try_from(body_len).unwrap().next_multiple_of(8) + 8;
        records.push(at..at + len);
        at += len;
    }
    records
}

/// Replaces a byte of a record with another digit and recomputes the record's checksums.
fn forge(disk: &SimulatedDisk, name: &str, record: &std::ops::Range<usize>, at: usize) {
    let mut file = disk.contents(name);
    file[at] = if file[at] == b'8' { b'9' } else { b'8' };
    let body_len = u32::from_le_bytes(file[record.start + 32..][..4].try_into().unwrap());
    let body = record.start + 88..record.start + 88 + usize::try_from(body_len).unwrap();
    let sum = crc32c::crc32c(&file[body]);
    file[record.end - 8..record.end - 4].copy_from_slice(&sum.to_le_bytes());
    disk.put(name, &file);
}

/// Returns a batch that has a winning bet and does not directly follow another event, and the
/// offset of the last digit of the winner's document.
fn winning_record(segment: &[u8]) -> (std::ops::Range<usize>, usize) {
    let winning = format!("|1990-01-02|{WINNING_NUMBER}&");
    let of_record = |record: std::ops::Range<usize>| {
        let mut windows = segment[record.clone()].windows(winning.len());
        let found = windows.position(|window| window == winning.as_bytes());
        found.map(|found| (record.clone(), record.start + found - 1))
    };
    records_in(segment).into_iter().skip(2).find_map(of_record).unwrap()
}

fn told<T: std::fmt::Debug>(what: Result<T, ReadError>) -> String {
    match what {
        Err(ReadError::Unreadable(why)) => why,
        other => panic!("it was told: {other:?}"),
    }
}

fn scan(ledger: &Engine) -> Result<usize, ReadError> {
    let mut batches = 0;
    ledger.scan(DRAW, &mut |_| {
        batches += 1;
        ControlFlow::Continue(())
    })?;
    Ok(batches)
}

fn audit_log(ledger: &Engine) -> Result<usize, ReadError> {
    let mut events = 0;
    ledger.audit_log(0, &mut |_| {
        events += 1;
        ControlFlow::Continue(())
    })?;
    Ok(events)
}

#[test]
fn opening_finds_that_the_end_was_removed_behind_a_sealed_segment() {
    let used = segments(&played());
    let (last, before) = (used[used.len() - 1].as_str(), used[used.len() - 2].as_str());
    let with_spares_removed = |disk: &SimulatedDisk| {
        let names = disk.names().unwrap();
        names.iter().filter(|name| name.as_str() >= last).for_each(|name| {
            disk.remove(name).unwrap();
        });
    };
    let zeroed = |disk: &SimulatedDisk| disk.put(last, &vec![0; disk.contents(last).len()]);
    let emptied = |disk: &SimulatedDisk| {
        let mut file = disk.contents(last);
        file[4096..].fill(0);
        disk.put(last, &file);
    };
    let half_written = |disk: &SimulatedDisk| {
        let mut file = disk.contents(last);
        let first = records_in(&file)[0].start;
        file[first..first + 512].fill(0);
        file[first + 512..].fill(0);
        file[first + 600] = 7;
        disk.put(last, &file);
    };
    let removals: [(&str, &dyn Fn(&SimulatedDisk), &str); 4] = [
        ("the last segment and the spares are deleted", &with_spares_removed, before),
        ("the last segment is zeroed", &zeroed, before),
        ("the last segment's records are zeroed", &emptied, last),
        ("the last segment looks torn from its first record on", &half_written, last),
    ];
    for (what, remove, file) in removals {
        let disk = played();
        remove(&disk);
        let all = contents(&disk);
        assert_eq!(damage(check(&disk), what).file, file, "{what}");
        let opened = try_open(&disk, OPTIONS).map(drop);
        assert_eq!(damage(opened, what).file, file, "{what}");
        assert!(all == contents(&disk), "{what}: nothing is written to a damaged ledger");
    }
}

#[test]
fn a_ledger_that_is_refused_is_left_as_it_was() {
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let index = usize::try_from(OPTIONS.segment_len).unwrap();
    // What opening repairs in the first segment, and damage that it finds later.
    let mendable: [(&str, Change); 3] = [
        ("an index that is missing", &|file| file[index..index + 92].fill(0)),
        ("an index that is unsound", &|file| file[index + 100] ^= 1),
        ("nothing behind the records", &|file| file.truncate(index)),
    ];
    let damages: [(&str, Change); 3] = [
        ("a header", &|file| file[40] ^= 1),
        ("a record", &|file| file[4096 + 98] ^= 1),
        ("bytes behind the end", &|file| file.push(1)),
    ];
    for (missing, mend) in mendable {
        for (of, damage) in damages {
            let disk = played();
            let last = segments(&disk).pop().unwrap();
            for (name, change) in [(FIRST, mend), (&last, damage)] {
                let mut file = disk.contents(name);
                change(&mut file);
                disk.put(name, &file);
            }
            let before = contents(&disk);
            let what = format!("{missing}, then {of} of {last} damaged");
            let opened = try_open(&disk, OPTIONS).map(drop);
            assert_eq!(self::damage(opened, &what).file, last, "{what}");
            assert!(contents(&disk) == before, "{what}: something was written");
        }
    }
}

#[test]
fn a_ledger_closed_in_order_marks_every_full_segment() {
    let disk = SimulatedDisk::new();
    let ledger = open(&disk);
    let mut run = begin(&ledger);
    let mut chunk = 0;
    // Closed just when the second segment is full, before it can be marked or indexed.
    while segments(&disk).len() < 3 {
        append(&ledger, &mut run, 1, chunk, 100).unwrap();
        chunk += 1;
    }
    drop(ledger);
    let used = segments(&disk);
    for name in &used[..used.len() - 1] {
        assert!(disk.contents(name).len() as u64 > OPTIONS.segment_len, "{name} is marked");
    }
    let last = used.last().unwrap();
    assert_eq!(disk.contents(last).len() as u64, OPTIONS.segment_len, "{last} goes on");
}

#[test]
fn opening_finds_bytes_behind_the_records_and_the_index_of_a_sealed_segment() {
    let disk = played();
    let end = records_in(&disk.contents(FIRST)).last().unwrap().end;
    let open = |disk: &SimulatedDisk| try_open(disk, OPTIONS).map(drop);
    for offset in [end, usize::try_from(OPTIONS.segment_len).unwrap() - 1] {
        disk.flip(FIRST, offset, 1);
        damage(check(&disk), "behind the records");
        assert_eq!(damage(open(&disk), "behind the records").file, FIRST, "byte {offset}");
        disk.flip(FIRST, offset, 1);
    }
    let len = disk.contents(FIRST).len() as u64;
    disk.open(FIRST, Claim::Write).unwrap().write_at(len, &[0]).unwrap();
    assert_eq!(damage(check(&disk), "behind the index").offset, len);
    assert_eq!(damage(open(&disk), "behind the index").offset, len);
}

#[test]
fn a_forged_batch_with_mended_sums_is_never_told() {
    let disk = played();
    let (record, document) = winning_record(&disk.contents(FIRST));
    forge(&disk, FIRST, &record, document);
    damage(check(&disk), "a forged document");
    let ledger = open(&disk);
    assert!(told(ledger.winners(DRAW)).contains(FIRST));
    assert!(told(scan(&ledger)).contains(FIRST));
}

#[test]
fn opening_finds_a_forged_batch_of_a_closed_draw_though_its_digest_in_the_index_is_mended() {
    let disk = played();
    let (record, document) = winning_record(&disk.contents(FIRST));
    forge(&disk, FIRST, &record, document);
    let mut file = disk.contents(FIRST);
    let nth = records_in(&file).iter().position(|other| *other == record).unwrap();
    // The first record opens the draw, and is listed among the other events.
    let body_len = u32::from_le_bytes(file[record.start + 32..][..4].try_into().unwrap());
    let text = &file[record.start + 104..][..usize::try_from(body_len).unwrap() - 16];
    let digest = lottery::ChunkDigest::of(std::str::from_utf8(text).unwrap());
    let index = usize::try_from(OPTIONS.segment_len).unwrap();
    let entry = index + 92 + 52 * (nth - 1);
    file[entry + 20..entry + 52].copy_from_slice(&digest.0);
    let count = |at: usize| {
        usize::try_from(u32::from_le_bytes(file[at..at + 4].try_into().unwrap())).unwrap()
    };
    let listed = index + 92..index + 92 + 52 * count(index + 24) + 8 * count(index + 28);
    let sum = crc32c::crc32c(&file[listed]);
    file[index + 40..index + 44].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32c::crc32c(&file[index + 16..index + 92]);
    file[index + 12..index + 16].copy_from_slice(&sum.to_le_bytes());
    disk.put(FIRST, &file);
    // The close records a digest of the set of bets, and the set differs.
    let last = segments(&disk).pop().unwrap();
    let opened = try_open(&disk, OPTIONS).map(drop);
    let found = damage(opened, "a forged batch");
    assert_eq!(found.file, last);
    assert!(found.what.contains("the rules forbid"), "{}", found.what);
}

#[test]
fn opening_finds_a_forged_event_with_mended_sums() {
    let disk = played();
    let opened = records_in(&disk.contents(FIRST))[0].clone();
    // A byte of the draw's name.
    forge(&disk, FIRST, &opened, opened.start + 108);
    let found = try_open(&disk, OPTIONS).map(drop);
    assert_eq!(damage(found, "a forged name").offset, 4096);
}

#[test]
fn what_is_forged_beside_an_open_ledger_is_not_told() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    let ledger = open(&disk);
    let sound = ledger.winners(DRAW).unwrap();
    let events = audit_log(&ledger).unwrap();
    for name in [FIRST, &last] {
        let whole = disk.contents(name);
        let (record, document) = winning_record(&whole);
        let written = disk.open(name, Claim::Write).unwrap();
        forge_open(&disk, name, &record, document);
        assert!(told(ledger.winners(DRAW)).contains(name));
        assert!(told(scan(&ledger)).contains(name));
        written.write_at(0, &whole).unwrap();
        assert_eq!(ledger.winners(DRAW).as_ref(), Ok(&sound), "{name} is as it was");
    }
    let whole = disk.contents(FIRST);
    let opened = records_in(&whole)[0].clone();
    forge_open(&disk, FIRST, &opened, opened.start + 108);
    assert!(told(audit_log(&ledger)).contains(FIRST));
    disk.open(FIRST, Claim::Write).unwrap().write_at(0, &whole).unwrap();
    assert_eq!(audit_log(&ledger), Ok(events));
}

/// As [`forge`], in place, in a file that others have open.
fn forge_open(disk: &SimulatedDisk, name: &str, record: &std::ops::Range<usize>, at: usize) {
    let copy = SimulatedDisk::new();
    copy.put(name, &disk.contents(name));
    forge(&copy, name, record, at);
    disk.open(name, Claim::Write).unwrap().write_at(0, &copy.contents(name)).unwrap();
}
