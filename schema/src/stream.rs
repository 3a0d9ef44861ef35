//! What is read: requests, pages, windows and the records in them.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::decode::{Decode, Unpacking};
use crate::map::{Map, Privacy};
use crate::scalar::{Duration, Name};
pub use crate::window::{Bounds, Changes, Cursor, Expired, Filter, Order, Window};
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table};

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
    /// For records that come in steps: first list, then fetch for each, and so on. Each step runs
    /// for every item of the one before; the last one gives the records. In place of `request`,
    /// `records` and `pages`.
    #[serde(default)]
    pub steps: Spanned<Table<Name, Step>>,
    /// Lists of values: everything is read once for every combination of them. Templates use them
    /// as `partition.NAME`.
    #[serde(default)]
    pub partitions: Spanned<Table<Name, Spanned<Vec<Spanned<Literal>>>>>,
    /// The time ranges in which it is read. A stream without is read whole every time.
    pub window: Option<Spanned<Window>>,
    /// In place of `window`: the app keeps our place, and the stream goes on from there.
    pub cursor: Option<Spanned<Cursor>>,
    /// For a stream that is read whole: what was added, changed and gone since the last time.
    pub changes: Option<Spanned<Changes>>,
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
    /// Details that are asked for with a request for each record. Each answer becomes a member of
    /// the record.
    #[serde(default)]
    pub join: Spanned<Table<Name, Join>>,
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

impl Stream {
    /// Whether the window is about the records themselves, and not about the items of an earlier
    /// step: `window.on` is a member of what the first step lists that asks for the window, or of
    /// the records if that step gives one whole answer, such as a job.
    #[must_use]
    pub fn times_records(&self) -> bool {
        let reads = self.request.is_some() || !self.steps.is_empty();
        reads && self.timed_step().is_none()
    }

    /// The step whose items the window is about; none if it is about the records.
    #[must_use]
    pub fn timed_step(&self) -> Option<usize> {
        self.window.as_ref()?;
        let steps = &self.steps.0;
        let asks = steps.iter().position(|(_, step)| step.request.refers_to("window"))?;
        let listed =
            steps[asks].1.records.is_some() || !steps[asks].1.decode.format().is_document();
        (listed && asks + 1 < steps.len()).then_some(asks)
    }
}

/// One step of a stream that lists first and fetches then. Later templates refer to its items by its
/// name.
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
    /// For a step whose items are read by the next one: what tells one version of an item from
    /// every other.
    pub key: Option<Spanned<OneOrMany<Spanned<JsonPath>>>>,
    /// How many items of the step before are asked for at the same time. One unless given.
    pub concurrency: Option<Spanned<u64>>,
    /// The step is done for many items of the step before at once: `batch` is the list of them.
    pub batch: Option<Spanned<Batch>>,
    /// The step is asked again until the answer says that it is done.
    pub wait: Option<Spanned<Wait>>,
    /// The request that clears away what the step made, for each item on a page when they are read or
    /// given up. Not for the last step, whose items are the records.
    pub cleanup: Option<Spanned<Request>>,
}

/// Many items in one request.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// What of each item goes into the list.
    pub of: Spanned<JsonPath>,
    /// The most items in one request.
    pub size: Spanned<u64>,
    /// The most bytes that the items of one request have together.
    pub bytes: Option<Spanned<u64>>,
}

/// Asking again until something is done.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Members that have these values when it is done.
    pub until: Spanned<Table<JsonPath, OneOrMany<Literal>>>,
    /// Members of which one has one of these values when it has failed.
    #[serde(default)]
    pub failed: Table<JsonPath, OneOrMany<Literal>>,
    /// How long to wait before asking again.
    pub every: Spanned<Duration>,
    /// How long to wait altogether.
    pub timeout: Spanned<Duration>,
}

/// A detail that is asked for with a request for each record; its templates use `record.NAME`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The request for the detail of one record.
    pub request: Spanned<Request>,
    /// What of the answer becomes a member of the record. All of it unless given.
    pub select: Option<Spanned<JsonPath>>,
    /// What becomes of a record without this detail.
    #[serde(default)]
    pub missing: Spanned<MissingDetail>,
}

/// What becomes of a record of which a detail is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingDetail {
    /// It is delivered without.
    #[default]
    Keep,
    /// It is left out, and set aside.
    Skip,
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
    /// The fact's value if something is found. What is found itself unless given.
    pub found: Option<Spanned<Literal>>,
    /// The fact's value if nothing is found. Without it that is an error.
    pub missing: Option<Spanned<Literal>>,
    /// The fact's value is the first of these that is among what is found: versions that the
    /// connector can work with, best first.
    #[serde(default)]
    pub prefer: Spanned<Vec<Spanned<Literal>>>,
    /// The fact's value is the list of those of these that are among what is found: fields that
    /// not every tenant has.
    #[serde(default)]
    pub among: Spanned<Vec<Spanned<Literal>>>,
}
