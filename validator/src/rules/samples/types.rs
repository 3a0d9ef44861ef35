//! Members that agree with themselves.

use std::collections::BTreeMap;

use longshore_schema::yaml::{Content, Node};
use longshore_schema::{Span, Step};

use super::paths::written;
use super::view::{Record, View};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::samples::{JsonType, MAX_FOUND};

/// Members deeper than this are not compared.
const MAX_DEPTH: usize = 6;

/// What is known of a member, and of those below it.
#[derive(Default)]
struct Known<'v> {
    /// The type that it has first, and where; none once another was found.
    first: Option<(JsonType, usize, Span)>,
    seen: bool,
    members: BTreeMap<&'v str, Known<'v>>,
}

/// Members that are of one type in some recorded records and of another in others.
pub(super) fn mixed(view: &View<'_>) -> Vec<(usize, Diagnostic)> {
    let mut found = Vec::new();
    for fetch in &view.fetches {
        let mut known = Known::default();
        for record in view.fetched(fetch) {
            compare(view, record, &mut Vec::new(), &mut known, &mut found);
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

fn compare<'v>(
    view: &View<'_>,
    record: Record<'v>,
    way: &mut Vec<&'v str>,
    known: &mut Known<'v>,
    found: &mut Vec<(usize, Diagnostic)>,
) {
    if way.len() >= MAX_DEPTH {
        return;
    }
    for entry in record.node.entries() {
        if entry.value.content == Content::Null {
            continue;
        }
        let is = type_of(&entry.value);
        let span = entry.value.span;
        way.push(&entry.key);
        let known = known.members.entry(&entry.key).or_default();
        if !std::mem::replace(&mut known.seen, true) {
            known.first = Some((is, record.fixture, span));
        } else if let Some((type_, fixture, first)) =
            known.first.take_if(|(type_, ..)| *type_ != is).filter(|_| found.len() < MAX_FOUND)
        {
            let steps: Vec<_> = way.iter().map(|name| Step::Member((*name).to_owned())).collect();
            let message = format!("`{}` is a {is} here and a {type_} elsewhere", written(&steps));
            let place = view.place(fixture, first);
            let diagnostic = Diagnostic::new(&codes::MIXED_TYPES, span, message).help(format!(
                "compare it with {place}: if the app really writes both, map it as text"
            ));
            found.push((record.fixture, diagnostic));
        }
        compare(view, Record { node: &entry.value, ..record }, way, known, found);
        way.pop();
    }
}
