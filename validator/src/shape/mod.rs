//! The check against the JSON Schema, told in the manifest's own words.

mod place;
mod repair;
mod schema;
mod translate;

use std::sync::OnceLock;

use jsonschema::Validator;
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
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let mut options = jsonschema::draft202012::options().should_validate_formats(true);
        for format in longshore_schema::scalar::formats() {
            options =
                options.with_format(format.name, move |text: &str| (format.check)(text).is_ok());
        }
        options.build(schema::root()).expect("the published schema is a valid JSON Schema")
    })
}

/// Checks a tree against the published JSON Schema.
pub(crate) fn check(source: &str, root: &Node) -> Found {
    let json = root.to_json();
    let mut translation = translate::Translation::new(source, root);
    let mut valid = true;
    for error in validator().iter_errors(&json).take(MAX_ERRORS) {
        valid = false;
        translation.add(&error);
    }
    let mut found = translation.finish();
    // What is not valid is never let through, should an error ever have no text of ours.
    if !valid && found.diagnostics.is_empty() {
        let message = "the manifest does not satisfy the published JSON Schema";
        found.diagnostics.push(Diagnostic::new(&codes::CANNOT_LOAD, root.span, message));
    }
    found
}
