//! One page of a stream: asked for, decoded, judged, and the way to the next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::map::Record;
use crate::plan::StepPlan;
use crate::poll::body::Body;
use crate::poll::build::Target;
use crate::poll::exchange::Attempts;
use crate::poll::item::{Items, Last};
use crate::poll::outbox::raw;
use crate::poll::pages::{PageRead, Pager};
use crate::poll::progress::Progress;
use crate::poll::session::Refused;
use crate::poll::stream::Poll;
use crate::poll::window::Range;
use crate::render::Scope;

/// Bytes of a response that are decoded between two looks at what is in hand.
const CHUNK_BYTES: usize = 16 << 10;

impl Poll<'_> {
    /// Reads one page. Its records go to `items` if they are given, otherwise into the batch.
    /// Returns whether there is another page.
    pub(super) async fn page(
        &mut self,
        step: &StepPlan,
        pager: &mut Pager<'_>,
        piece: Option<Range>,
        item: Option<(&str, &Value)>,
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
                Scope { page: Some(&page), named: item.as_slice(), ..self.scope(piece, &facts) };
            if let Some(items) = &mut items {
                **items = Items::default();
            }
            let taken = items.as_deref_mut();
            let refused =
                match self.attempt(step, pager, (&target, &scope), taken, &mut attempts).await {
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
        (target, scope): (&Target<'_>, &Scope<'_>),
        mut items: Option<&mut Items>,
        attempts: &mut Attempts,
    ) -> Result<Option<bool>, Refused> {
        let (session, plan) = (self.session, self.plan);
        self.report.requests += 1;
        let mut answer =
            self.meanwhile(session.fetch(&plan.name, target, scope, attempts)).await??;
        let place = answer.response.place().to_owned();
        let failed = |error: Error| Refused::Failed(error.in_request(&*place));
        let records = step.records.as_ref();
        let mut body = Body::new(&answer.response, &step.decode, records, step.unpack.as_ref())
            .map_err(failed)?;
        let mut hasher = pager.compares_pages().then(DefaultHasher::new);
        let mut last = Last::new(pager.wants_last());
        self.outbox.start_response(session.now());
        loop {
            let chunk = match self.meanwhile(answer.response.chunk()).await? {
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
            }
        }
        let listed = items.is_some();
        let read = body.finish(self.taking(items, &mut hasher, &mut last)).map_err(failed)?;
        let settled =
            session.settle(&plan.name, (target, scope), &mut answer, &read.envelope, attempts);
        if self.meanwhile(settled).await?? {
            return Ok(None);
        }
        if let Some(error) = read.misses {
            return Err(failed(error));
        }
        let last = last.document().map_err(failed)?;
        if !listed {
            self.report.records += read.records;
            self.tell(&Progress::Records(read.records));
        }
        let page = PageRead {
            url: &answer.response.url,
            headers: &answer.response.headers,
            envelope: &read.envelope,
            records: read.records,
            fingerprint: hasher.map_or(0, |hasher| hasher.finish()),
            last: last.as_ref(),
        };
        let more = pager.advance(&page).map_err(failed)?;
        self.commit_if_due()?;
        Ok(Some(more))
    }

    /// Frees what the pages left open at the app, if they did. What is not freed the app closes by
    /// itself some time.
    pub(super) async fn release(
        &mut self,
        pager: &Pager<'_>,
        piece: Option<Range>,
        item: Option<(&str, &Value)>,
    ) -> Result<()> {
        let Some(request) = pager.release() else { return Ok(()) };
        let facts = Arc::clone(&self.facts);
        let scope =
            Scope { page: Some(&pager.scope), named: item.as_slice(), ..self.scope(piece, &facts) };
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
                raw(&record).hash(hasher);
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
}
