//! Faults of real servers, below several engines that store bets: whatever happens, each batch that
//! was acknowledged is stored, once, and the engines go on by themselves.
//!
//! A round has a primary, two standbys of which one must have each commit, and three engines. Its
//! fault happens after some batches are acknowledged, and the round ends when each engine has
//! acknowledged more. `BOLILLERO_SEED=7` repeats a round; `BOLILLERO_ROUNDS=50` makes that many.
//! Left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger_postgres::{Archive, Options, PostgresLog, StoreError, Target, Watch, schema};
use lottery::{
    Agencies, AgencyId, AppendError, Appended, Batch, Bets, ChunkId, DrawId, DrawName, DrawTerms,
    NumberRange, SealedNumber, StoreFault,
};
use test_postgres::{Cluster, Disk, Proxy};

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
    /// The primary's tables have no room: batches are refused.
    DataFull,
    /// The primary's write-ahead log has no room: the server ends.
    WalFull,
    /// All servers lose their power.
    AllKilled,
}

/// The first, made in every run, find the most of the planted bugs.
const FAULTS: [Fault; 11] = [
    Fault::SessionsCancelled,
    Fault::PrimaryStopped,
    Fault::NetworkCut,
    Fault::PrimaryKilled,
    Fault::SessionsTerminated,
    Fault::WalFull,
    Fault::DataFull,
    Fault::NetworkSwallows,
    Fault::AllKilled,
    Fault::StandbysKilled,
    Fault::PrimaryRestarted,
];

impl Fault {
    /// The folder of the primary that has a disk of its own.
    fn on_disk(self) -> Option<&'static str> {
        match self {
            Self::DataFull => Some("base"),
            Self::WalFull => Some("pg_wal"),
            _ => None,
        }
    }
}

/// The answer to a batch that an engine has.
type Answer = mpsc::Receiver<Result<Appended, AppendError>>;

