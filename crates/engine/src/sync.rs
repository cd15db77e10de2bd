//! What threads share and wait on: std's, or, where models are checked, the checker's.
//!
//! Only a build with `--cfg models` (`cargo xtask models`) gets the checker's, so that nothing of
//! it is ever in a product. All that schedules threads is imported from here; `Arc` and `OnceLock`
//! are std's everywhere, as nobody waits on them.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(not(models))]
pub use std::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, atomic::AtomicU64, mpsc},
    thread,
};

#[cfg(models)]
pub use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, atomic::AtomicU64, mpsc},
    thread,
};

/// Waits for `changed` with the lock let go, but no longer than `time`.
#[cfg(not(models))]
pub fn wait_at_most<'a, T>(
    changed: &Condvar,
    _: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}

/// The checker has no time: here the lock is taken again whenever it chooses. That is a timeout at
/// any moment and, as nobody is told which it was, also a notification at any moment.
#[cfg(models)]
pub fn wait_at_most<'a, T>(
    _: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    _: Duration,
) -> MutexGuard<'a, T> {
    drop(guard);
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Receives the next that is sent within `time`.
///
/// # Errors
/// When nothing was sent, or nobody will send anything.
#[cfg(not(models))]
pub fn receive_within<T>(
    receiver: &mpsc::Receiver<T>,
    time: Duration,
) -> Result<T, mpsc::RecvTimeoutError> {
    receiver.recv_timeout(time)
}

/// The checker has no time: here it may be over at any moment.
///
/// # Errors
/// As in a build that is none for models.
#[cfg(models)]
pub fn receive_within<T>(
    receiver: &mpsc::Receiver<T>,
    _: Duration,
) -> Result<T, mpsc::RecvTimeoutError> {
    thread::yield_now();
    receiver.try_recv().map_err(|error| match error {
        mpsc::TryRecvError::Empty => mpsc::RecvTimeoutError::Timeout,
        mpsc::TryRecvError::Disconnected => mpsc::RecvTimeoutError::Disconnected,
    })
}
