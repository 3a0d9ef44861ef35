//! Parquet files in a folder and in an object store, read back by `DuckDB` and pyarrow: every event is
//! there exactly once, whatever happened while they were written.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod random;
mod server;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::sink::{Log, Portioned, Sink};
use server::{Line, Server, free, python};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What the system calls a refused connection.
const REFUSED: i32 = if cfg!(target_os = "linux") { 111 } else { 61 };
const LOG: Log<'_> = Log { spool: "simulated", connection: "acme", stream: "sign_ins" };

/// A place to write to, and how to read what is there.
struct Lake {
    folder: TempDir,
    to: String,
    server: Option<SocketAddr>,
    runtime: Runtime,
}

impl Lake {
    fn folder() -> Self {
        let lake = Self::new("lake", None);
        lake.configure(None);
        lake
    }

    /// In the bucket of a server that is spoken to by another address.
    fn bucket(server: SocketAddr, by: SocketAddr) -> Self {
        let lake = Self::new("s3://lake/some/events", Some(server));
        lake.configure(Some(by));
        lake
    }

    fn new(to: &str, server: Option<SocketAddr>) -> Self {
        let runtime = Runtime::new().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), to: to.to_owned(), server, runtime }
    }

    fn connection(&self) -> PathBuf {
        self.folder.path().join("connection.yaml")
    }

    fn configure(&self, endpoint: Option<SocketAddr>) {
        let mut text =
            "name: acme\nmanifest: manifest.yaml\nsinks:\n  lake:\n    parquet:\n".to_owned();
        writeln!(text, "      to: {}", self.to).unwrap();
        if let Some(endpoint) = endpoint {
            writeln!(text, "      s3: {{ region: us-east-1, endpoint: \"http://{endpoint}\", access_key_id: simulated, secret_access_key: simulated }}").unwrap();
        }
        std::fs::write(self.connection(), text).unwrap();
    }

    fn sink(&self) -> Box<dyn Sink> {
        opened(&self.connection()).unwrap()
    }

    fn deliver(&self, sink: &mut dyn Sink, start: u64, lines: &str) -> Result<u64> {
        let events = Portioned { log: LOG, start, lines: lines.as_bytes() };
        let taken = self.runtime.block_on(sink.deliver(events))?;
        assert!(taken.refused.is_empty(), "{taken:?}");
        Ok(events.end())
    }

    /// Reads everything by `DuckDB` and pyarrow, and holds it against the events.
    fn check(&self, python: &str, events: &[String]) {
        let given = self.folder.path().join("given.jsonl");
        std::fs::write(&given, lines(events)).unwrap();
        let mut read = Command::new(python);
        read.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parquet/read.py"));
        match self.server {
            None => read.arg(self.files()).arg(given),
            Some(server) => read.arg(&self.to).arg(given).arg(format!("http://{server}")),
        };
        let output = read.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let counted = format!("{} events given, 0 faults", events.len());
        assert!(said.contains(&counted), "{said}");
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("lake")
    }
}

fn opened(connection: &Path) -> Result<Box<dyn Sink>> {
    let (file, source) = ConnectionFile::read(connection)?;
    Ok(longshore_sinks::open(&file, &source)?.remove(0).1)
}

fn lines(events: &[String]) -> String {
    events.iter().fold(String::new(), |lines, event| lines + event + "\n")
}

