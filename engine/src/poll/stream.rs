//! One poll of one stream: windows, pages, records, events, commits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::scalar::{self, Scalar};
use longshore_schema::stream::Window;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::plan::StreamPlan;
use crate::poll::ahead::Ahead;
use crate::poll::outbox::{Forget, Outbox};
use crate::poll::page::Seen;
use crate::poll::progress::{Progress, StreamReport};
use crate::poll::session::Session;
use crate::poll::window::{Range, Settings, earlier};
use crate::render::{Scope, render_all};
use crate::sink::{Delivery, Spool};
use crate::state::{Cursor, RunOutcome, RunReport};

/// How long a poll waits for sinks that lag behind.
const LONGEST_JAM: Duration = Duration::from_secs(60);

/// What a poll is limited to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Where a stream that was never polled starts, in place of its backfill.
    pub since: Option<Timestamp>,
    /// Where the poll ends.
    pub until: Option<Timestamp>,
}

/// One poll of one stream.
pub struct Poll<'p> {
    pub(super) session: &'p Session,
    pub(super) plan: &'p Arc<StreamPlan>,
    pub(super) outbox: Outbox<'p>,
    pub(super) spool: Option<&'p Spool>,
    pub(super) cursor: Cursor,
    pub(super) settings: Option<Settings>,
    pub(super) facts: Arc<BTreeMap<String, Value>>,
    pub(super) started: Timestamp,
    /// Where what was never read starts, in place of its backfill.
    pub(super) since: Option<Timestamp>,
    /// What the reading in hand has shown so far.
    pub(super) seen: Seen,
    /// The last answer without its records.
    pub(super) envelope: Option<Value>,
    /// `cursor.value`.
    pub(super) place: Option<String>,
    /// The greatest of the records, where that is the app's place.
    pub(super) greatest: Option<String>,
    /// The number of the snapshot in hand, where changes are told.
    pub(super) snapshot: Option<i64>,
    /// The app promised an order and broke it: the watermark may be ahead of records to come.
    pub(super) promise_broken: bool,
    /// The answer to the item in hand, if it was asked for before its turn.
    pub(super) ahead: Option<Ahead<'p>>,
    /// The steps whose answers are too long to be kept until their turn comes.
    pub(super) answers_are_long: BTreeSet<usize>,
    pub(super) report: StreamReport,
}

