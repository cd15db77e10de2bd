//! The segments of an open ledger, shared between its writer and its readers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use engine::Chain;
use lottery::planted::{Bug, planted};
use lottery::{BetKey, DrawId, Event};

use crate::contents::{BatchAt, Contents, EventAt};
use crate::disk::DiskFile;
use crate::error::{Damage, Fault};
use crate::index::{self, BatchHits, Found, Index};
use crate::segment::{self, Image, Pace, Record, SegmentHeader};
use engine::sync::{AtomicU64, RwLock};

/// A segment in use.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    /// Set once the segment is sealed and its index is durable; then there are no contents.
    pub(crate) index: OnceLock<Box<Index>>,
    /// Whether the index is known to be that of what was acknowledged: made by this process, or
    /// compared with the records.
    index_compared: AtomicBool,
    /// Std's lock also under the model checker: no thread is changed while it is held.
    contents: Mutex<Contents>,
    /// Where its durable records end.
    end: AtomicU64,
}

/// What a segment's records must be, by what is kept of them in memory.
pub(crate) enum Expected {
    /// Of a sealed segment: the chain of its last record.
    Chain(Chain),
    /// Each of them.
    Records(Vec<BatchAt>, Vec<EventAt>),
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
        let index_compared = AtomicBool::new(false);
        Self { file, header, index, index_compared, contents, end: AtomicU64::new(end) }
    }

    /// One that was sealed before.
    pub(crate) fn sealed(
        file: Box<dyn DiskFile>,
        header: SegmentHeader,
        index: Box<Index>,
    ) -> Self {
        file.rest();
        let end = AtomicU64::new(index.records_end.into());
        let (index, contents) = (OnceLock::from(index), Mutex::default());
        Self { file, header, index, index_compared: AtomicBool::new(false), contents, end }
    }

    /// Where its durable records end, in bytes from its start.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Says that records up to `end` are durable.
    pub(crate) fn extend(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Reads its durable records; what they must be comes with them.
    pub(crate) fn image(&self) -> Result<(Image, Expected), Fault> {
        let end = self.end();
        let contents = self.contents();
        let (end, expected) = match self.index.get() {
            Some(index) => (index.records_end.into(), Expected::Chain(index.last_chain)),
            None => (end, contents.expected()),
        };
        drop(contents);
        Ok((Image::read(&*self.file, self.header, Some(end))?, expected))
    }

    /// Marks the segment as one that nothing more is written to, before it has its index.
    pub(crate) fn mark(&self) -> Result<(), Fault> {
        index::mark(&*self.file, &self.header)
    }

    /// Reads the segment back, to see that it is as it was written, and gives it its index.
    /// `pace` is told of each part that was read, and may hold up the next.
    pub(crate) fn index(&self, pace: impl FnMut(usize)) -> Result<(), Fault> {
        let (end, chain) = segment::skim(&*self.file, &self.header, pace)?;
        self.give_index(end, chain)
    }

    /// Gives a segment its index. Its records end at `end`, the last one with this chain.
    pub(crate) fn give_index(&self, end: usize, chain: Chain) -> Result<(), Fault> {
        let built = index::encode(&self.contents(), self.header.first_sequence, end, chain);
        index::write(&*self.file, &self.header, &built)?;
        let Found::Sound(mut index, _) = index::read(&*self.file, &self.header)? else {
            let what = "the index that was just written does not read back";
            return Err(self.damage(self.header.len, what));
        };
        let mut contents = self.contents();
        index.events = contents.events().to_vec();
        self.index_compared.store(true, Ordering::Release);
        self.index.get_or_init(|| index);
        *contents = Contents::default();
        self.file.rest();
        Ok(())
    }

    /// Reads a sealed segment whole: whether its records are those that were acknowledged, and its
    /// index is theirs. Nothing is said of a segment that has no index yet.
    pub(crate) fn compare(&self, pace: &mut Pace<'_>) -> Result<(), Fault> {
        let Some(index) = self.index.get() else { return Ok(()) };
        let image = Image::read_paced(&*self.file, self.header, None, pace)?;
        let (contents, end, chain) = Contents::read(&image, pace)?;
        if chain != index.last_chain || end as u64 != u64::from(index.records_end) {
            return Err(self.damage(end as u64, OTHER_END));
        }
        let given = index::encode(&contents, self.header.first_sequence, end, chain);
        if contents.events() != index.events || !index::is_given(&*self.file, &self.header, &given)?
        {
            return Err(self.damage(self.header.len, "the index is not that of the records"));
        }
        self.index_compared.store(true, Ordering::Release);
        Ok(())
    }

    /// Its index, if it has one, once it is known to be that of what was acknowledged. Reads the
    /// segment whole when that is not known yet; an error when it is another.
    fn known_index(&self) -> Result<Option<&Index>, Fault> {
        let Some(index) = self.index.get() else { return Ok(None) };
        if !self.index_compared.load(Ordering::Acquire) && !planted(Bug::DigestNotCompared) {
            self.compare(&mut |_| Ok(()))?;
        }
        Ok(Some(index))
    }

    /// Whether it may hold batches of a draw.
    pub(crate) fn may_have_batches_of(&self, draw: DrawId) -> bool {
        self.index.get().is_none_or(|index| index.has_batches_of(draw))
    }

    /// The bets of a draw with one of some keys, in order; none when only the records can tell.
    pub(crate) fn find(
        &self,
        draw: DrawId,
        keys: &[BetKey],
    ) -> Result<Option<Vec<BatchHits>>, Fault> {
        let end = self.end();
        let contents = self.contents();
        if self.index.get().is_none() {
            return Ok(Some(contents.find(draw, keys, end)));
        }
        drop(contents);
        let Ok(Some(index)) = self.known_index() else { return Ok(None) };
        let name = segment::name(self.header.number);
        let found = index.find(&*self.file, draw, keys);
        found.map_err(|error| Fault::io("reading the index of", &name, error))
    }

    /// Its durable records of events that are no batches, in order; none when only the records can
    /// tell.
    pub(crate) fn events(&self) -> Option<Vec<EventAt>> {
        let end = self.end();
        let contents = self.contents();
        if self.index.get().is_none() {
            let durable = contents.events().iter().filter(|event| u64::from(event.offset) < end);
            return Some(durable.copied().collect());
        }
        drop(contents);
        match self.known_index() {
            Ok(Some(index)) => Some(index.events.clone()),
            _ => None,
        }
    }

    /// What it holds, as long as it has no index.
    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        // Whoever panicked while adding to it did not leave it worse than missing what is last.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Damage to it.
    pub(crate) fn damage(&self, offset: u64, what: &str) -> Fault {
        Fault::Damage(Damage::new(&segment::name(self.header.number), offset, what))
    }
}

