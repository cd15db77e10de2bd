//! The rules of the log, each in the one situation that needs it: what counts as stored, which
//! server is written to and read, whose clock is followed. Each of them is left out by a planted bug,
//! in `xtask/planted`. Left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::conformance::TestClock;
use engine::{Clock, Engine, LedgerId};
use ledger_postgres::{Archive, Options, PostgresLog, Status, StoreError, Target, Watch, schema};
use lottery::{
    Act, ActError, Acted, Actor, Agencies, AgencyId, AppendError, Appended, Batch, Bets, ChunkId,
    DrawId, DrawName, DrawTerms, NumberRange, OpenDrawError, Reason, RecordedAct, Schedule,
    SealedNumber, Timestamp, always_allowed,
};
use test_postgres::{Cluster, Proxy, Server};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a server is asked again.
const LOOK_TIME: Duration = Duration::from_millis(20);

/// A primary and the standby that must have each commit.
struct Setting {
    cluster: Cluster,
    database: String,
}

const PRIMARY: usize = 0;
const STANDBY: usize = 1;

impl Setting {
    /// Returns `None` without PostgreSQL.
    fn start() -> Option<Self> {
        if !test_postgres::is_installed() {
            return None;
        }
        let mut cluster = Cluster::with(&["synchronous_standby_names=a"]);
        assert_eq!(cluster.add_standby("a", PRIMARY), STANDBY);
        let database = cluster.create_database(None);
        let setting = Self { cluster, database };
        schema::init(&setting.target(), LedgerId([7; 16])).unwrap();
        Some(setting)
    }

    fn target(&self) -> Target {
        self.cluster.url(&self.database).parse().unwrap()
    }

    fn server(&mut self, number: usize) -> &mut Server {
        self.cluster.server_mut(number)
    }

    fn central(&self) -> Central {
        Central::start(&self.target(), None)
    }

    /// Waits until a session other than `but` waits for the standby, and returns it. Until then
    /// nothing may be answered.
    fn waiting<T: Debug>(&self, but: &str, answer: &Receiver<T>) -> String {
        self.session(&format!("wait_event = 'SyncRep' AND pid <> {but}"), answer)
    }

    /// Waits until there is a session of the primary for which this holds, and returns it. Until then
    /// nothing may be answered.
    fn session<T: Debug>(&self, that: &str, answer: &Receiver<T>) -> String {
        let question = format!("SELECT pid FROM pg_stat_activity WHERE {that}");
        unanswered_until(answer, || {
            let session = self.cluster.server(PRIMARY).sql("postgres", &question);
            (!session.is_empty()).then_some(session)
        })
    }

    /// Makes the standby a primary that needs no other standby.
    fn promote(&mut self) {
        self.server(STANDBY).configure(&["synchronous_standby_names="]);
        self.server(STANDBY).reload();
        self.server(STANDBY).promote();
    }

    /// Returns the number of draws and the batches that are stored.
    fn stored(&self) -> (usize, BTreeSet<u32>) {
        let archive = Archive::open(&self.target()).unwrap();
        let mut batches = BTreeSet::new();
        let read = archive.read(|record| {
            batches.extend(record.batch().map(|batch| batch.chunk.0));
            Ok::<_, StoreError>(())
        });
        (read.unwrap().draws.len(), batches)
    }
}

/// A central. What it does ends with its watch, which is dropped first.
struct Central {
    _watch: Watch,
    engine: Engine,
    status: Status,
}

impl Central {
    /// Starts a central; its clock, if it has one, is compared with the database's.
    fn start(target: &Target, clock: Option<Arc<dyn Clock>>) -> Self {
        let status = Status::new(|_, _| {});
        let (of_log, of_clock) = (status.clone(), clock.clone());
        let options = Options { clock: of_clock, status: of_log, ..Options::new("a") };
        let log = PostgresLog::open(target, options).unwrap();
        let watch = Watch::start(log.watched(), Arc::new(())).unwrap();
        let clock = clock.unwrap_or_else(|| Arc::<TestClock>::default());
        let engine = Engine::start(Box::new(log), clock).unwrap();
        Self { _watch: watch, engine, status }
    }

    fn open_draw(&self) -> Receiver<Result<DrawId, OpenDrawError>> {
        let (answer, answered) = mpsc::channel();
        let number = SealedNumber(7574);
        self.engine.open_draw(terms(), number, move |outcome| drop(answer.send(outcome)));
        answered
    }

