//! The record stream: consecutive events of a log as bytes, for files and connections.
//!
//! Little-endian: a header, records, and an end, which tells a whole stream from one that is cut off.
//!
//! | bytes | header |
//! |---|---|
//! | 8 | `BOLIRECS` |
//! | 4 | version, 1 |
//! | 4 | 0 |
//! | 16 | id of the ledger |
//! | 8 | sequence of the first record, or of the next one of the ledger if there are none |
//! | 32 | chain before it; before sequence 0, SHA-256 of the id |
//! | 8 | the first bytes of the SHA-256 of the 72 bytes before |
//!
//! | bytes | record |
//! |---|---|
//! | 24 | u64 sequence, u64 time, u16 kind, u16 left, u16 length of the head, u16 0: what the chain covers |
//! | 4 | n, length of the body |
//! | 4 | the feature that is needed to read it ([`feature_of`]) |
//! | 32 | chain |
//! | n | body: head, then tail ([`Body`](crate::Body)) |
//!
//! The end is the first 64 bytes of a record of kind 0: the sequence of the next record, the chain
//! after the last one, all else 0. A stream begins and ends between two decisions.
//!
//! Nothing in it is secret or signed: what vouches for a stream is that it continues a chain that
//! its reader trusts.

use std::io::{self, ErrorKind, Read, Write};

use lottery::{ChunkDigest, Event, Timestamp};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::body::{FEATURE, decode, feature_of};
use crate::chain::{Chain, LedgerId, Link};
use crate::limits::BODY_LEN_MAX;
use crate::log::Record;

const MAGIC: [u8; 8] = *b"BOLIRECS";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 80;
const DIGESTED_LEN: usize = 72;
const RECORD_HEADER_LEN: usize = 64;
/// The kind of the end.
const END: u16 = 0;
/// The highest sequence that a stream may begin with: more than a ledger ever has, and no overflow.
const SEQUENCE_MAX: u64 = u64::MAX / 2;

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The ledger.
    pub id: LedgerId,
    /// The number of events before the first one of the stream.
    pub sequence: u64,
    /// The chain before that one.
    pub chain: Chain,
}

