//! What the engine makes of a recorded value: `match`, `when`, `as`, and what the attribute holds.

use longshore_schema::convert::{Converted, Plain, convert};
use longshore_schema::map::{Conversion, Source, Value};
use longshore_schema::scalar::TimeFormat;
use longshore_schema::stream::Window;
use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, time};

use super::view::{all_hold, text_of};
use crate::ocsf::{EnumId, Primitive, Resolved, Type, table};
use crate::samples::select;

/// The id of "Other" in OCSF's enums: with it, every text has a place.
const OTHER: i64 = 99;

/// What becomes of one record's value.
#[derive(Debug)]
pub(super) enum Outcome<'v> {
    /// The record has no value.
    Missing,
    /// The pattern of `match` matches no part of it.
    Unmatched(&'v Node),
    /// `when` does not know it, and `else` takes its place.
    Unknown(String),
    /// `when` replaces it.
    Replaced(String),
    /// The attribute holds it. The text is what `when` did not know.
    Held(Option<String>),
    /// It is not what is asked for.
    Refused(&'v Node, String),
}

/// Where an attribute's value comes from, apart from templates and literals.
pub(super) struct Flow<'m> {
    pub(super) from: Vec<&'m JsonPath>,
    pub(super) source: Option<&'m Source>,
    conversion: Option<Conversion>,
    pub(super) format: TimeFormat,
    /// Whether the window says how the time is written.
    pub(super) of_window: bool,
}

impl<'m> Flow<'m> {
    pub(super) fn new(
        value: &'m Value,
        resolved: &Resolved<'_>,
        window: Option<&'m Window>,
    ) -> Option<Self> {
        let (from, source): (Vec<&JsonPath>, Option<&Source>) = match value {
            Value::Path(path) => (vec![path], None),
            Value::Source(source) if source.from.0.is_empty() => return None,
            Value::Source(source) => {
                (source.from.0.iter().map(|from| &from.value).collect(), Some(source))
            }
            Value::Template(_) | Value::Literal(_) => return None,
        };
        let is_time = resolved.attribute().is_some_and(|attribute| {
            matches!(attribute.type_, Type::Primitive(Primitive::Timestamp))
        });
        let explicit = source.and_then(|source| source.conversion.as_deref().copied());
        let written = source.and_then(|source| source.format.as_deref());
        let by_window = window
            .filter(|window| from.first() == Some(&&window.on.value))
            .map(|window| &window.format.value);
        Some(Self {
            source,
            conversion: explicit.or(is_time.then_some(Conversion::Timestamp)),
            format: written.or(by_window).cloned().unwrap_or_default(),
            of_window: written.is_none() && by_window.is_some(),
            from,
        })
    }

    /// Whether the value is read as a time.
    pub(super) fn is_time(&self) -> bool {
        self.conversion == Some(Conversion::Timestamp)
    }

    pub(super) fn of<'v>(&self, record: &'v Node, resolved: &Resolved<'_>) -> Outcome<'v> {
        if let Some(source) = self.source
            && !all_hold(&source.condition, record)
        {
            return Outcome::Missing;
        }
        let found = self.from.iter().flat_map(|path| select(path, record));
        let Some(node) = found.into_iter().find(|node| node.content != Content::Null) else {
            return Outcome::Missing;
        };
        let mut text = text_of(node);
        let mut matched = false;
        if let Some(capture) = self.source.and_then(|source| source.capture.as_ref()) {
            let group = text.as_deref().and_then(|text| capture.regex().captures(text)?.get(1));
            let Some(group) = group.filter(|group| !group.is_empty()) else {
                return Outcome::Unmatched(node);
            };
            text = Some(group.as_str().to_owned());
            matched = true;
        }
        let mut unknown = None;
        if let Some(when) = self.source.and_then(|source| source.when.as_ref()) {
            if let Some(known) = text.as_ref().filter(|text| when.get(text).is_some()) {
                return Outcome::Replaced(known.clone());
            }
            if self.source.is_some_and(|source| source.otherwise.is_some()) {
                return Outcome::Unknown(text.unwrap_or_default());
            }
            unknown.clone_from(&text);
        }
        let holds = match &node.content {
            Content::Sequence(items) if resolved.is_whole_array() && !matched => {
                items.iter().any(|item| self.holds(item, text_of(item), resolved))
            }
            _ => self.holds(node, text.clone(), resolved),
        };
        if holds {
            Outcome::Held(unknown)
        } else {
            Outcome::Refused(node, text.unwrap_or_default())
        }
    }

