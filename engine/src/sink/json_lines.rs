//! Exactly-once delivery to JSON Lines files.
//!
//! The committed length of each file lives in the state database, in the same transaction as the
//! cursor. Bytes past it were never delivered: a crash leaves them behind, and the next commit or
//! start removes them. The order of a commit is therefore
//!
//! 1. begin; store the keys, which tells the duplicates,
//! 2. append the other lines and wait until they are on the disk (`fdatasync`),
//! 3. store the length and the cursor; commit, which waits until those are on the disk.
//!
//! A file may be renamed away at any time, between commits or during one: the next commit starts a
//! new file of the old name.

use std::fs::File;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Transaction;

use super::{Commit, Committed, Dedupe, FileWarning};
use crate::error::{Code, Error, Result};
use crate::files;
use crate::state::{
    Failure, Inserted, KEYS_IN_BLOCK, KeyWriter, SinkPosition, Standing, Store, StreamId,
    file_failure, finish_item, forget_finished, forget_keys, read_standing,
};

/// Fewer keys have a row each.
const WORTH_A_BLOCK: usize = 32;

/// Delivers to the files of one directory. Shared between threads; all methods block.
#[derive(Debug)]
pub struct Delivery {
    store: Arc<Store>,
    directory: PathBuf,
    /// What the state knows the directory by.
    name: PathBuf,
}

/// A file that is known to the state and open for writing.
struct Claimed {
    file: File,
    inode: u64,
    warning: Option<FileWarning>,
}

impl Delivery {
    /// Opens `directory`, creating it if it does not exist, and removes what a crash left behind
    /// the committed length of its files.
    ///
    /// # Errors
    /// `SINK_UNAVAILABLE` if the directory or a file cannot be used, and those of the state.
    pub fn open(store: Arc<Store>, directory: &Path) -> Result<Self> {
        Self::open_as(store, directory, None)
    }

    /// Opens a directory that the state knows by a name of its own, wherever it is moved to together
    /// with the state; see [`open`](Self::open).
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub(super) fn open_as(
        store: Arc<Store>,
        directory: &Path,
        name: Option<PathBuf>,
    ) -> Result<Self> {
        let directory = std::fs::create_dir_all(directory)
            .and_then(|()| directory.canonicalize())
            .map_err(|error| unavailable("opened", directory, &error))?;
        for synced in [Some(directory.as_path()), directory.parent()].into_iter().flatten() {
            files::sync_folder(synced)
                .map_err(|error| unavailable("synchronized", synced, &error))?;
        }
        let name = name.unwrap_or_else(|| directory.clone());
        let delivery = Self { store, directory, name };
        for name in delivery.store.delivered_files(&delivery.name)? {
            delivery.remove_tail(&name)?;
        }
        Ok(delivery)
    }

    /// Makes events and cursor durable together. After an error nothing of the commit happened, and
    /// the same commit may be tried again.
    ///
    /// # Errors
    /// `DISK_FULL`, `SINK_UNAVAILABLE` if the file cannot be written, and those of the state.
    pub fn commit(&self, commit: Commit<'_>) -> Result<Committed> {
        if commit.batch.is_empty() {
            self.store.write("committing a cursor", |transaction| finish(transaction, &commit))?;
            return Ok(Committed::default());
        }
        let path = self.path(commit.file)?;
        let Claimed { file, inode, warning } = self.claim(commit.file, &path)?;
        let mut committed = self.store.write("committing events", |transaction| {
            let position = SinkPosition::read(transaction, &self.name, commit.file)?
                .filter(|position| position.inode == inode)
                .ok_or_else(|| replaced(&path))?;
            let done = self.deliver(transaction, &commit, &path, &file, position);
            if done.is_err() {
                // Only tidier: whatever stays is removed by the next commit or start. It must not
                // be done after a failed COMMIT, which may turn out to have succeeded.
                let _ = file.set_len(position.length);
            }
            done
        })?;
        reached(Step::Committed, &file)?;
        committed.warning = warning;
        Ok(committed)
    }

    /// Everything between BEGIN and COMMIT.
    fn deliver(
        &self,
        transaction: &Transaction<'_>,
        commit: &Commit<'_>,
        path: &Path,
        file: &File,
        position: SinkPosition,
    ) -> Result<Committed, Failure> {
        let dropped = store_keys(transaction, commit)?;
        reached(Step::KeysStored, file)?;
        let length = append(file, position.length, &commit.batch.kept(&dropped))
            .map_err(|error| unavailable("written", path, &error))?;
        reached(Step::LinesSynced, file)?;
        SinkPosition { length, ..position }.store(transaction, &self.name, commit.file)?;
        finish(transaction, commit)?;
        reached(Step::BeforeCommit, file)?;
        let duplicates = dropped.iter().filter(|dropped| **dropped).count();
        Ok(Committed {
            delivered: (commit.batch.len() - duplicates) as u64,
            duplicates: duplicates as u64,
            warning: None,
        })
    }

