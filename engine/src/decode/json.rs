//! Cuts a JSON response into its records while it arrives.

use serde::de::IgnoredAny;

use super::envelope::{Envelope, Found};
use super::error::{Error, OPENING_BYTES, malformed, show_byte, show_opening};
use super::span::{Fault, MAX_DEPTH, Span};
use super::way::Way;

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// What [`JsonRecords`] accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// The longest record, in bytes as the source wrote it. This much memory is needed at worst.
    pub record_bytes: usize,
    /// The longest document without its records, in bytes. This much memory is needed at worst, and
    /// a multiple of it for the moment of parsing.
    pub envelope_bytes: usize,
    /// How many brackets may be open at once, those around the records included. More than 120 is
    /// taken as 120.
    pub depth: usize,
}

impl Default for JsonLimits {
    /// 16 MiB per record, 4 MiB for the envelope, 100 levels.
    fn default() -> Self {
        Self { record_bytes: 16 << 20, envelope_bytes: 4 << 20, depth: 100 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the root value.
    Start,
    /// The body is no JSON; its first bytes are collected to say what it is.
    Foreign,
    /// Before the value of the root, of a member or of an element. The level says how many steps of
    /// the path lead to it, if it is on the path.
    Value {
        level: Option<usize>,
    },
    /// Inside a value that is not on the path.
    Other,
    /// In an object on the path: before a member name, or `}` if it is the first.
    Name {
        first: bool,
    },
    /// Inside a member name.
    InName,
    /// After a member name.
    Colon {
        level: Option<usize>,
    },
    /// After a member's value.
    AfterMember,
    /// In an array on the path: before an element, or `]` if it is the first.
    Element {
        first: bool,
    },
    /// Inside a record.
    InRecord,
    /// After an element.
    AfterElement,
    /// After the root value.
    End,
    Stopped,
}

/// An object or array on the path that is open. Its level is the step that leads further.
#[derive(Debug, Clone, Copy)]
enum Frame {
    /// `seen`: whether its member on the path was seen.
    Object { level: usize, seen: bool },
    /// `index`: that of the next element.
    Array { level: usize, index: u64 },
}

/// Finds the records in a JSON document (RFC 8259) and hands over the exact bytes of each as soon as
/// it is complete. A record that lies within one chunk is not copied.
///
/// Brackets, quotes, commas and colons are checked everywhere outside the records, and brackets and
/// quotes inside them; whether the inside of a record is JSON is for the one who parses it.
pub struct JsonRecords {
    path: Vec<Way>,
    limits: JsonLimits,
    state: State,
    /// The value, record or member name being read.
    span: Span,
    /// The start of a record that began in an earlier chunk.
    carry: Vec<u8>,
    /// The document from the first byte of the root value, without what the first wildcard stands
    /// for.
    envelope: Vec<u8>,
    /// The objects and arrays on the path that are open.
    open: Vec<Frame>,
    /// How many of them are around what the envelope leaves out, while that is read.
    gap: Option<usize>,
    /// The member name being read.
    name: Vec<u8>,
    found: Found,
    records: u64,
    /// Document position of the next byte.
    offset: u64,
    /// Document position of the root value, of the member name and of the record being read.
    root_at: u64,
    name_at: u64,
    record_at: u64,
    /// Where in the envelope something is left out, and how many bytes.
    gap_at: usize,
    gap_bytes: u64,
    /// How many bytes of a byte order mark were skipped.
    mark: usize,
}

impl JsonRecords {
    /// `path` are the names of the members from the root to the array of records: `["records"]` for
    /// `$.records[*]`, `[]` for a root array, `$[*]`.
    #[must_use]
    pub fn new(path: Vec<String>, limits: JsonLimits) -> Self {
        let members = path.into_iter().map(Way::Member);
        Self::along(members.chain([Way::Elements]).collect(), limits)
    }

    /// A reader that follows a path of any [`ways`].
    #[must_use]
    pub fn along(path: Vec<Way>, limits: JsonLimits) -> Self {
        let limits = JsonLimits { depth: limits.depth.min(MAX_DEPTH), ..limits };
        Self {
            path,
            limits,
            state: State::Start,
            span: Span::default(),
            carry: Vec::new(),
            envelope: Vec::new(),
            open: Vec::new(),
            gap: None,
            name: Vec::new(),
            found: Found::Missing,
            records: 0,
            offset: 0,
            root_at: 0,
            name_at: 0,
            record_at: 0,
            gap_at: usize::MAX,
            gap_bytes: 0,
            mark: 0,
        }
    }

    /// Reads the next chunk and calls `on_record` with each record that it completes, in order.
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let result = self.read(chunk, &mut on_record);
        if result.is_err() {
            self.state = State::Stopped;
            self.carry = Vec::new();
            self.envelope = Vec::new();
        }
        result
    }

    /// Ends the document: checks that it is complete, and parses what is left of it without the
    /// records.
    pub fn finish(self) -> Result<Envelope, Error> {
        let inside = match self.state {
            State::End => return self.parse_envelope(),
            State::Other if self.open.is_empty() && self.span.is_scalar() => {
                self.check_root_scalar()?;
                return self.parse_envelope();
            }
            State::Stopped => return Err(Error::Stopped),
            State::Start if self.mark == 0 || self.mark == BYTE_ORDER_MARK.len() => {
                return Err(Error::Empty);
            }
            State::Start => return Err(Error::NotJson { opening: show_byte(BYTE_ORDER_MARK[0]) }),
            State::Foreign => {
                return Err(Error::NotJson { opening: show_opening(&self.envelope) });
            }
            State::Element { .. } | State::AfterElement => "the array of records",
            State::InRecord => "a record",
            State::InName => "a member name",
            State::Other => "a value",
            State::Value { .. } | State::Name { .. } | State::Colon { .. } | State::AfterMember => {
                "an object"
            }
        };
        Err(Error::Truncated { offset: self.offset, inside })
    }

    fn read<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while let Some(&byte) = rest.first() {
            // Steps that consume nothing lead to a state that does.
            let used = match self.state {
                State::InRecord => self.in_record(rest, on_record)?,
                State::Start => self.start(byte)?,
                State::Foreign => self.foreign(byte)?,
                State::End => self.end(byte)?,
                State::Stopped => return Err(Error::Stopped.into()),
                _ => self.outside_records(rest, byte)?,
            };
            rest = &rest[used..];
            self.offset += used as u64;
        }
        Ok(())
    }

