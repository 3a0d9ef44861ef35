//! The tables of the state database and how an older database becomes a current one.
//!
//! The version is kept in `PRAGMA user_version` (0 for an empty database). Migrations run in one
//! transaction with the change of the version, so a crash leaves either the old or the new schema.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;
use crate::error::{Code, Error};

/// Each entry turns version `index` into version `index + 1`. Entries are never edited once
/// released; a change of the schema is a new entry.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE streams (
        id         INTEGER PRIMARY KEY,
        connection TEXT NOT NULL,
        stream     TEXT NOT NULL,
        -- How many keys the last pruning left, and how many were added since.
        keys_kept  INTEGER NOT NULL DEFAULT 0,
        keys_added INTEGER NOT NULL DEFAULT 0,
        UNIQUE (connection, stream)
    ) STRICT;

    CREATE TABLE cursors (
        stream   INTEGER PRIMARY KEY REFERENCES streams (id) ON DELETE CASCADE,
        document TEXT NOT NULL
    ) STRICT;

    -- No foreign key: its check would be paid for every event.
    CREATE TABLE seen_keys (
        stream INTEGER NOT NULL,
        key    BLOB NOT NULL,
        time   INTEGER NOT NULL,
        PRIMARY KEY (stream, key)
    ) STRICT, WITHOUT ROWID;

    -- Ascending keys that came together, one behind the other; no two blocks of a stream overlap.
    CREATE TABLE seen_blocks (
        id     INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL,
        first  BLOB NOT NULL,
        last   BLOB NOT NULL,
        -- The latest of its keys.
        time   INTEGER NOT NULL,
        keys   BLOB NOT NULL
    ) STRICT;
    -- With all but the keys, so that those are read only when one of them may be meant.
    CREATE INDEX seen_blocks_by_last ON seen_blocks (stream, last, first, time);

    CREATE TABLE finished_items (
        stream INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        item   TEXT NOT NULL,
        time   INTEGER NOT NULL,
        PRIMARY KEY (stream, item)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX finished_items_by_time ON finished_items (stream, time);

    CREATE TABLE sink_positions (
        directory BLOB NOT NULL,
        file      TEXT NOT NULL,
        -- Which file of that name it was (0 where the system has no such number), so that another
        -- one that took its place is never truncated.
        inode     INTEGER NOT NULL,
        length    INTEGER NOT NULL,
        PRIMARY KEY (directory, file)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE runs (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        stream        INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        started       INTEGER NOT NULL,
        ended         INTEGER,
        outcome       TEXT NOT NULL,
        requests      INTEGER NOT NULL DEFAULT 0,
        records       INTEGER NOT NULL DEFAULT 0,
        events        INTEGER NOT NULL DEFAULT 0,
        duplicates    INTEGER NOT NULL DEFAULT 0,
        window_start  INTEGER,
        window_end    INTEGER,
        error_code    TEXT,
        error_message TEXT
    ) STRICT;
    CREATE INDEX runs_by_stream ON runs (stream, id);

    CREATE TABLE quota_states (
        connection TEXT NOT NULL,
        quota      TEXT NOT NULL,
        document   TEXT NOT NULL,
        PRIMARY KEY (connection, quota)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE quota_buckets (
        connection TEXT NOT NULL,
        quota      TEXT NOT NULL,
        ends       INTEGER NOT NULL,
        earliest   INTEGER NOT NULL,
        calls      INTEGER NOT NULL,
        reported   INTEGER NOT NULL,
        PRIMARY KEY (connection, quota, ends)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- How far each item of a stream was read, for items that are read again and again.
    CREATE TABLE read_items (
        stream INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        item   BLOB NOT NULL,
        up_to  INTEGER NOT NULL,
        PRIMARY KEY (stream, item)
    ) STRICT, WITHOUT ROWID;

    -- Items whose reading was not finished, the time from which the keys of what was read of them
    -- are kept, and the time up to which that was.
    CREATE TABLE begun_items (
        stream INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        item   BLOB NOT NULL,
        since  INTEGER NOT NULL,
        up_to  INTEGER NOT NULL,
        PRIMARY KEY (stream, item)
    ) STRICT, WITHOUT ROWID;

    -- What the last snapshot of a stream showed.
    CREATE TABLE shown_records (
        stream   INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        record   BLOB NOT NULL,
        digest   BLOB NOT NULL,
        snapshot INTEGER NOT NULL,
        kept     TEXT,
        PRIMARY KEY (stream, record)
    ) STRICT, WITHOUT ROWID;

    -- Addresses that the app asked not to be asked for until then.
    CREATE TABLE pauses (
        connection TEXT NOT NULL,
        asked      BLOB NOT NULL,
        until      INTEGER NOT NULL,
        PRIMARY KEY (connection, asked)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Keys last seen before this time are of no use any more, though some are still there.
    ALTER TABLE streams ADD COLUMN keys_needed_since INTEGER;
",
    "
    -- Which log of a connection's events it is that positions belong to.
    CREATE TABLE spools (
        connection TEXT PRIMARY KEY,
        id         TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Up to where each sink has the log of a stream, in bytes.
    CREATE TABLE sinks_acknowledged (
        connection TEXT NOT NULL,
        sink       TEXT NOT NULL,
        stream     TEXT NOT NULL,
        position   INTEGER NOT NULL,
        PRIMARY KEY (connection, sink, stream)
    ) STRICT, WITHOUT ROWID;
",
];

/// The version this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the database to [`VERSION`]; refuses one written by a newer program.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let applied = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(applied..) else {
        return Err(Error::new(
            Code::StateCorrupt,
            format!("the state database {} was written by a newer version", path.display()),
        )
        .cause(format!("it has schema version {found}; this program knows up to {VERSION}"))
        .fix("run the newer version, or restore the backup made before the upgrade")
        .into());
    };
    if missing.is_empty() {
        return Ok(());
    }
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}
