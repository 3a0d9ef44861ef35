//! What is sent where: values in paths, credentials, facts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore_engine::error::Code;
use serde_json::json;

use crate::paging::record;
use crate::support::{App, MAP, NOON, Tenant, json, snapshot, status};

/// A stream that lists files and fetches each by its id.
fn fetched(path: &str) -> String {
    format!(
        "events:\n  provides: sign_ins\n  every: 15m\n  steps:\n    files:\n      request: {{ get: /files }}\n      records: $.files[*]\n      key: $.id\n    rows:\n      request: {{ get: \"{path}\" }}\n      records: $.records[*]\n  key: $.id\n{MAP}"
    )
}

async fn asked_for(id: &str, path: &str) -> (Vec<String>, Vec<String>) {
    let listed = json!({ "files": [{ "id": id }, { "id": "good" }] });
    let app = App::start(move |asked| {
        if asked.path == "/v1/files" {
            json(&listed)
        } else {
            json(&json!({ "records": [record(NOON)] }))
        }
    })
    .await;
    let tenant = Tenant::new(&app, &fetched(path));
    let report = tenant.completes().await;
    assert_eq!(tenant.delivered().len(), 1);
    assert_eq!(report.gaps, tenant.rejected().len() as u64);
    (app.requests().split_off(1), tenant.warnings())
}

/// What a record says is one piece of a path, whatever it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_stays_in_its_place_of_the_path() {
    let path = "/files/{{files.id}}/rows";
    let sent = |id: &'static str| async move { asked_for(id, path).await.0.remove(0) };
    assert_eq!(sent("a/../../admin").await, "/v1/files/a%2F..%2F..%2Fadmin/rows");
    assert_eq!(sent("a?b=c&d").await, "/v1/files/a%3Fb%3Dc%26d/rows");
    assert_eq!(sent("a#b").await, "/v1/files/a%23b/rows");
    assert_eq!(sent("%2e%2e").await, "/v1/files/%252e%252e/rows");
    assert_eq!(sent("ü 1\\2").await, "/v1/files/%C3%BC%201%5C2/rows");
}

/// No encoding keeps `..` from leading upwards (WHATWG URL, "double-dot path segment"). The item is
/// left out and named where it can be found.
#[tokio::test(flavor = "multi_thread")]
async fn dots_do_not_lead_out_of_a_path() {
    for id in ["..", "."] {
        let (asked, warnings) = asked_for(id, "/files/{{files.id}}/rows").await;
        assert_eq!(asked, ["/v1/files/good/rows"]);
        assert!(warnings[0].contains("DATA_GAP"), "{warnings:?}");
        assert!(warnings[0].contains("events.rejected.jsonl"), "{warnings:?}");
    }
}

/// A value that `urlencode` wrote is not encoded again, and a path that the app hands out whole is
/// used as it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_as_a_path_is_one() {
    let (asked, _) = asked_for("a/b", "/files/{{urlencode files.id}}/rows").await;
    assert_eq!(asked[0], "/v1/files/a%2Fb/rows");
    let app = App::start(|asked| match asked.path.as_str() {
        "/v1/files" => json(&json!({ "files": [{ "id": "/blob/../b?c=1" }] })),
        _ => json(&json!({ "records": [] })),
    })
    .await;
    Tenant::new(&app, &fetched("{{files.id}}")).completes().await;
    assert_eq!(app.requests()[1], "/v1/b?c=1");
}

/// An item that the app does not have any more is set aside, and its name is not in a message.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_gone_is_set_aside() {
    let app = App::start(|asked| match asked.path.as_str() {
        "/v1/files" => json(&json!({ "files": [{ "id": "someone@example.com" }] })),
        _ => status(404, &json!({})),
    })
    .await;
    let tenant = Tenant::new(&app, &fetched("/files/{{files.id}}"))
        .edit("errors:\n", "errors:\n  - when: { status: 404 }\n    then: skip\n");
    let report = tenant.completes().await;
    assert_eq!(report.gaps, 1);
    assert_eq!(tenant.rejected()[0]["item"], r#"{"id":"someone@example.com"}"#);
    assert!(!tenant.warnings().concat().contains("someone"), "{:?}", tenant.warnings());
}

