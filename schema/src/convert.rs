//! Turns what a record says into another kind of value, for the engine that does it and for the
//! validator that tells beforehand whether it will.

use std::borrow::Cow;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::map::Conversion;
use crate::scalar::TimeFormat;
use crate::time;

mod text;
mod user_agent;

/// The longest text of an `ip_t` that OCSF allows.
const LONGEST_IP: usize = 40;

/// A value that is neither missing nor an object or array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plain<'t> {
    /// A text, or a number as it is written.
    Text(&'t str),
    /// A truth value.
    Boolean(bool),
}

/// What a conversion made.
#[derive(Clone, Debug, PartialEq)]
pub enum Converted<'t> {
    /// A text.
    Text(Cow<'t, str>),
    /// A whole number; a time is one in milliseconds since 1970.
    Integer(i64),
    /// A number as JSON writes it (RFC 8259, section 6).
    Number(&'t str),
    /// A truth value.
    Boolean(bool),
}

/// Converts a value; `None` if it cannot be read as what is asked for. A truth value is no number.
#[must_use]
pub fn convert<'t>(
    value: Plain<'t>,
    conversion: Conversion,
    format: &TimeFormat,
) -> Option<Converted<'t>> {
    let text = match value {
        Plain::Text(text) => text,
        Plain::Boolean(truth) => match conversion {
            Conversion::Boolean => return Some(Converted::Boolean(truth)),
            Conversion::Integer | Conversion::Float => return None,
            _ if truth => "true",
            _ => "false",
        },
    };
    let borrowed = |text: &'t str| Converted::Text(text.into());
    let owned = |text: String| Converted::Text(text.into());
    match conversion {
        Conversion::String => Some(borrowed(text)),
        Conversion::Integer => integer(text).map(Converted::Integer),
        Conversion::Float => float(text).map(Converted::Number),
        Conversion::Boolean => boolean(text).map(Converted::Boolean),
        Conversion::Timestamp => time::parse(text, format).map(Converted::Integer),
        Conversion::Ip => Some(text.trim()).filter(|text| is_ip(text)).map(borrowed),
        Conversion::Email => text::email(text).map(borrowed),
        Conversion::Url => text::url(text).map(borrowed),
        Conversion::Domain => text::domain(text).map(owned),
        Conversion::Country => text::country(text).map(owned),
        Conversion::UserAgent => user_agent::header(text).map(borrowed),
        Conversion::Browser => user_agent::browser(text).map(borrowed),
        Conversion::Os => user_agent::system(text).map(borrowed),
        Conversion::DeviceType => user_agent::device(text).map(borrowed),
        Conversion::Lower => Some(owned(text.to_lowercase())),
        Conversion::Upper => Some(owned(text.to_uppercase())),
        Conversion::Sha256 => Some(owned(hexadecimal(&Sha256::digest(text)))),
        Conversion::Json => Some(owned(match value {
            Plain::Text(text) => serde_json::Value::from(text).to_string(),
            Plain::Boolean(truth) => truth.to_string(),
        })),
    }
}

/// Bytes in lower case hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A whole number, also one that is written with a fraction of zero or an exponent; white space at
/// the ends is passed over.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let value = text.parse::<f64>().ok()?;
        // Up to 2^53 every whole double is exact.
        (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
    })
}

/// A number as JSON writes it that a double can hold; white space at the ends is passed over.
#[must_use]
pub fn float(text: &str) -> Option<&str> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
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
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(at..).map_or(0, |_| digits(at));
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    (at == bytes.len() && text.parse().is_ok_and(f64::is_finite)).then_some(text)
}

/// A truth value: `true` or `false` in letters of any case, `1` or `0`; white space at the ends is
/// passed over.
#[inline]
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Whether a text is an IP address, with the zone that IPv6 allows (RFC 4007 section 11).
#[must_use]
pub fn is_ip(text: &str) -> bool {
    text.len() <= LONGEST_IP
        && match text.split_once('%') {
            Some((address, zone)) => {
                !zone.is_empty() && matches!(address.parse(), Ok(IpAddr::V6(_)))
            }
            None => text.parse::<IpAddr>().is_ok(),
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converted(text: &str, conversion: Conversion) -> Option<String> {
        match convert(Plain::Text(text), conversion, &TimeFormat::Iso8601)? {
            Converted::Text(text) => Some(text.into_owned()),
            Converted::Integer(number) => Some(number.to_string()),
            Converted::Number(text) => Some(text.to_owned()),
            Converted::Boolean(truth) => Some(truth.to_string()),
        }
    }

    #[test]
    fn texts_are_changed() {
        let to = |text, conversion| converted(text, conversion).unwrap();
        assert_eq!(to("ÄB", Conversion::Lower), "äb");
        assert_eq!(to("äb", Conversion::Upper), "ÄB");
        assert_eq!(to("a\"b", Conversion::Json), r#""a\"b""#);
        // FIPS 180-2, appendix B.1.
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(to("abc", Conversion::Sha256), digest);
        assert_eq!(to("1970-01-01T00:00:01Z", Conversion::Timestamp), "1000");
    }

    #[test]
    fn a_truth_value_is_no_number() {
        let of = |conversion| convert(Plain::Boolean(true), conversion, &TimeFormat::Iso8601);
        assert_eq!(of(Conversion::Integer), None);
        assert_eq!(of(Conversion::Float), None);
        assert_eq!(of(Conversion::Boolean), Some(Converted::Boolean(true)));
        assert_eq!(of(Conversion::String), Some(Converted::Text("true".into())));
    }

    proptest! {
        #[test]
        fn floats_are_the_numbers_of_json(text in "-?[0-9.eE+ -]{0,9}") {
            let number = serde_json::from_str::<serde_json::Number>(text.trim()).ok();
            let known = number.and_then(|number| number.as_f64()).is_some_and(f64::is_finite);
            prop_assert_eq!(float(&text).is_some(), known, "{}", text);
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            for conversion in [
                Conversion::Email, Conversion::Url, Conversion::Domain, Conversion::Country,
                Conversion::UserAgent, Conversion::Browser, Conversion::Os, Conversion::DeviceType,
                Conversion::Float, Conversion::Integer, Conversion::Json,
            ] {
                let _ = converted(&text, conversion);
            }
        }
    }
}
