//! Bodies as the app writes them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use longshore_schema::decode::Format;
use serde_json::Value;

use super::http::Reply;
use super::model::Level;
use super::place;

/// A page: its envelope, with the records in their place.
pub(super) fn page(level: &Level, mut envelope: Value, records: Vec<Value>) -> Reply {
    let reply = match level.decode {
        Format::Json => {
            match &level.records {
                Some(path) => {
                    place::set_all(&mut envelope, path.steps().unwrap_or_default(), records);
                }
                None => envelope = records.into_iter().next().unwrap_or(Value::Null),
            }
            Reply::json(200, &envelope)
        }
        Format::Csv => {
            let like = level.samples.first().map(|sample| &sample.value);
            Reply::new(200, "text/csv", separated(&records, like, ','))
        }
        Format::Tsv => {
            let like = level.samples.first().map(|sample| &sample.value);
            Reply::new(200, "text/tab-separated-values", separated(&records, like, '\t'))
        }
        Format::Ndjson => {
            let lines: Vec<_> = records.iter().map(|record| format!("{record}\n")).collect();
            Reply::new(200, "application/x-ndjson", lines.concat())
        }
        // A model is not made of a manifest with this.
        Format::Xml => Reply::error(500, "the simulator cannot write XML"),
    };
    match &level.content_type {
        Some(content_type) => {
            Reply { headers: Vec::new(), ..reply }.with("content-type", content_type)
        }
        None => reply,
    }
}

/// Rows below a line with the names of their columns (RFC 4180).
fn separated(records: &[Value], like: Option<&Value>, separator: char) -> String {
    let first = records.first().or(like).and_then(Value::as_object);
    let names: Vec<&String> = first.into_iter().flat_map(|first| first.keys()).collect();
    let mut text = String::new();
    let mut line = |fields: &[&str]| {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                text.push(separator);
            }
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        }
        text.push('\n');
    };
    line(&names.iter().map(|name| name.as_str()).collect::<Vec<_>>());
    for record in records {
        let field = |name: &&String| record.get(name.as_str()).and_then(Value::as_str);
        line(&names.iter().map(|name| field(name).unwrap_or_default()).collect::<Vec<_>>());
    }
    text
}

/// Packs a body (RFC 1952).
pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
