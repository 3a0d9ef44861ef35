//! Random apps, random faults, random ends: what the app shows inside the windows arrives, once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::paging::WAYS;
use crate::support::{App, Asked, NOON, Tenant, broken_off, status, windowed};

/// A record of the app: its time, and when the app shows it, in seconds after noon.
#[derive(Clone, Debug)]
struct Record {
    at: i64,
    shown: i64,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// The connection ends after a part of the body, in percent.
    Cut(usize),
    /// The body is a part of itself, in percent, and well transferred.
    Half(usize),
    Unavailable,
    SlowDown,
    Unauthorized,
    /// The page before comes again.
    Repeat,
}

#[derive(Clone, Debug)]
struct Plan {
    way: usize,
    ascending: bool,
    bounds: &'static str,
    size: usize,
    records: Vec<Record>,
    /// For each poll: minutes since the one before, faults, and the request at which it is killed.
    polls: Vec<(u64, Vec<Fault>, Option<usize>)>,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => (0_usize..100).prop_map(Fault::Cut),
        1 => (0_usize..100).prop_map(Fault::Half),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::SlowDown),
        1 => Just(Fault::Unauthorized),
        1 => Just(Fault::Repeat),
    ]
}

fn plans() -> impl Strategy<Value = Plan> {
    let record = (0_i64..5400, prop_oneof![3 => Just(0_i64), 1 => 0_i64..300]).prop_map(
        // Times in steps of 20 seconds tie often.
        |(at, late)| Record { at: at / 20 * 20, shown: at / 20 * 20 + late },
    );
    let poll = (1_u64..30, prop::collection::vec(fault(), 0..12), prop::option::of(0_usize..14));
    (
        0..WAYS.len(),
        any::<bool>(),
        prop::sample::select(vec!["[)", "[]", "(]", "()"]),
        1_usize..9,
        prop::collection::vec(record, 0..120),
        prop::collection::vec(poll, 1..6),
    )
        .prop_map(|(way, ascending, bounds, size, records, polls)| Plan {
            way,
            ascending,
            bounds,
            size,
            records,
            polls,
        })
}

/// The records that a request asks for and that the app shows at `now`, in the app's order.
fn shown(plan: &Plan, asked: &Asked, now: i64) -> Vec<Value> {
    let (from, to) = asked.window().unwrap();
    let inside = |at: i64| match plan.bounds {
        "[)" => from <= at && at < to,
        "[]" => from <= at && at <= to,
        "(]" => from < at && at <= to,
        _ => from < at && at < to,
    };
    let records = plan.records.iter().enumerate();
    let mut found: Vec<_> = records
        .filter(|(_, record)| inside(NOON + record.at) && NOON + record.shown <= now)
        .map(|(id, record)| (record.at, id))
        .collect();
    found.sort_unstable();
    if !plan.ascending {
        found.reverse();
    }
    let at = |second| jiff::Timestamp::from_second(NOON + second).unwrap().to_string();
    found
        .iter()
        .map(|(second, id)| json!({ "id": id.to_string(), "at": at(*second), "ip": "192.0.2.1" }))
        .collect()
}

fn page(plan: &Plan, asked: &Asked, now: i64, repeat: bool) -> Response {
    let way = &WAYS[plan.way];
    let mut position = (way.position)(asked);
    let counted = asked.number("size").is_some();
    // Where the app alone says where the next page is, pages are as long as it likes.
    let size = if counted { plan.size } else { 1 + (position * 7 + plan.size) % 9 };
    if repeat {
        position = position.saturating_sub(size);
    }
    let shown = shown(plan, asked, now);
    let records: Vec<_> = shown.iter().skip(position).take(size).cloned().collect();
    let next = if repeat { Some(position) } else { Some(position + size) };
    (way.answer)(asked, records, next.filter(|next| *next < shown.len()))
}

