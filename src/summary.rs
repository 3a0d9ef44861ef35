//! What a run is summed up in: a table for people, JSON for programs.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use longshore_engine::error::Error;
use longshore_engine::poll::StreamReport;
use longshore_engine::poll::session::Session;
use longshore_engine::sink::SinkReport;
use serde_json::{Value, json};

use crate::Exit;
use crate::terminal::{complain, once};

/// A table with columns as wide as they need to be; numbers stand right.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], right: &[bool]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) = if right[column] { (&*pad, "") } else { ("", &*pad) };
            let _ = write!(text, "{before}{cell}{after}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(header.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    out
}

/// The streams of a run, one line each.
pub(crate) fn streams(reports: &[StreamReport]) -> String {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            vec![
                report.stream.clone(),
                number(report.requests),
                number(report.records),
                number(report.delivered),
                number(report.duplicates),
                covered(report),
                report.lag.map_or("-".to_owned(), duration),
                match &report.error {
                    None if report.rejected > 0 => format!("{} set aside", report.rejected),
                    None => "ok".to_owned(),
                    Some(error) => error.code.to_string(),
                },
            ]
        })
        .collect();
    table(
        &["stream", "requests", "records", "events", "repeats", "covered", "lag", "result"],
        &rows,
        &[false, true, true, true, true, false, true, false],
    )
}

/// Says what failed, and whether anything did.
pub(crate) fn complain_about<'a>(errors: impl IntoIterator<Item = &'a Error>) -> Exit {
    let merged = merged(errors);
    for error in &merged {
        complain(&format!("\nerror: {error}"));
    }
    if merged.is_empty() { Exit::Done } else { Exit::Findings }
}

/// Streams that failed for the same reason in one error; each sink has its own.
fn merged<'a>(errors: impl IntoIterator<Item = &'a Error>) -> Vec<Error> {
    let mut merged: Vec<Error> = Vec::new();
    for error in errors {
        let alike = |known: &&mut Error| {
            known.code == error.code
                && known.cause == error.cause
                && known.fix == error.fix
                && known.place.sink == error.place.sink
        };
        match merged.iter_mut().find(alike) {
            Some(known) => {
                if let (Some(names), Some(name)) = (&mut known.place.stream, &error.place.stream) {
                    let _ = write!(names, ", {name}");
                }
            }
            None => merged.push(once(error.clone())),
        }
    }
    merged
}

fn covered(report: &StreamReport) -> String {
    match (report.from, report.watermark) {
        _ if report.from.is_none() && report.error.is_some() => "-".to_owned(),
        (Some(from), Some(watermark)) => format!("{} to {}", minute(from), minute(watermark)),
        (None, Some(watermark)) => format!("up to {}", minute(watermark)),
        (Some(from), None) => format!("from {}, nothing yet", minute(from)),
        (None, None) => "all there is".to_owned(),
    }
}

/// The sinks of a connection, one line each; nothing if it has none.
pub(crate) fn sinks(reports: &[SinkReport]) -> String {
    if reports.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            vec![
                report.sink.clone(),
                number(report.delivered),
                number(report.refused),
                bytes(report.waiting),
                report.error.as_ref().map_or("ok".to_owned(), |error| error.code.to_string()),
            ]
        })
        .collect();
    let header = ["sink", "delivered", "refused", "waiting", "state"];
    format!("\n{}", table(&header, &rows, &[false, true, true, true, false]))
}

/// The sinks of a connection, for programs.
pub(crate) fn sinks_json(reports: &[SinkReport]) -> Value {
    reports
        .iter()
        .map(|report| {
            json!({
                "sink": report.sink,
                "delivered": report.delivered,
                "refused": report.refused,
                "waiting_bytes": report.waiting,
                "error": report.error.as_ref().map(error_json),
            })
        })
        .collect()
}

/// A number of bytes, as the connection file has them.
fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    match units.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / *unit as f64),
        None => format!("{count} B"),
    }
}

