//! Sinks that need no server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use crate::org::{Org, events, uids};
use crate::scenario::{Place, compare, survive};
use crate::support;

const TWO: &str = "sinks:\n  first: { json_lines: { folder: first } }\n  second: { json_lines: { folder: second } }\n";
const WITH_TABLE: &str = "  table: { sqlite: { file: events.db } }\n";
const KILLS: u64 = 10;

/// Up to where sinks without a server have taken events, which the state of the connection knows.
pub(crate) fn acknowledged(state: &Path) -> u64 {
    let Ok(state) = rusqlite::Connection::open_with_flags(
        state.join("state.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    ) else {
        return 0;
    };
    let sum = "SELECT COALESCE(SUM(position), 0) FROM sinks_acknowledged WHERE sink = 'tried'";
    // The program may not have made the table yet, or keep others out for a moment.
    state.query_row(sum, [], |row| row.get::<_, i64>(0)).map_or(0, i64::cast_unsigned)
}

/// Files of lines, closed again and again, and compressed.
#[derive(Default)]
struct Files {
    folder: PathBuf,
    state: PathBuf,
}

impl Place for Files {
    fn section(&mut self, org: &Org) -> String {
        self.folder = org.path("there");
        self.state = org.path("tried/state");
        "json_lines: { folder: there, rotate: { size: 20KB }, compress: gzip }".to_owned()
    }

    fn arrived(&mut self) -> u64 {
        acknowledged(&self.state)
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        // The lines of open files, and those that another program finds in closed ones.
        let lines = "find \"$0\" -name '*.jsonl' -exec cat {} + && find \"$0\" -name '*.gz' -exec gzip -dc {} +";
        let output = Command::new("sh").args(["-c", lines]).arg(&self.folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let closed = std::fs::read_dir(&self.folder).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "gz")
        });
        assert!(closed.count() > 3, "hardly a file was closed");
        compare(given, &parsed(&output.stdout))
    }
}

/// The events of lines.
pub(crate) fn parsed(lines: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A table, read by the shell of SQLite.
#[derive(Default)]
struct Table {
    file: PathBuf,
    state: PathBuf,
}

impl Place for Table {
    fn section(&mut self, org: &Org) -> String {
        self.file = org.path("there/events.db");
        self.state = org.path("tried/state");
        "sqlite: { file: there/events.db }".to_owned()
    }

    fn arrived(&mut self) -> u64 {
        acknowledged(&self.state)
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        compare(given, &table(&self.file))
    }
}

/// The events of a table, as another program reads them.
pub(crate) fn table(file: &Path) -> Vec<Value> {
    let mut shell = Command::new("sqlite3");
    shell.args(["-batch", "-noheader"]).arg(file).arg("SELECT event FROM events");
    let output = shell.output().unwrap_or_else(|_| {
        const PYTHON: &str = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute('SELECT event FROM events'): print(row[0])";
        Command::new("python3").args(["-c", PYTHON]).arg(file).output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parsed(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_have_everything_once() {
    assert_eq!(survive(&mut Files::default()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_has_everything_once() {
    assert_eq!(survive(&mut Table::default()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_and_repeat_nothing_in_any_sink() {
    let mut org = Org::start().await;
    let truth = org.truth();
    let connection = org.connection("killed", &format!("{TWO}{WITH_TABLE}"));
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..KILLS {
        // The app stops before the run can end, and the rest of the program goes on.
        org.hold_after(rng.u64(1..90 / KILLS));
        let mut program = org.begin(&connection);
        org.line.wait_held(&mut program);
        std::thread::sleep(Duration::from_millis(rng.u64(..50)));
        program.kill().unwrap();
        program.wait().unwrap();
        org.line.cut();
    }
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
    let mut org = Org::start().await;
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
