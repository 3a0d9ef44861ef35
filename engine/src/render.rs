//! Writes compiled templates: requests are made of them.

pub mod json;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use longshore_schema::scalar::{Duration, Scalar};
use longshore_schema::template::{Expression, Helper, Part, Reference};
use longshore_schema::{Literal, Template};
use serde_json::Value;

use crate::connection::Inputs;
use crate::error::{Code, Error, Result};

/// What a template can refer to at one place.
#[derive(Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The connection's inputs.
    pub inputs: Option<&'a Inputs>,
    /// The manifest's tables.
    pub tables: Option<&'a Tables>,
    /// What the token response said, by the names that the manifest gave.
    pub auth: Option<&'a BTreeMap<String, String>>,
    /// The answers found so far.
    pub facts: Option<&'a BTreeMap<String, Value>>,
    /// The window's start and end, and how finely they are written.
    pub window: Option<(Timestamp, Timestamp, std::time::Duration)>,
    /// The page that is asked for.
    pub page: Option<&'a PageScope>,
    /// The request that is signed: `request.NAME`.
    pub request: Option<&'a BTreeMap<&'static str, String>>,
    /// What else has a name here: items of earlier steps, `partition`, `cursor`, `batch`, `record`.
    pub named: &'a [(&'a str, &'a Value)],
    /// When the poll started.
    pub now: Option<Timestamp>,
    /// The zone in which times are written whose format has none, if that is not UTC.
    pub zone: Option<&'a TimeZone>,
}

/// The tables of a manifest by name: what stands under each key.
pub type Tables = BTreeMap<String, BTreeMap<String, Literal>>;

/// The values of `page.*`.
#[derive(Clone, Debug, Default)]
pub struct PageScope {
    /// `page.cursor`: nothing on the first page.
    pub cursor: Option<String>,
    /// `page.number`.
    pub number: Option<u64>,
    /// `page.offset`.
    pub offset: Option<u64>,
    /// `page.size`.
    pub size: Option<u64>,
    /// `page.last.NAME`: nothing on the first page.
    pub last: BTreeMap<String, Value>,
}

/// A value while it is being written.
enum Resolved<'a> {
    Text(Cow<'a, str>),
    Time(Timestamp, std::time::Duration),
    Json(Cow<'a, Value>),
}

impl Resolved<'_> {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Time(time, resolution) => Cow::Owned(rfc3339(*time, *resolution)),
            Self::Json(value) => match value.as_ref() {
                Value::String(text) => Cow::Borrowed(text),
                other => Cow::Owned(other.to_string()),
            },
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Json(value) => value.as_ref().clone(),
            other => Value::String(other.text().into_owned()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Time(..) => false,
            Self::Json(value) => match value.as_ref() {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0),
                _ => false,
            },
        }
    }
}

/// A time in UTC with `Z`, in whole seconds, or in milliseconds if the resolution is finer.
#[must_use]
pub fn rfc3339(time: Timestamp, resolution: std::time::Duration) -> String {
    if resolution.as_millis() >= 1_000 { format!("{time:.0}") } else { format!("{time:.3}") }
}

/// Writes a template; `None` if it refers to something that has no value here.
///
/// # Errors
/// [`Code::InputInvalid`] if a helper cannot make sense of what it is given.
pub fn render(template: &Template, scope: &Scope<'_>) -> Result<Option<String>> {
    if let Some(text) = template.as_literal() {
        return Ok(Some(text.to_owned()));
    }
    let mut out = String::new();
    Ok(write_parts(template, template.parts(), scope, Form::Text, &mut out)?.then_some(out))
}

/// Writes the template of a URL or of a path in which everything must have a value.
///
/// A value inside the path is one piece of it, whatever it says: it is percent-encoded, unless the
/// template does so itself. A value at the very start is a URL or a path that the app handed out,
/// and is written as it is; so is a value in the host, which is checked before it is called.
///
/// # Errors
/// As [`render_all`].
pub fn render_url(template: &Template, scope: &Scope<'_>) -> Result<String> {
    let mut out = String::new();
    let written = write_parts(template, template.parts(), scope, Form::Url, &mut out)?;
    written.then_some(out).ok_or_else(|| incomplete(template))
}