/// What is spent of each quota, one line each.
pub(crate) fn quotas(session: &Session) -> String {
    let mut out = String::new();
    for quota in session.quotas() {
        let status = quota.status();
        let _ = write!(out, "quota {}: ours {}", quota.name(), number(status.own));
        if let (Some(reported), Some(limit)) = (status.reported, status.limit) {
            let _ = write!(out, ", all apps {} of {}", number(reported), number(limit));
        }
        if let Some(reserve) = status.reserve {
            let _ = write!(out, "; {} are always left", number(reserve));
        }
        out.push('\n');
    }
    out
}

/// The streams of a run for programs.
pub(crate) fn json(reports: &[StreamReport]) -> Value {
    reports.iter().map(stream_json).collect()
}

fn stream_json(report: &StreamReport) -> Value {
    json!({
        "stream": report.stream,
        "provides": report.provides.to_string(),
        "requests": report.requests,
        "records": report.records,
        "events": report.delivered,
        "repeats": report.duplicates,
        "rejected": report.rejected,
        "gaps": report.gaps,
        "from": report.from.map(|time| time.to_string()),
        "watermark": report.watermark.map(|time| time.to_string()),
        "lag_seconds": report.lag.map(|lag| lag.as_secs()),
        "error": report.error.as_ref().map(error_json),
    })
}

/// An error for programs.
pub(crate) fn error_json(error: &Error) -> Value {
    json!({
        "code": error.code.as_str(),
        "message": error.what,
        "cause": error.cause,
        "fix": error.fix,
    })
}

/// `2026-10-01 12:00`, in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// `12,345`
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 error`, `2 errors`
pub(crate) fn plural(count: usize, word: &str) -> String {
    format!("{} {word}{}", number(count as u64), if count == 1 { "" } else { "s" })
}

/// `3d 4h`, `5m 10s`: the two largest units.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(value, _)| *value > 0).unwrap_or(3);
    let shown: Vec<_> = parts[first..]
        .iter()
        .take(2)
        .filter(|(value, unit)| *value > 0 || first == 3 && *unit == "s")
        .map(|(value, unit)| format!("{value}{unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use longshore_engine::error::Code;

    use super::*;

    #[test]
    fn numbers_and_durations_read_well() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(duration(Duration::from_secs(0)), "0s");
        assert_eq!(duration(Duration::from_secs(310)), "5m 10s");
        assert_eq!(duration(Duration::from_secs(86_400 * 3 + 4 * 3600 + 59)), "3d 4h");
        assert_eq!(duration(Duration::from_secs(7200)), "2h");
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let rows = vec![vec!["a".to_owned(), "1,000".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows, &[false, true]), "name      n\na     1,000\n");
    }

    #[test]
    fn streams_that_fail_alike_are_named_together() {
        let refused = |stream, cause| {
            Error::new(Code::RateLimited, "slow down").cause(cause).in_stream(stream)
        };
        let errors = [refused("a", "429"), refused("b", "503"), refused("c", "429")];
        let merged = merged(&errors);
        let streams: Vec<_> = merged.iter().map(|e| e.place.stream.as_deref().unwrap()).collect();
        assert_eq!(streams, ["a, c", "b"]);
        assert!(!merged[0].to_string().contains("tried again"), "the command has ended");
    }

    #[test]
    fn sinks_that_fail_alike_are_each_named() {
        let full = |what| Error::new(Code::DiskFull, what).cause("no space left").in_stream("a");
        let errors = [full("the spool"), full("x/a").in_sink("x"), full("y/a").in_sink("y")];
        let shown: Vec<_> = merged(&errors).iter().map(ToString::to_string).collect();
        for (shown, place) in shown.iter().zip(["stream a", "stream a, sink x", "stream a, sink y"])
        {
            assert!(shown.contains(&format!("where: {place}\n")), "{shown}");
        }
        assert_eq!(shown.len(), 3);
    }
}
