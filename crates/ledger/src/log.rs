//! The log in a folder: groups of events, each made durable by one write behind the one before.
//!
//! A [`Ledger`] owns the end of the log. It encodes a group into one buffer and writes that
//! durably; when a group does not fit behind the last one, it goes on to a new segment. It has no
//! thread of its own but its [`SegmentSource`]'s.
//!
//! After a write that failed nobody knows what is on disk: the ledger is poisoned, and takes
//! nothing more.

use std::io;
use std::path::Path;
use std::sync::Arc;

use engine::{Chain, ENTRY_OVERHEAD_LEN, Entry, Gone, LedgerId, Log, News, Reader, Recovered, Tip};
use lottery::planted::{Bug, planted};
use lottery::{Event, StoreFault, Timestamp};

use crate::block_buffer::BlockBuffer;
use crate::contents::Contents;
use crate::disk::{Claim, Disk, DiskFile, Folder};
use crate::error::Fault;
use crate::limits::{
    BLOCK_LEN, GROUP_LEN_MAX, RECORDS_OFFSET, SEGMENT_LEN_DEFAULT, SEGMENT_LEN_MAX,
    SEGMENT_LEN_MIN, SPARES_DEFAULT,
};
use crate::reading::SegmentsReader;
use crate::record::{self, Fingerprint, Place};
use crate::recovery::{self, Report};
use crate::scrub::{Scrub, ScrubNews, ScrubPace};
use crate::segment::SegmentHeader;
use crate::segment_pool::SegmentPool;
use crate::segments::{Segment, Segments};

/// How a ledger is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a new ledger is told from all others by. One that is there has its own.
    pub id: LedgerId,
    /// Length of new segments in bytes: a multiple of 4096 from 96 KiB to 1 GiB.
    pub segment_len: u64,
    /// How many segments are kept ready ahead of the one being written; at least 1.
    pub spares: usize,
}

/// See the module's documentation. Dropping it finishes what is under way and lets the folder go.
pub struct Ledger {
    recovered: Option<Recovered>,
    report: Report,
    segments: Segments,
    source: Box<dyn SegmentSource>,
    segment_len: u64,
    id: LedgerId,
    tip: Tip,
    active: Option<Active>,
    /// The part of the last block that records fill, and while a group is written that.
    buffer: BlockBuffer,
    /// How often it was checked that everything is in its place.
    checks: usize,
    poison: Option<String>,
    write_mode: &'static str,
    /// Let go last.
    _lock: Option<Box<dyn Send + Sync>>,
}

/// The segment being written.
struct Active {
    segment: Arc<Segment>,
    /// Where the buffer's first byte goes.
    buffer_offset: u64,
    /// The segment before, until something is durable in this one.
    left: Option<Arc<Segment>>,
}

/// Where new segments come from and full ones go.
pub(crate) trait SegmentSource: Send {
    /// The file for the segment with this number: as long as a segment, all zeros, its name
    /// durable.
    fn next(&mut self, number: u64) -> Result<Box<dyn DiskFile>, StoreFault>;

    /// Waits until what is kept in store is complete, or can't be.
    fn stock_up(&mut self);

    /// Takes a segment that nothing more is written to, to give it its index. The next one holds
    /// something durable: whoever finds a sealed segment knows that records are to follow it.
    fn index(&mut self, segment: Arc<Segment>);

    /// Is told of each group that was written, and how many bytes it took.
    fn written(&self, _len: usize) {}

    /// Why nothing more may be written, if something was found that forbids it.
    fn alarm(&self) -> Option<String>;

    /// See [`Disk::check_place`].
    fn check_place(&self) -> io::Result<()>;

    /// Whether there is room again after it was wanted in vain; what failed for want of it is tried
    /// again.
    fn check_room(&mut self) -> Result<(), StoreFault> {
        Ok(())
    }
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self { id, segment_len: SEGMENT_LEN_DEFAULT, spares: SPARES_DEFAULT }
    }

    /// Whether a ledger can be kept like this.
    ///
    /// # Errors
    /// [`Fault::SegmentLen`].
    pub fn check(&self) -> Result<(), Fault> {
        let len = self.segment_len;
        let sound = (SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&len);
        let whole_blocks = len.is_multiple_of(BLOCK_LEN as u64);
        if sound && whole_blocks { Ok(()) } else { Err(Fault::SegmentLen(len)) }
    }
}

impl Ledger {
    /// Opens the ledger in the folder at `path`, made when it is missing.
    ///
    /// # Errors
    /// When another process has it, it is damaged, or the system refuses something.
    pub fn open(path: &Path, options: Options) -> Result<Self, Fault> {
        options.check()?;
        let folder =
            Folder::create(path).map_err(|error| Fault::io("opening", "the data folder", error))?;
        Self::open_on(Arc::new(folder), options)
    }

