//! A segment: one preallocated file of records. Reads and writes its header, and walks and checks
//! its records.
//!
//! Segment files are named by number, from 1: `segment-0000000001.bol`. The first block holds the
//! header below (little-endian), padded with zeros. Records start at byte 4096, back to back. After
//! the last record the segment is zeros up to its length, where an index may follow (see
//! [`crate::index`]). A segment of zeros only is not in use yet.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `BOLILLER` |
//! | 8 | 4 | format version, 2 |
//! | 12 | 4 | CRC-32C of bytes 16..104 |
//! | 16 | 8 | number of the segment |
//! | 24 | 8 | sequence of its first record |
//! | 32 | 8 | length of the segment, without the index |
//! | 40 | 32 | chain of the record before the first |
//! | 72 | 16 | id of the ledger |
//! | 88 | 8 | number of the ledger's first segment, 1 |
//! | 96 | 4 | feature: the newest that its records need, 0 to 4 |
//! | 100 | 4 | 0 |

use std::ops::Range;

use engine::limits::BODY_LEN_MAX;
use engine::{Chain, Decoded, FEATURE, LedgerId};
use lottery::{ChunkDigest, Event, Timestamp};

use crate::disk::DiskFile;
use crate::error::{Damage, Fault};
use crate::limits::{
    BLOCK_LEN, RECORDS_OFFSET, SECTOR_LEN, SEGMENT_LEN_MAX, SEGMENT_LEN_MIN, ZERO_STEP_LEN,
};
use crate::record::{self, Fingerprint, HEADER_LEN, Header, u32_at, u64_at};
use crate::window::ReadAt;

const MAGIC: [u8; 8] = *b"BOLILLER";
const FORMAT_VERSION: u32 = 2;
/// The format version written before the first release; no longer readable.
const BEFORE_RELEASE: u32 = 1;
pub(crate) const FIRST_SEGMENT: u64 = 1;
const SEGMENT_HEADER_LEN: usize = 104;
/// The length of the longest record, in bytes.
const RECORD_LEN_MAX: usize = record::record_len(BODY_LEN_MAX);
/// Bytes per read when a whole segment is loaded.
const READ_STEP_LEN: usize = 256 << 10;
/// Bytes per read when a segment is verified in the background, beside the intake.
const SKIM_STEP_LEN: usize = 64 << 10;
/// Most batches' records are shorter.
pub(crate) const BATCH_LIKELY_LEN: usize = 16 << 10;
/// Most other records are shorter.
pub(crate) const EVENT_LIKELY_LEN: usize = 256;

/// Returns the file name of the segment with this number.
pub(crate) fn name(number: u64) -> String {
    format!("segment-{number:010}.bol")
}

/// Returns the number in a segment's file name, or `None` when it is not a segment's name.
pub(crate) fn number_in(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_prefix("segment-")?.strip_suffix(".bol")?;
    let number = digits.parse().ok()?;
    (name(number) == file_name).then_some(number)
}

/// The header of a segment in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) first_sequence: u64,
    pub(crate) len: u64,
    /// The chain of the last record before this segment.
    pub(crate) chain: Chain,
    pub(crate) ledger: LedgerId,
    /// The newest feature that its records may need ([`engine::feature_of`]).
    pub(crate) feature: u32,
}

