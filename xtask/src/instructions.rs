//! `cargo xtask instructions`: counts the instructions that it takes to read a bet, and to store it,
//! and compares them with the recorded figures.
//!
//! Counted under valgrind, so the figures hardly depend on the machine. Reading a bet is all from
//! BETS as it arrives to the bets as they are stored, but for digests, which processors have
//! instructions for that valgrind has not: a run with digests alone is counted too, and taken off.
//! Storing it is what the engine and the ledger do then, on a disk in memory: a run that only reads
//! is taken off.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::program;
use crate::recorded::Figure;
use crate::steps::{cargo, target};

const BUILD: &str = "build --profile dist --locked -p ledger --example batches";
const PROGRAM: &str = "dist/examples/batches";
/// Enough for what happens once to be nothing beside it, and for a second or two of valgrind.
const BATCHES: u64 = 400;
/// What the program puts into a batch: `wire::limits::BATCH_BETS`.
const BATCH_BETS: u64 = 93;

/// Counts and compares, or counts and records.
pub(crate) fn run(record: bool) -> anyhow::Result<()> {
    cargo(BUILD, None)?;
    let [digest, read, store] = [count("digest")?, count("read")?, count("store")?];
    let reading = Figure {
        file: "xtask/instructions-per-bet.txt",
        subject: "to read a bet takes",
        unit: "instructions",
        advice: advice("read"),
    };
    let storing = Figure {
        file: "xtask/instructions-per-stored-bet.txt",
        subject: "to store a bet takes",
        unit: "instructions",
        advice: advice("store"),
    };
    reading.check(per_bet(read, digest)?, record)?;
    storing.check(per_bet(store, read)?, record)
}

fn advice(what: &str) -> String {
    format!(
        "find out why with `callgrind_annotate {}`, or record the new figure with `cargo xtask \
         instructions --record`",
        report_of(what).display()
    )
}

/// Counts all instructions of the program.
fn count(what: &str) -> anyhow::Result<u64> {
    let report = report_of(what);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}", report.display()));
    valgrind.arg(target().join(PROGRAM)).args([what, &BATCHES.to_string()]);
    program::run(valgrind).context("needs valgrind; on Debian: apt-get install valgrind")?;
    let output = fs::read_to_string(&report).with_context(|| report.display().to_string())?;
    total(&output).with_context(|| format!("{} has no total", report.display()))
}

/// Where callgrind writes what it counted.
fn report_of(what: &str) -> PathBuf {
    target().join(format!("instructions-{what}.callgrind"))
}

/// Reads the number of all instructions from what callgrind wrote.
fn total(report: &str) -> Option<u64> {
    report.lines().find_map(|line| line.strip_prefix("summary:"))?.trim().parse().ok()
}

fn per_bet(all: u64, part: u64) -> anyhow::Result<u64> {
    let rest = all.checked_sub(part).context("a part took more than all together")?;
    Ok(rest / (BATCHES * BATCH_BETS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_as_callgrind_writes_it() {
        let report = "version: 1\nevents: Ir\n\nfn=(1) main\n3 500\n\nsummary: 42836037\n";
        assert_eq!(total(report), Some(42_836_037));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn takes_off_digests_and_what_comes_before() {
        let before = 5_000_000;
        let digests = before + 1_000 * BATCHES;
        assert_eq!(per_bet(digests + 300 * BATCHES * BATCH_BETS, digests).unwrap(), 300);
        assert!(per_bet(1, 2).is_err());
    }
}
