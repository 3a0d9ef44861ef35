//! Reads what token endpoints answer, in whatever shape apps give it.

use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::JsonPath;
use longshore_schema::http::{ErrorRule, Reaction};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value};
use url::Url;

use crate::auth::endpoint::{Answer, Endpoint};
use crate::auth::refusal::{self, Asked};
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry, printable};
use crate::http::retry::{self, Decision, Outcome, Policy};
use crate::http::{Failure, Request};
use crate::pauses::Pauses;
use crate::poll::verdict::{Verdict, about_login, no_login};
use crate::secret::Secret;

/// Longest wait for an answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer, in bytes; tokens are a few kilobytes.
pub(super) const MAX_ANSWER: u64 = 64 << 10;
/// Members that are secrets, and never kept as fields.
const SECRET_MEMBERS: [&str; 3] = ["access_token", "refresh_token", "id_token"];
/// A signed assertion is refused for its times; if the clocks differ by more than this (seconds),
/// they are why.
const MAX_CLOCK_SKEW: i64 = 30;

/// An attempt without tokens.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct Trouble {
    pub(super) error: Error,
    pub(super) outcome: Outcome,
    pub(super) retry_after: Option<Duration>,
    /// The name of what is wrong, if the app gave one.
    pub(super) said: Option<String>,
    /// True if the app may have done what we asked without our learning the result.
    pub(super) lost: bool,
}

impl Trouble {
    /// What a rule of the manifest says. `lost` is true if the app may have done what we asked.
    pub(super) fn ruled(verdict: Verdict, lost: bool) -> Self {
        let Verdict { error, reaction, wait, .. } = verdict;
        let (outcome, error) = match reaction {
            Reaction::Retry => (Outcome::Transient, error.retry(Retry::Later(None))),
            Reaction::Wait => (Outcome::Throttled, error.retry(Retry::Later(None))),
            _ => (Outcome::Permanent, error.retry(Retry::Never)),
        };
        Self { error, outcome, retry_after: wait, said: None, lost }
    }

    /// The trouble behind a request without an answer.
    pub(super) fn silent(rules: &[ErrorRule], failure: Failure) -> Self {
        let Failure { error, sent } = failure;
        if let Some(verdict) = no_login(rules, &error) {
            return Self::ruled(verdict, sent);
        }
        let permanent = error.is_permanent();
        let outcome = if permanent { Outcome::Permanent } else { Outcome::Transient };
        Self { error, outcome, retry_after: None, said: None, lost: sent }
    }

    pub(super) fn at(self, place: &str) -> Self {
        Self { error: self.error.in_request(place), ..self }
    }

    pub(super) fn permanent(error: Error) -> Self {
        Self { error, outcome: Outcome::Permanent, retry_after: None, said: None, lost: false }
    }

    pub(super) fn lost(error: Error) -> Self {
        Self { error, outcome: Outcome::Transient, retry_after: None, said: None, lost: true }
    }

    /// Waits until it is time to try again, after the attempt of this number (from 1) at `url`.
    ///
    /// # Errors
    /// What went wrong, if nothing is to be tried any more.
    pub(super) async fn wait(
        self,
        attempt: u32,
        url: &Url,
        clock: &Clock,
        pauses: &Pauses,
    ) -> Result<()> {
        let Self { outcome, retry_after, mut error, .. } = self;
        let until = retry_after.and_then(|wait| clock.now().checked_add(wait).ok());
        if let Some(until) = until {
            pauses.note(url, until).await?;
        }
        match Policy::default().decide(attempt, outcome, retry_after, retry::random()) {
            Decision::RetryAfter(wait) => {
                clock.sleep(wait).await;
                Ok(())
            }
            Decision::GiveUp => {
                if error.retry == Retry::Later(None) {
                    error.retry = Retry::Later(until);
                }
                Err(error)
            }
        }
    }
}