    /// The state that these deliveries are recorded in.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The committed length of a file in bytes: what is behind it may still be taken back.
    ///
    /// # Errors
    /// Those of the state.
    pub fn length(&self, file: &str) -> Result<u64> {
        self.store.read("looking up how long a file is", |database| {
            let position = SinkPosition::read(database, &self.name, file)?;
            Ok(position.map_or(0, |position| position.length))
        })
    }

    /// The committed length of a stream's file in bytes, and where the stream stands with it: both
    /// after the same commit.
    ///
    /// # Errors
    /// Those of the state.
    pub fn standing(&self, stream: StreamId, file: &str) -> Result<(u64, Standing)> {
        self.store.read("reading where a stream stands", |database| {
            let position = SinkPosition::read(database, &self.name, file)?;
            let length = position.map_or(0, |position| position.length);
            Ok((length, read_standing(database, stream)?))
        })
    }

    /// The names of the files that were ever delivered to and not removed.
    ///
    /// # Errors
    /// Those of the state.
    pub fn files(&self) -> Result<Vec<String>> {
        self.store.delivered_files(&self.name)
    }

    /// Removes a file. A crash may leave the file or what is known of it, but never makes room for
    /// another one to be taken for it.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`] if it cannot be removed, and those of the state.
    pub fn remove(&self, file: &str) -> Result<()> {
        let path = self.path(file)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unavailable("removed", &path, &error));
            }
            _ => {}
        }
        self.store.write("removing a file", |transaction| {
            SinkPosition::remove(transaction, &self.name, file)
        })
    }

    /// Notes a file that is going to be delivered to, before it is there.
    ///
    /// # Errors
    /// Those of the state.
    pub(super) fn expect(&self, name: &str) -> Result<()> {
        self.store.write("naming a file", |transaction| {
            SinkPosition { inode: 0, length: 0 }.store(transaction, &self.name, name)
        })
    }

    /// Puts other content in the place of a file's; all of it is there, or none.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`] if it cannot be written, and those of the state.
    pub fn replace(&self, name: &str, content: &mut File) -> Result<()> {
        let path = self.path(name)?;
        let failed = |error: io::Error| Failure::from(unavailable("replaced", &path, &error));
        let fresh = self.path(&format!("{name}.new"))?;
        self.store.write("replacing a file", |transaction| {
            let mut file = files::create_private(&fresh).map_err(failed)?;
            content.seek(SeekFrom::Start(0)).map_err(failed)?;
            let length = io::copy(content, &mut file).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            let inode = files::inode(&file.metadata().map_err(failed)?);
            SinkPosition { inode, length }.store(transaction, &self.name, name)?;
            std::fs::rename(&fresh, &path).map_err(failed)?;
            files::sync_folder(&self.directory).map_err(failed)
        })
    }

    /// Where a file of this name is.
    ///
    /// # Errors
    /// [`Code::Internal`] if it is not a plain name.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let plain = Path::new(name).file_name().is_some_and(|file| file == name);
        if plain && !name.contains(['/', '\\', '\0']) {
            return Ok(self.directory.join(name));
        }
        Err(Error::new(Code::Internal, format!("{name:?} is not a plain file name"))
            .cause("events are delivered to files directly in the output directory")
            .fix("report this as a bug"))
    }

    /// Opens the file, creating it if it does not exist, and makes sure that the state knows this
    /// very file before anything is appended to it.
    fn claim(&self, name: &str, path: &Path) -> Result<Claimed> {
        let failed = |doing: &'static str| {
            move |error: io::Error| Failure::from(unavailable(doing, path, &error))
        };
        self.store.write("preparing a file", |transaction| {
            let recorded = SinkPosition::read(transaction, &self.name, name)?;
            let existed = path.try_exists().map_err(failed("examined"))?;
            let mut file = files::open_private(path).map_err(failed("opened"))?;
            let metadata = file.metadata().map_err(failed("examined"))?;
            let (inode, found) = (files::inode(&metadata), metadata.len());

            let warning = match recorded {
                Some(recorded) if existed && recorded.inode == inode => {
                    if found >= recorded.length {
                        return Ok(Claimed { file, inode, warning: None });
                    }
                    let (path, recorded) = (path.to_owned(), recorded.length);
                    Some(FileWarning::Shorter { path, recorded, found })
                }
                Some(recorded) if found == 0 && recorded.length > 0 => {
                    Some(FileWarning::Missing { path: path.to_owned(), recorded: recorded.length })
                }
                _ if found > 0 => Some(FileWarning::Foreign { path: path.to_owned(), found }),
                _ => None,
            };
            let length = files::end_line(&mut file, found).map_err(failed("continued"))?;
            files::sync_folder(&self.directory).map_err(failed("created"))?;
            SinkPosition { inode, length }.store(transaction, &self.name, name)?;
            Ok(Claimed { file, inode, warning })
        })
    }

    /// Whether nobody else puts files there, so that one with another number is a copy.
    fn is_own(&self) -> bool {
        self.name != self.directory
    }

    /// Removes what a crash left behind the committed length of a file.
    fn remove_tail(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        let failed = |doing: &'static str| {
            let path = &path;
            move |error: io::Error| Failure::from(unavailable(doing, path, &error))
        };
        self.store.write("removing an unfinished delivery", |transaction| {
            if !path.try_exists().map_err(failed("examined"))? {
                return Ok(());
            }
            let file = files::open_private(&path).map_err(failed("opened"))?;
            let metadata = file.metadata().map_err(failed("examined"))?;
            match SinkPosition::read(transaction, &self.name, name)? {
                Some(recorded)
                    if (self.is_own() || recorded.inode == files::inode(&metadata))
                        && metadata.len() > recorded.length =>
                {
                    file.set_len(recorded.length).map_err(failed("truncated"))?;
                    file.sync_all().map_err(failed("synchronized"))
                }
                _ => Ok(()),
            }
        })
    }
}

