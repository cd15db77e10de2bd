//! What a standby does when the central, or whoever answers in its place, sends something else than
//! it should: nothing of it is stored, and the standby goes on or says why it does not.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use engine::conformance::{TestClock, wait};
use engine::{
    Chain, Engine, Entry, Gone, LedgerId, Link, Log, MemoryLog, News, Reader, Record, Recovered,
    StreamStart, StreamWriter,
};
use lottery::{
    Agencies, AgencyId, Batch, Bets, ChunkId, DrawId, DrawName, DrawTerms, Event, NumberRange,
    SealedNumber, Timestamp,
};
use operators::{People, Secret};
use standby::limits::DOCUMENT_LEN_MAX;
use standby::{FollowError, Follower, Place, Source, State};
use tokio_util::sync::CancellationToken;

const ID: LedgerId = LedgerId([7; 16]);

/// Where a copy is kept: in memory.
#[derive(Default)]
struct Kept {
    log: Mutex<Option<MemoryLog>>,
    operators: Mutex<Option<People>>,
    /// How many commits find no room.
    full: Arc<AtomicUsize>,
}

/// A log that has no room for its next commits.
struct FullLog {
    log: MemoryLog,
    full: Arc<AtomicUsize>,
}

impl Place for Kept {
    fn open(&self, id: LedgerId) -> Result<Box<dyn Log>, String> {
        let log = MemoryLog::new(id);
        *self.log.lock().unwrap() = Some(log.clone());
        Ok(Box::new(FullLog { log, full: Arc::clone(&self.full) }))
    }

    fn keep(&self, operators: People) -> Result<(), String> {
        *self.operators.lock().unwrap() = Some(operators);
        Ok(())
    }
}

impl Log for FullLog {
    fn recover(&mut self) -> Result<Recovered, Gone> {
        self.log.recover()
    }

    fn begin(&mut self, news: &mut dyn FnMut(&Event, Timestamp)) -> Result<News, Gone> {
        self.log.begin(news)
    }

    fn room_for(&self, first: usize) -> usize {
        self.log.room_for(first)
    }

    fn commit(&mut self, group: &[Entry]) -> Result<(), Gone> {
        let less = |full: usize| full.checked_sub(1);
        match self.full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Err(Gone::Full("the disk is full".to_owned())),
            Err(_) => self.log.commit(group),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.log.reader()
    }
}

/// A ledger with some events.
fn ledger(id: LedgerId) -> Engine {
    let clock = Arc::new(TestClock::at(Timestamp(1_700_000_000_000)));
    let engine = Engine::start(Box::new(MemoryLog::new(id)), clock).unwrap();
    let terms = DrawTerms {
        name: DrawName::new("sorteo").unwrap(),
        agencies: Agencies::first(2).unwrap(),
        numbers: NumberRange::default(),
    };
    let draw = wait(|done| engine.open_draw(terms, SealedNumber(7), done)).unwrap();
    for chunk in 0..20 {
        let bets = Bets::parse("Ana|Paz|1|2000-01-01|7", NumberRange::default()).unwrap();
        let batch = Batch { draw, agency: AgencyId(1), chunk: ChunkId(chunk), bets };
        wait(|done| engine.append(batch, done)).unwrap();
    }
    for agency in [1, 2] {
        wait(|done| engine.finish(draw, AgencyId(agency), done)).unwrap();
    }
    engine
}

/// Returns the records from a number on, as a stream.
fn stream(engine: &Engine, from: u64) -> Vec<u8> {
    let mut chain = Chain::first(engine.id());
    if let Some(last) = from.checked_sub(1) {
        let read = engine.records(last, &mut |record| {
            chain = record.chain;
            ControlFlow::Break(())
        });
        read.unwrap();
    }
    let start = StreamStart { id: engine.id(), sequence: from, chain };
    let mut writer = StreamWriter::start(Vec::new(), start).unwrap();
    let read = engine.records(from, &mut |record| {
        writer.add(&record).unwrap();
        ControlFlow::Continue(())
    });
    read.unwrap();
    writer.finish().unwrap()
}

/// The number of records of [`ledger`]: a draw, its batches, two agencies that finish, and what
/// follows.
const RECORDS: u64 = 1 + 20 + 2 + 3;

