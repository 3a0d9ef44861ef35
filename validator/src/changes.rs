//! What was changed since an earlier manifest, and how much it asks of whoever uses the connector.
//!
//! Trees are compared, so comments, quotes, line breaks and the order of keys are no change, and a
//! value is the same as a list of it alone. The order of a list counts, and that of facts and steps,
//! which are asked in turn.

mod meaning;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use longshore_schema::scalar::{Scalar, Version};
use longshore_schema::yaml::{self, Content, Entry, Node};
use longshore_schema::{LineIndex, Span};

/// An earlier manifest to compare with.
///
/// It need not satisfy the language as it is today: only its id and version are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) root: Node,
}

/// Why a text cannot be compared with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be read as YAML.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line of the first mistake, counted from 1.
        line: usize,
        /// Its column in characters, counted from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A key is missing, or not what a manifest has there.
    #[error("`{0}` is missing or cannot be read")]
    Key(&'static str),
}

impl Base {
    /// Reads an earlier manifest.
    ///
    /// # Errors
    /// The text is not YAML, or has no `id` or `version`.
    pub fn read(source: &str) -> Result<Self, Error> {
        let root = match yaml::parse_values(source) {
            Ok(document) => document.root,
            Err(mut errors) => {
                let error = if errors.is_empty() { None } else { Some(errors.swap_remove(0)) };
                let start = error.as_ref().map_or(0, |error| error.span.start);
                let (line, column) = LineIndex::new(source).position(source, start);
                let message = error.map(|error| error.message).unwrap_or_default();
                return Err(Error::Syntax { line, column, message });
            }
        };
        let id = text_at(&root, "id").ok_or(Error::Key("id"))?.to_owned();
        let version = version_of(&root).ok_or(Error::Key("version"))?;
        Ok(Self { id, version, root })
    }
}

/// The version that a manifest says it has.
pub(crate) fn version_of(root: &Node) -> Option<Version> {
    Version::parse(text_at(root, "version")?).ok()
}

/// The text that a key of a mapping holds.
pub(crate) fn text_at<'m>(node: &'m Node, key: &str) -> Option<&'m str> {
    text_of(&node.entry(key)?.value)
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.content {
        Content::String(text) => Some(text),
        _ => None,
    }
}

/// What a change asks of those who use the connector, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    Correction,
    /// Nothing, but there is something that they may use.
    Addition,
    /// To do something, or to do without something.
    Break,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it asks of those who use the connector.
    pub effect: Effect,
    /// The place in the later manifest; what was removed is at the key that it stood under.
    pub span: Span,
    /// What it is, in a clause without a full stop: "the stream `users` was removed".
    pub text: String,
}

/// What was changed between two trees, the worst first, then by place. The version and the id are
/// not looked at.
#[must_use]
pub fn changes(old: &Node, new: &Node) -> Vec<Change> {
    let mut walk = Walk { path: Vec::new(), found: Vec::new() };
    walk.mappings(old.entries(), new.entries(), start(new));
    walk.needed_inputs(old, new);
    let mut found = walk.found;
    found.sort_by(|a, b| (b.effect, a.span.start).cmp(&(a.effect, b.span.start)));
    let mut worst = HashMap::new();
    for change in &found {
        worst.entry(change.span).or_insert(change.effect);
    }
    found.retain(|change| worst.get(&change.span) == Some(&change.effect));
    found
}

/// One comparison.
struct Walk<'m> {
    /// The keys that lead to what is compared; an item of a list is there as its text.
    path: Vec<&'m str>,
    found: Vec<Change>,
}

/// What happened to a value.
#[derive(Clone, Copy)]
enum Event {
    Added,
    Removed,
    Changed,
}

impl<'m> Walk<'m> {
    /// Compares two values; `at` is the key that holds the new one.
    fn values(&mut self, old: &'m Node, new: &'m Node, at: Span) {
        if let ["streams", _, "map"] = self.path[..] {
            self.classes(old, new, at);
        }
        // A key stays or is another one as a whole.
        let is_whole = matches!(self.path[..], ["streams", _, "key"]);
        match (&old.content, &new.content) {
            _ if is_whole => {
                if canonical(old) != canonical(new) {
                    self.note(Event::Changed, at);
                }
            }
            (Content::Mapping(old), Content::Mapping(new)) => self.mappings(old, new, at),
            (Content::Sequence(old), Content::Sequence(new)) => self.lists(old, new, at),
            (Content::Sequence(items), _) => self.lists(items, std::slice::from_ref(new), at),
            (_, Content::Sequence(items)) => self.lists(std::slice::from_ref(old), items, at),
            (old, new) if old == new => {}
            _ => self.note(Event::Changed, at),
        }
    }