/// Stores the keys of the batch; for each event whether it is dropped (empty if none is).
pub(super) fn store_keys(
    transaction: &Transaction<'_>,
    commit: &Commit<'_>,
) -> Result<Vec<bool>, Failure> {
    let batch = commit.batch;
    let mut checked: Vec<u32> = (0..batch.events.len() as u32)
        .filter(|index| batch.events[*index as usize].dedupe == Dedupe::Check)
        .collect();
    if checked.is_empty() {
        return Ok(Vec::new());
    }
    // In the order of the table, so that each page is visited once. The sort is stable: of two
    // events with one key the first is kept.
    checked.sort_by_key(|index| batch.events[*index as usize].key);
    let mut dropped = vec![false; batch.events.len()];
    let mut keys = KeyWriter::new(transaction, commit.stream)?;
    // A key that this very commit may forget is looked up, and not stored first.
    let forgotten = commit.forget_keys_before.map_or(i64::MIN, Timestamp::as_millisecond);
    let mut before = None;
    let mut ascending = Vec::with_capacity(KEYS_IN_BLOCK);
    let mut rest = checked.as_slice();
    while !rest.is_empty() {
        ascending.clear();
        let mut latest = i64::MIN;
        for event in rest.iter().take(KEYS_IN_BLOCK).map(|index| &batch.events[*index as usize]) {
            // Keys of very different times would be kept for the latest of them.
            if event.time < forgotten.max(latest)
                || ascending.last().or(before.as_ref()) >= Some(&event.key)
            {
                break;
            }
            ascending.push(event.key);
            latest = event.time;
        }
        let (together, behind) = rest.split_at(ascending.len().max(1));
        rest = behind;
        if ascending.len() >= WORTH_A_BLOCK && keys.insert_new(&ascending, latest)? {
            before = ascending.last().copied();
            continue;
        }
        for index in together {
            let event = &batch.events[*index as usize];
            let is_known = if event.time < forgotten {
                keys.is_known(&event.key)?
            } else {
                keys.insert(&event.key, event.time)? == Inserted::Known
            };
            dropped[*index as usize] = is_known || before == Some(event.key);
            before = Some(event.key);
        }
    }
    keys.finish()?;
    Ok(dropped)
}

/// The parts of a commit that only concern the state.
fn finish(transaction: &Transaction<'_>, commit: &Commit<'_>) -> Result<(), Failure> {
    for (item, time) in commit.finished {
        finish_item(transaction, commit.stream, item, *time)?;
    }
    if let Some(before) = commit.forget_keys_before {
        forget_keys(transaction, commit.stream, before)?;
    }
    if let Some(before) = commit.forget_finished_before {
        forget_finished(transaction, commit.stream, before)?;
    }
    if let Some(advance) = commit.advance {
        advance.store(transaction, commit.stream)?;
    }
    if let Some(cursor) = commit.cursor {
        cursor.store(transaction, commit.stream)?;
    }
    Ok(())
}

/// Writes `parts` at `position`, the new end of the file, and waits until they are on the disk.
/// Returns the new length in bytes.
fn append(mut file: &File, position: u64, parts: &[&[u8]]) -> io::Result<u64> {
    if parts.is_empty() {
        return Ok(position);
    }
    if file.metadata()?.len() > position {
        file.set_len(position)?;
    }
    file.seek(SeekFrom::Start(position))?;
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.sync_data()?;
    Ok(position + parts.iter().map(|part| part.len() as u64).sum::<u64>())
}

fn unavailable(doing: &str, path: &Path, error: &io::Error) -> Error {
    file_failure(Code::SinkUnavailable, doing, path, error)
}

fn replaced(path: &Path) -> Error {
    Error::new(
        Code::SinkUnavailable,
        format!("{} was replaced while it was being written", path.display()),
    )
    .cause("another file took its name between opening and writing")
    .fix("nothing to do; the events go to the new file")
}

/// Points of a commit at which tests make it fail or crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    KeysStored,
    LinesSynced,
    BeforeCommit,
    Committed,
}

#[cfg(test)]
use super::tests::reached;

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "tests replace it by one that fails")]
fn reached(_: Step, _: &File) -> Result<()> {
    Ok(())
}
