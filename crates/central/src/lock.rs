//! Locks whose holders may panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what every change leaves whole: also after one whose thread panicked.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
