//! Recovery: opens a folder for writing, verifies it, replays it through the rules, and repairs
//! what a crash interrupted.
//!
//! - A sealed segment is replayed from its index. A full one without a sound index is read whole
//!   and indexed.
//! - The last segment is always read whole. Its torn tail is overwritten with zeros; any other
//!   deviation is damage, and opening fails.
//! - What was read is made durable before it is used.
//!
//! Invariant: nothing is written before the whole folder is verified. A folder that is refused is
//! left unchanged for inspection.

use std::ops::Range;
use std::sync::Arc;

use engine::{Chain, LedgerId};
use lottery::{Draws, Timestamp};

use crate::block_buffer::BlockBuffer;
use crate::contents::Contents;
use crate::disk::{Claim, Disk, DiskFile};
use crate::error::Fault;
use crate::limits::{BLOCK_LEN, GROUP_LEN_MAX, RECORDS_OFFSET};
use crate::pass::{Content, IndexState, Judged, Pass, Reads, opened, segment_numbers, segments_in};
use crate::segment::{self, Image, Tail};
use crate::segments::{Segment, Segments};

/// The recovered state of a folder.
pub(crate) struct Recovered {
    pub(crate) draws: Draws,
    pub(crate) segments: Segments,
    pub(crate) next_sequence: u64,
    /// The ledger's id and last chain; `None` when the folder is empty.
    pub(crate) end: Option<(LedgerId, Chain)>,
    /// When the last record was decided.
    pub(crate) at: Timestamp,
    pub(crate) report: Report,
    /// The last chain of the second-to-last segment, while that has no index.
    unsealed: Option<Chain>,
}

/// What recovery found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many records the ledger holds.
    pub records: u64,
    /// How many segments hold them.
    pub segments: u64,
    /// How many bytes of a torn tail were cut.
    pub cut_bytes: u64,
    /// How many full segments had no sound index and were read whole to index them.
    pub indexes_built: u64,
    /// How many of these had a damaged index, which may mean a failing disk.
    pub indexes_damaged: u64,
}

/// Recovers what `disk` holds, for writing.
pub(crate) fn recover(disk: &dyn Disk) -> Result<Recovered, Fault> {
    let used = segments_in(disk, Claim::Write)?;
    let last = used.len() as u64;
    let mut pass = Pass::new(Reads::Indexes, false);
    let mut recovered = Recovered {
        draws: Draws::default(),
        segments: Segments::default(),
        next_sequence: 0,
        end: None,
        at: Timestamp(0),
        report: Report { segments: last, ..Report::default() },
        unsealed: None,
    };
    let mut judged = Vec::new();
    for header in used {
        let file = opened(disk, header.number, Claim::Write)?;
        let segment =
            pass.judge(file, header, header.number == last, &mut |_| Ok::<_, Fault>(()))?;
        judged.push(recovered.kept(segment));
    }
    // Everything is sound; only now are the effects of a crash repaired.
    for segment in judged {
        recovered.take(disk, segment)?;
    }
    // A killed process may have left names that are not durable.
    disk.sync_names().map_err(|error| Fault::io("syncing", "the data folder", error))?;
    (recovered.next_sequence, recovered.end) = (pass.next_sequence, pass.end);
    (recovered.draws, recovered.at) = (pass.draws, pass.at);
    recovered.report.records = recovered.next_sequence;
    remove_unused(disk, last)?;
    Ok(recovered)
}

/// Removes the segments after the last one in use, whose state is unknown; they are created again.
/// The highest number goes first, so that a crash leaves no gap.
fn remove_unused(disk: &dyn Disk, last_used: u64) -> Result<(), Fault> {
    let unused = segment_numbers(disk)?.into_iter().filter(|number| *number > last_used);
    for number in unused.rev() {
        let name = segment::name(number);
        let removed = disk.remove(&name).and_then(|()| disk.sync_names());
        removed.map_err(|error| Fault::io("removing the unused", &name, error))?;
    }
    Ok(())
}

