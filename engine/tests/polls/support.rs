//! A small app on loopback, a manifest for it, and what was delivered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use longshore_engine::clock::Clock;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::plan::Plan;
use longshore_engine::poll::{Limits, Observer, Progress, StreamReport};
use longshore_engine::runner::{Folders, Runner};
use longshore_validator::{Options, Profile, render_text, validate};
use serde_json::Value;
use tempfile::TempDir;

/// A request as the app sees it.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) host: String,
    /// The credential it came with, a key or a token.
    pub(crate) key: Option<String>,
    /// The query as it was sent, with what is repeated in it.
    pub(crate) raw_query: String,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.query.get(name)?.parse().ok()
    }

    /// The window that is asked for, in seconds.
    pub(crate) fn window(&self) -> Option<(i64, i64)> {
        let time = |name| self.query.get(name)?.parse::<Timestamp>().ok();
        Some((time("from")?.as_second(), time("to")?.as_second()))
    }
}

/// The app: its address, and the requests that it had.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl App {
    /// Serves until the test ends.
    pub(crate) async fn start(
        answer: impl Fn(Asked) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let (answer, log) = (answer.clone(), Arc::clone(&log));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let body = String::from_utf8(body.to_vec()).unwrap();
                log.lock().unwrap().push(parts.uri.to_string());
                let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes())
                    .into_owned()
                    .collect();
                let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
                let header =
                    |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                let key = header("x-api-key").or(header("authorization"));
                let host = header("host").unwrap_or_default();
                let content_type = header("content-type");
                let raw_query = parts.uri.query().unwrap_or_default().to_owned();
                let headers = parts.headers.iter().map(|(name, value)| {
                    (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
                });
                let headers = headers.collect();
                answer(Asked {
                    method,
                    path,
                    query,
                    host,
                    key,
                    raw_query,
                    content_type,
                    headers,
                    body,
                })
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A JSON answer.
pub(crate) fn json(body: &Value) -> Response {
    status(200, body)
}

/// A JSON answer with a status.
pub(crate) fn status(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// An answer whose connection breaks after these bytes.
pub(crate) fn broken_off(bytes: impl Into<Bytes>) -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    // The bytes are on their way before the connection breaks.
    let late = async move {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Err(broken)
    };
    let first = futures_util::stream::iter([Ok(bytes.into())]);
    let all = futures_util::StreamExt::chain(first, futures_util::stream::once(late));
    Response::new(Body::from_stream(all))
}

/// A connection to an app that has the stream `events`.
pub(crate) struct Tenant {
    pub(crate) folder: TempDir,
    pub(crate) clock: Clock,
    pub(crate) told: Arc<Mutex<Vec<Progress>>>,
    /// The values of the inputs, in YAML.
    pub(crate) inputs: String,
    manifest: String,
    address: SocketAddr,
}

/// The time at which every test starts.
pub(crate) const NOON: i64 = 1_790_856_000;

impl Tenant {
    /// A connection to `app` whose streams are `streams`, in YAML below `streams:`.
    pub(crate) fn new(app: &App, streams: &str) -> Self {
        let indented = |text: &str| {
            text.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat()
        };
        let manifest = format!("{HEAD}streams:\n{}{}", indented(streams), indented(OTHERS));
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::manual(Timestamp::from_second(NOON).unwrap()),
            told: Arc::default(),
            inputs: "{ key: simulated-key }".to_owned(),
            manifest,
            address: app.address,
        }
    }

    /// Replaces a part of the manifest that must be there.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.manifest.contains(from), "the manifest has no {from:?}");
        self.manifest = self.manifest.replace(from, to);
        self
    }

    /// Opens the connection, as a process does at its start.
    pub(crate) fn open(&self) -> Runner {
        self.open_watched(|_| {})
    }

    /// Opens the connection; `watch` hears of each step besides.
    pub(crate) fn open_watched(&self, watch: impl Fn(&Progress) + Send + Sync + 'static) -> Runner {
        let path = self.folder.path().join("connection.yaml");
        let text = format!(
            "name: test\nmanifest: manifest.yaml\nconnect_to: {}\ninputs: {}\n",
            self.address, self.inputs
        );
        std::fs::write(&path, text).unwrap();
        let (file, source) = ConnectionFile::read(&path).unwrap();
        let report = validate(&self.manifest, &Options::new(Profile::Extended));
        let text = || render_text(&report, "manifest.yaml", &self.manifest, false);
        let manifest = report.checked.clone().unwrap_or_else(|| panic!("{}", text()));
        let connection = file.connection(&source, &manifest).unwrap();
        let folders = Folders {
            state: self.folder.path().join("state"),
            output: self.folder.path().join("events"),
        };
        let told = Arc::clone(&self.told);
        let observer: Observer = Arc::new(move |_, progress| {
            told.lock().unwrap().push(progress.clone());
            watch(progress);
        });
        let plan = Plan::compile(&manifest, connection).unwrap();
        Runner::open(plan, &folders, self.clock.clone(), observer).unwrap()
    }

    /// Polls `events` once and drops the poll as soon as `end` is there. What it leaves behind is
    /// what a killed process leaves.
    pub(crate) async fn poll_until(&self, end: impl Future<Output = ()>) -> Option<StreamReport> {
        let runner = self.open();
        let streams = runner.select(&["events".to_owned()]).unwrap();
        tokio::select! {
            mut reports = runner.once(&streams, Limits::default()) => Some(reports.remove(0)),
            () = end => None,
        }
    }

    /// Waits until what a dropped poll was doing has ended.
    pub(crate) async fn is_free(&self) {
        let lock = std::fs::File::open(self.folder.path().join("state/state.lock")).unwrap();
        while lock.try_lock().is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Opens the connection and polls `events` once.
    pub(crate) async fn poll(&self) -> StreamReport {
        let runner = self.open();
        let streams = runner.select(&["events".to_owned()]).unwrap();
        runner.once(&streams, Limits::default()).await.remove(0)
    }

    /// Polls once and expects success.
    pub(crate) async fn completes(&self) -> StreamReport {
        let report = self.poll().await;
        assert!(report.error.is_none(), "{}", report.error.unwrap());
        report
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        self.clock.sleep(std::time::Duration::from_secs(seconds)).await;
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter_map(|progress| match progress {
                Progress::Warning(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }

    /// The ids of the delivered events of `events`, sorted, repeated ones included.
    pub(crate) fn delivered(&self) -> Vec<String> {
        delivered(&self.folder.path().join("events/events.jsonl"))
    }

    /// What was set aside.
    pub(crate) fn rejected(&self) -> Vec<Value> {
        lines(&self.folder.path().join("events/events.rejected.jsonl"))
    }

    /// Whether a text stands in any file of the connection.
    pub(crate) fn has_written(&self, text: &str) -> bool {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let bytes = std::fs::read(entry.path()).unwrap();
                if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                    return true;
                }
            }
        }
        false
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn delivered(path: &Path) -> Vec<String> {
    let id = |event: Value| event["message"].as_str().unwrap().to_owned();
    let mut ids: Vec<_> = lines(path).into_iter().map(id).collect();
    ids.sort();
    ids
}

const HEAD: &str = r#"manifest: longshore/v1
id: tester
version: 1.0.0
app:
  name: Tester
  vendor: Tester, Inc.
  categories: [crm]
  links: { api: https://developer.tester.test/api }
profiles: [threat_protection]
inputs:
  key: { type: secret, title: Key }
auth:
  api_key: { header: X-Api-Key, value: "{{inputs.key}}" }
http:
  base_url: https://api.tester.test/v1
  hosts: ["*.tester.test"]
  timeout: 10s
  retry: { on: [408, 429, 5xx], max: 5 }
quotas:
  hourly: { limit: 1000000, period: { rolling: 1h }, reserve: 10%, counts: [own] }
errors:
  - when: { status: 401 }
    then: stop
"#;

/// How an event is made; the id of the record is the event's message.
pub(crate) const MAP: &str = r"
  map:
    to: authentication
    activity: Logon
    time: { from: $.at, as: timestamp }
    message: $.id
    user.uid: $.id
    src_endpoint.ip: { from: $.ip, as: ip }
    status: Success
    service.name: Tester
";

/// What every connector has and no test here reads.
const OTHERS: &str = r#"
users:
  provides: users
  every: 1d
  request: { get: /users }
  records: $.users[*]
  key: $.id
  map: { to: user_inventory, activity: Collect, time: { from: $.at, as: timestamp }, user.uid: $.id }
log:
  provides: user_activity
  every: 1h
  request: { get: /log, query: { from: "{{window.start}}", to: "{{window.end}}" } }
  window: { on: $.at, overlap: 5m, lag: 1m, backfill: 1h }
  records: $.records[*]
  key: $.id
  map: { to: api_activity, activity: Other, time: { from: $.at, as: timestamp }, api.operation: $.id, actor.user.uid: $.id, src_endpoint.ip: { from: $.ip, as: ip } }
"#;

/// A stream without a window. `pages` and what it sends, each a line or nothing.
pub(crate) fn snapshot(query: &str, pages: &str) -> String {
    format!(
        "events:\n  provides: sign_ins\n  every: 15m\n  request: {{ get: /events, query: {{ {query} }} }}\n  records: $.records[*]\n  key: $.id\n  {pages}{MAP}"
    )
}

/// A stream with windows of ten minutes, an hour back.
pub(crate) fn windowed(query: &str, pages: &str, more: &str) -> String {
    let comma = if query.is_empty() { "" } else { ", " };
    format!(
        "events:\n  provides: sign_ins\n  every: 15m\n  request: {{ get: /events, query: {{ from: \"{{{{window.start}}}}\", to: \"{{{{window.end}}}}\"{comma}{query} }} }}\n  window: {{ on: $.at, span: 20m, overlap: 5m, lag: 1m, backfill: 1h, resolution: 1s{more} }}\n  records: $.records[*]\n  key: $.id\n  {pages}{MAP}"
    )
}
