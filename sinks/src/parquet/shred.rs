//! Events taken apart into columns.
//!
//! A column remembers which of the groups around it have a value, and the values: what is missing
//! costs nothing here. What a column does not take is left out of it and the whole event is kept
//! beside the columns, so nothing is lost.

use std::fmt;

use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::value::RawValue;

use super::schema::{EVENT_JSON, Field, Kind, PARTITION, Schema};

/// The years 1 to 9999: what is beyond cannot be shown by most that read Parquet, and would keep them
/// from reading the rest.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Events of one class as columns.
#[derive(Debug)]
pub(super) struct Shredded {
    /// The member that the folder of the file says.
    said: Option<&'static str>,
    pub(super) event: Group,
    /// The events that have something no column takes.
    pub(super) whole: Column,
}

/// The values of an attribute in all groups that it is in.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) list: bool,
    /// Which of the groups around it have it, counted from 0, ascending.
    pub(super) present: Vec<u32>,
    /// For a list, how long it is in each of those.
    pub(super) lengths: Vec<u32>,
    pub(super) values: Values,
}

/// Values in the order in which they came.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(Vec<bool>),
    Integer(Vec<i32>),
    /// Timestamps too.
    Long {
        values: Vec<i64>,
        timestamps: bool,
    },
    Float(Vec<f64>),
    /// JSON too. One behind the other, and where each ends.
    Text {
        bytes: Vec<u8>,
        ends: Vec<u32>,
        json: bool,
    },
    Group(Group),
}

/// An object: columns beside each other.
#[derive(Debug)]
pub(super) struct Group {
    /// How many objects there are.
    pub(super) count: u32,
    /// By name.
    pub(super) columns: Vec<Column>,
    /// Which column came last after each: events of a stream have their members in one order.
    next: Vec<usize>,
}

impl Shredded {
    /// No events yet.
    pub(super) fn new(schema: &Schema) -> Self {
        let whole = Field { name: EVENT_JSON, kind: Kind::Json, list: false };
        let said = (schema.class != 0).then_some(PARTITION);
        Self { said, event: Group::new(&schema.fields), whole: Column::new(&whole) }
    }

    /// Adds an event, which is a JSON object.
    pub(super) fn push(&mut self, event: &str) {
        let ordinal = self.event.count;
        let mut fits = true;
        let mut json = serde_json::Deserializer::from_str(event);
        let read = Members { group: &mut self.event, said: self.said, fits: &mut fits };
        let read = read.deserialize(&mut json);
        // A text that cannot be decoded ends the reading; what came before stays.
        if read.is_err() || !fits {
            // Even if it is not an object, it is one row.
            self.event.count = ordinal + 1;
            self.whole.present.push(ordinal);
            self.whole.text(event);
        }
    }
}

impl Group {
    fn new(fields: &[Field]) -> Self {
        let columns: Vec<Column> = fields.iter().map(Column::new).collect();
        let next = (1..=columns.len()).collect();
        Self { count: 0, columns, next }
    }

    /// The column of a member that comes after the column `before`.
    fn find(&self, name: &str, before: Option<usize>) -> Option<usize> {
        let likely = before.map_or(0, |before| self.next[before]);
        if self.columns.get(likely).is_some_and(|column| column.name == name) {
            return Some(likely);
        }
        self.columns.binary_search_by(|column| column.name.cmp(name)).ok()
    }
}

impl Column {
    fn new(field: &Field) -> Self {
        let values = match &field.kind {
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Integer => Values::Integer(Vec::new()),
            Kind::Long => Values::Long { values: Vec::new(), timestamps: false },
            Kind::Timestamp => Values::Long { values: Vec::new(), timestamps: true },
            Kind::Float => Values::Float(Vec::new()),
            Kind::Text => Values::Text { bytes: Vec::new(), ends: Vec::new(), json: false },
            Kind::Json => Values::Text { bytes: Vec::new(), ends: Vec::new(), json: true },
            Kind::Group(fields) => Values::Group(Group::new(fields)),
        };
        let (present, lengths) = (Vec::new(), Vec::new());
        Self { name: field.name, list: field.list, present, lengths, values }
    }

    fn text(&mut self, text: &str) -> bool {
        let Values::Text { bytes, ends, .. } = &mut self.values else { return false };
        bytes.extend_from_slice(text.as_bytes());
        ends.push(bytes.len() as u32);
        true
    }

