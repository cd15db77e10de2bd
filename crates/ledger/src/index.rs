//! The index of a sealed segment. It lists the segment's records, so that opening need not read the
//! whole segment, and the bets with each key, so that winners are found without reading all bets.
//! Keys are opaque here.
//!
//! The index is derived from the records alone and rebuilt when it is missing or unsound. It
//! follows the segment's length in the same file, little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `BOLINDEX` |
//! | 4 | format version, 1 |
//! | 4 | CRC-32C of the next 76 bytes |
//! | 8 | sequence of the segment's first record |
//! | 4, 4, 4, 4 | how many batches, other events, keys, bytes of postings |
//! | 4, 4, 4 | CRC-32C of batches and events together, of the keys, of the postings |
//! | 4 | offset in the segment where its records end |
//! | 4 | zeros |
//! | 32 | chain of the segment's last record |
//! | 52 each | batches, in order: u32 offset of the record, draw, agency, chunk, bets; digest |
//! | 8 each | other events, in order: u32 position among the segment's records, u32 offset |
//! | 16 each | keys, ascending by draw, key: u32 draw, key, bets, start in the postings |
//! | the rest | postings of each key |
//!
//! The postings of a key are the ordinals of its bets among all bets of the segment, ascending,
//! each as LEB128 of the difference to the one before (the first to 0).

use std::collections::BTreeMap;

use engine::Chain;
use lottery::{AgencyId, BatchSummary, BetKey, ChunkDigest, ChunkId, DrawId, StoredBatch};

use crate::contents::{BatchAt, Contents, EventAt, KeyedBet, place_of_batch};
use crate::disk::DiskFile;
use crate::error::{Damage, Fault};
use crate::limits::RECORDS_OFFSET;
use crate::record::{u32_at, u64_at};
use crate::segment::{self, SegmentHeader, name};

const MAGIC: [u8; 8] = *b"BOLINDEX";
const FORMAT_VERSION: u32 = 1;
const HEAD_LEN: usize = 92;
const BATCH_LEN: usize = 52;
const EVENT_LEN: usize = 8;
const KEY_LEN: usize = 16;

/// The part of a segment's index that is kept in memory.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) records_end: u32,
    pub(crate) last_chain: Chain,
    /// The events other than batches.
    pub(crate) events: Vec<EventAt>,
    /// The draws of its batches, ascending.
    draws: Vec<DrawId>,
    /// Batches, then other events.
    listed: Section,
    batches_len: usize,
    keys: Section,
    postings: Section,
}

/// What is needed to replay a segment.
pub(crate) struct Replay {
    /// In order.
    pub(crate) batches: Vec<BatchAt>,
    /// Position among the segment's records and offset of each other event, in order.
    pub(crate) events: Vec<(u32, u32)>,
}

/// The result of reading an index.
pub(crate) enum Found {
    /// An index that is complete and matches its checksums.
    Sound(Box<Index>, Replay),
    /// No index: its head, which is written last, is zeros or absent.
    Missing,
    /// Anything else.
    Unsound,
}

/// A batch with matching bets, its position among the segment's records, and the ascending
/// positions of these bets in the batch.
#[derive(Debug)]
pub(crate) struct BatchHits {
    pub(crate) batch: BatchAt,
    pub(crate) place: u64,
    pub(crate) positions: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    offset: u64,
    len: usize,
    crc: u32,
}

/// Encodes the index of a segment that holds `contents`. Its last record ends at `records_end` and
/// has the chain `last_chain`.
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
    for EventAt { position, offset, .. } in contents.events() {
        put(&mut events, &[*position, *offset]);
    }
    let (keys, postings) = postings_of(&contents.by_key());
    let mut head = Vec::with_capacity(HEAD_LEN);
    head.extend_from_slice(&first_sequence.to_le_bytes());
    let counts =
        [contents.batches().len(), contents.events().len(), keys.len() / KEY_LEN, postings.len()];
    put(&mut head, &counts.map(offset_u32));
    let listed = crc32c::crc32c_append(crc32c::crc32c(&batches), &events);
    put(&mut head, &[listed, crc32c::crc32c(&keys), crc32c::crc32c(&postings)]);
    put(&mut head, &[offset_u32(records_end), 0]);
    head.extend_from_slice(&last_chain.0);
    let mut bytes = MAGIC.to_vec();
    put(&mut bytes, &[FORMAT_VERSION, crc32c::crc32c(&head)]);
    for part in [head, batches, events, keys, postings] {
        bytes.extend_from_slice(&part);
    }
    bytes
}

/// Writes an index after its segment. The head is written last, so that a partial index counts as
/// none.
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

