//! The index of a sealed segment: what it holds, so that opening need not read it whole, and where
//! the bets on each number are, so that winners are found without reading all bets.
//!
//! Derived from the records alone, and made again when it is missing or unsound. It stands behind
//! the segment's length in the same file, little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `BOLINDEX` |
//! | 4 | format version, 1 |
//! | 4 | CRC-32C of the next 76 bytes |
//! | 8 | sequence of the segment's first record |
//! | 4, 4, 4, 4 | how many batches, other events, numbers, bytes of postings |
//! | 4, 4, 4 | CRC-32C of batches and events together, of the numbers, of the postings |
//! | 4 | offset in the segment where its records end |
//! | 4 | zeros |
//! | 32 | chain of the segment's last record |
//! | 52 each | batches, in order: u32 offset of the record, draw, agency, chunk, bets; digest |
//! | 8 each | other events, in order: u32 position among the segment's records, u32 offset |
//! | 16 each | numbers, ascending by draw, number: u32 draw, number, bets, start in the postings |
//! | the rest | postings of each number |
//!
//! The postings of a number are the ordinals of its bets among all bets of the segment, ascending,
//! each as LEB128 of the difference to the one before (the first to 0).

use lottery::{AgencyId, BatchSummary, ChunkDigest, ChunkId, DrawId, StoredBatch};

use crate::contents::{BatchAt, Contents};
use crate::disk::DiskFile;
use crate::error::Fault;
use crate::limits::RECORDS_OFFSET;
use crate::record::{Chain, u32_at, u64_at};
use crate::segment::{SegmentHeader, name};

const MAGIC: [u8; 8] = *b"BOLINDEX";
const FORMAT_VERSION: u32 = 1;
pub(crate) const HEAD_LEN: usize = 92;
const BATCH_LEN: usize = 52;
const EVENT_LEN: usize = 8;
const NUMBER_LEN: usize = 16;

/// What is kept in memory of a segment's index.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) records: u64,
    pub(crate) records_end: u32,
    pub(crate) last_chain: Chain,
    batches: Vec<FirstBet>,
    numbers: Section,
    postings: Section,
}

/// What replaying a segment takes.
pub(crate) struct Replay {
    /// In order, each with its position among the segment's records.
    pub(crate) batches: Vec<BatchSummary>,
    /// Position among the segment's records and offset of each other event, in order.
    pub(crate) events: Vec<(u32, u32)>,
}

/// Where a batch's record is, and the ordinal of its first bet among the bets of the segment.
#[derive(Clone, Copy, Debug)]
struct FirstBet {
    offset: u32,
    first_bet: u32,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    offset: u64,
    len: usize,
    crc: u32,
}

/// A winning bet: where its batch's record is, and its position in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BetPlace {
    pub(crate) offset: u32,
    pub(crate) position: u32,
}

/// The index of a segment that holds `contents`; its last record ends at `records_end` and has the
/// chain `last_chain`.
pub(crate) fn encode(
    contents: &Contents,
    first_sequence: u64,
    records_end: usize,
    last_chain: Chain,
) -> Vec<u8> {
    let (mut batches, mut events) = (Vec::new(), Vec::new());
    for BatchAt { offset, summary } in contents.batches() {
        let BatchSummary { draw, agency, chunk, bets, digest } = summary;
        put(&mut batches, &[*offset, draw.0, agency.0, chunk.0, *bets]);
        batches.extend_from_slice(&digest.0);
    }
    for &(position, offset) in contents.events() {
        put(&mut events, &[position, offset]);
    }
    let (numbers, postings) = postings_of(&contents.ordinals());
    let mut head = Vec::with_capacity(HEAD_LEN);
    head.extend_from_slice(&first_sequence.to_le_bytes());
    let counts = [
        contents.batches().len(),
        contents.events().len(),
        numbers.len() / NUMBER_LEN,
        postings.len(),
    ];
    put(&mut head, &counts.map(offset_u32));
    let listed = crc32c::crc32c_append(crc32c::crc32c(&batches), &events);
    put(&mut head, &[listed, crc32c::crc32c(&numbers), crc32c::crc32c(&postings)]);
    put(&mut head, &[offset_u32(records_end), 0]);
    head.extend_from_slice(&last_chain.0);
    let mut bytes = MAGIC.to_vec();
    put(&mut bytes, &[FORMAT_VERSION, crc32c::crc32c(&head)]);
    for part in [head, batches, events, numbers, postings] {
        bytes.extend_from_slice(&part);
    }
    bytes
}

