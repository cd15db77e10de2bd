//! What the disk does by itself with the same bytes in groups of the same size: no network, no
//! checks, one thread that does nothing else.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use rustix::fs::OFlags;
use tokio::time::Instant;

use super::batches::Batches;
use super::interruption;
use super::load::{latencies, microseconds};

/// What direct writes are multiples of.
const BLOCK_LEN: usize = 4096;
/// Length of the file that is written over and over.
const PREPARED_LEN: u64 = 256 << 20;

/// What one turn of a limit gave.
pub(super) struct Written {
    pub(super) batches_per_second: f64,
    /// Microseconds that each group took.
    pub(super) group_us: Histogram<u64>,
}

/// Appends to a plain file, and makes each group durable with fdatasync.
pub(super) fn append(
    folder: &Path,
    batches: &Batches,
    group: usize,
    time: Duration,
) -> anyhow::Result<Written> {
    let path = folder.join("append");
    let cant = || format!("can't write {}", path.display());
    let bytes = bytes_of(batches, group);
    let mut file = File::create(&path).with_context(cant)?;
    let written = groups(group, time, || {
        file.write_all(&bytes)?;
        file.sync_data()
    });
    let written = written.with_context(cant)?;
    std::fs::remove_file(&path).with_context(cant)?;
    Ok(written)
}

/// A file whose blocks were all written before.
pub(super) struct Prepared {
    file: File,
    /// The disk takes writes past the system's cache.
    direct: bool,
}

impl Prepared {
    /// Makes one.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("prepared");
        let cant = || format!("can't write {}", path.display());
        let mut file = File::create(&path).with_context(cant)?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..PREPARED_LEN / zeros.len() as u64 {
            file.write_all(&zeros).with_context(cant)?;
        }
        file.sync_all().with_context(cant)?;
        let flags = OFlags::DIRECT | OFlags::DSYNC;
        let flags = i32::try_from(flags.bits()).context("flags of a file")?;
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(&path);
        let (file, direct) = direct.map_or((file, false), |direct| (direct, true));
        Ok(Self { file, direct })
    }

    /// How it is written, for people.
    pub(super) fn way(&self) -> &'static str {
        if self.direct { "direct" } else { "buffered, then fdatasync" }
    }

    /// Writes groups durably, one after the other, from its start on and over again.
    pub(super) fn write(
        &self,
        batches: &Batches,
        group: usize,
        time: Duration,
    ) -> anyhow::Result<Written> {
        let bytes = bytes_of(batches, group);
        let len = bytes.len().next_multiple_of(BLOCK_LEN);
        let mut room = vec![0; len + BLOCK_LEN];
        let start = room.as_ptr().align_offset(BLOCK_LEN);
        room[start..start + bytes.len()].copy_from_slice(&bytes);
        let blocks = &room[start..start + len];
        let mut offset = 0;
        let written = groups(group, time, || {
            if offset + len as u64 > PREPARED_LEN {
                offset = 0;
            }
            self.file.write_all_at(blocks, offset)?;
            offset += len as u64;
            if self.direct { Ok(()) } else { self.file.sync_data() }
        });
        written.context("can't write the prepared file")
    }
}

/// The bets of so many batches, one behind the other.
fn bytes_of(batches: &Batches, group: usize) -> Vec<u8> {
    let texts = batches.iter().cycle().take(group);
    texts.flat_map(|batch| &batch.text).copied().collect()
}

/// Has groups written for `time`.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn groups(
    group: usize,
    time: Duration,
    mut write: impl FnMut() -> std::io::Result<()>,
) -> anyhow::Result<Written> {
    let mut group_us = latencies()?;
    let started = Instant::now();
    while started.elapsed() < time || group_us.is_empty() {
        interruption::check()?;
        let before = Instant::now();
        write()?;
        group_us.record(microseconds(before.elapsed()))?;
    }
    let batches = group_us.len() as f64 * group as f64;
    let batches_per_second = batches / started.elapsed().as_secs_f64();
    Ok(Written { batches_per_second, group_us })
}
