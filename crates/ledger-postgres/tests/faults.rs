//! Faults of real servers, below several engines that store bets: whatever happens, each batch that
//! was acknowledged is stored, once, and the engines go on by themselves.
//!
//! A round has a primary, two standbys of which one must have each commit, and three engines. Its
//! fault happens after some batches are acknowledged, and the round ends when each engine has
//! acknowledged more. `BOLILLERO_SEED=7` repeats a round; `BOLILLERO_ROUNDS=50` makes that many.
//! Left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger_postgres::{
    Archive, Node, Options, PostgresLog, Shown, Status, StoreError, Target, Watch, Watcher, schema,
};
use lottery::{
    Agencies, AgencyId, AppendError, Appended, Batch, Bets, ChunkId, DrawId, DrawName, DrawTerms,
    NumberRange, SealedNumber,
};
use test_postgres::{Cluster, Proxy};

const ENGINES: usize = 3;
/// Batches that an engine sends without waiting.
const WINDOW: usize = 8;
/// Batches that each engine acknowledges before the fault, and again after it.
const ENOUGH: u64 = 40;
/// Longest wait for an engine to go on.
const PATIENCE: Duration = Duration::from_secs(120);
const ROUNDS: u64 = 3;

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The primary's machine loses its power, and a standby is promoted.
    PrimaryKilled,
    /// The primary stops answering, a standby is promoted, and the old primary comes back.
    PrimaryStopped,
    /// The primary's processes end and it is started again.
    PrimaryRestarted,
    /// Both standbys end, so that nothing is durable; then they come back.
    StandbysKilled,
    /// Sessions that wait for a standby, which is away, are ended: their rows become readable. Then the
    /// primary is lost, and the rows with it.
    SessionsTerminated,
    /// The same, cancelled: the server answers with success and a warning.
    SessionsCancelled,
    /// All connections to the primary are cut, again and again.
    NetworkCut,
    /// The network to the primary swallows everything for longer than any deadline.
    NetworkSwallows,
}

const FAULTS: [Fault; 8] = [
    Fault::PrimaryKilled,
    Fault::SessionsCancelled,
    Fault::NetworkCut,
    Fault::PrimaryStopped,
    Fault::SessionsTerminated,
    Fault::NetworkSwallows,
    Fault::StandbysKilled,
    Fault::PrimaryRestarted,
];

/// Batches that are not acknowledged yet, in order.
type Waiting = Vec<(ChunkId, mpsc::Receiver<Result<Appended, AppendError>>)>;

/// Three engines over one store, each with a thread that sends batches.
struct Senders {
    draw: DrawId,
    engines: Vec<Option<Arc<Engine>>>,
    watches: Vec<Option<Watch>>,
    threads: Vec<thread::JoinHandle<()>>,
    ends: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<(u32, u32)>>>,
    counts: Arc<[AtomicU64; ENGINES]>,
}

/// Watches for nobody, while the watch shows the others that its central lives.
struct Alone;

impl Watcher for Alone {
    fn wake(&self) {}

    fn shown(&self) -> Shown {
        Shown { connections: 0, presence: "[]".to_owned() }
    }

    fn see(&self, _: Result<Vec<Node>, String>) {}
}

fn target(url: &str) -> Target {
    url.parse().unwrap()
}

