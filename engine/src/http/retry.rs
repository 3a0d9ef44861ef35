//! Whether to try again, and after how long: a pure function of what happened.
//!
//! Exponential back-off with jitter, so that connections that failed together do not come back
//! together; `Retry-After` (RFC 9110, section 10.2.3) is obeyed, never undercut.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::rfc2822};
use longshore_schema::http::TimeUnit;

/// How often and how patiently to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Longest wait before the second attempt; doubles from attempt to attempt.
    pub base: Duration,
    /// Longest wait between two attempts when the app names none.
    pub cap: Duration,
    /// Attempts in total, the first one included; 1 means no retry.
    pub max_attempts: u32,
    /// Longest `Retry-After` that is waited for in place; beyond it we give up and come back at a
    /// later run.
    pub max_wait: Duration,
}

impl Default for Policy {
    /// Five attempts, waiting up to 1, 2, 4 and 8 s, and up to 5 min if the app asks for it.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
            max_attempts: 5,
            max_wait: Duration::from_secs(300),
        }
    }
}

/// What became of an attempt, as far as retrying is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A failure that may pass by itself: 5xx, no answer, a broken connection.
    Transient,
    /// The app asks us to slow down: 429 or its equivalent.
    Throttled,
    /// The same request would fail again.
    Permanent,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this wait.
    RetryAfter(Duration),
    /// Report the failure.
    GiveUp,
}

