//! A segment: one preallocated file of records, its header, and the walk over its records.
//!
//! A segment is named `segment-0000000001.bol` by its number, from 1. Its first block holds the
//! header, little-endian, then zeros; records follow from byte 4096, each where the one before
//! ends; behind the last one everything is zeros up to the segment's length, where an index may
//! follow (see [`crate::index`]). A segment that is all zeros is not in use yet.
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
//! | 96 | 4 | feature: the newest that its records need, 0 |
//! | 100 | 4 | 0 |

use std::ops::Range;

use engine::{Chain, Decoded, LedgerId};
use lottery::planted::{Bug, planted};
use lottery::{Event, Timestamp};

use crate::disk::DiskFile;
use crate::error::{Damage, Fault};
use crate::limits::{
    BLOCK_LEN, BODY_LEN_MAX, RECORDS_OFFSET, SECTOR_LEN, SEGMENT_LEN_MAX, SEGMENT_LEN_MIN,
    ZERO_STEP_LEN,
};
use crate::record::{self, Fingerprint, HEADER_LEN, Header, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"BOLILLER";
const FORMAT_VERSION: u32 = 2;
/// What programs wrote before the first release.
const BEFORE_RELEASE: u32 = 1;
/// The newest feature that this program knows. Whoever adds a kind of event adds one.
const FEATURE: u32 = 0;
const FIRST_SEGMENT: u64 = 1;
const SEGMENT_HEADER_LEN: usize = 104;
/// The longest record.
const RECORD_LEN_MAX: usize = record::record_len(BODY_LEN_MAX);
/// How much of a segment is read in one call.
const READ_STEP_LEN: usize = 256 << 10;
/// How much of a segment is read in one call beside the intake.
const SKIM_STEP_LEN: usize = 32 << 10;
/// How much is read at first of a record whose length is not known: most are shorter.
const RECORD_READ_LEN: usize = 16 << 10;

/// The name of the segment with this number.
pub(crate) fn name(number: u64) -> String {
    format!("segment-{number:010}.bol")
}

/// The number in a segment's name, if it is one.
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
    /// Of the record before the first.
    pub(crate) chain: Chain,
    pub(crate) ledger: LedgerId,
}

impl SegmentHeader {
    /// The first block of the segment.
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
        block[96..100].copy_from_slice(&FEATURE.to_le_bytes());
        let crc = crc32c::crc32c(&block[16..SEGMENT_HEADER_LEN]);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads the header of the segment that should have this number; none when it is not in use.
    pub(crate) fn read(file: &dyn DiskFile, number: u64) -> Result<Option<Self>, Fault> {
        let name = name(number);
        let file_len =
            file.len().map_err(|error| Fault::io("asking the length of", &name, error))?;
        if file_len < BLOCK_LEN as u64 {
            // Left by a crash while it was made, then it was never written to; or cut later.
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
        };
        let feature = u32_at(&bytes, 96);
        if feature > FEATURE {
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

/// Checks that a segment's file has nothing behind `len`, where it ends.
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

/// Checks that there is nothing in a segment behind its records, which end at `end`.
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

/// Whether a part of a file reads as zeros.
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

/// Told how many bytes were read or looked at; holds up what comes next, or breaks it off.
pub(crate) type Pace<'a> = dyn FnMut(usize) -> std::io::Result<()> + 'a;

/// A segment's header and records in memory, up to some end.
pub(crate) struct Image {
    pub(crate) header: SegmentHeader,
    bytes: Vec<u8>,
}

/// A sound record in an image.
pub(crate) struct Record<'a> {
    pub(crate) offset: usize,
    pub(crate) header: Header,
    pub(crate) event: Event,
    /// The bets in canonical text when the event is a batch.
    pub(crate) text: &'a str,
    body: &'a [u8],
}

/// A record read on its own, checked against its checksums but not against the chain.
pub(crate) struct LoneRecord {
    segment: u64,
    offset: usize,
    header: Header,
    body: Vec<u8>,
}

impl Record<'_> {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.header, self.body)
    }
}

/// Walks over the records of an image, each checked against its checksums and the chain. Those of a
/// decision come all or none.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    image: &'a Image,
    offset: usize,
    next_sequence: u64,
    chain: Chain,
    /// Of the decision that was begun: the group that it is in, and how many of its records are
    /// still to come.
    group: u64,
    left: u16,
}

