//! A stream: its requests, and how their answers hang together.

use std::time::Duration;

use longshore_schema::Template;
use longshore_schema::stream::{Filter, Json, Request, Window};
use longshore_schema::template::{Expression, Part};
use serde_json::Value;

use super::level::{Form, Level, level};
use crate::generic::fixtures::Recorded;
use crate::generic::times::Written;
use crate::generic::{Unsupported, place};

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) every: Duration,
    pub(crate) window: Option<Window>,
    /// The listing steps in order, and at the end the step that gives the records.
    pub(crate) levels: Vec<Level>,
}

/// What of a stream no simulator can play yet: to pass it over would prove what was not tried.
fn not_played(stream: &longshore_schema::stream::Stream) -> Option<&'static str> {
    let step = |is: fn(&longshore_schema::stream::Step) -> bool| {
        stream.steps.iter().any(|(_, step)| is(step))
    };
    let filters_here = stream
        .window
        .as_ref()
        .is_some_and(|window| window.filter.value == Filter::Here || window.most.is_some());
    let found = [
        ("cursor", stream.cursor.is_some()),
        ("changes", stream.changes.is_some()),
        ("partitions", !stream.partitions.is_empty()),
        ("join", !stream.join.is_empty()),
        ("window.filter: here, or window.most", filters_here),
        ("batch", step(|step| step.batch.is_some())),
        ("wait", step(|step| step.wait.is_some())),
        ("cleanup", step(|step| step.cleanup.is_some())),
    ];
    found.into_iter().find_map(|(what, is)| is.then_some(what))
}

/// A stream and its requests, a request for each level.
pub(crate) fn stream_of<'m>(
    name: &str,
    stream: &'m longshore_schema::stream::Stream,
    recorded: &[Recorded],
) -> Result<(Stream, Vec<&'m Request>), Unsupported> {
    if let Some(what) = not_played(stream) {
        return Err(Unsupported(format!("the stream `{name}`: `{what}` is not played yet")));
    }
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
        };
        levels.push(level(name, form, recorded)?);
        requests.push(&request.value);
    } else {
        let last = stream.steps.len().saturating_sub(1);
        for (index, (step_name, step)) in stream.steps.iter().enumerate() {
            let own = step.key.iter().flat_map(|key| &key.value.0).map(|path| path.value.clone());
            let form = Form {
                name: step_name.as_str(),
                decode: &step.decode,
                records: step.records.as_ref().map(|path| &path.value),
                pages: step.pages.as_ref().map(|pages| &pages.value),
                promise: step.promise.as_ref().map(|promise| &promise.value),
                key: if index == last { key.clone() } else { own.collect() },
            };
            levels.push(level(&format!("{name}/{step_name}"), form, recorded)?);
            requests.push(&step.request.value);
        }
    }
    for at in 0..levels.len() {
        let step = levels[at].name.clone();
        for request in &requests[at + 1..] {
            for template in templates(request) {
                note_references(template, &step, &mut levels[at]);
            }
        }
    }
    let window = stream.window.as_ref().map(|window| window.value.clone());
    if let (Some(window), Some(first)) = (&window, levels.first_mut()) {
        let path = &window.on.value;
        let sample = first.samples.iter().find_map(|sample| path.first(&sample.value));
        let Some(sample) = sample else {
            return Err(Unsupported(format!(
                "no record of a fixture has the time `{path}` by which the app filters"
            )));
        };
        place::one(path)?;
        first.time = Some((path.clone(), Written::like(&window.format.value, sample)));
    }
    let stream = Stream { name: name.to_owned(), every: stream.every.0, window, levels };
    Ok((stream, requests))
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

/// All templates of a request.
fn templates(request: &Request) -> Vec<&Template> {
    let urls = request.methods().into_iter().map(|(_, url)| &url.value);
    let tables = request.query.iter().chain(&request.form);
    let parameters = tables.flat_map(|(_, values)| values.0.iter().map(|value| &value.value.0));
    let json = request.json.iter().flat_map(Json::templates).map(|(template, _)| template);
    let variables = request.graphql.iter().flat_map(|graphql| &graphql.variables);
    let variables =
        variables.flat_map(|(_, json)| Json::templates(json)).map(|(template, _)| template);
    let text = request.text.iter().map(|text| &text.value);
    urls.chain(parameters).chain(json).chain(variables).chain(text).collect()
}
