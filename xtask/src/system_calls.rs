//! `cargo xtask system-calls`: counts the system calls that a central makes for a batch, and compares
//! them with the recorded figure.
//!
//! A count must not depend on the machine's pace. One agency sends a whole window in one write and
//! waits for all of its acknowledgements, over and over. Agency, central and strace share one
//! processor as real-time threads, which go on until they wait for something; and each write to the
//! disk takes a millisecond longer, so that all that can be done beside it is done. Ten runs on a
//! machine with fifteen other threads to run differed by less than a hundredth. Starting and ending
//! the central are counted too, an eighth of all.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};
use serde_json::Value;

use crate::program::{self, Process, command, wait_until};
use crate::recorded::Figure;
use crate::steps::{BUILD_DIST, cargo, dist_program, target};

/// As `wire::limits` has it.
const WINDOW: u32 = 16;
const WINDOWS: u32 = 200;
const BATCH_BETS: usize = 93;
const BET: &str = "Ana|Paz|30904465|1999-03-17|2201";
const PATIENCE: Duration = Duration::from_secs(30);

const TRACE: [&str; 6] =
    ["-D", "-f", "-c", "-Uname,calls", "-einject=pwrite64:delay_exit=1000", "-o"];
const SERVE: [&str; 8] =
    ["serve", "--agencies", "1", "--listen", "127.0.0.1:0", "--log-format", "json", "--data"];

/// Counts and compares, or counts and records.
pub(crate) fn run(record: bool) -> anyhow::Result<()> {
    cargo(BUILD_DIST, None)?;
    // In a thread, as it is bound to a processor, and all that it starts.
    let counting = std::thread::spawn(|| take_a_processor()?.then(count).transpose());
    let counted = counting.join().expect("a panic there ends this thread too")?;
    let Some(counted) = counted else {
        println!("not counted: only who may have real-time threads can");
        return Ok(());
    };
    let advice = format!(
        "find out why in {}, or record the new figure with `cargo xtask system-calls --record`",
        target().join("system-calls/calls").display()
    );
    let figure = Figure {
        file: "xtask/system-calls-per-1000-batches.txt",
        subject: "1,000 batches take",
        unit: "system calls",
        advice,
    };
    figure.check(counted, record)
}

/// Counts the system calls of a central, for 1,000 batches.
fn count() -> anyhow::Result<u64> {
    let folder = target().join("system-calls");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let (report, program) = (folder.join("calls"), dist_program());
    let mut traced = command(Path::new("strace"), &TRACE);
    traced.arg(&report).arg(program).args(SERVE).arg(folder.join("ledger"));
    let central = Process::start(traced, &folder, "central");
    let mut central = central.context("needs strace; on Debian: apt-get install strace")?;
    let mut address = None;
    wait_until(PATIENCE, || {
        address = address.take().or(central.log()?.iter().find_map(|line| listening(line)));
        Ok(address.is_some() || central.ended()?.is_some())
    })?;
    send(&address.context("the central does not listen")?)?;
    central.terminate()?;
    // strace reports when the central has ended.
    let mut total = None;
    wait_until(PATIENCE, || {
        total = total_of(&fs::read_to_string(&report).unwrap_or_default());
        Ok(total.is_some() && central.ended()?.is_some())
    })?;
    let total = total.with_context(|| format!("{} has no total", report.display()))?;
    Ok(total * 1_000 / u64::from(WINDOW * WINDOWS))
}

/// Binds this thread, and what it starts, to the first processor that it may use, before all threads
/// that are not real-time ones. Returns whether that is allowed.
fn take_a_processor() -> anyhow::Result<bool> {
    let all = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| all.is_set(cpu)).context("no processor")?;
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one)?;
    let this = gettid().as_raw_nonzero().to_string();
    Ok(program::run(command(Path::new("chrt"), &["--fifo", "--pid", "1", &this])).is_ok())
}

/// The address in the log line that tells it.
fn listening(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let is_it = event["action"] == "listen";
    is_it.then(|| event["address"].as_str().map(str::to_owned)).flatten()
}

/// Sends all batches, a window at a time.
fn send(address: &str) -> anyhow::Result<()> {
    let mut central = TcpStream::connect(address).context("can't connect")?;
    central.set_nodelay(true)?;
    central.set_read_timeout(Some(PATIENCE))?;
    let bets = vec![BET; BATCH_BETS].join("&");
    for first in (0..WINDOW * WINDOWS).step_by(WINDOW as usize) {
        let (mut batches, mut acks) = (Vec::new(), Vec::new());
        for chunk in first..first + WINDOW {
            let payload = format!("1&{chunk}&{bets}");
            batches.extend(12_u16.to_be_bytes());
            batches.extend(u16::try_from(payload.len())?.to_be_bytes());
            batches.extend(payload.into_bytes());
            acks.extend(13_u16.to_be_bytes());
            acks.extend(chunk.to_be_bytes());
        }
        central.write_all(&batches).context("can't send")?;
        let mut answered = vec![0; acks.len()];
        central.read_exact(&mut answered).context("can't receive")?;
        ensure!(answered == acks, "chunks from {first} on were answered {answered:?}");
    }
    Ok(())
}

/// Reads the number of all calls from what strace wrote.
fn total_of(report: &str) -> Option<u64> {
    report.lines().find_map(|line| line.strip_prefix("total "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_as_strace_writes_it() {
        let report = "syscall          calls\n------ ----\nfutex  1708\n------ ----\ntotal  5422\n";
        assert_eq!(total_of(report), Some(5_422));
        assert_eq!(total_of("futex  1708\n"), None);
    }
}
