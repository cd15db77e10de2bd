//! Operators, sessions and attempts that two centrals share, and those of a folder alike. The former
//! are left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use engine::conformance::{TestClock, wait};
use engine::{Copier, Engine, LedgerId};
use ledger_postgres::{
    Archive, OperatorsTable, Options, PostgresLog, SharedOperators, StoreError, Target, schema,
};
use lottery::{
    Act, ActError, Acted, Actor, AgencyId, AuditSpan, AuditedAction, Draws, Event, Judge, Label,
    OperatorsChange, Reason, RecordedAct, Registration, always_allowed,
};
use operators::limits::{
    ATTEMPT_OF_PAIR_TIME, ATTEMPTS_OF_PAIR_MAX, SESSION_IDLE_TIME_MAX, SESSIONS_PER_OPERATOR_MAX,
};
use operators::{
    Change, Digest, Name, OperatorStore, OperatorsFolder, Password, PasswordHash, People, Role,
    Secret, SessionUser,
};
use test_postgres::Cluster;

/// A central as far as operators matter.
struct Node {
    engine: Arc<Engine>,
    operators: SharedOperators,
}

/// Two centrals over an empty store, and its database.
struct Two {
    nodes: [Node; 2],
    target: Target,
    database: String,
}

impl Two {
    fn start() -> Option<Self> {
        let cluster = test_postgres::shared()?;
        let database = cluster.create_database(None);
        let target: Target = cluster.url(&database).parse().unwrap();
        schema::init(&target, LedgerId([7; 16])).unwrap();
        let clock = Arc::new(TestClock::default());
        let nodes = ["a", "b"].map(|name| {
            let log = PostgresLog::open(&target, Options::new(name)).unwrap();
            let operators = log.operators();
            let engine = Arc::new(Engine::start(Box::new(log), clock.clone()).unwrap());
            Node { engine, operators }
        });
        Some(Self { nodes, target, database })
    }

    fn sql(&self, statement: &str) -> String {
        test_postgres::shared().unwrap().server(0).sql(&self.database, statement)
    }

    /// The acts on record, in order: who, and whether they changed the operators.
    fn record(&self) -> Vec<(String, bool)> {
        let mut record = Vec::new();
        let engine = &self.nodes[0].engine;
        // It reads up to what it knows.
        wait(|done| engine.keep_time(done)).unwrap();
        let read = engine.audit_log(AuditSpan::From(0), &mut |stored, _| {
            if let Event::Acted(recorded) = &stored.event {
                let changes =
                    matches!(recorded.act, Act::Audited(AuditedAction::ChangeOperators(_)));
                record.push((recorded.by.to_string(), changes));
            }
            ControlFlow::Continue(())
        });
        read.unwrap();
        record
    }
}

impl Node {
    fn act(&self, by: &Name, act: AuditedAction, judge: Judge) -> Result<Acted, ActError> {
        let by = Actor::Operator(by.label());
        let act = RecordedAct::new(by, Reason::default(), Act::Audited(act));
        wait(|done| self.engine.act(act, judge, done))
    }

    /// An act that needs an operator who is not disabled.
    fn act_as(&self, who: &Name) -> Result<Acted, ActError> {
        self.act_in(who, None)
    }

    /// An act that needs a session too.
    fn act_in(&self, who: &Name, session: Option<Digest>) -> Result<Acted, ActError> {
        let (store, name) = (self.operators.clone(), who.clone());
        let judge = Box::new(move || {
            let judging = store.judging(session).unwrap()?;
            let is_known = |people: &Arc<People>| {
                people.operator(&name).is_some_and(|operator| !operator.disabled)
            };
            judging.iter().all(is_known).then(|| judging.last().unwrap().version())
        });
        self.act(who, AuditedAction::LogIn, judge)
    }

    fn change(
        &self,
        by: &Name,
        change: impl Fn(&mut People) -> bool + Send + Sync + 'static,
    ) -> bool {
        let recorded = OperatorsChange::Disable(by.label());
        let mut record = |judge: Judge| {
            let recorded = AuditedAction::ChangeOperators(recorded.clone());
            self.act(by, recorded, judge).is_ok()
        };
        self.operators.change(Arc::new(change), &mut record).unwrap()
    }

