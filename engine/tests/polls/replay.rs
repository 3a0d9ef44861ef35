//! Records that could not be mapped are mapped when the manifest is mended.

use axum::response::Response;
use serde_json::{Value, json};

use crate::support::{App, MAP, NOON, Tenant};

const JSON: &str = "  request: { get: /events }\n  records: $.records[*]\n  key: $.id\n";
const CSV: &str = "  request: { get: /events }\n  decode: csv\n  key: $.id\n";

/// Of four records two have their time elsewhere, and one has none.
async fn tenant(stream: &str, body: String) -> (App, Tenant) {
    let app = App::start(move |_| Response::new(body.clone().into())).await;
    let text = format!("events:\n  provides: sign_ins\n  every: 15m\n{stream}{MAP}");
    let tenant = Tenant::new(&app, &text);
    (app, tenant)
}

async fn replays(stream: &str, body: String) {
    let (app, tenant) = tenant(stream, body).await;
    let report = tenant.completes().await;
    assert_eq!((report.delivered, report.rejected), (1, 3));
    assert_eq!(tenant.rejected().len(), 3);

    // Nothing was mended.
    let runner = tenant.open();
    let replayed = runner.replay(&streams_of(&runner)).await.unwrap().remove(0);
    assert_eq!((replayed.delivered, replayed.left), (0, 3));
    drop(runner);
    assert_eq!((tenant.rejected().len(), tenant.delivered().len()), (3, 1));

    let tenant =
        tenant.edit("time: { from: $.at, as: timestamp }", "time: { from: $.when, as: timestamp }");
    for repeated in [0, 1] {
        let runner = tenant.open();
        let replayed = runner.replay(&streams_of(&runner)).await.unwrap().remove(0);
        assert_eq!((replayed.delivered, replayed.left), (2 - 2 * repeated, 1));
        assert!(replayed.reason.unwrap().contains("no readable time"));
        drop(runner);
        assert_eq!(tenant.delivered(), ["1", "2", "3"]);
        let left: Vec<Value> = tenant.rejected();
        assert_eq!(left.len(), 1);
        assert!(left[0]["record"].as_str().unwrap().contains('4'), "{left:?}");
    }
    assert_eq!(app.requests().len(), 1, "a replay asks the app nothing");
    // What is read again is known, and what can still not be mapped is set aside once.
    tenant.completes().await;
    assert_eq!(tenant.delivered(), ["1", "2", "3"]);
}

fn streams_of(
    runner: &longshore_engine::runner::Runner,
) -> Vec<std::sync::Arc<longshore_engine::plan::StreamPlan>> {
    runner.select(&["events".to_owned()]).unwrap()
}

fn time() -> String {
    jiff::Timestamp::from_second(NOON - 60).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_json_are_replayed() {
    let time = time();
    let body = json!({ "records": [
        { "id": "1", "at": time }, { "id": "2", "when": time }, { "id": "3", "when": time }, { "id": "4" },
    ] });
    replays(JSON, body.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_table_are_replayed() {
    let time = time();
    let body = format!("id,at,when\n1,{time},\n2,,{time}\n3,,\"{time}\"\n4,,\n");
    replays(CSV, body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_is_not_made_up() {
    let body = json!({ "records": [{ "id": "2", "when": time(), "mail": "someone@example.com" }] });
    let stream = format!("{JSON}  privacy: {{ $.mail: drop }}\n");
    let (_app, tenant) = tenant(&stream, body.to_string()).await;
    assert_eq!(tenant.completes().await.rejected, 1);
    let tenant =
        tenant.edit("time: { from: $.at, as: timestamp }", "time: { from: $.when, as: timestamp }");
    let runner = tenant.open();
    let replayed = runner.replay(&streams_of(&runner)).await.unwrap().remove(0);
    assert_eq!((replayed.delivered, replayed.left), (0, 1));
    assert!(replayed.reason.unwrap().contains("private"));
}