    fn mappings(&mut self, old: &'m [Entry], new: &'m [Entry], at: Span) {
        let by_key = |entries: &'m [Entry]| -> HashMap<&'m str, &'m Entry> {
            entries.iter().map(|entry| (entry.key.as_str(), entry)).collect()
        };
        let (before, after) = (by_key(old), by_key(new));
        let is_compared = |entry: &&'m Entry| {
            !self.path.is_empty() || !["id", "version"].contains(&entry.key.as_str())
        };
        let (old, new): (Vec<_>, Vec<_>) =
            (old.iter().filter(is_compared).collect(), new.iter().filter(is_compared).collect());
        for entry in &new {
            self.path.push(&entry.key);
            match before.get(entry.key.as_str()) {
                Some(earlier) => self.values(&earlier.value, &entry.value, entry.key_span),
                None => self.one_sided(Event::Added, &entry.value, entry.key_span),
            }
            self.path.pop();
        }
        for entry in old.iter().filter(|entry| !after.contains_key(entry.key.as_str())) {
            self.path.push(&entry.key);
            self.one_sided(Event::Removed, &entry.value, at);
            self.path.pop();
        }
        if matches!(self.path[..], ["facts"] | ["streams", _, "steps"]) {
            let order = |entries: &[&'m Entry], others: &HashMap<&str, &Entry>| -> Vec<&'m str> {
                let keys = entries.iter().map(|entry| entry.key.as_str());
                keys.filter(|key| others.contains_key(key)).collect()
            };
            if order(&old, &after) != order(&new, &before) {
                self.note(Event::Changed, at);
            }
        }
    }

    /// A key that only one side has. Where its entries have a meaning of their own, each is a change.
    fn one_sided(&mut self, event: Event, value: &'m Node, at: Span) {
        let is_collection = matches!(
            self.path[..],
            ["inputs"
                | "quotas"
                | "errors"
                | "facts"
                | "streams"
                | "permissions"
                | "prerequisites"
                | "settings"
                | "posture"
                | "actions"]
                | ["posture", "checks"]
                | ["actions", _, "inputs"]
                | ["auth", "oauth2", "grants", _, "scopes"]
                | ["streams", _, "map", "shared"]
        );
        match (&value.content, event) {
            (Content::Mapping(entries), Event::Added) if is_collection => {
                self.mappings(&[], entries, at);
            }
            (Content::Mapping(entries), _) if is_collection => self.mappings(entries, &[], at),
            (Content::Sequence(items), Event::Added) if is_collection => {
                self.lists(&[], items, at);
            }
            (Content::Sequence(items), _) if is_collection => self.lists(items, &[], at),
            _ => self.note(event, at),
        }
    }

    /// Compares lists: what is on both sides stays, whatever has the same condition was changed, and
    /// mappings that are left are taken for changed in order.
    fn lists(&mut self, old: &'m [Node], new: &'m [Node], at: Span) {
        let mut left: Vec<&Node> = old.iter().collect();
        let mut rest: Vec<&Node> = new.iter().collect();
        let kept = pairs(&mut left, &mut rest, |node| Some(canonical(node)));
        if left.is_empty() && rest.is_empty() && !kept.is_sorted_by_key(|pair| pair.index) {
            self.note(Event::Changed, at);
        }
        let of_mapping = |node: &Node| match node.content {
            Content::Mapping(_) => Some(()),
            _ => None,
        };
        let condition = |node: &Node| {
            let entry = node.entry("when").or_else(|| node.entry("is"))?;
            Some(canonical(&entry.value))
        };
        let mut changed = pairs(&mut left, &mut rest, condition);
        changed.extend(pairs(&mut left, &mut rest, of_mapping));
        for Pair { old, new, .. } in changed {
            self.path.push("");
            self.values(old, new, start(new));
            self.path.pop();
        }
        for node in rest {
            self.path.push(text_of(node).unwrap_or_default());
            self.note(Event::Added, start(node));
            self.path.pop();
        }
        for node in left {
            self.path.push(text_of(node).unwrap_or_default());
            self.note(Event::Removed, at);
            self.path.pop();
        }
    }

    /// The class of each kind of record stays what it was.
    fn classes(&mut self, old: &'m Node, new: &'m Node, at: Span) {
        let (before, after) = (classes(old), classes(new));
        let later: HashMap<_, _> =
            after.iter().map(|(kind, class, span)| (kind.as_str(), (*class, *span))).collect();
        for (kind, class, _) in &before {
            let (span, text) = match later.get(kind.as_str()) {
                Some((later, _)) if later == class => continue,
                Some((_, span)) => (*span, format!("the class was `{class}`")),
                None if kind.is_empty() => (at, format!("the class was always `{class}`")),
                None => (at, format!("the case {kind} was removed")),
            };
            self.found.push(Change { effect: Effect::Break, span, text });
        }
    }

    /// Whoever has connected is not asked for more.
    fn needed_inputs(&mut self, old: &'m Node, new: &'m Node) {
        let (grants, before) = (grants(old), needed(old));
        let mut asked = HashSet::new();
        for (grant, input) in needed(new) {
            if grants.contains(&grant) && !before.contains(&(grant, input)) && asked.insert(input) {
                let span = new.entry("inputs").and_then(|inputs| inputs.value.entry(input));
                self.found.push(Change {
                    effect: Effect::Break,
                    span: span.map_or(new.span, |entry| entry.key_span),
                    text: format!("the input `{input}` must be given now"),
                });
            }
        }
    }

    /// Notes what happened to the value that the path leads to.
    fn note(&mut self, event: Event, span: Span) {
        let (effect, why) = meaning::effect(event, &self.path);
        let what = match event {
            Event::Added => "was added",
            Event::Removed => "was removed",
            Event::Changed => "was changed",
        };
        let text = format!("{} {what}{why}", meaning::name(&self.path));
        self.found.push(Change { effect, span, text });
    }
}

