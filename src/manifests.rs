//! Which manifests a command is about, and their texts.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use longshore_engine::error::{Code, Error};

/// The manifests that paths lead to: files as they are named, folders with every `manifest.yaml`
/// below them, patterns with all that match them, and `-` for standard input. Each is named once.
/// `failed` is told of paths that lead nowhere.
pub(crate) fn collect(paths: &[PathBuf], failed: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        for path in matching(path, failed) {
            match manifests(&path) {
                Ok(found) if found.is_empty() => failed(nothing(
                    format!("no manifest.yaml in {}", path.display()),
                    "name the file itself if it is called otherwise",
                )),
                Ok(found) => files.extend(found),
                Err(error) => failed(not_read(&path, &error)),
            }
        }
    }
    let mut seen = HashSet::new();
    files.retain(|path| seen.insert(path.clone()));
    files
}

/// What matches a pattern, in order; any other path itself. Shells that know no `**` leave patterns
/// to us.
fn matching(path: &Path, failed: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
    let text = path.to_string_lossy();
    if !text.contains(['*', '?', '[']) || path.exists() {
        return vec![path.to_owned()];
    }
    let found = match glob::glob(&text) {
        Ok(found) => found,
        Err(error) => {
            failed(nothing(format!("{text} is no pattern: {}", error.msg), "close the brackets"));
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for path in found {
        match path {
            Ok(path) => paths.push(path),
            Err(error) => failed(not_read(error.path(), error.error())),
        }
    }
    if paths.is_empty() {
        failed(nothing(format!("nothing matches {text}"), "check the pattern and the folder"));
    }
    paths
}

fn nothing(what: String, fix: &str) -> Error {
    Error::new(Code::InputInvalid, what).fix(fix)
}

/// The file itself, or every `manifest.yaml` below a folder, in order.
fn manifests(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.as_os_str() == "-" || !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // Links are not followed: a link to a parent would never end.
            let kind = entry.file_type()?;
            if kind.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
                folders.push(entry.path());
            } else if ["manifest.yaml", "manifest.yml"]
                .iter()
                .any(|name| entry.file_name() == *name)
            {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Why a file or folder could not be read: a manifest, or what belongs to it.
pub(crate) fn not_read(path: &Path, error: &std::io::Error) -> Error {
    let (cause, fix) = match error.kind() {
        std::io::ErrorKind::InvalidData => {
            ("it is not text in UTF-8".to_owned(), "save it as UTF-8")
        }
        _ => (error.to_string(), "check the path, and that this user may read it"),
    };
    let what = format!("{} could not be read", path.display());
    Error::new(Code::InputInvalid, what).cause(cause).fix(fix)
}

/// Why a manifest could not be written.
pub(crate) fn not_written(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::InputInvalid, format!("{} could not be written", path.display()))
        .cause(error.to_string())
        .fix("check that this user may write the file and its folder")
}

/// What a manifest is called in messages, and its text. `-` is standard input.
pub(crate) fn read(path: &Path) -> std::io::Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut source = String::new();
        std::io::stdin().lock().read_to_string(&mut source)?;
        return Ok(("<stdin>".to_owned(), source));
    }
    Ok((path.display().to_string(), std::fs::read_to_string(path)?))
}