/// What is wrong with records that continue the chain, but not to where it went on.
const OTHER_END: &str = "the records are not those that the next segment continues";

impl Expected {
    /// The durable records of an image, once all are known to be those that were acknowledged.
    pub(crate) fn records<'a>(&self, image: &'a Image) -> Result<Vec<Record<'a>>, Fault> {
        let mut walk = image.walk();
        let mut records = Vec::new();
        while !walk.is_at_end() {
            records.push(walk.step().map_err(|stop| walk.damage(&stop))?);
        }
        match self {
            Self::Chain(last) if *last != walk.chain() => {
                return Err(image.damage(walk.offset(), OTHER_END));
            }
            Self::Chain(_) => {}
            Self::Records(batches, events) => expect(&records, batches, events)
                .map_err(|at| image.damage(at, "another record than was acknowledged"))?,
        }
        Ok(records)
    }
}

/// Says where a record is that is not the one expected.
fn expect(records: &[Record<'_>], batches: &[BatchAt], events: &[EventAt]) -> Result<(), usize> {
    let (mut batches, mut events) = (batches.iter(), events.iter());
    for record in records {
        let offset = index::offset_u32(record.offset);
        let as_expected = match &record.event {
            Event::BatchAccepted(summary) => {
                batches.next() == Some(&BatchAt { offset, summary: *summary })
            }
            _ => events.next().is_some_and(|expected| {
                expected.offset == offset && expected.fingerprint == record.fingerprint()
            }),
        };
        if !as_expected {
            return Err(record.offset);
        }
    }
    Ok(())
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
