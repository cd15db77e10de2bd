//! A disk without room for the next segment: bets are refused with the reason, and accepted again
//! once there is room.
//!
//! The full disk is simulated by a limit on file length below that of a segment: this needs no
//! privilege and no separate file system, and can be lifted while the central runs.

use std::path::Path;
use std::time::Instant;

use crate::support::http::Http;
use crate::support::raw::{Error, Raw, ack, bets, finish, get_winners, hello, winners};
use crate::support::{
    Central, PATIENCE, Process, agency, exported, output_of, run_well, str, text,
};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

const SEGMENT_LEN: u64 = 96 << 10;
/// Less than a segment, but enough for what segments hold here, which does not reach the last
/// block.
const FILE_LEN_MAX: u64 = SEGMENT_LEN - 4096;
const BETS_IN_BATCH: u32 = 270;
const STORAGE_FULL: u16 = 19;

/// Returns a batch of about 8,000 bytes: eleven fill a segment except for less than a twelfth of it
/// and the last block.
fn batch(agency: u32, chunk: u32) -> Vec<u8> {
    let texts: Vec<_> = (0..BETS_IN_BATCH).map(|at| bet_of(agency, chunk, at, '|')).collect();
    bets(agency, chunk, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Returns a bet; the first bet of each chunk is on the number 7.
fn bet_of(agency: u32, chunk: u32, at: u32, separator: char) -> String {
    let document = 1_000_000 * agency + 1_000 * chunk + at;
    let number = if at == 0 { 7 } else { 8 };
    ["Ana", "Paz", &document.to_string(), "2000-01-01", &number.to_string()]
        .join(&separator.to_string())
}

fn limit_file_len(central: &Process, len_max: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit { current: len_max.or(maximum), maximum };
    prlimit(Some(central.pid()), Resource::Fsize, limit).unwrap();
}

fn greeted(central: &Central, agency: u32) -> Raw {
    let mut raw = Raw::connect(&central.address);
    raw.send(&hello(agency, "")).payload(19);
    raw
}

/// Sends batches until one is refused and returns its chunk.
fn fill(raw: &mut Raw) -> u32 {
    for chunk in 0..400 {
        raw.send(&batch(1, chunk));
        match raw.reply() {
            Ok(acknowledged) => assert_eq!(acknowledged, chunk),
            Err(error) => {
                check_full(&error, Some(chunk));
                return chunk;
            }
        }
    }
    panic!("the limit has no effect");
}

fn check_full(error: &Error, chunk: Option<u32>) {
    assert_eq!((error.code, error.chunk), (STORAGE_FULL, chunk), "{error:?}");
    assert!(error.faults.is_empty() && error.reason.contains("full"), "{error:?}");
}

/// Checks the readiness reported over HTTP.
fn check_ready(central: &mut Central, status: u16, room: bool) {
    let answer = Http::of(central).ask("GET", "/readyz", "");
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(&format!("\"store\":true,\"room\":{room}")), "{answer:?}");
}

fn lines_of(agency: u32, chunks: u32) -> Vec<String> {
    let chunks = (0..chunks).flat_map(|chunk| (0..BETS_IN_BATCH).map(move |at| (chunk, at)));
    chunks.map(|(chunk, at)| bet_of(agency, chunk, at, ',')).collect()
}

#[test]
fn without_room_bets_are_refused_with_the_reason_and_taken_again_once_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let segment_len = SEGMENT_LEN.to_string();
    let more = ["--agencies", "3", "--winning-number", "7", "--segment-len", &segment_len];
    let more = [&more[..], &["--http", "127.0.0.1:0"]].concat();
    let mut central = Central::start(&data, "127.0.0.1:0", &more);
    check_ready(&mut central, 200, true);
    limit_file_len(&central.process, Some(FILE_LEN_MAX));

    let mut first = greeted(&central, 1);
    let refused = fill(&mut first);
    assert!(refused > 11, "the segments made before are filled: {refused}");
    let message = central.process.wait_for("apuesta_recibida | result: fail | cantidad: 270");
    assert!(message.contains("making segment-") && message.contains("RLIMIT_FSIZE"), "{message}");
    check_ready(&mut central, 503, false);
    // Stored batches are acknowledged again, on the same connection and on a legacy one.
    first.send(&batch(1, 0)).expect(&ack(0));
    check_ready(&mut central, 503, false);
    Raw::connect(&central.address).send(&batch(1, refused - 1)).expect(&ack(refused - 1));
    check_full(&Raw::connect(&central.address).send(&batch(2, 0)).refused(STORAGE_FULL), Some(0));
    // An agency that starts meanwhile waits until there is room.
    let file = folder.path().join("bets.csv");
    std::fs::write(&file, lines_of(3, 2).join("\n")).unwrap();
    let mut waiting = agency(3, &central.address, &file, &["--batch-max-bets", "270"]);
    waiting.wait_for("temporarily rejected by the central: the storage is full");

    limit_file_len(&central.process, None);
    first.send(&batch(1, refused)).expect(&ack(refused));
    check_ready(&mut central, 200, true);
    first.send(&finish(1)).expect(&finish(1));
    let mut second = Raw::connect(&central.address);
    second.send(&batch(2, 0)).expect(&ack(0)).send(&finish(2)).expect(&finish(2));
    let ended = waiting.ended();
    // Sorted, because they are in ledger order: the first batch may have been refused and the
    // second stored.
    let mut printed: Vec<_> = ended.stdout.lines().collect();
    printed.sort_unstable();
    assert_eq!((ended.code, printed), (Some(0), vec!["3000000", "3001000"]));
    Raw::connect(&central.address).send(&get_winners(2)).expect(&winners("2000000"));
    drop((first, second));
    check_day(central, &data, refused);
}

