//! The calendar of event log files: which exist when, and how many rows they hold
//! (Object Reference, `EventLogFile`; "Using Event Monitoring", REST API Developer Guide).

use std::collections::HashMap;
use std::sync::Mutex;

use super::directory::user_id;
use super::history::DAY;
use super::log_rows;
use super::log_types::{EventType, TYPES};
use crate::salesforce::config::{Config, EventMonitoring};
use crate::salesforce::ids::Id;
use crate::salesforce::random::{mix, rng};
use crate::salesforce::sync::lock;
use crate::salesforce::value::Value;

const HOUR: i64 = 3600;
/// Sequence numbers one hour can have.
const SEQUENCES: u64 = 64;
/// How long after its day a daily file is made.
const DAILY_LAG: i64 = 8 * HOUR;

/// Which of the two kinds of files holds a row; every row is in one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Interval {
    Daily,
    Hourly,
}

impl Interval {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Daily => "Daily",
            Self::Hourly => "Hourly",
        }
    }
}

/// Rows of one type and hour that become known together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: usize,
    /// Hours since the Unix epoch.
    pub(crate) hour: i64,
    /// From when the rows can be read.
    pub(crate) available: i64,
    pub(crate) rows: u32,
    pub(crate) seed: u64,
}

/// A log file as it is at one time; a daily file grows when late rows arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) interval: Interval,
    pub(crate) kind: usize,
    /// The first hour it covers, in hours since the Unix epoch.
    pub(crate) hour: i64,
    pub(crate) sequence: u32,
    pub(crate) created: i64,
    pub(crate) rows: u32,
}

impl LogFile {
    pub(crate) fn id(&self) -> Id {
        let interval = u64::from(self.interval == Interval::Hourly);
        let hour = self.hour.max(0) as u64;
        let number = (hour * 32 + self.kind as u64) * SEQUENCES + u64::from(self.sequence);
        Id::new(*b"0AT", number * 2 + interval)
    }

    pub(crate) fn event_type(&self) -> &'static EventType {
        &TYPES[self.kind]
    }

    pub(crate) fn log_date(&self) -> i64 {
        self.hour * HOUR
    }
}

/// All log files, past and future.
#[derive(Debug)]
pub(crate) struct LogFiles {
    seed: u64,
    monitoring: EventMonitoring,
    mean_rows: u32,
    pub(crate) shape: log_rows::Shape,
    /// First hour with events.
    start: i64,
    added: Mutex<Vec<Part>>,
    lengths: Mutex<HashMap<(Id, u32), u64>>,
}

impl LogFiles {
    pub(crate) fn new(config: &Config, start: i64) -> Self {
        Self {
            seed: config.seed,
            monitoring: config.event_monitoring,
            mean_rows: config.volume.log_rows_per_file,
            shape: log_rows::Shape {
                users: u64::from(config.volume.users.max(3)),
                identical: config.identical_log_rows,
                ragged: config.ragged_log_rows,
            },
            start: start.div_euclid(HOUR),
            added: Mutex::default(),
            lengths: Mutex::default(),
        }
    }

    fn retention(&self) -> i64 {
        if self.monitoring == EventMonitoring::Free { DAY } else { 30 * DAY }
    }

    pub(crate) fn logged(&self, kind: usize) -> bool {
        self.monitoring != EventMonitoring::Free || TYPES[kind].free
    }

    /// The rows of one type and hour in the order in which they become known.
    pub(crate) fn parts(&self, kind: usize, hour: i64) -> Vec<Part> {
        let mut parts = Vec::new();
        if hour >= self.start && self.logged(kind) {
            let mut rng = rng(self.seed, &[40, kind as u64, hour as u64]);
            let mean = self.mean_rows.min(1_000_000) * TYPES[kind].share;
            let rows = if mean >= 100 {
                rng.u32(mean / 200..=mean * 3 / 200)
            } else {
                u32::from(rng.u32(..100) < mean)
            };
            let end = (hour + 1) * HOUR;
            let seed = mix(self.seed, &[41, kind as u64, hour as u64]);
            let available = end + rng.i64(3 * HOUR..6 * HOUR);
            parts.push(Part { kind, hour, available, rows, seed });
            if rng.u32(..40) == 0 {
                let available = end + rng.i64(24 * HOUR..72 * HOUR);
                let rows = rng.u32(1..=3);
                parts.push(Part { kind, hour, available, rows, seed: mix(seed, &[1]) });
            }
        }
        let added = lock(&self.added);
        parts.extend(added.iter().filter(|part| part.kind == kind && part.hour == hour));
        parts.retain(|part| part.rows > 0);
        parts.sort_by_key(|part| part.available);
        parts
    }

    /// Adds late rows to an hour, readable from `available` on. `None` if the type is not
    /// logged or the hour has no room for another file.
    pub(crate) fn add(&self, kind: usize, hour: i64, available: i64, rows: u32) -> Option<Part> {
        if !self.logged(kind) || self.parts(kind, hour).len() as u64 >= SEQUENCES - 2 {
            return None;
        }
        let mut added = lock(&self.added);
        let seed = mix(self.seed, &[42, added.len() as u64]);
        let part = Part { kind, hour, available, rows, seed };
        added.push(part);
        Some(part)
    }