/// Why a stream can't be read. No record after the last one that was returned is sound.
#[derive(Debug, Error)]
pub enum StreamError {
    /// It begins with other bytes.
    #[error("it is not a record stream")]
    NotAStream,
    /// It has a newer version.
    #[error("it has version {version} and this program knows {known}; upgrade this program")]
    NewerVersion {
        /// The stream's version.
        version: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It holds an event that only newer programs know.
    #[error(
        "record {record} needs feature {feature} and this program knows {known}; upgrade this \
         program"
    )]
    NewerFeature {
        /// The record's sequence.
        record: u64,
        /// The feature that it needs.
        feature: u32,
        /// The newest feature that this program knows.
        known: u32,
    },
    /// It ends before its end.
    #[error("it is cut off {}", in_or_before(.record))]
    Cut {
        /// The sequence of the record that is missing or not whole; `None` for the header.
        record: Option<u64>,
    },
    /// The header differs from what was written.
    #[error("its header {0}")]
    Header(&'static str),
    /// A record differs from what was written.
    #[error("record {record} {why}")]
    Damaged {
        /// The record's sequence.
        record: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn in_or_before(record: &Option<u64>) -> String {
    match record {
        Some(record) => format!("in or before record {record}"),
        None => "in its header".to_owned(),
    }
}

/// Writes a stream. Writes are small: `W` should buffer them.
pub struct StreamWriter<W> {
    out: W,
    next: u64,
    chain: Chain,
    /// How many records of the current decision are still to come.
    left: u16,
}

impl<W: Write> StreamWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn start(mut out: W, start: StreamStart) -> io::Result<Self> {
        let StreamStart { id, sequence, chain } = start;
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&id.0);
        header.extend_from_slice(&sequence.to_le_bytes());
        header.extend_from_slice(&chain.0);
        let digest = digest_of(&header);
        header.extend_from_slice(&digest);
        out.write_all(&header)?;
        Ok(Self { out, next: sequence, chain, left: 0 })
    }

    /// Writes the next record.
    ///
    /// # Errors
    /// When it can't be written.
    ///
    /// # Panics
    /// When it is not the next one of the ledger.
    pub fn add(&mut self, record: &Record<'_>) -> io::Result<()> {
        let Record { sequence, at, left, event, chain, .. } = *record;
        assert_eq!(sequence, self.next, "records are written in order");
        let body = record.body();
        let head_len = u16::try_from(body.head().len()).expect("heads are a few bytes");
        let link = Link { sequence, at, kind: body.kind(), left };
        let n = u32::try_from(body.len()).expect("the domain bounds every body");
        self.out.write_all(&record_header(&link, head_len, n, feature_of(event), chain))?;
        self.out.write_all(body.head())?;
        self.out.write_all(body.tail())?;
        (self.next, self.chain, self.left) = (sequence + 1, chain, left);
        Ok(())
    }

    /// Returns what it writes to.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// Has what was written passed on.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Returns whether the last decision is whole, so that the stream may end here.
    #[must_use]
    pub fn may_end(&self) -> bool {
        self.left == 0
    }

    /// Writes the end, and returns what was written to.
    ///
    /// # Errors
    /// When it can't be written.
    ///
    /// # Panics
    /// When the last decision is not whole.
    pub fn finish(mut self) -> io::Result<W> {
        assert!(self.may_end(), "a stream ends between two decisions");
        let link = Link { sequence: self.next, at: Timestamp(0), kind: END, left: 0 };
        self.out.write_all(&record_header(&link, 0, 0, 0, self.chain))?;
        Ok(self.out)
    }
}

fn record_header(
    link: &Link,
    head_len: u16,
    n: u32,
    feature: u32,
    chain: Chain,
) -> [u8; RECORD_HEADER_LEN] {
    let mut bytes = [0; RECORD_HEADER_LEN];
    bytes[..24].copy_from_slice(&link.to_bytes(head_len));
    bytes[24..28].copy_from_slice(&n.to_le_bytes());
    bytes[28..32].copy_from_slice(&feature.to_le_bytes());
    bytes[32..].copy_from_slice(&chain.0);
    bytes
}

/// Reads a stream and verifies every record before it returns it. Takes the memory of one record.
/// Reads are small: `R` should buffer them.
pub struct StreamReader<R> {
    from: R,
    start: StreamStart,
    next: u64,
    chain: Chain,
    left: u16,
    body: Vec<u8>,
    event: Option<Event>,
}

/// The first part of a record.
struct Header {
    link: Link,
    head_len: usize,
    body_len: usize,
    feature: u32,
    chain: Chain,
}

