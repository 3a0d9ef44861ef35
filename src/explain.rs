//! `longshore explain`

use std::fmt::Write as _;

use longshore_validator::codes::{self, Code};
use longshore_validator::explain;
use serde_json::{Value, json};

use crate::Exit;
use crate::arguments::{Explain, Format};
use crate::terminal::{colour, misused, print};

pub(crate) fn run(command: &Explain) -> Exit {
    let Some(name) = &command.rule else {
        match command.format {
            Format::Text => print(&all()),
            Format::Json => {
                let rules: Vec<_> = codes::ALL.iter().map(|code| row(code)).collect();
                print(&format!("{:#}\n", json!({ "version": 1, "rules": rules })));
            }
        }
        return Exit::Done;
    };
    let Some(code) = codes::find(name) else {
        let shown: String = name.chars().take(40).collect();
        let fix = match codes::nearest(name) {
            Some(meant) => format!("longshore explain {} ({})", meant.id, meant.name),
            None => "longshore explain lists all".to_owned(),
        };
        return misused(&format!("there is no rule `{shown}`"), &fix);
    };
    match command.format {
        Format::Text if colour() => print(&with_headings(&explain(code))),
        Format::Text => print(&explain(code)),
        Format::Json => {
            let mut rule = row(code);
            rule["version"] = json!(1);
            rule["markdown"] = json!(explain(code));
            print(&format!("{rule:#}\n"));
        }
    }
    Exit::Done
}

/// All rules by family.
fn all() -> String {
    let mut text = String::new();
    for family in codes::FAMILIES {
        let _ = writeln!(text, "{}: {}", family.prefix, family.title);
        let widest = family.codes.iter().map(|code| code.name.len()).max().unwrap_or_default();
        for Code { id, name, severity, summary, .. } in family.codes {
            let severity = severity.to_string();
            let _ = writeln!(text, "  {id}  {name:widest$}  {severity:7}  {summary}");
        }
        text.push('\n');
    }
    text.push_str("longshore explain CODE shows why, with examples\n");
    text
}

fn row(code: &Code) -> Value {
    json!({
        "code": code.id,
        "name": code.name,
        "severity": code.severity.to_string(),
        "ignorable": code.ignorable,
        "summary": code.summary,
    })
}

/// Markdown with bold headings.
fn with_headings(markdown: &str) -> String {
    let mut text = String::new();
    let mut fenced = false;
    for line in markdown.lines() {
        fenced ^= line.starts_with("```");
        if line.starts_with('#') && !fenced {
            let _ = writeln!(text, "\u{1b}[1m{line}\u{1b}[0m");
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_bold_and_comments_of_examples_are_not() {
        let text = with_headings("# A\n```yaml\n# b\n```\n");
        assert_eq!(text, "\u{1b}[1m# A\u{1b}[0m\n```yaml\n# b\n```\n");
    }
}
