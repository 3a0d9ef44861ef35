//! Sends requests for a connection: with its credentials, within its quotas, again where that
//! helps, and with the manifest's word on what an answer means.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use longshore_schema::Literal;
use longshore_schema::http::Reaction;
use longshore_schema::stream::Request;
use serde_json::Value;

use crate::auth::{Authenticator, Tokens};
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::http::header::RETRY_AFTER;
use crate::http::retry::{Decision, Outcome, random, retry_after};
use crate::http::{Client, Response};
use crate::plan::Plan;
use crate::poll::body::whole;
use crate::poll::build::{Target, Unmade, build, has_moved};
use crate::poll::progress::{Observer, Progress};
use crate::poll::verdict::judge;
use crate::quota::Quota;
use crate::render::Scope;

/// The longest answer to a question about the tenant.
const MAX_ANSWER: u64 = 16 << 20;
/// An answer about the tenant is asked for again after this: tenants change while we watch.
const FACT_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// A pause for a quota after which tokens are looked at again: shorter than sessions last, and long
/// enough that an app which refuses every session is not asked for another one in a hurry.
const LONG_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// How often in a row a request may be refused for want of quota before that is an error.
const MAX_QUOTA_REFUSALS: u32 = 5;

/// What a connection's polls share.
pub struct Session {
    pub(super) plan: Arc<Plan>,
    client: Client,
    authenticator: Option<Authenticator>,
    quotas: Vec<Quota>,
    pub(super) clock: Clock,
    observer: Observer,
    /// The answers about the tenant, and when they were asked for.
    facts: tokio::sync::Mutex<BTreeMap<String, (Literal, Timestamp)>>,
}

/// A request that did not give a usable response.
#[derive(Debug)]
pub enum Refused {
    /// The window fails.
    Failed(Error),
    /// The listed item is gone; go on with the next one.
    Skip(Error),
    /// The window is too large for the app.
    SplitWindow(Error),
    /// The window has to be read again from its start.
    RestartWindow(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unmade> for Refused {
    fn from(unmade: Unmade) -> Self {
        match unmade.reaction {
            Reaction::Skip => Self::Skip(unmade.error),
            _ => Self::Failed(unmade.error),
        }
    }
}

impl Refused {
    /// The error, whatever was to be done about it.
    #[must_use]
    pub fn into_error(self) -> Error {
        match self {
            Self::Failed(error)
            | Self::Skip(error)
            | Self::SplitWindow(error)
            | Self::RestartWindow(error) => error,
        }
    }
}

impl Session {
    /// A session over an open client.
    #[must_use]
    pub fn new(
        plan: Arc<Plan>,
        client: Client,
        authenticator: Option<Authenticator>,
        quotas: Vec<Quota>,
        clock: Clock,
        observer: Observer,
    ) -> Self {
        Self {
            plan,
            client,
            authenticator,
            quotas,
            clock,
            observer,
            facts: tokio::sync::Mutex::default(),
        }
    }

    /// What this session runs.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The client of the connection.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The time by the session's clock.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// The connection's quotas.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// The authenticator of an OAuth connection.
    #[must_use]
    pub fn authenticator(&self) -> Option<&Authenticator> {
        self.authenticator.as_ref()
    }

    pub(super) fn tell(&self, stream: &str, progress: &Progress) {
        (self.observer)(stream, progress);
    }

    /// Forgets the answers about the tenant, so that the next run asks again.
    pub async fn forget_facts(&self) {
        self.facts.lock().await.clear();
    }

    /// The answers to these questions, asking those that were not asked in the last day.
    ///
    /// # Errors
    /// Why the first of them could not be answered.
    pub async fn facts(&self, stream: &str, names: &[String]) -> Result<BTreeMap<String, Literal>> {
        let mut answers = BTreeMap::new();
        // Others may hold the lock for as long as the app takes to answer them.
        if names.is_empty() {
            return Ok(answers);
        }
        let mut known = self.facts.lock().await;
        let now = self.clock.now();
        known.retain(|_, (_, asked)| now.duration_since(*asked) < FACT_LASTS);
        for (name, fact) in &self.plan.facts {
            if !names.contains(name) {
                continue;
            }
            if !known.contains_key(name) {
                let scope = Scope { facts: Some(&answers), ..self.scope() };
                let asked = self.ask(stream, &fact.request, &scope).await;
                let answer = asked.map(|document| {
                    let found = fact.select.first(&document).is_some_and(|value| !value.is_null());
                    if found { fact.found.value.clone() } else { fact.missing.value.clone() }
                });
                // A question that could not be answered is asked again by the next poll.
                let answer = answer.map_err(|mut error| {
                    // What keeps every request from being answered is not about this question.
                    let code = error.code.as_str();
                    if !code.starts_with("AUTH_") && !code.starts_with("NET_") {
                        error.what = format!(
                            "the question `{name}` about this tenant has no answer: {}",
                            error.what
                        );
                    }
                    error
                })?;
                known.insert(name.clone(), (answer, now));
            }
            if let Some((answer, _)) = known.get(name) {
                answers.insert(name.clone(), answer.clone());
            }
        }
        Ok(answers)
    }

    /// What every template of this connection can refer to.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            inputs: Some(&self.plan.connection.inputs),
            tables: Some(&self.plan.tables),
            now: Some(self.clock.now()),
            ..Scope::default()
        }
    }

