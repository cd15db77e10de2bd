//! The [`Log`] in a folder: appends groups of events, each made durable by one write (group
//! commit).
//!
//! - A [`Ledger`] is the only writer. It encodes a group into one buffer and writes it durably; a
//!   group that does not fit the active segment goes to a new one.
//! - It has no thread of its own; its [`SegmentSource`] may have one.
//! - After a failed write the content on disk is unknown: the ledger is poisoned and accepts
//!   nothing more.

use std::io;
use std::path::Path;
use std::sync::Arc;

use engine::{
    Chain, ENTRY_OVERHEAD_LEN, Entry, Gone, LedgerId, Log, News, Reader, Recovered, Tip, feature_of,
};
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

/// The settings of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The id given to a new ledger. An existing ledger keeps its own.
    pub id: LedgerId,
    /// The length of new segments in bytes: a multiple of 4096, from 96 KiB to 1 GiB.
    pub segment_len: u64,
    /// How many segments are preallocated ahead of the active one; at least 1.
    pub spares: usize,
}

/// The writer of a log in a folder. Dropping it finishes pending work and unlocks the folder.
pub struct Ledger {
    recovered: Option<Recovered>,
    report: Report,
    segments: Segments,
    source: Box<dyn SegmentSource>,
    segment_len: u64,
    id: LedgerId,
    tip: Tip,
    active: Option<Active>,
    /// The partly filled last block of records; during a commit also the group.
    buffer: BlockBuffer,
    /// How many times the files' places were checked.
    checks: usize,
    poison: Option<String>,
    write_mode: &'static str,
    /// Declared last, so that it is dropped last.
    _lock: Box<dyn Send + Sync>,
}

/// The segment being written.
struct Active {
    segment: Arc<Segment>,
    /// The newest feature that its records may need.
    feature: u32,
    /// The file offset of the buffer's first byte.
    buffer_offset: u64,
    /// The previous segment, until a record is durable in this one.
    left: Option<Arc<Segment>>,
}

/// Provides new segments and takes full ones for indexing.
pub(crate) trait SegmentSource: Send {
    /// Returns the file for segment `number`: fully allocated, reading as zeros, its name durable.
    fn next(&mut self, number: u64) -> Result<Box<dyn DiskFile>, StoreFault>;

    /// Waits until all spare segments are ready, or preparing them has failed.
    fn stock_up(&mut self);

    /// Takes a full segment for indexing. The caller guarantees that the next segment already holds
    /// a durable record, so a sealed segment always has a successor with records.
    fn index(&mut self, segment: Arc<Segment>);

    /// Called after each group write with the number of bytes written.
    fn written(&self, _len: usize) {}

    /// Returns why writing must stop, if a fatal problem was found.
    fn alarm(&self) -> Option<String>;

    /// See [`Disk::check_place`].
    fn check_place(&self) -> io::Result<()>;

    /// Checks whether resources that were short are available again, and retries what failed for
    /// lack of them.
    fn check_room(&mut self) -> Result<(), StoreFault> {
        Ok(())
    }
}

impl Options {
    /// Returns the default options for a ledger with this id.
    #[must_use]
    pub fn new(id: LedgerId) -> Self {
        Self { id, segment_len: SEGMENT_LEN_DEFAULT, spares: SPARES_DEFAULT }
    }

    /// Checks that the segment length is valid.
    ///
    /// # Errors
    /// [`Fault::SegmentLen`] when it is not.
    pub fn check(&self) -> Result<(), Fault> {
        let len = self.segment_len;
        let sound = (SEGMENT_LEN_MIN..=SEGMENT_LEN_MAX).contains(&len);
        let whole_blocks = len.is_multiple_of(BLOCK_LEN as u64);
        if sound && whole_blocks { Ok(()) } else { Err(Fault::SegmentLen(len)) }
    }
}

impl Ledger {
    /// Opens the ledger in the folder at `path`, which is created if missing.
    ///
    /// # Errors
    /// When an option is invalid, another process has the folder, the ledger is damaged, or an IO
    /// operation fails.
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

