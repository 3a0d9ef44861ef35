//! What arrives at sinks is what the org holds, whatever befalls the program and the sinks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use longshore_simulator::salesforce::{Config, Running, Simulator};
use support::process::{Ran, longshore, run, sorted_lines};
use tempfile::TempDir;

const KILLS: u32 = 10;

/// A simulated org whose clock stands still, and connections to it.
struct Org {
    org: Running,
    now: Timestamp,
    folder: TempDir,
}

impl Org {
    async fn start() -> Self {
        let now = Timestamp::now();
        let config = Config { now: Some(now), ..support::small() };
        let org = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.yaml"), support::MANIFEST).unwrap();
        Self { org, now, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection file with a state and an output folder of its own.
    fn connection(&self, name: &str, sinks: &str) -> PathBuf {
        let path = self.path(&format!("{name}.yaml"));
        let address = self.org.address();
        let text = format!(
            "name: acme\nmanifest: manifest.yaml\ngrant: client_credentials\nconnect_to: {address}\n\
             state: {name}/state\noutput: {name}/events\ninputs:\n  login_host: demo.my.salesforce.com\n  \
             client_id: simulated-client-id\n  client_secret: simulated-client-secret\n  backfill: 6d\n{sinks}"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A run up to what is due for certain, whenever it takes place.
    fn command(&self, connection: &Path) -> std::process::Command {
        let until = self.now.checked_sub(SignedDuration::from_mins(10)).unwrap();
        let mut command = longshore(["run", "--until"]);
        command.arg(until.to_string()).arg(connection);
        command
    }

    fn run(&self, connection: &Path) -> Ran {
        run(&mut self.command(connection))
    }

    /// What a run without sinks delivers.
    fn truth(&self) -> Vec<(String, Vec<String>)> {
        let ran = self.run(&self.connection("direct", ""));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let lines = events(&self.path("direct/events"));
        assert!(lines.iter().map(|(_, lines)| lines.len()).sum::<usize>() > 300);
        lines
    }
}

/// The lines of the files of events in a folder, sorted. When each was read is left out: it differs.
fn events(folder: &Path) -> Vec<(String, Vec<String>)> {
    let logged = regex::Regex::new(r#""logged_time":\d+"#).unwrap();
    let all = sorted_lines(folder).into_iter();
    all.map(|(name, lines)| {
        let mut lines: Vec<_> =
            lines.iter().map(|line| logged.replace(line, "").into_owned()).collect();
        lines.sort();
        (name, lines)
    })
    .collect()
}

const TWO: &str = "sinks:\n  first: { json_lines: { folder: first } }\n  second: { json_lines: { folder: second } }\n";

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_and_repeat_nothing_in_any_sink() {
    let org = Org::start().await;
    let truth = org.truth();
    let connection = org.connection("killed", TWO);
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut child = org.command(&connection).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_millis(rng.u64(..1500));
        while child.try_wait().unwrap().is_none() {
            if Instant::now() >= deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert!(kills > 2, "only {kills} of {KILLS} runs were killed");
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(0), "seed {seed}: {}", ran.stderr);
    for sink in ["first", "second"] {
        assert!(events(&org.path(sink)) == truth, "seed {seed}, {sink}");
    }
    assert!(events(&org.path("killed/events")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_down_is_named_and_holds_back_no_other() {
    let org = Org::start().await;
    let truth = org.truth();
    let connection = org.connection("down", TWO);
    // There is a file where the folder should be.
    std::fs::write(org.path("second"), "").unwrap();
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(events(&org.path("first")) == truth);
    let stream = regex::Regex::new(r"stream \w+").unwrap();
    insta::assert_snapshot!(stream.replace(&support::redact(&ran.stderr), "stream STREAM"));
    let shown: Vec<_> = ran.stdout.lines().filter(|line| line.contains("SINK_")).collect();
    assert_eq!(shown.len(), 1, "{}", ran.stdout);

    std::fs::remove_file(org.path("second")).unwrap();
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for sink in ["first", "second"] {
        assert!(events(&org.path(sink)) == truth, "{sink}");
    }
}
