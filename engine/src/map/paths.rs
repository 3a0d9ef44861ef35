//! The places in a record that a mapping reads, gathered into one tree so that one pass over the
//! record's bytes finds all of them.

use std::ops::Range;

use foldhash::HashMap;
use longshore_schema::scalar::Scalar as _;
use longshore_schema::{JsonPath, Step};
use serde_json::Value;

use super::datum::Datum;
use super::pick::{self, Pick};
use super::scan::{Fault, Scanner};
use crate::decode::Row;

/// The most members of a record whose order is learned, and the longest name.
const LEARNED_MEMBERS: usize = 512;
const LEARNED_NAME: usize = 256;

/// A place that is read, by its position in [`Slots::values`].
pub(super) type Slot = usize;

/// All places that a mapping reads.
#[derive(Debug, Default)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    /// The children of the root by name.
    members: HashMap<Box<str>, usize>,
    /// Paths that need the parsed record, and whether all that they find is wanted, as an array.
    general: Vec<(Slot, JsonPath, bool)>,
    /// Elements that are known by a text in them.
    picks: Vec<Pick>,
    /// The parts of the record that become an event each, if there are such.
    part: Option<Box<Part>>,
    /// The paths as written, by slot.
    texts: Vec<String>,
    /// Whether what no path reads is of no use.
    reads_only: bool,
}

/// The places in a part of a record.
#[derive(Debug)]
pub(super) struct Part {
    /// How paths into the part start: `$.events[*]`.
    prefix: String,
    /// The array of the parts.
    pub(super) array: Slot,
    pub(super) paths: Paths,
    /// The places that those in the part have among those of the record, in the same order.
    pub(super) outer: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Node {
    slot: Option<Slot>,
    is_ignored: bool,
    members: Vec<(Box<str>, usize)>,
    elements: Vec<(usize, usize)>,
}

impl Node {
    /// Whether nothing below is read.
    fn is_leaf(&self) -> bool {
        self.members.is_empty() && self.elements.is_empty()
    }
}

/// What one pass over a record found.
#[derive(Debug, Default)]
pub(super) struct Slots<'a> {
    pub(super) values: Vec<Datum<'a>>,
    /// Whether the event holds the slot's whole value.
    pub(super) used: Vec<bool>,
    pub(super) members: Vec<Member<'a>>,
    /// The members of the part that the event is of, in place of the array of the parts.
    pub(super) part: Option<(Slot, Vec<Member<'a>>)>,
}

/// A member of the record, to find out in the end what no attribute holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'a> {
    /// A member with a value; the slot that reads it as a whole, if one does.
    Value {
        name: Name<'a>,
        value: Datum<'a>,
        slot: Option<Slot>,
    },
    /// An object whose members follow, up to the matching `Leave`.
    Enter {
        name: Name<'a>,
        slot: Option<Slot>,
    },
    Leave,
}

