//! Sessions: a login call whose answer has what is sent with every other request.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::auth::Session;
use longshore_schema::http::ErrorRule;
use longshore_schema::stream::Request;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER, SET_COOKIE};
use serde_json::Value;

use crate::auth::answer::{MAX_ANSWER, TIMEOUT, Trouble, not_json, passed, text};
use crate::auth::authenticator::Revocation;
use crate::auth::compile::AuthPlan;
use crate::auth::endpoint::{Answer, not_ended};
use crate::auth::tokens::Tokens;
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::http::retry::{self, Outcome};
use crate::http::{self, Client, Response};
use crate::pauses::Pauses;
use crate::plan::Plan;
use crate::poll::build::{Target, build};
use crate::poll::verdict::about_login;
use crate::render::Scope;
use crate::secret::Secret;

/// The login of a connection.
pub(super) struct Login<'a> {
    pub(super) plan: &'a Plan,
    pub(super) http: &'a Client,
    pub(super) clock: &'a Clock,
    pub(super) pauses: &'a Pauses,
}

impl Login<'_> {
    /// Opens a session, and tries again where that may help. A refusal is not tried again: apps lock
    /// accounts after some.
    pub(super) async fn open(&self) -> Result<Answer> {
        let request = self.request(&self.declared()?.login, None);
        let url = request.map_err(|trouble| trouble.error)?.url;
        let mut attempt = 1;
        loop {
            passed(self.pauses, &url).await?;
            let trouble = match self.once().await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            trouble.wait(attempt, &url, self.clock, self.pauses).await?;
            attempt += 1;
        }
    }

    /// Ends a session at the app, if it has a call for that.
    pub(super) async fn close(&self, tokens: &Tokens) -> Result<Revocation> {
        let Some(logout) = &self.declared()?.logout else { return Ok(Revocation::Forgotten) };
        let sent = self.send(logout, Some(tokens)).await;
        let sent = sent.map_err(|trouble| not_ended(&trouble.error))?;
        match sent.status.as_u16() {
            // Also if the session was over already, or there is none of this name.
            200..=399 | 401 | 403 | 404 | 410 => Ok(Revocation::Revoked),
            status => {
                let code = if status >= 500 { Code::AppError } else { Code::AppRequestRefused };
                let refused = Error::new(code, format!("{} refuses the logout", self.plan.app));
                let refused = refused.cause(format!("HTTP {status}"));
                Err(not_ended(&refused.in_request(sent.place())))
            }
        }
    }

    fn declared(&self) -> Result<&Session> {
        match &self.plan.auth {
            AuthPlan::Session(session) => Ok(&session.declared),
            _ => Err(Error::new(Code::Internal, "a login without its declaration")),
        }
    }

    /// What particular answers to the login call mean.
    fn rules(&self) -> &[ErrorRule] {
        match &self.plan.auth {
            AuthPlan::Session(session) => &session.rules,
            _ => &[],
        }
    }

    fn request(
        &self,
        request: &Request,
        tokens: Option<&Tokens>,
    ) -> Result<http::Request, Trouble> {
        let scope = Scope {
            inputs: Some(&self.plan.connection.inputs),
            tables: Some(&self.plan.tables),
            now: Some(self.clock.now()),
            ..Scope::default()
        };
        let mut request = build(self.plan, &Target::Declared(request), &scope, tokens)
            .map_err(|unmade| Trouble::permanent(unmade.error))?;
        request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.timeout = TIMEOUT;
        request.max_body = MAX_ANSWER;
        // It holds credentials: it goes where the manifest says and nowhere else.
        request.follow_redirects = false;
        Ok(request)
    }

    async fn send(&self, request: &Request, tokens: Option<&Tokens>) -> Result<Response, Trouble> {
        let request = self.request(request, tokens)?;
        let rules = if tokens.is_none() { self.rules() } else { &[] };
        self.http.send(request).await.map_err(|failure| Trouble::silent(rules, failure))
    }

    async fn once(&self) -> Result<Answer, Trouble> {
        let declared = self.declared().map_err(Trouble::permanent)?;
        let requested_at = self.clock.now();
        let mut response = self.send(&declared.login, None).await?;
        let body = response.bytes().await.map_err(Trouble::lost)?;
        let place = response.place().to_owned();
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        let head = (response.status, &response.headers);
        if let Some(verdict) = about_login(self.rules(), head, document.as_ref(), self.clock.now())
        {
            return Err(Trouble::ruled(verdict, false).at(&place));
        }
        let status = response.status.as_u16();
        // After a form, a browser is sent on to a page: the cookie is in the redirect.
        if !matches!(status, 200..=299 | 302 | 303) {
            return Err(self.refused(&response));
        }
        let fields = kept(declared, document.as_ref(), &response.headers).map_err(|why| {
            let why = match document {
                None if !declared.token.is_empty() => {
                    format!("{why}: it is not JSON, but {}", not_json(&response.headers, &body))
                }
                _ => why,
            };
            let error = Error::new(Code::AuthResponseInvalid, "the login gave no session")
                .cause(format!("HTTP {status}, and the answer has {why}"))
                .fix("check the inputs; if they are right, the manifest names the wrong place, or the app wants another login")
                .retry(Retry::Never);
            Trouble::permanent(error.in_request(place))
        })?;
        Ok(Answer {
            access: Secret::new(""),
            refresh: None,
            expires_in: declared.expires_in.as_ref().map(|expires| expires.0),
            fields,
            requested_at,
        })
    }

    /// The trouble behind a status. The body is not looked at: it may repeat what was sent.
    fn refused(&self, response: &Response) -> Trouble {
        let app = &self.plan.app;
        let status = response.status.as_u16();
        let (outcome, error) = match status {
            429 => (
                Outcome::Throttled,
                Error::new(Code::AuthLoginRate, "too many logins")
                    .fix("nothing to do; it is tried again"),
            ),
            408 | 500.. => (
                Outcome::Transient,
                Error::new(Code::AppError, format!("{app} had an internal error at the login"))
                    .fix("nothing to do; it is tried again. If it lasts, see the app's status page"),
            ),
            404 | 410 => (
                Outcome::Permanent,
                Error::new(Code::AppEndpointGone, "there is no login at this address")
                    .fix("check the host of the connection, and the login call in the manifest"),
            ),
            _ => (
                Outcome::Permanent,
                Error::new(Code::AuthClientInvalid, format!("{app} refuses the login"))
                    .fix("check name and password, that the account may use the API, and that it is not locked"),
            ),
        };
        let error = error.cause(format!("HTTP {status}")).in_request(response.place());
        let retry_after = response
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| retry::retry_after(value.to_str().ok()?, self.clock.now()));
        Trouble { outcome, retry_after, ..Trouble::permanent(error) }
    }
}

