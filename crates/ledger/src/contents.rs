//! The contents of a segment, collected as its records are written or read: they locate bets by key
//! while the segment has no index, and the index is built from them.

use std::collections::BTreeMap;
use std::iter::from_fn;

use engine::Chain;
use lottery::{BatchSummary, BetKey, DrawId, Event};

use crate::error::{Damage, Fault};
use crate::index::{self, BatchHits, stored};
use crate::record::Fingerprint;
use crate::segment::{Image, Pace, Record, name};
use crate::segments::Expected;

/// A segment's records and the keys of its bets. Takes 4 bytes per bet and about 60 per batch.
#[derive(Default)]
pub(crate) struct Contents {
    batches: Vec<BatchAt>,
    /// The events other than batches.
    events: Vec<EventAt>,
    /// The keys of all bets, in order.
    keys: Vec<BetKey>,
}

/// A batch and the offset of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchAt {
    pub(crate) offset: u32,
    pub(crate) summary: BatchSummary,
}

/// An event other than a batch: its position among the segment's records, and its record's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventAt {
    pub(crate) position: u32,
    pub(crate) offset: u32,
    pub(crate) fingerprint: Fingerprint,
}

/// A bet's key, and which of the segment's bets it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyedBet {
    pub(crate) key: BetKey,
    pub(crate) at: u32,
}

/// A record, by what is kept of it.
pub(crate) enum RecordAt {
    Batch(BatchAt),
    Event(EventAt),
}

impl RecordAt {
    pub(crate) fn offset(&self) -> usize {
        let (Self::Batch(BatchAt { offset, .. }) | Self::Event(EventAt { offset, .. })) = self;
        index::index_usize(*offset)
    }
}

impl Contents {
    /// Reads a full segment and verifies every record. Also returns the end offset of the records
    /// and the chain of the last one.
    ///
    /// After its records the segment must hold only zeros.
    pub(crate) fn read(image: &Image, pace: &mut Pace<'_>) -> Result<(Self, usize, Chain), Fault> {
        let mut contents = Self::default();
        let mut walk = image.walk();
        let stop = loop {
            match walk.step() {
                Ok(record) => {
                    contents.add_read(&record, image.header.number)?;
                    pace(record.header.record_len())
                        .map_err(|error| Fault::io("reading", &name(image.header.number), error))?;
                }
                Err(stop) => break stop,
            }
        };
        walk.expect_end(&stop)?;
        Ok((contents, walk.offset(), walk.chain()))
    }

    /// Adds the segment's next record: a batch whose bets have these keys.
    pub(crate) fn add_batch(
        &mut self,
        offset: usize,
        summary: BatchSummary,
        keys: impl IntoIterator<Item = BetKey>,
    ) {
        self.batches.push(BatchAt { offset: index::offset_u32(offset), summary });
        self.keys.extend(keys);
    }

    /// Adds the segment's next record: an event other than a batch.
    pub(crate) fn add_event(&mut self, offset: usize, fingerprint: Fingerprint) {
        let (position, offset) = (index::offset_u32(self.records()), index::offset_u32(offset));
        self.events.push(EventAt { position, offset, fingerprint });
    }

    /// Adds the next record that was read; fails if a batch does not hold the bets it declares.
    pub(crate) fn add_read(&mut self, record: &Record<'_>, segment: u64) -> Result<(), Fault> {
        let Event::BatchAccepted(batch) = &record.event else {
            self.add_event(record.offset, record.fingerprint());
            return Ok(());
        };
        self.add_batch(record.offset, *batch, []);
        let mut unseen = batch.bets;
        for bet in stored(batch, record.text).bets() {
            let (Ok((_, bet)), Some(remaining)) = (bet, unseen.checked_sub(1)) else {
                return Err(other_bets(record, segment));
            };
            self.keys.push(BetKey::of(&bet));
            unseen = remaining;
        }
        if unseen == 0 { Ok(()) } else { Err(other_bets(record, segment)) }
    }

    /// Returns the bets of a draw with one of these keys, in order, in records that start before
    /// `end`.
    pub(crate) fn find(&self, draw: DrawId, keys: &[BetKey], end: u64) -> Vec<BatchHits> {
        let mut hits = Vec::new();
        for (nth, (batch, of_bets)) in self.batches_with_keys().enumerate() {
            if batch.summary.draw == draw && u64::from(batch.offset) < end {
                let found = (0..).zip(of_bets).filter(|(_, key)| keys.contains(key));
                let positions: Vec<u32> = found.map(|(position, _)| position).collect();
                if !positions.is_empty() {
                    let place = place_of_batch(nth, &self.events);
                    hits.push(BatchHits { batch: *batch, place, positions });
                }
            }
        }
        hits
    }

