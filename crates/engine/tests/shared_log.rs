//! The conformance suite over a log shared by two engines, with calls alternating between them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use engine::conformance::{SharedLog, Subject, TestClock, wait};
use engine::{Engine, Gone, LedgerId};
use lottery::{
    Agencies, AgencyId, DrawId, DrawName, DrawTerms, NumberRange, OpenDrawError, SealedNumber,
    StoreFault,
};

struct Shared {
    log: SharedLog,
    clock: Arc<TestClock>,
    engines: Option<[Arc<Engine>; 2]>,
    /// The engine called last.
    at: Cell<usize>,
}

impl Shared {
    fn new() -> Self {
        let log = SharedLog::new(LedgerId([7; 16]));
        let mut subject = Self { log, clock: Arc::default(), engines: None, at: Cell::new(0) };
        subject.open();
        subject
    }

    fn open(&mut self) {
        let start = || {
            let clock = Arc::clone(&self.clock);
            Arc::new(Engine::start(self.log.log(), clock).unwrap())
        };
        self.engines = Some([start(), start()]);
    }
}

impl Subject for Shared {
    /// Returns the other engine, once all earlier requests are decided and known to it: order is
    /// only promised for calls made one after the other.
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
        self.open();
    }
}

engine::conformance_suite!(Shared::new());

#[test]
fn a_full_log_delays_queries_until_there_is_room() {
    let log = SharedLog::new(LedgerId([7; 16]));
    let (engine, mut committer) = Engine::stepped(log.log(), Arc::<TestClock>::default()).unwrap();
    log.set_full(true);
    let (answer, answered) = mpsc::channel();
    engine.keep_time(move |kept| answer.send(kept).unwrap());
    assert!(committer.commit_group() && answered.try_recv().is_err());
    log.set_full(false);
    assert!(committer.commit_group());
    assert_eq!(answered.try_recv(), Ok(Ok(())));
}

/// Opens a draw, and another one whenever that is refused as full.
fn ask_again_and_again(engine: Arc<Engine>, asked: Arc<AtomicU32>) {
    const ASKED_MAX: u32 = 1_000;
    let at = asked.fetch_add(1, Ordering::Relaxed);
    let terms = DrawTerms {
        name: DrawName::new(format!("sorteo {at}")).unwrap(),
        agencies: Agencies::first(1).unwrap(),
        numbers: NumberRange::default(),
    };
    let again = Arc::clone(&engine);
    engine.open_draw(terms, SealedNumber(7), move |opened| {
        let is_full = matches!(opened, Err(OpenDrawError::Store(StoreFault::Full(_))));
        if is_full && at < ASKED_MAX {
            ask_again_and_again(again, asked);
        }
    });
}

#[test]
fn retries_on_a_full_log_do_not_prolong_a_commit() {
    let log = SharedLog::new(LedgerId([7; 16]));
    let (engine, mut committer) = Engine::stepped(log.log(), Arc::<TestClock>::default()).unwrap();
    let (engine, asked) = (Arc::new(engine), Arc::<AtomicU32>::default());
    log.set_full(true);
    ask_again_and_again(Arc::clone(&engine), Arc::clone(&asked));
    // This query is decided again once the log is found full.
    engine.progress(DrawId(1), AgencyId(1), |_| {});
    assert!(committer.commit_group());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn an_engine_starts_only_once_its_recovered_events_are_durable() {
    let log = SharedLog::new(LedgerId([7; 16]));
    log.refuse_commit();
    let started = Engine::stepped(log.log(), Arc::<TestClock>::default());
    assert!(matches!(started, Err(Gone::Away)));
}
