//! Failures of SQLite and of the file system in the words of who has to mend them.

use std::io;
use std::path::Path;

use longshore_engine::disk;
use longshore_engine::error::{Code, Error, printable};
use rusqlite::ErrorCode;

use super::holder;

/// Why work on the database failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite refused.
    Database(rusqlite::Error),
    /// The file could not be made.
    File(io::Error),
    /// Something else, already explained.
    Explained(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Explained(error)
    }
}

impl Failure {
    /// Explains the failure; `path` is the database.
    pub(super) fn explain(self, path: &Path) -> Error {
        match self {
            Self::Database(error) => database(path, &error),
            Self::File(error) if disk::is_full(&error) => disk_full(path, &error.to_string()),
            Self::File(error) => unusable(path)
                .cause(error.to_string())
                .fix("check that this user may write the file and its folder"),
            Self::Explained(error) => error,
        }
    }
}

fn unusable(path: &Path) -> Error {
    let what = format!("the database {} could not be used", path.display());
    Error::new(Code::SinkUnavailable, what)
}

fn database(path: &Path, error: &rusqlite::Error) -> Error {
    let said = printable(&error.to_string(), 200);
    if disk::is_full_for_database(error, path) {
        return disk_full(path, &said);
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let what = format!("the database {} is locked by another program", path.display());
            let error = Error::new(Code::SinkUnavailable, what).cause(said);
            match holder::of(path) {
                Some(holder) => error.fix(format!("let {holder} end its transaction, or stop it")),
                None => error.fix(format!(
                    "find the program with `fuser {}`, and let it end its transaction",
                    path.display()
                )),
            }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => unusable(path)
            .cause(said)
            .fix("restore it from a backup, or move it away: then a new one is begun"),
        _ => unusable(path).cause(said).fix(
            "check that the disk is healthy and that this user may write the file and its folder",
        ),
    }
}

fn disk_full(path: &Path, said: &str) -> Error {
    disk::full(format_args!("the database {}", path.display()), path, said)
}
