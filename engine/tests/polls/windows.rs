//! Windows that fail half way, and what is remembered between polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::response::Response;
use longshore_engine::error::Code;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, Asked, MAP, NOON, Tenant, broken_off, json, status, windowed};

/// The records of the window that is asked for.
fn all(asked: &Asked, times: &[i64]) -> Vec<Value> {
    let (from, to) = asked.window().unwrap();
    times.iter().filter(|at| (from..to).contains(at)).map(|at| record(*at)).collect()
}

fn names(times: &[i64]) -> Vec<String> {
    let mut names: Vec<_> = times.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

/// Nothing is committed for its size or age before the second window fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_fails_takes_nothing_of_the_one_before() {
    const TIMES: [i64; 3] = [NOON - 3500, NOON - 3000, NOON - 2000];
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let app = App::start(move |asked| {
        let second = asked.window().unwrap().0 >= NOON - 2400;
        if second && breaks.load(Ordering::SeqCst) {
            return status(400, &json!({}));
        }
        json(&json!({ "records": all(&asked, &TIMES) }))
    })
    .await;
    let tenant = Tenant::new(&app, &windowed("", "", ""));
    let report = tenant.poll().await;
    assert_eq!(report.error.unwrap().code, Code::AppRequestRefused);
    assert_eq!(tenant.delivered(), names(&TIMES[..2]));
    assert_eq!(report.watermark.unwrap().as_second(), NOON - 2400);
    broken.store(false, Ordering::SeqCst);
    tenant.completes().await;
    assert_eq!(tenant.delivered(), names(&TIMES));
}

/// A stream that lists files and reads them; `more` belongs to the window, `last` to the stream.
fn listed(more: &str, last: &str) -> String {
    format!(
        "events:\n  provides: sign_ins\n  every: 15m\n  steps:\n    files:\n      request: {{ get: /files, query: {{ from: \"{{{{window.start}}}}\", to: \"{{{{window.end}}}}\" }} }}\n      records: $.files[*]\n      key: $.id\n    rows:\n      request: {{ get: \"/files/{{{{files.id}}}}/rows\" }}\n      records: $.records[*]\n  window: {{ on: $.at, span: 20m, overlap: 5m, lag: 1m, backfill: 1h, resolution: 1s{more} }}\n  key: $.id\n  {last}{MAP}"
    )
}

fn file(id: &str, second: i64) -> Value {
    json!({ "id": id, "at": jiff::Timestamp::from_second(second).unwrap().to_string() })
}

/// A part of an answer.
fn cut(answer: &Value, length: usize) -> Response {
    broken_off(answer.to_string()[..length].to_owned())
}

/// Rows are older than the file that lists them, and so are their keys: they must be kept until the
/// file is done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_after_a_commit_is_delivered_once() {
    let times: Vec<i64> = (NOON - 90_000..NOON - 80_000).collect();
    let records: Vec<_> = times.iter().map(|at| record(*at)).collect();
    let rows = json!({ "records": records });
    let downloads = Arc::new(AtomicUsize::new(0));
    let app = App::start(move |asked| {
        if asked.path == "/v1/files" {
            let (from, to) = asked.window().unwrap();
            let due = (from..to).contains(&(NOON + 600));
            let files = if due { vec![file("a", NOON + 600)] } else { Vec::new() };
            return json(&json!({ "files": files }));
        }
        match downloads.fetch_add(1, Ordering::SeqCst) {
            0 => cut(&rows, rows.to_string().len() * 9 / 10),
            _ => json(&rows),
        }
    })
    .await;
    let tenant = Tenant::new(&app, &listed(", order: ascending", ""));
    tenant.completes().await;
    tenant.advance(900).await;
    tenant.completes().await;
    let delivered = tenant.delivered();
    assert_eq!(delivered.len(), times.len());
    assert_eq!(delivered, names(&times));
}

/// A connector that was off for longer than keys are remembered still reaches back over the
/// overlap, and knows what it has delivered.
#[tokio::test(flavor = "multi_thread")]
async fn keys_outlast_a_pause_that_is_longer_than_they_are_remembered() {
    // Enough for the store to look what it can forget, newest first.
    let times: Vec<i64> = (NOON - 1500..NOON + 3540).rev().collect();
    let shown = times.clone();
    let app = App::start(move |asked| json(&json!({ "records": all(&asked, &shown) }))).await;
    let stream = windowed("", "remember: 10m", "").replace("20m", "90m");
    let tenant = Tenant::new(&app, &stream);
    tenant.completes().await;
    tenant.advance(3600).await;
    tenant.completes().await;
    assert_eq!(tenant.delivered(), names(&times));
}

