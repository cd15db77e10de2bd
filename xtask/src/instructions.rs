//! `cargo xtask instructions`: how many instructions it takes to read a bet, held against the
//! figure that is recorded.
//!
//! Counted under valgrind, so the figure hardly depends on the machine and not at all on what else
//! it does, as times would. Reading a bet is from BETS as it comes to the bets as they are stored,
//! but for the digest, which valgrind does not see done as processors do it: what digests alone
//! take, and all that comes before, is counted too and taken off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::steps::{cargo, root};

const BUILD: &[&str] = &["build", "--release", "--locked", "-p", "checks", "--example", "batches"];
const PROGRAM: &str = "target/release/examples/batches";
/// The figure, as a number and nothing else.
const RECORDED: &str = "xtask/instructions-per-bet.txt";
/// Enough for what happens once to be nothing beside it, and for a second or two of valgrind.
const BATCHES: u64 = 400;
/// What the program puts into a batch: `wire::limits::BATCH_BETS`.
const BATCH_BETS: u64 = 93;
/// More above or below the recorded figure than this is a failure.
const CHANGE_PERCENT_MAX: u64 = 10;
const INSTALL: &str = "instructions are counted by valgrind; install it: apt-get install valgrind";

/// Counts and compares, or counts and records.
pub(crate) fn run(record: bool) -> anyhow::Result<()> {
    let valgrind = Command::new("valgrind").arg("--version").output();
    ensure!(valgrind.is_ok_and(|it| it.status.success()), INSTALL);
    cargo(BUILD, None)?;
    let [read, digest] = [count("read")?, count("digest")?];
    let counted = per_bet(read, digest)?;
    let path = root().join(RECORDED);
    if record {
        println!("{counted} instructions a bet, recorded in {RECORDED}");
        return fs::write(&path, format!("{counted}\n")).context(RECORDED);
    }
    let recorded = fs::read_to_string(&path).context(RECORDED)?;
    let recorded =
        recorded.trim().parse().with_context(|| format!("{RECORDED} holds no number"))?;
    println!("{counted} instructions a bet, {recorded} recorded");
    compare(counted, recorded)
}

/// All the instructions of the program.
fn count(what: &str) -> anyhow::Result<u64> {
    let report = report_of(what);
    let folder = report.parent().expect("it is in a folder");
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]);
    valgrind.arg(format!("--callgrind-out-file={}", report.display()));
    valgrind.args([PROGRAM, what, &BATCHES.to_string()]).current_dir(root());
    let status = valgrind.status().context(INSTALL)?;
    ensure!(status.success(), "`{PROGRAM} {what} {BATCHES}` under valgrind: {status}");
    let said = fs::read_to_string(&report).with_context(|| report.display().to_string())?;
    total(&said).with_context(|| format!("{} has no total", report.display()))
}

/// Where callgrind writes what it counted.
fn report_of(what: &str) -> PathBuf {
    root().join(Path::new("target/instructions").join(what)).with_extension("callgrind")
}

/// The instructions in all, of what callgrind wrote.
fn total(report: &str) -> Option<u64> {
    report.lines().find_map(|line| line.strip_prefix("summary:"))?.trim().parse().ok()
}

fn per_bet(read: u64, digest: u64) -> anyhow::Result<u64> {
    let reading = read.checked_sub(digest).context("digests alone took more than all together")?;
    Ok(reading / (BATCHES * BATCH_BETS))
}

/// Fewer is a failure too: a figure that is too high would let as many come back unseen.
fn compare(counted: u64, recorded: u64) -> anyhow::Result<()> {
    let change = counted.abs_diff(recorded);
    if change * 100 <= recorded * CHANGE_PERCENT_MAX {
        return Ok(());
    }
    let record = "cargo xtask instructions --record";
    if counted < recorded {
        bail!("a bet takes {change} instructions fewer than recorded: keep it so with `{record}`");
    }
    bail!(
        "a bet takes {change} instructions more than recorded: find out why with \
         `callgrind_annotate {}`, or if it is worth them record the new figure with `{record}`",
        report_of("read").display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_as_callgrind_writes_it() {
        let report = "version: 1\nevents: Ir\n\nfn=(1) main\n3 500\n\nsummary: 42836037\n";
        assert_eq!(total(report), Some(42_836_037));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn digests_and_what_comes_before_are_taken_off() {
        let before = 5_000_000;
        let digests = before + 1_000 * BATCHES;
        assert_eq!(per_bet(digests + 300 * BATCHES * BATCH_BETS, digests).unwrap(), 300);
        assert!(per_bet(1, 2).is_err());
    }

    #[test]
    fn a_tenth_more_or_fewer_is_let_pass_and_no_more() {
        for counted in [450, 500, 550] {
            compare(counted, 500).unwrap();
        }
        let more = compare(551, 500).unwrap_err().to_string();
        assert!(more.starts_with("a bet takes 51 instructions more than recorded: find out why"));
        let fewer = compare(449, 500).unwrap_err().to_string();
        assert!(fewer.starts_with("a bet takes 51 instructions fewer"), "{fewer}");
        assert!(more.ends_with("`cargo xtask instructions --record`"), "{more}");
    }
}
