//! Reads a record's bytes in one pass: finds where values start and end, and checks on the way that
//! they are JSON (RFC 8259), because spans of them are copied into events as they are.

use super::datum::Datum;

/// The deepest nesting that is followed; one less than `serde_json` refuses.
const MAX_DEPTH: usize = 126;

/// Why the bytes are not a record; offsets count from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON (RFC 8259).
    Syntax {
        /// Where.
        at: usize,
        /// What would have been JSON.
        expected: &'static str,
    },
    /// More than 126 objects and arrays in each other.
    TooDeep {
        /// Where the one too many begins.
        at: usize,
    },
    /// Half of a UTF-16 surrogate pair. RFC 8259 section 8.2 leaves open what that means, and most
    /// readers refuse it.
    LoneSurrogate {
        /// Where its escape begins.
        at: usize,
    },
}

/// A position in a record. Nothing is copied, and what was not read by name is checked all the same.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    /// The same.
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    /// Stands before the record.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0 }
    }

    /// The first byte of the next value; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Where the scanner stands.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// What was read since a position. Values start and end with ASCII characters.
    pub(super) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Fails if anything but white space is left.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.peek();
        if self.at < self.bytes.len() { self.expected("the end of the record") } else { Ok(()) }
    }

    /// Reads one value of any kind.
    #[inline]
    pub fn value(&mut self) -> Result<Datum<'a>, Fault> {
        match self.peek() {
            b'"' => self.string().map(|(raw, escaped)| Datum::String { raw, escaped }),
            b'{' => {
                let start = self.at;
                self.members(|scanner| {
                    scanner.name()?;
                    scanner.value().map(drop)
                })?;
                Ok(Datum::Object(self.since(start)))
            }
            b'[' => {
                let start = self.at;
                self.elements(|scanner, _| scanner.value().map(drop))?;
                Ok(Datum::Array(self.since(start)))
            }
            b't' => self.word(b"true").map(|()| Datum::Boolean(true)),
            b'f' => self.word(b"false").map(|()| Datum::Boolean(false)),
            b'n' => self.word(b"null").map(|()| Datum::Missing),
            b'-' | b'0'..=b'9' => self.number().map(Datum::Number),
            _ => self.expected("a value"),
        }
    }

    /// Reads an object and calls `on_member` at the start of each member, which reads the
    /// [`Scanner::name`] and then the value.
    #[inline]
    pub fn members(
        &mut self,
        mut on_member: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'{', "an object")?;
        if self.peek() == b'}' {
            return self.close();
        }
        loop {
            on_member(self)?;
            if !self.has_more_members()? {
                return Ok(());
            }
        }
    }

    /// Reads an object up to the end of the member of this name, which is in quotes, and returns its
    /// value. `None` if the object ends before; a name with escapes is none that is looked for.
    pub fn find(&mut self, name: &[u8]) -> Result<Option<Datum<'a>>, Fault> {
        self.open(b'{', "an object")?;
        if self.peek() == b'}' {
            return self.close().map(|()| None);
        }
        loop {
            let (found, _) = self.name()?;
            let value = self.value()?;
            if found == name {
                return Ok(Some(value));
            }
            if !self.has_more_members()? {
                return Ok(None);
            }
        }
    }

    /// Reads what is behind a member: the comma before the next one, or the object's end.
    #[inline]
    fn has_more_members(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            b'}' => self.close().map(|()| false),
            _ => self.expected("a comma or the object's end"),
        }
    }

    /// Reads a member's name and the colon behind it; returns the name with its quotes, and whether
    /// it has escapes.
    #[inline]
    pub fn name(&mut self) -> Result<(&'a [u8], bool), Fault> {
        if self.peek() != b'"' {
            return self.expected("a member name");
        }
        let (name, escaped) = self.string()?;
        self.colon()?;
        Ok((name.as_bytes(), escaped))
    }

    /// Reads the member's name and the colon behind it if the name is this one, with its quotes, as
    /// it was read before; `None` if it is another one, and nothing is read.
    #[inline]
    pub fn known_name(&mut self, known: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
        self.peek();
        let start = self.at;
        if known.is_empty() || !self.bytes[start..].starts_with(known) {
            return Ok(None);
        }
        self.at += known.len();
        let name = &self.bytes[start..self.at];
        self.colon()?;
        Ok(Some(name))
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Fault> {
        if self.peek() != b':' {
            return self.expected("a colon");
        }
        self.at += 1;
        Ok(())
    }

    /// Reads an array and calls `on_element` at the start of each element with its index.
    pub fn elements(
        &mut self,
        mut on_element: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'[', "an array")?;
        if self.peek() == b']' {
            return self.close();
        }
        let mut index = 0;
        loop {
            on_element(self, index)?;
            index += 1;
            match self.peek() {
                b',' => self.at += 1,
                b']' => return self.close(),
                _ => return self.expected("a comma or the array's end"),
            }
        }
    }

    fn open(&mut self, bracket: u8, expected: &'static str) -> Result<(), Fault> {
        if self.peek() != bracket {
            return self.expected(expected);
        }
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "ends functions that may fail")]
    fn close(&mut self) -> Result<(), Fault> {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, Fault> {
        Err(Fault::Syntax { at: self.at, expected })
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.expected("a value");
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        match number_length(&self.bytes[start..]) {
            Some(length) => {
                self.at += length;
                Ok(self.since(start))
            }
            None => self.expected("a number"),
        }
    }

    /// Reads a string; returns it with its quotes, and whether it has escapes.
    #[expect(clippy::inline_always, reason = "a twelfth of the whole mapping, as measured")]
    #[inline(always)]
    fn string(&mut self) -> Result<(&'a str, bool), Fault> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_length(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((self.since(start), escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.expected("an escape in place of a control character"),
                None => return self.expected("the end of a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let at = self.at;
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let Some(unit) = hex(self.bytes, at + 2) else {
                    return self.expected("four hexadecimal digits in an escape");
                };
                self.at += 6;
                if let 0xD800..=0xDFFF = unit {
                    let low = match self.bytes.get(self.at..self.at + 2) {
                        Some(b"\\u") => hex(self.bytes, self.at + 2),
                        _ => None,
                    };
                    if unit >= 0xDC00 || !matches!(low, Some(0xDC00..=0xDFFF)) {
                        return Err(Fault::LoneSurrogate { at });
                    }
                    self.at += 6;
                }
            }
            _ => return self.expected("an escape"),
        }
        Ok(())
    }
}

