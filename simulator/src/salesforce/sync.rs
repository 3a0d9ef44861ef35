//! A lock that outlives a panic in another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. The state behind each lock of the simulator is whole between statements,
/// so a poisoned lock still holds usable data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
