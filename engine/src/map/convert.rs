//! Turns values of a record into what an attribute may hold.

use std::borrow::Cow;

use foldhash::HashMap;
use jiff::tz::TimeZone;
use longshore_schema::convert::{Converted, Plain, convert};
use longshore_schema::map::Conversion as To;
use longshore_schema::scalar::TimeFormat;
use longshore_schema::time;
use longshore_validator::ocsf::{Attribute, Enum, EnumId, Object, Primitive, Type, table};
use regex::Regex;

use super::datum::{Datum, write_string};

/// The id of "Other" in OCSF's enums.
const OTHER: i64 = 99;

/// What a value is turned into before its attribute's type has a say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conversion {
    pub(super) to: To,
    /// How times are written.
    pub(super) format: TimeFormat,
    /// Where times are from that are written without a zone, if not from UTC.
    pub(super) zone: Option<TimeZone>,
}

impl From<To> for Conversion {
    fn from(to: To) -> Self {
        Self { to, format: TimeFormat::Iso8601, zone: None }
    }
}

impl Conversion {
    /// The converted value, or none. `buffer` holds it where no span does.
    #[inline]
    pub(super) fn apply<'b>(&self, value: Datum<'b>, buffer: &'b mut String) -> Datum<'b> {
        match &self.zone {
            Some(zone) if self.to == To::Timestamp => {
                let text = value.text(buffer);
                let time = text.and_then(|text| time::parse_in(text, &self.format, zone));
                time.map_or(Datum::Missing, Datum::Integer)
            }
            _ => apply(self.to, &self.format, value, buffer),
        }
    }
}

#[inline]
fn apply<'b>(to: To, format: &TimeFormat, value: Datum<'b>, buffer: &'b mut String) -> Datum<'b> {
    match (to, value) {
        (To::String, Datum::String { .. } | Datum::Text(_))
        | (To::Integer, Datum::Integer(_))
        | (To::Boolean, Datum::Boolean(_)) => return value,
        (To::Json, Datum::Object(_) | Datum::Array(_)) => {
            let mut json = Vec::new();
            value.write(&mut json);
            *buffer = String::from_utf8_lossy(&json).into_owned();
            return Datum::Text(buffer);
        }
        _ => {}
    }
    if makes_text(to) {
        return made(to, format, value, buffer);
    }
    let plain = match value {
        Datum::Boolean(truth) => Plain::Boolean(truth),
        _ => match value.text(buffer) {
            Some(text) => Plain::Text(text),
            None => return Datum::Missing,
        },
    };
    match convert(plain, to, format) {
        Some(Converted::Text(Cow::Borrowed(text))) => Datum::Text(text),
        Some(Converted::Integer(number)) => Datum::Integer(number),
        Some(Converted::Number(text)) => Datum::Number(text),
        Some(Converted::Boolean(truth)) => Datum::Boolean(truth),
        Some(Converted::Text(Cow::Owned(_))) | None => Datum::Missing,
    }
}

/// Whether a conversion makes a text that is not part of the value.
fn makes_text(to: To) -> bool {
    matches!(to, To::Domain | To::Country | To::Lower | To::Upper | To::Sha256 | To::Json)
}

fn made<'b>(to: To, format: &TimeFormat, value: Datum<'b>, buffer: &'b mut String) -> Datum<'b> {
    let mut own = String::new();
    let plain = match value {
        Datum::Number(raw) if to == To::Json => return Datum::Text(raw),
        Datum::Boolean(truth) => Plain::Boolean(truth),
        _ => match value.text(&mut own) {
            Some(text) => Plain::Text(text),
            None => return Datum::Missing,
        },
    };
    let Some(Converted::Text(text)) = convert(plain, to, format) else { return Datum::Missing };
    *buffer = text.into_owned();
    Datum::Text(buffer)
}

/// What an attribute may hold.
#[derive(Debug)]
pub(super) enum Target {
    Text(Option<Format>),
    Integer {
        min: i64,
        max: i64,
    },
    Float,
    Boolean,
    Timestamp,
    Ip,
    Json,
    /// An enum; its ids and captions are written together.
    Enum(Box<Enumeration>),
}

/// What OCSF asks of a text's form.
#[derive(Debug)]
pub(super) struct Format {
    pattern: Option<Regex>,
    longest: Option<usize>,
}

impl Format {
    fn of(primitive: Primitive) -> Option<Self> {
        let rules = table().primitive(primitive)?;
        // OCSF's patterns mean ASCII digits.
        let pattern = rules.regex.as_ref().map(|pattern| pattern.replace("\\d", "[0-9]"));
        let pattern = pattern.and_then(|pattern| Regex::new(&pattern).ok());
        let longest = rules.max_len;
        (pattern.is_some() || longest.is_some()).then_some(Self { pattern, longest })
    }

    fn accepts(&self, text: &str) -> bool {
        self.longest.is_none_or(|longest| text.chars().count() <= longest)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
    }
}

impl Target {
    /// What an attribute that is no enum may hold; `None` for objects with attributes of their own.
    pub(super) fn of(attribute: &Attribute) -> Option<Self> {
        let primitive = match attribute.type_ {
            Type::Primitive(primitive) => primitive,
            Type::Object(name) => {
                let free = table().object(name).is_none_or(Object::is_free_form);
                return free.then_some(Self::Json);
            }
        };
        Some(match primitive {
            Primitive::Boolean => Self::Boolean,
            Primitive::Float => Self::Float,
            Primitive::Integer => Self::Integer { min: i32::MIN.into(), max: i32::MAX.into() },
            Primitive::Long => Self::Integer { min: i64::MIN, max: i64::MAX },
            Primitive::Port => Self::Integer { min: 0, max: u16::MAX.into() },
            Primitive::Timestamp => Self::Timestamp,
            Primitive::Ip => Self::Ip,
            Primitive::Json => Self::Json,
            _ => Self::Text(Format::of(primitive)),
        })
    }

