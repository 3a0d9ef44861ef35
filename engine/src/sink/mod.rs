//! Delivery of events: batches, and commits that make events and cursor durable together.

mod contract;
mod forward;
mod json_lines;
mod spool;

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

pub use contract::{Contact, Doing, Log, Portion, Portioned, Sink, Taken};
pub use forward::SinkReport;
pub(crate) use forward::{Forwarder, Polls};
pub use json_lines::Delivery;
pub use spool::{Spool, Waiting};

use crate::state::{Advance, Cursor, StreamId};

/// Whether an event may have been delivered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedupe {
    /// The key is looked up and stored; an event whose key is known is dropped.
    Check,
    /// Known to be new and never read again: the key is neither looked up nor stored.
    New,
}

/// What the commit needs to know about an event of a batch.
#[derive(Debug, Clone, Copy)]
struct EventMeta {
    /// End of its line in the bytes of the batch, after the line feed.
    end: usize,
    key: [u8; 16],
    time: i64,
    dedupe: Dedupe,
}

/// The lines of one commit, each one JSON document and a line feed (<https://jsonlines.org>).
///
/// An event is either pushed whole, or written piece by piece to [`buffer`](Self::buffer) and then
/// ended with [`end_event`](Self::end_event), which saves a copy.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    events: Vec<EventMeta>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event: `key` identifies the record within its stream, `time` (milliseconds since
    /// 1970) says until when the key has to be kept, `document` is one JSON document.
    pub fn push(&mut self, key: [u8; 16], time: i64, dedupe: Dedupe, document: &[u8]) {
        self.abandon_event();
        self.bytes.extend_from_slice(document);
        self.end_event(key, time, dedupe);
    }

    /// Where the next event is written; only ever append to it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Makes what was written to the buffer since the last event an event; see [`push`](Self::push).
    pub fn end_event(&mut self, key: [u8; 16], time: i64, dedupe: Dedupe) {
        let start = self.end_of_events();
        if self.bytes[start..].ends_with(b"\n") {
            self.bytes.pop();
        }
        // Inside a JSON document a raw line feed can only be white space between tokens (RFC 8259,
        // sections 2 and 7), so the document stays the same on one line.
        let mut at = start;
        while let Some(found) = memchr::memchr(b'\n', &self.bytes[at..]) {
            at += found;
            self.bytes[at] = b' ';
        }
        self.bytes.push(b'\n');
        self.events.push(EventMeta { end: self.bytes.len(), key, time, dedupe });
    }

    /// Drops what was written to the buffer since the last event.
    pub fn abandon_event(&mut self) {
        self.bytes.truncate(self.end_of_events());
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.events.clear();
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// True without events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Size of all lines in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.end_of_events()
    }

    fn end_of_events(&self) -> usize {
        self.events.last().map_or(0, |event| event.end)
    }

    /// The parts of the bytes whose events are kept, as few and long as possible.
    fn kept(&self, dropped: &[bool]) -> Vec<&[u8]> {
        let mut parts = Vec::new();
        let (mut start, mut end) = (0, 0);
        for (index, event) in self.events.iter().enumerate() {
            if dropped.get(index).copied().unwrap_or(false) {
                if start < end {
                    parts.push(&self.bytes[start..end]);
                }
                start = event.end;
            }
            end = event.end;
        }
        if start < end {
            parts.push(&self.bytes[start..end]);
        }
        parts
    }
}

/// What becomes durable together.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// The stream whose keys, cursor and items these are.
    pub stream: StreamId,
    /// Name of the file in the directory of the delivery, e.g. `sign_ins.jsonl`.
    pub file: &'a str,
    /// The events.
    pub batch: &'a Batch,
    /// Where the stream stands after them; `None` leaves the cursor as it is.
    pub cursor: Option<&'a Cursor>,
    /// Keys last seen before this time need not be kept (they may be kept for longer).
    pub forget_keys_before: Option<Timestamp>,
    /// Items that are delivered whole with this commit, and their times.
    pub finished: &'a [(String, Timestamp)],
    /// Finished items with an earlier time are forgotten.
    pub forget_finished_before: Option<Timestamp>,
    /// What is noted of items and snapshots.
    pub(crate) advance: Option<&'a Advance>,
}

impl<'a> Commit<'a> {
    /// Events alone: the cursor stays as it is, and so does what is known of items.
    #[must_use]
    pub fn events(stream: StreamId, file: &'a str, batch: &'a Batch) -> Self {
        Self {
            stream,
            file,
            batch,
            cursor: None,
            forget_keys_before: None,
            finished: &[],
            forget_finished_before: None,
            advance: None,
        }
    }
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Committed {
    /// Events appended to the file.
    pub delivered: u64,
    /// Events dropped because their key was known.
    pub duplicates: u64,
    /// Something about the file that its owner should know.
    pub warning: Option<FileWarning>,
}

/// The file is not as the last commit left it. Delivery goes on; nothing is lost on our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileWarning {
    /// It is gone (shipped away, rotated or deleted); a new one was started.
    Missing {
        /// The file.
        path: PathBuf,
        /// Its committed length in bytes.
        recorded: u64,
    },
    /// Somebody shortened it; delivery continued at its end.
    Shorter {
        /// The file.
        path: PathBuf,
        /// Its committed length in bytes.
        recorded: u64,
        /// Its length in bytes as found.
        found: u64,
    },
    /// A file that these deliveries did not write has its place; delivery continued at its end.
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its length in bytes as found.
        found: u64,
    },
}

impl FileWarning {
    /// Stable name of the warning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "SINK_FILE_MISSING",
            Self::Shorter { .. } => "SINK_FILE_SHORTER",
            Self::Foreign { .. } => "SINK_FILE_FOREIGN",
        }
    }
}

impl fmt::Display for FileWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::Missing { path, recorded } => write!(
                f,
                "{} with {recorded} delivered bytes is gone; a new file was started. Nothing to do \
                 if it was shipped or rotated on purpose",
                path.display()
            ),
            Self::Shorter { path, recorded, found } => write!(
                f,
                "{} has {found} bytes, but {recorded} were delivered; delivery continued at its \
                 end. If nothing else empties this file, check the disk",
                path.display()
            ),
            Self::Foreign { path, found } => write!(
                f,
                "{} with {found} bytes was not written with this state; delivery continued at its \
                 end. Nothing to do if the state was reset or the file was restored on purpose",
                path.display()
            ),
        }
    }
}

#[cfg(test)]
mod forward_tests;
#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod tests;