/// A stream that asks nothing about the tenant does not wait for another's answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_question_holds_up_nobody_else() {
    let app = App::start(|asked| {
        if asked.path == "/v1/about" {
            tokio::task::block_in_place(|| std::thread::sleep(Duration::from_secs(3)));
        }
        json(&json!({ "records": [record(NOON)], "users": [] }))
    })
    .await;
    let other = snapshot("kind: \"{{facts.kind}}\"", "").replace("events:", "asking:");
    let tenant = Tenant::new(&app, &format!("{other}\n{}", snapshot("", ""))).edit(
        "streams:\n",
        "facts:\n  kind:\n    request: { get: /about }\n    select: $.kind\n    found: a\n    missing: b\nstreams:\n",
    );
    let runner = tenant.open();
    let limits = longshore_engine::poll::Limits::default();
    let slow = runner.select(&["asking".to_owned()]).unwrap();
    let slow = {
        let runner = runner.clone();
        tokio::spawn(async move { runner.once(&slow, limits).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    let quick = runner.select(&["events".to_owned()]).unwrap();
    let reports = runner.once(&quick, limits).await;
    assert!(reports[0].error.is_none());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(slow.await.unwrap()[0].error.is_none());
}

/// A connection that stays open for long asks its questions again every day.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_the_tenant_lasts_a_day() {
    let app = App::start(|_| json(&json!({ "records": [] }))).await;
    let tenant = Tenant::new(&app, &snapshot("kind: \"{{facts.kind}}\"", "")).edit(
        "streams:\n",
        "facts:\n  kind:\n    request: { get: /about }\n    select: $.kind\n    found: a\n    missing: b\nstreams:\n",
    );
    let runner = tenant.open();
    let streams = runner.select(&["events".to_owned()]).unwrap();
    let questions = || app.requests().iter().filter(|asked| *asked == "/v1/about").count();
    for expected in [1, 1, 2] {
        let reports = runner.once(&streams, longshore_engine::poll::Limits::default()).await;
        assert!(reports[0].error.is_none());
        assert_eq!(questions(), expected);
        tenant.advance(13 * 3600).await;
    }
}

/// A listing that does not fit into memory is refused by name.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_items_has_a_limit() {
    let items: Vec<_> =
        (0..70).map(|id| json!({ "id": id.to_string(), "wide": "x".repeat(1 << 20) })).collect();
    let body = json!({ "files": items });
    let app = App::start(move |_| json(&body)).await;
    let tenant = Tenant::new(&app, &fetched("/files/{{files.id}}"));
    let error = tenant.poll().await.error.unwrap();
    assert_eq!(error.code, Code::DataTooLarge, "{error}");
    assert_eq!(app.requests().len(), 1);
}

/// A request that the manifest addresses to a declared host in full is signed as all others are.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_url_of_the_manifest_is_signed() {
    let app = App::start(|asked| match asked.key.as_deref() {
        Some("simulated-key") => json(&json!({ "records": [record(NOON)] })),
        _ => status(401, &json!({})),
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", ""))
        .edit("get: /events", "get: https://reports.tester.test/events");
    tenant.completes().await;
}

/// A link to another host is followed, without what was issued for the first one.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_another_host_is_not_signed() {
    let app = App::start(|asked| {
        assert_eq!(asked.key.is_some(), asked.path == "/v1/events");
        let next = (asked.path == "/v1/events").then_some("https://other.tester.test/more");
        json(&json!({ "records": [record(NOON)], "next": next }))
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", "pages: { next_url: $.next }"));
    tenant.completes().await;
    assert_eq!(app.requests().len(), 2);
}

/// A tenant that is moved between two pages: the link to the second is of no use on the new host.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_moves_is_read_again_from_its_new_host() {
    let tokens = Arc::new(AtomicUsize::new(0));
    let app = App::start(move |asked| {
        if asked.path == "/oauth/token" {
            let token = tokens.fetch_add(1, Ordering::SeqCst) + 1;
            let instance = format!("https://i{token}.tester.test");
            let access = format!("simulated-{token}");
            return json(&json!({ "access_token": access, "token_type": "Bearer", "instance_url": instance }));
        }
        let second = asked.query.contains_key("page");
        if asked.host.starts_with("i1.") && second {
            return status(401, &json!({}));
        }
        let number = asked.host[1..2].to_owned();
        assert_eq!(asked.key.as_deref(), Some(&*format!("Bearer simulated-{number}")));
        let next = (!second).then_some("/v1/events?page=2");
        json(&json!({ "records": [record(NOON + i64::from(second))], "next": next }))
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", "pages: { next_url: $.next }"))
        .edit("  - when: { status: 401 }\n    then: stop", "  - when: { status: 401 }\n    then: refresh")
        .edit(
            "api_key: { header: X-Api-Key, value: \"{{inputs.key}}\" }",
            "oauth2:\n    token_url: https://api.tester.test/oauth/token\n    client_id: simulated\n    client_secret: \"{{inputs.key}}\"\n    grants: { client_credentials: {} }\n    token: { base_url: $.instance_url }",
        )
        .edit("base_url: https://api.tester.test/v1", "base_url: \"{{auth.base_url}}/v1\"");
    tenant.completes().await;
    assert_eq!(tenant.delivered().len(), 2, "{:?}", app.requests());
}
