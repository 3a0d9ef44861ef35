//! Why a record did not become an event.

use crate::error;

/// A record that did not become an event. It says where and of what shape the trouble is, never
/// what the record holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The record is not JSON (RFC 8259).
    #[error("a record of stream {stream} is not JSON: expected {expected} at byte {offset}")]
    Malformed {
        /// The stream's name.
        stream: String,
        /// Where, in bytes from the record's start.
        offset: usize,
        /// What stands at such a place in JSON.
        expected: &'static str,
    },
    /// The event's time is missing or not written as the manifest says.
    #[error("a record of stream {stream} has no readable time: {paths} is {shape}")]
    Time {
        /// The stream's name.
        stream: String,
        /// The paths that the manifest names for it.
        paths: String,
        /// What the value looks like, such as "text of the shape 9999-99-99".
        shape: String,
    },
    /// A document that is packed into the record cannot be opened.
    #[error("a record of stream {stream} cannot be read: {cause}")]
    Packed {
        /// The stream's name.
        stream: String,
        /// Which member, and why.
        cause: String,
    },
    /// A part of the key has no value.
    #[error("a record of stream {stream} has no value at {path}, which is part of its key")]
    Key {
        /// The stream's name.
        stream: String,
        /// The path that the manifest names for it.
        path: String,
    },
}

impl From<Error> for error::Error {
    fn from(failure: Error) -> Self {
        let (code, fix) = match &failure {
            Error::Malformed { .. } => {
                (error::Code::DataParse, "ask the app's vendor why it sends broken JSON")
            }
            Error::Packed { .. } => (
                error::Code::DataParse,
                "compare `unpack` in the manifest with a record of the app",
            ),
            Error::Time { .. } => (
                error::Code::DataMapping,
                "correct the path or the `format` of the time in the manifest",
            ),
            Error::Key { .. } => (
                error::Code::DataMapping,
                "name a key in the manifest that every record has, or `$` for the whole record",
            ),
        };
        let (Error::Malformed { stream, .. }
        | Error::Packed { stream, .. }
        | Error::Time { stream, .. }
        | Error::Key { stream, .. }) = &failure;
        Self::new(code, failure.to_string()).fix(fix).in_stream(stream)
    }
}
