//! What a JSONPath selects among nodes.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, Step};
use serde_json::Value;

/// The types of JSON values; whole numbers are told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JsonType {
    /// `null`, or an empty CSV field.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    /// The type of a node.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        match node.content {
            Content::Null => Self::Null,
            Content::Bool(_) => Self::Boolean,
            Content::Integer(_) => Self::Integer,
            Content::Float(_) => Self::Number,
            Content::String(_) => Self::String,
            Content::Sequence(_) => Self::Array,
            Content::Mapping(_) => Self::Object,
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        })
    }
}

/// The types of nodes, each once.
pub fn types<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> BTreeSet<JsonType> {
    nodes.into_iter().map(JsonType::of).collect()
}

/// What a path selects below a node, in document order; JSON null is selected too.
#[must_use]
pub fn select<'n>(path: &JsonPath, node: &'n Node) -> Vec<&'n Node> {
    let mut found = Vec::new();
    if let Some(steps) = path.steps() {
        walk(steps, node, &mut found);
    } else {
        let document = node.to_json();
        let selected: HashSet<_> =
            path.select(&document).into_iter().map(std::ptr::from_ref).collect();
        same(&selected, &document, node, &mut found);
    }
    found
}

/// Whether the text under these nested names is this one.
fn says(node: &Node, names: &[String], is: &str) -> bool {
    let at = names.iter().try_fold(node, |node, name| Some(&node.entry(name)?.value));
    at.is_some_and(|node| matches!(&node.content, Content::String(text) if text == is))
}

fn walk<'n>(steps: &[Step], node: &'n Node, found: &mut Vec<&'n Node>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(node);
        return;
    };
    match (step, &node.content) {
        (Step::Member(name), Content::Mapping(_)) => {
            if let Some(entry) = node.entry(name) {
                walk(rest, &entry.value, found);
            }
        }
        (Step::Index(index), Content::Sequence(items)) => {
            let at = if *index < 0 { items.len() as i64 + index } else { *index };
            if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
                walk(rest, item, found);
            }
        }
        (Step::Every, Content::Sequence(items)) => {
            for item in items {
                walk(rest, item, found);
            }
        }
        (Step::Where { member, is }, Content::Sequence(items)) => {
            items
                .iter()
                .filter(|item| says(item, member, is))
                .for_each(|item| walk(rest, item, found));
        }
        (Step::Where { member, is }, Content::Mapping(entries)) => {
            let values = entries.iter().map(|entry| &entry.value);
            values.filter(|item| says(item, member, is)).for_each(|item| walk(rest, item, found));
        }
        (Step::Every, Content::Mapping(entries)) => {
            for entry in entries {
                walk(rest, &entry.value, found);
            }
        }
        _ => {}
    }
}

/// The nodes of those values of the same document that were selected.
fn same<'n>(
    selected: &HashSet<*const Value>,
    value: &Value,
    node: &'n Node,
    found: &mut Vec<&'n Node>,
) {
    if selected.contains(&std::ptr::from_ref(value)) {
        found.push(node);
    }
    match &node.content {
        Content::Sequence(items) => {
            for (item, value) in items.iter().zip(value.as_array().into_iter().flatten()) {
                same(selected, value, item, found);
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                if let Some(value) = value.get(&entry.key) {
                    same(selected, value, &entry.value, found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_schema::scalar::Scalar;
    use longshore_schema::yaml;

    #[test]
    fn nodes_are_selected_as_values_are() {
        let text = r#"{"a": [{"b": 1, "c": null}, {"b": 2}], "d": {"e": "f"}}"#;
        let root = yaml::parse(text).unwrap().root;
        let document = root.to_json();
        for path in
            ["$", "$.a[*].b", "$.a[-1].b", "$.d.*", "$.a[?@.b == 2].b", "$..b", "$.a[0].c", "$.x"]
        {
            let path = JsonPath::parse(path).unwrap();
            let nodes: Vec<_> = select(&path, &root).into_iter().map(Node::to_json).collect();
            let values: Vec<_> = path.select(&document).into_iter().cloned().collect();
            assert_eq!(nodes, values, "{path}");
        }
    }
}
