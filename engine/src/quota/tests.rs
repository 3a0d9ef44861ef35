use longshore_schema::http::TimeUnit;
use regex::Regex;

use super::*;

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn config(limit: Option<u64>) -> QuotaConfig {
    QuotaConfig {
        name: "daily".to_owned(),
        reserve: 1000,
        period: Duration::from_secs(86_400),
        fixed: false,
        headers: Some(UsageHeaders::One(QuotaHeader {
            name: "Limit-Info".to_owned(),
            pattern: Regex::new(r"(?:^|;\s*)usage=(?<used>\d+)/(?<limit>\d+)").unwrap(),
        })),
        body: None,
        resource: None,
        count_own: true,
        count_reported: true,
        fixed_limit: limit,
        streams: None,
    }
}

/// Ends a call whose response had this value in the quota's header.
fn complete(permit: Permit, value: Option<&str>) -> Option<QuotaWarning> {
    permit.complete(|name| value.filter(|_| name == "Limit-Info"))
}

fn store() -> (tempfile::TempDir, Arc<Store>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(directory.path()).unwrap());
    (directory, store)
}

fn open(store: &Arc<Store>, clock: &Clock, config: QuotaConfig) -> Quota {
    Quota::open(Arc::clone(store), clock.clone(), "acme", config).unwrap()
}

fn paused(quota: &Quota) -> Paused {
    match quota.acquire() {
        Err(Refused::Paused(paused)) => paused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_that_protect_nothing_are_refused() {
    let (_directory, store) = store();
    let refused = |config| {
        let clock = Clock::manual(noon());
        let error = Quota::open(Arc::clone(&store), clock, "acme", config).unwrap_err();
        assert_eq!(error.code, Code::InputInvalid);
        error.cause.clone().unwrap()
    };
    let good = config(None);
    let none = QuotaConfig { headers: None, ..good.clone() };
    assert!(refused(none.clone()).contains("no header"));
    let own = QuotaConfig { count_reported: false, ..none };
    assert!(refused(own).contains("neither a header nor a limit"));
    let uncounted = QuotaConfig { count_reported: false, count_own: false, ..good.clone() };
    assert!(refused(uncounted).contains("counts neither"));
    assert!(refused(config(Some(1))).contains("nothing to spend"));
    assert!(refused(QuotaConfig { reserve: 10_000, ..good.clone() }).contains("nothing to spend"));
    let pattern = Regex::new(r"(\d+)/(\d+)").unwrap();
    let headers = Some(UsageHeaders::One(QuotaHeader { name: "X".to_owned(), pattern }));
    assert!(refused(QuotaConfig { headers, ..good.clone() }).contains("apart"));
    assert!(refused(QuotaConfig { fixed: true, ..good.clone() }).contains("starts anew"));
    let limit = QuotaHeaders { limit: Some("X".to_owned()), ..QuotaHeaders::default() };
    let headers = Some(UsageHeaders::Several(limit));
    assert!(refused(QuotaConfig { headers, ..good }).contains("used and limit"));
}

#[test]
fn own_calls_stop_at_the_reserve_and_survive_a_restart() {
    let (_directory, store) = store();
    let clock = Clock::manual(noon());
    let own = QuotaConfig { headers: None, count_reported: false, ..config(Some(20)) };
    let quota = open(&store, &clock, own.clone());
    for _ in 0..18 {
        assert_eq!(complete(quota.acquire().unwrap(), None), None);
    }
    let pause = paused(&quota);
    insta::assert_snapshot!(
        pause,
        @"quota daily: our own calls reached the reserve (18 of 20 spent, 18 of them ours, 2 reserved); paused until 2026-03-02T12:01:00Z"
    );
    drop(quota);
    assert_eq!(paused(&open(&store, &clock, own)), pause);
}

#[test]
fn a_report_survives_a_restart() {
    let (_directory, store) = store();
    let clock = Clock::manual(noon());
    let quota = open(&store, &clock, config(None));
    assert_eq!(complete(quota.acquire().unwrap(), Some("usage=95/100")), None);
    assert_eq!(paused(&quota).reason, Reason::Reported);
    drop(quota);
    let quota = open(&store, &clock, config(None));
    let error = Error::from(paused(&quota));
    insta::assert_snapshot!(error, @r"
    QUOTA_EXHAUSTED_BY_OTHERS: quota daily: all calls to the app reached the reserve (95 of 100 spent, 1 of them ours, 10 reserved); paused until 2026-03-02T12:01:00Z
      fix:   nothing to do, nothing is lost; to be faster, raise the app's limit
      next:  tried again not before 2026-03-02T12:01:00Z
    ");
}

#[test]
fn a_silent_or_unreadable_header_is_counted_and_named() {
    let (_directory, store) = store();
    let quota = open(&store, &Clock::manual(noon()), config(None));
    assert_eq!(complete(quota.acquire().unwrap(), Some("usage=1/100")), None);
    let missing = complete(quota.acquire().unwrap(), None).unwrap();
    assert_eq!(missing.code(), "QUOTA_HEADER_MISSING");
    let unreadable = complete(quota.acquire().unwrap(), Some("used 5\r\nof 9")).unwrap();
    insta::assert_snapshot!(
        unreadable,
        @"QUOTA_HEADER_UNREADABLE: the pattern of quota daily finds no usage in `Limit-Info: used 5 of 9`; correct the pattern in the manifest"
    );
    drop(quota.acquire().unwrap());
    let expected = QuotaStatus {
        own: 4,
        own_limit: Some(100),
        reported: Some(4),
        limit: Some(100),
        reserve: Some(10),
        in_flight: 0,
    };
    assert_eq!(quota.status(), expected);
}

#[test]
fn threads_together_never_reach_into_the_reserve() {
    let (_directory, store) = store();
    let quota = open(&store, &Clock::manual(noon()), config(Some(200)));
    let served = std::sync::atomic::AtomicU64::new(0);
    assert_eq!(complete(quota.acquire().unwrap(), Some("usage=0/200")), None);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (quota, served) = (&quota, &served);
            scope.spawn(move || {
                while let Ok(permit) = quota.acquire() {
                    let used = served.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                    assert!(used <= 180, "{used}");
                    match thread {
                        0 => drop(permit),
                        _ => drop(complete(permit, Some(&format!("usage={used}/200")))),
                    }
                }
            });
        }
    });
    assert!(served.into_inner() > 100);
}

