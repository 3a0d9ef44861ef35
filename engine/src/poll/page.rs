//! One page of a stream: asked for, decoded, judged, and the way to the next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::map::Record;
use crate::plan::StepPlan;
use crate::poll::ahead::Arriving;
use crate::poll::body::Body;
use crate::poll::build::Target;
use crate::poll::exchange::Attempts;
use crate::poll::item::{Items, Last, time_of};
use crate::poll::outbox::raw;
use crate::poll::pages::{PageRead, Pager};
use crate::poll::progress::Progress;
use crate::poll::session::Refused;
use crate::poll::steps::Call;
use crate::poll::stream::Poll;
use crate::render::Scope;

/// Bytes of a response that are decoded between two looks at what is in hand.
const CHUNK_BYTES: usize = 16 << 10;

/// What a reading has shown so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The newest time of the window in hand, as long as times only grew.
    pub(super) newest: Option<Timestamp>,
    /// Whether times only grew.
    pub(super) in_order: bool,
    /// Pages that came.
    pub(super) pages: u64,
    /// Records that came, or items of the first step.
    pub(super) records: u64,
    /// The page in hand.
    pub(super) page: PageTimes,
}

/// What is known of the times on a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PageTimes {
    /// How many records or items it has.
    pub(super) records: u64,
    newest: Option<Timestamp>,
    has_unknown: bool,
}

impl Seen {
    /// Before the first page.
    pub(super) fn start_reading(&mut self) {
        *self = Self { in_order: true, ..Self::default() };
    }
}

impl PageTimes {
    fn note(&mut self, time: Option<Timestamp>) {
        self.newest = self.newest.max(time);
        self.has_unknown |= time.is_none();
    }

    /// Whether everything on the page is certainly older.
    pub(super) fn is_before(&self, time: Timestamp) -> bool {
        !self.has_unknown && self.newest.is_some_and(|newest| newest < time)
    }
}

