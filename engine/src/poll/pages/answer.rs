//! What a response says of its pages.

use longshore_schema::stream::More;
use longshore_schema::{JsonPath, Literal};
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::http::header::HeaderMap;

/// What a response says about there being another page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// There is one.
    More,
    /// There is none.
    Last,
    /// It does not say.
    Missing,
}

/// Reads what says whether there is another page.
pub(super) fn flag(more: &More, envelope: &Value) -> Result<Flag> {
    match more {
        More::Flag(path) => match path.first(envelope) {
            None | Some(Value::Null) => Ok(Flag::Missing),
            Some(value) => match truth(value) {
                Some(true) => Ok(Flag::More),
                Some(false) => Ok(Flag::Last),
                None => Err(unreadable(path, value, "is neither true nor false")),
            },
        },
        More::Members(members) => {
            let found: Vec<_> =
                members.iter().map(|(path, value)| (path.first(envelope), value)).collect();
            if found.iter().all(|(found, _)| found.is_none_or(Value::is_null)) {
                return Ok(Flag::Missing);
            }
            let fits = |(found, value): &(Option<&Value>, &Literal)| {
                found.is_some_and(|found| same(found, value))
            };
            Ok(if found.iter().all(fits) { Flag::More } else { Flag::Last })
        }
    }
}

/// A truth value, as apps write it.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value of a response is the one that the manifest writes out.
pub(super) fn same(value: &Value, expected: &Literal) -> bool {
    match (value, expected) {
        (Value::Bool(a), Literal::Bool(b)) => a == b,
        (Value::String(a), Literal::Text(b)) => a == b,
        (Value::Number(a), b) => *b.to_string() == a.to_string(),
        _ => false,
    }
}

/// A value of a response in words that reveal nothing but its form.
pub(super) fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The text or number at a path; `None` if there is nothing, null or an empty text.
pub(super) fn text_at(path: &JsonPath, document: &Value) -> Result<Option<String>> {
    match path.first(document) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(unreadable(path, other, "is no position")),
    }
}

/// The whole number at a path, also as text; `None` if there is nothing or null.
pub(super) fn number_at(path: &JsonPath, document: &Value) -> Result<Option<u64>> {
    match path.first(document) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            number.map(Some).ok_or_else(|| unreadable(path, value, "is not a whole number"))
        }
    }
}

/// The value of a header; `None` if there is none, or an empty one.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn unreadable(path: &JsonPath, value: &Value, what: &str) -> Error {
    Error::new(Code::DataParse, "the position of the next page cannot be read")
        .cause(format!("`{path}` holds {}, which {what}", shape(value)))
        .fix("check where the manifest's `pages` looks for it")
}
