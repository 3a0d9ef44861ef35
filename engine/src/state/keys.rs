//! Which records a stream has seen, and which items it has finished.

use jiff::Timestamp;
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::{Failure, Known, StreamId, milliseconds};

/// Fewer new keys than this are not worth a pass over all keys of a stream.
const PRUNE_AT_LEAST: i64 = 1000;

/// Counts the keys of all streams.
#[cfg(test)]
pub(crate) const COUNT: &str = "SELECT (SELECT count(*) FROM seen_keys)
    + (SELECT coalesce(sum(length(keys)), 0) / 16 FROM seen_blocks)";

/// Whether a key was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It was not known and is now.
    New,
    /// It was known; its time is now the later of the two.
    Known,
}

/// The most keys of a block: so many fit on a page of the database.
pub(crate) const KEYS_IN_BLOCK: usize = 248;

/// A block: keys that came together, in ascending order, with nothing else known from the first to
/// the last of them when it was stored. No two blocks of a stream overlap.
struct Block {
    id: i64,
    first: Known,
    last: Known,
    time: i64,
    /// Read when a key may be among them.
    keys: Option<Vec<u8>>,
}

/// The first block of a stream that ends at `from` or behind it, if there is one.
struct Near {
    from: Known,
    block: Option<Block>,
}

/// Looks up and stores keys of one stream within one transaction.
///
/// Records of a log come in the order of their keys: those are stored in blocks, at a fraction of
/// the cost of a row each. All others have a row each. A key is in a block or in a row.
pub(crate) struct KeyWriter<'a> {
    insert: CachedStatement<'a>,
    look_between: CachedStatement<'a>,
    look_up: CachedStatement<'a>,
    refresh: CachedStatement<'a>,
    insert_block: CachedStatement<'a>,
    find_block: CachedStatement<'a>,
    read_block: CachedStatement<'a>,
    refresh_block: CachedStatement<'a>,
    count: CachedStatement<'a>,
    stream: StreamId,
    /// What was found last; keys are asked for in their order.
    near: Option<Near>,
    added: i64,
}

impl<'a> KeyWriter<'a> {
    pub(crate) fn new(transaction: &'a Transaction<'_>, stream: StreamId) -> Result<Self, Failure> {
        let prepare = |statement| transaction.prepare_cached(statement);
        Ok(Self {
            insert: prepare(
                "INSERT OR IGNORE INTO seen_keys (stream, key, time) VALUES (?1, ?2, ?3)",
            )?,
            look_between: prepare(
                "SELECT 1 FROM seen_keys WHERE stream = ?1 AND key BETWEEN ?2 AND ?3",
            )?,
            look_up: prepare("SELECT 1 FROM seen_keys WHERE stream = ?1 AND key = ?2")?,
            refresh: prepare(
                "UPDATE seen_keys SET time = ?3 WHERE stream = ?1 AND key = ?2 AND time < ?3",
            )?,
            insert_block: prepare(
                "INSERT INTO seen_blocks (stream, first, last, time, keys)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            find_block: prepare(
                "SELECT id, first, last, time FROM seen_blocks
                 WHERE stream = ?1 AND last >= ?2 ORDER BY last LIMIT 1",
            )?,
            read_block: prepare("SELECT keys FROM seen_blocks WHERE id = ?1")?,
            refresh_block: prepare("UPDATE seen_blocks SET time = ?2 WHERE id = ?1")?,
            count: prepare("UPDATE streams SET keys_added = keys_added + ?2 WHERE id = ?1")?,
            stream,
            near: None,
            added: 0,
        })
    }

    /// Stores `key`, seen at `time` (milliseconds since 1970).
    pub(crate) fn insert(&mut self, key: &Known, time: i64) -> Result<Inserted, Failure> {
        if let Some(block) = self.block_of(key)? {
            if block.time < time {
                block.time = time;
                let id = block.id;
                self.refresh_block.execute(params![id, time])?;
            }
            return Ok(Inserted::Known);
        }
        if self.insert.execute(params![self.stream.0, key, time])? == 1 {
            self.added += 1;
            return Ok(Inserted::New);
        }
        self.refresh.execute(params![self.stream.0, key, time])?;
        Ok(Inserted::Known)
    }