/// Marks a segment as full by extending its file with room for the index head. Recovery then knows
/// that another segment was in use.
pub(crate) fn mark(file: &dyn DiskFile, header: &SegmentHeader) -> Result<(), Fault> {
    let failed = |error| Fault::io("marking the end of", &name(header.number), error);
    file.write_at(header.len, &[0; HEAD_LEN]).map_err(failed)?;
    file.sync().map_err(failed)
}

/// Reads the index of a segment, without its keys and postings.
pub(crate) fn read(file: &dyn DiskFile, header: &SegmentHeader) -> Result<Found, Fault> {
    let failed = |error| Fault::io("reading the index of", &name(header.number), error);
    let room = file.len().map_err(failed)?.saturating_sub(header.len);
    let mut head = [0; HEAD_LEN];
    let head_room = usize::try_from(room).unwrap_or(usize::MAX).min(HEAD_LEN);
    file.read_at(header.len, &mut head[..head_room]).map_err(failed)?;
    if head.iter().all(|&byte| byte == 0) {
        return Ok(Found::Missing);
    }
    let sound = head_room == HEAD_LEN
        && head[..8] == MAGIC
        && u32_at(&head, 8) == FORMAT_VERSION
        && u32_at(&head, 12) == crc32c::crc32c(&head[16..])
        && u64_at(&head, 16) == header.first_sequence
        && (RECORDS_OFFSET as u64..=header.len).contains(&u32_at(&head, 52).into());
    let len_at = |at, unit| usize::try_from(u32_at(&head, at)).map(|count| count * unit);
    let lens = (len_at(24, BATCH_LEN), len_at(28, EVENT_LEN), len_at(32, KEY_LEN), len_at(36, 1));
    let (Ok(batches_len), Ok(events), Ok(keys), Ok(postings)) = lens else {
        return Ok(Found::Unsound);
    };
    if !sound || room < (HEAD_LEN + batches_len + events + keys + postings) as u64 {
        return Ok(Found::Unsound);
    }
    let section = |offset, len, crc_at| Section { offset, len, crc: u32_at(&head, crc_at) };
    let listed = section(header.len + HEAD_LEN as u64, batches_len + events, 40);
    let keys = section(listed.end(), keys, 44);
    let postings = section(keys.end(), postings, 48);
    let Some(bytes) = listed.read_sound(file).map_err(failed)? else {
        return Ok(Found::Unsound);
    };
    let (batches, events) = bytes.split_at(batches_len);
    let replay = Replay {
        batches: batches.chunks_exact(BATCH_LEN).map(batch_at).collect(),
        events: events.chunks_exact(EVENT_LEN).map(|e| (u32_at(e, 0), u32_at(e, 4))).collect(),
    };
    let mut draws: Vec<DrawId> = replay.batches.iter().map(|batch| batch.summary.draw).collect();
    draws.sort_unstable();
    draws.dedup();
    let index = Index {
        records_end: u32_at(&head, 52),
        last_chain: Chain(*head[60..].first_chunk().expect("the head has 92 bytes")),
        events: Vec::new(),
        draws,
        listed,
        batches_len,
        keys,
        postings,
    };
    Ok(Found::Sound(Box::new(index), replay))
}

/// Returns whether a segment's index is complete: its head is written last.
pub(crate) fn is_complete(file: &dyn DiskFile, header: &SegmentHeader) -> Result<bool, Fault> {
    let failed = |error| Fault::io("reading the index of", &name(header.number), error);
    let room = file.len().map_err(failed)?.saturating_sub(header.len);
    let mut head = [0; HEAD_LEN];
    let head_room = usize::try_from(room).unwrap_or(usize::MAX).min(HEAD_LEN);
    file.read_at(header.len, &mut head[..head_room]).map_err(failed)?;
    Ok(head.iter().any(|&byte| byte != 0))
}

