//! The protocol's additions, byte by byte, by a client that shares no code with the program.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use sha2::{Digest as _, Sha256};
use support::raw::{self, Raw, ack, bets, finish, get_winners, hello};
use support::{Central, str};

const LORCA: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|7574";
const RIVERA: &str = "Tiago Nicolás|Rivera|34407251|2001-08-29|0033";

/// A WELCOME as the central should send it.
struct Welcome<'a> {
    agency: u32,
    chunks: u64,
    bets: u64,
    contents: &'a [&'a str],
    state: u8,
}

impl Welcome<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut prefix = [0; 32];
        for content in self.contents {
            let digest = Sha256::digest(content.as_bytes());
            prefix = Sha256::new().chain_update(prefix).chain_update(digest).finalize().into();
        }
        let mut payload = vec![0, 1];
        payload.extend(self.agency.to_be_bytes());
        payload.extend(16_u16.to_be_bytes());
        payload.extend(8192_u32.to_be_bytes());
        payload.extend(0_u32.to_be_bytes());
        payload.extend(9999_u32.to_be_bytes());
        payload.extend(self.chunks.to_be_bytes());
        payload.extend(self.bets.to_be_bytes());
        payload.extend(prefix);
        payload.push(self.state);
        payload.extend(b"sorteo");
        raw::framed(19, &payload)
    }
}

fn nothing_stored(agency: u32) -> Vec<u8> {
    Welcome { agency, chunks: 0, bets: 0, contents: &[], state: 0 }.bytes()
}

fn central(agencies: &str) -> (tempfile::TempDir, Central) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", agencies]);
    (folder, central)
}

#[test]
fn a_greeting_tells_the_limits_and_where_to_go_on() {
    let (folder, central) = central("2");
    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, "sorteo")).expect(&nothing_stored(1));
    agency.send(&bets(1, 0, &[LORCA])).expect(&ack(0));
    agency.send(&bets(1, 1, &[])).expect(&ack(1));
    agency.send(&bets(1, 3, &[LORCA])).expect(&ack(3));
    agency.send(&bets(1, 2, &[LORCA, RIVERA])).expect(&ack(2));
    agency.send(&bets(1, 5, &[LORCA])).expect(&ack(5));
    drop(agency);
    let both = format!("{LORCA}&{}", RIVERA.replace("0033", "33"));
    let contents = [LORCA, "", &both, LORCA];
    let resumed = |state| Welcome { agency: 1, chunks: 4, bets: 4, contents: &contents, state };
    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, "")).expect(&resumed(0).bytes());
    agency.send(&finish(1)).expect(&finish(1));
    Raw::connect(&central.address).send(&hello(1, "")).expect(&resumed(1).bytes());
    Raw::connect(&central.address).send(&hello(2, "")).expect(&nothing_stored(2));
    // The same after a restart.
    assert_eq!(central.process.terminate().code, Some(0));
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "2"]);
    Raw::connect(&central.address).send(&hello(1, "")).expect(&resumed(1).bytes());
    let mut other = Raw::connect(&central.address);
    other.send(&finish(2)).expect(&finish(2)).send(&get_winners(2)).expect(&raw::winners(""));
    Raw::connect(&central.address).send(&hello(1, "")).expect(&resumed(3).bytes());
}

#[test]
fn a_refused_batch_is_named_and_the_connection_goes_on() {
    let (_folder, central) = central("1");
    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, "")).expect(&nothing_stored(1));
    agency.send(&bets(1, 4, &[LORCA, "Ana|Paz|1|2000-13-01|5", "x"]));
    let refused = agency.error();
    assert_eq!((refused.code, refused.chunk), (11, Some(4)));
    assert_eq!(refused.faults, [(1, 5), (2, 1)]);
    agency.send(&raw::framed(12, b"1&5&\xff"));
    assert_eq!((agency.error().code, agency.0.peer_addr().is_ok()), (4, true));
    agency.send(&bets(1, 4, &[LORCA])).expect(&ack(4));
    agency.send(&bets(1, 4, &[RIVERA]));
    assert_eq!(agency.error().code, 12);
    agency.send(&bets(2, 6, &[RIVERA]));
    let of_another = agency.error();
    assert_eq!((of_another.code, of_another.chunk), (8, Some(6)));
    agency.send(&finish(1)).expect(&finish(1));
    // The answers of one connection come in order, refusals among them.
    let pipelined = [bets(1, 9, &[LORCA]), bets(1, 4, &[LORCA]), get_winners(1)];
    agency.send(&pipelined.concat());
    assert!([13, 14].contains(&agency.error().code));
    agency.expect(&ack(4)).expect(&raw::framed(21, b"\x0130904465"));
}

#[test]
fn what_a_greeting_may_not_be_is_refused() {
    let (_folder, central) = central("1");
    let cases: [(Vec<u8>, u16); 7] = [
        (hello(9, ""), 7),
        (raw::framed(18, b"\x00\x01\x00\x00\x00"), 3),
        (hello(1, &"n".repeat(65)), 3),
        (raw::framed(18, b"\x00\x01\x00\x00\x00\x01\xff"), 4),
        (hello(1, "otro"), 9),
        ([hello(1, ""), hello(1, "")].concat(), 6),
        (raw::framed(18, b"\x00\x00\x00\x00\x00\x01"), 5),
    ];
    for (sent, code) in cases {
        let mut agency = Raw::connect(&central.address);
        agency.send(&sent);
        if code == 6 {
            agency.expect(&nothing_stored(1));
        }
        agency.refused(code);
    }
    let mut late = Raw::connect(&central.address);
    late.send(&bets(1, 0, &[LORCA])).expect(&ack(0)).send(&hello(1, "")).refused(6);
    let mut of_another = Raw::connect(&central.address);
    of_another.send(&hello(1, "")).payload(19);
    of_another.send(&get_winners(2)).refused(8);
}