/// Writes an index behind its segment, its head last, so that half an index is none.
pub(crate) fn write(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    index: &[u8],
) -> Result<(), Fault> {
    let failed = |error| Fault::io("writing the index of", &name(header.number), error);
    let (head, sections) = index.split_at(HEAD_LEN);
    file.write_at(header.len, &[0; HEAD_LEN]).map_err(failed)?;
    file.write_at(header.len + HEAD_LEN as u64, sections).map_err(failed)?;
    file.sync().map_err(failed)?;
    file.write_at(header.len, head).map_err(failed)?;
    file.sync().map_err(failed)
}

/// Reads the index behind a segment; none when there is no whole and sound one.
pub(crate) fn read(
    file: &dyn DiskFile,
    header: &SegmentHeader,
) -> Result<Option<(Index, Replay)>, Fault> {
    let failed = |error| Fault::io("reading the index of", &name(header.number), error);
    let room = file.len().map_err(failed)?.saturating_sub(header.len);
    let mut head = [0; HEAD_LEN];
    if room < HEAD_LEN as u64 {
        return Ok(None);
    }
    file.read_at(header.len, &mut head).map_err(failed)?;
    let sound = head[..8] == MAGIC
        && u32_at(&head, 8) == FORMAT_VERSION
        && u32_at(&head, 12) == crc32c::crc32c(&head[16..])
        && u64_at(&head, 16) == header.first_sequence
        && (RECORDS_OFFSET as u64..=header.len).contains(&u32_at(&head, 52).into());
    let len_at = |at, unit| usize::try_from(u32_at(&head, at)).map(|count| count * unit);
    let lens =
        (len_at(24, BATCH_LEN), len_at(28, EVENT_LEN), len_at(32, NUMBER_LEN), len_at(36, 1));
    let (Ok(batches), Ok(events), Ok(numbers), Ok(postings)) = lens else {
        return Ok(None);
    };
    let sections_len = batches + events + numbers + postings;
    if !sound || room < (HEAD_LEN + sections_len) as u64 {
        return Ok(None);
    }
    let mut listed = vec![0; batches + events];
    let listed_offset = header.len + HEAD_LEN as u64;
    file.read_at(listed_offset, &mut listed).map_err(failed)?;
    if crc32c::crc32c(&listed) != u32_at(&head, 40) {
        return Ok(None);
    }
    let (batches, events) = listed.split_at(batches);
    let numbers_offset = listed_offset + listed.len() as u64;
    let numbers = Section { offset: numbers_offset, len: numbers, crc: u32_at(&head, 44) };
    let postings_offset = numbers_offset + numbers.len as u64;
    let postings = Section { offset: postings_offset, len: postings, crc: u32_at(&head, 48) };
    let last_chain = Chain(*head[60..].first_chunk().expect("the head has 92 bytes"));
    let replay = Replay {
        batches: batches.chunks_exact(BATCH_LEN).map(summary).collect(),
        events: events.chunks_exact(EVENT_LEN).map(|e| (u32_at(e, 0), u32_at(e, 4))).collect(),
    };
    let mut first_bet = 0_u32;
    let batches = batches.chunks_exact(BATCH_LEN).map(|batch| {
        let at = FirstBet { offset: u32_at(batch, 0), first_bet };
        first_bet = first_bet.saturating_add(u32_at(batch, 16));
        at
    });
    let index = Index {
        records: (replay.batches.len() + replay.events.len()) as u64,
        records_end: u32_at(&head, 52),
        last_chain,
        batches: batches.collect(),
        numbers,
        postings,
    };
    Ok(Some((index, replay)))
}

impl Index {
    /// Where the bets of a draw on a number are, in order; none when the index is damaged.
    pub(crate) fn bets_on(
        &self,
        file: &dyn DiskFile,
        draw: DrawId,
        number: u32,
    ) -> std::io::Result<Option<Vec<BetPlace>>> {
        let numbers = self.numbers.read(file)?;
        if crc32c::crc32c(&numbers) != self.numbers.crc {
            return Ok(None);
        }
        let entries: Vec<_> = numbers.chunks_exact(NUMBER_LEN).collect();
        let key = |entry: &&[u8]| (u32_at(entry, 0), u32_at(entry, 4));
        let Ok(found) = entries.binary_search_by_key(&(draw.0, number), key) else {
            return Ok(Some(Vec::new()));
        };
        let start = index_usize(u32_at(entries[found], 12));
        let end = entries.get(found + 1).map_or(self.postings.len, |e| index_usize(u32_at(e, 12)));
        let Some(len) = end.checked_sub(start).filter(|_| end <= self.postings.len) else {
            return Ok(None);
        };
        let list = Section { offset: self.postings.offset + start as u64, len, crc: 0 };
        let list = list.read(file)?;
        let places: Option<Vec<_>> = decode_postings(&list).map(|bet| self.place(bet)).collect();
        Ok(places.filter(|places| places.len() == index_usize(u32_at(entries[found], 8))))
    }

