//! The arithmetic of a quota, without clock, store or threads.
//!
//! All times are milliseconds since 1970. A call *starts* when it is allowed and *ends* when its
//! response arrived or it was given up; the app counts it at a moment in between that we cannot
//! know. Every estimate here therefore errs towards having spent more:
//!
//! - a call in flight is spent;
//! - an ended call stays spent until the period has passed since the end of its bucket, which is
//!   not before the app stops counting it;
//! - a report contains for certain only calls that ended before the call that brought it started.
//!   Calls that may not be contained are added to it until a later report contains them;
//! - a report is lowered by one of our calls only if the app counted that call for certain (it
//!   brought a report itself), the report contained it for certain, and the app has stopped counting
//!   it for certain.
//!
//! In a fixed period everything leaves at once, at the reset that a report told. Since a report is
//! made at an unknown moment between the start and the end of its call, the reset lies between two
//! moments as well: calls that ended before the earlier one leave, and they do so at the later one.
//!
//! Time never goes back here. While the process runs, the clock that it is told of cannot be set. After
//! a restart with a clock that was set back, time goes on from the latest moment that is stored, and
//! nothing is taken for certain any more that rests on how much time passed since. A clock that was
//! set back to a moment behind that one, while nobody looked, cannot be told from one that is right.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::{QuotaBucket, QuotaSnapshot};

/// Resets are told in whole seconds, so they are known no better than this, in milliseconds.
const RESET_RESOLUTION: i64 = 1000;

/// When to ask again if only a call in flight can tell, in milliseconds.
const SOON: i64 = 1000;

/// The rules of one quota.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How long a call counts, in milliseconds; at least 1.
    pub(super) period: i64,
    /// Whether all calls leave together, at the reported reset.
    pub(super) fixed: bool,
    /// Part of the limit that is never spent, in basis points.
    pub(super) reserve: u32,
    pub(super) count_own: bool,
    pub(super) count_reported: bool,
    pub(super) fixed_limit: Option<u64>,
}

impl Rules {
    /// Calls that are never spent: the reserve of `limit`, rounded up.
    pub(super) fn reserved(self, limit: u64) -> u64 {
        let reserved = (u128::from(limit) * u128::from(self.reserve)).div_ceil(10_000);
        u64::try_from(reserved).unwrap_or(u64::MAX).min(limit)
    }

    pub(super) fn spendable(self, limit: u64) -> u64 {
        limit - self.reserved(limit)
    }

    /// Width of a bucket: the period in 1440 parts (minutes of a day), at least a second.
    fn width(self) -> i64 {
        (self.period / 1440).clamp(1000, 60_000)
    }

    /// End of the bucket that `time` falls into; never before `time`.
    fn bucket_end(self, time: i64) -> i64 {
        let width = self.width();
        time.div_euclid(width).saturating_add(1).saturating_mul(width)
    }
}

/// Usage as the app reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    used: u64,
    /// Start of the call that brought it.
    started: i64,
    /// End of the call that brought it.
    taken: i64,
    /// When the period that it is about ends, if it is a fixed one.
    reset: Option<Reset>,
}

/// The end of a fixed period: not before `earliest`, not after `latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reset {
    earliest: i64,
    latest: i64,
}

impl Reset {
    /// Whether it is for certain the end of an earlier period than `other` is.
    fn is_before(self, other: Self) -> bool {
        self.latest < other.earliest
    }
}

impl Report {
    /// True if the calls of a bucket that the app counted are in this figure for certain, so that
    /// their leaving lowers it: they ended before the reporting call started, and the first of them
    /// still counted when it ended.
    fn is_lowered_by(&self, bucket: &QuotaBucket, period: i64) -> bool {
        bucket.ends <= self.started && bucket.earliest.saturating_add(period) > self.taken
    }
}

/// What keeps a quota closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Our own calls reached the reserve.
    Own,
    /// The usage that the app reported, with our calls since, reached the reserve.
    Reported,
    /// Nothing is known about the usage yet, and the one call that will tell is on its way.
    AwaitingFirstReport,
}

