//! Two texts compared.

use std::time::Duration;

use similar::TextDiff;

/// How long the shortest difference is looked for; after that a longer one will do.
const PATIENCE: Duration = Duration::from_secs(2);

/// A unified diff from one text to another with three lines of context, as `git apply` and
/// `patch -p1` read it; empty if they are the same.
pub(crate) fn unified(name: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let name = name.trim_start_matches('/');
    diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_file_and_the_lines() {
        let shown = unified("a.yaml", "a: 1\nb: 2\nc: 3", "a: 1\nb: 4\nc: 3\n");
        let expected = "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,3 +1,3 @@\n a: 1\n-b: 2\n-c: 3\n\\ No newline at end of file\n+b: 4\n+c: 3\n";
        assert_eq!(shown, expected);
        assert_eq!(unified("a.yaml", "a: 1\n", "a: 1\n"), "");
    }
}