    fn place(&self, bet: u32) -> Option<BetPlace> {
        let after = self.batches.partition_point(|batch| batch.first_bet <= bet);
        let batch = self.batches.get(after.checked_sub(1)?)?;
        Some(BetPlace { offset: batch.offset, position: bet - batch.first_bet })
    }
}

impl Section {
    fn read(&self, file: &dyn DiskFile) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        file.read_at(self.offset, &mut bytes)?;
        Ok(bytes)
    }
}

/// A batch as the domain shows it.
pub(crate) fn stored<'a>(batch: &BatchSummary, text: &'a str) -> StoredBatch<'a> {
    StoredBatch { draw: batch.draw, agency: batch.agency, chunk: batch.chunk, text }
}

fn summary(entry: &[u8]) -> BatchSummary {
    BatchSummary {
        draw: DrawId(u32_at(entry, 4)),
        agency: AgencyId(u32_at(entry, 8)),
        chunk: ChunkId(u32_at(entry, 12)),
        bets: u32_at(entry, 16),
        digest: ChunkDigest(*entry[20..].first_chunk().expect("an entry has 52 bytes")),
    }
}

/// The numbers and postings sections of lists of ordinals, ascending by draw and number.
fn postings_of(lists: &[(DrawId, u32, Vec<u32>)]) -> (Vec<u8>, Vec<u8>) {
    let (mut numbers, mut postings) = (Vec::new(), Vec::new());
    for (draw, number, bets) in lists {
        put(&mut numbers, &[draw.0, *number, offset_u32(bets.len()), offset_u32(postings.len())]);
        let mut before = 0;
        for &bet in bets {
            encode_varint(bet - before, &mut postings);
            before = bet;
        }
    }
    (numbers, postings)
}

fn encode_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// The ordinals in a list of postings; ends early when the list is unsound.
fn decode_postings(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (mut rest, mut before) = (bytes, 0_u32);
    std::iter::from_fn(move || {
        let (mut value, mut shift) = (0_u32, 0);
        loop {
            let (&byte, others) = rest.split_first()?;
            rest = others;
            value |= u32::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        before = before.checked_add(value)?;
        Some(before)
    })
}

fn put(out: &mut Vec<u8>, integers: &[u32]) {
    integers.iter().for_each(|integer| out.extend_from_slice(&integer.to_le_bytes()));
}

pub(crate) fn offset_u32(offset: usize) -> u32 {
    u32::try_from(offset).expect("everything in a segment is within its 1 GiB")
}

pub(crate) fn index_usize(value: u32) -> usize {
    usize::try_from(value).expect("u32 fits usize")
}

fn low_byte(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn postings_read_back(
            mut bets in prop::collection::vec((1_u32..3, 0_u32..5, any::<u32>()), 0..200),
        ) {
            bets.sort_unstable();
            bets.dedup();
            let lists = bets.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).map(|list| {
                let (draw, number, _) = list[0];
                (DrawId(draw), number, list.iter().map(|bet| bet.2).collect())
            });
            let (numbers, postings) = postings_of(&lists.collect::<Vec<_>>());
            let mut read = Vec::new();
            let entries: Vec<_> = numbers.chunks_exact(NUMBER_LEN).collect();
            let start = |at: usize| {
                entries.get(at).map_or(postings.len(), |entry| index_usize(u32_at(entry, 12)))
            };
            for (at, entry) in entries.iter().enumerate() {
                let ordinals = decode_postings(&postings[start(at)..start(at + 1)]);
                read.extend(ordinals.map(|bet| (u32_at(entry, 0), u32_at(entry, 4), bet)));
            }
            prop_assert_eq!(read, bets);
        }

        #[test]
        fn arbitrary_postings_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            decode_postings(&bytes).for_each(drop);
        }
    }
}