/// The four hexadecimal digits at `at`.
fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .iter()
        .try_fold(0, |unit, &digit| char::from(digit).to_digit(16).map(|value| unit << 4 | value))
}

/// The number of bytes before the first quote, backslash or control character.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest marked byte is exact; borrows can only mark bytes above a marked one.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & TOPS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    bytes.len() - tail.len() + tail.iter().take_while(|byte| plain(byte)).count()
}

/// The length of the JSON number that the bytes start with (RFC 8259 section 6).
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || whole > 1 && bytes[at] == b'0' {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// The same text with every half surrogate pair from `first` on replaced by the escape of U+FFFD, which is as long.
pub(super) fn without_lone_surrogates(text: &str, first: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = first;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let unit = if bytes.get(at + 1) == Some(&b'u') { hex(&bytes, at + 2) } else { None };
        at += match unit {
            None => 2,
            Some(0xD800..=0xDBFF)
                if bytes.get(at + 6..at + 8) == Some(b"\\u")
                    && matches!(hex(&bytes, at + 8), Some(0xDC00..=0xDFFF)) =>
            {
                12
            }
            Some(0xD800..=0xDFFF) => {
                bytes[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            Some(_) => 6,
        };
    }
    String::from_utf8(bytes).expect("ASCII characters took the place of others")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &str) -> Result<Datum<'_>, Fault> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value()?;
        scanner.end()?;
        Ok(value)
    }

    #[test]
    fn agrees_with_the_grammar_at_its_edges() {
        for text in [
            "0",
            "-0",
            "01",
            "1.",
            "1.5",
            ".5",
            "1e5",
            "1E+05",
            "1e",
            "-",
            "- 1",
            "+1",
            "\"\"",
            "\"\\u00e9\"",
            "\"\\u00g9\"",
            "\"\\x\"",
            "\"\t\"",
            "\"a",
            "[]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":{\"b\":[null,true,false]}}",
            "nul",
            "truee",
            "1 2",
            "",
            " ",
            "[1]]",
            "\"\\\"\"",
            "\"\\\\\"",
            "\"\\\\\\\"",
            "\u{feff}1",
        ] {
            let parsed = serde_json::from_str::<serde_json::Value>(text);
            assert_eq!(scan(text).is_ok(), parsed.is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_member_is_found_before_the_rest_is_read() {
        let find = |text| Scanner::new(text).find(b"\"a\"");
        assert_eq!(find(r#"{"b":{"a":1}, "a" : 2, rest"#), Ok(Some(Datum::Number("2"))));
        assert_eq!(find(r#"{"b":"\"a\":1"}"#), Ok(None));
        assert_eq!(find("{}"), Ok(None));
        assert!(find(r#"{"b":1 "a":2}"#).is_err());
        assert!(find(r#"["a"]"#).is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(scan(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(scan(&deep(100_000)), Err(Fault::TooDeep { at: MAX_DEPTH }));
    }

    #[test]
    fn half_surrogate_pairs_are_replaced_in_place() {
        for (text, mended) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\udc00\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00\\ud800""#, r#""\ufffd\ud83d\ude00\\ud800""#),
        ] {
            let Err(Fault::LoneSurrogate { at }) = scan(text) else { panic!("accepted {text}") };
            assert_eq!(without_lone_surrogates(text, at), mended);
            assert!(scan(mended).is_ok());
        }
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts(text in "[\\[\\]{},:\"\\\\a0-9.e+\\- ntrufls]{0,24}") {
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            // A number beyond the range of a double is JSON, but serde_json refuses it.
            let beyond = parsed.as_ref().is_err_and(|e| e.to_string().contains("out of range"));
            prop_assert!(beyond || scan(&text).is_ok() == parsed.is_ok(), "{}", text);
        }

        #[test]
        fn plain_bytes_are_counted_exactly(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let plain = |b: &u8| *b >= 0x20 && *b != b'"' && *b != b'\\';
            prop_assert_eq!(plain_length(&bytes), bytes.iter().take_while(|b| plain(b)).count());
        }
    }
}
