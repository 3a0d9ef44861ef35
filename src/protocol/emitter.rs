//! From the files of a read to the messages of a platform.
//!
//! The engine delivers to files that nobody else sees, and commits events together with where the
//! stream stands. What is committed is written to standard output, and then the state that belongs to
//! exactly that: never a state without its records, whenever the process ends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Stdout, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use longshore_engine::error::{Code, Error, Result};
use longshore_engine::poll::{Observer, Progress, StreamReport};
use longshore_engine::sink::Delivery;
use longshore_engine::state::{MOST_KEYS, StreamId};
use serde::Deserialize;
use serde_json::Value;

use super::bookmark;
use crate::summary::{duration, plural};

/// How much is read and written at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How a stream's read ended.
pub(super) enum Outcome<'a> {
    Complete,
    Failed(&'a Error),
    Stopped,
}

/// How important something is that is said.
#[derive(Clone, Copy)]
pub(super) enum Level {
    Info,
    Warning,
}

/// What a platform is told, in its words.
pub(super) trait Voice: Send {
    /// Before everything else.
    fn begin(&mut self) -> Vec<Value>;
    /// A stream begins.
    fn started(&mut self, stream: &str) -> Option<Value>;
    /// The first record of a stream is next.
    fn running(&mut self, stream: &str) -> Option<Value>;
    /// Writes a record without its line end. `members` is the event without its opening brace.
    fn record(
        &self,
        stream: &str,
        uid: &Value,
        members: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()>;
    /// Where a stream stands after so many records since it was told last.
    fn state(&mut self, stream: &str, bookmark: Value, records: u64) -> Value;
    /// Something that a person may want to know.
    fn say(&mut self, level: Level, text: &str) -> Option<Value>;
    /// A stream ended.
    fn ended(&mut self, stream: &str, outcome: &Outcome<'_>) -> Vec<Value>;
}

/// Where a stream's messages come from.
pub(super) struct Source {
    pub(super) id: StreamId,
    pub(super) file: String,
    pub(super) is_incremental: bool,
}

/// A step of a read that the emitter has to know of.
pub(super) enum Told {
    Started(String),
    Delivered(String),
    Said(Level, String),
    Finished(Box<StreamReport>),
    /// Nothing follows.
    End,
}

/// How far a stream's messages are.
struct Line {
    source: Source,
    /// Bytes of its file that are written out.
    offset: u64,
    /// Since the last state.
    bytes: u64,
    records: u64,
    /// Bytes of the last state.
    state: u64,
    is_running: bool,
    is_ended: bool,
    has_warned: bool,
}

/// Writes the messages of a read.
pub(super) struct Emitter {
    voice: Box<dyn Voice>,
    connector: String,
    delivery: Arc<Delivery>,
    pending: Pending,
    lines: BTreeMap<String, Line>,
    out: BufWriter<Stdout>,
}

/// Streams whose commits are not written out: one notice is enough for many commits.
pub(super) type Pending = Arc<BTreeMap<String, AtomicBool>>;

/// What tells a read's progress to an emitter.
pub(super) fn observer(sender: Sender<Told>, pending: Pending) -> Observer {
    Arc::new(move |stream, progress| {
        let told = match progress {
            Progress::Started(_) => Told::Started(stream.to_owned()),
            Progress::Delivered { events: 1.., .. } => {
                if pending.get(stream).is_none_or(|one| one.swap(true, Ordering::AcqRel)) {
                    return;
                }
                Told::Delivered(stream.to_owned())
            }
            Progress::Warning(text) => Told::Said(Level::Warning, format!("{stream}: {text}")),
            Progress::Paused { reason, .. } => {
                Told::Said(Level::Info, format!("{stream}: {reason}"))
            }
            Progress::Retrying { error, wait } => {
                let (wait, code, what) = (duration(*wait), error.code, &error.what);
                Told::Said(Level::Info, format!("{stream}: trying again in {wait}: {code}: {what}"))
            }
            Progress::Finished(report) => Told::Finished(report.clone()),
            _ => return,
        };
        // Without an emitter there is nobody to tell, and the read is being stopped.
        let _ = sender.send(told);
    })
}

impl Emitter {
    pub(super) fn new(
        voice: Box<dyn Voice>,
        connector: &str,
        delivery: Arc<Delivery>,
        pending: Pending,
        sources: BTreeMap<String, Source>,
    ) -> Self {
        let line = |source| Line {
            source,
            offset: 0,
            bytes: 0,
            records: 0,
            state: 0,
            is_running: false,
            is_ended: false,
            has_warned: false,
        };
        Self {
            voice,
            connector: connector.to_owned(),
            delivery,
            pending,
            lines: sources.into_iter().map(|(name, source)| (name, line(source))).collect(),
            out: BufWriter::with_capacity(CHUNK, io::stdout()),
        }
    }

    /// Writes messages until the end is told.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`] if standard output is closed, and those of the state.
    pub(super) fn run(mut self, told: &Receiver<Told>) -> Result<()> {
        for message in self.voice.begin() {
            self.write(&message)?;
        }
        self.flush()?;
        loop {
            match told.recv() {
                Ok(Told::Started(stream)) => {
                    let started = self.voice.started(&stream);
                    self.write_all(started)?;
                }
                Ok(Told::Delivered(stream)) => {
                    if let Some(pending) = self.pending.get(&stream) {
                        pending.store(false, Ordering::Release);
                    }
                    self.emit(&stream, false)?;
                }
                Ok(Told::Said(level, text)) => {
                    let said = self.voice.say(level, &text);
                    self.write_all(said)?;
                }
                Ok(Told::Finished(report)) => self.finish(&report)?,
                Ok(Told::End) | Err(_) => break,
            }
            self.flush()?;
        }
        let open = self.lines.iter().filter(|(_, line)| !line.is_ended);
        for stream in open.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.end(&stream, &Outcome::Stopped)?;
        }
        self.flush()
    }

    fn finish(&mut self, report: &StreamReport) -> Result<()> {
        if report.rejected > 0 {
            let records = plural(report.rejected as usize, "record");
            let text = format!(
                "{}: {records} could not be made into events and are left out; `longshore run` sets such records aside whole",
                report.stream
            );
            let said = self.voice.say(Level::Warning, &text);
            self.write_all(said)?;
        }
        let outcome = report.error.as_ref().map_or(Outcome::Complete, Outcome::Failed);
        self.end(&report.stream, &outcome)
    }

    fn end(&mut self, stream: &str, outcome: &Outcome<'_>) -> Result<()> {
        self.emit(stream, true)?;
        if let Some(line) = self.lines.get_mut(stream) {
            line.is_ended = true;
        }
        let ended = self.voice.ended(stream, outcome);
        self.write_all(ended)
    }

    /// Writes what is committed of a stream and not yet written, and where the stream stands with
    /// it: at its end, and in between when records have come that weigh as much as the last state.
    fn emit(&mut self, stream: &str, at_end: bool) -> Result<()> {
        let Some(mut line) = self.lines.remove(stream) else { return Ok(()) };
        let done = self.emit_line(stream, &mut line, at_end);
        self.lines.insert(stream.to_owned(), line);
        done
    }

    fn emit_line(&mut self, stream: &str, line: &mut Line, at_end: bool) -> Result<()> {
        let Source { id, file, is_incremental } = &line.source;
        let mut length = self.delivery.length(file)?;
        let grown = length.saturating_sub(line.offset);
        let is_due = at_end || grown > 0 && line.bytes + grown >= line.state;
        let mut standing = None;
        if *is_incremental && is_due {
            let (with, stands) = self.delivery.standing(*id, file)?;
            length = with;
            standing = Some(stands);
        }
        if length > line.offset {
            if !std::mem::replace(&mut line.is_running, true) {
                let running = self.voice.running(stream);
                self.write_all(running)?;
            }
            let path = self.delivery.path(file)?;
            let records = self.records(stream, &path, line.offset, length)?;
            line.records += records;
            line.bytes += length - line.offset;
            line.offset = length;
        }
        let Some(standing) = standing else { return Ok(()) };
        if standing.left_out() > 0 && !std::mem::replace(&mut line.has_warned, true) {
            let text = format!(
                "{stream}: the state has the last {MOST_KEYS} keys alone: what the app shows again from before them may come twice, with the same `event_uid`"
            );
            let said = self.voice.say(Level::Warning, &text);
            self.write_all(said)?;
        }
        let bookmark = bookmark::write(&self.connector, stream, &standing)?;
        let message = self.voice.state(stream, bookmark, line.records).to_string();
        line.state = message.len() as u64;
        line.bytes = 0;
        line.records = 0;
        writeln!(self.out, "{message}").map_err(|error| closed(&error))
    }

    /// Writes the events of a file from one byte to another as records; returns how many there are.
    fn records(&mut self, stream: &str, path: &Path, from: u64, to: u64) -> Result<u64> {
        let lost = |error: io::Error| {
            Error::new(Code::SinkUnavailable, "delivered events could not be read again")
                .cause(error.to_string())
                .fix("check the disk with the temporary folder; the next read has them")
                .in_stream(stream)
        };
        let mut file = File::options().read(true).write(true).open(path).map_err(lost)?;
        file.seek(SeekFrom::Start(from)).map_err(lost)?;
        let mut events = BufReader::with_capacity(CHUNK, (&file).take(to - from));
        let mut event = Vec::new();
        let mut records = 0;
        loop {
            event.clear();
            if events.read_until(b'\n', &mut event).map_err(lost)? == 0 {
                break;
            }
            let uid = uid(&event).ok_or_else(|| {
                Error::new(Code::Internal, "a delivered event has no `metadata.uid`")
                    .cause("the engine gives one to each")
                    .fix("report this as a bug, with the manifest")
                    .in_stream(stream)
            })?;
            let members = event.trim_ascii().get(1..).unwrap_or_default();
            self.voice
                .record(stream, &uid, members, &mut self.out)
                .map_err(|error| closed(&error))?;
            self.out.write_all(b"\n").map_err(|error| closed(&error))?;
            records += 1;
        }
        give_back(&file, to);
        Ok(records)
    }

    fn write(&mut self, message: &Value) -> Result<()> {
        writeln!(self.out, "{message}").map_err(|error| closed(&error))
    }

    fn write_all(&mut self, messages: impl IntoIterator<Item = Value>) -> Result<()> {
        messages.into_iter().try_for_each(|message| self.write(&message))
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| closed(&error))
    }
}

/// `metadata.uid` of an event.
fn uid(event: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Event<'e> {
        #[serde(borrow)]
        metadata: Metadata<'e>,
    }
    #[derive(Deserialize)]
    struct Metadata<'e> {
        #[serde(borrow)]
        uid: Cow<'e, str>,
    }
    let event: Event<'_> = serde_json::from_slice(event).ok()?;
    Some(event.metadata.uid.into())
}

/// Gives the disk back that the start of a file took. Only a saving: a file system that cannot do it
/// keeps what was read until the end of the read.
fn give_back(file: &File, up_to: u64) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let _ = fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, up_to);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, up_to);
}

fn closed(error: &io::Error) -> Error {
    Error::new(Code::SinkUnavailable, "standard output could not be written")
        .cause(error.to_string())
        .fix("nothing is lost: the next read goes on from the last state that arrived")
}
