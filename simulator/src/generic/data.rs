//! What the app holds: records made from those of the fixtures, with keys, times and marks of their
//! own.

use fastrand::Rng;
use longshore_schema::JsonPath;
use longshore_schema::stream::{Bounds, Pages, Window};
use serde_json::Value;

use super::lives::Life;
use super::model::{HANDED_OUT, Level, Model, Sample, Stream, lag, overlap};
use super::place;

/// The member by which a record is known wherever it turns up: no manifest knows it, so it stays
/// with what is not mapped.
pub const MARK: &str = "simulated_record";

/// One record, or one item of a listing step.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Unique in the stream.
    pub(super) mark: String,
    /// When it happened, in milliseconds, if the stream is read by time.
    pub(super) at: Option<i64>,
    /// When the app begins to show it.
    pub(super) shown: i64,
    /// The item of the step before that it belongs to.
    pub(super) parent: usize,
    /// The combination of partitions that it belongs to.
    pub(super) partition: usize,
    pub(super) value: Value,
    /// How it changes, where that is told.
    pub(super) life: Option<Life>,
}

impl Record {
    /// The record as it is shown; `None` if it is not.
    pub(super) fn value(&self, now: i64) -> Option<Value> {
        match &self.life {
            Some(life) => life.value(now),
            None => (self.shown <= now).then(|| self.value.clone()),
        }
    }
}

/// The records of one stream, by level.
#[derive(Clone, Debug)]
pub(super) struct Records(pub(super) Vec<Vec<Record>>);

/// When things happen, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// What is made.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub(super) struct Volume {
    pub(super) records: usize,
    pub(super) late: bool,
    pub(super) ties: bool,
    pub(super) drift: bool,
    /// How much later than it happened everything is shown, in milliseconds.
    pub(super) behind: i64,
    /// More in an hour than fits on a page, where pages are counted.
    pub(super) burst: bool,
}

/// Makes the records of a stream. Of whole answers there are none: they are made when they are asked
/// for.
pub(super) fn make(stream: &Stream, span: Span, volume: Volume, rng: &mut Rng) -> Records {
    let mut levels: Vec<Vec<Record>> = Vec::new();
    for (index, level) in stream.levels.iter().enumerate() {
        if level.special.whole {
            levels.push(Vec::new());
            continue;
        }
        let parents = stream.parents_of(index).map(|parents| levels[parents].as_slice());
        // The rows of one answer have the same columns.
        let fixtures: Vec<usize> = (0..parents.map_or(0, <[Record]>::len))
            .map(|_| level.samples[rng.usize(..level.samples.len())].fixture)
            .collect();
        let mut records = Vec::new();
        for (parent, at, shown) in places(stream, index, parents, span, volume, rng) {
            let fixture = fixtures.get(parent);
            let like: Vec<_> = level
                .samples
                .iter()
                .filter(|sample| fixture.is_none_or(|fixture| sample.fixture == *fixture))
                .collect();
            let sample = like[rng.usize(..like.len())];
            let key = (index, records.len());
            let drifts = volume.drift && level.records.is_some();
            let made = record(stream, level, sample, key, (at, shown), drifts, rng);
            let partition = match parents {
                Some(parents) => parents[parent].partition,
                None => rng.usize(..stream.combinations.len()),
            };
            let life = stream.changes.as_ref().filter(|_| index + 1 == stream.levels.len());
            let life = life.map(|changes| {
                let stays = records.is_empty();
                let shown = if stays { i64::MIN } else { made.shown };
                let is_table = level.decode.is_table();
                let of = (&made.value, made.mark.as_str());
                Life::new(of, changes, (shown, span), (stays, is_table), rng)
            });
            records.push(Record { parent, partition, life, ..made });
        }
        if let Some(log) = stream.log.as_ref().filter(|_| index + 1 == stream.levels.len()) {
            log.arrange(&mut records);
        }
        levels.push(records);
    }
    Records(levels)
}

/// For each record of a level: the item that it belongs to, when it happens and when it is shown.
fn places(
    stream: &Stream,
    index: usize,
    parents: Option<&[Record]>,
    span: Span,
    volume: Volume,
    rng: &mut Rng,
) -> Vec<(usize, Option<i64>, i64)> {
    let level = &stream.levels[index];
    let Some(parents) = parents else {
        let times = if index == stream.counted {
            times(stream, level, span, volume, rng)
        } else {
            // What lists for many others is short.
            snapshot(rng.usize(1..=4), span, rng)
        };
        return times.into_iter().map(|(at, shown)| (0, at, shown)).collect();
    };
    let mut places = Vec::new();
    if index == stream.counted {
        for (at, shown) in times(stream, level, span, volume, rng) {
            if parents.is_empty() {
                break;
            }
            let parent = rng.usize(..parents.len());
            places.push((parent, at, shown.max(parents[parent].shown)));
        }
        return places;
    }
    for (parent, item) in parents.iter().enumerate() {
        let number = if index < stream.counted { rng.usize(0..4) } else { rng.usize(0..6) };
        places.extend((0..number).map(|_| (parent, None, item.shown)));
    }
    places
}