/// Three engines over one store, each with a thread that sends batches.
struct Senders {
    draw: DrawId,
    engines: Vec<Option<Arc<Engine>>>,
    watches: Vec<Option<Watch>>,
    threads: Vec<thread::JoinHandle<()>>,
    ends: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<(u32, u32)>>>,
    counts: Arc<[AtomicU64; ENGINES]>,
    /// How often each engine has refused a batch for want of room.
    refusals: Arc<[AtomicU64; ENGINES]>,
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
            refusals: Arc::default(),
        };
        for number in 0..ENGINES {
            let name = format!("central-{number}");
            let options = Options { require_standby: true, ..Options::new(&name) };
            let log = PostgresLog::open(&target(url), options).unwrap();
            let watched = log.watched();
            let engine = Arc::new(Engine::start(Box::new(log), clock.clone()).unwrap());
            senders.engines.push(Some(engine));
            senders.watches.push(Some(Watch::start(watched, Arc::new(())).unwrap()));
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
        let refusals = Arc::clone(&self.refusals);
        let agency = AgencyId(u32::try_from(number).unwrap() + 1);
        self.threads.push(thread::spawn(move || {
            let mut waiting = VecDeque::new();
            let mut next = (0..).map(ChunkId);
            loop {
                while waiting.len() < WINDOW && !ends.load(Ordering::Relaxed) {
                    let chunk = next.next().unwrap();
                    waiting.push_back((chunk, append(&engine, draw, agency, chunk)));
                }
                let Some((chunk, answer)) = waiting.pop_front() else { break };
                match answer.recv_timeout(PATIENCE).expect("an answer, however late") {
                    Ok(Appended::New) => {
                        acknowledged.lock().unwrap().insert((agency.0, chunk.0));
                        counts[number].fetch_add(1, Ordering::Relaxed);
                    }
                    Err(AppendError::Store(StoreFault::Full(_))) => {
                        refusals[number].fetch_add(1, Ordering::Relaxed);
                        waiting.push_back((chunk, append(&engine, draw, agency, chunk)));
                    }
                    other => panic!("agency {agency}, chunk {}: {other:?}", chunk.0),
                }
            }
        }));
    }

    /// Waits until each engine has acknowledged `more` batches from now on.
    fn go_on(&self, more: u64, after: &str) {
        self.count_up(&self.counts, more, after);
    }

    /// Waits until each engine refuses batches for want of room, and checks that it does the rest.
    fn lack_room(&self) {
        self.count_up(&self.refusals, 1, "to lack room");
        self.read_all("without room");
        for (engine, agency) in self.engines.iter().flatten().zip(1..) {
            let repeated = append(engine, self.draw, AgencyId(agency), ChunkId(0));
            assert_eq!(repeated.recv_timeout(PATIENCE).unwrap(), Ok(Appended::Repeated));
        }
    }

    /// Waits until each count is `more` than now.
    fn count_up(&self, counts: &[AtomicU64; ENGINES], more: u64, after: &str) {
        let before = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let start = now();
        for (number, count) in counts.iter().enumerate() {
            while count.load(Ordering::Relaxed) < before[number] + more {
                let has_failed = self.threads.iter().any(thread::JoinHandle::is_finished);
                assert!(!has_failed, "an engine's answer is not as expected {after}");
                assert!(start.elapsed() < PATIENCE, "engine {number} does not go on {after}");
                pause(Duration::from_millis(5));
            }
        }
    }

    fn is_refused(&self) -> bool {
        self.refusals.iter().any(|count| count.load(Ordering::Relaxed) > 0)
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

fn append(engine: &Engine, draw: DrawId, agency: AgencyId, chunk: ChunkId) -> Answer {
    let batch = Batch { draw, agency, chunk, bets: bets(agency, chunk) };
    let (answer, answered) = mpsc::channel();
    // The receiver is gone only when the test has failed.
    engine.append(batch, move |outcome| drop(answer.send(outcome)));
    answered
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
    disk: Option<Disk>,
}

impl Setting {
    /// Starts servers; a folder of the primary may have a disk of its own.
    fn start(on_disk: Option<&str>) -> Self {
        let mut cluster = Cluster::with(&["synchronous_standby_names=ANY 1 (a, b, primary)"]);
        cluster.add_standby("a", 0);
        cluster.add_standby("b", 0);
        let proxies = (0..3).map(|number| Proxy::to(cluster.server(number).port())).collect();
        let database = cluster.create_database(None);
        schema::init(&target(&cluster.url(&database)), LedgerId([7; 16])).unwrap();
        let disk = on_disk.map(|folder| {
            let primary = cluster.server_mut(0);
            primary.kill();
            let disk = primary.move_to_disk(folder);
            primary.start();
            disk
        });
        Self { cluster, proxies, database, primary: 0, disk }
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
            Fault::DataFull => {
                let disk = self.disk.as_ref().unwrap();
                disk.fill();
                senders.lack_room();
                disk.make_room();
            }
            Fault::WalFull => {
                let (disk, primary) = (self.disk.as_ref().unwrap(), self.cluster.server_mut(old));
                disk.fill();
                while primary.runs() {
                    // It goes on while it has files that it made before.
                    drop(primary.try_sql("postgres", "SELECT pg_switch_wal()"));
                }
                disk.make_room();
                primary.start();
            }
            Fault::AllKilled => {
                let all = [0, 1, 2];
                all.iter().for_each(|number| self.cluster.server_mut(*number).kill());
                all.iter().for_each(|number| self.cluster.server_mut(*number).start());
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
    let read = archive.read(|record| {
        if let Some(batch) = record.batch().filter(|batch| batch.draw == draw) {
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
        if fault.on_disk().is_some() && !test_postgres::has_disks() {
            println!("{what}: left out");
            continue;
        }
        let start = now();
        let mut setting = Setting::start(fault.on_disk());
        let senders = Senders::start(&setting.url());
        senders.go_on(ENOUGH, "before any fault");
        senders.read_all("before any fault");
        setting.happen(fault, &senders);
        senders.go_on(ENOUGH, &format!("after {what}"));
        senders.read_all(&format!("after {what}"));
        assert_eq!(senders.is_refused(), matches!(fault, Fault::DataFull), "{what}");
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
