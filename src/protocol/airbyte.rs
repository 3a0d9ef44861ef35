//! The Airbyte protocol (<https://docs.airbyte.com/understanding-airbyte/airbyte-protocol>): a source
//! that answers `spec`, `check`, `discover` and `read` with one JSON message a line.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use longshore_engine::error::{Code, Error, Result, Retry};
use longshore_schema::Manifest;
use longshore_validator::Checked;
use serde_json::{Value, json};

use super::arguments::{Airbyte, Step};
use super::catalog::{self, KEY, TIME, is_incremental};
use super::emitter::{Level, Outcome, Pending, Voice, observer};
use super::reading::{self, Selected};
use super::{bookmark, json as read_json, manifest, spec, unusable};
use crate::Exit;
use crate::check::probe_all;
use crate::open::unless_interrupted;
use crate::terminal::{once, print};

pub(super) async fn run(command: &Airbyte) -> Exit {
    let done = match manifest(&command.manifest) {
        Err(error) => Err(error),
        Ok(manifest) => match &command.step {
            Step::Spec => {
                say(&specification(&manifest));
                Ok(Exit::Done)
            }
            Step::Check { config } => Ok(check(&manifest, config).await),
            Step::Discover { .. } => {
                say(&json!({ "type": "CATALOG", "catalog": { "streams": streams(&manifest) } }));
                Ok(Exit::Done)
            }
            Step::Read { config, catalog, state } => {
                read(&manifest, config, catalog, state.as_deref()).await
            }
        },
    };
    done.unwrap_or_else(|error| {
        say(&trace_error(&error));
        Exit::Failed
    })
}

fn say(message: &Value) {
    print(&format!("{message}\n"));
}

fn specification(manifest: &Manifest) -> Value {
    let mut spec = json!({
        "connectionSpecification": spec::spec(manifest),
        "supportsIncremental": true,
    });
    if let Some((_, link)) = manifest.app.links.iter().next() {
        spec["documentationUrl"] = link.as_str().into();
    }
    json!({ "type": "SPEC", "spec": spec })
}

/// A configuration is good if something can be read with it. What cannot is named.
async fn check(manifest: &Checked<Manifest>, config: &Path) -> Exit {
    let (sender, _receiver) = std::sync::mpsc::channel();
    let opened = match reading::open(manifest, config, &[], observer(sender, Pending::default())) {
        Ok(opened) => opened,
        Err(error) => return checked(Some(&error)),
    };
    let Some(probed) = unless_interrupted(&opened.runner, probe_all(&opened.runner)).await else {
        return Exit::Interrupted;
    };
    let errors: Vec<&Error> = probed.iter().filter_map(|(_, seen)| seen.as_ref().err()).collect();
    if errors.len() == probed.len() {
        return checked(errors.first().copied());
    }
    for error in errors {
        say(&log("WARN", &once(error.clone()).to_string()));
    }
    checked(None)
}

fn checked(error: Option<&Error>) -> Exit {
    let status = match error {
        None => json!({ "status": "SUCCEEDED" }),
        Some(error) => {
            json!({ "status": "FAILED", "message": once(error.clone()).to_string() })
        }
    };
    say(&json!({ "type": "CONNECTION_STATUS", "connectionStatus": status }));
    Exit::Done
}

fn streams(manifest: &Manifest) -> Vec<Value> {
    let streams = catalog::streams(manifest).map(|(name, stream)| {
        let mut shown = json!({
            "name": name,
            "json_schema": catalog::schema(stream),
            "supported_sync_modes": ["full_refresh"],
            "source_defined_primary_key": [[KEY]],
        });
        if is_incremental(stream) {
            shown["supported_sync_modes"] = json!(["full_refresh", "incremental"]);
            shown["source_defined_cursor"] = true.into();
            shown["default_cursor_field"] = json!([TIME]);
        }
        shown
    });
    streams.collect()
}

async fn read(
    manifest: &Checked<Manifest>,
    config: &Path,
    catalog: &Path,
    state: Option<&Path>,
) -> Result<Exit> {
    let mut bookmarks = state.map(states).transpose()?.unwrap_or_default();
    let mut selected: Vec<Selected> = Vec::new();
    for (name, wants_increments) in configured(catalog)? {
        let stream = manifest.streams.get(&name).ok_or_else(|| unknown(manifest, &name))?;
        if selected.iter().any(|known| known.name == name) {
            continue;
        }
        let is_incremental = wants_increments && is_incremental(stream);
        let bookmark = bookmarks.remove(&name).filter(|_| is_incremental).unwrap_or_default();
        let standing = bookmark::read(manifest.id.as_str(), &name, &bookmark)?;
        selected.push(Selected { name, is_incremental, standing });
    }
    reading::read(manifest, config, &selected, Box::new(Messages)).await
}

fn unknown(manifest: &Manifest, name: &str) -> Error {
    let names: Vec<_> = catalog::streams(manifest).map(|(name, _)| name).collect();
    Error::new(Code::InputInvalid, format!("there is no stream `{name}`"))
        .cause(format!("the manifest of {} has others", manifest.app.name))
        .fix(format!("discover the streams again; they are {}", names.join(", ")))
}