/// A call is not allowed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    /// When it may be, unless calls in flight change it before.
    pub(super) until: i64,
    pub(super) reason: Reason,
    /// Estimated usage on the basis that closed it.
    pub(super) used: u64,
    pub(super) limit: Option<u64>,
    /// Our own calls within the period.
    pub(super) own: u64,
}

/// What a call is going to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    /// How much: calls, points, whatever the quota is counted in; at least 1.
    pub cost: u64,
    /// The part of what may be spent that is left to more urgent calls, in basis points.
    pub held_back: u32,
}

impl Default for Spending {
    /// One call of the most urgent kind.
    fn default() -> Self {
        Self { cost: 1, held_back: 0 }
    }
}

/// A call is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// It is allowed and counted.
    Allowed,
    /// A [`Ledger::snapshot`] has to be stored before; then ask again.
    StoreFirst,
}

/// What came back in the header of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) used: u64,
    pub(super) limit: Option<u64>,
    /// How long after the response was made the period ends, in milliseconds.
    pub(super) reset: Option<i64>,
}

/// What is spent.
#[derive(Debug)]
pub(super) struct Ledger {
    rules: Rules,
    /// The latest time that was seen.
    seen: i64,
    /// By how much it is later here than by the clock, since that was set back.
    ahead: i64,
    /// Whether that was found just now, and has to be stored.
    was_set_back: bool,
    in_flight: u64,
    /// Ended calls by the end of their bucket.
    buckets: BTreeMap<i64, QuotaBucket>,
    ended: u64,
    changed: BTreeSet<i64>,
    limit: Option<u64>,
    report: Option<Report>,
    /// Ended calls that the report may not contain, by the end of their bucket.
    unreported: BTreeMap<i64, u64>,
    /// Calls that may start before the next snapshot has to be stored.
    prepaid: u64,
    /// What ended until then counts no more, because a fixed period was over.
    over: i64,
}

impl Ledger {
    /// Continues from what was stored; calls whose end was not stored count as ending now, when the
    /// clock shows `clock`.
    pub(super) fn new(
        rules: Rules,
        clock: i64,
        stored: QuotaSnapshot,
        buckets: Vec<QuotaBucket>,
    ) -> Self {
        // A clock that was wrong by more than a period is not expected to be put forward again. Any
        // other catches up with what was stored.
        let ahead = if stored.ahead > rules.period { stored.ahead } else { 0 };
        let now = clock.saturating_add(ahead);
        let lost = stored.seen.saturating_sub(now).max(0);
        let now = now.saturating_add(lost);
        let was_set_back = lost > 0 || ahead < stored.ahead;
        let mut ledger = Self {
            rules,
            seen: now,
            ahead: ahead.saturating_add(lost),
            was_set_back,
            in_flight: 0,
            buckets: BTreeMap::new(),
            ended: 0,
            changed: BTreeSet::new(),
            limit: stored.limit,
            report: stored.reported.map(|(used, started, taken)| {
                let reset = stored.reset.map(|(earliest, latest)| Reset {
                    earliest: if was_set_back { earliest.min(stored.seen) } else { earliest },
                    latest,
                });
                Report { used, started, taken, reset }
            }),
            unreported: stored.unreported.into_iter().collect(),
            prepaid: 0,
            over: i64::MIN,
        };
        for mut bucket in buckets {
            if was_set_back && bucket.reported > 0 {
                // The app may have stopped counting them when it is asked next.
                bucket.reported = 0;
                ledger.changed.insert(bucket.ends);
            }
            ledger.ended = ledger.ended.saturating_add(bucket.calls);
            ledger.buckets.insert(bucket.ends, bucket);
        }
        if stored.unsettled > 0 {
            ledger.book(stored.unsettled, now);
        }
        ledger
    }

