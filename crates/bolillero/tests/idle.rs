//! A central that nobody asks for anything sleeps.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]
#![allow(
    clippy::disallowed_methods,
    reason = "what a process does in a second is what is measured"
)]

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use support::Central;

/// How long it is watched at a time.
const WATCH_TIME: Duration = Duration::from_secs(1);
/// It may do what it does at the start first.
const WATCHES_MAX: usize = 20;
/// Once a second the store is asked whether it can go on: that wakes the threads that ask and
/// answer, and nothing else.
const WAKES_MAX: u64 = 8;
/// In hundredths of a second: what is counted may fall into a tick.
const CPU_MAX: u64 = 1;

/// How often threads of a process went to sleep, and what they used of the processor.
fn used(process: Pid) -> (u64, u64) {
    let folder = format!("/proc/{}", process.as_raw_nonzero());
    let threads = fs::read_dir(format!("{folder}/task")).unwrap();
    let sleeps = threads.map(|thread| {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let (_, sleeps) = status.split_once("\nvoluntary_ctxt_switches:").unwrap();
        sleeps.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    });
    let stat = fs::read_to_string(format!("{folder}/stat")).unwrap();
    // The name, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    let cpu = [11, 12].map(|at| fields[at].parse::<u64>().unwrap());
    (sleeps.sum(), cpu.iter().sum())
}

#[test]
fn a_central_that_nobody_asks_for_anything_sleeps() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let more = ["--agencies", "5", "--winning-number", "7", "--segment-len", "98304"];
    let central = Central::start(&data, "127.0.0.1:0", &more);
    let process = central.process.pid();
    let mut seen = Vec::new();
    let sleeps = (0..WATCHES_MAX).any(|_| {
        let before = used(process);
        thread::sleep(WATCH_TIME);
        let after = used(process);
        let (wakes, cpu) = (after.0 - before.0, after.1 - before.1);
        seen.push((wakes, cpu));
        wakes <= WAKES_MAX && cpu <= CPU_MAX
    });
    assert!(sleeps, "wakes and hundredths of a second, by second: {seen:?}");
    assert_eq!(central.process.terminate().code, Some(0));
}
