//! The segments of an open ledger, shared between its writer and its readers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lottery::DrawId;

use crate::contents::Contents;
use crate::disk::DiskFile;
use crate::error::Fault;
use crate::index::{self, BetPlace, Index};
use crate::segment::{self, Image, SegmentHeader};
use crate::sync::{AtomicU64, RwLock};

/// A segment in use.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    /// Set once the segment is sealed and its index is durable; then there are no contents.
    pub(crate) index: OnceLock<Index>,
    /// Std's lock also under the model checker: no thread is changed while it is held.
    contents: Mutex<Contents>,
    /// Where its durable records end.
    end: AtomicU64,
}

/// All segments in use, in order.
#[derive(Clone, Default)]
pub(crate) struct Segments {
    list: Arc<RwLock<Vec<Arc<Segment>>>>,
}

impl Segment {
    pub(crate) fn new(
        file: Box<dyn DiskFile>,
        header: SegmentHeader,
        contents: Contents,
        end: u64,
    ) -> Self {
        let (index, contents) = (OnceLock::new(), Mutex::new(contents));
        Self { file, header, index, contents, end: AtomicU64::new(end) }
    }

    /// One that was sealed before.
    pub(crate) fn sealed(file: Box<dyn DiskFile>, header: SegmentHeader, index: Index) -> Self {
        let end = AtomicU64::new(index.records_end.into());
        let (index, contents) = (OnceLock::from(index), Mutex::default());
        Self { file, header, index, contents, end }
    }

    /// Where its durable records end, in bytes from its start.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Says that records up to `end` are durable.
    pub(crate) fn extend(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Reads its durable records.
    pub(crate) fn image(&self) -> Result<Image, Fault> {
        Image::read(&*self.file, self.header, Some(self.end()))
    }

    /// Reads the segment back, to see that it is as it was written, and gives it its index.
    /// `pace` is told of each part that was read, and may hold up the next.
    pub(crate) fn seal(&self, pace: impl FnMut(usize)) -> Result<(), Fault> {
        let (end, chain) = segment::skim(&*self.file, &self.header, pace)?;
        let built = index::encode(&self.contents(), self.header.first_sequence, end, chain);
        index::write(&*self.file, &self.header, &built)?;
        if let Some((index, _)) = index::read(&*self.file, &self.header)? {
            let mut contents = self.contents();
            self.index.get_or_init(|| index);
            *contents = Contents::default();
        }
        Ok(())
    }

    /// Where the bets of a draw on a number are, in order; none when the index is damaged.
    pub(crate) fn bets_on(
        &self,
        draw: DrawId,
        number: u32,
    ) -> Result<Option<Vec<BetPlace>>, Fault> {
        let end = self.end();
        let contents = self.contents();
        let Some(index) = self.index.get() else {
            return Ok(Some(contents.bets_on(draw, number, end)));
        };
        drop(contents);
        let name = segment::name(self.header.number);
        let found = index.bets_on(&*self.file, draw, number);
        found.map_err(|error| Fault::io("reading the index of", &name, error))
    }

    /// Where its durable records of events that are no batches are, in order.
    pub(crate) fn event_offsets(&self) -> Result<Vec<usize>, Fault> {
        let end = self.end();
        let durable = |events: &[(u32, u32)]| {
            let offsets = events.iter().map(|(_, offset)| *offset);
            offsets.filter(|offset| u64::from(*offset) < end).map(index::index_usize).collect()
        };
        let contents = self.contents();
        if self.index.get().is_none() {
            return Ok(durable(contents.events()));
        }
        drop(contents);
        match index::read(&*self.file, &self.header)? {
            Some((_, replay)) => Ok(durable(&replay.events)),
            // The index is derived: when it turns out unsound, the records still tell.
            None => Ok(durable(Contents::read(&self.image()?)?.0.events())),
        }
    }

    /// What it holds, as long as it has no index.
    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        // Whoever panicked while adding to it did not leave it worse than missing what is last.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segments {
    /// A list to read without holding anything up.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Segment>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of them, all in turn: the `turn`th, counted in a circle. None when there are none.
    pub(crate) fn in_turn(&self, turn: usize) -> Option<Arc<Segment>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let at = turn.checked_rem(list.len())?;
        list.get(at).cloned()
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }
}
