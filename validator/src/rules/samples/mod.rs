//! What the manifest says against what the app answered: rules over recorded responses.
//!
//! Types flow one way: from the recorded value through `match`, `when` and `as` to the attribute.
//! Where the manifest has no record to show, the rules are silent.

mod paths;
#[allow(dead_code, reason = "the rules on values come next")]
mod view;

use super::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::samples::{Fixture, Samples};

use view::View;

/// A rule over recorded responses: looks at one stream and pushes what it finds in the manifest.
type Rule = fn(&View<'_>, &mut Vec<Diagnostic>);

const RULES: &[Rule] = &[paths::records, paths::responses, paths::map];

/// Runs all rules; gives what was found in the fixtures, each with its fixture's number.
pub(crate) fn run(
    cx: &Context<'_>,
    fixtures: &[Fixture],
    _whole: bool,
    found: &mut Vec<Diagnostic>,
) -> Vec<(usize, Diagnostic)> {
    let left_out = |stream: &str| {
        let written = cx.written.entry("streams").map(|streams| &streams.value);
        written.is_some_and(|streams| streams.entry(stream).is_some())
    };
    let (samples, in_fixtures) = Samples::read_with_findings(cx.manifest, fixtures, &left_out);
    let mut own = Vec::new();
    for view in View::all(cx, fixtures, &samples) {
        for rule in RULES {
            rule(&view, &mut own);
        }
    }
    once(own, found);
    in_fixtures
}

/// Appends findings, of several about one place only the first and worst: a mistake is reported
/// once.
fn once(mut own: Vec<Diagnostic>, found: &mut Vec<Diagnostic>) {
    own.sort_by_key(|diagnostic| diagnostic.severity);
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