fn answer(body: &[u8]) -> Vec<u8> {
    answer_of(body, body.len())
}

/// Returns an answer whose head says that it has a body of `len` bytes.
fn answer_of(body: &[u8], len: usize) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nBolillero-Records: {RECORDS}\r\nContent-Length: {len}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Answers questions for records, and for operators, with these bytes, each once; then as a central
/// does.
struct Server {
    address: String,
}

impl Server {
    fn start(records: Vec<Vec<u8>>, operators: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let engine = Arc::new(ledger(ID));
        let answers = Arc::new(Mutex::new((records.into_iter(), operators.into_iter())));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (engine, answers) = (Arc::clone(&engine), Arc::clone(&answers));
                thread::spawn(move || {
                    let mut connection = connection.unwrap();
                    let path = path_of(&mut connection);
                    let is_records = path.contains("/records");
                    let scripted = {
                        let mut answers = answers.lock().unwrap();
                        if is_records { answers.0.next() } else { answers.1.next() }
                    };
                    let bytes = scripted.unwrap_or_else(|| match path.split("from=").nth(1) {
                        Some(from) => {
                            let from = from.split('&').next().unwrap().parse().unwrap();
                            answer(&stream(&engine, from))
                        }
                        None => answer(People::default().document().as_bytes()),
                    });
                    // Who is asked may have left.
                    let _ = connection.write_all(&bytes);
                    let _ = connection.shutdown(Shutdown::Write);
                    let _ = connection.read_to_end(&mut Vec::new());
                });
            }
        });
        Self { address }
    }

    /// Follows it until the copy has caught up and the operators are kept, or it ends.
    async fn followed(&self) -> (Arc<Kept>, Vec<State>, Result<(), FollowError>) {
        self.followed_to(Kept::default()).await
    }

    async fn followed_to(&self, kept: Kept) -> (Arc<Kept>, Vec<State>, Result<(), FollowError>) {
        let (address, token) = (self.address.parse().unwrap(), Secret::from_random([1; 32]));
        let (source, kept) = (Source { address, tls: None, token }, Arc::new(kept));
        let (sender, told): (Sender<State>, Receiver<State>) = channel();
        let shutdown = CancellationToken::new();
        let ending = shutdown.clone();
        let missing = Mutex::new((true, true));
        let tell = move |state: State| {
            let mut missing = missing.lock().unwrap();
            missing.0 &= !matches!(state, State::CaughtUp { .. });
            missing.1 &= !matches!(state, State::Operators { .. });
            sender.send(state).unwrap();
            if *missing == (false, false) {
                ending.cancel();
            }
        };
        let follower = Follower::new(source, Arc::clone(&kept) as Arc<dyn Place>, None, tell);
        let followed = follower.unwrap().follow(&shutdown).await;
        (kept, told.try_iter().collect(), followed)
    }
}

fn path_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let token = "0101010101010101010101010101010101010101010101010101010101010101";
    assert!(head.to_lowercase().contains(&format!("authorization: bearer {token}")), "{head}");
    head.split(' ').nth(1).unwrap().to_owned()
}

fn end_of(engine: &Engine) -> Vec<u8> {
    stream(engine, RECORDS)
}