    /// Does what can't be done again: a name is announced once.
    fn announce(&self) -> Receiver<Result<Acted, ActError>> {
        let act = Act::Announce { terms: terms(), schedule: Schedule::default() };
        let act = RecordedAct::new(Actor::Clock, Reason::default(), act);
        let (answer, answered) = mpsc::channel();
        self.engine.act(act, always_allowed(), move |outcome| drop(answer.send(outcome)));
        answered
    }

    fn append(&self, draw: DrawId, chunk: u32) -> Receiver<Result<Appended, AppendError>> {
        let bets = Bets::parse("Ana|Paz|1|2000-01-01|7", NumberRange::default()).unwrap();
        let batch = Batch { draw, agency: AgencyId(1), chunk: ChunkId(chunk), bets };
        let (answer, answered) = mpsc::channel();
        self.engine.append(batch, move |outcome| drop(answer.send(outcome)));
        answered
    }

    fn read(&self, draw: DrawId) -> Vec<u32> {
        let mut chunks = Vec::new();
        let read = self.engine.scan(draw, &mut |batch| {
            chunks.push(batch.chunk.0);
            ControlFlow::Continue(())
        });
        read.unwrap();
        chunks
    }

    /// Waits until the store is said to be away for this reason; until then nothing may be answered.
    fn is_away<T: Debug>(&self, why: &str, answer: &Receiver<T>) {
        unanswered_until(answer, || {
            self.status.state().away.is_some_and(|away| away.contains(why)).then_some(())
        });
    }
}

fn terms() -> DrawTerms {
    DrawTerms {
        name: DrawName::new("sorteo").unwrap(),
        agencies: Agencies::first(1).unwrap(),
        numbers: NumberRange::default(),
    }
}

fn unanswered_until<T: Debug, R>(
    answer: &Receiver<T>,
    mut happens: impl FnMut() -> Option<R>,
) -> R {
    for _ in 0..PATIENCE.as_millis() / LOOK_TIME.as_millis() {
        let happened = happens();
        match answer.recv_timeout(LOOK_TIME) {
            Err(RecvTimeoutError::Timeout) => {}
            answered => panic!("answered too early: {answered:?}"),
        }
        if let Some(happened) = happened {
            return happened;
        }
    }
    panic!("it does not happen");
}

fn answered<T>(answer: &Receiver<T>) -> T {
    answer.recv_timeout(PATIENCE).expect("an answer")
}

/// Ends the commit of an act while the standby is away, so that its row can be read and may be lost.
fn an_act_is_answered_once_it_is_replicated(end_session: &str) {
    let Some(mut setting) = Setting::start() else { return };
    let central = setting.central();
    setting.server(STANDBY).kill();
    let announced = central.announce();
    let session = setting.waiting("0", &announced);
    setting.server(PRIMARY).sql("postgres", &format!("SELECT {end_session}({session})"));
    // What the central makes of that waits for the standby too.
    setting.waiting(&session, &announced);
    setting.server(STANDBY).start();
    assert_eq!(answered(&announced), Ok(Acted::Announced(DrawId(1))));
    drop(central);
    assert_eq!(setting.stored(), (1, BTreeSet::new()));
}

#[test]
fn a_commit_with_a_warning_is_not_believed() {
    an_act_is_answered_once_it_is_replicated("pg_cancel_backend");
}

#[test]
fn a_commit_without_an_answer_is_neither_lost_nor_done_again() {
    an_act_is_answered_once_it_is_replicated("pg_terminate_backend");
}

#[test]
fn a_commit_that_takes_too_long_is_waited_for_elsewhere() {
    let Some(mut setting) = Setting::start() else { return };
    let central = setting.central();
    setting.server(STANDBY).kill();
    let announced = central.announce();
    setting.waiting("0", &announced);
    // Longer than the deadline of a statement. The old session holds the end of the log.
    setting.session("wait_event_type = 'Lock'", &announced);
    setting.server(STANDBY).start();
    assert_eq!(answered(&announced), Ok(Acted::Announced(DrawId(1))));
}

#[test]
fn an_equal_event_of_another_central_is_not_its_own() {
    let Some(mut setting) = Setting::start() else { return };
    let proxies = [PRIMARY, STANDBY].map(|number| Proxy::to(setting.server(number).port()));
    let [primary, standby] = &proxies;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let behind = format!("postgres://postgres@{hosts}/{}", setting.database).parse().unwrap();
    let [late, first] = [Central::start(&behind, None), setting.central()];
    setting.server(STANDBY).kill();
    let lost = late.announce();
    setting.waiting("0", &lost);
    // What the standby does not have is lost. The one that lost it can't ask what became of it.
    standby.swallow();
    setting.server(PRIMARY).kill();
    setting.server(STANDBY).start();
    setting.promote();
    // The same, at the same place, at the same moment.
    assert_eq!(answered(&first.announce()), Ok(Acted::Announced(DrawId(1))));
    standby.heal();
    assert_eq!(answered(&lost), Err(ActError::NameTaken));
}

