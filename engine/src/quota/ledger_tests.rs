//! The ledger against a model of an app that counts truly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

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
    /// The usage and the wait for the reset that the app reported, once it has seen the call.
    seen: Option<(u64, i64)>,
}

/// The app, our ledger and what is stored of it.
struct World {
    now: i64,
    limit: u64,
    counted: Vec<i64>,
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
            limit,
            counted: Vec::new(),
            period_ends: BASE,
            calls: Vec::new(),
            ledger: Ledger::new(rules, BASE, QuotaSnapshot::default(), Vec::new()),
            stored: (QuotaSnapshot::default(), BTreeMap::new()),
            last_report: None,
            unreported: 0,
        }
    }

    /// Calls of the last or present period, as the app counts them.
    fn count(&self) -> u64 {
        let since = match self.ledger.rules.fixed {
            true if self.now >= self.period_ends => return 0,
            true => self.period_ends - PERIOD,
            false => self.now - PERIOD + 1,
        };
        self.counted.iter().filter(|at| **at >= since).count() as u64
    }

    /// Calls of other programs or ours reach the app; the first one of a fixed period starts it.
    fn count_in(&mut self, calls: u64) {
        if calls > 0 && self.now >= self.period_ends {
            self.period_ends = self.now + PERIOD;
        }
        let now = self.now;
        self.counted.extend((0..calls).map(|_| now));
    }

    fn start(&mut self) -> Result<(), Closed> {
        if self.ledger.start(self.now, ONE)? == Start::StoreFirst {
            let prepaid = self.ledger.advance_payment(1);
            let (snapshot, buckets) = self.ledger.snapshot(prepaid);
            self.ledger.stored(prepaid, &buckets);
            self.stored.0 = snapshot;
            self.stored.1.extend(buckets.into_iter().map(|bucket| (bucket.ends, bucket)));
            assert_eq!(self.ledger.start(self.now, ONE)?, Start::Allowed);
        }
        self.calls.push(Call { started: self.now, seen: None });
        Ok(())
    }

    fn see(&mut self, call: usize) {
        if self.calls[call].seen.is_none() {
            self.count_in(1);
            // Told in whole seconds, rounded down or up.
            let exact = self.period_ends - self.now;
            let rounded = exact.div_euclid(1000) + exact % 2;
            self.calls[call].seen = Some((self.count(), rounded * 1000));
        }
    }

    fn end(&mut self, call: usize, header: bool) {
        // Nothing can be promised to a limit that was never told.
        let header = header || self.ledger.limit.is_none();
        if header {
            self.see(call);
        }
        let Call { started, seen } = self.calls.swap_remove(call);
        let seen = seen.filter(|_| header);
        let reading =
            seen.map(|(used, wait)| Reading { used, limit: Some(self.limit), reset: Some(wait) });
        self.ledger.end((started, self.now), (1, 1), reading);
        match seen {
            Some((used, _)) => {
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
        let buckets = self.stored.1.values().copied().filter(|b| b.ends > self.now - PERIOD);
        let buckets = buckets.collect();
        self.ledger = Ledger::new(self.ledger.rules, self.now, self.stored.0.clone(), buckets);
    }

    /// Follows the times the ledger names until it opens.
    fn reopen(&mut self) -> Result<(), TestCaseError> {
        while let Some(last) = self.calls.len().checked_sub(1) {
            self.end(last, false);
        }
        let mut asked = 0;
        while let Err(closed) = self.start() {
            prop_assert!(closed.until > self.now, "{closed:?} is not in the future");
            prop_assert!(closed.until <= self.now + PERIOD + 2000, "{closed:?} at {}", self.now);
            self.now = closed.until;
            asked += 1;
            prop_assert!(asked < 200, "still {closed:?}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Without other programs the app's own count never reaches into the reserve, whatever the
    /// order of starts, responses, lost responses and crashes.
    #[test]
    fn the_reserve_is_never_touched((rules, limit) in rules(), steps in steps()) {
        let mut world = World::new(rules, limit);
        for step in steps {
            match step {
                Step::Wait(time) => world.now += time,
                Step::Start => drop(world.start()),
                Step::Count(call) if !world.calls.is_empty() => {
                    world.see(call.index(world.calls.len()));
                }
                Step::End(call, header) if !world.calls.is_empty() => {
                    world.end(call.index(world.calls.len()), header);
                }
                Step::Crash => world.crash(),
                _ => {}
            }
            prop_assert!(world.count() <= rules.spendable(limit), "{} calls", world.count());
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
                Step::Others(calls) => world.count_in(calls),
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

fn ledger(limit: u64) -> Ledger {
    let rules = Rules {
        period: PERIOD,
        fixed: false,
        reserve: 1000,
        count_own: false,
        count_reported: true,
        fixed_limit: None,
    };
    let mut ledger = Ledger::new(rules, BASE, QuotaSnapshot::default(), Vec::new());
    ledger.stored(u64::MAX, &[]);
    assert_eq!(ledger.start(BASE, ONE), Ok(Start::Allowed));
    ledger.end(
        (BASE, BASE + 10),
        (1, 1),
        Some(Reading { used: 1, limit: Some(limit), reset: None }),
    );
    ledger
}

fn report(used: u64) -> Reading {
    Reading { used, limit: Some(100), reset: None }
}

#[test]
fn the_reserve_is_rounded_up() {
    let rules = |reserve| Rules { reserve, ..ledger(100).rules };
    assert_eq!(rules(1000).reserved(15_000), 1500);
    assert_eq!(rules(1000).reserved(5), 1);
    assert_eq!(rules(1).reserved(1), 1);
    assert_eq!(rules(0).reserved(u64::MAX), 0);
    assert_eq!(rules(10_000).reserved(u64::MAX), u64::MAX);
    assert_eq!(rules(u32::MAX).reserved(7), 7);
}

#[test]
fn a_late_response_with_an_older_figure_does_not_lower_the_estimate() {
    let mut ledger = ledger(100);
    for start in [20, 21] {
        assert_eq!(ledger.start(BASE + start, ONE), Ok(Start::Allowed));
    }
    ledger.end((BASE + 21, BASE + 30), (1, 1), Some(report(50)));
    ledger.end((BASE + 20, BASE + 40), (1, 1), Some(report(2)));
    assert_eq!(ledger.reported_use(), 50);
    // A call that started after both were taken knows better.
    assert_eq!(ledger.start(BASE + 50, ONE), Ok(Start::Allowed));
    ledger.end((BASE + 50, BASE + 60), (1, 1), Some(report(7)));
    assert_eq!(ledger.reported_use(), 7);
}

#[test]
fn calls_without_a_header_are_added_until_a_report_contains_them() {
    let mut ledger = ledger(100);
    for _ in 0..3 {
        assert_eq!(ledger.start(BASE + 20, ONE), Ok(Start::Allowed));
    }
    ledger.end((BASE + 20, BASE + 30), (1, 1), None);
    ledger.end((BASE + 20, BASE + 30), (1, 1), None);
    assert_eq!(ledger.reported_use(), 1 + 2 + 1);
    // This one started before the others ended: it may not contain them.
    ledger.end((BASE + 20, BASE + 40), (1, 1), Some(report(5)));
    assert_eq!(ledger.reported_use(), 5 + 2);
    assert_eq!(ledger.start(BASE + 5000, ONE), Ok(Start::Allowed));
    ledger.end((BASE + 5000, BASE + 5010), (1, 1), Some(report(6)));
    assert_eq!(ledger.reported_use(), 6);
}

#[test]
fn usage_of_others_past_the_limit_closes_until_it_can_be_learned_anew() {
    let mut ledger = ledger(100);
    assert_eq!(ledger.start(BASE + 20, ONE), Ok(Start::Allowed));
    ledger.end((BASE + 20, BASE + 30), (1, 1), Some(report(250)));
    let closed = ledger.start(BASE + 40, ONE).unwrap_err();
    // Not before our own calls are gone, which stay until their bucket is.
    let until = BASE + 1000 + PERIOD;
    let expected = Closed { until, reason: Reason::Reported, used: 250, limit: Some(100), own: 2 };
    assert_eq!(closed, expected);
    assert!(ledger.start(until - 1, ONE).is_err());
    assert_eq!(ledger.start(until, ONE), Ok(Start::Allowed));
    assert_eq!(ledger.start(until, ONE).unwrap_err().reason, Reason::AwaitingFirstReport);
}

#[test]
fn our_own_calls_leaving_the_period_make_room() {
    let mut ledger = ledger(100);
    for used in 2..=90 {
        let at = BASE + 10_000 + used as i64;
        assert_eq!(ledger.start(at, ONE), Ok(Start::Allowed));
        ledger.end((at, at), (1, 1), Some(report(used)));
    }
    // A report of a call that started after all of them ended for certain.
    let closed = ledger.start(BASE + 20_000, ONE).unwrap_err();
    assert_eq!((closed.used, closed.reason), (90, Reason::Reported));
    // The first call left the bucket that ended a second after it, a period later.
    assert_eq!(closed.until, BASE + 1000 + PERIOD);
    assert_eq!(ledger.start(closed.until, ONE), Ok(Start::Allowed));
}

#[test]
fn a_clock_that_was_wrong_closes_for_one_period_at_most() {
    let mut ledger = ledger(100);
    let year = BASE + 365 * 86_400_000;
    assert_eq!(ledger.start(year, ONE), Ok(Start::Allowed));
    ledger.end((year, year), (1, 1), Some(report(95)));
    let closed = ledger.start(BASE + 100, ONE).unwrap_err();
    assert!(closed.until <= BASE + 100 + PERIOD + 2000, "{closed:?}");
    assert_eq!(ledger.start(closed.until, ONE), Ok(Start::Allowed));
}

/// A ledger of a fixed period whose first call told that it ends 30 seconds after [`BASE`].
fn fixed_ledger(used: u64) -> Ledger {
    let rules = Rules { count_own: true, fixed: true, ..ledger(100).rules };
    let mut ledger = Ledger::new(rules, BASE, QuotaSnapshot::default(), Vec::new());
    ledger.stored(u64::MAX, &[]);
    assert_eq!(ledger.start(BASE, ONE), Ok(Start::Allowed));
    ledger.end((BASE, BASE + 10), (1, 1), Some(Reading { reset: Some(30_000), ..report(used) }));
    ledger
}

#[test]
fn a_fixed_period_opens_at_its_reset() {
    let mut ledger = fixed_ledger(90);
    let closed = ledger.start(BASE + 20, ONE).unwrap_err();
    // Half a minute after the response came, and the second to which a reset is told.
    let until = BASE + 10 + 30_000 + 1000;
    let expected = Closed { until, reason: Reason::Reported, used: 90, limit: Some(100), own: 1 };
    assert_eq!(closed, expected);
    assert!(ledger.start(until - 1, ONE).is_err());
    assert_eq!(ledger.start(until, ONE), Ok(Start::Allowed));
    assert_eq!(ledger.own(), 1);
    assert_eq!(ledger.start(until, ONE).unwrap_err().reason, Reason::AwaitingFirstReport);
    ledger.end((until, until + 10), (1, 1), Some(Reading { reset: Some(59_990), ..report(1) }));
    assert_eq!(ledger.start(until + 20, ONE), Ok(Start::Allowed));
}

#[test]
fn a_call_that_ended_around_the_reset_counts_for_both_periods() {
    let mut ledger = fixed_ledger(5);
    for at in [10_000, 29_900] {
        assert_eq!(ledger.start(BASE + at, ONE), Ok(Start::Allowed));
        ledger.end((BASE + at, BASE + at), (1, 1), None);
    }
    assert_eq!((ledger.own(), ledger.reported_use()), (3, 7));
    // The next answer is of a new period already.
    assert_eq!(ledger.start(BASE + 30_200, ONE), Ok(Start::Allowed));
    let next = Reading { reset: Some(60_000), ..report(1) };
    ledger.end((BASE + 30_200, BASE + 30_300), (1, 1), Some(next));
    // What ended long before the reset is gone, what ended right before it is not.
    assert_eq!((ledger.own(), ledger.reported_use()), (2, 1));
}

#[test]
fn a_late_answer_about_the_period_before_changes_nothing() {
    let mut ledger = fixed_ledger(80);
    assert_eq!(ledger.start(BASE + 29_000, ONE), Ok(Start::Allowed));
    assert_eq!(ledger.start(BASE + 30_500, ONE), Ok(Start::Allowed));
    ledger.end(
        (BASE + 30_500, BASE + 30_600),
        (1, 1),
        Some(Reading { reset: Some(60_000), ..report(1) }),
    );
    ledger.end(
        (BASE + 29_000, BASE + 31_700),
        (1, 1),
        Some(Reading { reset: Some(1000), ..report(89) }),
    );
    assert_eq!(ledger.reported_use(), 1);
}

#[test]
fn a_reset_survives_a_restart() {
    let ledger = fixed_ledger(90);
    let (snapshot, buckets) = ledger.snapshot(0);
    let text = serde_json::to_string(&snapshot).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    let mut again = Ledger::new(ledger.rules, BASE + 50, snapshot, buckets);
    assert_eq!(again.start(BASE + 50, ONE).unwrap_err().until, BASE + 31_010);
}