impl<'p> Poll<'p> {
    /// Polls a stream once. The report is complete whether or not the poll failed.
    pub async fn run(
        session: &'p Session,
        plan: &'p Arc<StreamPlan>,
        (delivery, spool): (&'p Delivery, Option<&'p Spool>),
        limits: Limits,
    ) -> StreamReport {
        let mut report = StreamReport {
            stream: plan.name.clone(),
            provides: plan.provides,
            requests: 0,
            records: 0,
            delivered: 0,
            duplicates: 0,
            rejected: 0,
            gaps: 0,
            from: None,
            watermark: None,
            lag: None,
            error: None,
        };
        let started = session.clock.now();
        let opened = tokio::task::block_in_place(|| {
            let store = delivery.store();
            let stream = store.stream(&session.plan.connection.name, &plan.name)?;
            let cursor = store.cursor(stream)?.unwrap_or_default();
            let run = store.start_run(stream, started)?;
            Ok::<_, Error>((stream, cursor, run))
        });
        let (stream, cursor, run) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                report.error = Some(error.in_stream(&plan.name));
                session.tell(&plan.name, &Progress::Finished(Box::new(report.clone())));
                return report;
            }
        };
        let mut poll = Self {
            session,
            plan,
            outbox: Outbox::new(plan, (delivery, spool), stream, started, session.clock.clone()),
            spool,
            cursor,
            settings: None,
            facts: Arc::default(),
            started,
            since: None,
            seen: Seen::default(),
            envelope: None,
            place: None,
            greatest: None,
            snapshot: None,
            promise_broken: false,
            ahead: None,
            answers_are_long: BTreeSet::new(),
            report,
        };
        let outcome = poll.poll(limits).await;
        let mut report = poll.report;
        report.watermark = poll.cursor.watermark;
        report.lag = report
            .watermark
            .and_then(|watermark| session.clock.now().duration_since(watermark).try_into().ok());
        report.error = outcome
            .err()
            .map(|error| error.in_stream(&plan.name).in_connection(&session.plan.connection.name));
        let finished = tokio::task::block_in_place(|| {
            let outcome =
                if report.error.is_none() { RunOutcome::Completed } else { RunOutcome::Failed };
            delivery.store().finish_run(run, session.clock.now(), outcome, &run_report(&report))
        });
        if let Err(error) = finished {
            report.error.get_or_insert(error.in_stream(&plan.name));
        }
        session.tell(&plan.name, &Progress::Finished(Box::new(report.clone())));
        report
    }

    async fn poll(&mut self, limits: Limits) -> Result<()> {
        self.facts = Arc::new(self.session.facts(&self.plan.name, &self.plan.facts).await?);
        let plan = self.plan;
        match (&plan.window, &plan.cursor) {
            (Some(window), _) => self.by_window(window, limits).await,
            (None, Some(cursor)) => self.by_cursor(cursor).await,
            (None, None) => self.by_snapshot().await,
        }
    }

    /// Waits for something, and commits what is in hand if that takes long.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        while let Some(due) = self.outbox.due_in() {
            match self.session.clock.timeout(due, &mut work).await {
                Some(done) => return Ok(done),
                None => self.commit(None, false)?,
            }
        }
        Ok(work.await)
    }

    /// Waits until the spool has room again, if events go there and sinks lag behind. Ends the poll if
    /// that takes long: it goes on by itself later.
    pub(super) async fn room(&mut self) -> Result<()> {
        let Some(spool) = self.spool.filter(|spool| spool.is_full()) else { return Ok(()) };
        // So that the sinks have all there is.
        self.commit(None, false)?;
        self.warn(spool.overflow().to_string());
        let mut changes = spool.changes();
        let freed = async {
            while spool.is_full() {
                // The sender lives as long as the spool.
                let _ = changes.changed().await;
            }
        };
        self.session.clock.timeout(LONGEST_JAM, freed).await.ok_or_else(|| spool.overflow())
    }

    pub(super) fn commit_if_due(&mut self) -> Result<()> {
        if self.outbox.is_due() { self.commit(None, false) } else { Ok(()) }
    }

    /// Makes everything in hand durable. The watermark follows to `reached`, or where it is certain
    /// that all earlier records are in hand; the cursor changes only when it is durable itself. With
    /// `complete`, the poll has seen everything that it was due to see.
    pub(super) fn commit(&mut self, reached: Option<Timestamp>, complete: bool) -> Result<()> {
        let mut cursor = self.cursor.clone();
        let in_hand =
            self.settings.as_ref().zip(self.seen.newest).and_then(|(settings, newest)| {
                let (start, end) = cursor.window?;
                settings.in_hand(Range { start, end }, newest).filter(|_| self.seen.in_order)
            });
        // `None` is less than every time: the watermark only moves forward.
        cursor.watermark = cursor.watermark.max(in_hand).max(reached);
        let forget = self.forget(&cursor, complete);
        let committed = self.outbox.commit(&cursor, forget)?;
        self.cursor = cursor;
        self.report.delivered += committed.delivered;
        self.report.duplicates += committed.duplicates;
        if let Some(warning) = committed.warning {
            self.warn(warning.to_string());
        }
        self.tell(&Progress::Delivered {
            events: committed.delivered,
            duplicates: committed.duplicates,
            watermark: self.cursor.watermark,
        });
        Ok(())
    }

    /// What can be forgotten when this cursor is committed.
    fn forget(&self, cursor: &Cursor, complete: bool) -> Forget {
        let remembered = self.plan.remember.map(|remember| earlier(self.started, remember));
        let Some(settings) = &self.settings else {
            // What a whole snapshot did not show again is gone at the source, and what lies behind a
            // place is never shown again. Of listed items that were read before the records are not
            // shown again.
            let all = self.plan.steps.iter().all(|step| step.key.is_empty());
            let shown = all.then_some(self.started);
            return Forget {
                keys: remembered.or(shown).filter(|_| complete),
                finished: complete.then_some(self.started),
                reached: self.snapshot.filter(|_| complete),
            };
        };
        let window = cursor.window.map(|(start, end)| Range { start, end });
        let horizon = cursor.watermark.map(|watermark| settings.forget(watermark, window));
        // Never less than the windows reach back: after a pause that is long ago.
        let keys = horizon.map(|horizon| remembered.map_or(horizon, |r| r.min(horizon)));
        // An item that was away for so long is as good as new.
        let backfill = earlier(self.started, settings.backfill());
        let first = self.since.map_or(backfill, |since| since.min(backfill));
        let reached = complete.then_some(first.as_millisecond());
        Forget { keys, finished: horizon, reached }
    }

    pub(super) fn scope<'a>(
        &self,
        piece: Option<Range>,
        facts: &'a BTreeMap<String, Value>,
    ) -> Scope<'a>
    where
        'p: 'a,
    {
        let settings = self.settings.as_ref();
        let window = piece.zip(settings).map(|(piece, settings)| settings.written(piece));
        let (zone, now) = (self.plan.zone.as_ref(), Some(self.started));
        Scope { facts: Some(facts), window, zone, now, ..self.session.scope() }
    }

    pub(super) fn tell(&self, progress: &Progress) {
        self.session.tell(&self.plan.name, progress);
    }

    pub(super) fn warn(&self, warning: String) {
        self.tell(&Progress::Warning(warning));
    }
}

/// The settings of a stream's window, its backfill written in `scope` and its zone the one there.
pub(crate) fn settings(window: &Window, scope: &Scope<'_>) -> Result<Settings> {
    let text = render_all(&window.backfill, scope)?;
    let backfill = scalar::Duration::parse(&text).map_err(|error| {
        Error::new(Code::InputInvalid, "the backfill is not a duration").cause(error.message)
    })?;
    Ok(Settings::new(window, backfill.0, scope.zone.cloned()))
}

fn run_report(report: &StreamReport) -> RunReport {
    RunReport {
        requests: report.requests,
        records: report.records,
        events: report.delivered,
        duplicates: report.duplicates,
        window: report.from.zip(report.watermark),
        error: report.error.as_ref().map(|error| (error.code.to_string(), error.what.clone())),
    }
}
