//! Cuts a JSON response into its records while it arrives.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::error::{Error, OPENING_BYTES, malformed, show_byte, show_opening};
use super::span::{Fault, MAX_DEPTH, Span};

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

/// What was found at the place of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// An array, possibly empty.
    Array,
    /// The JSON value `null`.
    Null,
    /// A value that is neither an array nor `null`.
    NotAnArray,
    /// Nothing: a member of the path does not exist, or a value on the way is not an object.
    Missing,
}

/// Everything of a response but its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The document, with the array of records left empty.
    pub value: Value,
    /// What was found at the place of the records.
    pub found: Found,
    /// How many records were handed over.
    pub records: u64,
    /// Length of the document in bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the root value.
    Start,
    /// The body is no JSON; its first bytes are collected to say what it is.
    Foreign,
    /// Before the value of the root or of a member.
    Value {
        on_path: bool,
    },
    /// Inside a value that is kept for the envelope.
    Kept,
    /// In an object on the path: before a member name, or `}` if it is the first.
    Name {
        first: bool,
    },
    /// Inside a member name.
    InName,
    /// After a member name.
    Colon {
        on_path: bool,
    },
    /// After a member's value.
    AfterMember,
    /// In the array of records: before a record, or `]` if it is the first.
    Record {
        first: bool,
    },
    /// Inside a record.
    InRecord,
    /// After a record.
    AfterRecord,
    /// After the root value.
    End,
    Stopped,
}

