//! A compiled mapping, and how it writes an event.

use foldhash::HashMap;
use regex::Regex;

use super::condition::Conditions;
use super::convert::{Conversion, Target};
use super::datum::{Datum, write_string};
use super::each::{Each, elements};
use super::paths::{Member, Name, Shape, Slot, Slots};
use super::scan::Scanner;
use super::template::Text;

/// Texts that live no longer than one value.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    written: String,
    matched: String,
    pub(super) compared: String,
    converted: String,
    checked: String,
    shown: Vec<Slot>,
    open: Vec<usize>,
    /// The observables of the event that is written, each with a comma behind it.
    pub(super) observables: Vec<u8>,
    /// Memory for the shapes of elements.
    pub(super) shapes: Vec<Shape>,
}

/// What one event is written from.
pub(super) struct Run<'r, 'a> {
    pub(super) slots: &'r mut Slots<'a>,
    pub(super) buffers: &'r mut Buffers,
    /// The event's key in lower case hexadecimal digits.
    pub(super) uid: &'r [u8; 32],
}

/// Where a value is written: the attribute's name, type and, for an element, array.
#[derive(Debug)]
pub(super) struct Field {
    /// `"name":`, and `[` for arrays; nothing for enums, which write their names themselves.
    pub(super) open: Box<[u8]>,
    /// `,` or `],`.
    pub(super) close: &'static [u8],
    pub(super) target: Target,
    /// The attribute is an array and every element of an array is written.
    pub(super) is_whole: bool,
}

/// How much of a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Nothing,
    Part,
    Whole,
}

impl Field {
    /// Appends the attribute with a comma behind it.
    #[inline]
    pub(super) fn write(
        &self,
        value: Datum<'_>,
        conversion: Option<&Conversion>,
        [converted, checked]: [&mut String; 2],
        out: &mut Vec<u8>,
    ) -> Written {
        if let (true, Datum::Array(raw)) = (self.is_whole, value) {
            return self.write_elements(raw, conversion, [converted, checked], out);
        }
        if let (Target::Text(None), Datum::String { raw, .. }, None) =
            (&self.target, value, conversion)
        {
            // Most values of most records.
            out.reserve(self.open.len() + raw.len() + self.close.len());
            out.extend_from_slice(&self.open);
            out.extend_from_slice(raw.as_bytes());
            out.extend_from_slice(self.close);
            return Written::Whole;
        }
        let value = match conversion {
            Some(conversion) => conversion.apply(value, converted),
            None => value,
        };
        if value.is_missing() {
            return Written::Nothing;
        }
        if let Target::Enum(values) = &self.target {
            let written = values.write(value, checked, out);
            return if written { Written::Whole } else { Written::Nothing };
        }
        let start = out.len();
        out.extend_from_slice(&self.open);
        if self.target.write(value, checked, out) {
            out.extend_from_slice(self.close);
            return Written::Whole;
        }
        out.truncate(start);
        Written::Nothing
    }

    fn write_elements(
        &self,
        raw: &str,
        conversion: Option<&Conversion>,
        [converted, checked]: [&mut String; 2],
        out: &mut Vec<u8>,
    ) -> Written {
        let start = out.len();
        let mut all = true;
        out.extend_from_slice(&self.open);
        let first = out.len();
        // The record was scanned before, so there is no fault.
        let scanned = Scanner::new(raw).elements(|scanner, _| {
            let value = scanner.value()?;
            let value = match conversion {
                Some(conversion) => conversion.apply(value, converted),
                None => value,
            };
            if self.target.write(value, checked, out) {
                out.push(b',');
            } else {
                all = false;
            }
            Ok(())
        });
        if out.len() == first || scanned.is_err() {
            out.truncate(start);
            return Written::Nothing;
        }
        out.pop();
        out.extend_from_slice(self.close);
        if all { Written::Whole } else { Written::Part }
    }
}

/// An attribute with its name, value and comma, ready to be copied.
pub(super) type Finished = Box<[u8]>;

/// Where a value comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// The first of these with a value.
    Slots(Vec<Slot>),
    Text(Text),
}

/// An attribute that depends on the record.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) field: Field,
    pub(super) origin: Origin,
    /// What the value is listed as among the event's observables, up to the value itself.
    pub(super) observable: Option<Box<[u8]>>,
    pub(super) conditions: Option<Conditions>,
    pub(super) capture: Option<Regex>,
    /// The finished attribute for particular values; `None` for what the attribute cannot hold.
    pub(super) when: Option<HashMap<Box<str>, Option<Finished>>>,
    pub(super) conversion: Option<Conversion>,
    /// The finished attribute if there is no value.
    pub(super) otherwise: Option<Finished>,
}

