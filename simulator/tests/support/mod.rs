//! A small client and a small org.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use longshore_simulator::salesforce::{Config, Running, Simulator, Volume};
use serde_json::Value;

/// A frozen org at 2026-10-01T10:00:00Z with 20 days of history.
pub(crate) fn config() -> Config {
    Config {
        now: Some("2026-10-01T10:00:00Z".parse().unwrap()),
        frozen: true,
        volume: Volume { days: 20, users: 40, ..Volume::default() },
        ..Config::default()
    }
}

pub(crate) async fn start(config: Config) -> Running {
    Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
}

pub(crate) fn http() -> reqwest::Client {
    let none = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(none).build().unwrap()
}

/// Posts a form and gives status and JSON body.
pub(crate) async fn post(url: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let response = http()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

impl Client {
    pub(crate) async fn signed_in(org: &Running) -> Self {
        let base = org.url();
        let (status, body) = post(
            &format!("{base}/services/oauth2/token"),
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "simulated-client-id"),
                ("client_secret", "simulated-client-secret"),
            ],
        )
        .await;
        assert_eq!(status, 200, "{body}");
        Self { http: http(), base, token: body["access_token"].as_str().unwrap().to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.try_get(path).await.unwrap()
    }

    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.http
            .get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .send()
            .await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    pub(crate) fn path(statement: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", statement)
            .finish();
        format!("/services/data/v67.0/query/?{query}")
    }

    pub(crate) async fn raw(&self, statement: &str) -> (u16, String) {
        let response = self.get(&Self::path(statement)).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn error(&self, statement: &str) -> (u16, Value) {
        let (status, body) = self.raw(statement).await;
        assert_ne!(status, 200, "{statement}: {body}");
        (status, serde_json::from_str(&body).unwrap())
    }

    pub(crate) async fn query_all(&self, statement: &str) -> Vec<Value> {
        let mut path = Self::path(statement);
        let mut records = Vec::new();
        loop {
            let page = self.json(&path).await;
            records.extend(page["records"].as_array().unwrap().iter().cloned());
            let Some(next) = page["nextRecordsUrl"].as_str() else {
                assert_eq!(page["done"], true);
                assert_eq!(page["totalSize"], records.len());
                return records;
            };
            next.clone_into(&mut path);
        }
    }

    pub(crate) async fn admin(&self, resource: &str, body: &str) -> (u16, String) {
        let response = self
            .http
            .post(format!("{}/simulator/{resource}", self.base))
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}