impl SegmentHeader {
    /// Encodes the header as the first block of the segment.
    pub(crate) fn to_block(self) -> [u8; BLOCK_LEN] {
        let mut block = [0; BLOCK_LEN];
        block[..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        block[16..24].copy_from_slice(&self.number.to_le_bytes());
        block[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        block[32..40].copy_from_slice(&self.len.to_le_bytes());
        block[40..72].copy_from_slice(&self.chain.0);
        block[72..88].copy_from_slice(&self.ledger.0);
        block[88..96].copy_from_slice(&FIRST_SEGMENT.to_le_bytes());
        block[96..100].copy_from_slice(&self.feature.to_le_bytes());
        let crc = crc32c::crc32c(&block[16..SEGMENT_HEADER_LEN]);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads the header of segment `number`; `None` when the segment is not in use.
    pub(crate) fn read(file: &dyn DiskFile, number: u64) -> Result<Option<Self>, Fault> {
        let name = name(number);
        let file_len =
            file.len().map_err(|error| Fault::io("asking the length of", &name, error))?;
        if file_len < BLOCK_LEN as u64 {
            // A crash during creation leaves a short file of zeros; anything else was truncated.
            return match is_zero(file, 0..file_len).map_err(|e| Fault::io("reading", &name, e))? {
                true => Ok(None),
                false => Err(cut_short(&name, file_len)),
            };
        }
        let mut bytes = [0; BLOCK_LEN];
        file.read_at(0, &mut bytes).map_err(|error| Fault::io("reading", &name, error))?;
        let damage = |what: &str| Fault::Damage(Damage::new(&name, 0, what));
        if bytes[..SECTOR_LEN].iter().all(|&byte| byte == 0) {
            let unused = is_zero(file, 0..file_len).map_err(|e| Fault::io("reading", &name, e))?;
            let lost = || damage("the segment's header is missing, though it holds something");
            return if unused { Ok(None) } else { Err(lost()) };
        }
        if bytes[..8] != MAGIC {
            return Err(damage("the segment's header does not begin as one"));
        }
        let version = u32_at(&bytes, 8);
        if version > FORMAT_VERSION {
            return Err(Fault::NewerFormat { file: name, version, known: FORMAT_VERSION });
        }
        if version == BEFORE_RELEASE {
            return Err(Fault::OlderFormat { file: name, version, known: FORMAT_VERSION });
        }
        if u32_at(&bytes, 12) != crc32c::crc32c(&bytes[16..SEGMENT_HEADER_LEN]) {
            return Err(damage("the segment's header does not match its checksum"));
        }
        let header = Self {
            number: u64_at(&bytes, 16),
            first_sequence: u64_at(&bytes, 24),
            len: u64_at(&bytes, 32),
            chain: Chain(*bytes[40..].first_chunk().expect("a sector is longer than that")),
            ledger: LedgerId(*bytes[72..].first_chunk().expect("a sector is longer than that")),
            feature: u32_at(&bytes, 96),
        };
        if header.feature > FEATURE {
            let feature = header.feature;
            return Err(Fault::NewerFeature { file: name, feature, known: FEATURE });
        }
        let sound_len = (SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&header.len)
            && header.len.is_multiple_of(BLOCK_LEN as u64);
        let rest_is_zero = bytes[SEGMENT_HEADER_LEN - 4..].iter().all(|&byte| byte == 0);
        if !rest_is_zero || u64_at(&bytes, 88) != FIRST_SEGMENT {
            return Err(damage("the block of the segment's header holds something else too"));
        }
        if header.number != number || !sound_len || version != FORMAT_VERSION {
            return Err(damage("the segment's header belongs to another file or length"));
        }
        if file_len < header.len {
            return Err(cut_short(&name, file_len));
        }
        Ok(Some(header))
    }
}

fn cut_short(name: &str, file_len: u64) -> Fault {
    Fault::Damage(Damage::new(name, file_len, "the segment is cut short"))
}

/// Checks that a segment's file is no longer than `len`.
pub(crate) fn expect_len(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    len: u64,
) -> Result<(), Fault> {
    let name = name(header.number);
    let found = file.len().map_err(|error| Fault::io("asking the length of", &name, error))?;
    if found <= len {
        return Ok(());
    }
    Err(Fault::Damage(Damage::new(&name, len, "the file is longer than what was written to it")))
}

/// Checks that a segment is zeros from `end`, where its records end, to its length.
pub(crate) fn expect_zeros(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    end: u64,
) -> Result<(), Fault> {
    let name = name(header.number);
    let zero = is_zero(file, end..header.len);
    if zero.map_err(|error| Fault::io("reading", &name, error))? {
        return Ok(());
    }
    let what = "there is something behind the last record";
    Err(Fault::Damage(Damage::new(&name, end, what)))
}

/// Returns whether a range of a file reads as zeros.
fn is_zero(file: &dyn DiskFile, part: Range<u64>) -> std::io::Result<bool> {
    let mut buffer = vec![0; ZERO_STEP_LEN];
    let mut offset = part.start;
    while offset < part.end {
        let left = usize::try_from(part.end - offset).unwrap_or(usize::MAX);
        let part = &mut buffer[..left.min(ZERO_STEP_LEN)];
        file.read_at(offset, part)?;
        if part.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        offset += part.len() as u64;
    }
    Ok(true)
}

/// Called with the number of bytes just read or checked. May sleep to slow the reader down, or
/// return an error to abort it.
pub(crate) type Pace<'a> = dyn FnMut(usize) -> std::io::Result<()> + 'a;

/// A segment's header and records in memory, up to some offset.
pub(crate) struct Image {
    pub(crate) header: SegmentHeader,
    bytes: Vec<u8>,
}

/// A valid record in an image.
pub(crate) struct Record<'a> {
    pub(crate) offset: usize,
    pub(crate) header: Header,
    pub(crate) event: Event,
    /// The bets in canonical text if the event is a batch.
    pub(crate) text: &'a str,
    body: &'a [u8],
}

/// A record read on its own: its checksums are verified, its chain is not.
pub(crate) struct LoneRecord {
    segment: u64,
    offset: usize,
    header: Header,
    body: Vec<u8>,
}

impl Record<'_> {
    /// Returns the record as it is read.
    pub(crate) fn read(&self) -> engine::Record<'_> {
        read(&self.header, &self.event, self.text)
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.header, self.body)
    }
}

