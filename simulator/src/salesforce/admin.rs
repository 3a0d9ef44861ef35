//! The admin surface under `/simulator/`: look at the truth, move the clock, break things.
//! It needs no token, counts nothing and suffers no faults.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::data::log_types;
use super::faults::Rule;
use super::http::{Call, Reply};
use super::ids::Id;
use super::org::Org;
use super::sync::lock;
use super::truth;

/// Records one call may add.
const MOST: u32 = 10_000;
/// How far back log rows can be added, in days.
const LOOKBACK: i64 = 60;
/// Seconds one call may advance the clock: ten years.
const FURTHEST: i64 = 10 * 366 * 86_400;

/// Data that arrives late: it shows from now on, whatever time it carries.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Late sign-ins.
    pub sign_ins: Vec<Moment>,
    /// Late setup changes.
    pub setup_audit: Vec<Moment>,
    /// Late log rows. They make a new hourly file with the next sequence number, and replace
    /// the daily file of their day.
    pub log_rows: Vec<LogRows>,
}

/// A time at which records happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// `LoginTime` or `CreatedDate`; whole seconds are kept.
    pub time: Timestamp,
    /// How many records.
    #[serde(default = "one")]
    pub count: u32,
}

/// Log rows of one type and hour.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRows {
    /// The event type, such as `Login`.
    pub event_type: String,
    /// A time within the hour.
    pub time: Timestamp,
    /// How many rows.
    #[serde(default = "one")]
    pub rows: u32,
}

fn one() -> u32 {
    1
}

/// Ids of what was added.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Added {
    /// Of sign-ins.
    pub sign_ins: Vec<String>,
    /// Of setup changes.
    pub setup_audit: Vec<String>,
    /// Rows added to log files.
    pub log_rows: u32,
}

/// Why events could not be added. Nothing was added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// Too many records at once, or in the org's whole life.
    #[error("one call adds at most {MOST} records, all calls about half a million of a kind")]
    TooMany,
    /// No such event type, or the org's licence does not include it.
    #[error("log_rows: no event type `{0}` in this org; name one that GET /simulator/truth lists")]
    EventType(String),
    /// Log rows too old or in the future.
    #[error("log_rows: `{0}` does not lie in the {LOOKBACK} days before the org's time")]
    LogTime(Timestamp),
    /// Too many files for one hour.
    #[error("log_rows: the hour of `{0}` has no room for another file; choose another hour")]
    Full(Timestamp),
}

