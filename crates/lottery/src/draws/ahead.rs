//! An agency's batches after a gap, in any order.
//!
//! They are stored in pages sorted by chunk id. A page grows by a few places and is split when
//! full, so few places are unused and few batches move on an insert.

use std::collections::VecDeque;

use crate::bets::ChunkDigest;
use crate::event::BatchSummary;

/// Most batches in a page: about 10 KiB.
const PAGE_LEN_MAX: usize = 256;
const PAGE_GROWTH: usize = 16;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ahead {
    /// No page is empty.
    pages: VecDeque<VecDeque<Waiting>>,
    len: usize,
}

/// A batch that waits for the gap before it to close.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(super) struct Waiting {
    pub(super) chunk: u32,
    pub(super) bets: u32,
    pub(super) digest: ChunkDigest,
}

impl Waiting {
    pub(super) fn of(batch: &BatchSummary) -> Self {
        let BatchSummary { chunk, bets, digest, .. } = *batch;
        Self { chunk: chunk.0, bets, digest }
    }
}

/// Compares the batches, not their layout in pages.
#[cfg(test)]
impl PartialEq for Ahead {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Ahead {
    pub(super) const fn new() -> Self {
        Self { pages: VecDeque::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Iterates in order of chunk id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.pages.iter().flatten()
    }

    pub(super) fn get(&self, chunk: u32) -> Option<&Waiting> {
        let page = self.pages.get(self.pages_before(chunk))?;
        let place = page.binary_search_by_key(&chunk, |it| it.chunk).ok()?;
        page.get(place)
    }

    /// Adds a batch that is not present.
    pub(super) fn insert(&mut self, waiting: Waiting) {
        let chunk = waiting.chunk;
        self.len += 1;
        let mut at = self.pages_before(chunk).min(self.pages.len().saturating_sub(1));
        if self.pages.is_empty() {
            self.pages.push_back(VecDeque::new());
        }
        if self.pages[at].len() == PAGE_LEN_MAX {
            let behind = self.pages[at].split_off(PAGE_LEN_MAX / 2);
            self.pages[at].shrink_to_fit();
            self.pages.insert(at + 1, behind);
            at += usize::from(self.pages[at + 1][0].chunk < chunk);
        }
        let page = &mut self.pages[at];
        if page.len() == page.capacity() {
            page.reserve_exact(PAGE_GROWTH);
        }
        let place = page.partition_point(|it| it.chunk < chunk);
        page.insert(place, waiting);
    }

    /// Removes a batch that is present.
    pub(super) fn remove(&mut self, chunk: u32) {
        let at = self.pages_before(chunk);
        let page = &mut self.pages[at];
        page.retain(|it| it.chunk != chunk);
        if page.is_empty() {
            self.pages.remove(at);
        }
        self.len -= 1;
    }

    /// Removes the first batch if it has this chunk id.
    pub(super) fn take_first(&mut self, chunk: usize) -> Option<Waiting> {
        let page = self.pages.front_mut()?;
        if page[0].chunk as usize != chunk {
            return None;
        }
        let first = page.pop_front();
        if page.is_empty() {
            self.pages.pop_front();
        }
        self.len -= 1;
        first
    }

    /// Returns the number of pages that hold only lower chunk ids.
    fn pages_before(&self, chunk: u32) -> usize {
        self.pages.partition_point(|page| page[page.len() - 1].chunk < chunk)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::agencies::AgencyId;
    use crate::bet_name::ChunkId;
    use crate::draw::DrawId;

    fn batch(chunk: u32) -> BatchSummary {
        let digest = ChunkDigest::of(&chunk.to_string());
        let (draw, agency, chunk) = (DrawId(1), AgencyId(1), ChunkId(chunk));
        BatchSummary { draw, agency, chunk, bets: chunk.0 % 7, digest }
    }

    proptest! {
        #[test]
        fn batches_are_found_and_leave_in_order_however_they_arrive(
            few in vec(any::<u32>(), 0..50),
            near in vec(0..2_000_u32, 0..1_500),
            descending in any::<bool>(),
        ) {
            let mut chunks = [few, near].concat();
            if descending {
                chunks.sort_unstable_by(|one, other| other.cmp(one));
            }
            let (mut ahead, mut expected) = (Ahead::new(), BTreeMap::new());
            for &chunk in &chunks {
                prop_assert_eq!(ahead.get(chunk).is_some(), expected.contains_key(&chunk));
                if expected.insert(chunk, batch(chunk)).is_none() {
                    ahead.insert(Waiting::of(&batch(chunk)));
                }
            }
            for (&chunk, batch) in expected.iter().step_by(3) {
                ahead.remove(chunk);
                prop_assert!(ahead.get(chunk).is_none());
                ahead.insert(Waiting::of(batch));
            }
            prop_assert_eq!(ahead.len(), expected.len());
            let unused = ahead.pages.iter().map(|page| page.capacity() - page.len());
            prop_assert!(unused.max() <= Some(PAGE_GROWTH));
            for (chunk, batch) in expected {
                prop_assert_eq!(ahead.get(chunk).map(|it| it.digest), Some(batch.digest));
                prop_assert!(ahead.take_first(chunk as usize + 1).is_none());
                let first = ahead.take_first(chunk as usize).unwrap();
                prop_assert_eq!((first.bets, first.digest), (batch.bets, batch.digest));
            }
            prop_assert!(ahead.len() == 0 && ahead.pages.is_empty());
        }
    }
}
