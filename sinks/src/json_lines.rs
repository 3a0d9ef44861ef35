//! Files of one event per line (<https://jsonlines.org>), rotated and compressed.
//!
//! Beside the file of each stream lies a note of where the log stands and how long the file is with it.
//! Bytes behind that length were never delivered: a crash leaves them, and they are removed before more
//! are written. The order of a delivery is therefore: append and wait for the disk, then replace the
//! note and wait for the disk. So each event is in the files once.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use longshore_engine::connection::{Compression, ConnectionFile, JsonLines, Source};
use longshore_engine::disk;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::files;
use longshore_engine::sink::{Doing, Log, Portioned, Sink, Taken};
use ruzstd::encoding::{CompressionLevel, compress};
use serde::{Deserialize, Serialize};
use tokio::task::block_in_place;

/// The sink.
pub(crate) struct JsonLinesSink {
    folder: PathBuf,
    size: Option<u64>,
    every: Option<Duration>,
    compression: Option<Compression>,
    /// By connection and stream.
    notes: BTreeMap<PathBuf, Note>,
}

/// How the file of a stream stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    spool: String,
    connection: String,
    /// Up to where the log is delivered.
    position: u64,
    /// The length of the file with that, in bytes.
    length: u64,
    /// Which file it is: another one that took its name is not shortened.
    inode: u64,
    /// When its first event was delivered.
    since: Option<Timestamp>,
    /// The name that the file is about to have.
    closing: Option<String>,
}

impl JsonLinesSink {
    pub(crate) fn new(config: &JsonLines, source: &Source) -> Self {
        let rotate = config.rotate.as_ref();
        Self {
            folder: ConnectionFile::resolve(source, &config.folder),
            size: rotate.and_then(|rotate| rotate.size.as_ref()).map(|size| size.value.0),
            every: rotate.and_then(|rotate| rotate.every.as_ref()).map(|every| every.value.0),
            compression: config.compress.as_ref().map(|compression| compression.value),
            notes: BTreeMap::new(),
        }
    }

    fn file(&self, stream: &str) -> PathBuf {
        self.folder.join(format!("{stream}.jsonl"))
    }

    fn note_path(&self, stream: &str) -> PathBuf {
        self.folder.join(format!(".{stream}.delivered"))
    }

    /// Reads how the file of a stream stands, and ends what a crash cut short.
    fn recover(&mut self, log: Log<'_>) -> Result<Option<u64>> {
        files::create_private_folder(&self.folder)
            .map_err(|error| failed("created", &self.folder, &error))?;
        let path = self.note_path(log.stream);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        let note: Note = serde_json::from_slice(&text).map_err(|error| {
            Error::new(Code::StateCorrupt, format!("{} is damaged", path.display()))
                .cause(error.to_string())
                .fix("remove it and the files beside it, so that delivery starts anew")
        })?;
        if note.connection != log.connection {
            return Err(shared(&self.folder, &note.connection));
        }
        let file = self.file(log.stream);
        if note.closing.is_none()
            && let Some(found) = found(&file)?
            && files::inode(&found) == note.inode
        {
            if found.len() < note.length {
                return Err(shortened(&file, note.length, found.len()));
            } else if found.len() > note.length {
                let opened = files::open_private(&file);
                opened
                    .and_then(|file| file.set_len(note.length).and_then(|()| file.sync_all()))
                    .map_err(|error| failed("shortened", &file, &error))?;
            }
        }
        let position = (note.spool == log.spool).then_some(note.position);
        let is_closing = note.closing.is_some();
        self.notes.insert(path, note);
        if is_closing {
            self.close(log.stream)?;
        }
        Ok(position)
    }

    fn append(&mut self, events: Portioned<'_>) -> Result<Taken> {
        let stream = events.log.stream;
        let path = self.file(stream);
        let note_path = self.note_path(stream);
        files::create_private_folder(&self.folder)
            .map_err(|error| failed("created", &self.folder, &error))?;
        let mut note = self.notes.get(&note_path).cloned().unwrap_or_default();
        let result = self.extend(&path, &mut note, events);
        let written = result.and_then(|()| store(&note_path, &note));
        if let Err(error) = written {
            // What is noted still holds; the next attempt starts from that.
            self.notes.remove(&note_path);
            return Err(error);
        }
        self.notes.insert(note_path, note);
        self.rotate(stream)?;
        Ok(Taken::default())
    }