    /// Allows one call, or tells why not and until when. Times here are those of the clock.
    pub(super) fn start(&mut self, clock: i64, spending: Spending) -> Result<Start, Closed> {
        let now = clock.saturating_add(self.ahead);
        self.advance(now);
        self.check(now, spending).map_err(|closed| {
            let until = closed.until.saturating_sub(self.ahead);
            // Always a real wait, so that nobody can spin on it.
            Closed { until: until.max(clock.saturating_add(1)), ..closed }
        })?;
        let Some(prepaid) = self.prepaid.checked_sub(spending.cost) else {
            return Ok(Start::StoreFirst);
        };
        self.prepaid = prepaid;
        self.in_flight = self.in_flight.saturating_add(spending.cost);
        Ok(Start::Allowed)
    }

    /// Ends a call that was started at a cost of `held`, and cost `spent`; `reading` is what its
    /// response reported. Times here are those of the clock.
    pub(super) fn end(
        &mut self,
        (started, clock): (i64, i64),
        (held, spent): (u64, u64),
        reading: Option<Reading>,
    ) {
        let (started, now) = (started.saturating_add(self.ahead), clock.saturating_add(self.ahead));
        self.advance(now);
        self.in_flight = self.in_flight.saturating_sub(held);
        match reading {
            None if spent == 0 => {}
            None => self.book(spent, now),
            Some(reading) => {
                let bucket = self.bucket(spent, now);
                bucket.reported = bucket.reported.saturating_add(spent);
                bucket.earliest = bucket.earliest.min(started);
                self.limit = reading.limit.or(self.limit);
                let reset = reading.reset.filter(|_| self.rules.fixed).map(|wait| Reset {
                    earliest: started.saturating_add(wait).saturating_sub(RESET_RESOLUTION),
                    latest: now.saturating_add(wait).saturating_add(RESET_RESOLUTION),
                });
                self.take(Report { used: reading.used, started, taken: now, reset });
            }
        }
    }

    /// Puts a report in the place of the one we had.
    fn take(&mut self, new: Report) {
        let mut report = new;
        if let Some(old) = self.report {
            let overlap = new.started <= old.taken;
            let resets = old.reset.zip(new.reset);
            if overlap && resets.is_some_and(|(old, new)| new.is_before(old)) {
                return; // It is about a period that was over before the one we know of.
            }
            if let Some((old, new)) = resets
                && old.is_before(new)
                && old.earliest <= report.taken
            {
                self.begin_anew(old);
            } else if overlap {
                // The two calls overlapped, so either may be the later one: the larger figure, and
                // the bounds that contain the fewest calls for certain.
                report = Report {
                    used: old.used.max(new.used),
                    started: old.started.min(new.started),
                    taken: old.taken.max(new.taken),
                    reset: resets.map(|(old, new)| Reset {
                        earliest: old.earliest.min(new.earliest),
                        latest: old.latest.max(new.latest),
                    }),
                };
            }
        }
        self.unreported = self.unreported.split_off(&report.started.saturating_add(1));
        self.report = Some(report);
    }

    /// Lets go of what was spent in a fixed period that is over.
    fn begin_anew(&mut self, reset: Reset) {
        self.report = None;
        self.over = self.over.max(reset.earliest);
        self.forget(reset.earliest);
    }

    /// Counts ended calls that brought no report.
    fn book(&mut self, calls: u64, now: i64) {
        let end = self.bucket(calls, now).ends;
        let unreported = self.unreported.entry(end).or_default();
        *unreported = unreported.saturating_add(calls);
    }

    /// Counts ended calls, and gives the bucket they went to.
    fn bucket(&mut self, calls: u64, now: i64) -> &mut QuotaBucket {
        let ends = self.rules.bucket_end(now);
        self.ended = self.ended.saturating_add(calls);
        self.changed.insert(ends);
        let empty = QuotaBucket { ends, earliest: i64::MAX, calls: 0, reported: 0 };
        let bucket = self.buckets.entry(ends).or_insert(empty);
        bucket.calls = bucket.calls.saturating_add(calls);
        bucket
    }

    /// Lets go of what no longer counts at `now`.
    fn advance(&mut self, now: i64) {
        self.seen = self.seen.max(now);
        if let Some(reset) = self.report.and_then(|report| report.reset)
            && reset.latest <= now
        {
            self.begin_anew(reset);
        }
        let gone = now.saturating_sub(self.rules.period);
        self.forget(gone);
        if self.report.is_some_and(|report| self.rules.bucket_end(report.taken) <= gone) {
            self.report = None;
        }
    }

