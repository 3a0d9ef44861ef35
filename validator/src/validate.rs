//! From text to a report.

use std::collections::BTreeMap;

use longshore_schema::{Manifest, yaml};

use crate::checked::Checked;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ignores::{self, Ignores};
use crate::options::Options;
use crate::samples::Fixture;
use crate::todo::Todos;
use crate::{codes, rules, shape, syntax};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All findings in the manifest, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The fixtures in which something was found, in the order in which they were given.
    pub fixtures: Vec<FixtureReport>,
    /// The manifest, if nothing of severity error was found.
    pub checked: Option<Checked<Manifest>>,
    /// How much of the manifest was looked at.
    pub reach: Reach,
}

/// How much of a manifest was looked at: mistakes hide what stands behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The text only: it is not YAML.
    #[default]
    Text,
    /// What could be read of it.
    Parts,
    /// All of it, by every rule.
    Whole,
}

/// What was found in one fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureReport {
    /// The fixture's path as it was given.
    pub path: String,
    /// Its text, which the findings point into.
    pub text: String,
    /// All findings in it, sorted by place; at least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// How many findings have this severity, in the manifest and its fixtures.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let in_fixtures = self.fixtures.iter().flat_map(|fixture| &fixture.diagnostics);
        let all = self.diagnostics.iter().chain(in_fixtures);
        all.filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

/// Validates one manifest, whether it has fixtures or not.
///
/// Mistakes in one part do not hide those in another: unknown keys and entries that cannot be read
/// are left out, and the rules run over the rest. Text that is not YAML is the exception.
/// Past a thousand findings of a kind the rest of that kind is not looked for.
#[must_use]
pub fn validate(source: &str, options: &Options) -> Report {
    check(source, None, options)
}

/// Validates one manifest together with the recorded responses beside it: that its paths,
/// conversions and tables fit what the app answers, and that the responses may be published.
///
/// An empty list says that there are none, which is a finding. Past a thousand findings of a code in
/// one fixture no more are given.
#[must_use]
pub fn validate_with_fixtures(source: &str, fixtures: &[Fixture], options: &Options) -> Report {
    check(source, Some(fixtures), options)
}