fn read<'a>(header: &Header, event: &'a Event, text: &'a str) -> engine::Record<'a> {
    let Header { sequence, at_ms, left, chain, .. } = *header;
    engine::Record { sequence, at: Timestamp(at_ms), left, event, text, chain }
}

/// Iterates over the records of an image and verifies each against its checksums and the chain. The
/// records of a decision are returned all or none.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    image: &'a Image,
    at: Position,
}

/// How far a walk has come.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    offset: usize,
    next_sequence: u64,
    chain: Chain,
    /// The current decision: the group it is in, and how many of its records are still to come.
    group: u64,
    left: u16,
}

/// Where and why a walk stopped.
pub(crate) struct Stop {
    /// What is wrong at `offset`; at the end of the records this is expected.
    pub(crate) flaw: &'static str,
    /// The offset of the flaw: the walk's position, or later when a decision is incomplete.
    offset: usize,
    /// Whether a crash can be ruled out as the cause.
    beyond_doubt: bool,
}

/// What follows the last valid record of the active segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Zeros only.
    Clean,
    /// A write that a crash interrupted, up to this offset.
    Torn {
        /// End of the last byte that is not zero.
        end: usize,
    },
}

/// Reads a full segment in steps and verifies the checksums and position of each record, but not
/// the chain. Returns the end of the records and the chain of the last one.
pub(crate) fn skim(
    file: &dyn DiskFile,
    segment: &SegmentHeader,
    mut pace: impl FnMut(usize),
) -> Result<(usize, Chain), Fault> {
    let failed = |error| Fault::io("reading", &name(segment.number), error);
    let len = usize::try_from(segment.len).expect("a segment fits memory");
    let (mut offset, mut sequence) = (RECORDS_OFFSET, segment.first_sequence);
    let mut chain = segment.chain;
    // Bytes read from `offset` on, not yet consumed.
    let mut held = Vec::with_capacity(SKIM_STEP_LEN + RECORD_LEN_MAX);
    loop {
        let before = held.len();
        let more = (len - offset - before).min(SKIM_STEP_LEN);
        held.resize(before + more, 0);
        file.read_at((offset + before) as u64, &mut held[before..]).map_err(failed)?;
        pace(more);
        let mut taken = 0;
        while let Some(header) = Header::decode(&held[taken..])
            && header.segment == segment.number
            && header.sequence == sequence
            && record::body_of(&header, &held[taken..]).is_some()
        {
            taken += header.record_len();
            sequence += 1;
            chain = header.chain;
        }
        held.drain(..taken);
        offset += taken;
        if more == 0 || (taken == 0 && held.len() >= RECORD_LEN_MAX) {
            break;
        }
    }
    let rest = (offset + held.len()) as u64..segment.len;
    if held.iter().all(|&byte| byte == 0) && is_zero(file, rest).map_err(failed)? {
        return Ok((offset, chain));
    }
    let what = format!("there is no sound record (record {sequence} expected)");
    Err(Fault::Damage(Damage::new(&name(segment.number), offset as u64, what)))
}

