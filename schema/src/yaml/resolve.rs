//! What plain scalars mean: the YAML 1.2 core schema (YAML 1.2.2, section 10.3.2) without what is
//! easily misread.

use std::borrow::Cow;

use super::Content;

/// How YAML readers read a plain scalar that they disagree about, and what may be written instead.
pub(super) fn ambiguous(text: &str) -> Option<(&'static str, &'static str)> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["yes", "on", "y"]) {
        Some(("true in YAML 1.1 and text in YAML 1.2", "`true`, or "))
    } else if is(&["no", "off", "n"]) {
        Some(("false in YAML 1.1 and text in YAML 1.2", "`false`, or "))
    } else if is(&[".inf", "-.inf", "+.inf", ".nan"]) {
        Some(("not a number that JSON has", ""))
    } else {
        odd_number(text).map(|reading| (reading, ""))
    }
}

/// Whether a text is written as a decimal number is (YAML 1.2.2, section 10.3.2), more or less.
fn is_numeric(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))
        && text.bytes().filter(|b| *b == b'.').count() <= 1
}

/// The value of a plain scalar that is not ambiguous.
pub(super) fn value(text: Cow<'_, str>) -> Content {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| matches!(c, '0'..='9' | '.' | '-' | '+' | 'e' | 'E')) {
        return Content::String(text.into_owned());
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Content::Integer(integer);
    }
    match text.parse::<f64>() {
        Ok(float) if is_numeric(&text) && float.is_finite() => Content::Float(float),
        _ => Content::String(text.into_owned()),
    }
}

/// Whether a text is digits with underscores between, or zeros in front.
pub(super) fn plain_digits(text: &str) -> bool {
    text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// Why a plain scalar that looks like a number is not read as one; `None` if it may be.
fn odd_number(text: &str) -> Option<&'static str> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |allowed: fn(u8) -> bool| digits.bytes().all(allowed);
    if is_numeric(text) && text.parse::<f64>().is_ok_and(f64::is_infinite) {
        let integer = all(|b| b.is_ascii_digit());
        return Some(if integer {
            "too large for a 64-bit integer"
        } else {
            "too large for a 64-bit fraction"
        });
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.contains('_') && all(|b| b.is_ascii_digit() || b == b'_' || b == b'.') {
        return Some("one number in YAML 1.1 and text in YAML 1.2");
    }
    if digits.len() > 1 && digits.starts_with('0') && all(|b| b.is_ascii_digit()) {
        return Some("octal in YAML 1.1 and decimal in YAML 1.2");
    }
    if digits.len() > 2 && ["0x", "0o", "0b"].iter().any(|base| digits.starts_with(base)) {
        return Some("a number to some readers and text to others");
    }
    if text.starts_with('+') && all(|b| b.is_ascii_digit()) {
        return Some("a number to some readers and text to others");
    }
    if all(|b| b.is_ascii_digit()) && text.parse::<i64>().is_err() {
        return Some("too large for a 64-bit integer");
    }
    None
}