    fn add(&self, name: &Name) {
        let hash = hash(name);
        let (by, name) = (name.clone(), name.clone());
        let add =
            move |people: &mut People| people.add(name.clone(), Role::Admin, hash.clone()).is_ok();
        assert!(self.change(&by, add));
    }
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn hash(name: &Name) -> PasswordHash {
    Password::given("a long password".to_owned()).hash(name, [1; 16]).unwrap()
}

fn session(number: u8) -> Digest {
    Secret::from_random([number; 32]).digest()
}

#[test]
fn a_change_is_stored_with_its_record_and_seen_by_all_centrals() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    let (ana, eva) = (name("ana"), name("eva"));
    assert_eq!(b.act_as(&ana), Err(ActError::NotAllowed), "nobody is known yet");
    a.add(&ana);
    b.add(&eva);
    for node in [a, b] {
        let people = node.operators.people().unwrap();
        assert_eq!((people.operators().count(), people.version()), (2, 2));
        assert_eq!(node.act_as(&ana), Ok(Acted::Done));
    }
    assert!(!a.change(&eva, |_| false), "it is not allowed");
    assert_eq!(b.operators.people().unwrap().version(), 2);
    assert!(a.change(&eva, |people| people.disable(&name("ana")).is_ok()));
    for node in [a, b] {
        assert_eq!(node.act_as(&ana), Err(ActError::NotAllowed));
        assert_eq!(node.act_as(&eva), Ok(Acted::Done));
    }
    let record = two.record();
    let changes: Vec<_> = record.iter().filter(|(_, changes)| *changes).collect();
    assert_eq!((changes.len(), record.len()), (3, 7), "{record:?}");
    assert_eq!(two.sql("SELECT count(*) FROM operators WHERE document LIKE '%a long%'"), "0");
}

#[test]
fn whose_rights_ended_at_any_central_acts_no_more_at_another() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    let (ana, eva) = (name("ana"), name("eva"));
    a.add(&ana);
    a.add(&eva);
    for _ in 0..20 {
        // Several acts at once are one group.
        thread::scope(|scope| {
            for node in [a, a, b, b] {
                scope.spawn(|| while node.act_as(&ana) == Ok(Acted::Done) {});
            }
            scope.spawn(|| {
                for _ in 0..5 {
                    a.act_as(&eva).unwrap();
                }
                assert!(a.change(&eva, |people| people.disable(&name("ana")).is_ok()));
            });
        });
        let record = two.record();
        let disabled = record.iter().rposition(|(_, changes)| *changes).unwrap();
        let later = record[disabled..].iter().filter(|(by, _)| by.contains("ana")).count();
        assert_eq!(later, 0, "acts of a disabled operator");
        assert!(a.change(&eva, |people| people.enable(&name("ana")).is_ok()));
    }
}

#[test]
fn who_logged_out_at_any_central_acts_no_more_at_another() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    let ana = name("ana");
    a.add(&ana);
    let user = SessionUser { name: ana.clone(), generation: 0 };
    a.operators.begin_session(user, session(1)).unwrap();
    assert_eq!(b.act_in(&ana, Some(session(1))), Ok(Acted::Done));
    assert!(a.operators.end_session(session(1)).unwrap());
    assert_eq!(b.act_in(&ana, Some(session(1))), Err(ActError::NotAllowed));
}

#[test]
fn an_act_that_depends_on_the_state_sees_what_another_central_did() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    let agency = AgencyId(7);
    let label = |text: &str| Label::new(text).unwrap();
    let registered = Registration { agency, name: label("n"), place: label("p"), enabled: false };
    let act = RecordedAct::new(Actor::Clock, Reason::default(), Act::Register(registered));
    wait(|done| a.engine.act(act, always_allowed(), done)).unwrap();
    let rename = move |draws: &Draws| {
        let now = draws.registration(agency)?.clone();
        let renamed = Act::Register(Registration { name: label("other"), ..now });
        Some(RecordedAct::new(Actor::Clock, Reason::default(), renamed))
    };
    let renamed = wait(|done| b.engine.act_by(rename, always_allowed(), done)).unwrap();
    assert!(renamed.is_some(), "it sees the registration");
    let now = b.engine.view().registration(agency).unwrap();
    assert_eq!((now.name.as_str(), now.enabled), ("other", false));
}