fn check(source: &str, fixtures: Option<&[Fixture]>, options: &Options) -> Report {
    let read = if ignores::are_possible(source) { yaml::parse } else { yaml::parse_values };
    let mut document = match read(source) {
        Ok(document) => document,
        Err(errors) => {
            let found = errors.into_iter().map(|error| syntax::diagnostic(source, error));
            return report(found.collect(), Vec::new(), None, Reach::Text, options);
        }
    };
    let todos = Todos::of(source, &document.root);
    let mut written = (!todos.is_empty()).then(|| document.root.clone());
    shape::repair(&mut document.root, &todos.repairs());
    let mut ignores =
        if options.show_ignored { Ignores::none(source) } else { Ignores::read(source, &document) };
    let lowered = options.severities.lower(&codes::UNKNOWN_KEY);
    let found = shape::check(source, &document.root, &|key| {
        lowered || ignores.cover(&codes::UNKNOWN_KEY, key)
    });
    let mut diagnostics = found.diagnostics;
    ignores.hide(&mut diagnostics);
    options.severities.apply(&mut diagnostics);
    if !found.complete && diagnostics.iter().all(|found| found.severity != Severity::Error) {
        let message = "the manifest has more mistakes than are looked at";
        diagnostics.push(Diagnostic::new(&codes::CANNOT_LOAD, document.root.span, message));
    }
    // What is left out of a manifest that may still run was never meant for the engine.
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let whole = (found.repairs.is_empty() || !failed) && todos.is_empty();
    if !whole && written.is_none() {
        written = Some(document.root.clone());
    }
    let compared = match &options.base {
        Some(base) if whole => rules::versions::raised(base, &document.root),
        _ => Vec::new(),
    };
    shape::repair(&mut document.root, &found.repairs);
    let manifest = match longshore_schema::load(&document) {
        Ok(manifest) => Some(manifest),
        // The schema's findings explain it already.
        Err(_) if failed => None,
        Err(error) => {
            let span = error.span.unwrap_or(document.root.span);
            diagnostics.push(
                Diagnostic::new(
                    &codes::CANNOT_LOAD,
                    span,
                    format!("the value cannot be read: {}", in_words(&error.message)),
                )
                .help("write a value of the kind and size that the manifest reference names"),
            );
            None
        }
    };
    let mut in_fixtures = Vec::new();
    // Whether every rule was asked.
    let mut complete = false;
    if let Some(manifest) = &manifest {
        let root = &document.root;
        let written = written.as_ref().unwrap_or(root);
        let cx = rules::Context::new(source, root, written, manifest, options);
        let mut found = Vec::new();
        rules::run(&cx, whole, &mut found);
        if let Some(fixtures) = fixtures {
            in_fixtures = rules::samples::run(&cx, fixtures, whole, &mut found);
        }
        // An error that may be ignored takes no use away.
        ignores.hide(&mut found);
        let failed = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        if whole && !failed {
            rules::unused(&cx, &mut found);
            complete = true;
        }
        // What hangs on a value that nobody wrote is no finding about the manifest.
        found.retain(|diagnostic| {
            diagnostic.labels.iter().all(|label| label.span != shape::NOWHERE)
        });
        found.extend(compared);
        ignores.hide(&mut found);
        diagnostics.append(&mut found);
    }
    todos.replace(&mut diagnostics);
    let reach = if whole && manifest.is_some() { Reach::Whole } else { Reach::Parts };
    diagnostics.append(&mut ignores.findings(complete, options.base.is_some()));
    let in_fixtures = by_fixture(fixtures.unwrap_or_default(), in_fixtures, options);
    report(diagnostics, in_fixtures, manifest, reach, options)
}

/// The loader's message with the language's words for Rust's.
fn in_words(message: &str) -> String {
    let words = [
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected u64", "expected a whole number from 0 on"),
        ("floating point", "the decimal fraction"),
        ("invalid value: ", ""),
        ("invalid type: ", ""),
    ];
    words.iter().fold(message.to_owned(), |text, (rust, word)| text.replace(rust, word))
}

/// The findings by fixture, of those fixtures that have any.
fn by_fixture(
    fixtures: &[Fixture],
    found: Vec<(usize, Diagnostic)>,
    options: &Options,
) -> Vec<FixtureReport> {
    let mut reports: BTreeMap<usize, Vec<Diagnostic>> = BTreeMap::new();
    for (index, diagnostic) in found {
        reports.entry(index).or_default().push(diagnostic);
    }
    let named = |(index, mut diagnostics): (usize, Vec<Diagnostic>)| {
        options.severities.apply(&mut diagnostics);
        sort(&mut diagnostics);
        let fixture = fixtures.get(index)?;
        let (path, text) = (fixture.path().to_owned(), fixture.text().to_owned());
        (!diagnostics.is_empty()).then_some(FixtureReport { path, text, diagnostics })
    };
    reports.into_iter().filter_map(named).collect()
}

fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let place = |diagnostic: &Diagnostic| (diagnostic.span().start, diagnostic.severity);
        place(a).cmp(&place(b)).then_with(|| (a.code, &a.message).cmp(&(b.code, &b.message)))
    });
    diagnostics.dedup();
}

fn report(
    mut diagnostics: Vec<Diagnostic>,
    fixtures: Vec<FixtureReport>,
    manifest: Option<Manifest>,
    reach: Reach,
    options: &Options,
) -> Report {
    options.severities.apply(&mut diagnostics);
    sort(&mut diagnostics);
    let report = Report { diagnostics, fixtures, checked: None, reach };
    let failed = report.count(Severity::Error) > 0;
    Report { checked: manifest.filter(|_| !failed).map(Checked::new), ..report }
}
