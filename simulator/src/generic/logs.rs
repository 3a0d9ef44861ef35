//! Streams that go on from a place: what the app holds is a log, and a place is how much of it was
//! read.

use longshore_schema::JsonPath;
use longshore_schema::stream::{Cursor, Expired, Pages, Stream};
use serde_json::Value;

use super::data::{Record, fresh, text};
use super::invert::Captured;
use super::model::Level;
use super::{Unsupported, place};

/// What begins every place that is a text.
const PLACE: &str = "simulated-place-";
/// The place that a manifest starts from which wants nothing of what there is already.
const NOW: &str = "now";
/// What is added to places that are numbers.
const START: usize = 1_000_000;

/// How a stream names places.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// Where an answer holds the place to go on from.
    pub(super) next: Option<JsonPath>,
    /// The member of a record that is the place behind it.
    last: Option<JsonPath>,
    /// The place to start from, if there is one.
    first: Option<String>,
    /// Whether the connector starts again when a place is not known any more, and where that loses
    /// nothing.
    pub(super) restarts: bool,
    /// Whether places are numbers.
    numeric: bool,
    /// Whether further pages are asked for by places too.
    pub(super) shared: bool,
}

/// Where a request wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Behind so many records.
    Place(usize),
    /// At the end of what there is.
    Now,
}

impl Log {
    pub(super) fn new(
        stream: &Stream,
        cursor: &Cursor,
        level: &Level,
    ) -> Result<Self, Unsupported> {
        if !stream.steps.is_empty() || !stream.partitions.is_empty() {
            return Err(Unsupported(
                "the simulator has no places in streams of steps or partitions".to_owned(),
            ));
        }
        for path in [&cursor.next, &cursor.last].into_iter().flatten() {
            place::one(path)?;
        }
        let next = cursor.next.as_ref().map(|path| path.value.clone());
        let found = next.as_ref().and_then(|path| path.first(&level.envelope));
        let at = match &level.pages {
            Some(Pages::Cursor(pages)) => pages.at.as_ref(),
            _ => None,
        };
        let first = cursor.first.as_ref().map(|first| first.value.0.source().to_owned());
        Ok(Self {
            numeric: found.is_some_and(Value::is_number),
            shared: at.is_some_and(|at| next.as_ref().is_some_and(|n| n.as_str() == at.as_str())),
            next,
            last: cursor.last.as_ref().map(|path| path.value.clone()),
            restarts: cursor.expired.value == Expired::Restart && first.as_deref() != Some(NOW),
            first,
        })
    }

    /// Brings records into the order of the log, in which their places grow.
    pub(super) fn arrange(&self, records: &mut [Record]) {
        records.sort_by_key(|record| record.shown);
        let Some(path) = &self.last else { return };
        let Ok(steps) = place::one(path) else { return };
        for (number, record) in records.iter_mut().enumerate() {
            if let Some(old) = path.first(&record.value) {
                let new = fresh(old, number);
                place::set(&mut record.value, steps, new);
            }
        }
    }

    /// The place behind so many records, as an answer holds it.
    pub(super) fn place(&self, records: usize) -> Value {
        if self.numeric { (START + records).into() } else { format!("{PLACE}{records}").into() }
    }

    /// Where a request wants to go on.
    ///
    /// # Errors
    /// What it names that is no place.
    pub(super) fn from(&self, captured: &Captured, records: &[Record]) -> Result<From, String> {
        let named = captured.get("page.cursor").filter(|_| self.shared);
        let Some(value) = named.or_else(|| captured.get("cursor.value")) else {
            return Ok(From::Place(0));
        };
        let place = match &self.last {
            Some(path) => records
                .iter()
                .position(|record| {
                    path.first(&record.value).map(text).as_ref() == Some(&value.text)
                })
                .map(|at| at + 1),
            None if self.numeric => {
                value.text.parse().ok().and_then(|place: usize| place.checked_sub(START))
            }
            None => value.text.strip_prefix(PLACE).and_then(|place| place.parse().ok()),
        };
        match place.filter(|place| *place <= records.len()) {
            Some(place) => Ok(From::Place(place)),
            None if value.text == NOW && self.first.as_deref() == Some(NOW) => Ok(From::Now),
            None if self.first.is_some() => Ok(From::Place(0)),
            None => Err(format!("the app never named the place `{}`", value.text)),
        }
    }
}
