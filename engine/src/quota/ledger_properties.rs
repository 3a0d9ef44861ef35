//! The ledger against a model of an app that counts truly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::properties::cases;

const BASE: i64 = 1_780_000_000_000;
const PERIOD: i64 = 60_000;
/// What a usual call spends.
const ONE: Spending = Spending { cost: 1, held_back: 0 };

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    /// A stream asks for a call.
    Start,
    /// The app gets to see a call in flight.
    Count(prop::sample::Index),
    /// A call in flight ends, with the header or without.
    End(prop::sample::Index, bool),
    /// Other programs make calls.
    Others(u64),
    /// The process is gone and starts again.
    Crash,
    /// The process ends and starts again with a clock that was set back by so much.
    SetBack(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop_oneof![0..50_i64, 0..3000_i64, 0..20_000_i64].prop_map(Step::Wait),
        8 => Just(Step::Start),
        4 => any::<prop::sample::Index>().prop_map(Step::Count),
        6 => (any::<prop::sample::Index>(), prop::bool::weighted(0.7))
            .prop_map(|(call, header)| Step::End(call, header)),
        1 => (0..8_u64).prop_map(Step::Others),
        1 => Just(Step::Crash),
        1 => prop_oneof![1..3000_i64, 1..PERIOD, PERIOD..PERIOD * 50].prop_map(Step::SetBack),
    ];
    prop::collection::vec(step, 1..400)
}

fn rules() -> impl Strategy<Value = (Rules, u64)> {
    (1..40_u64, 0..10_000_u32, 0..4_u8, any::<bool>(), any::<bool>()).prop_filter_map(
        "leaves nothing to spend",
        |(limit, reserve, counts, agreed, fixed)| {
            let rules = Rules {
                period: PERIOD,
                fixed,
                reserve,
                count_own: counts != 1,
                count_reported: counts != 0,
                fixed_limit: agreed.then_some(limit),
            };
            (rules.spendable(limit) > 0).then_some((rules, limit))
        },
    )
}

struct Call {
    started: i64,
    seen: Option<Seen>,
}

/// What the app reported once it had seen a call.
#[derive(Clone, Copy)]
struct Seen {
    /// So many calls of others it had counted, ever.
    others: usize,
    used: u64,
    reset: i64,
}

/// The app, our ledger and what is stored of it.
struct World {
    now: i64,
    /// How much later it is than our clock shows.
    behind: i64,
    limit: u64,
    /// When the app counted our calls and those of other programs.
    counted: Vec<i64>,
    others: Vec<i64>,
    /// So many calls of others reports told us of, and the stored state knows.
    known: usize,
    known_stored: usize,
    /// When the app's present period ends, if its periods are fixed.
    period_ends: i64,
    calls: Vec<Call>,
    ledger: Ledger,
    stored: (QuotaSnapshot, BTreeMap<i64, QuotaBucket>),
    /// The newest report seen, and calls since that it cannot contain.
    last_report: Option<(u64, i64)>,
    unreported: u64,
}

impl World {
    fn new(rules: Rules, limit: u64) -> Self {
        Self {
            now: BASE,
            behind: 0,
            limit,
            counted: Vec::new(),
            others: Vec::new(),
            known: 0,
            known_stored: 0,
            period_ends: BASE,
            calls: Vec::new(),
            ledger: Ledger::new(rules, BASE, QuotaSnapshot::default(), Vec::new()),
            stored: (QuotaSnapshot::default(), BTreeMap::new()),
            last_report: None,
            unreported: 0,
        }
    }

    /// The first moment whose calls the app counts now.
    fn since(&self) -> i64 {
        match self.ledger.rules.fixed {
            true if self.now >= self.period_ends => self.now,
            true => self.period_ends - PERIOD,
            false => self.now - PERIOD + 1,
        }
    }

    /// Calls of the last or present period, as the app counts them.
    fn count(&self) -> u64 {
        let since = self.since();
        self.counted.iter().chain(&self.others).filter(|at| **at >= since).count() as u64
    }