#[test]
fn a_ledger_with_changes_of_operators_is_copied() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    a.add(&name("ana"));
    b.add(&name("eva"));
    let source = Archive::open(&two.target).unwrap();
    let cluster = test_postgres::shared().unwrap();
    let target: Target = cluster.url(&cluster.create_database(None)).parse().unwrap();
    schema::init(&target, source.id()).unwrap();
    let log = PostgresLog::open(&target, Options::new("copy")).unwrap();
    let mut copier = Copier::to(Box::new(log), source.id()).unwrap();
    let read = source.read(|record| {
        copier.add(&record).unwrap();
        Ok::<_, StoreError>(())
    });
    assert_eq!(Some(copier.finish().unwrap().chain), Some(read.unwrap().end.1));
    assert_eq!(Archive::open(&target).unwrap().skim().unwrap().events, 2);
}

#[test]
fn while_the_database_is_away_everybody_who_asks_is_refused_soon() {
    if !test_postgres::is_installed() {
        return;
    }
    let cluster = Cluster::start();
    let target: Target = cluster.url(&cluster.create_database(None)).parse().unwrap();
    schema::init(&target, LedgerId([7; 16])).unwrap();
    let operators = PostgresLog::open(&target, Options::new("a")).unwrap().operators();
    operators.people().unwrap();
    cluster.server(0).pause();
    let (sender, answers) = mpsc::channel();
    for _ in 0..64 {
        let (operators, sender) = (operators.clone(), sender.clone());
        thread::spawn(move || {
            let is_refused = operators.people().is_err();
            // The receiver is gone only when the test has failed.
            let _ = sender.send(is_refused);
        });
    }
    for _ in 0..64 {
        let refused = answers.recv_timeout(Duration::from_secs(30));
        assert!(refused.expect("nobody waits for the database"));
    }
}

#[test]
fn operators_of_the_command_line_are_recorded_once() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    let ana = name("ana");
    let mut table = OperatorsTable::open(&two.target).unwrap();
    let add = |people: &mut People| {
        people.add(ana.clone(), Role::Admin, hash(&ana))?;
        Ok(Change::Add { name: ana.clone(), role: Role::Admin })
    };
    table.change(|people| people.changed_on_command_line("root", 1_000, add)).unwrap();
    assert_eq!(b.act_as(&ana), Ok(Acted::Done), "it holds at once");
    thread::scope(|scope| {
        for node in [a, b] {
            scope.spawn(|| {
                let record = &mut |made: &operators::Unrecorded| {
                    let version = made.version;
                    let action = AuditedAction::OnCommandLine(made.record());
                    node.act(&ana, action, Box::new(move || Some(version))).is_ok()
                };
                node.operators.record_changes(record).unwrap();
            });
        }
    });
    assert_eq!(two.record().len(), 2, "an act and the change");
    assert!(table.read().unwrap().unrecorded().is_empty());
    assert_eq!(table.read().unwrap().version(), 1);
}

#[test]
fn a_document_that_was_changed_by_hand_lets_nobody_in() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    a.add(&name("ana"));
    two.sql("UPDATE operators SET document = replace(document, 'ana', 'eve')");
    let error = b.operators.people().unwrap_err().to_string();
    assert!(error.contains("not those that were stored"), "{error}");
}