    /// Opens the ledger on `disk`.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, Fault> {
        Self::open_with(&Arc::clone(&disk), options, |next_number| {
            let Options { segment_len, spares, .. } = options;
            let pool = SegmentPool::start(disk, segment_len, spares, next_number);
            let failed = |error| Fault::io("starting", "the ledger's threads", error);
            Ok(Box::new(pool.map_err(failed)?))
        })
    }

    /// Opens the ledger on `disk`, whose segments come from what `source` gives, told the number of
    /// the next one.
    pub(crate) fn open_with(
        disk: &Arc<dyn Disk>,
        options: Options,
        source: impl FnOnce(u64) -> Result<Box<dyn SegmentSource>, Fault>,
    ) -> Result<Self, Fault> {
        options.check()?;
        let lock = take(&**disk, Claim::Write)?;
        let recovery::Recovered { draws, segments, next_sequence, end, at, report, .. } =
            recovery::recover(&**disk)?;
        let source = source(report.segments + 1)?;
        let (id, chain) = end.unwrap_or((options.id, Chain::first(options.id)));
        let tip = Tip { sequence: next_sequence, chain, at };
        let mut buffer = BlockBuffer::new(GROUP_LEN_MAX + BLOCK_LEN);
        let mut in_use = segments.snapshot();
        let active = match in_use.pop() {
            None => None,
            Some(segment) => Some(Active::resume(segment, in_use.pop(), &mut buffer)?),
        };
        let mut ledger = Self {
            recovered: Some(Recovered { draws, tip }),
            report,
            segments,
            source,
            segment_len: options.segment_len,
            id,
            tip,
            active,
            buffer,
            checks: 0,
            poison: None,
            write_mode: disk.write_mode(),
            _lock: Some(lock),
        };
        ledger.begin_first_segment()?;
        Ok(ledger)
    }

    /// What was found and done at opening.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report
    }

    /// How durable writes are done, for people.
    #[must_use]
    pub fn write_mode(&self) -> &'static str {
        self.write_mode
    }

    /// Begins to read all sealed segments slowly; `tell` is told what comes of it, on the scrub's
    /// thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn scrub(
        &self,
        pace: ScrubPace,
        tell: impl Fn(ScrubNews<'_>) + Send + 'static,
    ) -> Result<Scrub, Fault> {
        Scrub::start(self.segments.clone(), pace, Box::new(tell))
            .map_err(|error| Fault::io("starting", "the scrub", error))
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Lets others have the folder while it is still being written.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn let_go_early(&mut self) {
        self._lock = None;
    }

    /// Makes sure that there is a segment to write to, and others ready behind it, so that nothing
    /// need be prepared beside the intake for a while.
    fn begin_first_segment(&mut self) -> Result<(), Fault> {
        self.source.stock_up();
        if self.active.is_none() {
            self.rotate().map_err(|gone| {
                let why = match gone {
                    Gone::Full(why) => StoreFault::Full(why).to_string(),
                    Gone::Failed(why) => StoreFault::Failed(why).to_string(),
                    Gone::Away => unreachable!("a folder is never away"),
                };
                Fault::io("making", "the first segment", io::Error::other(why))
            })?;
            self.source.stock_up();
        }
        Ok(())
    }

    /// Finds whether the folder, the segment being written and, in turn, one of all segments are
    /// where they are looked for at the next opening.
    fn check_places(&mut self) -> io::Result<()> {
        self.source.check_place()?;
        if let Some(active) = &self.active {
            active.segment.file.check_place()?;
        }
        let turn = self.segments.in_turn(self.checks);
        self.checks = self.checks.wrapping_add(1);
        turn.map_or(Ok(()), |segment| segment.file.check_place())
    }

    /// Why it failed, if it did.
    fn sound(&self) -> Result<(), Gone> {
        self.poison.clone().map_or(Ok(()), |why| Err(Gone::Failed(why)))
    }

    fn failed(&mut self, why: String) -> Gone {
        self.poison = Some(why.clone());
        Gone::Failed(why)
    }

    fn room_left(&self) -> usize {
        let left = self.active.as_ref().map_or(0, |active| {
            active.segment.header.len - active.buffer_offset - self.buffer.len() as u64
        });
        usize::try_from(left).expect("a segment fits memory")
    }

    /// Goes on to a new segment. Everything written before is durable.
    fn rotate(&mut self) -> Result<(), Gone> {
        let number = self.active.as_ref().map_or(0, |active| active.segment.header.number) + 1;
        let file = match self.source.next(number) {
            Ok(file) => file,
            Err(StoreFault::Full(why)) => return Err(Gone::Full(why)),
            Err(StoreFault::Failed(why)) => return Err(self.failed(why)),
            Err(StoreFault::Closed) => return Err(self.failed("it is closed".to_owned())),
        };
        let header = SegmentHeader {
            number,
            first_sequence: self.tip.sequence,
            len: self.segment_len,
            chain: self.tip.chain,
            ledger: self.id,
        };
        let mut block = BlockBuffer::new(BLOCK_LEN);
        block.extend(BLOCK_LEN).copy_from_slice(&header.to_block());
        let written = if planted(Bug::HeaderNotSynced) {
            file.write_at(0, block.blocks())
        } else {
            file.write_durable(0, block.blocks())
        };
        if let Err(error) = written {
            let name = crate::segment::name(number);
            return Err(self.failed(format!("writing the header of {name}: {error}")));
        }
        let segment =
            Arc::new(Segment::new(file, header, Contents::default(), RECORDS_OFFSET as u64));
        self.segments.push(Arc::clone(&segment));
        let left = self.active.take().map(|full| full.segment);
        self.active = Some(Active { segment, buffer_offset: RECORDS_OFFSET as u64, left });
        self.buffer.clear();
        Ok(())
    }
}

