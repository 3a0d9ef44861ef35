//! The tree of a manifest as text.

use super::scalar::{self, Context};
use super::tree::{Above, Group, Item, Tree, Value};
use crate::yaml::Document;

/// The longest line, in characters, that a collection in flow style may make.
const WIDTH: usize = 100;

/// Writes `tree`, which was read from `source` and `document`.
pub(super) fn write(source: &str, document: &Document, tree: &Tree<'_>) -> String {
    let out = String::with_capacity(source.len() + source.len() / 8);
    let mut writer = Writer { source, document, out };
    writer.comments(&tree.header, 0);
    writer.gap(tree.header_gap);
    match &tree.root {
        Value::Leaf(node) => {
            let written = scalar::written(source, document, node, Context::Root);
            writer.line(0, &written.first);
        }
        Value::Group(group) => match writer.flow(group, 0) {
            Some(text) => writer.line(0, &text),
            None => writer.group(group, 0, false),
        },
    }
    writer.comments(&tree.footer, 0);
    writer.out
}

struct Writer<'d> {
    source: &'d str,
    document: &'d Document,
    out: String,
}

impl Writer<'_> {
    fn indent(&mut self, indentation: usize) {
        self.out.extend(std::iter::repeat_n(' ', indentation));
    }

    fn line(&mut self, indentation: usize, text: &str) {
        if !text.is_empty() {
            self.indent(indentation);
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// A blank line, unless there is one, or nothing that it could part.
    fn gap(&mut self, wanted: bool) {
        if wanted && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn comments(&mut self, comments: &[Above<'_>], indentation: usize) {
        for comment in comments {
            self.gap(comment.gap);
            self.line(indentation, comment.text);
        }
    }

    /// A collection in block style, the first item where the cursor is if `inline`.
    fn group(&mut self, group: &Group<'_>, indentation: usize, inline: bool) {
        for (index, item) in group.items.iter().enumerate() {
            let is_first = index == 0;
            if !(is_first && inline) {
                for (number, comment) in item.above.iter().enumerate() {
                    self.gap(comment.gap && !(is_first && number == 0));
                    self.line(indentation, comment.text);
                }
                self.gap(item.gap && !(is_first && item.above.is_empty()));
            }
            self.item(item, indentation, !(is_first && inline));
        }
        self.comments(&group.below, indentation);
    }

    /// An item, and its indentation if it starts a line.
    fn item(&mut self, item: &Item<'_>, indentation: usize, starts_line: bool) {
        let start = match item.key {
            Some(entry) => format!("{}:", scalar::key(self.source, entry, false)),
            None => "-".to_owned(),
        };
        let flow = match &item.value {
            Value::Group(group) => self.flow(group, indentation + start.chars().count() + 1),
            Value::Leaf(_) => None,
        };
        let is_block = flow.is_none() && matches!(item.value, Value::Group(_));
        // What follows a dash on its line is the first line of the item's own collection.
        let mut beside = item.beside.filter(|_| !is_block || item.key.is_some());
        if starts_line {
            let mut raised = Vec::new();
            self.raised(item, indentation, &mut raised);
            for text in raised {
                self.line(indentation, text);
            }
            self.indent(indentation);
        }
        self.out.push_str(&start);
        if let Some(text) = flow {
            self.out.push(' ');
            self.out.push_str(&text);
        }
        match &item.value {
            Value::Group(group) if is_block && item.key.is_none() => {
                self.out.push(' ');
                self.group(group, indentation + 2, true);
            }
            Value::Group(group) if is_block => {
                self.beside(beside);
                self.out.push('\n');
                self.group(group, indentation + 2, false);
            }
            Value::Group(_) => {
                self.beside(beside);
                self.out.push('\n');
            }
            Value::Leaf(node) => {
                let context = if item.key.is_some() { Context::Value } else { Context::Item };
                let written = scalar::written(self.source, self.document, node, context);
                if !written.first.is_empty() {
                    self.out.push(' ');
                    self.out.push_str(&written.first);
                }
                if written.block || written.rest.is_empty() {
                    self.beside(beside.take());
                }
                self.out.push('\n');
                for line in &written.rest {
                    self.line(indentation + 2, line);
                }
                if beside.is_some() {
                    self.out.pop();
                    self.beside(beside);
                    self.out.push('\n');
                }
            }
        }
    }

    /// The comments at the end of an item's line that have no place there, as dashes are all that is
    /// on it.
    fn raised<'t>(&self, item: &Item<'t>, indentation: usize, raised: &mut Vec<&'t str>) {
        if let (None, Value::Group(group)) = (item.key, &item.value)
            && self.flow(group, indentation + 2).is_none()
        {
            raised.extend(item.beside);
            self.raised(&group.items[0], indentation + 2, raised);
        }
    }

    fn beside(&mut self, comment: Option<&str>) {
        if let Some(text) = comment {
            self.out.push(' ');
            self.out.push_str(text);
        }
    }

    /// A collection that was written in flow style, if it fits behind what is on its line.
    fn flow(&self, group: &Group<'_>, column: usize) -> Option<String> {
        if !group.flow || group.has_comments() {
            return None;
        }
        let mut text = String::new();
        self.flow_into(group, &mut text)?;
        (column + text.chars().count() <= WIDTH).then_some(text)
    }

    /// `None` as soon as the text is too long for any place.
    fn flow_into(&self, group: &Group<'_>, text: &mut String) -> Option<()> {
        text.push_str(if group.mapping { "{ " } else { "[" });
        for (index, item) in group.items.iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            if let Some(entry) = item.key {
                text.push_str(&scalar::key(self.source, entry, true));
                text.push_str(": ");
            }
            match &item.value {
                Value::Group(group) => self.flow_into(group, text)?,
                Value::Leaf(node) => {
                    let context =
                        if group.mapping { Context::FlowValue } else { Context::FlowItem };
                    let written = scalar::written(self.source, self.document, node, context);
                    text.push_str(&written.first);
                }
            }
            // A character has at most four bytes.
            if text.len() > 4 * WIDTH {
                return None;
            }
        }
        text.push_str(if group.mapping { " }" } else { "]" });
        Some(())
    }
}