/// Sessions and attempts, as every store keeps them: asked of two centrals in turn.
fn sessions_and_attempts(of: [&dyn OperatorStore; 2]) {
    let [a, b] = of;
    let user = |of: &str| SessionUser { name: name(of), generation: 3 };
    let known =
        |store: &dyn OperatorStore, number| store.session_user(session(number), true).unwrap();
    a.begin_session(user("ana"), session(100)).unwrap();
    b.begin_session(user("eva"), session(101)).unwrap();
    for store in of {
        assert_eq!(known(store, 100), Some(user("ana")));
        assert_eq!(store.session_user(session(101), false).unwrap(), Some(user("eva")));
        assert_eq!(known(store, 102), None);
    }
    assert!(b.end_session(session(100)).unwrap());
    assert!(!a.end_session(session(100)).unwrap(), "it ends once");
    assert_eq!(known(a, 100), None);
    for number in 0..=u8::try_from(SESSIONS_PER_OPERATOR_MAX).unwrap() {
        a.begin_session(user("ana"), session(number)).unwrap();
    }
    assert_eq!(known(b, 0), None, "the oldest one ended");
    assert_eq!(known(b, 1), Some(user("ana")));
    b.end_sessions_of(&name("ana")).unwrap();
    assert_eq!(known(a, 1), None);
    assert_eq!(known(a, 101), Some(user("eva")), "others keep theirs");

    let address = |last: u8| IpAddr::from([10, 0, 0, last]);
    for attempt in 0..ATTEMPTS_OF_PAIR_MAX {
        let store = if attempt % 2 == 0 { a } else { b };
        assert_eq!(store.begin_attempt("ana", address(1)).unwrap(), None);
    }
    for store in of {
        let wait = store.begin_attempt("ana", address(1)).unwrap().unwrap();
        assert!(wait > ATTEMPT_OF_PAIR_TIME / 2 && wait <= ATTEMPT_OF_PAIR_TIME, "{wait:?}");
        assert_eq!(store.begin_attempt("ana", address(2)).unwrap(), None, "from elsewhere");
        assert_eq!(store.begin_attempt("eva", address(1)).unwrap(), None, "another name");
    }
    a.attempt_succeeded("ana", address(1)).unwrap();
    assert_eq!(b.begin_attempt("ana", address(1)).unwrap(), None);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "no time passes that matters")]
fn sessions_and_attempts_of_a_folder() {
    let folder = OperatorsFolder::new(Path::new("/nowhere"), Instant::now);
    sessions_and_attempts([&folder, &folder]);
}

#[test]
fn sessions_and_attempts_of_two_centrals() {
    let Some(two) = Two::start() else { return };
    let [a, b] = &two.nodes;
    sessions_and_attempts([&a.operators, &b.operators]);
    // A session that is idle, and one that lasts, end; a use is noted.
    let is_known = || a.operators.session_user(session(1), true).unwrap().is_some();
    let user = || SessionUser { name: name("ana"), generation: 0 };
    for (column, age) in [("used_at", "30 minutes"), ("begun_at", "12 hours")] {
        b.operators.begin_session(user(), session(1)).unwrap();
        two.sql(&format!("UPDATE session SET {column} = now() - interval '{age}' + '10 s'"));
        assert!(is_known(), "{column}");
        two.sql(&format!("UPDATE session SET {column} = now() - interval '{age}'"));
        assert!(!is_known(), "{column}");
        assert!(b.operators.end_session(session(1)).unwrap());
    }
    b.operators.begin_session(user(), session(1)).unwrap();
    two.sql("UPDATE session SET used_at = now() - interval '20 minutes'");
    assert!(is_known());
    assert_eq!(two.sql("SELECT used_at > now() - interval '1 minute' FROM session LIMIT 1"), "t");
    assert_eq!(SESSION_IDLE_TIME_MAX, Duration::from_secs(1_800));
}

#[test]
fn two_centrals_count_attempts_that_come_at_once() {
    let Some(two) = Two::start() else { return };
    let allowed = Mutex::new(0);
    thread::scope(|scope| {
        for node in two.nodes.iter().cycle().take(8) {
            scope.spawn(|| {
                for _ in 0..4 {
                    let address = IpAddr::from([10, 0, 0, 1]);
                    if node.operators.begin_attempt("ana", address).unwrap().is_none() {
                        *allowed.lock().unwrap() += 1;
                    }
                }
            });
        }
    });
    assert_eq!(allowed.into_inner().unwrap(), ATTEMPTS_OF_PAIR_MAX);
}
