//! Any change in a ledger's files is found, a torn tail is told from damage, and whatever a reader
//! gets was acknowledged.

use std::fmt::Debug;
use std::ops::ControlFlow;

use engine::Chain;
use ledger::disk::simulated::SimulatedDisk;
use ledger::disk::{Claim, Disk as _};
use ledger::{Damage, Fault};
use lottery::{AuditSpan, ReadError};

use crate::support::bytes::{RecordPlace, SEGMENT_LEN, mend_index, mend_sums, records_in};
use crate::support::{FIRST, check, contents, edit, segments};
use crate::workload::{DRAW, OPTIONS, Opened, WINNING_NUMBER, append, begin, open, play, try_open};

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

fn damage(result: Result<impl Sized, Fault>, what: &str) -> Damage {
    match result {
        Err(Fault::Damage(damage)) => damage,
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: nothing was found"),
    }
}

/// Returns what a check and opening find, which is the same and in this file.
fn found_in(disk: &SimulatedDisk, file: &str, what: &str) -> Damage {
    let (checked, opened) = (check(disk), try_open(disk, OPTIONS));
    let [checked, opened] = [damage(checked, what), damage(opened, what)];
    assert_eq!((&*checked.file, &*opened.file), (file, file), "{what}");
    opened
}

#[test]
fn any_flipped_bit_is_found_by_a_check_and_nothing_wrong_is_served() {
    let disk = played();
    let sound = open(&disk).winners(DRAW).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for name in segments(&disk) {
        let whole = disk.contents(&name);
        let len = whole.len();
        let end = records_in(&whole).pop().unwrap().range().end;
        let index = SEGMENT_LEN;
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
fn a_newer_format_and_a_folder_in_use_have_their_own_errors() {
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
    newer[96] = 5;
    let sum = crc32c::crc32c(&newer[16..]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    let put = |header: &[u8]| edit(&disk, FIRST, |file| file[..104].copy_from_slice(header));
    put(&newer);
    let opened = try_open(&disk, OPTIONS).map(drop);
    assert!(matches!(opened, Err(Fault::NewerFeature { feature: 5, known: 4, .. })));
    put(&header);

    let ledger = open(&disk);
    let again = try_open(&disk, OPTIONS).map(drop);
    assert!(matches!(again, Err(Fault::InUse)));
    assert!(check(&disk).unwrap().central_runs);
    drop(ledger);
}

/// Replaces a byte of a record with another digit and mends the record's checksums.
fn forge(segment: &mut [u8], record: RecordPlace, at: usize) {
    segment[at] = if segment[at] == b'8' { b'9' } else { b'8' };
    mend_sums(&mut segment[record.range()]);
}

/// Returns the place among the records of a batch that has a winning bet and does not directly
/// follow another event, and the offset of the last digit of the winner's document.
fn winning_record(segment: &[u8]) -> (usize, usize) {
    let winning = format!("|1990-01-02|{WINNING_NUMBER}&");
    let of_record = |(nth, record): (usize, RecordPlace)| {
        let mut windows = segment[record.range()].windows(winning.len());
        let found = windows.position(|window| window == winning.as_bytes());
        found.map(|found| (nth, record.at + found - 1))
    };
    records_in(segment).into_iter().enumerate().skip(2).find_map(of_record).unwrap()
}

fn why_unreadable<T: Debug>(what: Result<T, ReadError>) -> String {
    match what {
        Err(ReadError::Unreadable(why)) => why,
        other => panic!("it was read: {other:?}"),
    }
}

fn audit_log(ledger: &Opened) -> Result<usize, ReadError> {
    let mut events = 0;
    ledger.audit_log(AuditSpan::From(0), &mut |_, _| {
        events += 1;
        ControlFlow::Continue(())
    })?;
    Ok(events)
}

/// Returns the chains and texts of the records that are read from a number on.
fn records(ledger: &Opened, from: usize) -> (Vec<(Chain, String)>, Result<(), ReadError>) {
    let mut found = Vec::new();
    let read = ledger.records(from as u64, &mut |record| {
        found.push((record.chain, record.text.to_owned()));
        ControlFlow::Continue(())
    });
    (found, read)
}

#[test]
fn opening_finds_that_the_end_was_removed_behind_a_sealed_segment() {
    let used = segments(&played());
    let (last, before) = (used[used.len() - 1].as_str(), used[used.len() - 2].as_str());
    let change = |change: fn(&mut [u8])| {
        let disk = played();
        edit(&disk, last, |file| change(file));
        disk
    };
    let deleted = played();
    let names = deleted.names().unwrap();
    names.iter().filter(|name| name.as_str() >= last).for_each(|name| {
        deleted.remove(name).unwrap();
    });
    let half_written = change(|file| {
        file[4096..].fill(0);
        file[4096 + 600] = 7;
    });
    for (what, disk, file) in [
        ("the last segment and the spares are deleted", deleted, before),
        ("the last segment is zeroed", change(|file| file.fill(0)), before),
        ("the last segment's records are zeroed", change(|file| file[4096..].fill(0)), last),
        ("the last segment looks torn from its first record on", half_written, last),
    ] {
        let all = contents(&disk);
        found_in(&disk, file, what);
        assert!(all == contents(&disk), "{what}: nothing is written to a damaged ledger");
    }
}

#[test]
fn a_ledger_that_is_refused_is_left_as_it_was() {
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let index = SEGMENT_LEN;
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
                edit(&disk, name, change);
            }
            let before = contents(&disk);
            let what = format!("{missing}, then {of} of {last} damaged");
            // A check may find the index first.
            assert_eq!(self::damage(try_open(&disk, OPTIONS), &what).file, last, "{what}");
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
fn opening_finds_bytes_where_nothing_was_written() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    let unused = format!("segment-{:010}.bol", disk.names().unwrap().len());
    let end = records_in(&disk.contents(FIRST)).pop().unwrap().range().end;
    for (name, offset) in [
        (FIRST, 104),
        (FIRST, 4095),
        (FIRST, end),
        (FIRST, SEGMENT_LEN - 1),
        (&last, 1000),
        (&unused, 5000),
    ] {
        disk.flip(name, offset, 1);
        found_in(&disk, name, &format!("{name} at {offset}"));
        disk.flip(name, offset, 1);
    }
    // The last first, because a check ends at the first damage.
    for (name, byte) in [(&*last, 1), (FIRST, 0)] {
        let len = disk.contents(name).len();
        edit(&disk, name, |file| file.push(byte));
        assert_eq!(found_in(&disk, name, "behind all").offset, len as u64);
    }
    // Nor is it accepted when the index before it is missing.
    edit(&disk, FIRST, |file| {
        *file.last_mut().unwrap() = 1;
        file[SEGMENT_LEN..][..92].fill(0);
    });
    let found = damage(check(&disk), "behind a missing index");
    assert_eq!((&*found.file, found.offset), (FIRST, disk.contents(FIRST).len() as u64 - 1));
}

#[test]
fn opening_finds_a_forged_batch_of_a_closed_draw_though_its_digest_in_the_index_is_mended() {
    let disk = played();
    edit(&disk, FIRST, |file| {
        let (nth, document) = winning_record(file);
        let record = records_in(file)[nth];
        forge(file, record, document);
        let body_len = u32::from_le_bytes(*file[record.at + 32..].first_chunk().unwrap());
        let text = &file[record.at + 104..][..usize::try_from(body_len).unwrap() - 16];
        let digest = lottery::ChunkDigest::of(std::str::from_utf8(text).unwrap());
        let mut index = file.split_off(SEGMENT_LEN);
        // The first record opens the draw, and is listed among the other events.
        index[92 + 52 * (nth - 1) + 20..][..32].copy_from_slice(&digest.0);
        mend_index(&mut index, 0);
        file.extend(index);
    });
    // The close records a digest of the set of bets, and the set differs.
    let last = segments(&disk).pop().unwrap();
    let found = damage(try_open(&disk, OPTIONS), "a forged batch");
    assert_eq!(found.file, last);
    assert!(found.what.contains("the rules forbid"), "{}", found.what);
}

#[test]
fn records_forged_beside_an_open_ledger_are_not_returned() {
    let disk = played();
    let last = segments(&disk).pop().unwrap();
    let ledger = open(&disk);
    let sound = ledger.winners(DRAW).unwrap();
    let events = audit_log(&ledger).unwrap();
    let (all, read) = records(&ledger, 0);
    assert!(read.is_ok());
    for from in 0..all.len() {
        assert!(records(&ledger, from) == (all[from..].to_vec(), Ok(())), "from {from}");
    }
    // In place: the ledger has the files open.
    let put = |name: &str, bytes: &[u8]| {
        disk.open(name, Claim::Write).unwrap().write_at(0, bytes).unwrap();
    };
    for name in [FIRST, &last] {
        let whole = disk.contents(name);
        let (mut forged, (nth, document)) = (whole.clone(), winning_record(&whole));
        forge(&mut forged, records_in(&whole)[nth], document);
        put(name, &forged);
        assert!(why_unreadable(ledger.winners(DRAW)).contains(name));
        assert!(
            why_unreadable(ledger.scan(DRAW, &mut |_| ControlFlow::Continue(()))).contains(name)
        );
        let (found, read) = records(&ledger, 0);
        assert!(why_unreadable(read).contains(name));
        assert!(all.starts_with(&found), "what is forged was read in {name}");
        put(name, &whole);
        assert_eq!(ledger.winners(DRAW).as_ref(), Ok(&sound), "{name} is as it was");
    }
    let whole = disk.contents(FIRST);
    let (mut forged, opened) = (whole.clone(), records_in(&whole)[0]);
    // A byte of the draw's name.
    forge(&mut forged, opened, opened.at + 108);
    put(FIRST, &forged);
    assert!(why_unreadable(audit_log(&ledger)).contains(FIRST));
    put(FIRST, &whole);
    assert_eq!(audit_log(&ledger), Ok(events));
}
