//! How fast an app is asked.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use longshore_engine::clock::Clock;
use longshore_engine::poll::Limits;
use serde_json::json;

use crate::language::stream;
use crate::paging::record;
use crate::support::{App, NOON, Tenant, json, status};

/// Pages of one record each.
async fn app(pages: u64) -> App {
    App::start(move |asked| {
        let page = asked.number("page").unwrap_or(1);
        let more = page < pages;
        let at = NOON - 60 + i64::try_from(page).unwrap();
        json(&json!({
            "records": [record(at)],
            "more": more,
            "points": { "left": 1000_u64.saturating_sub(page * 100), "limit": 1000, "cost": 100 },
        }))
    })
    .await
}

const REQUEST: &str =
    r#"{ get: /events, query: { page: "{{page.number}}" }, cost: { points: 100 } }"#;
const PAGES: &str = "pages: { number: { more: $.more } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept() {
    let app = app(21).await;
    let request = REQUEST.replace(", cost: { points: 100 }", "");
    let tenant = Tenant::new(&app, &stream(&request, PAGES))
        .edit("  timeout: 10s\n", "  timeout: 10s\n  rate: { requests: 5, per: 1m }\n");
    tenant.completes().await;
    assert_eq!(tenant.delivered().len(), 21);
    // The clock moves by waiting only: twenty-one requests at five a minute take four minutes.
    let passed = tenant.clock.now().duration_since(Timestamp::from_second(NOON).unwrap());
    assert_eq!(passed.as_secs(), 240);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_counted_as_the_app_reports_them() {
    let app = app(9).await;
    let quota = "quotas:\n  points:\n    body: { limit: $.points.limit, remaining: $.points.left, cost: $.points.cost }\n    period: { rolling: 1h }\n    reserve: 20%\n    counts: [own, reported]\n";
    let tenant = Tenant::new(&app, &stream(REQUEST, PAGES)).edit("quotas:\n", quota);
    tenant.completes().await;
    assert_eq!(tenant.delivered().len(), 9);
    // Eight hundred of a thousand points may be spent in an hour; the ninth request waits for it.
    let passed = tenant.clock.now().duration_since(Timestamp::from_second(NOON).unwrap());
    assert!(passed.as_secs() >= 3600, "{passed}");
}

/// A stream that waits for its turn hears what the answer to another one says of the address.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_turn_hears_of_a_pause() {
    let clock: Arc<OnceLock<Clock>> = Arc::default();
    let asked_at: Arc<Mutex<Vec<i64>>> = Arc::default();
    let (shown, noted) = (Arc::clone(&clock), Arc::clone(&asked_at));
    let app = App::start(move |_| {
        let mut noted = noted.lock().unwrap();
        noted.push(shown.get().unwrap().now().as_second());
        if noted.len() > 1 {
            return json(&json!({ "records": [record(NOON - 60)] }));
        }
        // The other stream has come to the gate meanwhile.
        std::thread::sleep(Duration::from_millis(200));
        let mut slow = status(429, &json!({}));
        slow.headers_mut().insert("retry-after", "120".parse().unwrap());
        slow
    })
    .await;
    let events = stream("{ get: /events }", "");
    let both = format!("{events}{}", events.replacen("events:", "more:", 1));
    let tenant =
        Tenant::new(&app, &both).edit("  timeout: 10s\n", "  timeout: 10s\n  concurrency: 1\n");
    clock.set(tenant.clock.clone()).unwrap();
    let runner = tenant.open();
    let streams = runner.select(&["events".to_owned(), "more".to_owned()]).unwrap();
    for report in runner.once(&streams, Limits::default()).await {
        assert!(report.error.is_none(), "{:?}", report.error);
    }
    let asked_at = asked_at.lock().unwrap();
    assert_eq!(asked_at.len(), 3);
    assert!(asked_at[1] >= asked_at[0] + 120, "{asked_at:?}");
}