    /// Returns at most `count` records from this position on that start before `end`.
    pub(crate) fn records_from(&self, position: usize, end: u64, count: usize) -> Vec<RecordAt> {
        let earlier = |event: &EventAt| index::index_usize(event.position) < position;
        let events_before = self.events.partition_point(earlier);
        let batches = self.batches.get(position - events_before..).unwrap_or_default();
        let mut batches = batches.iter().peekable();
        let mut events = self.events[events_before..].iter().peekable();
        let next = from_fn(|| match (batches.peek(), events.peek()) {
            (Some(batch), Some(event)) if event.offset < batch.offset => {
                events.next().copied().map(RecordAt::Event)
            }
            (Some(_), _) => batches.next().copied().map(RecordAt::Batch),
            (None, _) => events.next().copied().map(RecordAt::Event),
        });
        next.take_while(|record| (record.offset() as u64) < end).take(count).collect()
    }

    /// Returns the bets of each draw by key, and those with one key in their order.
    pub(crate) fn by_key(&self) -> BTreeMap<DrawId, Vec<KeyedBet>> {
        let mut draws: BTreeMap<DrawId, Vec<KeyedBet>> = BTreeMap::new();
        let mut ordinals = 0..;
        for (batch, keys) in self.batches_with_keys() {
            let of_draw = draws.entry(batch.summary.draw).or_default();
            of_draw.extend(keys.iter().zip(&mut ordinals).map(|(&key, at)| KeyedBet { key, at }));
        }
        draws.values_mut().for_each(sort_by_key);
        draws
    }

    /// Returns what the added records must be verified against.
    pub(crate) fn expected(&self) -> Expected {
        Expected::Records(self.batches.clone(), self.events.clone())
    }

    pub(crate) fn batches(&self) -> &[BatchAt] {
        &self.batches
    }

    pub(crate) fn events(&self) -> &[EventAt] {
        &self.events
    }

    /// Returns the number of records.
    pub(crate) fn records(&self) -> usize {
        self.batches.len() + self.events.len()
    }

    fn batches_with_keys(&self) -> impl Iterator<Item = (&BatchAt, &[BetKey])> {
        let mut rest = &self.keys[..];
        self.batches.iter().map(move |batch| {
            let keys;
            (keys, rest) = rest.split_at(index::index_usize(batch.summary.bets));
            (batch, keys)
        })
    }
}

/// Returns the position among all records of the segment of its batch number `nth` (from 0), given
/// the other `events`.
pub(crate) fn place_of_batch(nth: usize, events: &[EventAt]) -> u64 {
    // How many batches precede the event.
    let batches_before = |(count, event): (usize, &EventAt)| {
        index::index_usize(event.position).saturating_sub(count)
    };
    let (mut low, mut high) = (0, events.len());
    while low < high {
        let middle = low.midpoint(high);
        if batches_before((middle, &events[middle])) <= nth {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (nth + low) as u64
}

/// Sorts bets by key and keeps the order of those with one key. A radix sort: most keys have two
/// bytes, and so it takes two passes.
fn sort_by_key(bets: &mut Vec<KeyedBet>) {
    let used_bits = bets.iter().fold(0, |bits, bet| bits | bet.key.0);
    let mut sorted = bets.clone();
    for byte in (0..4).filter(|&byte| used_bits.to_le_bytes()[byte] > 0) {
        let digit = |bet: &KeyedBet| usize::from(bet.key.0.to_le_bytes()[byte]);
        let mut places = [0; 256];
        bets.iter().for_each(|bet| places[digit(bet)] += 1);
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        for bet in &*bets {
            let place = &mut places[digit(bet)];
            sorted[*place] = *bet;
            *place += 1;
        }
        std::mem::swap(bets, &mut sorted);
    }
}

fn other_bets(record: &Record<'_>, segment: u64) -> Fault {
    let what = "a batch that does not hold the bets that it says";
    Fault::Damage(Damage::new(&name(segment), record.offset as u64, what))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bets_are_sorted_by_key_and_those_with_one_key_keep_their_order(
            keys in prop::collection::vec(prop_oneof![0_u32..3, 0_u32..1000, any::<u32>()], 0..300),
        ) {
            let bets = keys.into_iter().zip(0..).map(|(key, at)| KeyedBet { key: BetKey(key), at });
            let mut sorted: Vec<_> = bets.collect();
            let mut expected = sorted.clone();
            expected.sort_unstable();
            sort_by_key(&mut sorted);
            prop_assert_eq!(sorted, expected);
        }
    }
}
