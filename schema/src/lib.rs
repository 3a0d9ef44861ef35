//! The Longshore manifest language: its types, the loader that gives every value its place in the
//! source, and the JSON Schema made from the types.
//!
//! Text becomes a tree of nodes with spans ([`yaml::parse`]), and the tree becomes a [`Manifest`]
//! ([`load`]). Templates, paths, durations and patterns are parsed on the way, so that code behind
//! the loader never meets a string that could still be wrong. Whether the parts fit together is
//! the validator's business.

pub mod action;
pub mod auth;
pub mod convert;
pub mod decode;
pub mod deserialize;
pub mod format;
pub mod http;
mod json_path;
pub mod json_schema;
mod literal;
pub mod manifest;
pub mod map;
pub mod posture;
pub mod probe;
pub mod requirement;
pub mod scalar;
mod span;
pub mod stream;
mod table;
pub mod template;
pub mod time;
pub mod verb;
pub mod window;
pub mod yaml;

pub use json_path::{JsonPath, Queryable, Step};
pub use literal::Literal;
pub use manifest::Manifest;
pub use span::{LineIndex, Span, Spanned};
pub use table::{OneOrMany, Table};
pub use template::Template;

/// Makes a typed manifest of a tree that satisfies the JSON Schema.
///
/// # Errors
/// The first mismatch. A tree that satisfies the schema has none.
pub fn load(document: &yaml::Document) -> Result<Manifest, deserialize::Error> {
    deserialize::from_node(&document.root)
}
