//! The thread that everything over HTTP runs on.
//!
//! However many requests come, they take one thread's share of the processors: those that serve
//! agencies are others, and the system divides fairly between threads.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A thread with a runtime of its own; it ends when this is dropped.
pub(crate) struct Thread {
    runtime: Handle,
    _ends: DropGuard,
}

impl Thread {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, ended) = (runtime.handle().clone(), CancellationToken::new());
        let ends = ended.clone().drop_guard();
        std::thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(ended.cancelled());
            // A long reading may still be under way, for nobody.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, _ends: ends })
    }

    /// Where to spawn what should run on it.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
