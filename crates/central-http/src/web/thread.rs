//! The thread on which all of HTTP runs.
//!
//! HTTP load, however high, uses one thread's share of the processors: agencies are served by other
//! threads, and the system schedules threads fairly.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A thread with its own runtime; it ends when this is dropped.
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
            // A long blocking read may still be under way; its result is not needed.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, _ends: ends })
    }

    /// Returns the runtime's handle, for spawning tasks on the thread.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