    fn start(&mut self, byte: u8) -> Result<usize, Error> {
        if self.offset == self.mark as u64 && BYTE_ORDER_MARK.get(self.mark) == Some(&byte) {
            self.mark += 1;
            return Ok(1);
        }
        if self.mark != 0 && self.mark != BYTE_ORDER_MARK.len() {
            return Err(Error::NotJson { opening: show_byte(BYTE_ORDER_MARK[0]) });
        }
        if !is_space(byte) {
            self.root_at = self.offset;
            self.state = match Span::begin(byte, 0) {
                Some(_) => State::Value { level: Some(0) },
                None => State::Foreign,
            };
            return Ok(0);
        }
        Ok(1)
    }

    fn foreign(&mut self, byte: u8) -> Result<usize, Error> {
        self.envelope.push(byte);
        if self.envelope.len() == OPENING_BYTES {
            return Err(Error::NotJson { opening: show_opening(&self.envelope) });
        }
        Ok(1)
    }

    fn end(&mut self, byte: u8) -> Result<usize, Error> {
        if is_space(byte) {
            return Ok(1);
        }
        Err(self.unexpected(byte, "nothing after the root value"))
    }

    /// One step outside the records. Of what is kept for the envelope at most as many bytes are
    /// looked at as still fit, so that the outcome does not depend on the size of the chunks.
    fn outside_records(&mut self, rest: &[u8], byte: u8) -> Result<usize, Error> {
        let mut rest = rest;
        if self.gap.is_none() {
            let room = self.limits.envelope_bytes.saturating_sub(self.envelope.len());
            if room == 0 {
                return Err(Error::EnvelopeTooLarge { limit: self.limits.envelope_bytes });
            }
            rest = &rest[..rest.len().min(room)];
        }
        match self.state {
            State::Other => return self.in_other(rest),
            State::InName => return self.in_name(rest),
            _ if is_space(byte) => {}
            State::Value { level } => return self.value(byte, level),
            State::Name { first } => return self.name(byte, first),
            State::Element { first: true } if byte == b']' => return self.close(byte),
            State::Element { .. } => return self.element(byte),
            State::Colon { level } if byte == b':' => self.state = State::Value { level },
            State::Colon { .. } => return Err(self.unexpected(byte, "`:` after a member name")),
            State::AfterMember if byte == b',' => self.state = State::Name { first: false },
            State::AfterMember if byte == b'}' => return self.close(byte),
            State::AfterMember => return Err(self.unexpected(byte, "`,` or `}` after a member")),
            _ if byte == b',' => self.state = State::Element { first: false },
            _ if byte == b']' => return self.close(byte),
            _ => return Err(self.unexpected(byte, "`,` or `]` after a record")),
        }
        self.keep(&[byte]);
        Ok(1)
    }

