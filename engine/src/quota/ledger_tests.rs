//! The ledger, case by case.

use super::*;

const BASE: i64 = 1_780_000_000_000;
const PERIOD: i64 = 60_000;
/// What a usual call spends.
const ONE: Spending = Spending { cost: 1, held_back: 0 };

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
    let (snapshot, buckets) = ledger.snapshot(0);
    let mut ledger = Ledger::new(ledger.rules, BASE + 100, snapshot, buckets);
    ledger.stored(u64::MAX, &[]);
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
