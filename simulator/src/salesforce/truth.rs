//! What the org really holds and did, for comparison with what a connector delivered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::data::history::Occurrence;
use super::data::log_files::{Interval, Part};
use super::data::log_rows;
use super::data::{Row, catalogue::Object, directory};
use super::event_log::LogText;
use super::ids::Id;
use super::org::Org;
use super::sync::lock;

/// The org at its present virtual time. Permissions of the service user play no part.
#[derive(Debug, Clone, Serialize)]
pub struct Truth {
    /// The virtual time, RFC 3339.
    pub now: String,
    /// Sign-ins (`LoginHistory`).
    pub sign_ins: Records,
    /// Setup changes (`SetupAuditTrail`).
    pub setup_audit: Records,
    /// Users.
    pub users: Records,
    /// Event log files and rows.
    pub log: LogTruth,
    /// Requests served, by kind: `oauth`, `versions`, `query`, `query_more`, `limits`,
    /// `describe`, `sobjects`, `log_file`, `tooling`, `other`.
    pub requests: BTreeMap<&'static str, u64>,
    /// The API budget.
    pub usage: UsageTruth,
    /// Living access tokens.
    pub access_tokens: usize,
    /// Living refresh tokens.
    pub refresh_tokens: usize,
}

/// Records of one object.
#[derive(Debug, Clone, Serialize)]
pub struct Records {
    /// How many.
    pub count: usize,
    /// Their ids in the 18-character form, sorted.
    pub ids: Vec<String>,
}

/// All event log files that can be read.
#[derive(Debug, Clone, Serialize)]
pub struct LogTruth {
    /// The files, by id.
    pub files: Vec<LogFileTruth>,
    /// Distinct rows in hourly files.
    pub hourly_rows: u64,
    /// Distinct rows in daily files.
    pub daily_rows: u64,
    /// Distinct rows in both together; most are in one of each.
    pub distinct_rows: u64,
}

/// One event log file.
#[derive(Debug, Clone, Serialize)]
pub struct LogFileTruth {
    /// The id in the 18-character form.
    pub id: String,
    /// The event type.
    pub event_type: &'static str,
    /// `Hourly` or `Daily`.
    pub interval: &'static str,
    /// The sequence number.
    pub sequence: u32,
    /// `LogDate`, RFC 3339.
    pub log_date: String,
    /// `CreatedDate`, RFC 3339.
    pub created_date: String,
    /// Rows, fully identical ones counted each.
    pub rows: u32,
}

/// The API budget.
#[derive(Debug, Clone, Serialize)]
pub struct UsageTruth {
    /// Requests the org may make in a rolling 24 hours.
    pub limit: u64,
    /// Requests made in the last 24 hours, by all.
    pub used: u64,
    /// Of these, requests made through this server.
    pub own: u64,
    /// Of these, requests of other apps.
    pub others: u64,
    /// The most ever used at a counted request.
    pub peak: u64,
    /// Requests counted since the start.
    pub counted: u64,
    /// Requests refused because nothing was left.
    pub refused: u64,
}

pub(crate) fn truth(org: &Org) -> Truth {
    let now = org.now();
    let (access_tokens, refresh_tokens) = lock(&org.grants).counts();
    let mut usage = lock(&org.usage);
    Truth {
        now: rfc3339(now),
        sign_ins: occurrences(*b"0Ya", org.data.sign_ins.visible(i64::MIN, i64::MAX, now)),
        setup_audit: occurrences(*b"0Ym", org.data.changes.visible(i64::MIN, i64::MAX, now)),
        users: records(
            (1..=org.data.directory.count(Object::User)).map(directory::user_id).collect(),
        ),
        log: log(org, now),
        requests: lock(&org.served).clone(),
        usage: UsageTruth {
            limit: org.config.daily_api_requests,
            used: usage.used(now),
            own: usage.own(now),
            others: usage.others,
            peak: usage.peak,
            counted: usage.counted,
            refused: usage.refused,
        },
        access_tokens,
        refresh_tokens,
    }
}

/// The text of a log file that can be read now.
pub(crate) fn log_file(org: &Org, id: &str) -> Option<String> {
    let id = Id::parse(id)?;
    match org.data.find(Object::EventLogFile, id, org.now())? {
        Row::File(file) => Some(LogText::new(&org.data.files, &file).collect()),
        _ => None,
    }
}

fn occurrences(prefix: [u8; 3], found: Vec<Occurrence>) -> Records {
    records(found.into_iter().map(|one| Id::new(prefix, one.number)).collect())
}

fn records(mut ids: Vec<Id>) -> Records {
    ids.sort_unstable();
    Records { count: ids.len(), ids: ids.iter().map(Id::to_string).collect() }
}

pub(crate) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

fn log(org: &Org, now: i64) -> LogTruth {
    let data = &org.data.files;
    let mut files = data.visible(now);
    files.sort_by_key(super::data::log_files::LogFile::id);
    let distinct = |part: &Part| {
        (0..part.rows).filter(|row| !log_rows::repeats(&data.shape, *row)).count() as u64
    };
    let mut sums = BTreeMap::from([(Interval::Hourly, 0), (Interval::Daily, 0)]);
    let mut seen = BTreeSet::new();
    let mut total = 0;
    for file in &files {
        for part in data.contents(file) {
            let rows = distinct(&part);
            *sums.entry(file.interval).or_default() += rows;
            if seen.insert((part.kind, part.hour, part.seed)) {
                total += rows;
            }
        }
    }
    LogTruth {
        hourly_rows: sums[&Interval::Hourly],
        daily_rows: sums[&Interval::Daily],
        distinct_rows: total,
        files: files
            .iter()
            .map(|file| LogFileTruth {
                id: file.id().to_string(),
                event_type: file.event_type().name,
                interval: file.interval.name(),
                sequence: file.sequence,
                log_date: rfc3339(file.log_date()),
                created_date: rfc3339(file.created),
                rows: file.rows,
            })
            .collect(),
    }
}
