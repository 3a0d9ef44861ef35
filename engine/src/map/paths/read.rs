//! Finds the places of a tree in a record: most in one pass over its bytes, the others in the parsed
//! document.

use std::ops::Range;

use serde_json::Value;

use super::{Member, Name, Node, Paths, Shape, Slot, Slots};
use crate::decode::Row;
use crate::map::datum::Datum;
use crate::map::scan::{Fault, Scanner};

/// The most members of a record whose order is learned, and the longest name.
const LEARNED_MEMBERS: usize = 512;
const LEARNED_NAME: usize = 256;

impl Paths {
    /// Finds all plain paths in a JSON record.
    pub(in crate::map) fn read_json<'a>(
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
    pub(in crate::map) fn read_row<'a>(
        &self,
        row: &Row<'a>,
        slots: &mut Slots<'a>,
        shape: &mut Shape,
    ) {
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
    pub(in crate::map) fn needs_document(&self) -> bool {
        !self.general.is_empty()
    }

    /// The values of the general paths as JSON, and where in the text each slot's is.
    pub(in crate::map) fn select(&self, document: &Value) -> (String, Vec<(Slot, Range<usize>)>) {
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
pub(in crate::map) fn row_document(row: &Row<'_>) -> Value {
    let fields = row.header().names().iter().zip(row.fields());
    let members = fields.filter(|(_, text)| !text.is_empty());
    members.map(|(name, text)| (name.clone(), Value::from(text))).collect()
}

#[cfg(test)]
mod tests {
    use longshore_schema::JsonPath;
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
