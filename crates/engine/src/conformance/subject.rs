//! Engines under test, and the time that they are told.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lottery::Timestamp;

use crate::chain::LedgerId;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::engine::{Engine, Queue};
use crate::memory::MemoryLog;
use crate::requests::Request;

/// An engine under test, with its log. Each check gets a new one, empty.
pub trait Subject {
    /// The engine. No check keeps a clone of it over [`Subject::reopen`].
    fn engine(&self) -> Arc<Engine>;

    /// Its clock.
    fn clock(&self) -> &TestClock;

    /// Ends the engine as a stop of the central would, and opens one again on the same log.
    fn reopen(&mut self);
}

/// One engine at a time, each opened on the same log.
pub struct Reopening {
    open: Box<dyn Fn(Arc<TestClock>) -> Engine>,
    clock: Arc<TestClock>,
    engine: Option<Arc<Engine>>,
}

/// A clock that stands still unless it is set.
#[derive(Debug, Default)]
pub struct TestClock(AtomicU64);

/// Takes a turn after each request, so that it is answered when it was put.
struct Eager {
    queue: Box<dyn Queue>,
    committer: Mutex<Committer>,
    pending: AtomicUsize,
}

impl Reopening {
    /// Begins with an engine, opened by `open` as all that follow.
    pub fn new(open: impl Fn(Arc<TestClock>) -> Engine + 'static) -> Self {
        let clock = Arc::<TestClock>::default();
        let engine = Some(Arc::new(open(Arc::clone(&clock))));
        Self { open: Box::new(open), clock, engine }
    }
}

impl Subject for Reopening {
    fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.engine.as_ref().unwrap())
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn reopen(&mut self) {
        let engine = Arc::into_inner(self.engine.take().unwrap());
        drop(engine.expect("a check lets go of the engine before it reopens"));
        self.engine = Some(Arc::new((self.open)(Arc::clone(&self.clock))));
    }
}

impl TestClock {
    /// One that shows this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Has it show another time.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.0, Ordering::SeqCst);
    }

    /// Has it show a time so many milliseconds later.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// An engine that keeps everything in memory.
pub fn in_memory(clock: Arc<dyn Clock>) -> Engine {
    Engine::start(Box::new(MemoryLog::new(LedgerId([7; 16]))), clock).unwrap()
}

/// A queue that has a turn taken after each request, on the thread that put it: it is answered
/// when it was put, unless another thread takes turns.
pub fn eager(queue: Box<dyn Queue>, committer: Committer) -> Box<dyn Queue> {
    Box::new(Eager { queue, committer: Mutex::new(committer), pending: AtomicUsize::new(0) })
}

impl Queue for Eager {
    fn put(&self, request: Request) {
        self.pending.fetch_add(1, Ordering::SeqCst);
        self.queue.put(request);
        // Who finds another turning may leave: that one looks again when its turn is over.
        while self.pending.load(Ordering::SeqCst) > 0 {
            let Ok(mut committer) = self.committer.try_lock() else { return };
            self.pending.store(0, Ordering::SeqCst);
            committer.commit_group();
        }
    }
}
