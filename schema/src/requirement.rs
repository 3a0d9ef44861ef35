//! What a connection needs of the app: permissions of its account, and prerequisites.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::probe::Probe;
use crate::scalar::{Name, WebLink};
use crate::stream::Capability;
use crate::{Manifest, OneOrMany, Spanned};

/// Something that the account behind the connection must be allowed; one of `probe` and `manual`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The app's own name of it, as its API has it, such as `ViewSetup`.
    pub name: Spanned<String>,
    /// What the app calls it on its pages.
    pub label: Spanned<String>,
    /// Why it is needed, in words for the admin.
    pub why: Spanned<String>,
    /// What happens without it, in words for the admin.
    pub without: Option<String>,
    /// What needs it: streams by their names, capabilities for all streams that provide them,
    /// `posture` for all checks, `actions` for all actions. Not needed for a permission that
    /// checks or actions name, or that stands in for another.
    #[serde(default)]
    pub needed_by: Vec<Spanned<Name>>,
    /// Other permissions, each of which does in place of this one.
    #[serde(default)]
    pub or: Vec<Spanned<Name>>,
    /// How to find out whether the account has it.
    pub probe: Option<Spanned<Probe>>,
    /// Why the app cannot be asked, where it cannot, in words for the admin.
    pub manual: Option<Spanned<String>>,
    /// How it is granted, step by step.
    // Texts and lists of texts in one schema.
    pub steps: Spanned<OneOrMany<Spanned<String>>>,
    /// The app's own page about it.
    pub link: Option<Spanned<WebLink>>,
}

/// Something that must be so in the app; one of `probe` and `manual`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prerequisite {
    /// What must be so, in a line.
    pub title: Spanned<String>,
    /// Why, in words for the admin.
    pub why: Option<String>,
    /// What happens without it, in words for the admin.
    pub without: Option<String>,
    /// Where it matters at all. Where this is answered by no, the prerequisite is passed over.
    pub when: Option<Spanned<Probe>>,
    /// How to find out whether it is so.
    pub probe: Option<Spanned<Probe>>,
    /// Why the app cannot be asked, where it cannot, in words for the admin.
    pub manual: Option<Spanned<String>>,
    /// Whether the connection can do without.
    #[serde(default)]
    pub level: Level,
    /// How to make it so, step by step.
    pub steps: Spanned<OneOrMany<Spanned<String>>>,
    /// The app's own page about it.
    pub link: Option<Spanned<WebLink>>,
    /// What suffers without it: streams by their names, capabilities for all streams that provide
    /// them, `posture` for all checks, `actions` for all actions. Left out, it is everything.
    pub affects: Option<OneOrMany<Spanned<Name>>>,
}

/// Whether a connection can do without a prerequisite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What it affects does not work without it.
    #[default]
    Required,
    /// Everything works without it, though not as well.
    Advised,
}

/// What a name in `needed_by` or `affects` stands for; all empty if it stands for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part<'m> {
    /// These streams.
    pub streams: Vec<&'m str>,
    /// All checks.
    pub posture: bool,
    /// All actions.
    pub actions: bool,
}

impl Part<'_> {
    /// Whether the name stands for nothing that the manifest has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && !self.posture && !self.actions
    }
}

impl Manifest {
    /// What a name in `needed_by` or `affects` stands for: the stream of that name; else all
    /// streams that provide the capability of that name; `posture` also for all checks, `actions`
    /// also for all actions.
    #[must_use]
    pub fn part(&self, name: &str) -> Part<'_> {
        let streams = || self.streams.iter().map(|(known, stream)| (known.as_str(), stream));
        let mut named: Vec<_> =
            streams().filter(|(known, _)| *known == name).map(|(known, _)| known).collect();
        if named.is_empty()
            && let Some(capability) = Capability::named(name)
        {
            let provide = streams().filter(|(_, stream)| stream.provides.value == capability);
            named.extend(provide.map(|(known, _)| known));
        }
        Part {
            streams: named,
            posture: name == "posture" && self.posture.is_some(),
            actions: name == "actions" && !self.actions.is_empty(),
        }
    }
}
