//! The recorded responses beside a manifest.

use std::path::{Path, PathBuf};

use longshore_engine::error::{Code, Error};
use longshore_schema::yaml::MAX_SOURCE_BYTES;
use longshore_validator::Fixture;

use crate::manifests::not_read;

/// The longest fixture that is read, as long as the validator takes.
const MAX_BYTES: u64 = MAX_SOURCE_BYTES as u64;
/// The most fixtures that are read beside one manifest.
const MAX_FIXTURES: usize = 1000;
/// How deep fixtures lie below their folder: stream, step, file.
const MAX_DEPTH: usize = 4;

/// Every JSON file below the folder `fixtures` beside a manifest, in order; none for standard input,
/// of whose place nothing is known. `failed` is told of what could not be read.
pub(crate) fn beside(manifest: &Path, failed: &mut dyn FnMut(Error)) -> Option<Vec<Fixture>> {
    if manifest.as_os_str() == "-" {
        return None;
    }
    let folder = folder(manifest);
    let mut paths = paths(manifest, failed);
    if paths.len() > MAX_FIXTURES {
        let what = format!("{} holds {} fixtures", folder.display(), paths.len());
        failed(
            Error::new(Code::InputInvalid, what)
                .cause(format!("at most {MAX_FIXTURES} are read"))
                .fix("keep those that show something of their own"),
        );
        paths.truncate(MAX_FIXTURES);
    }
    let named = |path: PathBuf| {
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) => {
                failed(error);
                return None;
            }
        };
        let below = path.strip_prefix(&folder).unwrap_or(&path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        Some(Fixture::new(format!("fixtures/{}", parts.join("/")), text))
    };
    Some(paths.into_iter().filter_map(named).collect())
}

fn folder(manifest: &Path) -> PathBuf {
    manifest.parent().unwrap_or(Path::new("")).join("fixtures")
}

/// Where the recorded responses beside a manifest are, in order.
pub(crate) fn paths(manifest: &Path, failed: &mut dyn FnMut(Error)) -> Vec<PathBuf> {
    let (folder, mut paths) = (folder(manifest), Vec::new());
    if folder.is_dir() {
        collect(&folder, 1, &mut paths, failed);
    }
    paths.sort();
    paths
}

/// Links are not followed, as they are not in the search for manifests.
fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>, failed: &mut dyn FnMut(Error)) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return failed(not_read(folder, &error)),
    };
    for entry in entries {
        let read = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())));
        match read {
            Ok((kind, path)) if kind.is_dir() && depth < MAX_DEPTH => {
                collect(&path, depth + 1, found, failed);
            }
            Ok((kind, path)) => {
                if kind.is_file() && path.extension().is_some_and(|end| end == "json") {
                    found.push(path);
                }
            }
            Err(error) => failed(not_read(folder, &error)),
        }
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let length = std::fs::metadata(path).map_err(|error| not_read(path, &error))?.len();
    if length > MAX_BYTES {
        return Err(Error::new(Code::InputInvalid, format!("{} was not read", path.display()))
            .cause(format!("it is {length} bytes long; at most {MAX_BYTES} are read"))
            .fix("keep the records that show something of their own"));
    }
    std::fs::read_to_string(path).map_err(|error| not_read(path, &error))
}