    /// Opens the ledger on `disk`. `source` makes the segment source and receives the number of the
    /// next segment.
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
            _lock: lock,
        };
        ledger.begin_first_segment()?;
        Ok(ledger)
    }

    /// Returns what recovery found and did.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report
    }

    /// Returns a human-readable description of how durable writes are done.
    #[must_use]
    pub fn write_mode(&self) -> &'static str {
        self.write_mode
    }

    /// Starts a scrub, which reads all sealed segments slowly in the background. `tell` is called
    /// with its results on the scrub's thread.
    ///
    /// # Errors
    /// When the thread can't be started.
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

    /// Makes sure that there is an active segment and that all spares are ready, so that nothing
    /// need be prepared beside the intake for a while.
    fn begin_first_segment(&mut self) -> Result<(), Fault> {
        self.source.stock_up();
        if self.active.is_none() {
            let fault = |gone| Fault::io("making", "the first segment", io::Error::other(gone));
            self.rotate(0).map_err(fault)?;
            self.source.stock_up();
        }
        Ok(())
    }

    /// Checks that the folder, the active segment and, in rotation, one of all segments are still
    /// where the next opening looks for them.
    fn check_places(&mut self) -> io::Result<()> {
        self.source.check_place()?;
        if let Some(active) = &self.active {
            active.segment.file.check_place()?;
        }
        let turn = self.segments.in_turn(self.checks);
        self.checks = self.checks.wrapping_add(1);
        turn.map_or(Ok(()), |segment| segment.file.check_place())
    }

    /// Returns an error if the ledger is poisoned.
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

    /// The newest feature that records of the active segment may need.
    fn feature(&self) -> u32 {
        self.active.as_ref().map_or(0, |active| active.feature)
    }

    /// Makes sure that the active segment's header names `feature`: a new segment's, or that of the
    /// active one while it has no records.
    fn name_feature(&mut self, feature: u32) -> Result<(), Gone> {
        let is_empty = self.buffer.len() == 0;
        match &mut self.active {
            Some(active) if is_empty && active.buffer_offset == RECORDS_OFFSET as u64 => {
                active.feature = feature;
                let segment = Arc::clone(&active.segment);
                let header = SegmentHeader { feature, ..segment.header };
                self.write_header(&*segment.file, header)
            }
            _ => self.rotate(feature),
        }
    }

    fn write_header(&mut self, file: &dyn DiskFile, header: SegmentHeader) -> Result<(), Gone> {
        let mut block = BlockBuffer::new(BLOCK_LEN);
        block.extend(BLOCK_LEN).copy_from_slice(&header.to_block());
        file.write_durable(0, block.blocks()).map_err(|error| {
            let name = crate::segment::name(header.number);
            self.failed(format!("writing the header of {name}: {error}"))
        })
    }

    /// Starts a new segment for records that need `feature`. All earlier records are already
    /// durable.
    fn rotate(&mut self, feature: u32) -> Result<(), Gone> {
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
            feature: feature.max(self.feature()),
        };
        self.write_header(&*file, header)?;
        let segment =
            Arc::new(Segment::new(file, header, Contents::default(), RECORDS_OFFSET as u64));
        self.segments.push(Arc::clone(&segment));
        let left = self.active.take().map(|full| full.segment);
        let (feature, buffer_offset) = (header.feature, RECORDS_OFFSET as u64);
        self.active = Some(Active { segment, feature, buffer_offset, left });
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
        let feature = group.iter().map(|entry| feature_of(&entry.event)).max().unwrap_or(0);
        if self.room_left() < group.iter().map(Entry::len).sum() {
            self.rotate(feature)?;
        } else if self.feature() < feature {
            self.name_feature(feature)?;
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
        Arc::new(SegmentsReader { id: self.id, segments: self.segments.clone() })
    }
}

// An entry's length as the engine counts it equals its record's length.
const _: () = assert!(record::record_len(0) == ENTRY_OVERHEAD_LEN);

impl Active {
    /// Resumes after the last record of a segment and loads its partly filled last block into the
    /// buffer.
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
        let feature = segment.header.feature;
        Ok(Self { segment, feature, buffer_offset, left })
    }

    /// Encodes a group into the buffer and adds it to the segment's contents.
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

    /// Writes the buffer durably and returns how many bytes were written.
    fn write(&mut self, buffer: &mut BlockBuffer) -> io::Result<usize> {
        let file = &self.segment.file;
        let blocks = buffer.blocks();
        file.write_durable(self.buffer_offset, blocks)?;
        let len = blocks.len();
        let end = self.buffer_offset + buffer.len() as u64;
        self.segment.extend(end);
        buffer.keep_partial_block();
        self.buffer_offset = end - buffer.len() as u64;
        Ok(len)
    }
}

/// Locks the folder; a lock held by another process becomes [`Fault::InUse`].
pub(crate) fn take(disk: &dyn Disk, claim: Claim) -> Result<Box<dyn Send + Sync>, Fault> {
    disk.lock(claim).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Fault::InUse,
        _ => Fault::io("locking", "the data folder", error),
    })
}

#[cfg(all(test, models))]
mod models;
