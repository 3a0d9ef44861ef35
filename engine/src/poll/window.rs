//! Which time range is read next. Pure arithmetic on half-open ranges.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use longshore_schema::stream::{Bounds, Filter, Order, Window};

use super::zone;
use crate::state::Begun;

/// The half-open range `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

/// The numbers of a manifest's window, with the backfill known.
#[derive(Clone, Debug)]
pub struct Settings {
    span: Option<Duration>,
    lag: Duration,
    overlap: Duration,
    /// The finest difference in time that the app tells apart; never zero.
    pub resolution: Duration,
    bounds: Bounds,
    backfill: Duration,
    retention: Option<Duration>,
    /// Whether records come oldest first.
    pub ascending: bool,
    /// Whether records come newest first.
    pub descending: bool,
    /// Whether the app shows what is outside of the window, too.
    pub filters: bool,
    /// The most records that the app shows for one window.
    pub most: Option<u64>,
    /// Where the clock hangs by which the app writes and reads times, if that is not UTC.
    zone: Option<TimeZone>,
}

/// What a poll has to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The range to read.
    pub range: Range,
    /// The range that should have been read, but that the app does not keep any more.
    pub gap: Option<Range>,
}

impl Settings {
    /// The settings of a window, with its backfill and what its zone means.
    #[must_use]
    pub fn new(window: &Window, backfill: Duration, zone: Option<TimeZone>) -> Self {
        let or_zero = |value: &Option<
            longshore_schema::Spanned<longshore_schema::scalar::Duration>,
        >| { value.as_ref().map_or(Duration::ZERO, |value| value.0) };
        let order = window.order.as_ref().map(|order| order.value);
        let filters = window.filter.value == Filter::Here;
        let resolution = window.resolution.as_ref().map_or(Duration::from_secs(1), |r| r.0);
        Self {
            // An app that does not filter shows the same for every piece.
            span: window.span.as_ref().map(|span| span.0).filter(|_| !filters),
            lag: or_zero(&window.lag),
            overlap: or_zero(&window.overlap),
            resolution: resolution.max(Duration::from_millis(1)),
            bounds: window.bounds.value,
            backfill,
            retention: window.retention.as_ref().map(|retention| retention.0),
            ascending: order == Some(Order::Ascending),
            descending: order == Some(Order::Descending),
            filters,
            most: window.most.as_ref().map(|most| most.value),
            zone,
        }
    }

