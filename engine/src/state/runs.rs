//! The history of runs: what each poll of a stream did and how it ended.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Row, params};

use super::{Failure, Store, StreamId, milliseconds};
use crate::error::Result;

/// Runs kept per stream: ten days of a poll every quarter of an hour.
const KEPT: i64 = 1000;

/// Number of a run; later runs have larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(i64);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// It has not ended.
    Running,
    /// It came to the end of what the source had.
    Completed,
    /// It stopped early without a fault, e.g. for a quota, and goes on later.
    Paused,
    /// It stopped with an error.
    Failed,
    /// The process ended before the run did.
    Interrupted,
}

impl RunOutcome {
    /// The name shown to people and machines, e.g. `completed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl FromStr for RunOutcome {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Running, Self::Completed, Self::Paused, Self::Failed, Self::Interrupted]
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
            .ok_or(())
    }
}

/// What a run did; the counts are of this run alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunReport {
    /// HTTP requests sent.
    pub requests: u64,
    /// Records received.
    pub records: u64,
    /// Events delivered.
    pub events: u64,
    /// Records dropped because they were delivered before.
    pub duplicates: u64,
    /// The half-open time range that was read.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Code and message of what stopped it.
    pub error: Option<(String, String)>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Name of the connection.
    pub connection: String,
    /// Name of the stream.
    pub stream: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; `None` while it runs and for an interrupted run.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What it did.
    pub report: RunReport,
}

impl Store {
    /// Notes that a run of `stream` began and drops the oldest runs of that stream past 1000.
    pub fn start_run(&self, stream: StreamId, started: Timestamp) -> Result<RunId> {
        self.write("starting a run", |transaction| {
            transaction
                .prepare_cached("INSERT INTO runs (stream, started, outcome) VALUES (?1, ?2, ?3)")?
                .execute(params![stream.0, milliseconds(started), RunOutcome::Running.as_str()])?;
            let id = transaction.last_insert_rowid();
            transaction
                .prepare_cached(
                    "DELETE FROM runs WHERE stream = ?1 AND id <=
                        (SELECT id FROM runs WHERE stream = ?1
                         ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![stream.0, KEPT])?;
            Ok(RunId(id))
        })
    }

    /// Notes how a run ended.
    pub fn finish_run(
        &self,
        run: RunId,
        ended: Timestamp,
        outcome: RunOutcome,
        report: &RunReport,
    ) -> Result<()> {
        self.write("finishing a run", |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE runs SET ended = ?2, outcome = ?3, requests = ?4, records = ?5,
                        events = ?6, duplicates = ?7, window_start = ?8, window_end = ?9,
                        error_code = ?10, error_message = ?11
                     WHERE id = ?1",
                )?
                .execute(params![
                    run.0,
                    milliseconds(ended),
                    outcome.as_str(),
                    stored(report.requests),
                    stored(report.records),
                    stored(report.events),
                    stored(report.duplicates),
                    report.window.map(|(start, _)| milliseconds(start)),
                    report.window.map(|(_, end)| milliseconds(end)),
                    report.error.as_ref().map(|(code, _)| code),
                    report.error.as_ref().map(|(_, message)| message),
                ])?;
            Ok(())
        })
    }

    /// The newest `limit` runs, newest first; of one stream, or of all with `None`.
    pub fn last_runs(&self, stream: Option<StreamId>, limit: usize) -> Result<Vec<Run>> {
        self.read("reading the run history", |database| {
            let mut statement = database.prepare_cached(
                "SELECT runs.id, streams.connection, streams.stream, started, ended, outcome,
                    requests, records, events, duplicates, window_start, window_end,
                    error_code, error_message
                 FROM runs JOIN streams ON streams.id = runs.stream
                 WHERE ?1 IS NULL OR runs.stream = ?1
                 ORDER BY runs.id DESC LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let runs = statement.query_map(params![stream.map(|id| id.0), limit], run)?;
            Ok(runs.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Runs that are still marked as running belong to a process that is gone.
    pub(super) fn interrupt_runs(&self) -> Result<()> {
        self.write("closing the runs of a crashed process", |transaction| {
            transaction.execute(
                "UPDATE runs SET outcome = ?1 WHERE outcome = ?2",
                [RunOutcome::Interrupted.as_str(), RunOutcome::Running.as_str()],
            )?;
            Ok::<_, Failure>(())
        })
    }
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let time = |index| row.get::<_, Option<Milliseconds>>(index);
    let count = |index| row.get::<_, i64>(index).map(|count| count.max(0) as u64);
    Ok(Run {
        id: RunId(row.get(0)?),
        connection: row.get(1)?,
        stream: row.get(2)?,
        started: row.get::<_, Milliseconds>(3)?.0,
        ended: time(4)?.map(|ended| ended.0),
        outcome: row.get(5)?,
        report: RunReport {
            requests: count(6)?,
            records: count(7)?,
            events: count(8)?,
            duplicates: count(9)?,
            window: time(10)?.zip(time(11)?).map(|(start, end)| (start.0, end.0)),
            error: row.get::<_, Option<_>>(12)?.zip(row.get(13)?),
        },
    })
}

/// A time as it is stored.
struct Milliseconds(Timestamp);

impl FromSql for Milliseconds {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let milliseconds = value.as_i64()?;
        Timestamp::from_millisecond(milliseconds)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(milliseconds))
    }
}

impl FromSql for RunOutcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|()| FromSqlError::InvalidType)
    }
}