impl Leaf {
    /// Whether the value is always what one place says, converted in this way.
    pub(super) fn is_plainly(&self, slot: Slot, conversion: &Conversion) -> bool {
        let is_free = self.conditions.is_none() && self.capture.is_none() && self.when.is_none();
        let from = matches!(&self.origin, Origin::Slots(from) if **from == [slot]);
        let same = self.conversion.as_ref() == Some(conversion);
        is_free && self.otherwise.is_none() && from && same
    }

    /// Appends the attribute with a comma behind it; `false` if there is no value.
    #[inline]
    fn write(&self, run: &mut Run<'_, '_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if self.write_value(run.slots, run.buffers, out) {
            if let Some(observable) = &self.observable {
                self.observe(observable, &out[start..], &mut run.buffers.observables);
            }
            return true;
        }
        let Some(members) = &self.otherwise else { return false };
        out.extend_from_slice(members);
        true
    }

    /// Lists what was written among the observables, as texts.
    #[cold]
    fn observe(&self, open: &[u8], written: &[u8], observables: &mut Vec<u8>) {
        let close = self.field.close;
        let value = written.strip_prefix(&*self.field.open).and_then(|v| v.strip_suffix(close));
        let Some(value) = value.and_then(|value| std::str::from_utf8(value).ok()) else { return };
        let array = format!("[{value}]");
        for value in elements(Datum::parse(&array)) {
            observables.extend_from_slice(open);
            if value.starts_with('"') {
                observables.extend_from_slice(value.as_bytes());
            } else {
                observables.extend_from_slice(format!("\"{value}\"").as_bytes());
            }
            observables.extend_from_slice(b"},");
        }
    }

    #[inline]
    fn write_value(&self, slots: &mut Slots<'_>, buffers: &mut Buffers, out: &mut Vec<u8>) -> bool {
        let Buffers { written, matched, compared, converted, checked, shown, .. } = buffers;
        if let Some(conditions) = &self.conditions
            && !conditions.hold(slots, compared)
        {
            return false;
        }
        let (mut value, slot) = match &self.origin {
            Origin::Slots(from) => {
                let found = from.iter().find(|slot| !slots.values[**slot].is_missing());
                let Some(slot) = found else { return false };
                (slots.values[*slot], Some(*slot))
            }
            Origin::Text(text) => {
                written.clear();
                shown.clear();
                if !text.write(slots, shown, written) || written.is_empty() {
                    return false;
                }
                (Datum::Text(written), None)
            }
        };
        let mut is_whole = true;
        if let Some(capture) = &self.capture {
            let Some(text) = value.text(matched) else { return false };
            let group = capture.captures(text).and_then(|captures| captures.get(1));
            let Some(group) = group.filter(|group| !group.is_empty()) else { return false };
            is_whole = group.len() == text.len();
            value = Datum::Text(group.as_str());
        }
        let mut replacement = None;
        if let Some(when) = &self.when {
            replacement = value.text(compared).and_then(|text| when.get(text));
            if replacement.is_none() && self.otherwise.is_some() {
                return false;
            }
        }
        match replacement {
            Some(Some(members)) => out.extend_from_slice(members),
            Some(None) => return false,
            None => {
                let buffers = [converted, checked];
                match self.field.write(value, self.conversion.as_ref(), buffers, out) {
                    Written::Nothing => return false,
                    Written::Part => is_whole = false,
                    Written::Whole => {}
                }
            }
        }
        if is_whole {
            let shown = if slot.is_some() { &[] } else { shown.as_slice() };
            for slot in shown.iter().copied().chain(slot) {
                slots.used[slot] = true;
            }
        }
        true
    }
}

/// A part of an event.
#[derive(Debug)]
pub(super) enum Item {
    /// Members that are always the same, each with a comma behind it.
    Constant(Vec<u8>),
    Leaf(Box<Leaf>),
    Object(Object),
    /// An array of objects made of elements.
    Each(Box<Each>),
    /// `metadata.uid`.
    Uid,
}

/// An object of an event, or an array that holds one such object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) is_element: bool,
    /// `"name":{`, and `[` before the brace for an element.
    open: Box<[u8]>,
    pub(super) items: Vec<Item>,
}

