use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn quota(headers: QuotaHeaders, fixed_limit: Option<u64>) -> QuotaConfig {
    QuotaConfig {
        name: "requests".to_owned(),
        reserve: 1000,
        period: Duration::from_secs(3600),
        fixed: true,
        headers: Some(UsageHeaders::Several(headers)),
        body: None,
        resource: None,
        count_own: true,
        count_reported: true,
        fixed_limit,
        streams: None,
    }
}

fn all(unit: TimeUnit) -> QuotaHeaders {
    let name = |name: &str| Some(name.to_owned());
    QuotaHeaders {
        limit: name("Limit"),
        remaining: name("Remaining"),
        used: name("Used"),
        reset: Some(("Reset".to_owned(), unit)),
    }
}

fn read(quota: &QuotaConfig, answer: &[(&str, &str)]) -> Result<Reading, Unread> {
    let headers = quota.headers.as_ref().unwrap();
    let value =
        |name: &str| answer.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    headers.read(value, quota, noon())
}

#[test]
fn a_header_is_read_by_its_named_groups() {
    let header = QuotaHeader {
        name: "Limit-Info".to_owned(),
        pattern: Regex::new(r"(?:^|;\s*)usage=(?<used>\d+)/(?<limit>\d+)").unwrap(),
    };
    let read = |value| header.read(value, None).map(|reading| (reading.used, reading.limit));
    assert_eq!(read("usage=18/5000"), Some((18, Some(5000))));
    assert_eq!(read("per-app=1/2; usage=110018/100000; x=1"), Some((110_018, Some(100_000))));
    assert_eq!(read("usage=99999999999999999999/3"), Some((u64::MAX, Some(3))));
    assert_eq!(read("usage=many/5000"), None);
    assert_eq!(read(""), None);
    let remaining = QuotaHeader {
        name: "Left".to_owned(),
        pattern: Regex::new(r"(?<remaining>\S+) left").unwrap(),
    };
    let read =
        |value| remaining.read(value, Some(100)).map(|reading| (reading.used, reading.limit));
    assert_eq!(read("30 left"), Some((70, None)));
    assert_eq!(read("130 left"), Some((0, None)));
    assert_eq!(read("-3 left"), None);
    assert_eq!(remaining.read("30 left", None), None);
}

#[test]
fn separate_headers_are_read_by_name_and_the_stricter_number_counts() {
    let quota_of = |headers| quota(headers, None);
    let answer = [("Limit", "100"), ("Remaining", " 30"), ("Used", "60"), ("Reset", "600")];
    let reading = Reading { used: 70, limit: Some(100), reset: Some(600_000) };
    assert_eq!(read(&quota_of(all(TimeUnit::Seconds)), &answer), Ok(reading));
    let without_left = QuotaHeaders { remaining: None, ..all(TimeUnit::Seconds) };
    let reading = Reading { used: 60, ..reading };
    assert_eq!(read(&quota_of(without_left), &answer), Ok(reading));
    let agreed = QuotaHeaders { limit: None, used: None, ..all(TimeUnit::Seconds) };
    let reading = Reading { used: 20, limit: None, ..reading };
    assert_eq!(read(&quota(agreed, Some(50)), &answer), Ok(reading));
    let missing = Err(Unread::Missing { header: "Used".to_owned() });
    assert_eq!(read(&quota_of(all(TimeUnit::Seconds)), &[answer[0], answer[1]]), missing);
    let wrong = [("Limit", "100, 100;w=60"), answer[1], answer[2], answer[3]];
    let fault = read(&quota_of(all(TimeUnit::Seconds)), &wrong).unwrap_err();
    assert_eq!(fault, unreadable("Limit", wrong[0].1, Unreadable::Number));
}

#[test]
fn a_reset_is_read_in_its_unit_and_by_the_clock_of_the_app() {
    let wait = |unit, value, date: Option<&str>| {
        let mut answer = vec![("Limit", "9"), ("Remaining", "9"), ("Used", "0"), ("Reset", value)];
        answer.extend(date.map(|date| ("Date", date)));
        read(&quota(all(unit), None), &answer).map(|reading| reading.reset.unwrap())
    };
    assert_eq!(wait(TimeUnit::Seconds, "0", None), Ok(0));
    assert_eq!(wait(TimeUnit::EpochSeconds, "1772366460", None), Ok(60_000));
    assert_eq!(wait(TimeUnit::EpochMilliseconds, "1772366460500", None), Ok(60_500));
    assert_eq!(wait(TimeUnit::HttpDate, "Sun, 01 Mar 2026 12:01:00 GMT", None), Ok(60_000));
    let slow = Some("Sun, 01 Mar 2026 11:30:00 GMT");
    assert_eq!(wait(TimeUnit::EpochSeconds, "1772366460", slow), Ok(1_860_000));
    assert_eq!(wait(TimeUnit::EpochSeconds, "1772366399", None), Ok(-1000));
    for (unit, value) in [
        (TimeUnit::Seconds, "1772366460"),
        (TimeUnit::EpochSeconds, "60"),
        (TimeUnit::EpochSeconds, "1772366460500"),
        (TimeUnit::EpochMilliseconds, "1772366460"),
        (TimeUnit::HttpDate, "1772366460"),
        (TimeUnit::Seconds, "99999999999999999999999999"),
        (TimeUnit::Seconds, "soon"),
        (TimeUnit::Seconds, ""),
    ] {
        let fault = Err(unreadable("Reset", value, Unreadable::Reset));
        assert_eq!(wait(unit, value, None), fault, "{unit:?} {value}");
    }
}

proptest! {
    /// Whatever an app writes, a reset that is taken for one lies within a period.
    #[test]
    fn no_value_gives_a_reset_out_of_reach(
        value in "[0-9]{0,25}|\\PC{0,40}", date in proptest::option::of("\\PC{0,40}"), unit in 0..4_usize,
    ) {
        let unit = [
            TimeUnit::EpochSeconds,
            TimeUnit::EpochMilliseconds,
            TimeUnit::Seconds,
            TimeUnit::HttpDate,
        ][unit];
        let mut answer = vec![("Limit", "9"), ("Remaining", value.as_str()), ("Used", "1"), ("Reset", value.as_str())];
        answer.extend(date.as_deref().map(|date| ("Date", date)));
        if let Ok(reading) = read(&quota(all(unit), None), &answer) {
            prop_assert!(reading.reset.unwrap().abs() <= 3_660_000);
        }
    }
}
