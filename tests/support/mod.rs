//! What the end-to-end tests share: a simulated org, a connection to it, and what arrived on disk.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../../src/browser.rs"]
pub(crate) mod browser;
pub(crate) mod compare;
pub(crate) mod process;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use longshore_engine::clock::Clock;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::plan::Plan;
use longshore_engine::poll::{Limits, Observer, Progress, StreamReport};
use longshore_engine::probe::probe;
use longshore_engine::runner::{Folders, Runner};
use longshore_simulator::salesforce::{Config, Fault, Match, Rule, Running, Simulator, Volume};
use longshore_validator::{Options, Profile, render_text, validate};
use regex::Regex;
use tempfile::TempDir;
use url::Url;

/// The Salesforce connector as it is shipped.
pub(crate) const MANIFEST: &str = include_str!("../../manifests/salesforce/manifest.yaml");

/// How much longer than the org the engine's clock has run: the manifest's lag and a minute more,
/// so that everything the org holds is due.
const AHEAD: Duration = Duration::from_secs(120);

/// The org's time at the start.
pub(crate) fn noon() -> Timestamp {
    "2026-10-01T12:00:00Z".parse().unwrap()
}

/// A small org whose clock stands still: four days of history and some 500 log files.
pub(crate) fn small() -> Config {
    Config {
        now: Some(noon()),
        frozen: true,
        volume: Volume {
            days: 4,
            users: 20,
            sign_ins_per_day: 60,
            audit_per_day: 12,
            log_rows_per_file: 2,
        },
        ..Config::default()
    }
}

/// A simulated org and a connection to it. Each poll opens the connection anew, as a process would.
pub(crate) struct Tenant {
    pub(crate) org: Arc<Running>,
    pub(crate) folder: TempDir,
    /// The engine's clock, which jumps where the engine waits.
    pub(crate) clock: Clock,
    pub(crate) manifest: String,
    pub(crate) grant: &'static str,
    pub(crate) client_id: &'static str,
    pub(crate) client_secret: &'static str,
    told: Arc<Mutex<Vec<(String, Progress)>>>,
}

impl Tenant {
    /// An org and a connection by client credentials.
    pub(crate) async fn start(config: Config) -> Self {
        let now = config.now.unwrap();
        let org = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        Self {
            org: Arc::new(org),
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::manual(now.checked_add(AHEAD).unwrap()),
            manifest: MANIFEST.to_owned(),
            grant: "client_credentials",
            client_id: "simulated-client-id",
            client_secret: "simulated-client-secret",
            told: Arc::default(),
        }
    }

