//! The recorded responses beside a manifest: where they are, and what is found in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gen_lsp_types::{Diagnostic, Uri};
use longshore_validator::FixtureReport;
use url::Url;

use crate::diagnostics::shown;
use crate::text::{Encoding, Text};

/// Findings by the URI of their file.
pub(crate) type Findings = BTreeMap<String, Vec<Diagnostic>>;

/// The file that a URI names, if it is one of this machine (RFC 8089).
pub(crate) fn file(uri: &Uri) -> Option<PathBuf> {
    Url::parse(&uri.0).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

/// The URI of a file whose path is given from the folder of a manifest, with `/` between the parts.
fn beside(manifest: &Uri, path: &str) -> Option<String> {
    let mut url = Url::parse(&manifest.0).ok()?;
    url.path_segments_mut().ok()?.pop().extend(path.split('/'));
    Some(url.into())
}

/// The findings in fixtures as the client shows them.
pub(crate) fn findings(
    manifest: &Uri,
    reports: &[FixtureReport],
    encoding: Encoding,
    related: bool,
) -> Findings {
    let named = |report: &FixtureReport| {
        let uri = Uri(beside(manifest, &report.path)?);
        let text = Text::new(report.text.clone(), encoding);
        let found = report.diagnostics.iter();
        let found = found.map(|finding| shown(&text, &uri, finding, related)).collect();
        Some((uri.0, found))
    };
    reports.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_survive_as_uris() {
        let manifest = Uri("file:///a%20b/manifest.yaml".to_owned());
        let uri = beside(&manifest, "fixtures/users/50% #1?.json").unwrap();
        assert_eq!(uri, "file:///a%20b/fixtures/users/50%25%20%231%3F.json");
        let path = file(&Uri(uri)).unwrap();
        assert!(path.ends_with("fixtures/users/50% #1?.json"), "{}", path.display());
        for other in
            ["untitled:manifest.yaml", "https://example.com/manifest.yaml", "manifest.yaml"]
        {
            assert_eq!(file(&Uri(other.to_owned())), None, "{other}");
        }
    }
}
