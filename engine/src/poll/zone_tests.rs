use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

#[test]
fn an_hour_occurs_twice_when_clocks_are_set_back() {
    let (start, end) = (at("2026-10-25T00:00:00Z"), at("2026-10-25T02:00:00Z"));
    for time in ["2026-10-25T00:00:00Z", "2026-10-25T00:59:59Z", "2026-10-25T01:59:59.999Z"] {
        assert_eq!(fold(&berlin(), at(time)), Some(Range { start, end }), "{time}");
    }
    for time in ["2026-10-24T23:59:59.999Z", "2026-10-25T02:00:00Z", "2026-03-29T01:00:00Z"] {
        assert_eq!(fold(&berlin(), at(time)), None, "{time}");
    }
    assert_eq!(fold(&TimeZone::fixed(jiff::tz::offset(2)), start), None);
}

#[test]
fn days_begin_at_midnight_in_the_zone() {
    for (time, step, expected) in [
        ("2026-10-01T10:20:00Z", 24 * HOUR, "2026-09-30T22:00:00Z"),
        // The days on which clocks are set.
        ("2026-10-25T22:59:59Z", 24 * HOUR, "2026-10-24T22:00:00Z"),
        ("2026-10-25T23:00:00Z", 24 * HOUR, "2026-10-25T23:00:00Z"),
        ("2026-03-29T21:59:59Z", 24 * HOUR, "2026-03-28T23:00:00Z"),
        // An hour of two that have the same name is an hour of its own.
        ("2026-10-25T00:20:00Z", HOUR, "2026-10-25T00:00:00Z"),
        ("2026-10-25T01:20:00Z", HOUR, "2026-10-25T01:00:00Z"),
        // An hour that does not begin: the clock goes from two to three.
        ("2026-03-29T01:20:00Z", 2 * HOUR, "2026-03-29T01:00:00Z"),
    ] {
        assert_eq!(floor(&berlin(), at(time), step), at(expected), "{time}");
    }
    let day = Range { start: at("2026-03-28T23:00:00Z"), end: at("2026-03-29T22:00:00Z") };
    assert_eq!(length(&berlin(), day), 24 * HOUR);
}

/// Zones whose clocks are set by an hour, by half an hour, by two hours, at midnight, never.
fn zones() -> impl Strategy<Value = TimeZone> {
    let zones = [
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",
        "CST5CDT,M3.2.0/0,M11.1.0/1",
        "AAA3BBB,M10.3.0/0,M2.3.0/0",
        "IST-5:30",
    ];
    prop::sample::select(zones.map(|text| TimeZone::posix(text).unwrap()).to_vec())
}

/// Times of ten years, most of them near to where a clock is set.
fn times() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    let time = (zones(), 1_700_000_000_000..2_015_000_000_000_i64, -5 * HOUR..5 * HOUR);
    (time, 0..3_u8).prop_map(|((zone, time, beside), kind)| {
        let time = Timestamp::from_millisecond(time).unwrap();
        let change = zone.following(time).next().filter(|_| kind > 0);
        let near = change.map(|change| change.timestamp().as_millisecond() + beside);
        let time = near.map_or(time, |near| Timestamp::from_millisecond(near).unwrap());
        (zone, time)
    })
}

proptest! {
    #![proptest_config(crate::properties::cases(2000))]

    /// Exactly the instants of a fold have another one with the same local time, which is in it.
    #[test]
    fn what_occurs_twice_is_in_a_fold((zone, time) in times()) {
        let local = zone.to_datetime(time);
        let meant = zone.to_ambiguous_timestamp(local);
        let (first, second) = (meant.earlier().unwrap(), meant.later().unwrap());
        prop_assert!(first == time || second == time, "an instant is lost");
        match fold(&zone, time) {
            None => prop_assert_eq!(first, second),
            Some(fold) => {
                prop_assert!(first < second);
                prop_assert!(fold.start <= first && second < fold.end);
                prop_assert!(zone.to_datetime(fold.start) > zone.to_datetime(earlier(fold.start)));
                for end in [fold.start, earlier(fold.end)] {
                    prop_assert_eq!(super::fold(&zone, end), Some(fold));
                }
                for outside in [earlier(fold.start), fold.end] {
                    prop_assert_eq!(super::fold(&zone, outside), None);
                }
            }
        }
    }

    /// Later times are never rounded to earlier ones, and what is rounded stays where it is.
    #[test]
    fn rounding_keeps_the_order((zone, time) in times(), by in 0..30 * HOUR, step in 0..6_usize) {
        let step = [1, 1000, 60_000, 900_000, HOUR, 24 * HOUR][step];
        let later = Timestamp::from_millisecond(time.as_millisecond() + by).unwrap();
        let rounded = floor(&zone, time, step);
        prop_assert!(rounded <= time && rounded <= floor(&zone, later, step));
        prop_assert_eq!(floor(&zone, rounded, step), rounded);
        // Twice a step is the longest that a day or an hour can be.
        prop_assert!(time.as_millisecond() - rounded.as_millisecond() < step * 2 + 2 * HOUR);
    }

    /// What the clock on the wall shows grows, but where clocks are set back.
    #[test]
    fn local_times_are_in_order_outside_of_folds((zone, time) in times(), by in 1..30 * HOUR) {
        let later = Timestamp::from_millisecond(time.as_millisecond() + by).unwrap();
        if fold(&zone, time).is_none() || fold(&zone, later).is_none() {
            prop_assert!(zone.to_datetime(time) < zone.to_datetime(later));
        }
    }
}

fn earlier(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond() - 1).unwrap()
}
