//! Items that are read each in windows of its own, while they come, go and come back.

use proptest::prelude::*;

use super::dedupe_tests::{DATABASE, Delivered};
use super::model::{AFTER, BASE, BEFORE, Case, Commit, Step, Stop, at, cases, millis};
use super::*;
use crate::state::Begun;

const ITEMS: usize = 3;

/// Which item each record is of, and when the app does not list an item, by its number.
#[derive(Clone, Debug)]
struct Listing {
    of: Vec<usize>,
    away: Vec<(usize, i64, i64)>,
}

fn listings() -> impl Strategy<Value = Listing> {
    let time = || (-BEFORE..AFTER).prop_map(|second| BASE + second * 1000);
    let away = (0..ITEMS, time(), time()).prop_map(|(item, a, b)| (item, a.min(b), a.max(b)));
    let of = prop::collection::vec(0..ITEMS, 30);
    (of, prop::collection::vec(away, 0..4)).prop_map(|(of, away)| Listing { of, away })
}

impl Listing {
    fn shows(&self, item: usize, now: i64) -> bool {
        !self.away.iter().any(|(away, from, until)| *away == item && (*from..*until).contains(&now))
    }
}

/// What is known of an item, and of what may be missing of it.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    reached: Option<Timestamp>,
    /// What is being read of it.
    begun: Option<Begun>,
    /// A poll was complete without it since it was read.
    was_away: bool,
    /// It was read at some time.
    was_read: bool,
}

/// The stored state, and what a poll has in hand.
struct World<'c, 'd> {
    case: &'c Case,
    listing: &'c Listing,
    now: i64,
    watermark: Option<Timestamp>,
    items: [Item; ITEMS],
    stored: [Item; ITEMS],
    delivered: Delivered<'d>,
    in_hand: Vec<(usize, Timestamp)>,
    /// Records that nobody promised to read.
    excused: Vec<bool>,
}

enum Ended {
    Complete,
    Failed,
    GivenUp,
    Killed,
}

impl World<'_, '_> {
    fn poll(&mut self, step: &Step) {
        let settings = &self.case.settings;
        self.now += step.wait;
        self.in_hand.clear();
        self.items = self.stored;
        let started = at(self.now + step.ahead);
        let since = self.case.since.map(at);
        let Some(due) = settings.due(self.watermark, started, since, None) else { return };
        let mut stops = step.stops.iter();
        let listed: Vec<_> =
            (0..ITEMS).filter(|item| self.listing.shows(*item, self.now)).collect();
        loop {
            match self.read(&listed, due.range, started, &mut stops) {
                Ended::Complete => break,
                // Read again from the first item; what is in hand stays there.
                Ended::Failed => {}
                Ended::GivenUp | Ended::Killed => return,
            }
        }
        self.watermark = self.watermark.max(Some(due.range.end));
        for item in 0..ITEMS {
            self.items[item].was_away |= !listed.contains(&item);
        }
        let backfill = earlier(started, settings.backfill());
        let first = since.map_or(backfill, |since| since.min(backfill));
        for item in &mut self.items {
            // As the store forgets them when a poll is complete.
            item.reached = item.reached.filter(|reached| *reached >= first);
            item.begun = item.begun.filter(|begun| at(begun.up_to) >= first);
        }
        self.commit(None, started);
    }

