//! What may be typed at the cursor.

mod keys;
mod recorded;
mod values;
mod variables;

use gen_lsp_types::{CompletionItem, CompletionList, MarkupContent, MarkupKind, TextEdit};
use longshore_schema::yaml::{Content, Entry, Node};
use longshore_validator::schema_at;

use crate::client::Client;
use crate::cursor::{self, Cursor, Place};
use crate::document::{self, Document};
use crate::template;

pub(crate) use variables::signature;

/// A completion is offered again after a name that ends with a dot.
const AGAIN: &str = "editor.action.triggerSuggest";

/// What may be typed at a byte of a document.
pub(crate) fn complete(document: &Document, offset: usize, client: Client) -> CompletionList {
    let items = cursor::find(document.source(), offset).map_or_else(Vec::new, |cursor| {
        let root = repaired(document, &cursor);
        let path: Vec<_> = cursor.path.iter().map(String::as_str).collect();
        let mut completion = Completion {
            document,
            root: root.as_ref(),
            cursor: &cursor,
            path: &path,
            offset,
            client,
            items: Vec::new(),
        };
        completion.fill();
        completion.items
    });
    CompletionList { is_incomplete: false, items, ..CompletionList::default() }
}

/// The tree of the document as it would be without what is typed at the cursor; every other place
/// is where it was.
fn repaired(document: &Document, cursor: &Cursor) -> Option<Node> {
    let source = document.source();
    if longshore_schema::yaml::parse(source).is_ok() {
        return document.tree().cloned();
    }
    let blank = |start: usize, end: usize, word: &str| {
        let mut text = source.to_owned();
        let filled = format!("{word:<0$}", end - start);
        text.replace_range(start..end, &filled[..end - start]);
        text
    };
    let line = document.text.line(document.text.line_of(cursor.start));
    // A block of text, or an open quote, may be broken anywhere from here on.
    let word = if cursor.place == Place::Value { "x" } else { "" };
    let candidates = [
        blank(cursor.start, cursor.end, word),
        blank(cursor.start, line.end.max(cursor.end), word),
        blank(line.start, line.end, ""),
    ];
    let read =
        |text: &String| longshore_schema::yaml::parse(text).ok().map(|document| document.root);
    candidates.iter().find_map(read).or_else(|| document::tree(&candidates[2]))
}

struct Completion<'d> {
    document: &'d Document,
    root: Option<&'d Node>,
    cursor: &'d Cursor,
    path: &'d [&'d str],
    offset: usize,
    client: Client,
    items: Vec<CompletionItem>,
}

impl Completion<'_> {
    fn fill(&mut self) {
        let Cursor { start, end, place, .. } = *self.cursor;
        // A block of text reaches back to its key.
        let from = match place {
            Place::Text => {
                let before = &self.document.source()[..self.offset];
                before.rfind("{{").unwrap_or(start)
            }
            _ => start,
        };
        let typed = self.document.source().get(from..end).unwrap_or_default();
        let within = self.offset.saturating_sub(from);
        if let Some(range) = template::typed(typed, within) {
            self.variables(from + range.start, from + range.end, &typed[range.start..within]);
            return;
        }
        match place {
            Place::Text => {}
            Place::Value => self.values(self.path),
            Place::Key { colon } => {
                let schema = schema_at(self.path.iter().copied());
                let Some(schema) = schema else { return };
                let keys =
                    schema["properties"].is_object() || schema["additionalProperties"].is_object();
                if keys {
                    self.keys(schema, colon);
                } else if schema["items"].is_object() {
                    let item: Vec<_> = self.path.iter().copied().chain(["0"]).collect();
                    self.values(&item);
                } else {
                    self.values(self.path);
                }
            }
        }
    }

    fn node(&self) -> Option<&Node> {
        self.path.iter().try_fold(self.root?, |node, key| match &node.content {
            Content::Sequence(items) => items.get(key.parse::<usize>().ok()?),
            _ => Some(&node.entry(key)?.value),
        })
    }

    /// An item that puts a text in place of what is typed.
    fn item(&self, label: &str, text: String) -> CompletionItem {
        let edit = TextEdit {
            range: self.document.text.range(self.cursor.start..self.cursor.end),
            new_text: self.spaced(text),
        };
        CompletionItem {
            label: label.to_owned(),
            text_edit: Some(edit.into()),
            ..CompletionItem::default()
        }
    }

    /// A value needs a space after its colon.
    fn spaced(&self, text: String) -> String {
        let before = &self.document.source()[..self.cursor.start];
        if self.cursor.place == Place::Value && before.ends_with(':') {
            format!(" {text}")
        } else {
            text
        }
    }
}

/// The title or description that an author gave.
pub(crate) fn about(entry: &Entry) -> (Option<String>, Option<gen_lsp_types::Documentation>) {
    let text = |key: &str| match &entry.value.entry(key)?.value.content {
        Content::String(text) => Some(text.clone()),
        _ => None,
    };
    let detail = text("title").or_else(|| text("label")).or_else(|| text("provides"));
    let detail = detail.or_else(|| match &entry.value.content {
        Content::String(text) => Some(text.clone()),
        _ => None,
    });
    (detail, text("description").map(|text| markdown(&text).into()))
}

pub(crate) fn markdown(text: &str) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Encoding, Text};

    /// The labels of what may be typed at `^`, in the order in which they are shown.
    fn labels(marked: &str) -> Vec<String> {
        let offset = marked.find('^').unwrap();
        let text = Text::new(marked.replacen('^', "", 1), Encoding::Utf16);
        let document = Document::new("file:///manifest.yaml".into(), 1, text);
        let mut items = complete(&document, offset, Client::default()).items;
        items.sort_by_key(|item| item.sort_text.clone().unwrap_or_else(|| item.label.clone()));
        items.into_iter().map(|item| item.label).collect()
    }

    #[test]
    fn required_keys_come_first() {
        let top = labels("^");
        assert_eq!(top[..5], ["manifest", "id", "version", "app", "profiles"], "{top:?}");
        let stream = labels("streams:\n  users:\n    every: 1h\n    re^\n    key: $.id\n");
        assert_eq!(stream[..2], ["provides", "map"], "{stream:?}");
        assert!(stream.iter().any(|label| label == "request"), "{stream:?}");
        assert!(!stream.iter().any(|label| label == "every" || label == "key"), "{stream:?}");
    }

    #[test]
    fn what_is_typed_does_not_hide_what_is_in_scope() {
        let before =
            "inputs:\n  host: { title: Host }\nauth: { oauth2: { token: { base: $.b } } }\n";
        for typed in
            ["get: /{{^", "get: \"{{^", "query: { q: \"{{^", "get: >-\n      a {{^\n      b"]
        {
            let found = labels(&format!("{before}streams:\n  s:\n    request: \n      {typed}"));
            assert_eq!(found[..2], ["auth", "inputs"], "{typed}: {found:?}");
        }
        let found =
            labels(&format!("{before}http:\n  base_url: https://{{{{inputs.^\n  hosts: [a]\n"));
        assert_eq!(found, ["inputs.host"]);
    }
}
