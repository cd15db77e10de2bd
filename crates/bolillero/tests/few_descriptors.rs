//! A system that allows few open files: connections leave the ledger those that it needs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::net::TcpStream;

use support::http::Http;
use support::raw::{Raw, ack, bets, finish, get_winners, hello};
use support::{Central, Process, allow_descriptors, str};

const ALLOWED: u32 = 1024;
/// To agencies, and over HTTP: more than are taken.
const SILENT: usize = 1_100;
const SILENT_OVER_HTTP: usize = 300;
/// Eleven fill a segment, each of which the ledger has open while it is written.
const BATCHES: u32 = 600;
const BUSY: u16 = 16;

/// About 8,000 bytes.
fn batch(chunk: u32) -> Vec<u8> {
    let bet = |at: u32| format!("Ana|Paz|{}|2000-01-01|7", 1_000_000 + 1_000 * chunk + at);
    let texts: Vec<_> = (0..270).map(bet).collect();
    bets(1, chunk, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn silent(address: &str, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).unwrap()).collect()
}

#[test]
fn connections_leave_the_ledger_the_files_it_needs() {
    allow_descriptors(2_000);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--agencies", "1"];
    let more = ["--segment-len", "98304", "--data", str(&data)];
    let process = Process::start_within(&format!("-n {ALLOWED}"), &[&serve[..], &more].concat());
    let mut central = Central::listening(process);
    let told = central.process.log.iter().find(|line| line.contains("permitir_conexiones"));
    assert!(told.is_some_and(|line| line.contains("raise the limit of open files")), "{told:?}");
    let http = Http::of(&mut central);

    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, "")).payload(19);
    let _silent = silent(&central.address, SILENT);
    let _over_http = silent(&http.address, SILENT_OVER_HTTP);
    // Whoever came before has been taken or turned away.
    Raw::connect(&central.address).refused(BUSY);
    for chunk in 0..BATCHES {
        agency.send(&batch(chunk)).expect(&ack(chunk));
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(http.ask("GET", path, "").status, 200, "{path}");
    }
    agency.send(&finish(1)).expect(&finish(1)).send(&get_winners(1)).payload(21);
    assert_eq!(central.process.terminate().code, Some(0));
}

#[test]
fn a_limit_without_room_for_connections_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "1", "--data", str(&data)];
    let ended = Process::start_within("-n 100", &serve).ended();
    assert_eq!(ended.code, Some(1));
    let told = ended.log.join("\n");
    assert!(told.contains("raise the limit of open files") && !data.exists(), "{told}");
}
