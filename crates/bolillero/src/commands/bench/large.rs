//! A ledger that grows large: what an acknowledgement takes on the way, how long the draw and all
//! winners take, and how long opening it takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::fs::{Advice, fadvise, statvfs};
use tokio::time::Instant;

use super::super::processes::Central;
use super::batches::Batches;
use super::intake::{Slice, connect, end};
use super::load::{Fleet, Plan, Until};
use super::usage::{Usage, memory_bytes};
use super::waiting::{self, Draw};

const AGENCIES: u32 = 5;
/// Batches in flight while the ledger is filled.
const WINDOW: usize = 16;
/// Bytes on disk for each bet, and for what is kept ready, generously.
const BYTES_PER_BET: u64 = 60;
const BYTES_SPARE: u64 = 1 << 30;

/// What was measured when the ledger held so many bets.
pub(super) struct Mark {
    pub(super) bets: u64,
    /// Of five agencies, one batch at a time.
    pub(super) slice: Slice,
    /// Memory of the central.
    pub(super) memory_bytes: u64,
}

/// What one ledger gave.
pub(super) struct Large {
    pub(super) bets: u64,
    pub(super) marks: Vec<Mark>,
    pub(super) draw: Draw,
    /// Bytes of its files when it is closed.
    pub(super) disk_bytes: u64,
    /// From starting the program to listening, with the ledger in the system's cache and without.
    pub(super) open_warm: Duration,
    pub(super) open_cold: Duration,
    /// All winners once more, of a central just started on a cold ledger.
    pub(super) winners_cold: Duration,
}

impl Large {
    /// Fills a ledger until it holds so many bets, measuring now and then for `time` each.
    pub(super) async fn measure(
        folder: &Path,
        batches: &Batches,
        bets: u64,
        time: Duration,
        mut one_more: impl FnMut(),
    ) -> anyhow::Result<Self> {
        let data = folder.join("large");
        ensure_room(folder, bets)?;
        let central = Central::start(&data, AGENCIES, &[]).await?;
        let mut fleet = connect(&central, AGENCIES)?;
        let mut marks = Vec::new();
        let mut held = 0;
        for mark in marks_up_to(bets) {
            held += fill(&mut fleet, batches, mark.saturating_sub(held))?;
            one_more();
            Usage::at_rest(central.process()).await?;
            let memory_bytes = memory_bytes(central.process())?;
            let batches = batches.clone();
            let plan = Plan { batches, window: 1, rate: None, until: Until::Elapsed(time) };
            let slice = Slice::of(&central, &mut fleet, &plan).await?;
            let bets_sent = slice.sent.bets;
            marks.push(Mark { bets: held, slice, memory_bytes });
            held += bets_sent;
        }
        // The draw comes at the end of a day of intake: the last of it just before.
        held += fill(&mut fleet, batches, (bets / 50).max(1))?;
        drop(fleet);
        let draw = tokio::task::block_in_place(|| waiting::draw(&central, AGENCIES))?;
        central.stop().await?;
        let disk_bytes = files_in(&data)?.into_iter().map(|(_, len)| len).sum();
        let (central, open_warm) = open(&data).await?;
        central.stop().await?;
        forget(&data)?;
        let (central, open_cold) = open(&data).await?;
        let started = Instant::now();
        let again = tokio::task::block_in_place(|| waiting::winners(&central, AGENCIES))?;
        let winners_cold = started.elapsed();
        ensure!(again == draw.winners, "{again} winners of {} were read again", draw.winners);
        end(central, &data).await?;
        Ok(Self { bets: held, marks, draw, disk_bytes, open_warm, open_cold, winners_cold })
    }
}

/// 0, then 1, 2 and 5 times the powers of ten from a million on, up to `bets`, which is the last.
fn marks_up_to(bets: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(1_000_000_u64), |power| power.checked_mul(10));
    let steps = powers.flat_map(|power| [1, 2, 5].map(|times| power.saturating_mul(times)));
    let below = steps.take_while(|&mark| mark < bets);
    std::iter::once(0).chain(below).chain([bets]).collect()
}

fn fill(fleet: &mut Fleet, batches: &Batches, bets: u64) -> anyhow::Result<u64> {
    let (batches, until) = (batches.clone(), Until::Bets(bets));
    let plan = Plan { batches, window: WINDOW, rate: None, until };
    Ok(tokio::task::block_in_place(|| fleet.send(&plan))?.bets)
}

async fn open(data: &Path) -> anyhow::Result<(Central, Duration)> {
    let started = Instant::now();
    let central = Central::start(data, AGENCIES, &[]).await?;
    Ok((central, started.elapsed()))
}

/// Has the system forget what it keeps of the files in memory.
fn forget(data: &Path) -> anyhow::Result<()> {
    for (path, _) in files_in(data)? {
        let file = std::fs::File::open(&path).context("can't open a file of the ledger")?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed).context("can't empty the system's cache")?;
    }
    Ok(())
}

fn files_in(data: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let list = std::fs::read_dir(data).context("can't list the ledger")?;
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.path(), entry.metadata()?.len()))
    };
    list.map(file).collect()
}

fn ensure_room(folder: &Path, bets: u64) -> anyhow::Result<()> {
    let disk = statvfs(folder).context("can't tell how much room the disk has")?;
    let (room, needed) = (disk.f_bavail * disk.f_frsize, bets * BYTES_PER_BET + BYTES_SPARE);
    ensure!(
        room >= needed,
        "a ledger of {bets} bets needs {} GB and {} has {}: choose another disk with --data, or \
         fewer bets with --ledger-bets",
        needed / 1_000_000_000,
        folder.display(),
        room / 1_000_000_000
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_spread_evenly_over_the_growth() {
        assert_eq!(marks_up_to(20_000), [0, 20_000]);
        let million = 1_000_000;
        assert_eq!(marks_up_to(10 * million), [0, 1, 2, 5, 10].map(|mark| mark * million));
    }
}
