//! Reports for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use longshore_schema::{LineIndex, Span};

use super::files;
use crate::codes;
use crate::diagnostic::{Diagnostic, Label, Safety, Severity, escaped};
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
        let file = escaped(file.into_owned());
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
    text.push_str(&totals(report, &escaped(file.to_owned())));
    text.push('\n');
    text
}

/// The longest part of a text that is read for one finding, in bytes: the renderer takes time for
/// all of it, and shows no more than the lines with labels.
const MAX_EXCERPT: usize = 32 << 10;

/// The most findings that are shown to a person; nobody reads more at once.
const MAX_SHOWN: usize = 200;

/// The text without what must not be shown, of the same length.
fn masked<'s>(source: &'s str, diagnostics: &[Diagnostic]) -> Cow<'s, str> {
    let hidden = diagnostics.iter().filter(|found| codes::hides(found.code));
    let mut source = Cow::Borrowed(source);
    // Terminals may take the controls of ISO 6429 beyond ASCII for commands; the renderer shows
    // those of ASCII as pictures, and leaves these as they are.
    let is_control = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if source.contains(is_control) {
        source = source.replace(is_control, "\u{b7}").into();
    }
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
    let mut labels = diagnostic.labels.as_slice();
    let mut lines_of_labels = excerpt(labels, source);
    if lines_of_labels.len() > MAX_EXCERPT {
        labels = &labels[..1.min(labels.len())];
        lines_of_labels = excerpt(labels, source);
    }
    let std::ops::Range { start, end } = lines_of_labels;
    let group = level.primary_title(&diagnostic.message).id(diagnostic.code);
    if end - start > MAX_EXCERPT {
        let (line, column) = lines.position(source, diagnostic.span().start);
        let origin = Origin::path(file).line(line).char_column(column);
        return vec![with_help(group.element(origin), diagnostic)];
    }
    let (line, _) = lines.position(source, start as u32);
    let mut snippet = Snippet::source(&source[start..end]).line_start(line).path(file);
    for label in labels {
        let span = visible(label.span, source);
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let span = span.start - start..span.end - start;
        let text = (!label.text.is_empty()).then_some(label.text.as_str());
        snippet = snippet.annotation(kind.span(span).label(text));
    }
    vec![with_help(group.element(snippet), diagnostic)]
}

fn with_help<'d>(group: Group<'d>, diagnostic: &'d Diagnostic) -> Group<'d> {
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}

/// The lines from the first label to the last.
fn excerpt(labels: &[Label], source: &str) -> std::ops::Range<usize> {
    let spans = || labels.iter().map(|label| visible(label.span, source));
    let first = spans().map(|span| span.start).min().unwrap_or_default();
    let last = spans().map(|span| span.end).max().unwrap_or_default();
    let start = source[..first].rfind('\n').map_or(0, |at| at + 1);
    start..source[last..].find('\n').map_or(source.len(), |at| last + at)
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
    format!("{file}: {}{}", parts.join(", "), fixes(report))
}

/// How many findings can be mended, and by what.
fn fixes(report: &Report) -> String {
    let fixable = |safety| {
        let with = |diagnostic: &&Diagnostic| diagnostic.fixes.iter().any(|f| f.safety == safety);
        report.diagnostics.iter().filter(with).count()
    };
    let shown = |count: usize, option: &str| match count {
        0 => String::new(),
        1 => format!("; fix available: {option}"),
        many => format!("; {many} fixes available: {option}"),
    };
    match fixable(Safety::Safe) {
        0 => shown(fixable(Safety::Unsafe), "--fix=unsafe"),
        safe => shown(safe, "--fix"),
    }
}

/// The report with one line for each finding: `file:line:column: severity[code]: message`. Nothing
/// is said of a manifest without findings.
#[must_use]
pub fn render_concise(report: &Report, file: &str, source: &str) -> String {
    let mut text = String::new();
    for (file, source, diagnostics) in files(report, file, source) {
        let file = escaped(file.into_owned());
        let lines = LineIndex::new(source);
        for diagnostic in diagnostics {
            let Diagnostic { code, severity, message, .. } = diagnostic;
            let (line, column) = lines.position(source, diagnostic.span().start);
            let _ = writeln!(text, "{file}:{line}:{column}: {severity}[{code}]: {message}");
        }
    }
    text
}
