//! Reads points in time as sources write them, for the engine that converts them and for the
//! validator that tells beforehand whether it will.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

use crate::scalar::TimeFormat;

/// The end of the year 9999, the last time that OCSF's `timestamp_t` means.
pub const LAST: i64 = 253_402_300_799_999;

/// Reads a text as milliseconds since 1970-01-01T00:00:00Z, cut to whole milliseconds; `None` if it
/// is not written in the format, or lies before 1970 or after 9999. A time without a zone is in UTC.
#[must_use]
pub fn parse(text: &str, format: &TimeFormat) -> Option<i64> {
    read(text, format, None)
}

/// Like [`parse`], but a time without a zone is in this one. Of a local time that occurs twice the
/// first is meant, and one that never occurs is counted from before the clock was set (RFC 5545,
/// section 3.3.5).
#[must_use]
pub fn parse_in(text: &str, format: &TimeFormat, zone: &TimeZone) -> Option<i64> {
    read(text, format, Some(zone))
}

/// Whether times written by a pattern say themselves what their zone is: with an offset, as a number
/// of seconds since 1970, or with a `Z`, `UTC` or `GMT` that always stands there.
#[must_use]
pub fn has_zone(pattern: &str) -> bool {
    let mut conversions = pattern.split('%').skip(1);
    conversions.any(|part| {
        let letter = part.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(part.len());
        let (conversion, literal) = part.split_at((letter + 1).min(part.len()));
        let word = |c: &char| c.is_ascii_alphabetic();
        let literal: String =
            literal.trim_start_matches([' ', '(', '[']).chars().take_while(word).collect();
        conversion.ends_with(['z', 'Z', 's', 'Q']) || matches!(&*literal, "Z" | "UTC" | "GMT")
    })
}

fn read(text: &str, format: &TimeFormat, zone: Option<&TimeZone>) -> Option<i64> {
    let millis = match format {
        TimeFormat::Iso8601 => iso(text.as_bytes(), zone).or_else(|| iso_rare(text, zone))?,
        TimeFormat::EpochSeconds => epoch(text, 3)?,
        TimeFormat::EpochMillis => epoch(text, 0)?,
        TimeFormat::EpochMicros => epoch(text, 0)?.div_euclid(1_000),
        TimeFormat::Pattern(pattern) => by_pattern(text, pattern, zone)?,
    };
    (0..=LAST).contains(&millis).then_some(millis)
}

/// `2026-10-01T10:00:00.000+0000` and its relatives: a blank for the `T`, fractions of any length,
/// no seconds, `Z`, `+00:00`, `+00` or nothing at the end; or the date alone.
fn iso(text: &[u8], zone: Option<&TimeZone>) -> Option<i64> {
    let date = Date::new(
        number(text.get(0..4)?)?,
        number(text.get(5..7)?)? as i8,
        number(text.get(8..10)?)? as i8,
    );
    let rest = &text[10..];
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    if rest.is_empty() {
        return local(date.ok()?.to_datetime(Time::midnight()), zone);
    }
    if !matches!(rest[0], b'T' | b't' | b' ') || rest.get(3) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (number(rest.get(1..3)?)?, number(rest.get(4..6)?)?);
    let mut rest = &rest[6..];
    let (mut second, mut nanosecond) = (0, 0);
    if rest.first() == Some(&b':') {
        second = number(rest.get(1..3)?)?;
        rest = &rest[3..];
        if let Some(b'.' | b',') = rest.first() {
            let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            for at in 0..9 {
                let digit = if at < digits { rest[1 + at] - b'0' } else { 0 };
                nanosecond = nanosecond * 10 + i32::from(digit);
            }
            rest = &rest[1 + digits..];
        }
    }
    let offset = match rest {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), hours @ ..] => {
            let minutes = match hours.len() {
                2 => 0,
                4 => number(&hours[2..])?,
                5 if hours[2] == b':' => number(&hours[3..])?,
                _ => return None,
            };
            if minutes > 59 {
                return None;
            }
            let seconds = i32::from(number(&hours[..2])?) * 3600 + i32::from(minutes) * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    let time = Time::new(hour as i8, minute as i8, second as i8, nanosecond).ok()?;
    let time = date.ok()?.to_datetime(time);
    match offset {
        Some(offset) => in_offset(time, offset),
        None => local(time, zone),
    }
}

