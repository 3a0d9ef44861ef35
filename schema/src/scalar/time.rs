//! Lengths of time, and how points in time are written.

use std::fmt;
use std::time::Duration as StdDuration;

use jiff::tz::{Offset, TimeZone};

use super::{Scalar, ScalarError, scalar};

/// A length of time: a whole number and a unit, `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub StdDuration);
scalar!(Duration);

impl Duration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(StdDuration::from_secs(seconds))
    }
}

impl Scalar for Duration {
    const FORMAT: &'static str = "longshore-duration";
    const EXAMPLE: &'static str = "15m";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => {
                return Err(ScalarError::new(
                    format!("`{text}` is not a duration"),
                    "write a whole number and a unit: 500ms, 30s, 15m, 1h or 60d",
                )
                .at(digits));
            }
        };
        let number: u64 = number.parse().map_err(|_| {
            ScalarError::new(
                format!("`{text}` is not a duration"),
                "write a whole number before the unit: 500ms, 30s, 15m, 1h or 60d",
            )
        })?;
        // A century is past every retention there is, and keeps date arithmetic in range.
        match number.checked_mul(millis) {
            Some(total) if total <= 36_525 * 86_400_000 => {
                Ok(Self(StdDuration::from_millis(total)))
            }
            _ => Err(ScalarError::new(
                format!("`{text}` is longer than a hundred years"),
                "check the unit: ms, s, m, h or d",
            )),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        for (size, unit) in units {
            if millis >= size && millis.is_multiple_of(size) {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        if millis == 0 { f.write_str("0s") } else { write!(f, "{millis}ms") }
    }
}

/// How a time is written in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// ISO 8601 / RFC 3339 date and time; the offset may lack its colon (`+0000`), a missing
    /// offset means UTC.
    #[default]
    Iso8601,
    /// Whole or decimal seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    EpochMillis,
    /// Microseconds since 1970-01-01T00:00:00Z.
    EpochMicros,
    /// A `strptime` pattern; a pattern without an offset means UTC.
    Pattern(String),
}
scalar!(TimeFormat);

impl Scalar for TimeFormat {
    const FORMAT: &'static str = "longshore-time-format";
    const EXAMPLE: &'static str = "iso8601";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        match text {
            "iso8601" => Ok(Self::Iso8601),
            "epoch_s" => Ok(Self::EpochSeconds),
            "epoch_ms" => Ok(Self::EpochMillis),
            "epoch_us" => Ok(Self::EpochMicros),
            _ if text.contains('%') => {
                let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                let shown = jiff::fmt::strtime::format(text, &sample).map_err(|error| {
                    ScalarError::new(
                        format!("not a time pattern: {error}"),
                        "use strptime conversions, such as %Y-%m-%dT%H:%M:%S",
                    )
                })?;
                let mut back = jiff::fmt::strtime::parse(text, &shown).map_err(|error| {
                    ScalarError::new(
                        format!("the pattern cannot be read back: {error}"),
                        "use strptime conversions, such as %Y-%m-%dT%H:%M:%S",
                    )
                })?;
                if back.offset().is_none() {
                    back.set_offset(Some(Offset::UTC));
                }
                if back.to_timestamp().is_err() && back.to_date().is_err() {
                    return Err(ScalarError::new(
                        format!("`{text}` does not name a whole date"),
                        "a time needs year, month and day: %Y-%m-%d, or %s",
                    ));
                }
                Ok(Self::Pattern(text.to_owned()))
            }
            _ => Err(ScalarError::new(
                format!("`{text}` is not a time format"),
                "use iso8601, epoch_s, epoch_ms, epoch_us, or a strptime pattern such as %Y%m%d%H%M%S",
            )),
        }
    }
}

/// The zone of times that are written without one: an offset from UTC, or a name of the IANA time
/// zone database such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zone {
    /// An offset in seconds, east of Greenwich positive.
    Offset(i32),
    /// A name. What it means is looked up in the system's time zone database.
    Named(String),
}
scalar!(Zone);

impl Zone {
    /// What the zone means. A name is looked up in the system's time zone database, which is below
    /// `/usr/share/zoneinfo` or where `TZDIR` says; `None` if it is not there.
    #[must_use]
    pub fn time_zone(&self) -> Option<TimeZone> {
        match self {
            Self::Offset(seconds) => Offset::from_seconds(*seconds).ok().map(TimeZone::fixed),
            Self::Named(name) => TimeZone::get(name).ok(),
        }
    }
}

impl Scalar for Zone {
    const FORMAT: &'static str = "longshore-zone";
    const EXAMPLE: &'static str = "Europe/Berlin";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let usage = "write an offset such as +02:00, or a name such as Europe/Berlin";
        let wrong = || ScalarError::new(format!("`{text}` is not a time zone"), usage);
        match text.as_bytes() {
            b"UTC" | b"Z" => Ok(Self::Offset(0)),
            [sign @ (b'+' | b'-'), hour @ .., b':', a, b] if hour.len() == 2 => {
                let digits = [hour[0], hour[1], *a, *b];
                if !digits.iter().all(u8::is_ascii_digit) {
                    return Err(wrong());
                }
                let number =
                    |high: u8, low: u8| i32::from(high - b'0') * 10 + i32::from(low - b'0');
                let (hours, minutes) = (number(digits[0], digits[1]), number(*a, *b));
                // The widest offset ever in use is +14:00 (IANA, Pacific/Kiritimati).
                if hours > 14 || minutes > 59 {
                    return Err(wrong());
                }
                let seconds = hours * 3600 + minutes * 60;
                Ok(Self::Offset(if *sign == b'-' { -seconds } else { seconds }))
            }
            _ => {
                let part = |part: &str| {
                    part.starts_with(|first: char| first.is_ascii_alphabetic())
                        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+".contains(&b))
                };
                let parts: Vec<_> = text.split('/').collect();
                if !(2..=3).contains(&parts.len()) || !parts.iter().all(|p| part(p)) {
                    return Err(wrong());
                }
                Ok(Self::Named(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(seconds) => {
                let sign = if *seconds < 0 { '-' } else { '+' };
                let minutes = seconds.abs() / 60;
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Named(name) => f.write_str(name),
        }
    }
}