    /// What we must know to be spent: our calls, those that the app has not seen yet included, and
    /// those of others that a report told us of.
    fn known_to_be_spent(&self) -> usize {
        let since = self.since();
        let own = self.counted.iter().filter(|at| **at >= since).count();
        let unseen = self.calls.iter().filter(|call| call.seen.is_none()).count();
        let others = self.others[..self.known].iter().filter(|at| **at >= since).count();
        own + unseen + others
    }

    /// A fixed period starts with its first call.
    fn begin_period(&mut self) {
        if self.now >= self.period_ends {
            self.period_ends = self.now + PERIOD;
        }
    }

    /// Calls of other programs reach the app.
    fn count_others(&mut self, calls: u64) {
        if calls > 0 {
            self.begin_period();
        }
        let now = self.now;
        self.others.extend((0..calls).map(|_| now));
    }

    fn clock(&self) -> i64 {
        self.now - self.behind
    }

    fn store(&mut self, prepaid: u64) {
        let (snapshot, buckets) = self.ledger.snapshot(prepaid);
        self.ledger.stored(prepaid, &buckets);
        self.stored.0 = snapshot;
        self.stored.1.extend(buckets.into_iter().map(|bucket| (bucket.ends, bucket)));
        let over = self.ledger.over();
        self.stored.1.retain(|ends, _| *ends > over);
        self.known_stored = self.known;
    }

    fn start(&mut self) -> Result<(), Closed> {
        let now = self.clock();
        if self.ledger.start(now, ONE)? == Start::StoreFirst {
            self.store(self.ledger.advance_payment(1));
            assert_eq!(self.ledger.start(now, ONE)?, Start::Allowed);
        }
        self.calls.push(Call { started: now, seen: None });
        Ok(())
    }

    fn see(&mut self, call: usize) {
        if self.calls[call].seen.is_none() {
            self.begin_period();
            self.counted.push(self.now);
            // Told in whole seconds, rounded down or up.
            let exact = self.period_ends - self.now;
            let rounded = exact.div_euclid(1000) + exact % 2;
            let seen =
                Seen { others: self.others.len(), used: self.count(), reset: rounded * 1000 };
            self.calls[call].seen = Some(seen);
        }
    }

    fn end(&mut self, call: usize, header: bool) {
        // Nothing can be promised to a limit that was never told.
        let header = header || self.ledger.limit.is_none();
        if header {
            self.see(call);
        }
        let Call { started, seen } = self.calls.swap_remove(call);
        // A call that the app never saw is counted nevertheless.
        let told = seen.filter(|_| header);
        let reading = told.map(|Seen { used, reset, .. }| Reading {
            used,
            limit: Some(self.limit),
            reset: Some(reset),
        });
        self.ledger.end((started, self.clock()), (1, 1), reading);
        match told {
            Some(Seen { others, used, .. }) => {
                self.known = self.known.max(others);
                self.last_report = Some((used, self.now));
                self.unreported = 0;
            }
            None => self.unreported += 1,
        }
    }

    fn crash(&mut self) {
        if self.stored.0.limit.or(self.ledger.rules.fixed_limit).is_none() {
            return;
        }
        for call in 0..self.calls.len() {
            self.see(call);
        }
        self.calls.clear();
        self.known = self.known_stored;
        self.open();
    }

    fn open(&mut self) {
        let now = self.clock();
        let buckets = self.stored.1.values().copied().filter(|b| b.ends > now - PERIOD);
        let buckets = buckets.collect();
        self.ledger = Ledger::new(self.ledger.rules, now, self.stored.0.clone(), buckets);
        if self.ledger.was_set_back() {
            self.store(0);
        }
    }

    fn set_back(&mut self, by: i64) {
        while let Some(last) = self.calls.len().checked_sub(1) {
            self.end(last, false);
        }
        self.store(0);
        self.behind += by;
        self.open();
    }