    /// Adds bytes to the envelope if they belong to it.
    fn keep(&mut self, bytes: &[u8]) {
        if self.gap.is_none() {
            self.envelope.extend_from_slice(bytes);
        }
    }

    fn in_other(&mut self, rest: &[u8]) -> Result<usize, Error> {
        let end = self.span.advance(rest).map_err(|fault| self.fault(fault))?;
        let used = end.unwrap_or(rest.len());
        self.keep(&rest[..used]);
        if end.is_some() {
            self.value_ended();
            if self.state == State::End && self.span.is_scalar() {
                self.check_root_scalar()?;
            }
        }
        Ok(used)
    }

    fn in_name(&mut self, rest: &[u8]) -> Result<usize, Error> {
        let end = self.span.advance(rest).map_err(|fault| self.fault(fault))?;
        let used = end.unwrap_or(rest.len());
        self.keep(&rest[..used]);
        if self.name.len() + used > self.limits.envelope_bytes {
            return Err(Error::EnvelopeTooLarge { limit: self.limits.envelope_bytes });
        }
        self.name.extend_from_slice(&rest[..used]);
        if end.is_some() {
            self.state = State::Colon { level: self.level_of_member()? };
        }
        Ok(used)
    }

    /// Which value comes: one on the path, or any other.
    fn value(&mut self, byte: u8, level: Option<usize>) -> Result<usize, Error> {
        let Some(level) = level else { return self.other(byte) };
        let Some(way) = self.path.get(level) else {
            self.record_at = self.offset;
            self.state = State::InRecord;
            return self.begin_span(byte, self.open.len()).map(|()| 0);
        };
        let (frame, state) = match (way, byte) {
            (Way::Member(_) | Way::All, b'{') => {
                (Frame::Object { level, seen: false }, State::Name { first: true })
            }
            (Way::Index(_) | Way::Elements | Way::All, b'[') => {
                (Frame::Array { level, index: 0 }, State::Element { first: true })
            }
            (Way::Elements | Way::All, b'n') => {
                if self.found == Found::Missing {
                    self.found = Found::Null;
                }
                return self.other(byte);
            }
            (Way::Elements | Way::All, _) => {
                self.found = Found::NotAnArray;
                return self.other(byte);
            }
            _ => return self.other(byte),
        };
        let is_wildcard = matches!(way, Way::Elements | Way::All);
        self.check_depth(self.open.len() + 1)?;
        self.keep(&[byte]);
        self.open.push(frame);
        self.state = state;
        if is_wildcard && self.found != Found::NotAnArray {
            self.found = Found::Array;
        }
        if is_wildcard && self.gap.is_none() {
            self.gap = Some(self.open.len());
            self.gap_at = self.envelope.len();
        }
        Ok(1)
    }

    fn other(&mut self, byte: u8) -> Result<usize, Error> {
        self.begin_span(byte, self.open.len())?;
        self.state = State::Other;
        Ok(0)
    }

    fn element(&mut self, byte: u8) -> Result<usize, Error> {
        let Some(Frame::Array { level, index }) = self.open.last_mut() else {
            return Err(self.unexpected(byte, "a JSON value"));
        };
        let at = *index;
        *index += 1;
        let on_path = match self.path[*level] {
            Way::Index(wanted) => wanted == at,
            _ => true,
        };
        let level = on_path.then_some(*level + 1);
        self.value(byte, level)
    }

    fn name(&mut self, byte: u8, first: bool) -> Result<usize, Error> {
        match byte {
            b'"' => {
                self.name_at = self.offset;
                self.name.clear();
                self.begin_span(byte, 0)?;
                self.state = State::InName;
                Ok(0)
            }
            b'}' if first => self.close(byte),
            _ => {
                Err(self
                    .unexpected(byte, if first { "a member name or `}`" } else { "a member name" }))
            }
        }
    }

