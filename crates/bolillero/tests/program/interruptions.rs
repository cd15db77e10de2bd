//! Interrupted days: kills at the worst moments, agencies that come early, twice, or leave while
//! they wait, and agencies that know several addresses, of which one is dead.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;

use crate::support::raw::{Raw, finish, get_winners, hello};
use crate::support::{Bets, Central, Process, agency, exported, free_address, run_well, str};

const STORED: &str = "apuesta_recibida | result: success";
const DRAWN: &str = "action: sorteo | result: success";
/// Small batches, so that a day takes long enough to be interrupted.
const SLOWLY: &[&str] = &["--batch-max-bets", "4"];

fn serve(bets: &Bets, data: &Path, address: &str) -> Central {
    let more = ["--agencies", "5", "--winning-number", &bets.winning_number];
    Central::start(data, address, &more)
}

/// Checks that each agency printed exactly its winners.
fn check_winners(bets: &Bets, agencies: Vec<(u32, Process)>) {
    for (id, process) in agencies {
        bets.are_printed_by(id, &process.ended());
    }
}

/// Checks that every bet is in the ledger once and that the draw was made.
fn check_ledger(bets: &Bets, data: &Path) {
    bets.are_all_in(&exported(data));
    let check = run_well(&["check", "--data", str(data)]);
    assert!(check.starts_with("intact\n") && check.contains(": drawn, "), "{check}");
}

fn count(log: &[String], part: &str) -> usize {
    log.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn agencies_of_the_original_protocol_repeat_what_they_sent_and_it_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let (data, address) = (folder.path().join("data"), free_address());
    let start = |id| (id, agency(id, &address, bets.file(id), &["--legacy", SLOWLY[0], SLOWLY[1]]));
    let mut central = serve(&bets, &data, &address);
    let mut agencies: Vec<_> = (1..=5).map(start).collect();
    central.process.wait_for_many(STORED, 60);
    central.process.kill();

    let central = serve(&bets, &data, &address);
    agencies[1].1.wait_for("apuesta_enviada | result: success");
    agencies.remove(1).1.kill();
    agencies.push(start(2));
    check_winners(&bets, agencies);
    assert_eq!(count(&central.process.terminate().log, DRAWN), 1);
    check_ledger(&bets, &data);
}

#[test]
fn a_central_killed_as_the_last_agency_finishes_has_one_draw() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 500);
    for moment in ["agencies_finished: 4", "agencies_finished: 5", DRAWN] {
        let (data, address) = (folder.path().join(moment.replace(' ', "-")), free_address());
        let mut central = serve(&bets, &data, &address);
        let start = |id| (id, agency(id, &address, bets.file(id), &[]));
        let agencies: Vec<_> = (1..=5).map(start).collect();
        central.process.wait_for(moment);
        let mut log = central.process.kill();
        let central = serve(&bets, &data, &address);
        check_winners(&bets, agencies);
        log.extend(central.process.terminate().log);
        // If the central is killed between the draw and its log line, that line is never written.
        assert!(count(&log, DRAWN) <= 1, "{log:#?}");
        check_ledger(&bets, &data);
    }
}

#[test]
fn an_agency_killed_and_started_again_sends_only_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let data = folder.path().join("data");
    let central = serve(&bets, &data, "127.0.0.1:0");
    let start = |id| agency(id, &central.address, bets.file(id), SLOWLY);
    let mut killed = start(1);
    killed.wait_for_many("apuesta_enviada | result: success", 20);
    killed.kill();
    let again = start(1);
    let others: Vec<_> = (2..=5).map(|id| (id, start(id))).collect();
    let ended = again.ended();
    let summary = ended.log.iter().find(|line| line.contains("action: summary")).unwrap();
    let of = |name: &str| -> usize {
        let value = summary.split(&format!(" {name}: ")).nth(1).unwrap();
        value.split(' ').next().unwrap().parse().unwrap()
    };
    let (stored_before, batches) = (of("already_stored"), of("batches"));
    assert_eq!(of("bets"), bets.lines[&1].len());
    assert_eq!(batches, bets.lines[&1].len().div_ceil(4));
    assert!((20..batches).contains(&stored_before), "{summary}");
    let sent = count(&ended.log, "apuesta_enviada | result: success");
    assert_eq!(sent, batches - stored_before);
    check_winners(&bets, others);
    check_ledger(&bets, &data_of(central, data));
}