impl Object {
    pub(super) fn new(name: &str, is_element: bool) -> Self {
        let open = format!("\"{name}\":{}", if is_element { "[{" } else { "{" });
        let open = open.into_bytes().into();
        Self { name: name.to_owned(), is_element, open, items: Vec::new() }
    }

    /// The object at a path of (name, whether it is an array's element) below this one.
    pub(super) fn at(&mut self, path: &[(&str, bool)]) -> &mut Self {
        let Some(((name, is_element), rest)) = path.split_first() else { return self };
        let is_it = |item: &Item| matches!(item, Item::Object(object) if object.name == *name && object.is_element == *is_element);
        let index = self.items.iter().position(is_it).unwrap_or_else(|| {
            self.items.push(Item::Object(Self::new(name, *is_element)));
            self.items.len() - 1
        });
        match &mut self.items[index] {
            Item::Object(object) => object.at(rest),
            _ => unreachable!("the position of an object"),
        }
    }

    /// Appends a member that is always the same to the last one, if that is one too.
    pub(super) fn constant(&mut self, members: &[u8]) {
        if let Some(Item::Constant(before)) = self.items.last_mut() {
            before.extend_from_slice(members);
        } else {
            self.items.push(Item::Constant(members.to_vec()));
        }
    }

    /// Whether no part depends on the record.
    fn is_constant(&self) -> bool {
        self.items.iter().all(|item| match item {
            Item::Constant(_) => true,
            Item::Object(object) => object.is_constant(),
            Item::Leaf(_) | Item::Each(_) | Item::Uid => false,
        })
    }

    /// Turns what is constant into bytes. Called once, when all is in its place.
    pub(super) fn finish(mut self) -> Self {
        let mut finished = Self::new(&self.name, self.is_element);
        for item in self.items.drain(..) {
            match item {
                Item::Constant(members) => finished.constant(&members),
                Item::Object(object) if object.is_constant() => {
                    let mut members = Vec::new();
                    let object = object.finish();
                    members.extend_from_slice(&object.open);
                    for item in &object.items {
                        if let Item::Constant(inner) = item {
                            members.extend_from_slice(inner);
                        }
                    }
                    object.close(&mut members);
                    finished.constant(&members);
                }
                Item::Object(object) => finished.items.push(Item::Object(object.finish())),
                Item::Leaf(_) | Item::Each(_) | Item::Uid => finished.items.push(item),
            }
        }
        finished
    }

    /// Replaces the last member's comma by the object's end.
    fn close(&self, out: &mut Vec<u8>) {
        out.pop();
        out.extend_from_slice(if self.is_element { b"}]," as &[u8] } else { b"}," });
    }

    /// Appends the members, each with a comma behind it; whether one of them came from the record.
    pub(super) fn write_items(&self, run: &mut Run<'_, '_>, out: &mut Vec<u8>) -> bool {
        let mut has_value = false;
        for item in &self.items {
            match item {
                Item::Constant(members) => out.extend_from_slice(members),
                Item::Leaf(leaf) => has_value |= leaf.write(run, out),
                Item::Each(each) => has_value |= each.write(run, out),
                Item::Object(object) => {
                    let start = out.len();
                    out.extend_from_slice(&object.open);
                    if object.write_items(run, out) {
                        object.close(out);
                        has_value = true;
                    } else {
                        out.truncate(start);
                    }
                }
                Item::Uid => {
                    out.extend_from_slice(b"\"uid\":\"");
                    out.extend_from_slice(run.uid);
                    out.extend_from_slice(b"\",");
                    has_value = true;
                }
            }
        }
        has_value
    }
}

/// An activity of a case.
#[derive(Debug)]
pub(super) struct Activity {
    /// What every event of this activity starts with: `{"activity_id":1,...,`.
    pub(super) head: Box<[u8]>,
    /// For "Other": `head` ends behind `"activity_name":`, the source's own word follows, then this.
    pub(super) behind_word: Option<Box<[u8]>>,
}

/// The members that tell the activity.
#[derive(Debug)]
pub(super) struct ToldBy {
    /// Of several the first with a value counts.
    pub(super) slots: Vec<Slot>,
    /// The values with the place of their activity; every other value has the last one.
    pub(super) values: HashMap<String, usize>,
}

