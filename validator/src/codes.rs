//! The table of all codes.

use crate::diagnostic::Severity;

/// What stands behind a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code: `LS`, two digits for the family, two for the rule. Never given to another rule.
    pub id: &'static str,
    /// A short name in words.
    pub name: &'static str,
    /// How bad it usually is; a profile may make it milder.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $id:literal $name:literal $severity:ident $summary:literal;)*) => {
        $(
            pub(crate) static $constant: Code = Code {
                id: $id,
                name: $name,
                severity: Severity::$severity,
                summary: $summary,
            };
        )*

        /// All codes in order: LS00 syntax, LS01 schema, LS02 references, LS03 types and OCSF,
        /// LS04 windows and paging, LS05 quotas and schedule, LS06 sign-in and security, LS07
        /// profiles and metadata, LS08 error rules.
        pub static ALL: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    YAML_SYNTAX = "LS0001" "yaml-syntax" Error "The text is not YAML.";
    UNQUOTED_TEMPLATE = "LS0002" "unquoted-template" Error "A value that starts with `{{` stands without quotes.";
    DUPLICATE_KEY = "LS0003" "duplicate-key" Error "A key is set twice in one mapping.";
    AMBIGUOUS_SCALAR = "LS0004" "ambiguous-scalar" Error "YAML readers disagree about what a value is.";
    UNSUPPORTED_YAML = "LS0005" "unsupported-yaml" Error "An anchor, alias, tag, directive or merge key.";
    TOO_LARGE = "LS0006" "too-large" Error "The manifest is larger or deeper than is read.";
    ONE_DOCUMENT = "LS0007" "one-document" Error "The file is empty or holds a second document.";

    UNKNOWN_KEY = "LS0101" "unknown-key" Error "A key that the language does not have here.";
    MISSING_KEY = "LS0102" "missing-key" Error "A required key is missing.";
    WRONG_TYPE = "LS0103" "wrong-type" Error "A value is of another type than expected.";
    UNKNOWN_CHOICE = "LS0104" "unknown-choice" Error "A value is none of the choices.";
    MALFORMED_VALUE = "LS0105" "malformed-value" Error "A duration, path, template or the like cannot be read.";
    CHOOSE_ONE = "LS0106" "choose-one" Error "A choice is left open, or made twice.";
    OUT_OF_RANGE = "LS0107" "out-of-range" Error "A number or list is too small or too large.";
    MALFORMED_NAME = "LS0108" "malformed-name" Error "A key is not a name, or not a path to an OCSF attribute.";
    CANNOT_LOAD = "LS0109" "cannot-load" Error "A value cannot be read.";
}
