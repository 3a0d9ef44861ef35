//! An app whose records appear late, and polls of it that fail and are killed. All times are
//! milliseconds since 1970 on the app's clock.

use proptest::prelude::*;

use super::*;

pub(super) const BASE: i64 = 1_780_000_000_000;
/// So far from [`BASE`], in seconds, the records lie.
pub(super) const BEFORE: i64 = 5_000;
pub(super) const AFTER: i64 = 20_000;

/// A record of the app.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) time: i64,
    /// When the app begins to show it.
    pub(super) shown: i64,
}

/// What becomes of one reading.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// It goes well.
    Not,
    /// After so many records what is in hand is committed, and the reading fails.
    Fails(usize),
    /// After so many records what is in hand is lost with the process, or committed right before.
    Killed(usize, bool),
}

/// One poll, so long after the one before.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) wait: i64,
    /// How far our clock is ahead of the app's.
    pub(super) ahead: i64,
    /// So long before the present it ends.
    pub(super) until: Option<i64>,
    pub(super) stops: Vec<Stop>,
}

/// What an app takes a local time for that occurs twice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Twice {
    /// The first of the two instants.
    First,
    /// The second.
    Second,
    /// It knows of no zones, and compares what the clock on the wall shows.
    Wall,
}

/// A stream and its schedule.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) settings: Settings,
    /// Whether the app cuts the times of its records to its resolution before it compares them.
    pub(super) truncates: bool,
    pub(super) twice: Twice,
    /// How long keys are kept whatever the windows, if the manifest says so.
    pub(super) remember: Option<i64>,
    pub(super) since: Option<i64>,
    pub(super) entries: Vec<Entry>,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// The same with an app that answers for any number of records.
    pub(super) fn patient(&self) -> Self {
        let settings = Settings { most: None, ..self.settings.clone() };
        Self { settings, ..self.clone() }
    }

    /// When everything is shown and due, whatever our clock shows.
    pub(super) fn end(&self) -> i64 {
        let settings = &self.settings;
        BASE + AFTER * 1000 + millis(settings.lag + settings.overlap + settings.resolution * 2)
    }

    /// What the app shows `now` for a range, the oldest first.
    pub(super) fn shown(&self, now: i64, asked: Range) -> Vec<usize> {
        let settings = &self.settings;
        let kept = settings.retention.map(|kept| settings.floor(at(now - millis(kept))));
        let is_shown = |entry: &Entry| {
            let time = at(entry.time);
            let compared = if self.truncates { settings.floor(time) } else { time };
            let (compared, start, end) = self.compared(compared, asked);
            let after = match settings.bounds {
                Bounds::StartOnly | Bounds::Both => start <= compared,
                Bounds::EndOnly | Bounds::Neither => start < compared,
            };
            let before = match settings.bounds {
                Bounds::EndOnly | Bounds::Both => compared <= end,
                Bounds::StartOnly | Bounds::Neither => compared < end,
            };
            entry.shown <= now
                && kept.is_none_or(|kept| kept <= time)
                && (settings.filters || (after && before))
        };
        let entries = &self.entries;
        let mut shown: Vec<_> =
            (0..entries.len()).filter(|index| is_shown(&entries[*index])).collect();
        shown.sort_by_key(|index| entries[*index].time);
        shown
    }

    /// A time and the range that is asked for, as the app compares them.
    fn compared(&self, time: Timestamp, asked: Range) -> (Timestamp, Timestamp, Timestamp) {
        let Some(zone) = &self.settings.zone else { return (time, asked.start, asked.end) };
        let local = |time| zone.to_datetime(time);
        let taken = |time| zone.to_ambiguous_timestamp(local(time));
        let wall = |time| TimeZone::UTC.to_timestamp(local(time)).unwrap();
        match self.twice {
            Twice::First => {
                let taken = |time| taken(time).earlier().unwrap();
                (time, taken(asked.start), taken(asked.end))
            }
            Twice::Second => {
                let taken = |time| taken(time).later().unwrap();
                (time, taken(asked.start), taken(asked.end))
            }
            Twice::Wall => (wall(time), wall(asked.start), wall(asked.end)),
        }
    }
}

