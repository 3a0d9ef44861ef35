//! Turns failures of SQLite and of the file system into errors a person can act on.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::disk;
use crate::error::{Code, Error};

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
    if disk::is_full_for_database(error, path) {
        return disk::full(shown, path, &error.to_string());
    }
    match error.sqlite_error_code() {
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

/// Explains a failed operation on a file; `doing` completes "could not be ...".
pub(crate) fn file(code: Code, doing: &str, path: &Path, error: &io::Error) -> Error {
    if disk::is_full(error) {
        return disk::full(path.display(), path, &error.to_string());
    }
    Error::new(code, format!("{} could not be {doing}", path.display()))
        .cause(error.to_string())
        .fix("check that the path exists and that this user may read and write it")
}
