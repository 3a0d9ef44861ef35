//! Elements of a record that become one object each, in an array of the event.

use super::condition::Conditions;
use super::datum::Datum;
use super::paths::{Member, Paths, Slot, Slots};
use super::plan::{Object, Run};
use super::scan::Scanner;

/// An array of objects made of elements.
#[derive(Debug)]
pub(super) struct Each {
    /// `"name":[`.
    pub(super) open: Box<[u8]>,
    /// The place of the array.
    pub(super) array: Slot,
    pub(super) conditions: Option<Conditions>,
    /// The places in an element.
    pub(super) paths: Paths,
    /// What an element becomes.
    pub(super) object: Object,
}

impl Each {
    /// Appends the array with a comma behind it; nothing and `false` if no element has a value.
    pub(super) fn write(&self, run: &mut Run<'_, '_>, out: &mut Vec<u8>) -> bool {
        if let Some(conditions) = &self.conditions
            && !conditions.hold(run.slots, &mut run.buffers.compared)
        {
            return false;
        }
        let elements = elements(run.slots.values[self.array]);
        let start = out.len();
        out.extend_from_slice(&self.open);
        let first = out.len();
        let mut all_is_used = true;
        let mut shape = run.buffers.shapes.pop().unwrap_or_default();
        shape.clear();
        let mut spare = Slots::default();
        for element in elements {
            let selected: String;
            let mut slots = spare.recycle(self.paths.count());
            // The record was scanned before, so there is no fault.
            let read = self.paths.read_json(element, &mut slots, &mut shape);
            if self.paths.needs_document() && read.is_ok() {
                let document = serde_json::from_str(element).unwrap_or_default();
                let (text, found) = self.paths.select(&document);
                selected = text;
                for (slot, range) in found {
                    slots.values[slot] = Datum::parse(&selected[range]);
                }
            }
            let opened = out.len();
            out.push(b'{');
            let mut inner = Run { slots: &mut slots, buffers: run.buffers, uid: run.uid };
            if self.object.write_items(&mut inner, out) {
                out.pop();
                out.extend_from_slice(b"},");
            } else {
                out.truncate(opened);
            }
            all_is_used &= is_used(&slots);
            spare = slots.recycle(0);
        }
        run.buffers.shapes.push(shape);
        if out.len() == first {
            out.truncate(start);
            return false;
        }
        out.pop();
        out.extend_from_slice(b"],");
        if all_is_used {
            run.slots.used[self.array] = true;
        }
        true
    }
}

/// The elements of an array. What is no array is the only element.
pub(super) fn elements(value: Datum<'_>) -> Vec<&str> {
    let mut found = Vec::new();
    match value {
        Datum::Array(raw) => {
            // The array was scanned before, so there is no fault.
            let _ = Scanner::new(raw).elements(|scanner, _| {
                let start = {
                    scanner.peek();
                    scanner.position()
                };
                if !scanner.value()?.is_missing() {
                    found.push(scanner.since(start));
                }
                Ok(())
            });
        }
        Datum::Object(raw) | Datum::String { raw, .. } | Datum::Number(raw) => found.push(raw),
        Datum::Missing | Datum::Text(_) | Datum::Boolean(_) | Datum::Integer(_) => {}
    }
    found
}

/// Whether attributes hold all that an element has.
fn is_used(slots: &Slots<'_>) -> bool {
    let used = |slot: Option<Slot>| slot.is_some_and(|slot| slots.used[slot]);
    let mut skipped = 0_usize;
    slots.members.iter().all(|member| match *member {
        Member::Enter { slot, .. } if skipped > 0 || used(slot) => {
            skipped += 1;
            true
        }
        Member::Leave => {
            skipped = skipped.saturating_sub(1);
            true
        }
        Member::Value { slot, .. } => skipped > 0 || used(slot),
        Member::Enter { .. } => true,
    })
}
