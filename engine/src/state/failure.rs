//! Turns failures of SQLite and of the file system into errors a person can act on.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Code, Error};

/// Below this many free bytes a failed write is taken for a full disk even if the operating system
/// reports something else: SQLite needs whole pages and answers a failed one with "disk I/O error".
const NO_ROOM: u64 = 1 << 20;

/// Why a piece of work on the database failed, before the store adds what it was doing and where.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite refused.
    Database(rusqlite::Error),
    /// Something else, already explained.
    Other(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// Explains the failure; `doing` completes "while ...", `path` is the database.
    pub(crate) fn explain(self, doing: &str, path: &Path) -> Error {
        match self {
            Self::Database(error) => database(doing, path, &error),
            Self::Other(error) => error,
        }
    }
}

/// Explains a failure of SQLite.
fn database(doing: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => disk_full(path, &error.to_string()),
        Some(ErrorCode::SystemIoFailure) if free_space(path).is_some_and(|free| free < NO_ROOM) => {
            disk_full(path, &error.to_string())
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            corrupt(path, format!("{error}, while {doing}"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(Code::StateLocked, format!("the state database {shown} is in use"))
                .cause(format!("{error}, while {doing}"))
                .fix("close the other program that has the database open")
        }
        Some(_) => Error::new(
            Code::Internal,
            format!("the state database {shown} could not be used while {doing}"),
        )
        .cause(error.to_string())
        .fix("check that the disk is healthy and that this user may read and write the directory"),
        // Not SQLite but its content: a column of the wrong type, a value out of range.
        None => corrupt(path, format!("{error}, while {doing}")),
    }
}

/// The state does not hold what it should.
pub(crate) fn corrupt(path: &Path, cause: impl Into<String>) -> Error {
    let shown = path.display();
    Error::new(Code::StateCorrupt, format!("the state database {shown} is damaged"))
        .cause(cause)
        .fix(format!(
            "restore the directory of {shown} from a backup; without one, move it away and start \
             again: every stream then begins with its history, so events that were already \
             delivered are delivered once more"
        ))
}

/// There is no room for a write.
fn disk_full(path: &Path, cause: &str) -> Error {
    let free = free_space(path)
        .map_or_else(|| "unknown".to_owned(), |free| format!("{} KiB", free / 1024));
    Error::new(Code::DiskFull, format!("no room to write {}", path.display()))
        .cause(format!("{cause} (free space: {free})"))
        .fix("free some space; nothing is lost, delivery continues where it stopped")
}

/// Explains a failed operation on a file; `doing` completes "could not be ...".
pub(crate) fn file(code: Code, doing: &str, path: &Path, error: &io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return disk_full(path, &error.to_string());
    }
    Error::new(code, format!("{} could not be {doing}", path.display()))
        .cause(error.to_string())
        .fix("check that the path exists and that this user may read and write it")
}

/// Bytes this user may still write on the file system that holds `path`, or its nearest existing
/// ancestor; `None` where the system does not tell.
fn free_space(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        path.ancestors()
            .find_map(|ancestor| rustix::fs::statvfs(ancestor).ok())
            .map(|figures| figures.f_bavail.saturating_mul(figures.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}