/// The streams of a configured catalog, and whether they are read in increments.
fn configured(path: &Path) -> Result<Vec<(String, bool)>> {
    let catalog = read_json(path)?;
    let streams = catalog.get("streams").and_then(Value::as_array);
    let streams = streams.ok_or_else(|| unusable(path, "it has no list `streams`"))?;
    let streams = streams.iter().map(|configured| {
        let name = configured["stream"]["name"].as_str()?;
        Some((name.to_owned(), configured["sync_mode"] == "incremental"))
    });
    let streams: Option<Vec<_>> = streams.collect();
    streams.ok_or_else(|| unusable(path, "one of its streams has no `stream.name`"))
}

/// The states of streams by name.
fn states(path: &Path) -> Result<BTreeMap<String, Value>> {
    let mut states = BTreeMap::new();
    match read_json(path)? {
        Value::Array(messages) => {
            for mut message in messages {
                // Some keep the whole message.
                if message["type"] == "STATE" {
                    message = message["state"].take();
                }
                let name = message["stream"]["stream_descriptor"]["name"].as_str();
                let Some(name) = name.map(str::to_owned) else {
                    let cause = "one of its states is not that of a stream";
                    return Err(state_error(path, cause));
                };
                states.insert(name, message["stream"]["stream_state"].take());
            }
        }
        Value::Null => {}
        Value::Object(members) if members.is_empty() => {}
        _ => return Err(state_error(path, "it is not a list of states")),
    }
    Ok(states)
}

fn state_error(path: &Path, cause: &str) -> Error {
    Error::new(Code::StateCorrupt, format!("the state in {} is not usable", path.display()))
        .cause(cause)
        .fix("give a list of the last STATE message of each stream, or none")
}

fn log(level: &str, text: &str) -> Value {
    json!({ "type": "LOG", "log": { "level": level, "message": text } })
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn trace_error(error: &Error) -> Value {
    let mut told = json!({
        "message": once(error.clone()).to_string(),
        "internal_message": error.code.as_str(),
        "failure_type": failure_type(error),
    });
    if let Some(stream) = &error.place.stream {
        told["stream_descriptor"] = json!({ "name": stream });
    }
    json!({ "type": "TRACE", "trace": { "type": "ERROR", "emitted_at": now(), "error": told } })
}

/// Whose turn it is: the person's who configured the source, nobody's but time's, or ours.
fn failure_type(error: &Error) -> &'static str {
    let code = error.code.as_str();
    let theirs = ["INPUT_", "AUTH_", "PERM_", "STATE_CORRUPT", "NET_HOST_BLOCKED"];
    if matches!(error.retry, Retry::Later(_)) {
        "transient_error"
    } else if theirs.iter().any(|start| code.starts_with(start)) {
        "config_error"
    } else {
        "system_error"
    }
}

/// The messages of a read.
struct Messages;

impl Messages {
    fn status(stream: &str, status: &str) -> Value {
        let told = json!({ "stream_descriptor": { "name": stream }, "status": status });
        let trace = json!({ "type": "STREAM_STATUS", "emitted_at": now(), "stream_status": told });
        json!({ "type": "TRACE", "trace": trace })
    }
}

impl Voice for Messages {
    fn begin(&mut self) -> Vec<Value> {
        Vec::new()
    }

    fn started(&mut self, stream: &str) -> Option<Value> {
        Some(Self::status(stream, "STARTED"))
    }

    fn running(&mut self, stream: &str) -> Option<Value> {
        Some(Self::status(stream, "RUNNING"))
    }

    fn record(
        &self,
        stream: &str,
        uid: &Value,
        members: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let now = now();
        write!(
            out,
            r#"{{"type":"RECORD","record":{{"stream":"{stream}","emitted_at":{now},"data":{{"{KEY}":{uid},"#
        )?;
        out.write_all(members)?;
        out.write_all(b"}}")
    }

    fn state(&mut self, stream: &str, bookmark: Value, records: u64) -> Value {
        json!({
            "type": "STATE",
            "state": {
                "type": "STREAM",
                "stream": { "stream_descriptor": { "name": stream }, "stream_state": bookmark },
                "sourceStats": { "recordCount": records as f64 },
            },
        })
    }

    fn say(&mut self, level: Level, text: &str) -> Option<Value> {
        let level = match level {
            Level::Info => "INFO",
            Level::Warning => "WARN",
        };
        Some(log(level, text))
    }

    fn ended(&mut self, stream: &str, outcome: &Outcome<'_>) -> Vec<Value> {
        match outcome {
            Outcome::Complete => vec![Self::status(stream, "COMPLETE")],
            Outcome::Stopped => vec![Self::status(stream, "INCOMPLETE")],
            Outcome::Failed(error) => {
                vec![trace_error(error), Self::status(stream, "INCOMPLETE")]
            }
        }
    }
}
