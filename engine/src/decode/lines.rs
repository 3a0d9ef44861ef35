//! Cuts NDJSON into its values while it arrives.

use super::error::{Error, show_byte, show_opening};
use super::json::JsonLimits;
use super::span::{Fault, MAX_DEPTH, Span};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// What stands before each value of a JSON text sequence (RFC 7464 section 2.2).
const RECORD_SEPARATOR: u8 = 0x1E;

/// Finds JSON values that follow each other, each on a line of its own as a rule, and hands over the
/// exact bytes of each as soon as it is complete. A value that is not complete at the end is an
/// error: it was cut off.
pub struct JsonLines {
    limits: JsonLimits,
    span: Option<Span>,
    /// Whether white space has to come before the next value.
    after_value: bool,
    carry: Vec<u8>,
    mark: usize,
    records: u64,
    offset: u64,
    record_at: u64,
    stopped: bool,
}

impl JsonLines {
    /// A reader at the start of a body. The limit of the envelope means nothing here.
    #[must_use]
    pub fn new(limits: JsonLimits) -> Self {
        let limits = JsonLimits { depth: limits.depth.min(MAX_DEPTH), ..limits };
        Self {
            limits,
            span: None,
            after_value: false,
            carry: Vec::new(),
            mark: 0,
            records: 0,
            offset: 0,
            record_at: 0,
            stopped: false,
        }
    }

