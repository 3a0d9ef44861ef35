//! Streams that are put together: places that the app keeps, snapshots, steps, partitions, batches,
//! details and jobs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_engine::error::Code;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, MAP, NOON, Tenant, json, status};

/// A stream with these settings, in YAML.
pub(crate) fn stream(settings: &str) -> String {
    let lines: Vec<_> = settings.lines().map(|line| format!("  {}\n", line.trim_end())).collect();
    let settings = lines.concat();
    format!(
        "events:\n  provides: sign_ins\n  every: 15m\n{settings}{}",
        MAP.trim_start_matches('\n')
    )
}

fn ids(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|at| (NOON + at).to_string()).collect()
}

/// An app that hands out places: `after=N` gives up to three records behind the Nth.
async fn log_of(held: Arc<AtomicU64>, knows: Arc<AtomicU64>) -> App {
    App::start(move |asked| {
        let held = held.load(Ordering::SeqCst);
        let from = asked.number("after").unwrap_or(0);
        if from < knows.load(Ordering::SeqCst) {
            return status(410, &json!({ "error": "place unknown" }));
        }
        let to = held.min(from + 3);
        let records: Vec<_> = (from..to).map(|at| record(NOON + at as i64)).collect();
        json(&json!({ "records": records, "place": to.to_string() }))
    })
    .await
}

