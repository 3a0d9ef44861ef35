//! What a run tells while it goes on, and what it reports at its end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::stream::Capability;

use crate::error::Error;
use crate::poll::window::Range;

/// Called with each step of a run, from whichever thread makes it; must not block.
pub type Observer = Arc<dyn Fn(&str, &Progress) + Send + Sync>;

/// A step of a run.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A poll started; the range is what it has to cover, if it works by time.
    Started(Option<Range>),
    /// A request was sent.
    Request,
    /// Records were read from a page.
    Records(u64),
    /// Events became durable.
    Delivered {
        /// How many.
        events: u64,
        /// How many were dropped because they had been delivered before.
        duplicates: u64,
        /// Everything before this time is delivered.
        watermark: Option<Timestamp>,
    },
    /// Nothing is sent until this time, because of a quota.
    Paused {
        /// When it goes on at the latest.
        until: Timestamp,
        /// Why, in words.
        reason: String,
    },
    /// Something failed and is tried again.
    Retrying {
        /// What failed.
        error: Error,
        /// How long it waits.
        wait: Duration,
    },
    /// Something that the platform team should know.
    Warning(String),
    /// The poll ended.
    Finished(Box<StreamReport>),
}

/// What became of one poll of one stream.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// The stream.
    pub stream: String,
    /// What it provides.
    pub provides: Capability,
    /// Pages and files asked for, each counted once however often it was tried. Token requests and
    /// questions about the tenant are not included.
    pub requests: u64,
    /// Records read, those that were read again after a failure included.
    pub records: u64,
    /// Events that became durable.
    pub delivered: u64,
    /// Events dropped because they had been delivered before.
    pub duplicates: u64,
    /// Records that could not be mapped, each time that they were read. In the file for what is set
    /// aside each stands once.
    pub rejected: u64,
    /// Items, and ranges of time, that the app did not have any more or that could not be asked for.
    pub gaps: u64,
    /// The earliest time that the poll asked for.
    pub from: Option<Timestamp>,
    /// Everything before this time is delivered.
    pub watermark: Option<Timestamp>,
    /// Watermark to now.
    pub lag: Option<Duration>,
    /// What the poll failed with.
    pub error: Option<Error>,
}