impl Senders {
    fn start(url: &str) -> Self {
        let clock = Arc::new(TestClock::default());
        let mut senders = Self {
            draw: DrawId(1),
            engines: Vec::new(),
            watches: Vec::new(),
            threads: Vec::new(),
            ends: Arc::default(),
            acknowledged: Arc::default(),
            counts: Arc::default(),
        };
        for number in 0..ENGINES {
            let status = Status::new(|_, _| {});
            let name = format!("central-{number}");
            let options = Options { name, require_standby: true, clock: None, status };
            let log = PostgresLog::open(&target(url), options).unwrap();
            let watched = log.watched();
            let engine = Arc::new(Engine::start(Box::new(log), clock.clone()).unwrap());
            senders.engines.push(Some(engine));
            senders.watches.push(Some(Watch::start(watched, Arc::new(Alone)).unwrap()));
        }
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(3).unwrap(),
            numbers: NumberRange::default(),
        };
        let engine = senders.engines[0].clone().unwrap();
        senders.draw = wait(|done| engine.open_draw(terms, SealedNumber(7574), done)).unwrap();
        for number in 0..ENGINES {
            senders.send(number);
        }
        senders
    }

    fn send(&mut self, number: usize) {
        let engine = self.engines[number].clone().unwrap();
        let (ends, draw) = (Arc::clone(&self.ends), self.draw);
        let (acknowledged, counts) = (Arc::clone(&self.acknowledged), Arc::clone(&self.counts));
        let agency = AgencyId(u32::try_from(number).unwrap() + 1);
        self.threads.push(thread::spawn(move || {
            let mut waiting: Waiting = Vec::new();
            for chunk in (0..).map(ChunkId) {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let batch = Batch { draw, agency, chunk, bets: bets(agency, chunk) };
                let (answer, answered) = mpsc::channel();
                // The receiver is gone only when the test has failed.
                engine.append(batch, move |outcome| drop(answer.send(outcome)));
                waiting.push((chunk, answered));
                if waiting.len() >= WINDOW {
                    acknowledge(&mut waiting, agency, &acknowledged, &counts[number]);
                }
            }
            while !waiting.is_empty() {
                acknowledge(&mut waiting, agency, &acknowledged, &counts[number]);
            }
        }));
    }

    /// Waits until each engine has acknowledged `more` batches from now on.
    fn go_on(&self, more: u64, after: &str) {
        let before: Vec<_> = self.counts.iter().map(|it| it.load(Ordering::Relaxed)).collect();
        let start = now();
        for (number, count) in self.counts.iter().enumerate() {
            while count.load(Ordering::Relaxed) < before[number] + more {
                assert!(start.elapsed() < PATIENCE, "engine {number} does not go on {after}");
                pause(Duration::from_millis(5));
            }
        }
    }

    /// Checks that each engine's reader has what that engine has acknowledged.
    fn read_all(&self, when: &str) {
        for (engine, agency) in self.engines.iter().flatten().zip(1..) {
            let acknowledged = self.acknowledged.lock().unwrap().clone();
            let own = acknowledged.into_iter().filter(|(of, _)| *of == agency);
            let mut missing: BTreeSet<_> = own.map(|(_, chunk)| chunk).collect();
            let read = engine.scan(self.draw, &mut |batch| {
                if batch.agency.0 == agency {
                    missing.remove(&batch.chunk.0);
                }
                ControlFlow::Continue(())
            });
            assert_eq!(read, Ok(()), "engine {agency} {when}");
            assert!(missing.is_empty(), "engine {agency} {when} does not read {missing:?}");
        }
    }

    /// Ends the sending; returns what was acknowledged.
    fn end(mut self) -> (DrawId, BTreeSet<(u32, u32)>) {
        self.ends.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        self.watches.clear();
        self.engines.clear();
        (self.draw, self.acknowledged.lock().unwrap().clone())
    }
}

fn acknowledge(
    waiting: &mut Waiting,
    agency: AgencyId,
    acknowledged: &Mutex<BTreeSet<(u32, u32)>>,
    count: &AtomicU64,
) {
    let (chunk, answer) = waiting.remove(0);
    let answer = answer.recv_timeout(PATIENCE).expect("an answer, however late");
    assert!(matches!(answer, Ok(Appended::New)), "agency {agency}, chunk {}: {answer:?}", chunk.0);
    acknowledged.lock().unwrap().insert((agency.0, chunk.0));
    count.fetch_add(1, Ordering::Relaxed);
}

fn bets(agency: AgencyId, chunk: ChunkId) -> Bets {
    let number = chunk.0 % 10_000;
    let text = format!("Ana|Paz|{}-{}|2000-01-01|{number}", agency.0, chunk.0);
    Bets::parse(&text, NumberRange::default()).unwrap()
}

/// A cluster whose servers are reached through proxies.
struct Setting {
    cluster: Cluster,
    proxies: Vec<Proxy>,
    database: String,
    primary: usize,
}

impl Setting {
    fn start() -> Self {
        let mut cluster = Cluster::with(&["synchronous_standby_names=ANY 1 (a, b, primary)"]);
        cluster.add_standby("a", 0);
        cluster.add_standby("b", 0);
        let proxies = (0..3).map(|number| Proxy::to(cluster.server(number).port())).collect();
        let database = cluster.create_database(None);
        schema::init(&target(&cluster.url(&database)), LedgerId([7; 16])).unwrap();
        Self { cluster, proxies, database, primary: 0 }
    }

    fn url(&self) -> String {
        let hosts = self.proxies.iter().map(|proxy| format!("127.0.0.1:{}", proxy.port()));
        let hosts: Vec<_> = hosts.collect();
        format!("postgres://postgres@{}/{}", hosts.join(","), self.database)
    }

    fn standbys(&self) -> [usize; 2] {
        let all: Vec<_> = (0..3).filter(|number| *number != self.primary).collect();
        [all[0], all[1]]
    }

    /// Promotes the standby that has the most, as an administrator or Patroni does, and has the
    /// other one follow it.
    fn promote(&mut self) {
        let [first, second] = self.standbys();
        let has = |number: usize| -> u64 {
            let standby = self.cluster.server(number);
            standby.until("postgres", ALL_IS_REPLAYED);
            standby.sql("postgres", "SELECT pg_last_wal_replay_lsn() - '0/0'").parse().unwrap()
        };
        let (next, other) =
            if has(first) >= has(second) { (first, second) } else { (second, first) };
        self.cluster.server(next).promote();
        self.primary = next;
        self.cluster.server_mut(other).kill();
        self.cluster.rebuild(other, next);
    }