fn seconds(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

fn settings() -> impl Strategy<Value = Settings> {
    let bounds =
        [Bounds::StartOnly, Bounds::Both, Bounds::EndOnly, Bounds::Neither].map(Just).to_vec();
    let resolution = [1, 1000, 60_000, 900_000].map(|ms| Just(Duration::from_millis(ms))).to_vec();
    let times = (
        prop::option::of(seconds(1..4000)),
        seconds(0..200),
        seconds(0..1200),
        seconds(0..4000),
        prop::option::of(seconds(2000..12_000)),
    );
    let app = (
        prop::strategy::Union::new(bounds),
        prop::strategy::Union::new(resolution),
        0..3_u8,
        prop::option::of(3..8_u64),
    );
    (times, app).prop_map(|((span, lag, overlap, backfill, retention), app)| {
        let (bounds, resolution, kind, most) = app;
        let filters = kind == 0;
        Settings {
            span: span.filter(|_| !filters),
            lag,
            overlap,
            resolution,
            bounds,
            backfill,
            retention,
            ascending: kind == 1,
            descending: false,
            filters,
            most: most.filter(|_| !filters),
            zone: None,
        }
    })
}

/// Zones in which the clocks are set on 2026-05-29 by one hour, back and ahead, or by less, and one
/// in which nothing happens.
fn zones() -> impl Strategy<Value = Option<TimeZone>> {
    let zones = ["AAA-1BBB,J10/2,J149/1", "AAA-1BBB,J149/0,J300/2", "AAA-10:30BBB-11,J10/2,J149/9"];
    let zone = |text: &str| Just(TimeZone::posix(text).unwrap());
    let fixed = Just(TimeZone::fixed(jiff::tz::offset(-3)));
    let some =
        prop_oneof![3 => zone(zones[0]), 1 => zone(zones[1]), 1 => zone(zones[2]), 1 => fixed];
    prop_oneof![1 => Just(None), 1 => some.prop_map(Some)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stop = prop_oneof![
        4 => Just(Stop::Not),
        1 => (0..8_usize).prop_map(Stop::Fails),
        1 => (0..8_usize, any::<bool>()).prop_map(|(after, commits)| Stop::Killed(after, commits)),
    ];
    let wait = prop_oneof![0..2000_i64, 0..300_000_i64, 0..4_000_000_i64];
    let until = prop::option::weighted(0.1, 0..4_000_000_i64);
    let stops = prop::collection::vec(stop, 0..6);
    let step = (wait, 0..1000_u32, until, stops).prop_map(|(wait, ahead, until, stops)| Step {
        wait,
        ahead: i64::from(ahead),
        until,
        stops,
    });
    prop::collection::vec(step, 1..10)
}

/// Records at times that often are the same or on a boundary, and shown at most as late as lag and
/// overlap allow.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    let time = prop_oneof![
        -BEFORE * 1000..AFTER * 1000,
        (-BEFORE / 60..AFTER / 60).prop_map(|minute| minute * 60_000),
        (-BEFORE / 900..AFTER / 900).prop_map(|quarter| quarter * 900_000),
    ];
    let entries = prop::collection::vec((time, 0..=1000_i64), 1..30);
    let since = prop::option::weighted(0.2, -BEFORE * 1000..0);
    let remember = prop::option::weighted(0.2, 0..4_000_000_i64);
    let twice = prop_oneof![Just(Twice::First), Just(Twice::Second), Just(Twice::Wall)];
    let app = (settings(), any::<bool>(), any::<bool>(), remember, since);
    (app, (zones(), twice), entries, steps()).prop_map(
        |(app, (zone, twice), entries, mut steps)| {
            let (settings, truncates, has_wrong_clock, remember, since) = app;
            let settings = Settings { zone, ..settings };
            let late = millis(settings.lag + settings.overlap);
            // What our clock is ahead takes away from how late a record may be.
            let ahead = if has_wrong_clock && settings.retention.is_none() { late / 2 } else { 0 };
            for step in &mut steps {
                step.ahead = step.ahead * ahead / 1000;
            }
            let entries = entries.into_iter().map(|(time, delay)| {
                let time = BASE + time;
                Entry { time, shown: time + (late - ahead) * delay / 1000 }
            });
            let since = since.map(|since| BASE + since);
            Case { settings, truncates, twice, remember, since, entries: entries.collect(), steps }
        },
    )
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

/// What becomes durable together: records with the times by which their keys are kept, and up to
/// when keys are forgotten.
pub(super) struct Commit {
    pub(super) records: Vec<(usize, Timestamp)>,
    pub(super) forget: Option<Timestamp>,
}

/// What a poll did.
pub(super) struct Polled {
    /// On our clock.
    pub(super) now: Timestamp,
    pub(super) until: Option<Timestamp>,
    /// Where the stream stood before.
    pub(super) watermark: Option<Timestamp>,
    pub(super) due: Option<Due>,
    /// The pieces that were begun, and what the app was asked for.
    pub(super) asked: Vec<(Range, Range)>,
    pub(super) commits: Vec<Commit>,
}

enum Outcome {
    Complete,
    TooMuch,
    Killed,
}

/// The app and the stored state.
pub(super) struct World<'c> {
    pub(super) case: &'c Case,
    pub(super) now: i64,
    pub(super) watermark: Option<Timestamp>,
    window: Option<Range>,
    /// Both as stored.
    stored: (Option<Timestamp>, Option<Range>),
    /// When the poll started, on our clock.
    started: Timestamp,
    in_hand: Vec<(usize, Timestamp)>,
}