/// A part of an answer: cut off, or as if it were all.
fn part(answer: Response, percent: usize, cut: bool) -> Response {
    let (parts, body) = answer.into_parts();
    let body = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(axum::body::to_bytes(body, 1 << 20)).unwrap()
    });
    let body = body.slice(..body.len() * percent / 100);
    if cut { broken_off(body) } else { Response::from_parts(parts, Body::from(body)) }
}

async fn run(plan: Plan) {
    let faults: Arc<Mutex<Vec<Fault>>> = Arc::default();
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let killed = Arc::new(Notify::new());
    let clock: Arc<Mutex<Option<longshore_engine::clock::Clock>>> = Arc::default();
    let app = {
        let (plan, faults, left) = (plan.clone(), Arc::clone(&faults), Arc::clone(&left));
        let (killed, clock) = (Arc::clone(&killed), Arc::clone(&clock));
        App::start(move |asked| {
            let now = clock.lock().unwrap().as_ref().unwrap().now().as_second();
            if left.fetch_sub(1, Ordering::SeqCst) == 0 {
                killed.notify_one();
            }
            let fault = faults.lock().unwrap().pop().unwrap_or(Fault::None);
            let good = page(&plan, &asked, now, matches!(fault, Fault::Repeat));
            match fault {
                Fault::None | Fault::Repeat => good,
                Fault::Cut(percent) => part(good, percent, true),
                Fault::Half(percent) => part(good, percent, false),
                Fault::Unavailable => status(503, &json!({})),
                Fault::SlowDown => {
                    let mut answer = status(429, &json!({}));
                    answer.headers_mut().insert("retry-after", "2".parse().unwrap());
                    answer
                }
                Fault::Unauthorized => status(401, &json!({ "error": "expired" })),
            }
        })
        .await
    };
    let way = &WAYS[plan.way];
    let size = format!("size: {}", plan.size);
    let order = if plan.ascending { ", order: ascending" } else { "" };
    let more = format!(", bounds: \"{}\"{order}", plan.bounds);
    let stream = windowed(way.query, &way.pages.replace("size: 7", &size), &more);
    let tenant = Tenant::new(&app, &stream);
    *clock.lock().unwrap() = Some(tenant.clock.clone());
    tenant.completes().await;
    let mut watermark = None;
    for (minutes, trouble, kill) in &plan.polls {
        tenant.advance(minutes * 60).await;
        faults.lock().unwrap().clone_from(trouble);
        left.store(kill.unwrap_or(usize::MAX), Ordering::SeqCst);
        let killed = async { killed.notified().await };
        if let Some(report) = tenant.poll_until(killed).await {
            assert!(report.watermark >= watermark, "the watermark moved back");
            watermark = report.watermark;
        }
        tenant.is_free().await;
        let delivered = tenant.delivered();
        assert!(delivered.windows(2).all(|two| two[0] != two[1]), "twice: {delivered:?}");
    }
    faults.lock().unwrap().clear();
    left.store(usize::MAX, Ordering::SeqCst);
    let now = tenant.clock.now().as_second();
    let report = tenant.completes().await;
    let end = report.watermark.unwrap().as_second();
    assert_eq!(end, now - 60);
    let due = |record: &Record| {
        let (at, shown) = (NOON + record.at, NOON + record.shown);
        // What lies on the end is shown by an app whose filter includes it.
        at < end && shown <= now
    };
    let records = plan.records.iter().enumerate();
    let mut expected: Vec<_> =
        records.filter(|(_, record)| due(record)).map(|(id, _)| id.to_string()).collect();
    expected.sort();
    let on_the_end = |id: &String| NOON + plan.records[id.parse::<usize>().unwrap()].at == end;
    let delivered: Vec<_> = tenant.delivered().into_iter().filter(|id| !on_the_end(id)).collect();
    assert_eq!(delivered, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_app_shows_arrives_once(plan in plans()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            // A hang is a failure too.
            tokio::time::timeout(std::time::Duration::from_secs(60), run(plan)).await.unwrap();
        });
    }
}
