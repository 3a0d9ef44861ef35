//! Parquet in a folder and in an object store, read by `DuckDB` and pyarrow.

#[path = "../../sinks/tests/parquet/server.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
pub(crate) use server::python;
use server::{Server, free};

use crate::line::{Bytes, Line};
use crate::local::acknowledged;
use crate::org::Org;
use crate::scenario::{Place, survive};

/// Files are written while the app is still read.
const SMALL: &str = "size: 50KB, every: 1s";

/// Holds what two programs read, value by value, against the events that were given.
pub(crate) fn check(
    python: &str,
    place: &Path,
    endpoint: Option<String>,
    given: &BTreeMap<String, Value>,
) {
    let lines = tempfile::NamedTempFile::new().unwrap();
    let text: String = given.values().map(|event| format!("{event}\n")).collect();
    std::fs::write(lines.path(), text).unwrap();
    let mut read = Command::new(python);
    read.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/sinks/tests/parquet/read.py"));
    let output = read.arg(place).arg(lines.path()).args(endpoint).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{} events given, 0 faults", given.len())), "{said}");
}

struct Files {
    python: String,
    folder: PathBuf,
    state: PathBuf,
}

impl Place for Files {
    fn section(&mut self, org: &Org) -> String {
        self.folder = org.path("lake");
        self.state = org.path("tried/state");
        format!("parquet: {{ to: lake, {SMALL} }}")
    }

    fn arrived(&mut self) -> u64 {
        acknowledged(&self.state)
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        check(&self.python, &self.folder, None, given);
        0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_in_a_folder_has_everything_once() {
    let Some(python) = python() else { return };
    let mut files = Files { python, folder: PathBuf::new(), state: PathBuf::new() };
    assert_eq!(survive(&mut files).await, 0);
}

/// What a server that is killed had is gone with it, so nothing reaches it before.
struct Bucket {
    python: String,
    server: Option<Server>,
    line: Line,
}

impl Bucket {
    fn new(python: String) -> Self {
        let address = free();
        let line = Line::to(address);
        line.hold(Bytes::Sent, 300);
        let server = Server::start_at(&python, address);
        server.make_bucket();
        Self { python, server: Some(server), line }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }
}

impl Place for Bucket {
    fn section(&mut self, _: &Org) -> String {
        let keys = "access_key_id: simulated, secret_access_key: simulated";
        let address = self.line.address;
        format!(
            "parquet: {{ to: 's3://lake/events', s3: {{ region: us-east-1, endpoint: 'http://{address}', {keys} }}, {SMALL} }}"
        )
    }

    fn arrived(&mut self) -> u64 {
        self.line.sent()
    }

    fn kill(&mut self) {
        self.server = None;
    }

    fn start(&mut self) {
        let address = self.line.behind;
        let server = Server::start_at(&self.python, address);
        server.make_bucket();
        self.server = Some(server);
    }

    fn line(&self) -> Option<(&Line, &'static [u8])> {
        Some((&self.line, b"PUT /"))
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let endpoint = format!("http://{}", self.server().address);
        check(&self.python, Path::new("s3://lake/events"), Some(endpoint), given);
        0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_in_a_bucket_has_everything_once() {
    let Some(python) = python() else { return };
    assert_eq!(survive(&mut Bucket::new(python)).await, 0);
}
