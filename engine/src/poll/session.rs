//! Sends requests for a connection: with its credentials, within its quotas, again where that
//! helps, and with the manifest's word on what an answer means.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use longshore_schema::http::Reaction;
use longshore_schema::stream::Request;
use longshore_schema::template::Part;
use longshore_schema::{Literal, Template};
use serde_json::Value;
use url::Url;

use crate::auth::{Authenticator, Tokens};
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use crate::http::retry::{Decision, Outcome, random, retry_after};
use crate::http::{self, Client, Credential, Hosts, Method, Response};
use crate::plan::{AuthPlan, Plan};
use crate::poll::body::whole;
use crate::poll::progress::{Observer, Progress};
use crate::poll::verdict::judge;
use crate::quota::Quota;
use crate::render::{Scope, render, render_all, render_url};

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

/// What to request.
pub enum Target<'t> {
    /// The manifest's request.
    Declared(&'t Request),
    /// The URL of a next page, with the request's headers.
    Link(&'t Url, &'t Request),
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
            let request = self.build(target, scope, tokens.as_deref())?;
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
                        Reaction::Stop => return Err(Refused::Failed(error)),
                        Reaction::Skip => return Err(Refused::Skip(error)),
                        Reaction::SplitWindow => return Err(Refused::SplitWindow(error)),
                        Reaction::RestartWindow => return Err(Refused::RestartWindow(error)),
                        Reaction::Refresh => match (&self.authenticator, tokens, refreshed) {
                            (Some(authenticator), Some(tokens), false) => {
                                let renewed = authenticator.refresh(tokens.generation).await?;
                                if let Target::Link(..) = target
                                    && self.has_moved(scope, &tokens, &renewed)?
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
                        Reaction::Retry => (error, Outcome::Transient, wait),
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

    /// Fills a request's templates. Refused if one of them has no value, or one that leads out of
    /// its place.
    fn build(
        &self,
        target: &Target<'_>,
        scope: &Scope<'_>,
        tokens: Option<&Tokens>,
    ) -> Result<http::Request, Refused> {
        let scope = Scope { auth: tokens.map(|tokens| &tokens.fields), ..*scope };
        let (url, declared) = match target {
            Target::Link(url, declared) => ((*url).clone(), *declared),
            Target::Declared(declared) => (self.declared_url(declared, &scope)?, *declared),
        };
        let method = if declared.post.is_some() { Method::POST } else { Method::GET };
        let mut request = http::Request::new(method, url);
        request.timeout = self.plan.timeout;
        let common = self.plan.headers.iter().map(|(name, value)| (name.as_str(), value));
        let own = declared.headers.iter().map(|(name, value)| (name.value.as_str(), &value.value));
        for (name, template) in common.chain(own) {
            set_header(&mut request.headers, name, template, &scope)?;
        }
        if declared.post.is_some() && !declared.form.is_empty() {
            let body = Self::parameters(&declared.form, &scope)?;
            request.body = Some(body.into());
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers.insert(CONTENT_TYPE, form);
        }
        let home = self.home(declared, &scope)?;
        request.credentials = match (&self.plan.auth, tokens) {
            (AuthPlan::OAuth(_), Some(tokens)) => vec![Credential::bearer(&tokens.access, home)?],
            (AuthPlan::ApiKey { header, value }, _) => {
                vec![Credential::new(header_name(header)?, value, home)?]
            }
            (AuthPlan::OAuth(_), None) => Vec::new(),
        };
        Ok(request)
    }

    /// Whether new tokens belong to another host than old ones: links of the old one are of no use.
    fn has_moved(&self, scope: &Scope<'_>, old: &Tokens, new: &Tokens) -> Result<bool> {
        let base = |tokens: &Tokens| self.base_url(&Scope { auth: Some(&tokens.fields), ..*scope });
        Ok(base(old)?.host() != base(new)?.host())
    }

    fn base_url(&self, scope: &Scope<'_>) -> Result<Url> {
        url(&render_all(&self.plan.base_url, scope)?, &self.plan.base_url)
    }

    /// The hosts that credentials are for: that of the base URL, and one that the manifest itself
    /// writes into the request. A host that only the app names gets none.
    fn home(&self, declared: &Request, scope: &Scope<'_>) -> Result<Hosts> {
        let template = template_of(declared)?;
        let base = self.base_url(scope)?;
        let written = match template.parts().first() {
            Some(Part::Text(text)) if text.starts_with("https://") => {
                Some(url(&render_url(template, scope)?, template)?)
            }
            _ => None,
        };
        Hosts::new([Some(&base), written.as_ref()].into_iter().flatten().filter_map(Url::host_str))
    }

    fn declared_url(&self, declared: &Request, scope: &Scope<'_>) -> Result<Url, Refused> {
        let template = template_of(declared)?;
        let path = render_url(template, scope)?;
        let handed_out = matches!(template.parts().first(), Some(Part::Expression(_)));
        if !handed_out && has_dots(&path) {
            let error =
                Error::new(Code::DataGap, "a value would lead out of the path of its request")
                    .cause(format!("`{template}` has `.` or `..` in the place of a name"))
                    .fix("look at the item in the app: names like this are made to deceive");
            return Err(match scope.item {
                Some(_) => Refused::Skip(error),
                None => Refused::Failed(error),
            });
        }
        let mut text = if path.starts_with('/') {
            let base = render_all(&self.plan.base_url, scope)?;
            format!("{}{path}", base.trim_end_matches('/'))
        } else {
            path
        };
        let query = Self::parameters(&declared.query, scope)?;
        if !query.is_empty() {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&query);
        }
        Ok(url(&text, template)?)
    }

    /// Parameters in `application/x-www-form-urlencoded` form, those without a value left out.
    fn parameters(
        table: &longshore_schema::Table<
            String,
            longshore_schema::Spanned<longshore_schema::stream::Parameter>,
        >,
        scope: &Scope<'_>,
    ) -> Result<String> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, template) in table {
            if let Some(value) = render(&template.value.0, scope)? {
                form.append_pair(&name.value, &value);
            }
        }
        Ok(form.finish())
    }
}

