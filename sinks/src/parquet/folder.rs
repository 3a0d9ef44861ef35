//! Files in a folder.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use longshore_engine::disk;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::files::{self, sync_folder};

use super::name::{CLASS, Files};

/// A folder of Parquet files. All methods block.
#[derive(Clone, Debug)]
pub(super) struct Folder(pub(super) PathBuf);

/// What a file is called until it is whole: none that read Parquet look at such a name.
const UNFINISHED: (&str, &str) = (".", ".unfinished");

impl Folder {
    /// Writes a file whole, in place of one of the same name; then it is on the disk.
    ///
    /// # Errors
    /// [`Code::DiskFull`] or [`Code::SinkUnavailable`]; what was there before stays then.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.0.join(path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(failed("written", &path, &ErrorKind::InvalidInput.into()));
        };
        self.make(folder)?;
        let unfinished =
            folder.join(format!("{}{}{}", UNFINISHED.0, name.to_string_lossy(), UNFINISHED.1));
        let written = write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, &path));
        if let Err(error) = written {
            // It holds room that may be what is missing.
            let _ = std::fs::remove_file(&unfinished);
            return Err(failed("written", &path, &error));
        }
        sync_folder(folder).map_err(|error| failed("synchronized", folder, &error))
    }

    /// Makes a folder in this one, and its name durable.
    fn make(&self, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(folder).map_err(|error| failed("made", folder, &error))?;
        let outermost = self.0.parent().unwrap_or(&self.0);
        for made in folder.ancestors().skip(1).take_while(|made| made.starts_with(outermost)) {
            let made = if made.as_os_str().is_empty() { Path::new(".") } else { made };
            sync_folder(made).map_err(|error| failed("synchronized", made, &error))?;
        }
        Ok(())
    }

    /// Removes the log's files of portions that start at `start` or later, but those in `keep`.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`] with some of them removed.
    pub(super) fn remove_from(&self, files: &Files, start: u64, keep: &[String]) -> Result<()> {
        for class in names(&self.0)?.into_iter().filter(|name| name.starts_with(CLASS)) {
            let inside = files.folder(&class);
            let folder = self.0.join(&inside);
            let mut removed = false;
            for name in names(&folder)? {
                let finished = name
                    .strip_prefix(UNFINISHED.0)
                    .and_then(|name| name.strip_suffix(UNFINISHED.1))
                    .unwrap_or(&name);
                let stale = files.start(finished).is_some_and(|it| it >= start)
                    && !keep.contains(&format!("{inside}/{name}"));
                if stale {
                    let path = folder.join(&name);
                    std::fs::remove_file(&path)
                        .map_err(|error| failed("removed", &path, &error))?;
                    removed = true;
                }
            }
            if removed {
                sync_folder(&folder).map_err(|error| failed("synchronized", &folder, &error))?;
            }
        }
        Ok(())
    }
}

/// The names in a folder; none if there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed,
    };
    let named = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
    let names: io::Result<Vec<Option<String>>> =
        listed.and_then(|listed| listed.map(named).collect());
    let names = names.map_err(|error| failed("read", folder, &error))?;
    Ok(names.into_iter().flatten().collect())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = files::create_private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let (code, fix) = match error.kind() {
        _ if disk::is_full(error) => {
            (Code::DiskFull, "make room there; nothing is lost, and delivery goes on by itself")
        }
        ErrorKind::PermissionDenied => {
            (Code::SinkUnavailable, "let the user that runs this program write there")
        }
        _ => (Code::SinkUnavailable, "check the folder `to` of the sink, and its disk"),
    };
    Error::new(code, format!("{} could not be {doing}", path.display()))
        .cause(error.to_string())
        .fix(fix)
}
