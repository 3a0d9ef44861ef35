//! What a poll has in hand between two commits: events, records that could not be mapped, items
//! that are done.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::decode::row_object;
use crate::error::Result;
use crate::map::{Events, Mapped, Mapper, Record, Scratch};
use crate::plan::StreamPlan;
use crate::poll::window::{Range, kept_by};
use crate::sink::{Batch, Commit, Committed, Dedupe, Delivery, Spool};
use crate::state::{Advance, Begun, Cursor, Known, Shown, StreamId};

/// Events are committed when they are this large together, in bytes, whatever the page is doing.
const BATCH_BYTES: usize = 2 << 20;
/// What is noted of items and snapshots is committed when there is this much of it.
const BATCH_NOTES: usize = 4096;
/// What is in hand is committed after this long.
const BATCH_AGE: Duration = Duration::from_secs(2);

/// The outbox of one poll.
pub(super) struct Outbox<'p> {
    plan: &'p StreamPlan,
    /// Where events go, if not into a spool, and what cannot be mapped.
    delivery: &'p Delivery,
    spool: Option<&'p Spool>,
    stream: StreamId,
    /// When the poll started: the time by which keys are kept that have none of their own.
    started: Timestamp,
    /// The range that is read, if the app finds it by the times of the records themselves.
    asked: Option<Range>,
    /// The only range whose records are kept, if the app shows others, too.
    only: Option<Range>,
    scratch: Scratch,
    batch: Batch,
    rejected: Batch,
    finished: Vec<(String, Timestamp)>,
    finished_keys: HashSet<String>,
    advance: Advance,
    reached: HashMap<Known, i64>,
    shown: HashMap<Known, usize>,
    /// Items that are not read to the end of the range that was begun.
    begun: HashMap<Known, Begun>,
    clock: Clock,
    /// On the clock's monotonic time.
    last_commit: Duration,
}

/// What is set aside.
#[derive(Clone, Copy, Debug)]
enum SetAside {
    /// A record that cannot be mapped.
    Record,
    /// An item of a list whose records cannot be read.
    Item,
}

impl SetAside {
    /// The member that it is in.
    fn member(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Item => "item",
        }
    }
}

/// What can be forgotten with a commit: all that is older than this.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forget {
    pub(super) keys: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    /// Milliseconds since 1970, or the number of a snapshot.
    pub(super) reached: Option<i64>,
}

impl<'p> Outbox<'p> {
    pub(super) fn new(
        plan: &'p StreamPlan,
        (delivery, spool): (&'p Delivery, Option<&'p Spool>),
        stream: StreamId,
        started: Timestamp,
        clock: Clock,
    ) -> Self {
        Self {
            plan,
            delivery,
            spool,
            stream,
            started,
            asked: None,
            only: None,
            scratch: Scratch::default(),
            batch: Batch::new(),
            rejected: Batch::new(),
            finished: Vec::new(),
            finished_keys: HashSet::new(),
            advance: Advance::default(),
            reached: HashMap::new(),
            shown: HashMap::new(),
            begun: HashMap::new(),
            last_commit: clock.monotonic(),
            clock,
        }
    }

    /// A range of records is read; `None` if it is not found by the records' own times.
    /// With `only`, records whose time is outside of it are dropped.
    pub(super) fn start_range(&mut self, asked: Option<Range>, only: Option<Range>) {
        self.asked = asked;
        self.only = only;
    }

    /// A response starts to arrive.
    pub(super) fn start_response(&mut self, now: Timestamp) {
        self.scratch.start_response(now.as_millisecond());
    }

    /// Maps a record into the batch and returns its time. A record that cannot be mapped is set
    /// aside with the reason, which is the error.
    pub(super) fn take(&mut self, record: Record<'_>) -> Result<Option<Timestamp>, String> {
        let Self { plan, asked, only, started, .. } = self;
        let end = |batch: &mut Batch, Mapped { key, time }: Mapped| {
            let time = time.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            let outside = |(only, time): (Range, Timestamp)| time < only.start || only.end <= time;
            if only.zip(time).is_some_and(outside) {
                return batch.abandon_event();
            }
            let keep = kept_by(*asked, time.filter(|_| plan.remember.is_none()), *started);
            let key = match time {
                Some(time) if plan.key_has_time => by_time(key, time),
                _ => key,
            };
            batch.end_event(key, keep.as_millisecond(), Dedupe::Check);
        };
        let events = &mut Events { out: &mut self.batch, buffer: Batch::buffer, end };
        match self.plan.mapper.map_each(record, &mut self.scratch, events) {
            Ok(mapped) => Ok(mapped.time.and_then(|ms| Timestamp::from_millisecond(ms).ok())),
            Err(error) => {
                let reason = error.to_string();
                self.set_aside(&record, &reason);
                Err(reason)
            }
        }
    }

