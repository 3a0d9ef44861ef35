//! Requests and pages as real apps have them: bodies, GraphQL, hosts by region, keysets, scrolls,
//! and every way to know the last page.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use longshore_engine::error::Code;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, Asked, MAP, NOON, Tenant, json, status};

/// A stream that is read with this request and these pages, each in YAML of one line.
pub(crate) fn stream(request: &str, pages: &str) -> String {
    format!(
        "events:\n  provides: sign_ins\n  every: 15m\n  request: {request}\n  records: $.records[*]\n  key: $.id\n  {pages}{MAP}"
    )
}

/// What the app holds.
const ALL: i64 = 25;

fn held(from: usize, count: usize) -> Vec<Value> {
    (NOON - ALL..NOON).skip(from).take(count).map(record).collect()
}

type Log = Arc<Mutex<Vec<Value>>>;

/// An app that answers from an offset that it finds in the request, and what it was asked.
async fn paged(
    offset: fn(&Asked) -> usize,
    answer: fn(Vec<Value>, usize, &Asked) -> Response,
) -> (App, Log) {
    let log: Log = Arc::default();
    let told = Arc::clone(&log);
    let app = App::start(move |asked| {
        told.lock().unwrap().push(json!({
            "method": asked.method,
            "path": asked.path,
            "host": asked.host,
            "query": asked.raw_query,
            "type": asked.content_type,
            "body": serde_json::from_str(&asked.body).unwrap_or(Value::String(asked.body.clone())),
        }));
        let from = offset(&asked);
        answer(held(from, 10), from, &asked)
    })
    .await;
    (app, log)
}