#[test]
fn what_can_be_read_is_answered_once_it_is_replicated() {
    let Some(mut setting) = Setting::start() else { return };
    let [first, second] = [setting.central(), setting.central()];
    let draw = answered(&first.open_draw()).unwrap();
    assert_eq!(answered(&second.append(draw, 0)), Ok(Appended::New));
    setting.server(STANDBY).kill();
    let appended = first.append(draw, 1);
    setting.waiting("0", &appended);
    // The restarted primary has the row, and nobody waits for the standby to have it.
    drop(first);
    setting.server(PRIMARY).kill();
    setting.server(PRIMARY).start();
    let repeated = second.append(draw, 1);
    setting.waiting("0", &repeated);
    assert_eq!(second.read(draw), [0]);
    setting.server(STANDBY).start();
    assert_eq!(answered(&repeated), Ok(Appended::Repeated));
    assert_eq!(second.read(draw), [0, 1]);
}

#[test]
fn a_primary_from_before_a_promotion_is_not_written_to() {
    let Some(mut setting) = Setting::start() else { return };
    let central = setting.central();
    let draw = answered(&central.open_draw()).unwrap();
    setting.server(PRIMARY).kill();
    setting.promote();
    assert_eq!(answered(&central.append(draw, 0)), Ok(Appended::New));

    // The old one comes back alone, and would take everything.
    setting.server(STANDBY).kill();
    setting.server(PRIMARY).configure(&["synchronous_standby_names="]);
    setting.server(PRIMARY).start();
    let appended = central.append(draw, 1);
    central.is_away("it is a primary from before a promotion, stop it", &appended);
    setting.server(STANDBY).start();
    assert_eq!(answered(&appended), Ok(Appended::New));
    drop(central);

    // A central that starts beside both has seen neither.
    let central = setting.central();
    assert_eq!(central.status.state().timeline, 2);
    assert_eq!(answered(&central.append(draw, 2)), Ok(Appended::New));
    drop(central);
    assert_eq!(setting.stored(), (1, BTreeSet::from([0, 1, 2])));
}

#[test]
fn a_server_that_was_left_behind_is_not_read() {
    let Some(mut setting) = Setting::start() else { return };
    let central = setting.central();
    let draw = answered(&central.open_draw()).unwrap();
    assert_eq!(answered(&central.append(draw, 0)), Ok(Appended::New));
    assert_eq!(central.read(draw), [0]);
    // The connection of the reading stays, to the old primary; the one that writes ends.
    setting.promote();
    let appended = central.append(draw, 1);
    let session = setting.waiting("0", &appended);
    setting.server(PRIMARY).sql("postgres", &format!("SELECT pg_terminate_backend({session})"));
    assert_eq!(answered(&appended), Ok(Appended::New));
    // The old primary has what waited there, and nothing later.
    assert_eq!(answered(&central.append(draw, 2)), Ok(Appended::New));
    assert_eq!(central.read(draw), [0, 1, 2]);
}

#[test]
fn a_central_with_a_wrong_clock_stores_nothing() {
    let Some(setting) = Setting::start() else { return };
    let clock = Arc::<ShiftedClock>::default();
    let central = Central::start(&setting.target(), Some(clock.clone()));
    let draw = answered(&central.open_draw()).unwrap();
    clock.ahead_ms.store(60_000, Ordering::Relaxed);
    let appended = central.append(draw, 0);
    central.is_away("ahead of the database's", &appended);
    clock.ahead_ms.store(0, Ordering::Relaxed);
    assert_eq!(answered(&appended), Ok(Appended::New));
}

/// The system's clock, set wrong.
#[derive(Default)]
struct ShiftedClock {
    ahead_ms: AtomicU64,
}

impl Clock for ShiftedClock {
    #[expect(clippy::disallowed_methods, reason = "the database's clock is the system's")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now_ms = u64::try_from(since_epoch.as_millis()).unwrap();
        Timestamp(now_ms + self.ahead_ms.load(Ordering::Relaxed))
    }
}
