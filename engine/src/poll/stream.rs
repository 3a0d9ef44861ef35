//! One poll of one stream: windows, pages, records, events, commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::scalar::{self, Scalar};
use longshore_schema::stream::Window;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::http::retry::{Decision, Outcome, random};
use crate::map::Record;
use crate::plan::{Listing, StepPlan, StreamPlan};
use crate::poll::item::{Items, item_key, item_time};
use crate::poll::outbox::{Forget, Outbox};
use crate::poll::pages::Pager;
use crate::poll::progress::{Progress, StreamReport};
use crate::poll::session::{Refused, Session};
use crate::poll::window::{Range, Settings, earlier};
use crate::render::{Scope, render_all};
use crate::sink::Delivery;
use crate::state::{Cursor, RunOutcome, RunReport};

/// How far a clock may be set back between two polls, as it happens where one is corrected.
const CLOCK_STEP: Duration = Duration::from_secs(3600);

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
    cursor: Cursor,
    settings: Option<Settings>,
    pub(super) facts: Arc<BTreeMap<String, Value>>,
    started: Timestamp,
    /// The newest record time of the window in hand, as long as times only grew.
    newest: Option<Timestamp>,
    in_order: bool,
    /// The app promised an order and broke it: the watermark may be ahead of records to come.
    promise_broken: bool,
    pub(super) report: StreamReport,
}

impl<'p> Poll<'p> {
    /// Polls a stream once. The report is complete whether or not the poll failed.
    pub async fn run(
        session: &'p Session,
        plan: &'p Arc<StreamPlan>,
        delivery: &'p Delivery,
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
            outbox: Outbox::new(plan, delivery, stream, started, session.clock.clone()),
            cursor,
            settings: None,
            facts: Arc::default(),
            started,
            newest: None,
            in_order: true,
            promise_broken: false,
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
        match &self.plan.window {
            None => {
                self.tell(&Progress::Started(None));
                self.settled(None).await.map_err(Refused::into_error)?;
                self.cursor.completed_at = Some(self.session.clock.now());
                self.commit(None, true)
            }
            Some(window) => {
                let settings = settings(window, &self.scope(None, &self.facts))?;
                self.settings = Some(settings);
                let now = self.session.clock.now();
                self.check_clock(now)?;
                if let (Some(_), Some(watermark)) = (limits.since, self.cursor.watermark) {
                    self.warn(format!(
                        "everything before {watermark:.0} is delivered already; `since` is for streams that were never read",
                    ));
                }
                let due = settings.due(self.cursor.watermark, now, limits.since, limits.until);
                self.tell(&Progress::Started(due.map(|due| due.range)));
                let Some(due) = due else { return Ok(()) };
                self.report.from = Some(due.range.start);
                if let Some(gap) = due.gap {
                    self.report.gaps += 1;
                    self.warn(format!(
                        "DATA_GAP: the app keeps records for {} only; those from {:.0} to {:.0} are gone",
                        window.retention.as_ref().map(ToString::to_string).unwrap_or_default(),
                        gap.start,
                        gap.end,
                    ));
                }
                self.windows(&settings, due.range).await?;
                self.cursor.completed_at = Some(self.session.clock.now());
                self.commit(None, true)
            }
        }
    }

    /// A watermark that is far ahead was made by a wrong clock, or is seen by one: nothing would be
    /// due until its time comes, and nobody would know.
    fn check_clock(&self, now: Timestamp) -> Result<()> {
        let Some(watermark) = self.cursor.watermark.filter(|at| earlier(*at, CLOCK_STEP) > now)
        else {
            return Ok(());
        };
        Err(Error::new(Code::StateCorrupt, "everything is delivered up to a time that is to come")
            .cause(format!("up to {watermark:.0}, and this machine's clock shows {now:.0}"))
            .fix("set the clock; if it is right now, it was wrong before: poll with a new state folder, with `--since` the time up to which events were complete"))
    }

    /// Reads a range piece by piece, in smaller pieces where the app cannot do more.
    async fn windows(&mut self, settings: &Settings, range: Range) -> Result<()> {
        let (mut at, mut span) = (range.start, settings.span());
        while at < range.end {
            let piece = settings.piece(range, at, span);
            self.cursor.window = Some((piece.start, piece.end));
            match self.settled(Some(piece)).await {
                Ok(()) => {
                    at = piece.end;
                    self.cursor.window = None;
                    // Whatever happens to the next piece, this one is delivered.
                    self.commit(Some(at), false)?;
                    // Back to the declared span, carefully.
                    span = match (span, settings.span()) {
                        (Some(narrow), Some(declared)) => Some(declared.min(narrow * 2)),
                        (_, declared) => declared,
                    };
                }
                Err(Refused::SplitWindow(error)) => {
                    let Some(half) = settings.half(piece) else {
                        return Err(error
                            .cause("the window is as short as the app's time resolution, and still too much")
                            .fix("ask for fewer fields, or raise the app's limits"));
                    };
                    self.warn(format!(
                        "the app cannot answer for {:.0} to {:.0} at once: reading it in halves",
                        piece.start, piece.end
                    ));
                    span = Some(half);
                }
                Err(other) => return Err(other.into_error()),
            }
        }
        Ok(())
    }

