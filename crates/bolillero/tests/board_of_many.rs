//! What a board of 5,000 agencies costs while all of them bet: bytes to its watcher, and the
//! central's processor time. docs/explanation/benchmarks.md has the figures.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that can't go on should fail, and time is what it measures"
)]

mod support;

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::json;
use support::http::{Http, add_operator};
use support::raw::{Raw, ack, bets};
use support::{Central, allow_descriptors};

const AGENCIES: u32 = 5_000;
/// Each agency sends a batch a second for so long, without a watcher and with one.
const SECONDS: u32 = 15;
/// Most bytes a second that a watcher is sent.
const BYTES_MAX: u64 = 10_000;
const BET: &str = "Santiago|Lorca|30904465|1999-03-17|7574";

#[test]
#[ignore = "measures for half a minute, on an idle machine"]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn a_watcher_of_5000_agencies_is_sent_what_changes() {
    allow_descriptors(12_000);
    let folder = tempfile::tempdir().unwrap();
    add_operator(folder.path(), "ana", "admin");
    let more = ["--http", "127.0.0.1:0", "--connections-per-address-max", "6000"];
    let mut central = Central::start(folder.path(), "127.0.0.1:0", &more);
    let http = Http::of(&mut central).log_in("ana");
    let draw = json!({ "name": "nocturna", "agencies": [{ "first": 1, "last": AGENCIES }] });
    assert_eq!(http.ask("POST", "/api/v1/draws", &draw.to_string()).status, 201);
    assert_eq!(http.ask("POST", "/api/v1/draws/1/open", "{}").status, 200);
    let mut agencies: Vec<_> = (0..AGENCIES).map(|_| Raw::connect(&central.address)).collect();
    let process = central.process.pid();
    bet(&mut agencies, 0..3);

    let before = processor_ms(process);
    bet(&mut agencies, 3..3 + SECONDS);
    let alone = processor_ms(process) - before;

    let received = watch(http.begin("/board/events?draw=1"));
    bet(&mut agencies, 100..103);
    let (start, before) = (received.load(Ordering::SeqCst), processor_ms(process));
    bet(&mut agencies, 103..103 + SECONDS);
    let watched = processor_ms(process) - before;
    let bytes = (received.load(Ordering::SeqCst) - start) / u64::from(SECONDS);
    let percent = |ms: u64| ms / (u64::from(SECONDS) * 10);
    println!(
        "bytes a second: {bytes}; the central's processor: {} % watched, {} % alone",
        percent(watched),
        percent(alone)
    );
    assert!(start > 0 && bytes > 0 && bytes < BYTES_MAX, "{start}, then {bytes} a second");
}

/// Has each agency send a batch in each second, and waits for its acknowledgement.
fn bet(agencies: &mut [Raw], chunks: std::ops::Range<u32>) {
    for chunk in chunks {
        let next = Instant::now() + Duration::from_secs(1);
        for (number, agency) in (1..).zip(agencies.iter_mut()) {
            agency.send(&bets(number, chunk, &[BET]));
        }
        for agency in agencies.iter_mut() {
            agency.expect(&ack(chunk));
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Counts the bytes that a watcher receives.
fn watch(mut board: TcpStream) -> Arc<AtomicU64> {
    let received = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&received);
    std::thread::spawn(move || {
        let mut part = [0; 64 * 1024];
        while let Ok(len @ 1..) = board.read(&mut part) {
            counted.fetch_add(len as u64, Ordering::SeqCst);
        }
    });
    received
}

/// Returns the processor time of a process, in milliseconds.
fn processor_ms(process: Pid) -> u64 {
    let path = format!("/proc/{}/stat", process.as_raw_nonzero());
    let stat = std::fs::read_to_string(path).unwrap();
    // The program's name, in parentheses, comes before; ticks are hundredths of a second.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}