    /// Compares the name just read with the path, after resolving its escapes.
    fn level_of_member(&mut self) -> Result<Option<usize>, Error> {
        let Some(Frame::Object { level, seen }) = self.open.last_mut() else { return Ok(None) };
        let Way::Member(wanted) = &self.path[*level] else { return Ok(Some(*level + 1)) };
        let name = &self.name;
        let same = if name.contains(&b'\\') {
            serde_json::from_slice::<String>(name).is_ok_and(|name| name == *wanted)
        } else {
            name[1..name.len() - 1] == *wanted.as_bytes()
        };
        if same && std::mem::replace(seen, true) {
            return Err(Error::DuplicateMember { name: wanted.clone(), offset: self.name_at });
        }
        Ok(same.then_some(*level + 1))
    }

    /// Closes the innermost object or array on the path.
    fn close(&mut self, byte: u8) -> Result<usize, Error> {
        if self.gap == Some(self.open.len()) {
            if self.envelope.len() >= self.limits.envelope_bytes {
                return Err(Error::EnvelopeTooLarge { limit: self.limits.envelope_bytes });
            }
            self.gap = None;
            self.gap_bytes = self.offset - self.root_at - self.gap_at as u64;
        }
        self.open.pop();
        self.keep(&[byte]);
        self.value_ended();
        Ok(1)
    }

    fn value_ended(&mut self) {
        self.state = match self.open.last() {
            None => State::End,
            Some(Frame::Object { .. }) => State::AfterMember,
            Some(Frame::Array { .. }) => State::AfterElement,
        };
    }

    fn in_record<E: From<Error>>(
        &mut self,
        rest: &[u8],
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        // One byte more than the limit: the byte after a number, or the one that is too many.
        let limit = self.limits.record_bytes;
        let window = &rest[..rest.len().min((limit - self.carry.len()).saturating_add(1))];
        let end = self.span.advance(window).map_err(|fault| self.fault(fault))?;
        let used = end.unwrap_or(window.len());
        if used > limit - self.carry.len() {
            return Err(Error::RecordTooLarge { offset: self.record_at, limit }.into());
        }
        if end.is_none() {
            self.carry.extend_from_slice(window);
            return Ok(used);
        }
        self.value_ended();
        self.records += 1;
        if self.carry.is_empty() {
            on_record(&window[..used])?;
        } else {
            self.carry.extend_from_slice(&window[..used]);
            on_record(&self.carry)?;
            self.carry.clear();
        }
        Ok(used)
    }

    fn begin_span(&mut self, byte: u8, open: usize) -> Result<(), Error> {
        self.span = Span::begin(byte, self.limits.depth.saturating_sub(open))
            .ok_or_else(|| self.unexpected(byte, "a JSON value"))?;
        Ok(())
    }

    fn check_depth(&self, open: usize) -> Result<(), Error> {
        if open > self.limits.depth {
            return Err(Error::TooDeep { offset: self.offset, limit: self.limits.depth });
        }
        Ok(())
    }

    fn unexpected(&self, byte: u8, expected: &'static str) -> Error {
        Error::Unexpected { offset: self.offset, expected, found: show_byte(byte) }
    }

    fn fault(&self, fault: Fault) -> Error {
        match fault {
            Fault::TooDeep { at } => {
                Error::TooDeep { offset: self.offset + at as u64, limit: self.limits.depth }
            }
            Fault::Unbalanced { at, found, expected } => Error::Unbalanced {
                offset: self.offset + at as u64,
                found: char::from(found),
                expected: char::from(expected),
            },
        }
    }

    /// Plain text such as `not found` starts like a literal.
    fn check_root_scalar(&self) -> Result<(), Error> {
        match serde_json::from_slice::<IgnoredAny>(&self.envelope) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::NotJson { opening: show_opening(&self.envelope[..1]) }),
        }
    }

    fn parse_envelope(self) -> Result<Envelope, Error> {
        let value = serde_json::from_slice(&self.envelope).map_err(|error| {
            malformed(&error, &self.envelope, |at| {
                let gap = if at >= self.gap_at { self.gap_bytes } else { 0 };
                self.root_at + at as u64 + gap
            })
        })?;
        Ok(Envelope { value, found: self.found, records: self.records, bytes: self.offset })
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
