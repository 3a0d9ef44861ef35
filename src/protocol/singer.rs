//! The Singer specification (<https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md>):
//! a tap that writes SCHEMA, RECORD and STATE messages, one a line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use longshore_engine::error::{Code, Error, Result};
use longshore_schema::Manifest;
use serde_json::{Map, Value, json};

use super::arguments::Singer;
use super::catalog::{self, KEY, TIME, is_incremental};
use super::emitter::{Level, Outcome, Voice};
use super::reading::{self, Selected};
use super::{bookmark, json as read_json, manifest, unusable};
use crate::Exit;
use crate::terminal::{complain, fail, once, print};

pub(super) async fn run(command: &Singer) -> Exit {
    match sync(command).await {
        Ok(exit) => exit,
        Err(error) => fail(&error),
    }
}

async fn sync(command: &Singer) -> Result<Exit> {
    let manifest = manifest(&command.manifest)?;
    if command.discover {
        print(&format!("{:#}\n", json!({ "streams": streams(&manifest) })));
        return Ok(Exit::Done);
    }
    let Some(config) = &command.config else {
        return Err(Error::new(Code::InputMissing, "there is no configuration")
            .cause("streams are read with the values of the manifest's inputs")
            .fix("name the file with --config"));
    };
    let chosen = command.catalog.as_deref().map(selected).transpose()?;
    let bookmarks = command.state.as_deref().map(bookmarks).transpose()?.unwrap_or_default();
    if let Some(name) = chosen.iter().flatten().find(|name| manifest.streams.get(name).is_none()) {
        let names: Vec<_> = catalog::streams(&manifest).map(|(name, _)| name).collect();
        return Err(Error::new(Code::InputInvalid, format!("there is no stream `{name}`"))
            .cause(format!("the manifest of {} has others", manifest.app.name))
            .fix(format!("discover the streams again; they are {}", names.join(", "))));
    }
    let mut streams = Vec::new();
    let mut schemas = Vec::new();
    let mut whole = BTreeSet::new();
    for (name, stream) in catalog::streams(&manifest) {
        if chosen.as_ref().is_some_and(|chosen| !chosen.iter().any(|one| one == name)) {
            continue;
        }
        let is_incremental = is_incremental(stream);
        if !is_incremental {
            whole.insert(name.to_owned());
        }
        let bookmark = bookmarks.get(name).filter(|_| is_incremental);
        let standing =
            bookmark.map(|bookmark| bookmark::read(manifest.id.as_str(), name, bookmark));
        let standing = standing.transpose()?.flatten();
        streams.push(Selected { name: name.to_owned(), is_incremental, standing });
        schemas.push(json!({
            "type": "SCHEMA",
            "stream": name,
            "schema": catalog::schema(stream),
            "key_properties": [KEY],
            "bookmark_properties": [TIME],
        }));
    }
    reading::read(&manifest, config, &streams, Box::new(Messages { schemas, whole, bookmarks }))
        .await
}

fn streams(manifest: &Manifest) -> Vec<Value> {
    let streams = catalog::streams(manifest).map(|(name, stream)| {
        let method = if is_incremental(stream) { "INCREMENTAL" } else { "FULL_TABLE" };
        json!({
            "tap_stream_id": name,
            "stream": name,
            "schema": catalog::schema(stream),
            "key_properties": [KEY],
            "metadata": [{
                "breadcrumb": [],
                "metadata": {
                    "inclusion": "available",
                    "selected-by-default": true,
                    "table-key-properties": [KEY],
                    "forced-replication-method": method,
                },
            }],
        })
    });
    streams.collect()
}