#[test]
fn an_agency_run_twice_at_once_bets_once() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 2_000);
    let data = folder.path().join("data");
    let central = serve(&bets, &data, "127.0.0.1:0");
    let twice = (1..=5).flat_map(|id| [(id, SLOWLY), (id, &["--batch-max-bets", "4", "--legacy"])]);
    let start =
        |(id, more): (u32, &[&str])| (id, agency(id, &central.address, bets.file(id), more));
    let agencies = twice.map(start).collect();
    check_winners(&bets, agencies);
    check_ledger(&bets, &data_of(central, data));
}

#[test]
fn agencies_that_come_before_their_central_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 500);
    let (data, address) = (folder.path().join("data"), free_address());
    let modes: [&[&str]; 5] = [&[], &["--legacy"], &[], &["--legacy"], &[]];
    let start = |(id, more): (u32, &&[&str])| (id, agency(id, &address, bets.file(id), more));
    let mut agencies: Vec<_> = (1..).zip(&modes).map(start).collect();
    for (_, process) in &mut agencies {
        let failed =
            format!("action: connect | result: fail | address: {address} | error: \"can't");
        process.wait_for(&failed);
    }
    let central = serve(&bets, &data, &address);
    check_winners(&bets, agencies);
    check_ledger(&bets, &data_of(central, data));
}

