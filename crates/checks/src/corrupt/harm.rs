//! The kinds of damage.

use fastrand::Rng;

use crate::ledger_bytes::{
    BLOCK_LEN, End, RECORD_HEADER_LEN, RECORDS_AT, RecordPlace, SECTOR_LEN, SEGMENT_HEADER_LEN,
    SEGMENT_LEN, chain_at, is_zero, mend_index, mend_record, mend_sums, name, records_in,
    segment_header,
};
use crate::stored::{Files, WINNING_NUMBER, disk_of, files_of, open};

use super::base::Base;
use super::used_segments;

/// A kind of damage to a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Flips one bit anywhere.
    BitFlipped,
    /// Zeroes a few consecutive bytes.
    BytesZeroed,
    /// Zeroes whole sectors.
    SectorsZeroed,
    /// Zeroes a whole file.
    FileZeroed,
    /// Truncates a file.
    FileCut,
    /// Extends a file.
    FileGrown,
    /// Swaps two blocks.
    BlocksSwapped,
    /// Overwrites a block with a copy of another.
    BlockCopied,
    /// Overwrites a record with a copy of another.
    RecordCopied,
    /// Swaps two segments.
    FilesSwapped,
    /// Deletes a file.
    FileDeleted,
    /// Deletes the last segments, including the spare ones.
    EndDeleted,
    /// Zeroes the last segments.
    EndZeroed,
    /// Zeroes the last records of the last segment.
    EndEmptied,
    /// Replaces a file by an older version.
    FileOlder,
    /// Adds some sectors of an unfinished write after the last record.
    TailTorn,
    /// Replaces the last segment and everything after it by an older version.
    EndOlder,
    /// Replaces a file by that of another ledger.
    FileForeign,
    /// Zeroes the header of a segment.
    HeaderZeroed,
    /// Changes a header and fixes its checksum.
    HeaderMended,
    /// Flips a bit of the checksum of a record's body.
    SumFlipped,
    /// Changes a record and fixes its checksums.
    RecordMended,
    /// Changes the document of a winner and fixes the record's checksums.
    WinnerForged,
    /// Changes a record and fixes its checksums and its chain.
    RecordRechained,
    /// Changes a record and fixes all records from it to the end of its segment.
    SegmentRechained,
    /// As [`Harm::SegmentRechained`], and rebuilds the index from these records.
    SegmentReindexed,
    /// Changes a record and fixes all records from it to the end of the ledger.
    LedgerRewritten,
    /// Deletes an index.
    IndexDeleted,
    /// Replaces an index by that of another segment.
    IndexForeign,
    /// Flips a bit of an index.
    IndexFlipped,
    /// Changes an index and fixes its checksums.
    IndexMended,
}

impl Harm {
    /// All kinds of damage.
    pub const ALL: &[Self] = &[
        Self::BitFlipped,
        Self::BytesZeroed,
        Self::SectorsZeroed,
        Self::FileZeroed,
        Self::FileCut,
        Self::FileGrown,
        Self::BlocksSwapped,
        Self::BlockCopied,
        Self::RecordCopied,
        Self::FilesSwapped,
        Self::FileDeleted,
        Self::EndDeleted,
        Self::EndZeroed,
        Self::EndEmptied,
        Self::TailTorn,
        Self::FileOlder,
        Self::EndOlder,
        Self::FileForeign,
        Self::HeaderZeroed,
        Self::HeaderMended,
        Self::SumFlipped,
        Self::RecordMended,
        Self::WinnerForged,
        Self::RecordRechained,
        Self::SegmentRechained,
        Self::SegmentReindexed,
        Self::LedgerRewritten,
        Self::IndexDeleted,
        Self::IndexForeign,
        Self::IndexFlipped,
        Self::IndexMended,
    ];

    /// Returns whether the result may be valid with other contents. In the last segment, the end of
    /// the segment is the end of the ledger.
    pub(super) fn rewrites_the_end(self, in_the_last: bool) -> bool {
        match self {
            Self::LedgerRewritten => true,
            Self::RecordRechained | Self::SegmentRechained | Self::SegmentReindexed => in_the_last,
            _ => false,
        }
    }

