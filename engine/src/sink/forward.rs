//! Carries the log of a connection to one sink.
//!
//! A sink that fails is asked again, later and later, and holds back nobody but itself; a stream that
//! it does not take holds back no other stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::block_in_place;

use super::contract::{Contact, Log, Portion, Portioned, Sink};
use super::spool::{Spool, Waiting};
use super::{Batch, Commit, Dedupe, Delivery};
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::poll::{Observer, Progress};

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// When nothing more is going to come, a stream that failed so often in a row is left for the next run.
const LAST_ATTEMPTS: u32 = 3;

/// How a sink stands.
#[derive(Clone, Debug, Default)]
pub struct SinkReport {
    /// Its name.
    pub sink: String,
    /// Events that it was given since the connection was opened.
    pub delivered: u64,
    /// Events that it will never take, set aside with the reason.
    pub refused: u64,
    /// Bytes of events that wait for it.
    pub waiting: u64,
    /// What it failed with, if it does not take events now.
    pub error: Option<Error>,
}

/// Whether polls go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polls {
    GoOn,
    /// Nothing more is going to come: what there is is delivered whatever its age.
    Over,
}

/// One sink and what it has to be given.
pub(crate) struct Forwarder {
    name: String,
    sink: Box<dyn Sink>,
    spool: Arc<Spool>,
    /// For what the sink refuses.
    aside: Arc<Delivery>,
    clock: Clock,
    /// Hears of each failure.
    observer: Observer,
    streams: BTreeMap<String, Stream>,
    lines: Vec<u8>,
    report: Arc<Mutex<SinkReport>>,
}

/// How the sink gets on with a stream.
#[derive(Debug, Default)]
struct Stream {
    /// Whether the sink was asked where it stands since it was started or failed.
    is_known: bool,
    failures: u32,
    /// Not to be tried before.
    pause: Option<Timestamp>,
    /// Since when there is something to deliver.
    since: Option<Timestamp>,
    idle: Idle,
}

/// When the sink wants a turn without events.
#[derive(Clone, Copy, Debug, Default)]
enum Idle {
    #[default]
    Now,
    Later(Timestamp),
    /// When it was given events again.
    Never,
}

/// What came of looking at a stream.
enum Turn {
    Delivered,
    Nothing,
    /// There is something to do then.
    Later(Timestamp),
}

impl Forwarder {
    pub(crate) fn new(
        (name, sink): (String, Box<dyn Sink>),
        (spool, aside): (Arc<Spool>, Arc<Delivery>),
        clock: Clock,
        observer: Observer,
    ) -> Self {
        let report = SinkReport { sink: name.clone(), ..SinkReport::default() };
        Self {
            name,
            sink,
            spool,
            aside,
            clock,
            observer,
            streams: BTreeMap::new(),
            lines: Vec::new(),
            report: Arc::new(Mutex::new(report)),
        }
    }

    /// How the sink stands, now and later.
    pub(crate) fn report(&self) -> Arc<Mutex<SinkReport>> {
        Arc::clone(&self.report)
    }

    /// Asks the sink where it stands with streams, and delivers nothing.
    ///
    /// # Errors
    /// What it fails with, and [`Code::StateCorrupt`] if it and the spool do not belong together.
    pub(crate) async fn ask(&mut self, streams: &[&str]) -> Result<Contact> {
        let Self { spool, sink, name, .. } = self;
        let connection = spool.connection();
        for stream in streams {
            let log = Log { spool: spool.id(), connection, stream };
            let asked = position(sink.as_mut(), spool, name, log).await;
            asked
                .map_err(|error| error.in_sink(name).in_stream(stream).in_connection(connection))?;
        }
        Ok(if sink.keeps_position() { Contact::Answers } else { Contact::Opened })
    }