impl Log for Ledger {
    fn recover(&mut self) -> Result<Recovered, Gone> {
        let twice = || Gone::Failed("a folder is recovered when it is opened".to_owned());
        self.recovered.take().ok_or_else(twice)
    }

    fn begin(&mut self, _: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        if let (None, Some(why)) = (&self.poison, self.source.alarm()) {
            self.poison = Some(why);
        }
        self.sound().map(|()| News::UpTo(self.tip))
    }

    fn room_for(&self, first: usize) -> usize {
        let in_new = usize::try_from(self.segment_len).expect("a segment fits memory");
        let left = self.room_left();
        let room = if first <= left { left } else { in_new - RECORDS_OFFSET };
        room.min(GROUP_LEN_MAX)
    }

    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone> {
        self.sound()?;
        let Some(last) = group.last() else { return Ok(()) };
        if self.room_left() < group.iter().map(Entry::len).sum() {
            self.rotate()?;
        }
        let active = self.active.as_mut().expect("rotate() left a segment with room");
        active.encode(group, &mut self.buffer);
        match active.write(&mut self.buffer) {
            Ok(len) => {
                self.tip = last.tip();
                self.source.written(len);
                if let Some(left) = active.left.take() {
                    self.source.index(left);
                }
                Ok(())
            }
            Err(error) => {
                let name = crate::segment::name(active.segment.header.number);
                Err(self.failed(format!("writing {name}: {error}")))
            }
        }
    }

    fn check(&mut self) -> Result<(), Gone> {
        self.sound()?;
        if let Err(error) = self.check_places() {
            return Err(self.failed(error.to_string()));
        }
        match self.source.check_room() {
            Ok(()) => Ok(()),
            Err(StoreFault::Full(why)) => Err(Gone::Full(why)),
            Err(fault) => Err(self.failed(fault.to_string())),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(SegmentsReader(self.segments.clone()))
    }
}

// What an entry is counted for is what its record takes.
const _: () = assert!(record::record_len(0) == ENTRY_OVERHEAD_LEN);

impl Active {
    /// Goes on behind the last record of a segment, taking up the part of its last block that it
    /// fills.
    fn resume(
        segment: Arc<Segment>,
        before: Option<Arc<Segment>>,
        buffer: &mut BlockBuffer,
    ) -> Result<Self, Fault> {
        let end = segment.end();
        let partial = end % BLOCK_LEN as u64;
        let buffer_offset = end - partial;
        let kept = buffer.extend(usize::try_from(partial).expect("less than a block"));
        segment.file.read_at(buffer_offset, kept).map_err(|error| {
            Fault::io("reading", &crate::segment::name(segment.header.number), error)
        })?;
        let left = before.filter(|before| before.index.get().is_none());
        Ok(Self { segment, buffer_offset, left })
    }

    /// Puts a group behind what is in the buffer.
    fn encode(&self, group: &[Entry], buffer: &mut BlockBuffer) {
        let place = Place { group: group[0].sequence, segment: self.segment.header.number };
        let mut contents = self.segment.contents();
        for entry in group {
            let offset = self.buffer_offset + buffer.len() as u64;
            let offset = usize::try_from(offset).expect("a segment fits memory");
            let body = entry.body();
            let record = buffer.extend(record::record_len(body.len()));
            let header = record::encode(entry, &body, place, record);
            match (&entry.event, &entry.batch) {
                (Event::BatchAccepted(summary), Some(batch)) => {
                    contents.add_batch(offset, *summary, batch.bets.keys());
                }
                _ => {
                    let body = &record[record::HEADER_LEN..][..header.body_len()];
                    contents.add_event(offset, Fingerprint::of(&header, body));
                }
            }
        }
    }

    /// Makes what is in the buffer durable; gives how many bytes were written for it.
    fn write(&mut self, buffer: &mut BlockBuffer) -> io::Result<usize> {
        let file = &self.segment.file;
        let len = buffer.blocks().len();
        let mut written = file.write_durable(self.buffer_offset, buffer.blocks());
        if planted(Bug::FailedSyncRetried) {
            written = written.or_else(|_| file.sync());
        }
        written?;
        let end = self.buffer_offset + buffer.len() as u64;
        self.segment.extend(end);
        buffer.keep_partial_block();
        self.buffer_offset = end - buffer.len() as u64;
        Ok(len)
    }
}

/// Takes the folder, telling apart the one reason that a person can do something about.
pub(crate) fn take(disk: &dyn Disk, claim: Claim) -> Result<Box<dyn Send + Sync>, Fault> {
    disk.lock(claim).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Fault::InUse,
        _ => Fault::io("locking", "the data folder", error),
    })
}

#[cfg(all(test, models))]
mod models;
