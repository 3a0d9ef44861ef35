//! Annotations for GitHub: the workflow commands that a job prints
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use std::fmt::Write as _;

use longshore_schema::LineIndex;

use super::{Place, Validated, files, in_full};
use crate::codes;
use crate::diagnostic::Severity;

/// One workflow command for each finding, a line each.
#[must_use]
pub fn render_github(validated: &Validated) -> String {
    let mut text = String::new();
    for (file, source, diagnostics) in files(&validated.report, &validated.file, &validated.source)
    {
        let lines = LineIndex::new(source);
        for diagnostic in diagnostics {
            let command = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            let place = Place::of(diagnostic.span(), source, &lines);
            let name = codes::find(diagnostic.code).map_or("", |code| code.name);
            let _ = write!(text, "::{command} file={},line={}", property(&file), place.line);
            // Columns mean something on one line only.
            if place.end_line == place.line {
                let _ = write!(text, ",col={},endColumn={}", place.column, place.end_column);
            } else {
                let _ = write!(text, ",endLine={}", place.end_line);
            }
            let title = property(&format!("{} {name}", diagnostic.code));
            let _ = writeln!(text, ",title={title}::{}", data(&in_full(diagnostic)));
        }
    }
    text
}

/// A command's message: it ends with the line, so what would end it is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A command's property: it ends with a comma or colon, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("50%\r\na: b, c"), "50%25%0D%0Aa: b, c");
        assert_eq!(property("a,b: 50%\n"), "a%2Cb%3A 50%25%0A");
    }
}
