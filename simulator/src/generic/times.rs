//! Points in time, written as a source writes them and read as a request writes them. All times
//! are milliseconds since 1970.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use longshore_schema::scalar::TimeFormat;
use serde_json::Value;

/// What time it is for an app.
#[derive(Clone)]
pub struct Time {
    /// The current time.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Lets time pass in which the app is silent, where time does not pass by itself.
    pub stall: Arc<dyn Fn(Duration) + Send + Sync>,
}

impl Time {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { now: Arc::new(Timestamp::now), stall: Arc::new(|_| {}) }
    }

    pub(super) fn millis(&self) -> i64 {
        (self.now)().as_millisecond()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Time({})", (self.now)())
    }
}

/// How a source writes a time: its format, and what a sample shows besides.
#[derive(Clone, Debug)]
pub(super) struct Written {
    format: TimeFormat,
    /// Digits behind the second.
    fraction: usize,
    /// What stands at the end: `Z`, `+0000`, `+00:00` or nothing.
    suffix: &'static str,
    /// Whether an ISO time has a blank in place of its `T`.
    blank: bool,
    /// Whether a number is written as a text.
    text: bool,
    /// Where the clock hangs that times are written by.
    zone: TimeZone,
}

impl Written {
    /// How the time in `sample` is written, by a clock in `zone` if it is written without one.
    pub(super) fn like(format: &TimeFormat, sample: &Value, zone: Option<&TimeZone>) -> Self {
        let text = sample.as_str().unwrap_or_default();
        let fraction = text
            .split_once(['.', ','])
            .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        let suffix = ["Z", "+0000", "+00:00"].into_iter().find(|suffix| text.ends_with(suffix));
        let is_local = match format {
            TimeFormat::Iso8601 => suffix.is_none(),
            TimeFormat::Pattern(pattern) => is_local(pattern),
            _ => false,
        };
        Self {
            format: format.clone(),
            fraction,
            suffix: suffix.unwrap_or(if text.is_empty() { "Z" } else { "" }),
            blank: text.as_bytes().get(10) == Some(&b' '),
            text: sample.is_string(),
            zone: zone.filter(|_| is_local).cloned().unwrap_or(TimeZone::UTC),
        }
    }

    /// The finest difference that is written, in milliseconds.
    pub(super) fn precision(&self) -> i64 {
        match &self.format {
            TimeFormat::Iso8601 => match self.fraction {
                0 => 1000,
                1 => 100,
                2 => 10,
                _ => 1,
            },
            TimeFormat::EpochSeconds => 1000,
            TimeFormat::EpochMillis | TimeFormat::EpochMicros => 1,
            TimeFormat::Pattern(pattern) => {
                let has = |names: &[&str]| names.iter().any(|name| pattern.contains(name));
                match () {
                    () if has(&["%f", "%.f", "%N", "%3f", "%.3f", "%.6f", "%6f"]) => 1,
                    () if has(&["%S", "%s", "%T", "%c", "%r"]) => 1000,
                    () if has(&["%M", "%R"]) => 60_000,
                    () if has(&["%H", "%I"]) => 3_600_000,
                    () => 86_400_000,
                }
            }
        }
    }

    /// A time as the source writes it.
    pub(super) fn write(&self, at: i64) -> Value {
        let time = Timestamp::from_millisecond(at).unwrap_or_default();
        let number = |number: i64| {
            if self.text { Value::String(number.to_string()) } else { Value::from(number) }
        };
        match &self.format {
            TimeFormat::EpochSeconds => number(at.div_euclid(1000)),
            TimeFormat::EpochMillis => number(at),
            TimeFormat::EpochMicros => number(at * 1000),
            TimeFormat::Pattern(pattern) => {
                strtime::format(pattern, &time.to_zoned(self.zone.clone()))
                    .unwrap_or_default()
                    .into()
            }
            TimeFormat::Iso8601 => {
                let separator = if self.blank { ' ' } else { 'T' };
                let shown = self.zone.to_datetime(time);
                let seconds = shown.strftime("%H:%M:%S").to_string();
                let date = shown.strftime("%Y-%m-%d").to_string();
                let mut text = format!("{date}{separator}{seconds}");
                if self.fraction > 0 {
                    let digits = format!("{:03}000000", at.rem_euclid(1000));
                    text.push('.');
                    text.push_str(&digits[..self.fraction.min(9)]);
                }
                text.push_str(self.suffix);
                text.into()
            }
        }
    }
}

/// What an app takes a local time for that occurs twice because its clock was set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twice {
    First,
    Second,
    /// It knows of no zones, and compares what the clock shows.
    Unknown,
}

/// Whether times of a pattern do not say how far they are from UTC.
pub(super) fn is_local(pattern: &str) -> bool {
    let zones = ["%z", "%:z", "%Z", "%s", "%Q"];
    !zones.iter().any(|zone| pattern.contains(zone)) && !pattern.ends_with('Z')
}

/// What a clock in a zone shows, as if it were UTC.
pub(super) fn shown(zone: Option<&TimeZone>, at: i64) -> i64 {
    let (Some(zone), Ok(time)) = (zone, Timestamp::from_millisecond(at)) else { return at };
    at + i64::from(zone.to_offset(time).seconds()) * 1000
}