    /// Ends what a crash cut short and closes what is due, without events.
    fn look_after(&mut self, log: Log<'_>) -> Result<Option<Duration>> {
        if !self.notes.contains_key(&self.note_path(log.stream)) {
            self.recover(log)?;
        }
        self.rotate(log.stream)
    }

    /// Closes the file of a stream if it is large or old enough; otherwise tells how soon it is old.
    fn rotate(&mut self, stream: &str) -> Result<Option<Duration>> {
        let note_path = self.note_path(stream);
        let Some(note) = self.notes.get(&note_path) else { return Ok(None) };
        if note.closing.is_none() {
            let Some(since) = note.since else { return Ok(None) };
            let left = self.every.map(|every| left(every, since));
            let is_large = self.size.is_some_and(|size| note.length >= size);
            if !is_large && left.is_none_or(|left| !left.is_zero()) {
                return Ok(left);
            }
            let note = Note { closing: Some(self.closed_name(stream)?), ..note.clone() };
            store(&note_path, &note)?;
            self.notes.insert(note_path, note);
        }
        self.close(stream)?;
        Ok(None)
    }

    /// Appends events to the file, and notes that.
    fn extend(&self, path: &Path, note: &mut Note, events: Portioned<'_>) -> Result<()> {
        let unwritten = |error: io::Error| failed("written", path, &error);
        // Its number may be that of one that is gone.
        let is_new = !path.try_exists().map_err(unwritten)?;
        let mut file = files::open_private(path).map_err(unwritten)?;
        let found = file.metadata().map_err(unwritten)?;
        let inode = files::inode(&found);
        if is_new || inode != note.inode {
            // Somebody moved the file away, or put another one in its place: it is continued.
            *note = Note {
                spool: events.log.spool.to_owned(),
                connection: events.log.connection.to_owned(),
                position: events.start,
                length: files::end_line(&mut file, found.len()).map_err(unwritten)?,
                inode,
                since: None,
                closing: None,
            };
            files::sync_folder(&self.folder).map_err(unwritten)?;
            // Before anything is written that a crash could leave half done.
            store(&self.note_path(events.log.stream), note)?;
        } else if found.len() < note.length {
            return Err(shortened(path, note.length, found.len()));
        } else if found.len() > note.length {
            file.set_len(note.length).map_err(unwritten)?;
        }
        file.seek(SeekFrom::Start(note.length)).map_err(unwritten)?;
        file.write_all(events.lines).map_err(unwritten)?;
        file.sync_data().map_err(unwritten)?;
        note.length += events.lines.len() as u64;
        note.position = events.end();
        events.log.spool.clone_into(&mut note.spool);
        events.log.connection.clone_into(&mut note.connection);
        note.since.get_or_insert_with(Timestamp::now);
        Ok(())
    }

    /// A name that no file has: the time, and a number if that is not enough.
    fn closed_name(&self, stream: &str) -> Result<String> {
        let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        for number in 0..10_000 {
            let name = match number {
                0 => format!("{stream}.{now}.jsonl"),
                _ => format!("{stream}.{now}-{number}.jsonl"),
            };
            let taken = ["", ".gz", ".zst"]
                .iter()
                .any(|end| self.folder.join(format!("{name}{end}")).exists());
            if !taken {
                return Ok(name);
            }
        }
        let error = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(failed("closed", &self.file(stream), &error))
    }

    /// Gives the file its last name and compresses it, from wherever a crash left that.
    fn close(&mut self, stream: &str) -> Result<()> {
        let note_path = self.note_path(stream);
        let Some(note) = self.notes.get(&note_path) else { return Ok(()) };
        let Some(name) = &note.closing else { return Ok(()) };
        let (open, closed) = (self.file(stream), self.folder.join(name));
        if found(&open)?.is_some_and(|found| files::inode(&found) == note.inode) {
            fs::rename(&open, &closed).map_err(|error| failed("renamed", &open, &error))?;
            files::sync_folder(&self.folder).map_err(|error| failed("renamed", &open, &error))?;
        }
        if let Some(compression) = self.compression
            && found(&closed)?.is_some()
        {
            compress_file(&closed, compression)
                .map_err(|error| failed("compressed", &closed, &error))?;
        }
        let note = Note { length: 0, inode: 0, since: None, closing: None, ..note.clone() };
        store(&note_path, &note)?;
        self.notes.insert(note_path, note);
        Ok(())
    }
}

