//! The records are where `records` says, and each has a key of its own.

use std::cmp::Reverse;
use std::collections::HashMap;

use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, Span, Step};

use super::paths::written;
use super::view::View;
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::samples::select;

/// Lists deeper than this are not looked for.
const MAX_DEPTH: usize = 4;

/// Where `records` finds nothing in any response, and a list of objects stands elsewhere.
pub(super) fn elsewhere(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for fetch in &view.fetches {
        let Some(records) = fetch.records else { continue };
        let answered = view.responses(fetch).filter(|sample| sample.status.value < 400);
        let bodies: Vec<_> =
            answered.filter_map(|sample| Some((sample.fixture, sample.body.as_ref()?))).collect();
        let objects = |body: &Node| {
            select(&records.value, body)
                .iter()
                .any(|node| matches!(node.content, Content::Mapping(_)))
        };
        if records.is_singular() || bodies.iter().any(|(_, body)| objects(body)) {
            continue;
        }
        // The longest of the least deep.
        let mut best = None;
        let mut place = (String::new(), 0, Span::default());
        for (fixture, body) in &bodies {
            let mut way = Vec::new();
            lists_in(body, &mut way, &mut |way, node, length| {
                let rank = (way.len(), Reverse(length));
                if best.is_none_or(|best| rank < best) {
                    best = Some(rank);
                    place = (written(way), *fixture, node.span);
                }
            });
        }
        if best.is_none() {
            continue;
        }
        let (list, fixture, span) = place;
        let place = view.place(fixture, span);
        let meant = format!("{list}[*]");
        found.push(
            Diagnostic::new(
                &codes::RECORDS_ELSEWHERE,
                records.span,
                format!("`{}` selects no record of any recorded response", records.value),
            )
            .label(format!("did you mean `{meant}`?"))
            .help(format!("the list at {place} is selected by `{meant}`"))
            .fix(Safety::Unsafe, format!("write `{meant}`"), records.span, meant),
        );
    }
}

fn lists_in<'n>(
    node: &'n Node,
    way: &mut Vec<Step>,
    found: &mut dyn FnMut(&[Step], &'n Node, usize),
) {
    match &node.content {
        Content::Sequence(items)
            if items.iter().any(|item| matches!(item.content, Content::Mapping(_))) =>
        {
            found(way, node, items.len());
        }
        Content::Mapping(entries) if way.len() < MAX_DEPTH => {
            for entry in entries {
                way.push(Step::Member(entry.key.clone()));
                lists_in(&entry.value, way, found);
                way.pop();
            }
        }
        _ => {}
    }
}

/// No two records of one response have the same key.
pub(super) fn keys(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for fetch in &view.fetches {
        let is_last = view.fetches.last().is_some_and(|last| last.step == fetch.step);
        let key = if is_last { Some(&view.stream.key) } else { fetch.key };
        let Some(key) = key.filter(|key| key.0.iter().all(|path| path.value.as_str() != "$"))
        else {
            continue;
        };
        // In a stream of one request the window's time is a part of the key.
        let window = view.stream.window.as_ref().filter(|_| fetch.step.is_none());
        let parts: Vec<&JsonPath> = key
            .0
            .iter()
            .map(|path| &path.value)
            .chain(window.map(|window| &window.on.value))
            .collect();
        for sample in view.responses(fetch) {
            let mut seen: HashMap<String, &Node> = HashMap::new();
            for record in &sample.records {
                let values: Vec<_> = parts
                    .iter()
                    .map(|path| select(path, record).first().map(|n| n.to_json()))
                    .collect();
                if values.iter().all(Option::is_none) {
                    continue;
                }
                let Some(first) = seen.insert(serde_json::json!(values).to_string(), record) else {
                    continue;
                };
                // The same record twice is what keys are there for.
                if first.to_json() == record.to_json() {
                    continue;
                }
                let places = [first, record].map(|node| view.place(sample.fixture, node.span));
                let other = unique(&sample.records);
                let help = match other {
                    Some(name) => format!("add a member that tells them apart, such as `$.{name}`"),
                    None => {
                        "add a member that tells them apart, or write `key: $` for the whole record"
                            .to_owned()
                    }
                };
                found.push(
                    Diagnostic::new(
                        &codes::KEY_NOT_UNIQUE,
                        key.span,
                        "two recorded records that differ have the same key",
                    )
                    .label(format!("{} and {}", places[0], places[1]))
                    .help(format!(
                        "{help}: of records with the same key only one becomes an event"
                    )),
                );
                return;
            }
        }
    }
}

/// A member that all records have, each with another value.
fn unique(records: &[Node]) -> Option<&str> {
    let names = records.first()?.entries().iter().map(|entry| entry.key.as_str());
    let tells_apart = |name: &&str| {
        let mut seen = std::collections::HashSet::new();
        records.iter().all(|record| {
            let value = record.entry(name).map(|entry| &entry.value);
            value.is_some_and(|value| {
                !matches!(value.content, Content::Mapping(_) | Content::Sequence(_) | Content::Null)
                    && seen.insert(value.to_json().to_string())
            })
        })
    };
    let mut names: Vec<_> = names.filter(tells_apart).collect();
    // Identifiers before values that only happen to differ.
    names.sort_by_key(|name| !name.to_lowercase().ends_with("id"));
    names.first().copied()
}
