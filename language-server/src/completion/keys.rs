//! Keys that may be typed.

use gen_lsp_types::{
    Command, CompletionItem, CompletionItemKind, InsertTextFormat, InsertTextMode,
};
use longshore_schema::yaml::Node;
use longshore_validator::ocsf::{self, Requirement, Type};
use longshore_validator::schema_at;
use serde_json::Value;

use super::{AGAIN, Completion, markdown};
use crate::mapping;

impl Completion<'_> {
    /// Keys that may stand here and do not yet; the required ones first.
    pub(super) fn keys(&mut self, schema: &'static Value, colon: bool) {
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
