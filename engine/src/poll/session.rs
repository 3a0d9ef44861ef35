//! Sends requests for a connection: with its credentials, within its quotas, again where that
//! helps, and with the manifest's word on what an answer means.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use longshore_schema::http::Reaction;
use longshore_schema::stream::Priority;
use serde_json::Value;

use crate::auth::{Authenticator, Tokens};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::http::Client;
use crate::pace::Pace;
use crate::pauses::Pauses;
use crate::plan::Plan;
use crate::poll::build::{Target, Unmade};
use crate::poll::fact::value;
use crate::poll::progress::{Observer, Progress};
use crate::quota::Quota;
use crate::render::Scope;

/// The longest answer to a question about the tenant.
const MAX_ANSWER: u64 = 16 << 20;
/// An answer about the tenant is asked for again after this: tenants change while we watch.
const FACT_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// What a connection's polls share.
pub struct Session {
    pub(super) plan: Arc<Plan>,
    client: Client,
    authenticator: Option<Authenticator>,
    quotas: Vec<Quota>,
    /// For each quota the highest priority of the streams that it counts.
    pub(super) urgencies: Vec<Priority>,
    pub(super) pace: Pace,
    pub(super) pauses: Arc<Pauses>,
    pub(super) clock: Clock,
    observer: Observer,
    /// The answers about the tenant, and when they were asked for.
    facts: tokio::sync::Mutex<BTreeMap<String, (Value, Timestamp)>>,
}

/// A request that did not give a usable response.
#[derive(Debug)]
pub enum Refused {
    /// The window fails.
    Failed(Error),
    /// The listed item is gone; go on with the next one.
    Skip(Error),
    /// This page cannot be had; go on with the next one.
    SkipPage(Error),
    /// The page is too large for the app.
    ShrinkPage(Error),
    /// There is nothing to read, which is no error.
    Ignore(Error),
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
            | Self::SkipPage(error)
            | Self::ShrinkPage(error)
            | Self::Ignore(error)
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
        (quotas, pauses): (Vec<Quota>, Arc<Pauses>),
        clock: Clock,
        observer: Observer,
    ) -> Self {
        Self {
            urgencies: urgencies(&plan, &quotas),
            pace: Pace::new(&plan.http, &clock),
            pauses,
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

    /// Who hears of what happens.
    pub(crate) fn observer(&self) -> Observer {
        Observer::clone(&self.observer)
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
    pub async fn facts(&self, stream: &str, names: &[String]) -> Result<BTreeMap<String, Value>> {
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
                let target = Target::Declared(&fact.request);
                let asked = self.document(stream, &target, &scope, MAX_ANSWER).await;
                let asked = asked.map_err(Refused::into_error);
                let answer = asked.and_then(|document| value(fact, &document));
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

    /// The tokens of an OAuth connection.
    pub(super) async fn tokens(&self) -> Result<Option<Arc<Tokens>>> {
        match &self.authenticator {
            Some(authenticator) => authenticator.token().await.map(Some),
            None => Ok(None),
        }
    }

    /// Who goes first when something is scarce. What is not a stream of the plan's is asked by a
    /// person.
    pub(super) fn priority(&self, stream: &str) -> Priority {
        let known = self.plan.streams.iter().find(|known| known.name == stream);
        known.map_or(Priority::High, |known| known.priority)
    }
}

/// For each quota the highest priority of the streams that it counts.
fn urgencies(plan: &Plan, quotas: &[Quota]) -> Vec<Priority> {
    let most = |quota: &Quota| {
        let counted = plan.streams.iter().filter(|stream| quota.is_for(&stream.name));
        counted.map(|stream| stream.priority).max().unwrap_or(Priority::High)
    };
    quotas.iter().map(most).collect()
}