    /// Applies the damage at a random place; does nothing if there is no suitable place.
    pub(super) fn strike(self, files: &mut Files, base: &Base, rng: &mut Rng) {
        let used = used_segments(files);
        if used < 2 {
            return;
        }
        let number = rng.usize(1..=used);
        match self {
            Self::BitFlipped
            | Self::BytesZeroed
            | Self::SectorsZeroed
            | Self::FileZeroed
            | Self::FileCut
            | Self::FileGrown
            | Self::HeaderZeroed
            | Self::HeaderMended => self.strike_file(file(files, number), rng),
            Self::BlocksSwapped | Self::BlockCopied => self.move_block(files, used, rng),
            Self::RecordCopied => copy_record(files, number, rng),
            Self::FilesSwapped | Self::FileDeleted | Self::EndDeleted | Self::EndZeroed => {
                self.strike_folder(files, number, used, rng);
            }
            Self::EndEmptied => {
                let last = file(files, used);
                if let Some(from) = one_of(&records_in(last), rng) {
                    last[from.at..].fill(0);
                }
            }
            Self::SumFlipped => {
                let segment = file(files, number);
                if let Some(record) = one_of(&records_in(segment), rng) {
                    // The first half of the trailer.
                    segment[record.at + record.len - 8 + rng.usize(..4)] ^= 1 << rng.u8(..8);
                }
            }
            Self::TailTorn => tear_tail(file(files, used), used, base, rng),
            Self::FileOlder | Self::EndOlder => self.put_older(files, number, base, rng),
            Self::FileForeign => {
                let foreign = Base::get(rng.usize(..Base::COUNT));
                let of_other = foreign.older[rng.usize(..foreign.older.len())].get(&name(number));
                if let Some(foreign) = of_other.cloned() {
                    // As of another central: with other times, and therefore another chain.
                    let foreign = rewritten(foreign, number);
                    files.insert(name(number), foreign);
                }
            }
            Self::RecordMended
            | Self::WinnerForged
            | Self::RecordRechained
            | Self::SegmentRechained
            | Self::SegmentReindexed
            | Self::LedgerRewritten => self.rewrite(files, number, rng),
            Self::IndexDeleted | Self::IndexForeign | Self::IndexFlipped | Self::IndexMended => {
                self.strike_index(files, number, rng);
            }
        }
    }

    fn strike_file(self, file: &mut Vec<u8>, rng: &mut Rng) {
        let at = rng.usize(..file.len());
        match self {
            Self::BitFlipped => file[at] ^= 1 << rng.u8(..8),
            Self::BytesZeroed => {
                let end = (at + rng.usize(1..200)).min(file.len());
                file[at..end].fill(0);
            }
            Self::SectorsZeroed => {
                let at = at / SECTOR_LEN * SECTOR_LEN;
                let end = (at + SECTOR_LEN * rng.usize(1..9)).min(file.len());
                file[at..end].fill(0);
            }
            Self::FileZeroed => file.fill(0),
            Self::FileCut => file.truncate(at),
            Self::FileGrown => {
                let filler = if rng.bool() { rng.u8(1..) } else { 0 };
                file.resize(file.len() + rng.usize(1..5000), filler);
            }
            Self::HeaderZeroed => {
                let end = [SEGMENT_HEADER_LEN, SECTOR_LEN, RECORDS_AT][rng.usize(..3)];
                let end = end.min(file.len());
                file[..end].fill(0);
            }
            Self::HeaderMended if file.len() >= RECORDS_AT => {
                let at = [16, 24, 32, 40][rng.usize(..4)] + rng.usize(..8);
                file[at] ^= 1 << rng.u8(..8);
                let sum = crc32c::crc32c(&file[16..SEGMENT_HEADER_LEN]);
                file[12..16].copy_from_slice(&sum.to_le_bytes());
            }
            _ => {}
        }
    }

    fn move_block(self, files: &mut Files, used: usize, rng: &mut Rng) {
        let mut somewhere = || {
            let number = rng.usize(1..=used);
            let blocks = files[&name(number)].len() / BLOCK_LEN;
            (blocks > 0).then(|| (name(number), rng.usize(..blocks) * BLOCK_LEN))
        };
        let (Some((one, one_at)), Some((other, other_at))) = (somewhere(), somewhere()) else {
            return;
        };
        let block = |files: &Files, name: &str, at: usize| files[name][at..at + BLOCK_LEN].to_vec();
        let (first, second) = (block(files, &one, one_at), block(files, &other, other_at));
        let mut put = |name: &str, at: usize, bytes: &[u8]| {
            let file = files.get_mut(name).expect("it was read");
            file[at..at + BLOCK_LEN].copy_from_slice(bytes);
        };
        put(&other, other_at, &first);
        if self == Self::BlocksSwapped {
            put(&one, one_at, &second);
        }
    }