/// Where a walk can't go on.
pub(crate) struct Stop {
    /// What is wrong there, when it is not just the end.
    pub(crate) flaw: &'static str,
    /// Where: at the walk's place, or behind it when a decision is not whole.
    offset: usize,
    /// Whether a crash can't be the reason, whatever was written when it came.
    beyond_doubt: bool,
}

/// What is behind the last sound record of the segment that was being written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    Clean,
    /// Something that a crash left half written, up to this offset.
    Torn {
        /// Where the bytes that are not zero end.
        end: usize,
    },
}

/// Reads a segment that others follow, part by part, and looks at each record's checksums and
/// place: whether it is as it was written. Gives where its records end, and the chain of the last.
pub(crate) fn skim(
    file: &dyn DiskFile,
    segment: &SegmentHeader,
    mut pace: impl FnMut(usize),
) -> Result<(usize, Chain), Fault> {
    let failed = |error| Fault::io("reading", &name(segment.number), error);
    let len = usize::try_from(segment.len).expect("a segment fits memory");
    let (mut offset, mut sequence) = (RECORDS_OFFSET, segment.first_sequence);
    let mut chain = segment.chain;
    // What was read from `offset` on.
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

/// Reads the header of the record at `offset`.
pub(crate) fn read_header(
    file: &dyn DiskFile,
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

/// Reads the record at `offset`.
pub(crate) fn read_record(
    file: &dyn DiskFile,
    segment: &SegmentHeader,
    offset: usize,
) -> Result<LoneRecord, Fault> {
    let name = name(segment.number);
    let damage = |what| Fault::Damage(Damage::new(&name, offset as u64, what));
    let room = usize::try_from(segment.len).expect("a segment fits memory").saturating_sub(offset);
    if room == 0 {
        return Err(damage("there is no record behind the end of the segment"));
    }
    let mut bytes = vec![0; room.min(RECORD_READ_LEN)];
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
    /// Its number in the ledger.
    pub(crate) fn sequence(&self) -> u64 {
        self.header.sequence
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.header, &self.body)
    }

    pub(crate) fn chain(&self) -> Chain {
        self.header.chain
    }

    /// How many records of the same decision follow.
    pub(crate) fn left(&self) -> u16 {
        self.header.left
    }

    /// Whether its chain is right behind a record with the chain `before`.
    pub(crate) fn continues(&self, before: Chain) -> Result<bool, Fault> {
        let head = &self.body[..usize::from(self.header.head_len)];
        let digest = self.decode()?.tail_digest;
        Ok(record::chain(before, &self.header, head, &digest) == self.header.chain)
    }

    /// Where it ends in its segment.
    pub(crate) fn end(&self) -> usize {
        self.offset + self.header.record_len()
    }

    /// When it was decided.
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp(self.header.at_ms)
    }

    /// The event, and its bets in canonical text when it is a batch.
    pub(crate) fn decode(&self) -> Result<Decoded<'_>, Fault> {
        let (head, tail) = self.body.split_at(usize::from(self.header.head_len));
        engine::decode(self.header.kind, head, tail).map_err(|what| self.damage(what))
    }

    /// Damage at this record.
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

    /// As [`Image::read`], at a pace.
    pub(crate) fn read_paced(
        file: &dyn DiskFile,
        header: SegmentHeader,
        end: Option<u64>,
        pace: &mut Pace<'_>,
    ) -> Result<Self, Fault> {
        let len = usize::try_from(end.unwrap_or(header.len)).expect("a segment fits memory");
        let mut bytes = vec![0; len];
        // In parts, so that the system lets others have the disk and the processor in between.
        for (part, offset) in bytes.chunks_mut(READ_STEP_LEN).zip((0..).step_by(READ_STEP_LEN)) {
            file.read_at(offset, part)
                .and_then(|()| pace(part.len()))
                .map_err(|error| Fault::io("reading", &name(header.number), error))?;
        }
        Ok(Self { header, bytes })
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A part of it as it is.
    pub(crate) fn bytes(&self, part: Range<usize>) -> &[u8] {
        &self.bytes[part]
    }

    /// Starts at the first record.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk {
            image: self,
            offset: RECORDS_OFFSET,
            next_sequence: self.header.first_sequence,
            chain: self.header.chain,
            group: 0,
            left: 0,
        }
    }

    /// Damage at `offset`.
    pub(crate) fn damage(&self, offset: usize, what: impl Into<String>) -> Fault {
        Fault::Damage(Damage::new(&name(self.header.number), offset as u64, what))
    }
}

