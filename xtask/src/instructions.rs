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

use anyhow::{Context, ensure};

use crate::program;
use crate::steps::{cargo, root, target};

const BUILD: &str = "build --profile dist --locked -p ledger --example batches";
const PROGRAM: &str = "dist/examples/batches";
/// What is counted, what of it is taken off, and the file with the figure: a number and nothing else.
const FIGURES: [(&str, &str, &str); 2] = [
    ("read", "digest", "xtask/instructions-per-bet.txt"),
    ("store", "read", "xtask/instructions-per-stored-bet.txt"),
];
/// Enough for what happens once to be nothing beside it, and for a second or two of valgrind.
const BATCHES: u64 = 400;
/// What the program puts into a batch: `wire::limits::BATCH_BETS`.
const BATCH_BETS: u64 = 93;
/// More above or below the recorded figure than this is a failure.
const CHANGE_PERCENT_MAX: u64 = 10;

/// Counts and compares, or counts and records.
pub(crate) fn run(record: bool) -> anyhow::Result<()> {
    cargo(BUILD, None)?;
    FIGURES.iter().try_for_each(|&(what, part, file)| {
        let counted = per_bet(count(what)?, count(part)?)?;
        let path = root().join(file);
        if record {
            println!("{what}: {counted} instructions a bet, recorded in {file}");
            return fs::write(&path, format!("{counted}\n")).context(file);
        }
        let recorded = fs::read_to_string(&path).context(file)?;
        let recorded = recorded.trim().parse().context("the recorded figure is no number")?;
        println!("{what}: {counted} instructions a bet, {recorded} recorded");
        compare(what, counted, recorded)
    })
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

/// Fewer is a failure too: a figure that is too high would let as many come back unseen.
fn compare(what: &str, counted: u64, recorded: u64) -> anyhow::Result<()> {
    let is_close = counted.abs_diff(recorded) * 100 <= recorded * CHANGE_PERCENT_MAX;
    ensure!(
        is_close,
        "to {what} a bet takes {counted} instructions, {recorded} are recorded: find out why with \
         `callgrind_annotate {}`, or record the new figure with `cargo xtask instructions --record`",
        report_of(what).display()
    );
    Ok(())
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

    #[test]
    fn allows_a_tenth_more_or_fewer() {
        for counted in [450, 500, 550] {
            compare("read", counted, 500).unwrap();
        }
        for counted in [449, 551] {
            let error = compare("read", counted, 500).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{counted} instructions, 500 are recorded")),
                "{error}"
            );
        }
    }
}
