//! What time it is, and waiting.
//!
//! Everything in the engine that asks for the time or waits does so through a [`Clock`], so that a
//! demo can start in the past and a test can let a day pass at once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A source of time; cheap to clone, and clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Kind>);

enum Kind {
    /// The machine's clock.
    System,
    /// A chosen start; from there on, time passes as it does for everybody.
    Shifted { start: Timestamp, started: Instant },
    /// Time passes only by waiting.
    Manual(Mutex<Timestamp>),
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
        Self(Arc::new(Kind::Manual(Mutex::new(start))))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Kind::System => Timestamp::now(),
            Kind::Shifted { start, started } => later(*start, started.elapsed()),
            Kind::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits for `duration`; a manual clock advances by it at once.
    pub async fn sleep(&self, duration: Duration) {
        if let Kind::Manual(now) = &*self.0 {
            {
                let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
                *now = later(*now, duration);
            }
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
