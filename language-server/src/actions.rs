//! What can be done about findings.

use std::collections::HashMap;

use gen_lsp_types::{CodeAction, CodeActionContext, CodeActionKind, TextEdit, WorkspaceEdit};
use longshore_schema::yaml::{Content, Node};
use longshore_validator::{Diagnostic as Finding, Options, Safety, codes, mend};

use crate::diagnostics::diagnostic;
use crate::document::Document;

/// The actions for findings that touch these bytes.
pub(crate) fn actions(
    document: &Document,
    options: &Options,
    (start, end): (usize, usize),
    context: &CodeActionContext,
) -> Vec<CodeAction> {
    let wanted = |kind: &CodeActionKind| {
        let kind = String::from(kind.clone());
        context.only.as_ref().is_none_or(|only| {
            only.iter().map(|one| String::from(one.clone())).any(|one| {
                kind == one || kind.strip_prefix(&one).is_some_and(|rest| rest.starts_with('.'))
            })
        })
    };
    let mut found = Vec::new();
    if wanted(&CodeActionKind::QuickFix) {
        let text = &document.text;
        let touches = |finding: &&Finding| {
            let span = finding.span().range();
            let first = text.line_of(span.start) <= text.line_of(end);
            first && text.line_of(start) <= text.line_of(span.end.max(span.start))
        };
        for finding in document.findings(options).iter().filter(touches) {
            found.extend(fixes(document, finding));
            found.extend(ignore(document, finding));
        }
    }
    // Asked for by name alone, when a document is saved: it validates several times.
    if context.only.is_some() && wanted(&CodeActionKind::SourceFixAll) {
        found.extend(fix_all(document, options));
    }
    found
}

fn fixes(document: &Document, finding: &Finding) -> impl Iterator<Item = CodeAction> {
    let safe = finding.fixes.iter().position(|fix| fix.safety == Safety::Safe);
    finding.fixes.iter().enumerate().map(move |(at, fix)| {
        let edits = fix.edits.iter().map(|edit| TextEdit {
            range: document.text.span(edit.span),
            new_text: edit.text.clone(),
        });
        CodeAction {
            diagnostics: Some(vec![diagnostic(document, finding, false)]),
            is_preferred: Some(safe == Some(at)),
            ..action(document, &fix.title, CodeActionKind::QuickFix, edits.collect())
        }
    })
}

/// A comment that hides a finding, on a line of its own before the value that it is about.
fn ignore(document: &Document, finding: &Finding) -> Option<CodeAction> {
    let code = codes::find(finding.code).filter(|code| code.ignorable)?;
    let text = &document.text;
    let start = finding.span().start as usize;
    let line = document.tree().and_then(|root| block_start(root, start)).unwrap_or(start);
    let line = text.line(text.line_of(line));
    let content = &document.source()[line.clone()];
    let indent = " ".repeat(content.len() - content.trim_start_matches(' ').len());
    let edit = TextEdit {
        range: text.range(line.start..line.start),
        new_text: format!("{indent}# longshore: ignore[{}] say here why\n", code.id),
    };
    Some(CodeAction {
        diagnostics: Some(vec![diagnostic(document, finding, false)]),
        ..action(
            document,
            "hide it with a comment that says why",
            CodeActionKind::QuickFix,
            vec![edit],
        )
    })
}

/// Where the text of several lines starts that holds a byte: there is no room for comments in it.
fn block_start(node: &Node, offset: usize) -> Option<usize> {
    let holds = |node: &Node| node.span.range().contains(&offset);
    match &node.content {
        Content::Mapping(entries) => {
            let entry = entries.iter().find(|entry| holds(&entry.value))?;
            match entry.value.content {
                Content::String(_) => Some(entry.key_span.start as usize),
                _ => block_start(&entry.value, offset),
            }
        }
        Content::Sequence(items) => {
            let item = items.iter().find(|item| holds(item))?;
            match item.content {
                Content::String(_) => Some(item.span.start as usize),
                _ => block_start(item, offset),
            }
        }
        _ => None,
    }
}

fn fix_all(document: &Document, options: &Options) -> Option<CodeAction> {
    let source = document.source();
    let mended = mend(source, Safety::Safe, |source| document.validate(source, options));
    if mended.source == source {
        return None;
    }
    let edit = replacement(document, &mended.source);
    let title = "make all safe fixes";
    Some(action(document, title, CodeActionKind::SourceFixAll, vec![edit]))
}

/// The edit that makes the document's text another one, without what both start and end with.
pub(crate) fn replacement(document: &Document, new: &str) -> TextEdit {
    let old = document.source();
    let mut start = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    while !old.is_char_boundary(start) || !new.is_char_boundary(start) {
        start -= 1;
    }
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let same = old_rest.bytes().rev().zip(new_rest.bytes().rev()).take_while(|(a, b)| a == b);
    let mut same = same.count();
    while !old.is_char_boundary(old.len() - same) || !new.is_char_boundary(new.len() - same) {
        same -= 1;
    }
    TextEdit {
        range: document.text.range(start..old.len() - same),
        new_text: new[start..new.len() - same].to_owned(),
    }
}

fn action(
    document: &Document,
    title: &str,
    kind: CodeActionKind,
    edits: Vec<TextEdit>,
) -> CodeAction {
    let changes = HashMap::from([(document.uri.clone(), edits)]);
    CodeAction {
        title: title.to_owned(),
        kind: Some(kind),
        edit: Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }),
        ..CodeAction::default()
    }
}
