//! What sinks need to know of an event, read from its document without reading all of it.

use std::borrow::Cow;

use longshore_engine::error::{Code, Error, Result};
use serde::Deserialize;

/// The head of an event.
#[derive(Debug, Deserialize)]
pub struct Head<'e> {
    /// When it happened, in milliseconds since 1970 (OCSF `timestamp_t`), if it has a time.
    pub time: Option<i64>,
    /// The class of the OCSF event, if it is one.
    pub class_uid: Option<i64>,
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

    /// `metadata.uid`: the same whenever the same record is delivered again.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }
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