    /// Replaces a part of the manifest that must be there.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.manifest.contains(from), "the manifest has no {from:?}");
        self.manifest = self.manifest.replace(from, to);
        self
    }

    /// Where events go.
    pub(crate) fn events(&self) -> PathBuf {
        self.folder.path().join("events")
    }

    /// The connection file, written anew.
    pub(crate) fn connection(&self) -> PathBuf {
        let path = self.folder.path().join("connection.yaml");
        let Self { grant, client_id, client_secret, .. } = self;
        let address = self.org.address();
        let text = format!(
            "name: acme\nmanifest: manifest.yaml\ngrant: {grant}\nconnect_to: {address}\ninputs:\n  login_host: demo.my.salesforce.com\n  client_id: {client_id}\n  client_secret: {client_secret}\n  backfill: 6d\n"
        );
        std::fs::write(&path, text).unwrap();
        std::fs::write(self.folder.path().join("manifest.yaml"), &self.manifest).unwrap();
        path
    }

    /// The connection, ready to be polled.
    pub(crate) fn open(&self) -> Runner {
        self.open_watched(|_| {})
    }

    /// The connection, ready to be polled; `watch` hears of each step besides.
    pub(crate) fn open_watched(&self, watch: impl Fn(&Progress) + Send + Sync + 'static) -> Runner {
        let (file, source) = ConnectionFile::read(&self.connection()).unwrap();
        let report = validate(&self.manifest, &Options::new(Profile::Strict));
        let text = || render_text(&report, "manifest.yaml", &self.manifest, false);
        let manifest = report.checked.clone().unwrap_or_else(|| panic!("{}", text()));
        let connection = file.connection(&source, &manifest).unwrap();
        let folders = Folders { state: self.folder.path().join("state"), output: self.events() };
        let told = Arc::clone(&self.told);
        let observer: Observer = Arc::new(move |stream, progress| {
            told.lock().unwrap().push((stream.to_owned(), progress.clone()));
            watch(progress);
        });
        let plan = Plan::compile(&manifest, connection).unwrap();
        Runner::open(plan, &folders, self.clock.clone(), observer).unwrap()
    }

    /// Polls all streams once.
    pub(crate) async fn poll(&self) -> Vec<StreamReport> {
        self.poll_streams(&[]).await
    }

    /// Polls these streams once.
    pub(crate) async fn poll_streams(&self, names: &[&str]) -> Vec<StreamReport> {
        self.poll_runner(&self.open(), names).await
    }

    /// Polls streams of an open connection once.
    pub(crate) async fn poll_runner(&self, runner: &Runner, names: &[&str]) -> Vec<StreamReport> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let streams = runner.select(&names).unwrap();
        // While nothing is known of the quota all streams but one wait for its first report, and a
        // clock that jumps where somebody waits would run away from the org's.
        let users = runner.select(&["users".to_owned()]).unwrap();
        let _ = probe(runner.session(), &users[0]).await;
        runner.once(&streams, Limits::default()).await
    }

    /// Polls once and takes the error of a stream, which must fail.
    pub(crate) async fn failure(&self, stream: &str) -> Error {
        let reports = self.poll_streams(&[stream]).await;
        reports[0].error.clone().unwrap_or_else(|| panic!("{stream} did not fail"))
    }

    /// Polls all streams, which must all succeed, and compares everything on disk with the org.
    pub(crate) async fn completes(&self) -> Vec<StreamReport> {
        let reports = self.poll().await;
        for report in &reports {
            assert!(report.error.is_none(), "{}: {}", report.stream, report.error.clone().unwrap());
            assert_eq!((report.rejected, report.gaps), (0, 0), "{}", report.stream);
        }
        self.assert_exact();
        reports
    }

    /// Everything that the org holds is on disk, once, and nothing else.
    pub(crate) fn assert_exact(&self) {
        compare::assert_exact(&self.org, &self.events());
    }

    /// Signs in with the authorization code grant, the browser played by a program.
    pub(crate) async fn sign_in(&self) -> Result<()> {
        let runner = self.open();
        let session = runner.session();
        let authenticator = session.authenticator().unwrap();
        let request = authenticator.authorization_request()?;
        let url = Url::parse(request.url.expose()).unwrap();
        let callback =
            browser::sign_in(session.client(), &url, "svc@example.test", "simulated-password")
                .await?;
        authenticator.exchange(request, &callback).await.map(|_| ())
    }

    /// Lets time pass for the org and the engine.
    pub(crate) async fn advance(&self, seconds: u32) {
        self.org.clock().advance(SignedDuration::from_secs(seconds.into()));
        self.clock.sleep(Duration::from_secs(seconds.into())).await;
    }

    /// What the runs told so far, and forgets it.
    pub(crate) fn told(&self) -> Vec<(String, Progress)> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// The codes of what was tried again so far.
    pub(crate) fn retried(&self) -> Vec<(Code, Duration)> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter_map(|(_, progress)| match progress {
                Progress::Retrying { error, wait } => Some((error.code, *wait)),
                _ => None,
            })
            .collect()
    }

    /// The warnings so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter_map(|(_, progress)| match progress {
                Progress::Warning(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }

    /// How often the rules struck in all.
    pub(crate) fn hits(&self) -> u64 {
        self.org.faults().iter().map(|active| active.hit).sum()
    }

    /// Lets `fault` befall `times` (0: all) requests whose decoded query holds `query`, after
    /// `skip` of them.
    pub(crate) fn break_query(&self, query: &str, skip: u64, times: u64, fault: Fault) {
        let on = Match { query: Some(query.to_owned()), ..Match::default() };
        self.org.add_fault(Rule { on, skip, times, fault });
    }

    /// Lets `fault` befall `times` (0: all) requests whose path holds `path`, after `skip` of them.
    pub(crate) fn break_path(&self, path: &str, skip: u64, times: u64, fault: Fault) {
        let on = Match { path: Some(path.to_owned()), ..Match::default() };
        self.org.add_fault(Rule { on, skip, times, fault });
    }
}

/// A status with a JSON body.
pub(crate) fn status(status: u16, body: &str) -> Fault {
    Fault::Status { status, body: body.to_owned(), content_type: None, retry_after: None }
}

/// The error as a person reads it, without what differs from run to run.
pub(crate) fn redacted(error: &Error) -> String {
    assert!(error.cause.as_ref().is_some_and(|text| !text.trim().is_empty()), "no cause: {error}");
    assert!(error.fix.as_ref().is_some_and(|text| !text.trim().is_empty()), "no fix: {error}");
    redact(&error.to_string())
}

/// A text without request numbers, ports and temporary folders.
pub(crate) fn redact(text: &str) -> String {
    let patterns = [
        (r"\(request [0-9a-f]{8}-\d+\)", "(request ID)"),
        (r"(127\.0\.0|192\.0\.2)\.1:\d+", "$1.1:PORT"),
        (r"/\S*/\.tmp\w+", "FOLDER"),
        (r"EventLogFile/0AT\w+", "EventLogFile/ID"),
        (r"/query/0r8\w+-\d+", "/query/LOCATOR"),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, instead)| {
        Regex::new(pattern).unwrap().replace_all(&text, *instead).into_owned()
    })
}
