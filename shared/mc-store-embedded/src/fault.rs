//! What a failure of SQLite or of the file system means to the callers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mc_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Whether the failure concerns the storage itself, so that nothing else of the same transaction can succeed either.
pub(crate) fn is_storage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// The error a caller sees.
pub(crate) fn of_sqlite(error: rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        _ if is_storage(&error) => ErrorKind::Unavailable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, "the embedded database failed").because(error)
}

/// The answer to everything that was in a transaction that could not be made.
pub(crate) fn not_written(reason: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "the embedded store cannot write now").with("reason", reason)
}

/// The answer when the writer thread is no more.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the embedded store is closed")
}

/// Locks a mutex whose data every critical section leaves whole, so that a panic elsewhere does no harm.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
