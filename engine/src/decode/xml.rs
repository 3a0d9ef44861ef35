//! Cuts an XML response (XML 1.0, fifth edition) into its records while it arrives.
//!
//! An element becomes an object: attributes as `@name`, child elements by their names as written, a
//! list where there are several of one name, and text as `#text`. An element with text alone becomes
//! that text, an empty one null. Comments and processing instructions say nothing. A document type
//! with declarations of its own is refused, and so is every entity that the standard does not
//! predefine: nothing is ever fetched or expanded.

use serde_json::{Map, Value};

use super::envelope::{Envelope, Found};
use super::error::{OPENING_BYTES, show_byte, show_opening};
use super::{Error, JsonLimits};

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// Inside `<...>`; how it ends depends on how it starts.
    Markup,
    Stopped,
}

/// An element that is open.
#[derive(Debug)]
struct Element {
    name: String,
    /// Attributes and child elements; none are kept of elements around the records in the wrong
    /// place.
    members: Map<String, Value>,
    text: String,
    /// How many steps of the path lead to it, if it is on the path.
    level: Option<usize>,
    is_record: bool,
}

/// Finds the elements that are records, and hands over each as a JSON object as soon as it is
/// complete.
pub struct XmlRecords {
    path: Vec<String>,
    limits: JsonLimits,
    state: State,
    /// The text or markup being read.
    token: Vec<u8>,
    /// The quote that is open in a tag.
    quote: Option<u8>,
    open: Vec<Element>,
    /// How many elements are open around the record being read.
    record: Option<usize>,
    /// Bytes of the record being read, and of the document without its records.
    record_bytes: usize,
    kept_bytes: usize,
    /// The document without its records, once it is complete.
    root: Option<Value>,
    found: Found,
    /// Whether the text was made UTF-8 of another charset, whatever its declaration says.
    is_transcoded: bool,
    records: u64,
    offset: u64,
}

impl XmlRecords {
    /// `path` are the names of the elements from the root to the records: `["feed", "entry"]` for
    /// `$.feed.entry[*]`.
    #[must_use]
    pub fn new(path: Vec<String>, is_transcoded: bool, limits: JsonLimits) -> Self {
        Self {
            path,
            limits,
            state: State::Text,
            token: Vec::new(),
            quote: None,
            open: Vec::new(),
            record: None,
            record_bytes: 0,
            kept_bytes: 0,
            root: None,
            found: Found::Missing,
            is_transcoded,
            records: 0,
            offset: 0,
        }
    }