/// Returns whether the stored index equals `given`, the one built from the records; false when
/// there is none. A different index is damage.
pub(crate) fn is_given(
    file: &dyn DiskFile,
    header: &SegmentHeader,
    given: &[u8],
) -> Result<bool, Fault> {
    let len = header.len;
    let name = name(header.number);
    let failed = |error| Fault::io("reading the index of", &name, error);
    segment::expect_len(file, header, len + given.len() as u64)?;
    let room = file.len().map_err(failed)?.saturating_sub(len);
    let mut found = vec![0; given.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
    file.read_at(len, &mut found).map_err(failed)?;
    if found == given {
        return Ok(true);
    }
    // The head is written last: without it the index was never completed.
    if found.iter().take(HEAD_LEN).all(|&byte| byte == 0) {
        return Ok(false);
    }
    let differs = found.iter().zip(given).take_while(|(a, b)| a == b).count();
    let what = "the index is not the one that the records give";
    Err(Fault::Damage(Damage::new(&name, len + differs as u64, what)))
}

impl Index {
    /// Returns its end offset in the file.
    pub(crate) fn end(&self) -> u64 {
        self.postings.end()
    }

    /// Returns whether the segment has batches of a draw.
    pub(crate) fn has_batches_of(&self, draw: DrawId) -> bool {
        self.draws.binary_search(&draw).is_ok()
    }

    /// Returns the bets of a draw with one of these keys, in order; `None` when the index is
    /// damaged.
    pub(crate) fn find(
        &self,
        file: &dyn DiskFile,
        draw: DrawId,
        keys: &[BetKey],
    ) -> std::io::Result<Option<Vec<BatchHits>>> {
        let Some(entries) = self.keys.read_sound(file)? else { return Ok(None) };
        let mut bets = Vec::new();
        for key in keys {
            let Some(found) = self.bets_of(file, &entries, draw, *key)? else { return Ok(None) };
            bets.extend(found);
        }
        if bets.is_empty() {
            return Ok(Some(Vec::new()));
        }
        bets.sort_unstable();
        let Some(listed) = self.listed.read_sound(file)? else { return Ok(None) };
        Ok(self.hits(&listed[..self.batches_len], &bets))
    }

    /// Returns the ordinals of a draw's bets with one key, given the entries of all keys; `None`
    /// when the index is damaged.
    fn bets_of(
        &self,
        file: &dyn DiskFile,
        entries: &[u8],
        draw: DrawId,
        key: BetKey,
    ) -> std::io::Result<Option<Vec<u32>>> {
        let (entries, _) = entries.as_chunks::<KEY_LEN>();
        let of_entry = |entry: &[u8; KEY_LEN]| (u32_at(entry, 0), u32_at(entry, 4));
        let Ok(found) = entries.binary_search_by_key(&(draw.0, key.0), of_entry) else {
            return Ok(Some(Vec::new()));
        };
        let start = index_usize(u32_at(&entries[found], 12));
        let end = entries.get(found + 1).map_or(self.postings.len, |e| index_usize(u32_at(e, 12)));
        let Some(len) = end.checked_sub(start).filter(|_| end <= self.postings.len) else {
            return Ok(None);
        };
        let list = Section { offset: self.postings.offset + start as u64, len, crc: 0 };
        let bets: Vec<u32> = decode_postings(&list.read(file)?).collect();
        let is_whole = bets.len() == index_usize(u32_at(&entries[found], 8));
        Ok(is_whole.then_some(bets))
    }

    /// Groups bets, given by ascending ordinals, by batch; `None` when a bet is in no batch.
    fn hits(&self, batches: &[u8], bets: &[u32]) -> Option<Vec<BatchHits>> {
        let mut hits = Vec::new();
        let mut bets = bets.iter().peekable();
        let mut first_bet = 0_u32;
        for (nth, batch) in batches.chunks_exact(BATCH_LEN).map(batch_at).enumerate() {
            let end = first_bet.saturating_add(batch.summary.bets);
            let within = std::iter::from_fn(|| bets.next_if(|bet| **bet < end));
            let positions: Option<Vec<u32>> =
                within.map(|bet| bet.checked_sub(first_bet)).collect();
            let positions = positions?;
            if !positions.is_empty() {
                let place = place_of_batch(nth, &self.events);
                hits.push(BatchHits { batch, place, positions });
            }
            first_bet = end;
        }
        bets.next().is_none().then_some(hits)
    }
}

impl Section {
    fn end(&self) -> u64 {
        self.offset + self.len as u64
    }

    fn read(&self, file: &dyn DiskFile) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        file.read_at(self.offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads the section; `None` when its bytes do not match the checksum.
    fn read_sound(&self, file: &dyn DiskFile) -> std::io::Result<Option<Vec<u8>>> {
        Ok(Some(self.read(file)?).filter(|bytes| crc32c::crc32c(bytes) == self.crc))
    }
}

/// Returns the domain's view of a stored batch.
pub(crate) fn stored<'a>(batch: &BatchSummary, text: &'a str) -> StoredBatch<'a> {
    StoredBatch { draw: batch.draw, agency: batch.agency, chunk: batch.chunk, text }
}

fn batch_at(entry: &[u8]) -> BatchAt {
    let summary = BatchSummary {
        draw: DrawId(u32_at(entry, 4)),
        agency: AgencyId(u32_at(entry, 8)),
        chunk: ChunkId(u32_at(entry, 12)),
        bets: u32_at(entry, 16),
        digest: ChunkDigest(*entry[20..].first_chunk().expect("an entry has 52 bytes")),
    };
    BatchAt { offset: u32_at(entry, 0), summary }
}

