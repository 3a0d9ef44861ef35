//! What may be typed at the cursor.

use gen_lsp_types::{
    Command, CompletionItem, CompletionItemKind, CompletionList, InsertTextFormat, InsertTextMode,
    MarkupContent, MarkupKind, TextEdit,
};
use longshore_schema::template::Helper;
use longshore_schema::yaml::{Content, Entry, Node};
use longshore_validator::ocsf::{self, Requirement, Type};
use longshore_validator::{schema_at, scope};
use serde_json::Value;

use crate::client::Client;
use crate::cursor::{self, Cursor, Place};
use crate::document::{self, Document};
use crate::paths::{self, Form};
use crate::{mapping, names, template};

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

    /// Keys that may stand here and do not yet; the required ones first.
    fn keys(&mut self, schema: &'static Value, colon: bool) {
        let present: Vec<_> = self
            .node()
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|e| e.key.clone())
            .collect();
        let own = &self.document.source()[self.cursor.start..self.cursor.end];
        let own = own.trim_matches(['"', '\'']);
        let is_present = |name: &str| present.iter().any(|key| key == name) && name != own;
        let one = schema["maxProperties"] == 1 && present.iter().any(|key| key != own);
        let list = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let required = |name: &str| list.iter().position(|known| known == name);
        let properties = schema["properties"].as_object().into_iter().flatten();
        for (order, (name, _)) in properties.enumerate() {
            if one || is_present(name) {
                continue;
            }
            let inner: Vec<_> = self.path.iter().copied().chain([name.as_str()]).collect();
            let target = schema_at(inner.iter().copied());
            let description = schema["properties"][name]["description"].as_str();
            let description = description.or_else(|| target?["description"].as_str());
            let (text, snippet) = self.key_text(name, target, colon);
            let required = required(name);
            let order = required.map_or(1_000 + order, |order| order);
            self.items.push(CompletionItem {
                kind: Some(CompletionItemKind::Property),
                detail: Some(detail(target, required.is_some())),
                documentation: description.map(|text| markdown(text).into()),
                sort_text: Some(format!("{order:04}")),
                insert_text_format: snippet.then_some(InsertTextFormat::Snippet),
                insert_text_mode: Some(InsertTextMode::AdjustIndentation),
                ..self.item(name, text)
            });
        }
        if schema["propertyNames"]["format"] == "longshore-ocsf-path" {
            self.attributes(&is_present, colon);
        }
        self.recorded(self.path, true, if colon { "" } else { ": " });
    }

    /// A key with what follows it, and whether that has a place to go on at.
    fn key_text(&self, name: &str, target: Option<&Value>, colon: bool) -> (String, bool) {
        let types = target.map(|target| &target["type"]);
        let is = |name: &str| types.is_some_and(|types| types == name);
        match (colon, self.cursor.flow, self.client.snippets) {
            (true, ..) => (name.to_owned(), false),
            (_, false, true) if is("object") => (format!("{name}:\n  $0"), true),
            (_, false, true) if is("array") => (format!("{name}:\n  - $0"), true),
            (_, false, false) if is("object") || is("array") => (format!("{name}:"), false),
            _ => (format!("{name}: "), false),
        }
    }

    /// Paths to attributes of the mapping's class, a segment further.
    fn attributes(&mut self, is_present: &dyn Fn(&str) -> bool, colon: bool) {
        let Some(root) = self.root else { return };
        let typed = &self.document.source()[self.cursor.start..self.offset.max(self.cursor.start)];
        let prefix = typed.rfind('.').map_or("", |at| &typed[..=at]).to_owned();
        let mut seen = std::collections::HashSet::new();
        for class in mapping::classes(root, self.path) {
            let Some(attributes) = mapping::attributes(class, &prefix) else { continue };
            for (name, attribute) in attributes.iter() {
                let path = format!("{prefix}{name}");
                if mapping::is_written(attributes, name, attribute)
                    || is_present(&path)
                    || !seen.insert(path.clone())
                {
                    continue;
                }
                let object = match attribute.type_ {
                    Type::Object(object) => ocsf::table().object(object),
                    Type::Primitive(_) => None,
                };
                let list = if attribute.is_array && object.is_some() { "[]" } else { "" };
                let deeper = object.is_some_and(|object| !object.is_free_form());
                let text = match (deeper, colon) {
                    (true, _) => format!("{path}{list}."),
                    (false, true) => path.clone(),
                    (false, false) => format!("{path}: "),
                };
                let order = match attribute.requirement {
                    Requirement::Required => 5,
                    Requirement::Recommended => 6,
                    Requirement::Optional => 7,
                };
                let again = Command {
                    title: String::new(),
                    command: AGAIN.to_owned(),
                    ..Command::default()
                };
                let item = CompletionItem {
                    kind: Some(CompletionItemKind::Field),
                    detail: Some(mapping::summary(attribute)),
                    sort_text: Some(format!("{order}{path}")),
                    command: deeper.then_some(again),
                    ..self.item(&path, text)
                };
                self.items.push(item);
            }
        }
    }

    /// Paths into the recorded responses, a segment further; `key` if they are keys, and what
    /// follows them then.
    fn recorded(&mut self, path: &[&str], key: bool, after: &str) {
        let Some(root) = self.root else { return };
        let Some(site) = paths::site(root, path, key) else { return };
        let typed = &self.document.source()[self.cursor.start..self.offset.max(self.cursor.start)];
        let typed = typed.trim_start();
        let quote = typed.chars().next().filter(|c| matches!(c, '"' | '\''));
        let typed = typed.trim_start_matches(['"', '\'']);
        let before = typed.rfind('.').map_or("$", |at| &typed[..at]);
        let starts = paths::starts(self.document, root, &site);
        for (order, member) in paths::members(before, &starts).into_iter().enumerate() {
            let (text, deeper) = match site.form {
                Form::Member => (member.name, false),
                Form::Records if member.array => (format!("{}[*]", member.path), false),
                Form::Records if !member.object => continue,
                _ if member.object => (format!("{}.", member.path), true),
                _ => (member.path, false),
            };
            let again =
                Command { title: String::new(), command: AGAIN.to_owned(), ..Command::default() };
            let after = if deeper { "" } else { after };
            let written = self.quoted(&text, quote);
            self.items.push(CompletionItem {
                kind: Some(CompletionItemKind::Field),
                detail: Some(member.detail),
                sort_text: Some(format!("{order:04}")),
                filter_text: Some(written.clone()),
                command: deeper.then_some(again),
                ..self.item(text.trim_end_matches('.'), format!("{written}{after}"))
            });
        }
    }

    /// A text in the quotes that are open, or in those that it needs as YAML.
    fn quoted(&self, text: &str, quote: Option<char>) -> String {
        let needs = text.contains(": ")
            || text.contains(" #")
            || self.cursor.flow && text.contains(['[', ']', '{', '}', ',']);
        match quote.or(needs.then_some('"')) {
            Some('\'') => format!("'{}'", text.replace('\'', "''")),
            Some(_) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            None => text.to_owned(),
        }
    }

    /// Values that may stand at a path.
    fn values(&mut self, path: &[&str]) {
        let generic: Vec<_> = path
            .iter()
            .map(|key| if key.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { key })
            .collect();
        if let Some(place) = mapping::place(path) {
            self.mapped(&place);
        }
        self.recorded(path, false, "");
        if let (Some(root), Some(kind)) = (self.root, names::uses(&generic)) {
            for entry in names::defined(root, &kind) {
                let (detail, documentation) = about(entry);
                self.items.push(CompletionItem {
                    kind: Some(CompletionItemKind::Reference),
                    detail,
                    documentation,
                    ..self.item(&entry.key, entry.key.clone())
                });
            }
        }
        let Some(schema) = schema_at(path.iter().copied()) else { return };
        if matches!(
            generic.as_slice(),
            ["permissions", _, "needed_by", "*"] | ["prerequisites", _, "affects", ..]
        ) {
            self.choices(schema_at(["streams", "*", "provides"]).unwrap_or(schema));
        }
        self.choices(schema);
        if schema["type"] == "boolean" {
            for text in ["true", "false"] {
                self.items.push(CompletionItem {
                    kind: Some(CompletionItemKind::Value),
                    ..self.item(text, text.to_owned())
                });
            }
        }
    }

    /// The values that a schema lists.
    fn choices(&mut self, schema: &Value) {
        let choices = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for (order, choice) in choices.enumerate() {
            let text = if choice.starts_with(['[', '{', '*', '&']) {
                format!("\"{choice}\"")
            } else {
                choice.to_owned()
            };
            let description = schema["markdownEnumDescriptions"][order].as_str();
            self.items.push(CompletionItem {
                kind: Some(CompletionItemKind::EnumMember),
                documentation: description.map(|text| markdown(text).into()),
                sort_text: Some(format!("{order:03}")),
                ..self.item(choice, text)
            });
        }
    }

    /// Classes, activities and captions.
    fn mapped(&mut self, place: &mapping::Place<'_>) {
        let Some(root) = self.root else { return };
        match (place.attribute, place.rest.as_slice()) {
            (None, ["to"]) => {
                for class in ocsf::table().classes() {
                    self.items.push(CompletionItem {
                        kind: Some(CompletionItemKind::Class),
                        detail: Some(format!(
                            "{} {}, {}",
                            class.uid, class.caption, class.category_name
                        )),
                        ..self.item(class.name, class.name.to_owned())
                    });
                }
            }
            (None, ["activity"] | ["activity", "when", _] | ["activity", _]) => {
                for class in mapping::classes(root, &place.owner) {
                    self.captions(
                        class.activities().map(|(id, caption)| (id.to_string(), caption)),
                    );
                }
            }
            (Some(path), [] | ["when", _] | ["else"]) => {
                for class in mapping::classes(root, &place.owner) {
                    let captions = mapping::captions(class, path).into_iter();
                    self.captions(
                        captions
                            .flat_map(ocsf::Enum::iter)
                            .map(|(id, caption)| (id.to_string(), caption)),
                    );
                }
            }
            _ => {}
        }
    }

    fn captions(&mut self, captions: impl Iterator<Item = (String, &'static str)>) {
        for (id, caption) in captions {
            if self.items.iter().any(|item| item.label == caption) {
                continue;
            }
            self.items.push(CompletionItem {
                kind: Some(CompletionItemKind::EnumMember),
                detail: Some(id),
                ..self.item(caption, caption.to_owned())
            });
        }
    }

    /// Variables in scope, or what may follow the dot that is typed; and helpers.
    fn variables(&mut self, start: usize, end: usize, typed: &str) {
        let Some(root) = self.root else { return };
        let variables = scope::variables(root, self.path);
        let edit = |text: &str| TextEdit {
            range: self.document.text.range(start..end),
            new_text: text.to_owned(),
        };
        let mut items = Vec::new();
        if let Some((first, _)) = typed.split_once('.') {
            let found = variables.iter().find(|variable| variable.root == first);
            for name in found.and_then(|variable| variable.names.as_ref()).into_iter().flatten() {
                let entry = self.definition(first, name);
                let (detail, documentation) = entry.map_or((None, None), about);
                let text = format!("{first}.{name}");
                items.push(CompletionItem {
                    kind: Some(CompletionItemKind::Variable),
                    detail,
                    documentation,
                    text_edit: Some(edit(&text).into()),
                    ..CompletionItem { label: text, ..CompletionItem::default() }
                });
            }
        } else {
            for variable in &variables {
                if variable.names.as_ref().is_some_and(Vec::is_empty) {
                    continue;
                }
                let command = Command {
                    title: String::new(),
                    command: AGAIN.to_owned(),
                    ..Command::default()
                };
                items.push(CompletionItem {
                    label: variable.root.clone(),
                    kind: Some(CompletionItemKind::Module),
                    text_edit: Some(edit(&format!("{}.", variable.root)).into()),
                    sort_text: Some(format!("0{}", variable.root)),
                    command: Some(command),
                    ..CompletionItem::default()
                });
            }
            for (name, helper) in Helper::ALL {
                items.push(CompletionItem {
                    label: (*name).to_owned(),
                    kind: Some(CompletionItemKind::Function),
                    detail: Some(signature(*helper).to_owned()),
                    text_edit: Some(edit(&format!("{name} ")).into()),
                    sort_text: Some(format!("1{name}")),
                    ..CompletionItem::default()
                });
            }
        }
        self.items.append(&mut items);
    }

    fn definition(&self, first: &str, name: &str) -> Option<&Entry> {
        let kind = match first {
            "inputs" => names::Kind::Input,
            "facts" => names::Kind::Fact,
            "auth" => names::Kind::Token,
            "action" => names::Kind::Given((*self.path.get(1)?).to_owned()),
            _ => return None,
        };
        names::defined(self.root?, &kind).iter().find(|entry| entry.key == name)
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

/// What kind of value a key has, and whether it must be there.
fn detail(schema: Option<&Value>, required: bool) -> String {
    let types = schema.map(|schema| match &schema["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        Value::String(one) => one.clone(),
        _ => String::new(),
    });
    let format = schema.and_then(|schema| schema["format"].as_str()?.strip_prefix("longshore-"));
    let mut words: Vec<_> = required.then(|| "required".to_owned()).into_iter().collect();
    words.extend(format.map(str::to_owned).or(types).filter(|word| !word.is_empty()));
    words.join(", ")
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

/// How a helper is called.
pub(crate) fn signature(helper: Helper) -> &'static str {
    match helper {
        Helper::Date => "date TIME FORMAT",
        Helper::Epoch => "epoch TIME UNIT",
        Helper::Ago => "ago DURATION",
        Helper::Urlencode => "urlencode TEXT",
        Helper::Json => "json VALUE",
        Helper::Base64 => "base64 TEXT",
        Helper::Default => "default VALUE FALLBACK",
        Helper::Eq => "eq A B",
    }
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