#[tokio::test]
async fn a_stream_waits_for_the_first_report_and_for_the_period() {
    let (_directory, store) = store();
    let clock = Clock::manual(noon());
    let quota = open(&store, &clock, config(None));
    let first = quota.acquired(Spending::default(), |_| ()).await.unwrap();
    let mut reasons = Vec::new();
    let second = {
        let mut waiting =
            std::pin::pin!(quota.acquired(Spending::default(), |pause| reasons.push(pause.reason)));
        let soon = tokio::time::timeout(Duration::from_millis(20), waiting.as_mut()).await;
        assert!(soon.is_err());
        assert_eq!(complete(first, Some("usage=89/100")), None);
        waiting.await.unwrap()
    };
    assert!(reasons.iter().all(|reason| *reason == Reason::AwaitingFirstReport));
    assert!(!reasons.is_empty());
    assert_eq!(complete(second, Some("usage=90/100")), None);
    let before = clock.now();
    let mut pauses = 0;
    let third = quota.acquired(Spending::default(), |_| pauses += 1).await.unwrap();
    assert!(pauses >= 1);
    let waited = clock.now().duration_since(before);
    assert!(waited >= jiff::SignedDuration::from_hours(24), "{waited}");
    drop(third);
}

#[tokio::test]
async fn separate_headers_close_a_quota_until_their_reset() {
    let (_directory, store) = store();
    let clock = Clock::manual(noon());
    let name = |name: &str| Some(name.to_owned());
    let fixed = QuotaConfig {
        period: Duration::from_secs(3600),
        fixed: true,
        headers: Some(UsageHeaders::Several(QuotaHeaders {
            limit: name("X-RateLimit-Limit"),
            remaining: name("X-RateLimit-Remaining"),
            used: None,
            reset: Some(("X-RateLimit-Reset".to_owned(), TimeUnit::EpochSeconds)),
        })),
        streams: Some(vec!["audit_log".to_owned()]),
        ..config(None)
    };
    let answer = |remaining: &'static str, reset: &'static str| {
        move |name: &str| match name {
            "X-RateLimit-Limit" => Some("100"),
            "X-RateLimit-Remaining" => Some(remaining),
            "X-RateLimit-Reset" => Some(reset),
            // Its clock is a minute behind ours.
            "Date" => Some("Sun, 01 Mar 2026 11:59:00 GMT"),
            _ => None,
        }
    };
    let quota = open(&store, &clock, fixed.clone());
    assert!(quota.is_for("audit_log") && !quota.is_for("users"));
    // 12:10:00 by its clock is 12:11:00 by ours.
    assert_eq!(quota.acquire().unwrap().complete(answer("10", "1772367000")), None);
    insta::assert_snapshot!(
        paused(&quota),
        @"quota daily: all calls to the app reached the reserve (90 of 100 spent, 1 of them ours, 10 reserved); paused until 2026-03-01T12:11:01Z"
    );
    drop(quota);
    let quota = open(&store, &clock, fixed);
    let permit = quota.acquired(Spending::default(), |_| ()).await.unwrap();
    assert_eq!(clock.now().to_string(), "2026-03-01T12:11:01Z");
    let warning = permit.complete(answer("99", "3600")).unwrap();
    assert_eq!(warning.code(), "QUOTA_HEADER_UNREADABLE");
    insta::assert_snapshot!(
        warning,
        @"QUOTA_HEADER_UNREADABLE: `X-RateLimit-Reset: 3600` does not lie within a period of quota daily from now; correct the `unit` of its reset, or its `period`, in the manifest"
    );
}

/// Whatever calls cost, and in whatever order they start and end, the reserve stays, and what is held
/// back for the urgent stays for them.
#[test]
fn costs_and_urgency_keep_the_reserve() {
    let (_directory, store) = store();
    let own = QuotaConfig { headers: None, count_reported: false, ..config(Some(100)) };
    let quota = open(&store, &Clock::manual(noon()), own);
    let attempt = |cost, held_back| loop {
        match quota.attempt(Spending { cost, held_back }) {
            Some(decided) => break decided,
            None => quota.0.save(cost).unwrap(),
        }
    };
    // A tenth of a hundred is reserved; a fifth of the ninety is held back from the least urgent.
    let low: Vec<_> = std::iter::from_fn(|| attempt(7, 2000).ok()).collect();
    assert_eq!(low.len(), 10);
    assert!(attempt(3, 2000).is_err());
    let normal: Vec<_> = std::iter::from_fn(|| attempt(3, 1000).ok()).collect();
    assert_eq!(normal.len(), 3);
    let high: Vec<_> = std::iter::from_fn(|| attempt(5, 0).ok()).collect();
    assert_eq!(high.len(), 2);
    assert!(quota.status().own <= 90);
    drop((low, normal, high));
    assert!(quota.status().own <= 90);
}