    /// What a poll at `now` has to read: from the watermark less the overlap, or as far back as
    /// the backfill (or `since`) reaches, until `now` less the lag (or `until`). `None` if there
    /// is nothing.
    #[must_use]
    pub fn due(
        &self,
        watermark: Option<Timestamp>,
        now: Timestamp,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Option<Due> {
        let end = earlier(now, self.lag);
        let end = self.floor(until.map_or(end, |until| until.min(end)));
        let first = self.first(now, since);
        let start = watermark.map_or(first, |watermark| earlier(watermark, self.overlap));
        let start = self.floor(start);
        let oldest = self.retention.map(|retention| self.floor(earlier(now, retention)));
        let (start, gap) = match (oldest, watermark) {
            (Some(oldest), Some(watermark)) if watermark < oldest => {
                (oldest, Some(Range { start: watermark, end: oldest }))
            }
            (Some(oldest), _) => (start.max(oldest), None),
            (None, _) => (start, None),
        };
        (start < end).then_some(Due { range: Range { start, end }, gap })
    }

    fn first(&self, now: Timestamp, since: Option<Timestamp>) -> Timestamp {
        since.unwrap_or_else(|| earlier(now, self.backfill))
    }

    /// What is still to be read of `range` for an item that was read up to `reached`: everything
    /// since the backfill (or `since`) for a new one, what it missed for one that was away, and the
    /// overlap for the others. `None` if that is nothing.
    #[must_use]
    pub fn of_item(
        &self,
        range: Range,
        reached: Option<Timestamp>,
        now: Timestamp,
        since: Option<Timestamp>,
    ) -> Option<Range> {
        let oldest = self.retention.map_or(Timestamp::MIN, |kept| self.floor(earlier(now, kept)));
        let start = match reached {
            None => self.floor(self.first(now, since)).max(oldest).min(range.start),
            Some(reached) if reached < range.start => reached.max(oldest).min(range.start),
            // Keys are known as far back as the stream as a whole reaches.
            Some(reached) => self.floor(earlier(reached, self.overlap)).max(range.start),
        };
        let is_done = reached.is_some_and(|reached| reached >= range.end);
        (start < range.end && !is_done).then_some(Range { start, end: range.end })
    }

    /// The span after a piece that went well: back to the declared one, carefully.
    #[must_use]
    pub fn wider(&self, span: Option<Duration>) -> Option<Duration> {
        let twice = span.map(|narrow| narrow.saturating_mul(2));
        match (twice, self.span) {
            (Some(twice), Some(declared)) => Some(declared.min(twice)),
            (twice, declared) => declared.or(twice),
        }
    }

    /// The piece of `range` that starts at `at` and is at most `span` long, in whole steps of the
    /// resolution, but at least one: the app cannot tell times between them.
    #[must_use]
    pub fn piece(&self, range: Range, at: Timestamp, span: Option<Duration>) -> Range {
        let long = |span| self.floor(later(at, span)).max(self.next(at));
        let end = span.map_or(range.end, |span| long(span).min(range.end));
        Range { start: at, end }
    }

    /// The declared span.
    #[must_use]
    pub fn span(&self) -> Option<Duration> {
        self.span
    }

    /// Half of a range's length, rounded down to the resolution; `None` if it cannot be halved.
    #[must_use]
    pub fn half(&self, range: Range) -> Option<Duration> {
        let real = range.end.as_millisecond() - range.start.as_millisecond();
        // Two days are halved into two, though one of them has 23 hours.
        let shown = self.zone.as_ref().map_or(real, |zone| zone::length(zone, range));
        let step = self.resolution.as_millis() as i64;
        let halves = [real, shown].map(|millis| (millis / 2 / step * step).max(0) as u64);
        halves.into_iter().filter(|half| *half > 0).map(Duration::from_millis).find(|half| {
            self.zone.is_none() || self.piece(range, range.start, Some(*half)).end < range.end
        })
    }

    /// How far back the first poll reaches.
    #[must_use]
    pub fn backfill(&self) -> Duration {
        self.backfill
    }

    /// What a request's templates see of a range: the times to ask for, and how finely they are
    /// written.
    #[must_use]
    pub fn written(&self, range: Range) -> (Timestamp, Timestamp, Duration) {
        let asked = self.asked(range);
        (asked.start, asked.end, self.resolution)
    }

    /// The times to ask the app for, so that its filter includes all of `[start, end)`, whichever
    /// instant it takes a local time for that occurs twice: neither end is such a time, except the
    /// very first of them as an end.
    #[must_use]
    pub fn asked(&self, range: Range) -> Range {
        let start = match self.bounds {
            Bounds::StartOnly | Bounds::Both => range.start,
            Bounds::EndOnly | Bounds::Neither => earlier(range.start, self.resolution),
        };
        let end = self.latest(range.end);
        let end = if end == range.end { end } else { self.ceil(end) };
        Range { start: self.once(start), end }
    }

    /// The range in which the times of records lie that happened in `range`. What is written of a
    /// local time that occurs twice is read as its first.
    #[must_use]
    pub fn told(&self, range: Range) -> Range {
        Range { start: self.earliest(range.start), end: self.latest(range.end) }
    }

    /// The only times whose records are taken of what the app shows for `range`; `None` if all are.
    /// Where the app does not filter, it shows any. An app that shows the end of what it is asked
    /// for, too, shows it again when an item comes back that was away from then on. Where an item
    /// `reaches_back` to where it stood, keys of what lies before that may be forgotten, and an app
    /// that does not show the start of what it is asked for is asked for a little of it.
    #[must_use]
    pub fn taken(&self, range: Range, of_item: bool, reaches_back: bool) -> Option<Range> {
        let told = self.told(range);
        let start = if self.filters || reaches_back { told.start } else { Timestamp::MIN };
        (self.filters || of_item).then_some(Range { start, end: told.end })
    }

    /// Since when keys are of use of what is delivered of `range` of an item by a poll that
    /// `started` then, and up to when that can be, in milliseconds since 1970. See [`kept_by`].
    #[must_use]
    pub(crate) fn begun(&self, range: Range, started: Timestamp, reaches_back: bool) -> Begun {
        let own = (!reaches_back).then(|| self.asked(range).start);
        let since = own.map_or(started, |own| own.min(started)).as_millisecond();
        Begun { since, up_to: range.end.max(started).as_millisecond() }
    }

    /// The first instant that a record may be of whose time is read as `time`.
    #[must_use]
    pub fn earliest(&self, time: Timestamp) -> Timestamp {
        self.fold(time).map_or(time, |fold| fold.start)
    }

    /// Up to when records may be of whose times are read as earlier than `time`.
    fn latest(&self, time: Timestamp) -> Timestamp {
        self.fold(time).filter(|fold| fold.start < time).map_or(time, |fold| fold.end)
    }

    fn fold(&self, time: Timestamp) -> Option<Range> {
        zone::fold(self.zone.as_ref()?, time)
    }

    /// `time`, or the last one before it that the app can tell whose local time occurs once.
    fn once(&self, time: Timestamp) -> Timestamp {
        let before = |fold: Range| self.floor(earlier(fold.start, Duration::from_millis(1)));
        self.fold(time).map_or(time, before)
    }

    /// Up to when keys are of no use any more: nothing older is ever asked for again.
    #[must_use]
    pub fn horizon(&self, watermark: Timestamp) -> Timestamp {
        self.once(earlier(self.floor(earlier(watermark, self.overlap)), self.resolution))
    }

    /// Up to when keys are of no use any more while `window` is read and everything before
    /// `watermark` is delivered. Until a window is over, the app may show any record of it again,
    /// whatever order it promised: a page that comes twice is older than the watermark.
    #[must_use]
    pub fn forget(&self, watermark: Timestamp, window: Option<Range>) -> Timestamp {
        self.horizon(window.map_or(watermark, |window| window.start.min(watermark)))
    }

    /// Up to when everything of `window` is in hand, once a record of time `newest` came after
    /// others that were all older or as old. `None` if that is not certain.
    #[must_use]
    pub fn in_hand(&self, window: Range, newest: Timestamp) -> Option<Timestamp> {
        let newest = self.earliest(newest);
        let certain = self.ascending && window.start <= newest && newest < window.end;
        // Records with this very time may still come.
        certain.then(|| self.floor(newest))
    }

    /// The part of a piece that is still to be read once everything before `watermark` is
    /// delivered, if the app keeps the order that it promised. `None` if that is nothing: some of a
    /// longer piece was delivered before that was halved.
    #[must_use]
    pub fn resume(&self, piece: Range, watermark: Timestamp) -> Option<Range> {
        let start = piece.start.max(self.horizon(watermark));
        (start < piece.end).then_some(Range { start, end: piece.end })
    }

    /// The last multiple of the resolution that is not after `time`: days begin at midnight in the
    /// window's zone.
    #[must_use]
    pub fn floor(&self, time: Timestamp) -> Timestamp {
        let step = self.resolution.as_millis().max(1) as i64;
        if let Some(zone) = &self.zone {
            return zone::floor(zone, time, step);
        }
        let floored = time.as_millisecond().div_euclid(step) * step;
        Timestamp::from_millisecond(floored).unwrap_or(time)
    }

    /// The first multiple of the resolution after `at`, which is one.
    fn next(&self, at: Timestamp) -> Timestamp {
        let next = later(at, self.resolution);
        if self.zone.is_none() {
            return next;
        }
        // The day on which clocks are set back is longer than others.
        let floored = self.floor(next);
        if floored > at { floored } else { self.floor(later(next, self.resolution)).max(next) }
    }

    fn ceil(&self, time: Timestamp) -> Timestamp {
        let floored = self.floor(time);
        if floored == time { time } else { self.next(floored).max(time) }
    }
}

/// The time by which the key of a record is kept: its `own`, as long as a window can reach back to
/// it. Of a record that comes though its time is not in the range that was `asked` for (rows of a
/// listed file, an app that does not filter) nothing is known but when it `came`.
#[must_use]
pub fn kept_by(asked: Option<Range>, own: Option<Timestamp>, came: Timestamp) -> Timestamp {
    let inside =
        |time: &Timestamp| asked.is_some_and(|asked| asked.start <= *time && *time <= asked.end);
    own.filter(inside).unwrap_or(came)
}

/// `time - by`, bounded by the first time there is.
#[must_use]
pub fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_sub(by).ok())
        .unwrap_or(Timestamp::MIN)
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "dedupe_tests.rs"]
mod dedupe_tests;
#[cfg(test)]
#[path = "item_properties.rs"]
mod items;
#[cfg(test)]
#[path = "window_model.rs"]
mod model;
#[cfg(test)]
#[path = "window_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