    /// Lets go of calls whose bucket ended by `gone`.
    fn forget(&mut self, gone: i64) {
        while let Some(bucket) = self.buckets.first_entry().filter(|bucket| *bucket.key() <= gone) {
            let bucket = bucket.remove();
            self.ended = self.ended.saturating_sub(bucket.calls);
            if let Some(report) = &mut self.report
                && !self.rules.fixed
                && report.is_lowered_by(&bucket, self.rules.period)
            {
                report.used = report.used.saturating_sub(bucket.reported);
            }
            self.changed.remove(&bucket.ends);
        }
        self.unreported = self.unreported.split_off(&gone.saturating_add(1));
    }

    fn check(&self, now: i64, spending: Spending) -> Result<(), Closed> {
        let period_from_now = now.saturating_add(self.rules.period);
        let own = self.own();
        if self.in_flight > 0 && self.awaits_report() {
            let until = now.saturating_add(SOON);
            let reason = Reason::AwaitingFirstReport;
            return Err(Closed { until, reason, used: own, limit: self.limit, own });
        }
        let reset = self.report.and_then(|report| report.reset);
        let reset = reset.map_or(i64::MAX, |reset| reset.latest);
        let by_own = self.own_limit().filter(|_| self.rules.count_own).and_then(|limit| {
            let excess = self.excess(own, limit, spending)?;
            let leaving = self.buckets.values().map(|bucket| (bucket.ends, bucket.calls));
            let until = self.room(leaving, excess).unwrap_or(period_from_now).min(reset);
            Some(Closed { until, reason: Reason::Own, used: own, limit: Some(limit), own })
        });
        let limit = self.reported_limit().filter(|_| self.rules.count_reported);
        let by_reported = limit.and_then(|limit| {
            let used = self.reported_use();
            let excess = self.excess(used, limit, spending)?;
            let until = if excess <= self.in_flight {
                // The figure may contain calls in flight already; their responses will tell.
                now.saturating_add(SOON)
            } else if let Some(report) = self.report {
                let taken = self.rules.bucket_end(report.taken);
                let learn_anew = taken.saturating_add(self.rules.period);
                let room = self.room(self.lowering(report), excess).unwrap_or(learn_anew);
                room.min(learn_anew).min(reset)
            } else {
                let leaving = self.unreported.iter().map(|(end, calls)| (*end, *calls));
                self.room(leaving, excess).unwrap_or(period_from_now)
            };
            Some(Closed { until, reason: Reason::Reported, used, limit: Some(limit), own })
        });
        match by_own.into_iter().chain(by_reported).max_by_key(|closed| closed.until) {
            Some(closed) => Err(closed),
            None => Ok(()),
        }
    }

    /// By how much one more call after `used` would reach into the reserve, if it would. A call that
    /// costs more than may be spent at all is made when nothing else is spent.
    fn excess(&self, used: u64, limit: u64, spending: Spending) -> Option<u64> {
        let mut spendable = self.rules.spendable(limit);
        if self.report.is_none() && self.rules.fixed_limit.is_none() {
            // The limit was reported so long ago that one call must be allowed to learn the new one.
            spendable = spendable.max(1);
        }
        let held_back = u128::from(spendable) * u128::from(spending.held_back) / 10_000;
        let left = spendable.saturating_sub(u64::try_from(held_back).unwrap_or(u64::MAX));
        let spendable = left.max(spendable.min(1));
        let cost = spending.cost.clamp(1, spendable.max(1));
        used.saturating_add(cost).checked_sub(spendable).filter(|excess| *excess > 0)
    }

    /// The usage is unknown: only one call may find it out.
    fn awaits_report(&self) -> bool {
        let unknown_limit = self.rules.count_own && self.own_limit().is_none();
        unknown_limit || (self.rules.count_reported && self.report.is_none())
    }