    fn strike_folder(self, files: &mut Files, number: usize, used: usize, rng: &mut Rng) {
        match self {
            Self::FilesSwapped => {
                let other = rng.usize(1..=used);
                let (one, two) = (files[&name(number)].clone(), files[&name(other)].clone());
                files.insert(name(number), two);
                files.insert(name(other), one);
            }
            Self::FileDeleted => drop(files.remove(&name(number))),
            Self::EndDeleted => files.retain(|it, _| *it < name(number.max(2))),
            _ => {
                let end = files.iter_mut().filter(|(it, _)| **it >= name(number.max(2)));
                end.for_each(|(_, file)| {
                    file.truncate(SEGMENT_LEN);
                    file.fill(0);
                });
            }
        }
    }

    fn put_older(self, files: &mut Files, number: usize, base: &Base, rng: &mut Rng) {
        let older = &base.older[rng.usize(..base.older.len())];
        let last = used_segments(older);
        if self == Self::EndOlder {
            // Restores the older state from its last segment on.
            files.retain(|it, _| *it < name(last));
            files.extend(older.range(name(last)..).map(|(it, file)| (it.clone(), file.clone())));
        } else if let Some(file) = older.get(&name(number)) {
            files.insert(name(number), file.clone());
        }
    }

    /// Changes a record and fixes what this kind of damage fixes.
    fn rewrite(self, files: &mut Files, number: usize, rng: &mut Rng) {
        let segment = file(files, number);
        let records = records_in(segment);
        let Some(nth) = (!records.is_empty()).then(|| rng.usize(..records.len())) else { return };
        let place = records[nth];
        let record = &mut segment[place.range()];
        // A digit of a bet, an operator's name or a count; or the last one of a winner's document.
        let behind_winner = format!("|1990-01-02|{WINNING_NUMBER}");
        let of_winner = |at: &usize| {
            let behind = record[at + 1..].strip_prefix(behind_winner.as_bytes());
            behind.is_some_and(|rest| !rest[0].is_ascii_digit())
        };
        let digits =
            (RECORD_HEADER_LEN + 16..place.len - 8).filter(|at| record[*at].is_ascii_digit());
        let digits = digits.filter(|at| self != Self::WinnerForged || of_winner(at));
        let digits: Vec<usize> = digits.collect();
        let Some(at) = one_of(&digits, rng) else { return };
        record[at] = if record[at] == b'8' { b'9' } else { b'8' };
        if matches!(self, Self::RecordMended | Self::WinnerForged) {
            mend_sums(record);
            return;
        }
        let chain = chain_at(segment, nth.checked_sub(1).map(|before| &records[before]));
        let mut end = End { sequence: place.sequence, chain };
        let count = if self == Self::RecordRechained { 1 } else { records.len() };
        for place in records[nth..].iter().take(count) {
            mend_record(&mut segment[place.range()], number, &mut end);
        }
        match self {
            Self::SegmentReindexed => reindex(files, number),
            Self::LedgerRewritten => {
                for next in number + 1..=used_segments(files) {
                    let segment = std::mem::take(file(files, next));
                    let segment = continued(segment, next, &mut end);
                    files.insert(name(next), segment);
                }
                (1..used_segments(files)).for_each(|number| reindex(files, number));
            }
            _ => {}
        }
    }

    fn strike_index(self, files: &mut Files, number: usize, rng: &mut Rng) {
        let other = rng.usize(1..=used_segments(files));
        let foreign = files[&name(other)].get(SEGMENT_LEN..).unwrap_or_default().to_vec();
        let segment = file(files, number);
        if segment.len() <= SEGMENT_LEN + 92 {
            return;
        }
        match self {
            Self::IndexDeleted => {
                segment.truncate(SEGMENT_LEN + if rng.bool() { 92 } else { segment.len() });
                let head = SEGMENT_LEN..(SEGMENT_LEN + 92).min(segment.len());
                segment[head].fill(0);
            }
            Self::IndexForeign if foreign.len() > 92 => {
                segment.truncate(SEGMENT_LEN);
                segment.extend_from_slice(&foreign);
            }
            Self::IndexFlipped => {
                let at = rng.usize(SEGMENT_LEN..segment.len());
                segment[at] ^= 1 << rng.u8(..8);
            }
            Self::IndexMended => {
                let mut index = segment.split_off(SEGMENT_LEN);
                let at = rng.usize(40..index.len());
                index[at] ^= 1 << rng.u8(..8);
                let first = u64::from_le_bytes(*segment[24..].first_chunk().expect("a header"));
                mend_index(&mut index, first);
                segment.extend_from_slice(&index);
            }
            _ => {}
        }
    }
}