/// Times at which something is shown of which most was there from the start, and some comes later.
fn snapshot(number: usize, span: Span, rng: &mut Rng) -> Vec<(Option<i64>, i64)> {
    let mut shown = || if rng.u8(..5) == 0 { rng.i64(span.from..span.until) } else { i64::MIN };
    (0..number).map(|_| (None, shown())).collect()
}

/// When records happen and when they are shown, in the order of their happening.
fn times(
    stream: &Stream,
    level: &Level,
    span: Span,
    volume: Volume,
    rng: &mut Rng,
) -> Vec<(Option<i64>, i64)> {
    let number = volume.records.max(1);
    let Some(window) = &stream.window else {
        return snapshot(number, span, rng);
    };
    let mut times: Vec<i64> = (0..number).map(|_| rng.i64(span.from..span.until)).collect();
    if let (true, Some(size)) = (volume.burst, counted_size(level)) {
        let start = rng.i64(span.from..span.until);
        let hour = 3_600_000;
        times.extend((0..size + size / 2).map(|_| start + rng.i64(0..hour)));
    }
    times.sort_unstable();
    if volume.ties {
        for index in 1..times.len() {
            if rng.u8(..4) == 0 {
                times[index] = times[index - 1];
            }
        }
    }
    let precision = level.time.as_ref().map_or(1000, |(_, written)| written.precision());
    let resolution = resolution(window);
    let all = millis(lag(window));
    // What comes later than this may be missed by a connector that keeps to its manifest.
    let latest = (all + millis(overlap(window)) - 2 * resolution.max(precision)).max(0);
    times
        .into_iter()
        .map(|at| {
            let at = at.div_euclid(precision) * precision;
            let late = volume.late && rng.u8(..4) == 0;
            let delay = if late { rng.i64(0..=latest) } else { rng.i64(0..=all.min(latest)) / 2 };
            (Some(at), at + (delay + volume.behind).min(latest))
        })
        .collect()
}

/// The size of pages that are counted, of which a short one is the last.
pub(super) fn counted_size(level: &Level) -> Option<usize> {
    let size = match &level.pages {
        Some(pages @ (Pages::Number(_) | Pages::Offset(_) | Pages::Keyset(_))) => {
            pages.size()?.value
        }
        _ => return None,
    };
    usize::try_from(size).ok()
}

pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn resolution(window: &Window) -> i64 {
    window.resolution.as_ref().map_or(1000, |resolution| millis(resolution.0).max(1))
}

/// One record of a level, of its kind the one with this number. If it `drifts`, it may have members
/// that no manifest knows.
pub(super) fn record(
    stream: &Stream,
    level: &Level,
    sample: &Sample,
    (index, number): (usize, usize),
    (at, shown): (Option<i64>, i64),
    drifts: bool,
    rng: &mut Rng,
) -> Record {
    let mut value = sample.value.clone();
    let time_path = level.time.as_ref().map(|(path, _)| path);
    for path in &level.key {
        if time_path.is_some_and(|time| time.as_str() == path.as_str()) {
            continue;
        }
        freshen(&mut value, path, number);
    }
    for members in &level.referred {
        let pointer = format!("/{}", members.join("/"));
        if let Some(found) = value.pointer_mut(&pointer)
            && !level.key.iter().any(|key| key.members().is_some_and(|key| key == *members))
        {
            *found = fresh(found, number);
        }
    }
    for members in &level.handed_out {
        let pointer = format!("/{}", members.join("/"));
        if let Some(found) = value.pointer_mut(&pointer) {
            // Of what the last step gives only details are asked for.
            let is_last = index + 1 == stream.levels.len();
            let name = if is_last { "record" } else { &level.name };
            *found = format!("{HANDED_OUT}{name}/{number}").into();
        }
    }
    if let (Some((path, written)), Some(at)) = (&level.time, at) {
        let old = path.first(&value).cloned();
        let new = written.write(at);
        if let (Value::Object(members), Some(old)) = (&mut value, old) {
            // Apps often tell the same time under several names.
            for member in members.values_mut().filter(|member| **member == old) {
                *member = new.clone();
            }
        }
        if let Ok(steps) = place::one(path) {
            place::set(&mut value, steps, new);
        }
    }
    let mark = format!("{}-{index}-{number}", stream.name);
    if let Value::Object(members) = &mut value {
        if index + 1 == stream.levels.len() && level.is_open() {
            members.insert(MARK.to_owned(), mark.clone().into());
        }
        if drifts {
            drift(members, rng);
        }
    }
    Record { mark, at, shown, parent: 0, partition: 0, value, life: None }
}

