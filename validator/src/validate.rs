//! From text to a report.

use longshore_schema::{Manifest, yaml};

use crate::checked::Checked;
use crate::diagnostic::{Diagnostic, Severity};
use crate::{codes, rules, shape, syntax};

/// What is asked of a manifest beyond being right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which apps are admitted.
    pub profile: Profile,
}

/// Which apps are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Apps that offer OAuth.
    #[default]
    Strict,
    /// Also apps that offer nothing but a fixed key.
    Extended,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All findings, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The manifest, if nothing of severity error was found.
    pub checked: Option<Checked<Manifest>>,
}

impl Report {
    /// How many findings have this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

/// Validates one manifest.
///
/// Mistakes in one part do not hide those in another: unknown keys and entries that cannot be read
/// are left out, and the rules run over the rest. Text that is not YAML is the exception.
/// Past a thousand findings of a kind the rest of that kind is not looked for.
#[must_use]
pub fn validate(source: &str, options: &Options) -> Report {
    let mut document = match yaml::parse(source) {
        Ok(document) => document,
        Err(errors) => {
            let found = errors.into_iter().map(|error| syntax::diagnostic(source, error));
            return report(found.collect(), None);
        }
    };
    let found = shape::check(source, &document.root);
    let mut diagnostics = found.diagnostics;
    let whole = found.repairs.is_empty();
    let written = (!whole).then(|| document.root.clone());
    shape::repair(&mut document.root, &found.repairs);
    let manifest = match longshore_schema::load(&document) {
        Ok(manifest) => Some(manifest),
        // The schema's findings explain it already.
        Err(_) if !diagnostics.is_empty() => None,
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
    if let Some(manifest) = &manifest {
        let root = &document.root;
        let written = written.as_ref().unwrap_or(root);
        let cx = rules::Context::new(source, root, written, manifest, options);
        let mut found = Vec::new();
        rules::run(&cx, whole, &mut found);
        found.retain(|diagnostic| diagnostic.span() != shape::NOWHERE);
        for diagnostic in &mut found {
            diagnostic.labels.retain(|label| label.span != shape::NOWHERE);
        }
        diagnostics.append(&mut found);
    }
    report(diagnostics, manifest)
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

fn report(mut diagnostics: Vec<Diagnostic>, manifest: Option<Manifest>) -> Report {
    diagnostics.sort_by(|a, b| {
        let place = |diagnostic: &Diagnostic| (diagnostic.span().start, diagnostic.severity);
        place(a).cmp(&place(b)).then_with(|| (a.code, &a.message).cmp(&(b.code, &b.message)))
    });
    diagnostics.dedup();
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let checked = manifest.filter(|_| !failed).map(Checked::new);
    Report { diagnostics, checked }
}
