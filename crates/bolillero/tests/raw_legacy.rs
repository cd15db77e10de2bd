//! The original protocol, byte by byte, by a client that shares no code with the program.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::io::Write as _;

use support::raw::{self, NO_WINNERS, Raw, ack, bets, finish, get_winners};
use support::{Central, exported};
use tempfile::TempDir;

const LORCA: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|7574";
const LORCA_LINE: &str = "Santiago Lionel,Lorca,30904465,1999-03-17,7574";
const RIVERA: &str = "Tiago Nicolás|Rivera|34407251|2001-08-29|0033";
const RIVERA_LINE: &str = "Tiago Nicolás,Rivera,34407251,2001-08-29,33";

struct Day {
    folder: TempDir,
    central: Central,
}

impl Day {
    fn of(agencies: u32) -> Self {
        Self::with(agencies, &[])
    }

    fn with(agencies: u32, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agencies = agencies.to_string();
        let args = [&["--agencies", &agencies][..], more].concat();
        let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", &args);
        Self { folder, central }
    }

    fn connect(&self) -> Raw {
        Raw::connect(&self.central.address)
    }

    /// Ends it, and gives what is stored of agency 1.
    fn stored(self) -> Vec<String> {
        assert_eq!(self.central.process.terminate().code, Some(0));
        exported(&self.folder.path().join("data")).remove(&1).unwrap_or_default()
    }
}

/// What an agency sends in a day, and what it is answered.
fn whole_day() -> (Vec<u8>, Vec<u8>) {
    let sent = [bets(1, 0, &[LORCA, RIVERA]), bets(1, 1, &[]), finish(1), get_winners(1)];
    let answered = [ack(0), ack(1), finish(1), raw::winners("30904465")];
    (sent.concat(), answered.concat())
}

#[test]
fn the_worked_example_is_stored() {
    let day = Day::of(1);
    let example = b"\x00\x0c\x00\x321&0&Santiago Lionel|Lorca|30904465|1999-03-17|2201";
    day.connect().send(example).expect(b"\x00\x0d\x00\x00\x00\x00");
    assert_eq!(day.stored(), ["Santiago Lionel,Lorca,30904465,1999-03-17,2201"]);
}

#[test]
fn a_day_comes_in_one_write_or_byte_by_byte() {
    let (sent, answered) = whole_day();
    for piece in [1, 3, sent.len()] {
        let day = Day::of(1);
        let mut agency = day.connect();
        for bytes in sent.chunks(piece) {
            agency.send(bytes);
        }
        agency.expect(&answered);
        drop(agency);
        assert_eq!(day.stored(), [LORCA_LINE, RIVERA_LINE]);
    }
}

#[test]
fn an_agency_may_close_its_side_and_still_gets_its_winners() {
    let day = Day::of(2);
    let (sent, answered) = whole_day();
    let mut waiting = day.connect();
    waiting.send(&sent).half_close();
    day.connect().send(&finish(2)).expect(&finish(2));
    waiting.expect(&answered).closed();
}

#[test]
fn an_agency_reconnects_after_its_finish_and_waits_for_the_last_one() {
    let day = Day::of(2);
    let mut first = day.connect();
    first.send(&bets(1, 0, &[LORCA])).expect(&ack(0)).send(&finish(1)).expect(&finish(1));
    drop(first);
    let mut waiting: Vec<_> = (0..50).map(|_| day.connect()).collect();
    for agency in &mut waiting {
        agency.send(&get_winners(1));
    }
    let mut second = day.connect();
    // A repeated FINISH of the same agency is not another's.
    day.connect().send(&finish(1)).expect(&finish(1));
    second.send(&bets(2, 0, &[RIVERA])).expect(&ack(0));
    second.send(&finish(2)).expect(&finish(2)).send(&get_winners(2)).expect(&raw::winners(""));
    for agency in &mut waiting {
        agency.expect(&raw::winners("30904465"));
    }
}

#[test]
fn without_a_wait_the_answer_is_no_winners_until_the_draw() {
    let day = Day::with(1, &["--winners-wait", "0"]);
    let mut agency = day.connect();
    agency.send(&get_winners(1)).expect(&NO_WINNERS);
    agency.send(&bets(1, 0, &[LORCA, RIVERA, LORCA])).expect(&ack(0));
    agency.send(&get_winners(1)).expect(&NO_WINNERS);
    agency.send(&finish(1)).expect(&finish(1));
    // The draw is made right after the last FINISH is answered, so one more NO_WINNERS is possible.
    let mut ids = std::iter::repeat_with(|| {
        let mut id = [0; 2];
        agency.send(&get_winners(1));
        std::io::Read::read_exact(&mut agency.0, &mut id).unwrap();
        id
    });
    assert_eq!(ids.find(|id| *id != NO_WINNERS), Some([0, 17]));
    agency.expect(&raw::winners("30904465,30904465")[2..]);
}

#[test]
fn a_repeated_chunk_is_stored_once_and_another_content_is_refused() {
    let day = Day::of(1);
    let mut agency = day.connect();
    agency.send(&bets(1, 7, &[RIVERA])).expect(&ack(7));
    // The same bet, its number written otherwise; from another connection too; and after FINISH.
    agency.send(&bets(1, 7, &[&RIVERA.replace("0033", "33")])).expect(&ack(7));
    day.connect().send(&bets(1, 7, &[RIVERA])).expect(&ack(7));
    let refused = day.connect().send(&bets(1, 7, &[LORCA])).refused(12);
    assert_eq!(refused.chunk, Some(7));
    agency.send(&finish(1)).expect(&finish(1)).send(&bets(1, 7, &[RIVERA])).expect(&ack(7));
    agency.send(&finish(1)).expect(&finish(1));
    // Until the draw is made, which these wait for, the agency is told that it has finished.
    agency.send(&get_winners(1)).expect(&raw::winners(""));
    agency.send(&bets(1, 8, &[LORCA])).refused(14);
    assert_eq!(day.stored(), [RIVERA_LINE]);
}

