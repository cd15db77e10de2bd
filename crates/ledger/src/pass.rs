//! A pass over the segments of a folder: verifies them in order and tells sound data from damage.
//!
//! Opening and checking run the same pass, so that both find the same damage. They differ only in
//! [`Reads`]: opening trusts a sound index of a sealed segment and does not read its batches.
//!
//! Invariants:
//!
//! - A segment is sealed only once the next one holds a durable record. So the last segment must
//!   not be sealed, and a segment after a sealed one must not be empty. Otherwise records were
//!   removed.
//! - Beside a running central, what is read first is never newer than what is read later. So what
//!   the first reading shows to be durable must be found by the second.

use std::io;
use std::ops::Range;

use engine::{Body, Chain, LedgerId, Record, feature_of};
use lottery::{Draws, Event, Timestamp};

use crate::contents::{BatchAt, Contents, EventAt};
use crate::disk::{Claim, Disk, DiskFile, uninterrupted};
use crate::error::{Damage, Fault};
use crate::index::{self, Found, Index, Replay};
use crate::limits::RECORDS_OFFSET;
use crate::record::{self, HEADER_LEN};
use crate::segment::{
    self, EVENT_LIKELY_LEN, Image, LoneRecord, SegmentHeader, Tail, Walk, expect_len, expect_zeros,
};
use crate::window::Window;

/// What a pass reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Sealed segments by their indexes, where these are sound.
    Indexes,
    /// Every record.
    Records,
    /// Every record, and every index, which must match the records.
    RecordsAndIndexes,
}

/// A segment in use that was found sound.
pub(crate) struct Judged {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    pub(crate) what: Content,
}

/// The contents of a segment.
pub(crate) enum Content {
    /// A sealed segment, read by its index.
    Indexed(Box<Index>),
    /// A full segment, read by its records.
    Full { contents: Contents, end: usize, chain: Chain, index: IndexState },
    /// The last segment.
    Last { contents: Contents, image: Image, last_group: Range<usize>, tail: Tail },
}

/// The state of a full segment's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexState {
    /// Matches the records, or was not checked.
    Sound,
    /// There is none.
    Missing,
    /// Invalid; opening replaces it.
    Unsound,
}

/// The state of a pass.
pub(crate) struct Pass {
    reads: Reads,
    /// Whether a central may be writing to the folder.
    is_growing: bool,
    /// Whether it began with the first record, so that the rules can be applied.
    has_all: bool,
    pub(crate) draws: Draws,
    pub(crate) next_sequence: u64,
    /// `None` before the first segment.
    pub(crate) end: Option<(LedgerId, Chain)>,
    /// When the last record was decided.
    pub(crate) at: Timestamp,
    /// The name of the previous segment, if it was sealed.
    sealed_before: Option<String>,
}

