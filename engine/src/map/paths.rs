//! The places in a record that a mapping reads, gathered into one tree so that one pass over the
//! record's bytes finds all of them.

mod read;

use foldhash::HashMap;
use longshore_schema::scalar::Scalar as _;
use longshore_schema::{JsonPath, Step};

use super::datum::Datum;
use super::pick::{self, Pick};
pub(super) use read::row_document;

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
}

/// The array whose elements a path selects: `$.items` for `$.items[*]`.
fn array_of(path: &JsonPath) -> Option<JsonPath> {
    JsonPath::parse(path.as_str().strip_suffix("[*]")?).ok()
}
