//! The walk of a tree along the published JSON Schema.
//!
//! It says the same as a JSON Schema checker over the tree as JSON would; the tests hold it
//! against one. The manifest language is small and closed, which makes the walk short, and it
//! needs no second copy of the tree.

use longshore_schema::yaml::{Content, Entry, Node};

use super::compiled::{Additional, Id, Schema, schemas};

/// One way in which a tree does not satisfy the schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mismatch {
    /// The keys and indexes that lead to the value.
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
}

/// The keyword that is not satisfied, with what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `additionalProperties`: these keys are not known.
    Unknown(Vec<String>),
    /// `required`: this key is missing.
    Missing(&'static str),
    /// `type`.
    Type,
    /// `enum`: the value is none of these.
    Choice(&'static [&'static str]),
    /// `format`: the text is not in the format of this name.
    Format(&'static str),
    /// `propertyNames`: this key is not in the format of this name, if it is a format that it
    /// does not satisfy.
    Name(String, Option<&'static str>),
    /// `minProperties` or `maxProperties`.
    Count,
    /// `minItems`.
    Empty,
    /// `minimum`, with the limit.
    Minimum(f64),
    /// `maximum`, with the limit.
    Maximum(f64),
}

/// Everything in a tree that does not satisfy the published schema, up to `limit` mismatches.
pub(super) fn mismatches(root: &Node, limit: usize) -> Vec<Mismatch> {
    let schemas = schemas();
    let mut walk = Walk { schemas, path: Vec::new(), found: Vec::new(), limit };
    walk.node(schemas.len() - 1, root);
    walk.found.truncate(limit);
    walk.found
}

#[derive(Clone, Copy)]
enum Step<'n> {
    Key(&'n str),
    Index(usize),
}

struct Walk<'n> {
    schemas: &'static [Schema],
    path: Vec<Step<'n>>,
    found: Vec<Mismatch>,
    limit: usize,
}

impl<'n> Walk<'n> {
    fn add(&mut self, kind: Kind) {
        let text = |step: &Step<'_>| match step {
            Step::Key(key) => (*key).to_owned(),
            Step::Index(index) => index.to_string(),
        };
        self.found.push(Mismatch { path: self.path.iter().map(text).collect(), kind });
    }

    fn inner(&mut self, step: Step<'n>, schema: Id, node: &'n Node) {
        self.path.push(step);
        self.node(schema, node);
        self.path.pop();
    }

    fn node(&mut self, id: Id, node: &'n Node) {
        let schema = &self.schemas[id];
        if self.found.len() >= self.limit {
            return;
        }
        if let Some(target) = schema.reference {
            self.node(target, node);
        }
        if !schema.allows(&node.content) {
            self.add(Kind::Type);
        }
        match &node.content {
            Content::Mapping(entries) => self.mapping(schema, entries),
            Content::Sequence(items) => {
                if items.len() < schema.min_items {
                    self.add(Kind::Empty);
                }
                if let Some(inner) = schema.items {
                    for (index, item) in items.iter().enumerate() {
                        self.inner(Step::Index(index), inner, item);
                    }
                }
            }
            Content::String(text) => self.text(schema, text),
            Content::Integer(number) => self.number(schema, *number as f64),
            Content::Float(number) => self.number(schema, *number),
            Content::Bool(_) | Content::Null => {}
        }
        if let Some(choices) = &schema.choices
            && !matches!(&node.content, Content::String(text) if choices.contains(&text.as_str()))
        {
            self.add(Kind::Choice(choices));
        }
        if let Some(condition) = schema.condition {
            let branch =
                if self.satisfies(condition, node) { schema.then } else { schema.otherwise };
            if let Some(branch) = branch {
                self.node(branch, node);
            }
        }
    }

    fn satisfies(&self, schema: Id, node: &Node) -> bool {
        let mut walk =
            Walk { schemas: self.schemas, path: Vec::new(), found: Vec::new(), limit: 1 };
        walk.node(schema, node);
        walk.found.is_empty()
    }

    fn mapping(&mut self, schema: &'static Schema, entries: &'n [Entry]) {
        for key in &schema.required {
            if !entries.iter().any(|entry| entry.key == *key) {
                self.add(Kind::Missing(key));
            }
        }
        let count = entries.len();
        if count < schema.min_properties || schema.max_properties.is_some_and(|most| count > most) {
            self.add(Kind::Count);
        }
        let mut unknown = Vec::new();
        for entry in entries {
            if let Some(names) = schema.property_names {
                self.name(&self.schemas[names], &entry.key);
            }
            let inner = match (schema.property(&entry.key), schema.additional) {
                (Some(inner), _) | (None, Additional::Like(inner)) => inner,
                (None, Additional::Free) => continue,
                (None, Additional::None) => {
                    unknown.push(entry.key.clone());
                    continue;
                }
            };
            self.inner(Step::Key(&entry.key), inner, &entry.value);
        }
        if !unknown.is_empty() {
            self.add(Kind::Unknown(unknown));
        }
    }

    fn name(&mut self, names: &'static Schema, key: &str) {
        if let Some(format) = &names.format
            && (format.check)(key).is_err()
        {
            self.add(Kind::Name(key.to_owned(), Some(format.name)));
        }
        if names.choices.as_ref().is_some_and(|choices| !choices.contains(&key)) {
            self.add(Kind::Name(key.to_owned(), None));
        }
    }

    fn text(&mut self, schema: &'static Schema, text: &str) {
        if let Some(format) = &schema.format
            && (format.check)(text).is_err()
        {
            self.add(Kind::Format(format.name));
        }
    }

    fn number(&mut self, schema: &Schema, number: f64) {
        if let Some(limit) = schema.minimum.filter(|limit| number < *limit) {
            self.add(Kind::Minimum(limit));
        }
        if let Some(limit) = schema.maximum.filter(|limit| number > *limit) {
            self.add(Kind::Maximum(limit));
        }
    }
}

#[cfg(test)]
mod tests;
