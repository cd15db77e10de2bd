//! Uses arbitrary bytes as the files of a ledger: reads from outside, opens, reads and writes.
//!
//! Input: flags, then the segments, each without its zeros: header (104 bytes), length and bytes of
//! the records, length and bytes of the index. Unmodified, these fail at the checksums; flags ask
//! for headers, records or indexes to be mended, which makes them valid with arbitrary contents.
//!
//! Invariants of the ledger:
//! - it never panics or uses much memory;
//! - it opens whatever a reader from outside accepts;
//! - a store that opens works.

use std::sync::Arc;

use engine::LedgerId;
use ledger::disk::Disk as _;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, Ledger, Options};
use lottery::ReadError;

use crate::decisions::Decisions;
use crate::ledger_bytes::{
    End, SEGMENT_HEADER_LEN, SEGMENT_LEN, continue_index, file_of, mend_index, mend_records, name,
    segment_header,
};
use crate::stored::{
    Files, audit_log, disk_of, files_of, open, read, scan, shows, takes_a_batch, tells,
};

const SEGMENTS_MAX: usize = 3;
/// Maximum number of records mended in one segment.
const RECORDS_MAX: usize = 40;

// Flags of an input.
const MEND_HEADERS: u8 = 1;
const MEND_RECORDS: u8 = 1 << 1;
const MEND_INDEXES: u8 = 1 << 2;
/// With mended indexes: those end where the records do.
const CONTINUE_INDEXES: u8 = 1 << 3;
/// A byte for each segment says how many bytes are added to it or cut off.
const CHANGE_LENGTHS: u8 = 1 << 4;
/// Also opens the ledger with its threads.
const WITH_THREADS: u8 = 1 << 5;

pub(crate) fn check(input: &[u8]) {
    let files = files(&mut Decisions::new(input));
    let disk = disk_of(&files);
    let read = read(&disk);
    assert!(files_of(&disk) == files, "a reader from outside changed something");
    match &read {
        Err(Fault::NoLedger) => assert!(files.is_empty(), "there are segments"),
        Err(fault) => is_about_the_bytes(fault),
        Ok(_) => {}
    }
    if input.first().is_some_and(|flags| flags & WITH_THREADS != 0) {
        with_threads(&disk_of(&files), read.is_ok());
    }
    let ledger = match open(&disk) {
        Ok(ledger) => ledger,
        Err(fault) => {
            is_about_the_bytes(&fault);
            assert!(read.is_err(), "sound for a reader from outside, and not opened: {fault}");
            assert!(files_of(&disk) == files, "something was changed and not opened");
            return;
        }
    };
    match &read {
        Ok((told, summary)) => {
            let report = ledger.report();
            assert_eq!((report.records, report.cut_bytes), (told.len() as u64, summary.torn_bytes));
            shows(&ledger, told);
            tells(&ledger, told, false);
        }
        Err(_) => reads_or_refuses(&ledger),
    }
    drop(ledger);
    takes_a_batch(&disk, read.as_ref().ok().map(|(told, _)| &told[..]));
}

fn files(decisions: &mut Decisions<'_>) -> Files {
    let flags = decisions.byte();
    let has = |flag: u8| flags & flag != 0;
    let (mut files, mut end) = (Files::new(), End::default());
    while !decisions.is_empty() && files.len() < SEGMENTS_MAX {
        let number = files.len() + 1;
        let first_sequence = end.sequence;
        let header = match has(MEND_HEADERS) {
            true => segment_header(number, &end),
            false => decisions.bytes(SEGMENT_HEADER_LEN).to_vec(),
        };
        let records_len = decisions.u16().into();
        let mut records = decisions.bytes(records_len).to_vec();
        if has(MEND_RECORDS) {
            end = mend_records(&mut records, number, end, RECORDS_MAX);
        }
        let index_len = decisions.u16().into();
        let mut index = decisions.bytes(index_len).to_vec();
        if has(MEND_INDEXES) && !index.is_empty() {
            if has(CONTINUE_INDEXES) {
                continue_index(&mut index, records.len(), &end);
            }
            mend_index(&mut index, first_sequence);
        }
        let mut file = file_of(&header, &records, &index);
        if has(CHANGE_LENGTHS) {
            let change = usize::from(decisions.byte());
            file.resize(if change < 128 { file.len() + change } else { change * 700 }, 0);
        }
        files.insert(name(number), file);
    }
    files
}

/// Checks that the fault describes the bytes of the folder.
fn is_about_the_bytes(fault: &Fault) {
    assert!(
        matches!(
            fault,
            Fault::Damage(_)
                | Fault::NewerFormat { .. }
                | Fault::NewerFeature { .. }
                | Fault::OlderFormat { .. }
        ),
        "{fault}"
    );
}

/// Checks that reads succeed or report damage: opening trusts the checksums of indexes, so reading
/// must not rely on the positions that they contain.
fn reads_or_refuses(ledger: &ledger::SimulatedEngine) {
    for draw in (1..=8).map(lottery::DrawId) {
        let refused =
            [scan(ledger, draw).err(), ledger.winners(draw).err(), audit_log(ledger).err()];
        for refused in refused.into_iter().flatten() {
            let words = refused.to_string();
            let expected =
                !matches!(refused, ReadError::Unreadable(_)) || words.contains("damaged");
            assert!(expected, "{words}");
        }
    }
}

fn with_threads(disk: &SimulatedDisk, sound: bool) {
    let options = Options { id: LedgerId([7; 16]), segment_len: SEGMENT_LEN as u64, spares: 1 };
    match Ledger::open_on(Arc::new(disk.clone()), options) {
        Ok(ledger) => drop(ledger),
        Err(fault) => {
            assert!(!sound, "{fault}");
            is_about_the_bytes(&fault);
        }
    }
    let lock = disk.lock(ledger::disk::Claim::Write);
    assert!(lock.is_ok(), "a ledger that was dropped is closed");
}
