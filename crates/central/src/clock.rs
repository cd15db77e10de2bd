//! A clock that stands still, and an engine by it, for tests.

use std::sync::Arc;

use engine::{Clock, Engine, LedgerId, MemoryLog};
use lottery::Timestamp;

/// See the module's documentation.
pub(crate) struct Stopped(pub(crate) Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// An engine that keeps everything in memory.
pub(crate) fn in_memory(clock: Arc<Stopped>) -> Arc<Engine> {
    let log = Box::new(MemoryLog::new(LedgerId([7; 16])));
    Arc::new(Engine::start(log, clock).unwrap())
}
