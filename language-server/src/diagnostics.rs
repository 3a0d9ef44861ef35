//! Findings as the client shows them.

use gen_lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location, Uri,
};
use longshore_validator::{Diagnostic as Finding, Severity, codes};

use crate::document::Document;
use crate::text::Text;

/// What the findings are from, as the client shows it.
const SOURCE: &str = "longshore";

/// A finding in a manifest as the client shows it. `related` says that it can show second places.
pub(crate) fn diagnostic(document: &Document, finding: &Finding, related: bool) -> Diagnostic {
    shown(&document.text, &document.uri, finding, related)
}

/// A finding in a text as the client shows it.
pub(crate) fn shown(text: &Text, uri: &Uri, finding: &Finding, related: bool) -> Diagnostic {
    let second = finding.labels.iter().filter(|label| !label.primary);
    let related_information = second
        .map(|label| DiagnosticRelatedInformation {
            location: Location { uri: uri.clone(), range: text.span(label.span) },
            message: label.text.clone(),
        })
        .collect::<Vec<_>>();
    let unused = codes::find(finding.code).is_some_and(|code| code.name.starts_with("unused-"));
    Diagnostic {
        range: text.span(finding.span()),
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Info => DiagnosticSeverity::Information,
        }),
        code: Some(finding.code.to_owned().into()),
        source: Some(SOURCE.to_owned()),
        message: message(finding).into(),
        tags: unused.then(|| vec![DiagnosticTag::Unnecessary]),
        related_information: (related && !related_information.is_empty())
            .then_some(related_information),
        ..Diagnostic::default()
    }
}

/// What is wrong, what is to be seen at the place, and how to mend it: a line for each.
fn message(finding: &Finding) -> String {
    let label = finding.labels.iter().find(|label| label.primary && !label.text.is_empty());
    let mut lines = vec![finding.message.clone()];
    lines.extend(label.map(|label| label.text.clone()));
    lines.extend(finding.help.as_ref().map(|help| format!("help: {help}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use longshore_validator::Options;

    use super::*;
    use crate::text::{Encoding, Text};

    #[test]
    fn a_finding_keeps_its_code_place_and_help() {
        let source = "manifest: longshore/v1\nid: é\nid: b\n";
        let text = Text::new(source.to_owned(), Encoding::Utf16);
        let document = Document::new("file:///manifest.yaml".into(), 1, text);
        let findings = document.findings(&Options::default());
        let shown = diagnostic(&document, &findings[0], true);
        assert_eq!(shown.code, Some("LS0003".to_owned().into()));
        assert_eq!((shown.range.start.line, shown.range.end.character), (2, 2));
        assert_eq!(shown.related_information.unwrap()[0].location.range.start.line, 1);
        let text = serde_json::to_string(&shown.message).unwrap();
        assert!(text.contains("set twice") && text.contains("help: "), "{text}");
        assert_eq!(diagnostic(&document, &findings[0], false).related_information, None);
    }
}
