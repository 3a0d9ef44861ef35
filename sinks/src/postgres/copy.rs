//! Events as rows of COPY in its binary format
//! (<https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format").

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::{BufMut as _, Bytes, BytesMut};
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::sink::Portioned;
use memchr::memmem;

use crate::event::Head;

/// How much is handed over at a time, in bytes; a row that is larger goes alone.
const CHUNK: usize = 256 << 10;

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// 2000-01-01, where times of PostgreSQL begin, in milliseconds since 1970.
const EPOCH: i64 = 946_684_800_000;

/// The times that PostgreSQL knows, in microseconds since [`EPOCH`]: from 4713 BC to 294276 AD.
const TIMES: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// The rows of a portion: `uid`, `class_uid`, `time`, `event`, `original`.
pub(super) struct Rows<'e> {
    events: Portioned<'e>,
    at: usize,
    unreadable: &'e BTreeSet<u64>,
    buffer: BytesMut,
    is_done: bool,
}

impl<'e> Rows<'e> {
    /// The events that start at `unreadable` in the log are `original` alone.
    pub(super) fn new(events: Portioned<'e>, unreadable: &'e BTreeSet<u64>) -> Self {
        let buffer = BytesMut::from(HEADER);
        Self { events, at: 0, unreadable, buffer, is_done: false }
    }

    /// Some more rows, until there are none.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_done {
            return Ok(None);
        }
        self.buffer.reserve(CHUNK);
        let lines = self.events.lines;
        while let Some(length) = memchr::memchr(b'\n', &lines[self.at..]) {
            let event = &lines[self.at..self.at + length];
            // Twice its length at most, and some more.
            if !self.buffer.is_empty() && self.buffer.len() + 2 * event.len() > CHUNK {
                return Ok(Some(self.buffer.split().freeze()));
            }
            let is_readable = !self.unreadable.contains(&(self.events.start + self.at as u64));
            put(&mut self.buffer, event, is_readable)?;
            self.at += length + 1;
        }
        self.buffer.put_i16(-1);
        self.is_done = true;
        Ok(Some(self.buffer.split().freeze()))
    }
}

fn put(rows: &mut BytesMut, event: &[u8], is_readable: bool) -> Result<()> {
    let head = Head::read(event)?;
    rows.put_i16(5);
    put_field(rows, head.uid().as_bytes());
    put_number(rows, head.class_uid);
    put_number(rows, head.time.and_then(time));
    let text = readable(event)?;
    if is_readable {
        // The version of the format before the text.
        rows.put_i32(1 + text.len() as i32);
        rows.put_u8(1);
        rows.put_slice(text.as_bytes());
    } else {
        rows.put_i32(-1);
    }
    if is_readable && matches!(text, Cow::Borrowed(_)) {
        rows.put_i32(-1);
    } else {
        put_field(rows, event);
    }
    Ok(())
}

fn put_field(rows: &mut BytesMut, value: &[u8]) {
    rows.put_i32(value.len() as i32);
    rows.put_slice(value);
}

fn put_number(rows: &mut BytesMut, value: Option<i64>) {
    match value {
        Some(number) => {
            rows.put_i32(8);
            rows.put_i64(number);
        }
        None => rows.put_i32(-1),
    }
}

/// A time in milliseconds since 1970 as PostgreSQL has it, if it can have it.
fn time(milliseconds: i64) -> Option<i64> {
    let time = milliseconds.checked_sub(EPOCH)?.checked_mul(1000)?;
    TIMES.contains(&time).then_some(time)
}