/// Members that no manifest knows yet.
fn drift(members: &mut serde_json::Map<String, Value>, rng: &mut Rng) {
    let (name, value) = match rng.u8(..5) {
        0 => ("simulated_new_text", Value::from("a \"new\" member, \u{2028}\u{1F6A2}\n")),
        1 => ("simulated_new_list", serde_json::json!([{ "a": [[], {}, null] }])),
        2 => ("simulated_new_number", Value::from(1.5e300)),
        3 => ("", Value::Null),
        _ => return,
    };
    members.insert(name.to_owned(), value);
}

fn freshen(value: &mut Value, path: &JsonPath, number: usize) {
    let Ok(steps) = place::one(path) else { return };
    if steps.is_empty() {
        return;
    }
    if let Some(old) = path.first(value) {
        let new = fresh(old, number);
        place::set(value, steps, new);
    }
}

/// A value of the same form that no other record has.
pub(super) fn fresh(old: &Value, number: usize) -> Value {
    match old {
        Value::Number(_) => (10_000 + number as i64).into(),
        Value::String(old) => fresh_text(old, number).into(),
        other => other.clone(),
    }
}

fn fresh_text(old: &str, number: usize) -> String {
    if old.parse::<std::net::IpAddr>().is_ok() || old.parse::<jiff::Timestamp>().is_ok() {
        return old.to_owned();
    }
    let end = old.rfind(|character: char| character.is_ascii_digit());
    let Some(end) = end.filter(|_| !old.contains('@')) else {
        return match old.split_once('@') {
            Some((name, domain)) => format!("{name}-{number}@{domain}"),
            None => format!("{old}-{number}"),
        };
    };
    let start = old[..end].rfind(|character: char| !character.is_ascii_digit());
    let start = start.map_or(0, |at| at + old[at..].chars().next().map_or(1, char::len_utf8));
    let width = end + 1 - start;
    // The first digit stays: some forms do not begin with a zero.
    let keep = usize::from(width > 4);
    format!("{}{number:0width$}{}", &old[..start + keep], &old[end + 1..], width = width - keep)
}

impl Records {
    pub(super) fn last(&self) -> &[Record] {
        self.0.last().map_or(&[], Vec::as_slice)
    }

    /// A record of a level, and the items that it belongs to, each with its level.
    pub(super) fn chain<'r>(
        &'r self,
        stream: &'r Stream,
        level: usize,
        record: &'r Record,
    ) -> impl Iterator<Item = (usize, &'r Record)> {
        std::iter::successors(Some((level, record)), move |(level, record)| {
            let parents = stream.parents_of(*level)?;
            Some((parents, &self.0[parents][record.parent]))
        })
    }
}

/// A value as it is written where there are only texts.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The window that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

impl Asked {
    /// Whether the app's filter lets a time through.
    pub(super) fn includes(self, window: &Window, at: i64) -> bool {
        let (with_start, with_end) = match window.bounds.value {
            Bounds::StartOnly => (true, false),
            Bounds::Both => (true, true),
            Bounds::EndOnly => (false, true),
            Bounds::Neither => (false, false),
        };
        let after = self.start.is_none_or(|start| start < at || (with_start && start == at));
        let before = self.end.is_none_or(|end| at < end || (with_end && end == at));
        after && before
    }
}

impl Model {
    pub(super) fn make(&self, span: Span, volume: Volume, rng: &mut Rng) -> Vec<Records> {
        self.streams
            .iter()
            .map(|stream| {
                let burst = volume.burst && rng.bool();
                make(stream, span, Volume { burst, ..volume }, rng)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fresh_values_keep_their_form() {
        for (old, new) in [
            (json!("0YaDn0000000001KAA"), json!("0YaDn0000000007KAA")),
            (json!("doc"), json!("doc-7")),
            (json!("ada@harbor.example"), json!("ada-7@harbor.example")),
            (
                json!("550e8400-e29b-41d4-a716-446655440000"),
                json!("550e8400-e29b-41d4-a716-400000000007"),
            ),
            (json!("203.0.113.9"), json!("203.0.113.9")),
            (json!(12), json!(10_007)),
            (json!(null), json!(null)),
        ] {
            assert_eq!(fresh(&old, 7), new, "{old}");
        }
        assert_eq!(fresh_text("u1", 123), "u123");
    }
}
