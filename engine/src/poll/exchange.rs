//! One request until there is an answer to read, or a verdict: paced, within the quotas, again
//! where that helps.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use longshore_schema::http::Reaction;
use longshore_schema::stream::Priority;
use serde_json::Value;
use url::Url;

use crate::auth::Tokens;
use crate::error::{Code, Error, Result, Retry};
use crate::http::Response;
use crate::http::retry::{Decision, Outcome, random};
use crate::pace::Passage;
use crate::poll::body::whole;
use crate::poll::build::{Target, build, has_moved};
use crate::poll::progress::Progress;
use crate::poll::session::{Refused, Session};
use crate::poll::verdict::{Head, MAX_ERROR_BODY, Verdict, about_success, judge, silent};
use crate::quota::{Permit, Reason, Spending};
use crate::render::Scope;

/// A pause for a quota after which tokens are looked at again: shorter than sessions last, and long
/// enough that an app which refuses every session is not asked for another one in a hurry.
const LONG_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// How often in a row a request may be refused for want of quota before that is an error.
const MAX_QUOTA_REFUSALS: u32 = 5;
/// The shortest wait after a quota was refused and the app did not say for how long; it doubles.
const SHORTEST_QUOTA_WAIT: Duration = Duration::from_secs(15);
/// The longest such wait.
const LONGEST_QUOTA_WAIT: Duration = Duration::from_secs(240);

/// What was tried for one request so far.
#[derive(Debug)]
pub struct Attempts {
    attempt: u32,
    refreshed: bool,
    quota_refusals: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { attempt: 1, refreshed: false, quota_refusals: 0 }
    }
}

/// A successful response whose body is still to be read. While it is held its request counts as
/// under way.
pub struct Answer<'s> {
    /// The response.
    pub response: Response,
    tokens: Option<Arc<Tokens>>,
    permits: Vec<Permit>,
    passage: Option<Passage<'s>>,
}

/// What is known of a request when its answer has been judged.
struct Asked<'a> {
    stream: &'a str,
    target: &'a Target<'a>,
    scope: &'a Scope<'a>,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    url: Option<Url>,
    tokens: Option<Arc<Tokens>>,
}

