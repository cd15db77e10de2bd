//! The engine passes its suite over the log in memory.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::sync::Arc;

use engine::conformance::{Subject, TestClock};
use engine::{Engine, LedgerId, MemoryLog};

struct InMemory {
    log: MemoryLog,
    clock: Arc<TestClock>,
    engine: Option<Arc<Engine>>,
}

impl InMemory {
    fn new() -> Self {
        let (log, clock) = (MemoryLog::new(LedgerId([7; 16])), Arc::default());
        let mut subject = Self { log, clock, engine: None };
        subject.open();
        subject
    }

    fn open(&mut self) {
        let (log, clock) = (Box::new(self.log.clone()), Arc::clone(&self.clock));
        self.engine = Some(Arc::new(Engine::start(log, clock).unwrap()));
    }
}

impl Subject for InMemory {
    fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.engine.as_ref().unwrap())
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn reopen(&mut self) {
        let engine = Arc::into_inner(self.engine.take().unwrap());
        drop(engine.expect("a check lets go of the engine before it reopens"));
        self.open();
    }
}

engine::conformance_suite!(InMemory::new());
