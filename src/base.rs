//! The earlier manifests that manifests are compared with.

use std::path::{Component, Path, PathBuf};

use longshore_engine::error::{Code, Error};
use longshore_validator::changes::Base;

use crate::manifests::not_read;

/// Where the earlier one of a manifest is: the base itself, or the same path below it that the
/// manifest has below the working directory. `None` if there is none: the manifest is new.
pub(crate) fn path(base: &Path, manifest: &Path) -> Result<Option<PathBuf>, Error> {
    let metadata = std::fs::metadata(base).map_err(|error| not_read(base, &error))?;
    if !metadata.is_dir() {
        return Ok(Some(base.to_owned()));
    }
    let here = std::env::current_dir().map_err(|error| not_read(Path::new("."), &error))?;
    let whole = here.join(manifest);
    let below = whole.strip_prefix(&here).ok().filter(|below| {
        let mut parts = below.components();
        below.as_os_str() != "-" && !parts.any(|part| part == Component::ParentDir)
    });
    let Some(below) = below else {
        let what = format!("{} has no place in {}", manifest.display(), base.display());
        return Err(Error::new(Code::InputInvalid, what)
            .cause("it is not a file below the working directory")
            .fix("run the command in the folder that the other is a copy of, or name the earlier manifest itself"));
    };
    let earlier = base.join(below);
    match earlier.try_exists() {
        Ok(exists) => Ok(exists.then_some(earlier)),
        Err(error) => Err(not_read(&earlier, &error)),
    }
}

/// Reads an earlier manifest.
pub(crate) fn read(path: &Path) -> Result<Base, Error> {
    let source = std::fs::read_to_string(path).map_err(|error| not_read(path, &error))?;
    Base::read(&source).map_err(|error| {
        let what = format!("{} is no manifest to compare with", path.display());
        Error::new(Code::InputInvalid, what)
            .cause(error.to_string())
            .fix("name the manifest as it was, or the folder that holds it under the same path")
    })
}
