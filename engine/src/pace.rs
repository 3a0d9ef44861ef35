//! How fast a connection asks: so many requests in a time, so many at once, to the app as a whole
//! and to each of its hosts, and nothing at all while an app has asked for a pause.
//!
//! A gate is a sliding window: within any `per`, no more than `requests` are sent. How many are
//! under way at once is what the manifest says at most, half of what was under way each time the
//! app asks to slow down, and one more for each quiet period after that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::http::{HostRate, Http};
use longshore_schema::scalar::HostPattern;
use longshore_schema::stream::Priority;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::pauses::LONGEST_WAIT;

/// How long an app must not have asked to slow down before one more request is sent at once, in
/// milliseconds.
const QUIET: i64 = 30_000;
/// So many requests at once are as good as no bound.
const UNBOUNDED: usize = 1_000;

/// The gates of a connection.
#[derive(Debug)]
pub struct Pace {
    hosts: Vec<(HostPattern, Gate)>,
    all: Gate,
}

/// What a gate lets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// So many requests in so long.
    pub rate: Option<(u64, Duration)>,
    /// So many requests at once.
    pub at_once: Option<usize>,
}

/// The right to have one request under way; dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Passage<'p>(Vec<Held<'p>>);

impl Passage<'_> {
    /// Whether nothing had to be asked.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pace {
    /// The pace that a manifest declares.
    #[must_use]
    pub fn new(http: &Http, clock: &Clock) -> Self {
        let rate = http.rate.as_ref().map(|rate| (rate.requests.value, rate.per.0));
        let at_once = http.concurrency.as_ref().map(|at_once| usize_of(at_once.value));
        let host = |host: &HostRate| Bounds {
            rate: host.requests.as_ref().zip(host.per.as_ref()).map(|(n, per)| (n.value, per.0)),
            at_once: host.concurrency.as_ref().map(|at_once| usize_of(at_once.value)),
        };
        let gate = |bounds| Gate::new(bounds, clock.clone());
        let hosts = http.hosts_rate.iter();
        Self {
            hosts: hosts.map(|(pattern, rate)| (pattern.value.clone(), gate(host(rate)))).collect(),
            all: gate(Bounds { rate, at_once }),
        }
    }

    /// Waits until a request may be sent to a host. Of those that wait, the most urgent goes first.
    pub async fn enter(&self, host: &str, priority: Priority) -> Passage<'_> {
        let mut held = Vec::new();
        for gate in self.gates(host) {
            held.push(gate.enter(priority).await);
        }
        Passage(held)
    }

    /// Notes that the app asked to slow down, and until when nothing is to be sent if it said so.
    pub fn slow_down(&self, host: &str, until: Option<Timestamp>) {
        for gate in self.gates(host) {
            gate.slow_down(until);
        }
    }

    /// The gates on the way to a host: its own first, so that nobody who waits for one host keeps
    /// another from being asked.
    fn gates(&self, host: &str) -> impl Iterator<Item = &Gate> {
        let own = self.hosts.iter().filter(move |(pattern, _)| pattern.matches(host));
        own.map(|(_, gate)| gate).chain([&self.all])
    }
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(UNBOUNDED).clamp(1, UNBOUNDED)
}

#[derive(Debug)]
struct Gate {
    bounds: Bounds,
    clock: Clock,
    state: Mutex<State>,
    /// Somebody left, or stopped waiting.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When the last requests were sent, as many as the rate allows, in milliseconds.
    sent: VecDeque<i64>,
    under_way: usize,
    /// How many may be under way, while that is less than what is declared.
    narrowed: Option<usize>,
    /// Since when the app has been quiet, for the next step of `narrowed`.
    quiet_since: i64,
    /// When the app may be asked again.
    paused_until: i64,
    /// Who waits, and how many of each.
    waiting: BTreeMap<Priority, usize>,
}

#[derive(Debug)]
struct Held<'g>(&'g Gate);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

/// Somebody who waits; gone when it stops waiting, for whatever reason.
struct Waiting<'g>(&'g Gate, Priority);

impl<'g> Waiting<'g> {
    fn new(gate: &'g Gate, priority: Priority) -> Self {
        *gate.state().waiting.entry(priority).or_default() += 1;
        Self(gate, priority)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0.state().waiting.get_mut(&self.1) {
            *count = count.saturating_sub(1);
        }
        self.0.changed.notify_waiters();
    }
}