/// Reads the header of the record at `offset` and verifies its checksum.
pub(crate) fn read_header(
    file: &(impl ReadAt + ?Sized),
    segment: &SegmentHeader,
    offset: usize,
) -> Result<Header, Fault> {
    let name = name(segment.number);
    let mut bytes = [0; HEADER_LEN];
    let is_within = (offset + HEADER_LEN) as u64 <= segment.len;
    if is_within {
        file.read_at(offset as u64, &mut bytes)
            .map_err(|error| Fault::io("reading", &name, error))?;
    }
    let found = Header::decode(&bytes).filter(|header| header.segment == segment.number);
    let what = "there is no sound record header";
    found.ok_or_else(|| Fault::Damage(Damage::new(&name, offset as u64, what)))
}

/// Reads the record at `offset` and verifies its checksums. One longer than `likely_len` takes two
/// reads.
pub(crate) fn read_record(
    file: &(impl ReadAt + ?Sized),
    segment: &SegmentHeader,
    offset: usize,
    likely_len: usize,
) -> Result<LoneRecord, Fault> {
    let name = name(segment.number);
    let damage = |what| Fault::Damage(Damage::new(&name, offset as u64, what));
    let room = usize::try_from(segment.len).expect("a segment fits memory").saturating_sub(offset);
    if room == 0 {
        return Err(damage("there is no record behind the end of the segment"));
    }
    let mut bytes = vec![0; room.min(likely_len)];
    let fill = |bytes: &mut [u8]| {
        file.read_at(offset as u64, bytes).map_err(|error| Fault::io("reading", &name, error))
    };
    fill(&mut bytes)?;
    let header = Header::decode(&bytes)
        .filter(|header| header.segment == segment.number && header.record_len() <= room)
        .ok_or_else(|| damage("there is no sound record header"))?;
    if header.record_len() > bytes.len() {
        bytes.resize(header.record_len(), 0);
        fill(&mut bytes)?;
    }
    let body = record::body_of(&header, &bytes)
        .ok_or_else(|| damage("the record does not match its checksum"))?
        .to_vec();
    Ok(LoneRecord { segment: segment.number, offset, header, body })
}

impl LoneRecord {
    /// Returns the record's sequence in the ledger.
    pub(crate) fn sequence(&self) -> u64 {
        self.header.sequence
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.header, &self.body)
    }

    pub(crate) fn chain(&self) -> Chain {
        self.header.chain
    }

    /// Returns how many records of the same decision follow.
    pub(crate) fn left(&self) -> u16 {
        self.header.left
    }

    /// Returns whether the record, whose tail has this digest, continues the chain `before`.
    pub(crate) fn continues(&self, before: Chain, tail_digest: &ChunkDigest) -> bool {
        let head = &self.body[..usize::from(self.header.head_len)];
        record::chain(before, &self.header, head, tail_digest) == self.header.chain
    }

    /// Returns the record as it is read, given what it decodes to.
    pub(crate) fn read<'a>(&self, decoded: &'a Decoded<'_>) -> engine::Record<'a> {
        read(&self.header, &decoded.event, decoded.text)
    }

    /// Returns the record's end offset in its segment.
    pub(crate) fn end(&self) -> usize {
        self.offset + self.header.record_len()
    }

    /// Returns when the event was decided.
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp(self.header.at_ms)
    }

    /// Decodes the event, with its bets in canonical text if it is a batch.
    pub(crate) fn decode(&self) -> Result<Decoded<'_>, Fault> {
        let (head, tail) = self.body.split_at(usize::from(self.header.head_len));
        engine::decode(self.header.kind, head, tail).map_err(|what| self.damage(what))
    }

    /// Returns a damage fault at this record.
    pub(crate) fn damage(&self, what: &str) -> Fault {
        Fault::Damage(Damage::new(&name(self.segment), self.offset as u64, what))
    }
}

impl Image {
    /// Reads a segment up to `end`, or whole.
    pub(crate) fn read(
        file: &dyn DiskFile,
        header: SegmentHeader,
        end: Option<u64>,
    ) -> Result<Self, Fault> {
        Self::read_paced(file, header, end, &mut |_| Ok(()))
    }

