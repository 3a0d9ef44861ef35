//! What the manifest says against what the app answered: rules over recorded responses.
//!
//! Types flow one way: from the recorded value through `match`, `when` and `as` to the attribute.
//! Where the manifest has no record to show, the rules are silent.

mod composed;
mod conditions;
mod coverage;
mod flow;
mod paths;
mod records;
mod types;
mod values;
mod view;

use super::Context;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::samples::{Fixture, MAX_FOUND, Samples};

use view::View;

/// A rule over recorded responses: looks at one stream and pushes what it finds in the manifest.
type Rule = fn(&View<'_>, &mut Vec<Diagnostic>);

const RULES: &[Rule] = &[
    records::elsewhere,
    paths::records,
    paths::responses,
    paths::map,
    values::window,
    values::attributes,
    records::keys,
    conditions::values,
    composed::columns,
    composed::unpacked,
    composed::order,
    composed::waits,
    composed::batches,
    composed::places,
    composed::details,
];

/// Runs all rules; gives what was found in the fixtures, each with its fixture's number.
pub(crate) fn run(
    cx: &Context<'_>,
    fixtures: &[Fixture],
    whole: bool,
    found: &mut Vec<Diagnostic>,
) -> Vec<(usize, Diagnostic)> {
    let left_out = |stream: &str| {
        let written = cx.written.entry("streams").map(|streams| &streams.value);
        written.is_some_and(|streams| streams.entry(stream).is_some())
    };
    // A value that is looked up is replaced as the engine does it.
    let resolved = (!cx.manifest.tables.is_empty()).then(|| {
        let mut manifest = cx.manifest.clone();
        for (_, stream) in &mut manifest.streams.value.0 {
            stream.map.value = stream.map.value.clone().with_tables(&cx.manifest.tables);
        }
        manifest
    });
    let resolved = resolved
        .as_ref()
        .map(|manifest| Context::new(cx.source, cx.root, cx.written, manifest, cx.options));
    let cx = resolved.as_ref().unwrap_or(cx);
    let (samples, mut in_fixtures) = Samples::read_with_findings(cx.manifest, fixtures, &left_out);
    let unread = !in_fixtures.is_empty();
    let mut own = Vec::new();
    for view in View::all(cx, fixtures, &samples) {
        for rule in RULES {
            rule(&view, &mut own);
        }
    }
    coverage::conditions(cx, &samples, &mut own);
    coverage::quotas(cx, &samples, &mut own);
    if fixtures.is_empty() {
        own.extend(coverage::none(cx));
    } else if whole && !unread {
        // What could not be read is perhaps what would be missing.
        for view in View::all(cx, fixtures, &samples) {
            let wrong = |found: &Diagnostic| found.code == codes::RECORDS_ELSEWHERE.id;
            if !own.iter().any(wrong) {
                coverage::kinds(&view, &mut own);
            }
            in_fixtures.extend(types::mixed(&view));
        }
        in_fixtures.extend(coverage::errors(cx, &samples));
    }
    once(own, found);
    in_fixtures
}

/// Appends findings, of several about one place only the first and worst: a mistake is reported
/// once.
fn once(mut own: Vec<Diagnostic>, found: &mut Vec<Diagnostic>) {
    own.sort_by_key(|diagnostic| diagnostic.severity);
    own.truncate(MAX_FOUND);
    for diagnostic in own {
        let span = diagnostic.span();
        let known = found.iter().any(|known| {
            let place = known.span();
            let milder =
                known.severity > Severity::Warning && diagnostic.severity == Severity::Error;
            !milder && place.start <= span.end && span.start <= place.end
        });
        if !known {
            found.push(diagnostic);
        }
    }
}