impl<R: Read> StreamReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it can't be read, or is not that of a stream which this program knows.
    pub fn open(mut from: R) -> Result<Self, StreamError> {
        let mut bytes = [0; HEADER_LEN];
        fill(&mut from, &mut bytes[..8], None)?;
        if bytes[..8] != MAGIC {
            return Err(StreamError::NotAStream);
        }
        fill(&mut from, &mut bytes[8..], None)?;
        let version = u32_at(&bytes, 8);
        if version > VERSION {
            return Err(StreamError::NewerVersion { version, known: VERSION });
        }
        if bytes[DIGESTED_LEN..] != digest_of(&bytes[..DIGESTED_LEN]) {
            return Err(StreamError::Header("does not match its digest"));
        }
        let id = LedgerId(*bytes[16..].first_chunk().expect("a header is longer"));
        let start = StreamStart { id, sequence: u64_at(&bytes, 32), chain: chain_at(&bytes, 40) };
        if version != VERSION || u32_at(&bytes, 12) != 0 || start.sequence > SEQUENCE_MAX {
            return Err(StreamError::Header("is not one of this version"));
        }
        if start.sequence == 0 && start.chain != Chain::first(id) {
            return Err(StreamError::Header("has another chain than its ledger begins with"));
        }
        let (next, chain) = (start.sequence, start.chain);
        Ok(Self { from, start, next, chain, left: 0, body: Vec::new(), event: None })
    }

    /// Returns where the stream begins.
    #[must_use]
    pub fn start(&self) -> StreamStart {
        self.start
    }

    /// Returns what it is read from.
    #[must_use]
    pub fn get_ref(&self) -> &R {
        &self.from
    }

    /// Returns the next record; `None` at the end. Blocks until all of the record is read. Not
    /// called again after the end or an error.
    ///
    /// # Errors
    /// When reading fails, or what was read is not the next record.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, StreamError> {
        let record = self.next;
        let damaged = |why| StreamError::Damaged { record, why };
        let mut bytes = [0; RECORD_HEADER_LEN];
        fill(&mut self.from, &mut bytes, Some(record))?;
        let Header { link, head_len, body_len, feature, chain } =
            Header::decode(&bytes).map_err(damaged)?;
        if link.sequence != record {
            return Err(damaged("is missing: another one is in its place"));
        }
        if self.left > 0 && (link.kind == END || link.left != self.left - 1) {
            return Err(damaged("is not the one that its decision continues with"));
        }
        if link.kind == END {
            let is_sound = bytes[8..32].iter().all(|&byte| byte == 0) && chain == self.chain;
            return if is_sound { Ok(None) } else { Err(damaged("is in place of the end")) };
        }
        self.body.resize(body_len, 0);
        fill(&mut self.from, &mut self.body, Some(record))?;
        let (head, tail) = self.body.split_at(head_len);
        let decoded = decode(link.kind, head, tail);
        let digest = match &decoded {
            Ok(decoded) => decoded.tail_digest,
            Err(_) => ChunkDigest(Sha256::digest(tail).into()),
        };
        if self.chain.then(&link, head, &digest) != chain {
            return Err(damaged("does not continue the chain of those before it"));
        }
        let decoded = decoded.map_err(|why| match feature > FEATURE {
            true => StreamError::NewerFeature { record, feature, known: FEATURE },
            false => damaged(why),
        })?;
        if feature != feature_of(&decoded.event) {
            return Err(damaged("states another feature than its event needs"));
        }
        let text = decoded.text;
        let event = self.event.insert(decoded.event);
        let Link { sequence, at, left, .. } = link;
        let read = Record { sequence, at, left, event, text, chain };
        if !has_its_bets(&read) {
            return Err(damaged("is a batch that does not hold the bets that it says"));
        }
        (self.next, self.chain, self.left) = (record + 1, chain, left);
        Ok(Some(read))
    }

    /// Returns what it was read from, to go on after the end.
    #[must_use]
    pub fn into_inner(self) -> R {
        self.from
    }
}

impl Header {
    fn decode(bytes: &[u8; RECORD_HEADER_LEN]) -> Result<Self, &'static str> {
        let (link, head_len) = Link::of_bytes(bytes.first_chunk().expect("a header is longer"))
            .ok_or("has something that it has no place for")?;
        let body_len = usize::try_from(u32_at(bytes, 24)).expect("u32 fits usize");
        let head_len = usize::from(head_len);
        if body_len > BODY_LEN_MAX || head_len > body_len {
            return Err("has a length that no record has");
        }
        let (feature, chain) = (u32_at(bytes, 28), chain_at(bytes, 32));
        Ok(Self { link, head_len, body_len, feature, chain })
    }
}

/// Reads all of `bytes`, which are part of a record or of the header.
fn fill(from: &mut impl Read, bytes: &mut [u8], record: Option<u64>) -> Result<(), StreamError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => StreamError::Cut { record },
        _ => StreamError::Io(error),
    })
}