/// Writes a template in which everything must have a value.
///
/// # Errors
/// [`Code::InputMissing`] naming the template's references if one has no value.
pub fn render_all(template: &Template, scope: &Scope<'_>) -> Result<String> {
    render(template, scope)?.ok_or_else(|| incomplete(template))
}

fn incomplete(template: &Template) -> Error {
    let names: Vec<_> = template.references().iter().map(ToString::to_string).collect();
    Error::new(Code::InputMissing, format!("`{template}` could not be written"))
        .cause(format!("one of these has no value: {}", names.join(", ")))
        .fix("give the connection a value for it, or check the manifest's fields and records")
}

/// What a template writes.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Text,
    Url,
}

/// Whether what is written next is inside the path of a URL, or behind it.
fn is_in_path(url: &str) -> bool {
    url.starts_with('/') || url.strip_prefix("https://").is_some_and(|rest| rest.contains('/'))
}

fn write_parts(
    template: &Template,
    parts: &[Part],
    scope: &Scope<'_>,
    form: Form,
    out: &mut String,
) -> Result<bool> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Expression(expression) => {
                let Some(value) = evaluate(expression, scope, template)? else { return Ok(false) };
                let is_encoded =
                    matches!(expression, Expression::Call { helper: Helper::Urlencode, .. });
                if form == Form::Url && is_in_path(out) && !is_encoded {
                    out.push_str(&percent_encode(&value.text()));
                } else {
                    out.push_str(&value.text());
                }
            }
            Part::If { condition, then, otherwise } => {
                let holds = evaluate(condition, scope, template)?.is_some_and(|v| !v.is_empty());
                let branch = if holds { then } else { otherwise };
                if !write_parts(template, branch, scope, form, out)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

fn evaluate<'a>(
    expression: &'a Expression,
    scope: &Scope<'a>,
    template: &Template,
) -> Result<Option<Resolved<'a>>> {
    match expression {
        Expression::Literal(literal) => Ok(Some(Resolved::Json(Cow::Owned(literal.to_json())))),
        Expression::Reference(reference) => Ok(look_up(reference, scope)),
        Expression::Call { helper, arguments } => {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(evaluate(argument, scope, template)?);
            }
            call(*helper, values, scope).map_err(|cause| {
                Error::new(Code::InputInvalid, format!("`{template}` could not be written"))
                    .cause(cause)
                    .fix("check what the helper is given against the manifest reference")
            })
        }
    }
}

fn look_up<'a>(reference: &Reference, scope: &Scope<'a>) -> Option<Resolved<'a>> {
    let (first, rest) = reference.path.split_first()?;
    let name = rest.first().map(String::as_str);
    let number = |value: Option<u64>| value.map(|value| Resolved::Json(Cow::Owned(value.into())));
    match (first.as_str(), name) {
        ("inputs", Some(name)) => {
            let text = scope.inputs?.get(name)?;
            let [_, below @ ..] = rest else { return None };
            if below.is_empty() {
                return Some(Resolved::Text(Cow::Borrowed(text)));
            }
            // A document, which was read once to see that it is one.
            let document: Value = serde_json::from_str(text).ok()?;
            let found = below.iter().try_fold(&document, |value, member| value.get(member))?;
            (!found.is_null()).then(|| Resolved::Json(Cow::Owned(found.clone())))
        }
        ("auth", Some(name)) => {
            scope.auth?.get(name).map(|text| Resolved::Text(Cow::Borrowed(text)))
        }
        ("request", Some(name)) if scope.request.is_some() => {
            scope.request?.get(name).map(|text| Resolved::Text(Cow::Borrowed(text)))
        }
        ("facts", Some(name)) => {
            scope.facts?.get(name).map(|fact| Resolved::Json(Cow::Borrowed(fact)))
        }
        ("window", Some("start")) => {
            scope.window.map(|(start, _, fine)| Resolved::Time(start, fine))
        }
        ("window", Some("end")) => scope.window.map(|(_, end, fine)| Resolved::Time(end, fine)),
        ("page", Some("cursor")) => {
            scope.page?.cursor.as_deref().map(|text| Resolved::Text(Cow::Borrowed(text)))
        }
        ("page", Some("number")) => number(scope.page?.number),
        ("page", Some("offset")) => number(scope.page?.offset),
        ("page", Some("size")) => number(scope.page?.size),
        ("page", Some("last")) => {
            let value = scope.page?.last.get(rest.get(1)?)?;
            Some(Resolved::Json(Cow::Borrowed(value)))
        }
        (step, _) => {
            let (_, item) = scope.named.iter().find(|(name, _)| *name == step)?;
            let found = rest.iter().try_fold(*item, |value, member| value.get(member.as_str()))?;
            (!found.is_null()).then_some(Resolved::Json(Cow::Borrowed(found)))
        }
    }
}

