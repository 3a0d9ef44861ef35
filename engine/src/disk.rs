//! Whether a write failed for want of room, and what to say then.

use std::fmt::Display;
use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::{Code, Error};

/// Below this many free bytes a failed write is taken for a full disk even if SQLite answers "disk I/O
/// error": it needs whole pages, and room for the index of its log.
const NO_ROOM: u64 = 1 << 20;

/// Whether an operation on a file failed because the disk, or what the user may have of it, is full.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether work on the SQLite database `path` failed because the disk is full.
#[must_use]
pub fn is_full_for_database(error: &rusqlite::Error, path: &Path) -> bool {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => true,
        Some(ErrorCode::SystemIoFailure) => free_space(path).is_some_and(|free| free < NO_ROOM),
        _ => false,
    }
}

/// [`Code::DiskFull`] for a write to the file `path`, which `thing` names; `cause` is what the system
/// said.
#[must_use]
pub fn full(thing: impl Display, path: &Path, cause: &str) -> Error {
    let free = free_space(path)
        .map_or_else(|| "unknown".to_owned(), |free| format!("{} KiB", free / 1024));
    Error::new(Code::DiskFull, format!("no room to write {thing}"))
        .cause(format!("{cause} (free space: {free})"))
        .fix("free some space; nothing is lost, delivery continues where it stopped")
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
