//! What a manifest must not publish: tokens anywhere in it, personal data in its comments and
//! examples.

use longshore_schema::Span;
use longshore_schema::yaml::{Content, Node};

use super::Context;
use crate::diagnostic::Diagnostic;
use crate::samples::privacy::{scan, secrets};

/// Looks at the whole text once for tokens, and at comments and examples for the rest.
pub(crate) fn published(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut own = Vec::new();
    secrets(cx.source, &mut |leak, range| own.push(leak.at(Span::new(range.start, range.end))));
    let mut at = 0;
    for line in cx.source.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if line[indent..].starts_with('#') {
            look(line, at, &mut own);
        }
        at += line.len();
    }
    for input in cx.entry(&["inputs"]).map(|inputs| inputs.value.entries()).unwrap_or_default() {
        for key in ["examples", "default"] {
            if let Some(entry) = input.value.entry(key) {
                values(cx, &entry.value, &mut own);
            }
        }
    }
    for diagnostic in own {
        let span = diagnostic.span();
        let known =
            |known: &Diagnostic| known.span().start < span.end && span.start < known.span().end;
        if !found.iter().any(known) {
            found.push(diagnostic);
        }
    }
}

fn values(cx: &Context<'_>, node: &Node, found: &mut Vec<Diagnostic>) {
    match &node.content {
        Content::String(_) => {
            let text = cx.source.get(node.span.range()).unwrap_or_default();
            look(text, node.span.start as usize, found);
        }
        Content::Sequence(items) => {
            for item in items {
                values(cx, item, found);
            }
        }
        _ => {}
    }
}

fn look(text: &str, start: usize, found: &mut Vec<Diagnostic>) {
    scan(text, "", &mut |leak, range| {
        found.push(leak.at(Span::new(start + range.start, start + range.end)));
    });
}