/// A member's name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'a> {
    /// As a JSON string with its quotes.
    Quoted(&'a [u8]),
    /// A CSV column.
    Column(&'a str),
    /// A CSV field beyond the last column, counted from 1.
    Extra(usize),
}

/// The order of members that the records so far had: the next record's members are looked up there
/// first.
pub(super) type Shape = Vec<(Box<[u8]>, Option<usize>)>;

/// Empties a vector and keeps its memory, for items that borrow from something else.
fn recycle<A, B>(mut used: Vec<A>) -> Vec<B> {
    used.clear();
    used.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

impl Slots<'_> {
    /// The same memory, ready for another record.
    pub(super) fn recycle<'b>(self, count: usize) -> Slots<'b> {
        let Self { values, mut used, members, .. } = self;
        let mut values = recycle(values);
        values.resize(count, Datum::Missing);
        used.clear();
        used.resize(count, false);
        Slots { values, used, members: recycle(members), part: None }
    }
}

impl Paths {
    /// No paths yet. With `reads_only` the members of records are not noted.
    pub(super) fn new(reads_only: bool) -> Self {
        Self { nodes: vec![Node::default()], reads_only, ..Self::default() }
    }

    /// How many slots there are.
    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }

    /// The path of a slot, as written in the manifest.
    pub(super) fn text(&self, slot: Slot) -> &str {
        &self.texts[slot]
    }

    /// The slot of a path; the same for the same path.
    pub(super) fn add(&mut self, path: &JsonPath) -> Slot {
        if let Some(slot) = self.texts.iter().position(|text| text == path.as_str()) {
            return slot;
        }
        if let Some(inner) = self.in_part(path.as_str()) {
            return self.of_part(path.as_str(), |paths| paths.add(&inner));
        }
        let is_plain = |step: &Step| match step {
            Step::Member(_) => true,
            Step::Index(index) => *index >= 0,
            Step::Every | Step::Where { .. } => false,
        };
        if let Some(steps) = path.steps().filter(|steps| steps.iter().all(is_plain)) {
            return self.add_steps(steps, path.as_str());
        }
        if let Some(pick::Parts { to, member, is, on }) = pick::parts(path) {
            let array = self.add_steps(to, &format!("{to:?}"));
            let slot = self.new_slot(path.as_str());
            let known = self.picks.iter().position(|pick| pick.is_by(array, member));
            let at = known.unwrap_or_else(|| {
                self.picks.push(Pick::new(array, member));
                self.picks.len() - 1
            });
            self.picks[at].add(is, on, slot);
            return slot;
        }
        let slot = self.new_slot(path.as_str());
        self.general.push((slot, path.clone(), false));
        slot
    }

    /// The slot of the array whose elements a path selects, or of an array of all that it selects.
    pub(super) fn add_all(&mut self, path: &JsonPath) -> Slot {
        if let Some(array) = array_of(path) {
            return self.add(&array);
        }
        if let Some(inner) = self.in_part(path.as_str()) {
            return self.of_part(&format!("all of {path}"), |paths| paths.add_all(&inner));
        }
        let slot = self.new_slot(&format!("all of {path}"));
        self.general.push((slot, path.clone(), true));
        slot
    }

    /// Takes the elements that this path selects as parts of the record: paths that start with it
    /// are read in the part at hand. `None` if the path is not that of an array's elements.
    pub(super) fn start_part(&mut self, path: &JsonPath) -> Option<()> {
        let array = self.add(&array_of(path)?);
        let paths = Self::new(self.reads_only);
        let prefix = path.as_str().to_owned();
        self.part = Some(Box::new(Part { prefix, array, paths, outer: Vec::new() }));
        Some(())
    }

    /// The parts of the record that become an event each, if there are such.
    pub(super) fn part(&self) -> Option<&Part> {
        self.part.as_deref()
    }

    /// Whether a path leads into the part at hand.
    pub(super) fn is_in_part(&self, path: &JsonPath) -> bool {
        self.in_part(path.as_str()).is_some()
    }

    /// A path into the part at hand, as seen from there.
    fn in_part(&self, text: &str) -> Option<JsonPath> {
        let rest = text.strip_prefix(self.part.as_ref()?.prefix.as_str())?;
        let goes_on = rest.is_empty() || rest.starts_with(['.', '[']);
        goes_on.then(|| JsonPath::parse(&format!("${rest}")).ok()).flatten()
    }

    fn of_part(&mut self, text: &str, add: impl FnOnce(&mut Self) -> Slot) -> Slot {
        let Some(part) = self.part.as_mut() else { return self.new_slot(text) };
        let inner = add(&mut part.paths);
        if let Some(outer) = part.outer.get(inner) {
            return *outer;
        }
        // One path in the part may have taken several places there.
        for taken in part.outer.len()..part.paths.count() {
            let text = if taken == inner { text.to_owned() } else { format!("for {text}") };
            self.texts.push(text);
            part.outer.push(self.texts.len() - 1);
        }
        part.outer[inner]
    }

    /// The slot of nested member names of the part at hand; of the record if there are no parts.
    pub(super) fn add_part_members(&mut self, names: &[String]) -> Slot {
        if self.part.is_none() {
            return self.add_members(names);
        }
        self.of_part(&format!("item.{}", names.join(".")), |paths| paths.add_members(names))
    }

    /// The slot of nested member names.
    pub(super) fn add_members(&mut self, names: &[String]) -> Slot {
        let steps: Vec<_> = names.iter().cloned().map(Step::Member).collect();
        self.add_steps(&steps, &format!("$.{}", names.join(".")))
    }

    /// Marks a member of the record as of no use.
    pub(super) fn ignore(&mut self, name: &str) {
        let node = self.member(0, name);
        self.nodes[node].is_ignored = true;
    }

    fn new_slot(&mut self, text: &str) -> Slot {
        self.texts.push(text.to_owned());
        self.texts.len() - 1
    }

    pub(super) fn add_steps(&mut self, steps: &[Step], text: &str) -> Slot {
        let mut node = 0;
        for step in steps {
            node = match step {
                Step::Member(name) => self.member(node, name),
                Step::Index(index) => self.element(node, *index as usize),
                Step::Every | Step::Where { .. } => unreachable!("such paths are general"),
            };
        }
        if let Some(slot) = self.nodes[node].slot {
            return slot;
        }
        let slot = self.new_slot(text);
        self.nodes[node].slot = Some(slot);
        slot
    }

    fn member(&mut self, node: usize, name: &str) -> usize {
        if let Some((_, child)) =
            self.nodes[node].members.iter().find(|(known, _)| **known == *name)
        {
            return *child;
        }
        let child = self.nodes.len();
        self.nodes.push(Node::default());
        self.nodes[node].members.push((name.into(), child));
        if node == 0 {
            self.members.insert(name.into(), child);
        }
        child
    }

    fn element(&mut self, node: usize, index: usize) -> usize {
        if let Some((_, child)) =
            self.nodes[node].elements.iter().find(|(known, _)| *known == index)
        {
            return *child;
        }
        let child = self.nodes.len();
        self.nodes.push(Node::default());
        self.nodes[node].elements.push((index, child));
        child
    }

    /// Finds all plain paths in a JSON record.
    pub(super) fn read_json<'a>(
        &self,
        text: &'a str,
        slots: &mut Slots<'a>,
        shape: &mut Shape,
    ) -> Result<(), Fault> {
        let mut scanner = Scanner::new(text);
        let root = &self.nodes[0];
        let value = if scanner.peek() == b'{' {
            let start = scanner.position();
            let mut index = 0;
            scanner.members(|scanner| {
                let learned = match shape.get(index) {
                    Some((name, child)) => scanner.known_name(name)?.map(|name| (name, *child)),
                    None => None,
                };
                let (name, child) = if let Some(known) = learned {
                    known
                } else {
                    let (name, escaped) = scanner.name()?;
                    (name, self.unexpected_child(index, name, escaped, shape))
                };
                index += 1;
                if !self.reads_only {
                    return self.read_member(scanner, child, name, slots);
                }
                match child {
                    Some(child) => self.read_quietly(scanner, child, slots),
                    None => scanner.value().map(drop),
                }
            })?;
            Datum::Object(scanner.since(start))
        } else {
            let value = self.read_node(&mut scanner, 0, slots, None)?;
            if !self.reads_only {
                let name = Name::Column("_record");
                slots.members.push(Member::Value { name, value, slot: root.slot });
            }
            value
        };
        if let Some(slot) = root.slot {
            slots.values[slot] = value;
        }
        scanner.end()?;
        if !self.picks.is_empty() {
            let mut buffer = String::new();
            self.picks.iter().for_each(|pick| pick.read(slots, &mut buffer));
        }
        Ok(())
    }

    /// Which child of the root a column is.
    #[inline]
    fn column(&self, index: usize, name: &str, shape: &mut Shape) -> Option<usize> {
        match shape.get(index) {
            Some((known, child)) if **known == *name.as_bytes() => *child,
            _ => self.unexpected_child(index, name.as_bytes(), false, shape),
        }
    }

    #[cold]
    fn unexpected_child(
        &self,
        index: usize,
        name: &[u8],
        escaped: bool,
        shape: &mut Shape,
    ) -> Option<usize> {
        let child = if escaped {
            let name: String = serde_json::from_slice(name).ok()?;
            self.members.get(name.as_str()).copied()
        } else {
            let bare = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\""));
            let bare = std::str::from_utf8(bare.unwrap_or(name)).ok()?;
            self.members.get(bare).copied()
        };
        if index < LEARNED_MEMBERS && name.len() <= LEARNED_NAME {
            if shape.len() <= index {
                shape.resize(index + 1, (Box::default(), None));
            }
            shape[index] = (name.into(), child);
        }
        child
    }

    #[inline]
    fn read_member<'a>(
        &self,
        scanner: &mut Scanner<'a>,
        child: Option<usize>,
        name: &'a [u8],
        slots: &mut Slots<'a>,
    ) -> Result<(), Fault> {
        let name = Name::Quoted(name);
        let Some(child) = child else {
            let value = scanner.value()?;
            if !value.is_missing() {
                slots.members.push(Member::Value { name, value, slot: None });
            }
            return Ok(());
        };
        let node = &self.nodes[child];
        let value = if node.is_leaf() && !node.is_ignored {
            let value = scanner.value()?;
            if !value.is_missing() {
                slots.members.push(Member::Value { name, value, slot: node.slot });
            }
            value
        } else {
            let named = (!node.is_ignored).then_some(name);
            self.read_node(scanner, child, slots, named)?
        };
        if let Some(slot) = node.slot {
            slots.values[slot] = value;
        }
        Ok(())
    }

    /// Reads the value at a node and what is wanted below it. With a name, the members are noted.
    fn read_node<'a>(
        &self,
        scanner: &mut Scanner<'a>,
        node: usize,
        slots: &mut Slots<'a>,
        name: Option<Name<'a>>,
    ) -> Result<Datum<'a>, Fault> {
        let node = &self.nodes[node];
        let value = match scanner.peek() {
            b'{' if !node.members.is_empty() => {
                let start = scanner.position();
                if let Some(name) = name {
                    slots.members.push(Member::Enter { name, slot: node.slot });
                }
                scanner.members(|scanner| {
                    let (inner, escaped) = scanner.name()?;
                    let child = nested_child(node, inner, escaped);
                    if name.is_some() {
                        return self.read_member(scanner, child, inner, slots);
                    }
                    match child {
                        Some(child) => self.read_quietly(scanner, child, slots),
                        None => scanner.value().map(drop),
                    }
                })?;
                if name.is_some() {
                    slots.members.push(Member::Leave);
                }
                return Ok(Datum::Object(scanner.since(start)));
            }
            b'[' if !node.elements.is_empty() => {
                let start = scanner.position();
                scanner.elements(|scanner, index| {
                    match node.elements.iter().find(|(wanted, _)| *wanted == index) {
                        Some((_, child)) => self.read_quietly(scanner, *child, slots),
                        None => scanner.value().map(drop),
                    }
                })?;
                Datum::Array(scanner.since(start))
            }
            _ => scanner.value()?,
        };
        if let (Some(name), false) = (name, value.is_missing()) {
            slots.members.push(Member::Value { name, value, slot: node.slot });
        }
        Ok(value)
    }

    #[inline]
    fn read_quietly<'a>(
        &self,
        scanner: &mut Scanner<'a>,
        child: usize,
        slots: &mut Slots<'a>,
    ) -> Result<(), Fault> {
        let node = &self.nodes[child];
        let value = if node.is_leaf() {
            scanner.value()?
        } else {
            self.read_node(scanner, child, slots, None)?
        };
        if let Some(slot) = node.slot {
            slots.values[slot] = value;
        }
        Ok(())
    }

    /// Finds all plain paths in a CSV row.
    pub(super) fn read_row<'a>(&self, row: &Row<'a>, slots: &mut Slots<'a>, shape: &mut Shape) {
        let names = row.header().names();
        for (column, text) in row.fields().enumerate() {
            let value = Datum::field(text);
            let Some(name) = names.get(column) else {
                if !value.is_missing() && !self.reads_only {
                    let name = Name::Extra(column + 1 - names.len());
                    slots.members.push(Member::Value { name, value, slot: None });
                }
                continue;
            };
            let node = self.column(column, name, shape);
            let node = node.map(|node| &self.nodes[node]);
            let slot = node.and_then(|node| node.slot);
            if let Some(slot) = slot {
                slots.values[slot] = value;
            }
            let kept = !self.reads_only && !node.is_some_and(|node| node.is_ignored);
            if !value.is_missing() && kept {
                slots.members.push(Member::Value { name: Name::Column(name), value, slot });
            }
        }
    }

    /// Whether some paths need the parsed record.
    pub(super) fn needs_document(&self) -> bool {
        !self.general.is_empty()
    }

    /// The values of the general paths as JSON, and where in the text each slot's is.
    pub(super) fn select(&self, document: &Value) -> (String, Vec<(Slot, Range<usize>)>) {
        let mut text = String::new();
        let mut found = Vec::new();
        for (slot, path, all) in &self.general {
            if *all {
                let start = text.len();
                let found_all: Vec<_> = path.select(document);
                text.push_str(&serde_json::to_string(&found_all).unwrap_or_default());
                found.push((*slot, start..text.len()));
            } else if let Some(value) =
                path.select(document).into_iter().find(|value| !value.is_null())
            {
                let start = text.len();
                text.push_str(&value.to_string());
                found.push((*slot, start..text.len()));
            }
        }
        (text, found)
    }
}

