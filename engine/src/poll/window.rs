//! Which time range is read next. Pure arithmetic on half-open ranges.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use longshore_schema::stream::{Bounds, Filter, Order, Window};

/// The half-open range `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

/// The numbers of a manifest's window, with the backfill known.
#[derive(Clone, Copy, Debug)]
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
    /// The settings of a window, with its backfill.
    #[must_use]
    pub fn new(window: &Window, backfill: Duration) -> Self {
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
        let long = |span| self.floor(later(at, span)).max(later(at, self.resolution));
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
        let millis = (range.end.as_millisecond() - range.start.as_millisecond()) / 2;
        let step = self.resolution.as_millis() as i64;
        let half = millis / step * step;
        (half > 0).then(|| Duration::from_millis(half as u64))
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

    /// The times to ask the app for, so that its filter includes all of `[start, end)`.
    #[must_use]
    pub fn asked(&self, range: Range) -> Range {
        match self.bounds {
            Bounds::StartOnly | Bounds::Both => range,
            Bounds::EndOnly | Bounds::Neither => {
                Range { start: earlier(range.start, self.resolution), end: range.end }
            }
        }
    }

    /// Up to when keys are of no use any more: nothing older is ever asked for again.
    #[must_use]
    pub fn horizon(&self, watermark: Timestamp) -> Timestamp {
        earlier(self.floor(earlier(watermark, self.overlap)), self.resolution)
    }

    /// The last multiple of the resolution that is not after `time`.
    #[must_use]
    pub fn floor(&self, time: Timestamp) -> Timestamp {
        let step = self.resolution.as_millis().max(1) as i64;
        let floored = time.as_millisecond().div_euclid(step) * step;
        Timestamp::from_millisecond(floored).unwrap_or(time)
    }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(span: u64, lag: u64, overlap: u64, bounds: Bounds) -> Settings {
        Settings {
            span: Some(Duration::from_secs(span)),
            lag: Duration::from_secs(lag),
            overlap: Duration::from_secs(overlap),
            resolution: Duration::from_secs(1),
            bounds,
            backfill: Duration::from_secs(3600),
            retention: None,
            ascending: false,
            descending: false,
            filters: false,
            most: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_gap_is_what_the_app_forgot_since_the_watermark() {
        let settings = Settings {
            retention: Some(Duration::from_secs(100)),
            ..settings(10, 0, 5, Bounds::StartOnly)
        };
        let due = settings.due(Some(at(850)), at(1000), None, None).unwrap();
        assert_eq!(due.gap, Some(Range { start: at(850), end: at(900) }));
        assert_eq!(due.range, Range { start: at(900), end: at(1000) });
        let fresh = settings.due(None, at(1000), None, None).unwrap();
        assert_eq!((fresh.gap, fresh.range.start), (None, at(900)));
    }

    #[test]
    fn halving_ends_at_the_resolution() {
        let settings = settings(10, 0, 0, Bounds::StartOnly);
        let half = |seconds| settings.half(Range { start: at(0), end: at(seconds) });
        assert_eq!(half(10), Some(Duration::from_secs(5)));
        assert_eq!(half(3), Some(Duration::from_secs(1)));
        assert_eq!(half(1), None);
    }

    #[test]
    fn pieces_end_where_the_app_can_tell() {
        let minutes = Settings {
            resolution: Duration::from_secs(60),
            ..settings(90, 0, 0, Bounds::StartOnly)
        };
        let range = Range { start: at(0), end: at(600) };
        let piece = |span| minutes.piece(range, at(60), Some(Duration::from_secs(span))).end;
        assert_eq!((piece(90), piece(10), piece(1000)), (at(120), at(120), at(600)));
    }

    proptest! {
        /// Whatever the polls' times, spans and overlaps: consecutive polls leave no instant out.
        #[test]
        fn polls_cover_every_instant(
            span in 1_u64..5000, lag in 0_u64..120, overlap in 0_u64..900,
            steps in prop::collection::vec(0_i64..4000, 1..12),
        ) {
            let settings = settings(span, lag, overlap, Bounds::StartOnly);
            let mut now = 1_000_000;
            let first = now - 3600;
            let mut watermark: Option<Timestamp> = None;
            for step in steps {
                now += step;
                let Some(due) = settings.due(watermark, at(now), None, None) else { continue };
                let reached = watermark.unwrap_or(at(first));
                prop_assert!(due.range.start <= reached.max(due.range.start.min(at(first + step))));
                let mut position = due.range.start;
                while position < due.range.end {
                    let piece = settings.piece(due.range, position, settings.span());
                    prop_assert!(piece.start == position && piece.end > piece.start);
                    position = piece.end;
                }
                prop_assert_eq!(position, due.range.end);
                if let Some(watermark) = watermark {
                    prop_assert!(due.range.start <= watermark);
                    prop_assert!(settings.horizon(watermark) < due.range.start);
                }
                watermark = Some(watermark.map_or(position, |known| known.max(position)));
            }
        }

        /// An app that leaves the start out is asked for one resolution more.
        #[test]
        fn open_starts_are_moved_back(start in 0_i64..1_000_000, length in 1_i64..5000) {
            let range = Range { start: at(start), end: at(start + length) };
            let open = settings(10, 0, 0, Bounds::Neither).asked(range);
            for second in start..start + length.min(50) {
                prop_assert!(open.start < at(second) && at(second) < open.end);
            }
        }
    }
}
