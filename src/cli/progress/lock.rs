//! Locks of state that several threads change.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Returns the state, locked. A poisoned lock holds no partial change: each change is atomic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
