//! The five ways of paging, with windows and without, and apps that ignore the page parameter.

use std::sync::Arc;

use axum::response::Response;
use longshore_engine::error::Code;
use serde_json::{Value, json};

use crate::support::{App, Asked, NOON, Tenant, json, snapshot, windowed};

pub(crate) const SIZE: usize = 7;

/// How an app is paged, what the manifest says of it, and what its first request sends.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) pages: &'static str,
    pub(crate) query: &'static str,
    /// The rest of the answer, given the next position.
    pub(crate) answer: fn(&Asked, Vec<Value>, Option<usize>) -> Response,
    /// The position that a request asks for.
    pub(crate) position: fn(&Asked) -> usize,
}

fn offset_of(asked: &Asked) -> usize {
    asked.number("offset").unwrap_or(0) as usize
}

/// The request again, at another position.
fn link_to(asked: &Asked, position: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in asked.query.iter().filter(|(name, _)| *name != "offset") {
        query.append_pair(name, value);
    }
    query.append_pair("offset", &position.to_string());
    format!("{}?{}", asked.path, query.finish())
}

pub(crate) const WAYS: [Way; 5] = [
    Way {
        name: "number",
        pages: "pages: { number: { first: 1, size: 7 } }",
        query: r#"page: "{{page.number}}", size: "{{page.size}}""#,
        answer: |_, records, _| json(&json!({ "records": records })),
        position: |asked| {
            let number = |name| asked.number(name).unwrap() as usize;
            (number("page") - 1) * number("size")
        },
    },
    Way {
        name: "offset",
        pages: "pages: { offset: { size: 7 } }",
        query: r#"offset: "{{page.offset}}", size: "{{page.size}}""#,
        answer: |_, records, _| json(&json!({ "records": records })),
        position: offset_of,
    },
    Way {
        name: "cursor",
        pages: "pages: { cursor: $.next }",
        query: r#"offset: "{{page.cursor}}""#,
        answer: |_, records, next| {
            let next = next.map(|next| next.to_string());
            json(&json!({ "records": records, "next": next }))
        },
        position: offset_of,
    },
    Way {
        name: "link_header",
        pages: "pages: { link_header: next }",
        query: "",
        answer: |asked, records, next| {
            let mut answer = json(&json!({ "records": records }));
            if let Some(next) = next {
                let link = format!(
                    r#"<https://api.tester.test{}>; rel="next", <https://api.tester.test/>; rel="first""#,
                    link_to(asked, next)
                );
                answer.headers_mut().insert("link", link.parse().unwrap());
            }
            answer
        },
        position: offset_of,
    },
    Way {
        name: "next_url",
        pages: "pages: { next_url: $.next }",
        query: "",
        answer: |asked, records, next| {
            let next = next.map(|next| link_to(asked, next));
            json(&json!({ "records": records, "next": next }))
        },
        position: offset_of,
    },
];

pub(crate) fn record(second: i64) -> Value {
    let at = jiff::Timestamp::from_second(second).unwrap().to_string();
    json!({ "id": format!("{second}"), "at": at, "ip": "192.0.2.1" })
}

/// One record every 40 seconds of the last hour: 89, and in whole pages for the last window.
fn records() -> Vec<i64> {
    (NOON - 3600..NOON - 60).step_by(40).collect()
}

/// A page of what the app holds in the window that is asked for.
fn answer(way: &Way, asked: &Asked, position: usize) -> Response {
    let (from, to) = asked.window().unwrap_or((0, i64::MAX));
    let shown: Vec<_> = records().into_iter().filter(|at| (from..to).contains(at)).collect();
    let page: Vec<_> = shown.iter().skip(position).take(SIZE).map(|at| record(*at)).collect();
    let next = (position + SIZE < shown.len()).then_some(position + SIZE);
    (way.answer)(asked, page, next)
}

