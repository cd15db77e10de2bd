//! Synchronisation primitives: std's, or the model checker's in a build with `--cfg models` (`cargo
//! xtask models`).
//!
//! Everything that schedules threads is imported from here. `Arc` and `OnceLock` are always std's,
//! as nothing waits on them.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(models)]
use shuttle as primitives;
#[cfg(not(models))]
use std as primitives;

pub use primitives::{
    sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64,
        mpsc,
    },
    thread,
};

/// Locks, also after a panic: what a lock guards is whole at any moment.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading, as [`lock`].
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing, as [`lock`].
pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for `changed` with the lock released.
pub fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// As [`wait`], at most `time`.
#[cfg(not(models))]
pub fn wait_at_most<'a, T>(
    changed: &Condvar,
    _: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}

/// The checker has no time: it may take the lock again at any moment, which covers timeouts and
/// notifications alike.
#[cfg(models)]
pub fn wait_at_most<'a, T>(
    _: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    _: Duration,
) -> MutexGuard<'a, T> {
    drop(guard);
    lock(mutex)
}

/// Receives the next message within `time`.
///
/// # Errors
/// When nothing was sent in time, or all senders are gone.
#[cfg(not(models))]
pub fn receive_within<T>(
    receiver: &mpsc::Receiver<T>,
    time: Duration,
) -> Result<T, mpsc::RecvTimeoutError> {
    receiver.recv_timeout(time)
}

/// The checker has no time: it may run out at any moment.
///
/// # Errors
/// As in a normal build.
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