/// Finds the array of records in a JSON document (RFC 8259) and hands over the exact bytes of each
/// record as soon as it is complete. A record that lies within one chunk is not copied.
///
/// Brackets, quotes, commas and colons are checked everywhere outside the records, and brackets and
/// quotes inside them; whether the inside of a record is JSON is for the one who parses it.
pub struct JsonRecords {
    path: Vec<String>,
    limits: JsonLimits,
    state: State,
    /// The value, record or member name being read.
    span: Span,
    /// The start of a record that began in an earlier chunk.
    carry: Vec<u8>,
    /// The document without its records, from the first byte of the root value.
    envelope: Vec<u8>,
    /// One entry per object on the path that is open: whether its member on the path was seen.
    seen: Vec<bool>,
    found: Found,
    records: u64,
    /// Document position of the next byte.
    offset: u64,
    /// Document position of the root value, of the member name and of the record being read.
    root_at: u64,
    name_at: u64,
    record_at: u64,
    /// Where in the envelope the member name being read starts.
    name_start: usize,
    /// Where in the envelope the records are missing, and how many bytes.
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
        let limits = JsonLimits { depth: limits.depth.min(MAX_DEPTH), ..limits };
        Self {
            path,
            limits,
            state: State::Start,
            span: Span::default(),
            carry: Vec::new(),
            envelope: Vec::new(),
            seen: Vec::new(),
            found: Found::Missing,
            records: 0,
            offset: 0,
            root_at: 0,
            name_at: 0,
            record_at: 0,
            name_start: 0,
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
            State::Kept if self.seen.is_empty() && self.span.is_scalar() => {
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
            State::Record { .. } | State::AfterRecord => "the array of records",
            State::InRecord => "a record",
            State::InName => "a member name",
            State::Kept => "a value",
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
                State::Record { first } => self.before_record(rest, first)?,
                State::AfterRecord => self.after_record(byte)?,
                State::Start => self.start(byte)?,
                State::Foreign => self.foreign(byte)?,
                State::End => self.end(byte)?,
                State::Stopped => return Err(Error::Stopped.into()),
                _ => self.in_envelope(rest, byte)?,
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
                Some(_) => State::Value { on_path: true },
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

    /// One step in what is kept for the envelope. At most as many bytes are looked at as still fit,
    /// so that the outcome does not depend on the size of the chunks.
    fn in_envelope(&mut self, rest: &[u8], byte: u8) -> Result<usize, Error> {
        let room = self.limits.envelope_bytes.saturating_sub(self.envelope.len());
        if room == 0 {
            return Err(Error::EnvelopeTooLarge { limit: self.limits.envelope_bytes });
        }
        let rest = &rest[..rest.len().min(room)];
        match self.state {
            State::Kept | State::InName => return self.in_kept(rest),
            _ if is_space(byte) => {}
            State::Value { on_path } => return self.value(byte, on_path),
            State::Name { first } => return self.name(byte, first),
            State::Colon { on_path } if byte == b':' => self.state = State::Value { on_path },
            State::Colon { .. } => return Err(self.unexpected(byte, "`:` after a member name")),
            State::AfterMember if byte == b',' => self.state = State::Name { first: false },
            State::AfterMember if byte == b'}' => self.close_object(),
            _ => return Err(self.unexpected(byte, "`,` or `}` after a member")),
        }
        self.envelope.push(byte);
        Ok(1)
    }

    fn in_kept(&mut self, rest: &[u8]) -> Result<usize, Error> {
        let end = self.span.advance(rest).map_err(|fault| self.fault(fault))?;
        let used = end.unwrap_or(rest.len());
        self.envelope.extend_from_slice(&rest[..used]);
        if end.is_some() {
            if self.state == State::InName {
                self.state = State::Colon { on_path: self.name_is_on_path()? };
            } else {
                self.value_ended();
                if self.state == State::End && self.span.is_scalar() {
                    self.check_root_scalar()?;
                }
            }
        }
        Ok(used)
    }

    fn value(&mut self, byte: u8, on_path: bool) -> Result<usize, Error> {
        let open = self.seen.len();
        if on_path && open < self.path.len() && byte == b'{' {
            self.check_depth(open + 1)?;
            self.seen.push(false);
            self.envelope.push(byte);
            self.state = State::Name { first: true };
            return Ok(1);
        }
        if on_path && open == self.path.len() {
            if byte == b'[' {
                self.check_depth(open + 1)?;
                self.found = Found::Array;
                self.envelope.push(byte);
                self.gap_at = self.envelope.len();
                self.state = State::Record { first: true };
                return Ok(1);
            }
            self.found = if byte == b'n' { Found::Null } else { Found::NotAnArray };
        }
        self.begin_span(byte, open)?;
        self.state = State::Kept;
        Ok(0)
    }

    fn name(&mut self, byte: u8, first: bool) -> Result<usize, Error> {
        match byte {
            b'"' => {
                self.name_at = self.offset;
                self.name_start = self.envelope.len();
                self.begin_span(byte, 0)?;
                self.state = State::InName;
                Ok(0)
            }
            b'}' if first => {
                self.close_object();
                self.envelope.push(byte);
                Ok(1)
            }
            _ => {
                Err(self
                    .unexpected(byte, if first { "a member name or `}`" } else { "a member name" }))
            }
        }
    }

    /// Compares the name just read with the path, after resolving its escapes.
    fn name_is_on_path(&mut self) -> Result<bool, Error> {
        let name = &self.envelope[self.name_start..];
        let wanted = &self.path[self.seen.len() - 1];
        let same = if name.contains(&b'\\') {
            serde_json::from_slice::<String>(name).is_ok_and(|name| name == *wanted)
        } else {
            name[1..name.len() - 1] == *wanted.as_bytes()
        };
        if same
            && let Some(seen) = self.seen.last_mut()
            && std::mem::replace(seen, true)
        {
            return Err(Error::DuplicateMember { name: wanted.clone(), offset: self.name_at });
        }
        Ok(same)
    }

    fn close_object(&mut self) {
        self.seen.pop();
        self.value_ended();
    }

    fn value_ended(&mut self) {
        self.state = if self.seen.is_empty() { State::End } else { State::AfterMember };
    }

    fn before_record(&mut self, rest: &[u8], first: bool) -> Result<usize, Error> {
        let Some(spaces) = rest.iter().position(|&byte| !is_space(byte)) else {
            return Ok(rest.len());
        };
        let byte = rest[spaces];
        self.offset += spaces as u64;
        let step = if byte == b']' && first {
            self.close_records()
        } else {
            self.record_at = self.offset;
            self.state = State::InRecord;
            self.begin_span(byte, self.seen.len() + 1).map(|()| 0)
        };
        self.offset -= spaces as u64;
        Ok(spaces + step?)
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
        self.state = State::AfterRecord;
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

    fn after_record(&mut self, byte: u8) -> Result<usize, Error> {
        match byte {
            b',' => self.state = State::Record { first: false },
            b']' => return self.close_records(),
            _ if is_space(byte) => {}
            _ => return Err(self.unexpected(byte, "`,` or `]` after a record")),
        }
        Ok(1)
    }

    fn close_records(&mut self) -> Result<usize, Error> {
        if self.envelope.len() >= self.limits.envelope_bytes {
            return Err(Error::EnvelopeTooLarge { limit: self.limits.envelope_bytes });
        }
        self.gap_bytes = self.offset - self.root_at - self.gap_at as u64;
        self.envelope.push(b']');
        self.value_ended();
        Ok(1)
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
