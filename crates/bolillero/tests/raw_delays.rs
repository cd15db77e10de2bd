//! Agencies that are slow, deaf or greedy, byte by byte: they are cut in time, delay nobody, and do
//! not hold up the end of the central.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::sync::Barrier;
use std::thread;

use rustix::process::Signal;
use support::raw::{self, NO_WINNERS, Raw, ack, bets, finish, get_winners, hello};
use support::{Central, exported};
use tempfile::TempDir;

const LORCA: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|7574";

fn central(more: &[&str]) -> (TempDir, Central) {
    let folder = tempfile::tempdir().unwrap();
    let central = Central::start(&folder.path().join("data"), "127.0.0.1:0", more);
    (folder, central)
}

/// A central of one agency with about 60 kB of winners, drawn.
fn with_many_winners(more: &[&str]) -> (TempDir, Central) {
    let started = central(&[&["--agencies", "1"][..], more].concat());
    let mut agency = Raw::connect(&started.1.address);
    let bet = format!("Ana|Paz|{}|2000-01-01|7574", "9".repeat(15));
    for chunk in 0..40 {
        agency.send(&bets(1, chunk, &vec![bet.as_str(); 93])).expect(&ack(chunk));
    }
    agency.send(&finish(1)).expect(&finish(1)).send(&get_winners(1));
    assert_eq!(agency.payload(17).len(), 40 * 93 * 16 - 1);
    started
}

/// Asks for far more than the system's buffers take, and reads nothing of it.
fn deaf(central: &Central) -> Raw {
    let mut agency = Raw::connect(&central.address);
    agency.send(&get_winners(1).repeat(1_000));
    agency
}

#[test]
fn a_message_that_comes_in_drops_is_cut_while_others_go_on() {
    let (folder, central) = central(&["--agencies", "1", "--frame-time-max", "300ms"]);
    let mut dripping = Raw::connect(&central.address);
    let mut other = Raw::connect(&central.address);
    dripping.send(&[&12_u16.to_be_bytes()[..], &8188_u16.to_be_bytes()].concat());
    dripping.0.set_nonblocking(true).unwrap();
    let mut chunks = 0;
    // Each drop waits for a round trip of the other one, so this takes time.
    while chunks < 8_000 && dripping.0.peek(&mut [0]).is_err() {
        dripping.send(b"1");
        other.send(&bets(1, chunks, &[LORCA])).expect(&ack(chunks));
        chunks += 1;
    }
    assert!(chunks < 8_000, "it was cut while it sent, not afterwards");
    dripping.0.set_nonblocking(false).unwrap();
    dripping.refused(17);
    other.send(&bets(1, chunks, &[LORCA])).expect(&ack(chunks));
    assert_eq!(central.process.terminate().code, Some(0));
    let stored = exported(&folder.path().join("data")).remove(&1).unwrap();
    assert_eq!(stored.len(), chunks as usize + 1);
}

#[test]
fn an_agency_that_reads_no_replies_is_cut_while_others_get_theirs() {
    let (_folder, mut central) = with_many_winners(&["--write-time-max", "300ms"]);
    let mut deaf = deaf(&central);
    Raw::connect(&central.address).send(&get_winners(1)).payload(17);
    central.process.wait_for("action: enviar_respuesta | result: fail | ip: 127.0.0.1");
    let mut rest = Vec::new();
    let ended = deaf.0.read_to_end(&mut rest);
    assert!(ended.is_err() || rest.len() < 1_000 * 40 * 93 * 16, "{} bytes", rest.len());
    Raw::connect(&central.address).send(&get_winners(1)).payload(17);
}

#[test]
fn an_agency_that_reads_slowly_but_reads_gets_all() {
    let (_folder, central) = with_many_winners(&["--write-time-max", "10s"]);
    let mut deaf = deaf(&central);
    // Others are served in between.
    for _ in 0..10 {
        Raw::connect(&central.address).send(&get_winners(1)).payload(17);
        (0..100).for_each(|_| drop(deaf.payload(17)));
    }
    deaf.half_close().closed();
}

