//! Texts written from a record.

use std::fmt::Write as _;

use base64::Engine as _;
use jiff::tz::TimeZone;
use longshore_schema::scalar::TimeFormat;
use longshore_schema::template::{Expression, Helper, Part};
use longshore_schema::{Literal, Template, time};

use super::datum::Datum;
use super::paths::{Paths, Slot, Slots};

/// A template over `record.NAME` with its references looked up.
#[derive(Debug)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Value(Value),
    If { condition: Value, then: Text, otherwise: Text },
}

#[derive(Debug)]
enum Value {
    Slot(Slot),
    Literal(Box<str>),
    /// With the zone that times are from which have none, if that is not UTC.
    Call(Helper, Vec<Value>, Option<TimeZone>),
}

impl Text {
    /// Looks up the references; fails with the part that has no place in a mapping. Times without a
    /// zone are from `zone`.
    pub(super) fn compile(
        template: &Template,
        paths: &mut Paths,
        zone: Option<&TimeZone>,
    ) -> Result<Self, String> {
        Self::of(template.parts(), paths, zone)
    }

    fn of(parts: &[Part], paths: &mut Paths, zone: Option<&TimeZone>) -> Result<Self, String> {
        let piece = |part: &Part| {
            Ok(match part {
                Part::Text(text) => Piece::Text(text.as_str().into()),
                Part::Expression(expression) => Piece::Value(Value::of(expression, paths, zone)?),
                Part::If { condition, then, otherwise } => Piece::If {
                    condition: Value::of(condition, paths, zone)?,
                    then: Self::of(then, paths, zone)?,
                    otherwise: Self::of(otherwise, paths, zone)?,
                },
            })
        };
        parts.iter().map(piece).collect::<Result<_, _>>().map(Self)
    }

    /// Writes the text and notes the slots it shows; `false` if a reference has no value.
    pub(super) fn write(&self, slots: &Slots<'_>, shown: &mut Vec<Slot>, out: &mut String) -> bool {
        self.0.iter().all(|piece| match piece {
            Piece::Text(text) => {
                out.push_str(text);
                true
            }
            Piece::Value(value) => value.write(slots, shown, out),
            Piece::If { condition, then, otherwise } => {
                let mut text = String::new();
                let known = condition.write(slots, &mut Vec::new(), &mut text);
                let holds = known && !matches!(text.as_str(), "" | "false" | "0");
                if holds { then } else { otherwise }.write(slots, shown, out)
            }
        })
    }
}

impl Value {
    fn of(
        expression: &Expression,
        paths: &mut Paths,
        zone: Option<&TimeZone>,
    ) -> Result<Self, String> {
        Ok(match expression {
            Expression::Literal(literal) => Self::Literal(literal.to_string().into()),
            Expression::Reference(reference) => match reference.path.as_slice() {
                [scope, names @ ..] if scope == "record" && !names.is_empty() => {
                    Self::Slot(paths.add_members(names))
                }
                [scope, names @ ..] if scope == "item" && !names.is_empty() => {
                    Self::Slot(paths.add_part_members(names))
                }
                _ => return Err(format!("{{{{{reference}}}}}")),
            },
            Expression::Call { helper: Helper::Ago, .. } => return Err("ago".to_owned()),
            Expression::Call { helper, arguments } => {
                let arguments = arguments.iter().map(|argument| Self::of(argument, paths, zone));
                Self::Call(*helper, arguments.collect::<Result<_, _>>()?, zone.cloned())
            }
        })
    }

    fn write(&self, slots: &Slots<'_>, shown: &mut Vec<Slot>, out: &mut String) -> bool {
        match self {
            Self::Literal(text) => {
                out.push_str(text);
                true
            }
            Self::Slot(slot) => {
                let mut buffer = String::new();
                let Some(text) = slots.values[*slot].text(&mut buffer) else { return false };
                out.push_str(text);
                shown.push(*slot);
                true
            }
            Self::Call(helper, arguments, zone) => {
                call((*helper, zone.as_ref()), arguments, slots, shown, out)
            }
        }
    }

    /// The text alone, without a note of what it shows.
    fn text(&self, slots: &Slots<'_>, shown: &mut Vec<Slot>) -> Option<String> {
        let mut text = String::new();
        self.write(slots, shown, &mut text).then_some(text)
    }
}

fn call(
    (helper, zone): (Helper, Option<&TimeZone>),
    arguments: &[Value],
    slots: &Slots<'_>,
    shown: &mut Vec<Slot>,
    out: &mut String,
) -> bool {
    let (first, second) = match arguments {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        _ => return false,
    };
    match helper {
        Helper::Default => {
            let start = out.len();
            if first.write(slots, shown, out) && out.len() > start {
                return true;
            }
            out.truncate(start);
            return second.is_some_and(|fallback| fallback.write(slots, shown, out));
        }
        Helper::Eq => {
            let mut unshown = Vec::new();
            let one = first.text(slots, &mut unshown);
            let same = second.is_some_and(|other| other.text(slots, &mut unshown) == one);
            out.push_str(if same { "true" } else { "false" });
            return true;
        }
        Helper::Json => {
            let mut json = Vec::new();
            match first {
                Value::Slot(slot) => {
                    shown.push(*slot);
                    slots.values[*slot].write(&mut json);
                }
                Value::Literal(_) | Value::Call(..) => match first.text(slots, shown) {
                    Some(text) => Datum::Text(&text).write(&mut json),
                    None => return false,
                },
            }
            out.push_str(&String::from_utf8_lossy(&json));
            return !json.is_empty();
        }
        _ => {}
    }
    let Some(text) = first.text(slots, shown) else { return false };
    let argument = second.and_then(|second| second.text(slots, &mut Vec::new()));
    let time = || match zone {
        Some(zone) => time::parse_in(&text, &TimeFormat::Iso8601, zone),
        None => time::parse(&text, &TimeFormat::Iso8601),
    };
    match (helper, argument.as_deref()) {
        (Helper::Urlencode, _) => {
            let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            for byte in text.bytes() {
                if unreserved(byte) {
                    out.push(byte.into());
                } else {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            true
        }
        (Helper::Base64, _) => {
            base64::engine::general_purpose::STANDARD.encode_string(text, out);
            true
        }
        (Helper::Epoch, Some(unit)) => match time() {
            Some(millis) => {
                let number = if unit == "ms" { millis } else { millis / 1000 };
                out.push_str(&number.to_string());
                true
            }
            None => false,
        },
        (Helper::Date, Some(format)) => {
            let shown = time()
                .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
                .and_then(|time| jiff::fmt::strtime::format(format, time).ok());
            shown.is_some_and(|text| {
                out.push_str(&text);
                true
            })
        }
        _ => false,
    }
}

/// The literal that a template without expressions is.
pub(super) fn as_literal(template: &Template) -> Option<Literal> {
    template.as_literal().map(|text| Literal::Text(text.to_owned()))
}
