use super::*;

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn config(limit: Option<u64>) -> QuotaConfig {
    QuotaConfig {
        name: "daily".to_owned(),
        reserve: 1000,
        period: Duration::from_secs(86_400),
        header: Some(QuotaHeader {
            name: "Limit-Info".to_owned(),
            pattern: Regex::new(r"(?:^|;\s*)usage=(?<used>\d+)/(?<limit>\d+)").unwrap(),
        }),
        count_own: true,
        count_reported: true,
        fixed_limit: limit,
    }
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
fn a_header_is_read_by_its_named_groups() {
    let header = config(None).header.unwrap();
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
fn rules_that_protect_nothing_are_refused() {
    let (_directory, store) = store();
    let refused = |config| {
        let clock = Clock::manual(noon());
        let error = Quota::open(Arc::clone(&store), clock, "acme", config).unwrap_err();
        assert_eq!(error.code, Code::InputInvalid);
        error.cause.clone().unwrap()
    };
    let good = config(None);
    let none = QuotaConfig { header: None, ..good.clone() };
    assert!(refused(none.clone()).contains("no header"));
    let own = QuotaConfig { count_reported: false, ..none };
    assert!(refused(own).contains("neither a header nor a limit"));
    let uncounted = QuotaConfig { count_reported: false, count_own: false, ..good.clone() };
    assert!(refused(uncounted).contains("counts neither"));
    assert!(refused(config(Some(1))).contains("nothing to spend"));
    assert!(refused(QuotaConfig { reserve: 10_000, ..good.clone() }).contains("nothing to spend"));
    let pattern = Regex::new(r"(\d+)/(\d+)").unwrap();
    let header = Some(QuotaHeader { name: "X".to_owned(), pattern });
    assert!(refused(QuotaConfig { header, ..good }).contains("apart"));
}

#[test]
fn own_calls_stop_at_the_reserve_and_survive_a_restart() {
    let (_directory, store) = store();
    let clock = Clock::manual(noon());
    let own = QuotaConfig { header: None, count_reported: false, ..config(Some(20)) };
    let quota = open(&store, &clock, own.clone());
    for _ in 0..18 {
        assert_eq!(quota.acquire().unwrap().complete(None), None);
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
    assert_eq!(quota.acquire().unwrap().complete(Some("usage=95/100")), None);
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
    assert_eq!(quota.acquire().unwrap().complete(Some("usage=1/100")), None);
    let missing = quota.acquire().unwrap().complete(None).unwrap();
    assert_eq!(missing.code(), "QUOTA_HEADER_MISSING");
    let unreadable = quota.acquire().unwrap().complete(Some("used 5\r\nof 9")).unwrap();
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
    assert_eq!(quota.acquire().unwrap().complete(Some("usage=0/200")), None);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (quota, served) = (&quota, &served);
            scope.spawn(move || {
                while let Ok(permit) = quota.acquire() {
                    let used = served.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                    assert!(used <= 180, "{used}");
                    match thread {
                        0 => drop(permit),
                        _ => drop(permit.complete(Some(&format!("usage={used}/200")))),
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
    let first = quota.acquired(|_| ()).await.unwrap();
    let mut reasons = Vec::new();
    let second = {
        let mut waiting = std::pin::pin!(quota.acquired(|pause| reasons.push(pause.reason)));
        let soon = tokio::time::timeout(Duration::from_millis(20), waiting.as_mut()).await;
        assert!(soon.is_err());
        assert_eq!(first.complete(Some("usage=89/100")), None);
        waiting.await.unwrap()
    };
    assert!(reasons.iter().all(|reason| *reason == Reason::AwaitingFirstReport));
    assert!(!reasons.is_empty());
    assert_eq!(second.complete(Some("usage=90/100")), None);
    let before = clock.now();
    let mut pauses = 0;
    let third = quota.acquired(|_| pauses += 1).await.unwrap();
    assert!(pauses >= 1);
    let waited = clock.now().duration_since(before);
    assert!(waited >= jiff::SignedDuration::from_hours(24), "{waited}");
    drop(third);
}