/// Events of one class.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) conditions: Conditions,
    pub(super) activities: Vec<Activity>,
    /// What tells the activity, if it is not fixed by the choice of the case.
    pub(super) told_by: Option<ToldBy>,
    /// `time`; without one, events have the time at which they were received.
    pub(super) time: Option<Leaf>,
    /// Whether that is always the time by which the stream's window works.
    pub(super) is_timed_by_window: bool,
    pub(super) root: Object,
    /// What the manifest puts under `unmapped`.
    pub(super) unmapped: Object,
}

impl Activity {
    /// Appends the event's start.
    pub(super) fn write(&self, word: Datum<'_>, buffer: &mut String, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if let Some(behind) = &self.behind_word {
            write_string(word.text(buffer).unwrap_or("Other"), out);
            out.extend_from_slice(behind);
        }
    }
}

impl Case {
    /// Appends `time` and returns it; `None` if the value cannot be read.
    pub(super) fn write_time(
        &self,
        received: i64,
        run: &mut Run<'_, '_>,
        out: &mut Vec<u8>,
    ) -> Option<i64> {
        const OPEN: &[u8] = b"\"time\":";
        let start = out.len();
        let Some(leaf) = &self.time else {
            out.extend_from_slice(OPEN);
            Datum::Integer(received).write(out);
            out.push(b',');
            return Some(received);
        };
        if !leaf.write(run, out) {
            return None;
        }
        let digits = out.get(start + OPEN.len()..out.len() - 1)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Appends everything behind `time`, and what no attribute holds.
    pub(super) fn write_rest(&self, run: &mut Run<'_, '_>, out: &mut Vec<u8>) {
        run.buffers.observables.clear();
        self.root.write_items(run, out);
        if let Some((_, observables)) = run.buffers.observables.split_last() {
            out.extend_from_slice(b"\"observables\":[");
            out.extend_from_slice(observables);
            out.extend_from_slice(b"],");
        }
        let start = out.len();
        out.extend_from_slice(b"\"unmapped\":{");
        let first = out.len();
        self.unmapped.write_items(run, out);
        write_unmapped(run, out);
        if out.len() == first {
            out.truncate(start);
        } else {
            out.pop();
            out.extend_from_slice(b"},");
        }
    }
}

/// Appends the members of the record that no attribute holds as a whole. Of an object of which
/// attributes hold some members, the others stay.
fn write_unmapped(run: &mut Run<'_, '_>, out: &mut Vec<u8>) {
    write_members(run.slots, &run.slots.members, &mut run.buffers.open, out);
}

fn write_members(
    slots: &Slots<'_>,
    members: &[Member<'_>],
    open: &mut Vec<usize>,
    out: &mut Vec<u8>,
) {
    let used = |slot: Option<Slot>| slot.is_some_and(|slot| slots.used[slot]);
    let bottom = open.len();
    let mut skipped = 0_usize;
    for member in members {
        match *member {
            Member::Enter { slot, .. } if skipped > 0 || used(slot) => skipped += 1,
            Member::Leave if skipped > 0 => skipped -= 1,
            Member::Value { slot, .. } if skipped > 0 || used(slot) => {}
            Member::Value { name, value, slot } => {
                // Of the parts of the record only the one that the event is of.
                let part = slots.part.as_ref().filter(|(array, _)| Some(*array) == slot);
                let start = out.len();
                write_name(name, out);
                if let Some((_, members)) = part {
                    out.push(b'{');
                    write_members(slots, members, open, out);
                    if out.pop() == Some(b'{') {
                        out.truncate(start);
                        continue;
                    }
                    out.push(b'}');
                } else {
                    value.write(out);
                }
                out.push(b',');
            }
            Member::Enter { name, .. } => {
                open.push(out.len());
                write_name(name, out);
                out.push(b'{');
            }
            Member::Leave => {
                let start = open.pop().unwrap_or(out.len());
                // A member ends in a comma, so this brace is the one that was opened last.
                if out.last() == Some(&b'{') {
                    out.truncate(start);
                } else {
                    out.pop();
                    out.extend_from_slice(b"},");
                }
            }
        }
    }
    open.truncate(bottom);
}

fn write_name(name: Name<'_>, out: &mut Vec<u8>) {
    match name {
        Name::Quoted(raw) => out.extend_from_slice(raw),
        Name::Column(name) => write_string(name, out),
        Name::Extra(number) => write_string(&format!("_extra_{number}"), out),
    }
    out.push(b':');
}
