//! What arrives at sinks is what the org holds, whatever befalls the program and the sinks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[cfg(feature = "postgres")]
#[path = "../sinks/tests/sql/server.rs"]
mod postgres;
mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Error};
use longshore_engine::sink::{Doing, Portioned, Sink, Taken};
use longshore_simulator::salesforce::{Config, Running, Simulator};
use support::process::{Ran, longshore, run, sorted_lines};
use tempfile::TempDir;

const KILLS: u32 = 10;

/// A simulated org whose clock stands still, and connections to it.
struct Org {
    running: Running,
    now: Timestamp,
    folder: TempDir,
}

impl Org {
    async fn start() -> Self {
        let now = Timestamp::now();
        let config = Config { now: Some(now), ..support::small() };
        let running = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifest.yaml"), support::MANIFEST).unwrap();
        Self { running, now, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection file with a state and an output folder of its own.
    fn connection(&self, name: &str, sinks: &str) -> PathBuf {
        let path = self.path(&format!("{name}.yaml"));
        let address = self.running.address();
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
        let mut lines: Vec<_> = lines
            .iter()
            .map(|line| logged.replace(line, "\"logged_time\":0").into_owned())
            .collect();
        lines.sort();
        (name, lines)
    })
    .collect()
}

const TWO: &str = "sinks:\n  first: { json_lines: { folder: first } }\n  second: { json_lines: { folder: second } }\n";
const WITH_TABLE: &str = "  table: { sqlite: { file: events.db } }\n";

/// The uids of events.
fn uids(lines: &[(String, Vec<String>)]) -> Vec<String> {
    let uid = |line: &String| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let mut uids: Vec<_> = lines.iter().flat_map(|(_, lines)| lines.iter().map(uid)).collect();
    uids.sort();
    uids
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_and_repeat_nothing_in_any_sink() {
    let org = Org::start().await;
    let started = Instant::now();
    let truth = org.truth();
    let whole = started.elapsed();
    let connection = org.connection("killed", &format!("{TWO}{WITH_TABLE}"));
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut child = org.command(&connection).spawn().unwrap();
        let deadline = Instant::now() + whole.mul_f64(rng.f64());
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
    // Runs that have little left to do end before that.
    assert!(kills > 0, "none of {KILLS} runs was killed");
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(0), "seed {seed}: {}", ran.stderr);
    for sink in ["first", "second"] {
        assert!(events(&org.path(sink)) == truth, "seed {seed}, {sink}");
    }
    let table = rusqlite::Connection::open(org.path("events.db")).unwrap();
    let mut rows = table.prepare("SELECT uid FROM events ORDER BY uid").unwrap();
    let rows: Vec<String> =
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(rows == uids(&truth), "seed {seed}, {} rows", rows.len());
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
    // Before that, each attempt is told, as often as there was time for one.
    let said = &ran.stderr[ran.stderr.find("\nerror:").unwrap()..];
    let stream = regex::Regex::new(r"stream \w+").unwrap();
    insta::assert_snapshot!(stream.replace(&support::redact(said), "stream STREAM"));
    let shown: Vec<_> = ran.stdout.lines().filter(|line| line.contains("SINK_")).collect();
    assert_eq!(shown.len(), 1, "{}", ran.stdout);

    std::fs::remove_file(org.path("second")).unwrap();
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for sink in ["first", "second"] {
        assert!(events(&org.path(sink)) == truth, "{sink}");
    }
}

/// A server that is killed while it is written to, and a program that is killed while it writes.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_server_that_is_killed_again_and_again_has_everything_once() {
    let Some(mut server) = postgres::Server::start(|_| {}) else {
        assert!(std::env::var_os("SKIP_NOTHING").is_none(), "PostgreSQL is not installed");
        eprintln!("SKIPPED: PostgreSQL is not installed (Debian: apt-get install postgresql)");
        return;
    };
    let org = Org::start().await;
    let truth = uids(&org.truth());
    let sink = postgres::config("127.0.0.1", server.port, "?sslmode=disable");
    let connection = org.connection("killed", &format!("sinks:\n  warehouse: {{ {sink} }}\n"));
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    for round in 0..6 {
        let mut child = org.command(&connection).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.u64(..2000)));
        if round % 2 == 0 {
            server.kill();
            std::thread::sleep(Duration::from_millis(rng.u64(..500)));
            server.run();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(0), "seed {seed}: {}", ran.stderr);
    let mut rows = server.psql("SELECT uid FROM longshore.events").unwrap();
    rows.sort();
    assert!(rows == truth, "seed {seed}: {} rows of {} events", rows.len(), truth.len());
}

