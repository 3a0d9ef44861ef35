//! Collects a response whole, for record paths that need the parsed document.

use super::Document;
use super::error::{Error, OPENING_BYTES, malformed, show_opening};
use super::span::{Fault, MAX_DEPTH, Span};

/// The fallback for record paths that [`JsonRecords`](super::JsonRecords) cannot follow (filters,
/// wildcards before the last step, recursive descent): up to `limit` bytes are kept, and parsed at
/// the end. RFC 8259 section 8.1 lets a parser ignore a byte order mark, and this one does.
pub struct Buffered {
    bytes: Vec<u8>,
    limit: usize,
    stopped: bool,
}

impl Buffered {
    /// Keeps at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, stopped: false }
    }

    /// Keeps one more chunk, or fails with [`Error::BodyTooLarge`].
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Error> {
        if self.stopped {
            return Err(Error::Stopped);
        }
        if chunk.len() > self.limit - self.bytes.len() {
            self.stopped = true;
            self.bytes = Vec::new();
            return Err(Error::BodyTooLarge { limit: self.limit });
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Parses the whole response. Fails with [`Error::Empty`], [`Error::NotJson`],
    /// [`Error::Truncated`], [`Error::TooDeep`] or [`Error::Malformed`].
    pub fn finish(&self) -> Result<Document<'_>, Error> {
        if self.stopped {
            return Err(Error::Stopped);
        }
        let text = self.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.bytes);
        let skipped = self.bytes.len() - text.len();
        let value = text.trim_ascii_start();
        let span = value.first().and_then(|first| Span::begin(*first, MAX_DEPTH));
        if let Some(Err(Fault::TooDeep { at })) = span.map(|mut span| span.advance(value)) {
            let offset = (self.bytes.len() - value.len() + at) as u64;
            return Err(Error::TooDeep { offset, limit: MAX_DEPTH });
        }
        Document::parse(text).map_err(|error| {
            let start = text.trim_ascii_start();
            match start.first() {
                None => Error::Empty,
                Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
                    if error.is_eof() =>
                {
                    Error::Truncated { offset: self.bytes.len() as u64, inside: "a value" }
                }
                Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => {
                    malformed(&error, text, |at| (at + skipped) as u64)
                }
                Some(_) => {
                    let head = &start[..start.len().min(OPENING_BYTES)];
                    Error::NotJson { opening: show_opening(head) }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], limit: usize) -> Result<serde_json::Value, Error> {
        let mut buffered = Buffered::new(limit);
        for chunk in body.chunks(3) {
            buffered.feed(chunk)?;
        }
        buffered.finish().map(|document| document.without(&[]))
    }

    #[test]
    fn parses_up_to_the_limit() {
        assert_eq!(read(b"\xEF\xBB\xBF {\"a\":[1]}", 13).unwrap()["a"][0], 1);
        assert_eq!(read(b"{\"a\":[1]}", 8), Err(Error::BodyTooLarge { limit: 8 }));
    }

    #[test]
    fn names_what_it_got_instead() {
        assert_eq!(read(b" \n", 99), Err(Error::Empty));
        let opening = "`<!DOCTYPE html`".to_owned();
        assert_eq!(read(b"\n<!doctype HTML><p>", 99), Err(Error::NotJson { opening }));
        let deep = "[".repeat(10_000);
        assert_eq!(read(deep.as_bytes(), 10_000), Err(Error::TooDeep { offset: 120, limit: 120 }));
        assert_eq!(read(b"[1,2", 99), Err(Error::Truncated { offset: 4, inside: "a value" }));
        let Err(Error::Malformed { offset, .. }) = read(b"\xEF\xBB\xBF{\n\"a\":\n x}", 99) else {
            panic!("accepted a bare word");
        };
        assert_eq!(offset, 11);
    }
}