    /// Reads one piece until it is complete, again from its start (or, for records in order, from
    /// the last one delivered) where a failure may pass.
    async fn settled(&mut self, piece: Option<Range>) -> Result<(), Refused> {
        let mut attempt = 1;
        loop {
            let delivered = self.report.delivered;
            let from = self.resume(piece);
            let refused = match self.read(from).await {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            // What is in hand stays there. Some of it may be of windows that are complete, and what
            // is of this one is read again and known by its keys.
            let error = match refused {
                Refused::Failed(error) if !error.is_permanent() && worth_another(&error) => error,
                Refused::RestartWindow(error) => error,
                other => return Err(other),
            };
            if self.report.delivered > delivered {
                attempt = 1;
            }
            match self.session.plan.retry.decide(attempt, Outcome::Transient, None, random()) {
                Decision::GiveUp => return Err(Refused::Failed(error)),
                Decision::RetryAfter(wait) => {
                    attempt += 1;
                    self.tell(&Progress::Retrying { error, wait });
                    let session = self.session;
                    self.meanwhile(session.clock.sleep(wait)).await?;
                }
            }
        }
    }

    /// The part of a piece that is still to be read.
    fn resume(&self, piece: Option<Range>) -> Option<Range> {
        let (piece, settings) = (piece?, self.settings?);
        let trusted = settings.ascending && !self.promise_broken;
        let Some(watermark) = self.cursor.watermark.filter(|_| trusted) else {
            return Some(piece);
        };
        let overlap = settings.horizon(watermark);
        Some(Range { start: piece.start.max(overlap.min(piece.end)), end: piece.end })
    }

    /// Reads one piece: all pages, all records.
    async fn read(&mut self, piece: Option<Range>) -> Result<(), Refused> {
        self.newest = None;
        self.in_order = true;
        let own_times = piece.filter(|_| self.plan.listing.is_none());
        self.outbox.start_range(
            own_times.zip(self.settings).map(|(piece, settings)| settings.asked(piece)),
        );
        let plan = Arc::clone(self.plan);
        match &plan.listing {
            None => self.pages(&plan.records, piece, None).await,
            Some(listing) => self.list(&plan, listing, piece).await,
        }
    }

    /// All pages of a step that gives records.
    async fn pages(
        &mut self,
        step: &StepPlan,
        piece: Option<Range>,
        item: Option<(&str, &Value)>,
    ) -> Result<(), Refused> {
        let mut pager = Pager::new(step.pages.as_ref(), step.promise.as_ref());
        let outcome = loop {
            match self.page(step, &mut pager, piece, item, None).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(refused) => break Err(refused),
            }
        };
        self.release(&pager, piece, item).await?;
        outcome
    }