/// An event of a class that says no more than its uid.
fn plain(class: u32, uid: &str) -> String {
    format!(r#"{{"class_uid":{class},"metadata":{{"uid":"{uid}"}},"time":1790848800000}}"#)
}

#[test]
fn every_value_is_read_back() {
    let Some(python) = python() else { return };
    let lake = Lake::folder();
    let events = random::events(1, 2_000);
    let mut sink = lake.sink();
    assert_eq!(sink.portion().bytes, 32_000_000);
    assert_eq!(sink.portion().age, Duration::from_secs(300));
    let mut start = 0;
    for portion in events.chunks(700) {
        start = lake.deliver(&mut *sink, start, &lines(portion)).unwrap();
    }
    lake.check(&python, &events);
}

#[test]
fn what_is_no_event_is_refused_and_the_rest_kept() {
    let Some(python) = python() else { return };
    let lake = Lake::folder();
    let events = [plain(3002, "a"), plain(3002, "b")];
    let mut portion = format!("{}\nnot json\n7\n", events[0]).into_bytes();
    portion.extend_from_slice(b"{\"metadata\":{\"uid\":\"\xff\"}}\n");
    // Damaged behind the class: beside others of it, and alone.
    portion.extend_from_slice(b"{\"class_uid\":3002,\"metadata\":{\"uid\":\"c\"},\"status\":}\n");
    portion.extend_from_slice(b"{\"class_uid\":6003,\"metadata\":{\"uid\":\"d\"}\n");
    portion.extend_from_slice(format!("{}\n", events[1]).as_bytes());
    portion.extend_from_slice(b"{\"class_uid\":3002,\"time\":1} 2\n");
    let events_of = Portioned { log: LOG, start: 0, lines: &portion };
    let taken = lake.runtime.block_on(lake.sink().deliver(events_of)).unwrap();
    let refused: Vec<usize> = taken.refused.iter().map(|(index, _)| *index).collect();
    assert_eq!(refused, [1, 2, 3, 4, 5, 7], "{taken:?}");
    lake.check(&python, &events);
}

/// The process ended before the first portion was acknowledged: it is given again, from a sink that
/// knows nothing, and may be another one by then.
fn delivered_again(lake: &Lake, python: &str) {
    let events: Vec<String> = (0..12)
        .map(|number| plain([3002, 6003, 5003][number / 2 % 3], &format!("e{number}")))
        .collect();
    // Of the same length, longer, shorter, and without two of the classes.
    for (first, again) in [(6, 6), (2, 7), (9, 3), (12, 1), (5, 12)] {
        let mut sink = lake.sink();
        lake.deliver(&mut *sink, 0, &lines(&events[..first])).unwrap();
        let mut sink = lake.sink();
        let next = lake.deliver(&mut *sink, 0, &lines(&events[..again])).unwrap();
        lake.check(python, &events[..again]);
        lake.deliver(&mut *sink, next, &lines(&events[again..])).unwrap();
        lake.check(python, &events);
    }
    // What other logs wrote is left alone, wherever they stand.
    let others = [plain(3002, "of another stream"), plain(3002, "of an older spool")];
    let logs = [Log { stream: "sign_ins_too", ..LOG }, Log { spool: "simulate", ..LOG }];
    for (log, event) in logs.into_iter().zip(&others) {
        let line = format!("{event}\n");
        let portion = Portioned { log, start: 1_000_000, lines: line.as_bytes() };
        lake.runtime.block_on(lake.sink().deliver(portion)).unwrap();
    }
    lake.deliver(&mut *lake.sink(), 0, &lines(&events)).unwrap();
    lake.check(python, &[&events[..], &others[..]].concat());
}

#[test]
fn a_portion_that_is_given_again_replaces_its_files() {
    let Some(python) = python() else { return };
    delivered_again(&Lake::folder(), &python);
}

#[test]
fn a_portion_that_is_given_again_replaces_its_objects() {
    let Some(python) = python() else { return };
    let server = Server::start(&python);
    server.make_bucket();
    delivered_again(&Lake::bucket(server.address, server.address), &python);
}

/// Delivers what is left of the events of a file, a portion after the other, and notes after each how
/// far it is. Run by other tests as a process of its own, which they kill.
#[test]
#[ignore = "a part of other tests"]
fn deliver_the_rest() {
    let variable = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
    let (events, acknowledged) = (variable("EVENTS"), variable("ACKNOWLEDGED"));
    let size: usize = variable("PORTION").to_str().unwrap().parse().unwrap();
    let events = std::fs::read_to_string(events).unwrap();
    let mut sink = opened(&variable("CONNECTION")).unwrap();
    let runtime = Runtime::new().unwrap();
    let mut start: usize =
        std::fs::read_to_string(&acknowledged).map_or(0, |text| text.parse().unwrap());
    while start < events.len() {
        let rest = &events[start..];
        let end = rest.match_indices('\n').map(|(at, _)| at + 1).find(|end| *end >= size);
        let lines = &rest.as_bytes()[..end.unwrap_or(rest.len())];
        let portion = Portioned { log: LOG, start: start as u64, lines };
        if let Err(error) = runtime.block_on(sink.deliver(portion)) {
            println!("\n{error}");
            std::process::exit(3);
        }
        start = portion.end() as usize;
        let new = acknowledged.with_extension("new");
        std::fs::write(&new, start.to_string()).unwrap();
        std::fs::rename(new, &acknowledged).unwrap();
    }
}

/// That test as a process.
fn the_rest(lake: &Lake, portion: usize) -> Command {
    let mut rest = Command::new(std::env::current_exe().unwrap());
    rest.args(["deliver_the_rest", "--exact", "--ignored", "--nocapture"])
        .env("EVENTS", lake.folder.path().join("events.jsonl"))
        .env("ACKNOWLEDGED", lake.folder.path().join("acknowledged"))
        .env("CONNECTION", lake.connection())
        .env("PORTION", portion.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    rest
}

/// Kills it again and again, each time after it was acknowledged another few portions and somewhere in the
/// middle of the next, so that the speed of the machine is no matter.
fn killed(lake: &Lake, python: &str, seed: u64) {
    let events = random::events(seed, 600);
    let all = lines(&events);
    std::fs::write(lake.folder.path().join("events.jsonl"), &all).unwrap();
    let acknowledged = lake.folder.path().join("acknowledged");
    let acknowledged = || std::fs::read_to_string(&acknowledged).unwrap_or_default();
    let mut random = Rng::with_seed(seed);
    let mut kills = 0;
    // Each time with portions of another size.
    for _ in 0..12 {
        let portion = random.usize(all.len() / 300..all.len() / 40);
        let mut child = the_rest(lake, portion).spawn().unwrap();
        for _ in 0..random.usize(..4) {
            let before = acknowledged();
            while acknowledged() == before && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        std::thread::sleep(Duration::from_millis(random.u64(..15)));
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills > 6, "only {kills} of 12 were killed before they were done");
    let output = the_rest(lake, 100_000).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    lake.check(python, &events);
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_process_that_is_killed_leaves_each_event_once_in_a_folder() {
    let Some(python) = python() else { return };
    killed(&Lake::folder(), &python, 2);
}

#[test]
fn a_process_that_is_killed_leaves_each_event_once_in_a_bucket() {
    let Some(python) = python() else { return };
    let server = Server::start(&python);
    server.make_bucket();
    killed(&Lake::bucket(server.address, server.address), &python, 3);
}

#[test]
fn a_line_that_breaks_is_tried_again() {
    let Some(python) = python() else { return };
    let server = Server::start(&python);
    server.make_bucket();
    let line = Line::to(server.address);
    let lake = Lake::bucket(server.address, line.address);
    let events = random::events(4, 300);
    let mut random = Rng::with_seed(4);
    let mut sink = lake.sink();
    let (mut start, mut failures) = (0, 0);
    for portion in events.chunks(60) {
        line.length.store(random.usize(1_000..60_000), Ordering::SeqCst);
        // With a sink that was there before, and one that is new.
        if random.bool() {
            sink = lake.sink();
        }
        start = loop {
            match lake.deliver(&mut *sink, start, &lines(portion)) {
                Ok(end) => break end,
                Err(error) => {
                    assert_eq!(error.code, Code::SinkUnavailable, "{error}");
                    failures += 1;
                    line.length.store(random.usize(1_000..400_000), Ordering::SeqCst);
                }
            }
            if failures > 8 {
                line.length.store(usize::MAX, Ordering::SeqCst);
            }
        };
    }
    assert!(line.broken.load(Ordering::SeqCst) > 3, "the line hardly broke");
    lake.check(&python, &events);
}

#[test]
fn a_server_that_is_away_is_named_and_written_to_when_it_is_back() {
    let Some(python) = python() else { return };
    let lake = {
        let address = free();
        Lake::bucket(address, address)
    };
    let address = lake.server.unwrap();
    let events = [plain(3002, "a"), plain(6003, "b")];
    let mut sink = lake.sink();
    let mut shown = String::new();
    let mut fail = |error: Error| {
        let text = error.to_string().replace(&format!(" (os error {REFUSED})"), "");
        assert!(!text.contains("simulated"), "{text}");
        writeln!(shown, "{text}\n").unwrap();
    };
    fail(lake.deliver(&mut *sink, 0, &lines(&events)).unwrap_err());
    let server = Server::start_at(&python, address);
    fail(lake.deliver(&mut *sink, 0, &lines(&events)).unwrap_err());
    server.make_bucket();
    lake.deliver(&mut *sink, 0, &lines(&events)).unwrap();
    lake.check(&python, &events);
    // Killed, it forgets everything: so does what is given again.
    drop(server);
    fail(lake.deliver(&mut *sink, 500, &lines(&events)).unwrap_err());
    let server = Server::start_at(&python, address);
    server.make_bucket();
    lake.deliver(&mut *sink, 500, &lines(&events)).unwrap();
    lake.check(&python, &events);
    insta::assert_snapshot!("away", shown);
}

#[test]
fn a_disk_that_is_full_is_named_and_written_to_when_there_is_room() {
    let Some(python) = python() else { return };
    let lake = Lake::folder();
    let events = random::events(5, 300);
    std::fs::write(lake.folder.path().join("events.jsonl"), lines(&events)).unwrap();
    let files = lake.files();
    let mut child = Command::new("unshare");
    // A file system of its own, which is gone with the process.
    child
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(
            "mkdir -p \"$0\" && mount -t tmpfs -o size=300k tmpfs \"$0\" || exit 77
             \"$@\"; echo \"full: $?\"
             find \"$0\" -name '*.unfinished'
             mount -o remount,size=64m \"$0\" && \"$@\" && cp -r \"$0\" \"$0.kept\"",
        )
        .arg(&files);
    let rest = the_rest(&lake, 60_000);
    child.arg(rest.get_program()).args(rest.get_args());
    for (name, value) in rest.get_envs() {
        child.env(name, value.unwrap());
    }
    let output = child.output().unwrap();
    if output.status.code() == Some(77) {
        assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{}", said(&output));
        println!("SKIPPED: no file system of a limited size can be had: {}", said(&output));
        return;
    }
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("DISK_FULL: ") && said.contains("full: 3"), "{said}");
    assert!(!said.contains(".unfinished"), "{said}");
    std::fs::remove_dir(&files).unwrap();
    std::fs::rename(files.with_extension("kept"), &files).unwrap();
    lake.check(&python, &events);
}

#[test]
fn a_file_that_may_not_grow_leaves_nothing_behind() {
    let Some(python) = python() else { return };
    let lake = Lake::folder();
    let events = random::events(6, 100);
    std::fs::write(lake.folder.path().join("events.jsonl"), lines(&events)).unwrap();
    let rest = the_rest(&lake, 1_000_000);
    let mut child = Command::new("sh");
    child.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    child.arg(rest.get_program()).args(rest.get_args());
    for (name, value) in rest.get_envs() {
        child.env(name, value.unwrap());
    }
    let output = child.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("SINK_UNAVAILABLE: "), "{}", said(&output));
    let output = the_rest(&lake, 1_000_000).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    lake.check(&python, &events);
}

#[test]
fn a_configuration_that_is_wrong_is_explained() {
    let mut shown = String::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection.yaml");
    for sink in [
        "{ to: \"\" }",
        "{ to: \"gs://lake/events\" }",
        "{ to: \"s3://\" }",
        "{ to: \"s3://Lake/events\" }",
        "{ to: \"s3://lake/a//b\" }",
        "{ to: lake, s3: { region: eu-central-1 } }",
        "{ to: \"s3://lake\", s3: { endpoint: \"minio.example:9000\" } }",
        "{ to: \"s3://lake\", s3: { endpoint: \"https://simulated:simulated@minio.example\" } }",
        "{ to: \"s3://lake\", s3: { access_key_id: simulated } }",
        "{ to: \"s3://lake\", s3: { secret_access_key: simulated } }",
        "{ to: \"s3://lake\", s3: { access_key_id: simulated, secret_access_key: { env: NOT_SET } } }",
        "{ to: lake, size: 2GB }",
        "{ to: lake, size: 32 }",
        "{ to: lake, every: often }",
        "{ to: lake, folder: lake }",
        "{ size: 1MB }",
    ] {
        let text =
            format!("name: acme\nmanifest: manifest.yaml\nsinks:\n  lake: {{ parquet: {sink} }}\n");
        std::fs::write(&path, text).unwrap();
        let error = opened(&path).err().unwrap_or_else(|| panic!("{sink} was taken"));
        let error = error.to_string().replace(folder.path().to_str().unwrap(), "");
        assert!(!error.contains("simulated"), "{error}");
        writeln!(shown, "{sink}\n{error}\n").unwrap();
    }
    insta::assert_snapshot!("wrong", shown);
}
