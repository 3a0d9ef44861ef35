//! Making the fixes that findings offer.

use std::collections::{HashMap, HashSet};

use longshore_schema::{LineIndex, Span};

use crate::diagnostic::{Diagnostic, Edit, Fix, Safety};
use crate::validate::{Reach, Report};

/// Rounds of making all fixes at once: one fix may bring to light what another mends.
const MAX_ROUNDS: usize = 20;

/// Fixes that are tried one by one, after a round that made something worse.
const MAX_SINGLE: usize = 100;

/// A text to which fixes were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The text with its edits; all else is as it was, to the byte.
    pub source: String,
    /// The findings whose fixes were made, as indexes of the report's diagnostics.
    pub made: Vec<usize>,
    /// What was put in, in bytes of the new text.
    pub edited: Vec<Span>,
}

/// What [`mend`] did.
#[derive(Clone, Debug)]
pub struct Mended {
    /// The text with all fixes that were made.
    pub source: String,
    /// What is still found in it.
    pub report: Report,
    /// The fixes in the order in which they were made.
    pub made: Vec<Made>,
}

/// A fix that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The code of the finding that it mends.
    pub code: &'static str,
    /// What it does, as an order.
    pub title: String,
    /// The line of the finding just before the fix was made, from 1.
    pub line: usize,
    /// The column of the finding, in characters from 1.
    pub column: usize,
}

/// Makes the first fix of each finding that is at most as daring as `safety`. Of fixes that touch
/// each other only the first is made. Line breaks become those of the text.
#[must_use]
pub fn apply_fixes(source: &str, report: &Report, safety: Safety) -> Applied {
    apply(source, report, |_, fix| allows(safety, fix.safety))
}

/// Makes fixes, validates what came out, and goes on until no fix is left. A fix is taken back
/// where it does not mend its finding, makes the text unreadable, or brings a finding of its own:
/// in a manifest that was looked at as a whole any new one, otherwise a new one where the fix was
/// made, for others may come to light that were hidden before.
pub fn mend(source: &str, safety: Safety, mut validate: impl FnMut(&str) -> Report) -> Mended {
    let mut mended =
        Mended { source: source.to_owned(), report: validate(source), made: Vec::new() };
    let mut refused = HashSet::new();
    let (mut rounds, mut single) = (0, 0);
    while rounds < MAX_ROUNDS && single < MAX_SINGLE {
        let alone = single > 0;
        let mut chosen = 0;
        let applied = apply(&mended.source, &mended.report, |diagnostic, fix| {
            let take = allows(safety, fix.safety)
                && !refused.contains(&key(diagnostic))
                && !(alone && chosen > 0);
            chosen += usize::from(take);
            take
        });
        if applied.made.is_empty() {
            break;
        }
        let report = validate(&applied.source);
        if is_worse(&mended.report, &report, &applied) {
            if let [only] = applied.made.as_slice() {
                refused.insert(key(&mended.report.diagnostics[*only]));
            }
            single += 1;
            continue;
        }
        if alone {
            single += 1;
        } else {
            rounds += 1;
        }
        let lines = LineIndex::new(&mended.source);
        for at in &applied.made {
            let diagnostic = &mended.report.diagnostics[*at];
            let fix = diagnostic.fixes.iter().find(|fix| allows(safety, fix.safety));
            let (line, column) = lines.position(&mended.source, diagnostic.span().start);
            mended.made.push(Made {
                code: diagnostic.code,
                title: fix.map(|fix| fix.title.clone()).unwrap_or_default(),
                line,
                column,
            });
        }
        mended.source = applied.source;
        mended.report = report;
    }
    mended
}

fn allows(safety: Safety, fix: Safety) -> bool {
    safety == Safety::Unsafe || fix == Safety::Safe
}

/// What tells findings apart wherever they stand.
fn key(diagnostic: &Diagnostic) -> (&'static str, String) {
    (diagnostic.code, diagnostic.message.clone())
}

fn apply(
    source: &str,
    report: &Report,
    mut take: impl FnMut(&Diagnostic, &Fix) -> bool,
) -> Applied {
    let mut edits: Vec<&Edit> = Vec::new();
    let mut made = Vec::new();
    for (at, diagnostic) in report.diagnostics.iter().enumerate() {
        // Fixes that touch each other may have meant different things.
        let touches = |fix: &Fix| {
            fix.edits.iter().any(|new| {
                let reaches =
                    |old: &&Edit| new.span.start <= old.span.end && old.span.start <= new.span.end;
                edits.iter().any(reaches) || source.get(new.span.range()).is_none()
            })
        };
        let fix = diagnostic
            .fixes
            .iter()
            .find(|fix| !fix.edits.is_empty() && !touches(fix) && take(diagnostic, fix));
        if let Some(fix) = fix {
            edits.extend(&fix.edits);
            made.push(at);
        }
    }
    edits.sort_by_key(|edit| edit.span);
    let windows = source.contains("\r\n");
    let mut text = String::with_capacity(source.len());
    let mut edited = Vec::new();
    let mut from = 0;
    for edit in edits {
        text.push_str(&source[from..edit.span.start as usize]);
        let start = text.len();
        if windows {
            text.push_str(&edit.text.replace("\r\n", "\n").replace('\n', "\r\n"));
        } else {
            text.push_str(&edit.text);
        }
        edited.push(Span::new(start, text.len()));
        from = edit.span.end as usize;
    }
    text.push_str(&source[from..]);
    Applied { source: text, made, edited }
}

/// Whether a text is worse off with its fixes.
fn is_worse(before: &Report, after: &Report, applied: &Applied) -> bool {
    if after.reach < before.reach {
        return true;
    }
    let mut known: HashMap<_, isize> = HashMap::new();
    for diagnostic in everywhere(before) {
        *known.entry(key(diagnostic)).or_default() += 1;
    }
    let mended: HashSet<_> = applied.made.iter().map(|at| key(&before.diagnostics[*at])).collect();
    for at in &applied.made {
        *known.entry(key(&before.diagnostics[*at])).or_default() -= 1;
    }
    // What is found in a fixture is not at an edit, wherever it is.
    let own = after.diagnostics.len();
    everywhere(after).enumerate().any(|(at, diagnostic)| {
        let key = key(diagnostic);
        let left = known.entry(key.clone()).or_default();
        *left -= 1;
        let span = diagnostic.span();
        let touches = |edit: &Span| edit.start <= span.end && span.start <= edit.end;
        let at_edit = || at < own && applied.edited.iter().any(touches);
        *left < 0 && (before.reach == Reach::Whole || mended.contains(&key) || at_edit())
    })
}

/// The findings in the manifest, then those in its fixtures.
fn everywhere(report: &Report) -> impl Iterator<Item = &Diagnostic> {
    let in_fixtures = report.fixtures.iter().flat_map(|fixture| &fixture.diagnostics);
    report.diagnostics.iter().chain(in_fixtures)
}