impl Poll<'_> {
    /// Reads one page. Its records go to `items` if they are given, otherwise into the batch.
    /// Returns whether there is another page.
    pub(super) async fn page(
        &mut self,
        step: &StepPlan,
        pager: &mut Pager<'_>,
        call: &Call<'_>,
        mut items: Option<&mut Items>,
    ) -> Result<bool, Refused> {
        let next = pager.next_url.take();
        let facts = Arc::clone(&self.facts);
        let mut attempts = Attempts::default();
        loop {
            let target = match &next {
                Some(url) => Target::Link(url, &step.request),
                None => Target::Declared(pager.request().unwrap_or(&step.request)),
            };
            let page = pager.scope.clone();
            let scope =
                Scope { page: Some(&page), named: call.named, ..self.scope(call.range, &facts) };
            if let Some(items) = &mut items {
                **items = Items::default();
            }
            let taken = items.as_deref_mut();
            let refused = match self
                .attempt(step, pager, call, (&target, &scope), taken, &mut attempts)
                .await
            {
                Ok(None) => continue,
                Ok(Some(more)) => return Ok(more),
                Err(refused) => refused,
            };
            match refused {
                Refused::SkipPage(error) => {
                    if !pager.skip() {
                        return Err(Refused::Failed(error));
                    }
                    self.report.gaps += 1;
                    self.warn(format!("{}: {}; a page is left out", error.code, error.what));
                    return Ok(true);
                }
                Refused::ShrinkPage(error) => {
                    if !pager.shrink() {
                        return Err(Refused::Failed(
                            error.fix("the page cannot be made smaller: lower `size` in the manifest's `pages`, or ask for fewer fields"),
                        ));
                    }
                    let size = pager.scope.size.unwrap_or_default();
                    self.warn(format!("{}: {}; asking for {size} at once", error.code, error.what));
                    attempts = Attempts::default();
                }
                Refused::Ignore(error) => {
                    self.warn(format!("{}: {}; taken for nothing to read", error.code, error.what));
                    return Ok(false);
                }
                other => return Err(other),
            }
        }
    }

    /// Asks for a page once. `None` if it is to be asked for again, otherwise whether there is
    /// another one.
    async fn attempt(
        &mut self,
        step: &StepPlan,
        pager: &mut Pager<'_>,
        call: &Call<'_>,
        (target, scope): (&Target<'_>, &Scope<'_>),
        mut items: Option<&mut Items>,
        attempts: &mut Attempts,
    ) -> Result<Option<bool>, Refused> {
        let (session, plan) = (self.session, self.plan);
        self.room().await?;
        let mut arriving = if let Some(ahead) = self.take_ahead(call, pager) {
            *attempts = ahead.attempts;
            ahead.outcome?
        } else {
            self.report.requests += 1;
            let fetched = session.fetch(&plan.name, target, scope, attempts);
            Arriving::new(self.meanwhile(fetched).await??)
        };
        let place = arriving.answer.response.place().to_owned();
        let failed = |error: Error| Refused::Failed(error.in_request(&*place));
        let records = step.records.as_ref();
        let mut body =
            Body::new(&arriving.answer.response, &step.decode, records, step.unpack.as_ref())
                .map_err(failed)?;
        let mut hasher = pager.compares_pages().then(DefaultHasher::new);
        let mut last = Last::new(pager.wants_last());
        self.outbox.start_response(session.now());
        self.seen.page = PageTimes::default();
        loop {
            let chunk = match self.meanwhile(arriving.chunk()).await? {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    let again = session.broke_off(&plan.name, target, scope, error, attempts);
                    self.meanwhile(again).await??;
                    return Ok(None);
                }
            };
            // A little at a time: a compressed chunk may unpack to a thousand times its size.
            for part in chunk.chunks(CHUNK_BYTES) {
                let items = items.as_deref_mut();
                body.feed(part, self.taking(items, &mut hasher, &mut last)).map_err(failed)?;
                self.commit_if_due()?;
                self.room().await?;
            }
        }
        let read = body
            .finish(self.taking(items.as_deref_mut(), &mut hasher, &mut last))
            .map_err(failed)?;
        let answer = &mut arriving.answer;
        let settled = session.settle(&plan.name, (target, scope), answer, &read.envelope, attempts);
        if self.meanwhile(settled).await?? {
            return Ok(None);
        }
        if let Some(error) = read.misses {
            return Err(failed(error));
        }
        let last = last.document().map_err(failed)?;
        self.note_page(call, read.records, items.as_deref());
        let page = PageRead {
            url: &answer.response.url,
            headers: &answer.response.headers,
            envelope: &read.envelope,
            records: read.records,
            fingerprint: hasher.map_or(0, |hasher| hasher.finish()),
            last: last.as_ref(),
        };
        let more = pager.advance(&page).map_err(failed)?;
        self.envelope = Some(read.envelope);
        self.commit_if_due()?;
        Ok(Some(more))
    }

    /// Notes what came on a page.
    fn note_page(&mut self, call: &Call<'_>, records: u64, items: Option<&Items>) {
        let plan = self.plan;
        self.seen.page.records = records;
        self.seen.pages += 1;
        if call.index == 0 {
            self.seen.records += records;
        }
        if let (Some(window), Some(items)) = (&plan.window, items)
            && call.index == plan.windowed()
        {
            for item in &items.list {
                self.seen.page.note(time_of(window, plan.zone.as_ref(), item));
            }
        }
        if call.index + 1 == plan.steps.len() {
            self.report.records += records;
            self.tell(&Progress::Records(records));
        }
    }

    /// Frees what the pages left open at the app, if they did. What is not freed the app closes by
    /// itself some time.
    pub(super) async fn release(&mut self, pager: &Pager<'_>, call: &Call<'_>) -> Result<()> {
        let Some(request) = pager.release() else { return Ok(()) };
        let facts = Arc::clone(&self.facts);
        let scope =
            Scope { page: Some(&pager.scope), named: call.named, ..self.scope(call.range, &facts) };
        let (session, plan) = (self.session, self.plan);
        let (target, mut attempts) = (Target::Declared(request), Attempts::default());
        self.report.requests += 1;
        let freed = session.fetch(&plan.name, &target, &scope, &mut attempts);
        if let Err(refused) = self.meanwhile(freed).await? {
            let error = refused.into_error();
            self.warn(format!("{}: {}; the app keeps a scroll open", error.code, error.what));
        }
        Ok(())
    }

    /// What to do with each record of a page, which is hashed where pages are compared, and kept
    /// where the next page starts behind it.
    fn taking<'r>(
        &'r mut self,
        mut items: Option<&'r mut Items>,
        hasher: &'r mut Option<DefaultHasher>,
        last: &'r mut Last,
    ) -> impl FnMut(Record<'_>) -> Result<()> + 'r {
        move |record| {
            if let Some(hasher) = hasher {
                // What is packed may be packed anew for every answer.
                match record {
                    Record::Opened { json, .. } => json.hash(hasher),
                    record => raw(&record).hash(hasher),
                }
            }
            last.take(&record)?;
            if let Some(items) = &mut items {
                items.push(&record)?;
            } else {
                self.record(record);
            }
            Ok(())
        }
    }

    /// Takes one record. What cannot be mapped is set aside, never lost.
    pub(super) fn record(&mut self, record: Record<'_>) {
        self.note_place(&record);
        let taken = match &self.plan.changes {
            Some(changes) => self.changed(changes, record).map(|()| None),
            None => self.outbox.take(record),
        };
        match taken {
            Ok(time) => {
                self.seen.page.note(time);
                if self.plan.is_in_time() && self.plan.timed.is_none() {
                    self.arrived(time);
                }
            }
            Err(reason) => {
                self.seen.page.note(None);
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
    pub(super) fn arrived(&mut self, time: Option<Timestamp>) {
        if !self.plan.is_in_time() {
            // Times of several items run side by side: they say nothing of what is still to come.
            self.seen.in_order = false;
            return;
        }
        // Which of two comes first is not told by local times that occur twice.
        let time = match &self.settings {
            Some(settings) => time.map(|time| settings.earliest(time)),
            None => time,
        };
        let ordered = time.is_some() && time >= self.seen.newest;
        self.seen.in_order &= ordered;
        let promised = self.settings.as_ref().is_some_and(|settings| settings.ascending);
        if promised && !ordered && time.is_some() && !self.promise_broken {
            self.promise_broken = true;
            self.warn(
                "the app did not return the oldest first: remove `order` from the stream's window"
                    .to_owned(),
            );
        }
        self.seen.newest = self.seen.newest.max(time);
    }
}
