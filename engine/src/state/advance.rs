//! How far each item of a stream was read, and what its last snapshot showed.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Failure, Store, StreamId};
use crate::error::Result;

/// A hash by which an item or a record of one stream is known.
pub(crate) type Known = [u8; 16];

/// A record as a snapshot showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What it is known by.
    pub(crate) record: Known,
    /// A hash of what counts of its content.
    pub(crate) digest: Known,
    /// The number of the snapshot that showed it last.
    pub(crate) snapshot: i64,
    /// What is needed of it when it is gone, as JSON; nothing if that is of no interest.
    pub(crate) kept: Option<String>,
}

/// A part of an item that is being read, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Keys of what was delivered of it are kept by this time, or later ones.
    pub(crate) since: i64,
    /// Nothing of it is later.
    pub(crate) up_to: i64,
}

impl Begun {
    /// Both together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { since: self.since.min(other.since), up_to: self.up_to.max(other.up_to) }
    }
}

/// What a commit notes of items and snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Advance {
    /// Items, and up to when they are read: milliseconds since 1970, or the number of a snapshot.
    pub(crate) reached: Vec<(Known, i64)>,
    /// Items that are being read.
    pub(crate) begun: Vec<(Known, Begun)>,
    /// Items that were read up to an earlier time only are forgotten.
    pub(crate) forget_reached_before: Option<i64>,
    /// Records that a snapshot shows.
    pub(crate) shown: Vec<Shown>,
    /// Records that are gone, and forgotten.
    pub(crate) gone: Vec<Known>,
}

impl Advance {
    pub(crate) fn is_empty(&self) -> bool {
        self.reached.is_empty() && self.shown.is_empty() && self.gone.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Stores what is noted as a part of `transaction`.
    pub(crate) fn store(
        &self,
        transaction: &Transaction<'_>,
        stream: StreamId,
    ) -> Result<(), Failure> {
        if !self.reached.is_empty() {
            let mut reach = transaction.prepare_cached(
                "INSERT INTO read_items (stream, item, up_to) VALUES (?1, ?2, ?3)
                 ON CONFLICT (stream, item) DO UPDATE SET up_to = max(up_to, excluded.up_to)",
            )?;
            let mut end = transaction
                .prepare_cached("DELETE FROM begun_items WHERE stream = ?1 AND item = ?2")?;
            for (item, up_to) in &self.reached {
                reach.execute(params![stream.0, item, up_to])?;
                end.execute(params![stream.0, item])?;
            }
        }
        if !self.begun.is_empty() {
            let mut begin = transaction.prepare_cached(
                "INSERT INTO begun_items (stream, item, since, up_to) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (stream, item) DO UPDATE SET
                    since = min(since, excluded.since), up_to = max(up_to, excluded.up_to)",
            )?;
            for (item, Begun { since, up_to }) in &self.begun {
                begin.execute(params![stream.0, item, since, up_to])?;
            }
        }
        if let Some(before) = self.forget_reached_before {
            transaction
                .prepare_cached("DELETE FROM read_items WHERE stream = ?1 AND up_to < ?2")?
                .execute(params![stream.0, before])?;
            transaction
                .prepare_cached("DELETE FROM begun_items WHERE stream = ?1 AND up_to < ?2")?
                .execute(params![stream.0, before])?;
        }
        if !self.shown.is_empty() {
            let mut show = transaction.prepare_cached(
                "INSERT OR REPLACE INTO shown_records (stream, record, digest, snapshot, kept)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for shown in &self.shown {
                let Shown { record, digest, snapshot, kept } = shown;
                show.execute(params![stream.0, record, digest, snapshot, kept])?;
            }
        }
        if !self.gone.is_empty() {
            let mut forget = transaction
                .prepare_cached("DELETE FROM shown_records WHERE stream = ?1 AND record = ?2")?;
            for record in &self.gone {
                forget.execute(params![stream.0, record])?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Up to when an item is read; `None` if it was never read, or long ago.
    pub(crate) fn reached(&self, stream: StreamId, item: &Known) -> Result<Option<i64>> {
        self.read("looking up how far an item is read", |database| {
            Ok(database
                .prepare_cached("SELECT up_to FROM read_items WHERE stream = ?1 AND item = ?2")?
                .query_row(params![stream.0, item], |row| row.get(0))
                .optional()?)
        })
    }

    /// The time since when keys are kept for items whose reading was not finished, in milliseconds
    /// since 1970; `None` if there is no such item.
    pub(crate) fn begun_since(&self, stream: StreamId) -> Result<Option<i64>> {
        self.read("looking up items that are not read to their end", |database| {
            Ok(database
                .prepare_cached("SELECT min(since) FROM begun_items WHERE stream = ?1")?
                .query_row([stream.0], |row| row.get(0))?)
        })
    }

    /// A record as the last snapshot that had it showed it.
    pub(crate) fn shown(&self, stream: StreamId, record: &Known) -> Result<Option<Shown>> {
        self.read("looking up a record of a snapshot", |database| {
            Ok(database
                .prepare_cached(
                    "SELECT digest, snapshot, kept FROM shown_records
                     WHERE stream = ?1 AND record = ?2",
                )?
                .query_row(params![stream.0, record], |row| {
                    Ok(Shown {
                        record: *record,
                        digest: row.get(0)?,
                        snapshot: row.get(1)?,
                        kept: row.get(2)?,
                    })
                })
                .optional()?)
        })
    }

    /// How many records a stream's snapshots showed, and how many of them this one did not.
    pub(crate) fn missed(&self, stream: StreamId, snapshot: i64) -> Result<(u64, u64)> {
        self.read("counting the records of a snapshot", |database| {
            Ok(database
                .prepare_cached(
                    "SELECT count(*), count(*) FILTER (WHERE snapshot < ?2)
                     FROM shown_records WHERE stream = ?1",
                )?
                .query_row(params![stream.0, snapshot], |row| {
                    let (all, missed): (i64, i64) = (row.get(0)?, row.get(1)?);
                    Ok((all.unsigned_abs(), missed.unsigned_abs()))
                })?)
        })
    }

    /// The next records behind `after` that this snapshot did not show, at most `limit`.
    pub(crate) fn not_shown(
        &self,
        stream: StreamId,
        snapshot: i64,
        after: &Known,
        limit: u32,
    ) -> Result<Vec<Shown>> {
        self.read("looking for records that are gone", |database| {
            let mut statement = database.prepare_cached(
                "SELECT record, digest, snapshot, kept FROM shown_records
                 WHERE stream = ?1 AND record > ?2 AND snapshot < ?3 ORDER BY record LIMIT ?4",
            )?;
            let rows = statement.query_map(params![stream.0, after, snapshot, limit], |row| {
                Ok(Shown {
                    record: row.get(0)?,
                    digest: row.get(1)?,
                    snapshot: row.get(2)?,
                    kept: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}
