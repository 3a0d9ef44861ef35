//! The org's clock: it can be set, moved forward and stopped.

use std::sync::Mutex;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::sync::lock;

/// A virtual clock. It runs with real time from the moment it is set, unless frozen.
#[derive(Debug)]
pub struct Clock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: Timestamp,
    set: Instant,
    frozen: bool,
}

impl Clock {
    pub(crate) fn new(now: Timestamp, frozen: bool) -> Self {
        Self { state: Mutex::new(State { at: now, set: Instant::now(), frozen }) }
    }

    /// The virtual now.
    pub fn now(&self) -> Timestamp {
        let state = lock(&self.state);
        if state.frozen {
            return state.at;
        }
        let elapsed = SignedDuration::try_from(state.set.elapsed()).unwrap_or(SignedDuration::MAX);
        state.at.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The virtual now in whole seconds since the Unix epoch.
    pub(crate) fn second(&self) -> i64 {
        self.now().as_second()
    }

    /// Makes it `now`; the clock keeps running or standing as before.
    pub fn set(&self, now: Timestamp) {
        let mut state = lock(&self.state);
        state.at = now;
        state.set = Instant::now();
    }

    /// Moves the clock forward. Stops at the largest time jiff can hold.
    pub fn advance(&self, by: SignedDuration) {
        let now = self.now();
        self.set(now.saturating_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Stops the clock at its present time, or lets it run on from there.
    pub fn freeze(&self, frozen: bool) {
        let now = self.now();
        let mut state = lock(&self.state);
        state.at = now;
        state.set = Instant::now();
        state.frozen = frozen;
    }
}
