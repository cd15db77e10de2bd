//! Reads arbitrary bytes as a record stream, in any pieces.
//!
//! Input: flags, a schedule of pieces, the bytes. Unmodified, these fail at the first chain; a flag
//! asks for records to be mended, which makes them valid with arbitrary contents.
//!
//! Invariants of the reader:
//! - it never panics, and takes no more memory than a record may have;
//! - what it reads does not depend on the pieces;
//! - what it reads, written again, is what it read, byte for byte.

use std::io::{self, Read};

use engine::{Record, StreamError, StreamReader, StreamStart, StreamWriter};
use lottery::{Event, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::decisions::{Decisions, Schedule};
use crate::stored::{disk_of, sound_files};

const HEADER_LEN: usize = 80;
const RECORD_HEADER_LEN: usize = 64;

// Flags of an input.
const MEND_HEADER: u8 = 1;
const MEND_RECORDS: u8 = 1 << 1;

/// A record with owned fields.
#[derive(Debug, PartialEq)]
struct Owned {
    sequence: u64,
    at: Timestamp,
    left: u16,
    event: Event,
    text: String,
    chain: engine::Chain,
}

impl Owned {
    fn of(record: &Record<'_>) -> Self {
        let Record { sequence, at, left, event, text, chain } = *record;
        Self { sequence, at, left, event: event.clone(), text: text.to_owned(), chain }
    }

    fn record(&self) -> Record<'_> {
        let Self { sequence, at, left, ref event, ref text, chain } = *self;
        Record { sequence, at, left, event, text, chain }
    }
}

/// What was read: where it begins, its records, and whether it has an end.
type Found = Result<(StreamStart, Vec<Owned>, Result<(), StreamError>), StreamError>;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let flags = decisions.byte();
    let pieces = decisions.schedule();
    let mut bytes = decisions.rest().to_vec();
    if flags & MEND_HEADER != 0 {
        mend_header(&mut bytes);
    }
    if flags & MEND_RECORDS != 0 {
        mend_records(&mut bytes);
    }
    let found = read(&bytes[..]);
    let in_pieces = read(Pieces { unread: &bytes, pieces });
    assert_eq!(
        format!("{found:?}"),
        format!("{in_pieces:?}"),
        "what is read depends on the pieces"
    );
    let Ok((start, records, end)) = found else { return };
    let mut writer = StreamWriter::start(Vec::new(), start).expect("memory takes everything");
    for record in &records {
        writer.add(&record.record()).expect("memory takes everything");
    }
    if end.is_ok() {
        assert!(writer.may_end(), "a decision that is not whole");
        let written = writer.finish().expect("memory takes everything");
        assert!(bytes.starts_with(&written), "what is read is another stream when it is written");
    }
}

fn read(from: impl Read) -> Found {
    let mut reader = StreamReader::open(from)?;
    let mut records = Vec::new();
    let end = loop {
        match reader.read() {
            Ok(Some(record)) => records.push(Owned::of(&record)),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    Ok((reader.start(), records, end))
}

/// Bytes that arrive in pieces.
struct Pieces<'a> {
    unread: &'a [u8],
    pieces: Schedule<'a>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // A step of 0 reads as much as there is room for.
        let wanted = match self.pieces.step() {
            0 => usize::MAX,
            step => step,
        };
        let len = wanted.min(into.len());
        self.unread.read(&mut into[..len])
    }
}

/// Returns the stream of a valid ledger; see [`crate::sound_ledger`].
///
/// # Panics
/// When there is no ledger of that number.
#[must_use]
pub fn sound_stream(number: usize) -> Vec<u8> {
    let disk = disk_of(&sound_files(number));
    let archive = ledger::Archive::open_on(std::sync::Arc::new(disk)).expect("a sound ledger");
    let id = engine::LedgerId([7; 16]);
    let start = StreamStart { id, sequence: 0, chain: engine::Chain::first(id) };
    let mut writer = StreamWriter::start(Vec::new(), start).expect("memory takes everything");
    let read = archive.read(|record| {
        writer.add(&record).expect("memory takes everything");
        Ok::<_, ledger::Fault>(())
    });
    read.expect("a sound ledger");
    writer.finish().expect("memory takes everything")
}

/// Makes the header one of this version, with its digest.
fn mend_header(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().max(HEADER_LEN), 0);
    bytes[..16].copy_from_slice(b"BOLIRECS\x01\0\0\0\0\0\0\0");
    if bytes[32..40] == [0; 8] {
        let first = Sha256::digest(&bytes[16..32]);
        bytes[40..72].copy_from_slice(&first);
    }
    let digest = Sha256::digest(&bytes[..72]);
    bytes[72..80].copy_from_slice(&digest[..8]);
}

/// Makes records of what follows the header. Keeps their time, kind, `left`, feature and body, and
/// their lengths as far as possible; adds an end.
fn mend_records(bytes: &mut Vec<u8>) {
    if bytes.len() < HEADER_LEN {
        return;
    }
    let mut sequence = u64::from_le_bytes(*bytes[32..].first_chunk().expect("it is longer"));
    let mut chain: [u8; 32] = *bytes[40..].first_chunk().expect("it is longer");
    let mut at = HEADER_LEN;
    while let Some(room) = bytes.len().checked_sub(at + RECORD_HEADER_LEN)
        && bytes[at + 16..at + 18] != [0; 2]
    {
        let (header, body) = bytes[at..].split_at_mut(RECORD_HEADER_LEN);
        let n = u32::from_le_bytes(*header[24..].first_chunk().expect("it is longer"));
        let n = room.min(n as usize).min(engine::limits::BODY_LEN_MAX);
        let head_len = u16::from_le_bytes([header[20], header[21]]);
        let head_len = usize::from(head_len).min(n);
        let small = |len: usize| u32::try_from(len).expect("bounded by the longest body");
        header[..8].copy_from_slice(&sequence.to_le_bytes());
        header[20..22].copy_from_slice(&small(head_len).to_le_bytes()[..2]);
        header[22..24].fill(0);
        header[24..28].copy_from_slice(&small(n).to_le_bytes());
        let hash = Sha256::new()
            .chain_update(chain)
            .chain_update(&header[..24])
            .chain_update(&body[..head_len])
            .chain_update(Sha256::digest(&body[head_len..n]));
        chain = hash.finalize().into();
        header[32..].copy_from_slice(&chain);
        sequence = sequence.wrapping_add(1);
        at += RECORD_HEADER_LEN + n;
    }
    bytes.truncate(at);
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&[0; 24]);
    bytes.extend_from_slice(&chain);
}
