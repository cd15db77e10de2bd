//! A naive implementation of the documented ledger format (docs/reference/ledger.md): locates
//! records, and gives arbitrary bytes valid checksums.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

pub(crate) const SECTOR_LEN: usize = 512;
pub(crate) const BLOCK_LEN: usize = 4096;
/// Length of every segment here: the minimum.
pub(crate) const SEGMENT_LEN: usize = 96 << 10;
pub(crate) const RECORDS_AT: usize = BLOCK_LEN;
/// Length of a segment's header in bytes.
pub const SEGMENT_HEADER_LEN: usize = 104;
/// The id of ledgers created without threads.
const LEDGER_ID: [u8; 16] = [7; 16];
pub(crate) const RECORD_HEADER_LEN: usize = 88;
const RECORD_TRAILER_LEN: usize = 8;
const INDEX_HEAD_LEN: usize = 92;
/// Lengths of an index entry, by section: batches, other events, numbers, postings.
const INDEX_ENTRY_LENS: [usize; 4] = [52, 8, 16, 1];

/// The position of a record in its file, and its own data about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordPlace {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) sequence: u64,
    pub(crate) group: u64,
    /// The number of following records of the same decision.
    pub(crate) left: usize,
}

impl RecordPlace {
    pub(crate) fn range(&self) -> Range<usize> {
        self.at..self.at + self.len
    }
}

/// The end of a ledger, which the next record continues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) sequence: u64,
    pub(crate) chain: [u8; 32],
}

impl Default for End {
    /// Returns the end of an empty ledger.
    fn default() -> Self {
        Self { sequence: 0, chain: Sha256::digest(LEDGER_ID).into() }
    }
}

impl End {
    /// Returns the end of a segment that has records.
    pub(crate) fn of(segment: &[u8]) -> Option<Self> {
        let last = records_in(segment).pop()?;
        Some(Self { sequence: last.sequence + 1, chain: chain_at(segment, Some(&last)) })
    }
}

/// Returns the chain up to a record, or up to the first one.
pub(crate) fn chain_at(segment: &[u8], record: Option<&RecordPlace>) -> [u8; 32] {
    let at = record.map_or(40, |record| record.at + 56);
    *segment[at..].first_chunk().expect("a header and a record are longer")
}

pub(crate) fn name(number: usize) -> String {
    format!("segment-{number:010}.bol")
}

/// Returns whether all bytes are zero. Compares by blocks because the fuzzer traces comparisons.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(BLOCK_LEN).all(|block| block == &[0; BLOCK_LEN][..block.len()])
}

/// Returns the complete records at the beginning of a segment.
pub(crate) fn records_in(file: &[u8]) -> Vec<RecordPlace> {
    let mut records = Vec::new();
    let mut at = RECORDS_AT;
    while file.get(at..at + 4) == Some(b"BLR2") && at + len_at(file, at) <= file.len() {
        let len = len_at(file, at);
        let (sequence, group) = (u64_at(file, at + 8), u64_at(file, at + 40));
        let left = u16_at(file, at + 26).into();
        records.push(RecordPlace { at, len, sequence, group, left });
        at += len;
    }
    records
}

/// Returns the length of the record here by its header; without one, the length of a header.
pub(crate) fn len_at(file: &[u8], at: usize) -> usize {
    let header = file.get(at..at + RECORD_HEADER_LEN).filter(|it| it.starts_with(b"BLR2"));
    header.map_or(RECORD_HEADER_LEN, |header| record_len(usize_at(header, 32)))
}

/// Returns an input of the check `open_ledger` that reproduces these files without mending.
#[must_use]
pub fn sparse(files: &[Vec<u8>]) -> Vec<u8> {
    let mut input = vec![0];
    for file in files {
        let records_end = records_in(file).last().map_or(RECORDS_AT, |record| record.range().end);
        input.extend_from_slice(&file[..SEGMENT_HEADER_LEN]);
        for part in [&file[RECORDS_AT..records_end], &file[SEGMENT_LEN..]] {
            let len = u16::try_from(part.len()).expect("a seed is small");
            input.extend_from_slice(&len.to_le_bytes());
            input.extend_from_slice(part);
        }
    }
    input
}

/// Returns a segment's file, given the parts of it that are not zeros.
pub(crate) fn file_of(header: &[u8], records: &[u8], index: &[u8]) -> Vec<u8> {
    let mut file = header.to_vec();
    file.resize(RECORDS_AT, 0);
    file.extend_from_slice(&records[..records.len().min(SEGMENT_LEN - RECORDS_AT)]);
    file.resize(SEGMENT_LEN, 0);
    file.extend_from_slice(index);
    file
}