impl Policy {
    /// Decides after attempt number `attempt` (counted from 1) ended with `outcome`. `retry_after`
    /// is what the app asked for (see [`retry_after`]); `random` is any evenly distributed number
    /// (see [`random`]).
    #[must_use]
    pub fn decide(
        &self,
        attempt: u32,
        outcome: Outcome,
        retry_after: Option<Duration>,
        random: u64,
    ) -> Decision {
        if outcome == Outcome::Permanent || attempt >= self.max_attempts {
            return Decision::GiveUp;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let longest = self.base.saturating_mul(1 << doublings).min(self.cap);
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        if let Some(asked) = retry_after {
            if asked > self.max_wait {
                return Decision::GiveUp;
            }
            // A little later than asked, spread, because everybody was told the same time.
            return Decision::RetryAfter(asked.saturating_add(part(self.base, share)));
        }
        Decision::RetryAfter(match outcome {
            // Full jitter may come back at once, which is no way to answer "slow down".
            Outcome::Throttled => part(longest, 0.5 + share / 2.0),
            _ => part(longest, share),
        })
    }
}

/// `share` (0 to 1) of `duration`, or of a day if that is shorter: no back-off lasts longer, and the
/// arithmetic cannot overflow.
fn part(duration: Duration, share: f64) -> Duration {
    duration.min(Duration::from_secs(86_400)).mul_f64(share)
}

/// Reads a `Retry-After` header: seconds, or one of the three forms of an HTTP date (RFC 9110,
/// section 5.6.7), which a past date turns into zero. `None` if it is neither.
#[must_use]
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // RFC 9110 sets no upper bound; a number that does not fit means "not any more".
        return Some(header.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = http_date(header)?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Reads how long to wait, or until when, counted from the moment the answer was `sent`; a time that
/// has passed is no wait. `None` if the text is not of this unit. Fractions of seconds are read, as
/// some apps send them.
#[must_use]
pub fn until(text: &str, unit: TimeUnit, sent: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    // A number that does not fit means "not any more".
    let seconds = |number: f64| Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX);
    let from_now = |time: Timestamp| {
        Some(Duration::try_from(time.duration_since(sent)).unwrap_or(Duration::ZERO))
    };
    let since_1970 = |passed: Duration| {
        let now = Duration::try_from(sent.duration_since(Timestamp::UNIX_EPOCH));
        Some(passed.saturating_sub(now.unwrap_or_default()))
    };
    match unit {
        TimeUnit::Seconds => number().map(seconds),
        TimeUnit::Milliseconds => number().map(|number| seconds(number / 1000.0)),
        TimeUnit::EpochSeconds => since_1970(seconds(number()?)),
        TimeUnit::EpochMilliseconds => since_1970(seconds(number()? / 1000.0)),
        TimeUnit::HttpDate => from_now(http_date(text)?),
        TimeUnit::Iso8601 => from_now(text.parse().ok()?),
    }
}

/// Reads an HTTP date (RFC 9110, section 5.6.7): IMF-fixdate, RFC 850 or asctime form.
#[must_use]
pub fn http_date(text: &str) -> Option<Timestamp> {
    // Everything an HTTP date can be is shorter; a long text is not worth parsing.
    if text.len() > 40 {
        return None;
    }
    let civil = |format: &str| {
        let date = DateTime::strptime(format, text).ok()?;
        TimeZone::UTC.to_timestamp(date).ok()
    };
    rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
        .or_else(|| civil("%A, %d-%b-%y %H:%M:%S GMT"))
        .or_else(|| civil("%a %b %e %H:%M:%S %Y"))
}

/// An evenly distributed number for [`Policy::decide`].
#[must_use]
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the jitter is zero: still a correct wait, only not a spread one.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "1994-11-06T08:49:00Z".parse().unwrap()
    }

    #[test]
    fn retry_after_reads_seconds_and_all_three_dates() {
        let cases = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ];
        for (header, seconds) in cases {
            let read = retry_after(header, now()).map(|wait| wait.as_secs());
            assert_eq!(read, seconds, "{header}");
        }
    }

    #[test]
    fn waits_grow_to_the_cap() {
        let policy = Policy { cap: Duration::from_secs(5), ..Policy::default() };
        let longest = |attempt| policy.decide(attempt, Outcome::Transient, None, u64::MAX);
        let seconds = |attempt| match longest(attempt) {
            Decision::RetryAfter(wait) => wait.as_secs_f64().round() as u64,
            Decision::GiveUp => 0,
        };
        assert_eq!([1, 2, 3, 4].map(seconds), [1, 2, 4, 5]);
        assert_eq!(longest(5), Decision::GiveUp);
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        prop_oneof![Just(Outcome::Transient), Just(Outcome::Throttled), Just(Outcome::Permanent)]
    }

    fn durations() -> impl Strategy<Value = Duration> {
        prop_oneof![(0..100_000_u64).prop_map(Duration::from_millis), Just(Duration::MAX)]
    }

    #[test]
    fn waits_are_read_by_their_unit() {
        let sent: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let seconds = |text, unit| until(text, unit, sent).map(|wait| wait.as_secs_f64());
        assert_eq!(seconds("2.5", TimeUnit::Seconds), Some(2.5));
        assert_eq!(seconds("1500", TimeUnit::Milliseconds), Some(1.5));
        assert_eq!(seconds("1772366460", TimeUnit::EpochSeconds), Some(60.0));
        assert_eq!(seconds("1772366400", TimeUnit::EpochSeconds), Some(0.0));
        assert_eq!(seconds("1772366460500", TimeUnit::EpochMilliseconds), Some(60.5));
        assert_eq!(seconds("Sun, 01 Mar 2026 12:01:00 GMT", TimeUnit::HttpDate), Some(60.0));
        assert_eq!(seconds("2026-03-01T13:00:00+00:00", TimeUnit::Iso8601), Some(3600.0));
        assert_eq!(until("1e300", TimeUnit::Seconds, sent), Some(Duration::MAX));
        for unit in [TimeUnit::Seconds, TimeUnit::EpochSeconds, TimeUnit::HttpDate] {
            for text in ["", "soon", "-1", "NaN", "inf"] {
                assert_eq!(until(text, unit, sent), None, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn decisions_are_bounded_and_polite(
            (base, cap, max_wait) in (durations(), durations(), durations()),
            max_attempts in 0_u32..10,
            attempt in any::<u32>(),
            outcome in outcomes(),
            asked in proptest::option::of(durations()),
            random in any::<u64>(),
        ) {
            let policy = Policy { base, cap, max_attempts, max_wait };
            match policy.decide(attempt, outcome, asked, random) {
                Decision::GiveUp => prop_assert!(
                    outcome == Outcome::Permanent
                        || attempt >= max_attempts
                        || asked.is_some_and(|asked| asked > max_wait)
                ),
                Decision::RetryAfter(wait) => {
                    prop_assert!(outcome != Outcome::Permanent);
                    prop_assert!(attempt < max_attempts);
                    if let Some(asked) = asked {
                        prop_assert!(asked <= wait && wait <= asked.saturating_add(policy.base));
                    } else {
                        prop_assert!(wait <= policy.cap);
                    }
                }
            }
        }

        #[test]
        fn throttling_never_comes_back_at_once(attempt in 1_u32..5, random in any::<u64>()) {
            let decision = Policy::default().decide(attempt, Outcome::Throttled, None, random);
            let least = Duration::from_millis(500);
            prop_assert!(matches!(decision, Decision::RetryAfter(wait) if wait >= least));
        }

        #[test]
        fn reading_a_header_never_panics(header in ".{0,60}") {
            let _ = retry_after(&header, now());
        }

        #[test]
        fn a_written_date_reads_back(seconds in 0_i64..4_000_000_000) {
            let date = Timestamp::from_second(seconds).unwrap();
            let text = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(http_date(&text), Some(date));
        }
    }
}
