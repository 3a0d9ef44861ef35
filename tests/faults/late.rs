//! Data that comes late, twice, or in a shape nobody expects.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use longshore_engine::poll::StreamReport;
use longshore_simulator::salesforce::{Config, EventMonitoring, Events, LogRows, Moment, Volume};

use crate::support::compare::{Row, assert_rows, assert_same, events, ids, rows};
use crate::support::{Tenant, noon, small};

fn minutes_before_noon(minutes: i64) -> Timestamp {
    noon().checked_sub(SignedDuration::from_mins(minutes)).unwrap()
}

fn of<'r>(reports: &'r [StreamReport], stream: &str) -> &'r StreamReport {
    reports.iter().find(|report| report.stream == stream).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_poll_delivers_what_is_new() {
    let tenant = Tenant::start(small()).await;
    tenant.completes().await;
    let again = tenant.completes().await;
    assert!(again.iter().all(|report| report.delivered == 0), "{again:?}");
    let mut delivered = 0;
    for _ in 0..5 {
        tenant.advance(7200).await;
        let reports = tenant.completes().await;
        delivered += reports.iter().map(|report| report.delivered).sum::<u64>();
    }
    assert!(delivered > 50, "{delivered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_sign_ins_and_changes() {
    let tenant = Tenant::start(small()).await;
    tenant.completes().await;
    tenant.advance(300).await;
    let late = vec![
        Moment { time: minutes_before_noon(4), count: 2 },
        Moment { time: minutes_before_noon(1), count: 1 },
    ];
    let events = Events { sign_ins: late.clone(), setup_audit: late, ..Events::default() };
    let added = tenant.org.add_events(&events).unwrap();
    assert_eq!((added.sign_ins.len(), added.setup_audit.len()), (3, 3));
    let reports = tenant.completes().await;
    for stream in ["sign_ins", "setup_audit_trail"] {
        assert!(of(&reports, stream).delivered >= 3, "{stream}");
    }
    let reports = tenant.completes().await;
    assert!(reports.iter().all(|report| report.delivered == 0));
}

/// The overlap is what the manifest promises to look back, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_later_than_the_overlap_are_not_seen() {
    let tenant = Tenant::start(small()).await;
    tenant.completes().await;
    let before = tenant.org.truth().sign_ins.ids;
    let late = vec![Moment { time: minutes_before_noon(30), count: 1 }];
    tenant.org.add_events(&Events { sign_ins: late, ..Events::default() }).unwrap();
    tenant.poll().await;
    assert_same("sign_ins", &before, &ids(&events(&tenant.events(), "sign_ins")));
    assert_eq!(tenant.org.truth().sign_ins.count, before.len() + 1);
}

fn late_rows(hours: i64) -> Events {
    let time = minutes_before_noon(60 * hours);
    let log_rows = vec![
        LogRows { event_type: "Login".to_owned(), time, rows: 4 },
        LogRows { event_type: "Report".to_owned(), time, rows: 3 },
    ];
    Events { log_rows, ..Events::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_log_file_for_an_hour() {
    let tenant = Tenant::start(small()).await;
    tenant.completes().await;
    tenant.advance(600).await;
    // Two days old, far behind the watermark; but the file is new.
    tenant.org.add_events(&late_rows(50)).unwrap();
    tenant.advance(600).await;
    let reports = tenant.completes().await;
    assert!(of(&reports, "event_log").delivered >= 7);
    let again = tenant.completes().await;
    assert_eq!(of(&again, "event_log").delivered, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_daily_file() {
    let config = Config { event_monitoring: EventMonitoring::Daily, ..small() };
    let tenant = Tenant::start(config).await;
    tenant.completes().await;
    tenant.advance(600).await;
    let before = tenant.org.truth().log.daily_rows;
    tenant.org.add_events(&late_rows(50)).unwrap();
    tenant.advance(600).await;
    let added = tenant.org.truth().log.daily_rows - before;
    assert_eq!(added, 7);
    let reports = tenant.completes().await;
    let log = of(&reports, "event_log");
    assert_eq!(log.delivered, 7, "only what is new");
    assert!(log.duplicates > 7, "the rest of the file is known");
    // And again, days later, while the manifest still remembers the rows.
    tenant.advance(3 * 86_400).await;
    tenant.completes().await;
    tenant.org.add_events(&late_rows(50)).unwrap();
    tenant.advance(600).await;
    let reports = tenant.completes().await;
    assert!(of(&reports, "event_log").delivered >= 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_and_ragged_rows() {
    for event_monitoring in [EventMonitoring::Hourly, EventMonitoring::Daily] {
        let config = Config {
            identical_log_rows: true,
            ragged_log_rows: true,
            event_monitoring,
            volume: Volume { log_rows_per_file: 30, days: 3, ..small().volume },
            ..small()
        };
        let tenant = Tenant::start(config).await;
        let truth = tenant.org.truth();
        let all = rows(&tenant.org, &truth, |_| true);
        let distinct: BTreeSet<_> = all.iter().collect();
        assert!(distinct.len() < all.len(), "the org has no identical rows");
        let reports: Vec<_> = all.iter().filter(|row| row["EVENT_TYPE"] == "Report").collect();
        let ragged = reports.iter().map(|row| row.len()).collect::<BTreeSet<_>>();
        assert_eq!(ragged.len(), 2, "the org has no ragged rows");
        for odd in ["\n", "\"", ","] {
            let holds = |row: &&Row| row.values().any(|v| v.contains(odd));
            assert!(all.iter().any(|row| holds(&row)), "no row holds {odd:?}");
        }
        tenant.completes().await;
        let again = tenant.completes().await;
        assert_eq!(of(&again, "event_log").delivered, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_with_a_day_of_history() {
    let config = Config { event_monitoring: EventMonitoring::Free, ..small() };
    let tenant = Tenant::start(config).await;
    let reports = tenant.poll().await;
    let log = of(&reports, "event_log");
    assert!(reports.iter().all(|report| report.error.is_none()), "{reports:?}");
    let from = log.from.unwrap();
    assert_eq!(tenant.clock.now().duration_since(from), SignedDuration::from_hours(48));
    let truth = tenant.org.truth();
    let due = rows(&tenant.org, &truth, |created| created >= from);
    assert_rows(&due, &events(&tenant.events(), "event_log"));
    // Day after day: each day's files, before they are gone. One that is replaced shows its rows
    // again.
    let mut all: BTreeSet<_> = due.into_iter().collect();
    for _ in 0..4 {
        tenant.advance(43_200).await;
        let reports = tenant.poll().await;
        assert!(reports.iter().all(|report| report.error.is_none() && report.gaps == 0));
        let since =
            tenant.org.clock().now().checked_sub(SignedDuration::from_secs(43_200)).unwrap();
        all.extend(rows(&tenant.org, &tenant.org.truth(), |created| created > since));
    }
    let all: Vec<_> = all.into_iter().collect();
    assert_rows(&all, &events(&tenant.events(), "event_log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_silence_is_a_gap_that_is_told() {
    let tenant = Tenant::start(small()).await;
    tenant.completes().await;
    tenant.told();
    tenant.advance(35 * 86_400).await;
    let reports = tenant.poll().await;
    let log = of(&reports, "event_log");
    assert!(log.error.is_none(), "{:?}", log.error);
    assert_eq!(log.gaps, 1);
    let warnings = tenant.warnings();
    assert!(warnings.iter().any(|text| text.contains("DATA_GAP")), "{warnings:?}");
}
