//! The ledger passes the suite of every store, with long segments and with short ones.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

use std::sync::Arc;

use ledger::{Ledger, LedgerId, Options};
use lottery::Store;
use lottery::conformance::Subject;
use tempfile::TempDir;

struct OnDisk {
    folder: TempDir,
    options: Options,
    ledger: Option<Arc<Ledger>>,
}

impl OnDisk {
    fn new(segment_len: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { id: LedgerId([7; 16]), segment_len, spares: 1 };
        let ledger = Some(Arc::new(Ledger::open(folder.path(), options).unwrap()));
        Self { folder, options, ledger }
    }
}

impl Subject for OnDisk {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.ledger.as_ref().unwrap()) as Arc<dyn Store>
    }

    fn reopen(&mut self) {
        let ledger = Arc::into_inner(self.ledger.take().unwrap());
        drop(ledger.expect("a check lets go of the store before it reopens"));
        self.ledger = Some(Arc::new(Ledger::open(self.folder.path(), self.options).unwrap()));
    }
}

mod long_segments {
    lottery::conformance_suite!(super::OnDisk::new(4 << 20));
}

mod short_segments {
    lottery::conformance_suite!(super::OnDisk::new(96 << 10));
}