    /// Requests a small JSON document whole.
    async fn ask(&self, stream: &str, request: &Request, scope: &Scope<'_>) -> Result<Value> {
        let mut response = self
            .fetch(stream, &Target::Declared(request), scope)
            .await
            .map_err(Refused::into_error)?;
        let place = response.place().to_owned();
        let bytes = whole(&mut response, MAX_ANSWER).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(Code::DataParse, "the response is not JSON")
                .cause(format!("at line {}, column {}", error.line(), error.column()))
                .in_request(place)
        })
    }

    /// The tokens of an OAuth connection.
    async fn tokens(&self) -> Result<Option<Arc<Tokens>>> {
        match &self.authenticator {
            Some(authenticator) => authenticator.token().await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends a request until there is a successful response or a verdict.
    pub async fn fetch(
        &self,
        stream: &str,
        target: &Target<'_>,
        scope: &Scope<'_>,
    ) -> Result<Response, Refused> {
        let (mut attempt, mut refreshed, mut quota_refusals) = (1, false, 0);
        loop {
            let mut tokens = self.tokens().await?;
            let mut permits = Vec::with_capacity(self.quotas.len());
            let asked = self.clock.now();
            for quota in self.quotas.iter().filter(|quota| quota.is_for(stream)) {
                let paused = |pause: &crate::quota::Paused| {
                    // The first call of all is on its way: a moment, and nothing to tell.
                    if pause.reason == crate::quota::Reason::AwaitingFirstReport {
                        return;
                    }
                    let until = pause.until;
                    self.tell(stream, &Progress::Paused { until, reason: pause.to_string() });
                };
                permits.push(quota.acquired(paused).await?);
            }
            if self.clock.now().duration_since(asked) > LONG_PAUSE {
                // A session may have ended meanwhile, even one that was new.
                tokens = self.tokens().await?;
                refreshed = false;
            }
            let request = build(&self.plan, target, scope, tokens.as_deref())?;
            self.tell(stream, &Progress::Request);
            let sent = self.client.send(request).await;
            let header = |name: &str| sent.as_ref().ok()?.headers.get(name)?.to_str().ok();
            for permit in permits {
                // An answer that refuses the request may say less than one that grants it.
                let granted = sent.as_ref().is_ok_and(|response| response.status.is_success());
                if let Some(warning) = permit.complete(header).filter(|_| granted) {
                    self.tell(stream, &Progress::Warning(warning.to_string()));
                }
            }
            let (error, outcome, wait) = match sent {
                Ok(response) if response.status.is_success() => return Ok(response),
                Ok(mut response) => {
                    let wait = response
                        .headers
                        .get(RETRY_AFTER)
                        .and_then(|value| value.to_str().ok())
                        .and_then(|value| retry_after(value, self.clock.now()));
                    let verdict = judge(&self.plan, &mut response).await;
                    let error = verdict.error.in_request(response.place());
                    match verdict.reaction {
                        Reaction::Stop | Reaction::Ignore | Reaction::ShrinkPage => {
                            return Err(Refused::Failed(error));
                        }
                        Reaction::Skip | Reaction::SkipPage => return Err(Refused::Skip(error)),
                        Reaction::SplitWindow => return Err(Refused::SplitWindow(error)),
                        Reaction::RestartWindow => return Err(Refused::RestartWindow(error)),
                        Reaction::Refresh => match (&self.authenticator, tokens, refreshed) {
                            (Some(authenticator), Some(tokens), false) => {
                                let renewed = authenticator.refresh(tokens.generation).await?;
                                if let Target::Link(..) = target
                                    && has_moved(&self.plan, scope, &tokens, &renewed)?
                                {
                                    return Err(Refused::RestartWindow(moved(&self.plan.app)));
                                }
                                refreshed = true;
                                continue;
                            }
                            _ => return Err(Refused::Failed(error)),
                        },
                        Reaction::WaitForQuota => {
                            quota_refusals += 1;
                            if quota_refusals > MAX_QUOTA_REFUSALS {
                                return Err(Refused::Failed(error));
                            }
                            (error, Outcome::Throttled, wait)
                        }
                        Reaction::Retry if response.status.as_u16() == 429 => {
                            (error, Outcome::Throttled, wait)
                        }
                        Reaction::Retry | Reaction::Wait => (error, Outcome::Transient, wait),
                    }
                }
                Err(failure) => {
                    let blocked = failure.error.code == Code::NetHostBlocked && !failure.sent;
                    // The tokens name a host that must not be called. New ones may name another:
                    // the app may have moved the tenant, or the first answer was wrong.
                    if let (true, false, Some(authenticator), Some(tokens), Target::Declared(_)) =
                        (blocked, refreshed, &self.authenticator, &tokens, target)
                        && authenticator.refresh(tokens.generation).await.is_ok()
                    {
                        refreshed = true;
                        continue;
                    }
                    let error = failure.error;
                    let outcome =
                        if error.is_permanent() { Outcome::Permanent } else { Outcome::Transient };
                    (error, outcome, None)
                }
            };
            match self.plan.retry.decide(attempt, outcome, wait, random()) {
                Decision::GiveUp => {
                    let later = wait.and_then(|wait| {
                        self.clock.now().checked_add(SignedDuration::try_from(wait).ok()?).ok()
                    });
                    return Err(Refused::Failed(match later {
                        Some(at) => error.retry(Retry::Later(Some(at))),
                        None => error,
                    }));
                }
                Decision::RetryAfter(wait) => {
                    attempt += 1;
                    self.tell(stream, &Progress::Retrying { error, wait });
                    self.clock.sleep(wait).await;
                }
            }
        }
    }
}

fn moved(app: &str) -> Error {
    Error::new(Code::AppInstanceMoved, format!("{app} moved the tenant while pages were read"))
        .cause("new tokens name another host than the one before")
        .fix("nothing to do: the window is read again from there")
}