pub(crate) fn add_events(org: &Org, events: &Events) -> Result<Added, EventsError> {
    let now = org.now();
    let counts = events
        .sign_ins
        .iter()
        .chain(&events.setup_audit)
        .map(|moment| moment.count)
        .chain(events.log_rows.iter().map(|rows| rows.rows));
    if counts.fold(0, u32::saturating_add) > MOST {
        return Err(EventsError::TooMany);
    }
    if org.data.sign_ins.room().min(org.data.changes.room()) < MOST as usize {
        return Err(EventsError::TooMany);
    }
    for rows in &events.log_rows {
        if !(now - LOOKBACK * 86_400..now).contains(&rows.time.as_second()) {
            return Err(EventsError::LogTime(rows.time));
        }
        if log_types::kind(&rows.event_type).is_none_or(|kind| !org.data.files.logged(kind)) {
            return Err(EventsError::EventType(rows.event_type.clone()));
        }
    }
    let mut added = Added::default();
    for rows in events.log_rows.iter().filter(|rows| rows.rows > 0) {
        let kind = log_types::kind(&rows.event_type).unwrap_or_default();
        let hour = rows.time.as_second().div_euclid(3600);
        if org.data.files.add(kind, hour, now, rows.rows).is_none() {
            return Err(EventsError::Full(rows.time));
        }
        added.log_rows += rows.rows;
    }
    for moment in &events.sign_ins {
        for _ in 0..moment.count {
            let one = org.data.sign_ins.add(moment.time.as_second(), now);
            added.sign_ins.push(Id::new(*b"0Ya", one.number).to_string());
        }
    }
    for moment in &events.setup_audit {
        for _ in 0..moment.count {
            let one = org.data.changes.add(moment.time.as_second(), now);
            added.setup_audit.push(Id::new(*b"0Ym", one.number).to_string());
        }
    }
    Ok(added)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    now: Option<Timestamp>,
    advance_seconds: Option<i64>,
    frozen: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageChange {
    used: u64,
}

/// Answers everything under `/simulator`.
pub(crate) fn answer(org: &Org, call: &Call) -> Reply {
    let reply = match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/simulator/truth") => Ok(Reply::json(200, &truth::truth(org))),
        ("GET", "/simulator/faults") => Ok(Reply::json(200, &lock(&org.faults).list())),
        ("POST", "/simulator/faults") => read::<Rule>(call).and_then(|rule| add_fault(org, rule)),
        ("DELETE", "/simulator/faults") => {
            lock(&org.faults).clear();
            Ok(Reply::empty(204))
        }
        ("GET", "/simulator/clock") => Ok(clock(org)),
        ("POST", "/simulator/clock") => read(call).and_then(|change| set_clock(org, &change)),
        ("POST", "/simulator/revoke") => {
            lock(&org.grants).clear();
            Ok(Reply::empty(204))
        }
        ("POST", "/simulator/end_sessions") => {
            lock(&org.grants).end_sessions();
            Ok(Reply::empty(204))
        }
        ("POST", "/simulator/api_usage") => read::<UsageChange>(call).map(|change| {
            lock(&org.usage).others = change.used;
            Reply::empty(204)
        }),
        ("POST", "/simulator/events") => read::<Events>(call).and_then(|events| {
            add_events(org, &events)
                .map(|added| Reply::json(200, &added))
                .map_err(|error| problem(400, &error.to_string()))
        }),
        ("GET", path) if path.starts_with("/simulator/log_files/") => {
            let id = path.rsplit('/').next().unwrap_or_default();
            truth::log_file(org, id)
                .map(|text| Reply::new(200, "text/csv", text))
                .ok_or_else(|| problem(404, "no such log file at the present virtual time"))
        }
        _ => Err(problem(404, "no such admin resource; see docs/simulator.md")),
    };
    reply.unwrap_or_else(|problem| problem)
}

fn problem(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"error": message}))
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Reply> {
    serde_json::from_slice(&call.body).map_err(|error| {
        problem(400, &format!("the body is not what {} takes: {error}", call.path))
    })
}

fn add_fault(org: &Org, rule: Rule) -> Result<Reply, Reply> {
    match lock(&org.faults).add(rule) {
        Some(number) => Ok(Reply::json(201, &json!({"id": number}))),
        None => Err(problem(409, "too many rules; DELETE /simulator/faults takes them away")),
    }
}

fn clock(org: &Org) -> Reply {
    Reply::json(200, &json!({"now": org.clock.now().to_string()}))
}

fn set_clock(org: &Org, change: &ClockChange) -> Result<Reply, Reply> {
    let advance = change.advance_seconds.unwrap_or_default();
    if !(0..=FURTHEST).contains(&advance) {
        return Err(problem(400, "advance_seconds must lie between 0 and ten years"));
    }
    let years = Timestamp::UNIX_EPOCH..=latest();
    if change.now.is_some_and(|now| !years.contains(&now)) {
        return Err(problem(400, "now must lie between 1970 and 2100"));
    }
    if let Some(frozen) = change.frozen {
        org.clock.freeze(frozen);
    }
    if let Some(now) = change.now {
        org.clock.set(now);
    }
    org.clock.advance(SignedDuration::from_secs(advance));
    Ok(clock(org))
}

/// 2100-01-01, past which no test has business.
fn latest() -> Timestamp {
    Timestamp::from_second(4_102_444_800).unwrap_or(Timestamp::MAX)
}