impl<'c> World<'c> {
    pub(super) fn new(case: &'c Case) -> Self {
        Self {
            case,
            now: BASE,
            watermark: None,
            window: None,
            stored: (None, None),
            started: at(BASE),
            in_hand: Vec::new(),
        }
    }

    /// When everything is shown and due, whatever our clock shows.
    pub(super) fn end(&self) -> i64 {
        self.case.end()
    }

    /// Reads as a stream with a window is read.
    pub(super) fn poll(&mut self, step: &Step) -> Polled {
        let settings = &self.case.settings;
        self.now += step.wait;
        self.started = at(self.now + step.ahead);
        self.in_hand.clear();
        (self.watermark, self.window) = self.stored;
        let until = step.until.map(|before| at(self.now - before));
        let watermark = self.watermark;
        let due = settings.due(watermark, self.started, self.case.since.map(at), until);
        let now = self.started;
        let mut polled =
            Polled { now, until, watermark, due, asked: Vec::new(), commits: Vec::new() };
        let Some(range) = due.map(|due| due.range) else { return polled };
        let mut stops = step.stops.iter();
        let (mut from, mut span) = (range.start, settings.span());
        while from < range.end {
            let piece = settings.piece(range, from, span);
            self.window = Some(piece);
            match self.settled(piece, &mut stops, &mut polled) {
                Outcome::Complete => {
                    from = piece.end;
                    // Pieces behind this one may begin before the watermark.
                    self.window = (from < range.end).then_some(Range { start: from, ..range });
                    self.commit(Some(from), &mut polled);
                    span = settings.wider(span);
                }
                Outcome::TooMuch => match settings.half(piece) {
                    Some(half) => span = Some(half),
                    None => return polled,
                },
                Outcome::Killed => return polled,
            }
        }
        polled
    }

    fn settled<'s>(
        &mut self,
        piece: Range,
        stops: &mut impl Iterator<Item = &'s Stop>,
        polled: &mut Polled,
    ) -> Outcome {
        let settings = &self.case.settings;
        loop {
            let trusted = self.watermark.filter(|_| settings.ascending);
            let rest = trusted.map_or(Some(piece), |watermark| settings.resume(piece, watermark));
            let Some(from) = rest else { return Outcome::Complete };
            let asked = settings.asked(from);
            polled.asked.push((from, asked));
            let shown = self.case.shown(self.now, asked);
            let stop = stops.next().unwrap_or(&Stop::Not);
            let (Stop::Fails(after) | Stop::Killed(after, _)) = stop else {
                self.take(&shown, from, asked);
                if settings.most.is_some_and(|most| shown.len() as u64 >= most) {
                    return Outcome::TooMuch;
                }
                return Outcome::Complete;
            };
            let newest = self.take(&shown[..shown.len().min(*after)], from, asked);
            if !matches!(stop, Stop::Killed(_, false)) {
                let in_hand = newest.and_then(|newest| settings.in_hand(piece, newest));
                self.commit(in_hand, polled);
            }
            if matches!(stop, Stop::Killed(..)) {
                return Outcome::Killed;
            }
        }
    }

    /// The time of a record as it is read from what the app writes.
    pub(super) fn read(&self, index: usize) -> Timestamp {
        let time = at(self.case.entries[index].time);
        let Some(zone) = &self.case.settings.zone else { return time };
        zone.to_ambiguous_timestamp(zone.to_datetime(time)).compatible().unwrap()
    }

    /// Takes records into the batch, and gives the newest time.
    fn take(&mut self, shown: &[usize], from: Range, asked: Range) -> Option<Timestamp> {
        let mut newest = None;
        for index in shown {
            let time = self.read(*index);
            newest = newest.max(Some(time));
            let told = self.case.settings.told(from);
            if self.case.settings.filters && !(told.start <= time && time < told.end) {
                continue;
            }
            let own = Some(time).filter(|_| self.case.remember.is_none());
            self.in_hand.push((*index, kept_by(Some(asked), own, self.started)));
        }
        newest
    }

    fn commit(&mut self, reached: Option<Timestamp>, polled: &mut Polled) {
        self.watermark = self.watermark.max(reached);
        let remembered = self.case.remember.map(|r| at(self.started.as_millisecond() - r));
        let forget = self.watermark.map(|watermark| {
            let horizon = self.case.settings.forget(watermark, self.window);
            remembered.map_or(horizon, |remembered| remembered.min(horizon))
        });
        self.stored = (self.watermark, self.window);
        polled.commits.push(Commit { records: std::mem::take(&mut self.in_hand), forget });
    }

    /// Polls without failures until everything is due, often enough for what the app keeps.
    pub(super) fn rest(&self) -> Step {
        let often = self.case.settings.retention.map_or(i64::MAX, |kept| millis(kept) / 4);
        let wait = (self.end() - self.now).clamp(0, often);
        Step { wait, ahead: 0, until: None, stops: Vec::new() }
    }
}
