//! Files in which groups of batches are made durable, and what the disk does by itself with the same
//! bytes in groups of the same size: no network, no checks, one thread that does nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::OFlags;

use crate::batches::{Batch, Batches};
use crate::interruption;
use crate::load::{Sent, microseconds, thread_cpu};
use crate::setting::Setting;

/// What direct writes are multiples of.
pub(crate) const BLOCK_LEN: usize = 4096;
/// Length of the file that is written over and over.
const PREPARED_LEN: u64 = 256 << 20;

/// A file in which each group is made durable.
pub(crate) struct Disk {
    file: File,
    /// Where writing begins anew.
    pub(crate) len_max: u64,
    /// The disk takes writes past the system's cache; otherwise each is followed by fdatasync.
    direct: bool,
}

/// Memory that direct writes can be made from.
pub(crate) struct Blocks {
    room: Vec<u8>,
    start: usize,
}

impl Blocks {
    /// So many bytes, all zero.
    pub(crate) fn of(len: usize) -> Self {
        let room = vec![0; len + BLOCK_LEN];
        let start = room.as_ptr().align_offset(BLOCK_LEN);
        Self { room, start }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.room[self.start..]
    }
}

impl Disk {
    /// A file that grows.
    pub(crate) fn empty(setting: &Setting) -> anyhow::Result<Self> {
        let file = File::create(setting.path("append")).context("can't make a file")?;
        Ok(Self { file, len_max: u64::MAX, direct: false })
    }

    /// A file whose blocks were all written before.
    pub(crate) fn prepared(setting: &Setting) -> anyhow::Result<Self> {
        Self::prepared_at(&setting.path("prepared"), PREPARED_LEN)
    }

    /// As [`Self::prepared`], there, and so long.
    pub(crate) fn prepared_at(path: &Path, len: u64) -> anyhow::Result<Self> {
        let mut file = File::create(path).context("can't make a file")?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..len / zeros.len() as u64 {
            file.write_all(&zeros).context("can't write a file")?;
        }
        file.sync_all()?;
        let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits())?;
        let direct = OpenOptions::new().write(true).custom_flags(flags).open(path);
        let (file, direct) = direct.map_or((file, false), |direct| (direct, true));
        Ok(Self { file, len_max: len, direct })
    }

    /// Makes bytes durable: whole blocks in [`Blocks`], at the beginning of one.
    pub(crate) fn put(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        if self.direct { Ok(()) } else { self.file.sync_data() }
    }

    /// How it is written, for people.
    pub(crate) fn way(&self) -> &'static str {
        if self.direct { "direct writes" } else { "buffered writes and fdatasync" }
    }

    /// Writes groups of so many batches for `time`. Latencies are of groups.
    pub(crate) fn write(
        &self,
        batches: &Batches,
        group: usize,
        time: Duration,
    ) -> anyhow::Result<Sent> {
        let group: Vec<_> = batches.iter().cycle().take(group).collect();
        let bytes: Vec<_> = group.iter().flat_map(|batch| batch.text.bytes()).collect();
        let len = if self.direct { bytes.len().next_multiple_of(BLOCK_LEN) } else { bytes.len() };
        let mut blocks = Blocks::of(len);
        blocks.bytes()[..bytes.len()].copy_from_slice(&bytes);
        let (mut sent, mut offset) = (Sent::nothing()?, 0);
        let (started, cpu_before) = (Instant::now(), thread_cpu()?);
        while started.elapsed() < time || sent.ack_us.is_empty() {
            interruption::check()?;
            if offset + len as u64 > self.len_max {
                offset = 0;
            }
            let before = Instant::now();
            self.put(&blocks.bytes()[..len], offset)?;
            sent.ack_us.record(microseconds(before.elapsed()))?;
            offset += len as u64;
        }
        let groups = sent.ack_us.len();
        let of_group = |of: fn(&Batch) -> u64| groups * group.iter().map(|it| of(it)).sum::<u64>();
        sent.batches = of_group(|_| 1);
        sent.bets = of_group(|batch| batch.bets);
        sent.bets_bytes = of_group(|batch| batch.text.len() as u64);
        sent.took = started.elapsed();
        sent.cpu = thread_cpu()?.saturating_sub(cpu_before);
        Ok(sent)
    }
}
