//! What the headers of a response say of a quota.

use jiff::Timestamp;
use longshore_schema::http::TimeUnit;
use regex::Regex;

use super::QuotaConfig;
use super::ledger::Reading;
use crate::http::retry::http_date;

/// How far a reset may lie outside of a period from now, in milliseconds, before it cannot be one:
/// clocks differ and answers take their time, but a misread unit is decades off.
const TOLERANCE: i128 = 60_000;

/// The response headers that report usage.
#[derive(Debug, Clone)]
pub enum UsageHeaders {
    /// One header with all numbers.
    One(QuotaHeader),
    /// A header for each number.
    Several(QuotaHeaders),
}

/// A response header that reports usage.
#[derive(Debug, Clone)]
pub struct QuotaHeader {
    /// Name of the header.
    pub name: String,
    /// Finds whole numbers in its value by named groups: `used` or `remaining`, and `limit` unless
    /// the limit is fixed.
    pub pattern: Regex,
}

/// The names of response headers that report usage, one number each: `used` or `remaining`, and
/// `limit` unless the limit is fixed. With both `used` and `remaining` the stricter counts.
#[derive(Debug, Clone, Default)]
pub struct QuotaHeaders {
    /// The header with the limit.
    pub limit: Option<String>,
    /// The header with what is left of it.
    pub remaining: Option<String>,
    /// The header with what is spent of it.
    pub used: Option<String>,
    /// The header that tells when all calls are free again, and how it is read.
    pub reset: Option<(String, TimeUnit)>,
}

/// What is wrong with a header's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The pattern finds no usable numbers in it.
    Pattern,
    /// It is not a whole number.
    Number,
    /// It is no time, or none that can be the end of the present period.
    Reset,
}

/// Why the headers do not tell the usage.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Missing { header: String },
    Unreadable { header: String, value: String, reason: Unreadable },
}

impl UsageHeaders {
    /// Whether one of them tells when a fixed period ends.
    pub(super) fn tell_reset(&self) -> bool {
        matches!(self, Self::Several(headers) if headers.reset.is_some())
    }

    /// Why they cannot tell the usage, and what to do about it.
    pub(super) fn validate(
        &self,
        limit_is_fixed: bool,
    ) -> Result<(), (&'static str, &'static str)> {
        match self {
            Self::One(header) => {
                let has =
                    |name| header.pattern.capture_names().flatten().any(|group| group == name);
                if (has("used") || has("remaining")) && (has("limit") || limit_is_fixed) {
                    return Ok(());
                }
                Err((
                    "its header pattern does not tell used and limit apart",
                    "name a group `used` or `remaining`, and one `limit` unless the limit is fixed",
                ))
            }
            Self::Several(headers) => {
                let usage = headers.used.is_some() || headers.remaining.is_some();
                if usage && (headers.limit.is_some() || limit_is_fixed) {
                    return Ok(());
                }
                Err((
                    "its headers do not tell used and limit",
                    "declare `used` or `remaining`, and `limit` unless the limit is fixed",
                ))
            }
        }
    }

    /// Reads the headers of a response that came `now`.
    pub(super) fn read<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        quota: &QuotaConfig,
        now: Timestamp,
    ) -> Result<Reading, Unread> {
        let value =
            |name: &str| header(name).ok_or_else(|| Unread::Missing { header: name.into() });
        match self {
            Self::One(one) => {
                let value = value(&one.name)?;
                one.read(value, quota.fixed_limit)
                    .ok_or_else(|| unreadable(&one.name, value, Unreadable::Pattern))
            }
            Self::Several(several) => {
                let number = |name: &Option<String>| {
                    let Some(name) = name else { return Ok(None) };
                    let value = value(name)?;
                    let number = count(value.trim());
                    number.map(Some).ok_or_else(|| unreadable(name, value, Unreadable::Number))
                };
                let limit = number(&several.limit)?;
                let left = number(&several.remaining)?;
                let spent = limit.or(quota.fixed_limit).zip(left);
                let spent = spent.map(|(limit, left)| limit.saturating_sub(left));
                // Without either the quota would not have been opened.
                let used = number(&several.used)?.max(spent).unwrap_or(u64::MAX);
                let reset = match &several.reset {
                    None => None,
                    Some((name, unit)) => {
                        let value = value(name)?;
                        let sent = header("Date").and_then(http_date).unwrap_or(now);
                        let wait = wait(value.trim(), *unit, sent)
                            .filter(|wait| is_within(i128::from(*wait), quota))
                            .ok_or_else(|| unreadable(name, value, Unreadable::Reset))?;
                        Some(wait)
                    }
                };
                Ok(Reading { used, limit, reset })
            }
        }
    }
}

impl QuotaHeader {
    /// Reads a value of the header; `None` if it does not say what it should.
    fn read(&self, value: &str, fixed_limit: Option<u64>) -> Option<Reading> {
        let found = self.pattern.captures(value)?;
        let number = |name: &str| found.name(name).map(|text| count(text.as_str()));
        let limit = number("limit").map_or(Some(None), |limit| limit.map(Some))?;
        let used = match (number("used"), number("remaining")) {
            (Some(used), _) => used?,
            (None, Some(remaining)) => limit.or(fixed_limit)?.saturating_sub(remaining?),
            (None, None) => return None,
        };
        limit.or(fixed_limit)?;
        Some(Reading { used, limit, reset: None })
    }
}

fn unreadable(header: &str, value: &str, reason: Unreadable) -> Unread {
    Unread::Unreadable { header: header.to_owned(), value: value.to_owned(), reason }
}

/// A whole number in decimal digits; one that is too large becomes the largest.
fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// How long after the response was `sent` the reset is, in milliseconds. Times are compared with
/// the response's own `Date` (RFC 9110, section 6.6.1) where it has one: the app's clock set both.
fn wait(value: &str, unit: TimeUnit, sent: Timestamp) -> Option<i64> {
    let number = || i64::try_from(count(value)?).ok();
    let sent = sent.as_millisecond();
    match unit {
        TimeUnit::Seconds => number()?.checked_mul(1000),
        TimeUnit::EpochSeconds => number()?.checked_mul(1000)?.checked_sub(sent),
        TimeUnit::Milliseconds => number(),
        TimeUnit::Iso8601 => value.parse::<Timestamp>().ok()?.as_millisecond().checked_sub(sent),
        TimeUnit::EpochMilliseconds => number()?.checked_sub(sent),
        TimeUnit::HttpDate => http_date(value)?.as_millisecond().checked_sub(sent),
    }
}

/// Whether a reset in `wait` milliseconds can be the end of the present period.
fn is_within(wait: i128, quota: &QuotaConfig) -> bool {
    let period = i128::try_from(quota.period.as_millis()).unwrap_or(i128::MAX);
    wait.abs() <= period.saturating_add(TOLERANCE)
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
