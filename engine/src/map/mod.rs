//! Turns records into OCSF events.
//!
//! A [`Mapper`] is compiled once for a stream. For each record it makes one pass over the bytes that
//! finds every value the mapping reads, and then writes the event as one line of JSON, mostly by
//! copying spans; no record is parsed into a tree. Only paths with filters, wildcards, slices or
//! negative indices parse the record, once, and are then followed by [`JsonPath::select`].
//!
//! What no attribute holds as a whole stays under `unmapped`: members that the mapping does not
//! read, values that could not be converted or of which only a part is used, and the fallback's
//! victims where `else` took the place of an unknown value. So nothing the source says is lost.
//!
//! [`JsonPath::select`]: longshore_schema::JsonPath::select

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_schema::JsonPath;
use longshore_schema::scalar::Scalar as _;
use longshore_schema::stream::Stream;

use crate::decode::Row;
use crate::error;
use compile::{Choice, Plan};
use datum::write_string;
use paths::{Shape, Slots};
use plan::{Buffers, Case, Origin, Run, ToldBy};
use privacy::Redaction;

mod compile;
mod condition;
mod convert;
mod datum;
mod each;
mod failure;
mod key;
mod parts;
mod paths;
mod pick;
mod plan;
mod privacy;
mod scan;
mod template;

pub use datum::Datum;
pub use failure::Error;
pub use parts::Events;
pub use scan::{Fault, Scanner};

/// What all events of a stream have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventContext {
    /// The connection's name, part of every event's key.
    pub connection: String,
    /// The stream's name, part of every event's key and `metadata.log_name`.
    pub stream: String,
    /// The app's name: `metadata.product.name`.
    pub product: String,
    /// The app's vendor: `metadata.product.vendor_name`.
    pub vendor: String,
    /// The tenant's id in the app, if known: `metadata.tenant_uid`.
    pub tenant: Option<String>,
}