/// The names of the streams that a catalog selects.
fn selected(path: &Path) -> Result<Vec<String>> {
    let catalog = read_json(path)?;
    let streams = catalog.get("streams").and_then(Value::as_array);
    let streams = streams.ok_or_else(|| unusable(path, "it has no list `streams`"))?;
    let mut names = Vec::new();
    for stream in streams {
        let name = stream.get("tap_stream_id").or_else(|| stream.get("stream"));
        let name = name.and_then(Value::as_str);
        let name =
            name.ok_or_else(|| unusable(path, "one of its streams has no `tap_stream_id`"))?;
        if is_selected(stream) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// What is said of the stream as a whole: its metadata, or what older catalogs have in its schema.
fn is_selected(stream: &Value) -> bool {
    let metadata = stream["metadata"].as_array().into_iter().flatten();
    let whole = metadata
        .filter(|one| one["breadcrumb"].as_array().is_some_and(Vec::is_empty))
        .map(|one| &one["metadata"])
        .next_back();
    let said = whole.and_then(|whole| whole["selected"].as_bool());
    let older = stream["selected"].as_bool().or_else(|| stream["schema"]["selected"].as_bool());
    let usual = whole.and_then(|whole| whole["selected-by-default"].as_bool());
    said.or(older).or(usual).unwrap_or(false)
}

/// The bookmarks of a state by stream.
fn bookmarks(path: &Path) -> Result<BTreeMap<String, Value>> {
    let mut state = read_json(path)?;
    // Some keep the whole message.
    if state["type"] == "STATE" {
        state = state["value"].take();
    }
    match state {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(mut members) if members.is_empty() || members.contains_key("bookmarks") => {
            match members.remove("bookmarks") {
                Some(Value::Object(bookmarks)) => Ok(bookmarks.into_iter().collect()),
                None => Ok(BTreeMap::new()),
                Some(_) => Err(state_error(path)),
            }
        }
        _ => Err(state_error(path)),
    }
}

fn state_error(path: &Path) -> Error {
    Error::new(Code::StateCorrupt, format!("the state in {} is not usable", path.display()))
        .cause("it is not an object with `bookmarks`")
        .fix("give the last line that the target wrote, or none")
}

/// The messages of a read.
struct Messages {
    schemas: Vec<Value>,
    /// The streams that are read whole each time.
    whole: BTreeSet<String>,
    /// Those that were given and those that came since: a state has all of them.
    bookmarks: BTreeMap<String, Value>,
}

impl Messages {
    fn standing(&self) -> Value {
        let bookmarks: Map<String, Value> =
            self.bookmarks.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        json!({ "type": "STATE", "value": { "bookmarks": bookmarks } })
    }
}

impl Voice for Messages {
    fn begin(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.schemas)
    }

    fn started(&mut self, _: &str) -> Option<Value> {
        None
    }

    fn running(&mut self, _: &str) -> Option<Value> {
        None
    }

    fn record(
        &self,
        stream: &str,
        uid: &Value,
        members: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let now = Timestamp::now();
        write!(
            out,
            r#"{{"type":"RECORD","stream":"{stream}","time_extracted":"{now:.3}","record":{{"{KEY}":{uid},"#
        )?;
        out.write_all(members)?;
        out.write_all(b"}")
    }

    fn state(&mut self, stream: &str, bookmark: Value, _: u64) -> Value {
        self.bookmarks.insert(stream.to_owned(), bookmark);
        self.standing()
    }

    fn say(&mut self, level: Level, text: &str) -> Option<Value> {
        match level {
            Level::Info => complain(text),
            Level::Warning => complain(&format!("warning: {text}")),
        }
        None
    }

    fn ended(&mut self, stream: &str, outcome: &Outcome<'_>) -> Vec<Value> {
        match outcome {
            Outcome::Complete => {}
            Outcome::Stopped => complain(&format!("{stream}: stopped; the next read goes on")),
            Outcome::Failed(error) => {
                complain(&format!("error: {}", once((*error).clone())));
            }
        }
        // Targets give out a state when no record follows it: the last message must be one.
        if self.whole.contains(stream) { vec![self.standing()] } else { Vec::new() }
    }
}
