//! A stream: its requests, and how their answers hang together.

use std::time::Duration;

use jiff::tz::TimeZone;
use longshore_schema::decode::Unpacking;
use longshore_schema::stream::{Pages, Request, Window};
use longshore_schema::template::{Expression, Part};
use longshore_schema::{JsonPath, Spanned, Template};
use serde_json::Value;

use super::Answers;
use super::composition::{Combination, Declared, Detail, Special, combinations, details};
use super::level::{Form, Level, level};
use crate::generic::fixtures::Recorded;
use crate::generic::lives::Changes;
use crate::generic::logs::Log;
use crate::generic::members::Packed;
use crate::generic::times::Written;
use crate::generic::{Unsupported, place};

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) every: Duration,
    pub(crate) window: Option<Window>,
    /// Where the clock hangs by which it filters and writes times without a zone.
    pub(crate) zone: Option<TimeZone>,
    /// What counts as a change, where only that is delivered.
    pub(crate) changes: Option<Changes>,
    /// How the stream names the place to go on from.
    pub(crate) log: Option<Log>,
    /// The listing steps in order, and at the end the step that gives the records.
    pub(crate) levels: Vec<Level>,
    /// The level of which there are as many as are asked for: that of the window's times, if there
    /// is one.
    pub(crate) counted: usize,
    /// Each record belongs to one of these.
    pub(crate) combinations: Vec<Combination>,
    pub(crate) details: Vec<Detail>,
}

impl Stream {
    /// The level to whose items those of another one belong.
    pub(crate) fn parents_of(&self, level: usize) -> Option<usize> {
        (0..level).rev().find(|above| !self.levels[*above].special.whole)
    }
}

/// What counts as a change in a stream.
fn changes(stream: &longshore_schema::stream::Stream) -> Result<Option<Changes>, Unsupported> {
    let Some(changes) = &stream.changes else { return Ok(None) };
    if !stream.join.is_empty() {
        let what = "the simulator has no details of records that change";
        return Err(Unsupported(what.to_owned()));
    }
    let paths = |paths: &[Spanned<JsonPath>]| -> Result<Vec<_>, Unsupported> {
        paths.iter().map(|path| place::one(path).map(|_| path.value.clone())).collect()
    };
    Ok(Some(Changes {
        compare: paths(&changes.compare)?,
        ignore: paths(&changes.ignore)?,
        gone: changes.gone.is_some(),
    }))
}

/// A stream and its requests. `index` is its number.
pub(crate) fn stream_of<'m>(
    name: &str,
    stream: &'m longshore_schema::stream::Stream,
    index: usize,
    recorded: &[Recorded],
) -> Result<(Stream, Vec<Declared<'m>>), Unsupported> {
    let key: Vec<_> = stream.key.value.0.iter().map(|path| path.value.clone()).collect();
    let mut levels = Vec::new();
    let mut requests = Vec::new();
    if let Some(request) = &stream.request {
        let form = Form {
            name: "",
            decode: &stream.decode,
            records: stream.records.as_ref().map(|path| &path.value),
            pages: stream.pages.as_ref().map(|pages| &pages.value),
            promise: stream.promise.as_ref().map(|promise| &promise.value),
            key,
            unpack: unpack(stream)?,
        };
        levels.push(level(name, form, recorded)?);
        requests.push(&request.value);
    } else {
        let last = stream.steps.len().saturating_sub(1);
        for (at, (step_name, step)) in stream.steps.iter().enumerate() {
            let own = step.key.iter().flat_map(|key| &key.value.0).map(|path| path.value.clone());
            let form = Form {
                name: step_name.as_str(),
                decode: &step.decode,
                records: step.records.as_ref().map(|path| &path.value),
                pages: step.pages.as_ref().map(|pages| &pages.value),
                promise: step.promise.as_ref().map(|promise| &promise.value),
                key: if at == last { key.clone() } else { own.collect() },
                unpack: if at == last { unpack(stream)? } else { Vec::new() },
            };
            let special = Special::new(step, at == last)?;
            let level = level(&format!("{name}/{step_name}"), form, recorded)?;
            levels.push(Level { special, ..level });
            requests.push(&step.request.value);
        }
    }
    let declared = declared(name, stream, index, &requests);
    for level in &mut levels {
        let step = level.name.clone();
        for request in &declared {
            for template in request.request.templates() {
                note_references(template, &step, level);
            }
        }
    }
    if let Some(last) = levels.last_mut() {
        let is_whole = |path: &JsonPath| path.steps().is_none_or(<[_]>::is_empty);
        if !last.is_open() && last.key.iter().all(is_whole) {
            return Err(Unsupported(
                "rows whose columns the manifest names are told by nothing but a key of columns"
                    .to_owned(),
            ));
        }
        for (_, join) in stream.join.iter() {
            for template in join.request.templates() {
                note_references(template, "record", last);
            }
        }
    }
    for at in 1..levels.len() {
        let Some(batch) = levels[at].special.batch.clone() else { continue };
        if levels[at - 1].special.whole {
            return Err(Unsupported("the simulator has no batches of whole answers".to_owned()));
        }
        let members = batch.of.members().unwrap_or_default();
        levels[at - 1].referred.push(members.into_iter().map(str::to_owned).collect());
    }
    let first = levels.iter().position(|level| !level.special.whole).unwrap_or_default();
    let window = stream.window.as_ref().map(|window| window.value.clone());
    let zone = window.as_ref().and_then(|window| window.zone.as_ref());
    let zone = match zone.map(|zone| (zone, zone.time_zone())) {
        Some((name, None)) => {
            let what = format!("the system's time zone database has no `{}`", name.value);
            return Err(Unsupported(what));
        }
        found => found.and_then(|(_, zone)| zone),
    };
    let counted = match (&window, stream.timed_step()) {
        (None, _) => first,
        (Some(_), Some(timed)) => timed,
        (Some(_), None) => levels.len().saturating_sub(1),
    };
    if let (Some(window), Some(timed)) = (&window, levels.get_mut(counted)) {
        let path = &window.on.value;
        let sample = timed.samples.iter().find_map(|sample| path.first(&sample.value));
        let Some(sample) = sample else {
            return Err(Unsupported(format!(
                "no record of a fixture has the time `{path}` by which the app filters"
            )));
        };
        place::one(path)?;
        timed.time =
            Some((path.clone(), Written::like(&window.format.value, sample, zone.as_ref())));
    }
    let log = match (&stream.cursor, levels.last()) {
        (Some(cursor), Some(level)) => Some(Log::new(stream, cursor, level)?),
        _ => None,
    };
    let made = Stream {
        name: name.to_owned(),
        every: stream.every.0,
        window,
        zone,
        changes: changes(stream)?,
        log,
        levels,
        counted,
        combinations: combinations(stream),
        details: details(name, stream, recorded)?,
    };
    Ok((made, declared))
}