/// Another way to a central, as if through a second one that shares its log, until it is cut.
struct Proxy {
    address: String,
    /// `None` once it is cut.
    streams: Arc<Mutex<Option<Vec<TcpStream>>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    fn to(central: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let streams = Arc::new(Mutex::new(Some(Vec::new())));
        let (central, open) = (central.to_owned(), Arc::clone(&streams));
        let accepting = thread::spawn(move || {
            for agency in listener.incoming() {
                let agency = agency.unwrap();
                let Some(open) = &mut *open.lock().unwrap() else { return };
                let central = TcpStream::connect(&central).unwrap();
                for (from, to) in [(&agency, &central), (&central, &agency)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    open.push(from.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Self { address, streams, accepting }
    }

    /// Ends all connections; from now on they are refused. Returns the address.
    fn cut(self) -> String {
        let open = self.streams.lock().unwrap().take().unwrap();
        open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        // It stops accepting at the next connection.
        drop(TcpStream::connect(&self.address));
        self.accepting.join().unwrap();
        self.address
    }
}

/// Runs a day of agencies that know a `dead` address besides the central's; each that tries it
/// first must report `loss`, and all must get their winners.
fn check_day_beside(dead: &str, loss: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 500);
    let data = folder.path().join("data");
    let central = serve(&bets, &data, "127.0.0.1:0");
    let addresses = [dead, &central.address].join(",");
    let modes: [&[&str]; 5] = [&[], &["--legacy"], &[], &["--legacy"], &[]];
    let start = |(id, more): (u32, &&[&str])| (id, agency(id, &addresses, bets.file(id), more));
    let agencies: Vec<_> = (1..).zip(&modes).map(start).collect();
    let lost = format!("action: connect | result: fail | address: {dead} | error: {loss}");
    let ended = agencies.into_iter().map(|(id, process)| {
        let ended = process.ended();
        bets.are_printed_by(id, &ended);
        count(&ended.log, &lost)
    });
    let lost: Vec<_> = ended.collect();
    assert!(lost.iter().all(|lost| *lost <= 1) && lost.contains(&1), "{lost:?}");
    check_ledger(&bets, &data_of(central, data));
}

#[test]
fn a_central_that_refuses_connections_is_passed_over() {
    check_day_beside(&free_address(), "\"can't connect: nothing listens");
}

#[test]
fn a_central_that_answers_nothing_is_left_for_another() {
    // Connections are accepted by the system, and wait for the program forever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    check_day_beside(&silent.local_addr().unwrap().to_string(), "no reply from the central after");
}

#[test]
fn agencies_of_a_central_that_dies_in_mid_day_go_on_at_another() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let data = folder.path().join("data");
    let central = serve(&bets, &data, "127.0.0.1:0");
    let proxy = Proxy::to(&central.address);
    let addresses = [&*proxy.address, &central.address].join(",");
    let start = |id| {
        let legacy: &[&str] = if id % 2 == 0 { &["--legacy"] } else { &[] };
        (id, agency(id, &addresses, bets.file(id), &[SLOWLY, legacy].concat()))
    };
    let mut agencies: Vec<_> = (1..=4).map(start).collect();
    let mut through_proxy = Vec::new();
    for (id, process) in &mut agencies {
        let connected = process.wait_for("action: connect | result: success");
        process.wait_for_many("apuesta_enviada | result: success", 5);
        if connected.contains(&proxy.address) {
            through_proxy.push(*id);
        }
    }
    let dead = proxy.cut();
    agencies.push(start(5));
    let lost = format!("connect | result: fail | address: {dead} | ");
    let moved = format!("connect | result: success | address: {}", central.address);
    assert!(!through_proxy.is_empty());
    for (id, process) in agencies {
        let ended = process.ended();
        bets.are_printed_by(id, &ended);
        let expected = usize::from(through_proxy.contains(&id));
        assert!(count(&ended.log, &lost) >= expected, "agency {id}: {:#?}", ended.log);
        assert_eq!(count(&ended.log, &moved), 1, "agency {id}: {:#?}", ended.log);
    }
    check_ledger(&bets, &data_of(central, data));
}

#[test]
fn an_agency_asked_to_end_while_it_waits_for_the_draw_says_so_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 200);
    let data = folder.path().join("data");
    let mut central = serve(&bets, &data, "127.0.0.1:0");
    for (id, more) in [(1, &[][..]), (2, &["--legacy"][..])] {
        let waiting = agency(id, &central.address, bets.file(id), more);
        central.process.wait_for(&format!("agencies_finished: {id}"));
        let ended = waiting.terminate();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{:#?}", ended.log);
        let message = ended.log.last().unwrap();
        assert!(message.contains("stopped before the winners arrived"), "{message}");
    }
    let agencies = (1..=5).map(|id| (id, agency(id, &central.address, bets.file(id), &[])));
    let agencies = agencies.collect();
    check_winners(&bets, agencies);
    check_ledger(&bets, &data_of(central, data));
}

#[test]
fn a_second_signal_ends_a_central_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (second, name) in [(Signal::TERM, "term"), (Signal::INT, "int")] {
        let data = folder.path().join(name);
        let mut central = Central::start(&data, "127.0.0.1:0", &["--agencies", "2"]);
        // An agency that was told NO_WINNERS stays connected: the central waits for it.
        let mut stays = Raw::connect(&central.address);
        stays.send(&hello(1, "")).payload(19);
        // Sent in one piece: when the first is answered, the second was read too.
        stays.send(&[finish(1), get_winners(1)].concat()).expect(&finish(1));
        central.process.signal(Signal::TERM);
        central.process.wait_for("action: shutdown | result: in_progress");
        central.process.signal(second);
        let ended = central.process.ended();
        assert_eq!(ended.code, Some(1), "{:#?}", ended.log);
        assert_eq!(count(&ended.log, "action: shutdown | result: success"), 0);
        drop(stays);
        run_well(&["check", "--data", str(&data)]);
    }
}

/// Stops a central, checks that it ends well, and returns its data folder.
fn data_of<T: AsRef<Path>>(central: Central, data: T) -> T {
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert_eq!(count(&ended.log, DRAWN), 1);
    data
}