    /// Reads the next chunk and calls `on_record` with each value that it completes, in order.
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.stopped {
            return Err(Error::Stopped.into());
        }
        let result = self.read(chunk, &mut on_record);
        self.stopped = result.is_err();
        result
    }

    /// Ends the body: hands over a number or literal that nothing follows, and returns how many
    /// values there were. Fails with [`Error::Truncated`] inside any other value.
    pub fn finish<E: From<Error>>(
        mut self,
        mut on_record: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        if self.stopped {
            return Err(Error::Stopped.into());
        }
        match self.span.take() {
            None if self.mark == 0 || self.mark == BYTE_ORDER_MARK.len() => Ok(self.records),
            None => Err(Error::NotJson { opening: show_byte(BYTE_ORDER_MARK[0]) }.into()),
            Some(span) if span.is_scalar() => {
                let value = std::mem::take(&mut self.carry);
                self.check_scalar(&value)?;
                on_record(&value)?;
                Ok(self.records + 1)
            }
            Some(_) => Err(Error::Truncated { offset: self.offset, inside: "a record" }.into()),
        }
    }

    fn read<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while let Some(&byte) = rest.first() {
            let used = match &mut self.span {
                Some(_) => self.in_value(rest, on_record)?,
                None => self.between(byte)?,
            };
            rest = &rest[used..];
            self.offset += used as u64;
        }
        Ok(())
    }

    fn between(&mut self, byte: u8) -> Result<usize, Error> {
        if self.offset == self.mark as u64 && BYTE_ORDER_MARK.get(self.mark) == Some(&byte) {
            self.mark += 1;
            return Ok(1);
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | RECORD_SEPARATOR) {
            self.after_value = false;
            return Ok(1);
        }
        if self.after_value {
            let expected = "a line end after a record";
            return Err(Error::Unexpected {
                offset: self.offset,
                expected,
                found: show_byte(byte),
            });
        }
        let Some(span) = Span::begin(byte, self.limits.depth) else {
            if self.records == 0 {
                return Err(Error::NotJson { opening: show_opening(&[byte]) });
            }
            let expected = "a JSON value";
            return Err(Error::Unexpected {
                offset: self.offset,
                expected,
                found: show_byte(byte),
            });
        };
        self.record_at = self.offset;
        self.span = Some(span);
        Ok(0)
    }

    fn in_value<E: From<Error>>(
        &mut self,
        rest: &[u8],
        on_record: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let Some(span) = &mut self.span else { return Ok(0) };
        let limit = self.limits.record_bytes;
        let window = &rest[..rest.len().min((limit - self.carry.len()).saturating_add(1))];
        let end = span.advance(window).map_err(|fault| match fault {
            Fault::TooDeep { at } => {
                Error::TooDeep { offset: self.offset + at as u64, limit: self.limits.depth }
            }
            Fault::Unbalanced { at, found, expected } => Error::Unbalanced {
                offset: self.offset + at as u64,
                found: char::from(found),
                expected: char::from(expected),
            },
        })?;
        let used = end.unwrap_or(window.len());
        if used > limit - self.carry.len() {
            return Err(Error::RecordTooLarge { offset: self.record_at, limit }.into());
        }
        if end.is_none() {
            self.carry.extend_from_slice(window);
            return Ok(used);
        }
        let is_scalar = self.span.take().is_some_and(|span| span.is_scalar());
        if self.carry.is_empty() && !is_scalar {
            self.records += 1;
            self.after_value = true;
            on_record(&window[..used])?;
            return Ok(used);
        }
        let mut value = std::mem::take(&mut self.carry);
        value.extend_from_slice(&window[..used]);
        if is_scalar {
            self.check_scalar(&value)?;
        }
        self.records += 1;
        self.after_value = true;
        on_record(&value)?;
        value.clear();
        self.carry = value;
        Ok(used)
    }

    /// Plain text such as `not found` starts like a literal.
    fn check_scalar(&self, value: &[u8]) -> Result<(), Error> {
        match serde_json::from_slice::<serde::de::IgnoredAny>(value) {
            Ok(_) => Ok(()),
            Err(_) if self.records == 0 => {
                Err(Error::NotJson { opening: show_opening(&value[..1]) })
            }
            Err(_) => Err(Error::Unexpected {
                offset: self.record_at,
                expected: "a JSON value",
                found: show_byte(value[0]),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], step: usize) -> (Vec<String>, Result<u64, Error>) {
        let mut lines = JsonLines::new(JsonLimits { record_bytes: 64, ..JsonLimits::default() });
        let mut records = Vec::new();
        for chunk in text.chunks(step) {
            let fed = lines.feed::<Error>(chunk, |record| {
                records.push(String::from_utf8_lossy(record).into_owned());
                Ok(())
            });
            if let Err(error) = fed {
                return (records, Err(error));
            }
        }
        let end = lines.finish::<Error>(|record| {
            records.push(String::from_utf8_lossy(record).into_owned());
            Ok(())
        });
        (records, end)
    }

    #[test]
    fn one_value_a_line() {
        let text = b"\xEF\xBB\xBF{\"a\":\"}\\n\"}\r\n\n[1]\n\x1E2\n{\"b\":{}}";
        for step in 1..=text.len() {
            let (records, end) = read(text, step);
            assert_eq!(records, ["{\"a\":\"}\\n\"}", "[1]", "2", "{\"b\":{}}"], "by {step}");
            assert_eq!(end, Ok(4));
        }
        assert_eq!(read(b"", 1), (vec![], Ok(0)));
        assert_eq!(read(b" \n", 1), (vec![], Ok(0)));
    }

    #[test]
    fn what_is_cut_off_or_no_json_is_named() {
        let end = |text: &[u8]| {
            let whole = read(text, usize::MAX).1;
            assert_eq!(read(text, 1).1, whole);
            whole
        };
        assert_eq!(end(b"{}\n{\"a\":"), Err(Error::Truncated { offset: 8, inside: "a record" }));
        assert_eq!(end(b"<html>"), Err(Error::NotJson { opening: "`<`".to_owned() }));
        assert_eq!(end(b"not found"), Err(Error::NotJson { opening: "`n`".to_owned() }));
        assert!(matches!(end(b"{}\nfoo"), Err(Error::Unexpected { offset: 3, .. })));
        assert!(matches!(end(b"{}{}"), Err(Error::Unexpected { offset: 2, .. })));
        assert!(matches!(end(b"{}]"), Err(Error::Unexpected { .. })));
        assert!(matches!(end(b"[}"), Err(Error::Unbalanced { offset: 1, .. })));
        let long = format!("[\"{}\"]", "x".repeat(80));
        assert_eq!(end(long.as_bytes()), Err(Error::RecordTooLarge { offset: 0, limit: 64 }));
    }

    proptest! {
        #[test]
        fn any_text_is_read_alike_however_it_is_cut(
            text in prop::collection::vec(prop::sample::select(b"{}[]\",:1tn \n\\\x1E\xEF\xBB\xBF".to_vec()), 0..40),
            step in 1_usize..6,
        ) {
            prop_assert_eq!(read(&text, step), read(&text, usize::MAX));
        }
    }
}
