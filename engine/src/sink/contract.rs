//! What a sink has to do, whatever product is behind it.

use std::pin::Pin;
use std::time::Duration;

use crate::error::Result;

/// What a sink is doing.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A place that events are delivered to.
///
/// Each stream of a connection is a log of lines, and a position in it is a number of bytes since its
/// beginning. A sink is given the parts of that log in order, one at a time, each of them again until
/// it has taken it. What is acknowledged is never given again.
///
/// Between the two a process may end. A sink that can keep events and position together does so, and
/// tells with [`position`](Self::position) what it has: each event is in it exactly once. A sink that
/// names what it writes by where it starts replaces what it wrote. All others are given some events
/// twice after a crash, with the same `metadata.uid`.
pub trait Sink: Send {
    /// How much is delivered at a time.
    fn portion(&self) -> Portion {
        Portion::default()
    }

    /// Up to where it has the events of a stream, if it keeps that itself; `None` if it has none.
    ///
    /// # Errors
    /// As for [`deliver`](Self::deliver).
    fn position<'a>(&'a mut self, stream: Log<'a>) -> Doing<'a, Option<u64>> {
        let _ = stream;
        Box::pin(async { Ok(None) })
    }

    /// Whether [`position`](Self::position) speaks to what is behind the sink: then an answer proves that
    /// it is there.
    fn keeps_position(&self) -> bool {
        false
    }

    /// Does what is due although no events of a stream come, such as closing a file whose time has come;
    /// tells after how long it wants to be asked again, `None` if not before the next delivery. It is
    /// asked when it has everything of the stream: after each delivery, and when a run begins and ends.
    ///
    /// # Errors
    /// As for [`deliver`](Self::deliver).
    fn idle<'a>(&'a mut self, stream: Log<'a>) -> Doing<'a, Option<Duration>> {
        let _ = stream;
        Box::pin(async { Ok(None) })
    }

    /// Takes events; when it is done they are durable there. After an error it may have taken none,
    /// some or all of them.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`](crate::error::Code::SinkUnavailable) with what the sink said and how to
    /// mend it. Everything is tried again after a while, whatever the error: events are never dropped.
    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken>;
}

/// What is known of a sink that was given no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// It told where it stands.
    Answers,
    /// Its settings are in order; it is spoken to only to deliver.
    Opened,
}

/// How much is delivered at a time: as soon as there is so much of it, or it is that old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Size of the events as lines, in bytes. One event that is larger is delivered alone.
    pub bytes: usize,
    /// How long the first of them waits at most.
    pub age: Duration,
}

impl Default for Portion {
    fn default() -> Self {
        Self { bytes: 1 << 20, age: Duration::ZERO }
    }
}

/// The log of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// The spool that positions belong to: one that was made anew has other ones.
    pub spool: &'a str,
    /// The connection.
    pub connection: &'a str,
    /// The stream.
    pub stream: &'a str,
}

/// A part of the log of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Portioned<'a> {
    /// The log.
    pub log: Log<'a>,
    /// Where it starts.
    pub start: u64,
    /// The events, each one JSON object and a line feed.
    pub lines: &'a [u8],
}

impl<'a> Portioned<'a> {
    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.lines.len() as u64
    }

    /// The events, each one JSON object.
    pub fn events(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest)?;
            let (line, behind) = rest.split_at(end);
            rest = &behind[1..];
            Some(line)
        })
    }
}

/// What became of events that were delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events that the sink will never take, such as one that is too large for it: which one of the
    /// portion, and why. They are set aside with the reason, and delivery goes on.
    pub refused: Vec<(usize, String)>,
}