#[test]
fn a_whole_day_may_be_sent_behind_the_greeting() {
    let (_folder, central) = central("1");
    // A version to come is answered with the one that both know.
    let greeting = raw::framed(18, b"\x00\x07\x00\x00\x00\x01sorteo");
    let day = [greeting, bets(1, 0, &[LORCA, RIVERA]), finish(1), get_winners(1)].concat();
    let winners = raw::framed(21, b"\x0130904465");
    let answers = [nothing_stored(1), ack(0), finish(1), winners].concat();
    Raw::connect(&central.address).send(&day).half_close().expect(&answers).closed();
}

#[test]
fn each_agency_gets_its_own_winners() {
    let (_folder, central) = central("3");
    for (agency, document) in [(1, "30904465"), (2, "11")] {
        let bet = LORCA.replace("30904465", document);
        let day = [bets(agency, 0, &[&bet, RIVERA, &bet]), finish(agency)].concat();
        Raw::connect(&central.address).send(&day).expect(&[ack(0), finish(agency)].concat());
    }
    Raw::connect(&central.address).send(&finish(3)).expect(&finish(3));
    for (agency, documents) in [(1, "30904465,30904465"), (2, "11,11"), (3, "")] {
        let mut legacy = Raw::connect(&central.address);
        legacy.send(&get_winners(agency)).expect(&raw::winners(documents));
        let mut greeted = Raw::connect(&central.address);
        greeted.send(&hello(agency, "")).payload(19);
        let part = raw::framed(21, format!("\x01{documents}").as_bytes());
        greeted.send(&get_winners(agency)).expect(&part);
        greeted.send(&get_winners(agency % 3 + 1)).refused(8);
    }
}

#[test]
fn the_operators_limits_are_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let terms = ["--agencies", "1", "--draw", "año nuevo", "--numbers", "5-50"];
    let limits = ["--winning-number", "7", "--window", "3", "--frame-len-max", "300"];
    let more = [&terms[..], &limits].concat();
    let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &more);
    let mut agency = Raw::connect(&central.address);
    let welcome = agency.send(&hello(1, "año nuevo")).payload(19);
    assert_eq!(welcome[6..20], [0, 3, 0, 0, 1, 44, 0, 0, 0, 5, 0, 0, 0, 50]);
    assert_eq!(welcome[69..], *"año nuevo".as_bytes());
    let numbers = ["4", "5", "50", "51", "7574"].map(|number| LORCA.replace("7574", number));
    agency.send(&bets(1, 0, &numbers.each_ref().map(String::as_str)));
    assert_eq!(agency.error().faults, [(0, 7), (3, 7), (4, 7)]);
    let bet = |letters: usize| format!("{}|Paz|1|2000-01-01|5", "A".repeat(letters));
    let (long, last) = (bet(100), bet(33));
    let longest = bets(1, 1, &[&long, &long, &last]);
    assert_eq!(longest.len(), 300);
    agency.send(&longest).expect(&ack(1));
    agency.send(&[0, 12, 1, 41]).refused(2);
}

#[test]
fn any_number_of_winners_reaches_an_agency_that_greets() {
    let (folder, central) = central("1");
    let bet = |at: u32| format!("Ana|Paz|{at:015}|2000-01-01|7574");
    let expected: Vec<String> = (0..5_000).map(|at| format!("{at:015}")).collect();
    let mut agency = Raw::connect(&central.address);
    agency.send(&hello(1, "")).payload(19);
    for (chunk, batch) in (0..).zip((0..5_000).collect::<Vec<_>>().chunks(100)) {
        let batch: Vec<String> = batch.iter().map(|at| bet(*at)).collect();
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        agency.send(&bets(1, chunk, &batch)).expect(&ack(chunk));
    }
    agency.send(&finish(1)).expect(&finish(1)).send(&get_winners(1));
    let mut found: Vec<String> = Vec::new();
    loop {
        let part = agency.payload(21);
        assert!(part.len() <= 8188);
        found.extend(support::text(&part[1..]).split(',').map(str::to_owned));
        if part[0] == 1 {
            break;
        }
    }
    assert!(found == expected, "{} of {}", found.len(), expected.len());
    // 80,000 bytes do not fit the original message.
    let refused = Raw::connect(&central.address).send(&get_winners(1)).refused(15);
    assert_eq!(refused.chunk, None);
    drop(agency);
    assert_eq!(central.process.terminate().code, Some(0));
    let data = folder.path().join("data");
    let csv = support::run_well(&["winners", "--data", str(&data), "--format", "csv"]);
    assert_eq!(csv.lines().count(), 5_001);
}

#[test]
fn connections_over_the_limit_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--agencies", "1", "--connections-max", "2"];
    let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &more);
    let mut first = Raw::connect(&central.address);
    first.send(&hello(1, "")).payload(19);
    let mut second = Raw::connect(&central.address);
    second.send(&hello(1, "")).payload(19);
    Raw::connect(&central.address).refused(16);
    first.send(&bets(1, 0, &[LORCA])).expect(&ack(0));
}