/// Encodes the bets of each draw, given by key, as the keys and postings sections.
fn postings_of(draws: &BTreeMap<DrawId, Vec<KeyedBet>>) -> (Vec<u8>, Vec<u8>) {
    let (mut keys, mut postings) = (Vec::new(), Vec::new());
    for (draw, bets) in draws {
        for list in bets.chunk_by(|a, b| a.key == b.key) {
            let (count, start) = (offset_u32(list.len()), offset_u32(postings.len()));
            put(&mut keys, &[draw.0, list[0].key.0, count, start]);
            let mut before = 0;
            for bet in list {
                encode_varint(bet.at - before, &mut postings);
                before = bet.at;
            }
        }
    }
    (keys, postings)
}

fn encode_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Decodes the ordinals in a list of postings; ends early when the list is invalid.
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
    use lottery::{Batch, Bets, NumberRange, Winners, WinningResult};
    use proptest::prelude::*;

    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::simulated::SimulatedDisk;

    /// Returns a batch with bets on these numbers, each with a different document.
    fn batch_on((chunk, of): (u32, &(u32, u32, Vec<u32>))) -> Batch {
        let (draw, agency, numbers) = of;
        let bets = (0..).zip(numbers).map(|(position, number): (u32, _)| {
            format!("A|B|{agency}-{chunk}-{position}|2000-01-01|{number}")
        });
        let text = bets.collect::<Vec<_>>().join("&");
        let parsed = || Bets::parse(&text, NumberRange::default()).unwrap();
        let bets = if numbers.is_empty() { Bets::none() } else { parsed() };
        Batch { draw: DrawId(*draw), agency: AgencyId(*agency), chunk: ChunkId(chunk), bets }
    }

    /// Writes the index of these contents after a segment without records.
    fn written(contents: &Contents) -> (Box<dyn DiskFile>, Box<Index>) {
        let (first_sequence, chain) = (0, Chain([0; 32]));
        let header = SegmentHeader {
            number: 1,
            first_sequence,
            len: RECORDS_OFFSET as u64,
            chain,
            ledger: engine::LedgerId([7; 16]),
            feature: 0,
        };
        let file = SimulatedDisk::new().create("segment").unwrap();
        file.allocate(header.len).unwrap();
        let bytes = encode(contents, first_sequence, RECORDS_OFFSET, chain);
        write(&*file, &header, &bytes).unwrap();
        let Found::Sound(index, _) = read(&*file, &header).unwrap() else { panic!("unsound") };
        (file, index)
    }

    /// Returns the winners among the bets that were found.
    fn judged(batches: &[Batch], found: &[BatchHits], result: WinningResult) -> Winners {
        let mut winners = Winners::default();
        for hits in found {
            let bets: Vec<_> = batches[index_usize(hits.batch.offset)].stored().bets().collect();
            for &position in &hits.positions {
                let (name, bet) = bets[index_usize(position)].unwrap();
                winners.add_if_wins(result, name, &bet);
            }
        }
        winners
    }

    proptest! {
        #[test]
        fn postings_read_back(
            mut bets in prop::collection::vec((1_u32..3, 0_u32..5, any::<u32>()), 0..200),
        ) {
            bets.sort_unstable();
            bets.dedup();
            let mut draws: BTreeMap<DrawId, Vec<KeyedBet>> = BTreeMap::new();
            for &(draw, key, at) in &bets {
                draws.entry(DrawId(draw)).or_default().push(KeyedBet { key: BetKey(key), at });
            }
            let (keys, postings) = postings_of(&draws);
            let mut read = Vec::new();
            let entries: Vec<_> = keys.chunks_exact(KEY_LEN).collect();
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
        fn what_is_found_and_judged_wins_as_if_every_bet_were_judged(
            numbers in prop::collection::vec(
                (1_u32..3, 1_u32..4, prop::collection::vec(0_u32..6, 0..9)), 0..12,
            ),
        ) {
            let batches: Vec<_> = (0..).zip(&numbers).map(batch_on).collect();
            let mut contents = Contents::default();
            for (offset, batch) in batches.iter().enumerate() {
                contents.add_batch(offset, BatchSummary::of(batch), batch.bets.keys());
            }
            let (file, index) = written(&contents);
            for (draw, number) in (1..3).flat_map(|draw| (0..7).map(move |it| (DrawId(draw), it))) {
                let result = WinningResult { number };
                let mut winners = Winners::default();
                for batch in batches.iter().filter(|batch| batch.draw == draw) {
                    winners.add_batch(result, &batch.stored()).unwrap();
                }
                let by_index = index.find(&*file, draw, &result.keys()).unwrap().unwrap();
                prop_assert_eq!(&judged(&batches, &by_index, result), &winners);
                let by_contents = contents.find(draw, &result.keys(), u64::MAX);
                prop_assert_eq!(&judged(&batches, &by_contents, result), &winners);
            }
        }

        #[test]
        fn arbitrary_postings_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            decode_postings(&bytes).for_each(drop);
        }
    }
}