#[test]
fn bets_after_the_own_finish_are_refused() {
    let day = Day::of(2);
    let mut agency = day.connect();
    agency.send(&finish(1)).expect(&finish(1));
    let refused = agency.send(&bets(1, 0, &[LORCA])).refused(13);
    assert_eq!(refused.chunk, Some(0));
    assert!(refused.reason.contains("has finished"), "{refused:?}");
    assert!(day.stored().is_empty());
}

#[test]
fn a_batch_with_a_bet_at_fault_is_refused_whole_and_names_each() {
    let day = Day::of(1);
    let cases: [(&str, u16); 12] = [
        ("Ana|Paz|1|2000-01-01", 1),
        ("Ana|Paz|1|2000-01-01|5|6", 1),
        ("", 1),
        ("|Paz|1|2000-01-01|5", 2),
        ("A\tna|Paz|1|2000-01-01|5", 2),
        ("Ana||1|2000-01-01|5", 3),
        ("Ana|Paz|12 3|2000-01-01|5", 4),
        ("Ana|Paz|1|2001-02-29|5", 5),
        ("Ana|Paz|1|2000-01-01|+5", 6),
        ("Ana|Paz|1|2000-01-01| 5", 6),
        ("Ana|Paz|1|2000-01-01|", 6),
        ("Ana|Paz|1|2000-01-01|10000", 7),
    ];
    for (bet, fault) in cases {
        let refused = day.connect().send(&bets(1, 3, &[LORCA, bet, RIVERA, bet])).refused(11);
        assert_eq!(refused.chunk, Some(3), "{bet}");
        assert_eq!(refused.faults, [(1, fault), (3, fault)], "{bet}");
        assert!(refused.reason.contains("bet 2 of the batch"), "{refused:?}");
    }
    assert!(day.stored().is_empty());
}

#[test]
fn what_is_not_of_the_protocol_is_refused_and_ends_the_connection() {
    let day = Day::of(1);
    let not_utf8 = raw::framed(12, b"1&0&\xff\xfe|Paz|1|2000-01-01|5");
    let oversized = [&12_u16.to_be_bytes()[..], &8189_u16.to_be_bytes()].concat();
    let cases: [(&[u8], u16, &str); 9] = [
        (b"\x00\x00", 1, "an id that is none"),
        (b"GET / HTTP/1.1\r\n", 1, "another protocol"),
        (&oversized, 2, "a message of 8193 bytes, told by its header"),
        (&raw::framed(12, b"1"), 3, "no chunk"),
        (&raw::framed(12, b"-1&0"), 3, "a sign"),
        (&raw::framed(12, b"1&4294967296"), 3, "a chunk beyond u32"),
        (&not_utf8, 4, "not UTF-8"),
        (&bets(2, 0, &[LORCA]), 7, "an agency that is not registered"),
        (&finish(0), 7, "an agency that is not registered"),
    ];
    for (sent, code, what) in cases {
        let mut agency = day.connect();
        agency.send(sent);
        let refused = agency.error();
        assert_eq!(refused.code, code, "{what}: {refused:?}");
        assert!(!refused.reason.is_empty(), "{what}");
        agency.closed();
    }
    day.connect().send(&get_winners(9)).refused(7);
    assert!(day.stored().is_empty());
}

#[test]
fn the_largest_message_is_taken_and_one_byte_more_is_not() {
    let day = Day::of(1);
    // "1&0", then 68 times 120 bytes with their '&', then 25: 8188 in all.
    let bet = |letters: usize| format!("{}|Paz|1|2000-01-01|5", "A".repeat(letters));
    let (long, short) = (bet(100), bet(5));
    let mut all = vec![long.as_str(); 68];
    all.push(&short);
    let message = bets(1, 0, &all);
    assert_eq!(message.len(), 8192);
    day.connect().send(&message).expect(&ack(0));
    let one_more = [message[..2].to_vec(), 8189_u16.to_be_bytes().to_vec()].concat();
    day.connect().send(&one_more).refused(2);
}

#[test]
fn a_message_that_stalls_is_cut_while_others_go_on() {
    let day = Day::with(1, &["--frame-time-max", "300ms"]);
    let mut stalling = day.connect();
    stalling.send(&bets(1, 0, &[LORCA])[..20]);
    let mut silent = day.connect();
    let mut other = day.connect();
    other.send(&bets(1, 1, &[LORCA])).expect(&ack(1));
    stalling.refused(17);
    // Silence between messages has no limit.
    silent.send(&bets(1, 2, &[RIVERA])).expect(&ack(2));
    drop((silent, other));
    assert_eq!(day.stored().len(), 2);
}

#[test]
fn a_pipelining_agency_that_dies_leaves_whole_batches_only() {
    let day = Day::of(1);
    let mut agency = day.connect();
    for chunk in 0..100 {
        agency.send(&bets(1, chunk, &[LORCA, RIVERA]));
    }
    agency.0.write_all(&bets(1, 100, &[LORCA])[..30]).unwrap();
    drop(agency);
    let mut next = day.connect();
    next.send(&bets(1, 100, &[RIVERA])).expect(&ack(100));
    for chunk in 0..100 {
        next.send(&bets(1, chunk, &[LORCA, RIVERA])).expect(&ack(chunk));
    }
    drop(next);
    assert_eq!(day.stored().len(), 201);
}