#[test]
fn free_space_is_noticed_without_any_request() {
    check_room_is_reported(FILE_LEN_MAX, "making segment-");
}

#[test]
fn segments_that_lack_room_for_their_index_hold_bets_back_before_they_are_many() {
    check_room_is_reported(SEGMENT_LEN, "giving a full segment its index");
}

#[expect(clippy::disallowed_methods, reason = "how long it really takes is what is asked")]
fn check_room_is_reported(file_len_max: u64, why: &str) {
    let folder = tempfile::tempdir().unwrap();
    let segment_len = SEGMENT_LEN.to_string();
    let more = ["--agencies", "1", "--segment-len", &segment_len, "--http", "127.0.0.1:0"];
    let mut central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &more);
    limit_file_len(&central.process, Some(file_len_max));
    let mut agency = greeted(&central, 1);
    let refused = fill(&mut agency);
    let message = central.process.wait_for("apuesta_recibida | result: fail");
    assert!(message.contains(why), "{message}");
    let http = Http::of(&mut central);
    let is_full = || http.ask("GET", "/metrics", "").body.contains("\nbolillero_store_full 1\n");
    assert!(is_full());
    limit_file_len(&central.process, None);
    let lifted = Instant::now();
    while is_full() {
        assert!(lifted.elapsed() < PATIENCE, "it is not told");
    }
    check_ready(&mut central, 200, true);
    agency.send(&batch(1, refused)).expect(&ack(refused));
}

/// Checks that every bet is stored once and that the draw was made.
fn check_day(central: Central, data: &Path, refused: u32) {
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let stored = exported(data);
    for (agency, chunks) in [(1, refused + 1), (2, 1), (3, 2)] {
        let mut expected = lines_of(agency, chunks);
        expected.sort_unstable();
        assert!(stored[&agency] == expected, "agency {agency}: {}", stored[&agency].len());
    }
    let checked = run_well(&["check", "--data", str(data)]);
    assert!(checked.starts_with("intact\n") && checked.contains(": drawn, "), "{checked}");
}

#[test]
fn without_room_for_the_first_segment_the_central_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // `ulimit -f` is inherited, and counts blocks of 512 or 1024 bytes.
    let program = env!("CARGO_BIN_EXE_bolillero");
    let script = format!("ulimit -f 40; exec {program} serve --listen 127.0.0.1:0 --agencies 1");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("{script} --segment-len 98304 --data {}", str(&data))]);
    let output = output_of(&mut command);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in [str(&data), "segment-0000000001.bol", "RLIMIT_FSIZE"] {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}