    /// As [`Image::read`], calling `pace` after each step.
    pub(crate) fn read_paced(
        file: &dyn DiskFile,
        header: SegmentHeader,
        end: Option<u64>,
        pace: &mut Pace<'_>,
    ) -> Result<Self, Fault> {
        let len = usize::try_from(end.unwrap_or(header.len)).expect("a segment fits memory");
        let mut bytes = vec![0; len];
        // In steps, so that other users of the disk and the processor get their turn.
        for (part, offset) in bytes.chunks_mut(READ_STEP_LEN).zip((0..).step_by(READ_STEP_LEN)) {
            file.read_at(offset, part)
                .and_then(|()| pace(part.len()))
                .map_err(|error| Fault::io("reading", &name(header.number), error))?;
        }
        Ok(Self { header, bytes })
    }

    /// Returns the length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the bytes of a range.
    pub(crate) fn bytes(&self, part: Range<usize>) -> &[u8] {
        &self.bytes[part]
    }

    /// Returns a walk that starts at the first record.
    pub(crate) fn walk(&self) -> Walk<'_> {
        self.walk_from(Position {
            offset: RECORDS_OFFSET,
            next_sequence: self.header.first_sequence,
            chain: self.header.chain,
            group: 0,
            left: 0,
        })
    }

    /// Returns a walk that goes on where another one was.
    pub(crate) fn walk_from(&self, at: Position) -> Walk<'_> {
        Walk { image: self, at }
    }

    /// Reads everything from a position on once more.
    pub(crate) fn read_again(&mut self, file: &dyn DiskFile, from: Position) -> Result<(), Fault> {
        let rest = self.bytes.get_mut(from.offset..).unwrap_or_default();
        let offsets = (from.offset as u64..).step_by(READ_STEP_LEN);
        for (part, offset) in rest.chunks_mut(READ_STEP_LEN).zip(offsets) {
            file.read_at(offset, part)
                .map_err(|error| Fault::io("reading", &name(self.header.number), error))?;
        }
        Ok(())
    }

    /// Returns a damage fault at `offset`.
    pub(crate) fn damage(&self, offset: usize, what: impl Into<String>) -> Fault {
        Fault::Damage(Damage::new(&name(self.header.number), offset as u64, what))
    }
}

