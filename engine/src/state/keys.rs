//! Which records a stream has seen, and which items it has finished.

use std::sync::LazyLock;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Transaction, params};

use super::{Failure, StreamId, milliseconds};

/// Fewer new keys than this are not worth a pass over all keys of a stream.
const PRUNE_AT_LEAST: i64 = 1000;

/// Whether a key was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It was not known and is now.
    New,
    /// It was known; its time is now the later of the two.
    Known,
}

/// So many keys are stored by one statement.
pub(crate) const KEYS_AT_ONCE: usize = 64;

/// Stores [`KEYS_AT_ONCE`] keys. Within one statement SQLite stays where it is in the table, which
/// makes keys that follow on one another much cheaper than each by itself. `OR FAIL` spares it a
/// journal of its own: after an error the whole transaction is undone.
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| {
    let rows: Vec<_> =
        (1..=KEYS_AT_ONCE).map(|n| format!("(?1, ?{}, ?{})", n * 2, n * 2 + 1)).collect();
    format!("INSERT OR FAIL INTO seen_keys (stream, key, time) VALUES {}", rows.join(", "))
});

/// Looks up and stores keys of one stream within one transaction.
pub(crate) struct KeyWriter<'a> {
    insert: CachedStatement<'a>,
    insert_many: CachedStatement<'a>,
    look_between: CachedStatement<'a>,
    look_up: CachedStatement<'a>,
    refresh: CachedStatement<'a>,
    count: CachedStatement<'a>,
    stream: StreamId,
    added: i64,
}

impl<'a> KeyWriter<'a> {
    pub(crate) fn new(transaction: &'a Transaction<'_>, stream: StreamId) -> Result<Self, Failure> {
        Ok(Self {
            insert: transaction.prepare_cached(
                "INSERT OR IGNORE INTO seen_keys (stream, key, time) VALUES (?1, ?2, ?3)",
            )?,
            insert_many: transaction.prepare_cached(&INSERT_MANY)?,
            look_between: transaction.prepare_cached(
                "SELECT 1 FROM seen_keys WHERE stream = ?1 AND key BETWEEN ?2 AND ?3",
            )?,
            look_up: transaction
                .prepare_cached("SELECT 1 FROM seen_keys WHERE stream = ?1 AND key = ?2")?,
            refresh: transaction.prepare_cached(
                "UPDATE seen_keys SET time = ?3 WHERE stream = ?1 AND key = ?2 AND time < ?3",
            )?,
            count: transaction
                .prepare_cached("UPDATE streams SET keys_added = keys_added + ?2 WHERE id = ?1")?,
            stream,
            added: 0,
        })
    }

    /// Stores `key`, seen at `time` (milliseconds since 1970).
    pub(crate) fn insert(&mut self, key: &[u8; 16], time: i64) -> Result<Inserted, Failure> {
        if self.insert.execute(params![self.stream.0, key, time])? == 1 {
            self.added += 1;
            return Ok(Inserted::New);
        }
        self.refresh.execute(params![self.stream.0, key, time])?;
        Ok(Inserted::Known)
    }

    /// Stores [`KEYS_AT_ONCE`] keys with their times, which are in ascending order and different, if
    /// nothing is known from the first to the last of them: `true` then. So it is with what comes in
    /// the order of its keys, as records of a log do.
    pub(crate) fn insert_new(
        &mut self,
        keys: &[(&[u8; 16], i64); KEYS_AT_ONCE],
    ) -> Result<bool, Failure> {
        let [(first, _), .., (last, _)] = keys;
        if self.look_between.exists(params![self.stream.0, first, last])? {
            return Ok(false);
        }
        let insert = &mut self.insert_many;
        insert.raw_bind_parameter(1, self.stream.0)?;
        for (index, (key, time)) in keys.iter().enumerate() {
            insert.raw_bind_parameter(index * 2 + 2, key)?;
            insert.raw_bind_parameter(index * 2 + 3, time)?;
        }
        self.added += insert.raw_execute()? as i64;
        Ok(true)
    }

    /// Whether `key` was stored before.
    pub(crate) fn is_known(&mut self, key: &[u8; 16]) -> Result<bool, Failure> {
        Ok(self.look_up.exists(params![self.stream.0, key])?)
    }

    /// Counts what was added, so that pruning knows when it is due.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        if self.added > 0 {
            self.count.execute(params![self.stream.0, self.added])?;
        }
        Ok(())
    }
}

/// Forgets keys last seen before `before`, when enough keys were added since the last time.
///
/// A pass reads all keys of the stream. It waits until their number has doubled, so that it costs a
/// constant share of every insertion and needs no index by time, which would double the cost of
/// every insertion. Keeping a key for longer is harmless.
pub(crate) fn forget_keys(
    transaction: &Transaction<'_>,
    stream: StreamId,
    before: Timestamp,
) -> Result<(), Failure> {
    let (kept, added): (i64, i64) = transaction
        .prepare_cached("SELECT keys_kept, keys_added FROM streams WHERE id = ?1")?
        .query_row([stream.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if added < kept.max(PRUNE_AT_LEAST) {
        return Ok(());
    }
    let forgotten = transaction
        .prepare_cached("DELETE FROM seen_keys WHERE stream = ?1 AND time < ?2")?
        .execute(params![stream.0, milliseconds(before)])?;
    transaction
        .prepare_cached("UPDATE streams SET keys_kept = ?2, keys_added = 0 WHERE id = ?1")?
        .execute(params![stream.0, (kept + added).saturating_sub_unsigned(forgotten as u64)])?;
    Ok(())
}

/// Notes that an item was delivered whole.
pub(crate) fn finish_item(
    transaction: &Transaction<'_>,
    stream: StreamId,
    item: &str,
    time: Timestamp,
) -> Result<(), Failure> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO finished_items (stream, item, time) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![stream.0, item, milliseconds(time)])?;
    Ok(())
}

/// Forgets finished items whose time is before `before`.
pub(crate) fn forget_finished(
    transaction: &Transaction<'_>,
    stream: StreamId,
    before: Timestamp,
) -> Result<(), Failure> {
    transaction
        .prepare_cached("DELETE FROM finished_items WHERE stream = ?1 AND time < ?2")?
        .execute(params![stream.0, milliseconds(before)])?;
    Ok(())
}
