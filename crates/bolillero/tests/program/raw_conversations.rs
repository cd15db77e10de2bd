//! The protocol's conversations, played against the program by a client that shares no code with
//! it; and agencies that die, stall or send the same batches at once.

#[path = "../../../wire/tests/transcripts/mod.rs"]
mod transcripts;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use crate::support::raw::{Raw, ack, bets, finish, get_winners, hello};
use crate::support::{Central, exported};
use tempfile::TempDir;
use transcripts::Conversation;

const BET: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|7574";

struct Served<'a> {
    folder: TempDir,
    options: Vec<&'a str>,
    central: Option<Central>,
}

impl<'a> Served<'a> {
    fn new(conversation: &'a Conversation) -> Self {
        let options = conversation.options.iter().flat_map(|(name, value)| [&name[..], value]);
        Self::with(options.collect())
    }

    fn with(options: Vec<&'a str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let central = Some(Central::start(&data(folder.path()), "127.0.0.1:0", &options));
        Self { folder, options, central }
    }

    fn address(&self) -> &str {
        &self.central.as_ref().unwrap().address
    }

    fn terminate(&mut self) {
        assert_eq!(self.central.take().unwrap().process.terminate().code, Some(0));
    }

    /// Stops the central and returns how many bets are stored.
    fn stored(mut self) -> usize {
        self.terminate();
        exported(&data(self.folder.path())).values().map(Vec::len).sum()
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

impl transcripts::Central for Served<'_> {
    fn connect(&mut self) -> TcpStream {
        TcpStream::connect(self.address()).unwrap()
    }

    fn restart(&mut self) {
        self.terminate();
        let data = data(self.folder.path());
        self.central = Some(Central::start(&data, "127.0.0.1:0", &self.options));
    }

    fn end(self) -> u64 {
        self.stored() as u64
    }
}

#[test]
fn every_conversation_is_held_by_the_program() {
    let conversations = transcripts::all();
    // In parallel, because starting and stopping the program is mostly waiting for the disk.
    thread::scope(|threads| {
        for some in conversations.chunks(conversations.len().div_ceil(5)) {
            threads.spawn(move || {
                for conversation in some {
                    conversation.play(Served::new(conversation), usize::MAX);
                }
            });
        }
    });
}

#[test]
fn a_pipelining_agency_that_dies_leaves_whole_batches_only() {
    let served = Served::with(vec!["--agencies", "1"]);
    let mut agency = Raw::connect(served.address());
    for chunk in 0..100 {
        agency.send(&bets(1, chunk, &[BET, BET]));
    }
    agency.send(&bets(1, 100, &[BET])[..30]);
    drop(agency);
    let mut next = Raw::connect(served.address());
    next.send(&bets(1, 100, &[&BET.replace("Lorca", "Paz")])).expect(&ack(100));
    for chunk in 0..100 {
        next.send(&bets(1, chunk, &[BET, BET])).expect(&ack(chunk));
    }
    drop(next);
    assert_eq!(served.stored(), 201);
}

#[test]
fn connections_of_one_agency_that_send_the_same_at_once_store_it_once() {
    let served = Served::with(vec!["--agencies", "1"]);
    let start = Barrier::new(4);
    thread::scope(|threads| {
        for of in 0..4 {
            let (start, address) = (&start, served.address());
            threads.spawn(move || {
                let mut agency = Raw::connect(address);
                if of % 2 == 0 {
                    agency.send(&hello(1, "")).payload(19);
                }
                let all: Vec<_> = (0..50).map(|chunk| bets(1, chunk, &[BET, BET])).collect();
                let acks: Vec<_> = (0..50).map(ack).collect();
                start.wait();
                agency.send(&all.concat());
                agency.expect(&acks.concat()).send(&finish(1)).expect(&finish(1));
            });
        }
    });
    assert_eq!(served.stored(), 100);
}

#[test]
fn agencies_that_hold_on_do_not_hold_up_the_end() {
    let mut served = Served::with(vec!["--agencies", "1", "--shutdown-time-max", "500ms"]);
    let mut agency = Raw::connect(served.address());
    let bet = format!("Ana|Paz|{}|2000-01-01|7574", "9".repeat(15));
    for chunk in 0..40 {
        agency.send(&bets(1, chunk, &vec![bet.as_str(); 93])).expect(&ack(chunk));
    }
    agency.send(&finish(1)).expect(&finish(1));
    // Requests far more than the system's buffers hold, and reads none of it.
    let mut deaf = Raw::connect(served.address());
    deaf.send(&get_winners(1).repeat(1_000));
    // Its first answers have arrived, so the requests were read.
    assert_eq!(deaf.0.peek(&mut [0]).unwrap(), 1);
    let mut silent = Raw::connect(served.address());
    silent.send(&hello(1, "")).payload(19);
    let ended = served.central.take().unwrap().process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let cut = "action: close_connections | result: fail | connections: ";
    assert!(ended.log.iter().any(|line| line.contains(cut)), "{:#?}", ended.log);
    silent.refused(20);
}