fn all() -> Vec<String> {
    (NOON - ALL..NOON).map(|at| at.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_keeps_types_and_carries_the_cursor() {
    let (app, log) = paged(
        |asked| asked.json()["after"].as_str().map_or(0, |after| after.parse().unwrap()),
        |records, from, _| {
            let more = from + 10 < ALL as usize;
            // A cursor on the last page too, as many apps have it.
            json(&json!({ "records": records, "next": (from + 10).to_string(), "more": more }))
        },
    )
    .await;
    let request = r#"{ put: /search, json: { limit: "{{page.size}}", after: "{{page.cursor}}", filter: { kinds: [a, b], deep: true } } }"#;
    let pages = "pages: { cursor: { at: $.next, more: $.more, size: 10 } }";
    let tenant = Tenant::new(&app, &stream(request, pages));
    let report = tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
    assert_eq!(report.requests, 3);
    let log = log.lock().unwrap();
    assert_eq!(log[0]["method"], "PUT");
    assert_eq!(log[0]["type"], "application/json");
    let filter = json!({ "kinds": ["a", "b"], "deep": true });
    assert_eq!(log[0]["body"], json!({ "limit": 10, "filter": filter }));
    assert_eq!(log[1]["body"], json!({ "limit": 10, "after": "10", "filter": filter }));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_without_a_next_page_is_an_error() {
    let (app, _) =
        paged(|_| 0, |records, _, _| json(&json!({ "records": records, "more": true }))).await;
    let request = r#"{ get: /events, query: { after: "{{page.cursor}}" } }"#;
    let pages = "pages: { cursor: { at: $.next, more: $.more } }";
    let tenant = Tenant::new(&app, &stream(request, pages)).edit("max: 5", "max: 0");
    let error = tenant.poll().await.error.unwrap();
    assert_eq!(error.code, Code::DataIncomplete);
    assert!(error.cause.clone().unwrap().contains("no next page is named"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graphql_query_sends_variables_and_its_errors_are_errors() {
    let (app, log) = paged(
        |asked| {
            let after = &asked.json()["variables"]["after"];
            after.as_str().map_or(0, |after| after.parse().unwrap())
        },
        |records, from, asked| {
            if asked.json()["variables"]["first"] == 11 {
                let errors = json!([{ "message": "no", "extensions": { "code": "BAD_INPUT" } }]);
                return json(&json!({ "records": null, "errors": errors }));
            }
            let end = (from + 10).to_string();
            let info = json!({ "endCursor": end, "hasNextPage": from + 10 < ALL as usize });
            json(&json!({ "records": records, "pageInfo": info }))
        },
    )
    .await;
    let request = r#"{ post: /graphql, graphql: { query: "query ($first: Int, $after: String) { users(first: $first, after: $after) { id } }", variables: { first: 10, after: "{{page.cursor}}" } } }"#;
    let pages = "pages: { cursor: { at: $.pageInfo.endCursor, more: $.pageInfo.hasNextPage } }";
    let tenant = Tenant::new(&app, &stream(request, pages));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
    let body = log.lock().unwrap()[1]["body"].clone();
    assert_eq!(body["variables"], json!({ "first": 10, "after": "10" }));
    assert!(body["query"].as_str().unwrap().starts_with("query ($first"));
    let tenant = Tenant::new(&app, &stream(request, pages)).edit("first: 10", "first: 11");
    let error = tenant.poll().await.error.unwrap();
    assert_eq!(error.code, Code::AppRequestRefused);
    assert!(error.cause.clone().unwrap().contains("BAD_INPUT"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_come_from_tables_and_lists_repeat_a_parameter() {
    let (app, log) = paged(|_| 0, |_, _, _| json(&json!({ "records": held(0, 25) }))).await;
    let request = r#"{ get: /events, base_url: "https://{{lookup \"hosts\" inputs.region}}/v2", query: { ids: [a, 7, "{{inputs.region}}"] } }"#;
    let tenant = Tenant::new(&app, &stream(request, ""))
        .edit(
            "inputs:\n",
            "inputs:\n  region: { type: choice, title: Region, default: eu, choices: [eu, us] }\n",
        )
        .edit(
            "streams:\n",
            "tables:\n  hosts: { eu: eu.tester.test, us: us.tester.test }\nstreams:\n",
        );
    tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
    let asked = log.lock().unwrap()[0].clone();
    assert_eq!(asked["host"], "eu.tester.test");
    assert_eq!(asked["path"], "/v2/events");
    assert_eq!(asked["query"], "ids=a&ids=7&ids=eu");
}

/// Counted pages end by whatever the app says, and what it says must add up.
#[tokio::test(flavor = "multi_thread")]
async fn counted_pages_end_as_the_app_says() {
    let by_offset: fn(&Asked) -> usize = |asked| match asked.number("page") {
        Some(page) => page as usize * 10,
        None => asked.number("from").unwrap() as usize,
    };
    let number = r#"{ get: /events, query: { page: "{{page.number}}" } }"#;
    let offset = r#"{ get: /events, query: { from: "{{page.offset}}" } }"#;
    let promise = "promise: { total: $.total }";
    for (request, pages) in [
        (number, "number: { first: 0, pages: $.pages }"),
        (number, "number: { first: 0, total: $.total }"),
        (number, "number: { first: 0, more: $.more }"),
        (number, "number: { first: 0, more: { $.last: false } }"),
        (number, "number: { first: 0, end: empty }"),
        (offset, "offset: { total: $.total }"),
        (offset, "offset: { more: $.more }"),
        (offset, "offset: { end: empty }"),
    ] {
        let (app, _) = paged(by_offset, |records, from, _| {
            let more = from + 10 < ALL as usize;
            json(&json!({
                "records": records, "pages": "3", "total": ALL, "more": more, "last": !more,
            }))
        })
        .await;
        let text = stream(request, &format!("pages: {{ {pages} }}\n  {promise}"));
        let tenant = Tenant::new(&app, &text);
        let report = tenant.completes().await;
        assert_eq!(tenant.delivered(), all(), "{pages}");
        let asked = if pages.contains("empty") { 4 } else { 3 };
        assert_eq!(report.requests, asked, "{pages}");
        // The app says less than it has.
        let (app, _) = paged(by_offset, |records, from, _| {
            let records = if from >= 10 { Vec::new() } else { records };
            let more = from < 10;
            json(&json!({
                "records": records, "pages": 2, "total": ALL, "more": more, "last": !more,
            }))
        })
        .await;
        let tenant = Tenant::new(&app, &text).edit("max: 5", "max: 0");
        let error = tenant.poll().await.error.unwrap();
        assert!(matches!(error.code, Code::DataIncomplete | Code::PageLoop), "{pages}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyset_goes_on_behind_the_last_record() {
    let (app, log) = paged(
        |asked| {
            let after = asked.number("after_id").map(|id| id as i64);
            after.map_or(0, |after| (after - (NOON - ALL) + 1) as usize)
        },
        |records, _, _| json(&json!({ "records": records })),
    )
    .await;
    let request = r#"{ get: /events, query: { after_id: "{{page.last.id}}", after_time: "{{page.last.time}}", limit: "{{page.size}}" } }"#;
    let pages = "pages: { keyset: { last: { id: $.id, time: $.at }, size: 10 } }";
    let tenant = Tenant::new(&app, &stream(request, pages));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
    let log = std::mem::take(&mut *log.lock().unwrap());
    assert_eq!(log[0]["query"], "limit=10");
    assert!(
        log[1]["query"].as_str().unwrap().starts_with(&format!("after_id={}&", NOON - ALL + 9))
    );
    // An app that ignores what it is sent.
    let (app, _) = paged(|_| 0, |records, _, _| json(&json!({ "records": records }))).await;
    let tenant = Tenant::new(&app, &stream(request, pages)).edit("max: 5", "max: 0");
    assert_eq!(tenant.poll().await.error.unwrap().code, Code::PageLoop);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scroll_is_read_on_and_freed() {
    // The position is the app's: it is asked with the same cursor each time.
    let position = Arc::new(Mutex::new(0_usize));
    let freed = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&freed);
    let app = App::start(move |asked| {
        if asked.method == "DELETE" {
            told.lock().unwrap().push(asked.path);
            return json(&json!({}));
        }
        let mut from = position.lock().unwrap();
        if asked.path == "/v1/scroll" {
            assert_eq!(asked.json()["scroll_id"], "simulated-scroll");
        } else {
            *from = 0;
        }
        let records = held(*from, 10);
        *from += records.len();
        json(&json!({ "records": records, "scroll_id": "simulated-scroll" }))
    })
    .await;
    let request = "{ post: /search, json: { size: 10 } }";
    let pages = r#"pages: { scroll: { at: $.scroll_id, next: { post: /scroll, json: { scroll_id: "{{page.cursor}}" } }, release: { delete: "/scroll/{{page.cursor}}" } } }"#;
    let tenant = Tenant::new(&app, &stream(request, pages));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
    assert_eq!(*freed.lock().unwrap(), ["/v1/scroll/simulated-scroll"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_may_be_named_in_a_header() {
    let (app, _) = paged(
        |asked| asked.number("from").unwrap_or(0) as usize,
        |records, from, _| {
            let mut answer = json(&json!({ "records": records }));
            if from + 10 < ALL as usize {
                let next = format!("/v1/events?from={}", from + 10);
                answer.headers_mut().insert("x-next", next.parse().unwrap());
            }
            answer
        },
    )
    .await;
    let tenant =
        Tenant::new(&app, &stream("{ get: /events }", "pages: { next_url: { header: X-Next } }"));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
}

/// A page that is too large for the app is asked for in smaller ones, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_shrinks_until_the_app_can_give_it() {
    let app = App::start(|asked| {
        let (page, size) = (asked.number("page").unwrap(), asked.number("size").unwrap() as usize);
        if size > 4 {
            return status(413, &json!({}));
        }
        let from = (page as usize - 1) * size;
        json(&json!({ "records": held(from, size) }))
    })
    .await;
    let request = r#"{ get: /events, query: { page: "{{page.number}}", size: "{{page.size}}" } }"#;
    let tenant = Tenant::new(&app, &stream(request, "pages: { number: { size: 16 } }"))
        .edit("errors:\n", "errors:\n  - when: { status: 413 }\n    then: shrink_page\n");
    tenant.completes().await;
    assert_eq!(tenant.delivered(), all());
    assert!(tenant.warnings()[0].contains("asking for 8 at once"), "{:?}", tenant.warnings());
}

/// A page that the app cannot give is left out, and said to be.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_skipped_and_the_gap_is_told() {
    let app = App::start(|asked| {
        let page = asked.number("page").unwrap() as usize;
        if page == 2 {
            return status(500, &json!({ "error": "POISONED" }));
        }
        json(&json!({ "records": held((page - 1) * 10, 10) }))
    })
    .await;
    let request = r#"{ get: /events, query: { page: "{{page.number}}", size: "{{page.size}}" } }"#;
    let rule =
        "errors:\n  - when: { status: 500, body: { $.error: POISONED } }\n    then: skip_page\n";
    let tenant = Tenant::new(&app, &stream(request, "pages: { number: { size: 10 } }"))
        .edit("errors:\n", rule);
    let report = tenant.completes().await;
    assert_eq!(report.gaps, 1);
    let left: Vec<_> =
        all().into_iter().enumerate().filter(|(at, _)| !(10..20).contains(at)).collect();
    assert_eq!(tenant.delivered(), left.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    // An app that gives no page at all is not skipped through forever.
    let app = App::start(|_| status(500, &json!({ "error": "POISONED" }))).await;
    let tenant = Tenant::new(&app, &stream(request, "pages: { number: { size: 10 } }"))
        .edit("errors:\n", rule)
        .edit("max: 5", "max: 0");
    assert!(tenant.poll().await.error.is_some());
    assert!(app.requests().len() <= 24, "{}", app.requests().len());
}

/// An app that ignores the page, and packs the same documents anew for every answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_known_again_by_what_is_packed_in_it() {
    let (app, _) = paged(
        |asked| asked.number("page").unwrap() as usize,
        |mut records, page, _| {
            // The same text in both alphabets of Base64, with padding and without.
            for (at, one) in records.iter_mut().enumerate() {
                *one = record(NOON - at as i64);
                one["packed"] = ["Pz8/Pg==", "Pz8_Pg"][page % 2].into();
            }
            json(&json!({ "records": records }))
        },
    )
    .await;
    let request = r#"{ get: /events, query: { page: "{{page.number}}" } }"#;
    let pages = "pages: { number: { size: 10 } }\n  unpack: { $.packed: [base64] }";
    let tenant = Tenant::new(&app, &stream(request, pages)).edit("max: 5", "max: 0");
    assert_eq!(tenant.poll().await.error.unwrap().code, Code::PageLoop);
}