    /// Maps one version of a record into the batch; it is known to be new. A record
    /// that cannot be mapped is set aside with the reason, which is the error.
    pub(super) fn take_version(
        &mut self,
        record: Record<'_>,
        version: Known,
    ) -> Result<(), String> {
        let plan = self.plan;
        self.version_by(&plan.mapper, record, version)
    }

    /// Maps what is left of a record that is gone.
    pub(super) fn take_gone(
        &mut self,
        mapper: &Mapper,
        kept: &[u8],
        version: Known,
    ) -> Result<(), String> {
        self.scratch.start_response(self.clock.now().as_millisecond());
        self.version_by(mapper, Record::Json(kept), version)
    }

    fn version_by(
        &mut self,
        mapper: &Mapper,
        record: Record<'_>,
        version: Known,
    ) -> Result<(), String> {
        let time = self.started.as_millisecond();
        let end = |batch: &mut Batch, mapped: Mapped| {
            batch.end_event(mapped.key, time, Dedupe::New);
        };
        let events = &mut Events { out: &mut self.batch, buffer: Batch::buffer, end };
        self.scratch.set_version(Some(version));
        let mapped = mapper.map_each(record, &mut self.scratch, events);
        self.scratch.set_version(None);
        mapped.map(|_| ()).map_err(|error| {
            let reason = error.to_string();
            self.keep_of(mapper, &record, &reason);
            reason
        })
    }

    /// Keeps a record that cannot be mapped or known again, with the reason.
    pub(super) fn set_aside(&mut self, record: &Record<'_>, reason: &str) {
        self.keep_of(&self.plan.mapper, record, reason);
    }

    /// Keeps a record as far as its mapper says that it is not private.
    fn keep_of(&mut self, mapper: &Mapper, record: &Record<'_>, reason: &str) {
        let whole = match record {
            // Without its columns a row could not be mapped later.
            Record::Row(row) => Cow::Owned(row_object(row)),
            record => Cow::Borrowed(raw(record)),
        };
        let kept = mapper.redacted(record);
        self.keep(SetAside::Record, kept.as_deref().unwrap_or(&whole), reason);
    }

