//! Paths into the recorded responses.

use gen_lsp_types::{Command, CompletionItem, CompletionItemKind};

use super::{AGAIN, Completion};
use crate::paths::{self, Form};

impl Completion<'_> {
    /// Paths into the recorded responses, a segment further; `key` if they are keys, and what
    /// follows them then.
    pub(super) fn recorded(&mut self, path: &[&str], key: bool, after: &str) {
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
}