fn file(files: &mut Files, number: usize) -> &mut Vec<u8> {
    files.get_mut(&name(number)).expect("segments in use are there")
}

fn one_of<T: Copy>(of: &[T], rng: &mut Rng) -> Option<T> {
    (!of.is_empty()).then(|| of[rng.usize(..of.len())])
}

/// Writes some sectors of a batch after the last acknowledged record.
fn tear_tail(segment: &mut [u8], number: usize, base: &Base, rng: &mut Rng) {
    let records = records_in(segment);
    let acknowledged =
        |place: &&RecordPlace| base.told.iter().any(|t| t.sequence == place.sequence);
    let Some(last) = records.iter().rfind(acknowledged).copied() else { return };
    let mut batches = base.places.iter().zip(&base.told).filter(|(_, told)| told.text.is_some());
    let Some(((from, place), _)) = batches.next_back() else { return };
    let at = last.range().end;
    let until = at + place.len;
    let records_end = segment.len().min(SEGMENT_LEN);
    if until > records_end {
        return;
    }
    let mut record = base.files[from][place.range()].to_vec();
    let mut end = End { sequence: last.sequence + 1, chain: chain_at(segment, Some(&last)) };
    record[16..24].copy_from_slice(&end.sequence.to_le_bytes());
    mend_record(&mut record, number, &mut end);
    segment[at..records_end].fill(0);
    segment[at..until].copy_from_slice(&record);
    let sectors: Vec<usize> = (at.div_ceil(SECTOR_LEN)..until / SECTOR_LEN).collect();
    let Some(lost) = one_of(&sectors, rng) else { return segment[at..until].fill(0) };
    segment[lost * SECTOR_LEN..][..SECTOR_LEN].fill(0);
}

/// Overwrites a record with another of the same length.
fn copy_record(files: &mut Files, number: usize, rng: &mut Rng) {
    let from = file(files, number).clone();
    let Some(one) = one_of(&records_in(&from), rng) else { return };
    let to = rng.usize(1..=used_segments(files));
    let to = file(files, to);
    let alike: Vec<_> = records_in(to).into_iter().filter(|place| place.len == one.len).collect();
    if let (Some(other), Some(record)) = (one_of(&alike, rng), from.get(one.range())) {
        to[other.range()].copy_from_slice(record);
    }
}

/// Returns a segment with its records changed to continue from `end`.
fn continued(mut segment: Vec<u8>, number: usize, end: &mut End) -> Vec<u8> {
    segment[..SEGMENT_HEADER_LEN].copy_from_slice(&segment_header(number, end));
    for place in records_in(&segment) {
        mend_record(&mut segment[place.range()], number, end);
    }
    segment
}

/// Returns a segment as another ledger would have it, valid in itself.
fn rewritten(mut segment: Vec<u8>, number: usize) -> Vec<u8> {
    let records = records_in(&segment);
    let Some(first) = records.first() else { return segment };
    let mut end = End { sequence: first.sequence, chain: [number.to_le_bytes()[0]; 32] };
    segment.truncate(SEGMENT_LEN);
    continued(segment, number, &mut end)
}

/// Gives a valid segment the index that results from its records.
fn reindex(files: &mut Files, number: usize) {
    let segment = file(files, number);
    if segment.len() <= SEGMENT_LEN {
        return;
    }
    segment.truncate(SEGMENT_LEN);
    let Some(end) = End::of(segment) else { return };
    // The ledger itself indexes all segments but the last two.
    let mut only: Files =
        files.range(..=name(number)).map(|(k, v)| (k.clone(), v.clone())).collect();
    for next in [number + 1, number + 2] {
        let mut file = segment_header(next, &end);
        file.resize(SEGMENT_LEN, 0);
        only.insert(name(next), file);
    }
    let disk = disk_of(&only);
    if open(&disk).is_ok() {
        let indexed = files_of(&disk).remove(&name(number)).expect("it is there");
        assert!(!is_zero(&indexed[SEGMENT_LEN..]), "it has an index");
        files.insert(name(number), indexed);
    }
}
