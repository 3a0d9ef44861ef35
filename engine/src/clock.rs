//! What time it is, and waiting.
//!
//! Everything in the engine that asks for the time or waits does so through a [`Clock`], so that a
//! demo can start in the past and a test can let a day pass at once.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// What the monotonic time of clocks that run by themselves is counted from, and what the machine's
/// clock showed then.
static STARTED: LazyLock<(Instant, Timestamp)> =
    LazyLock::new(|| (Instant::now(), Timestamp::now()));

/// A source of time; cheap to clone, and clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Kind>);

enum Kind {
    /// The machine's clock.
    System,
    /// A chosen start; from there on, time passes as it does for everybody.
    Shifted { start: Timestamp, started: Instant },
    /// Time passes only by waiting.
    Manual(watch::Sender<Shown>),
}

/// What a manual clock shows.
#[derive(Clone, Copy)]
struct Shown {
    now: Timestamp,
    /// How much of the time that passed was silence of the other side.
    silence: Duration,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Kind::System))
    }

    /// A clock that shows `start` now and runs on from there at the usual speed.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Arc::new(Kind::Shifted { start, started: Instant::now() }))
    }

    /// A clock that stands still at `start`, and jumps when somebody waits. For tests.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Arc::new(Kind::Manual(watch::Sender::new(Shown {
            now: start,
            silence: Duration::ZERO,
        }))))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Kind::System => Timestamp::now(),
            Kind::Shifted { start, started } => later(*start, started.elapsed()),
            Kind::Manual(shown) => shown.borrow().now,
        }
    }

    /// How long this clock runs: for measuring how long the other side takes, whatever is done to
    /// the date meanwhile. Of a manual clock, how long it was [stalled](Self::stall).
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        match &*self.0 {
            Kind::System | Kind::Shifted { .. } => STARTED.0.elapsed(),
            Kind::Manual(shown) => shown.borrow().silence,
        }
    }

    /// The time as it is if nobody sets the clock: for what must neither come twice nor be skipped
    /// while this process runs. Never goes back.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        match &*self.0 {
            Kind::System => later(STARTED.1, STARTED.0.elapsed()),
            Kind::Shifted { .. } | Kind::Manual(_) => self.now(),
        }
    }

    /// Does `work`, and gives up after `limit`: `None`. A manual clock does not move by this; there,
    /// it gives up when the clock was [stalled](Self::stall) for so long.
    pub async fn timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let Kind::Manual(shown) = &*self.0 else {
            return tokio::time::timeout(limit, work).await.ok();
        };
        let mut watched = shown.subscribe();
        let end = shown.borrow().silence.saturating_add(limit);
        tokio::select! {
            biased;
            done = work => Some(done),
            // The clock is borrowed here, so it cannot be closed meanwhile.
            _ = watched.wait_for(|shown| shown.silence >= end) => None,
        }
    }

    /// Lets time pass on a manual clock in which the other side is silent, for whoever waits for it
    /// with a [`timeout`](Self::timeout). Other clocks pass by themselves.
    pub fn stall(&self, duration: Duration) {
        if let Kind::Manual(shown) = &*self.0 {
            shown.send_modify(|shown| {
                shown.now = later(shown.now, duration);
                shown.silence = shown.silence.saturating_add(duration);
            });
        }
    }

    /// Waits for `duration`; a manual clock advances by it at once.
    pub async fn sleep(&self, duration: Duration) {
        if let Kind::Manual(shown) = &*self.0 {
            shown.send_modify(|shown| shown.now = later(shown.now, duration));
            // A loop that only sleeps must still let the other tasks of the test run.
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(duration).await;
        }
    }

    /// Waits until `deadline`; returns at once if it has passed.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        // The machine's clock can be set back while we sleep, hence the loop.
        loop {
            let missing = deadline.duration_since(self.now());
            match Duration::try_from(missing) {
                Ok(missing) if !missing.is_zero() => self.sleep(missing).await,
                _ => return,
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// `time + duration`, or the end of time (the year 9999) if that is sooner.
fn later(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| time.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    #[tokio::test]
    async fn a_manual_clock_moves_by_waiting_only() {
        let clock = Clock::manual(noon());
        let same = clock.clone();
        clock.sleep(Duration::from_secs(86_400)).await;
        assert_eq!(same.now().to_string(), "2026-03-02T12:00:00Z");
        clock.sleep_until(noon()).await;
        assert_eq!(same.now().to_string(), "2026-03-02T12:00:00Z");
        clock.sleep_until("2026-03-05T00:00:00Z".parse().unwrap()).await;
        assert_eq!(same.now().to_string(), "2026-03-05T00:00:00Z");
        clock.sleep(Duration::MAX).await;
        assert_eq!(same.now(), Timestamp::MAX);
    }

    #[tokio::test]
    async fn a_manual_clock_gives_up_when_it_was_stalled() {
        let clock = Clock::manual(noon());
        let limit = Duration::from_secs(10);
        let waited = async {
            clock.timeout(limit, std::future::pending::<()>()).await;
            clock.now()
        };
        let passes = async {
            // Others who wait do not make the app silent.
            clock.sleep(Duration::from_secs(60)).await;
            clock.stall(Duration::from_secs(9));
            tokio::task::yield_now().await;
            clock.stall(Duration::from_secs(1));
        };
        let (gave_up, ()) = tokio::join!(waited, passes);
        assert_eq!(gave_up.to_string(), "2026-03-01T12:01:10Z");
        assert_eq!(clock.monotonic(), limit);
        assert_eq!(clock.timeout(limit, async { 1 }).await, Some(1));
    }

    #[tokio::test]
    async fn a_shifted_clock_runs_on_from_its_start() {
        let clock = Clock::starting_at(noon());
        clock.sleep(Duration::from_millis(20)).await;
        let passed = clock.now().duration_since(noon());
        assert!(passed >= SignedDuration::from_millis(20), "{passed}");
        assert!(passed < SignedDuration::from_secs(60), "{passed}");
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_until() {
        let clock = Clock::system();
        let deadline = later(clock.now(), Duration::from_millis(20));
        clock.sleep_until(deadline).await;
        assert!(clock.now() >= deadline);
    }
}
