//! The catalogue of all rules: one table for each family.
//!
//! Behind every code stands a page, `validator/rules/CODE.md`, with the reason for the rule and an
//! example of each kind; [`crate::explain`] makes of it what people read. A code without a page
//! does not compile, one whose examples do not show it fails its test.

use std::sync::LazyLock;

use crate::diagnostic::Severity;
use crate::suggest::closest;

macro_rules! codes {
    ($(
        $constant:ident = $id:literal $name:literal
        $severity:ident $($ignorable:ident)? $summary:literal;
    )*) => {
        $(
            pub(crate) static $constant: $crate::codes::Code = $crate::codes::Code {
                id: $id,
                name: $name,
                severity: $crate::diagnostic::Severity::$severity,
                ignorable: !matches!(
                    $crate::diagnostic::Severity::$severity,
                    $crate::diagnostic::Severity::Error
                ) $(|| stringify!($ignorable).len() == "ignorable".len())?,
                summary: $summary,
                page: include_str!(concat!("../../rules/", $id, ".md")),
            };
        )*

        /// The family's codes in order.
        pub(crate) static CODES: &[&$crate::codes::Code] = &[$(&$constant),*];
    };
}
pub(crate) mod actions;
pub(crate) mod composition;
pub(crate) mod decoding;
pub(crate) mod errors;
pub(crate) mod fixtures;
pub(crate) mod metadata;
pub(crate) mod posture;
pub(crate) mod quotas;
pub(crate) mod references;
pub(crate) mod requests;
pub(crate) mod requirements;
pub(crate) mod schema;
pub(crate) mod security;
pub(crate) mod syntax;
pub(crate) mod types;
pub(crate) mod windows;

pub(crate) use self::actions::*;
pub(crate) use self::composition::*;
pub(crate) use self::decoding::*;
pub(crate) use self::errors::*;
pub(crate) use self::fixtures::*;
pub(crate) use self::metadata::*;
pub(crate) use self::posture::*;
pub(crate) use self::quotas::*;
pub(crate) use self::references::*;
pub(crate) use self::requests::*;
pub(crate) use self::requirements::*;
pub(crate) use self::schema::*;
pub(crate) use self::security::*;
pub(crate) use self::syntax::*;
pub(crate) use self::types::*;
pub(crate) use self::windows::*;

/// What stands behind a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code: `LS`, two digits for the family, two for the rule. Never given to another rule.
    pub id: &'static str,
    /// A short name in words.
    pub name: &'static str,
    /// How bad it usually is; a profile may make it milder.
    pub severity: Severity,
    /// Whether the engine does the right thing although there is such a finding: only then may it
    /// be ignored, or taken for less than an error. The word `ignorable` behind an error says so.
    pub ignorable: bool,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// The text of its page: why, and examples.
    pub(crate) page: &'static str,
}

/// Rules that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What the codes start with, such as `LS01`.
    pub prefix: &'static str,
    /// What the rules are about.
    pub title: &'static str,
    /// Its codes in order.
    pub codes: &'static [&'static Code],
}

/// All families in order.
pub static FAMILIES: &[Family] = &[
    Family { prefix: "LS00", title: "Syntax", codes: syntax::CODES },
    Family { prefix: "LS01", title: "Keys and values", codes: schema::CODES },
    Family { prefix: "LS02", title: "References", codes: references::CODES },
    Family { prefix: "LS03", title: "Records and OCSF", codes: types::CODES },
    Family { prefix: "LS04", title: "Pages and windows", codes: windows::CODES },
    Family { prefix: "LS05", title: "Quotas and schedule", codes: quotas::CODES },
    Family { prefix: "LS06", title: "Signing in and security", codes: security::CODES },
    Family { prefix: "LS07", title: "Profiles and metadata", codes: metadata::CODES },
    Family { prefix: "LS08", title: "Error rules", codes: errors::CODES },
    Family { prefix: "LS09", title: "Fixtures", codes: fixtures::CODES },
    Family { prefix: "LS10", title: "Permissions and prerequisites", codes: requirements::CODES },
    Family { prefix: "LS11", title: "Posture checks", codes: posture::CODES },
    Family { prefix: "LS12", title: "Actions", codes: actions::CODES },
    Family { prefix: "LS13", title: "Decoding", codes: decoding::CODES },
    Family { prefix: "LS14", title: "Places, parts and steps", codes: composition::CODES },
    Family { prefix: "LS15", title: "Requests and answers", codes: requests::CODES },
];

/// All codes in order.
pub static ALL: LazyLock<Vec<&'static Code>> =
    LazyLock::new(|| FAMILIES.iter().flat_map(|family| family.codes).copied().collect());

/// Whether what a finding points at must not be shown: a secret, or personal data.
pub(crate) fn hides(id: &str) -> bool {
    [RECORDED_SECRET.id, RECORDED_PERSON.id].contains(&id)
}

/// Whether a rule compares with an earlier manifest, and finds nothing without one.
pub(crate) fn compares(code: &Code) -> bool {
    [VERSION_NOT_RAISED.id, VERSION_TOO_SMALL.id, ID_CHANGED.id].contains(&code.id)
}

/// The code with this id, in capitals or not, or with this name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id) || code.name == id)
}

/// The code whose name is nearest to this one.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static Code> {
    let name = closest(name, ALL.iter().map(|code| code.name))?;
    ALL.iter().copied().find(|code| code.name == name)
}
