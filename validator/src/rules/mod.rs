//! What a manifest must satisfy beyond its shape: one module for each family of rules.

use longshore_schema::Manifest;
use longshore_schema::yaml::Node;

use crate::diagnostic::Diagnostic;
use crate::validate::Options;

/// Runs all rules. `whole` says that nothing was left out of the manifest.
pub(crate) fn run(
    _source: &str,
    _root: &Node,
    _manifest: &Manifest,
    _options: &Options,
    _whole: bool,
    _found: &mut Vec<Diagnostic>,
) {
}