impl Endpoint<'_> {
    /// The tokens that a request gives. Apps send members as strings or numbers, no `token_type`, a
    /// refusal with status 200, or all that under names of their own.
    pub(super) async fn tokens(
        &self,
        request: Request,
        asked: Asked,
        secrets: &[Secret],
        requested_at: Timestamp,
    ) -> Result<Answer, Trouble> {
        let (members, place) = self.post(request, asked, secrets).await?;
        let document = Value::Object(members);
        let paths = &self.config.response;
        let found = |path: &JsonPath| path.first(&document).and_then(text);
        let access = found(&paths.access_token);
        // Only where the manifest says so, an answer with a token can be a refusal.
        if (access.is_none() || paths.error.is_some())
            && let Some(name) = self.error_name(&document)
        {
            return Err(self.refused(&document, &name, asked, secrets, None, &place));
        }
        let named = paths.access_token.as_str().trim_start_matches("$.");
        let Some(access) = access else {
            let error = invalid(&format!("the answer contains no {named}"));
            return Err(Trouble::lost(error.in_request(place)));
        };
        // RFC 6749, appendix A.12.
        if !access.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let error = invalid(&format!("{named} has characters that no token has"));
            return Err(Trouble::lost(error.in_request(place)));
        }
        let is_secret = |path: &JsonPath| {
            let name = path.members().and_then(|members| members.last().copied());
            name.is_some_and(|name| SECRET_MEMBERS.contains(&name))
                || *path == paths.access_token
                || *path == paths.refresh_token
        };
        let fields = self.config.token_fields.iter().filter(|(_, path)| !is_secret(path));
        Ok(Answer {
            access: Secret::new(access),
            refresh: found(&paths.refresh_token).map(Secret::new),
            expires_in: paths
                .expires_in
                .first(&document)
                .and_then(seconds)
                .map(Duration::from_secs),
            fields: fields.filter_map(|(name, path)| Some((name.clone(), found(path)?))).collect(),
            requested_at,
        })
    }

    /// The name of what an answer says is wrong.
    fn error_name(&self, document: &Value) -> Option<String> {
        let error = match &self.config.response.error {
            Some(path) => path.first(document)?,
            None => document.get("error")?,
        };
        match error {
            Value::Null | Value::Bool(false) => None,
            Value::String(text) if text.is_empty() => None,
            Value::Object(members) => {
                let name = ["code", "type", "status", "error"];
                Some(name.iter().find_map(|name| text(members.get(*name)?)).unwrap_or_default())
            }
            other => Some(text(other).unwrap_or_default()),
        }
    }

    /// Whether the answer says only that a person has not entered the code yet (RFC 8628, section 3.5).
    fn is_pending(&self, asked: Asked, document: &Value) -> bool {
        asked == Asked::Device
            && self
                .error_name(document)
                .is_some_and(|name| name == "authorization_pending" || name == "slow_down")
    }

    /// Sends a request to the authorization server; the members of a good answer, and its place.
    pub(super) async fn post(
        &self,
        mut request: Request,
        asked: Asked,
        secrets: &[Secret],
    ) -> Result<(Map<String, Value>, String), Trouble> {
        request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.timeout = TIMEOUT;
        request.max_body = MAX_ANSWER;
        // The body holds credentials: it goes where the manifest says and nowhere else.
        request.follow_redirects = false;
        // What is given back is not asked for.
        let rules = if asked == Asked::Revocation { &[] } else { &*self.config.rules };
        let sent = self.http.send(request).await;
        let mut response = sent.map_err(|failure| Trouble::silent(rules, failure))?;
        let place = response.place().to_owned();
        let body = response.bytes().await.map_err(|error| {
            let error = match error.code {
                Code::DataTooLarge => invalid(&error.what).in_request(&*place),
                _ => error,
            };
            Trouble::lost(error)
        })?;
        let document: Option<Value> = serde_json::from_slice(&body).ok();
        let head = (response.status, &response.headers);
        if !document.as_ref().is_some_and(|document| self.is_pending(asked, document))
            && let Some(verdict) = about_login(rules, head, document.as_ref(), self.clock.now())
        {
            return Err(Trouble::ruled(verdict, is_lost(response.status)).at(&place));
        }
        let members = match document {
            Some(Value::Object(members)) => Some(members),
            _ => None,
        };
        match (response.status, members) {
            (status, members) if status.is_success() => match members {
                Some(members) => Ok((members, place)),
                None if asked == Asked::Revocation => Ok((Map::new(), place)),
                None => {
                    let error = invalid(&not_json(&response.headers, &body)).in_request(place);
                    Err(Trouble::lost(error))
                }
            },
            (status, members) => {
                let document = members.map(Value::Object).filter(|_| !status.is_server_error());
                let name = document.as_ref().and_then(|document| self.error_name(document));
                let headers = &response.headers;
                Err(match (document, name) {
                    (Some(document), Some(name)) => {
                        self.refused(&document, &name, asked, secrets, Some(headers), &place)
                    }
                    _ => self.failed(status, headers, &body, &place),
                })
            }
        }
    }

    /// The trouble behind an error object (RFC 6749, section 5.2).
    fn refused(
        &self,
        document: &Value,
        name: &str,
        asked: Asked,
        secrets: &[Secret],
        headers: Option<&HeaderMap>,
        place: &str,
    ) -> Trouble {
        let description = document.get("error_description").and_then(text);
        let mut error = refusal::refused(self.config, asked, name, description.as_deref(), secrets);
        if matches!(refusal::proof(self.config, asked, name), Asked::Assertion | Asked::ClientKey)
            && error.code == Code::AuthClientInvalid
            && let Some(skew) = headers.and_then(|headers| self.clock_skew(headers))
        {
            error = skewed(skew);
        }
        let outcome = match error.code {
            Code::AuthLoginRate => Outcome::Throttled,
            Code::AppError | Code::AppMaintenance => Outcome::Transient,
            _ => Outcome::Permanent,
        };
        let retry_after = headers.and_then(|headers| self.retry_after(headers));
        let said = Some(name.to_owned());
        Trouble { error: error.in_request(place), outcome, retry_after, said, lost: false }
    }

    /// The trouble behind a status without a readable error object.
    fn failed(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], place: &str) -> Trouble {
        let evidence = format!("HTTP {}; {}", status.as_u16(), not_json(headers, body));
        let host = self.config.token_url.host_str().unwrap_or_default();
        let (outcome, error) = match status.as_u16() {
            429 => (
                Outcome::Throttled,
                Error::new(Code::AuthLoginRate, "too many token requests")
                    .fix("nothing to do; it is tried again"),
            ),
            408 | 500.. => (
                Outcome::Transient,
                Error::new(Code::AppError, "the authorization server had an internal error").fix(
                    "nothing to do; it is tried again. If it lasts, see the app's status page",
                ),
            ),
            404 | 410 => (
                Outcome::Permanent,
                Error::new(Code::AppEndpointGone, "there is no token endpoint at this address")
                    .fix(format!("check that {host} is the login host of the app")),
            ),
            401 => (
                Outcome::Permanent,
                Error::new(Code::AuthClientInvalid, "the client id or secret is not recognized")
                    .fix("check client id and secret, and how the app wants to receive them"),
            ),
            _ => (
                Outcome::Permanent,
                invalid("")
                    .retry(Retry::Never)
                    .fix(format!("check that {host} is the login host of the app")),
            ),
        };
        let lost = is_lost(status);
        let retry_after = self.retry_after(headers);
        let error = error.cause(evidence).in_request(place);
        Trouble { error, outcome, retry_after, said: None, lost }
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        retry::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, self.clock.now())
    }

    /// Seconds by which our clock is ahead of the app's (negative: behind), if that matters.
    fn clock_skew(&self, headers: &HeaderMap) -> Option<i64> {
        let theirs = retry::http_date(headers.get(DATE)?.to_str().ok()?)?;
        let skew = self.clock.now().as_second() - theirs.as_second();
        (skew.abs() > MAX_CLOCK_SKEW).then_some(skew)
    }
}

