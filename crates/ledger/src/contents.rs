//! What a segment holds, collected record by record as they are written or read: where bets on a
//! number are while the segment has no index, and what its index is then made of.

use std::collections::BTreeMap;

use lottery::{BatchSummary, DrawId, Event};

use crate::error::{Damage, Fault};
use crate::index::{self, BetPlace, stored};
use crate::record::Chain;
use crate::segment::{Image, Record, name};

/// See the module's documentation. Four bytes a bet, sixty a batch.
#[derive(Default)]
pub(crate) struct Contents {
    batches: Vec<BatchAt>,
    /// Position among the segment's records and offset of each other event.
    events: Vec<(u32, u32)>,
    /// The number of every bet, in order.
    numbers: Vec<u32>,
}

/// A batch, and where its record is.
pub(crate) struct BatchAt {
    pub(crate) offset: u32,
    pub(crate) summary: BatchSummary,
}

impl Contents {
    /// Reads a whole segment, checking every record; gives too where its records end, and the
    /// chain of the last.
    ///
    /// The segment must be one that others follow: behind its records there are only zeros.
    pub(crate) fn read(image: &Image) -> Result<(Self, usize, Chain), Fault> {
        let mut contents = Self::default();
        let mut walk = image.walk();
        let stop = loop {
            match walk.step() {
                Ok(record) => contents.add_read(&record, image.header.number)?,
                Err(stop) => break stop,
            }
        };
        walk.expect_end(&stop)?;
        Ok((contents, walk.offset(), walk.chain()))
    }

    /// Adds the next event of the segment, whose record is at `offset`; `numbers` are those of its
    /// bets when it is a batch.
    pub(crate) fn add(&mut self, offset: usize, event: &Event, numbers: &[u32]) {
        self.add_event(offset, event);
        self.numbers.extend_from_slice(numbers);
    }

    /// Adds the next record of a segment, unless it does not hold the bets that it says.
    pub(crate) fn add_read(&mut self, record: &Record<'_>, segment: u64) -> Result<(), Fault> {
        self.add_event(record.offset, &record.event);
        let Event::BatchAccepted(batch) = &record.event else { return Ok(()) };
        let mut unseen = batch.bets;
        for bet in stored(batch, record.text).bets() {
            let (Ok(bet), Some(left)) = (bet, unseen.checked_sub(1)) else {
                return Err(other_bets(record, segment));
            };
            self.numbers.push(bet.number());
            unseen = left;
        }
        if unseen == 0 { Ok(()) } else { Err(other_bets(record, segment)) }
    }

    /// Where the bets of a draw on a number are, in order, of records before `end`.
    pub(crate) fn bets_on(&self, draw: DrawId, number: u32, end: u64) -> Vec<BetPlace> {
        let mut places = Vec::new();
        for (batch, numbers) in self.batches_with_numbers() {
            if batch.summary.draw == draw && u64::from(batch.offset) < end {
                let found = (0..).zip(numbers).filter(|&(_, &of_bet)| of_bet == number);
                let offset = batch.offset;
                places.extend(found.map(|(position, _)| BetPlace { offset, position }));
            }
        }
        places
    }

    /// The ordinals of bets among those of the segment, ascending, by draw and number.
    pub(crate) fn ordinals(&self) -> Vec<(DrawId, u32, Vec<u32>)> {
        let mut draws: BTreeMap<DrawId, Vec<u64>> = BTreeMap::new();
        let mut ordinal = 0;
        for (batch, numbers) in self.batches_with_numbers() {
            let of_draw = draws.entry(batch.summary.draw).or_default();
            for &number in numbers {
                of_draw.push(u64::from(number) << 32 | ordinal);
                ordinal += 1;
            }
        }
        let mut lists = Vec::new();
        for (draw, mut bets) in draws {
            bets.sort_unstable();
            for list in bets.chunk_by(|a, b| a >> 32 == b >> 32) {
                let ordinals = list.iter().map(|bet| low_half(*bet)).collect();
                lists.push((draw, low_half(list[0] >> 32), ordinals));
            }
        }
        lists
    }

    pub(crate) fn batches(&self) -> &[BatchAt] {
        &self.batches
    }

    pub(crate) fn events(&self) -> &[(u32, u32)] {
        &self.events
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> usize {
        self.batches.len() + self.events.len()
    }

    fn add_event(&mut self, offset: usize, event: &Event) {
        let offset = index::offset_u32(offset);
        match event {
            Event::BatchAccepted(summary) => {
                self.batches.push(BatchAt { offset, summary: *summary });
            }
            _ => self.events.push((index::offset_u32(self.records()), offset)),
        }
    }

    fn batches_with_numbers(&self) -> impl Iterator<Item = (&BatchAt, &[u32])> {
        let mut rest = &self.numbers[..];
        self.batches.iter().map(move |batch| {
            let numbers;
            (numbers, rest) = rest.split_at(index::index_usize(batch.summary.bets));
            (batch, numbers)
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low_half(value: u64) -> u32 {
    value as u32
}

fn other_bets(record: &Record<'_>, segment: u64) -> Fault {
    let what = "a batch that does not hold the bets that it says";
    Fault::Damage(Damage::new(&name(segment), record.offset as u64, what))
}