fn call<'a>(
    helper: Helper,
    mut values: Vec<Option<Resolved<'a>>>,
    scope: &Scope<'_>,
) -> Result<Option<Resolved<'a>>, String> {
    let second = values.pop().flatten();
    let first = values.pop().flatten();
    let text = |text: String| Ok(Some(Resolved::Text(Cow::Owned(text))));
    match helper {
        Helper::Default => Ok(first.filter(|value| !value.is_empty()).or(second)),
        Helper::Eq => {
            let same = match (&first, &second) {
                (Some(a), Some(b)) => a.text() == b.text(),
                (None, None) => true,
                _ => false,
            };
            Ok(Some(Resolved::Json(Cow::Owned(same.into()))))
        }
        Helper::Lookup => {
            let (Some(table), Some(key)) = (first, second) else { return Ok(None) };
            let table = scope.tables.and_then(|tables| tables.get(table.text().as_ref()));
            let found = table.and_then(|table| table.get(key.text().as_ref()));
            Ok(found.map(|value| Resolved::Json(Cow::Owned(value.to_json()))))
        }
        Helper::Date => {
            let (Some(value), Some(format)) = (first, second) else { return Ok(None) };
            let format = format.text();
            let zone = scope.zone.filter(|_| !longshore_schema::time::has_zone(&format));
            let zoned = time_of(&value)?.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC));
            jiff::fmt::strtime::format(format.as_ref(), &zoned)
                .map_err(|error| error.to_string())
                .and_then(text)
        }
        Helper::Epoch => {
            let (Some(value), Some(unit)) = (first, second) else { return Ok(None) };
            let time = time_of(&value)?;
            match unit.text().as_ref() {
                "s" => Ok(Some(Resolved::Json(Cow::Owned(time.as_second().into())))),
                "ms" => Ok(Some(Resolved::Json(Cow::Owned(time.as_millisecond().into())))),
                other => Err(format!("`{other}` is not a unit of epoch; use \"s\" or \"ms\"")),
            }
        }
        Helper::Ago => {
            let (Some(value), Some(now)) = (second, scope.now) else { return Ok(None) };
            let ago = Duration::parse(&value.text()).map_err(|error| error.message)?;
            let ago = SignedDuration::try_from(ago.0).map_err(|error| error.to_string())?;
            let time = now.checked_sub(ago).map_err(|error| error.to_string())?;
            Ok(Some(Resolved::Time(time, std::time::Duration::from_secs(1))))
        }
        Helper::Urlencode => {
            let Some(value) = second else { return Ok(None) };
            text(percent_encode(&value.text()))
        }
        Helper::Json => {
            let Some(value) = second else { return Ok(None) };
            text(value.json().to_string())
        }
        Helper::Join => {
            let (Some(list), Some(separator)) = (first, second) else { return Ok(None) };
            let separator = separator.text();
            text(match list.json() {
                Value::Array(values) => {
                    let values: Vec<_> =
                        values.into_iter().map(|value| plain(&value).into_owned()).collect();
                    values.join(separator.as_ref())
                }
                other => plain(&other).into_owned(),
            })
        }
        Helper::Quote => {
            let (Some(value), Some(style)) = (first, second) else { return Ok(None) };
            let style = style.text();
            let quoted = |value: &Value| -> Result<Value, String> {
                let text = plain(value);
                let inner = match style.as_ref() {
                    "doubled" => text.replace('\'', "''"),
                    "escaped" => text.replace('\\', "\\\\").replace('\'', "\\'"),
                    other => {
                        return Err(format!(
                            "`{other}` is no way to quote; use \"doubled\" or \"escaped\""
                        ));
                    }
                };
                Ok(format!("'{inner}'").into())
            };
            let json = match value.json() {
                Value::Array(values) => values.iter().map(quoted).collect::<Result<Value, _>>()?,
                other => quoted(&other)?,
            };
            Ok(Some(Resolved::Json(Cow::Owned(json))))
        }
        Helper::Base64 => {
            let Some(value) = second else { return Ok(None) };
            text(base64::engine::general_purpose::STANDARD.encode(value.text().as_bytes()))
        }
    }
}

