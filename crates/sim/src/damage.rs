//! Damages an unused copy of the ledger, as an accident or an attacker might, and checks that it is
//! detected: opening refuses damage in what it reads, and damaged bets are never returned.
//!
//! Locates data by the format document (docs/reference/ledger.md), not with the ledger's own code.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use engine::conformance::TestClock;
use ledger::disk::Disk as _;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Fault, SimulatedEngine};
use lottery::{DrawId, ReadError};

use crate::faults::Faults;
use crate::limits::SEGMENT_LEN;
use crate::setting::Setting;
use crate::wrong::{Wrong, wrong};

const RECORDS_AT: usize = 4096;
const RECORD_HEADER_LEN: usize = 88;
const BATCH: u16 = 2;
const BATCH_HEAD_LEN: usize = 16;

/// Checks that each kind of damage that `disk` has data for is detected.
pub(crate) fn is_noticed(
    disk: &SimulatedDisk,
    setting: &Setting,
    faults: &mut Faults,
) -> Result<(), Wrong> {
    let mut names = disk.names().unwrap_or_default();
    names.sort_unstable();
    let used: Vec<_> = names.iter().filter(|name| is_used(&disk.contents(name))).collect();
    if let [.., before, last] = used[..]
        && is_sealed(&disk.contents(before))
    {
        let copy = copy_of(disk);
        names.iter().filter(|name| *name >= last).for_each(|name| copy.unlink(name));
        end_is_missed(&copy)?;
        faults.lost_ends += 1;
    }
    for name in used {
        let mut file = disk.contents(name);
        let draw = is_sealed(&file).then(|| forge_a_winner(&mut file, setting)).flatten();
        if let Some(draw) = draw {
            let copy = copy_of(disk);
            copy.put(name, &file);
            faults.forged_winners += u64::from(winner_is_not_told(&copy, draw)?);
        }
    }
    Ok(())
}

fn open(copy: &SimulatedDisk) -> Result<SimulatedEngine, Fault> {
    SimulatedEngine::open_on(Arc::new(copy.clone()), SEGMENT_LEN, Arc::<TestClock>::default())
}

fn end_is_missed(copy: &SimulatedDisk) -> Result<(), Wrong> {
    match open(copy) {
        Err(Fault::Damage(_)) => Ok(()),
        Err(other) => wrong(format!("the end of the ledger was removed: {other}")),
        Ok(_) => wrong("the end of the ledger was removed, and it was opened"),
    }
}

/// Checks that the forged winner is not returned; returns whether the draw has taken place.
fn winner_is_not_told(copy: &SimulatedDisk, draw: DrawId) -> Result<bool, Wrong> {
    // A segment without an index is read completely when the ledger is opened.
    let ledger = match open(copy) {
        Err(Fault::Damage(_)) => return Ok(false),
        opened => opened?,
    };
    let scanned = ledger.scan(draw, &mut |_| ControlFlow::Continue(()));
    if !matches!(scanned, Err(ReadError::Unreadable(_))) {
        return wrong("a forged bet was told");
    }
    match ledger.winners(draw) {
        Err(ReadError::NotDrawn) => Ok(false),
        Err(ReadError::Unreadable(_)) => Ok(true),
        other => wrong(format!("a winner was forged, and told: {other:?}")),
    }
}

/// Replaces the document of a winner and fixes the record's checksum. Returns the bet's draw.
fn forge_a_winner(file: &mut [u8], setting: &Setting) -> Option<DrawId> {
    let winning = format!("|{}", setting.winning_number);
    records_in(file).into_iter().find_map(|body| {
        let text_at = body.start + BATCH_HEAD_LEN;
        let text = str::from_utf8(file.get(text_at..body.end)?).ok()?;
        let mut bets = text.split_inclusive('&');
        let bet = bets.find(|bet| bet.trim_end_matches('&').ends_with(&winning))?;
        let bet_at = text_at + (bet.as_ptr() as usize - text.as_ptr() as usize);
        // Skip the first name and the last name to the end of the document.
        let (document_end, _) = bet.match_indices('|').nth(2)?;
        let document_end = bet_at + document_end;
        let digit = &mut file[document_end - 1];
        *digit = if *digit == b'8' { b'9' } else { b'8' };
        let draw = u32_at(file, body.start);
        let sum = crc32c::crc32c(&file[body.clone()]);
        let trailer = body.start + body.len().next_multiple_of(8);
        file[trailer..trailer + 4].copy_from_slice(&sum.to_le_bytes());
        Some(DrawId(draw))
    })
}

/// Returns the byte ranges of the bodies of a segment's batches.
fn records_in(file: &[u8]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let mut at = RECORDS_AT;
    while file.get(at..at + 4) == Some(b"BLR2") {
        let body_at = at + RECORD_HEADER_LEN;
        let body_len = u32_at(file, at + 32) as usize;
        if u16::from_le_bytes([file[at + 24], file[at + 25]]) == BATCH {
            batches.push(body_at..body_at + body_len);
        }
        at = body_at + body_len.next_multiple_of(8) + 8;
    }
    batches
}

fn is_used(file: &[u8]) -> bool {
    file.iter().take(512).any(|&byte| byte != 0)
}

fn is_sealed(file: &[u8]) -> bool {
    file.len() as u64 > SEGMENT_LEN
}

fn copy_of(disk: &SimulatedDisk) -> SimulatedDisk {
    disk.crash(&mut || true)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("a segment is longer"))
}