    /// Keeps what makes no event whole, in a file of its own, once.
    fn keep(&mut self, what: SetAside, raw: &[u8], reason: &str) {
        let line = serde_json::json!({
            "stream": self.plan.name,
            "reason": reason,
            what.member(): String::from_utf8_lossy(raw),
        });
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(raw)[..16]);
        let time = self.started.as_millisecond();
        self.rejected.push(key, time, Dedupe::Check, line.to_string().as_bytes());
    }

    /// Keeps a listed item that cannot be read, with the reason. Where records have something
    /// private items may have it too, at places that nobody named: of those only the reason stays.
    pub(super) fn leave_out(&mut self, item: &Value, reason: &str) {
        let shown = if self.plan.mapper.is_private() { &Value::Null } else { item };
        self.keep(SetAside::Item, shown.to_string().as_bytes(), reason);
    }

    /// How long until what is in hand has to be committed for its age; `None` if there is nothing.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let empty = self.batch.is_empty()
            && self.rejected.is_empty()
            && self.finished.is_empty()
            && self.advance.is_empty();
        (!empty).then(|| BATCH_AGE.saturating_sub(self.age()))
    }

    fn age(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.last_commit)
    }

    /// A listed item is read to its end.
    pub(super) fn finish_item(&mut self, key: String, time: Option<Timestamp>) {
        // Without a time of its own it is known until a listing does not show it any more.
        self.finished_keys.insert(key.clone());
        self.finished.push((key, time.unwrap_or(self.started)));
    }

    /// A range of an item is going to be read. Until it is, keys of what is delivered of it stay
    /// known, also while the item is away: if it comes back, all of that is shown again.
    pub(super) fn begin(&mut self, item: Known, begun: Begun) {
        self.begun.entry(item).and_modify(|known| *known = known.and(begun)).or_insert(begun);
    }

    /// An item is read up to a time, or for a snapshot.
    pub(super) fn reach(&mut self, item: Known, up_to: i64) {
        self.begun.remove(&item);
        self.reached.insert(item, up_to);
        self.advance.reached.push((item, up_to));
    }

    /// Up to when an item is read.
    pub(super) fn reached(&self, item: &Known) -> Result<Option<i64>> {
        if let Some(up_to) = self.reached.get(item) {
            return Ok(Some(*up_to));
        }
        let store = self.delivery.store();
        tokio::task::block_in_place(|| store.reached(self.stream, item))
    }

    /// A snapshot shows a record.
    pub(super) fn show(&mut self, shown: Shown) {
        self.shown.insert(shown.record, self.advance.shown.len());
        self.advance.shown.push(shown);
    }

    /// A record as it was shown last.
    pub(super) fn shown(&self, record: &Known) -> Result<Option<Shown>> {
        if let Some(index) = self.shown.get(record) {
            return Ok(Some(self.advance.shown[*index].clone()));
        }
        let store = self.delivery.store();
        tokio::task::block_in_place(|| store.shown(self.stream, record))
    }

    /// A record is gone.
    pub(super) fn forget_shown(&mut self, record: Known) {
        self.advance.gone.push(record);
    }

    /// How many records were ever shown, and how many of them not by this snapshot.
    pub(super) fn missed(&self, snapshot: i64) -> Result<(u64, u64)> {
        let store = self.delivery.store();
        tokio::task::block_in_place(|| store.missed(self.stream, snapshot))
    }

    /// The next records that this snapshot did not show.
    pub(super) fn not_shown(&self, snapshot: i64, after: &Known, limit: u32) -> Result<Vec<Shown>> {
        let store = self.delivery.store();
        tokio::task::block_in_place(|| store.not_shown(self.stream, snapshot, after, limit))
    }

    /// Whether an item was read to its end.
    pub(super) fn is_finished(&self, key: &str) -> Result<bool> {
        if self.finished_keys.contains(key) {
            return Ok(true);
        }
        let store = self.delivery.store();
        tokio::task::block_in_place(|| store.is_finished(self.stream, key))
    }

    /// Drops what is in hand: it will be read again.
    pub(super) fn clear(&mut self) {
        self.batch.clear();
        self.rejected.clear();
        self.finished.clear();
        self.finished_keys.clear();
        self.advance.clear();
        self.reached.clear();
        self.shown.clear();
    }

    /// Whether it is time to commit, for its size or its age.
    pub(super) fn is_due(&self) -> bool {
        let notes = self.finished.len() + self.advance.reached.len() + self.advance.shown.len();
        self.batch.size() + self.rejected.size() >= BATCH_BYTES
            || notes >= BATCH_NOTES
            || self.age() >= BATCH_AGE
    }

    /// The earlier of `before` and the time since when keys are kept for items that are not read
    /// to their end.
    fn still_of_use(&self, before: Timestamp) -> Result<Timestamp> {
        if !self.plan.has_units() {
            return Ok(before);
        }
        let store = self.delivery.store();
        let stored = tokio::task::block_in_place(|| store.begun_since(self.stream))?;
        let since = self.begun.values().map(|begun| begun.since).chain(stored).min();
        let since = since.and_then(|since| Timestamp::from_millisecond(since).ok());
        Ok(since.map_or(before, |since| since.min(before)))
    }

    /// Makes everything in hand durable, together with the cursor.
    pub(super) fn commit(&mut self, cursor: &Cursor, forget: Forget) -> Result<Committed> {
        self.advance.forget_reached_before = forget.reached;
        self.advance.begun = self.begun.iter().map(|(item, begun)| (*item, *begun)).collect();
        let forget_keys_before = match forget.keys {
            Some(before) => Some(self.still_of_use(before)?),
            None => None,
        };
        let events = Commit {
            stream: self.stream,
            file: &self.plan.file,
            batch: &self.batch,
            cursor: Some(cursor),
            forget_keys_before,
            finished: &self.finished,
            forget_finished_before: forget.finished,
            advance: Some(&self.advance),
        };
        let committed = tokio::task::block_in_place(|| {
            // Before the cursor moves past them.
            if !self.rejected.is_empty() {
                let rejected =
                    Commit::events(self.stream, &self.plan.rejected_file, &self.rejected);
                let _ = self.delivery.commit(rejected)?;
            }
            match self.spool {
                Some(spool) => spool.commit(&self.plan.name, events),
                None => self.delivery.commit(events),
            }
        })?;
        self.clear();
        self.last_commit = self.clock.monotonic();
        Ok(committed)
    }
}

/// A key that begins with the record's time, so that the keys of a log are stored side by side:
/// millions of keys in random order would touch a page of the database each.
fn by_time(key: [u8; 16], time: Timestamp) -> [u8; 16] {
    let mut ordered = key;
    ordered[..6].copy_from_slice(&time.as_millisecond().to_be_bytes()[2..]);
    ordered
}

/// The bytes of a record as the source wrote them.
pub(super) fn raw<'r>(record: &Record<'r>) -> &'r [u8] {
    match record {
        Record::Json(bytes) => bytes,
        Record::Opened { source, .. } | Record::Unopened { source, .. } => source,
        Record::Row(row) => row.raw(),
    }
}
