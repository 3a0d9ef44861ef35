//! What a response has around its records.

use serde_json::Value;

/// What was found at the place of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// An array, possibly empty.
    Array,
    /// The JSON value `null`.
    Null,
    /// A value that is neither an array (or, for `.*`, an object) nor `null`.
    NotAnArray,
    /// Nothing: a member of the path before its first wildcard does not exist, or a value on the
    /// way to it is not an object.
    Missing,
}

/// Everything of a response but its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The document; what the first wildcard of the path stands for is left out.
    pub value: Value,
    /// What was found at the place of the records.
    pub found: Found,
    /// How many records were handed over.
    pub records: u64,
    /// Length of the document in bytes.
    pub bytes: u64,
}
