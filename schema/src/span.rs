//! Byte ranges in a manifest's source, and values that remember theirs.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// A half-open range of byte offsets into the source text of one manifest.
///
/// Offsets are `u32`: a manifest is at most [`crate::yaml::MAX_SOURCE_BYTES`] long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of `start..end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end.max(start) as u32 }
    }

    /// The span as a range, for slicing the source.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value with the place in the source where it was written.
///
/// Two spanned values are equal when their values are: where a thing is written does not change
/// what it means.
#[derive(Clone, Debug, Default)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: Ord> PartialOrd for Spanned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Spanned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// The struct name by which [`Spanned`] asks the manifest deserializer for a span.
pub(crate) const SPANNED: &str = "$longshore::Spanned";
/// The field names of that request: start, end, value.
pub(crate) const SPANNED_FIELDS: &[&str] = &["start", "end", "value"];

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place in the manifest")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spanned<T>, A::Error> {
                let start: u32 = named(&mut map, "start")?;
                let end: u32 = named(&mut map, "end")?;
                let value = named(&mut map, "value")?;
                Ok(Spanned { value, span: Span { start, end } })
            }
        }

        /// Reads the next entry, which must have this name: only our own deserializer feeds it.
        fn named<'de, A: MapAccess<'de>, V: Deserialize<'de>>(
            map: &mut A,
            name: &'static str,
        ) -> Result<V, A::Error> {
            match map.next_key::<&str>()? {
                Some(key) if key == name => map.next_value(),
                _ => Err(de::Error::missing_field(name)),
            }
        }

        deserializer.deserialize_struct(SPANNED, SPANNED_FIELDS, SpannedVisitor(PhantomData))
    }
}

/// Turns byte offsets into line and column, both counted from 1; columns count characters.
#[derive(Clone, Debug)]
pub struct LineIndex {
    line_starts: Vec<u32>,
    /// How many characters start before each block of [`BLOCK`] bytes: a line may be as long as
    /// the text, and must not be counted again for every place on it.
    characters: Vec<u32>,
}

/// The bytes that are counted for one look-up at most.
const BLOCK: usize = 1024;

fn characters(bytes: &[u8]) -> usize {
    // All but the continuation bytes of UTF-8 (RFC 3629, section 3).
    bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}

impl LineIndex {
    /// Indexes a source text once; look-ups are then logarithmic.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let breaks = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at as u32 + 1)).collect();
        let mut before = 0;
        let mut counted = vec![0];
        for block in source.as_bytes().chunks(BLOCK) {
            before += characters(block) as u32;
            counted.push(before);
        }
        Self { line_starts, characters: counted }
    }

    /// Line and column of a byte offset in the same source.
    #[must_use]
    pub fn position(&self, source: &str, offset: u32) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts[line - 1] as usize;
        let end = (offset as usize).min(source.len());
        if end - start <= BLOCK {
            return (line, characters(&source.as_bytes()[start..end]) + 1);
        }
        let before = |at: usize| {
            let block = at / BLOCK;
            self.characters[block] as usize + characters(&source.as_bytes()[block * BLOCK..at])
        };
        (line, before(end) - before(start) + 1)
    }

    /// The byte offset of the `column`-th byte, counted from 1, of a line; the source's end if there
    /// is no such place, and the start of the character that holds it.
    #[must_use]
    pub fn offset(&self, source: &str, line: usize, column: usize) -> usize {
        let start = line.checked_sub(1).and_then(|line| self.line_starts.get(line));
        let at = start.map_or(source.len(), |start| *start as usize + column.saturating_sub(1));
        (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = "a: é\nb: x\n";
        let index = LineIndex::new(source);
        assert_eq!(index.position(source, 0), (1, 1));
        assert_eq!(index.position(source, 5), (1, 5));
        assert_eq!(index.position(source, 6), (2, 1));
        assert_eq!(index.position(source, 9), (2, 4));
        assert_eq!(index.position(source, 999), (3, 1));
        assert_eq!(index.offset(source, 2, 4), 9);
        assert_eq!(index.offset(source, 1, 5), 3, "the second byte of a character");
        assert_eq!(index.offset(source, 9, 9), source.len());
    }

    #[test]
    fn columns_of_long_lines_are_exact() {
        let source = format!("a: b\n{}\n{}", "aé€😀".repeat(700), "x".repeat(3_000));
        let index = LineIndex::new(&source);
        for (at, _) in source.char_indices().chain([(source.len(), ' ')]) {
            let start = source[..at].rfind('\n').map_or(0, |line| line + 1);
            let line = source[..at].matches('\n').count() + 1;
            let column = source[start..at].chars().count() + 1;
            assert_eq!(index.position(&source, at as u32), (line, column), "{at}");
        }
    }
}
