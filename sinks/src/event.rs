//! What sinks need to know of an event, read from its document without reading all of it.

use std::borrow::Cow;

use jiff::Timestamp;
use longshore_engine::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The beginning of the year 0, in seconds since 1970.
const YEAR_0: i64 = -62_167_219_200;

/// The head of an event.
#[derive(Debug, Deserialize)]
pub struct Head<'e> {
    /// When it happened, in milliseconds since 1970 (OCSF `timestamp_t`), if it has a time.
    pub time: Option<i64>,
    /// The class of the OCSF event, if it is one.
    pub class_uid: Option<i64>,
    /// How severe the OCSF event is (`severity_id`), if it says so.
    pub severity_id: Option<i64>,
    #[serde(borrow)]
    metadata: Metadata<'e>,
}

#[derive(Debug, Deserialize)]
struct Metadata<'e> {
    #[serde(borrow)]
    uid: Cow<'e, str>,
}

impl<'e> Head<'e> {
    /// Reads the head of an event.
    ///
    /// # Errors
    /// [`Code::Internal`] if it has no `metadata.uid`: every event that was delivered has one.
    pub fn read(event: &'e [u8]) -> Result<Self> {
        serde_json::from_slice(event).map_err(|error| {
            Error::new(Code::Internal, "an event of the spool has no `metadata.uid`")
                .cause(error.to_string())
                .fix("report this as a bug, with the manifest")
        })
    }

    /// When it happened; `None` beyond the years that can be written with four digits.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.time?).ok().filter(|time| time.as_second() >= YEAR_0)
    }

    /// `metadata.uid`: the same whenever the same record is delivered again.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }
}

/// An event as a value that is written as it is.
///
/// # Errors
/// [`Code::Internal`] if it is not JSON.
pub(crate) fn read_raw(event: &[u8]) -> Result<&RawValue> {
    serde_json::from_slice(event).map_err(|error| not_json(&error))
}

/// Appends a value as JSON.
///
/// # Errors
/// [`Code::Internal`]: what is written here is always possible in JSON.
pub(crate) fn append(body: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    serde_json::to_writer(body, value).map_err(|error| not_json(&error))
}

/// Appends an event with its time as a further member in front (RFC 3339, UTC), if it has one.
pub(crate) fn with_time(body: &mut Vec<u8>, name: &str, head: &Head<'_>, event: &[u8]) {
    let members = event.strip_prefix(b"{");
    match (head.timestamp(), members) {
        // An event has `metadata`, so there is a member to follow the comma.
        (Some(time), Some(members)) => {
            body.extend_from_slice(format!("{{\"{name}\":\"{time:.3}\",").as_bytes());
            body.extend_from_slice(members);
        }
        _ => body.extend_from_slice(event),
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::new(Code::Internal, "an event of the spool is not JSON")
        .cause(error.to_string())
        .fix("report this as a bug, with the manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_read_from_anywhere_in_the_event() {
        let event = br#"{"metadata":{"version":"1.8.0","uid":"ab\u00e9"},"class_uid":3002,"x":[1],"time":5}"#;
        let head = Head::read(event).unwrap();
        assert_eq!((head.uid(), head.time, head.class_uid), ("ab\u{e9}", Some(5), Some(3002)));
        assert!(Head::read(br#"{"time":5}"#).is_err());
    }
}
