//! The durable log between polls and sinks.
//!
//! Polls append to it exactly as they do to files of an output folder: events and cursor are durable
//! together. Each sink reads it at its own pace, and what all of them have is removed. So a sink that
//! is down holds back nobody but itself, until the log is as large as it may become: then polls wait.
//!
//! The log of a stream is a row of files, each named by the position at which it starts. A position is
//! the number of bytes since the log's beginning, and never means anything else as long as the log
//! lives, which its id tells.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{OptionalExtension, params};
use tokio::sync::watch;

use super::json_lines::Delivery;
use super::{Commit, Committed};
use crate::auth::unique;
use crate::error::{Code, Error, Result};
use crate::state::{Store, file_failure};

/// A file of the log is closed when it has so many bytes, or the share of the whole below, if that
/// is less: what is removed is removed file by file.
const FILE_BYTES: u64 = 16 << 20;
/// The least share of the whole that a file takes.
const FILES: u64 = 64;
/// A file that all sinks have read is not kept for being short if it has as many bytes.
const WORTH_REMOVING: u64 = 1 << 20;

/// The logs of the streams of one connection.
#[derive(Debug)]
pub struct Spool {
    delivery: Delivery,
    connection: String,
    id: String,
    sinks: Vec<String>,
    /// In bytes.
    most: u64,
    logs: Mutex<BTreeMap<String, Log>>,
    /// What sinks failed with that do not take events now.
    troubles: Mutex<BTreeMap<String, Error>>,
    /// Told whenever there is more to read or less to keep.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    /// Their lengths by where they start.
    files: BTreeMap<u64, u64>,
    /// Up to where each sink has it.
    acknowledged: BTreeMap<String, u64>,
    /// How many are appending to its last file, which must not be removed meanwhile.
    appending: u32,
}

impl Log {
    fn end(&self) -> u64 {
        self.files.last_key_value().map_or(0, |(start, length)| start + length)
    }

    fn start(&self) -> u64 {
        self.files.first_key_value().map_or(0, |(start, _)| *start)
    }

    /// What it takes for the sake of a sink that has not got it.
    fn size(&self) -> u64 {
        if self.done() >= self.end() { 0 } else { self.files.values().sum() }
    }

    /// Up to where all sinks have it.
    fn done(&self) -> u64 {
        self.acknowledged.values().copied().min().unwrap_or(u64::MAX)
    }
}

/// What of a log is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The position of the sink.
    pub from: u64,
    /// The end of the log.
    pub to: u64,
}

impl Spool {
    /// Opens the log of a connection in a folder, creating both if they do not exist. `sinks` are all
    /// who read it: a new one starts with what is still there. At most `most` bytes are kept, and what
    /// polls have in hand when that much is reached. Blocks.
    ///
    /// # Errors
    /// [`Code::StateCorrupt`] if events are gone that a sink does not have, and those of
    /// [`Delivery::open`].
    pub fn open(
        store: Arc<Store>,
        folder: &Path,
        connection: &str,
        sinks: &[String],
        most: u64,
    ) -> Result<Self> {
        let id = store.spool(connection)?;
        let acknowledged = store.acknowledged(connection)?;
        let known_by = Path::new("spool").join(connection);
        let delivery = Delivery::open_as(store, folder, Some(known_by))?;
        let mut logs: BTreeMap<String, Log> = BTreeMap::new();
        for file in delivery.files()? {
            let Some((stream, start)) = parts(&file) else { continue };
            let log = logs.entry(stream.to_owned()).or_default();
            log.files.insert(start, delivery.length(&file)?);
        }
        for (stream, log) in &mut logs {
            let start = log.start();
            for sink in sinks {
                let known = acknowledged.get(&(sink.clone(), stream.clone())).copied();
                log.acknowledged.insert(sink.clone(), known.unwrap_or(start).max(start));
            }
            let done = log.done();
            for (start, length) in &log.files {
                let path = delivery.path(&name(stream, *start))?;
                if start + length > done && *length > 0 && !path.exists() {
                    return Err(gone(&path));
                }
            }
        }
        let (changed, _) = watch::channel(0);
        let spool = Self {
            delivery,
            connection: connection.to_owned(),
            id,
            sinks: sinks.to_vec(),
            most,
            logs: Mutex::new(logs),
            troubles: Mutex::default(),
            changed,
        };
        spool.remove_read()?;
        Ok(spool)
    }

