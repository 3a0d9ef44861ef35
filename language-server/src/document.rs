//! An open document, and what is known of its newest version.

use std::cell::OnceCell;

use gen_lsp_types::Uri;
use longshore_schema::yaml::{self, Node};
use longshore_validator::{Diagnostic, Fixture, Options, Report, validate, validate_with_fixtures};

use crate::text::Text;

/// The most lines that are left out to make a tree of a text that is not YAML.
const MAX_REPAIRS: usize = 8;

/// An open document.
pub(crate) struct Document {
    pub(crate) uri: Uri,
    pub(crate) version: i32,
    pub(crate) text: Text,
    /// Whether the client shows findings for it.
    pub(crate) shown: bool,
    /// The recorded responses beside it; `None` if nothing is known of them.
    fixtures: Option<Vec<Fixture>>,
    report: OnceCell<Report>,
    tree: OnceCell<Option<Node>>,
}

impl Document {
    pub(crate) fn new(uri: Uri, version: i32, text: Text) -> Self {
        let (fixtures, report, tree) = Default::default();
        Self { uri, version, text, shown: false, fixtures, report, tree }
    }

    /// The text has changed.
    pub(crate) fn changed(&mut self, version: i32) {
        self.version = version;
        self.report.take();
        self.tree.take();
    }

    /// The recorded responses beside it were read.
    pub(crate) fn set_fixtures(&mut self, fixtures: Option<Vec<Fixture>>) {
        self.fixtures = fixtures;
        self.report.take();
    }

    /// The recorded responses beside it.
    pub(crate) fn fixtures(&self) -> &[Fixture] {
        self.fixtures.as_deref().unwrap_or_default()
    }

    pub(crate) fn source(&self) -> &str {
        self.text.source()
    }

    /// Whether this is a manifest: it has the key `manifest`, names the schema, or is called
    /// `manifest.yaml`.
    pub(crate) fn is_manifest(&self) -> bool {
        let name = self.uri.0.rsplit('/').next().unwrap_or_default();
        let modeline = |line: &str| {
            line.starts_with('#')
                && line.contains("$schema=")
                && line.trim_end().ends_with("manifest.schema.json")
        };
        name == "manifest.yaml"
            || self.source().lines().any(|line| line.starts_with("manifest:") || modeline(line))
    }

    /// What the validator says of a text that stands in this document's place.
    pub(crate) fn validate(&self, source: &str, options: &Options) -> Report {
        match &self.fixtures {
            Some(fixtures) => validate_with_fixtures(source, fixtures, options),
            None => validate(source, options),
        }
    }

    /// What the validator says.
    pub(crate) fn report(&self, options: &Options) -> &Report {
        self.report.get_or_init(|| self.validate(self.source(), options))
    }

    /// What the validator finds in the manifest itself.
    pub(crate) fn findings(&self, options: &Options) -> &[Diagnostic] {
        &self.report(options).diagnostics
    }

    /// The document as a tree. Lines at which it is not YAML are taken for empty.
    pub(crate) fn tree(&self) -> Option<&Node> {
        self.tree.get_or_init(|| tree(self.source())).as_ref()
    }
}

/// The tree of a text, without the lines at which it is not YAML. All other places are those of
/// the text.
pub(crate) fn tree(source: &str) -> Option<Node> {
    let mut text = std::borrow::Cow::Borrowed(source);
    for _ in 0..=MAX_REPAIRS {
        let errors = match yaml::parse(&text) {
            Ok(document) => return Some(document.root),
            Err(errors) => errors,
        };
        let mut blanked = text.clone().into_owned();
        for error in errors {
            blank_line(&mut blanked, error.span.start as usize);
        }
        if blanked == *text {
            return None;
        }
        text = blanked.into();
    }
    None
}

/// Puts spaces in place of the line of a byte; of the line before if there is nothing in it.
fn blank_line(text: &mut String, offset: usize) {
    let bytes = text.as_bytes();
    let mut end = offset.min(bytes.len());
    loop {
        let start = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let stop = bytes[start..].iter().position(|byte| *byte == b'\n');
        let stop = stop.map_or(bytes.len(), |length| start + length);
        if bytes[start..stop].iter().any(|byte| !byte.is_ascii_whitespace()) {
            text.replace_range(start..stop, &" ".repeat(stop - start));
            return;
        }
        let Some(before) = start.checked_sub(1) else { return };
        end = before;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Encoding;

    fn document(uri: &str, source: &str) -> Document {
        Document::new(uri.into(), 1, Text::new(source.to_owned(), Encoding::Utf16))
    }

    #[test]
    fn manifests_are_told_from_other_yaml() {
        for (uri, source) in [
            ("file:///a/manifest.yaml", ""),
            ("file:///a/b.yaml", "# c\nmanifest: longshore/v1\n"),
            ("untitled:1", "# yaml-language-server: $schema=../schema/manifest.schema.json\n"),
        ] {
            assert!(document(uri, source).is_manifest(), "{uri} {source}");
        }
        for (uri, source) in [
            ("file:///a/docker-compose.yaml", "services:\n  manifest: 1\n"),
            ("file:///a/my-manifest.yaml", "kind: List\n"),
            ("untitled:1", "# yaml-language-server: $schema=manifest.schema.json.org/x\n"),
        ] {
            assert!(!document(uri, source).is_manifest(), "{uri} {source}");
        }
    }

    #[test]
    fn lines_that_are_not_yaml_are_left_out() {
        let source = "a: 1\nb: [\nc: 2\nd: \"{{x\ne: 3\n";
        assert!(tree("a: 1\nc: @x\nd: 2\n").unwrap().entry("d").is_some());
        assert!(tree(source).is_none() || tree(source).unwrap().entry("a").is_some());
        let doubled = tree("a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!(doubled.entry("b").unwrap().key_span.start, 5);
    }

    proptest! {
        #[test]
        fn any_text_is_read(source in "[a:{}\"'#|> \n\\[\\]-é]{0,60}") {
            let _ = tree(&source);
        }
    }
}
