//! When things happened: a stream of moments, made a day at a time as they are asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::salesforce::random::rng;
use crate::salesforce::sync::lock;

pub(crate) const DAY: i64 = 86_400;
/// Records one day can have; the day and the record's place in it make its number.
const PER_DAY: u64 = 1 << 20;
/// Where the numbers of records added by hand begin within their day.
const ADDED: u64 = 1 << 19;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// The record's number, unique in its stream.
    pub(crate) number: u64,
    /// When, in seconds since the Unix epoch.
    pub(crate) time: i64,
}

#[derive(Debug, Clone, Copy)]
struct Added {
    occurrence: Occurrence,
    visible: i64,
}

/// A stream of occurrences from the start of the org's history on, without end.
#[derive(Debug)]
pub(crate) struct History {
    seed: u64,
    /// Keeps streams of one seed apart.
    stream: u64,
    start: i64,
    per_day: u32,
    days: Mutex<BTreeMap<i64, Arc<[Occurrence]>>>,
    added: Mutex<Vec<Added>>,
}

impl History {
    pub(crate) fn new(seed: u64, stream: u64, start: i64, per_day: u32) -> Self {
        let per_day = per_day.min(ADDED as u32 / 2);
        Self { seed, stream, start, per_day, days: Mutex::default(), added: Mutex::default() }
    }

    /// What happened in `from..to` and shows at `now`, in order of time, ties in no order.
    pub(crate) fn visible(&self, from: i64, to: i64, now: i64) -> Vec<Occurrence> {
        let (start, end) = (from.max(self.start), to.min(now));
        let mut found = Vec::new();
        if start < end {
            for day in start.div_euclid(DAY)..=(end - 1).div_euclid(DAY) {
                let day = self.day(day);
                found.extend(day.iter().filter(|one| (start..end).contains(&one.time)));
            }
        }
        let added = lock(&self.added);
        let shows = |one: &&Added| {
            one.visible <= now && one.occurrence.time >= from && one.occurrence.time < to
        };
        found.extend(added.iter().filter(shows).map(|one| one.occurrence));
        found.sort_by_key(|one| one.time);
        found
    }

    /// The record with this number, if it shows at `now`.
    pub(crate) fn find(&self, number: u64, now: i64) -> Option<Occurrence> {
        if number % PER_DAY >= ADDED {
            let added = lock(&self.added);
            return added
                .iter()
                .find(|one| one.occurrence.number == number && one.visible <= now)
                .map(|one| one.occurrence);
        }
        let day = i64::try_from(number / PER_DAY).ok()?;
        if day < self.start.div_euclid(DAY) || day > now.div_euclid(DAY) {
            return None;
        }
        let day = self.day(day);
        day.iter()
            .copied()
            .find(|one| one.number == number && one.time >= self.start && one.time < now)
    }

    /// How many more records can be added.
    pub(crate) fn room(&self) -> usize {
        (ADDED as usize).saturating_sub(lock(&self.added).len())
    }

    /// Adds something that happened at `time` and shows from `visible` on, but not before it
    /// has happened. It may be older than the rest of the history.
    pub(crate) fn add(&self, time: i64, visible: i64) -> Occurrence {
        let mut added = lock(&self.added);
        let visible = visible.max(time);
        let day = visible.div_euclid(DAY).max(0) as u64;
        let number = day * PER_DAY + ADDED + added.len() as u64;
        let occurrence = Occurrence { number, time };
        added.push(Added { occurrence, visible });
        occurrence
    }

    fn day(&self, day: i64) -> Arc<[Occurrence]> {
        let mut days = lock(&self.days);
        Arc::clone(days.entry(day).or_insert_with(|| self.make(day)))
    }

    fn make(&self, day: i64) -> Arc<[Occurrence]> {
        let mut rng = rng(self.seed, &[self.stream, day as u64]);
        // Day 0 of the Unix epoch was a Thursday.
        let weekend = (day + 3).rem_euclid(7) >= 5;
        let mean = if weekend { self.per_day / 3 } else { self.per_day };
        let count = if mean == 0 { 0 } else { rng.u32(mean - mean / 5..=mean + mean / 5) };
        let first = day.max(0) as u64 * PER_DAY;
        let mut time = 0;
        let mut made: Vec<Occurrence> = (0..u64::from(count))
            .map(|place| {
                // One in six shares its second with the one before: timestamps tie.
                if place == 0 || rng.u32(..6) > 0 {
                    let busy = rng.u32(..10) < 8;
                    time = if busy { rng.i64(6 * 3600..20 * 3600) } else { rng.i64(0..DAY) };
                }
                Occurrence { number: first + place, time: day * DAY + time }
            })
            .collect();
        made.sort_by_key(|one| one.time);
        made.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const NOW: i64 = 1_790_848_800;

    #[test]
    fn the_future_is_hidden_and_comes_true() {
        let history = History::new(7, 2, NOW - 30 * DAY, 50);
        let before = history.visible(0, i64::MAX, NOW);
        assert!(before.iter().all(|one| one.time < NOW && one.time >= NOW - 30 * DAY));
        let after = history.visible(0, i64::MAX, NOW + 3 * DAY);
        assert_eq!(&after[..before.len()], &before[..]);
        assert!(after.len() > before.len());
        let future = after.last().expect("a day has rows");
        assert_eq!(history.find(future.number, NOW), None);
        assert_eq!(history.find(future.number, NOW + 3 * DAY), Some(*future));
    }

    #[test]
    fn timestamps_tie_and_numbers_do_not() {
        let history = History::new(7, 2, NOW - 30 * DAY, 50);
        let rows = history.visible(0, i64::MAX, NOW);
        let times: BTreeSet<i64> = rows.iter().map(|one| one.time).collect();
        let numbers: BTreeSet<u64> = rows.iter().map(|one| one.number).collect();
        assert!(times.len() < rows.len());
        assert_eq!(numbers.len(), rows.len());
    }

    #[test]
    fn late_data_shows_from_its_time_on() {
        let history = History::new(7, 2, NOW - 30 * DAY, 50);
        let late = history.add(NOW - 5 * DAY, NOW + 60);
        assert!(!history.visible(0, i64::MAX, NOW + 59).contains(&late));
        assert!(history.visible(0, i64::MAX, NOW + 60).contains(&late));
        assert_eq!(history.find(late.number, NOW + 59), None);
        assert_eq!(history.find(late.number, NOW + 60), Some(late));
        let ancient = history.add(NOW - 90 * DAY, NOW);
        assert_eq!(history.visible(i64::MIN, i64::MAX, NOW).first(), Some(&ancient));
        let early = history.add(NOW + DAY, NOW);
        assert!(!history.visible(i64::MIN, i64::MAX, NOW + DAY - 1).contains(&early));
    }
}