/// The array whose elements a path selects: `$.items` for `$.items[*]`.
fn array_of(path: &JsonPath) -> Option<JsonPath> {
    JsonPath::parse(path.as_str().strip_suffix("[*]")?).ok()
}

fn nested_child(node: &Node, name: &[u8], escaped: bool) -> Option<usize> {
    let find = |name: &[u8]| {
        node.members.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, child)| *child)
    };
    if escaped {
        let name: String = serde_json::from_slice(name).ok()?;
        return find(name.as_bytes());
    }
    find(&name[1..name.len() - 1])
}

/// A CSV row as the JSON object that general paths are applied to.
pub(super) fn row_document(row: &Row<'_>) -> Value {
    let fields = row.header().names().iter().zip(row.fields());
    let members = fields.filter(|(_, text)| !text.is_empty());
    members.map(|(name, text)| (name.clone(), Value::from(text))).collect()
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;
    use proptest::prelude::*;

    use super::*;

    const PATHS: &[&str] = &[
        "$",
        "$.a",
        "$.a.b",
        "$.a.b.a",
        "$.b",
        "$.b[0]",
        "$.b[1].a",
        "$.b[1][0]",
        "$['c d']",
        "$[0]",
        "$[1].a",
    ];

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\\u{e9}]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let names = prop_oneof![Just("a"), Just("b"), Just("c d"), Just("x")];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names, inner), 0..5).prop_map(|members| {
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest! {
        /// The pass over the bytes finds what a query of the parsed document finds.
        #[test]
        fn both_ways_agree(documents in prop::collection::vec(document(), 1..4), is_pretty: bool) {
            let mut paths = Paths::new(false);
            let queries: Vec<_> = PATHS.iter().map(|text| JsonPath::parse(text).unwrap()).collect();
            let slots: Vec<_> = queries.iter().map(|path| paths.add(path)).collect();
            prop_assert!(!paths.needs_document());
            let mut shape = Shape::new();
            for document in &documents {
                let text = if is_pretty {
                    serde_json::to_string_pretty(document).unwrap()
                } else {
                    document.to_string()
                };
                // An escaped name is the same name.
                let text = text.replace("\"b\":", "\"\\u0062\":");
                let mut found = Slots::default().recycle(paths.count());
                paths.read_json(&text, &mut found, &mut shape).unwrap();
                for (query, slot) in queries.iter().zip(&slots) {
                    let expected = query.first(document).filter(|value| !value.is_null());
                    let mut json = Vec::new();
                    found.values[*slot].write(&mut json);
                    let read = serde_json::from_slice::<Value>(&json).ok();
                    prop_assert_eq!(read.as_ref(), expected, "{} of {}", query, text);
                }
            }
        }
    }
}
