//! The manifests of this repository against the answers recorded beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use longshore_engine::map::{EventContext, Mapper, Record, Scratch};
use longshore_schema::Manifest;
use longshore_schema::decode::Unpacking;
use longshore_schema::stream::Stream;
use longshore_validator::ocsf::check_event;
use longshore_validator::{Checked, Options, Profile, validate};
use serde_json::Value;

/// When the records were read: 2026-10-02T00:00:00Z.
const RECEIVED: i64 = 1_790_899_200_000;

fn manifests() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let mut found: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn read(folder: &Path) -> Checked<Manifest> {
    let source = std::fs::read_to_string(folder.join("manifest.yaml")).unwrap();
    let options = Options { profile: Profile::Extended, ..Options::default() };
    validate(&source, &options).checked.expect("the manifest is valid")
}

/// The bodies of the JSON answers that were successful, in the order of their names.
fn answers(folder: &Path) -> Vec<Value> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let fixtures = files.iter().filter(|path| path.is_file()).map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    });
    let successful = fixtures.filter(|fixture| fixture["status"].as_u64().unwrap() < 300);
    successful.filter_map(|fixture| fixture.get("body").cloned()).collect()
}

/// A line for each event: what a person looks at first.
fn line(stream: &str, event: &Value) -> String {
    let text = |pointer: &str| match event.pointer(pointer) {
        None => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let shown = ["/metadata/event_code", "/class_name", "/activity_name", "/status"].map(text);
    let target = ["/user/name", "/group/name", "/file/name", "/entity/name", "/resources/0/name"];
    let target = target.iter().find(|pointer| event.pointer(pointer).is_some());
    format!(
        "{stream}: {} by {} on {}",
        shown.join(" | "),
        text("/actor/user/name"),
        target.map_or("-".to_owned(), |pointer| text(pointer)),
    )
}

/// A record with the JSON documents opened that it holds as texts.
fn unpacked(stream: &Stream, record: &Value) -> Value {
    let mut record = record.clone();
    for (path, how) in &stream.unpack {
        assert!(how.iter().all(|how| how.value == Unpacking::Json), "{path:?}");
        let pointer = format!("/{}", path.members().unwrap().join("/"));
        let text = record.pointer(&pointer).unwrap().as_str().unwrap();
        let document = serde_json::from_str(text).unwrap();
        *record.pointer_mut(&pointer).unwrap() = document;
    }
    record
}

fn events(folder: &Path) -> String {
    let manifest = read(folder);
    let mut lines = String::new();
    for (name, stream) in manifest.streams.iter() {
        let fixtures = folder.join("fixtures").join(name.as_str());
        let (fixtures, records) = match stream.steps.iter().last() {
            Some((step, last)) => (fixtures.join(step.as_str()), last.records.as_ref()),
            None => (fixtures, stream.records.as_ref()),
        };
        let Some(records) = records else { continue };
        let context = EventContext {
            connection: "harbor".to_owned(),
            stream: name.as_str().to_owned(),
            product: manifest.app.name.value.clone(),
            vendor: manifest.app.vendor.value.clone(),
            tenant: None,
        };
        let mapper = Mapper::compile(stream, &context).unwrap();
        let mut scratch = Scratch::new();
        scratch.start_response(RECEIVED);
        for body in answers(&fixtures) {
            for record in records.select(&body) {
                let record = unpacked(stream, record);
                let mut out = Vec::new();
                mapper
                    .map(Record::Json(record.to_string().as_bytes()), &mut scratch, &mut out)
                    .unwrap();
                for event in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let event: Value = serde_json::from_slice(event).unwrap();
                    assert_eq!(check_event(&event), [], "{event:#}");
                    writeln!(lines, "{}", line(name.as_str(), &event)).unwrap();
                }
            }
        }
    }
    lines
}

#[test]
fn what_was_recorded_becomes_valid_events() {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        for folder in manifests() {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            insta::assert_snapshot!(format!("events_of_{name}"), events(&folder));
        }
    });
}
