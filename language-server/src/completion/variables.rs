//! Variables and helpers of templates.

use gen_lsp_types::{Command, CompletionItem, CompletionItemKind, TextEdit};
use longshore_schema::template::Helper;
use longshore_schema::yaml::Entry;
use longshore_validator::scope;

use super::{AGAIN, Completion, about};
use crate::names;

impl Completion<'_> {
    /// Variables in scope, or what may follow the dot that is typed; and helpers.
    pub(super) fn variables(&mut self, start: usize, end: usize, typed: &str) {
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
        Helper::Lookup => "lookup TABLE KEY",
        Helper::Join => "join LIST SEPARATOR",
        Helper::Quote => "quote VALUE STYLE",
    }
}
