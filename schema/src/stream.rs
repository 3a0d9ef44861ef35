//! What is read: requests, pages, windows and the records in them.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::decode::{Decode, Unpacking};
use crate::map::{Map, Privacy};
use crate::scalar::{Duration, Name, TimeFormat};
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table, Template};

mod pages;
mod request;

pub use pages::{
    CursorPages, End, KeysetPages, More, NextUrlPages, NumberedPages, OffsetPages, Pages,
    ScrollPages,
};
pub use request::{GraphQl, Json, Parameter, Request};

/// One kind of record.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// What the stream is, in a sentence for the admin.
    pub description: Option<String>,
    /// What the stream gives the security team.
    pub provides: Spanned<Capability>,
    /// How often it is polled.
    pub every: Spanned<Duration>,
    /// Who goes first when what the app lets us spend is scarce. By default what is most urgent for
    /// the security team.
    pub priority: Option<Spanned<Priority>>,
    /// The request for the records.
    pub request: Option<Spanned<Request>>,
    /// For records that come in two steps: first list, then fetch each. In place of `request`,
    /// `records` and `pages`.
    #[serde(default)]
    pub steps: Spanned<Table<Name, Step>>,
    /// The time ranges in which it is read. A stream without is read whole every time.
    pub window: Option<Spanned<Window>>,
    /// How the response is written.
    #[serde(default)]
    pub decode: Spanned<Decode>,
    /// Where the records are in the response.
    pub records: Option<Spanned<JsonPath>>,
    /// Members of a record that hold a document in a text, with how it is opened. Everything else
    /// sees what was inside.
    #[serde(default)]
    pub unpack: Table<JsonPath, Spanned<Vec<Spanned<Unpacking>>>>,
    /// How the next page is found. Without it there is one page.
    pub pages: Option<Spanned<Pages>>,
    /// What the response says of its own completeness. A promise not kept is an error.
    pub promise: Option<Spanned<Promise>>,
    /// What tells one record from every other. `$` is the whole record. In a stream with a window,
    /// a record that comes again with another time is another one: it was changed in between.
    pub key: Spanned<OneOrMany<Spanned<JsonPath>>>,
    /// How long keys are remembered, to drop what the app hands out again. By default as long as
    /// the window's overlap reaches back.
    pub remember: Option<Spanned<Duration>>,
    /// What is private in a record: dropped, masked or hashed before anything else sees the record.
    #[serde(default)]
    pub privacy: Table<JsonPath, Spanned<Privacy>>,
    /// Members of a record that are of no use: neither mapped nor kept as `unmapped`.
    #[serde(default)]
    pub ignore: Vec<Spanned<String>>,
    /// Whether members of a record that the mapping does not use are kept under `unmapped`.
    #[serde(default = "kept")]
    pub unmapped: bool,
    /// Whether each event carries the untouched source record in `raw_data`.
    #[serde(default)]
    pub raw: bool,
    /// Whether each event lists the addresses, names and hashes that its attributes hold in
    /// `observables`.
    #[serde(default)]
    pub observables: bool,
    /// How a record becomes an event.
    pub map: Spanned<Map>,
}

fn kept() -> bool {
    true
}

/// One step of a stream that lists first and fetches then.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The request.
    pub request: Spanned<Request>,
    /// How the response is written.
    #[serde(default)]
    pub decode: Spanned<Decode>,
    /// Where the records are in a JSON response.
    pub records: Option<Spanned<JsonPath>>,
    /// How the next page is found.
    pub pages: Option<Spanned<Pages>>,
    /// What the response says of its own completeness.
    pub promise: Option<Spanned<Promise>>,
    /// For a listing step: what tells one version of an item from every other.
    pub key: Option<Spanned<OneOrMany<Spanned<JsonPath>>>>,
}

/// Who goes first when what the app lets us spend is scarce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After all others.
    Low,
    /// Before those of low priority.
    Normal,
    /// Before all others.
    High,
}

/// What a stream gives the security team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Accounts and their status.
    Users,
    /// Groups and their members.
    Groups,
    /// Who may do what.
    Privileges,
    /// Who signed in, from where.
    SignIns,
    /// What administrators changed.
    AdminActivity,
    /// What users did.
    UserActivity,
    /// Files and how they are shared.
    Files,
    /// Third-party apps with access.
    OauthApps,
    /// Security settings.
    Posture,
}

impl Capability {
    /// All capabilities with their names in manifests.
    pub const ALL: &[(&'static str, Self)] = &[
        ("users", Self::Users),
        ("groups", Self::Groups),
        ("privileges", Self::Privileges),
        ("sign_ins", Self::SignIns),
        ("admin_activity", Self::AdminActivity),
        ("user_activity", Self::UserActivity),
        ("files", Self::Files),
        ("oauth_apps", Self::OauthApps),
        ("posture", Self::Posture),
    ];

    /// The priority of a stream that provides it and has none of its own: what shows an attack
    /// first, then who is who, then what takes longest to read and can wait for a quiet hour.
    #[must_use]
    pub fn priority(self) -> Priority {
        match self {
            Self::SignIns | Self::AdminActivity => Priority::High,
            Self::Users | Self::Groups | Self::Privileges | Self::OauthApps | Self::Posture => {
                Priority::Normal
            }
            Self::UserActivity | Self::Files => Priority::Low,
        }
    }

    /// The capability of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, capability)| *capability)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(_, capability)| capability == self);
        f.write_str(known.map_or("", |(name, _)| name))
    }
}

/// What a response says of its own completeness.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Members that have these values on the last page, and on no page before it.
    #[serde(default)]
    pub last_page: Table<JsonPath, Literal>,
    /// The number of records on all pages together.
    pub total: Option<Spanned<JsonPath>>,
}

/// The time ranges in which a stream is read.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The time of a record, by which the app filters.
    pub on: Spanned<JsonPath>,
    /// How that time is written.
    #[serde(default)]
    pub format: Spanned<TimeFormat>,
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
}

/// A question about this tenant whose answer templates use.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What is asked, in a sentence for the admin.
    pub description: Option<String>,
    /// The request.
    pub request: Spanned<Request>,
    /// What is looked for in the JSON response.
    pub select: Spanned<JsonPath>,
    /// The fact's value if something is found.
    pub found: Spanned<Literal>,
    /// The fact's value if nothing is found.
    pub missing: Spanned<Literal>,
}
