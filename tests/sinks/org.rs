//! A simulated org and connections to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use longshore_simulator::salesforce::{Config, Running, Simulator};
use serde_json::Value;
use tempfile::TempDir;

use crate::line::{Bytes, Line};
use crate::support;
use crate::support::process::{Ran, longshore, run, sorted_lines};

/// A simulated org whose clock stands still, behind a line that can stand still, too.
pub(crate) struct Org {
    _running: Running,
    pub(crate) line: Line,
    now: Timestamp,
    folder: TempDir,
    /// How many bytes the org answers a whole run with.
    whole: u64,
}

impl Org {
    pub(crate) async fn start() -> Self {
        let now = Timestamp::now();
        let config = Config { now: Some(now), ..support::small() };
        let running = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let line = Line::to(running.address());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.yaml"), support::MANIFEST).unwrap();
        Self { _running: running, line, now, folder, whole: 0 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection file with a state and an output folder of its own.
    pub(crate) fn connection(&self, name: &str, sinks: &str) -> PathBuf {
        let path = self.path(&format!("{name}.yaml"));
        let address = self.line.address;
        let text = format!(
            "name: acme\nmanifest: manifest.yaml\ngrant: client_credentials\nconnect_to: {address}\n\
             state: {name}/state\noutput: {name}/events\ninputs:\n  login_host: demo.my.salesforce.com\n  \
             client_id: simulated-client-id\n  client_secret: simulated-client-secret\n  backfill: 6d\n{sinks}"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A run up to what is due for certain, whenever it takes place.
    pub(crate) fn command(&self, connection: &Path) -> Command {
        let until = self.now.checked_sub(SignedDuration::from_mins(10)).unwrap();
        let mut command = longshore(["run", "--until"]);
        command.arg(until.to_string()).arg(connection);
        command
    }

    pub(crate) fn run(&self, connection: &Path) -> Ran {
        run(&mut self.command(connection))
    }

    /// A run that goes on beside the test. What it says is of no account.
    pub(crate) fn begin(&self, connection: &Path) -> Child {
        let mut command = self.command(connection);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The app stops in the middle of an answer, so many hundredths of a whole run later: until it
    /// goes on, no run comes to its end.
    pub(crate) fn hold_after(&self, hundredths: u64) {
        assert!(self.whole > 0, "the truth is asked for first");
        self.line.hold(Bytes::Answered, self.whole * hundredths / 100);
    }

    /// What a run without sinks delivers.
    pub(crate) fn truth(&mut self) -> Vec<(String, Vec<String>)> {
        let before = self.line.answered();
        let ran = self.run(&self.connection("direct", ""));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        self.whole = self.line.answered() - before;
        let lines = events(&self.path("direct/events"));
        assert!(lines.iter().map(|(_, lines)| lines.len()).sum::<usize>() > 300);
        lines
    }
}

/// The lines of the files of events in a folder, sorted. When each was read is left out: it differs.
pub(crate) fn events(folder: &Path) -> Vec<(String, Vec<String>)> {
    let logged = regex::Regex::new(r#""logged_time":\d+"#).unwrap();
    let all = sorted_lines(folder).into_iter();
    all.map(|(name, lines)| {
        let mut lines: Vec<_> = lines
            .iter()
            .map(|line| logged.replace(line, "\"logged_time\":0").into_owned())
            .collect();
        lines.sort();
        (name, lines)
    })
    .collect()
}

/// The uids of events, sorted, repeats included.
pub(crate) fn uids(lines: &[(String, Vec<String>)]) -> Vec<String> {
    let event = |line: &String| serde_json::from_str::<Value>(line).unwrap();
    let all = lines.iter().flat_map(|(_, lines)| lines);
    let mut uids: Vec<_> = all.map(|line| uid(&event(line)).to_owned()).collect();
    uids.sort();
    uids
}

/// The events of the files in a folder by uid, none of which may be there twice.
pub(crate) fn by_uid(folder: &Path) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for line in sorted_lines(folder).iter().flat_map(|(_, lines)| lines) {
        let event: Value = serde_json::from_str(line).unwrap();
        let before = all.insert(uid(&event).to_owned(), event);
        assert!(before.is_none(), "it is there twice: {line}");
    }
    all
}

pub(crate) fn uid(event: &Value) -> &str {
    event["metadata"]["uid"].as_str().unwrap()
}