    /// When calls that leave at `end + period` have made room for `excess` calls.
    fn room(&self, leaving: impl Iterator<Item = (i64, u64)>, excess: u64) -> Option<i64> {
        let mut left = 0_u64;
        for (end, calls) in leaving {
            left = left.saturating_add(calls);
            if left >= excess {
                return Some(end.saturating_add(self.rules.period));
            }
        }
        None
    }

    /// The calls whose leaving lowers the estimate on the basis of `report`, in order.
    fn lowering(&self, report: Report) -> impl Iterator<Item = (i64, u64)> {
        let mut merged = self.unreported.clone();
        for bucket in self.buckets.values() {
            if !self.rules.fixed && report.is_lowered_by(bucket, self.rules.period) {
                let sum = merged.entry(bucket.ends).or_default();
                *sum = sum.saturating_add(bucket.reported);
            }
        }
        merged.into_iter()
    }

    /// Our calls within the period, those in flight included.
    pub(super) fn own(&self) -> u64 {
        self.ended.saturating_add(self.in_flight)
    }

    /// The app's figure and all calls that it may not contain.
    pub(super) fn reported_use(&self) -> u64 {
        let reported = self.report.map_or(0, |report| report.used);
        let unreported =
            self.unreported.values().fold(0_u64, |sum, calls| sum.saturating_add(*calls));
        reported.saturating_add(unreported).saturating_add(self.in_flight)
    }

    /// True if a call of this cost may start before the next snapshot is stored.
    pub(super) fn is_prepaid(&self, cost: u64) -> bool {
        self.prepaid >= cost
    }

    /// True if the app's figure is known.
    pub(super) fn is_reported(&self) -> bool {
        self.report.is_some()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The limit that our own calls are held against.
    pub(super) fn own_limit(&self) -> Option<u64> {
        self.rules.fixed_limit.or(self.limit)
    }

    /// The limit that the reported usage is held against.
    pub(super) fn reported_limit(&self) -> Option<u64> {
        self.limit.or(self.rules.fixed_limit)
    }

    /// What to store so that a crash at any later moment forgets no call: it counts as sent what
    /// is in flight and `prepaid` calls that may start until the next snapshot.
    pub(super) fn snapshot(&self, prepaid: u64) -> (QuotaSnapshot, Vec<QuotaBucket>) {
        let snapshot = QuotaSnapshot {
            unsettled: self.in_flight.saturating_add(prepaid),
            limit: self.limit,
            reported: self.report.map(|report| (report.used, report.started, report.taken)),
            reset: self
                .report
                .and_then(|report| report.reset)
                .map(|reset| (reset.earliest, reset.latest)),
            unreported: self.unreported.iter().map(|(end, calls)| (*end, *calls)).collect(),
            seen: self.seen,
            ahead: self.ahead,
        };
        let changed = self.changed.iter().filter_map(|end| self.buckets.get(end).copied());
        (snapshot, changed.collect())
    }

    /// Whether the clock was set back before this began: what that makes uncertain has to be stored.
    pub(super) fn was_set_back(&self) -> bool {
        self.was_set_back
    }

    /// What ended until then need not be stored any more.
    pub(super) fn over(&self) -> i64 {
        self.over.max(self.seen.saturating_sub(self.rules.period))
    }

    /// How many calls to allow per stored snapshot: a thousandth of the limit, which is what a
    /// crash may waste, against a write for every call; at least one of `cost`.
    pub(super) fn advance_payment(&self, cost: u64) -> u64 {
        (self.own_limit().max(self.reported_limit()).unwrap_or(0) / 1000).clamp(1, 64).max(cost)
    }

    /// Notes that the snapshot taken with `prepaid` and its buckets are stored.
    pub(super) fn stored(&mut self, prepaid: u64, buckets: &[QuotaBucket]) {
        self.prepaid = prepaid;
        for bucket in buckets {
            if self.buckets.get(&bucket.ends) == Some(bucket) {
                self.changed.remove(&bucket.ends);
            }
        }
    }
}

#[cfg(test)]
#[path = "ledger_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
