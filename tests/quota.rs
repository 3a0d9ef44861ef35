//! The last tenth of an org's API budget belongs to others, whatever the streams do.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use longshore_engine::clock::Clock;
use longshore_engine::poll::{Limits, Progress};
use longshore_simulator::salesforce::{Config, LimitHeader, Running};
use support::{Tenant, noon, small};

/// An org and an engine that live by the same clock.
async fn together(config: Config) -> Tenant {
    let mut tenant = Tenant::start(config).await;
    tenant.clock = Clock::manual(noon());
    tenant
}

/// All streams may spend all that can be spent: nothing is held back for the urgent ones.
fn equally_urgent(tenant: Tenant) -> Tenant {
    let urgent = |tenant: Tenant, provides: &str| {
        let from = format!("    provides: {provides}\n");
        let to = format!("{from}    priority: high\n");
        tenant.edit(&from, &to)
    };
    urgent(urgent(tenant, "user_activity"), "users")
}

/// Before each request the org's clock is where the engine's is.
fn follow(org: &Running, clock: &Clock, progress: &Progress) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if matches!(progress, Progress::Request) {
        // Two that set it at once could set it back.
        let _turn = ONE_AT_A_TIME.lock().unwrap();
        org.clock().set(clock.now().max(org.clock().now()));
    }
}

/// The pauses that are longer than a moment.
fn pauses(tenant: &Tenant) -> Vec<(Timestamp, String)> {
    let told = tenant.told();
    told.into_iter()
        .filter_map(|(_, progress)| match progress {
            Progress::Paused { until, reason } => Some((until, reason)),
            _ => None,
        })
        .collect()
}

/// Other apps spend nothing any more, and with the days everything is read: the org goes on
/// meanwhile, and stands still in the end.
async fn catches_up(tenant: &Tenant) {
    tenant.org.set_others_usage(0);
    let behind = tenant.clock.now().duration_since(tenant.org.clock().now());
    tenant.org.clock().advance(behind);
    for _ in 0..3 {
        tenant.advance(25 * 3600).await;
        let (org, clock) = (Arc::clone(&tenant.org), tenant.clock.clone());
        let runner = tenant.open_watched(move |progress| follow(&org, &clock, progress));
        for report in tenant.poll_runner(&runner, &[]).await {
            assert!(report.error.is_none(), "{:?}", report.error);
        }
    }
    tenant.advance(25 * 3600).await;
    tenant.clock.sleep(Duration::from_secs(120)).await;
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reserve_is_kept_to_the_last_call() {
    // Of 400 requests 40 are never spent, and others have spent 250.
    for limit_header in [LimitHeader::Plain, LimitHeader::PerApp, LimitHeader::Bursts] {
        let tenant = together(Config {
            daily_api_requests: 400,
            api_requests_used: 250,
            limit_header,
            ..small()
        })
        .await;
        let tenant = equally_urgent(tenant);
        let (org, clock) = (Arc::clone(&tenant.org), tenant.clock.clone());
        let runner = tenant.open_watched(move |progress| follow(&org, &clock, progress));
        let reports = tenant.poll_runner(&runner, &[]).await;
        drop(runner);

        for report in &reports {
            assert!(report.error.is_none(), "{:?}", report.error);
        }
        let usage = tenant.org.truth().usage;
        assert!(usage.peak <= 360, "{} of 360 were spent", usage.peak);
        assert!(usage.peak >= 350, "only {} of 360 were spent", usage.peak);
        assert_eq!(usage.refused, 0);
        let pauses = pauses(&tenant);
        let long: Vec<_> = pauses.iter().filter(|(until, _)| *until > noon()).collect();
        assert!(!long.is_empty(), "it never paused");
        for (until, reason) in long {
            assert!(reason.contains(&format!("paused until {until:.0}")), "{reason}");
            assert!(reason.contains("of 400 spent") && reason.contains("40 reserved"), "{reason}");
        }
        let waited = tenant.clock.now().duration_since(noon());
        assert!(waited > SignedDuration::from_hours(24), "{waited}");
        catches_up(&tenant).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_apps_that_spend_stop_us_until_they_spend_less() {
    let tenant =
        together(Config { daily_api_requests: 1000, api_requests_used: 100, ..small() }).await;
    let (org, clock) = (Arc::clone(&tenant.org), tenant.clock.clone());
    let sent = AtomicU64::new(0);
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let found = Arc::clone(&seen);
    let waits = Mutex::new(Vec::new());
    let runner = tenant.open_watched(move |progress| {
        follow(&org, &clock, progress);
        let mut found = found.lock().unwrap();
        match progress {
            Progress::Request => {
                let count = sent.fetch_add(1, Ordering::Relaxed);
                if count == 60 {
                    org.set_others_usage(950);
                    found.push(count);
                }
            }
            Progress::Paused { until, .. } if found.len() == 1 => {
                let mut waits = waits.lock().unwrap();
                let day = until.as_second() / 86_400;
                if until.duration_since(clock.now()) > SignedDuration::from_hours(1)
                    && !waits.contains(&day)
                {
                    waits.push(day);
                }
                // The third day in a row that it would have to wait.
                if waits.len() == 3 {
                    org.set_others_usage(100);
                    found.push(sent.load(Ordering::Relaxed));
                }
            }
            _ => {}
        }
    });
    let reports = tenant.poll_runner(&runner, &[]).await;
    drop(runner);
    for report in &reports {
        assert!(report.error.is_none(), "{:?}", report.error);
    }
    let [jumped, fell] = seen.lock().unwrap()[..] else { panic!("it never paused") };
    // One that met the news, three that were on their way, and one a day to ask.
    assert!(fell - jumped <= 4 + 3, "{} requests while others needed them", fell - jumped);
    let waited = tenant.clock.now().duration_since(noon());
    assert!(waited > SignedDuration::from_hours(48), "{waited}");
    catches_up(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_does_not_forget_what_is_spent() {
    let mut tenant =
        Tenant::start(Config { daily_api_requests: 1000, api_requests_used: 860, ..small() }).await;
    tenant = equally_urgent(tenant);
    let manual = tenant.clock.clone();
    // Real waiting, so that a pause lasts.
    tenant.clock = Clock::starting_at(manual.now());
    let mut counted = 0;
    for start in 0..4 {
        let paused = Arc::new(tokio::sync::Notify::new());
        let notify = Arc::clone(&paused);
        let now = tenant.clock.now();
        let runner = tenant.open_watched(move |progress| {
            if let Progress::Paused { until, .. } = progress
                && until.duration_since(now) > SignedDuration::from_hours(1)
            {
                notify.notify_one();
            }
        });
        let streams = runner.select(&[]).unwrap();
        tokio::select! {
            reports = runner.once(&streams, Limits::default()) => panic!("{start}: {reports:?}"),
            () = paused.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{start}: no pause"),
        }
        drop(streams);
        drop(runner);
        // What was cut off lets go of the state in its own time.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let usage = tenant.org.truth().usage;
        assert!(usage.peak <= 900, "{start}: {} of 900 were spent", usage.peak);
        assert!(start == 0 || usage.counted == counted, "{start}: it went on spending");
        counted = usage.counted;
    }
    assert!(counted > 30, "only {counted} requests");
    tenant.clock = manual;
    catches_up(&tenant).await;
}
