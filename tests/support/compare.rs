//! Events on disk against what the org says that it holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use jiff::Timestamp;
use longshore_simulator::salesforce::{Running, Truth};
use serde_json::Value;

/// A row of a log file by column.
pub(crate) type Row = BTreeMap<String, String>;

/// The events of a stream; every line must be an event and end.
pub(crate) fn events(folder: &Path, stream: &str) -> Vec<Value> {
    let path = folder.join(format!("{stream}.jsonl"));
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    assert!(text.is_empty() || text.ends_with('\n'), "{stream}: the last line has no end");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The record ids of a stream's events, sorted, repeats included.
pub(crate) fn ids(events: &[Value]) -> Vec<String> {
    let id = |event: &Value| event["metadata"]["original_event_uid"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = events.iter().map(id).collect();
    ids.sort();
    ids
}

/// Everything that the org holds is on disk, once, and nothing else.
pub(crate) fn assert_exact(org: &Running, folder: &Path) {
    let truth = org.truth();
    let held = [
        ("sign_ins", &truth.sign_ins.ids),
        ("setup_audit_trail", &truth.setup_audit.ids),
        ("users", &truth.users.ids),
    ];
    let mut uids = BTreeSet::new();
    for (stream, held) in held {
        let events = events(folder, stream);
        assert_same(stream, held, &ids(&events));
        assert_unique(&mut uids, stream, &events);
    }
    let events = events(folder, "event_log");
    assert_unique(&mut uids, "event_log", &events);
    assert_rows(&rows(org, &truth, |_| true), &events);
}

fn assert_unique(uids: &mut BTreeSet<String>, stream: &str, events: &[Value]) {
    for event in events {
        let uid = event["metadata"]["uid"].as_str().unwrap();
        assert!(uids.insert(uid.to_owned()), "{stream}: metadata.uid {uid} occurs twice");
    }
}

/// Two sorted lists are the same; if not, says what is missing, repeated or too much.
pub(crate) fn assert_same(stream: &str, held: &[String], delivered: &[String]) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for id in held {
        *counts.entry(id).or_default() += 1;
    }
    for id in delivered {
        *counts.entry(id).or_default() -= 1;
    }
    counts.retain(|_, count| *count != 0);
    let few: Vec<_> = counts.iter().take(5).collect();
    assert!(
        counts.is_empty(),
        "{stream}: {} held, {} delivered, {} differ (positive is missing): {few:?}",
        held.len(),
        delivered.len(),
        counts.len()
    );
    assert!(!held.is_empty(), "{stream}: nothing to compare");
}

/// The rows that an org's log files hold now: of the hourly files if there are any, of the daily
/// ones otherwise. `due` chooses by the files' `CreatedDate`.
pub(crate) fn rows(org: &Running, truth: &Truth, due: impl Fn(Timestamp) -> bool) -> Vec<Row> {
    let hourly = truth.log.files.iter().any(|file| file.interval == "Hourly");
    let interval = if hourly { "Hourly" } else { "Daily" };
    let mut rows = Vec::new();
    for file in truth.log.files.iter().filter(|file| file.interval == interval) {
        if due(file.created_date.parse().unwrap()) {
            let text = org.log_file(&file.id).unwrap();
            let before = rows.len();
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
            let header = reader.headers().unwrap().clone();
            for record in reader.records() {
                let record = record.unwrap();
                let cells = header.iter().zip(record.iter());
                rows.push(cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect());
            }
            assert_eq!(rows.len() - before, file.rows as usize, "{}", file.id);
        }
    }
    rows
}

/// Each event is of one row, and each row has one event. Of an event the request, the time and all
/// columns without a place in OCSF are compared.
pub(crate) fn assert_rows(rows: &[Row], events: &[Value]) {
    type Moment = (String, i64);
    let mut held: HashMap<Moment, Vec<&Row>> = HashMap::new();
    for row in rows {
        let time: Timestamp = row["TIMESTAMP_DERIVED"].parse().unwrap();
        let moment = (row["REQUEST_ID"].clone(), time.as_millisecond());
        held.entry(moment).or_default().push(row);
    }
    // Those with most to compare first: they fit the fewest rows.
    let mut events: Vec<_> = events.iter().collect();
    let unmapped = |event: &Value| event["unmapped"].as_object().cloned().unwrap_or_default();
    events.sort_by_key(|event| std::cmp::Reverse(unmapped(event).len()));
    let mut strangers = Vec::new();
    for event in &events {
        let request = event["metadata"]["correlation_uid"].as_str().unwrap();
        let moment = (request.to_owned(), event["time"].as_i64().unwrap());
        let columns = unmapped(event);
        let fits = |row: &&Row| {
            columns.iter().all(|(name, value)| row.get(name).map(String::as_str) == value.as_str())
        };
        let group = held.entry(moment).or_default();
        match group.iter().position(fits) {
            Some(at) => {
                group.swap_remove(at);
            }
            None => strangers.push(*event),
        }
    }
    let missing: Vec<_> = held.into_values().flatten().collect();
    assert!(
        missing.is_empty() && strangers.is_empty(),
        "event_log: {} rows, {} events; {} rows are missing, such as {:?}; {} events are of no row, such as {:?}",
        rows.len(),
        events.len(),
        missing.len(),
        missing.first(),
        strangers.len(),
        strangers.first(),
    );
    assert!(!rows.is_empty(), "event_log: nothing to compare");
}