/// Checks that the copy is the ledger.
fn check_copy(kept: &Kept) {
    let log = kept.log.lock().unwrap().clone().unwrap();
    let copy = Engine::start(Box::new(log), Arc::new(TestClock::default())).unwrap();
    assert_eq!(copy.view().events(), RECORDS);
    assert!(end_of(&copy) == end_of(&ledger(ID)));
    assert_eq!(*kept.operators.lock().unwrap(), Some(People::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_of_what_is_no_part_of_the_ledger_and_the_standby_asks_again() {
    let whole = stream(&ledger(ID), 0);
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let head = "HTTP/1.1 200 OK\r\n";
    let mut answers = vec![
        Vec::new(),
        b"\0\0\0\0".repeat(100_000),
        format!("{head}{}", "x: y\r\n".repeat(100_000)).into_bytes(),
        format!("{head}\r\n").into_bytes(),
        format!("{head}Bolillero-Records: -1\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_vec(),
        answer(b""),
        answer(&vec![b'x'; 10 << 20]),
        answer(&flipped),
        answer(&stream(&ledger(ID), 3)),
    ];
    for len in [1, 79, 80, 200, whole.len() / 2, whole.len() - 65] {
        // Cut off, or as if it were all.
        answers.push(answer_of(&whole[..len], whole.len()));
        answers.push(answer(&whole[..len]));
    }
    let followed = answers.into_iter().map(|wrong| async move {
        let shown = String::from_utf8_lossy(&wrong[..wrong.len().min(200)]).into_owned();
        let (kept, told, ended) = Server::start(vec![wrong], Vec::new()).followed().await;
        assert_eq!(ended, Ok(()), "{shown}");
        let lost = told.iter().filter(|it| matches!(it, State::RecordsLost(_))).count();
        assert_eq!(lost, 1, "{shown}: {told:?}");
        check_copy(&kept);
    });
    let followed: Vec<_> = followed.map(tokio::spawn).collect();
    for done in followed {
        done.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_the_standby_says_so_and_goes_on_once_there_is() {
    let server = Server::start(Vec::new(), Vec::new());
    // The one that opens the copy, and that of its first records.
    let kept = Kept { full: Arc::new(2.into()), ..Kept::default() };
    let (kept, told, ended) = server.followed_to(kept).await;
    assert_eq!(ended, Ok(()));
    let lost = told.iter().filter_map(|it| match it {
        State::RecordsLost(error) => Some(error.as_str()),
        _ => None,
    });
    // A reason is told once.
    let lost: Vec<_> = lost.collect();
    assert_eq!(lost, ["the target: the log has no room: the disk is full"], "{told:?}");
    check_copy(&kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_the_rules_forbid_is_refused_though_its_chain_is_right() {
    let event = Event::AgencyFinished { draw: DrawId(1), agency: AgencyId(1) };
    let at = Timestamp(1_700_000_000_000);
    let link = Link { sequence: 0, at, kind: 3, left: 0 };
    let body = engine::Body::of(&event, "");
    let first = Chain::first(ID);
    let chain = first.then(&link, body.head(), &body.tail_digest());
    let record = Record { sequence: 0, at, left: 0, event: &event, text: "", chain };
    let start = StreamStart { id: ID, sequence: 0, chain: first };
    let mut writer = StreamWriter::start(Vec::new(), start).unwrap();
    writer.add(&record).unwrap();
    let forged = answer(&writer.finish().unwrap());
    let (kept, _, ended) = Server::start(vec![forged], Vec::new()).followed().await;
    assert!(matches!(ended, Err(FollowError::Forged { .. })), "{ended:?}");
    let mut log = kept.log.lock().unwrap().clone().unwrap();
    assert_eq!(log.recover().unwrap().tip.sequence, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_central_that_has_another_history_or_token_ends_the_following_with_what_to_do() {
    let problem = r#"{"detail": "not this one", "remedy": "do that"}"#;
    for status in ["401 Unauthorized", "403 Forbidden", "409 Conflict"] {
        let len = problem.len();
        let refused = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{problem}");
        let server = Server::start(vec![refused.into_bytes()], Vec::new());
        let (kept, _, ended) = server.followed().await;
        let Err(FollowError::Refused { said, .. }) = ended else { panic!("{status}: {ended:?}") };
        assert_eq!(said, "not this one");
        assert!(kept.log.lock().unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_that_are_none_are_not_kept() {
    let document = People::default().document();
    let wrong = [
        answer(b"{}"),
        answer(b"\xff"),
        answer(&[document.as_bytes(), &vec![b' '; DOCUMENT_LEN_MAX]].concat()),
        answer_of(document.as_bytes(), 10_000),
        Vec::new(),
    ];
    for wrong in wrong {
        let (kept, told, ended) = Server::start(Vec::new(), vec![wrong]).followed().await;
        assert_eq!(ended, Ok(()));
        let lost = told.iter().filter(|it| matches!(it, State::OperatorsLost(_))).count();
        assert_eq!(lost, 1, "{told:?}");
        check_copy(&kept);
    }
}