impl<'a> Walk<'a> {
    /// Returns the next record, or why there is none. Before the first record of a decision is
    /// returned, all records of the decision are verified.
    pub(crate) fn step(&mut self) -> Result<Record<'a>, Stop> {
        let mut ahead = self.clone();
        let record = ahead.step_alone()?;
        let next = ahead.clone();
        if self.at.left == 0 {
            // Most decisions have one record, so this rarely loops.
            while ahead.at.left > 0 {
                ahead.step_alone()?;
            }
        }
        *self = next;
        Ok(record)
    }

    fn step_alone(&mut self) -> Result<Record<'a>, Stop> {
        let rest = self.image.bytes.get(self.at.offset..).unwrap_or_default();
        let offset = self.at.offset;
        let doubtful = |flaw| Stop { flaw, offset, beyond_doubt: false };
        let certain = |flaw| Stop { flaw, offset, beyond_doubt: true };
        let header = Header::decode(rest).ok_or(doubtful("there is no sound record header"))?;
        if header.segment != self.image.header.number || header.sequence != self.at.next_sequence {
            return Err(certain("the record here belongs elsewhere"));
        }
        let body = record::body_of(&header, rest)
            .ok_or(doubtful("the record does not match its checksum"))?;
        if self.at.left > 0 && (header.group, header.left) != (self.at.group, self.at.left - 1) {
            return Err(certain("the record here belongs to another decision"));
        }
        let (head, tail) = body.split_at(usize::from(header.head_len));
        let decoded = engine::decode(header.kind, head, tail).map_err(certain)?;
        if record::chain(self.at.chain, &header, head, &decoded.tail_digest) != header.chain {
            return Err(certain("the record does not continue the chain of those before it"));
        }
        self.at.offset += header.record_len();
        self.at.next_sequence += 1;
        self.at.chain = header.chain;
        (self.at.group, self.at.left) = (header.group, header.left);
        Ok(Record { offset, header, event: decoded.event, text: decoded.text, body })
    }

    /// Returns how far the walk has come.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// Returns the walk's offset from the start of the segment.
    pub(crate) fn offset(&self) -> usize {
        self.at.offset
    }

    /// Returns whether the image has no more bytes.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at.offset >= self.image.bytes.len()
    }

    /// Returns the sequence of the next record.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.at.next_sequence
    }

    /// Returns the chain of the last record.
    pub(crate) fn chain(&self) -> Chain {
        self.at.chain
    }

    /// Returns the damage fault for a stop where a valid record was expected.
    pub(crate) fn damage(&self, stop: &Stop) -> Fault {
        let sequence = self.at.next_sequence;
        self.image.damage(stop.offset, format!("{} (record {sequence} expected)", stop.flaw))
    }

    /// Checks that a full segment holds only zeros from here on.
    pub(crate) fn expect_end(&self, stop: &Stop) -> Result<(), Fault> {
        if self.rest().iter().all(|&byte| byte == 0) { Ok(()) } else { Err(self.damage(stop)) }
    }

    /// Decides whether what follows the last valid record of the active segment is a torn tail or
    /// damage.
    ///
    /// A crash leaves whole sectors unwritten, and only in the last group. So the flaw is a torn
    /// tail only if a sector of the record there still reads as zeros, and no later record shows
    /// that it had become durable. Anything else is damage to data that may have been acknowledged.
    pub(crate) fn judge_tail(&self, stop: &Stop) -> Result<Tail, Fault> {
        let Some(last) = self.last_byte() else {
            return Ok(Tail::Clean);
        };
        self.expect_durable(stop, self.witness())?;
        if stop.beyond_doubt || !self.has_unwritten_sector(stop.offset) {
            return Err(self.damage(stop));
        }
        Ok(Tail::Torn { end: last + 1 })
    }

    /// Checks that every record that was durable when `witness` was written is among those walked.
    pub(crate) fn expect_durable(&self, stop: &Stop, witness: Option<Header>) -> Result<(), Fault> {
        let next = self.at.next_sequence;
        match witness.filter(|witness| witness.durable_before() > next) {
            None => Ok(()),
            Some(Header { sequence: witness, .. }) => Err(self.image.damage(
                self.at.offset,
                format!(
                    "record {next} is damaged ({}), though record {witness} shows that it was \
                     durable",
                    stop.flaw
                ),
            )),
        }
    }

    /// Returns the header behind the walk that shows of most records that they were durable.
    pub(crate) fn witness(&self) -> Option<Header> {
        let rest = &self.rest()[..=self.last_byte()? - self.at.offset];
        let starts = (record::ALIGNMENT..rest.len()).step_by(record::ALIGNMENT);
        let headers = starts.filter_map(|at| Header::decode(&rest[at..]));
        let here = headers.filter(|header| header.segment == self.image.header.number);
        here.max_by_key(Header::durable_before)
    }

    /// Returns the offset of the last byte behind the walk that is not zero.
    pub(crate) fn last_byte(&self) -> Option<usize> {
        let at = self.rest().iter().rposition(|&byte| byte != 0)?;
        Some(self.at.offset + at)
    }

    fn rest(&self) -> &'a [u8] {
        self.image.bytes.get(self.at.offset..).unwrap_or_default()
    }

    /// Returns whether a sector of the record at `offset` reads as zeros, that is, was never
    /// written.
    fn has_unwritten_sector(&self, offset: usize) -> bool {
        let rest = self.image.bytes.get(offset..).unwrap_or_default();
        let len = Header::decode(rest).map_or(HEADER_LEN, |header| header.record_len());
        let end = (offset + len).min(self.image.bytes.len());
        let mut from = offset;
        while from < end {
            let sector_end = ((from / SECTOR_LEN + 1) * SECTOR_LEN).min(end);
            if self.image.bytes[from..sector_end].iter().all(|&byte| byte == 0) {
                return true;
            }
            from = sector_end;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_both_ways() {
        assert_eq!(name(7), "segment-0000000007.bol");
        for number in [1, 9_999_999_999, 10_000_000_000, u64::MAX] {
            assert_eq!(number_in(&name(number)), Some(number));
        }
        for other in ["lock", "segment-1.bol", "segment-0000000001.bak", "segment-000000000x.bol"] {
            assert_eq!(number_in(other), None);
        }
    }
}