/// A sink that takes nothing until it is told to.
#[derive(Clone, Default)]
struct Shy {
    up: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Sink for Shy {
    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(async move {
            if !self.up.load(Ordering::SeqCst) {
                return Err(Error::new(Code::SinkUnavailable, "the sink is away"));
            }
            let mut taken = self.taken.lock().unwrap();
            taken.extend(events.events().map(|event| String::from_utf8(event.to_vec()).unwrap()));
            Ok(Taken::default())
        })
    }
}

/// An hour passes in which one of two sinks takes nothing, polls go on, and the spool is full soon.
#[tokio::test(flavor = "multi_thread")]
async fn the_spool_is_bounded_and_what_was_not_read_for_it_is_read_later() {
    const MOST: u64 = 64 << 10;
    let tenant = support::Tenant::start(support::small()).await;
    let shy = Shy::default();
    let folder = tenant.folder.path().join("up");
    let spool = tenant.folder.path().join("state/spool/acme");
    let open = || {
        let text = format!(
            "{}sinks: {{ up: {{ json_lines: {{ folder: up }} }} }}\n",
            std::fs::read_to_string(tenant.connection()).unwrap()
        );
        let path = tenant.folder.path().join("sinks.yaml");
        std::fs::write(&path, text).unwrap();
        let (file, source) = ConnectionFile::read(&path).unwrap();
        let mut sinks = longshore_sinks::open(&file, &source).unwrap();
        sinks.push(("shy".to_owned(), Box::new(shy.clone())));
        tenant.open().with_sinks(sinks, &tenant.folder.path().join("state/spool"), MOST).unwrap()
    };
    let clock = tenant.clock.clone();
    let passing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            clock.stall(Duration::from_secs(1));
        }
    });
    let started = tenant.clock.now();
    let mut refused = 0;
    while tenant.clock.now().duration_since(started) < SignedDuration::from_hours(1) {
        let reports = tenant.poll_runner(&open(), &[]).await;
        refused += reports.iter().filter(|report| report.error.is_some()).count();
        for error in reports.iter().filter_map(|report| report.error.as_ref()) {
            assert_eq!(error.code, Code::SinkUnavailable, "{error}");
            assert!(error.cause.as_ref().unwrap().contains("the sink is away"), "{error}");
        }
        let files = std::fs::read_dir(&spool).unwrap();
        let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        // And what the polls of the four streams had in hand.
        assert!(size < 4 * MOST, "{size}");
        tenant.clock.sleep(Duration::from_mins(20)).await;
    }
    assert!(refused > 0);
    assert_eq!(shy.taken.lock().unwrap().len(), 0);
    let behind = uids(&events(&folder)).len();
    assert!(behind > 50, "the other one has all that was read, {behind} events");

    shy.up.store(true, Ordering::SeqCst);
    loop {
        let reports = tenant.poll_runner(&open(), &[]).await;
        if reports.iter().all(|report| report.error.is_none()) {
            break;
        }
    }
    passing.abort();
    support::compare::assert_exact(&tenant.org, &folder);
    let shown = std::mem::take(&mut *shy.taken.lock().unwrap());
    let bytes: usize = shown.iter().map(String::len).sum();
    assert!(bytes as u64 > 8 * MOST, "it would have fitted: {bytes}");
    assert_eq!(uids(&[(String::new(), shown)]), uids(&events(&folder)));
}
