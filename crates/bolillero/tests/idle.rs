//! An idle central uses no processor time.

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
use support::http::{Http, add_operator};

/// Length of one observation.
const WATCH_TIME: Duration = Duration::from_secs(1);
/// Observations until the central is idle; it may still finish work from the start.
const WATCHES_MAX: usize = 20;
/// Once a second the store is asked whether it can go on, which wakes only the asking and answering
/// threads.
const WAKES_MAX: u64 = 8;
/// Consecutive observations in which the HTTP thread must not wake; enough to detect a timer of one
/// second.
const HTTP_WATCHES: usize = 3;
/// Most processor time, in hundredths of a second; one tick may be counted by chance.
const CPU_MAX: u64 = 1;

/// Activity of a process during one second.
#[derive(Clone, Copy, Debug)]
struct Second {
    /// Voluntary context switches of all threads, each of which implies a wake-up.
    wakes: u64,
    /// Those of the thread that serves HTTP.
    http_wakes: u64,
    /// Processor time in hundredths of a second.
    cpu: u64,
}

impl Second {
    fn watched(process: Pid) -> Self {
        let before = Self::until_now(process);
        thread::sleep(WATCH_TIME);
        let now = Self::until_now(process);
        Self {
            wakes: now.wakes - before.wakes,
            http_wakes: now.http_wakes - before.http_wakes,
            cpu: now.cpu - before.cpu,
        }
    }

    /// Returns the totals since the process started.
    fn until_now(process: Pid) -> Self {
        let folder = format!("/proc/{}", process.as_raw_nonzero());
        let threads = fs::read_dir(format!("{folder}/task")).unwrap();
        let (mut wakes, mut http_wakes) = (0, 0);
        for thread in threads {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let (_, sleeps) = status.split_once("\nvoluntary_ctxt_switches:").unwrap();
            let sleeps: u64 = sleeps.split_whitespace().next().unwrap().parse().unwrap();
            wakes += sleeps;
            if status.starts_with("Name:\thttp\n") {
                http_wakes += sleeps;
            }
        }
        let stat = fs::read_to_string(format!("{folder}/stat")).unwrap();
        // The name, in parentheses, may contain spaces.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = fields.split_whitespace().collect();
        let cpu = [11, 12].map(|at| fields[at].parse::<u64>().unwrap());
        Self { wakes, http_wakes, cpu: cpu.iter().sum() }
    }

    fn is_asleep(self) -> bool {
        self.wakes <= WAKES_MAX && self.cpu <= CPU_MAX
    }
}

fn comes_to_sleep(process: Pid) {
    let mut seen = Vec::new();
    let sleeps = (0..WATCHES_MAX).any(|_| {
        seen.push(Second::watched(process));
        let http_sleeps = seen.iter().rev().take(HTTP_WATCHES).all(|it| it.http_wakes == 0);
        seen.len() >= HTTP_WATCHES && http_sleeps && seen[seen.len() - 1].is_asleep()
    });
    assert!(sleeps, "second by second: {seen:?}");
}

#[test]
fn an_idle_central_sleeps() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let more = ["--agencies", "5", "--winning-number", "7", "--segment-len", "98304"];
    let central = Central::start(&data, "127.0.0.1:0", &more);
    comes_to_sleep(central.process.pid());
    assert_eq!(central.process.terminate().code, Some(0));
}

#[test]
fn a_central_without_watched_boards_sleeps() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    add_operator(&data, "eva", "viewer");
    let more = ["--agencies", "5", "--winning-number", "7", "--segment-len", "98304"];
    let more = [&more[..], &["--http", "127.0.0.1:0"]].concat();
    let mut central = Central::start(&data, "127.0.0.1:0", &more);
    let process = central.process.pid();
    comes_to_sleep(process);
    // A watched board is refreshed; when it is closed the central is idle again.
    let board = Http::of(&mut central).log_in("eva").begin("/board/events");
    let watched = [(); 3].map(|()| Second::watched(process));
    let wakes: u64 = watched.iter().map(|it| it.http_wakes).sum();
    assert!(wakes >= 2, "second by second: {watched:?}");
    drop(board);
    comes_to_sleep(process);
    assert_eq!(central.process.terminate().code, Some(0));
}