/// A value as text: texts as they are, everything else as JSON.
fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn time_of(value: &Resolved<'_>) -> Result<Timestamp, String> {
    match value {
        Resolved::Time(time, _) => Ok(*time),
        other => other.text().parse().map_err(|_| "the value is not a time".to_owned()),
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(text: &str, scope: &Scope<'_>) -> Option<String> {
        render(&Template::parse(text).unwrap(), scope).unwrap()
    }

    #[test]
    fn references_and_helpers_are_written() {
        let item = json!({"LogFile": "/blob/1", "n": 5, "none": null});
        let facts = BTreeMap::from([("mode".to_owned(), json!("Hourly"))]);
        let batch = json!(["a", "b'c", 7]);
        let page = PageScope { number: Some(3), ..PageScope::default() };
        let start: Timestamp = "2026-10-01T10:00:00.5Z".parse().unwrap();
        let second = std::time::Duration::from_secs(1);
        let scope = Scope {
            facts: Some(&facts),
            window: Some((start, start, second)),
            page: Some(&page),
            named: &[("files", &item), ("batch", &batch)],
            now: Some(start),
            ..Scope::default()
        };
        let cases = [
            ("{{files.LogFile}}?n={{files.n}}", Some("/blob/1?n=5")),
            ("{{window.start}}", Some("2026-10-01T10:00:00Z")),
            ("{{date window.start \"%Y%m%d\"}}", Some("20261001")),
            ("{{epoch window.start \"ms\"}}", Some("1790848800500")),
            ("{{ago \"1d\"}}", Some("2026-09-30T10:00:00Z")),
            ("{{urlencode \"a b+c\"}}", Some("a%20b%2Bc")),
            ("{{json facts.mode}}", Some("\"Hourly\"")),
            ("{{base64 \"hi\"}}", Some("aGk=")),
            ("{{default files.none \"x\"}}", Some("x")),
            ("{{#if (eq facts.mode \"Hourly\")}}h{{else}}d{{/if}}", Some("h")),
            ("{{page.number}}", Some("3")),
            ("{{join batch \",\"}}", Some("a,b'c,7")),
            ("{{join (quote batch \"doubled\") \", \"}}", Some("'a', 'b''c', '7'")),
            ("{{quote files.LogFile \"escaped\"}}", Some("'/blob/1'")),
            ("{{join batch inputs.none}}", None),
            ("{{page.cursor}}", None),
            ("{{files.none}}", None),
            ("{{other.x}}", None),
        ];
        for (template, expected) in cases {
            assert_eq!(written(template, &scope).as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn times_without_a_zone_are_written_in_that_of_the_window() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let start: Timestamp = "2026-10-01T10:00:00Z".parse().unwrap();
        let end: Timestamp = "2026-12-01T23:30:00Z".parse().unwrap();
        let window = Some((start, end, std::time::Duration::from_secs(1)));
        let scope = Scope { window, zone: Some(&zone), now: Some(end), ..Scope::default() };
        for (template, expected) in [
            ("{{date window.start \"%Y-%m-%d %H:%M\"}}", "2026-10-01 12:00"),
            ("{{date window.end \"%d.%m.%Y\"}}", "02.12.2026"),
            ("{{date (ago \"1d\") \"%d.%m.%Y\"}}", "01.12.2026"),
            ("{{date window.start \"%Y-%m-%dT%H:%M:%SZ\"}}", "2026-10-01T10:00:00Z"),
            ("{{date window.start \"%Y-%m-%dT%H:%M%z\"}}", "2026-10-01T10:00+0000"),
            ("{{window.start}}", "2026-10-01T10:00:00Z"),
            ("{{epoch window.start \"s\"}}", "1790848800"),
        ] {
            assert_eq!(written(template, &scope).as_deref(), Some(expected), "{template}");
        }
    }

    #[test]
    fn times_finer_than_a_second_keep_milliseconds() {
        let time: Timestamp = "2026-10-01T10:00:00.5Z".parse().unwrap();
        assert_eq!(rfc3339(time, std::time::Duration::from_millis(1)), "2026-10-01T10:00:00.500Z");
    }
}
