//! What is judged of the app's security settings.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::probe::{Probe, Test};
use crate::scalar::{Name, WebLink};
use crate::{OneOrMany, Spanned, Table};

/// What is judged of the app's security settings.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Posture {
    /// The checks, by name.
    pub checks: Spanned<Table<Name, Check>>,
}

/// One setting, or one group of things, with what is good, half good and bad.
///
/// The answer passes, passes in part, fails, or is unknown. What passes earns the weight, what
/// passes in part half of it; what is unknown earns nothing and is told apart from what fails.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What is recommended, in a line.
    pub title: Spanned<String>,
    /// What it belongs to, such as `sessions`; for grouping in reports.
    pub category: Spanned<Name>,
    /// How bad it is if it fails.
    pub severity: Spanned<Severity>,
    /// The points that it earns. Informational checks have none, and leave it out.
    pub weight: Option<Spanned<u32>>,
    /// Why it matters, in words for the admin.
    pub why: Spanned<String>,
    /// Where it matters at all. Where this is answered by no, the check does not apply.
    pub applies_when: Option<Spanned<Probe>>,
    /// Where the setting is found, and what passes.
    pub probe: Spanned<Probe>,
    /// What earns half the weight, of what does not pass.
    pub partial: Option<Spanned<Test>>,
    /// What fails, where the values are a closed list: any other value is then unknown. Without it
    /// all that does not pass fails.
    pub fail: Option<Spanned<Test>>,
    /// What it means that there is no answer, in words for the admin. Needed unless the settings
    /// say it.
    pub unknown: Option<Spanned<String>>,
    /// The permissions without which the answer is not to be believed: it is then unknown.
    #[serde(default)]
    pub permissions: Vec<Spanned<Name>>,
    /// How to mend it.
    pub remediation: Spanned<Remediation>,
    /// Where standards ask for it.
    #[serde(default)]
    pub references: Vec<Spanned<Reference>>,
    /// The prerequisites of this connection that mending it would break.
    #[serde(default)]
    pub conflicts_with: Vec<Spanned<Name>>,
}

/// How bad it is if a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; it earns no points.
    Informational,
    /// A small weakness.
    Low,
    /// A weakness.
    Medium,
    /// A serious weakness.
    High,
    /// An open door.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// How to mend what a check finds.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remediation {
    /// What to do, step by step.
    pub steps: Spanned<OneOrMany<Spanned<String>>>,
    /// The app's own page about it.
    pub link: Option<Spanned<WebLink>>,
}

/// A place in a standard.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The standard's name, such as `NIST SP 800-53`.
    pub standard: Spanned<String>,
    /// The place's own identifier, such as `AC-12`.
    pub id: Spanned<String>,
    /// A page about it.
    pub link: Option<Spanned<WebLink>>,
}
