//! What the tests of brokers share: events and connection files.

use std::ops::Range;

use longshore_engine::connection::{ConnectionFile, Source};
use longshore_engine::error::{Error, Result};
use longshore_engine::sink::{Log, Portioned, Sink, Taken};
use tempfile::TempDir;

/// A connection file with one sink.
pub(crate) fn file(sink: &str) -> (TempDir, ConnectionFile, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.yaml");
    let text = format!("name: acme\nmanifest: manifest.yaml\ninputs: {{}}\nsinks:\n  one:\n{sink}");
    std::fs::write(&path, text).unwrap();
    let (file, source) = ConnectionFile::read(&path).unwrap_or_else(|error| panic!("{error}"));
    (folder, file, source)
}

/// What is said of a connection file that cannot be used, without the folder it is in.
pub(crate) fn refused(sink: &str) -> String {
    let (folder, file, source) = file(sink);
    let error = crate::open(&file, &source).err().expect("it is refused");
    shown(&error).replace(&format!("{}/", folder.path().display()), "")
}

/// An error as a person reads it.
pub(crate) fn shown(error: &Error) -> String {
    error.to_string()
}

/// The log of a stream.
pub(crate) fn log(stream: &str) -> Log<'_> {
    Log { spool: "simulated", connection: "acme", stream }
}

/// The uid of an event.
pub(crate) fn uid(number: usize) -> String {
    format!("{number:032x}")
}

/// When an event happened.
pub(crate) fn time(number: usize) -> i64 {
    1_790_848_800_000 + number as i64
}

/// Events as the spool has them.
pub(crate) fn lines(numbers: Range<usize>) -> Vec<u8> {
    numbers.flat_map(|number| line(number, 200)).collect()
}

/// One event with so much text in it.
pub(crate) fn line(number: usize, length: usize) -> Vec<u8> {
    let (uid, time, text) = (uid(number), time(number), "x".repeat(length));
    format!(
        r#"{{"class_uid":3002,"time":{time},"metadata":{{"uid":"{uid}","version":"1.8.0"}},"message":"{text}"}}{}"#,
        '\n'
    )
    .into_bytes()
}

/// Delivers once.
pub(crate) async fn deliver(sink: &mut dyn Sink, stream: &str, lines: &[u8]) -> Result<Taken> {
    sink.deliver(Portioned { log: log(stream), start: 0, lines }).await
}

/// Delivers again and again until it is done; gives how often it failed.
pub(crate) async fn insist(sink: &mut dyn Sink, stream: &str, lines: &[u8]) -> usize {
    for failures in 0..100 {
        match deliver(sink, stream, lines).await {
            Ok(taken) => {
                assert_eq!(taken.refused, []);
                return failures;
            }
            Err(error) => eprintln!("{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it was never delivered");
}

/// All uids of a range, each once.
pub(crate) fn uids(numbers: Range<usize>) -> Vec<String> {
    numbers.map(uid).collect()
}

/// Sorts uids and drops repeats; gives how many there were.
pub(crate) fn repeats(uids: &mut Vec<String>) -> usize {
    let all = uids.len();
    uids.sort_unstable();
    uids.dedup();
    all - uids.len()
}