#[test]
fn a_central_asked_to_end_tells_those_who_wait() {
    let (_folder, central) = central(&["--agencies", "2"]);
    // What comes in one write is read at once: when its first reply is there, all of it was taken.
    let mut waiting = Raw::connect(&central.address);
    let day = [bets(1, 0, &[LORCA]), finish(1), get_winners(1).repeat(3)].concat();
    waiting.send(&day).expect(&[ack(0), finish(1)].concat());
    let mut greeted = Raw::connect(&central.address);
    greeted.send(&[hello(1, ""), get_winners(1)].concat()).payload(19);
    let mut idle = Raw::connect(&central.address);
    idle.send(&hello(2, "")).payload(19);
    let mut silent = Raw::connect(&central.address);
    let mut halfway = Raw::connect(&central.address);
    let half = bets(1, 1, &[LORCA]);
    halfway.send(&[&bets(1, 0, &[LORCA])[..], &half[..9]].concat()).expect(&ack(0));
    central.process.signal(Signal::TERM);
    waiting.expect(&NO_WINNERS.repeat(3)).closed();
    greeted.expect(&NO_WINNERS);
    assert_eq!(greeted.refused(20).chunk, None);
    assert_eq!(idle.refused(20).chunk, None);
    silent.closed();
    halfway.closed();
    drop((waiting, greeted, idle, silent, halfway));
    let ended = central.process.ended();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(ended.log.last().unwrap().contains("action: shutdown | result: success"));
}

#[test]
fn agencies_that_hold_on_do_not_hold_up_the_end() {
    let (_folder, central) = with_many_winners(&["--shutdown-time-max", "500ms"]);
    let deaf = deaf(&central);
    // Its answers are on their way, so it was read.
    assert_eq!(deaf.0.peek(&mut [0]).unwrap(), 1);
    let mut silent = Raw::connect(&central.address);
    silent.send(&hello(1, "")).payload(19);
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let cut = "action: cerrar_conexiones | result: fail | cantidad: ";
    assert!(ended.log.iter().any(|line| line.contains(cut)), "{:#?}", ended.log);
    silent.refused(20);
    drop(deaf);
}

#[test]
fn a_wait_that_is_over_is_told_and_may_be_asked_for_again() {
    let (_folder, central) = central(&["--agencies", "2", "--winners-wait", "100ms"]);
    let mut legacy = Raw::connect(&central.address);
    let mut greeted = Raw::connect(&central.address);
    greeted.send(&hello(1, "")).payload(19);
    greeted.send(&bets(1, 0, &[LORCA])).expect(&ack(0)).send(&finish(1)).expect(&finish(1));
    for _ in 0..2 {
        legacy.send(&get_winners(1)).expect(&NO_WINNERS);
        greeted.send(&get_winners(1)).expect(&NO_WINNERS);
    }
    Raw::connect(&central.address).send(&finish(2)).expect(&finish(2));
    // The draw is made right after the last FINISH is answered: both may be told so once more.
    let answer = |agency: &mut Raw| loop {
        let mut id = [0; 2];
        agency.send(&get_winners(1)).0.read_exact(&mut id).unwrap();
        if id != NO_WINNERS {
            break id;
        }
    };
    assert_eq!(answer(&mut legacy), [0, 17]);
    legacy.expect(&raw::winners("30904465")[2..]);
    assert_eq!(answer(&mut greeted), [0, 21]);
    greeted.expect(&raw::framed(21, b"\x0130904465")[2..]);
}

#[test]
fn connections_of_one_agency_that_send_the_same_at_once_store_it_once() {
    let (folder, central) = central(&["--agencies", "1"]);
    let start = Barrier::new(4);
    thread::scope(|threads| {
        for of in 0..4 {
            let (start, address) = (&start, &central.address);
            threads.spawn(move || {
                let mut agency = Raw::connect(address);
                if of % 2 == 0 {
                    agency.send(&hello(1, "")).payload(19);
                }
                let all: Vec<_> = (0..50).map(|chunk| bets(1, chunk, &[LORCA, LORCA])).collect();
                let acks: Vec<_> = (0..50).map(ack).collect();
                start.wait();
                agency.0.write_all(&all.concat()).unwrap();
                agency.expect(&acks.concat()).send(&finish(1)).expect(&finish(1));
            });
        }
    });
    assert_eq!(central.process.terminate().code, Some(0));
    assert_eq!(exported(&folder.path().join("data")).remove(&1).unwrap().len(), 100);
}
