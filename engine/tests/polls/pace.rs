//! How fast an app is asked.

use jiff::Timestamp;
use serde_json::json;

use crate::language::stream;
use crate::paging::record;
use crate::support::{App, NOON, Tenant, json};

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