    /// Its id: positions of another one mean nothing here.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The state that it is recorded in.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        self.delivery.store()
    }

    /// The connection whose events these are.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// Appends events of a stream, and makes them and the cursor durable together; the commit's file is
    /// of no account. Blocks.
    ///
    /// # Errors
    /// Those of [`Delivery::commit`].
    pub fn commit(&self, stream: &str, commit: Commit<'_>) -> Result<Committed> {
        if commit.batch.is_empty() {
            return self.delivery.commit(commit);
        }
        let start = self.current(stream);
        let file = name(stream, start);
        let committed = self.delivery.commit(Commit { file: &file, ..commit });
        let length = self.delivery.length(&file);
        let mut logs = self.logs();
        let log = logs.entry(stream.to_owned()).or_default();
        log.appending -= 1;
        let (mut committed, length) = (committed?, length?);
        log.files.insert(start, length);
        drop(logs);
        // It was made just now, or is what a crash left of an attempt to make it.
        committed.warning = None;
        self.tell();
        Ok(committed)
    }

    /// Where the file starts that is to be appended to, which stays until that is done.
    fn current(&self, stream: &str) -> u64 {
        let last = {
            let mut logs = self.logs();
            let log = logs.entry(stream.to_owned()).or_insert_with(|| Log {
                files: BTreeMap::new(),
                appending: 0,
                acknowledged: self.sinks.iter().map(|sink| (sink.clone(), 0)).collect(),
            });
            log.appending += 1;
            log.files.last_key_value().map(|(start, length)| (*start, *length))
        };
        let Some((start, length)) = last else { return 0 };
        // Nothing is appended to one that somebody took away or shortened.
        let path = self.delivery.path(&name(stream, start));
        let is_whole = path.is_ok_and(|path| path.metadata().is_ok_and(|it| it.len() >= length));
        let is_full = length >= self.file_bytes();
        if is_full || !is_whole { start + length } else { start }
    }

    /// The streams that have a log.
    #[must_use]
    pub fn streams(&self) -> Vec<String> {
        self.logs().keys().cloned().collect()
    }

    /// What a sink has still to read of a stream.
    #[must_use]
    pub fn waiting(&self, sink: &str, stream: &str) -> Waiting {
        let logs = self.logs();
        let Some(log) = logs.get(stream) else { return Waiting { from: 0, to: 0 } };
        let from = log.acknowledged.get(sink).copied().unwrap_or_else(|| log.start());
        Waiting { from, to: log.end() }
    }

    /// Where what is kept of a stream starts.
    #[must_use]
    pub fn start(&self, stream: &str) -> u64 {
        self.logs().get(stream).map_or(0, Log::start)
    }

    /// Reads whole lines of a stream from a position on into `lines`, which is emptied before: at most
    /// `most` bytes, but at least one line. There are none only at the end. Blocks.
    ///
    /// # Errors
    /// [`Code::StateCorrupt`] if events are gone.
    pub fn read(&self, stream: &str, from: u64, most: usize, lines: &mut Vec<u8>) -> Result<()> {
        lines.clear();
        while lines.len() < most {
            let at = from + lines.len() as u64;
            let found = {
                let logs = self.logs();
                let log = logs.get(stream);
                log.and_then(|log| log.files.range(..=at).next_back())
                    .map(|(start, length)| (*start, start + length))
            };
            let Some((start, end)) = found.filter(|(_, end)| at < *end) else { break };
            let path = self.delivery.path(&name(stream, start))?;
            let mut file = File::open(&path).map_err(|_| gone(&path))?;
            file.seek(SeekFrom::Start(at - start)).map_err(|error| unread(&path, &error))?;
            let room = most - lines.len();
            let is_last = !take(&path, file, end - at, room, lines)?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// A sink has a stream up to a position. Blocks.
    ///
    /// # Errors
    /// Those of the state.
    pub fn acknowledge(&self, sink: &str, stream: &str, position: u64) -> Result<()> {
        self.delivery.store().acknowledge(&self.connection, sink, stream, position)?;
        if let Some(log) = self.logs().get_mut(stream) {
            log.acknowledged.insert(sink.to_owned(), position);
        }
        self.remove_read()?;
        self.tell();
        Ok(())
    }

    /// When a file is closed, in bytes.
    fn file_bytes(&self) -> u64 {
        FILE_BYTES.min(self.most / FILES).max(1)
    }

    /// Removes the files that all sinks have read, but for the last of each stream while it is short.
    fn remove_read(&self) -> Result<()> {
        let mut removed = Vec::new();
        for (stream, log) in self.logs().iter_mut() {
            let (done, end) = (log.done(), log.end());
            let worth = WORTH_REMOVING.min(self.file_bytes());
            let is_worth = log.files.last_key_value().is_some_and(|(_, length)| *length >= worth);
            if is_worth && done >= end && log.appending == 0 {
                // Known before the others are gone: positions go on from there.
                self.delivery.expect(&name(stream, end))?;
                log.files.insert(end, 0);
            }
            while log.files.len() > 1
                && let Some(first) = log.files.first_entry()
                && first.key() + first.get() <= done
            {
                removed.push(name(stream, first.remove_entry().0));
            }
        }
        for file in removed {
            self.delivery.remove(&file)?;
        }
        Ok(())
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.logs().values().map(Log::size).sum()
    }

    /// Whether polls have to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.size() >= self.most
    }

    /// Notes whether a sink takes events.
    pub(crate) fn set_trouble(&self, sink: &str, trouble: Option<Error>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(error) => troubles.insert(sink.to_owned(), error),
            None => troubles.remove(sink),
        };
    }

    /// Why it is full, as far as that is known.
    pub(crate) fn overflow(&self) -> Error {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let full = format!("the spool holds {} bytes, and may hold no more", self.size());
        let error = Error::new(Code::SinkUnavailable, full);
        match troubles.first_key_value() {
            Some((sink, trouble)) => error
                .cause(format!("the sink `{sink}` takes no events: {}", trouble.what))
                .fix("mend what that sink complains about; reading goes on by itself then"),
            None => error
                .cause("the sinks are slower than the app")
                .fix("nothing is lost; give the sinks more power, or the spool more room"),
        }
    }

    /// Hears of every change: that there is more to read, or less to keep.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<String, Log>> {
        // Every change of it is one step, so a panic leaves nothing half done.
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads whole lines of a file of which `left` bytes are left; whether that was all of them.
fn take(path: &Path, file: File, left: u64, room: usize, lines: &mut Vec<u8>) -> Result<bool> {
    let before = lines.len();
    let mut file = file.take(left);
    let mut chunk = room.max(1) as u64;
    loop {
        let read = file.by_ref().take(chunk).read_to_end(lines);
        let read = read.map_err(|error| unread(path, &error))? as u64;
        if read == 0 && file.limit() > 0 {
            return Err(gone(path));
        }
        if file.limit() == 0 {
            return Ok(true);
        }
        if let Some(end) = memchr::memrchr(b'\n', &lines[before..]) {
            lines.truncate(before + end + 1);
            return Ok(false);
        }
        if before > 0 {
            // A line that does not fit is the first of the next portion.
            lines.truncate(before);
            return Ok(false);
        }
        chunk = chunk.saturating_mul(2);
    }
}