fn moved(app: &str) -> Error {
    Error::new(Code::AppInstanceMoved, format!("{app} moved the tenant while pages were read"))
        .cause("new tokens name another host than the one before")
        .fix("nothing to do: the window is read again from there")
}

fn template_of(request: &Request) -> Result<&Template> {
    let written = request.get.as_ref().or(request.post.as_ref()).map(|url| &url.value);
    written.ok_or_else(|| Error::new(Code::Internal, "a request has neither `get` nor `post`"))
}

/// Whether a path has a segment that leads elsewhere (WHATWG URL, "single-dot" and "double-dot path
/// segment"). Encoding does not help: `%2e` counts as a dot.
fn has_dots(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| segment == "." || segment == "..")
}

fn url(text: &str, template: &Template) -> Result<Url> {
    Url::parse(text).map_err(|error| {
        Error::new(Code::InputInvalid, format!("`{template}` does not make a URL"))
            .cause(error.to_string())
            .fix("check the inputs and fields that it is made of")
    })
}

fn header_name(name: &str) -> Result<HeaderName> {
    name.parse().map_err(|_| {
        Error::new(Code::InputInvalid, format!("`{name}` is not a header name"))
            .fix("use letters, digits and hyphens")
    })
}

fn set_header(
    headers: &mut HeaderMap,
    name: &str,
    template: &Template,
    scope: &Scope<'_>,
) -> Result<()> {
    let Some(text) = render(template, scope)? else { return Ok(()) };
    let value = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(Code::InputInvalid, format!("the value for the header `{name}` is not usable"))
            .cause("it has a line break or another character that no header can carry")
            .fix("check the inputs that it is made of")
    })?;
    headers.insert(header_name(name)?, value);
    Ok(())
}