    /// Every file that can be read at `now`.
    pub(crate) fn visible(&self, now: i64) -> Vec<LogFile> {
        let added = lock(&self.added).iter().map(|part| part.hour).min();
        let oldest = (now - self.retention() - 4 * DAY).div_euclid(HOUR).max(self.start);
        let oldest = added.map_or(oldest, |added| oldest.min(added));
        let newest = now.div_euclid(HOUR);
        let mut files = Vec::new();
        for kind in (0..TYPES.len()).filter(|kind| self.logged(*kind)) {
            if self.monitoring == EventMonitoring::Hourly {
                for hour in oldest..=newest {
                    files.extend(self.hourly(kind, hour, now));
                }
            }
            for day in oldest.div_euclid(24)..=newest.div_euclid(24) {
                files.extend(self.daily(kind, day, now));
            }
        }
        files
    }

    fn current(&self, created: i64, now: i64) -> bool {
        created <= now && created > now - self.retention()
    }

    fn hourly(&self, kind: usize, hour: i64, now: i64) -> impl Iterator<Item = LogFile> {
        self.parts(kind, hour).into_iter().zip(1..).filter_map(move |(part, sequence)| {
            self.current(part.available, now).then_some(LogFile {
                interval: Interval::Hourly,
                kind,
                hour,
                sequence,
                created: part.available,
                rows: part.rows,
            })
        })
    }

    fn daily(&self, kind: usize, day: i64, now: i64) -> Option<LogFile> {
        let first = (day + 1) * DAY + DAILY_LAG;
        if first > now {
            return None;
        }
        let parts = self.known(kind, day * 24..day * 24 + 24, now);
        let newest = parts.iter().map(|part| part.available).max()?;
        // Late rows replace the file: the same id, all rows, a new date.
        let created = newest.max(first);
        self.current(created, now).then_some(LogFile {
            interval: Interval::Daily,
            kind,
            hour: day * 24,
            sequence: 0,
            created,
            rows: parts.iter().map(|part| part.rows).sum(),
        })
    }

    fn known(&self, kind: usize, hours: std::ops::Range<i64>, now: i64) -> Vec<Part> {
        hours.flat_map(|hour| self.parts(kind, hour)).filter(|part| part.available <= now).collect()
    }

    /// The file with this number, if it can be read at `now`.
    pub(crate) fn find(&self, number: u64, now: i64) -> Option<LogFile> {
        let (interval, rest) = (number % 2, number / 2);
        let (sequence, rest) = (rest % SEQUENCES, rest / SEQUENCES);
        let (kind, hour) = ((rest % 32) as usize, i64::try_from(rest / 32).ok()?);
        if kind >= TYPES.len() || !self.logged(kind) || hour > now.div_euclid(HOUR) {
            return None;
        }
        match (interval, sequence) {
            (0, 0) if hour % 24 == 0 => self.daily(kind, hour / 24, now),
            (1, 1..) if self.monitoring == EventMonitoring::Hourly => {
                self.hourly(kind, hour, now).find(|file| u64::from(file.sequence) == sequence)
            }
            _ => None,
        }
    }

    /// The rows a file holds, in the order they are written.
    pub(crate) fn contents(&self, file: &LogFile) -> Vec<Part> {
        match file.interval {
            Interval::Hourly => self
                .parts(file.kind, file.hour)
                .into_iter()
                .nth(file.sequence as usize - 1)
                .into_iter()
                .collect(),
            Interval::Daily => self.known(file.kind, file.hour..file.hour + 24, file.created),
        }
    }

    /// Length of the CSV text in bytes. Worked out by writing it, and kept.
    fn length(&self, file: &LogFile) -> u64 {
        let key = (file.id(), file.rows);
        if let Some(length) = lock(&self.lengths).get(&key) {
            return *length;
        }
        let mut text = String::new();
        let mut length = log_rows::header(file.kind).len() as u64;
        for part in self.contents(file) {
            for row in 0..part.rows {
                text.clear();
                log_rows::write_row(&mut text, &self.shape, &part, row);
                length += text.len() as u64;
            }
        }
        lock(&self.lengths).insert(key, length);
        length
    }

    pub(crate) fn value(&self, file: &LogFile, field: &str) -> Value {
        match field {
            "Id" => Value::Id(file.id()),
            "EventType" => Value::text(file.event_type().name),
            "LogDate" => Value::seconds(file.log_date()),
            "Interval" => Value::text(file.interval.name()),
            "Sequence" => Value::Integer(i64::from(file.sequence)),
            "LogFileLength" => Value::Double(self.length(file) as f64),
            "LogFileContentType" => Value::text("text/csv"),
            "LogFileFieldNames" => Value::text(file.event_type().columns.join(",")),
            "LogFileFieldTypes" => Value::text(log_rows::types(file.kind)),
            "LogFile" => Value::text(format!(
                "/services/data/v67.0/sobjects/EventLogFile/{}/LogFile",
                file.id()
            )),
            "ApiVersion" => Value::Double(67.0),
            "CreatedDate" | "LastModifiedDate" | "SystemModstamp" => Value::seconds(file.created),
            "CreatedById" | "LastModifiedById" => Value::Id(user_id(1)),
            "IsDeleted" => Value::Boolean(false),
            _ => Value::Null,
        }
    }
}
