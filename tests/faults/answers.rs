//! Answers that are not what was asked for, or not all of it.

use std::time::{Duration, Instant};

use longshore_engine::clock::Clock;
use longshore_engine::error::Code;
use longshore_simulator::salesforce::{Config, Fault};

use crate::support::{Tenant, redacted, small, status};
use crate::{LATER, SIGN_INS, heals, named, named_in};

fn html(status: u16) -> Fault {
    Fault::Status {
        status,
        body: "<html><body>Sign in to continue</body></html>".to_owned(),
        content_type: Some("text/html".to_owned()),
        retry_after: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_html() {
    named("a_page_in_html", Code::DataParse, html(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_json() {
    named("other_json", Code::DataParse, Fault::WrongJson).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance() {
    heals(2, Fault::Html503 { retry_after: None }).await;
    named("maintenance", Code::AppMaintenance, Fault::Html503 { retry_after: None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_406() {
    heals(2, Fault::Empty406).await;
    named("an_empty_406", Code::AppError, Fault::Empty406).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_too_early() {
    for chunked in [false, true] {
        heals(2, Fault::TruncateBody { after: 40, chunked }).await;
    }
    let fault = Fault::TruncateBody { after: 40, chunked: false };
    named("a_body_that_ends_too_early", Code::DataIncomplete, fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_too_early_far_inside() {
    // Beyond what is read at once, so that records of it were taken before it broke.
    let config = Config { page_size: 2000, ..small() };
    let tenant = Tenant::start(config)
        .await
        .edit("span: 1d\n      # Salesforce says", "span: 4d\n      # Salesforce says");
    tenant.break_query(SIGN_INS, 1, 2, Fault::TruncateBody { after: 9_000, chunked: true });
    tenant.completes().await;
    assert_eq!(tenant.hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_that_ends_too_early() {
    heals(2, Fault::TruncateGzip { after: 30 }).await;
    named("gzip_that_ends_too_early", Code::DataIncomplete, Fault::TruncateGzip { after: 30 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset() {
    heals(2, Fault::ConnectionReset).await;
    let error = {
        let tenant = Tenant::start(small()).await;
        tenant.break_query(SIGN_INS, 0, 0, Fault::ConnectionReset);
        let error = tenant.failure("sign_ins").await;
        tenant.org.clear_faults();
        tenant.completes().await;
        error
    };
    assert_eq!(error.code, Code::NetUnreachable);
    // The cause is in the words of the operating system.
    redacted(&error);
}

/// Lets silence of the app take as long by a manual clock as it does in truth.
struct Silence(tokio::task::JoinHandle<()>);

impl Silence {
    fn passes(clock: &Clock) -> Self {
        let clock = clock.clone();
        Self(tokio::spawn(async move {
            let mut since = Instant::now();
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                clock.stall(since.elapsed());
                since = Instant::now();
            }
        }))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_too_slowly() {
    let slow = Fault::SlowBody { milliseconds: 3_000, bytes: 200 };
    let impatient = || async { Tenant::start(small()).await.edit("timeout: 150s", "timeout: 1s") };
    let tenant = impatient().await;
    let silence = Silence::passes(&tenant.clock);
    tenant.break_query(SIGN_INS, LATER, 1, slow.clone());
    tenant.break_path("/LogFile", 40, 1, slow.clone());
    tenant.completes().await;
    assert_eq!(tenant.hits(), 2);
    drop(silence);
    let tenant = impatient().await;
    let _silence = Silence::passes(&tenant.clock);
    named_in(tenant, "a_body_that_comes_too_slowly", Code::AppTimeout, slow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_in_time_is_just_slow() {
    let tenant = Tenant::start(small()).await;
    let slow = Fault::SlowBody { milliseconds: 5, bytes: 500 };
    tenant.break_query(SIGN_INS, 0, 0, slow.clone());
    tenant.break_path("/LogFile", 40, 20, slow);
    tenant.completes().await;
    assert!(tenant.retried().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_that_is_gone() {
    let tenant = Tenant::start(small()).await;
    let truth = tenant.org.truth();
    let file = truth.log.files.iter().find(|file| file.interval == "Hourly" && file.rows > 1);
    let file = file.unwrap();
    let body = r#"[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]"#;
    tenant.break_path(&format!("EventLogFile/{}/LogFile", file.id), 0, 0, status(404, body));
    let reports = tenant.poll().await;
    for report in &reports {
        assert!(report.error.is_none(), "{:?}", report.error);
        assert_eq!(report.gaps, u64::from(report.stream == "event_log"), "{}", report.stream);
    }
    let warnings = tenant.warnings();
    assert!(warnings.iter().any(|text| text.contains("DATA_GAP")), "{warnings:?}");
    let aside = tenant.events().join("event_log.rejected.jsonl");
    let aside = std::fs::read_to_string(aside).unwrap();
    assert!(aside.lines().count() == 1 && aside.contains(&file.id), "{aside}");
    let created = file.created_date.parse().unwrap();
    let rows = crate::support::compare::rows(&tenant.org, &truth, |_| true);
    let rest = crate::support::compare::rows(&tenant.org, &truth, |date| date != created);
    assert!(rest.len() < rows.len());
    let events = crate::support::compare::events(&tenant.events(), "event_log");
    crate::support::compare::assert_rows(&rest, &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_run_too_long_are_split() {
    let tenant = Tenant::start(small()).await;
    let body = r#"[{"message":"Your query request was running for too long.","errorCode":"QUERY_TIMEOUT"}]"#;
    tenant.break_query(SIGN_INS, LATER, 3, status(400, body));
    let reports = tenant.completes().await;
    assert_eq!(tenant.hits(), 3);
    let warnings = tenant.warnings();
    assert_eq!(
        warnings.iter().filter(|text| text.contains("in halves")).count(),
        3,
        "{warnings:?}"
    );
    assert!(reports.iter().any(|report| report.stream == "sign_ins" && report.requests > 8));
    named("queries_that_run_too_long", Code::AppTimeout, status(400, body)).await;
}