    /// Delivers until the polls are over and the sink has everything, or fails again and again.
    pub(crate) async fn run(&mut self, mut polls: watch::Receiver<Polls>) {
        let mut changes = self.spool.changes();
        for stream in self.streams.values_mut() {
            stream.failures = 0;
        }
        loop {
            changes.mark_unchanged();
            let over = *polls.borrow_and_update() == Polls::Over;
            let mut delivered = false;
            let mut due: Option<Timestamp> = None;
            for stream in self.spool.streams() {
                match self.turn(stream, over).await {
                    Turn::Delivered => delivered = true,
                    Turn::Nothing => {}
                    Turn::Later(at) => due = Some(due.map_or(at, |due| due.min(at))),
                }
            }
            self.note_waiting();
            if delivered {
                continue;
            }
            let pause = match due {
                Some(due) => Some(due.duration_since(self.clock.now())),
                None if over => return,
                None => None,
            };
            let pause = pause.map(|pause| Duration::try_from(pause).unwrap_or_default());
            let pause = async {
                match pause {
                    Some(pause) => self.clock.sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // The sender lives as long as the spool and the run do.
                _ = changes.changed() => {}
                _ = polls.changed(), if !over => {}
                () = pause => {}
            }
        }
    }

    /// Gives the sink the next portion of a stream.
    async fn turn(&mut self, stream: String, over: bool) -> Turn {
        // When a turn is cut short, nothing is known of the stream any more: the sink is asked again.
        let mut known = self.streams.remove(&stream).unwrap_or_default();
        let turn = self.turn_of(&stream, &mut known, over).await;
        self.streams.insert(stream, known);
        turn
    }

    async fn turn_of(&mut self, stream: &str, known: &mut Stream, over: bool) -> Turn {
        let waiting = self.spool.waiting(&self.name, stream);
        if over && known.failures >= LAST_ATTEMPTS {
            return Turn::Nothing;
        }
        let now = self.clock.now();
        known.since = (waiting.from < waiting.to).then(|| known.since.unwrap_or(now));
        if let Some(pause) = known.pause.filter(|pause| now < *pause) {
            return Turn::Later(pause);
        }
        let Some(since) = known.since else { return self.rest(stream, known, over).await };
        let Portion { bytes, age } = self.sink.portion();
        let due = since.checked_add(age).unwrap_or(now);
        if !over && waiting.to - waiting.from < bytes as u64 && now < due {
            return Turn::Later(due);
        }
        match self.deliver(stream, known, waiting, bytes).await {
            Ok(()) => {
                *known = Stream { is_known: true, ..Stream::default() };
                self.works();
                Turn::Delivered
            }
            Err(error) => self.failed(stream, known, error),
        }
    }

    /// Lets the sink do what is due although there are no events of a stream.
    async fn rest(&mut self, stream: &str, known: &mut Stream, over: bool) -> Turn {
        let now = self.clock.now();
        let is_due = match known.idle {
            Idle::Now => true,
            Idle::Later(at) => at <= now,
            Idle::Never => false,
        };
        if is_due {
            let Self { spool, sink, .. } = self;
            let log = Log { spool: spool.id(), connection: spool.connection(), stream };
            let again = match sink.idle(log).await {
                Ok(again) => again.and_then(|again| now.checked_add(again).ok()),
                Err(error) => return self.failed(stream, known, error),
            };
            let idle = again.map_or(Idle::Never, Idle::Later);
            *known = Stream { is_known: known.is_known, idle, ..Stream::default() };
            self.works();
        }
        match known.idle {
            Idle::Later(at) if !over => Turn::Later(at),
            _ => Turn::Nothing,
        }
    }

    /// Notes that the sink takes events of a stream: all is well if it takes those of all others too.
    fn works(&self) {
        // The stream whose turn it is is not among them.
        if self.streams.values().any(|stream| stream.failures > 0) {
            return;
        }
        self.note(|report| report.error = None);
        self.spool.set_trouble(&self.name, None);
    }

    /// Notes that the sink failed, and when it is tried again.
    fn failed(&self, stream: &str, known: &mut Stream, error: Error) -> Turn {
        known.is_known = false;
        known.failures = known.failures.saturating_add(1);
        let doubled = FIRST_PAUSE.saturating_mul(1 << (known.failures - 1).min(6));
        let mut until = self.clock.now() + doubled.min(LONGEST_PAUSE);
        if let Retry::Later(Some(asked)) = error.retry {
            // Asked to wait, but not for so long that nobody would notice that it works again.
            until = asked.clamp(until, self.clock.now() + 10 * LONGEST_PAUSE);
        }
        known.pause = Some(until);
        let error =
            error.in_sink(&self.name).in_stream(stream).in_connection(self.spool.connection());
        self.spool.set_trouble(&self.name, Some(error.clone()));
        let wait = until.duration_since(self.clock.now()).try_into().unwrap_or_default();
        (self.observer)(stream, &Progress::Retrying { error: error.clone(), wait });
        self.note(|report| report.error = Some(error));
        Turn::Later(until)
    }

    async fn deliver(
        &mut self,
        stream: &str,
        known: &mut Stream,
        waiting: Waiting,
        bytes: usize,
    ) -> Result<()> {
        let Self { spool, sink, lines, name, .. } = self;
        let log = Log { spool: spool.id(), connection: spool.connection(), stream };
        let mut from = waiting.from;
        if !known.is_known {
            from = position(sink.as_mut(), spool, name, log).await?.unwrap_or(from);
            known.is_known = true;
            if from > waiting.from {
                block_in_place(|| spool.acknowledge(name, stream, from))?;
                if from >= waiting.to {
                    return Ok(());
                }
            }
        }
        block_in_place(|| spool.read(stream, from, bytes, lines))?;
        let events = Portioned { log, start: from, lines };
        let (end, count) = (events.end(), events.events().count());
        let taken = sink.deliver(events).await?;
        let refused = taken.refused.len() as u64;
        if refused > 0 {
            let aside: Vec<_> = events.events().collect();
            let aside = taken
                .refused
                .iter()
                .filter_map(|(index, reason)| Some((*aside.get(*index)?, reason.as_str())));
            block_in_place(|| set_aside(&self.aside, log, name, aside))?;
        }
        block_in_place(|| spool.acknowledge(name, stream, end))?;
        self.note(|report| {
            report.delivered += (count as u64).saturating_sub(refused);
            report.refused += refused;
        });
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut SinkReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn note_waiting(&self) {
        let streams = self.spool.streams();
        let waiting = streams.iter().map(|stream| {
            let Waiting { from, to } = self.spool.waiting(&self.name, stream);
            to.saturating_sub(from)
        });
        let waiting = waiting.sum();
        self.note(|report| report.waiting = waiting);
    }
}

/// Where a sink stands with a stream, if it keeps that itself.
async fn position(
    sink: &mut dyn Sink,
    spool: &Spool,
    name: &str,
    log: Log<'_>,
) -> Result<Option<u64>> {
    let position = sink.position(log).await?;
    let Waiting { from, to } = spool.waiting(name, log.stream);
    match position {
        Some(position) if position > to => Err(ahead(name, position, to)),
        Some(position) if position < spool.start(log.stream) => Err(behind(name, position, from)),
        position => Ok(position),
    }
}

/// Keeps events that a sink refuses for good, with the reason, each once.
fn set_aside<'a>(
    aside: &Delivery,
    log: Log<'_>,
    sink: &str,
    events: impl Iterator<Item = (&'a [u8], &'a str)>,
) -> Result<()> {
    let mut batch = Batch::new();
    for (event, reason) in events {
        let line = serde_json::json!({
            "stream": log.stream,
            "sink": sink,
            "reason": reason,
            "event": String::from_utf8_lossy(event),
        });
        let digest =
            Sha256::new().chain_update(sink).chain_update([0]).chain_update(event).finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        batch.push(key, 0, Dedupe::Check, line.to_string().as_bytes());
    }
    let stream = aside.store().stream(log.connection, log.stream)?;
    let file = format!("{}.refused.jsonl", log.stream);
    let _ = aside.commit(Commit::events(stream, &file, &batch))?;
    Ok(())
}

fn ahead(sink: &str, position: u64, end: u64) -> Error {
    Error::new(Code::StateCorrupt, format!("the sink `{sink}` has more than there is"))
        .cause(format!(
            "it stands at {position}, and the log ends at {end}: the state was put back"
        ))
        .fix("put back the state folder that belongs to it, or remove it to start anew")
}

fn behind(sink: &str, position: u64, from: u64) -> Error {
    Error::new(Code::StateCorrupt, format!("the sink `{sink}` lacks events that it once had"))
        .cause(format!(
            "it stands at {position}, and had acknowledged everything up to {from}: it was put back"
        ))
        .fix(
            "put back what it lacks; or remove the state folder, so that everything the app still shows \
             is delivered again, without repeats",
        )
}
