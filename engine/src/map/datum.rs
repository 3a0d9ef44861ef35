//! One value of a record, as a span of its bytes where possible.

use super::scan::{Scanner, plain_length};

/// A value on its way from a record to an event.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Datum<'v> {
    /// No value: a missing member, JSON null, an empty CSV field, or what could not be converted.
    #[default]
    Missing,
    /// A JSON string.
    String {
        /// As written, with its quotes.
        raw: &'v str,
        /// Whether it has escapes.
        escaped: bool,
    },
    /// Text that is not JSON: a CSV field, a match, a template's result.
    Text(&'v str),
    /// A JSON number as written.
    Number(&'v str),
    /// `true` or `false`.
    Boolean(bool),
    /// A JSON object as written.
    Object(&'v str),
    /// A JSON array as written.
    Array(&'v str),
    /// A whole number made by a conversion; a time is one in milliseconds since 1970.
    Integer(i64),
}

impl<'v> Datum<'v> {
    pub(super) fn is_missing(self) -> bool {
        matches!(self, Self::Missing)
    }

    /// A CSV field: empty means no value.
    pub(super) fn field(text: &'v str) -> Self {
        if text.is_empty() { Self::Missing } else { Self::Text(text) }
    }

    /// The text that a person sees: strings without escapes, numbers and truth values as JSON writes
    /// them. `None` for no value, objects and arrays. `buffer` holds it where no span does.
    #[inline]
    #[must_use]
    pub fn text<'b>(self, buffer: &'b mut String) -> Option<&'b str>
    where
        'v: 'b,
    {
        match self {
            Self::Missing | Self::Object(_) | Self::Array(_) => None,
            Self::String { raw, escaped: false } => Some(&raw[1..raw.len() - 1]),
            Self::String { raw, escaped: true } => {
                // Unescaping is rare enough to leave to the library.
                *buffer = serde_json::from_str(raw).ok()?;
                Some(buffer)
            }
            Self::Text(text) | Self::Number(text) => Some(text),
            Self::Boolean(value) => Some(if value { "true" } else { "false" }),
            Self::Integer(number) => {
                *buffer = number.to_string();
                Some(buffer)
            }
        }
    }

    /// Appends the value as JSON in one line; nothing for no value.
    #[inline]
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Missing => {}
            Self::String { raw, .. } | Self::Number(raw) => {
                out.extend_from_slice(raw.as_bytes());
            }
            Self::Text(text) => write_string(text, out),
            Self::Boolean(value) => {
                out.extend_from_slice(if value { b"true" as &[u8] } else { b"false" });
            }
            Self::Object(raw) | Self::Array(raw) => {
                let start = out.len();
                out.extend_from_slice(raw.as_bytes());
                // Inside strings line ends are escaped, so these are white space.
                for byte in &mut out[start..] {
                    if matches!(byte, b'\n' | b'\r') {
                        *byte = b' ';
                    }
                }
            }
            Self::Integer(number) => write_integer(number, out),
        }
    }

    /// What the value looks like, without its content: digits as `9`, letters as `a`.
    pub(super) fn shape(self) -> String {
        let mut buffer = String::new();
        match self {
            Self::Missing => return "no value".to_owned(),
            Self::Object(_) => return "an object".to_owned(),
            Self::Array(_) => return "an array".to_owned(),
            Self::Boolean(_) => return "a truth value".to_owned(),
            _ => {}
        }
        let kind =
            if matches!(self, Self::Number(_) | Self::Integer(_)) { "a number" } else { "text" };
        let text = self.text(&mut buffer).unwrap_or_default();
        let mut shape: String = text
            .chars()
            .take(40)
            .map(|c| match c {
                '0'..='9' => '9',
                c if c.is_ascii_punctuation() || c == ' ' => c,
                _ => 'a',
            })
            .collect();
        if text.chars().nth(40).is_some() {
            shape.push('…');
        }
        format!("{kind} of the shape `{shape}`")
    }

    /// One JSON value that is known to be well-formed.
    pub(super) fn parse(text: &'v str) -> Self {
        Scanner::new(text).value().unwrap_or_default()
    }
}

/// Appends a number in decimal digits.
pub(super) fn write_integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a text as a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    out.push(b'"');
    loop {
        let plain = plain_length(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(&byte) = rest.get(plain) else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shapes_hide_content() {
        let text = Datum::Text("2026-10-01 Ünder");
        assert_eq!(text.shape(), "text of the shape `9999-99-99 aaaaa`");
        assert_eq!(Datum::Number("12.5").shape(), "a number of the shape `99.9`");
        assert_eq!(Datum::Missing.shape(), "no value");
    }

    proptest! {
        #[test]
        fn strings_and_integers_read_back(text in any::<String>(), number in any::<i64>()) {
            let mut out = Vec::new();
            write_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text.clone());
            let quoted = String::from_utf8(out).unwrap();
            let datum = Datum::parse(&quoted);
            let mut buffer = String::new();
            prop_assert_eq!(datum.text(&mut buffer), Some(text.as_str()));
            let mut out = Vec::new();
            write_integer(number, &mut out);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