/// An event as `jsonb` takes it: what stands for U+0000 or for half a surrogate pair, which no text of
/// PostgreSQL can hold, becomes U+FFFD. Otherwise somebody could hide an event by writing one of them.
pub(super) fn readable(event: &[u8]) -> Result<Cow<'_, str>> {
    let text = str::from_utf8(event).map_err(|error| {
        Error::new(Code::Internal, "an event of the spool is not UTF-8")
            .cause(error.to_string())
            .fix("report this as a bug, with the manifest")
    })?;
    let mut replaced = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = memmem::find(&event[from..], br"\u").map(|at| from + at) {
        // A backslash that is itself escaped begins nothing.
        let before = event[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        let Some(unit) = (before % 2 == 0).then(|| unit(&event[at..])).flatten() else {
            from = at + 2;
            continue;
        };
        let is_pair = matches!(unit, 0xd800..0xdc00)
            && matches!(self::unit(event.get(at + 6..).unwrap_or_default()), Some(0xdc00..0xe000));
        from = at + if is_pair { 12 } else { 6 };
        if !is_pair && matches!(unit, 0 | 0xd800..0xe000) {
            replaced.push_str(&text[copied..at]);
            replaced.push_str(r"\ufffd");
            copied = from;
        }
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    replaced.push_str(&text[copied..]);
    Ok(Cow::Owned(replaced))
}

/// The UTF-16 code unit of an escape at the beginning of `text` (RFC 8259, section 7).
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_that_cannot_be_are_none() {
        assert_eq!(time(EPOCH), Some(0));
        assert_eq!(time(0), Some(-946_684_800_000_000));
        assert_eq!(time(i64::MAX), None);
        assert_eq!(time(i64::MIN), None);
        assert_eq!(time(9_224_318_016_000_000), None);
        assert!(time(9_224_318_015_999_999).is_some());
    }

    #[test]
    fn what_no_text_can_hold_is_replaced() {
        let shown = |text: &'static str| readable(text.as_bytes()).unwrap();
        assert_eq!(shown(r"a\u0000b"), r"a\ufffdb");
        assert_eq!(shown(r"a\\u0000b"), r"a\\u0000b");
        assert_eq!(shown(r"\\\u0000"), r"\\\ufffd");
        assert_eq!(shown(r"\ud83d\ude00\uD83D"), r"\ud83d\ude00\ufffd");
        assert_eq!(shown(r"\ude00\ud83d\\ude00"), r"\ufffd\ufffd\\ude00");
        assert_eq!(shown(r"\u00"), r"\u00");
        assert!(matches!(shown(r"é\u00e9\\"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn every_event_becomes_readable(parts in prop::collection::vec(
            prop::sample::select(vec![
                r"\\", r"\u0000", r"\ud83d", r"\uDE00", r"\u0041", r"\n", "u0000", "ud83d", "é", "中",
            ]), 0..12))
        {
            let text = format!("\"{}\"", parts.concat());
            let shown = readable(text.as_bytes()).unwrap();
            // It refuses half a pair, as PostgreSQL does.
            let read: String = serde_json::from_str(&shown).unwrap();
            prop_assert!(!read.contains('\0'));
            if let Ok(before) = serde_json::from_str::<String>(&text) {
                prop_assert_eq!(before.replace('\0', "\u{fffd}"), read);
            }
        }

        #[test]
        fn rows_are_all_there(sizes in prop::collection::vec(0_usize..200_000, 0..12)) {
            let mut lines = String::new();
            for size in &sizes {
                let filler = "x".repeat(*size);
                let _ = writeln!(lines, r#"{{"metadata":{{"uid":"{size:08}"}},"m":"{filler}"}}"#);
            }
            let log = longshore_engine::sink::Log { spool: "s", connection: "c", stream: "s" };
            let events = Portioned { log, start: 7, lines: lines.as_bytes() };
            let none = BTreeSet::new();
            let mut rows = Rows::new(events, &none);
            let mut all = Vec::new();
            while let Some(chunk) = rows.next().unwrap() {
                all.extend_from_slice(&chunk);
            }
            // Field counts, lengths, nulls and the version, besides uid and event.
            let each = |event: &[u8]| 2 + 5 * 4 + 8 + 1 + event.len();
            let expected: usize = events.events().map(each).sum();
            prop_assert_eq!(all.len(), HEADER.len() + expected + 2);
            prop_assert!(all.starts_with(HEADER) && all.ends_with(&[0xff, 0xff]));
        }
    }
}
