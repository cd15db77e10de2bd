//! Engines under test and their clock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lottery::Timestamp;

use super::fixture::AT;
use crate::chain::LedgerId;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::engine::{Engine, Queue};
use crate::memory::MemoryLog;
use crate::requests::Request;

/// An engine under test with its log. Each check gets a new, empty one.
pub trait Subject {
    /// Returns the engine. No check may hold a clone across [`Subject::reopen`].
    fn engine(&self) -> Arc<Engine>;

    /// Returns its clock.
    fn clock(&self) -> &TestClock;

    /// Shuts the engine down and starts one again on the same log.
    fn reopen(&mut self);
}

/// A subject that starts one engine after another on the same log.
pub struct Reopening {
    open: Box<dyn Fn(Arc<TestClock>) -> Engine>,
    clock: Arc<TestClock>,
    engine: Option<Arc<Engine>>,
}

/// A clock that only moves when it is set. By default it shows the time at which checks open draws:
/// a request before that may share its group, and so its time, with an opening.
#[derive(Debug)]
pub struct TestClock(AtomicU64);

/// Commits after each request.
struct Eager {
    queue: Box<dyn Queue>,
    committer: Mutex<Committer>,
    pending: AtomicUsize,
}

impl Reopening {
    /// Starts the first engine with `open`, as all later ones.
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

impl Default for TestClock {
    fn default() -> Self {
        Self::at(AT)
    }
}

impl TestClock {
    /// Creates a clock at this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Sets the time.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.0, Ordering::SeqCst);
    }

    /// Advances the time by milliseconds.
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Creates an engine over a log in memory.
pub fn in_memory(clock: Arc<dyn Clock>) -> Engine {
    Engine::start(Box::new(MemoryLog::new(LedgerId([7; 16]))), clock).unwrap()
}

/// Wraps a queue so that the calling thread commits after each request: it is answered when `put`
/// returns, unless another thread is committing.
pub fn eager(queue: Box<dyn Queue>, committer: Committer) -> Box<dyn Queue> {
    Box::new(Eager { queue, committer: Mutex::new(committer), pending: AtomicUsize::new(0) })
}

impl Queue for Eager {
    fn put(&self, request: Request) {
        self.pending.fetch_add(1, Ordering::SeqCst);
        self.queue.put(request);
        // A thread that finds another one committing may leave: that one checks again when done.
        while self.pending.load(Ordering::SeqCst) > 0 {
            let Ok(mut committer) = self.committer.try_lock() else { return };
            self.pending.store(0, Ordering::SeqCst);
            committer.commit_group();
        }
    }
}
