//! A platform: what it keeps of a connector, and what it hears from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use longshore_simulator::salesforce::{Config, Events, LogRows, Moment};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::compare::assert_exact;
use crate::support::process::{Ran, longshore, run};
use crate::support::{MANIFEST, Tenant, small};

/// The streams of the Salesforce connector.
pub(crate) const STREAMS: [&str; 4] = ["sign_ins", "setup_audit_trail", "event_log", "users"];

/// An org that stopped two minutes ago, as the program runs by the machine's clock, and what a
/// platform has of it.
pub(crate) struct Platform {
    pub(crate) tenant: Tenant,
    pub(crate) folder: TempDir,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let now = Timestamp::now().checked_sub(SignedDuration::from_mins(2)).unwrap();
        let tenant = Tenant::start(Config { now: Some(now), ..small() }).await;
        let platform = Self { tenant, folder: tempfile::tempdir().unwrap() };
        platform.write("manifest.yaml", MANIFEST);
        platform.write("config.json", &platform.config().to_string());
        platform.catalog(&STREAMS);
        // So late that the next read asks for them again.
        platform.more(3, 1);
        platform
    }

    pub(crate) fn config(&self) -> Value {
        json!({
            "grant": "client_credentials",
            "login_host": "demo.my.salesforce.com",
            "client_id": "simulated-client-id",
            "client_secret": "simulated-client-secret",
            "backfill": "6d",
            "connect_to": self.tenant.org.address().to_string(),
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Configures these streams.
    pub(crate) fn catalog(&self, streams: &[&str]) {
        let streams: Vec<_> = streams
            .iter()
            .map(|name| json!({ "stream": { "name": name }, "sync_mode": "incremental" }))
            .collect();
        self.write("catalog.json", &json!({ "streams": streams }).to_string());
    }

    pub(crate) fn command(&self, protocol: &str, arguments: &[&str]) -> std::process::Command {
        let mut command = longshore(["protocol", protocol, "--manifest", "manifest.yaml"]);
        // Also where the read keeps its own files.
        std::fs::create_dir_all(self.path("tmp")).unwrap();
        command.args(arguments).current_dir(self.folder.path()).env("TMPDIR", self.path("tmp"));
        command
    }

    pub(crate) fn airbyte(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command("airbyte", arguments))
    }

    pub(crate) fn singer(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command("singer", arguments))
    }

    /// A read with the state that is given back.
    pub(crate) fn read(&self, state: &BTreeMap<String, Value>) -> Read {
        let ran = self.airbyte(&self.reading(state));
        let mut read = Read { code: ran.code, said: ran.stderr, ..Read::default() };
        ran.stdout.lines().for_each(|line| read.take(line));
        assert_eq!(std::fs::read_dir(self.path("tmp")).unwrap().count(), 0, "files are left");
        read
    }

    pub(crate) fn reading(&self, state: &BTreeMap<String, Value>) -> [&'static str; 7] {
        let states: Vec<_> = state.values().collect();
        self.write("state.json", &json!(states).to_string());
        ["read", "--config", "config.json", "--catalog", "catalog.json", "--state", "state.json"]
    }

    /// Everything that the org holds is among the records, once, and nothing else.
    pub(crate) fn assert_exact(&self, records: &BTreeMap<String, Vec<Value>>) {
        let folder = tempfile::tempdir().unwrap();
        for (stream, records) in records {
            let lines: Vec<_> = records.iter().map(Value::to_string).collect();
            let lines = lines.join("\n") + "\n";
            std::fs::write(folder.path().join(format!("{stream}.jsonl")), lines).unwrap();
        }
        assert_exact(&self.tenant.org, folder.path());
    }

    /// Lets things happen that show late.
    pub(crate) fn more(&self, sign_ins: u32, changes: u32) {
        let before = |minutes| {
            self.tenant.org.clock().now().checked_sub(SignedDuration::from_mins(minutes)).unwrap()
        };
        let added = self.tenant.org.add_events(&Events {
            sign_ins: vec![Moment { time: before(1), count: sign_ins }],
            setup_audit: vec![Moment { time: before(2), count: changes }],
            log_rows: vec![LogRows { event_type: "Login".into(), time: before(120), rows: 5 }],
        });
        assert_eq!(added.unwrap().sign_ins.len(), sign_ins as usize);
    }
}

/// What a read of the Airbyte protocol gave.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) records: BTreeMap<String, Vec<Value>>,
    /// The last state of each stream, as it is given back.
    pub(crate) state: BTreeMap<String, Value>,
    /// States, and the records since the one before as the state counts them.
    pub(crate) states: usize,
    pub(crate) statuses: BTreeMap<String, Vec<String>>,
    pub(crate) errors: Vec<Value>,
    pub(crate) logs: Vec<String>,
    pub(crate) uncounted: BTreeMap<String, u64>,
}

impl Read {
    pub(crate) fn take(&mut self, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        match message["type"].as_str().unwrap() {
            "RECORD" => {
                let record = &message["record"];
                let (stream, mut data) =
                    (record["stream"].as_str().unwrap().to_owned(), record["data"].clone());
                assert_eq!(data["event_uid"], data["metadata"]["uid"]);
                data.as_object_mut().unwrap().remove("event_uid");
                *self.uncounted.entry(stream.clone()).or_default() += 1;
                self.records.entry(stream).or_default().push(data);
            }
            "STATE" => {
                let state = &message["state"];
                assert_eq!(state["type"], "STREAM");
                let name = state["stream"]["stream_descriptor"]["name"].as_str().unwrap();
                let counted = state["sourceStats"]["recordCount"].as_f64().unwrap();
                let uncounted = self.uncounted.insert(name.to_owned(), 0).unwrap_or_default();
                assert_eq!(counted as u64, uncounted, "{name}");
                self.state.insert(name.to_owned(), state.clone());
                self.states += 1;
            }
            "TRACE" if message["trace"]["type"] == "STREAM_STATUS" => {
                let told = &message["trace"]["stream_status"];
                let name = told["stream_descriptor"]["name"].as_str().unwrap();
                let status = told["status"].as_str().unwrap().to_owned();
                self.statuses.entry(name.to_owned()).or_default().push(status);
            }
            "TRACE" => self.errors.push(message["trace"]["error"].clone()),
            "LOG" => self.logs.push(message["log"]["message"].as_str().unwrap().to_owned()),
            other => panic!("{other}"),
        }
    }

    pub(crate) fn uids(&self, stream: &str) -> BTreeSet<String> {
        let records = self.records.get(stream).into_iter().flatten();
        records.map(|record| record["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    }
}
