//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), for services
//! that keep findings from one run to the next.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use longshore_schema::{LineIndex, Span};
use serde_json::{Value, json};

use super::{Place, Validated, files, in_full};
use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, Severity};
use crate::explain::{Explanation, Part, explain};

/// The schema that says what a log may hold.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The report on some manifests as one run of one log, with a line break at its end. Files below the
/// working directory are named relative to it. Rules are described if something breaks them.
#[must_use]
pub fn render_sarif(all: &[Validated], working_directory: &Path) -> String {
    let broken: BTreeSet<_> = all
        .iter()
        .flat_map(|validated| files(&validated.report, &validated.file, &validated.source))
        .flat_map(|(_, _, diagnostics)| diagnostics.iter().map(|diagnostic| diagnostic.code))
        .collect();
    let codes: Vec<_> = broken.into_iter().filter_map(codes::find).collect();
    let mut results = Vec::new();
    for validated in all {
        for (file, source, diagnostics) in
            files(&validated.report, &validated.file, &validated.source)
        {
            let file = File {
                artifact: json!({ "uri": uri(&file, working_directory) }),
                source,
                lines: LineIndex::new(source),
            };
            let mut seen = HashMap::new();
            for diagnostic in diagnostics {
                let before = seen.entry((diagnostic.code, &diagnostic.message)).or_insert(0);
                let rule = codes.iter().position(|code| code.id == diagnostic.code);
                results.push(file.result(diagnostic, rule, *before));
                *before += 1;
            }
        }
    }
    let rules: Vec<_> = codes.into_iter().map(rule).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "longshore",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(code: &'static Code) -> Value {
    let page = explain(code);
    let first = Explanation::of(code).parts.into_iter().next();
    let why = match first {
        Some(Part::Prose(text)) => text,
        _ => code.summary.to_owned(),
    };
    json!({
        "id": code.id,
        "name": code.name,
        "shortDescription": { "text": code.summary },
        "fullDescription": { "text": why },
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": level(code.severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A file in which something was found.
struct File<'s> {
    artifact: Value,
    source: &'s str,
    lines: LineIndex,
}

impl File<'_> {
    /// `before` counts the earlier findings in the file that say the same.
    fn result(&self, diagnostic: &Diagnostic, rule: Option<usize>, before: usize) -> Value {
        let mut result = json!({
            "ruleId": diagnostic.code,
            "ruleIndex": rule,
            "level": level(diagnostic.severity),
            "message": { "text": in_full(diagnostic) },
            "locations": [{ "physicalLocation": self.location(diagnostic.span()) }],
            "partialFingerprints": { "longshoreFinding/v1": fingerprint(diagnostic, before) },
        });
        let related = diagnostic.labels.iter().filter(|label| !label.primary).enumerate();
        let related: Vec<_> = related
            .map(|(id, label)| {
                json!({
                    "id": id,
                    "physicalLocation": self.location(label.span),
                    "message": { "text": label.text },
                })
            })
            .collect();
        if !related.is_empty() {
            result["relatedLocations"] = related.into();
        }
        let fixes: Vec<_> = diagnostic
            .fixes
            .iter()
            .map(|fix| {
                let replacements: Vec<_> = fix
                    .edits
                    .iter()
                    .map(|edit| {
                        json!({
                            "deletedRegion": self.region(edit.span),
                            "insertedContent": { "text": edit.text },
                        })
                    })
                    .collect();
                let change =
                    json!({ "artifactLocation": self.artifact, "replacements": replacements });
                json!({ "description": { "text": fix.title }, "artifactChanges": [change] })
            })
            .collect();
        if !fixes.is_empty() {
            result["fixes"] = fixes.into();
        }
        result
    }

    fn location(&self, span: Span) -> Value {
        json!({ "artifactLocation": self.artifact, "region": self.region(span) })
    }

    /// Section 3.30: lines and columns from 1, the end column that behind the last character.
    fn region(&self, span: Span) -> Value {
        let Place { line, column, end_line, end_column } =
            Place::of(span, self.source, &self.lines);
        json!({
            "startLine": line,
            "startColumn": column,
            "endLine": end_line,
            "endColumn": end_column,
        })
    }
}

/// What stays the same when a finding moves to another line: its rule, its words, and how often the
/// same was said before.
fn fingerprint(diagnostic: &Diagnostic, before: usize) -> String {
    let text = format!("{}\0{}\0{before}", diagnostic.code, diagnostic.message);
    // FNV-1a with 64 bits: the hash must be the same in every version of the program.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// A path as a URI reference (RFC 3986), relative to the working directory if it lies below it.
fn uri(file: &str, working_directory: &Path) -> String {
    let path = Path::new(file);
    let below = path.strip_prefix(working_directory).ok();
    let relative = below.unwrap_or(path);
    let parts: Vec<_> = relative
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(part) => Some(encoded(&part.to_string_lossy())),
            std::path::Component::ParentDir => Some("..".to_owned()),
            // A drive of Windows keeps its colon.
            std::path::Component::Prefix(part) => Some(part.as_os_str().to_string_lossy().into()),
            _ => None,
        })
        .collect();
    let path = parts.join("/");
    if relative.is_absolute() { format!("file:///{path}") } else { path }
}

fn encoded(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_relative_to_the_working_directory() {
        let here = Path::new("/folder");
        assert_eq!(uri("/folder/my app/a.yaml", here), "my%20app/a.yaml");
        assert_eq!(uri("./apps/a%b.yaml", here), "apps/a%25b.yaml");
        assert_eq!(uri("../a.yaml", here), "../a.yaml");
        assert_eq!(uri("/else/a.yaml", here), "file:///else/a.yaml");
        assert_eq!(uri("<stdin>", here), "%3Cstdin%3E");
    }
}
