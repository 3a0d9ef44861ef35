//! The key by which an event is known again.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::datum::Datum;
use super::paths::{Slot, Slots};

/// What a key is made of.
#[derive(Debug)]
pub(super) struct Key {
    /// The hash after connection and stream.
    start: Sha256,
    pub(super) parts: Vec<Part>,
    is_numbered: bool,
    /// Whether the parts of a record are told by their number.
    has_parts: bool,
}

/// A part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Slot(Slot),
    /// The time by which the stream's window works; part of the key if there is one.
    Time(Slot),
    /// The record's bytes as the source sent them.
    Record,
}

impl Key {
    pub(super) fn new(connection: &str, stream: &str, parts: Vec<Part>, has_parts: bool) -> Self {
        let mut start = Sha256::new();
        update(&mut start, connection.as_bytes());
        update(&mut start, stream.as_bytes());
        let is_numbered = parts.contains(&Part::Record);
        Self { start, parts, is_numbered, has_parts }
    }

    /// The key of a record, or the slot that has no value. Records that are their own key are
    /// counted in `seen`: the second of two that are the same has another key than the first. Parts
    /// of one record are told by their number, unless the key reads something in them.
    pub(super) fn of(
        &self,
        record: &[u8],
        part: Option<usize>,
        slots: &Slots<'_>,
        seen: &mut HashMap<[u8; 16], u64>,
        buffer: &mut String,
    ) -> Result<[u8; 16], Slot> {
        let mut hash = self.start.clone();
        for part in &self.parts {
            match *part {
                Part::Record => update(&mut hash, record),
                Part::Time(slot) => {
                    let time = slots.values[slot].text(buffer).unwrap_or_default();
                    update(&mut hash, time.as_bytes());
                }
                Part::Slot(slot) => match slots.values[slot] {
                    Datum::Missing => return Err(slot),
                    Datum::Object(raw) | Datum::Array(raw) => update(&mut hash, raw.as_bytes()),
                    value => update(&mut hash, value.text(buffer).ok_or(slot)?.as_bytes()),
                },
            }
        }
        if let Some(part) = part.filter(|_| self.has_parts) {
            update(&mut hash, &(part as u64).to_le_bytes());
        }
        let key = truncated(hash);
        if !self.is_numbered {
            return Ok(key);
        }
        let count = seen.entry(key).or_default();
        *count += 1;
        if *count == 1 {
            return Ok(key);
        }
        let mut hash = Sha256::new();
        update(&mut hash, &key);
        update(&mut hash, &(*count - 1).to_le_bytes());
        Ok(truncated(hash))
    }
}

/// Adds a part with its length before it, so that no two lists of parts give the same bytes.
fn update(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

/// The key of one version of a record.
pub(super) fn versioned(key: [u8; 16], version: [u8; 16]) -> [u8; 16] {
    let mut hash = Sha256::new();
    update(&mut hash, &key);
    update(&mut hash, &version);
    truncated(hash)
}

fn truncated(hash: Sha256) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

/// The lower case hexadecimal digits of a key.
pub(super) fn hexadecimal(key: [u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(key) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    text
}