impl Session {
    /// Sends a request until there is a successful response or a verdict.
    ///
    /// # Errors
    /// The verdict.
    pub async fn fetch(
        &self,
        stream: &str,
        target: &Target<'_>,
        scope: &Scope<'_>,
        attempts: &mut Attempts,
    ) -> Result<Answer<'_>, Refused> {
        loop {
            let mut tokens = self.tokens().await?;
            let asked = self.clock.now();
            let permits = self.permits(stream, target).await?;
            // What has to be known of the host is in the request, and that is made with the tokens.
            let mut request = build(&self.plan, target, scope, tokens.as_deref())?;
            let passage = self.passage(stream, &request.url).await?;
            if self.clock.now().duration_since(asked) > LONG_PAUSE {
                // A session may have ended meanwhile, even one that was new.
                tokens = self.tokens().await?;
                attempts.refreshed = false;
                request = build(&self.plan, target, scope, tokens.as_deref())?;
            }
            self.tell(stream, &Progress::Request);
            let url = Some(request.url.clone());
            let sent = self.client().send(request).await;
            let granted = sent.as_ref().is_ok_and(|response| response.status.is_success());
            let mut unsettled = Vec::new();
            let header = |name: &str| sent.as_ref().ok()?.headers.get(name)?.to_str().ok();
            for permit in permits {
                if granted && permit.reads_body() {
                    unsettled.push(permit);
                    continue;
                }
                // An answer that refuses the request may say less than one that grants it.
                if let Some(warning) = permit.complete(header).filter(|_| granted) {
                    self.tell(stream, &Progress::Warning(warning.to_string()));
                }
            }
            let now = self.clock.now();
            let mut about = Asked { stream, target, scope, status: None, url, tokens };
            let verdict = match sent {
                Ok(response) if granted => {
                    let tokens = about.tokens;
                    let passage = Some(passage);
                    return Ok(Answer { response, tokens, permits: unsettled, passage });
                }
                Ok(mut response) => {
                    // The status says enough if the body cannot be read.
                    let body = whole(&mut response, MAX_ERROR_BODY).await.unwrap_or_default();
                    let document: Option<Value> = serde_json::from_slice(&body).ok();
                    about.status = Some(response.status.as_u16());
                    let mut verdict =
                        judge(&self.plan, Head::of(&response), document.as_ref(), now);
                    verdict.error = verdict.error.in_request(response.place());
                    verdict
                }
                Err(failure) => {
                    let blocked = failure.error.code == Code::NetHostBlocked && !failure.sent;
                    // The tokens name a host that must not be called. New ones may name another:
                    // the app may have moved the tenant, or the first answer was wrong.
                    if let (true, false, Some(authenticator), Some(tokens), Target::Declared(_)) =
                        (blocked, attempts.refreshed, self.authenticator(), &about.tokens, target)
                        && authenticator.refresh(tokens.generation).await.is_ok()
                    {
                        attempts.refreshed = true;
                        continue;
                    }
                    silent(&self.plan.rules, failure.error)
                }
            };
            // Before the next request passes: it may be for the same address.
            self.note_pause(&about, &verdict).await?;
            drop(passage);
            self.react(&about, verdict, attempts).await?;
        }
    }

    /// Judges a successful answer by what its document says, apart from its records, and does what
    /// is to be done. `true` if the request is to be sent again.
    ///
    /// # Errors
    /// The verdict, if the answer is no success after all.
    pub async fn settle(
        &self,
        stream: &str,
        (target, scope): (&Target<'_>, &Scope<'_>),
        answer: &mut Answer<'_>,
        document: &Value,
        attempts: &mut Attempts,
    ) -> Result<bool, Refused> {
        for permit in std::mem::take(&mut answer.permits) {
            if let Some(warning) = permit.settle(document) {
                self.tell(stream, &Progress::Warning(warning.to_string()));
            }
        }
        let passage = answer.passage.take();
        let response = &answer.response;
        let (head, now) = (Head::of(response), self.clock.now());
        let Some(verdict) = about_success(&self.plan, target.declared(), head, document, now)
        else {
            return Ok(false);
        };
        let verdict = Verdict { error: verdict.error.in_request(response.place()), ..verdict };
        let url = Some(response.url.clone());
        let status = Some(response.status.as_u16());
        let tokens = answer.tokens.clone();
        let about = Asked { stream, target, scope, status, url, tokens };
        self.note_pause(&about, &verdict).await?;
        drop(passage);
        self.react(&about, verdict, attempts).await?;
        Ok(true)
    }

    /// Does what is to be done about an answer that broke off: sent again, or refused.
    ///
    /// # Errors
    /// The verdict.
    pub async fn broke_off(
        &self,
        stream: &str,
        target: &Target<'_>,
        scope: &Scope<'_>,
        error: Error,
        attempts: &mut Attempts,
    ) -> Result<(), Refused> {
        let about = Asked { stream, target, scope, status: None, url: None, tokens: None };
        // Without a rule of its own the window is read again, from where it is certain.
        let verdict = silent(&self.plan.rules, error);
        if !verdict.is_ruled {
            return Err(Refused::Failed(verdict.error));
        }
        self.react(&about, verdict, attempts).await
    }

    /// Asks for a small JSON document, and gives it whole; null where an error rule says that there
    /// is nothing to read.
    ///
    /// # Errors
    /// The verdict, or why the answer is no document.
    pub(super) async fn document(
        &self,
        stream: &str,
        target: &Target<'_>,
        scope: &Scope<'_>,
        limit: u64,
    ) -> Result<Value, Refused> {
        let mut attempts = Attempts::default();
        loop {
            let mut answer = match self.fetch(stream, target, scope, &mut attempts).await {
                Ok(answer) => answer,
                Err(Refused::Ignore(_)) => return Ok(Value::Null),
                Err(other) => return Err(other),
            };
            let place = answer.response.place().to_owned();
            let bytes = whole(&mut answer.response, limit).await?;
            let document: Value = serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(Code::DataParse, "the response is not JSON")
                    .cause(format!("at line {}, column {}", error.line(), error.column()))
                    .in_request(place)
            })?;
            let asked = (target, scope);
            if !self.settle(stream, asked, &mut answer, &document, &mut attempts).await? {
                return Ok(document);
            }
        }
    }

    /// Reserves the request at each of the quotas that count it.
    async fn permits(&self, stream: &str, target: &Target<'_>) -> Result<Vec<Permit>> {
        let mut permits = Vec::with_capacity(self.quotas().len());
        for (quota, urgency) in self.quotas().iter().zip(&self.urgencies) {
            if !quota.is_for(stream) {
                continue;
            }
            let paused = |pause: &crate::quota::Paused| {
                // The first call of all is on its way: a moment, and nothing to tell.
                if pause.reason == Reason::AwaitingFirstReport {
                    return;
                }
                let until = pause.until;
                self.tell(stream, &Progress::Paused { until, reason: pause.to_string() });
            };
            let cost = target.declared().cost.get(quota.name()).map_or(1, |cost| cost.value);
            let held_back = held_back(*urgency, self.priority(stream));
            permits.push(quota.acquired(Spending { cost, held_back }, paused).await?);
        }
        Ok(permits)
    }

    /// Waits until a request may be sent to an address: neither did the app ask to leave it alone,
    /// nor are there too many requests at once.
    async fn passage(&self, stream: &str, url: &Url) -> Result<Passage<'_>> {
        let host = url.host_str().unwrap_or_default();
        loop {
            self.left_alone(stream, url).await?;
            let passage = self.pace.enter(host, self.priority(stream)).await;
            // An answer that came meanwhile may ask to wait.
            if !self.pauses.is_paused(url) {
                return Ok(passage);
            }
        }
    }

    /// Waits until the app may be asked for an address again.
    async fn left_alone(&self, stream: &str, url: &Url) -> Result<()> {
        let paused = |until| {
            let reason = format!("{} asked us to wait", self.plan.app);
            self.tell(stream, &Progress::Paused { until, reason });
        };
        self.pauses.passed(url, paused).await.map_err(|until| {
            let host = url.host_str().unwrap_or_default();
            Error::new(Code::RateLimited, format!("{} asked us to wait", self.plan.app))
                .cause(format!("an earlier answer of {host} named the time"))
                .fix("nothing to do; nothing is lost")
                .retry(Retry::Later(Some(until)))
        })
    }

    /// Notes for all streams that the app asked to leave an address alone.
    async fn note_pause(&self, asked: &Asked<'_>, verdict: &Verdict) -> Result<()> {
        match self.until(verdict.wait).zip(asked.url.as_ref()) {
            Some((until, url)) => self.pauses.note(url, until).await,
            None => Ok(()),
        }
    }

    /// When a wait is over that starts now.
    fn until(&self, wait: Option<Duration>) -> Option<Timestamp> {
        self.clock.now().checked_add(SignedDuration::try_from(wait?).ok()?).ok()
    }

    /// Does what an error rule, or HTTP, says about an answer. `Ok` if the request is to be sent
    /// again.
    async fn react(
        &self,
        asked: &Asked<'_>,
        verdict: Verdict,
        attempts: &mut Attempts,
    ) -> Result<(), Refused> {
        let Verdict { error, reaction, mut wait, outcome, .. } = verdict;
        let mut outcome = outcome;
        match reaction {
            Reaction::Stop => return Err(Refused::Failed(error)),
            Reaction::Skip => return Err(Refused::Skip(error)),
            Reaction::SkipPage => return Err(Refused::SkipPage(error)),
            Reaction::ShrinkPage => return Err(Refused::ShrinkPage(error)),
            Reaction::Ignore => return Err(Refused::Ignore(error)),
            Reaction::SplitWindow => return Err(Refused::SplitWindow(error)),
            Reaction::RestartWindow => return Err(Refused::RestartWindow(error)),
            Reaction::Refresh => {
                let (Some(authenticator), Some(tokens), false) =
                    (self.authenticator(), &asked.tokens, attempts.refreshed)
                else {
                    return Err(Refused::Failed(error));
                };
                let renewed = authenticator.refresh(tokens.generation).await?;
                if let Target::Link(..) = asked.target
                    && has_moved(&self.plan, asked.scope, tokens, &renewed)?
                {
                    return Err(Refused::RestartWindow(moved(&self.plan.app)));
                }
                attempts.refreshed = true;
                return Ok(());
            }
            Reaction::WaitForQuota => {
                attempts.quota_refusals += 1;
                if attempts.quota_refusals > MAX_QUOTA_REFUSALS {
                    return Err(Refused::Failed(error));
                }
                outcome = Outcome::Throttled;
                // A quota does not fill within a second.
                let doubled = SHORTEST_QUOTA_WAIT * (1 << (attempts.quota_refusals - 1).min(8));
                wait = wait.or(Some(doubled.min(LONGEST_QUOTA_WAIT)));
            }
            Reaction::Wait => outcome = Outcome::Throttled,
            Reaction::Retry if asked.status == Some(429) => outcome = Outcome::Throttled,
            Reaction::Retry => {}
        }
        let until = self.until(wait);
        let host = asked.url.as_ref().and_then(Url::host_str);
        if let (Outcome::Throttled, Some(host)) = (outcome, host) {
            self.pace.slow_down(host, until);
        }
        match self.plan.retry.decide(attempts.attempt, outcome, wait, random()) {
            Decision::GiveUp => Err(Refused::Failed(match until {
                Some(at) => error.retry(Retry::Later(Some(at))),
                None => error,
            })),
            Decision::RetryAfter(wait) => {
                attempts.attempt += 1;
                self.tell(asked.stream, &Progress::Retrying { error, wait });
                self.clock.sleep(wait).await;
                Ok(())
            }
        }
    }
}

/// The part of a quota that is left to more urgent streams, in basis points: a tenth for each step
/// below the most urgent that counts on the same quota.
fn held_back(most_urgent: Priority, own: Priority) -> u32 {
    let step = |priority| match priority {
        Priority::High => 0,
        Priority::Normal => 1000,
        Priority::Low => 2000_u32,
    };
    step(own).saturating_sub(step(most_urgent))
}

fn moved(app: &str) -> Error {
    Error::new(Code::AppInstanceMoved, format!("{app} moved the tenant while pages were read"))
        .cause("new tokens name another host than the one before")
        .fix("nothing to do: the window is read again from there")
}

impl Answer<'_> {
    /// Its body is read, so that its request does not count as under way any more.
    pub(super) fn has_arrived(&mut self) {
        self.passage = None;
    }
}

impl std::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("response", &self.response).finish_non_exhaustive()
    }
}