/// The instant at which a clock in a zone shows a time.
pub(super) fn instant(zone: &TimeZone, shown: i64, twice: Twice) -> Option<i64> {
    let local = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(shown).ok()?);
    let meant = zone.to_ambiguous_timestamp(local);
    let meant = if twice == Twice::Second { meant.later() } else { meant.earlier() };
    Some(meant.ok()?.as_millisecond())
}

/// The last time not after `at` at which a clock in a zone shows a whole number of steps.
pub(super) fn floor(zone: Option<&TimeZone>, at: i64, step: i64) -> i64 {
    let shows = shown(zone, at).div_euclid(step) * step;
    let floored = at - shown(zone, at).rem_euclid(step);
    match zone.filter(|_| shown(zone, floored) != shows) {
        // The clock was set in between.
        Some(zone) => instant(zone, shows, Twice::First).unwrap_or(floored),
        None => floored,
    }
}

/// Reads an RFC 3339 time.
pub(super) fn rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Reads a time by `strptime` conversions, in UTC if nothing else is said.
pub(super) fn by_pattern(text: &str, pattern: &str) -> Option<i64> {
    let mut parts = strtime::parse(pattern, text).ok()?;
    if parts.offset().is_none() {
        parts.set_offset(Some(jiff::tz::Offset::UTC));
    }
    if let Ok(time) = parts.to_timestamp() {
        return Some(time.as_millisecond());
    }
    let day = parts.to_date().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(day.timestamp().as_millisecond())
}

/// An HTTP date in one of its three forms (RFC 9110, section 5.6.7), by number.
pub(super) fn http_date(at: i64, form: u8) -> String {
    let time = Timestamp::from_millisecond(at).unwrap_or_default();
    let pattern = match form % 3 {
        0 => "%a, %d %b %Y %H:%M:%S GMT",
        1 => "%A, %d-%b-%y %H:%M:%S GMT",
        _ => "%a %b %e %H:%M:%S %Y",
    };
    time.strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AT: i64 = 1_790_848_801_529;

    #[test]
    fn times_are_written_like_their_sample() {
        let pattern = TimeFormat::Pattern("%Y%m%d%H%M%S%.3f".into());
        for (format, sample, written, precision) in [
            (
                TimeFormat::Iso8601,
                json!("2026-01-02T03:04:05Z"),
                json!("2026-10-01T10:00:01Z"),
                1000,
            ),
            (
                TimeFormat::Iso8601,
                json!("2026-01-02 03:04:05.000+0000"),
                json!("2026-10-01 10:00:01.529+0000"),
                1,
            ),
            (TimeFormat::EpochSeconds, json!(5), json!(1_790_848_801), 1000),
            (TimeFormat::EpochMillis, json!("5"), json!("1790848801529"), 1),
            (pattern, json!("20260102030405.000"), json!("20261001100001.529"), 1),
        ] {
            let form = Written::like(&format, &sample, None);
            assert_eq!((form.write(AT), form.precision()), (written, precision), "{sample}");
        }
    }

    #[test]
    fn times_without_a_zone_are_shown_by_the_clock_on_the_wall() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let pattern = |text: &str| TimeFormat::Pattern(text.to_owned());
        for (format, sample, written) in [
            (TimeFormat::Iso8601, "2026-01-02T03:04:05", "2026-10-01T12:00:01"),
            (TimeFormat::Iso8601, "2026-01-02T03:04:05Z", "2026-10-01T10:00:01Z"),
            (pattern("%d.%m.%Y %H:%M"), "", "01.10.2026 12:00"),
            (pattern("%d.%m.%Y %H:%M %z"), "", "01.10.2026 10:00 +0000"),
        ] {
            assert_eq!(
                Written::like(&format, &json!(sample), Some(&zone)).write(AT),
                json!(written)
            );
        }
        // Half past two occurs twice on this day.
        let first = rfc3339("2026-10-25T00:30:00Z").unwrap();
        let wall = shown(Some(&zone), first);
        assert_eq!(shown(Some(&zone), first + 3_600_000), wall);
        assert_eq!(instant(&zone, wall, Twice::First), Some(first));
        // That day has an hour more than others.
        let (day, hour) = (86_400_000, 3_600_000);
        assert_eq!(floor(Some(&zone), first + 2 * hour, day), first - 2 * hour - hour / 2);
        assert_eq!(floor(Some(&zone), first + hour, hour), first + hour / 2);
        assert_eq!(floor(None, first, day), first - hour / 2);
        assert_eq!(instant(&zone, wall, Twice::Second), Some(first + 3_600_000));
    }

    #[test]
    fn http_dates_have_three_forms() {
        assert_eq!(http_date(AT, 0), "Thu, 01 Oct 2026 10:00:01 GMT");
        assert_eq!(http_date(AT, 1), "Thursday, 01-Oct-26 10:00:01 GMT");
        assert_eq!(http_date(AT, 2), "Thu Oct  1 10:00:01 2026");
    }

    #[test]
    fn requests_times_are_read_back() {
        assert_eq!(rfc3339("2026-10-01T10:00:01.529Z"), Some(AT));
        assert_eq!(by_pattern("20261001", "%Y%m%d"), Some(1_790_812_800_000));
        assert_eq!(by_pattern("01/10/2026 10:00:01", "%d/%m/%Y %H:%M:%S"), Some(AT - 529));
        assert_eq!(by_pattern("soon", "%Y"), None);
    }
}
