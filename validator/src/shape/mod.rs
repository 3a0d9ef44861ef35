//! The check against the JSON Schema, told in the manifest's own words.

mod compiled;
mod place;
mod repair;
mod schema;
mod translate;
mod walk;

use longshore_schema::Span;
use longshore_schema::yaml::Node;

use crate::codes;
use crate::diagnostic::Diagnostic;

pub(crate) use repair::{NOWHERE, Repair, repair};

/// The most errors that are told: each is looked up in the tree, and suggestions cost more. What
/// has so many is not read any further.
const MAX_ERRORS: usize = 1_000;

/// What the schema check found.
pub(crate) struct Found {
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// What must be changed in the tree before the rest of it can be looked at.
    pub(crate) repairs: Vec<Repair>,
    /// Whether there was nothing more to tell.
    pub(crate) complete: bool,
}

/// The published JSON Schema for the place in a manifest that these keys and indexes lead to, with
/// references followed; `None` if nothing may stand there.
pub fn schema_at<'p>(
    path: impl IntoIterator<Item = &'p str>,
) -> Option<&'static serde_json::Value> {
    schema::at(path)
}

/// What the value at a path is for, in the words of the schema.
pub(crate) fn summary(path: &[String]) -> Option<String> {
    let (last, owner) = path.split_last()?;
    let owner = schema::at(owner.iter().map(String::as_str))?;
    schema::summary(owner, last)
}

/// Whether the schema asks for the value at a path.
pub(crate) fn requires(path: &[String]) -> bool {
    path.split_last().is_some_and(|(last, owner)| {
        schema::is_required(owner, last) || last.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether the value at a path is text for people.
pub(crate) fn is_prose(path: &[String]) -> bool {
    schema::at(path.iter().map(String::as_str)).is_some_and(|schema| {
        schema["type"] == "string" && schema["format"].is_null() && schema["enum"].is_null()
    })
}

/// Checks a tree against the published JSON Schema. An unknown key for which `unread` is true is
/// left out, and never taken for a misspelt one: the author knows that it is not read.
pub(crate) fn check(source: &str, root: &Node, unread: &dyn Fn(Span) -> bool) -> Found {
    let mismatches = walk::mismatches(root, MAX_ERRORS);
    let mut translation = translate::Translation::new(source, root, unread);
    for mismatch in &mismatches {
        translation.add(mismatch);
    }
    let mut found = translation.finish();
    found.complete = mismatches.len() < MAX_ERRORS;
    // What is not valid is never let through, should an error ever have no text of ours.
    if !mismatches.is_empty() && found.diagnostics.is_empty() {
        let message = "the manifest does not satisfy the published JSON Schema";
        found.diagnostics.push(Diagnostic::new(&codes::CANNOT_LOAD, root.span, message));
    }
    found
}
