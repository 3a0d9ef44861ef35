//! The tables, and one transaction per portion.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_engine::error::{Code, Error};
use longshore_engine::files;
use longshore_engine::sink::{Log, Portioned};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::failure::Failure;
use crate::event::Head;
use crate::kept;

/// `LSEV`: marks the file as ours (<https://www.sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION: i32 = 0x4c53_4556;

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// In bytes. An event takes about one KiB, and what is left of a page is of no use to the next one.
const PAGE: i64 = 16 << 10;

/// Each entry turns version `index` into version `index + 1`, which `PRAGMA user_version` has. Entries
/// are never edited once released.
// Not STRICT: the programs that read the file may have a SQLite older than 3.37.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE events (
        -- `metadata.uid` of the event.
        uid        TEXT NOT NULL,
        connection TEXT NOT NULL,
        stream     TEXT NOT NULL,
        class_uid  INTEGER,
        -- Milliseconds since 1970.
        time       INTEGER,
        -- The event as JSON.
        event      TEXT NOT NULL
    );
    CREATE INDEX events_by_time ON events (time);
    CREATE INDEX events_by_class ON events (class_uid, time);

    -- Up to which byte of the log of a stream its events are here.
    CREATE TABLE positions (
        spool      TEXT NOT NULL,
        connection TEXT NOT NULL,
        stream     TEXT NOT NULL,
        position   INTEGER NOT NULL,
        PRIMARY KEY (spool, connection, stream)
    ) WITHOUT ROWID;
",
    // What was made as version 1 has `uid` as its primary key. It stays so: that is an index of uids as
    // good as the one below.
    "",
];

/// Whether another log of the same stream was delivered before, so that its events may come again.
const IS_ANEW: &str = "SELECT EXISTS (
    SELECT 1 FROM positions WHERE connection = ?2 AND stream = ?3 AND spool <> ?1)";

const HAS_UIDS: &str = "SELECT EXISTS (
    SELECT 1 FROM pragma_index_list('events') AS listed, pragma_index_info(listed.name) AS indexed
    WHERE NOT listed.partial AND indexed.seqno = 0 AND indexed.name = 'uid')";

const INDEX_UIDS: &str = "CREATE INDEX events_by_uid ON events (uid)";

const INSERT: &str = "INSERT INTO events (uid, connection, stream, class_uid, time, event)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const IS_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM events WHERE uid = ?1)";

const POSITION: &str =
    "SELECT position FROM positions WHERE spool = ?1 AND connection = ?2 AND stream = ?3";

const ADVANCE: &str = "INSERT INTO positions (spool, connection, stream, position)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (spool, connection, stream) DO UPDATE SET position = excluded.position";

/// The log of a stream, for work on another thread.
#[derive(Debug)]
pub(super) struct LogName {
    spool: String,
    connection: String,
    stream: String,
}

impl From<Log<'_>> for LogName {
    fn from(log: Log<'_>) -> Self {
        Self {
            spool: log.spool.to_owned(),
            connection: log.connection.to_owned(),
            stream: log.stream.to_owned(),
        }
    }
}

/// An open database.
pub(super) struct Database {
    connection: Connection,
    /// For errors.
    path: PathBuf,
    identity: (u64, u64),
}

