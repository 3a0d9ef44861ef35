//! What was delivered, against what the app held.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use longshore_simulator::generic::{MARK, Truth};
use serde_json::Value;

/// What came of the records of one stream.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) delivered: u64,
    /// Due, and not delivered; for each its mark and what is known of it.
    pub(crate) lost: Vec<String>,
    /// Delivered more than once.
    pub(crate) duplicated: Vec<String>,
}

/// Compares the events of a stream in `folder` with the truth. Of a stream whose records have
/// `parts`, each becomes several events, which are told by what they are known by.
pub(crate) fn compare(folder: &Path, truth: &Truth, parts: bool) -> Compared {
    let stream = &truth.stream;
    let mut compared = Compared::default();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut known: BTreeSet<(String, String)> = BTreeSet::new();
    for line in lines(&folder.join(format!("{stream}.jsonl"))) {
        compared.delivered += 1;
        let event: Option<Value> = serde_json::from_str(&line).ok();
        let mark = event.as_ref().and_then(|event| event["unmapped"][MARK].as_str());
        match mark.or_else(|| told_by_key(truth, event.as_ref()?)) {
            Some(mark) => {
                let expected = truth.details.get(mark).into_iter().flatten();
                for (detail, has) in expected {
                    let found = event.as_ref().and_then(|e| e["unmapped"][detail][MARK].as_str());
                    if found != has.then_some(mark) {
                        let found = found.unwrap_or("none");
                        let what = format!("{stream}: {mark} has the `{detail}` of {found}");
                        compared.lost.push(what);
                    }
                }
                let uid = event.as_ref().and_then(|event| event["metadata"]["uid"].as_str());
                let uid = uid.unwrap_or_default().to_owned();
                let is_new = known.insert((mark.to_owned(), uid));
                let count = counts.entry(mark.to_owned()).or_default();
                if !parts || *count == 0 || !is_new {
                    *count += 1;
                }
            }
            None => compared.lost.push(format!("{stream}: an event without its mark: {line:.300}")),
        }
    }
    let mut set_aside: BTreeMap<String, String> = BTreeMap::new();
    for line in lines(&folder.join(format!("{stream}.rejected.jsonl"))) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let (record, reason) = (line["record"].as_str(), line["reason"].as_str());
        let (record, reason) = (record.unwrap_or_default(), reason.unwrap_or_default());
        if let Some(mark) = truth.records.keys().find(|mark| holds(record, mark)) {
            set_aside.insert(mark.clone(), reason.to_owned());
        }
    }
    for (mark, due) in &truth.records {
        match counts.get(mark).copied().unwrap_or_default() {
            0 if *due => compared.lost.push(match set_aside.get(mark) {
                Some(reason) => format!("{stream}: {mark} was set aside: {reason}"),
                None => format!("{stream}: {mark} is missing"),
            }),
            0 | 1 => {}
            times => compared.duplicated.push(format!("{stream}: {mark} came {times} times")),
        }
    }
    compared
}

/// The mark of the record of an event that does not hold it: of the only one whose key is there.
pub(crate) fn told_by_key<'t>(truth: &'t Truth, event: &Value) -> Option<&'t str> {
    let mut found = BTreeSet::new();
    leaves(event, &mut found);
    let fits = |keys: &&Vec<String>| !keys.is_empty() && keys.iter().all(|key| found.contains(key));
    let mut fitting = truth.keys.iter().filter(|(_, keys)| fits(keys));
    let (mark, _) = fitting.next()?;
    fitting.next().is_none().then_some(mark.as_str())
}

/// All values that hold no others, as texts.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| leaves(value, found)),
        Value::Array(items) => items.iter().for_each(|value| leaves(value, found)),
        Value::String(text) => {
            found.insert(text.clone());
        }
        other => {
            found.insert(other.to_string());
        }
    }
}

/// Whether a record's text has this mark and not a longer one.
fn holds(record: &str, mark: &str) -> bool {
    record
        .match_indices(mark)
        .any(|(at, _)| !record[at + mark.len()..].starts_with(|next: char| next.is_ascii_digit()))
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
