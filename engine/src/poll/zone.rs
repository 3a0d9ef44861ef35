//! Local times: which of them occur twice, and where those of even numbers of minutes, hours or days
//! lie. Where clocks are set back, what is written without a zone does not say which of two instants
//! is meant.

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::window::Range;

/// The instants around `time` whose local times occur twice: from the first of those that come again
/// to where the second of them is over. `None` if the local time of `time` occurs once.
#[must_use]
pub(super) fn fold(zone: &TimeZone, time: Timestamp) -> Option<Range> {
    let local = zone.to_datetime(time);
    let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(local).offset()
    else {
        return None;
    };
    let first = before.to_timestamp(local).ok()?;
    let second = after.to_timestamp(local).ok()?;
    let mut changes = zone.following(first).map(|change| change.timestamp());
    let set_back = changes
        .find(|at| *at > second || zone.to_offset(*at) == after)
        .filter(|at| *at <= second)?;
    let twice = SignedDuration::from_secs((before.seconds() - after.seconds()).into());
    let start = set_back.checked_sub(twice).ok()?;
    Some(Range { start, end: set_back.checked_add(twice).ok()? })
}

/// The last instant not after `time` whose local time is a whole number of steps, in milliseconds,
/// from midnight of 1970-01-01 there.
#[must_use]
pub(super) fn floor(zone: &TimeZone, time: Timestamp, step: i64) -> Timestamp {
    let local = TimeZone::UTC.to_timestamp(zone.to_datetime(time));
    let floored = local.map(|local| local.as_millisecond().div_euclid(step) * step);
    let Some(floored) = floored.ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()) else {
        return time;
    };
    let local = TimeZone::UTC.to_datetime(floored);
    let offsets = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => [offset, offset],
        AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
            [before, after]
        }
    };
    let meant = offsets.into_iter().filter_map(|offset| offset.to_timestamp(local).ok());
    meant.filter(|at| *at <= time).max().unwrap_or(time)
}

/// How long a range is by the clock on the wall, in milliseconds; negative if the clock was set back
/// in it by more than it is long.
#[must_use]
pub(super) fn length(zone: &TimeZone, range: Range) -> i64 {
    let offset = |time| i64::from(zone.to_offset(time).seconds()) * 1000;
    let real = range.end.as_millisecond() - range.start.as_millisecond();
    real + offset(range.end) - offset(range.start)
}

#[cfg(test)]
#[path = "zone_tests.rs"]
mod tests;
