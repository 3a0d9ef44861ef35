//! Reports for people and for programs.

use std::borrow::Cow;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use longshore_schema::{LineIndex, Span};
use serde::Serialize;

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::validate::Report;

/// The report for a person: each finding with the lines that it is about, those in the manifest
/// before those in its fixtures, and a line of totals at the end. `colour` adds ANSI escapes.
#[must_use]
pub fn render_text(report: &Report, file: &str, source: &str, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    let mut left = MAX_SHOWN;
    let mut count = 0;
    for (file, source, diagnostics) in files(report, file, source) {
        let (source, lines) = (masked(source, diagnostics), LineIndex::new(source));
        for diagnostic in diagnostics.iter().take(left) {
            text.push_str(&renderer.render(&groups(diagnostic, &file, &source, &lines)));
            text.push_str("\n\n");
        }
        left = left.saturating_sub(diagnostics.len());
        count += diagnostics.len();
    }
    if let Some(more) = count.checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        let _ = write!(text, "{more} more findings are not shown\n\n");
    }
    text.push_str(&totals(report, file));
    text.push('\n');
    text
}

/// The most findings that are shown to a person; nobody reads more at once.
const MAX_SHOWN: usize = 200;

/// The manifest and its fixtures, each with its name, text and findings. Fixtures lie beside the
/// manifest.
fn files<'r>(
    report: &'r Report,
    file: &'r str,
    source: &'r str,
) -> impl Iterator<Item = (Cow<'r, str>, &'r str, &'r [Diagnostic])> {
    let folder = file.rfind(['/', '\\']).map_or("", |at| &file[..=at]);
    let manifest = (Cow::Borrowed(file), source, report.diagnostics.as_slice());
    let fixtures = report.fixtures.iter().map(move |fixture| {
        let path = Cow::Owned(format!("{folder}{}", fixture.path));
        (path, fixture.text.as_str(), fixture.diagnostics.as_slice())
    });
    std::iter::once(manifest).chain(fixtures)
}

/// The text without what must not be shown, of the same length.
fn masked<'s>(source: &'s str, diagnostics: &[Diagnostic]) -> Cow<'s, str> {
    let hidden = diagnostics.iter().filter(|found| codes::hides(found.code));
    let mut source = Cow::Borrowed(source);
    for diagnostic in hidden {
        let range = visible(diagnostic.span(), &source);
        let stars = "*".repeat(range.len());
        source.to_mut().replace_range(range, &stars);
    }
    source
}

fn groups<'d>(
    diagnostic: &'d Diagnostic,
    file: &'d str,
    source: &'d str,
    lines: &LineIndex,
) -> Vec<Group<'d>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    // The renderer reads all of what it is given: the lines between the first label and the last.
    let spans: Vec<_> = diagnostic.labels.iter().map(|label| visible(label.span, source)).collect();
    let first = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let last = spans.iter().map(|span| span.end).max().unwrap_or_default();
    let start = source[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = source[last..].find('\n').map_or(source.len(), |at| last + at);
    let (line, _) = lines.position(source, start as u32);
    let mut snippet = Snippet::source(&source[start..end]).line_start(line).path(file);
    for (label, span) in diagnostic.labels.iter().zip(spans) {
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let span = span.start - start..span.end - start;
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        snippet = snippet.annotation(kind.span(span).label(text));
    }
    let mut group = level.primary_title(&diagnostic.message).id(diagnostic.code).element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    vec![group]
}

/// A span within the source, at character boundaries.
fn visible(span: Span, source: &str) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    floor(span.start as usize)..floor(span.end.max(span.start) as usize)
}

fn totals(report: &Report, file: &str) -> String {
    let counted = |severity, one: &str| match report.count(severity) {
        0 => None,
        1 => Some(format!("1 {one}")),
        many => Some(format!("{many} {one}s")),
    };
    let parts: Vec<_> = [
        counted(Severity::Error, "error"),
        counted(Severity::Warning, "warning"),
        counted(Severity::Info, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        return format!("{file}: no findings");
    }
    format!("{file}: {}", parts.join(", "))
}

/// The report for a program, as a JSON object: `version` (1), `file`, `diagnostics` (`code`,
/// `severity`, `message`, `line`, `column`, `end_line`, `end_column`, `labels`, `help`),
/// `fixtures` if there are findings in some (each with `file` and `diagnostics`), and `summary`
/// (`errors`, `warnings`, `infos`, `valid`). Lines and columns count from 1, columns count
/// characters, the end is exclusive. Members may be added in version 1; none is taken away.
#[must_use]
pub fn to_json(report: &Report, file: &str, source: &str) -> serde_json::Value {
    let mut files = files(report, file, source);
    let (_, _, own) = files.next().unwrap_or_default();
    let diagnostics = findings(source, own);
    let fixtures = files
        .map(|(file, text, diagnostics)| File { file, diagnostics: findings(text, diagnostics) })
        .collect();
    let summary = Summary {
        errors: report.count(Severity::Error),
        warnings: report.count(Severity::Warning),
        infos: report.count(Severity::Info),
        valid: report.checked.is_some(),
    };
    serde_json::json!(Output { version: 1, file, diagnostics, fixtures, summary })
}

fn findings<'r>(source: &str, diagnostics: &'r [Diagnostic]) -> Vec<Finding<'r>> {
    let lines = LineIndex::new(source);
    let place = |span: Span| {
        let (line, column) = lines.position(source, span.start);
        let (end_line, end_column) = lines.position(source, span.end);
        Place { line, column, end_line, end_column }
    };
    diagnostics
        .iter()
        .map(|diagnostic| Finding {
            code: diagnostic.code,
            severity: diagnostic.severity.to_string(),
            message: &diagnostic.message,
            place: place(diagnostic.span()),
            labels: diagnostic
                .labels
                .iter()
                .map(|label| Label {
                    place: place(label.span),
                    text: &label.text,
                    primary: label.primary,
                })
                .collect(),
            help: diagnostic.help.as_deref(),
        })
        .collect()
}

#[derive(Serialize)]
struct Output<'r> {
    version: u32,
    file: &'r str,
    diagnostics: Vec<Finding<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixtures: Vec<File<'r>>,
    summary: Summary,
}

#[derive(Serialize)]
struct File<'r> {
    file: Cow<'r, str>,
    diagnostics: Vec<Finding<'r>>,
}

#[derive(Serialize)]
struct Finding<'r> {
    code: &'r str,
    severity: String,
    message: &'r str,
    #[serde(flatten)]
    place: Place,
    labels: Vec<Label<'r>>,
    help: Option<&'r str>,
}

#[derive(Serialize)]
struct Label<'r> {
    #[serde(flatten)]
    place: Place,
    text: &'r str,
    primary: bool,
}

#[derive(Serialize)]
struct Place {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    infos: usize,
    valid: bool,
}
