//! With a low limit of open files, connections leave enough descriptors for the ledger.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::net::TcpStream;

use support::http::Http;
use support::raw::{Raw, ack, bets, finish, get_winners, hello};
use support::{Central, Process, allow_descriptors, str};

const ALLOWED: &str = "-n 512";
/// Silent connections to the port of agencies, and over HTTP below: more than are accepted.
const SILENT: usize = 1_100;
const SILENT_OVER_HTTP: usize = 300;
/// Eleven batches fill a segment, so there are more segments than half of the allowed open files.
const BATCHES: u32 = 3_300;
const WINDOW: u32 = 15;
const BUSY: u16 = 16;

/// Returns a batch of about 8,000 bytes.
fn batch(chunk: u32) -> Vec<u8> {
    let number = |at| if at == 0 { 7 } else { 8 };
    let document = |at| 1_000_000 + 1_000 * chunk + at;
    let bet = |at| format!("Ana|Paz|{}|2000-01-01|{}", document(at), number(at));
    let texts: Vec<_> = (0..270).map(bet).collect();
    bets(1, chunk, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn silent(address: &str, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).unwrap()).collect()
}

/// Returns the number of winners in all parts of the answer.
fn winner_count(agency: &mut Raw) -> usize {
    let part = agency.payload(21);
    let in_part = part[1..].split(|byte| *byte == b',').count();
    if part[0] == 1 { in_part } else { in_part + winner_count(agency) }
}

#[test]
fn connections_leave_the_ledger_the_files_it_needs_and_segments_take_none() {
    allow_descriptors(2_000);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--agencies", "1"];
    let more = ["--winning-number", "7", "--segment-len", "98304", "--data", str(&data)];
    let start =
        || Central::listening(Process::start_within(ALLOWED, &[&serve[..], &more].concat()));
    let mut central = start();
    let message = central.process.log.iter().find(|line| line.contains("limit_connections"));
    assert!(
        message.is_some_and(|line| line.contains("raise the limit of open files")),
        "{message:?}"
    );
    let http = Http::of(&mut central);

    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, "")).payload(19);
    let _silent = silent(&central.address, SILENT);
    let _over_http = silent(&http.address, SILENT_OVER_HTTP);
    // Once this is rejected, every earlier connection was accepted or rejected.
    Raw::connect(&central.address).refused(BUSY);
    for first in (0..BATCHES).step_by(WINDOW as usize) {
        for chunk in first..first + WINDOW {
            agency.send(&batch(chunk));
        }
        for chunk in first..first + WINDOW {
            agency.expect(&ack(chunk));
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(http.ask("GET", path, "").status, 200, "{path}");
    }
    agency.send(&finish(1)).expect(&finish(1)).send(&get_winners(1));
    assert_eq!(winner_count(&mut agency), BATCHES as usize);
    assert_eq!(central.process.terminate().code, Some(0));

    assert_eq!(start().process.terminate().code, Some(0));
    let checked = Process::start_within(ALLOWED, &["check", "--data", str(&data)]).ended();
    assert_eq!(checked.code, Some(0), "{:?}", checked.log);
}

#[test]
fn a_limit_without_room_for_connections_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "1", "--data", str(&data)];
    let ended = Process::start_within("-n 100", &serve).ended();
    assert_eq!(ended.code, Some(1));
    let whole_log = ended.log.join("\n");
    assert!(whole_log.contains("raise the limit of open files") && !data.exists(), "{whole_log}");
}
