//! Events taken apart into columns.
//!
//! A column remembers which of the groups around it have a value, and the values: what is missing
//! costs nothing here. What a column does not take is left out of it and the whole event is kept
//! beside the columns, so nothing is lost.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;

use longshore_engine::map::{Datum, Fault, Scanner};
use serde::de::IgnoredAny;

use super::schema::{EVENT_JSON, Field, Kind, PARTITION, Schema};

/// The years 1 to 9999: what is beyond cannot be shown by most that read Parquet, and would keep them
/// from reading the rest.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Events of one class as columns.
#[derive(Debug)]
pub(super) struct Shredded {
    /// The member that the folder of the file says.
    said: Option<Vec<u8>>,
    pub(super) event: Group,
    /// The events that have something no column takes.
    pub(super) whole: Column,
}

/// The values of an attribute in all groups that it is in.
#[derive(Debug)]
pub(super) struct Column {
    /// In quotes, as it is written in events.
    name: Vec<u8>,
    pub(super) list: bool,
    /// Which of the groups around it have it, counted from 0, ascending.
    pub(super) present: Vec<u32>,
    /// For a list, how long it is in each of those.
    pub(super) lengths: Vec<u32>,
    pub(super) values: Values,
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// In no row is anything, and all of them lack the same.
    Nothing,
    /// Hardly any value is there twice.
    Different,
    /// Some values are there again and again.
    Repeated,
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
    /// Which column came last after each, and behind them which came first: events of a stream have
    /// their members in one order.
    next: Vec<usize>,
}

impl Shredded {
    /// No events yet.
    pub(super) fn new(schema: &Schema) -> Self {
        let whole = Field { name: EVENT_JSON, kind: Kind::Json, list: false };
        let said = (schema.class != 0).then(|| quoted(PARTITION));
        Self { said, event: Group::new(&schema.fields), whole: Column::new(&whole) }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// Why it is not JSON. Then what was added is not whole, and of no use.
    pub(super) fn push(&mut self, event: &str) -> Result<(), String> {
        let ordinal = self.event.count;
        let mut fits = true;
        let mut scanner = Scanner::new(event);
        let read = self.event.read(&mut scanner, self.said.as_deref(), &mut fits);
        let read = read.and_then(|()| scanner.end());
        if read.is_err() {
            // It may be JSON nevertheless: a text that cannot be decoded ends the reading.
            serde_json::from_str::<IgnoredAny>(event).map_err(|error| error.to_string())?;
        }
        if read.is_err() || !fits {
            // What was read stays. Even if it is not an object, it is one row.
            self.event.count = ordinal + 1;
            self.whole.present.push(ordinal);
            self.whole.text(event);
        }
        Ok(())
    }

    /// What is in the columns, in the order of the schema.
    pub(super) fn contents(&self) -> Vec<Content> {
        let mut contents = Vec::new();
        self.event.contents(true, &mut contents);
        contents.push(self.whole.content(true));
        contents
    }
}

impl Group {
    fn new(fields: &[Field]) -> Self {
        let columns: Vec<Column> = fields.iter().map(Column::new).collect();
        let next = (1..=columns.len()).chain([0]).collect();
        Self { count: 0, columns, next }
    }

    /// `alike` is whether the group is in all rows or in none.
    fn contents(&self, alike: bool, contents: &mut Vec<Content>) {
        for column in &self.columns {
            let is_absent = column.present.is_empty();
            let is_everywhere = !column.list && column.present.len() == self.count as usize;
            match &column.values {
                Values::Group(group) => {
                    group.contents(alike && (is_absent || is_everywhere), contents);
                }
                _ => contents.push(column.content(alike)),
            }
        }
    }

    /// The column of a name, which is in quotes. No name has a character before the quote in ASCII, so
    /// they have the same order with quotes and without.
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.columns.binary_search_by(|column| (*column.name).cmp(name)).ok()
    }