/// What is kept of the answer to a login, or what the answer has instead.
fn kept(
    declared: &Session,
    document: Option<&Value>,
    headers: &HeaderMap,
) -> Result<BTreeMap<String, String>, String> {
    let mut kept = BTreeMap::new();
    for (name, path) in &declared.token {
        let place = format!("`{}` in its body", path.as_str());
        let value = document.and_then(|document| path.first(document)).and_then(text);
        let value = value.ok_or_else(|| format!("no {place}"))?;
        // Nothing that is sent can carry it.
        if value.contains(char::is_control) {
            return Err(format!("a control character in {place}"));
        }
        kept.insert(name.as_str().to_owned(), value);
    }
    for (name, header) in &declared.headers {
        let value = headers.get(header.as_str()).and_then(|value| value.to_str().ok());
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| format!("no header `{}`", header.as_str()))?;
        kept.insert(name.as_str().to_owned(), value.to_owned());
    }
    for (name, cookie) in &declared.cookies {
        let value = cookie_of(headers, cookie);
        let value = value.ok_or_else(|| format!("no cookie `{}`", cookie.as_str()))?;
        kept.insert(name.as_str().to_owned(), value);
    }
    Ok(kept)
}

/// The value of a cookie that is set (RFC 6265, section 5.2); the last one counts.
fn cookie_of(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = set.filter_map(|text| text.split(';').next()?.split_once('='));
    let values = pairs.filter(|(name, _)| name.trim() == wanted);
    let (_, value) = values.fold(None, |_, pair| Some(pair))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// How long a refusal of the connection's own credentials keeps us from trying them again: 15
/// minutes, and longer each time, up to a day. Apps lock accounts on which wrong passwords are
/// tried, and nothing but a person can make them right.
pub(super) fn pause_after(refusals: u32) -> Duration {
    const FIRST: u64 = 15 * 60;
    const LONGEST: u64 = 24 * 60 * 60;
    let doubled = FIRST.saturating_mul(1 << refusals.saturating_sub(1).min(7));
    Duration::from_secs(doubled.min(LONGEST))
}

/// When credentials that were refused so often may be tried again.
pub(super) fn not_before(now: Timestamp, refusals: u32) -> Timestamp {
    now.checked_add(pause_after(refusals)).unwrap_or(Timestamp::MAX)
}
