//! What the app saw of a connector.

use std::collections::BTreeMap;

use super::Fault;

/// Something that no connector may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misdeed {
    /// It spent what had to be left to others.
    Reserve,
    /// It came back before the time that `Retry-After` named.
    Impatience,
    /// It asked for something that the manifest does not declare.
    Unknown,
    /// It never cleared away what it had made, though it was not killed.
    LeftBehind,
}

/// What the app saw.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Requests, those for tokens included.
    pub requests: u64,
    /// How often each fault befell a request.
    pub faults: BTreeMap<Fault, u64>,
    /// What was done wrong, in words, as far as there is room.
    pub misdeeds: Vec<(Misdeed, String)>,
    /// How often each was done.
    pub counts: BTreeMap<Misdeed, u64>,
}

/// The most misdeeds that are told in words.
const MOST: usize = 20;

impl Witness {
    pub(super) fn accuse(&mut self, misdeed: Misdeed, what: String) {
        *self.counts.entry(misdeed).or_default() += 1;
        if self.misdeeds.len() < MOST {
            self.misdeeds.push((misdeed, what));
        }
    }

    /// How often something was done.
    #[must_use]
    pub fn count(&self, misdeed: Misdeed) -> u64 {
        self.counts.get(&misdeed).copied().unwrap_or_default()
    }
}
