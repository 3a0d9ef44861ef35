//! The report for programs.

use std::borrow::Cow;

use longshore_schema::LineIndex;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::{Place, Validated, files};
use crate::codes;
use crate::diagnostic::{self, Diagnostic};
use crate::todo::todo_list;
use crate::validate::Report;
use crate::verbs::VerbCoverage;

/// The findings in one manifest, as an object of [`render_json`]'s member `reports`.
#[must_use]
pub fn to_json(report: &Report, file: &str, source: &str) -> serde_json::Value {
    serde_json::json!(Manifest::of(report, file, source))
}

/// The report on some manifests, as a JSON document with a line break at its end; `longshore schema
/// --report` prints its schema. Members may be added in version 1; none is taken away.
#[must_use]
pub fn render_json(all: &[Validated]) -> String {
    let reports: Vec<_> = all.iter().map(|v| Manifest::of(&v.report, &v.file, &v.source)).collect();
    let count = |severity| all.iter().map(|v| v.report.count(severity)).sum();
    let summary = Totals {
        files: reports.len(),
        errors: count(diagnostic::Severity::Error),
        warnings: count(diagnostic::Severity::Warning),
    };
    format!("{:#}\n", serde_json::json!(Document { version: Version, reports, summary }))
}

/// The JSON Schema of [`render_json`]'s documents, pretty-printed.
#[must_use]
pub fn json_schema_text() -> String {
    let schema = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = schema.into_root_schema_for::<Document<'_>>();
    format!("{:#}\n", schema.as_value())
}

/// What `longshore validate --format json` found. Members may be added in version 1; none is taken
/// away or changes its meaning.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Longshore validation report")]
struct Document<'r> {
    version: Version,
    /// One report for each manifest that could be read, in the order in which they were named.
    reports: Vec<Manifest<'r>>,
    summary: Totals,
}

/// The version of the format.
struct Version;

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(1)
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "description": "The version of this format.", "const": 1 })
    }
}

/// All manifests together.
#[derive(Serialize, JsonSchema)]
struct Totals {
    /// How many manifests were looked at.
    files: usize,
    errors: usize,
    warnings: usize,
}

/// What was found in one manifest.
#[derive(Serialize, JsonSchema)]
struct Manifest<'r> {
    version: Version,
    /// The path as it was given, or `<stdin>`.
    file: &'r str,
    /// The findings, sorted by place.
    diagnostics: Vec<Finding<'r>>,
    /// The recorded responses beside the manifest in which something was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixtures: Vec<Fixture<'r>>,
    /// How far the profiles and capabilities of a draft are: of a manifest with values that start
    /// with `TODO`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readiness: Vec<Ready>,
    /// The canonical verbs that the capabilities of its streams are about. Left out where they are
    /// about none, and of a manifest with errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    verbs: Option<Verbs>,
    summary: Summary,
}

/// Which canonical verbs a manifest tells.
#[derive(Serialize, JsonSchema)]
struct Verbs {
    /// Those that an event of some stream can stand for.
    mapped: Vec<&'static str>,
    /// The others.
    missing: Vec<&'static str>,
}

/// How far a profile or a capability is.
#[derive(Serialize, JsonSchema)]
#[allow(clippy::struct_field_names, reason = "the member is part of the report's promise")]
struct Ready {
    name: String,
    /// Whether nothing blocks it.
    ready: bool,
    /// How many blocking things stand in its own streams or checks.
    own: usize,
    /// How many blocking things stand in what all streams need.
    shared: usize,
}

/// What was found in one recorded response.
#[derive(Serialize, JsonSchema)]
struct Fixture<'r> {
    /// Its path, which starts like that of the manifest.
    file: Cow<'r, str>,
    /// The findings, sorted by place.
    diagnostics: Vec<Finding<'r>>,
}

/// How many findings there are.
#[derive(Serialize, JsonSchema)]
struct Summary {
    errors: usize,
    warnings: usize,
    infos: usize,
    /// Whether the engine would run the manifest: nothing of severity error was found.
    valid: bool,
}

