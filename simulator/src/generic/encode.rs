//! Bodies as the app writes them.

use fastrand::Rng;
use longshore_schema::decode::Format;
use serde_json::Value;

use super::http::Reply;
use super::model::Level;
use super::packing::Packing;
use super::{place, xml};

/// A page: its envelope, with the records in their place, in one of the forms that mean the same.
pub(super) fn page(
    level: &Level,
    mut envelope: Value,
    mut records: Vec<Value>,
    ways: &mut Rng,
) -> Reply {
    for record in &mut records {
        for packed in &level.unpack {
            packed.close(record, ways);
        }
    }
    let reply = match level.decode {
        Format::Json | Format::Xml => {
            match &level.records {
                Some(path) => {
                    place::set_all(&mut envelope, path.steps().unwrap_or_default(), records);
                }
                None => envelope = records.into_iter().next().unwrap_or(Value::Null),
            }
            if level.decode == Format::Json {
                Reply::json(200, &envelope)
            } else {
                Reply::new(200, "application/xml", xml::write(&envelope, ways))
            }
        }
        Format::Csv | Format::Tsv => {
            let like = level.samples.first().map(|sample| &sample.value);
            let kind =
                if level.decode == Format::Csv { "text/csv" } else { "text/tab-separated-values" };
            Reply::new(200, kind, level.table.write(&records, like, ways))
        }
        Format::Ndjson => {
            let lines: Vec<_> = records.iter().map(|record| format!("{record}\n")).collect();
            Reply::new(200, "application/x-ndjson", lines.concat())
        }
    };
    let packing = Some(Packing::new(&level.written, ways));
    let reply = Reply { packing, ..reply };
    match &level.content_type {
        Some(content_type) => {
            Reply { headers: Vec::new(), ..reply }.with("content-type", content_type)
        }
        None => reply,
    }
}
