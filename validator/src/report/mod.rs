//! Reports: for people, for programs, and for the services that show them.

mod github;
mod json;
mod junit;
mod sarif;
mod text;

use std::borrow::Cow;

use longshore_schema::{LineIndex, Span};
use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::validate::Report;

pub use github::render_github;
pub use json::{json_schema_text, render_json, to_json};
pub use junit::render_junit;
pub use sarif::render_sarif;
pub use text::{render_concise, render_text};

/// A manifest with what was found in it.
#[derive(Clone, Debug)]
pub struct Validated {
    /// The manifest's name in reports: its path, as it was given.
    pub file: String,
    /// Its text.
    pub source: String,
    /// What was found in it.
    pub report: Report,
    /// Whether what was found is a failure to whoever asked.
    pub failed: bool,
}

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

/// A place in a file. Lines and columns count from 1, columns count characters, the end is
/// exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Place {
    #[schemars(range(min = 1))]
    line: usize,
    #[schemars(range(min = 1))]
    column: usize,
    #[schemars(range(min = 1))]
    end_line: usize,
    #[schemars(range(min = 1))]
    end_column: usize,
}

impl Place {
    fn of(span: Span, source: &str, lines: &LineIndex) -> Self {
        let (line, column) = lines.position(source, span.start);
        let (end_line, end_column) = lines.position(source, span.end);
        Self { line, column, end_line, end_column }
    }
}

/// A finding in one text: what is wrong, then how to mend it.
fn in_full(diagnostic: &Diagnostic) -> String {
    match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}
