//! The conformance suite over a real PostgreSQL: with one engine, and with two that share the log.
//! Left out without Debian's PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use engine::conformance::{Reopening, Subject, TestClock, wait};
use engine::{Engine, LedgerId};
use ledger_postgres::{Options, PostgresLog, Target, schema};
use test_postgres::Cluster;

/// An empty store in a database of its own.
fn store() -> Option<Target> {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    let cluster = test_postgres::shared()?;
    let template = TEMPLATE.get_or_init(|| {
        let template = cluster.create_database(None);
        schema::init(&target(cluster, &template), LedgerId([7; 16])).unwrap();
        template
    });
    let database = cluster.create_database(Some(template));
    Some(target(cluster, &database))
}

fn target(cluster: &Cluster, database: &str) -> Target {
    cluster.url(database).parse().unwrap()
}

fn engine(target: &Target, clock: Arc<TestClock>) -> Engine {
    let log = PostgresLog::open(target, Options::new("a")).unwrap();
    Engine::start(Box::new(log), clock).unwrap()
}

/// Two engines over one store, with calls alternating between them.
struct Two {
    target: Target,
    clock: Arc<TestClock>,
    engines: Option<[Arc<Engine>; 2]>,
    /// The engine called last.
    at: Cell<usize>,
}

impl Two {
    fn open(target: Target) -> Self {
        let clock = Arc::<TestClock>::default();
        let mut two = Self { target, clock, engines: None, at: Cell::new(0) };
        two.start();
        two
    }

    fn start(&mut self) {
        let start = || Arc::new(engine(&self.target, Arc::clone(&self.clock)));
        self.engines = Some([start(), start()]);
    }
}

impl Subject for Two {
    /// Returns the other engine, once all earlier requests are decided and known to it.
    fn engine(&self) -> Arc<Engine> {
        let engines = self.engines.as_ref().unwrap();
        let before = self.at.replace(1 - self.at.get());
        for at in [before, self.at.get()] {
            assert_eq!(wait(|done| engines[at].keep_time(done)), Ok(()));
        }
        Arc::clone(&engines[self.at.get()])
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn reopen(&mut self) {
        for engine in self.engines.take().unwrap() {
            let engine = Arc::into_inner(engine);
            drop(engine.expect("a check lets go of the engine before it reopens"));
        }
        self.start();
    }
}

mod one_engine {
    use super::*;

    engine::conformance_suite!(match store() {
        Some(target) => Reopening::new(move |clock| engine(&target, clock)),
        None => return,
    });
}

mod two_engines {
    use super::*;

    engine::conformance_suite!(match store() {
        Some(target) => Two::open(target),
        None => return,
    });
}
