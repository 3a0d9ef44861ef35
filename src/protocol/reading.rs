//! A read on behalf of a platform: the state that it gives is put into a folder of our own, the engine
//! runs on it, and what it delivers is written to standard output.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};

use longshore_engine::clock::Clock;
use longshore_engine::connection::{Connection, from_config};
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::plan::Plan;
use longshore_engine::poll::{Limits, Observer};
use longshore_engine::runner::{Folders, Runner, secrets};
use longshore_engine::secret::{KEY_VARIABLE, Secret};
use longshore_engine::state::{Standing, Store};
use longshore_schema::Manifest;
use longshore_schema::map::Privacy;
use longshore_validator::Checked;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::emitter::{Emitter, Level, Pending, Source, Told, Voice, observer};
use crate::Exit;
use crate::open::unless_interrupted;

/// A stream that is read.
pub(super) struct Selected {
    pub(super) name: String,
    /// Whether the platform keeps where it stands.
    pub(super) is_incremental: bool,
    /// Where it stands; at its start if there is none.
    pub(super) standing: Option<Standing>,
}

/// A connection that is ready, and the folder that it works in.
pub(super) struct Opened {
    pub(super) runner: Runner,
    refresh_token: Option<Secret>,
    /// Removed with everything in it when this is dropped.
    folder: TempDir,
}

/// Opens a connection with nothing but what a platform gives.
pub(super) fn open(
    manifest: &Checked<Manifest>,
    config: &Path,
    selected: &[Selected],
    observer: Observer,
) -> Result<Opened> {
    let (connection, tokens) = from_config(config, manifest)?;
    keyed(manifest, selected)?;
    let folder = tempfile::Builder::new().prefix("longshore-").tempdir().map_err(|error| {
        Error::new(Code::InputInvalid, "a temporary folder could not be made")
            .cause(error.to_string())
            .fix("name a folder that can be written to in the environment variable TMPDIR")
    })?;
    let folders =
        Folders { state: folder.path().join("state"), output: folder.path().join("events") };
    restore(&folders.state, &connection, selected)?;
    if let Some(tokens) = &tokens {
        secrets(&folders.state)?.save(&connection.name, tokens)?;
    }
    let plan = Plan::compile(manifest, connection)?;
    let runner = Runner::open(plan, &folders, Clock::system(), observer)?;
    Ok(Opened { runner, refresh_token: tokens.and_then(|tokens| tokens.refresh), folder })
}

/// Values that are hashed must be hashed the same way the next time, in another folder.
fn keyed(manifest: &Manifest, selected: &[Selected]) -> Result<()> {
    let hashes = |name: &str| {
        let stream = manifest.streams.get(name);
        stream.is_some_and(|stream| {
            stream.privacy.iter().any(|(_, privacy)| privacy.value == Privacy::Hash)
        })
    };
    let Some(stream) = selected.iter().find(|stream| hashes(&stream.name)) else { return Ok(()) };
    if std::env::var_os(KEY_VARIABLE).is_some() {
        return Ok(());
    }
    let what = format!("the environment variable {KEY_VARIABLE} is not set");
    Err(Error::new(Code::InputMissing, what)
        .cause("values of this stream are hashed with it, and must be hashed alike in every read")
        .fix(format!("set {KEY_VARIABLE} to 32 random bytes in base64, always the same"))
        .in_stream(&stream.name))
}

fn restore(state: &Path, connection: &Connection, selected: &[Selected]) -> Result<()> {
    let store = Store::open(state)?;
    for stream in selected {
        if let Some(standing) = &stream.standing {
            let id = store.stream(&connection.name, &stream.name)?;
            store.restore(id, standing).map_err(|error| error.in_stream(&stream.name))?;
        }
    }
    Ok(())
}

/// Reads streams and writes what comes, in the words of `voice`.
///
/// # Errors
/// Why nothing could be read. What befalls streams is told by the voice.
pub(super) async fn read(
    manifest: &Checked<Manifest>,
    config: &Path,
    selected: &[Selected],
    voice: Box<dyn Voice>,
) -> Result<Exit> {
    let (sender, receiver) = mpsc::channel();
    let names = selected.iter().map(|stream| (stream.name.clone(), AtomicBool::new(false)));
    let pending: Pending = Arc::new(names.collect());
    let opened = open(manifest, config, selected, observer(sender.clone(), Arc::clone(&pending)))?;
    let runner = &opened.runner;
    let mut sources = BTreeMap::new();
    let mut streams = Vec::new();
    for one in selected {
        let stream = runner.select(std::slice::from_ref(&one.name))?.remove(0);
        let id = runner.delivery().store().stream(&runner.plan().connection.name, &one.name)?;
        let (file, is_incremental) = (stream.file.clone(), one.is_incremental);
        sources.insert(one.name.clone(), Source { id, file, is_incremental });
        streams.push(stream);
    }
    let connector = manifest.id.as_str();
    let delivery = Arc::clone(runner.delivery());
    let emitter = Emitter::new(voice, connector, delivery, pending, sources);
    let broken = Arc::new(Notify::new());
    let tell = Arc::clone(&broken);
    let emitter = std::thread::spawn(move || {
        let done = emitter.run(&receiver);
        if done.is_err() {
            tell.notify_one();
        }
        done
    });
    let work = async {
        tokio::select! {
            reports = runner.once(&streams, Limits::default()) => Some(reports),
            () = broken.notified() => None,
        }
    };
    let reports = unless_interrupted(runner, work).await;
    if is_used_up(&opened)? {
        let text = "the app gave a new refresh token in place of the configured one, which may not work again: sign in anew and put that token into the configuration, or turn rotation off at the app";
        let _ = sender.send(Told::Said(Level::Warning, text.to_owned()));
    }
    let _ = sender.send(Told::End);
    match tokio::task::block_in_place(|| emitter.join()) {
        Ok(done) => done?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    let Some(reports) = reports else { return Ok(Exit::Interrupted) };
    let failed = reports.iter().flatten().any(|report| report.error.is_some());
    Ok(if failed { Exit::Findings } else { Exit::Done })
}

/// Whether the app gave another refresh token than the configured one.
fn is_used_up(opened: &Opened) -> Result<bool> {
    let Some(given) = &opened.refresh_token else { return Ok(false) };
    let store = secrets(&opened.folder.path().join("state"))?;
    let tokens = store.load(&opened.runner.plan().connection.name)?;
    let kept = tokens.and_then(|tokens| tokens.refresh);
    Ok(kept.is_some_and(|kept| kept.expose() != given.expose()))
}
