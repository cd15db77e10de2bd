//! The central under attack: its data and its use of system resources.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::support::raw::{Raw, ack, bets, finish};
use crate::support::{Bets, Central, PATIENCE, str};

/// A completed draw; attackers act as its agency, so that they do not disturb others' bets.
pub(crate) const OLD_DRAW: &str = "viejo";
pub(crate) const OLD_AGENCY: u32 = 1;
/// Number of its batches: 3,720 winning bets, about 60 kB of winners.
pub(crate) const OLD_CHUNKS: u32 = 40;
const OLD_BETS: usize = 93;

/// Agencies that run as separate processes.
pub(crate) const AGENCIES: u32 = 5;

/// Interval between two checks of a process's resources.
const LOOK_TIME: Duration = Duration::from_millis(20);

pub(crate) struct Day {
    pub(crate) folder: TempDir,
    pub(crate) bets: Bets,
    pub(crate) central: Central,
}

impl Day {
    /// Makes a ledger with the old draw in a folder inside `within`, and starts a central for a new
    /// draw with bets for five of its agencies. The probes have the next agency numbers.
    pub(crate) fn begin(within: &Path, count: u32, probes: u32, more: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(within).unwrap();
        let bets = Bets::generated(folder.path(), count);
        let data = folder.path().join("data");
        make_old_draw(&data);
        let agencies = (AGENCIES + probes).to_string();
        let settings =
            ["--agencies", &agencies, "--winning-number", &bets.winning_number, "--draw", "sorteo"];
        let central = Central::start(&data, "127.0.0.1:0", &[&settings[..], more].concat());
        Self { folder, bets, central }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the number of open descriptors, except the ledger's files, which vary with the bets.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = std::fs::read_dir(self.proc("fd")).unwrap();
        // A descriptor may be closed while they are listed.
        let links = folder.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        links.filter(|link| !link.starts_with(self.folder.path())).count()
    }

    /// Waits until there are no more descriptors than this.
    pub(crate) async fn descriptors_are(&self, expected: usize) {
        let begun = Instant::now();
        loop {
            let found = self.descriptors();
            if found == expected {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{found} descriptors, {expected} before");
            sleep(LOOK_TIME).await;
        }
    }

    /// Returns the central's peak memory in bytes.
    pub(crate) fn memory_max(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Returns the central's current memory except mapped files, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    fn status(&self, label: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(label)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    fn proc(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.central.process.pid().as_raw_nonzero())
    }
}

/// Returns a batch of the old draw, as it was sent.
pub(crate) fn old_batch(chunk: u32) -> Vec<u8> {
    let bet = format!("Ana|Paz|{}|2000-01-01|7574", "9".repeat(15));
    bets(OLD_AGENCY, chunk, &[bet.as_str(); OLD_BETS])
}

fn make_old_draw(data: &Path) {
    let settings = ["--agencies", "1", "--draw", OLD_DRAW, "--winning-number", "7574"];
    let central = Central::start(data, "127.0.0.1:0", &settings);
    let mut agency = Raw::connect(&central.address);
    for chunk in 0..OLD_CHUNKS {
        agency.send(&old_batch(chunk)).expect(&ack(chunk));
    }
    agency.send(&finish(OLD_AGENCY)).expect(&finish(OLD_AGENCY));
    let mut process = central.process;
    process.wait_for("action: sorteo | result: success");
    assert_eq!(process.terminate().code, Some(0), "{}", str(data));
}
