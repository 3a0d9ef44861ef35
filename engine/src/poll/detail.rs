//! Requests beside those for records: details of a record, jobs that take their time, and what is
//! cleared away behind them.

use std::time::Duration;

use jiff::SignedDuration;
use longshore_schema::stream::{Request, Wait};
use longshore_schema::{JsonPath, Literal, OneOrMany};
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::plan::StepPlan;
use crate::poll::build::Target;
use crate::poll::exchange::Attempts;
use crate::poll::item::Items;
use crate::poll::pages::Pager;
use crate::poll::session::Refused;
use crate::poll::steps::{Call, text};
use crate::poll::stream::Poll;
use crate::render::Scope;

/// The longest answer with a detail of a record.
const MAX_DETAIL: u64 = 16 << 20;

impl Poll<'_> {
    /// A record with its details as members; `None` if it is left out for want of one.
    pub(super) async fn joined(
        &mut self,
        record: &Value,
        call: &Call<'_>,
    ) -> Result<Option<Value>, Refused> {
        let plan = self.plan;
        let mut whole = record.clone();
        for join in &plan.joins {
            let mut named = call.named.to_vec();
            named.push(("record", record));
            let detail = match self.ask(&join.request, &Call { named: &named, ..*call }).await {
                Ok(document) => match &join.select {
                    Some(path) => path.first(&document).filter(|found| !found.is_null()).cloned(),
                    None => Some(document),
                },
                Err(Refused::Skip(error)) => {
                    self.report.gaps += 1;
                    self.warn(format!(
                        "{}: {}; `{}` is missing",
                        error.code, error.what, join.name
                    ));
                    None
                }
                Err(other) => return Err(other),
            };
            match (detail, &mut whole) {
                (Some(detail), Value::Object(members)) => {
                    members.insert(join.name.clone(), detail);
                }
                (None, _) if join.is_needed => {
                    self.report.rejected += 1;
                    self.cursor.snapshot_has_gaps |= self.snapshot.is_some();
                    let reason = format!("the app does not have its `{}`", join.name);
                    // Not the record's fault: mapped later it would still lack that.
                    self.outbox.leave_out(record, &reason);
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(Some(whole))
    }

    /// Requests a small JSON document.
    async fn ask(&mut self, request: &Request, call: &Call<'_>) -> Result<Value, Refused> {
        let facts = std::sync::Arc::clone(&self.facts);
        let scope = Scope { named: call.named, ..self.scope(call.range, &facts) };
        self.report.requests += 1;
        let (session, plan) = (self.session, self.plan);
        let target = Target::Declared(request);
        self.meanwhile(session.document(&plan.name, &target, &scope, MAX_DETAIL)).await?
    }

    /// Asks a step again until it is done. Returns whether there is another page.
    pub(super) async fn waited<'s>(
        &mut self,
        wait: &Wait,
        step: &'s StepPlan,
        call: &Call<'_>,
        pager: &mut Pager<'s>,
        items: &mut Items,
    ) -> Result<bool, Refused> {
        let began = self.session.clock.now();
        let every = wait.every.0.max(Duration::from_millis(1));
        loop {
            *pager = Pager::new(step.pages.as_ref(), step.promise.as_ref());
            let mut answered = Items::default();
            let more = self.page(step, pager, call, Some(&mut answered)).await?;
            *items = answered;
            let answer = self.envelope.take().unwrap_or_default();
            if let Some((path, value)) = wait.failed.iter().find_map(|one| holds(one, &answer)) {
                return Err(Error::new(
                    Code::AppError,
                    "the app could not do what was asked of it",
                )
                .cause(format!("`{path}` is {value} in the answer to the step `{}`", step.name))
                .fix("asked again with the next poll; if it stays, ask the app's support")
                .into());
            }
            if wait.until.iter().all(|one| holds(one, &answer).is_some()) {
                return Ok(more);
            }
            let next = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
            let so_far = self.session.clock.now().duration_since(began);
            let most = SignedDuration::try_from(wait.timeout.0).unwrap_or(SignedDuration::MAX);
            if so_far.saturating_add(next) > most {
                return Err(Error::new(Code::AppTimeout, "the app is not done in time")
                    .cause(format!("the step `{}` waits for {}", step.name, wait.timeout.value))
                    .fix(
                        "asked again; if it stays, raise the step's `wait.timeout` in the manifest",
                    )
                    .into());
            }
            let session = self.session;
            self.meanwhile(session.clock.sleep(every)).await?;
        }
    }

    /// Clears away what a step made. That it could not is no reason to read its items again.
    pub(super) async fn clean_up(
        &mut self,
        request: &Request,
        call: &Call<'_>,
        attempts: &mut Attempts,
    ) {
        let facts = std::sync::Arc::clone(&self.facts);
        let scope = Scope { named: call.named, ..self.scope(call.range, &facts) };
        self.report.requests += 1;
        let (session, plan) = (self.session, self.plan);
        let target = Target::Declared(request);
        let Err(refused) = session.fetch(&plan.name, &target, &scope, attempts).await.map(drop)
        else {
            *attempts = Attempts::default();
            return;
        };
        let error = refused.into_error();
        self.warn(format!("{}: what was made is not cleared away: {}", error.code, error.what));
    }
}

/// The path and the value, if the answer has one of the values there.
fn holds<'w>(
    (path, values): &'w (longshore_schema::Spanned<JsonPath>, OneOrMany<Literal>),
    answer: &Value,
) -> Option<(&'w JsonPath, String)> {
    let found = text(path.first(answer)?);
    values.0.iter().any(|value| value.to_string() == found).then_some((&path.value, found))
}
