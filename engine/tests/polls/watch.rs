//! Watching: what is read is delivered soon, and nothing ends in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore_engine::poll::{Limits, Progress};
use serde_json::json;

use crate::paging::record;
use crate::support::{App, NOON, Tenant, json, snapshot, status};

/// A fault of our own ends the run: a stream that is not polled any more must not go unnoticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_not_swallowed() {
    let app = App::start(|_| json(&json!({ "records": [] }))).await;
    let tenant = Tenant::new(&app, &snapshot("", ""));
    let runner = tenant.open_watched(|progress| {
        assert!(!matches!(progress, Progress::Request), "simulated");
    });
    let watched = tokio::spawn(async move {
        let streams = runner.select(&["events".to_owned()]).unwrap();
        runner.watch(&streams, Limits::default()).await;
    });
    let ended = tokio::time::timeout(Duration::from_secs(20), watched).await.unwrap();
    assert!(ended.unwrap_err().is_panic());
}

/// An app that asks to come back in ten years is asked again the next day.
#[tokio::test(flavor = "multi_thread")]
async fn no_wait_is_longer_than_a_day() {
    let app = App::start(|_| {
        let mut answer = status(429, &json!({}));
        answer.headers_mut().insert("retry-after", "315360000".parse().unwrap());
        answer
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", ""));
    let runner = tenant.open();
    let streams = runner.select(&["events".to_owned()]).unwrap();
    let watch = runner.watch(&streams, Limits::default());
    let third = async {
        while app.requests().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! { () = watch => {}, () = third => {} }
    let days = (tenant.clock.now().as_second() - NOON) / 86_400;
    let polls = app.requests().len() as i64;
    assert!(days <= polls, "{polls} polls in {days} days");
    assert!(days >= 2, "Retry-After was not obeyed");
}

/// What was read is on disk while the next page is on its way, however long that takes.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_does_not_wait_for_the_next_page() {
    let answered = Arc::new(AtomicBool::new(false));
    let app = App::start({
        let answered = Arc::clone(&answered);
        move |asked| {
            let more = asked.number("page").unwrap() == 1;
            while !more && !answered.load(Ordering::SeqCst) {
                tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(5)));
            }
            let first = asked.number("page").unwrap() as i64;
            json(&json!({ "records": [record(NOON + first)], "next": more.then_some("2") }))
        }
    })
    .await;
    let query = r#"page: "{{default page.cursor 1}}""#;
    let tenant = Tenant::new(&app, &snapshot(query, "pages: { cursor: $.next }"));
    let runner = tenant.open();
    let streams = runner.select(&["events".to_owned()]).unwrap();
    let polled = tokio::spawn(async move { runner.once(&streams, Limits::default()).await });
    let until = async |done: &dyn Fn() -> bool| {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let both = async {
        until(&|| app.requests().len() == 2).await;
        tenant.clock.stall(Duration::from_secs(3));
        until(&|| tenant.delivered().len() == 1).await;
    };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    answered.store(true, Ordering::SeqCst);
    assert!(polled.await.unwrap()[0].error.is_none());
    assert_eq!(tenant.delivered().len(), 2);
}