    fn happen(&mut self, fault: Fault, senders: &Senders) {
        let old = self.primary;
        match fault {
            Fault::PrimaryKilled => {
                self.cluster.server_mut(old).kill();
                self.promote();
                self.cluster.rebuild(old, self.primary);
            }
            Fault::PrimaryStopped => {
                self.cluster.server(old).pause();
                self.promote();
                senders.go_on(ENOUGH, "while the old primary is stopped");
                self.cluster.server(old).resume();
                senders.go_on(ENOUGH, "beside an old primary that came back");
                senders.read_all("beside an old primary that came back");
                self.cluster.server_mut(old).kill();
                self.cluster.rebuild(old, self.primary);
            }
            Fault::PrimaryRestarted => {
                self.cluster.server_mut(old).kill();
                self.cluster.server_mut(old).start();
            }
            Fault::StandbysKilled => {
                self.without_standbys(|_| {});
            }
            Fault::SessionsTerminated => self.lost_after("pg_terminate_backend"),
            Fault::SessionsCancelled => self.lost_after("pg_cancel_backend"),
            Fault::NetworkCut => {
                for _ in 0..5 {
                    self.proxies[old].cut();
                    senders.go_on(5, "after its connections were cut");
                }
            }
            Fault::NetworkSwallows => {
                self.proxies[old].swallow();
                // Longer than the deadline of a statement.
                pause(Duration::from_secs(6));
                self.proxies[old].heal();
            }
        }
    }

    /// Has sessions wait for a standby, does something to them, and brings the standbys back.
    fn without_standbys(&mut self, then: impl FnOnce(&mut test_postgres::Server)) {
        let standbys = self.standbys();
        standbys.iter().for_each(|number| self.cluster.server_mut(*number).kill());
        self.cluster.server(self.primary).until("postgres", SOMEBODY_WAITS);
        then(self.cluster.server_mut(self.primary));
        standbys.iter().for_each(|number| self.cluster.server_mut(*number).start());
    }

    /// Ends what waits for a standby, and then loses the primary: what only it had is gone.
    fn lost_after(&mut self, function: &str) {
        let old = self.primary;
        self.without_standbys(|primary| {
            // Each engine learns of it, and waits for a standby with a write of its own.
            for _ in 0..4 * ENGINES {
                primary.sql("postgres", &each_waiting(function));
                primary.until("postgres", SOMEBODY_WAITS);
            }
            primary.kill();
        });
        self.promote();
        self.cluster.rebuild(old, self.primary);
    }
}

/// Whether a standby that lost its primary has replayed all that it has. What it says to have received
/// does not count what was there before it was restarted.
const ALL_IS_REPLAYED: &str = "SELECT wait_event IN ('RecoveryWalStream', \
     'RecoveryRetrieveRetryInterval') FROM pg_stat_activity WHERE backend_type = 'startup'";

const SOMEBODY_WAITS: &str =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

fn each_waiting(function: &str) -> String {
    format!("SELECT {function}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
}

/// Checks that each acknowledged batch is stored, once: the rules, which the archive verifies, let
/// no batch be stored twice.
fn check(setting: &Setting, senders: Senders, what: &str) -> usize {
    let (draw, acknowledged) = senders.end();
    let archive = Archive::open(&target(&setting.url())).unwrap();
    let mut stored = BTreeMap::new();
    let read = archive.read(|_, batch| {
        if let Some(batch) = batch.filter(|batch| batch.draw == draw) {
            stored.insert((batch.agency.0, batch.chunk.0), batch.text.to_owned());
        }
        Ok::<_, StoreError>(())
    });
    let summary = read.unwrap();
    for (agency, chunk) in &acknowledged {
        let expected = bets(AgencyId(*agency), ChunkId(*chunk));
        let found = stored.get(&(*agency, *chunk)).map(String::as_str);
        assert_eq!(found, Some(expected.text()), "{what}: agency {agency}, chunk {chunk}");
    }
    let counted = summary.draws.iter().find(|it| it.id == draw).unwrap().batches;
    assert_eq!(counted, stored.len() as u64, "{what}");
    acknowledged.len()
}

#[test]
#[expect(clippy::print_stdout, reason = "a record of the rounds")]
fn whatever_happens_each_acknowledged_batch_is_stored_once() {
    if !test_postgres::is_installed() {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().unwrap());
    let rounds = match number("BOLILLERO_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BOLILLERO_ROUNDS").unwrap_or(ROUNDS),
    };
    for round in rounds {
        let fault = FAULTS[usize::try_from(round).unwrap() % FAULTS.len()];
        let what = format!("round {round}, {fault:?}");
        let start = now();
        let mut setting = Setting::start();
        let senders = Senders::start(&setting.url());
        senders.go_on(ENOUGH, "before any fault");
        senders.read_all("before any fault");
        setting.happen(fault, &senders);
        senders.go_on(ENOUGH, &format!("after {what}"));
        senders.read_all(&format!("after {what}"));
        let acknowledged = check(&setting, senders, &what);
        println!("{what}: {acknowledged} batches, {:.1} s", start.elapsed().as_secs_f64());
    }
}

#[expect(clippy::disallowed_methods, reason = "how long an engine takes to go on is bounded")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "an engine is looked at now and then; silence lasts")]
fn pause(time: Duration) {
    thread::sleep(time);
}
