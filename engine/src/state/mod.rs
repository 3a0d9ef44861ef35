//! Durable state: where every stream stands, which records it has seen, what was delivered, how
//! runs went and what was spent of each quota.
//!
//! One SQLite database in a directory that one process owns. The write-ahead log is synchronized on
//! every commit (`synchronous = FULL`), so what a method reported as done survives a power failure.
//! All methods block; asynchronous callers use `spawn_blocking`.

mod advance;
mod cursor;
mod failure;
mod keys;
mod pauses;
mod positions;
mod quotas;
mod runs;
mod schema;
mod standing;

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

pub(crate) use advance::{Advance, Begun, Known, Shown};
pub use cursor::Cursor;
pub(crate) use failure::{Failure, file as file_failure};
pub(crate) use keys::{
    Inserted, KEYS_IN_BLOCK, KeyWriter, finish_item, forget_finished, forget_keys,
};
pub(crate) use positions::SinkPosition;
pub(crate) use quotas::{QuotaBucket, QuotaSnapshot};
pub use runs::{Run, RunId, RunOutcome, RunReport};
pub(crate) use standing::read as read_standing;
pub use standing::{MOST_KEYS, Standing};

use crate::error::{Code, Error, Result};
use crate::files;

const DATABASE: &str = "state.db";
const LOCK: &str = "state.lock";

/// Number of a stream of a connection inside one state directory; see [`Store::stream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub(crate) i64);

/// The state of one process; shared between threads, one piece of work at a time.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    path: PathBuf,
    // Last, so that it is released after the database is closed.
    _lock: Lock,
}

/// An advisory lock, which the operating system releases with the process.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do it while a child process that is being started has a copy.
        let _ = self.0.unlock();
    }
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// A COMMIT failed, so whether it will be found after a crash is unknown; see [`settle`].
    doubtful: bool,
}

impl Store {
    /// Opens the state in `directory`, creating both if they do not exist (readable by this user
    /// only), and marks runs that a crash cut short as interrupted.
    ///
    /// # Errors
    /// `STATE_LOCKED` if another process has it open, `STATE_CORRUPT` if the database is damaged or
    /// newer than this program, `DISK_FULL`, or `INPUT_INVALID` if the directory cannot be used.
    pub fn open(directory: &Path) -> Result<Self> {
        let unusable = |path: &Path, doing: &str, error: &std::io::Error| {
            file_failure(Code::InputInvalid, doing, path, error)
        };
        files::create_private_folder(directory)
            .map_err(|error| unusable(directory, "created", &error))?;
        let lock_path = directory.join(LOCK);
        let lock = files::open_private(&lock_path)
            .and_then(|file| lock_or_owner(file, &lock_path))
            .map_err(|error| unusable(&lock_path, "locked", &error))?
            .map_err(|owner| locked(directory, &owner))?;

        let path = directory.join(DATABASE);
        // Created here because SQLite would create it readable by everyone.
        files::open_private(&path).map_err(|error| unusable(&path, "opened", &error))?;
        let connection = connect(&path).map_err(|failure| failure.explain("opening it", &path))?;
        let store = Self {
            inner: Mutex::new(Inner { connection, doubtful: false }),
            path,
            _lock: Lock(lock),
        };
        store.interrupt_runs()?;
        Ok(store)
    }

    /// The number of a stream, given out on first use and never reused for another name.
    pub fn stream(&self, connection: &str, stream: &str) -> Result<StreamId> {
        let doing = "looking up a stream";
        let find = "SELECT id FROM streams WHERE connection = ?1 AND stream = ?2";
        let found = self.read(doing, |database| {
            let mut statement = database.prepare_cached(find)?;
            Ok(statement.query_row([connection, stream], |row| row.get(0)).optional()?)
        })?;
        if let Some(id) = found {
            return Ok(StreamId(id));
        }
        self.write(doing, |transaction| {
            transaction.execute(
                "INSERT OR IGNORE INTO streams (connection, stream) VALUES (?1, ?2)",
                [connection, stream],
            )?;
            Ok(StreamId(transaction.query_row(find, [connection, stream], |row| row.get(0))?))
        })
    }

    /// Where the stream stands; `None` if it never committed a cursor.
    pub fn cursor(&self, stream: StreamId) -> Result<Option<Cursor>> {
        let document: Option<String> = self.read("reading a cursor", |database| {
            Ok(database
                .prepare_cached("SELECT document FROM cursors WHERE stream = ?1")?
                .query_row([stream.0], |row| row.get(0))
                .optional()?)
        })?;
        document
            .map(|document| serde_json::from_str(&document))
            .transpose()
            .map_err(|error| failure::corrupt(&self.path, format!("a cursor: {error}")))
    }