/// One finding. Its place is that of the mistake itself.
#[derive(Serialize, JsonSchema)]
struct Finding<'r> {
    /// The rule's code, such as `LS0101`; never given to another rule.
    code: &'r str,
    /// The rule's name, such as `unknown-key`.
    name: &'r str,
    severity: Severity,
    /// What is wrong, in one line.
    message: &'r str,
    #[serde(flatten)]
    place: Place,
    /// The places that belong to it, the primary one first.
    labels: Vec<Label<'r>>,
    /// How to mend it.
    help: Option<&'r str>,
    /// Edits that mend it, the best first.
    fixes: Vec<Fix<'r>>,
}

/// How bad a finding is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Severity {
    /// The manifest cannot run.
    Error,
    /// The manifest runs, and will likely not do what was meant.
    Warning,
    /// Something that could be better.
    Info,
}

/// A place with what is to be seen there.
#[derive(Serialize, JsonSchema)]
struct Label<'r> {
    #[serde(flatten)]
    place: Place,
    /// May be empty.
    text: &'r str,
    /// Whether this is the place of the mistake itself.
    primary: bool,
}

/// A change of the source that mends a finding.
#[derive(Serialize, JsonSchema)]
struct Fix<'r> {
    /// What it does, as an order.
    title: &'r str,
    safety: Safety,
    /// What is replaced; the places do not overlap.
    edits: Vec<Edit<'r>>,
}

/// Whether a fix may be made unseen.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Safety {
    /// It says what the author plainly meant, and takes nothing away.
    Safe,
    /// It is a guess, or changes what the connector does.
    Unsafe,
}

/// A replacement of one part of the source; an empty place is one to insert at.
#[derive(Serialize, JsonSchema)]
struct Edit<'r> {
    #[serde(flatten)]
    place: Place,
    /// What is put there.
    text: &'r str,
}

impl<'r> Manifest<'r> {
    fn of(report: &'r Report, file: &'r str, source: &'r str) -> Self {
        let mut files = files(report, file, source);
        let (_, _, own) = files.next().unwrap_or_default();
        let summary = Summary {
            errors: report.count(diagnostic::Severity::Error),
            warnings: report.count(diagnostic::Severity::Warning),
            infos: report.count(diagnostic::Severity::Info),
            valid: report.checked.is_some(),
        };
        let diagnostics = findings(source, own);
        let fixtures = files
            .map(|(file, text, found)| Fixture { file, diagnostics: findings(text, found) })
            .collect();
        let readiness = todo_list(report, source).map(|list| list.readiness).unwrap_or_default();
        let readiness = readiness
            .into_iter()
            .map(|part| Ready {
                ready: part.is_ready(),
                name: part.name,
                own: part.own,
                shared: part.shared,
            })
            .collect();
        let coverage = report.checked.as_deref().and_then(VerbCoverage::of);
        let verbs = coverage.map(|VerbCoverage { mapped, missing }| Verbs { mapped, missing });
        Self { version: Version, file, diagnostics, fixtures, readiness, verbs, summary }
    }
}

fn findings<'r>(source: &str, diagnostics: &'r [Diagnostic]) -> Vec<Finding<'r>> {
    if diagnostics.is_empty() {
        return Vec::new();
    }
    let lines = LineIndex::new(source);
    let place = |span| Place::of(span, source, &lines);
    let fix = |fix: &'r diagnostic::Fix| Fix {
        title: &fix.title,
        safety: match fix.safety {
            diagnostic::Safety::Safe => Safety::Safe,
            diagnostic::Safety::Unsafe => Safety::Unsafe,
        },
        edits: fix
            .edits
            .iter()
            .map(|edit| Edit { place: place(edit.span), text: &edit.text })
            .collect(),
    };
    let label = |label: &'r diagnostic::Label| Label {
        place: place(label.span),
        text: &label.text,
        primary: label.primary,
    };
    let finding = |diagnostic: &'r Diagnostic| Finding {
        code: diagnostic.code,
        name: codes::find(diagnostic.code).map_or("", |code| code.name),
        severity: match diagnostic.severity {
            diagnostic::Severity::Error => Severity::Error,
            diagnostic::Severity::Warning => Severity::Warning,
            diagnostic::Severity::Info => Severity::Info,
        },
        message: &diagnostic.message,
        place: place(diagnostic.span()),
        labels: diagnostic.labels.iter().map(label).collect(),
        help: diagnostic.help.as_deref(),
        fixes: diagnostic.fixes.iter().map(fix).collect(),
    };
    diagnostics.iter().map(finding).collect()
}