impl<'a> Walk<'a> {
    /// The next record, or why there is none: also when one of its decision is missing.
    pub(crate) fn step(&mut self) -> Result<Record<'a>, Stop> {
        let mut ahead = self.clone();
        let record = ahead.step_alone()?;
        let next = ahead.clone();
        if self.left == 0 && !planted(Bug::HalfDecisionKept) {
            // Most are decisions of one record.
            while ahead.left > 0 {
                ahead.step_alone()?;
            }
        }
        *self = next;
        Ok(record)
    }

    fn step_alone(&mut self) -> Result<Record<'a>, Stop> {
        let rest = self.image.bytes.get(self.offset..).unwrap_or_default();
        let offset = self.offset;
        let doubtful = |flaw| Stop { flaw, offset, beyond_doubt: false };
        let certain = |flaw| Stop { flaw, offset, beyond_doubt: true };
        let header = Header::decode(rest).ok_or(doubtful("there is no sound record header"))?;
        if header.segment != self.image.header.number || header.sequence != self.next_sequence {
            return Err(certain("the record here belongs elsewhere"));
        }
        let body = record::body_of(&header, rest)
            .ok_or(doubtful("the record does not match its checksum"))?;
        if self.left > 0 && (header.group, header.left) != (self.group, self.left - 1) {
            return Err(certain("the record here belongs to another decision"));
        }
        let (head, tail) = body.split_at(usize::from(header.head_len));
        let decoded = engine::decode(header.kind, head, tail).map_err(certain)?;
        if record::chain(self.chain, &header, head, &decoded.tail_digest) != header.chain {
            return Err(certain("the record does not continue the chain of those before it"));
        }
        self.offset += header.record_len();
        self.next_sequence += 1;
        self.chain = header.chain;
        (self.group, self.left) = (header.group, header.left);
        Ok(Record { offset, header, event: decoded.event, text: decoded.text, body })
    }

    /// Where the walk is, in bytes from the start of the segment.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// Whether there are no more bytes.
    pub(crate) fn is_at_end(&self) -> bool {
        self.offset >= self.image.bytes.len()
    }

    /// The sequence of the record that comes next.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Of the last record.
    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    /// The damage of a stop that must not be where it is.
    pub(crate) fn damage(&self, stop: &Stop) -> Fault {
        let sequence = self.next_sequence;
        self.image.damage(stop.offset, format!("{} (record {sequence} expected)", stop.flaw))
    }

    /// Checks that a segment which others follow ends here as it should: with zeros only.
    pub(crate) fn expect_end(&self, stop: &Stop) -> Result<(), Fault> {
        if self.rest().iter().all(|&byte| byte == 0) { Ok(()) } else { Err(self.damage(stop)) }
    }

    /// Tells a tail that a crash left from damage, in the segment that was being written.
    ///
    /// A crash leaves whole sectors unwritten, and only of the last group: so what stopped the walk
    /// is a torn tail only if a sector of it still reads as zeros and no record behind it was
    /// written after it had become durable. All else is damage to something that may have been
    /// acknowledged.
    pub(crate) fn judge_tail(&self, stop: &Stop) -> Result<Tail, Fault> {
        let rest = self.rest();
        let Some(last) = rest.iter().rposition(|&byte| byte != 0) else {
            return Ok(Tail::Clean);
        };
        if let Some(witness) = self.witness(&rest[..=last]) {
            return Err(self.image.damage(
                self.offset,
                format!(
                    "record {} is damaged ({}), though record {witness} shows that it was durable",
                    self.next_sequence, stop.flaw
                ),
            ));
        }
        if stop.beyond_doubt || !self.has_unwritten_sector(stop.offset) {
            return Err(self.damage(stop));
        }
        Ok(Tail::Torn { end: self.offset + last + 1 })
    }

    fn rest(&self) -> &'a [u8] {
        self.image.bytes.get(self.offset..).unwrap_or_default()
    }

    /// A record in `rest` that was written after the one missing here had become durable.
    fn witness(&self, rest: &[u8]) -> Option<u64> {
        let starts = (record::ALIGNMENT..rest.len()).step_by(record::ALIGNMENT);
        let headers = starts.filter_map(|at| Header::decode(&rest[at..]));
        let mut here = headers.filter(|header| header.segment == self.image.header.number);
        here.find(|header| header.durable_before() > self.next_sequence)
            .map(|header| header.sequence)
    }

    /// Whether the record at `offset` has a sector of which it wrote nothing.
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