impl Sink for JsonLinesSink {
    fn keeps_position(&self) -> bool {
        true
    }

    fn position<'a>(&'a mut self, log: Log<'a>) -> Doing<'a, Option<u64>> {
        Box::pin(async move { block_in_place(|| self.recover(log)) })
    }

    fn idle<'a>(&'a mut self, log: Log<'a>) -> Doing<'a, Option<Duration>> {
        Box::pin(async move { block_in_place(|| self.look_after(log)) })
    }

    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(async move { block_in_place(|| self.append(events)) })
    }
}

/// How long it is until `every` has passed since a time; zero if it has.
fn left(every: Duration, since: Timestamp) -> Duration {
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    let left = every.saturating_sub(Timestamp::now().duration_since(since));
    Duration::try_from(left).unwrap_or_default()
}

fn found(path: &Path) -> Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("examined", path, &error)),
    }
}

/// Replaces the note, and waits until that is on the disk.
fn store(path: &Path, note: &Note) -> Result<()> {
    let unwritten = |error: &io::Error| failed("written", path, error);
    let text = serde_json::to_vec(note).map_err(|error| unwritten(&error.into()))?;
    let fresh = path.with_extension("new");
    let written = files::create_private(&fresh).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        files::sync_folder(path.parent().unwrap_or(Path::new(".")))
    });
    written.map_err(|error| unwritten(&error))
}

/// Puts a compressed file in the place of a file.
fn compress_file(path: &Path, compression: Compression) -> io::Result<()> {
    let (end, fresh) = match compression {
        Compression::Gzip => ("gz", "gz.new"),
        Compression::Zstd => ("zst", "zst.new"),
    };
    let named = |end: &str| PathBuf::from(format!("{}.{end}", path.display()));
    let (fresh, compressed) = (named(fresh), named(end));
    let mut source = BufReader::new(File::open(path)?);
    let file = files::create_private(&fresh)?;
    let file = match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(file, flate2::Compression::default());
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()?
        }
        Compression::Zstd => {
            // The encoder knows no failures, so both sides keep theirs.
            let mut source = Kept { inner: source, failure: None };
            let mut target = Kept { inner: file, failure: None };
            compress(&mut source, &mut target, CompressionLevel::Fastest);
            if let Some(failure) = source.failure.or(target.failure) {
                return Err(failure);
            }
            target.inner
        }
    };
    file.sync_all()?;
    fs::rename(&fresh, &compressed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    files::sync_folder(folder)?;
    fs::remove_file(path)?;
    files::sync_folder(folder)
}

/// Keeps the first failure to itself, and pretends from then on that there is nothing more to do.
struct Kept<T> {
    inner: T,
    failure: Option<io::Error>,
}

impl<T: Read> Read for Kept<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.inner.read(buffer).unwrap_or_else(|failure| {
            self.failure.get_or_insert(failure);
            0
        }))
    }
}

impl<T: Write> Write for Kept<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_none()
            && let Err(failure) = self.inner.write_all(bytes)
        {
            self.failure = Some(failure);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let full = disk::is_full(error) || error.kind() == io::ErrorKind::FileTooLarge;
    let code = if full { Code::DiskFull } else { Code::SinkUnavailable };
    let fix = if full {
        "make room; delivery goes on by itself"
    } else {
        "check the folder and who may write there"
    };
    Error::new(code, format!("{} could not be {doing}", path.display()))
        .cause(error.to_string())
        .fix(fix)
}

fn shared(folder: &Path, other: &str) -> Error {
    Error::new(
        Code::InputInvalid,
        format!("{} belongs to the connection `{other}`", folder.display()),
    )
    .cause("two connections in the same files could not be told apart after a crash")
    .fix("give this connection a folder of its own")
}

fn shortened(path: &Path, noted: u64, found: u64) -> Error {
    Error::new(Code::StateCorrupt, format!("{} was shortened", path.display()))
        .cause(format!("it has {found} bytes, and {noted} were delivered"))
        .fix("move it away if that is meant: a new one is begun; otherwise check the disk")
}

#[cfg(test)]
mod tests;