/// Returns the numbers of the segments in a folder, in use or not, in order.
pub(crate) fn segment_numbers(disk: &dyn Disk) -> Result<Vec<u64>, Fault> {
    let names = disk.names().map_err(|error| Fault::io("listing", "the data folder", error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment::number_in(n)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the segments in use in a folder, in order. Files are closed again: there may be many.
pub(crate) fn segments_in(disk: &dyn Disk, claim: Claim) -> Result<Vec<SegmentHeader>, Fault> {
    let numbers = segment_numbers(disk)?;
    let mut used = Vec::new();
    let mut unused: Option<String> = None;
    for (expected, number) in (1..).zip(&numbers) {
        let name = segment::name(*number);
        if *number != expected {
            let missing = Damage::new(&segment::name(expected), 0, "the file is missing");
            return Err(Fault::Damage(missing));
        }
        let file = opened(disk, *number, claim)?;
        match (SegmentHeader::read(&*file, *number)?, &unused) {
            (Some(header), None) => used.push(header),
            (Some(_), Some(empty)) => {
                let what = format!("the segment is empty, though {name} follows");
                return Err(Fault::Damage(Damage::new(empty, 0, what)));
            }
            (None, None) => unused = Some(name),
            (None, Some(_)) => {}
        }
    }
    Ok(used)
}

/// Returns the segments in use in a folder that a central may be writing to, in order.
///
/// The last one is looked at first: one that is in use shows that those before it are, however far
/// the central has come meanwhile.
pub(crate) fn segments_growing(disk: &dyn Disk) -> Result<Vec<SegmentHeader>, Fault> {
    let mut numbers = segment_numbers(disk)?;
    let mut used = Vec::new();
    while let Some(number) = numbers.pop() {
        if let Some(last) = header_now(disk, number)? {
            used.push(last);
            break;
        }
    }
    let last = used.first().map_or(1, |last| last.number);
    for number in (1..last).rev() {
        let (name, next) = (segment::name(number), segment::name(number + 1));
        let what = format!("the segment is missing or empty, though {next} follows");
        let missing = || Fault::Damage(Damage::new(&name, 0, what));
        used.push(header_now(disk, number)?.ok_or_else(missing)?);
    }
    used.reverse();
    Ok(used)
}

/// Returns the header of a segment that a central may be writing; `None` when it is not in use.
pub(crate) fn header_now(disk: &dyn Disk, number: u64) -> Result<Option<SegmentHeader>, Fault> {
    match opened(disk, number, Claim::Look) {
        // Prepared, and removed again by a central that has just started.
        Err(Fault::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
        Ok(file) => header_in(&*file, number),
    }
}

/// As [`SegmentHeader::read`], while a central may be writing it: it is complete a moment later.
fn header_in(file: &dyn DiskFile, number: u64) -> Result<Option<SegmentHeader>, Fault> {
    SegmentHeader::read(file, number).or_else(|_| SegmentHeader::read(file, number))
}

/// Opens the file of a segment.
pub(crate) fn opened(
    disk: &dyn Disk,
    number: u64,
    claim: Claim,
) -> Result<Box<dyn DiskFile>, Fault> {
    let name = segment::name(number);
    uninterrupted(|| disk.open(&name, claim)).map_err(|error| Fault::opening(&name, error))
}

impl Pass {
    /// Starts a pass before the first segment.
    pub(crate) fn new(reads: Reads, is_growing: bool) -> Self {
        Self {
            reads,
            is_growing,
            has_all: true,
            draws: Draws::default(),
            next_sequence: 0,
            end: None,
            at: Timestamp(0),
            sealed_before: None,
        }
    }

    /// Begins with a segment that is not the first one, and applies no rules.
    pub(crate) fn begin_at(&mut self, header: &SegmentHeader) {
        self.has_all = false;
        (self.next_sequence, self.end) =
            (header.first_sequence, Some((header.ledger, header.chain)));
    }

    /// Verifies the next segment and calls `visit` with each event that is read.
    pub(crate) fn judge<E: From<Fault>>(
        &mut self,
        file: Box<dyn DiskFile>,
        header: SegmentHeader,
        is_last: bool,
        visit: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Judged, E> {
        self.expect_next(&header)?;
        let what = if is_last {
            self.last(&*file, header, visit)?
        } else {
            self.full(&*file, header, visit)?
        };
        self.sealed_before = was_sealed(&*file, &header)?.then(|| segment::name(header.number));
        Ok(Judged { file, header, what })
    }

    /// Checks that a segment continues the one before it.
    fn expect_next(&mut self, header: &SegmentHeader) -> Result<(), Fault> {
        let first = || (header.ledger, Chain::first(header.ledger));
        let (ledger, chain) = self.end.unwrap_or_else(first);
        if header.ledger != ledger {
            return Err(damage(header, 0, "the segment is of another ledger"));
        }
        if header.first_sequence != self.next_sequence || header.chain != chain {
            let next = self.next_sequence;
            let what = format!("the segment does not continue the one before it at record {next}");
            return Err(damage(header, 0, what));
        }
        self.end = Some((ledger, chain));
        Ok(())
    }

    fn full<E: From<Fault>>(
        &mut self,
        file: &dyn DiskFile,
        header: SegmentHeader,
        visit: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Content, E> {
        let mut state = IndexState::Sound;
        if self.reads == Reads::Indexes {
            state = match index::read(file, &header)? {
                Found::Sound(index, replay) => {
                    return Ok(self.indexed(file, &header, index, replay).map(Content::Indexed)?);
                }
                Found::Missing => IndexState::Missing,
                Found::Unsound => IndexState::Unsound,
            };
        }
        // A central may be writing the index of a segment that had none.
        let may_lack_index = self.is_growing && !index::is_complete(file, &header)?;
        let image = Image::read(file, header, None)?;
        let mut walk = image.walk();
        let mut contents = Contents::default();
        let stop = loop {
            match walk.step() {
                Ok(record) => self.record(&header, &record, &mut contents, visit)?,
                Err(stop) => break stop,
            }
        };
        walk.expect_end(&stop)?;
        let (end, chain) = (walk.offset(), walk.chain());
        self.goes_on(&header, &walk);
        if may_lack_index {
            state = IndexState::Missing;
        } else if self.reads != Reads::Records {
            let given = index::encode(&contents, header.first_sequence, end, chain);
            expect_len(file, &header, header.len + given.len() as u64)?;
            if self.reads == Reads::RecordsAndIndexes && !index::is_given(file, &header, &given)? {
                state = IndexState::Missing;
            }
        }
        Ok(Content::Full { contents, end, chain, index: state })
    }

    fn last<E: From<Fault>>(
        &mut self,
        file: &dyn DiskFile,
        header: SegmentHeader,
        visit: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Content, E> {
        if was_sealed(file, &header)? {
            let what = "the segment was sealed, so records followed it, and they are gone";
            return Err(damage(&header, header.len, what).into());
        }
        let image = Image::read(file, header, None)?;
        let mut walk = image.walk();
        let mut last_group = (header.first_sequence, walk.offset());
        let mut contents = Contents::default();
        let stop = loop {
            match walk.step() {
                Ok(record) => {
                    self.record(&header, &record, &mut contents, visit)?;
                    if record.header.group != last_group.0 {
                        last_group = (record.header.group, record.offset);
                    }
                }
                Err(stop) => break stop,
            }
        };
        let end = walk.offset();
        self.expect_record(&header, end)?;
        let tail = walk.judge_tail(&stop)?;
        self.goes_on(&header, &walk);
        let last_group = last_group.1.min(end)..end;
        Ok(Content::Last { contents, image, last_group, tail })
    }

    /// Reads the last segment while a central may be writing to it: up to its last whole decision,
    /// or to `until`.
    ///
    /// It is read in steps and grows meanwhile, so what is behind a flaw is read once more. If a
    /// record of the first reading shows that another was durable, the second must find that.
    /// Anything else there is being written.
    pub(crate) fn read_growing<E: From<Fault>>(
        &mut self,
        file: &dyn DiskFile,
        mut header: SegmentHeader,
        until: Option<u64>,
        visit: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect_next(&header)?;
        let mut image = Image::read(file, header, None)?;
        let (mut at, mut witness) = (image.walk().position(), None);
        loop {
            // An empty segment may have been given another feature since.
            header = header_in(file, header.number)?.unwrap_or(header);
            let mut walk = image.walk_from(at);
            let mut contents = Contents::default();
            let stop = loop {
                if until == Some(walk.next_sequence()) {
                    self.goes_on(&header, &walk);
                    return Ok(());
                }
                match walk.step() {
                    Ok(record) => self.record(&header, &record, &mut contents, visit)?,
                    Err(stop) => break stop,
                }
            };
            let is_first = witness.is_none();
            if is_first && walk.last_byte().is_some() {
                (at, witness) = (walk.position(), Some(walk.witness()));
                image.read_again(file, at)?;
                continue;
            }
            walk.expect_durable(&stop, witness.flatten())?;
            if until.is_some() {
                return Err(walk.damage(&stop).into());
            }
            self.expect_record(&header, walk.offset())?;
            self.goes_on(&header, &walk);
            return Ok(());
        }
    }

    /// Checks that a segment holds a record if the one before it is sealed.
    fn expect_record(&self, header: &SegmentHeader, end: usize) -> Result<(), Fault> {
        if let (RECORDS_OFFSET, Some(before)) = (end, &self.sealed_before) {
            let what = format!("there is no sound record, though {before} shows that there was");
            return Err(damage(header, end as u64, what));
        }
        Ok(())
    }

    fn goes_on(&mut self, header: &SegmentHeader, walk: &Walk<'_>) {
        self.next_sequence = walk.next_sequence();
        self.end = Some((header.ledger, walk.chain()));
    }

    fn record<E: From<Fault>>(
        &mut self,
        header: &SegmentHeader,
        record: &segment::Record<'_>,
        contents: &mut Contents,
        visit: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        contents.add_read(record, header.number)?;
        self.at = Timestamp(record.header.at_ms);
        self.admit(&record.event, self.at, header, record.offset)?;
        self.expect_whole(record.header.left, header, record.offset)?;
        visit(record.read())
    }

    /// Applies an event, which the rules must allow.
    fn admit(
        &mut self,
        event: &Event,
        at: Timestamp,
        header: &SegmentHeader,
        offset: usize,
    ) -> Result<(), Fault> {
        if feature_of(event) > header.feature {
            let what = "an event of a feature that the segment's header does not name";
            return Err(damage(header, offset as u64, what));
        }
        if !self.has_all {
            return Ok(());
        }
        self.draws.replay(event, at).map_err(|why| {
            damage(header, offset as u64, format!("an event that the rules forbid: {why}"))
        })
    }

    /// Checks that a decision continues or ends after an event as the rules require.
    fn expect_whole(&self, left: u16, header: &SegmentHeader, offset: usize) -> Result<(), Fault> {
        if !self.has_all || (left > 0) == self.draws.due().is_some() {
            return Ok(());
        }
        Err(damage(header, offset as u64, "a decision that the rules have end elsewhere"))
    }

    /// Accepts a sealed segment by its sound index. Its events other than batches are read, and the
    /// chain is verified at each of them and at the records next to them.
    fn indexed(
        &mut self,
        file: &dyn DiskFile,
        header: &SegmentHeader,
        mut index: Box<Index>,
        replay: Replay,
    ) -> Result<Box<Index>, Fault> {
        expect_len(file, header, index.end())?;
        expect_zeros(file, header, index.records_end.into())?;
        let mut links = Links {
            window: Window::of(file, header),
            header,
            before: Some(header.chain),
            verifies_batch: true,
            from: RECORDS_OFFSET,
            last: None,
        };
        let mut batches = replay.batches.into_iter();
        for (position, offset) in replay.events {
            let done = self.next_sequence - header.first_sequence;
            let between = u64::from(position).checked_sub(done).ok_or_else(|| links.astray())?;
            for batch in batches.by_ref().take(usize::try_from(between).unwrap_or(usize::MAX)) {
                self.indexed_batch(&mut links, &batch)?;
            }
            let record = links.event(index::index_usize(offset), self.next_sequence)?;
            let event = record.decode()?.event;
            self.admit(&event, record.at(), header, index::index_usize(offset))?;
            self.expect_whole(record.left(), header, index::index_usize(offset))?;
            let fingerprint = record.fingerprint();
            index.events.push(EventAt { position, offset, fingerprint });
            self.next_sequence += 1;
        }
        for batch in batches {
            self.indexed_batch(&mut links, &batch)?;
        }
        self.at = links.end(&index)?;
        if self.draws.due().is_some() {
            return Err(links.astray());
        }
        self.end = Some((header.ledger, index.last_chain));
        Ok(index)
    }

    /// Applies a batch by its index entry. Its time no longer matters.
    fn indexed_batch(&mut self, links: &mut Links<'_>, batch: &BatchAt) -> Result<(), Fault> {
        links.batch(batch)?;
        self.next_sequence += 1;
        let (event, offset) =
            (Event::BatchAccepted(batch.summary), index::index_usize(batch.offset));
        self.admit(&event, Timestamp(0), links.header, offset)
    }
}

/// Verifies the order of a sealed segment's records by its index, and their chain where that is
/// possible without reading bets.
struct Links<'a> {
    window: Window<'a>,
    header: &'a SegmentHeader,
    /// The chain of the previous record, if its header was read.
    before: Option<Chain>,
    /// Whether the next record is verified even if it is a batch: at the segment's start and after an
    /// event.
    verifies_batch: bool,
    /// A lower bound for the offset of the next record.
    from: usize,
    /// The offset of the previous record; `None` before the first.
    last: Option<usize>,
}

impl Links<'_> {
    fn batch(&mut self, batch: &BatchAt) -> Result<(), Fault> {
        let offset = index::index_usize(batch.offset);
        if offset < self.from {
            return Err(self.astray());
        }
        let mut chain = None;
        if std::mem::take(&mut self.verifies_batch) {
            let before = self.chain_before()?;
            let record = segment::read_header(&self.window, self.header, offset)?;
            let body = Body::of_batch(&batch.summary);
            let given = record::chain(before, &record, body.head(), &batch.summary.digest);
            self.expect(given == record.chain, offset)?;
            chain = Some(given);
        }
        self.before = chain;
        (self.from, self.last) = (offset + HEADER_LEN, Some(offset));
        Ok(())
    }

    fn event(&mut self, offset: usize, sequence: u64) -> Result<LoneRecord, Fault> {
        let before = self.chain_before()?;
        let record = segment::read_record(&self.window, self.header, offset, EVENT_LIKELY_LEN)?;
        let decoded = record.decode()?;
        let is_batch = matches!(decoded.event, Event::BatchAccepted(_));
        if offset < self.from || record.sequence() != sequence || is_batch {
            return Err(self.astray());
        }
        let continues = record.continues(before, &decoded.tail_digest);
        self.expect(continues, offset)?;
        (self.from, self.last) = (record.end(), Some(offset));
        (self.before, self.verifies_batch) = (Some(record.chain()), true);
        Ok(record)
    }

    /// Verifies the last record and returns when it was decided.
    fn end(&mut self, index: &Index) -> Result<Timestamp, Fault> {
        if self.from > index::index_usize(index.records_end) {
            return Err(self.astray());
        }
        let offset = self.last.ok_or_else(|| self.astray())?;
        let last = segment::read_header(&self.window, self.header, offset)?;
        self.expect(last.chain == index.last_chain, offset)?;
        Ok(Timestamp(last.at_ms))
    }

    /// Returns the chain of the previous record, reading its header if necessary.
    fn chain_before(&self) -> Result<Chain, Fault> {
        match (self.before, self.last) {
            (Some(chain), _) => Ok(chain),
            (None, Some(last)) => Ok(segment::read_header(&self.window, self.header, last)?.chain),
            (None, None) => Err(self.astray()),
        }
    }

    fn expect(&self, holds: bool, offset: usize) -> Result<(), Fault> {
        let what = "the record does not continue the chain of those before it";
        if holds { Ok(()) } else { Err(damage(self.header, offset as u64, what)) }
    }

    fn astray(&self) -> Fault {
        damage(self.header, self.header.len, "the index can't be that of the records")
    }
}

/// Returns whether a segment was sealed: its file extends past the segment's length, if only by the
/// room for the index head.
pub(crate) fn was_sealed(file: &dyn DiskFile, header: &SegmentHeader) -> Result<bool, Fault> {
    let name = || segment::name(header.number);
    let len = file.len().map_err(|error| Fault::io("asking the length of", &name(), error))?;
    Ok(len > header.len)
}

fn damage(header: &SegmentHeader, offset: u64, what: impl Into<String>) -> Fault {
    Fault::Damage(Damage::new(&segment::name(header.number), offset, what))
}