/// An app that ignores the window shows everything each time; each record arrives once.
#[tokio::test(flavor = "multi_thread")]
async fn records_from_outside_the_window_arrive_once() {
    let times: Vec<i64> = (NOON - 90_000..NOON - 88_000).collect();
    let records: Vec<_> = times.iter().map(|at| record(*at)).collect();
    let app = App::start(move |_| json(&json!({ "records": records }))).await;
    let tenant = Tenant::new(&app, &windowed("", "", ""));
    for _ in 0..4 {
        tenant.completes().await;
        tenant.advance(900).await;
    }
    assert_eq!(tenant.delivered(), names(&times));
}

/// The app promises the oldest first and breaks it, then the connection breaks.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_kept_loses_nothing_within_the_poll() {
    // Enough to be committed, then two old ones, the last of them behind a failure.
    let mut times: Vec<i64> = (NOON - 1200..NOON - 100).rev().take(1000).collect();
    times.reverse();
    times.extend([NOON - 2000, NOON - 1999]);
    let calls = Arc::new(AtomicUsize::new(0));
    let shown = times.clone();
    let app = App::start(move |asked| {
        let mut records = all(&asked, &shown);
        let wide = "x".repeat(3000);
        for record in &mut records {
            record["wide"] = wide.clone().into();
        }
        let answer = json!({ "records": records });
        if records.len() > 900 && calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return cut(&answer, answer.to_string().len() - 1500);
        }
        json(&answer)
    })
    .await;
    let tenant = Tenant::new(&app, &windowed("", "", ", order: ascending").replace("20m", "60m"));
    tenant.completes().await;
    // What was forgotten in trust of the order comes twice, under the same `metadata.uid`.
    let mut delivered = tenant.delivered();
    delivered.dedup();
    assert_eq!(delivered, names(&times));
    assert!(tenant.warnings().iter().any(|warning| warning.contains("order")));
}

/// Without the clock being right there is no telling what is due.
#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_in_the_future_is_named() {
    let app = App::start(|_| json(&json!({ "records": [] }))).await;
    let mut tenant = Tenant::new(&app, &windowed("", "", ""));
    tenant.completes().await;
    let yesterday = jiff::Timestamp::from_second(NOON - 86_400).unwrap();
    tenant.clock = longshore_engine::clock::Clock::manual(yesterday);
    let error = tenant.poll().await.error.unwrap();
    assert_eq!(error.code, Code::StateCorrupt);
    assert!(error.cause.as_deref().unwrap().contains("2026-09-30T12:00:00Z"), "{error}");
}

fn rows_of(tenant: &Tenant, table: &str) -> i64 {
    let path = tenant.folder.path().join("state/state.db");
    let database = rusqlite::Connection::open(path).unwrap();
    database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Without a window, what was listed is remembered as long as it is listed.
#[tokio::test(flavor = "multi_thread")]
async fn items_that_are_listed_no_more_are_forgotten() {
    let polls = Arc::new(AtomicUsize::new(0));
    let listings = Arc::clone(&polls);
    let app = App::start(move |asked| match asked.path.strip_prefix("/v1/files/") {
        None => {
            let poll = listings.load(Ordering::SeqCst);
            let files: Vec<_> = (poll..poll + 3).map(|id| file(&id.to_string(), NOON)).collect();
            json(&json!({ "files": files }))
        }
        Some(rest) => {
            let id: i64 = rest.split('/').next().unwrap().parse().unwrap();
            json(&json!({ "records": [record(id)] }))
        }
    })
    .await;
    let stream = listed("", "");
    let stream: String = stream
        .lines()
        .filter(|line| !line.starts_with("  window:"))
        .map(|line| {
            line.replace(", query: { from: \"{{window.start}}\", to: \"{{window.end}}\" }", "")
        })
        .map(|line| line + "\n")
        .collect();
    let tenant = Tenant::new(&app, &stream);
    for poll in 0..5 {
        polls.store(poll, Ordering::SeqCst);
        tenant.completes().await;
        assert_eq!(rows_of(&tenant, "finished_items"), 3, "poll {poll}");
        tenant.advance(900).await;
    }
    assert_eq!(tenant.delivered(), names(&[0, 1, 2, 3, 4, 5, 6]));
    let downloads = app.requests().iter().filter(|asked| asked.ends_with("/rows")).count();
    assert_eq!(downloads, 7, "each file is read once");
}