/// A gateway that lost its upstream does not know whether the request was carried out.
fn is_lost(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 502 | 504)
}

/// A member as text: a string that is not blank, a number or a boolean.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A positive number of seconds, as a number or in a string. Zero means "not said": taken at its
/// word it would make every request ask for a new token.
pub(super) fn seconds(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|s| s as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.filter(|seconds| *seconds > 0)
}

/// Waits until the app may be asked for tokens again.
///
/// # Errors
/// If that is too long to wait for.
pub(super) async fn passed(pauses: &Pauses, url: &Url) -> Result<()> {
    pauses.passed(url, |_| ()).await.map_err(|until| {
        Error::new(Code::AuthLoginRate, "the app wants no sign-ins for a while")
            .cause("it said so in answer to an earlier one")
            .fix("nothing to do; it is tried again")
            .retry(Retry::Later(Some(until)))
    })
}

pub(super) fn invalid(cause: &str) -> Error {
    Error::new(Code::AuthResponseInvalid, "the token endpoint did not answer with a token")
        .cause(cause)
        .fix(
            "check that the token URL leads to the app, and that no proxy or portal answers for it",
        )
}

/// What came instead of a JSON object, without showing any of it.
pub(super) fn not_json(headers: &HeaderMap, body: &[u8]) -> String {
    if body.is_empty() {
        return "the body is empty".to_owned();
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("none");
    format!("a body of {} bytes, Content-Type {}", body.len(), printable(kind, 60))
}

fn skewed(seconds: i64) -> Error {
    let direction = if seconds > 0 { "ahead of" } else { "behind" };
    Error::new(
        Code::AuthClockSkew,
        format!("this machine's clock is {} s {direction} the app's", seconds.abs()),
    )
    .cause("the app refused our signed assertion, which is valid for some minutes only")
    .fix("synchronize the clock of this machine (NTP)")
}
