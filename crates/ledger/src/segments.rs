//! The list of segments of an open ledger, shared by its writer and its readers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use engine::Chain;
use lottery::{BetKey, DrawId, Event};
use parking_lot::{Mutex, MutexGuard};

use crate::contents::{BatchAt, Contents, EventAt, RecordAt};
use crate::disk::DiskFile;
use crate::error::{Damage, Fault};
use crate::index::{self, BatchHits, Found, Index};
use crate::segment::{self, Image, Pace, Record, SegmentHeader};
use engine::sync::{AtomicU64, RwLock, read, write};

/// A segment in use.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    /// Set once the segment is sealed and its index is durable; `contents` is then empty.
    pub(crate) index: OnceLock<Box<Index>>,
    /// Whether the index is verified: built by this process or compared with the records.
    index_compared: AtomicBool,
    /// Not the model checker's lock: no thread switch happens while it is held.
    contents: Mutex<Contents>,
    /// The end offset of its durable records.
    end: AtomicU64,
}

/// What a segment's records are verified against, from what is kept in memory.
pub(crate) enum Expected {
    /// The chain of the last record, for a sealed segment.
    Chain(Chain),
    /// Every record.
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

    /// Creates a segment that is already sealed.
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

    /// Returns the end offset of its durable records.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Publishes that all records up to `end` are durable.
    pub(crate) fn extend(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Reads its durable records and returns them with what they must be verified against.
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

    /// Marks the segment as full, before it has an index.
    pub(crate) fn mark(&self) -> Result<(), Fault> {
        index::mark(&*self.file, &self.header)
    }

    /// Reads the segment back, verifies it, and writes its index. `pace` is called after each read
    /// and may sleep.
    pub(crate) fn index(&self, pace: impl FnMut(usize)) -> Result<(), Fault> {
        let (end, chain) = segment::skim(&*self.file, &self.header, pace)?;
        self.give_index(end, chain)
    }

    /// Writes the segment's index. Its records end at `end`, the last one with this chain.
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

    /// Reads a sealed segment whole and verifies that its records are those acknowledged and that
    /// its index matches them. Does nothing when the segment has no index yet.
    pub(crate) fn compare(&self, pace: &mut Pace<'_>) -> Result<(), Fault> {
        let Some(index) = self.index.get() else { return Ok(()) };
        // The image is dropped before the index is encoded: both are large.
        let (contents, end, chain) = {
            let image = Image::read_paced(&*self.file, self.header, None, pace)?;
            Contents::read(&image, pace)?
        };
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

    /// Returns whether the index, if there is one, is verified.
    pub(crate) fn is_compared(&self) -> bool {
        self.index_compared.load(Ordering::Acquire)
    }

    /// Returns the index, if there is one, once it is verified. The first call may read the whole
    /// segment. Fails if the index or the records are not those expected.
    fn known_index(&self) -> Result<Option<&Index>, Fault> {
        let Some(index) = self.index.get() else { return Ok(None) };
        if !self.is_compared() {
            self.compare(&mut |_| Ok(()))?;
        }
        Ok(Some(index))
    }

    /// Returns whether the segment may hold batches of a draw.
    pub(crate) fn may_have_batches_of(&self, draw: DrawId) -> bool {
        self.index.get().is_none_or(|index| index.has_batches_of(draw))
    }

    /// Returns the bets of a draw with one of these keys, in order; `None` when only reading the
    /// records can tell.
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

    /// Returns its durable records other than batches, in order; `None` when only reading the
    /// records can tell.
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

    /// Returns at most `count` durable records from number `from` on; `None` if the segment is
    /// sealed.
    pub(crate) fn records_from(&self, from: u64, count: usize) -> Option<Vec<RecordAt>> {
        let (end, contents) = (self.end(), self.contents());
        if self.index.get().is_some() {
            return None;
        }
        let position = usize::try_from(from - self.header.first_sequence).unwrap_or(usize::MAX);
        Some(contents.records_from(position, end, count))
    }

    /// Locks and returns its contents, which are empty once it has an index.
    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        // A panic while adding to it leaves at most the last record missing.
        self.contents.lock()
    }

    /// Returns a damage fault in this segment.
    pub(crate) fn damage(&self, offset: u64, what: &str) -> Fault {
        Fault::Damage(Damage::new(&segment::name(self.header.number), offset, what))
    }
}

/// The flaw of records that form a chain, but not the one that the next segment continues.
const OTHER_END: &str = "the records are not those that the next segment continues";

impl Expected {
    /// Returns the records of an image, once all of them are verified.
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

/// Compares records with the expected ones; the error is the offset of the first that differs.
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
    /// Returns a copy of the list, so that reading it blocks no one.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Segment>> {
        read(&self.list).clone()
    }

    /// Returns the segment at `turn` modulo their number; `None` when there are none.
    pub(crate) fn in_turn(&self, turn: usize) -> Option<Arc<Segment>> {
        let list = read(&self.list);
        let at = turn.checked_rem(list.len())?;
        list.get(at).cloned()
    }

    /// Returns where the durable records end: the number of segments, and the offset in the last one.
    pub(crate) fn tip(&self) -> (usize, u64) {
        let list = read(&self.list);
        (list.len(), list.last().map_or(0, |last| last.end()))
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        write(&self.list).push(segment);
    }
}