/// One record, as it was found in a response.
#[derive(Clone, Copy)]
pub enum Record<'a> {
    /// The bytes of one JSON value.
    Json(&'a [u8]),
    /// A row of a CSV file.
    Row(Row<'a>),
    /// A record with the documents opened that were packed into it.
    Opened {
        /// As the source sent it.
        source: &'a [u8],
        /// The bytes of one JSON value.
        json: &'a [u8],
    },
    /// A record in which something packed cannot be opened.
    Unopened {
        /// As the source sent it.
        source: &'a [u8],
        /// Which member, and why.
        cause: &'a str,
    },
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// What the event is known by; `metadata.uid` in hexadecimal digits. The first half of a
    /// SHA-256 over connection, stream, the values of the stream's key and, for a stream that works
    /// by time, that time.
    pub key: [u8; 16],
    /// When it happened, in milliseconds since 1970: the time that the window is `on` or, if that
    /// cannot be read or there is no window, the event's time. `None` if the record has no time.
    pub time: Option<i64>,
}

/// The mapping of one stream, ready to run.
pub struct Mapper {
    id: u64,
    stream: String,
    plan: Plan,
    has_raw: bool,
    redaction: Option<Redaction>,
}

/// Memory that mapping uses again and again; one for each task that maps.
#[derive(Debug, Default)]
pub struct Scratch {
    slots: Slots<'static>,
    buffers: Buffers,
    text: String,
    seen: HashMap<[u8; 16], u64>,
    received: i64,
    /// What tells one version of the next record from its others.
    version: Option<[u8; 16]>,
    /// What was learned of the records of the mapper with this id.
    learned_of: u64,
    shape: Shape,
}

impl Scratch {
    /// Empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a response that arrived at this time, in milliseconds since 1970. Records without a
    /// time of their own have this one, and the numbers of records that are the same start again.
    pub fn start_response(&mut self, received: i64) {
        self.received = received;
        self.seen.clear();
    }

    /// Says which version of its record each next one is: versions have keys of their own.
    pub fn set_version(&mut self, version: Option<[u8; 16]>) {
        self.version = version;
    }
}

impl std::fmt::Debug for Mapper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapper").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Mapper {
    /// Compiles a stream's mapping. Fails with [`error::Code::Internal`] for what a checked manifest
    /// cannot have, such as an attribute that the class has not.
    pub fn compile(stream: &Stream, context: &EventContext) -> Result<Self, error::Error> {
        static MAPPERS: AtomicU64 = AtomicU64::new(1);
        let plan = compile::compile(stream, context)
            .map_err(|error| error.in_stream(&context.stream).in_connection(&context.connection))?;
        Ok(Self {
            id: MAPPERS.fetch_add(1, Ordering::Relaxed),
            stream: context.stream.clone(),
            plan,
            has_raw: stream.raw,
            redaction: Redaction::new(stream)?,
        })
    }

    /// Salts the hashes of private values: the same salt makes the same hashes.
    pub fn set_salt(&mut self, salt: &[u8; 32]) {
        if let Some(redaction) = &mut self.redaction {
            redaction.set_salt(salt);
        }
    }

    /// Whether records have private members.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.redaction.is_some()
    }

    /// The record as JSON without what is private, as far as the manifest says; nothing of one that
    /// is no JSON. `None` if nothing is private.
    #[must_use]
    pub fn redacted(&self, record: &Record<'_>) -> Option<Vec<u8>> {
        self.redaction.as_ref().map(|redaction| redaction.of(record))
    }

    /// The paths that the mapping reads, and the key.
    #[must_use]
    pub fn paths(&self) -> Vec<JsonPath> {
        let paths = &self.plan.paths;
        // A text that is no path has a name in it that paths write otherwise: the whole record has it.
        let path = |text: &str| JsonPath::parse(text).or_else(|_| JsonPath::parse("$")).ok();
        (0..paths.count()).filter_map(|slot| path(paths.text(slot))).collect()
    }

    /// Appends the record's event to `out`: one line of JSON in UTF-8 with its line end, whatever
    /// the record's bytes are. Of a record that becomes several events it appends all, and returns
    /// what became of the last. Appends nothing of an event that fails.
    pub fn map(
        &self,
        record: Record<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Mapped, Error> {
        let end = |_: &mut Vec<u8>, _: Mapped| {};
        self.map_each(record, scratch, &mut Events { out, buffer: |out| out, end })
    }

    /// Writes the record's events one by one: see [`Events`]. Returns what became of the last, or
    /// why the first that failed did; the others are written all the same.
    pub fn map_each<O, F: FnMut(&mut O, Mapped)>(
        &self,
        record: Record<'_>,
        scratch: &mut Scratch,
        out: &mut Events<'_, O, F>,
    ) -> Result<Mapped, Error> {
        if scratch.learned_of != self.id {
            scratch.learned_of = self.id;
            scratch.shape.clear();
        }
        let is_opened = !matches!(record, Record::Unopened { .. });
        let redacted = is_opened.then(|| self.redacted(&record)).flatten();
        match redacted.as_deref().map_or(record, Record::Json) {
            Record::Json(bytes) => self.map_json(bytes, None, scratch, out),
            Record::Opened { source, json } => self.map_json(json, Some(source), scratch, out),
            Record::Unopened { cause, .. } => {
                Err(Error::Packed { stream: self.stream.clone(), cause: cause.to_owned() })
            }
            Record::Row(row) => self.map_row(&row, scratch, out),
        }
    }

    fn map_json<O, F: FnMut(&mut O, Mapped)>(
        &self,
        bytes: &[u8],
        source: Option<&[u8]>,
        scratch: &mut Scratch,
        out: &mut Events<'_, O, F>,
    ) -> Result<Mapped, Error> {
        let Plan { paths, .. } = &self.plan;
        let text = utf8(bytes);
        let (mended, selected): (String, String);
        let mut json: &str = &text;
        let mut slots = std::mem::take(&mut scratch.slots).recycle(paths.count());
        let mut read = paths.read_json(json, &mut slots, &mut scratch.shape);
        if let Err(Fault::LoneSurrogate { at }) = read {
            mended = scan::without_lone_surrogates(json, at);
            json = &mended;
            slots = slots.recycle(paths.count());
            read = paths.read_json(json, &mut slots, &mut scratch.shape);
        }
        read.map_err(|fault| self.malformed(fault))?;
        if paths.needs_document() {
            // A number beyond the range of a double is JSON, but has no place in a document.
            let document = serde_json::from_str(json).unwrap_or_default();
            let (text, found) = paths.select(&document);
            selected = text;
            for (slot, range) in found {
                slots.values[slot] = Datum::parse(&selected[range]);
            }
        }
        let sent = source.map(utf8);
        let sent = sent.as_ref().unwrap_or(&text);
        let mapped = self.write_parts(source.unwrap_or(bytes), sent, &mut slots, scratch, out);
        scratch.slots = slots.recycle(0);
        mapped
    }

    fn map_row<O, F: FnMut(&mut O, Mapped)>(
        &self,
        row: &Row<'_>,
        scratch: &mut Scratch,
        out: &mut Events<'_, O, F>,
    ) -> Result<Mapped, Error> {
        let Plan { paths, .. } = &self.plan;
        let text = if self.has_raw { utf8(row.raw()) } else { "".into() };
        let selected: String;
        let mut slots = std::mem::take(&mut scratch.slots).recycle(paths.count());
        paths.read_row(row, &mut slots, &mut scratch.shape);
        if paths.needs_document() {
            let (text, found) = paths.select(&paths::row_document(row));
            selected = text;
            for (slot, range) in found {
                slots.values[slot] = Datum::parse(&selected[range]);
            }
        }
        let mapped = self.write_parts(row.raw(), &text, &mut slots, scratch, out);
        scratch.slots = slots.recycle(0);
        mapped
    }

    /// Writes the event of a record, or of a part of it, whose values are found. `record` is as the source sent it, and
    /// `text` the same as UTF-8.
    fn write(
        &self,
        record: &[u8],
        part: Option<usize>,
        text: &str,
        slots: &mut Slots<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Mapped, Error> {
        let Scratch { buffers, text: buffer, seen, received, version, .. } = scratch;
        let (case, activity, word) = self.choose(slots, buffer);
        let key = self.plan.key.of(record, part, slots, seen, buffer).map_err(|slot| {
            Error::Key { stream: self.stream.clone(), path: self.plan.paths.text(slot).to_owned() }
        })?;
        let key = version.map_or(key, |version| key::versioned(key, version));
        case.activities[activity].write(word, buffer, out);
        let mut run = Run { slots, buffers, uid: &key::hexadecimal(key) };
        let Some(time) = case.write_time(*received, &mut run, out) else {
            return Err(self.no_time(case, slots));
        };
        case.write_rest(&mut run, out);
        if self.has_raw {
            out.extend_from_slice(b"\"raw_data\":");
            write_string(text, out);
            out.push(b',');
        }
        // Every member ends in a comma.
        out.pop();
        out.extend_from_slice(b"}\n");
        let own = case.time.is_some().then_some(time);
        let time = match own {
            Some(_) if case.is_timed_by_window => own,
            _ => self.window_time(slots, buffer).or(own),
        };
        Ok(Mapped { key, time })
    }

    /// The case, the activity and what the member says that decides on the activity.
    fn choose<'a>(&self, slots: &Slots<'a>, buffer: &mut String) -> (&Case, usize, Datum<'a>) {
        let Plan { cases, choice, .. } = &self.plan;
        let (mut case, mut activity, mut word) = (0, 0, Datum::Missing);
        if let Some(Choice { by, values, others, otherwise }) = choice {
            word = by.map(|by| slots.values[by]).unwrap_or_default();
            let known = word.text(buffer).and_then(|text| values.get(text));
            let mut candidates = known.unwrap_or(others).iter();
            let chosen = candidates.find(|(case, _)| cases[*case].conditions.hold(slots, buffer));
            (case, activity) = chosen.copied().unwrap_or((*otherwise, 0));
        }
        let case = &cases[case];
        if let Some(ToldBy { slots: from, values }) = &case.told_by {
            let mut told = from.iter().map(|slot| slots.values[*slot]);
            word = told.find(|value| !value.is_missing()).unwrap_or_default();
            let told = word.text(buffer).and_then(|text| values.get(text));
            activity = told.copied().unwrap_or(case.activities.len() - 1);
        }
        (case, activity, word)
    }

    fn window_time(&self, slots: &Slots<'_>, buffer: &mut String) -> Option<i64> {
        let (slot, conversion) = self.plan.window.as_ref()?;
        match conversion.apply(slots.values[*slot], buffer) {
            Datum::Integer(time) => Some(time),
            _ => None,
        }
    }

    fn malformed(&self, fault: Fault) -> Error {
        let (offset, expected) = match fault {
            Fault::Syntax { at, expected } => (at, expected),
            Fault::TooDeep { at } => (at, "no deeper nesting"),
            Fault::LoneSurrogate { at } => (at, "a whole surrogate pair"),
        };
        Error::Malformed { stream: self.stream.clone(), offset, expected }
    }

    fn no_time(&self, case: &Case, slots: &Slots<'_>) -> Error {
        let from = match case.time.as_ref().map(|leaf| &leaf.origin) {
            Some(Origin::Slots(from)) => from.as_slice(),
            _ => &[],
        };
        let paths: Vec<_> = from.iter().map(|slot| self.plan.paths.text(*slot)).collect();
        let mut values = from.iter().map(|slot| slots.values[*slot]);
        let value = values.find(|value| !value.is_missing()).unwrap_or_default();
        let paths = if paths.is_empty() { "the template".to_owned() } else { paths.join(" or ") };
        Error::Time { stream: self.stream.clone(), paths, shape: value.shape() }
    }
}

/// The bytes as text, with U+FFFD for what is not UTF-8.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    // The check alone is much faster than the replacement.
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests;
