//! The store in memory passes the suite.

use std::sync::Arc;

use lottery::conformance::Subject;
use lottery::{MemoryStore, Store};

struct InMemory(Arc<MemoryStore>);

impl Subject for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn reopen(&mut self) {}
}

lottery::conformance_suite!(InMemory(Arc::new(MemoryStore::new())));
