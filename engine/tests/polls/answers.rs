//! Answers that are no success although they look like one, and answers that say when to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use longshore_engine::error::Code;
use longshore_engine::poll::Progress;
use serde_json::{Value, json};

use crate::language::stream;
use crate::paging::record;
use crate::support::{App, NOON, Tenant, json, status};

/// An app that answers `bad` so often, and then well.
async fn failing(times: usize, bad: impl Fn() -> Response + Clone + Send + Sync + 'static) -> App {
    let asked = Arc::new(AtomicUsize::new(0));
    App::start(move |_| {
        if asked.fetch_add(1, Ordering::Relaxed) < times {
            return bad();
        }
        json(&json!({ "records": [record(NOON)], "ok": true }))
    })
    .await
}

fn with_rule(app: &App, rule: &str) -> Tenant {
    Tenant::new(app, &stream("{ get: /events }", ""))
        .edit("errors:\n", &format!("errors:\n  - {rule}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successful_answer_may_be_an_error() {
    let app = failing(1, || json(&json!({ "ok": false, "error": "account_inactive" }))).await;
    let rule = "when: { status: 200, body: { $.error: account_inactive } }\n    then: stop\n    code: AUTH_USER_INACTIVE\n    message: The account is deactivated.\n    fix: Activate it.";
    let error = with_rule(&app, rule).poll().await.error.unwrap();
    assert_eq!(error.code, Code::AuthUserInactive);
    assert_eq!(app.requests().len(), 1);
    // Without a status the rule speaks of every answer.
    let app = failing(2, || json(&json!({ "ok": false, "error": "busy" }))).await;
    let tenant = with_rule(&app, "when: { body: { $.error: busy } }\n    then: retry");
    tenant.completes().await;
    assert_eq!(app.requests().len(), 3);
    assert_eq!(tenant.delivered().len(), 1);
    // What no rule explains has no records where they should be.
    let app = failing(9, || json(&json!({ "ok": false, "error": "new" }))).await;
    let error = with_rule(&app, "when: { body: { $.error: busy } }\n    then: retry")
        .edit("max: 5", "max: 0")
        .poll()
        .await
        .error
        .unwrap();
    assert_eq!(error.code, Code::DataParse);
}

/// A successful answer with records of which a part is missing is read again; nothing comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_partial_answer_is_read_again_and_nothing_comes_twice() {
    let app = failing(2, || json(&json!({ "records": [record(NOON)], "error": "PARTIAL" }))).await;
    let tenant = with_rule(&app, "when: { body: { $.error: PARTIAL } }\n    then: retry");
    tenant.completes().await;
    assert_eq!(tenant.delivered().len(), 1);
    assert_eq!(app.requests().len(), 3);
}

/// The waits that were told.
fn waits(tenant: &Tenant) -> Vec<f64> {
    let told = tenant.told.lock().unwrap();
    let waits = told.iter().filter_map(|progress| match progress {
        Progress::Retrying { wait, .. } => Some(wait.as_secs_f64()),
        _ => None,
    });
    waits.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_are_as_long_as_the_app_says() {
    let answer = |code, header: &'static str, value: &'static str, body: Value| {
        move || {
            let mut answer = status(code, &body);
            // The test's noon: times are counted from what the app's own clock shows.
            let date = "Thu, 01 Oct 2026 12:00:00 GMT";
            answer.headers_mut().insert("date", date.parse().unwrap());
            answer.headers_mut().insert(header, value.parse().unwrap());
            answer
        }
    };
    for (rule, bad, least) in [
        (
            "when: { status: 420 }\n    then: wait\n    wait: { header: X-Retry-In, unit: milliseconds }",
            (420, "x-retry-in", "90500", json!({})),
            90.5,
        ),
        (
            "when: { status: 420 }\n    then: wait\n    wait: { body: $.retry_after, unit: seconds }",
            (420, "x-other", "1", json!({ "retry_after": 61.25 })),
            61.25,
        ),
        (
            "when: { status: 420 }\n    then: wait\n    wait: { header: X-Reset, unit: epoch_seconds }",
            // The test's noon, and two minutes.
            (420, "x-reset", "1790856120", json!({})),
            120.0,
        ),
        (
            "when: { status: 420 }\n    then: retry\n    wait: { for: 30s }",
            (420, "x-other", "1", json!({})),
            30.0,
        ),
        // Retry-After is obeyed whatever else is said.
        (
            "when: { status: 420 }\n    then: retry\n    wait: { for: 1s }",
            (420, "retry-after", "77", json!({})),
            77.0,
        ),
        // A successful answer may say it too.
        (
            "when: { status: 200, body: { $.ok: false } }\n    then: wait\n    wait: { body: $.wait, unit: seconds }",
            (200, "x-other", "1", json!({ "ok": false, "wait": 45 })),
            45.0,
        ),
        // A quota that was refused does not fill within a second.
        ("when: { status: 420 }\n    then: wait_for_quota", (420, "x-other", "1", json!({})), 15.0),
    ] {
        let (code, header, value, body) = bad;
        let app = failing(1, answer(code, header, value, body)).await;
        let tenant = with_rule(&app, rule);
        tenant.completes().await;
        assert_eq!(tenant.delivered().len(), 1, "{rule}");
        let waits = waits(&tenant);
        assert_eq!(waits.len(), 1, "{rule}");
        assert!((least..least + 2.0).contains(&waits[0]), "{rule}: {waits:?}");
    }
    // What is too long to wait for is the next poll's.
    let app = failing(1, || status(420, &json!({ "retry_after": 4000 }))).await;
    let rule =
        "when: { status: 420 }\n    then: wait\n    wait: { body: $.retry_after, unit: seconds }";
    let error = with_rule(&app, rule).poll().await.error.unwrap();
    assert!(error.to_string().contains("2026-10-01T13:06:40Z"), "{error}");
}

/// Nothing to read is no error where a rule says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_be_ignored() {
    let app = failing(1, || status(404, &json!({ "error": "NOT_ENABLED" }))).await;
    let tenant =
        with_rule(&app, "when: { status: 404, body: { $.error: NOT_ENABLED } }\n    then: ignore");
    let report = tenant.completes().await;
    assert_eq!((report.records, app.requests().len()), (0, 1));
    assert!(tenant.warnings()[0].contains("taken for nothing to read"), "{:?}", tenant.warnings());
}
