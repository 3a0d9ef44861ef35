//! The sinks that keep events and positions in one database: every event is in it once, whatever
//! happens on the way.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod events;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(all(unix, feature = "postgres"))]
mod proxy;
#[cfg(all(unix, feature = "postgres"))]
mod server;
mod sqlite;

use std::path::Path;

use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::Result;
use longshore_engine::sink::{Log, Portioned, Sink, Taken};

/// The one sink of a connection file that is written to `folder`.
fn sink(folder: &Path, config: &str) -> Result<Box<dyn Sink>> {
    let path = folder.join("acme.yaml");
    let text = format!("name: acme\nmanifest: manifest.yaml\nsinks:\n  database:\n    {config}\n");
    std::fs::write(&path, text).unwrap();
    let (file, source) = ConnectionFile::read(&path).unwrap();
    Ok(longshore_sinks::open(&file, &source)?.remove(0).1)
}

/// The log of a stream in a spool.
fn log(spool: &str) -> Log<'_> {
    Log { spool, connection: "acme", stream: "sign_ins" }
}

/// Gives the events of a spool from `start` on, as the worker does.
async fn deliver(sink: &mut dyn Sink, spool: &str, start: usize, lines: &[u8]) -> Result<()> {
    let taken = sink.deliver(Portioned { log: log(spool), start: start as u64, lines }).await?;
    assert_eq!(taken, Taken::default());
    Ok(())
}

/// The text of an error with what differs from run to run left out.
fn shown(error: &longshore_engine::error::Error, hidden: &[(&str, &str)]) -> String {
    hidden.iter().fold(error.to_string(), |text, (from, to)| text.replace(from, to))
}

/// Says why a test does not run; fails where nothing may be skipped.
fn skip(why: &str) {
    assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}
