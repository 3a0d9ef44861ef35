//! Two texts compared.

use similar::TextDiff;

/// A unified diff from one text to another with three lines of context; empty if they are the same.
pub(crate) fn unified(name: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string()
}