    /// Stores keys, at most [`KEYS_IN_BLOCK`], which are in ascending order and different, if
    /// nothing is known from the first to the last of them: `true` then. So it is with what comes in
    /// the order of its keys, as records of a log do. `time` is when the last of them was seen.
    pub(crate) fn insert_new(&mut self, keys: &[Known], time: i64) -> Result<bool, Failure> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(true) };
        if self.near(first)?.is_some_and(|block| block.first <= *last)
            || self.look_between.exists(params![self.stream.0, first, last])?
        {
            return Ok(false);
        }
        self.insert_block.execute(params![
            self.stream.0,
            first,
            last,
            time,
            keys.as_flattened()
        ])?;
        self.near = None;
        self.added += keys.len() as i64;
        Ok(true)
    }

    /// Whether `key` was stored before.
    pub(crate) fn is_known(&mut self, key: &Known) -> Result<bool, Failure> {
        Ok(self.block_of(key)?.is_some() || self.look_up.exists(params![self.stream.0, key])?)
    }

    /// The first block that ends at `key` or behind it.
    fn near(&mut self, key: &Known) -> Result<Option<&mut Block>, Failure> {
        let known = self.near.as_ref().is_some_and(|near| {
            near.from <= *key && near.block.as_ref().is_none_or(|block| *key <= block.last)
        });
        if !known {
            let block = self.find_block.query_row(params![self.stream.0, key], |row| {
                let (id, first, last, time) = row.try_into()?;
                Ok(Block { id, first, last, time, keys: None })
            });
            self.near = Some(Near { from: *key, block: block.optional()? });
        }
        Ok(self.near.as_mut().and_then(|near| near.block.as_mut()))
    }

    /// The block that has `key`, if one has it.
    fn block_of(&mut self, key: &Known) -> Result<Option<&mut Block>, Failure> {
        self.near(key)?;
        let Self { near: Some(Near { block: Some(block), .. }), read_block, .. } = self else {
            return Ok(None);
        };
        if *key < block.first {
            return Ok(None);
        }
        if block.keys.is_none() {
            block.keys = Some(read_block.query_row([block.id], |row| row.get(0))?);
        }
        let (keys, _) = block.keys.as_deref().unwrap_or_default().as_chunks();
        Ok(keys.binary_search(key).is_ok().then_some(block))
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
/// A pass reads all rows and blocks of the stream. It waits until their number has doubled, so that
/// it costs a constant share of every insertion and needs no index by time, which would double the
/// cost of every insertion. Keeping a key for longer is harmless: a block is kept for its last one.
pub(crate) fn forget_keys(
    transaction: &Transaction<'_>,
    stream: StreamId,
    before: Timestamp,
) -> Result<(), Failure> {
    transaction
        .prepare_cached("UPDATE streams SET keys_needed_since = ?2 WHERE id = ?1")?
        .execute(params![stream.0, milliseconds(before)])?;
    let (kept, added): (i64, i64) = transaction
        .prepare_cached("SELECT keys_kept, keys_added FROM streams WHERE id = ?1")?
        .query_row([stream.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if added < kept.max(PRUNE_AT_LEAST) {
        return Ok(());
    }
    let old = params![stream.0, milliseconds(before)];
    let rows = transaction
        .prepare_cached("DELETE FROM seen_keys WHERE stream = ?1 AND time < ?2")?
        .execute(old)?;
    let in_blocks: i64 = transaction
        .prepare_cached(
            "SELECT coalesce(sum(length(keys)), 0) / 16 FROM seen_blocks
             WHERE stream = ?1 AND time < ?2",
        )?
        .query_row(old, |row| row.get(0))?;
    transaction
        .prepare_cached("DELETE FROM seen_blocks WHERE stream = ?1 AND time < ?2")?
        .execute(old)?;
    let left = (kept + added - in_blocks).saturating_sub_unsigned(rows as u64);
    transaction
        .prepare_cached("UPDATE streams SET keys_kept = ?2, keys_added = 0 WHERE id = ?1")?
        .execute(params![stream.0, left])?;
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
