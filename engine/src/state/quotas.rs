//! What was spent of each quota, so that a restart does not forget it.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Failure, Store, failure};
use crate::error::{Code, Error, Result};

/// Calls that ended in the same short span of time; times in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaBucket {
    /// No call of the bucket ended after this time; identifies the bucket.
    pub(crate) ends: i64,
    /// No call of the bucket started before this time.
    pub(crate) earliest: i64,
    /// How many calls.
    pub(crate) calls: u64,
    /// How many of them brought a report, so that the app counted them for certain.
    pub(crate) reported: u64,
}

/// What is known about a quota besides its buckets; times in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct QuotaSnapshot {
    /// Calls that may have been sent and are not in a bucket yet.
    pub(crate) unsettled: u64,
    /// Limit last reported.
    pub(crate) limit: Option<u64>,
    /// Usage last reported: the figure, and start and end of the call that brought it.
    pub(crate) reported: Option<(u64, i64, i64)>,
    /// When the period that was reported ends: not before, and not after.
    pub(crate) reset: Option<(i64, i64)>,
    /// Calls not contained in the report: end (milliseconds) and how many.
    pub(crate) unreported: Vec<(i64, u64)>,
    /// The latest time that was seen.
    pub(crate) seen: i64,
    /// By how much all these times are ahead of the clock, because that was set back.
    pub(crate) ahead: i64,
}

/// What was spent of one quota, to be carried to another state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spending {
    quota: String,
    snapshot: QuotaSnapshot,
    /// End, earliest start if one is known, calls, and how many of them brought a report.
    buckets: Vec<(i64, Option<i64>, i64, i64)>,
}

/// What a connection spent of each quota.
pub(super) fn spendings(database: &Connection, connection: &str) -> Result<Vec<Spending>, Failure> {
    let mut buckets = database.prepare_cached(
        // The largest number stands for none, and not every JSON reader has such numbers.
        "SELECT ends, nullif(earliest, 9223372036854775807), calls, reported FROM quota_buckets
         WHERE connection = ?1 AND quota = ?2 ORDER BY ends",
    )?;
    let documents: Vec<(String, String)> = database
        .prepare_cached(
            "SELECT quota, document FROM quota_states WHERE connection = ?1 ORDER BY quota",
        )?
        .query_map([connection], |row| row.try_into())?
        .collect::<rusqlite::Result<_>>()?;
    let mut spendings = Vec::new();
    for (quota, document) in documents {
        let snapshot = serde_json::from_str(&document).map_err(|error| {
            Error::new(Code::StateCorrupt, "a quota in the state is damaged")
                .cause(error.to_string())
        })?;
        let buckets = buckets
            .query_map([connection, &quota], |row| row.try_into())?
            .collect::<rusqlite::Result<_>>()?;
        spendings.push(Spending { quota, snapshot, buckets });
    }
    Ok(spendings)
}

/// Takes over what was spent, unless something later is known of it.
pub(super) fn spend(
    transaction: &Transaction<'_>,
    connection: &str,
    spendings: &[Spending],
) -> Result<(), Failure> {
    for Spending { quota, snapshot, buckets } in spendings {
        let known: Option<String> = transaction
            .prepare_cached(
                "SELECT document FROM quota_states WHERE connection = ?1 AND quota = ?2",
            )?
            .query_row([connection, quota], |row| row.get(0))
            .optional()?;
        let known = known.and_then(|known| serde_json::from_str::<QuotaSnapshot>(&known).ok());
        if known.is_some_and(|known| known.seen >= snapshot.seen) {
            continue;
        }
        let document = serde_json::to_string(snapshot).map_err(|error| {
            Error::new(Code::Internal, "a quota could not be written as JSON")
                .cause(error.to_string())
        })?;
        transaction.execute(
            "INSERT OR REPLACE INTO quota_states (connection, quota, document) VALUES (?1, ?2, ?3)",
            [connection, quota, &document],
        )?;
        transaction.execute(
            "DELETE FROM quota_buckets WHERE connection = ?1 AND quota = ?2",
            [connection, quota],
        )?;
        let mut insert = transaction.prepare_cached(
            "INSERT OR REPLACE INTO quota_buckets
                (connection, quota, ends, earliest, calls, reported)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (ends, earliest, calls, reported) in buckets {
            let earliest = earliest.unwrap_or(i64::MAX);
            insert.execute(params![connection, quota, ends, earliest, calls, reported])?;
        }
    }
    Ok(())
}

impl Store {
    /// What was stored about a quota: the snapshot and the buckets that end after `after`.
    pub(crate) fn quota(
        &self,
        connection: &str,
        quota: &str,
        after: i64,
    ) -> Result<(QuotaSnapshot, Vec<QuotaBucket>)> {
        let (document, buckets) = self.read("reading a quota", |database| {
            let document: Option<String> = database
                .prepare_cached(
                    "SELECT document FROM quota_states WHERE connection = ?1 AND quota = ?2",
                )?
                .query_row([connection, quota], |row| row.get(0))
                .optional()?;
            let mut statement = database.prepare_cached(
                "SELECT ends, earliest, calls, reported FROM quota_buckets
                 WHERE connection = ?1 AND quota = ?2 AND ends > ?3 ORDER BY ends",
            )?;
            let buckets = statement.query_map(params![connection, quota, after], |row| {
                Ok(QuotaBucket {
                    ends: row.get(0)?,
                    earliest: row.get(1)?,
                    calls: row.get::<_, i64>(2)?.max(0) as u64,
                    reported: row.get::<_, i64>(3)?.max(0) as u64,
                })
            })?;
            Ok((document, buckets.collect::<rusqlite::Result<_>>()?))
        })?;
        let snapshot = document
            .map(|document| serde_json::from_str(&document))
            .transpose()
            .map_err(|error| failure::corrupt(&self.path, format!("a quota: {error}")))?;
        Ok((snapshot.unwrap_or_default(), buckets))
    }

    /// Stores a snapshot and the buckets that changed, and drops buckets that end at or before
    /// `until`.
    pub(crate) fn store_quota(
        &self,
        connection: &str,
        quota: &str,
        snapshot: &QuotaSnapshot,
        changed: &[QuotaBucket],
        until: i64,
    ) -> Result<()> {
        self.write("storing a quota", |transaction| {
            let document = serde_json::to_string(snapshot).map_err(|error| {
                Error::new(Code::Internal, "a quota could not be written as JSON")
                    .cause(error.to_string())
            })?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO quota_states (connection, quota, document)
                     VALUES (?1, ?2, ?3)",
                )?
                .execute([connection, quota, &document])?;
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO quota_buckets
                    (connection, quota, ends, earliest, calls, reported)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let stored = |calls: u64| i64::try_from(calls).unwrap_or(i64::MAX);
            for bucket in changed {
                let QuotaBucket { ends, earliest, calls, reported } = *bucket;
                let (calls, reported) = (stored(calls), stored(reported));
                insert.execute(params![connection, quota, ends, earliest, calls, reported])?;
            }
            transaction
                .prepare_cached(
                    "DELETE FROM quota_buckets WHERE connection = ?1 AND quota = ?2 AND ends <= ?3",
                )?
                .execute(params![connection, quota, until])?;
            Ok(())
        })
    }
}
