//! `longshore protocol`: connectors that run inside other platforms, which start the program, give it
//! the configuration and the state in files, and take records and the next state from standard output.

mod airbyte;
pub(crate) mod arguments;
mod bookmark;
mod catalog;
mod emitter;
mod reading;
mod singer;
mod spec;

use std::path::Path;

use longshore_engine::error::{Code, Error, Result};
use longshore_schema::Manifest;
use longshore_validator::Checked;
use serde_json::Value;

use crate::Exit;
use crate::manifests::not_read;
use crate::open;
use arguments::{Platform, Protocol};

/// The largest file with a state or a catalog, in bytes. The state of a stream that tells changes
/// has a line for each record of the app.
const MAX_FILE: u64 = 512 << 20;

pub(crate) async fn run(command: &Protocol) -> Exit {
    match &command.platform {
        Platform::Airbyte(command) => airbyte::run(command).await,
        Platform::Singer(command) => singer::run(command).await,
    }
}

fn manifest(path: &Path) -> Result<Checked<Manifest>> {
    // Its own message would speak of a connection file.
    std::fs::metadata(path).map_err(|error| not_read(path, &error))?;
    open::manifest(path)
}

/// Reads a JSON file. No content is part of a message.
fn json(path: &Path) -> Result<Value> {
    let length = std::fs::metadata(path).map_err(|error| not_read(path, &error))?.len();
    if length > MAX_FILE {
        return Err(unusable(path, &format!("it has {length} bytes, more than {MAX_FILE}")));
    }
    let text = std::fs::read(path).map_err(|error| not_read(path, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| unusable(path, &format!("it is not JSON from line {} on", error.line())))
}

/// Why a file with a state or a catalog cannot be used.
fn unusable(path: &Path, cause: &str) -> Error {
    Error::new(Code::InputInvalid, format!("{} is not usable", path.display()))
        .cause(cause)
        .fix("give the file as this program and the platform made it")
}