impl Database {
    /// Opens a database, and makes it if there is none, readable by this user only.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let identity = create(path).map_err(Failure::File)?;
        // One thread at a time has it, so it needs no locks of its own.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        // Of a file that is still empty alone.
        connection.pragma_update(None, "page_size", PAGE)?;
        // Before anything is changed: it may be the database of another program.
        migrate(&mut connection, path)?;
        for (pragma, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("trusted_schema", "OFF"),
            ("cell_size_check", "ON"),
            // KiB (negative).
            ("cache_size", "-32768"),
            // Pages, 128 MiB: one that is changed by many commits is copied to the database once.
            ("wal_autocheckpoint", "8192"),
            ("journal_size_limit", "134217728"),
        ] {
            connection.pragma_update(None, pragma, value)?;
        }
        Ok(Self { connection, path: path.to_owned(), identity })
    }

    /// Whether the file that is open is still the one of that name: somebody may have moved it away.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| identity(&found) == self.identity)
    }

    pub(super) fn position(&self, log: &LogName) -> Result<Option<u64>, Failure> {
        Ok(position(&self.connection, log)?)
    }

    /// Adds events that start at `start` of their log and moves its position, or changes nothing.
    pub(super) fn append(
        &mut self,
        log: &LogName,
        start: u64,
        lines: &[u8],
    ) -> Result<(), Failure> {
        // From its beginning no other process can write.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let portion = Portioned {
            log: Log { spool: &log.spool, connection: &log.connection, stream: &log.stream },
            start,
            lines,
        };
        let name = format!("the database {}", self.path.display());
        let missing = kept::missing(portion, position(&transaction, log)?, &name)?;
        if missing.lines.is_empty() {
            return Ok(());
        }
        {
            let heads: Result<Vec<_>, Error> =
                missing.events().map(|event| Ok((Head::read(event)?, event))).collect();
            let mut heads = heads?;
            // A log has each event once, so its position is enough to add none twice. Only what another
            // log brought has to be known by its uid. An index of uids, which are in no order, is the
            // slower to add to the larger it is; so it is made when it is needed.
            let has_uids = has_uids(&transaction, log)?;
            if has_uids {
                // This way a page of the index is visited once.
                heads.sort_unstable_by(|(one, _), (other, _)| one.uid().cmp(other.uid()));
            }
            let mut is_known = transaction.prepare_cached(IS_KNOWN)?;
            let mut insert = transaction.prepare_cached(INSERT)?;
            for (head, event) in heads {
                let (uid, class_uid, time) = (head.uid(), head.class_uid, head.time);
                if has_uids && is_known.query_row([uid], |row| row.get(0))? {
                    continue;
                }
                let text = str::from_utf8(event).map_err(|error| not_text(&error))?;
                insert.execute(params![uid, log.connection, log.stream, class_uid, time, text])?;
            }
            let end = missing.end() as i64;
            transaction.prepare_cached(ADVANCE)?.execute(params![
                log.spool,
                log.connection,
                log.stream,
                end
            ])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Lets the database grow by so many pages only, like a full disk; `None` lifts the limit.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, more: Option<i64>) {
        let pages = |sql: &str| self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let now = pages("PRAGMA page_count").unwrap();
        let most = more.map_or(i64::from(u32::MAX) - 1, |more| now + more);
        pages(&format!("PRAGMA max_page_count = {most}")).unwrap();
    }
}

fn position(connection: &Connection, log: &LogName) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached(POSITION)?;
    let found: Option<i64> = statement
        .query_row([&log.spool, &log.connection, &log.stream], |row| row.get(0))
        .optional()?;
    Ok(found.map(|position| position as u64))
}

/// Whether uids have an index, which is made if events of the stream may come again.
fn has_uids(connection: &Connection, log: &LogName) -> rusqlite::Result<bool> {
    if connection.prepare_cached(HAS_UIDS)?.query_row([], |row| row.get(0))? {
        return Ok(true);
    }
    let log = [&log.spool, &log.connection, &log.stream];
    let is_anew = connection.prepare_cached(IS_ANEW)?.query_row(log, |row| row.get(0))?;
    if is_anew {
        connection.execute_batch(INDEX_UIDS)?;
    }
    Ok(is_anew)
}

fn not_text(error: &std::str::Utf8Error) -> Error {
    Error::new(Code::Internal, "an event of the spool is not UTF-8")
        .cause(error.to_string())
        .fix("report this as a bug, with the manifest")
}

/// Makes the file and its folder for this user only, which SQLite would make readable by everyone.
/// What it makes beside the file has the file's permissions.
fn create(path: &Path) -> std::io::Result<(u64, u64)> {
    if let Some(folder) = path.parent() {
        files::create_private_folder(folder)?;
    }
    let file = files::open_private(path)?;
    Ok(identity(&file.metadata()?))
}

/// Device and number of a file; zeros where the system has no such numbers.
fn identity(metadata: &Metadata) -> (u64, u64) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        (metadata.dev(), metadata.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        (0, 0)
    }
}

/// Makes the tables, or those of an older version current, in one transaction.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Failure> {
    // Nothing is written, so nobody is waited for.
    if missing_migrations(connection, path)?.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in missing_migrations(&transaction, path)? {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

fn missing_migrations(
    connection: &Connection,
    path: &Path,
) -> Result<&'static [&'static str], Failure> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let ours = number("PRAGMA application_id")? == i64::from(APPLICATION);
    if !ours && (version != 0 || number("SELECT count(*) FROM sqlite_schema")? > 0) {
        let what = format!("{} belongs to another program", path.display());
        return Err(Error::new(Code::SinkUnavailable, what)
            .cause("it is a SQLite database with other tables")
            .fix("give the path of a file that does not exist yet")
            .into());
    }
    let known = MIGRATIONS.len();
    let missing = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..));
    missing.ok_or_else(|| {
        let what = format!("{} was made by a newer version of this program", path.display());
        let cause = format!("its tables have version {version}, known are those up to {known}");
        Error::new(Code::SinkUnavailable, what)
            .cause(cause)
            .fix("use that version, or give the path of another file")
            .into()
    })
}

#[cfg(test)]
mod tests;
