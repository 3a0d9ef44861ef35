//! Items of a step that are asked for at once: so many and no more, each read once and in order,
//! whatever fails and whenever the process ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use longshore_engine::clock::Clock;
use longshore_engine::error::Code;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, Asked, MAP, NOON, Tenant, json, status};

const ITEMS: usize = 10;

/// A stream of items, `at_once` of which are asked for at the same time; `more` stands in the step.
fn stream(at_once: usize, more: &str) -> String {
    format!(
        r#"events:
  provides: sign_ins
  every: 15m
  steps:
    items: {{ request: {{ get: /list }}, records: "$.items[*]", key: $.id }}
    events:
      request: {{ get: "/items/{{{{items.id}}}}", query: {{ page: "{{{{page.number}}}}" }} }}
      records: $.records[*]
      pages: {{ number: {{ size: 2, more: $.more }} }}
      concurrency: {at_once}
{more}
  key: $.id{MAP}"#
    )
}

/// How many requests for items are under way, and how many were at most.
#[derive(Default)]
struct Gauge {
    now: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Gauge {
    /// Counts a request; the first ones wait until `expected` are under way, or for a moment if
    /// that never happens.
    fn enter(&self, expected: usize) {
        let mut now = self.now.lock().unwrap();
        now.0 += 1;
        now.1 = now.1.max(now.0);
        self.changed.notify_all();
        let wait = Duration::from_millis(500);
        drop(self.changed.wait_timeout_while(now, wait, |now| now.1 < expected).unwrap());
        // Whoever comes too early comes now.
        std::thread::sleep(Duration::from_millis(5));
        self.now.lock().unwrap().0 -= 1;
    }

    fn most(&self) -> usize {
        self.now.lock().unwrap().1
    }
}

fn list() -> Value {
    json!({ "items": (0..ITEMS).map(|id| json!({ "id": id })).collect::<Vec<_>>() })
}

fn item(asked: &Asked) -> Option<usize> {
    asked.path.strip_prefix("/v1/items/")?.parse().ok()
}

/// Three records of an item, on two pages.
fn pages(asked: &Asked, item: usize) -> Value {
    let first = NOON + item as i64 * 3;
    match asked.number("page") {
        Some(1) => json!({ "records": [record(first), record(first + 1)], "more": true }),
        _ => json!({ "records": [record(first + 2)], "more": false }),
    }
}

fn all() -> Vec<String> {
    (0..ITEMS as i64 * 3).map(|at| (NOON + at).to_string()).collect()
}

/// An app whose items wait for `expected` others; `refuses` may answer in its place.
async fn app_of(
    gauge: Arc<Gauge>,
    expected: usize,
    refuses: impl Fn(&Asked, usize) -> Option<axum::response::Response> + Clone + Send + Sync + 'static,
) -> App {
    App::start(move |asked| {
        let Some(item) = item(&asked) else { return json(&list()) };
        gauge.enter(expected);
        refuses(&asked, item).unwrap_or_else(|| json(&pages(&asked, item)))
    })
    .await
}

/// The ids of the delivered events in the order in which they were written.
fn written(tenant: &Tenant) -> Vec<String> {
    let text = std::fs::read_to_string(tenant.folder.path().join("events/events.jsonl")).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].clone();
    text.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn so_many_items_are_asked_for_at_once_and_read_in_order() {
    let gauge = Arc::new(Gauge::default());
    let app = app_of(Arc::clone(&gauge), 4, |_, _| None).await;
    let tenant = Tenant::new(&app, &stream(4, ""));
    let report = tenant.completes().await;
    assert_eq!(gauge.most(), 4);
    assert_eq!(written(&tenant), all());
    assert_eq!(app.requests().len(), 1 + ITEMS * 2);
    assert_eq!(report.requests, 1 + ITEMS as u64 * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn without_concurrency_one_item_is_asked_for_after_the_other() {
    let gauge = Arc::new(Gauge::default());
    let app = app_of(Arc::clone(&gauge), 1, |_, _| None).await;
    let tenant = Tenant::new(&app, &stream(1, ""));
    tenant.completes().await;
    assert_eq!((gauge.most(), written(&tenant)), (1, all()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_bound_of_the_whole_app_holds() {
    let gauge = Arc::new(Gauge::default());
    let app = app_of(Arc::clone(&gauge), 2, |_, _| None).await;
    let tenant = Tenant::new(&app, &stream(6, "")).edit(
        "timeout: 10s",
        "timeout: 10s\n  hosts_rate: { \"*.tester.test\": { concurrency: 2 } }",
    );
    tenant.completes().await;
    assert_eq!((gauge.most(), written(&tenant)), (2, all()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_item_that_is_gone_does_not_take_the_others_with_it() {
    let gone = |_: &Asked, item| (item == 3).then(|| status(404, &json!({})));
    let app = app_of(Arc::default(), 4, gone).await;
    let errors = "errors:\n  - when: { status: 404 }\n    then: skip\n";
    let tenant = Tenant::new(&app, &stream(4, "")).edit("errors:\n", errors);
    let report = tenant.completes().await;
    assert_eq!(report.gaps, 1);
    let mut expected = all();
    expected.drain(9..12);
    assert_eq!(written(&tenant), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_comes_after_a_failure_is_read_by_the_next_poll() {
    let fails = Arc::new(AtomicUsize::new(5));
    let failing = Arc::clone(&fails);
    let refuses = move |_: &Asked, item| {
        (item == failing.load(Ordering::SeqCst)).then(|| status(400, &json!({})))
    };
    let app = app_of(Arc::default(), 4, refuses).await;
    let tenant = Tenant::new(&app, &stream(4, ""));
    let error = tenant.poll().await.error.unwrap();
    assert_eq!(error.code, Code::AppRequestRefused);
    fails.store(usize::MAX, Ordering::SeqCst);
    tenant.completes().await;
    assert_eq!(written(&tenant), all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_pause_is_heard_though_the_poll_fails_meanwhile() {
    let clock: Arc<OnceLock<Clock>> = Arc::default();
    let asked_at: Arc<Mutex<Vec<i64>>> = Arc::default();
    let (shown, noted, fails) = (Arc::clone(&clock), Arc::clone(&asked_at), AtomicUsize::new(0));
    let fails = Arc::new(fails);
    let refuses = move |_: &Asked, item| match item {
        0 if fails.fetch_add(1, Ordering::SeqCst) == 0 => Some(status(400, &json!({}))),
        1 => {
            let mut noted = noted.lock().unwrap();
            noted.push(shown.get().unwrap().now().as_second());
            if noted.len() > 1 {
                return None;
            }
            // Long after the first item has failed.
            std::thread::sleep(Duration::from_millis(200));
            let mut slow = status(429, &json!({}));
            slow.headers_mut().insert("retry-after", "120".parse().unwrap());
            Some(slow)
        }
        _ => None,
    };
    let app = app_of(Arc::default(), 2, refuses).await;
    let tenant = Tenant::new(&app, &stream(2, ""));
    clock.set(tenant.clock.clone()).unwrap();
    assert!(tenant.poll().await.error.is_some());
    tenant.completes().await;
    assert_eq!(written(&tenant), all());
    let asked_at = asked_at.lock().unwrap();
    assert!(asked_at[1] >= asked_at[0] + 120, "{asked_at:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn trouble_of_one_request_is_made_good_by_itself() {
    let asked_for = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked_for);
    let refuses = move |_: &Asked, _| match count.fetch_add(1, Ordering::SeqCst) {
        number if number % 3 == 1 => Some(status(503, &json!({}))),
        number if number % 7 == 2 => Some(crate::support::broken_off("{ \"records\": [")),
        _ => None,
    };
    let app = app_of(Arc::default(), 3, refuses).await;
    let tenant = Tenant::new(&app, &stream(3, ""));
    for _ in 0..10 {
        if tenant.poll().await.error.is_none() {
            break;
        }
    }
    assert_eq!(written(&tenant), all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_kill_loses_nothing_and_repeats_nothing() {
    for end in [2, 5, 9, 14, 18] {
        let count = Arc::new(AtomicUsize::new(0));
        let killed = Arc::new(tokio::sync::Notify::new());
        let (counts, kills) = (Arc::clone(&count), Arc::clone(&killed));
        let refuses = move |_: &Asked, _| {
            if counts.fetch_add(1, Ordering::SeqCst) == end {
                kills.notify_one();
            }
            None
        };
        let app = app_of(Arc::default(), 1, refuses).await;
        let tenant = Tenant::new(&app, &stream(4, ""));
        assert!(tenant.poll_until(killed.notified()).await.is_none());
        tenant.is_free().await;
        tenant.completes().await;
        assert_eq!(written(&tenant), all(), "killed at request {end}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn answers_too_long_to_wait_are_asked_for_in_their_turn() {
    let filler = "x".repeat(3 << 20);
    let gauge = Arc::new(Gauge::default());
    let long = move |asked: &Asked, item| {
        let mut page = pages(asked, item);
        page["records"][0]["filler"] = filler.as_str().into();
        Some(json(&page))
    };
    let app = app_of(Arc::clone(&gauge), 4, long).await;
    let tenant = Tenant::new(&app, &stream(4, ""))
        .edit("  key: $.id\n", "  key: $.id\n    ignore: [filler]\n");
    tenant.completes().await;
    assert_eq!(written(&tenant), all());
    // Those that were under way when that was found are asked for twice.
    let asked = app.requests().len();
    assert!((1 + ITEMS * 2..=1 + ITEMS * 2 + 4).contains(&asked), "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_makes_something_at_the_app_is_asked_for_in_its_turn() {
    let gauge = Arc::new(Gauge::default());
    let gauged = Arc::clone(&gauge);
    let app = App::start(move |asked| {
        let path = asked.path.trim_start_matches("/v1");
        if path == "/list" {
            return json(&list());
        }
        if asked.method == "POST" {
            gauged.enter(1);
            return json(&json!({ "job": asked.json()["of"] }));
        }
        let item = path.trim_start_matches("/jobs/").parse::<i64>().unwrap();
        json(&json!({ "records": [record(NOON + item)] }))
    })
    .await;
    let settings = format!(
        r#"events:
  provides: sign_ins
  every: 15m
  steps:
    items: {{ request: {{ get: /list }}, records: "$.items[*]" }}
    job:
      request: {{ post: /jobs, json: {{ of: "{{{{items.id}}}}" }} }}
      cleanup: {{ delete: "/jobs/{{{{job.job}}}}" }}
      concurrency: 4
    events: {{ request: {{ get: "/jobs/{{{{job.job}}}}" }}, records: "$.records[*]" }}
  key: $.id{MAP}"#
    );
    let tenant = Tenant::new(&app, &settings);
    tenant.completes().await;
    assert_eq!(gauge.most(), 1);
    assert_eq!(tenant.delivered().len(), ITEMS);
}
