//! `longshore validate --watch`

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::arguments::Validate;
use crate::manifests::collect;
use crate::settings::NAME;
use crate::terminal::{complain, misused, print, stopped};
use crate::{Exit, base, fixtures, validate};

/// How often files are looked at; asking for their times costs next to nothing.
const PAUSE: Duration = Duration::from_millis(300);

/// Validates, and again after each change, until the person has seen enough.
pub(crate) async fn run(command: &Validate) -> Exit {
    if command.paths.iter().any(|path| path.as_os_str() == "-") {
        return misused("standard input cannot be watched", "name files or folders");
    }
    let stopped = stopped();
    tokio::pin!(stopped);
    loop {
        // Signals are listened to from the first look on.
        tokio::select! {
            biased;
            () = &mut stopped => return Exit::Interrupted,
            () = std::future::ready(()) => {}
        }
        if std::io::stdout().is_terminal() {
            print("\u{1b}[2J\u{1b}[H");
        }
        // Taken first: a change while the files are read is one after it.
        let before = times(command);
        validate::run(command);
        complain("waiting for changes; Ctrl-C ends it");
        while times(command) == before {
            tokio::select! {
                () = &mut stopped => return Exit::Interrupted,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// When each file that matters was last changed; `None` for one that is not there.
fn times(command: &Validate) -> BTreeMap<PathBuf, Option<(SystemTime, u64)>> {
    let manifests = collect(&command.paths, &mut |_| {});
    let mut files: BTreeSet<PathBuf> = command.config.iter().cloned().collect();
    for manifest in manifests {
        files.extend(fixtures::paths(&manifest, &mut |_| {}));
        if command.config.is_none() && !command.no_config {
            let absolute = std::path::absolute(&manifest).unwrap_or_default();
            files.extend(absolute.ancestors().skip(1).map(|folder| folder.join(NAME)));
        }
        if let Some(base) = &command.base {
            files.extend(base::path(base, &manifest).ok().flatten());
        }
        files.insert(manifest);
    }
    files.into_iter().map(|path| (path.clone(), changed(&path))).collect()
}

fn changed(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