    /// Adds an object, whose member `said` is passed over. `fits` becomes false if there is something
    /// that no column takes.
    fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        mut said: Option<&[u8]>,
        fits: &mut bool,
    ) -> Result<(), Fault> {
        let ordinal = self.count;
        self.count += 1;
        let mut before = self.columns.len();
        scanner.members(|scanner| {
            let likely = self.next[before];
            let is_likely = match self.columns.get(likely) {
                Some(column) => scanner.known_name(&column.name)?.is_some(),
                None => false,
            };
            let at = if is_likely {
                likely
            } else {
                let (name, escaped) = scanner.name()?;
                let name = if escaped { Cow::Owned(plain(name)) } else { Cow::Borrowed(name) };
                let Some(found) = self.find(&name) else {
                    *fits &= said.take().is_some_and(|said| *said == *name);
                    return scanner.value().map(drop);
                };
                self.next[before] = found;
                found
            };
            before = at;
            let column = &mut self.columns[at];
            if column.present.last() == Some(&ordinal) {
                // The same member twice.
                *fits = false;
                return scanner.value().map(drop);
            }
            column.read(scanner, Some(ordinal), fits)
        })
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
        Self { name: quoted(field.name), list: field.list, present, lengths, values }
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

    fn content(&self, alike: bool) -> Content {
        if alike && self.present.is_empty() {
            return Content::Nothing;
        }
        let differ = match &self.values {
            Values::Long { values, .. } => differ(values.iter()),
            Values::Text { bytes, ends, .. } => {
                let mut start = 0;
                differ(ends.iter().map(|end| {
                    let place = std::mem::replace(&mut start, *end as usize)..*end as usize;
                    &bytes[place]
                }))
            }
            _ => false,
        };
        if differ { Content::Different } else { Content::Repeated }
    }

    /// Adds the value of a member of the group `at`, or an element of the list that was begun last.
    /// `fits` becomes false if there is something that it does not take.
    fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        at: Option<u32>,
        fits: &mut bool,
    ) -> Result<(), Fault> {
        let first = scanner.peek();
        if let (true, Some(ordinal)) = (self.list, at) {
            if first == b'[' {
                self.present.push(ordinal);
                self.lengths.push(0);
                return scanner.elements(|scanner, _| self.read(scanner, None, fits));
            }
            *fits &= scanner.value()? == Datum::Missing;
            return Ok(());
        }
        if let (Values::Group(group), b'{') = (&mut self.values, first) {
            let read = group.read(scanner, None, fits);
            self.count(at);
            return read;
        }
        let value = scanner.value()?;
        if value == Datum::Missing {
            // A member that is null is one that is missing; in a list it has a place.
            *fits &= at.is_some();
        } else if self.take(value) {
            self.count(at);
        } else {
            *fits = false;
        }
        Ok(())
    }

    /// Adds a value that is no list and no group, unless it is one that the column does not take.
    fn take(&mut self, value: Datum<'_>) -> bool {
        match (&mut self.values, value) {
            (Values::Boolean(values), Datum::Boolean(value)) => values.push(value),
            (Values::Integer(values), Datum::Number(text)) => match text.parse() {
                Ok(value) => values.push(value),
                Err(_) => return false,
            },
            (Values::Long { values, timestamps }, Datum::Number(text)) => match text.parse() {
                Ok(value) if !*timestamps || TIMESTAMPS.contains(&value) => values.push(value),
                _ => return false,
            },
            // The number nearest to what is written.
            (Values::Float(values), Datum::Number(text)) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => return false,
            },
            (Values::Text { bytes, ends, json: true }, value) => {
                value.write(bytes);
                ends.push(bytes.len() as u32);
            }
            (Values::Text { .. }, Datum::String { .. }) => {
                let mut buffer = String::new();
                return value.text(&mut buffer).is_some_and(|text| self.text(text));
            }
            _ => return false,
        }
        true
    }
}

/// Whether hardly any value is there twice, as far as the first ones tell.
fn differ<T: Hash + Eq>(values: impl Iterator<Item = T>) -> bool {
    let mut looked_at = 0;
    let different: HashSet<T> = values.take(1000).inspect(|_| looked_at += 1).collect();
    different.len() * 10 > looked_at * 9
}

fn quoted(name: &str) -> Vec<u8> {
    format!("\"{name}\"").into_bytes()
}

/// A name without its escapes.
fn plain(name: &[u8]) -> Vec<u8> {
    serde_json::from_slice::<String>(name).map(|name| quoted(&name)).unwrap_or_default()
}
