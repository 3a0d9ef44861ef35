//! From a connection file to a connection that can be polled.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longshore_engine::clock::Clock;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::plan::{Plan, StreamPlan};
use longshore_engine::poll::Observer;
use longshore_engine::runner::{Folders, Runner};
use longshore_schema::Manifest;
use longshore_validator::{Checked, Options, Profile, Severity, render_text, validate};

use crate::live::Live;
use crate::summary::plural;
use crate::terminal::{colour, complain, stopped};

/// How many bytes may wait for the slowest sink, unless the connection says otherwise.
const USUAL_SPOOL: u64 = 1_000_000_000;

/// How long an interrupted run may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a connection; `output` replaces the file's own.
pub(crate) fn open(
    path: &Path,
    output: Option<&Path>,
    clock: Clock,
    observer: Observer,
) -> Result<Runner> {
    let (file, source) = ConnectionFile::read(path)?;
    let manifest = manifest(&ConnectionFile::resolve(&source, &file.manifest))?;
    let connection = file.connection(&source, &manifest)?;
    let beside = |path: Option<&PathBuf>, usual: &str| {
        ConnectionFile::resolve(&source, path.map_or(Path::new(usual), PathBuf::as_path))
    };
    let folders = Folders {
        state: beside(file.state.as_ref(), "state"),
        output: output.map_or_else(|| beside(file.output.as_ref(), "events"), Path::to_owned),
    };
    let sinks = longshore_sinks::open(&file, &source)?;
    let runner = Runner::open(Plan::compile(&manifest, connection)?, &folders, clock, observer)?;
    if sinks.is_empty() {
        return Ok(runner);
    }
    let size = file.spool.and_then(|spool| spool.size);
    let most = size.map_or(USUAL_SPOOL, |size| size.value.0);
    runner.with_sinks(sinks, &folders.state.join("spool"), most)
}

/// Opens a connection as [`open`] does, and the streams of these names of it, or all if there are none.
pub(crate) fn open_streams(
    path: &Path,
    output: Option<&Path>,
    names: &[String],
    live: &Live,
) -> Result<(Runner, Vec<Arc<StreamPlan>>)> {
    let runner = open(path, output, Clock::system(), live.observer())?;
    let streams = runner.select(names)?;
    Ok((runner, streams))
}

/// Reads and checks a manifest. Findings are shown as `longshore validate` shows them.
pub(crate) fn manifest(path: &Path) -> Result<Checked<Manifest>> {
    let source = std::fs::read_to_string(path).map_err(|error| {
        Error::new(Code::InputInvalid, format!("{} could not be read", path.display()))
            .cause(error.to_string())
            .fix("check `manifest` in the connection file; the path starts at the file's folder")
    })?;
    let report = validate(&source, &Options::new(Profile::Extended));
    let errors = report.count(Severity::Error);
    report.checked.clone().ok_or_else(|| {
        complain(&render_text(&report, &path.display().to_string(), &source, colour()));
        let errors = plural(errors, "error");
        Error::new(Code::InputInvalid, format!("{} has {errors}", path.display()))
            .cause("a manifest runs only after every check has passed")
            .fix("mend what is shown above, then run `longshore validate` on it")
    })
}

/// What `work` of a connection comes to; `None` if it was told to stop, after all that it had begun was
/// brought to an end.
pub(crate) async fn unless_interrupted<T>(
    runner: &Runner,
    work: impl Future<Output = T>,
) -> Option<T> {
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        () = stopped() => None,
    };
    if outcome.is_none() {
        // What takes longer is read again by the next run.
        let _ = tokio::time::timeout(PATIENCE, runner.settled()).await;
    }
    outcome
}