    fn read<'s>(
        &mut self,
        listed: &[usize],
        range: Range,
        started: Timestamp,
        stops: &mut impl Iterator<Item = &'s Stop>,
    ) -> Ended {
        let settings = &self.case.settings;
        for item in listed.iter().copied() {
            let known = self.items[item];
            let since = self.case.since.map(at);
            let due = settings.of_item(range, known.reached, started, since);
            let Some(due) = due else { continue };
            assert!(due.start < due.end && due.end == range.end, "{due:?} of {range:?}");
            let start = due.start;
            self.excuse(item, start, known);
            let (mut from, mut span) = (start, settings.span());
            while from < due.end {
                let piece = settings.piece(due, from, span);
                let asked = settings.asked(piece);
                let mut shown = self.case.shown(self.now, asked);
                shown.retain(|index| self.listing.of[*index] == item);
                let stop = stops.next().unwrap_or(&Stop::Not);
                if let Stop::Fails(after) | Stop::Killed(after, _) = stop {
                    shown.truncate(*after);
                }
                let reaches_back = start < range.start;
                let begun = settings.begun(piece, started, reaches_back);
                let known = &mut self.items[item].begun;
                *known = Some(known.map_or(begun, |known| known.and(begun)));
                let known_by = (!reaches_back).then_some(asked);
                let taken = settings.taken(piece, true, reaches_back);
                for index in &shown {
                    let time = at(self.case.entries[*index].time);
                    if taken.is_some_and(|taken| !(taken.start <= time && time < taken.end)) {
                        continue;
                    }
                    let own = Some(time).filter(|_| self.case.remember.is_none());
                    self.in_hand.push((*index, kept_by(known_by, own, started)));
                }
                match stop {
                    Stop::Not => {}
                    Stop::Fails(_) => {
                        self.commit(Some(range), started);
                        return Ended::Failed;
                    }
                    Stop::Killed(_, commits) => {
                        if *commits {
                            self.commit(Some(range), started);
                        }
                        return Ended::Killed;
                    }
                }
                if settings.most.is_some_and(|most| shown.len() as u64 >= most) {
                    match settings.half(piece) {
                        Some(half) => span = Some(half),
                        None => return Ended::GivenUp,
                    }
                    continue;
                }
                from = piece.end;
                span = settings.wider(span);
                self.items[item].reached = Some(piece.end);
                self.items[item].begun = None;
            }
            self.items[item].was_away = false;
            self.items[item].was_read = true;
        }
        Ended::Complete
    }

    /// Notes what lies before the range of an item: a new one is read as far back as the backfill
    /// reaches, one that was away from where it stood, and nothing that the app dropped. Before a
    /// first poll was complete, every poll begins anew.
    fn excuse(&mut self, item: usize, start: Timestamp, known: Item) {
        let settings = &self.case.settings;
        let is_promised = self.watermark.is_some() && known.reached.is_some() && !known.was_away;
        for (index, entry) in self.case.entries.iter().enumerate() {
            let time = at(entry.time);
            let kept = settings.retention.is_none_or(|kept| at(self.now - millis(kept)) <= time);
            if self.listing.of[index] == item && ((time < start && !is_promised) || !kept) {
                self.excused[index] = true;
            }
        }
    }

    fn commit(&mut self, window: Option<Range>, started: Timestamp) {
        let remembered = self.case.remember.map(|r| at(started.as_millisecond() - r));
        let forget = self.watermark.map(|watermark| {
            let horizon = self.case.settings.forget(watermark, window);
            let begun = self.items.iter().filter_map(|item| Some(at(item.begun?.since)));
            begun.chain(remembered).fold(horizon, Timestamp::min)
        });
        self.stored = self.items;
        let records = std::mem::take(&mut self.in_hand);
        self.delivered.store(Commit { records, forget });
    }
}

proptest! {
    #![proptest_config(crate::properties::cases(1000))]

    /// However items come and go, and whatever fails or is killed: no record is delivered twice, and
    /// each that its item promises is delivered.
    #[test]
    fn items_are_read_whole_and_once(case in cases(), listing in listings()) {
        // A record that is read by another time than its own is of no interest here.
        let settings = Settings { zone: None, ..case.settings };
        let case = Case { settings, ..case };
        DATABASE.with_borrow_mut(|database| -> Result<(), TestCaseError> {
            let records = case.entries.len();
            let mut world = World {
                case: &case,
                listing: &listing,
                now: BASE,
                watermark: None,
                items: [Item::default(); ITEMS],
                stored: [Item::default(); ITEMS],
                delivered: Delivered::new(database, records),
                in_hand: Vec::new(),
                excused: vec![false; records],
            };
            for step in &case.steps {
                world.poll(step);
            }
            // At last all items are there, and the app answers for any number of records.
            let patient = case.patient();
            let all = Listing { away: Vec::new(), ..listing.clone() };
            (world.case, world.listing) = (&patient, &all);
            let end = case.end();
            let often = case.settings.retention.map_or(i64::MAX, |kept| millis(kept) / 4);
            loop {
                let wait = (end - world.now).clamp(0, often);
                world.poll(&Step { wait, ahead: 0, until: None, stops: Vec::new() });
                if world.now >= end {
                    break;
                }
            }
            for (index, entry) in case.entries.iter().enumerate() {
                let times = world.delivered.times[index];
                prop_assert!(times <= 1, "{entry:?} was delivered {times} times");
                let was_read = world.stored[listing.of[index]].was_read;
                let is_due = world.watermark.is_some() && was_read && !world.excused[index];
                prop_assert!(times > 0 || !is_due, "{entry:?} of {} is lost", listing.of[index]);
            }
            Ok(())
        })?;
    }
}