    /// One more value: of the group `at`, or of the list that was begun last.
    fn count(&mut self, at: Option<u32>) {
        match at {
            Some(ordinal) => self.present.push(ordinal),
            None => {
                if let Some(length) = self.lengths.last_mut() {
                    *length += 1;
                }
            }
        }
    }
}

/// Reads the members of an object.
struct Members<'c> {
    group: &'c mut Group,
    /// The member that is passed over.
    said: Option<&'static str>,
    fits: &'c mut bool,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { group, said, fits } = self;
        let ordinal = group.count;
        group.count += 1;
        let mut before = None;
        while let Some(found) = map.next_key_seed(Name { group, said, before })? {
            let at = match found {
                Found::Column(at) => at,
                Found::Said => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Found::Nothing => {
                    *fits = false;
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Some(before) = before {
                group.next[before] = at;
            }
            before = Some(at);
            let column = &mut group.columns[at];
            if column.present.last() == Some(&ordinal) {
                // The same member twice.
                *fits = false;
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Value { column, at: Some(ordinal), fits })?;
        }
        Ok(())
    }
}

/// Reads the name of a member.
struct Name<'c> {
    group: &'c Group,
    said: Option<&'static str>,
    before: Option<usize>,
}

/// What has the values of a member.
enum Found {
    Column(usize),
    Said,
    Nothing,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(match self.group.find(name, self.before) {
            Some(at) => Found::Column(at),
            None if self.said == Some(name) => Found::Said,
            None => Found::Nothing,
        })
    }
}

/// Reads a value into a column.
struct Value<'c> {
    column: &'c mut Column,
    /// Which group it is in; `None` for an element of a list.
    at: Option<u32>,
    fits: &'c mut bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { column, at, fits } = self;
        let begins_list = column.list && at.is_some();
        match &mut column.values {
            Values::Text { json: true, .. } => {
                let text = <&RawValue>::deserialize(deserializer)?.get();
                if text != "null" {
                    column.text(text);
                    column.count(at);
                }
                Ok(())
            }
            // As text: the number nearest to what is written.
            Values::Float(values) if !begins_list => {
                let text = <&RawValue>::deserialize(deserializer)?.get();
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => {
                        values.push(value);
                        column.count(at);
                    }
                    _ => *fits &= text == "null" && at.is_some(),
                }
                Ok(())
            }
            _ => deserializer.deserialize_any(Value { column, at, fits }),
        }
    }
}

impl Value<'_> {
    /// Whether a list is to come.
    fn begins_list(&self) -> bool {
        self.column.list && self.at.is_some()
    }

    /// Counts a value that was taken; what was not makes the event one that does not fit.
    #[expect(clippy::unnecessary_wraps, reason = "what each visit gives back")]
    fn took<E>(self, taken: bool) -> Result<(), E> {
        if taken {
            self.column.count(self.at);
        } else {
            *self.fits = false;
        }
        Ok(())
    }

    fn integer<E>(self, value: i64) -> Result<(), E> {
        let list = self.begins_list();
        let taken = match &mut self.column.values {
            _ if list => false,
            Values::Integer(values) => {
                let value = i32::try_from(value);
                value.is_ok_and(|value| {
                    values.push(value);
                    true
                })
            }
            Values::Long { timestamps: true, .. } if !TIMESTAMPS.contains(&value) => false,
            Values::Long { values, .. } => {
                values.push(value);
                true
            }
            _ => false,
        };
        self.took(taken)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        let list = self.begins_list();
        let taken = match &mut self.column.values {
            Values::Boolean(values) if !list => {
                values.push(value);
                true
            }
            _ => false,
        };
        self.took(taken)
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.integer(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.took(false),
        }
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.took(false)
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let taken = !self.begins_list() && self.column.text(value);
        self.took(taken)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        // A member that is null is one that is missing; in a list it has a place.
        *self.fits &= self.at.is_some();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some(ordinal) = self.at.filter(|_| self.column.list) else {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return self.took(false);
        };
        let Self { column, fits, .. } = self;
        column.present.push(ordinal);
        column.lengths.push(0);
        while elements.next_element_seed(Value { column, at: None, fits })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.begins_list() || !matches!(self.column.values, Values::Group(_)) {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return self.took(false);
        }
        self.column.count(self.at);
        match &mut self.column.values {
            Values::Group(group) => Members { group, said: None, fits: self.fits }.visit_map(map),
            _ => Err(A::Error::custom("no object")),
        }
    }
}
