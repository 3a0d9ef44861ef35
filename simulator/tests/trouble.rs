//! Budgets and faults.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use longshore_simulator::salesforce::{Config, Fault, LimitHeader, Rule, Running};
use std::io::Read;
use support::{Client, config, start};

const QUERY: &str = "/services/data/v67.0/query?q=SELECT+Id,LoginTime+FROM+LoginHistory";
const LIMITS: &str = "/services/data/v67.0/limits";

async fn with_fault(fault: &str) -> (Running, Client) {
    let org = start(Config { page_size: 300, ..config() }).await;
    let client = Client::signed_in(&org).await;
    let rule = format!(r#"{{"match": {{"path": "/query"}}, "fault": {fault}}}"#);
    let (status, body) = client.admin("faults", &rule).await;
    assert_eq!(status, 201, "{body}");
    (org, client)
}

#[tokio::test]
async fn counted_answers_carry_the_usage() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let usage = |response: &reqwest::Response| {
        response.headers().get("sforce-limit-info").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(usage(&client.get("/services/data").await), None);
    assert_eq!(usage(&client.get(LIMITS).await).unwrap(), "api-usage=1201/100000");
    let wrong = client.get("/services/data/v67.0/query?q=SELECT").await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(usage(&wrong).unwrap(), "api-usage=1202/100000");
    client.admin("api_usage", r#"{"used": 5000}"#).await;
    let limits = client.json(LIMITS).await;
    assert_eq!(limits["DailyApiRequests"]["Remaining"], 100_000 - 5003);
    assert_eq!(org.truth().usage.counted, 3);
}

#[tokio::test]
async fn at_the_limit_requests_are_refused_unless_bursts_are_allowed() {
    for (limit_header, expected) in [(LimitHeader::Plain, 403), (LimitHeader::Bursts, 200)] {
        let org = start(Config { api_requests_used: 99_999, limit_header, ..config() }).await;
        let client = Client::signed_in(&org).await;
        assert_eq!(client.get(LIMITS).await.status(), 200);
        let response = client.get(LIMITS).await;
        assert_eq!(response.status(), expected);
        assert!(response.headers().contains_key("sforce-limit-info"));
        if expected == 403 {
            assert!(response.text().await.unwrap().contains("TotalRequests Limit exceeded."));
            assert_eq!(org.truth().usage.refused, 1);
        }
    }
}

#[tokio::test]
async fn rules_strike_when_they_should() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let rule = r#"{"match": {"method": "GET", "query": "FROM User"}, "skip": 1, "times": 2,
        "fault": {"kind": "status", "status": 429, "retry_after": 7}}"#;
    client.admin("faults", rule).await;
    let users = "/services/data/v67.0/query?q=SELECT+Id+FROM+User";
    let mut seen = Vec::new();
    for _ in 0..4 {
        let response = client.get(users).await;
        if response.status() == 429 {
            assert_eq!(response.headers()["retry-after"], "7");
        }
        seen.push(response.status().as_u16());
        assert_eq!(client.get(QUERY).await.status(), 200);
    }
    assert_eq!(seen, [200, 429, 429, 200]);
    assert_eq!((org.faults()[0].seen, org.faults()[0].hit), (4, 2));
}

