//! Members that agree with themselves.

use std::collections::BTreeMap;

use longshore_schema::Step;
use longshore_schema::yaml::{Content, Node};

use super::paths::written;
use super::view::View;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::samples::JsonType;

/// Members deeper than this are not compared.
const MAX_DEPTH: usize = 6;

/// Members that are of one type in some recorded records and of another in others.
pub(super) fn mixed(view: &View<'_>) -> Vec<(usize, Diagnostic)> {
    let mut found = Vec::new();
    for fetch in &view.fetches {
        let mut known = BTreeMap::new();
        for record in view.fetched(fetch) {
            compare(view, record.fixture, record.node, &mut Vec::new(), &mut known, &mut found);
        }
    }
    found
}

/// The type by which members are compared; a whole number is a number.
fn type_of(node: &Node) -> JsonType {
    match JsonType::of(node) {
        JsonType::Integer => JsonType::Number,
        other => other,
    }
}

fn compare(
    view: &View<'_>,
    fixture: usize,
    node: &Node,
    way: &mut Vec<Step>,
    known: &mut BTreeMap<String, Option<(JsonType, String)>>,
    found: &mut Vec<(usize, Diagnostic)>,
) {
    if way.len() >= MAX_DEPTH {
        return;
    }
    for entry in node.entries() {
        let is = type_of(&entry.value);
        if entry.value.content == Content::Null {
            continue;
        }
        way.push(Step::Member(entry.key.clone()));
        let path = written(way);
        let place = view.place(fixture, entry.value.span);
        let first = known.entry(path.clone()).or_insert_with(|| Some((is, place)));
        if let Some((type_, place)) = first.take_if(|(type_, _)| *type_ != is) {
            let message = format!("`{path}` is a {is} here and a {type_} elsewhere");
            let diagnostic = Diagnostic::new(&codes::MIXED_TYPES, entry.value.span, message).help(
                format!("compare it with {place}: if the app really writes both, map it as text"),
            );
            found.push((fixture, diagnostic));
        }
        compare(view, fixture, &entry.value, way, known, found);
        way.pop();
    }
}
