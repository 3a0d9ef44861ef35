//! Where a stream stands.

use jiff::Timestamp;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};

use super::{Failure, StreamId};
use crate::error::{Code, Error};

/// Where a stream stands. Stored as one JSON document; fields that are missing are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Everything before this time is durably delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Timestamp>,
    /// The half-open window `[start, end)` in progress, for whoever looks at the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<(Timestamp, Timestamp)>,
    /// The source's own position, for sources that hand out an opaque one instead of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// When the source handed that out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_at: Option<Timestamp>,
    /// The number of the last snapshot, whole or not: when it started, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<i64>,
    /// Whether that snapshot is in progress.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_snapshot: bool,
    /// Whether something of the snapshot in progress was left out, so that it cannot tell what is
    /// gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub snapshot_has_gaps: bool,
    /// When the stream last came to the end of what the source had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

impl Cursor {
    /// Stores the cursor as a part of `transaction`.
    pub(crate) fn store(
        &self,
        transaction: &Transaction<'_>,
        stream: StreamId,
    ) -> Result<(), Failure> {
        let document = serde_json::to_string(self).map_err(|error| {
            Error::new(Code::Internal, "a cursor could not be written as JSON")
                .cause(error.to_string())
        })?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO cursors (stream, document) VALUES (?1, ?2)")?
            .execute((stream.0, document))?;
        Ok(())
    }
}