impl Gate {
    fn new(bounds: Bounds, clock: Clock) -> Self {
        Self { bounds, clock, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(&self, priority: Priority) -> Held<'_> {
        let mut waiting = None;
        loop {
            // Listening starts before the attempt, so that nobody can leave unheard between them.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = match self.attempt(priority) {
                Ok(held) => return held,
                Err(until) => until,
            };
            waiting.get_or_insert_with(|| Waiting::new(self, priority));
            match until {
                None => changed.await,
                Some(until) => {
                    let until = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = self.clock.sleep_until(until) => {}
                    }
                }
            }
        }
    }

    /// Passes, or tells when to try again; `None` if only another's leaving can tell.
    fn attempt(&self, priority: Priority) -> Result<Held<'_>, Option<i64>> {
        let now = self.clock.now().as_millisecond();
        let mut state = self.state();
        state.widen(now, self.bounds.at_once);
        if state.paused_until > now {
            return Err(Some(state.paused_until));
        }
        let at_once = state.narrowed.or(self.bounds.at_once).unwrap_or(usize::MAX);
        if state.under_way >= at_once {
            return Err(None);
        }
        if let Some((requests, per)) = self.bounds.rate {
            let per = i64::try_from(per.as_millis()).unwrap_or(i64::MAX);
            while state.sent.front().is_some_and(|sent| sent.saturating_add(per) <= now) {
                state.sent.pop_front();
            }
            // A clock that was set back must not close the gate for longer than a period.
            state.sent.iter_mut().for_each(|sent| *sent = (*sent).min(now));
            if state.sent.len() as u64 >= requests.max(1) {
                return Err(state.sent.front().map(|sent| sent.saturating_add(per)));
            }
        }
        let urgent = state.waiting.iter().any(|(other, count)| *other > priority && *count > 0);
        if urgent {
            // It is on its way through, and its leaving is heard.
            return Err(Some(now.saturating_add(1)));
        }
        if self.bounds.rate.is_some() {
            state.sent.push_back(now);
        }
        state.under_way += 1;
        drop(state);
        Ok(Held(self))
    }

    fn slow_down(&self, until: Option<Timestamp>) {
        let now = self.clock.now().as_millisecond();
        let mut state = self.state();
        let half = (state.under_way / 2).max(1);
        state.narrowed = Some(state.narrowed.map_or(half, |narrowed| narrowed.min(half)));
        state.quiet_since = now;
        if let Some(until) = until {
            // Whoever was told a later time comes back by its own schedule.
            let longest = LONGEST_WAIT.as_millis() as i64;
            let until = until.as_millisecond().min(now.saturating_add(longest));
            state.paused_until = state.paused_until.max(until);
        }
    }
}

impl State {
    /// Lets one more pass for each quiet period.
    fn widen(&mut self, now: i64, declared: Option<usize>) {
        let Some(narrowed) = self.narrowed else { return };
        // A clock that was set back starts the quiet period anew.
        self.quiet_since = self.quiet_since.min(now);
        let steps = (now - self.quiet_since) / QUIET;
        self.quiet_since += steps * QUIET;
        let wider = narrowed.saturating_add(usize::try_from(steps).unwrap_or(UNBOUNDED));
        let whole = declared.unwrap_or(UNBOUNDED);
        self.narrowed = (wider < whole).then_some(wider);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn gate(requests: u64, per: u64, at_once: Option<usize>) -> Gate {
        let rate = Some((requests, Duration::from_secs(per)));
        Gate::new(Bounds { rate, at_once }, Clock::manual(noon()))
    }

    proptest! {
        /// Whatever the times at which requests come, no window has more than it may.
        #[test]
        fn no_window_has_more_than_the_rate(
            requests in 1..6_u64,
            per in 1..4_u64,
            pauses in prop::collection::vec(0..3_000_u64, 1..60),
        ) {
            let gate = gate(requests, per, None);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let sent: Vec<i64> = runtime.block_on(async {
                let mut sent = Vec::new();
                for pause in pauses {
                    gate.clock.sleep(Duration::from_millis(pause)).await;
                    let held = gate.enter(Priority::Normal).await;
                    sent.push(gate.clock.now().as_millisecond());
                    drop(held);
                }
                sent
            });
            let most = usize::try_from(requests).unwrap();
            for (first, beyond) in sent.iter().zip(sent.iter().skip(most)) {
                prop_assert!(beyond - first >= i64::try_from(per).unwrap() * 1000);
            }
        }
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_declared() {
        let gate = gate(100, 1, Some(2));
        let first = gate.enter(Priority::Normal).await;
        let second = gate.enter(Priority::Normal).await;
        assert_eq!(gate.attempt(Priority::High).unwrap_err(), None);
        drop(first);
        drop(gate.attempt(Priority::Normal).unwrap());
        drop(second);
    }

    #[tokio::test]
    async fn a_throttle_halves_and_quiet_widens() {
        let gate = gate(1000, 1, Some(4));
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(gate.enter(Priority::Normal).await);
        }
        gate.slow_down(None);
        held.clear();
        let passing = |gate: &Gate| {
            let mut held = Vec::new();
            while let Ok(one) = gate.attempt(Priority::Normal) {
                held.push(std::mem::ManuallyDrop::new(one));
            }
            gate.state().under_way = 0;
            held.len()
        };
        assert_eq!(passing(&gate), 2);
        gate.clock.sleep(Duration::from_secs(31)).await;
        assert_eq!(passing(&gate), 3);
        gate.clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(passing(&gate), 4);
    }

    #[tokio::test]
    async fn a_pause_that_the_app_asked_for_is_kept_by_all() {
        let gate = gate(1000, 1, None);
        let until = noon() + jiff::SignedDuration::from_secs(20);
        gate.slow_down(Some(until));
        drop(gate.enter(Priority::High).await);
        assert_eq!(gate.clock.now(), until);
        // A mistaken date does not close it for years.
        gate.slow_down(Some(Timestamp::MAX));
        drop(gate.enter(Priority::Low).await);
        assert_eq!(gate.clock.now(), until + jiff::SignedDuration::from_secs(300));
    }

    #[tokio::test]
    async fn the_most_urgent_goes_first() {
        let gate = gate(1000, 1, Some(1));
        let held = gate.enter(Priority::Normal).await;
        let order = Mutex::new(Vec::new());
        let one = async |priority| {
            let held = gate.enter(priority).await;
            order.lock().unwrap().push(priority);
            drop(held);
        };
        let leave = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        tokio::join!(one(Priority::Low), one(Priority::High), one(Priority::Normal), leave);
        assert_eq!(*order.lock().unwrap(), [Priority::High, Priority::Normal, Priority::Low]);
    }
}
