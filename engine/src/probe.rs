//! What a connection can see: one small read of each stream, nothing delivered.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::error::{Error, Result};
use crate::plan::StreamPlan;
use crate::poll::body::Body;
use crate::poll::build::Target;
use crate::poll::exchange::Attempts;
use crate::poll::item::Last;
use crate::poll::pages::{PageRead, Pager};
use crate::poll::session::{Refused, Session};
use crate::poll::stream::settings;
use crate::poll::window::{Range, earlier};
use crate::render::{Scope, render};

/// What one read of a stream showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The range that was asked for, for a stream that works by time.
    pub range: Option<(Timestamp, Timestamp)>,
    /// Records on the first page; listed items for a stream in two steps.
    pub records: u64,
    /// Whether there are more pages.
    pub more: bool,
}

/// Reads the first page of a stream's newest window.
///
/// # Errors
/// Why the stream cannot be read.
pub async fn probe(session: &Session, stream: &StreamPlan) -> Result<Seen> {
    let placed =
        |error: Error| error.in_stream(&stream.name).in_connection(&session.plan().connection.name);
    read(session, stream).await.map_err(placed)
}

async fn read(session: &Session, stream: &StreamPlan) -> Result<Seen> {
    let step = &stream.steps[0];
    let facts = session.facts(&stream.name, &stream.facts).await?;
    let zone = stream.zone.as_ref();
    let mut scope = Scope { facts: Some(&facts), zone, ..session.scope() };
    let mut range = None;
    if let Some(window) = &stream.window {
        let settings = settings(window, &scope)?;
        // A day is short enough to be cheap and long enough to show something.
        let back = settings.span().unwrap_or(Duration::from_secs(86_400)).min(settings.backfill());
        let end = settings.floor(session.now());
        let start = settings.floor(earlier(end, back));
        scope.window = Some(settings.written(Range { start, end }));
        range = Some((start, end));
    }
    let first = match stream.cursor.as_ref().and_then(|cursor| cursor.first.as_ref()) {
        Some(first) => render(&first.value.0, &scope)?.map(|value| json!({ "value": value })),
        None => None,
    };
    let named: Vec<_> = first
        .iter()
        .map(|place| ("cursor", place))
        .chain(stream.partitions.first().map(|partition| ("partition", partition)))
        .collect();
    scope.named = &named;
    let mut pager = Pager::new(step.pages.as_ref(), step.promise.as_ref());
    let page = pager.scope.clone();
    scope.page = Some(&page);
    let target = Target::Declared(&step.request);
    let mut attempts = Attempts::default();
    let fetched = session.fetch(&stream.name, &target, &scope, &mut attempts);
    let mut answer = fetched.await.map_err(Refused::into_error)?;
    let response = &mut answer.response;
    let place = response.place().to_owned();
    let failed = |error: Error| error.in_request(&*place);
    let mut body = Body::new(response, &step.decode, step.records.as_ref(), step.unpack.as_ref())
        .map_err(failed)?;
    let mut last = Last::new(pager.wants_last());
    while let Some(chunk) = response.chunk().await? {
        body.feed(&chunk, |record| last.take(&record)).map_err(failed)?;
    }
    let read = body.finish(|record| last.take(&record)).map_err(failed)?;
    let settled =
        session.settle(&stream.name, (&target, &scope), &mut answer, &read.envelope, &mut attempts);
    settled.await.map_err(Refused::into_error)?;
    if let Some(error) = read.misses {
        return Err(failed(error));
    }
    let last = last.document().map_err(failed)?;
    let page = PageRead {
        url: &answer.response.url,
        headers: &answer.response.headers,
        envelope: &read.envelope,
        records: read.records,
        fingerprint: 0,
        last: last.as_ref(),
    };
    Ok(Seen { range, records: read.records, more: pager.advance(&page).map_err(failed)? })
}
