//! Opening: what a folder holds, checked, replayed through the rules, and mended where a crash
//! interrupted it.
//!
//! A sealed segment is replayed from its index. One without is read whole and given its index. The
//! last one is always read whole, and a tail that a crash left half written is cut, that is zeroed;
//! anything else that is not as it was written is damage, and opening is refused. What was read
//! becomes durable before anything is said of it.

use std::ops::Range;
use std::sync::Arc;

use lottery::planted::{Bug, planted};
use lottery::{Draws, Event, Timestamp};

use crate::block_buffer::BlockBuffer;
use crate::contents::Contents;
use crate::disk::{Claim, Disk, DiskFile, uninterrupted};
use crate::error::{Damage, Fault};
use crate::index::{self, Replay};
use crate::limits::{BLOCK_LEN, GROUP_LEN_MAX, RECORDS_OFFSET};
use crate::record::Chain;
use crate::segment::{self, Image, Record, SegmentHeader, Tail};
use crate::segments::{Segment, Segments};

/// What a folder held.
pub(crate) struct Recovered {
    pub(crate) draws: Draws,
    pub(crate) segments: Segments,
    pub(crate) next_sequence: u64,
    pub(crate) chain: Chain,
    pub(crate) report: Report,
}

/// What was found and done when a ledger was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many records it holds.
    pub records: u64,
    /// How many segments they are in.
    pub segments: u64,
    /// How many bytes of a half-written tail were cut.
    pub cut_bytes: u64,
    /// How many sealed segments had no sound index and were read whole to give them one.
    pub indexes_built: u64,
}