/// Returns the header of the segment that continues from `end`.
pub(crate) fn segment_header(number: usize, end: &End) -> Vec<u8> {
    let mut header = b"BOLILLER\x02\0\0\0\0\0\0\0".to_vec();
    for word in [number as u64, end.sequence, SEGMENT_LEN as u64] {
        header.extend_from_slice(&word.to_le_bytes());
    }
    header.extend_from_slice(&end.chain);
    header.extend_from_slice(&LEDGER_ID);
    // The ledger's first segment, and no feature.
    header.extend_from_slice(&1_u64.to_le_bytes());
    header.extend_from_slice(&[0; 8]);
    let crc = crc32c::crc32c(&header[16..]);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Turns `records` into at most `count` valid records. Keeps their time, kind and body, and their
/// group and lengths as far as possible; fixes marks, sequence, segment, checksums and chain.
pub(crate) fn mend_records(
    records: &mut Vec<u8>,
    number: usize,
    mut end: End,
    count: usize,
) -> End {
    let mut at = 0;
    for _ in 0..count {
        let room = records.len().saturating_sub(at + RECORD_HEADER_LEN);
        if room == 0 {
            break;
        }
        let body_len = usize_at(records, at + 32).min(room).min(engine::limits::BODY_LEN_MAX);
        let head_len = usize::from(u16_at(records, at + 28)).min(body_len);
        let len = record_len(body_len);
        if at + len > SEGMENT_LEN - RECORDS_AT {
            break;
        }
        records.resize(records.len().max(at + len), 0);
        mend_lengths(&mut records[at..at + len], (body_len, head_len));
        mend_record(&mut records[at..at + len], number, &mut end);
        at += len;
    }
    end
}

fn mend_lengths(record: &mut [u8], (body_len, head_len): (usize, usize)) {
    let small = |len: usize| u32::try_from(len).expect("bounded by the longest body").to_le_bytes();
    put(record, 32, &small(body_len));
    put(record, 28, &small(head_len)[..2]);
}

/// Makes a record, which must have the length that it states, continue from `end`.
pub(crate) fn mend_record(record: &mut [u8], number: usize, end: &mut End) {
    let (body_len, head_len) = (usize_at(record, 32), usize::from(u16_at(record, 28)));
    put(record, 0, b"BLR2");
    put(record, 8, &end.sequence.to_le_bytes());
    put(record, 30, &[0; 2]);
    let group = u64_at(record, 40).min(end.sequence);
    let pending = u64::from(u32_at(record, 36)).min(group);
    put(record, 36, &pending.to_le_bytes()[..4]);
    put(record, 40, &group.to_le_bytes());
    put(record, 48, &(number as u64).to_le_bytes());
    let (head, tail) = record[RECORD_HEADER_LEN..][..body_len].split_at(head_len);
    let hash = Sha256::new()
        .chain_update(end.chain)
        .chain_update(&record[8..32])
        .chain_update(head)
        .chain_update(Sha256::digest(tail));
    let chain: [u8; 32] = hash.finalize().into();
    put(record, 56, &chain);
    *end = End { sequence: end.sequence + 1, chain };
    mend_sums(record);
}

/// Fixes the checksums and marks of a record, which must have the length that it states.
pub(crate) fn mend_sums(record: &mut [u8]) {
    let body_len = usize_at(record, 32);
    let crc = crc32c::crc32c(&record[8..RECORD_HEADER_LEN]);
    put(record, 4, &crc.to_le_bytes());
    let body_end = RECORD_HEADER_LEN + body_len;
    let crc = crc32c::crc32c(&record[RECORD_HEADER_LEN..body_end]);
    let trailer = record.len() - RECORD_TRAILER_LEN;
    record[body_end..trailer].fill(0);
    put(record, trailer, &crc.to_le_bytes());
    put(record, trailer + 4, b"2RLB");
}

fn put(record: &mut [u8], at: usize, bytes: &[u8]) {
    record[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Fixes the marks and checksums of an index; keeps its contents.
pub(crate) fn mend_index(index: &mut Vec<u8>, first_sequence: u64) {
    index.resize(index.len().max(INDEX_HEAD_LEN), 0);
    index[..8].copy_from_slice(b"BOLINDEX");
    index[8..12].copy_from_slice(&1_u32.to_le_bytes());
    index[16..24].copy_from_slice(&first_sequence.to_le_bytes());
    let mut section_at = INDEX_HEAD_LEN;
    let mut ends = [0; 4];
    for (place, entry_len) in INDEX_ENTRY_LENS.into_iter().enumerate() {
        // Limit the number of entries to those that fit.
        let room = (index.len() - section_at) / entry_len;
        let count = usize_at(index, 24 + 4 * place).min(room);
        let bytes = u32::try_from(count).expect("an input is small").to_le_bytes();
        index[24 + 4 * place..][..4].copy_from_slice(&bytes);
        section_at += count * entry_len;
        ends[place] = section_at;
    }
    let [_, listed, numbers, postings] = ends;
    for (at, section) in
        [(40, INDEX_HEAD_LEN..listed), (44, listed..numbers), (48, numbers..postings)]
    {
        let crc = crc32c::crc32c(&index[section]);
        index[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&index[16..INDEX_HEAD_LEN]);
    index[12..16].copy_from_slice(&crc.to_le_bytes());
}

/// Makes an index end where its segment does.
pub(crate) fn continue_index(index: &mut Vec<u8>, records_len: usize, end: &End) {
    index.resize(index.len().max(INDEX_HEAD_LEN), 0);
    let records_end = u32::try_from(RECORDS_AT + records_len).expect("a segment is short");
    index[52..56].copy_from_slice(&records_end.to_le_bytes());
    index[60..92].copy_from_slice(&end.chain);
}

fn record_len(body_len: usize) -> usize {
    RECORD_HEADER_LEN + body_len.next_multiple_of(8) + RECORD_TRAILER_LEN
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(*bytes[at..].first_chunk().expect("the caller looked"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller looked"))
}

fn usize_at(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u32_at(bytes, at)).expect("u32 fits usize")
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller looked"))
}