impl Recovered {
    /// Drops what need not be kept until all segments are judged, to bound memory and open files. A
    /// segment to be indexed is read again later.
    fn kept(&self, mut judged: Judged) -> Judged {
        match &mut judged.what {
            Content::Indexed(_) => judged.file.rest(),
            Content::Full { contents, .. } if judged.header.number + 1 < self.report.segments => {
                *contents = Contents::default();
                judged.file.rest();
            }
            Content::Full { .. } | Content::Last { .. } => {}
        }
        judged
    }

    fn take(&mut self, disk: &dyn Disk, judged: Judged) -> Result<(), Fault> {
        let Judged { file, header, what } = judged;
        let segment = match what {
            Content::Indexed(index) => Segment::sealed(file, header, index),
            Content::Full { contents, end, chain, index } => {
                self.report.indexes_damaged += u64::from(index == IndexState::Unsound);
                // The second-to-last is indexed only once the last is known to hold a durable
                // record.
                if header.number + 1 < self.report.segments {
                    let file = opened(disk, header.number, Claim::Write)?;
                    let image = Image::read(&*file, header, None)?;
                    let (contents, end_now, chain_now) = Contents::read(&image, &mut |_| Ok(()))?;
                    if (end_now, chain_now) != (end, chain) {
                        return Err(image.damage(end_now, "it reads otherwise than a moment ago"));
                    }
                    let segment = Segment::new(file, header, contents, end as u64);
                    self.index(&segment, chain)?;
                    segment
                } else {
                    self.unsealed = Some(chain);
                    Segment::new(file, header, contents, end as u64)
                }
            }
            Content::Last { contents, image, last_group, tail } => {
                self.take_last(file, contents, &image, last_group, tail)?
            }
        };
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    fn index(&mut self, segment: &Segment, chain: Chain) -> Result<(), Fault> {
        let end = usize::try_from(segment.end()).expect("a segment fits memory");
        segment.give_index(end, chain)?;
        self.report.indexes_built += 1;
        Ok(())
    }

    fn take_last(
        &mut self,
        file: Box<dyn DiskFile>,
        contents: Contents,
        image: &Image,
        last_group: Range<usize>,
        tail: Tail,
    ) -> Result<Segment, Fault> {
        let name = segment::name(image.header.number);
        if let Tail::Torn { end } = tail {
            self.report.cut_bytes = (end - last_group.end) as u64;
        }
        settle(&*file, image, last_group.clone())
            .map_err(|error| Fault::io("writing the end of", &name, error))?;
        if let (Some(before), Some(chain), true) =
            (self.segments.snapshot().last(), self.unsealed, contents.records() > 0)
        {
            self.index(before, chain)?;
        }
        Ok(Segment::new(file, image.header, contents, last_group.end as u64))
    }
}

/// Rewrites durably what a killed process, or one that saw a write fail, may have left volatile:
/// the header, the last group, and zeros after it as far as an unfinished group may reach.
///
/// A sync alone is not enough: the system may have marked pages clean that it failed to write. A
/// crash meanwhile leaves a tail that the next recovery cuts.
fn settle(file: &dyn DiskFile, image: &Image, last_group: Range<usize>) -> std::io::Result<()> {
    file.sync()?;
    let mut header = BlockBuffer::new(RECORDS_OFFSET);
    header.extend(RECORDS_OFFSET).copy_from_slice(image.bytes(0..RECORDS_OFFSET));
    file.write_durable(0, header.blocks())?;
    let start = last_group.start - last_group.start % BLOCK_LEN;
    let reach = (last_group.end + GROUP_LEN_MAX).next_multiple_of(BLOCK_LEN).min(image.len());
    let mut end = BlockBuffer::new(reach - start);
    end.extend(last_group.end - start).copy_from_slice(image.bytes(start..last_group.end));
    end.extend(reach - last_group.end).fill(0);
    file.write_durable(start as u64, end.blocks())
}
