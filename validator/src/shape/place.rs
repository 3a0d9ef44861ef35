//! Places in a manifest, and what they are called.

use longshore_schema::Span;
use longshore_schema::yaml::{Content, Node};

use super::schema;

/// A node with the way to it.
pub(super) struct Place<'n> {
    pub(super) path: Vec<String>,
    pub(super) key_span: Option<Span>,
    pub(super) node: &'n Node,
}

impl<'n> Place<'n> {
    /// The node that these keys and indexes lead to.
    pub(super) fn find(root: &'n Node, path: Vec<String>) -> Option<Self> {
        let mut place = Self { path, key_span: None, node: root };
        for key in &place.path {
            (place.key_span, place.node) = match &place.node.content {
                Content::Sequence(items) => (None, items.get(key.parse::<usize>().ok()?)?),
                _ => place.node.entry(key).map(|entry| (Some(entry.key_span), &entry.value))?,
            };
        }
        Some(place)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(String::as_str)
    }

    /// ` in ...` for findings about a mapping's keys.
    pub(super) fn within(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path.join(".")) }
    }

    /// What the value is called.
    pub(super) fn name(&self) -> String {
        match self.path.as_slice() {
            [] => "the manifest".to_owned(),
            [.., owner, _] if self.key_span.is_none() => format!("an entry of `{owner}`"),
            [.., last] => format!("`{last}`"),
        }
    }

    /// `...: ` before what is wrong with a value.
    pub(super) fn lead(&self) -> String {
        format!("{}: ", self.name())
    }

    /// ` for ...` for findings about a value.
    pub(super) fn at(&self) -> String {
        match self.path.as_slice() {
            [] => String::new(),
            [.., owner, _] if self.key_span.is_none() => format!(" in `{owner}`"),
            [.., last] => format!(" for `{last}`"),
        }
    }

    /// The key that leads here; for a list's item or the manifest, the first line of it.
    pub(super) fn label_span(&self, source: &str) -> Span {
        self.key_span.unwrap_or_else(|| self.head(source))
    }

    /// The node, as far as it stands on its first line.
    pub(super) fn head(&self, source: &str) -> Span {
        let span = self.node.span;
        let line =
            source.get(span.range()).and_then(|text| text.lines().next()).unwrap_or_default();
        Span::new(span.start as usize, span.start as usize + line.trim_end().len())
    }
}

/// Where a key that is unknown here may stand, written as a path; the place nearest to here.
pub(super) fn belongs(key: &str, place: &Place<'_>) -> Option<String> {
    let shared = |owner: &[&str]| {
        place.keys().zip(owner).take_while(|(here, there)| here == *there || **there == "*").count()
    };
    let candidates = schema::owners().iter().filter(|(name, _)| *name == key);
    // Names that stand in many unrelated places (`message`, `name`) say nothing.
    let (_, owner) = candidates
        .filter(|(_, owner)| shared(owner) > 0 || owner.len() <= 1)
        .max_by_key(|(_, owner)| (shared(owner), std::cmp::Reverse(owner.len())))?;
    if owner.is_empty() {
        return Some("the manifest itself".to_owned());
    }
    let shared = shared(owner);
    let words: Vec<_> = owner
        .iter()
        .enumerate()
        .map(|(n, word)| match place.path.get(n) {
            Some(here) if n < shared => here.as_str(),
            _ if *word == "*" => "NAME",
            _ => word,
        })
        .collect();
    Some(words.join("."))
}

/// The place of a byte offset in a scalar's text, if the source has the text verbatim; else the
/// whole scalar.
pub(super) fn inside(source: &str, span: Span, text: &str, offset: Option<usize>) -> Span {
    let whole = source.get(span.range()).unwrap_or_default();
    let (Some(offset), Some(start)) = (offset, whole.find(text)) else { return span };
    let Some(character) = text.get(offset..).map(|rest| rest.chars().next()) else { return span };
    let start = span.start as usize + start + offset;
    // What is missing at the end is missing from the whole.
    character.map_or(span, |character| Span::new(start, start + character.len_utf8()))
}
