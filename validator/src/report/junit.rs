//! `JUnit` XML, as GitLab and Jenkins read it: a test case for each file, with one failure at most,
//! because neither shows a second one.

use std::fmt::Write as _;

use super::text::render_concise;
use super::{Validated, files};

/// The report on some manifests as an XML document. The findings of a file that did not fail are
/// its output.
#[must_use]
pub fn render_junit(all: &[Validated]) -> String {
    let failures = all.iter().filter(|validated| validated.failed).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", all.len());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"longshore validate\" {counts} skipped=\"0\">\n"
    );
    for validated in all {
        let Validated { file, source, report, failed } = validated;
        let found: usize = files(report, file, source).map(|(_, _, found)| found.len()).sum();
        let name = escaped(file);
        let _ =
            write!(text, "    <testcase classname=\"manifest\" name=\"{name}\" file=\"{name}\"");
        if found == 0 {
            text.push_str("/>\n");
            continue;
        }
        let shown = render_concise(report, file, source);
        let shown = escaped(shown.trim_end());
        let element = if *failed {
            let first = files(report, file, source).flat_map(|(_, _, found)| found).next();
            let first = first.map_or("", |diagnostic| &diagnostic.message);
            let more = if found > 1 { format!(" (and {} more)", found - 1) } else { String::new() };
            let message = escaped(&format!("{first}{more}"));
            format!("<failure type=\"finding\" message=\"{message}\">{shown}</failure>")
        } else {
            format!("<system-out>{shown}</system-out>")
        };
        let _ = write!(text, ">\n      {element}\n    </testcase>\n");
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Text for an element or attribute; what XML 1.0 has no way to write (section 2.2) is replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{1b}[1m\r"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}[1m&#13;"
        );
    }
}
