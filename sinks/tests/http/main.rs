//! The sinks that speak HTTP, against receivers that play the documented protocols strictly, and fail
//! whenever they like. None of the products themselves is here: they are large, or run in a cloud. What
//! OTLP receives is also read with the messages that the OpenTelemetry project publishes.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "texts here are short")]

mod delivery;
mod messages;
mod otlp;
mod played;
mod receiver;
mod wire;

use std::path::Path;

use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::Result;
use longshore_engine::sink::{Log, Portioned, Sink, Taken};

/// The log that all events belong to.
pub(crate) const LOG: Log<'static> = Log { spool: "spool", connection: "acme", stream: "sign_ins" };

/// The sink of a connection file, given as its section in YAML.
pub(crate) fn open(folder: &Path, section: &str) -> Result<Box<dyn Sink>> {
    let section: String = section.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!("name: acme\nmanifest: manifest.yaml\nsinks:\n  here:\n{section}");
    let path = folder.join("acme.yaml");
    std::fs::write(&path, text).unwrap();
    let (file, source) = ConnectionFile::read(&path)?;
    let mut sinks = longshore_sinks::open(&file, &source)?;
    Ok(sinks.remove(0).1)
}

/// Event number `number`; those of which [`is_bad`] is true are refused by every receiver here.
pub(crate) fn event(number: usize) -> String {
    let name = if is_bad(number) { "bad" } else { "good" };
    format!(
        r#"{{"time":{},"class_uid":3002,"severity_id":{},"metadata":{{"version":"1.8.0","uid":"{name}-{number}"}},"user":{{"name":"j\u00fcrgen \"{number}\" ü😀"}},"count":{},"ratio":0.5,"list":[true,null,-1]}}"#,
        1_772_366_400_000_i64 + number as i64,
        number % 7,
        u64::MAX,
    )
}

/// Whether an event is refused for good.
pub(crate) fn is_bad(number: usize) -> bool {
    number % 11 == 3
}

/// The log's lines for some events.
pub(crate) fn lines(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(|number| event(number) + "\n").collect()
}

/// Delivers lines that start at the log's beginning.
pub(crate) async fn deliver(sink: &mut dyn Sink, lines: &str) -> Result<Taken> {
    sink.deliver(Portioned { log: LOG, start: 0, lines: lines.as_bytes() }).await
}