    /// True if the item, e.g. a file listed by one step and read by the next, was delivered whole.
    pub fn is_finished(&self, stream: StreamId, item: &str) -> Result<bool> {
        self.read("looking up a finished item", |database| {
            Ok(database
                .prepare_cached("SELECT 1 FROM finished_items WHERE stream = ?1 AND item = ?2")?
                .exists(params![stream.0, item])?)
        })
    }

    /// Removes everything known about a connection, except the lengths of its delivered files.
    pub fn forget_connection(&self, connection: &str) -> Result<()> {
        self.write("forgetting a connection", |transaction| {
            for table in ["seen_keys", "seen_blocks"] {
                let forget = format!(
                    "DELETE FROM {table} WHERE stream IN
                        (SELECT id FROM streams WHERE connection = ?1)"
                );
                transaction.execute(&forget, [connection])?;
            }
            // Cursors, items, snapshots and runs follow by foreign key.
            transaction.execute("DELETE FROM streams WHERE connection = ?1", [connection])?;
            for table in ["quota_states", "quota_buckets", "pauses"] {
                let forget = format!("DELETE FROM {table} WHERE connection = ?1");
                transaction.execute(&forget, [connection])?;
            }
            Ok(())
        })
    }

    /// Number of rows of a table.
    #[cfg(test)]
    pub(crate) fn count(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        self.lock().connection.query_row(&count, [], |row| row.get(0)).unwrap()
    }

    /// Number of keys that are known, in rows and in blocks.
    #[cfg(test)]
    pub(crate) fn count_keys(&self) -> i64 {
        self.lock().connection.query_row(keys::COUNT, [], |row| row.get(0)).unwrap()
    }

    /// Lets the database grow by so many pages only, like a full disk; `None` lifts the limit.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, more: Option<i64>) {
        let connection = &self.lock().connection;
        let now: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = more.map_or(i64::from(u32::MAX) - 1, |more| now + more);
        connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic inside a piece of work rolled its transaction back: the state is as before it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a piece of reading; `doing` completes "while ..." in an error.
    pub(crate) fn read<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T> {
        work(&self.lock().connection).map_err(|failure| failure.explain(doing, &self.path))
    }

    /// Does a piece of work in one transaction: all of it is durable when this returns `Ok`, none
    /// of it happened when it returns `Err`.
    pub(crate) fn write<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut guard = self.lock();
        let Inner { connection, doubtful } = &mut *guard;
        transact(connection, doubtful, work).map_err(|failure| failure.explain(doing, &self.path))
    }
}

fn transact<T>(
    connection: &mut Connection,
    doubtful: &mut bool,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if *doubtful {
        settle(connection)?;
        *doubtful = false;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit().inspect_err(|_| *doubtful = true)?;
    Ok(done)
}

/// Makes a failed COMMIT certainly failed. Its frames may be complete in the log although the
/// synchronization was refused, and a crash would bring them back. Any later transaction overwrites
/// them; this one changes nothing else, and must succeed before files are touched again.
fn settle(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    transaction.commit()
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("temp_store", "MEMORY"),
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        // KiB (negative): enough for the keys of a busy overlap, which lie in blocks.
        ("cache_size", "-2048"),
        // Pages: a page changed by many commits is copied to the database once.
        ("wal_autocheckpoint", "8192"),
        ("journal_size_limit", "67108864"),
    ] {
        connection.pragma_update(None, pragma, value)?;
    }
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// An empty database in memory, for tests of what needs no file.
#[cfg(test)]
pub(crate) fn in_memory() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection, Path::new(":memory:")).unwrap();
    connection
}

/// Takes the lock; `Ok(Err(owner))` if another process, whose number it wrote there, has it.
fn lock_or_owner(mut file: File, path: &Path) -> std::io::Result<Result<File, String>> {
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.write_all(std::process::id().to_string().as_bytes())?;
            Ok(Ok(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            File::open(path)?.take(20).read_to_string(&mut owner)?;
            Ok(Err(owner))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn locked(directory: &Path, owner: &str) -> Error {
    let owner =
        if owner.is_empty() { "another process".to_owned() } else { format!("process {owner}") };
    Error::new(
        Code::StateLocked,
        format!("the state directory {} is in use by {owner}", directory.display()),
    )
    .cause("two processes on one state would deliver events twice and overspend quotas")
    .fix("stop the other process, or give this one a state directory of its own")
}

/// A time as it is stored: milliseconds since 1970, rounded down.
pub(crate) fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}

#[cfg(test)]
mod tests;