const PLACE: &str = r#"request: { get: /events, query: { after: "{{cursor.value}}" } }
records: $.records[*]
key: $.id
cursor: { next: $.place, first: "0" }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_kept_from_run_to_run() {
    let (held, knows) = (Arc::new(AtomicU64::new(8)), Arc::new(AtomicU64::new(0)));
    let app = log_of(Arc::clone(&held), knows).await;
    let tenant = Tenant::new(&app, &stream(PLACE));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ids(0..8));
    held.store(10, Ordering::SeqCst);
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ids(0..10));
    let asked = app.requests();
    let again = asked.iter().filter(|uri| uri.contains("after=0")).count();
    assert_eq!(again, 1, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_the_app_forgot_stops_or_starts_again() {
    let (held, knows) = (Arc::new(AtomicU64::new(4)), Arc::new(AtomicU64::new(0)));
    let app = log_of(Arc::clone(&held), Arc::clone(&knows)).await;
    let gone = "errors:\n  - when: { status: 410 }\n    then: restart_window\n";
    let tenant = Tenant::new(&app, &stream(PLACE)).edit("errors:\n", gone);
    tenant.completes().await;
    knows.store(5, Ordering::SeqCst);
    held.store(9, Ordering::SeqCst);
    let error = tenant.poll().await.error.unwrap();
    assert_eq!(error.code, Code::DataCursorExpired, "{error}");
    let tenant = tenant.edit("first: \"0\"", "first: \"5\", expired: restart");
    let report = tenant.completes().await;
    assert_eq!(report.gaps, 1);
    let mut all = ids(0..4);
    all.extend(ids(5..9));
    assert_eq!(tenant.delivered(), all);
}

/// Where nothing happens for long, the place stays the same and does not grow old.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_expires_when_it_is_not_used() {
    let (held, knows) = (Arc::new(AtomicU64::new(4)), Arc::new(AtomicU64::new(0)));
    let app = log_of(Arc::clone(&held), knows).await;
    let tenant =
        Tenant::new(&app, &stream(PLACE)).edit("first: \"0\"", "first: \"0\", expires: 1h");
    for _ in 0..3 {
        assert_eq!(tenant.completes().await.gaps, 0);
        tenant.advance(45 * 60).await;
    }
    held.store(6, Ordering::SeqCst);
    assert_eq!(tenant.completes().await.gaps, 0);
    assert_eq!(tenant.delivered(), ids(0..6));
    tenant.advance(61 * 60).await;
    assert_eq!(tenant.poll().await.error.unwrap().code, Code::DataCursorExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_stands_still_is_an_error() {
    let app = App::start(|_| json(&json!({ "records": [record(NOON)], "place": "7" }))).await;
    let tenant = Tenant::new(&app, &stream(PLACE));
    assert_eq!(tenant.poll().await.error.unwrap().code, Code::PageLoop);
    assert!(app.requests().len() < 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greatest_id_is_a_place() {
    let held = Arc::new(AtomicU64::new(12));
    let holds = Arc::clone(&held);
    let app = App::start(move |asked| {
        let after = asked.number("since_id").unwrap_or(NOON as u64 - 1) as i64;
        let end = NOON + holds.load(Ordering::SeqCst) as i64;
        let records: Vec<_> = (after + 1..end.min(after + 6)).map(record).collect();
        json(&json!({ "records": records }))
    })
    .await;
    let settings = PLACE
        .replace("after: \"{{cursor.value}}\"", "since_id: \"{{cursor.value}}\"")
        .replace("{ next: $.place, first: \"0\" }", "{ last: $.id }");
    let tenant = Tenant::new(&app, &stream(&settings));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ids(0..12));
    held.store(15, Ordering::SeqCst);
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ids(0..15));
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_tell_what_is_new_changed_and_gone() {
    let shown: Arc<Mutex<Vec<Value>>> = Arc::default();
    let fails = Arc::new(AtomicBool::new(false));
    let (shows, failing) = (Arc::clone(&shown), Arc::clone(&fails));
    let app = App::start(move |asked| {
        if asked.number("page") == Some(2) && failing.load(Ordering::SeqCst) {
            return status(400, &json!({}));
        }
        let all = shows.lock().unwrap().clone();
        let from = (asked.number("page").unwrap_or(1) as usize - 1) * 2;
        let records: Vec<_> = all.iter().skip(from).take(2).cloned().collect();
        json(&json!({ "records": records }))
    })
    .await;
    let settings = r#"request: { get: /users, query: { page: "{{page.number}}" } }
records: $.records[*]
pages: { number: { size: 2 } }
key: $.id
changes:
  ignore: [$.seen]
  gone:
    to: authentication
    activity: Logoff
    message: { from: $.name, match: '(.*)' }
    user.uid: $.id
    status: Success
    service.name: Tester"#;
    let person = |id: i64, name: &str, seen: i64| {
        let mut record = record(NOON + id);
        record["name"] = name.into();
        record["seen"] = seen.into();
        record
    };
    let show = |people: &[Value]| *shown.lock().unwrap() = people.to_vec();
    let tenant = Tenant::new(&app, &stream(settings).replace("message: $.id", "message: $.name"));
    show(&[person(1, "ada", 1), person(2, "ben", 1), person(3, "cyd", 1)]);
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ["ada", "ben", "cyd"]);
    // Nothing but what is ignored.
    tenant.advance(900).await;
    show(&[person(1, "ada", 2), person(2, "ben", 2), person(3, "cyd", 2)]);
    tenant.completes().await;
    assert_eq!(tenant.delivered().len(), 3);
    // One changed, one gone; but a snapshot that fails says nothing of what is gone.
    tenant.advance(900).await;
    show(&[person(1, "ann", 3), person(3, "cyd", 3)]);
    fails.store(true, Ordering::SeqCst);
    assert!(tenant.poll().await.error.is_some());
    assert_eq!(tenant.delivered().iter().filter(|name| *name == "ben").count(), 1);
    fails.store(false, Ordering::SeqCst);
    tenant.advance(900).await;
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ["ada", "ann", "ben", "ben", "cyd"]);
    // What comes back is new again.
    tenant.advance(900).await;
    show(&[person(1, "ann", 3), person(2, "ben", 1), person(3, "cyd", 3)]);
    tenant.completes().await;
    assert_eq!(tenant.delivered().iter().filter(|name| *name == "ben").count(), 3);
}

/// What is kept of a record until it is gone is as private as its events, and known by the same hash.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_is_kept_until_a_record_is_gone() {
    let shown: Arc<Mutex<Vec<Value>>> = Arc::default();
    let shows = Arc::clone(&shown);
    let app = App::start(move |_| json(&json!({ "records": shows.lock().unwrap().clone() }))).await;
    let settings = r"request: { get: /users }
records: $.records[*]
key: $.id
privacy: { $.name: hash }
changes:
  gone:
    to: authentication
    activity: Logoff
    message: $.name
    user.uid: $.id
    status: Success
    service.name: Tester";
    let person = |id: i64, name: &str| {
        let mut record = record(NOON + id);
        record["name"] = name.into();
        record
    };
    let tenant = Tenant::new(&app, &stream(settings).replace("message: $.id", "message: $.name"));
    *shown.lock().unwrap() = vec![person(1, "Adalovelace"), person(2, "Charlesbabbage")];
    tenant.completes().await;
    let before = tenant.delivered();
    *shown.lock().unwrap() = vec![person(1, "Adalovelace")];
    tenant.advance(900).await;
    tenant.completes().await;
    let after = tenant.delivered();
    assert_eq!((before.len(), after.len()), (2, 3));
    let twice = |name: &&String| after.iter().filter(|other| other == name).count() == 2;
    assert_eq!(before.iter().filter(twice).count(), 1, "{before:?} {after:?}");
    for name in ["Adalovelace", "Charlesbabbage"] {
        assert!(!tenant.has_written(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_steps_are_read_for_every_item_of_the_one_before() {
    let app = App::start(|asked| {
        let parts: Vec<_> = asked.path.trim_start_matches("/v1/").split('/').collect();
        json(&match parts[..] {
            ["orgs"] => json!({ "orgs": [{ "id": 1 }, { "id": 2 }] }),
            ["orgs", org, "repos"] => {
                json!({ "repos": [{ "id": format!("{org}-a") }, { "id": format!("{org}-b") }] })
            }
            [_, repo, "events"] => {
                let (from, to) = asked.window().unwrap();
                let own =
                    i64::from(repo.as_bytes()[0] - b'0') * 10 + i64::from(repo.ends_with('b'));
                let records: Vec<_> = (0..6)
                    .map(|hour| NOON - 3600 * (3 - hour) + own)
                    .filter(|at| (from..to).contains(at))
                    .map(record)
                    .collect();
                json!({ "records": records })
            }
            _ => return status(404, &json!({})),
        })
    })
    .await;
    let settings = r#"window: { on: $.at, lag: 1m, overlap: 5m, backfill: 12h }
steps:
  orgs: { request: { get: /orgs }, records: "$.orgs[*]", key: $.id }
  repos: { request: { get: "/orgs/{{orgs.id}}/repos" }, records: "$.repos[*]", key: $.id }
  events:
    request:
      get: /repos/{{repos.id}}/events
      query: { from: "{{window.start}}", to: "{{window.end}}" }
    records: $.records[*]
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    let expected = |hours: std::ops::Range<i64>| {
        let mut all: Vec<_> = [10, 11, 20, 21]
            .into_iter()
            .flat_map(|own| {
                hours.clone().map(move |hour| (NOON - 3600 * (3 - hour) + own).to_string())
            })
            .collect();
        all.sort();
        all
    };
    tenant.completes().await;
    assert_eq!(tenant.delivered(), expected(0..3));
    tenant.advance(7200 + 120).await;
    tenant.completes().await;
    assert_eq!(tenant.delivered(), expected(0..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_read_in_every_combination() {
    let app = App::start(|asked| {
        let at = |name: &str, of: &str| i64::from(asked.query[name] == of);
        let at = NOON + at("kind", "b") * 2 + at("region", "us");
        json(&json!({ "records": [record(at)] }))
    })
    .await;
    let settings = r#"partitions: { kind: [a, b], region: [eu, us] }
request: { get: /events, query: { kind: "{{partition.kind}}", region: "{{partition.region}}" } }
records: $.records[*]
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ids(0..4));
    assert_eq!(app.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_go_into_requests_together_and_details_into_records() {
    let app = App::start(|asked| {
        if asked.path.ends_with("/list") {
            let items: Vec<_> = (0..7).map(|id| json!({ "id": id })).collect();
            return json(&json!({ "items": items }));
        }
        if let Some(id) = asked.path.strip_prefix("/v1/details/") {
            let id: i64 = id.parse().unwrap();
            if id == NOON + 4 {
                return status(404, &json!({}));
            }
            return json(&json!({ "detail": { "label": format!("label {}", id - NOON) } }));
        }
        let ids = asked.query["ids"].split(',').map(|id| NOON + id.parse::<i64>().unwrap());
        json(&json!({ "records": ids.map(record).collect::<Vec<_>>() }))
    })
    .await;
    let settings = r#"steps:
  items: { request: { get: /list }, records: "$.items[*]" }
  events:
    batch: { of: $.id, size: 3 }
    request: { get: /events, query: { ids: "{{join batch ','}}" } }
    records: $.records[*]
join:
  more: { request: { get: "/details/{{record.id}}" }, select: $.detail, missing: keep }
key: $.id"#;
    let errors = "errors:\n  - when: { status: 404 }\n    then: skip\n";
    let tenant = Tenant::new(&app, &stream(settings))
        .edit("errors:\n", errors)
        .edit("message: $.id", "message: { from: [$.more.label, $.id] }");
    let report = tenant.completes().await;
    let mut expected: Vec<_> =
        [0, 1, 2, 3, 5, 6].map(|id| format!("label {id}")).into_iter().collect();
    expected.insert(0, (NOON + 4).to_string());
    assert_eq!(tenant.delivered(), expected);
    assert_eq!(report.gaps, 1);
    assert_eq!(app.requests().iter().filter(|uri| uri.contains("ids=")).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_made_waited_for_read_and_cleared_away() {
    let asked_for = Arc::new(AtomicU64::new(0));
    let cleared = Arc::new(AtomicBool::new(false));
    let (count, clears) = (Arc::clone(&asked_for), Arc::clone(&cleared));
    let app = App::start(move |asked| {
        let path = asked.path.trim_start_matches("/v1");
        json(&match (asked.method.as_str(), path) {
            ("POST", "/jobs") => json!({ "id": "j1" }),
            ("GET", "/jobs/j1") => {
                let done = count.fetch_add(1, Ordering::SeqCst) >= 3;
                json!({ "state": if done { "done" } else { "running" }, "file": "f1" })
            }
            ("GET", "/files/f1") => json!({ "records": [record(NOON), record(NOON + 1)] }),
            ("DELETE", "/jobs/j1") => {
                clears.store(true, Ordering::SeqCst);
                json!({})
            }
            _ => return status(404, &json!({})),
        })
    })
    .await;
    let settings = r#"steps:
  job:
    request: { post: /jobs, json: { kind: events } }
    cleanup: { delete: "/jobs/{{job.id}}" }
  status:
    request: { get: "/jobs/{{job.id}}" }
    wait: { until: { $.state: done }, failed: { $.state: failed }, every: 10s, timeout: 5m }
  events: { request: { get: "/files/{{status.file}}" }, records: "$.records[*]" }
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    let before = tenant.clock.now();
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ids(0..2));
    assert_eq!(asked_for.load(Ordering::SeqCst), 4);
    assert!(cleared.load(Ordering::SeqCst));
    let waited: Duration = tenant.clock.now().duration_since(before).try_into().unwrap();
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_in_batches_is_cleared_away_too() {
    let cleared: Arc<Mutex<Vec<String>>> = Arc::default();
    let clears = Arc::clone(&cleared);
    let app = App::start(move |asked| {
        if asked.method == "DELETE" {
            clears.lock().unwrap().push(asked.path.clone());
            return json(&json!({}));
        }
        if asked.path.ends_with("/list") {
            return json(&json!({ "items": [{ "id": 1 }, { "id": 2 }, { "id": 3 }] }));
        }
        if asked.query["ids"] == "3" {
            return status(400, &json!({}));
        }
        json(&json!({ "records": [record(NOON)] }))
    })
    .await;
    let settings = r#"steps:
  items:
    request: { post: /list }
    records: "$.items[*]"
    cleanup: { delete: "/items/{{items.id}}" }
  events:
    batch: { of: $.id, size: 2 }
    request: { get: /events, query: { ids: "{{join batch ','}}" } }
    records: $.records[*]
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    assert!(tenant.poll().await.error.is_some());
    assert_eq!(*cleared.lock().unwrap(), ["/v1/items/1", "/v1/items/2", "/v1/items/3"]);
}

/// An app that makes three items at once, of which the second cannot be read; how it answers a
/// DELETE, and the paths of those.
async fn three_made(cleared: u16, total: u64) -> (App, Arc<Mutex<Vec<String>>>) {
    let asked_to_clear: Arc<Mutex<Vec<String>>> = Arc::default();
    let clears = Arc::clone(&asked_to_clear);
    let app = App::start(move |asked| {
        if asked.method == "DELETE" {
            clears.lock().unwrap().push(asked.path.clone());
            return status(cleared, &json!({}));
        }
        if asked.path.ends_with("/list") {
            let items = json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }]);
            return json(&json!({ "items": items, "total": total }));
        }
        if asked.query["of"] == "2" {
            return status(400, &json!({}));
        }
        json(&json!({ "records": [record(NOON)] }))
    })
    .await;
    (app, asked_to_clear)
}

const THREE_MADE: &str = r#"steps:
  items:
    request: { post: /list }
    records: "$.items[*]"
    promise: { total: $.total }
    cleanup: { delete: "/items/{{items.id}}" }
  events:
    request: { get: /events, query: { of: "{{items.id}}" } }
    records: $.records[*]
key: $.id"#;

#[tokio::test(flavor = "multi_thread")]
async fn items_behind_one_that_cannot_be_read_are_cleared_away_too() {
    let (app, cleared) = three_made(204, 3).await;
    let tenant = Tenant::new(&app, &stream(THREE_MADE));
    assert!(tenant.poll().await.error.is_some());
    assert_eq!(*cleared.lock().unwrap(), ["/v1/items/1", "/v1/items/2", "/v1/items/3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_a_page_that_breaks_its_promise_are_cleared_away() {
    let (app, cleared) = three_made(204, 4).await;
    let tenant = Tenant::new(&app, &stream(THREE_MADE));
    assert_eq!(tenant.poll().await.error.unwrap().code, Code::DataIncomplete);
    let cleared = cleared.lock().unwrap();
    let each = cleared.iter().filter(|path| *path == "/v1/items/3").count();
    assert!(each > 0 && cleared.len() == each * 3, "{cleared:?}");
}

/// An app that cannot clear anything away is asked again and again once, not for every item.
#[tokio::test(flavor = "multi_thread")]
async fn clearing_away_is_patient_once() {
    let (app, cleared) = three_made(500, 3).await;
    let tenant = Tenant::new(&app, &stream(THREE_MADE));
    assert!(tenant.poll().await.error.is_some());
    let cleared = cleared.lock().unwrap();
    let mut expected = vec!["/v1/items/1"; 6];
    expected.extend(["/v1/items/2", "/v1/items/3"]);
    assert_eq!(*cleared, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_in_vain_is_cleared_away() {
    let cleared: Arc<Mutex<Vec<String>>> = Arc::default();
    let clears = Arc::clone(&cleared);
    let app = App::start(move |asked| {
        if asked.method == "DELETE" {
            clears.lock().unwrap().push(asked.path.clone());
        }
        json(&json!({ "id": "s1", "state": "failed" }))
    })
    .await;
    let settings = r#"steps:
  search:
    request: { post: /searches }
    wait: { until: { $.state: done }, failed: { $.state: failed }, every: 10s, timeout: 5m }
    cleanup: { delete: "/searches/{{search.id}}" }
  events: { request: { get: "/searches/{{search.id}}/found" }, records: "$.records[*]" }
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    assert_eq!(tenant.poll().await.error.unwrap().code, Code::AppError);
    assert_eq!(*cleared.lock().unwrap(), ["/v1/searches/s1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_app_does_not_filter_is_filtered_here_and_newest_first_ends_early() {
    let app = App::start(|asked| {
        let page = asked.number("page").unwrap() as i64;
        // One record a minute, newest first, without end.
        let records: Vec<_> =
            (0..10).map(|at| record(NOON - 60 * ((page - 1) * 10 + at) - 1)).collect();
        json(&json!({ "records": records }))
    })
    .await;
    let settings = r#"request: { get: /events, query: { page: "{{page.number}}" } }
records: $.records[*]
pages: { number: { size: 10 } }
window: { on: $.at, filter: here, order: descending, lag: 5m, overlap: 5m, backfill: 1h }
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    tenant.completes().await;
    let mut expected: Vec<_> = (5..60).map(|at| (NOON - 60 * at - 1).to_string()).collect();
    expected.sort();
    assert_eq!(tenant.delivered(), expected);
    assert!(app.requests().len() <= 8, "{}", app.requests().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_with_as_many_records_as_the_app_shows_is_halved() {
    let app = App::start(|asked| {
        let (from, to) = asked.window().unwrap();
        // One a minute, and never more than 20 for one question.
        let records: Vec<_> = (0..120)
            .map(|minute| NOON - 60 * (minute + 2))
            .filter(|at| (from..to).contains(at))
            .take(20)
            .map(record)
            .collect();
        json(&json!({ "records": records }))
    })
    .await;
    let settings = r#"request: { get: /events, query: { from: "{{window.start}}", to: "{{window.end}}" } }
records: $.records[*]
window: { on: $.at, most: 20, lag: 1m, overlap: 5m, backfill: 3h }
key: $.id"#;
    let tenant = Tenant::new(&app, &stream(settings));
    tenant.completes().await;
    let mut expected: Vec<_> = (0..120).map(|at| (NOON - 60 * (at + 2)).to_string()).collect();
    expected.sort();
    assert_eq!(tenant.delivered(), expected);
}