/// The rarer forms: basic format, leap seconds, zone annotations (RFC 9557).
fn iso_rare(text: &str, zone: Option<&TimeZone>) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    local(text.parse().ok()?, zone)
}

/// A time without a zone of its own, which is UTC if none is given.
fn local(time: DateTime, zone: Option<&TimeZone>) -> Option<i64> {
    match zone {
        Some(zone) => Some(zone.to_ambiguous_timestamp(time).compatible().ok()?.as_millisecond()),
        None => in_offset(time, 0),
    }
}

fn in_offset(time: DateTime, seconds: i32) -> Option<i64> {
    let offset = Offset::from_seconds(seconds).ok()?;
    Some(offset.to_timestamp(time).ok()?.as_millisecond())
}

/// A number of at most four digits.
fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i16::from(byte - b'0'))
    })
}

/// A decimal number, times ten to the power of `shift`, cut to a whole number.
fn epoch(text: &str, shift: usize) -> Option<i64> {
    let text = text.trim();
    if text.contains(['e', 'E']) {
        let value = text.parse::<f64>().ok()? * if shift == 3 { 1000.0 } else { 1.0 };
        return (value.abs() < 1e15).then_some(value as i64);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut value = whole.parse::<i64>().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    for at in 0..shift {
        let digit = fraction.as_bytes().get(at).map_or(0, |byte| i64::from(byte - b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

fn by_pattern(text: &str, pattern: &str, zone: Option<&TimeZone>) -> Option<i64> {
    let mut parts = strtime::parse(pattern, text).ok()?;
    if let Ok(time) = parts.to_timestamp() {
        return Some(time.as_millisecond());
    }
    let zone = zone.filter(|_| parts.offset().is_none() && !has_zone(pattern));
    if let (Some(_), Ok(time)) = (zone, parts.to_datetime()) {
        return local(time, zone);
    }
    if parts.offset().is_none() && zone.is_none() {
        parts.set_offset(Some(Offset::UTC));
    }
    if let Ok(time) = parts.to_timestamp() {
        return Some(time.as_millisecond());
    }
    local(parts.to_date().ok()?.to_datetime(Time::midnight()), zone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Scalar;
    use proptest::prelude::*;

    fn read(text: &str, format: &str) -> Option<i64> {
        parse(text, &TimeFormat::parse(format).unwrap())
    }

    #[test]
    fn iso_dates_in_all_their_forms() {
        let ten = 1_790_848_800_000;
        for (text, expected) in [
            ("2026-10-01T10:00:00.000+0000", Some(ten)),
            ("2026-10-01T10:00:00Z", Some(ten)),
            ("2026-10-01 10:00:00", Some(ten)),
            ("2026-10-01T10:00Z", Some(ten)),
            ("2026-10-01T12:30:00+02:30", Some(ten)),
            ("2026-10-01T08:00:00-02", Some(ten)),
            ("2026-10-01T10:00:00.1239999999Z", Some(ten + 123)),
            ("2026-10-01T10:00:00,5Z", Some(ten + 500)),
            ("20261001T100000Z", Some(ten)),
            ("2026-10-01", Some(ten - 36_000_000)),
            ("2026-10-01T12:00:00+02:00[Europe/Oslo]", Some(ten)),
            ("2026-13-01T10:00:00Z", None),
            ("2026-02-30", None),
            ("2026-10-01T10:00:00.Z", None),
            ("2026-10-01T10:00:00+0099", None),
            ("1969-12-31T23:59:59Z", None),
            ("1790848800", None),
            ("", None),
        ] {
            assert_eq!(read(text, "iso8601"), expected, "{text}");
        }
    }

    #[test]
    fn other_formats() {
        for (text, format, expected) in [
            ("1790848800", "epoch_s", Some(1_790_848_800_000)),
            ("1790848800.0419", "epoch_s", Some(1_790_848_800_041)),
            ("1.7908488e9", "epoch_s", Some(1_790_848_800_000)),
            ("1790848800000", "epoch_ms", Some(1_790_848_800_000)),
            ("99999999999999999", "epoch_s", None),
            ("-5", "epoch_s", None),
            ("1e300", "epoch_ms", None),
            ("12x", "epoch_ms", None),
            ("20261001100002.529", "%Y%m%d%H%M%S%.f", Some(1_790_848_802_529)),
            ("01/10/2026", "%d/%m/%Y", Some(1_790_812_800_000)),
            ("2026-10-01 12:00:00 +0200", "%Y-%m-%d %H:%M:%S %z", Some(1_790_848_800_000)),
            ("1790848800", "%s", Some(1_790_848_800_000)),
            ("yesterday", "%Y%m%d", None),
        ] {
            assert_eq!(read(text, format), expected, "{text} as {format}");
        }
    }

    /// Clocks in Berlin, without the system's database.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn times_without_a_zone_are_in_the_one_that_is_given() {
        for (text, format, expected) in [
            ("2026-10-01T12:00:00", "iso8601", "2026-10-01T10:00:00Z"),
            ("2026-10-01", "iso8601", "2026-09-30T22:00:00Z"),
            ("20261001T120000", "iso8601", "2026-10-01T10:00:00Z"),
            ("2026-10-01T12:00:00Z", "iso8601", "2026-10-01T12:00:00Z"),
            ("2026-10-01T12:00:00-01", "iso8601", "2026-10-01T13:00:00Z"),
            ("01.12.2026 12:00", "%d.%m.%Y %H:%M", "2026-12-01T11:00:00Z"),
            ("01.12.2026", "%d.%m.%Y", "2026-11-30T23:00:00Z"),
            ("01.12.2026 12:00 +0500", "%d.%m.%Y %H:%M %z", "2026-12-01T07:00:00Z"),
            ("2026-12-01T12:00:00Z", "%Y-%m-%dT%H:%M:%SZ", "2026-12-01T12:00:00Z"),
            ("1790848800", "%s", "2026-10-01T10:00:00Z"),
            ("1790848800", "epoch_s", "2026-10-01T10:00:00Z"),
            // Twice, and never.
            ("2026-10-25T02:30:00", "iso8601", "2026-10-25T00:30:00Z"),
            ("2026-03-29T02:30:00", "iso8601", "2026-03-29T01:30:00Z"),
        ] {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            let found = parse_in(text, &TimeFormat::parse(format).unwrap(), &berlin());
            assert_eq!(found, Some(expected.as_millisecond()), "{text} as {format}");
        }
    }

    #[test]
    fn patterns_with_a_zone_are_known() {
        for pattern in ["%FT%T%z", "%H:%M%:z", "%s", "%FT%TZ", "%F %T UTC", "%T GMT", "%F %T (UTC)"]
        {
            assert!(has_zone(pattern), "{pattern}");
        }
        for pattern in ["%FT%T", "%d.%m.%Y %H:%M", "%Y%m%d%H%M%S%.f", "Z%F", "%F Zone", "%"] {
            assert!(!has_zone(pattern), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_local_time_is_read_as_its_instant_or_as_the_one_an_hour_before(millis in 0_i64..=4_000_000_000_000) {
            let time = jiff::Timestamp::from_millisecond(millis).unwrap();
            let text = berlin().to_datetime(time).to_string();
            let found = parse_in(&text, &TimeFormat::Iso8601, &berlin()).unwrap();
            prop_assert!(found == millis || found == millis - 3_600_000, "{text}: {found}");
            let first = jiff::Timestamp::from_millisecond(found).unwrap();
            prop_assert_eq!(berlin().to_datetime(first).to_string(), text);
        }

        #[test]
        fn agrees_with_jiff(millis in 0_i64..=LAST) {
            let time = jiff::Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(iso(format!("{time:.3}").as_bytes(), None), Some(millis));
        }

        #[test]
        fn never_panics(text in any::<String>(), digits in "[0-9T:.+ -]{0,32}") {
            for format in ["iso8601", "epoch_s", "epoch_ms", "%Y%m%d%H%M%S%.f", "%s"] {
                let _ = (read(&text, format), read(&digits, format));
            }
        }
    }
}
