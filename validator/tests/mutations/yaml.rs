//! Mistakes in the YAML itself.

use longshore_schema::Span;
use longshore_schema::yaml::Content;

use crate::base::{Base, Mutant};

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.entries() {
        let is_flow = base.is_flow(at.owner);
        let key = at.entry.key.as_str();
        let value = at.value();
        let written = base.text(value);
        let scalar = !matches!(at.entry.value.content, Content::Mapping(_) | Content::Sequence(_));
        let one_line = scalar && base.is_inline(&at);
        if !is_flow && one_line && at.path.len() < 5 {
            let again = format!("{key}: {written}");
            let mut mutant = base.before("duplicate key", &at, &again, &[key]);
            // The second of the two is the mistake.
            mutant.lines = vec![mutant.lines[0] + 1];
            found.push(mutant);
        }
        if !is_flow && at.path.len() == 3 {
            let indent = base.indent(&at);
            let line = at.entry.key_span.start - indent as u32;
            if base.source[..at.entry.key_span.start as usize].ends_with(&" ".repeat(indent))
                && base.source[..line as usize].ends_with('\n')
            {
                let span = Span { start: line, end: at.entry.key_span.start };
                found.push(base.replace("tab", span, "\t", &["tab"]));
            }
        }
        if let Some(path) = at.text().filter(|path| one_line && is_flow && path.starts_with("$.")) {
            let path = format!("{path}[*]");
            found.push(base.replace("unquoted path in braces", value, &path, &[&path]));
        }
        match &at.entry.value.content {
            Content::String(text)
                if one_line && !written.starts_with(['"', '\'']) && at.path.len() < 6 =>
            {
                found.push(base.replace("anchor", value, &format!("&name {written}"), &["anchor"]));
                found.push(base.replace("alias", value, "*name", &["alias"]));
                found.push(base.replace("tag", value, &format!("!text {written}"), &["tag"]));
                if !is_flow && text.len() < 40 {
                    found.push(base.replace(
                        "unclosed quote",
                        value,
                        &format!("\"{written}"),
                        &["quote"],
                    ));
                }
            }
            Content::String(text) if one_line && text.starts_with("{{") && !is_flow => {
                found.push(base.replace("unquoted template", value, text, &["quotes"]));
            }
            Content::Bool(_) => {
                found.push(base.replace("truth value of YAML 1.1", value, "yes", &["true"]));
            }
            Content::Integer(_) => {
                found.push(base.replace("octal number", value, "0755", &["0755"]));
                found.push(base.replace("number with an underscore", value, "1_000", &["1_000"]));
            }
            Content::Mapping(_) if written.ends_with('}') && !written.contains('\n') => {
                let brace = Span { start: value.end - 1, end: value.end };
                found.push(base.replace("unclosed brace", brace, "", &["`{`"]));
            }
            Content::Sequence(_) if written.ends_with(']') && !written.contains('\n') => {
                let bracket = Span { start: value.end - 1, end: value.end };
                found.push(base.replace("unclosed bracket", bracket, "", &["`[`"]));
            }
            _ => {}
        }
    }
    for section in base.root.entries().iter().skip(1) {
        let start = Span { start: section.key_span.start, end: section.key_span.start };
        found.push(base.replace("second document", start, "---\n", &["document"]));
        found.push(base.replace("merge key", start, "<<: {}\n", &["merge"]));
    }
}