/// An item of two lists.
struct Pair<'m> {
    old: &'m Node,
    new: &'m Node,
    /// Where it was among those that were left.
    index: usize,
}

/// Takes out of both lists what has the same mark, in the order of the new one.
fn pairs<'m, M: std::hash::Hash + Eq>(
    old: &mut Vec<&'m Node>,
    new: &mut Vec<&'m Node>,
    mark: impl Fn(&Node) -> Option<M>,
) -> Vec<Pair<'m>> {
    let mut waiting: HashMap<M, Vec<usize>> = HashMap::new();
    for (index, node) in old.iter().enumerate().rev() {
        if let Some(mark) = mark(node) {
            waiting.entry(mark).or_default().push(index);
        }
    }
    let mut found = Vec::new();
    new.retain(|node| {
        let index = mark(node).and_then(|mark| waiting.get_mut(&mark)?.pop());
        if let Some(index) = index {
            found.push(Pair { old: old[index], new: node, index });
        }
        index.is_none()
    });
    let taken: HashSet<usize> = found.iter().map(|pair| pair.index).collect();
    let mut index = 0;
    old.retain(|_| {
        index += 1;
        !taken.contains(&(index - 1))
    });
    found
}

/// The kinds of records of a map, with their classes and where these are named. The kind is empty if
/// there is one for all.
fn classes(map: &Node) -> Vec<(String, &str, Span)> {
    let mut cases = vec![(String::new(), map)];
    for case in map.entry("cases").map_or(&[][..], |cases| items(&cases.value)) {
        if let Some(is) = case.entry("is") {
            cases.extend(items(&is.value).iter().map(|value| {
                let shown = text_of(value).map_or_else(|| canonical(value), ToOwned::to_owned);
                (format!("`{shown}`"), case)
            }));
        } else if let Some(activity) = case.entry("activity") {
            let kinds = activity.value.entries().iter();
            cases.extend(kinds.map(|entry| (format!("`{}`", entry.key), case)));
        }
    }
    if let Some(otherwise) = map.entry("else") {
        cases.push(("`else`".to_owned(), &otherwise.value));
    }
    let named = cases.into_iter().filter_map(|(kind, case)| {
        let to = &case.entry("to")?.value;
        Some((kind, text_of(to)?, to.span))
    });
    named.collect()
}

/// The ways to sign in that a manifest offers; an app without OAuth has one without a name.
fn grants(root: &Node) -> Vec<&str> {
    let oauth2 = root.entry("auth").and_then(|auth| auth.value.entry("oauth2"));
    let Some(oauth2) = oauth2 else { return vec![""] };
    let grants = oauth2.value.entry("grants");
    let grants = grants.map_or(&[][..], |grants| grants.value.entries());
    grants.iter().map(|grant| grant.key.as_str()).collect()
}

/// The inputs that must be given, each with the way to sign in that needs it.
fn needed(root: &Node) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let offered = grants(root);
    let inputs = root.entry("inputs").map_or(&[][..], |inputs| inputs.value.entries());
    for input in inputs.iter().filter(|input| input.value.entry("default").is_none()) {
        let only = input.value.entry("grants");
        let only: Option<Vec<_>> =
            only.map(|only| items(&only.value).iter().filter_map(text_of).collect());
        for grant in &offered {
            if only.as_ref().is_none_or(|only| only.contains(grant)) {
                found.push((*grant, input.key.as_str()));
            }
        }
    }
    found
}

/// The items of a list, or the value itself.
fn items(node: &Node) -> &[Node] {
    match &node.content {
        Content::Sequence(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// Where a value starts: a mapping with its first key.
fn start(node: &Node) -> Span {
    node.entries().first().map_or(node.span, |entry| entry.key_span)
}

/// The value as text that is the same for all that mean the same.
fn canonical(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    text
}

fn write(node: &Node, text: &mut String) {
    match &node.content {
        Content::Sequence(items) if items.len() != 1 => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Content::Sequence(items) => items.iter().for_each(|item| write(item, text)),
        Content::Mapping(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|entry| &entry.key);
            text.push('{');
            for entry in entries {
                let _ = write!(text, "{:?}:", entry.key);
                write(&entry.value, text);
                text.push(',');
            }
            text.push('}');
        }
        Content::Null => text.push_str("null"),
        Content::Bool(value) => {
            let _ = write!(text, "{value}");
        }
        Content::Integer(value) => {
            let _ = write!(text, "{value}");
        }
        Content::Float(value) => {
            let _ = write!(text, "{value:?}");
        }
        Content::String(value) => {
            let _ = write!(text, "{value:?}");
        }
    }
}