    /// Reads the next chunk and calls `on_record` with each record that it completes, as JSON.
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let result = self.read(chunk, &mut on_record);
        if result.is_err() {
            self.state = State::Stopped;
            self.token = Vec::new();
            self.open = Vec::new();
        }
        result
    }

    /// Ends the document: checks that it is complete. The envelope is an object with the root
    /// element as its only member; the records are left out of it.
    pub fn finish(self) -> Result<Envelope, Error> {
        let inside = match self.state {
            State::Stopped => return Err(Error::Stopped),
            State::Markup => "markup",
            State::Text if !self.open.is_empty() => "an element",
            State::Text => match &self.root {
                Some(_) if !self.token.iter().all(|byte| is_space(*byte)) => {
                    return Err(self.malformed("text follows the root element"));
                }
                Some(_) => {
                    let Self { root, found, records, offset: bytes, .. } = self;
                    let value = root.unwrap_or_default();
                    return Ok(Envelope { value, found, records, bytes });
                }
                None if self.token.iter().all(|byte| is_space(*byte)) => return Err(Error::Empty),
                None => {
                    let start = self.token.trim_ascii_start();
                    let head = &start[..start.len().min(OPENING_BYTES)];
                    return Err(Error::NotXml { opening: show_opening(head) });
                }
            },
        };
        Err(Error::XmlTruncated { offset: self.offset, inside })
    }

    fn read<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while !rest.is_empty() {
            match self.state {
                State::Stopped => return Err(Error::Stopped.into()),
                State::Text => {
                    let end = memchr::memchr(b'<', rest);
                    let used = end.unwrap_or(rest.len());
                    self.take(&rest[..used])?;
                    rest = &rest[used..];
                    if end.is_some() {
                        let token = std::mem::take(&mut self.token);
                        self.text(&token)?;
                        self.reuse(token);
                        self.state = State::Markup;
                    } else if self.open.is_empty() && self.root.is_none() {
                        self.check_start()?;
                    }
                }
                State::Markup => {
                    let end = memchr::memchr(b'>', rest).map(|end| end + 1);
                    let used = end.unwrap_or(rest.len());
                    let start = self.token.len();
                    self.take(&rest[..used])?;
                    rest = &rest[used..];
                    if self.is_complete(start, end.is_some())? {
                        let token = std::mem::take(&mut self.token);
                        self.markup(&token, on_record)?;
                        self.reuse(token);
                        self.state = State::Text;
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the memory of a token that was read.
    fn reuse(&mut self, mut token: Vec<u8>) {
        token.clear();
        self.token = token;
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.offset += bytes.len() as u64;
        let limit = self.limits.record_bytes;
        if self.token.len() + bytes.len() > limit {
            return Err(Error::RecordTooLarge { offset: self.offset, limit });
        }
        let (used, limit) = match self.record {
            Some(_) => (&mut self.record_bytes, limit),
            None => (&mut self.kept_bytes, self.limits.envelope_bytes),
        };
        // White space between elements is not kept.
        if !bytes.iter().all(|byte| is_space(*byte)) {
            *used += bytes.len();
        }
        if *used > limit {
            return Err(match self.record {
                Some(_) => Error::RecordTooLarge { offset: self.offset, limit },
                None => Error::EnvelopeTooLarge { limit },
            });
        }
        self.token.extend_from_slice(bytes);
        Ok(())
    }

    /// Something that is no XML is known by its first byte.
    fn check_start(&self) -> Result<(), Error> {
        let text = self.token.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.token);
        let start = text.trim_ascii_start();
        if start.is_empty() || b"\xEF\xBB\xBF".starts_with(start) {
            return Ok(());
        }
        Err(Error::NotXml { opening: show_byte(start[0]) })
    }

    /// Whether the markup ends with the `>` that was just read. `start` is where in the token the
    /// new bytes are.
    fn is_complete(&mut self, start: usize, has_end: bool) -> Result<bool, Error> {
        let token = &self.token;
        if token.starts_with(b"<!--") {
            return Ok(has_end && token.len() >= 7 && token.ends_with(b"-->"));
        }
        if token.starts_with(b"<![CDATA[") {
            return Ok(has_end && token.ends_with(b"]]>"));
        }
        if token.starts_with(b"<?") {
            return Ok(has_end && token.len() >= 4 && token.ends_with(b"?>"));
        }
        if token.len() < 9 && (b"<!--".starts_with(token) || b"<![CDATA[".starts_with(token)) {
            return Ok(false);
        }
        for &byte in &self.token[start..] {
            match self.quote {
                Some(quote) if byte == quote => self.quote = None,
                None if matches!(byte, b'"' | b'\'') => self.quote = Some(byte),
                None if byte == b'[' && self.token.starts_with(b"<!") => {
                    return Err(self.malformed("its document type declares something of its own"));
                }
                _ => {}
            }
        }
        Ok(has_end && self.quote.is_none())
    }

    fn malformed(&self, cause: impl Into<String>) -> Error {
        Error::XmlMalformed { offset: self.offset, cause: cause.into() }
    }

    fn text(&mut self, token: &[u8]) -> Result<(), Error> {
        if self.open.is_empty() {
            let text = token.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(token);
            return match text.trim_ascii().first() {
                None => Ok(()),
                Some(_) if self.root.is_some() => {
                    Err(self.malformed("text follows the root element"))
                }
                Some(byte) => Err(Error::NotXml { opening: show_byte(*byte) }),
            };
        }
        if token.iter().all(|byte| is_space(*byte)) {
            return Ok(());
        }
        let text = self.unescape(token)?;
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(&text);
        }
        Ok(())
    }

    /// Replaces character references and the five predefined entities (section 4.6).
    fn unescape(&self, bytes: &[u8]) -> Result<String, Error> {
        let text = String::from_utf8_lossy(bytes);
        let Some(first) = text.find('&') else { return Ok(text.into_owned()) };
        let mut out = text[..first].to_owned();
        let mut rest = &text[first..];
        while let Some(start) = rest.find('&') {
            out.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            let Some(end) = rest.as_bytes().iter().take(12).position(|byte| *byte == b';') else {
                return Err(self.malformed("`&` starts no reference"));
            };
            let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok();
            let character = match &rest[..end] {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                name => match name.strip_prefix('#') {
                    Some(digits) => match digits.strip_prefix('x') {
                        Some(digits) => number(digits, 16).and_then(char::from_u32),
                        None => number(digits, 10).and_then(char::from_u32),
                    },
                    None => None,
                },
            };
            out.push(character.ok_or_else(|| {
                self.malformed("a reference is to an entity that XML does not predefine")
            })?);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn markup<E: From<Error>>(
        &mut self,
        token: &[u8],
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if token.starts_with(b"<!--") {
            return Ok(());
        }
        if let Some(text) = token.strip_prefix(b"<![CDATA[") {
            let text = String::from_utf8_lossy(text.strip_suffix(b"]]>").unwrap_or(text));
            return match self.open.last_mut() {
                Some(element) => {
                    element.text.push_str(&text);
                    Ok(())
                }
                None => Err(self.malformed("text stands outside the root element").into()),
            };
        }
        if token.starts_with(b"<?") {
            return Ok(self.declaration(token)?);
        }
        if token.starts_with(b"<!") {
            if token.starts_with(b"<!DOCTYPE") && self.open.is_empty() && self.root.is_none() {
                return if token[9..].trim_ascii_start().to_ascii_lowercase().starts_with(b"html") {
                    Err(Error::NotXml { opening: "`<!DOCTYPE html`".to_owned() }.into())
                } else {
                    Ok(())
                };
            }
            return Err(self.malformed("a declaration stands where none may").into());
        }
        if let Some(name) = token.strip_prefix(b"</") {
            let name = name.strip_suffix(b">").unwrap_or(name).trim_ascii_end();
            match self.open.last() {
                Some(element) if element.name.as_bytes() == name => {}
                Some(_) => return Err(self.malformed("an end tag closes another element").into()),
                None => return Err(self.malformed("an end tag closes nothing").into()),
            }
            return self.end(on_record);
        }
        let inner = token[1..].strip_suffix(b">").unwrap_or(&token[1..]);
        let (inner, is_empty) = match inner.strip_suffix(b"/") {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        self.start(inner)?;
        if is_empty { self.end(on_record) } else { Ok(()) }
    }

    /// An XML declaration may say that the text is not UTF-8.
    fn declaration(&self, token: &[u8]) -> Result<(), Error> {
        let text = String::from_utf8_lossy(token).to_ascii_lowercase();
        let Some((_, rest)) = text.split_once("encoding").filter(|_| text.starts_with("<?xml "))
        else {
            return Ok(());
        };
        let name: String = rest
            .trim_start_matches([' ', '=', '"', '\''])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .take(32)
            .collect();
        // UTF-16 is text by now, or nothing of this could be read.
        let utf16 = name.starts_with("utf-16");
        if utf16
            || self.is_transcoded
            || matches!(name.as_str(), "" | "utf-8" | "utf8" | "us-ascii" | "ascii")
        {
            return Ok(());
        }
        Err(self.malformed(format!("it is written in {name}, and is read as utf-8")))
    }

    fn start(&mut self, tag: &[u8]) -> Result<(), Error> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.malformed("there is a second root element"));
        }
        if self.open.len() >= self.limits.depth {
            return Err(Error::TooDeep { offset: self.offset, limit: self.limits.depth });
        }
        let end = tag.iter().position(|byte| is_space(*byte)).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(end);
        if !is_name(name) {
            return Err(self.malformed("a tag has no name"));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let members = self.attributes(attributes)?;
        let before = match self.open.last() {
            None => Some(0),
            Some(element) => element.level.filter(|_| !element.is_record),
        };
        let level = before.filter(|level| self.path.get(*level) == Some(&name)).map(|l| l + 1);
        let is_record = level == Some(self.path.len());
        if is_record {
            self.record = Some(self.open.len());
            self.record_bytes = 0;
            self.found = Found::Array;
        } else if level == Some(self.path.len().saturating_sub(1)) && self.found == Found::Missing {
            // The element that would hold records is there, and may have none.
            self.found = Found::Null;
        }
        self.open.push(Element { name, members, text: String::new(), level, is_record });
        Ok(())
    }

    fn attributes(&self, mut rest: &[u8]) -> Result<Map<String, Value>, Error> {
        let mut members = Map::new();
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                return Ok(members);
            }
            let Some(equals) = rest.iter().position(|byte| *byte == b'=') else {
                return Err(self.malformed("an attribute has no value"));
            };
            let name = rest[..equals].trim_ascii_end();
            rest = rest[equals + 1..].trim_ascii_start();
            let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
            let closed = quote.and_then(|quote| memchr::memchr(quote, &rest[1..]));
            let Some(closed) = closed.filter(|_| is_name(name)) else {
                return Err(self.malformed("an attribute is not written as name=\"value\""));
            };
            let value = self.unescape(&rest[1..=closed])?;
            rest = &rest[closed + 2..];
            let name = format!("@{}", String::from_utf8_lossy(name));
            if members.insert(name, value.into()).is_some() {
                return Err(self.malformed("an attribute occurs twice in one tag"));
            }
        }
    }

    fn end<E: From<Error>>(
        &mut self,
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(Element { name, mut members, text, is_record, .. }) = self.open.pop() else {
            return Ok(());
        };
        let text = text.trim();
        let value = if members.is_empty() {
            if text.is_empty() { Value::Null } else { Value::from(text) }
        } else {
            if !text.is_empty() {
                members.insert("#text".to_owned(), text.into());
            }
            Value::Object(members)
        };
        if is_record {
            self.record = None;
            self.records += 1;
            // A record is an object, even if it has nothing.
            let value = match value {
                Value::Null => Value::Object(Map::new()),
                Value::String(text) => serde_json::json!({ "#text": text }),
                value => value,
            };
            return on_record(value.to_string().as_bytes());
        }
        match self.open.last_mut() {
            None => self.root = Some(Value::Object(Map::from_iter([(name, value)]))),
            Some(parent) => match parent.members.get_mut(&name) {
                None => {
                    parent.members.insert(name, value);
                }
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            },
        }
        Ok(())
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// A name in as much detail as matters: without what would be mistaken for something else.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && !name[0].is_ascii_digit()
        && name.iter().all(|byte| {
            !byte.is_ascii()
                || byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'_' | b'.' | b':')
        })
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
