//! What has to be delivered of what the app holds.

use std::collections::BTreeMap;

use super::data::{Record, Records, millis, resolution, text};
use super::model::{Level, Stream, lag};
use super::times;

/// What has to be delivered of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The stream.
    pub stream: String,
    /// For each record's mark: whether it was due, so that it must have been delivered. The others
    /// may have been.
    pub records: BTreeMap<String, bool>,
    /// For the mark of each record and the name of each of its details: whether it has that detail,
    /// which then holds the same mark. Details that cannot hold a mark are not among them.
    pub details: BTreeMap<String, BTreeMap<String, bool>>,
    /// For each record's mark: what it is known by, as texts. Events of records that cannot hold a
    /// mark are told by these.
    pub keys: BTreeMap<String, Vec<String>>,
    /// How the records change, in place of `records`, where that is told.
    pub lives: Option<Lives>,
}

/// How the records of a stream change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lives {
    /// For each record its forms in the order of time. What lies between two is a time in which it
    /// was not there.
    pub records: BTreeMap<String, Vec<Shown>>,
    /// Whether an event tells of what is gone.
    pub gone: bool,
}

/// A form of a record, and when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The form's mark, unique in the stream.
    pub mark: String,
    /// From when, in milliseconds since 1970.
    pub from: i64,
    /// Until when; that instant does not belong to it.
    pub until: i64,
}

impl Records {
    /// What has to be delivered after a connector has read, without trouble, what was due at `now`.
    pub(super) fn truth(&self, stream: &Stream, now: i64) -> Truth {
        let is_due = |record: &Record| {
            let in_window = match (&stream.window, record.at) {
                (Some(window), Some(at)) => {
                    let end = now - millis(lag(window));
                    let step = resolution(window);
                    at < times::floor(stream.zone.as_ref(), end, step)
                }
                _ => true,
            };
            in_window && record.shown <= now
        };
        let last = stream.levels.len().saturating_sub(1);
        let due = |record| self.chain(stream, last, record).all(|(_, one)| is_due(one));
        let records = self.last().iter().map(|record| (record.mark.clone(), due(record)));
        let level = &stream.levels[last];
        let keys = self.last().iter().map(|record| (record.mark.clone(), known_by(level, record)));
        let lives = stream.changes.as_ref().map(|changes| Lives {
            records: self.last().iter().filter_map(forms).collect(),
            gone: changes.gone,
        });
        Truth {
            stream: stream.name.clone(),
            records: if lives.is_some() { BTreeMap::new() } else { records.collect() },
            details: BTreeMap::new(),
            keys: keys.collect(),
            lives,
        }
    }
}

/// The forms of a record.
fn forms(record: &Record) -> Option<(String, Vec<Shown>)> {
    let forms = record.life.as_ref()?.versions.iter().map(|version| Shown {
        mark: version.mark.clone(),
        from: version.from,
        until: version.until,
    });
    Some((record.mark.clone(), forms.collect()))
}

/// What tells a record from all others, as texts.
fn known_by(level: &Level, record: &Record) -> Vec<String> {
    let paths = level.key.iter().filter(|path| path.steps().is_some_and(|steps| !steps.is_empty()));
    let found = paths.filter_map(|path| path.first(&record.value));
    found.filter(|value| !value.is_object() && !value.is_array()).map(text).collect()
}