fn streams(way: &Way) -> [String; 2] {
    [snapshot(way.query, way.pages), windowed(way.query, way.pages, "")]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_paging_is_read_to_its_end() {
    for way in &WAYS {
        for stream in streams(way) {
            let app = App::start(move |asked| answer(way, &asked, (way.position)(&asked))).await;
            let tenant = Tenant::new(&app, &stream);
            tenant.completes().await;
            let expected: Vec<_> = records().iter().map(ToString::to_string).collect();
            assert_eq!(tenant.delivered(), expected, "{}: {:?}", way.name, app.requests());
            tenant.completes().await;
            assert_eq!(tenant.delivered(), expected, "{} again", way.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ignores_the_page_parameter_is_named() {
    for way in &WAYS {
        for stream in streams(way) {
            let app = App::start(move |asked| answer(way, &asked, 0)).await;
            let tenant = Tenant::new(&app, &stream);
            let error = tenant.poll().await.error.unwrap();
            assert_eq!(error.code, Code::PageLoop, "{}: {error}", way.name);
            assert!(app.requests().len() < 30, "{}: {:?}", way.name, app.requests().len());
        }
    }
}

/// After the last page comes the first one again.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_starts_over_is_named() {
    for way in &WAYS {
        for stream in streams(way) {
            let app = App::start(move |asked| {
                let whole_pages = 3 * SIZE;
                let position = (way.position)(&asked) % whole_pages;
                let page = records().into_iter().skip(position).take(SIZE).map(record);
                let next = (position + SIZE) % whole_pages;
                (way.answer)(&asked, page.collect(), Some(next))
            })
            .await;
            let tenant = Tenant::new(&app, &stream);
            let polled = tokio::time::timeout(std::time::Duration::from_secs(20), tenant.poll());
            let error = polled.await.expect(way.name).error.unwrap();
            assert_eq!(error.code, Code::PageLoop, "{}: {error}", way.name);
        }
    }
}

/// Positions that are always new, and never a record.
#[tokio::test(flavor = "multi_thread")]
async fn pages_without_records_do_not_go_on_forever() {
    for way in WAYS.iter().skip(2) {
        let app = App::start(move |asked| {
            (way.answer)(&asked, Vec::new(), Some((way.position)(&asked) + 1))
        })
        .await;
        let tenant = Tenant::new(&app, &snapshot(way.query, way.pages)).edit("max: 5", "max: 0");
        let polled = tokio::time::timeout(std::time::Duration::from_secs(30), tenant.poll());
        let error = polled.await.expect(way.name).error.unwrap();
        assert_eq!(error.code, Code::PageLoop, "{}: {error}", way.name);
    }
}

/// A few empty pages are nothing to complain of.
#[tokio::test(flavor = "multi_thread")]
async fn pages_without_records_are_passed() {
    for way in WAYS.iter().skip(2) {
        let app = App::start(move |asked| {
            let position = (way.position)(&asked);
            let page = if position == 40 { vec![record(NOON - 600)] } else { Vec::new() };
            (way.answer)(&asked, page, (position < 50).then_some(position + 1))
        })
        .await;
        let tenant = Tenant::new(&app, &snapshot(way.query, way.pages));
        tenant.completes().await;
        assert_eq!(tenant.delivered().len(), 1, "{}", way.name);
    }
}

/// The next page of a POST is asked for as the first one was.
#[tokio::test(flavor = "multi_thread")]
async fn a_next_link_is_asked_for_by_the_method_of_the_first_page() {
    let way = &WAYS[4];
    let methods: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&methods);
    let app = App::start(move |asked| {
        seen.lock().unwrap().push(asked.method.clone());
        answer(way, &asked, offset_of(&asked))
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", way.pages)).edit("get: /events", "post: /events");
    tenant.completes().await;
    assert_eq!(tenant.delivered().len(), records().len());
    assert!(methods.lock().unwrap().iter().all(|method| method == "POST"));
}