    /// One step of a schedule.
    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(time) => self.now += time,
            Step::Start => drop(self.start()),
            Step::Count(call) if !self.calls.is_empty() => self.see(call.index(self.calls.len())),
            Step::End(call, header) if !self.calls.is_empty() => {
                self.end(call.index(self.calls.len()), *header);
            }
            Step::Others(calls) => self.count_others(*calls),
            Step::Crash => self.crash(),
            Step::SetBack(by) => self.set_back(*by),
            Step::Count(_) | Step::End(..) => {}
        }
    }

    /// Follows the times the ledger names until it opens.
    fn reopen(&mut self) -> Result<(), TestCaseError> {
        while let Some(last) = self.calls.len().checked_sub(1) {
            self.end(last, false);
        }
        let mut asked = 0;
        while let Err(closed) = self.start() {
            let now = self.clock();
            prop_assert!(closed.until > now, "{closed:?} is not in the future");
            prop_assert!(closed.until <= now + PERIOD + 2000, "{closed:?} at {now}");
            self.now += closed.until - now;
            asked += 1;
            prop_assert!(asked < 200, "still {closed:?}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    /// Without other programs the app's own count never reaches into the reserve, whatever the
    /// order of starts, responses, lost responses and crashes.
    #[test]
    fn the_reserve_is_never_touched((rules, limit) in rules(), steps in steps()) {
        let mut world = World::new(rules, limit);
        for step in steps.iter().filter(|step| !matches!(step, Step::Others(_))) {
            world.step(step);
            prop_assert!(world.count() <= rules.spendable(limit), "{} calls", world.count());
        }
        world.reopen()?;
    }

    /// With other programs our calls, and those of others that a report told of, never reach into
    /// the reserve when a call starts, over many periods and crashes.
    #[test]
    fn what_is_known_to_be_spent_is_never_spent_again((rules, limit) in rules(), steps in steps()) {
        let rules = Rules { count_reported: true, ..rules };
        let mut world = World::new(rules, limit);
        for step in &steps {
            let calls = world.calls.len();
            world.step(step);
            if world.calls.len() > calls {
                let spent = world.known_to_be_spent() as u64;
                prop_assert!(spent <= rules.spendable(limit), "{spent} of {}", rules.spendable(limit));
            }
        }
        world.reopen()?;
    }

    /// With other programs no call starts when the last report and our calls since have reached
    /// the reserve. (Within one period, so that nothing leaves it.)
    #[test]
    fn no_call_starts_past_what_was_reported((rules, limit) in rules(), steps in steps()) {
        let rules = Rules { count_reported: true, ..rules };
        let mut world = World::new(rules, limit);
        for step in steps {
            match step {
                Step::Wait(time) => world.now = (world.now + time / 50).min(BASE + PERIOD - 1),
                Step::Start => {
                    let known = world.last_report.map(|(used, taken)| {
                        let since = world.calls.iter().filter(|call| call.started > taken).count();
                        used + world.unreported + since as u64
                    });
                    if world.start().is_ok() {
                        prop_assert!(known.is_none_or(|known| known < rules.spendable(limit)));
                        prop_assert!(known.is_some() || world.calls.len() == 1, "two unknowing calls");
                    }
                }
                Step::Count(call) if !world.calls.is_empty() => {
                    world.see(call.index(world.calls.len()));
                }
                Step::End(call, header) if !world.calls.is_empty() => {
                    world.end(call.index(world.calls.len()), header);
                }
                Step::Others(calls) => world.count_others(calls),
                _ => {}
            }
        }
        world.reopen()?;
    }

    /// No figure of a header and no clock makes the arithmetic overflow or the wait empty.
    #[test]
    fn extreme_figures_are_harmless(
        calls in prop::collection::vec((any::<i64>(), any::<i64>(), any::<Option<(u64, Option<u64>, Option<i64>)>>()), 1..40),
        reserve in any::<u32>(), period in 1..i64::MAX, fixed in any::<bool>(), fixed_limit in any::<Option<u64>>()
    ) {
        let rules = Rules { period, fixed, reserve, count_own: true, count_reported: true, fixed_limit };
        let mut ledger = Ledger::new(rules, 0, QuotaSnapshot::default(), Vec::new());
        for (start, end, reading) in calls {
            ledger.stored(8, &[]);
            let started = ledger.start(start, ONE);
            if let Err(closed) = started {
                prop_assert!(closed.until > start || start == i64::MAX);
            } else {
                let reading = reading.map(|(used, limit, reset)| Reading { used, limit, reset });
                ledger.end((start, end), (1, 1), reading);
            }
        }
    }
}
