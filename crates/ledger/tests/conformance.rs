//! The engine passes its suite over the ledger, with long segments and with short ones.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::sync::Arc;

use engine::conformance::{Subject, TestClock};
use engine::{Engine, LedgerId};
use ledger::{Ledger, Options};
use tempfile::TempDir;

struct OnDisk {
    folder: TempDir,
    options: Options,
    clock: Arc<TestClock>,
    engine: Option<Arc<Engine>>,
}

impl OnDisk {
    fn new(segment_len: u64) -> Self {
        let options = Options { id: LedgerId([7; 16]), segment_len, spares: 1 };
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::default());
        let mut subject = Self { folder, options, clock, engine: None };
        subject.open();
        subject
    }

    fn open(&mut self) {
        let ledger = Ledger::open(self.folder.path(), self.options).unwrap();
        let clock = Arc::clone(&self.clock);
        self.engine = Some(Arc::new(Engine::start(Box::new(ledger), clock).unwrap()));
    }
}

impl Subject for OnDisk {
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

mod long_segments {
    engine::conformance_suite!(super::OnDisk::new(4 << 20));
}

mod short_segments {
    engine::conformance_suite!(super::OnDisk::new(96 << 10));
}
