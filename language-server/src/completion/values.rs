//! Values that may be typed: what the schema lists, names that are defined, classes and captions.

use gen_lsp_types::{CompletionItem, CompletionItemKind};
use longshore_validator::ocsf;
use longshore_validator::schema_at;
use serde_json::Value;

use super::{Completion, about, markdown};
use crate::{mapping, names};

impl Completion<'_> {
    /// Values that may stand at a path.
    pub(super) fn values(&mut self, path: &[&str]) {
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
        // Those of the short form, where there is a long one too.
        self.choices(&schema["then"]);
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
}
