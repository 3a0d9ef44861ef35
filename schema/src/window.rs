//! Where a stream stands and goes on: windows of time, places that the app keeps, and snapshots.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::map::Map;
use crate::scalar::{Duration, TimeFormat, Zone};
use crate::stream::Parameter;
use crate::{JsonPath, Spanned, Template};

/// The time ranges in which a stream is read.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The time of a record, by which the app filters.
    pub on: Spanned<JsonPath>,
    /// How that time is written.
    #[serde(default)]
    pub format: Spanned<TimeFormat>,
    /// The zone of all times of the stream that are written without one, such as `+02:00` or
    /// `Europe/Berlin`. UTC unless given.
    pub zone: Option<Spanned<Zone>>,
    /// Which ends the app's filter includes. `[)` includes the start and not the end.
    #[serde(default)]
    pub bounds: Spanned<Bounds>,
    /// The longest range that one request covers. Longer ranges are read piece by piece.
    pub span: Option<Spanned<Duration>>,
    /// How long the app may take to show a record: the newest window ends this long ago.
    pub lag: Option<Spanned<Duration>>,
    /// How far a window reaches back over the one before it, to catch what was late. What was
    /// delivered already is dropped by its key.
    pub overlap: Option<Spanned<Duration>>,
    /// How far back the first poll reaches: a duration.
    pub backfill: Spanned<Template>,
    /// How long the app keeps records.
    pub retention: Option<Spanned<Duration>>,
    /// The finest difference between two times that the app tells apart.
    pub resolution: Option<Spanned<Duration>>,
    /// In which order the app returns the records of a window, if it is sure.
    pub order: Option<Spanned<Order>>,
    /// Who leaves out the records outside a window: the app, or, if it cannot, the engine.
    #[serde(default)]
    pub filter: Spanned<Filter>,
    /// The most records that the app ever shows for one window, such as 10000. A window that
    /// reaches it is read again in halves.
    pub most: Option<Spanned<u64>>,
}

/// Which ends of a window a filter includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Bounds {
    /// The start and not the end.
    #[default]
    #[serde(rename = "[)")]
    StartOnly,
    /// Both ends; what lies on a boundary is fetched twice and dropped once.
    #[serde(rename = "[]")]
    Both,
    /// The end and not the start; the start is moved back by one resolution.
    #[serde(rename = "(]")]
    EndOnly,
    /// Neither end; the start is moved back by one resolution.
    #[serde(rename = "()")]
    Neither,
}

/// The order of records in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Oldest first. A poll that is cut short goes on from the last record delivered.
    Ascending,
    /// Newest first. Reading stops at the first page that is wholly older than the window.
    Descending,
}

/// Who leaves out the records that lie outside a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The app: the request sends the window.
    #[default]
    App,
    /// The engine: the app shows what it has, and what is outside is dropped.
    Here,
}

/// A place that the app itself keeps for us: the stream goes on where it stopped, across runs.
/// Templates use it as `cursor.value`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Where the response holds the place to go on from.
    pub next: Option<Spanned<JsonPath>>,
    /// The member of a record whose greatest value so far is the place to go on from, such as an
    /// id that only grows.
    pub last: Option<Spanned<JsonPath>>,
    /// The place to start from. Without it a parameter with `cursor.value` is left out at first.
    pub first: Option<Spanned<Parameter>>,
    /// How long the app knows a place.
    pub expires: Option<Spanned<Duration>>,
    /// What is done when the app does not know the place any more.
    #[serde(default)]
    pub expired: Spanned<Expired>,
}

/// What is done when an app does not know a place any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// The stream stops with an error: a person decides.
    #[default]
    Stop,
    /// The stream starts again from `first`, and the gap is reported.
    Restart,
}

/// What becomes of records that come again in a stream that is read whole: those that are new or
/// changed are delivered, those that are gone too if `gone` says as what.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The members whose change counts. All of them unless given.
    #[serde(default)]
    pub compare: Vec<Spanned<JsonPath>>,
    /// Members whose change does not count, such as the time of the last visit.
    #[serde(default)]
    pub ignore: Vec<Spanned<JsonPath>>,
    /// The event of a record that is not shown any more. Its paths select from the record as it
    /// was last seen.
    pub gone: Option<Spanned<Map>>,
}