#[tokio::test]
async fn answers_instead_of_the_real_one() {
    for (fault, status, text) in [
        (r#"{"kind": "html_503", "retry_after": 60}"#, 503, "<html>"),
        (r#"{"kind": "empty_406"}"#, 406, ""),
        (r#"{"kind": "wrong_json"}"#, 200, "unexpected"),
        (r#"{"kind": "missing_permission"}"#, 403, "INSUFFICIENT_ACCESS"),
        (r#"{"kind": "session_expired"}"#, 401, "INVALID_SESSION_ID"),
        (r#"{"kind": "request_limit_exceeded"}"#, 403, "TotalRequests"),
        (r#"{"kind": "request_limit_exceeded", "concurrent": true}"#, 403, "ConcurrentRequests"),
        (r#"{"kind": "status", "status": 500, "body": "[]"}"#, 500, "[]"),
    ] {
        let (_org, client) = with_fault(fault).await;
        let response = client.get(QUERY).await;
        assert_eq!(response.status(), status, "{fault}");
        assert!(response.text().await.unwrap().contains(text), "{fault}");
        assert_eq!(client.get(QUERY).await.status(), 200);
    }
}

#[tokio::test]
async fn a_redirect_leads_elsewhere() {
    let (_org, client) =
        with_fault(r#"{"kind": "redirect_to", "host": "https://elsewhere.example"}"#).await;
    let response = client.get(QUERY).await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], format!("https://elsewhere.example{QUERY}"));
}

#[tokio::test]
async fn bodies_break_off() {
    for chunked in [false, true] {
        let fault = format!(r#"{{"kind": "truncate_body", "after": 100, "chunked": {chunked}}}"#);
        let (_org, client) = with_fault(&fault).await;
        let response = client.get(QUERY).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.content_length().is_none(), chunked);
        assert!(response.text().await.is_err());
        assert_eq!(client.get(QUERY).await.status(), 200);
    }
}

#[tokio::test]
async fn connections_are_reset() {
    let (_org, client) = with_fault(r#"{"kind": "connection_reset"}"#).await;
    assert!(client.try_get(QUERY).await.is_err());
    assert_eq!(client.get(QUERY).await.status(), 200);
}

#[tokio::test]
async fn gzip_is_whole_unless_it_is_cut() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let file = org.truth().log.files[0].id.clone();
    let log = format!("/services/data/v67.0/sobjects/EventLogFile/{file}/LogFile");
    let plain = org.log_file(&file).unwrap();
    let coded = async || {
        let response = client
            .http
            .get(format!("{}{log}", client.base))
            .header("authorization", format!("Bearer {}", client.token))
            .header("accept-encoding", "br, gzip;q=0.8")
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let bytes = response.bytes().await.unwrap();
        let mut text = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).map(|_| text)
    };
    assert_eq!(coded().await.unwrap(), plain);
    org.add_fault(Rule {
        on: longshore_simulator::salesforce::Match::default(),
        skip: 0,
        times: 1,
        fault: Fault::TruncateGzip { after: 60 },
    });
    assert!(coded().await.is_err());
    assert_eq!(coded().await.unwrap(), plain);
}

#[tokio::test]
async fn pages_go_in_circles_or_nowhere() {
    let (_org, client) = with_fault(r#"{"kind": "repeat_next_records_url"}"#).await;
    let page = client.json(QUERY).await;
    assert_eq!(
        (page["done"].as_bool(), page["nextRecordsUrl"].as_str()),
        (Some(false), Some(QUERY))
    );
    let (_org, client) = with_fault(r#"{"kind": "drop_next_records_url"}"#).await;
    let page = client.json(QUERY).await;
    assert_eq!(page["done"], false);
    assert!(page.get("nextRecordsUrl").is_none());
}

#[tokio::test]
async fn locators_expire() {
    let org = start(Config { page_size: 300, ..config() }).await;
    let client = Client::signed_in(&org).await;
    let next = client.json(QUERY).await["nextRecordsUrl"].as_str().unwrap().to_owned();
    assert!(next.starts_with("/services/data/v67.0/query/0r8") && next.ends_with("-300"));
    assert_eq!(client.get(&next).await.status(), 200);
    let rule = r#"{"match": {"path": "/query/0r8"}, "fault": {"kind": "expire_locator"}}"#;
    client.admin("faults", rule).await;
    for _ in 0..2 {
        let response = client.get(&next).await;
        assert_eq!(response.status(), 400);
        assert!(response.text().await.unwrap().contains("INVALID_QUERY_LOCATOR"));
    }
    let next = client.json(QUERY).await["nextRecordsUrl"].as_str().unwrap().to_owned();
    client.admin("clock", r#"{"advance_seconds": 172800}"#).await;
    let client = Client::signed_in(&org).await;
    assert_eq!(client.get(&next).await.status(), 400);
}

#[tokio::test]
async fn slow_bodies_are_slow() {
    let (_org, client) =
        with_fault(r#"{"kind": "slow_body", "milliseconds": 20, "bytes": 4000}"#).await;
    let begin = Instant::now();
    let text = client.get(QUERY).await.text().await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(20) * (text.len() as u32 / 4000));
}

#[tokio::test]
async fn bad_admin_input_is_explained() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    for (resource, body) in [
        ("faults", r#"{"fault": {"kind": "earthquake"}}"#),
        ("clock", r#"{"advance_seconds": -1}"#),
        ("events", r#"{"log_rows": [{"event_type": "Nothing", "time": "2026-09-28T09:20:00Z"}]}"#),
        ("events", r#"{"sign_ins": [{"time": "2026-09-28T09:20:00Z", "count": 4000000000}]}"#),
        ("api_usage", ""),
    ] {
        let (status, answer) = client.admin(resource, body).await;
        assert_eq!(status, 400, "{resource} {body}");
        assert!(answer.contains("error"), "{answer}");
    }
}