    /// Lists items, and reads the records of each that was not read before.
    async fn list(
        &mut self,
        plan: &Arc<StreamPlan>,
        listing: &Listing,
        piece: Option<Range>,
    ) -> Result<(), Refused> {
        let step = &listing.step;
        let mut pager = Pager::new(step.pages.as_ref(), step.promise.as_ref());
        let outcome = loop {
            match self.listed(plan, listing, &mut pager, piece).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(refused) => break Err(refused),
            }
        };
        self.release(&pager, piece, None).await?;
        outcome
    }

    /// Lists one page of items and reads their records. Returns whether there is another page.
    async fn listed(
        &mut self,
        plan: &Arc<StreamPlan>,
        listing: &Listing,
        pager: &mut Pager<'_>,
        piece: Option<Range>,
    ) -> Result<bool, Refused> {
        let mut items = Items::default();
        let more = self.page(&listing.step, pager, piece, None, Some(&mut items)).await?;
        for item in &items.list {
            self.item(plan, listing, item, piece).await?;
        }
        Ok(more)
    }

    /// Takes one record. What cannot be mapped is set aside, never lost.
    pub(super) fn record(&mut self, record: Record<'_>) {
        match self.outbox.take(record) {
            Ok(time) => {
                if self.plan.listing.is_none() {
                    self.arrived(time);
                }
            }
            Err(reason) => {
                self.report.rejected += 1;
                if self.report.rejected == 1 {
                    self.warn(format!(
                        "DATA_MAPPING: a record could not be mapped and was set aside in {}: {reason}",
                        self.plan.rejected_file
                    ));
                }
            }
        }
    }

    /// Notes the time of a record, or of an item that is read to its end.
    fn arrived(&mut self, time: Option<Timestamp>) {
        let ordered = time.is_some() && time >= self.newest;
        self.in_order &= ordered;
        let promised = self.settings.is_some_and(|settings| settings.ascending);
        if promised && !ordered && time.is_some() && !self.promise_broken {
            self.promise_broken = true;
            self.warn(
                "the app did not return the oldest first: remove `order` from the stream's window"
                    .to_owned(),
            );
        }
        self.newest = self.newest.max(time);
    }

    /// Reads the records of one listed item, unless that was done before.
    async fn item(
        &mut self,
        plan: &Arc<StreamPlan>,
        listing: &Listing,
        item: &Value,
        piece: Option<Range>,
    ) -> Result<(), Refused> {
        let key = item_key(listing, item)?;
        let time = match &plan.window {
            Some(window) => item_time(window, item)?,
            None => None,
        };
        if self.outbox.is_finished(&key)? {
            if plan.window.is_none() {
                self.outbox.finish_item(key, None);
            }
            return Ok(());
        }
        match self.pages(&plan.records, piece, Some((&listing.name, item))).await {
            Ok(()) => {}
            Err(Refused::Skip(error)) => {
                self.report.gaps += 1;
                self.outbox.leave_out(item, &error.what);
                self.warn(format!(
                    "{}: {}; the item is set aside in {}",
                    error.code, error.what, self.plan.rejected_file
                ));
            }
            Err(other) => return Err(other),
        }
        self.arrived(time);
        self.outbox.finish_item(key, time);
        self.commit_if_due()?;
        Ok(())
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

    pub(super) fn commit_if_due(&mut self) -> Result<()> {
        if self.outbox.is_due() { self.commit(None, false) } else { Ok(()) }
    }

    /// Makes everything in hand durable. The watermark follows to `reached`, or where it is certain
    /// that all earlier records are in hand; the cursor changes only when it is durable itself. With
    /// `complete`, the poll has seen everything that it was due to see.
    fn commit(&mut self, reached: Option<Timestamp>, complete: bool) -> Result<()> {
        let mut cursor = self.cursor.clone();
        let in_hand = self.settings.zip(self.newest).and_then(|(settings, newest)| {
            let (start, end) = cursor.window?;
            let certain = settings.ascending && self.in_order && start <= newest && newest < end;
            // Records with this very time may still come.
            certain.then(|| settings.floor(newest))
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
            // What a whole snapshot did not show again is gone at the source. Of listed items that
            // were read before the records are not shown again.
            let shown = self.plan.listing.is_none().then_some(self.started);
            return Forget {
                keys_before: remembered.or(shown).filter(|_| complete),
                finished_before: complete.then_some(self.started),
            };
        };
        let horizon = cursor.watermark.map(|watermark| {
            // Until a window is over, the app may show any record of it again, whatever order it
            // promised: a page that comes twice is older than the watermark.
            settings.horizon(cursor.window.map_or(watermark, |(start, _)| start.min(watermark)))
        });
        // Never less than the windows reach back: after a pause that is long ago.
        let keys_before = horizon.map(|horizon| remembered.map_or(horizon, |r| r.min(horizon)));
        Forget { keys_before, finished_before: horizon }
    }

    pub(super) fn scope<'a>(
        &self,
        piece: Option<Range>,
        facts: &'a BTreeMap<String, Value>,
    ) -> Scope<'a>
    where
        'p: 'a,
    {
        let window = piece.zip(self.settings).map(|(piece, settings)| settings.written(piece));
        Scope { facts: Some(facts), window, now: Some(self.started), ..self.session.scope() }
    }

    pub(super) fn tell(&self, progress: &Progress) {
        self.session.tell(&self.plan.name, progress);
    }

    pub(super) fn warn(&self, warning: String) {
        self.tell(&Progress::Warning(warning));
    }
}

/// Failures of a window that may pass when it is read again; those of a single request have been
/// tried again already.
fn worth_another(error: &Error) -> bool {
    matches!(
        error.code,
        Code::DataIncomplete
            | Code::DataParse
            | Code::DataCursorExpired
            | Code::PageLoop
            | Code::AppTimeout
            | Code::NetUnreachable
    )
}

/// The settings of a stream's window, its backfill written in `scope`.
pub(crate) fn settings(window: &Window, scope: &Scope<'_>) -> Result<Settings> {
    let text = render_all(&window.backfill, scope)?;
    let backfill = scalar::Duration::parse(&text).map_err(|error| {
        Error::new(Code::InputInvalid, "the backfill is not a duration").cause(error.message)
    })?;
    Ok(Settings::new(window, backfill.0))
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