/// The name of the file of a stream that starts at a position.
fn name(stream: &str, start: u64) -> String {
    format!("{stream}.{start:020}.jsonl")
}

/// The stream and the start of a file.
fn parts(name: &str) -> Option<(&str, u64)> {
    let (stream, start) = name.strip_suffix(".jsonl")?.rsplit_once('.')?;
    Some((stream, start.parse().ok()?))
}

fn unread(path: &Path, error: &std::io::Error) -> Error {
    file_failure(Code::SinkUnavailable, "read", path, error)
}

fn gone(path: &Path) -> Error {
    Error::new(Code::StateCorrupt, format!("events in {} are gone", path.display()))
        .cause("a sink has not got them, and the file is missing or shorter than it was")
        .fix(
            "put the file back; or remove the state folder, so that everything the app still shows is \
             read again",
        )
}

impl Store {
    /// The id of the spool of a connection, made on first use.
    fn spool(&self, connection: &str) -> Result<String> {
        let fresh = unique()?;
        self.write("opening the spool", |transaction| {
            let found = transaction
                .query_row("SELECT id FROM spools WHERE connection = ?1", [connection], |row| {
                    row.get(0)
                })
                .optional()?;
            if let Some(id) = found {
                return Ok(id);
            }
            transaction.execute(
                "INSERT INTO spools (connection, id) VALUES (?1, ?2)",
                [connection, &fresh],
            )?;
            Ok(fresh)
        })
    }

    /// Up to where the sinks of a connection have its streams, by sink and stream.
    fn acknowledged(&self, connection: &str) -> Result<BTreeMap<(String, String), u64>> {
        self.read("reading what sinks have", |database| {
            let mut statement = database.prepare_cached(
                "SELECT sink, stream, position FROM sinks_acknowledged WHERE connection = ?1",
            )?;
            let rows = statement.query_map([connection], |row| {
                let position = row.get::<_, i64>(2)?.max(0).cast_unsigned();
                Ok(((row.get(0)?, row.get(1)?), position))
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn acknowledge(&self, connection: &str, sink: &str, stream: &str, at: u64) -> Result<()> {
        self.write("noting what a sink has", |transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO sinks_acknowledged (connection, sink, stream, position)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![connection, sink, stream, at.cast_signed()])?;
            Ok(())
        })
    }
}