/// The files of a folder that are segments in use, in order.
pub(crate) fn segments_in(
    disk: &dyn Disk,
    claim: Claim,
) -> Result<Vec<(Box<dyn DiskFile>, SegmentHeader)>, Fault> {
    let names = disk.names().map_err(|error| Fault::io("listing", "the data folder", error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| segment::number_in(n)).collect();
    numbers.sort_unstable();
    let mut used: Vec<(Box<dyn DiskFile>, SegmentHeader)> = Vec::new();
    let mut unused: Option<String> = None;
    for (expected, number) in (1..).zip(&numbers) {
        let name = segment::name(*number);
        if *number != expected {
            let missing = Damage::new(&segment::name(expected), 0, "the file is missing");
            return Err(Fault::Damage(missing));
        }
        let file = uninterrupted(|| disk.open(&name, claim))
            .map_err(|error| Fault::opening(&name, error))?;
        match (SegmentHeader::read(&*file, *number)?, &unused) {
            (Some(header), None) => used.push((file, header)),
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

/// Opens what `disk` holds, for writing.
pub(crate) fn recover(disk: &dyn Disk) -> Result<Recovered, Fault> {
    let used = segments_in(disk, Claim::Write)?;
    let mut recovered = Recovered {
        draws: Draws::default(),
        segments: Segments::default(),
        next_sequence: 0,
        chain: Chain::GENESIS,
        report: Report { segments: used.len() as u64, ..Report::default() },
    };
    let last = recovered.report.segments;
    for (file, header) in used {
        recovered.continues(&header)?;
        let segment = if header.number == last {
            recovered.take_last(file, header)?
        } else {
            recovered.take_sealed(file, header)?
        };
        recovered.segments.push(Arc::new(segment));
    }
    // A process that was killed may have left names that are not durable.
    disk.sync_names().map_err(|error| Fault::io("syncing", "the data folder", error))?;
    recovered.report.records = recovered.next_sequence;
    remove_unused(disk, last)?;
    Ok(recovered)
}

/// Removes the segments behind the last one in use: they are made anew, since what was done to them
/// is not known. The last goes first, so that no crash leaves a gap before one that is left.
fn remove_unused(disk: &dyn Disk, last_used: u64) -> Result<(), Fault> {
    let names = disk.names().map_err(|error| Fault::io("listing", "the data folder", error))?;
    let numbers = names.iter().filter_map(|name| segment::number_in(name));
    let mut unused: Vec<_> = numbers.filter(|number| *number > last_used).collect();
    unused.sort_unstable();
    for number in unused.into_iter().rev() {
        let name = segment::name(number);
        let removed = disk.remove(&name).and_then(|()| disk.sync_names());
        removed.map_err(|error| Fault::io("removing the unused", &name, error))?;
    }
    Ok(())
}

impl Recovered {
    /// Checks that a segment goes on where the ones before it end.
    fn continues(&self, header: &SegmentHeader) -> Result<(), Fault> {
        check_continues(header, self.next_sequence, self.chain)
    }

    fn take_sealed(
        &mut self,
        file: Box<dyn DiskFile>,
        header: SegmentHeader,
    ) -> Result<Segment, Fault> {
        let found = match index::read(&*file, &header)? {
            Some(found) => Some(found),
            None => {
                let image = Image::read(&*file, header, None)?;
                let (contents, end, chain) = Contents::read(&image)?;
                let built = index::encode(&contents, header.first_sequence, end, chain);
                index::write(&*file, &header, &built)?;
                self.report.indexes_built += 1;
                index::read(&*file, &header)?
            }
        };
        let Some((index, replay)) = found else {
            let what = "the index that was just written does not read back";
            return Err(Fault::Damage(Damage::new(
                &segment::name(header.number),
                header.len,
                what,
            )));
        };
        self.replay(&*file, &header, replay)?;
        self.next_sequence += index.records;
        self.chain = index.last_chain;
        Ok(Segment::sealed(file, header, index))
    }

    fn replay(
        &mut self,
        file: &dyn DiskFile,
        header: &SegmentHeader,
        replay: Replay,
    ) -> Result<(), Fault> {
        let mut batches = replay.batches.into_iter();
        let mut position = 0_u32;
        for (at, offset) in replay.events {
            let between = usize::try_from(at.saturating_sub(position)).expect("u32 fits usize");
            for batch in batches.by_ref().take(between) {
                self.apply(&Event::BatchAccepted(batch), Timestamp(0), header, 0)?;
            }
            let offset = usize::try_from(offset).expect("u32 fits usize");
            let record = segment::read_record(file, header, offset)?;
            let event = record.decode()?.event;
            self.apply(&event, record.at(), header, offset)?;
            position = at.saturating_add(1);
        }
        batches
            .try_for_each(|batch| self.apply(&Event::BatchAccepted(batch), Timestamp(0), header, 0))
    }

    fn take_last(
        &mut self,
        file: Box<dyn DiskFile>,
        header: SegmentHeader,
    ) -> Result<Segment, Fault> {
        let image = Image::read(&*file, header, None)?;
        let mut walk = image.walk();
        let mut last_group = (header.first_sequence, walk.offset());
        let mut last_record = walk.offset();
        let mut contents = Contents::default();
        let stop = loop {
            match walk.step() {
                Ok(record) => {
                    admit_record(&mut self.draws, &mut contents, &record, &header)?;
                    if record.header.group != last_group.0 {
                        last_group = (record.header.group, record.offset);
                    }
                    last_record = record.offset;
                }
                Err(stop) => break stop,
            }
        };
        let end = walk.offset();
        let name = segment::name(header.number);
        if let Tail::Torn { end: dirty_end } = walk.judge_tail(&stop)? {
            self.report.cut_bytes = (dirty_end - end) as u64;
        }
        let cut_too_far = planted(Bug::TailCutTooFar) && self.report.cut_bytes > 0;
        let kept_end = if cut_too_far { last_record } else { end };
        settle(&*file, &image, last_group.1.min(kept_end)..kept_end)
            .map_err(|error| Fault::io("writing the end of", &name, error))?;
        self.next_sequence = walk.next_sequence();
        self.chain = walk.chain();
        Ok(Segment::new(file, header, contents, end as u64))
    }

    /// The time of a batch does not matter any more.
    fn apply(
        &mut self,
        event: &Event,
        at: Timestamp,
        header: &SegmentHeader,
        offset: usize,
    ) -> Result<(), Fault> {
        admit(&mut self.draws, event, at, header, offset)
    }
}

/// Checks that a segment goes on where the ones before it end.
pub(crate) fn check_continues(
    header: &SegmentHeader,
    next_sequence: u64,
    chain: Chain,
) -> Result<(), Fault> {
    if header.first_sequence == next_sequence && header.chain == chain {
        return Ok(());
    }
    let what = format!("the segment does not continue the one before it at record {next_sequence}");
    Err(Fault::Damage(Damage::new(&segment::name(header.number), 0, what)))
}

/// Applies a record that was read whole and adds it to its segment's contents, unless the rules
/// forbid it or it holds other bets than it says.
pub(crate) fn admit_record(
    draws: &mut Draws,
    contents: &mut Contents,
    record: &Record<'_>,
    header: &SegmentHeader,
) -> Result<(), Fault> {
    contents.add_read(record, header.number)?;
    admit(draws, &record.event, Timestamp(record.header.at_ms), header, record.offset)
}

/// Applies an event that was read, unless the rules forbid it.
fn admit(
    draws: &mut Draws,
    event: &Event,
    at: Timestamp,
    header: &SegmentHeader,
    offset: usize,
) -> Result<(), Fault> {
    draws.replay(event, at).map_err(|why| {
        let what = format!("an event that the rules forbid: {why}");
        Fault::Damage(Damage::new(&segment::name(header.number), offset as u64, what))
    })
}

/// Makes certain what a process that was killed, or that saw a write fail, may have left otherwise:
/// the header, the last group, and zeros behind it as far as an unfinished group may have reached.
///
/// Written once more, and not only synced: a system may have taken what it failed to write for
/// written. A crash in the middle leaves a tail that is cut again.
fn settle(file: &dyn DiskFile, image: &Image, last_group: Range<usize>) -> std::io::Result<()> {
    if planted(Bug::TailBelieved) {
        return Ok(());
    }
    file.sync()?;
    let mut header = BlockBuffer::new(RECORDS_OFFSET);
    header.extend(RECORDS_OFFSET).copy_from_slice(image.bytes(0..RECORDS_OFFSET));
    file.write_durable(0, header.blocks())?;
    let start = last_group.start - last_group.start % BLOCK_LEN;
    let reach = (last_group.end + GROUP_LEN_MAX).next_multiple_of(BLOCK_LEN).min(image.len());
    let mut end = BlockBuffer::new(reach - start);
    end.extend(last_group.end - start).copy_from_slice(image.bytes(start..last_group.end));
    let behind = end.extend(reach - last_group.end);
    if planted(Bug::TailNotCut) {
        behind.copy_from_slice(image.bytes(last_group.end..reach));
    }
    file.write_durable(start as u64, end.blocks())
}