    /// Appends the value, or nothing and `false` if the attribute cannot hold it.
    #[inline]
    pub(super) fn write(&self, value: Datum<'_>, buffer: &mut String, out: &mut Vec<u8>) -> bool {
        let converted = match self {
            Self::Text(format) => {
                if let Some(format) = format
                    && !value.text(buffer).is_some_and(|text| format.accepts(text))
                {
                    return false;
                }
                convert_to(To::String, value, buffer)
            }
            Self::Integer { min, max } => match convert_to(To::Integer, value, buffer) {
                Datum::Integer(number) if (*min..=*max).contains(&number) => Datum::Integer(number),
                _ => Datum::Missing,
            },
            Self::Float => convert_to(To::Float, value, buffer),
            Self::Boolean => convert_to(To::Boolean, value, buffer),
            Self::Timestamp => match value {
                Datum::Integer(time) if (0..=time::LAST).contains(&time) => value,
                _ => Datum::Missing,
            },
            Self::Ip => convert_to(To::Ip, value, buffer),
            Self::Json => value,
            Self::Enum(_) => Datum::Missing,
        };
        converted.write(out);
        !converted.is_missing()
    }
}

/// A conversion that follows from the attribute's type.
#[inline]
fn convert_to<'b>(to: To, value: Datum<'b>, buffer: &'b mut String) -> Datum<'b> {
    apply(to, &TimeFormat::Iso8601, value, buffer)
}

/// An enum: an id, and beside it the caption that belongs to it.
#[derive(Debug)]
pub(super) struct Enumeration {
    /// Captions with the finished members of the event for each.
    captions: Vec<(&'static str, Box<[u8]>)>,
    /// For attributes that take the id itself: ids with the finished members.
    ids: HashMap<String, usize>,
    /// What comes before and behind the source's own word if the enum has "Other".
    other: Option<[Box<[u8]>; 2]>,
}

impl Enumeration {
    /// The enum `values`, written to the id attribute and, if there is one, to the caption attribute
    /// beside it. With `by_id` a value may be an id; otherwise only captions are known.
    pub(super) fn new(
        id: &str,
        caption: Option<&str>,
        values: &Enum,
        is_array: bool,
        by_id: bool,
    ) -> Self {
        let (open, close) = if is_array { ("[", "],") } else { ("", ",") };
        let member = |name: &str, value: &[u8]| {
            [format!("\"{name}\":{open}").as_bytes(), value, close.as_bytes()].concat()
        };
        let id_member = |known: &EnumId| match known {
            EnumId::Integer(number) => member(id, number.to_string().as_bytes()),
            EnumId::Text(text) => {
                let mut quoted = Vec::new();
                write_string(text, &mut quoted);
                member(id, &quoted)
            }
        };
        let mut captions = Vec::new();
        let mut ids = HashMap::default();
        for (known, text) in values.iter() {
            let mut members = id_member(known);
            if let Some(caption) = caption {
                let mut quoted = Vec::new();
                write_string(text, &mut quoted);
                members.extend(member(caption, &quoted));
            }
            if by_id {
                ids.insert(known.to_string().to_ascii_lowercase(), captions.len());
            }
            captions.push((text, members.into_boxed_slice()));
        }
        let other = caption.filter(|_| values.caption(&EnumId::Integer(OTHER)).is_some());
        let other = other.map(|caption| {
            let mut before = id_member(&EnumId::Integer(OTHER));
            before.extend_from_slice(format!("\"{caption}\":{open}").as_bytes());
            [before.into_boxed_slice(), close.as_bytes().into()]
        });
        Self { captions, ids, other }
    }

    fn find(&self, text: &str) -> Option<&[u8]> {
        if !self.ids.is_empty()
            && let Some(index) = self.ids.get(&text.to_ascii_lowercase())
        {
            return Some(&self.captions[*index].1);
        }
        let same = |(caption, _): &&(&str, _)| caption.eq_ignore_ascii_case(text);
        self.captions.iter().find(same).map(|(_, members)| &**members)
    }

    /// Appends id and caption, each with a comma behind it; `false` and nothing if the enum has
    /// neither the value nor a place for others.
    #[inline]
    pub(super) fn write(&self, value: Datum<'_>, buffer: &mut String, out: &mut Vec<u8>) -> bool {
        let Some(text) = value.text(buffer) else { return false };
        if let Some(members) = self.find(text) {
            out.extend_from_slice(members);
            return true;
        }
        let Some([before, behind]) = &self.other else { return false };
        out.extend_from_slice(before);
        write_string(text, out);
        out.extend_from_slice(behind);
        true
    }
}

/// A literal of a manifest as a value; numbers that are not whole need `buffer`.
pub(super) fn literal<'b>(
    literal: &'b longshore_schema::Literal,
    buffer: &'b mut String,
) -> Datum<'b> {
    use longshore_schema::Literal;
    match literal {
        Literal::Text(text) => Datum::Text(text),
        Literal::Integer(number) => Datum::Integer(*number),
        Literal::Bool(value) => Datum::Boolean(*value),
        Literal::Float(number) if number.is_finite() => {
            *buffer = number.to_string();
            Datum::Number(buffer)
        }
        Literal::Float(_) => Datum::Missing,
    }
}