    /// Whether a value can be converted, and be held by the attribute then.
    fn holds(&self, node: &Node, text: Option<String>, resolved: &Resolved<'_>) -> bool {
        let Some(attribute) = resolved.attribute() else { return true };
        let Some(text) = text else {
            // An object or an array: only what holds any JSON can, or a text that it is written to.
            return match self.conversion {
                None => is_json(attribute.type_),
                Some(conversion) => conversion == Conversion::Json,
            };
        };
        let truth = matches!(node.content, Content::Bool(_));
        let plain = |text| if truth { Plain::Boolean(text == "true") } else { Plain::Text(text) };
        let mut value = plain(text.as_str());
        let converted = match self.conversion {
            None => None,
            Some(conversion) => match convert(value, conversion, &self.format) {
                Some(converted) => Some(converted),
                None => return false,
            },
        };
        if let Some(Converted::Text(text)) = &converted {
            value = Plain::Text(text);
        }
        let text = match value {
            Plain::Text(text) => text,
            Plain::Boolean(_) => &text,
        };
        if let Some(ids) = resolved.id().and_then(|(_, id)| id.enum_.as_ref()) {
            return ids.caption(&EnumId::Integer(OTHER)).is_some()
                || ids.iter().any(|(_, caption)| caption.eq_ignore_ascii_case(text));
        }
        if attribute.enum_.is_some() {
            return true;
        }
        let Type::Primitive(primitive) = attribute.type_ else { return is_json(attribute.type_) };
        let reads = |conversion| convert(value, conversion, &self.format).is_some();
        let within = |least: i64, most: i64| {
            let number = convert(value, Conversion::Integer, &self.format);
            matches!(number, Some(Converted::Integer(number)) if (least..=most).contains(&number))
        };
        match primitive {
            // A time is held if it could be read.
            Primitive::Timestamp => self.is_time(),
            Primitive::Boolean => reads(Conversion::Boolean),
            Primitive::Float => reads(Conversion::Float),
            Primitive::Ip => reads(Conversion::Ip),
            Primitive::Integer => within(i32::MIN.into(), i32::MAX.into()),
            Primitive::Long => within(i64::MIN, i64::MAX),
            Primitive::Port => within(0, u16::MAX.into()),
            other => {
                let rules = table().primitive(other);
                let longest = rules.and_then(|rules| rules.max_len);
                longest.is_none_or(|longest| text.chars().count() <= longest)
            }
        }
    }
}

fn is_json(type_: Type) -> bool {
    match type_ {
        Type::Primitive(primitive) => primitive == Primitive::Json,
        Type::Object(object) => {
            table().object(object).is_none_or(crate::ocsf::Object::is_free_form)
        }
    }
}

/// Formats that times are often written in, the likeliest first.
const FORMATS: [&str; 12] = [
    "iso8601",
    "%Y%m%d%H%M%S%.f",
    "%Y%m%d",
    "%Y/%m/%d %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%b %d, %Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
];

/// The formats that read all of these texts.
pub(super) fn formats(texts: &[String]) -> Vec<&'static str> {
    use longshore_schema::scalar::Scalar as _;
    let numbers: Option<Vec<f64>> = texts.iter().map(|text| text.trim().parse().ok()).collect();
    // Seconds and milliseconds are told apart by their size: from 2001 to 2100.
    let between = |low: f64| {
        let numbers = numbers.as_deref().unwrap_or_default();
        !numbers.is_empty() && numbers.iter().all(|n| (low..low * 4.1).contains(n))
    };
    if between(1e9) {
        return vec!["epoch_s"];
    }
    if between(1e12) {
        return vec!["epoch_ms"];
    }
    let reads = |format: &&&str| {
        let format = TimeFormat::parse(format).ok();
        format.is_some_and(|format| texts.iter().all(|text| time::parse(text, &format).is_some()))
    };
    FORMATS.iter().filter(reads).copied().collect()
}
