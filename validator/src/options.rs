//! What is asked of a manifest beyond being right.

use std::collections::BTreeMap;

use crate::changes::Base;
use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Severity};

/// What is asked of a manifest beyond being right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Which apps are admitted.
    pub profile: Profile,
    /// How bad findings are, where that differs from the rules' own severities.
    pub severities: Severities,
    /// Whether findings are shown that a comment in the manifest hides.
    pub show_ignored: bool,
    /// The earlier manifest since which the version must have been raised.
    pub base: Option<Base>,
}

/// Which apps are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Apps that offer OAuth.
    #[default]
    Strict,
    /// Also apps that offer nothing but a fixed key.
    Extended,
}

impl Options {
    /// The options of a profile, with everything else as usual.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }
}

/// Severities of rules that differ from their own.
///
/// No error that the engine cannot run with can be lowered, so a manifest without errors runs under
/// any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Severities(BTreeMap<&'static str, Option<Severity>>);

/// A rule whose findings are errors whatever is asked for: the engine cannot run with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is an error that the engine cannot run with")]
pub struct NotLowered(pub &'static str);

impl Severities {
    /// Gives the findings of a rule another severity; `None` turns the rule off.
    ///
    /// # Errors
    /// The rule finds what the engine cannot run with, and would no longer be an error.
    pub fn set(
        &mut self,
        code: &'static Code,
        severity: Option<Severity>,
    ) -> Result<(), NotLowered> {
        if severity != Some(Severity::Error) && !code.ignorable {
            return Err(NotLowered(code.id));
        }
        self.0.insert(code.id, severity);
        Ok(())
    }

    /// Whether findings of a code are no errors any more.
    pub(crate) fn lower(&self, code: &Code) -> bool {
        self.0.get(code.id).is_some_and(|severity| *severity != Some(Severity::Error))
    }

    pub(crate) fn apply(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.0.is_empty() {
            return;
        }
        diagnostics.retain_mut(|diagnostic| match self.0.get(diagnostic.code) {
            Some(Some(severity)) => {
                diagnostic.severity = *severity;
                true
            }
            Some(None) => false,
            None => true,
        });
    }
}