fn has_its_bets(record: &Record<'_>) -> bool {
    let (Event::BatchAccepted(summary), Some(batch)) = (record.event, record.batch()) else {
        return true;
    };
    let mut count = 0;
    batch.bets().all(|bet| {
        count += 1;
        bet.is_ok()
    }) && count == u64::from(summary.bets)
}

fn digest_of(bytes: &[u8]) -> [u8; HEADER_LEN - DIGESTED_LEN] {
    *Sha256::digest(bytes).first_chunk().expect("SHA-256 has 32 bytes")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("a header is longer"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("a header is longer"))
}

fn chain_at(bytes: &[u8], at: usize) -> Chain {
    Chain(*bytes[at..].first_chunk().expect("a header is longer"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lottery::{AgencyId, DrawId};

    use super::*;
    use crate::body::tests::events;
    use crate::log::{Entry, Tip};

    const START: StreamStart =
        StreamStart { id: LedgerId([7; 16]), sequence: 9, chain: Chain([5; 32]) };

    /// Entries that follow [`START`], of every kind, each a decision of its own, and one of two.
    fn entries() -> Vec<Entry> {
        let mut tip = Tip { sequence: START.sequence, chain: START.chain, at: Timestamp(0) };
        let mut entries = Vec::new();
        let mut add = |left, event, batch| {
            let entry = Entry::new(tip, Timestamp(1_700_000_000_000), left, event, batch);
            tip = entry.tip();
            entries.push(entry);
        };
        let draw = DrawId(1);
        add(1, Event::AgencyFinished { draw, agency: AgencyId(5) }, None);
        add(0, Event::DrawPublished { draw }, None);
        for (event, batch) in events() {
            add(0, event, batch.map(Arc::new));
        }
        entries
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut writer = StreamWriter::start(Vec::new(), START).unwrap();
        entries.iter().for_each(|entry| writer.add(&entry.record()).unwrap());
        writer.finish().unwrap()
    }

    /// Reads a stream; returns how many records came before the error.
    fn read(bytes: &[u8], entries: &[Entry]) -> (usize, Result<(), StreamError>) {
        let mut reader = match StreamReader::open(bytes) {
            Ok(reader) => reader,
            Err(error) => return (0, Err(error)),
        };
        assert_eq!(reader.start(), START);
        let mut count = 0;
        loop {
            match reader.read() {
                Ok(Some(record)) => assert_eq!(record, entries[count].record()),
                Ok(None) => return (count, Ok(())),
                Err(error) => return (count, Err(error)),
            }
            count += 1;
        }
    }

    #[test]
    fn a_stream_reads_back_with_and_without_records() {
        let entries = entries();
        for entries in [&entries[..], &[]] {
            let (count, end) = read(&written(entries), entries);
            assert!(end.is_ok(), "{end:?}");
            assert_eq!(count, entries.len());
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        // An act, and a batch.
        let entries = &entries()[..4];
        let bytes = written(entries);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(read(&flipped, entries).1.is_err(), "bit {at}");
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_not_whole() {
        let entries = &entries()[..4];
        let bytes = written(entries);
        for len in 0..bytes.len() {
            let (count, error) = read(&bytes[..len], entries);
            match error {
                Err(StreamError::Cut { record: None }) => assert!(len < HEADER_LEN),
                Err(StreamError::Cut { record: Some(record) }) => {
                    assert_eq!(record, START.sequence + count as u64);
                }
                other => panic!("{len} bytes: {other:?}"),
            }
        }
    }

    #[test]
    fn a_stream_does_not_end_within_a_decision() {
        let entries = &entries()[..2];
        let whole = written(entries);
        // The end in place of the second record.
        let mut end = [&whole[..HEADER_LEN + RECORD_HEADER_LEN + 8], &[0; 64]].concat();
        let at = end.len() - 64;
        end[at..at + 8].copy_from_slice(&10_u64.to_le_bytes());
        end[at + 32..].copy_from_slice(&entries[0].chain.0);
        let (count, refused) = read(&end, entries);
        assert!(matches!(refused, Err(StreamError::Damaged { record: 10, .. })), "{refused:?}");
        assert_eq!(count, 1);
    }

    #[test]
    fn newer_streams_are_told_from_damaged_ones() {
        let bytes = written(&[]);
        let newer = [&bytes[..8], &[2], &bytes[9..]].concat();
        let refused = StreamReader::open(&newer[..]).err().unwrap();
        assert!(matches!(refused, StreamError::NewerVersion { version: 2, .. }), "{refused}");
        assert!(refused.to_string().contains("upgrade"), "{refused}");

        let link = Link { sequence: 9, at: Timestamp(0), kind: 99, left: 0 };
        let chain = START.chain.then(&link, &[], &ChunkDigest::of(""));
        for (feature, is_newer) in [(FEATURE + 1, true), (FEATURE, false)] {
            let record = record_header(&link, 0, 0, feature, chain);
            let bytes = [&bytes[..HEADER_LEN], &record[..]].concat();
            let (_, refused) = read(&bytes, &[]);
            let found = matches!(refused, Err(StreamError::NewerFeature { record: 9, .. }));
            assert_eq!(found, is_newer, "{refused:?}");
        }
    }

    /// Returns a stream without an end: one record with this body, whatever that is.
    fn forged(kind: u16, head: &[u8], tail: &[u8]) -> Vec<u8> {
        let link = Link { sequence: 9, at: Timestamp(0), kind, left: 0 };
        let chain = START.chain.then(&link, head, &ChunkDigest(Sha256::digest(tail).into()));
        let (head_len, n) = (u16::try_from(head.len()).unwrap(), head.len() + tail.len());
        let record = record_header(&link, head_len, u32::try_from(n).unwrap(), 0, chain);
        [&written(&[])[..HEADER_LEN], &record, head, tail].concat()
    }

    #[test]
    fn a_batch_without_the_bets_that_it_says_and_a_body_of_any_length_are_refused() {
        let head =
            |bets: u8| [[1, 0, 0, 0].as_slice(), &[2, 0, 0, 0], &[0; 4], &[bets, 0, 0, 0]].concat();
        let bet = b"Ana|Paz|1|2000-01-01|7";
        for (bets, text, why) in [
            (2, &bet[..], "is a batch that does not hold"),
            (1, b"Ana|Paz|1|2000-13-01|7", "is a batch that does not hold"),
            (1, &[b'A'; BODY_LEN_MAX], "has a length that no record has"),
        ] {
            let (count, refused) = read(&forged(2, &head(bets), text), &[]);
            let refused = refused.unwrap_err().to_string();
            assert!(count == 0 && refused.starts_with(&format!("record 9 {why}")), "{refused}");
        }
        let bytes = forged(2, &head(1), bet);
        let mut reader = StreamReader::open(&bytes[..]).unwrap();
        assert_eq!(reader.read().unwrap().unwrap().text.as_bytes(), bet);
    }

    #[test]
    fn the_bytes_are_those_of_the_documented_format() {
        let bytes = written(&entries()[..2]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let start = [
            "424f4c4952454353",
            "01000000",
            "00000000",
            &"07".repeat(16),
            "0900000000000000",
            &"05".repeat(32),
            "????????????????",
            "0900000000000000",
            "0068e5cf8b010000",
            "0300",
            "0100",
            "0800",
            "0000",
            "08000000",
            "00000000",
            &"?".repeat(64),
            "0100000005000000",
        ];
        let mut at = 0;
        for part in start {
            let found = &hex[at..at + part.len()];
            assert!(part.starts_with('?') || part == found, "{part} is {found}");
            at += part.len();
        }
        let end = &hex[hex.len() - 128..];
        assert_eq!(&end[..64], format!("0b00000000000000{}", "00".repeat(24)));
        assert_eq!(end[64..], entries()[1].chain.to_string());
    }
}