/// The members of its records that hold documents.
fn unpack(stream: &longshore_schema::stream::Stream) -> Result<Vec<Packed>, Unsupported> {
    let all = stream.unpack.iter();
    let steps = |steps: &[Spanned<Unpacking>]| steps.iter().map(|step| step.value).collect();
    all.map(|(path, all)| Packed::new(path, steps(all))).collect()
}

/// The requests of a stream: those of its steps, those that clear away, those for details.
fn declared<'m>(
    name: &str,
    stream: &'m longshore_schema::stream::Stream,
    index: usize,
    requests: &[&'m Request],
) -> Vec<Declared<'m>> {
    let steps: Vec<_> = stream.steps.iter().map(|(step, _)| step.as_str().to_owned()).collect();
    let mut all = Vec::new();
    for (level, request) in requests.iter().enumerate() {
        let name = steps.get(level).map_or(name.to_owned(), |step| format!("{name}.{step}"));
        let mut named: Vec<_> = steps.iter().take(level).cloned().collect();
        named.push("batch".to_owned());
        let pages = match stream.steps.iter().nth(level) {
            Some((_, step)) => &step.pages,
            None => &stream.pages,
        };
        if let Some(Pages::Scroll(scroll)) = pages.as_ref().map(|pages| &pages.value) {
            let next = Answers::Next { stream: index, level };
            let release = Answers::Release { stream: index };
            let further =
                [("next", Some(&scroll.next), next), ("release", scroll.release.as_ref(), release)];
            for (kind, request, answers) in further {
                let Some(request) = request else { continue };
                let (name, named) = (format!("{name}.{kind}"), named.clone());
                all.push(Declared { name, request: &request.value, named, answers });
            }
        }
        let answers = Answers::Pages { stream: index, level };
        all.push(Declared { name, request, named, answers });
    }
    for (level, (step, settings)) in stream.steps.iter().enumerate() {
        let Some(request) = &settings.cleanup else { continue };
        let name = format!("{name}.{step}.cleanup");
        let named = steps.iter().take(level + 1).cloned().collect();
        let answers = Answers::Cleared { stream: index, level };
        all.push(Declared { name, request, named, answers });
    }
    for (detail, (join, settings)) in stream.join.iter().enumerate() {
        let mut named = steps.clone();
        named.push("record".to_owned());
        let answers = Answers::Detail { stream: index, detail };
        let name = format!("{name}.{join}");
        all.push(Declared { name, request: &settings.request, named, answers });
    }
    all
}

/// Notes what a template takes from items of `step`.
fn note_references(template: &Template, step: &str, level: &mut Level) {
    let starts = match template.parts().first() {
        Some(Part::Expression(Expression::Reference(reference))) => Some(reference),
        _ => None,
    };
    for reference in template.references() {
        if reference.path.first().is_none_or(|first| first != step) || reference.path.len() < 2 {
            continue;
        }
        let member = reference.path[1..].to_vec();
        let whole = starts == Some(reference) && template.parts().len() == 1;
        let list = if whole && is_address(&member, level) {
            &mut level.handed_out
        } else {
            &mut level.referred
        };
        if !list.contains(&member) {
            list.push(member);
        }
    }
}

/// Whether what a member holds is an address, by what the fixtures show.
fn is_address(member: &[String], level: &Level) -> bool {
    level.samples.iter().any(|sample| {
        let pointer = format!("/{}", member.join("/"));
        let text = sample.value.pointer(&pointer).and_then(Value::as_str);
        text.is_some_and(|text| text.starts_with("https://") || text.starts_with('/'))
    })
}
