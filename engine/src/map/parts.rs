//! Records that become several events: one for each of their parts.

use super::datum::Datum;
use super::each::elements;
use super::paths::{Member, Part, Shape, Slots};
use super::{Error, Mapped, Mapper, Scratch};

/// Where the events of a record go.
#[derive(Debug)]
pub struct Events<'o, O, F> {
    /// What takes them.
    pub out: &'o mut O,
    /// The bytes that an event is appended to.
    pub buffer: fn(&mut O) -> &mut Vec<u8>,
    /// Called behind each event that was appended.
    pub end: F,
}

impl<O, F: FnMut(&mut O, Mapped)> Events<'_, O, F> {
    /// Appends one event, or nothing if that fails.
    fn append(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<Mapped, Error>,
    ) -> Result<Mapped, Error> {
        let out = (self.buffer)(self.out);
        let start = out.len();
        let mapped = write(out);
        match mapped {
            Ok(mapped) => (self.end)(self.out, mapped),
            Err(_) => out.truncate(start),
        }
        mapped
    }
}

impl Mapper {
    /// Writes the events of a record whose values are found.
    #[inline]
    pub(super) fn write_parts<O, F: FnMut(&mut O, Mapped)>(
        &self,
        record: &[u8],
        text: &str,
        slots: &mut Slots<'_>,
        scratch: &mut Scratch,
        out: &mut Events<'_, O, F>,
    ) -> Result<Mapped, Error> {
        let Some(part) = self.plan.paths.part() else {
            return out.append(|out| self.write(record, None, text, slots, scratch, out));
        };
        let parts = elements(slots.values[part.array]);
        if parts.is_empty() {
            // What the record itself says is not lost.
            return out.append(|out| self.write(record, None, text, slots, scratch, out));
        }
        let mut result = None;
        let mut shape = Shape::new();
        for (number, json) in parts.into_iter().enumerate() {
            let selected: String;
            let mut inner = Slots::default().recycle(part.paths.count());
            // The record was scanned before, so there is no fault.
            let read = part.paths.read_json(json, &mut inner, &mut shape);
            if part.paths.needs_document() && read.is_ok() {
                let document = serde_json::from_str(json).unwrap_or_default();
                let (text, found) = part.paths.select(&document);
                selected = text;
                for (slot, range) in found {
                    inner.values[slot] = Datum::parse(&selected[range]);
                }
            }
            let mut slots = joined(slots, inner, part);
            let event =
                out.append(|out| self.write(record, Some(number), text, &mut slots, scratch, out));
            if !matches!(result, Some(Err(_))) {
                result = Some(event);
            }
        }
        result.expect("there is a part")
    }
}

/// The values of a record together with those of one of its parts.
fn joined<'s>(record: &Slots<'s>, inner: Slots<'s>, part: &Part) -> Slots<'s> {
    let mut values = record.values.clone();
    for (value, outer) in inner.values.iter().zip(&part.outer) {
        values[*outer] = *value;
    }
    let outer = |slot: Option<usize>| slot.and_then(|slot| part.outer.get(slot).copied());
    let members = inner.members.into_iter().map(|member| match member {
        Member::Value { name, value, slot } => Member::Value { name, value, slot: outer(slot) },
        Member::Enter { name, slot } => Member::Enter { name, slot: outer(slot) },
        Member::Leave => Member::Leave,
    });
    Slots {
        used: vec![false; values.len()],
        values,
        members: record.members.clone(),
        part: Some((part.array, members.collect())),
    }
}
