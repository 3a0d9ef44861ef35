//! What an answer means that is no success: what the manifest says, or what HTTP says.

use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::http::{ErrorRule, Reaction, Wait};
use longshore_schema::stream::Request;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::{Code, Error, printable};
use crate::http::header::RETRY_AFTER;
use crate::http::retry::{Outcome, http_date, retry_after, until};
use crate::http::{Response, StatusCode};
use crate::plan::Plan;

/// The longest error body that is read for its meaning.
pub(super) const MAX_ERROR_BODY: u64 = 64 << 10;

/// What an answer means, and what to do about it.
pub(crate) struct Verdict {
    pub(crate) error: Error,
    pub(crate) reaction: Reaction,
    /// How long the app, or the manifest, wants us to wait.
    pub(crate) wait: Option<Duration>,
    /// What it is as far as retrying is concerned, unless the reaction says more.
    pub(super) outcome: Outcome,
    /// Whether a rule of the manifest says so.
    pub(super) is_ruled: bool,
}

/// An answer without its body.
#[derive(Clone, Copy)]
pub(super) struct Head<'r> {
    status: u16,
    headers: &'r HeaderMap,
}

impl<'r> Head<'r> {
    pub(super) fn of(response: &'r Response) -> Self {
        Self { status: response.status.as_u16(), headers: &response.headers }
    }

    /// How long the app wants us to wait (RFC 9110, section 10.2.3).
    fn retry_after(self, now: Timestamp) -> Option<Duration> {
        retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?, now)
    }
}

/// What an unsuccessful answer means: the first of the manifest's rules that fits, or what HTTP
/// says.
pub(super) fn judge(
    plan: &Plan,
    head: Head<'_>,
    document: Option<&Value>,
    now: Timestamp,
) -> Verdict {
    let mut verdict = match plan.rules.iter().find(|rule| fits(rule, head, document)) {
        Some(rule) => ruled(rule, Some(head), document, now),
        None => by_status(plan, head.status, document),
    };
    // Whatever is done about it, the app is not asked before.
    verdict.wait = verdict.wait.max(head.retry_after(now));
    verdict
}

/// What a successful answer means if it is no success: the first of the manifest's rules that speaks
/// of successful answers and fits, or what GraphQL says.
pub(super) fn about_success(
    plan: &Plan,
    request: &Request,
    head: Head<'_>,
    document: &Value,
    now: Timestamp,
) -> Option<Verdict> {
    // A rule about headers alone is about errors: what is left of a quota is in every answer.
    let speaks = |rule: &&ErrorRule| rule.when.status.is_some() || !rule.when.body.is_empty();
    let rule = plan.rules.iter().filter(speaks).find(|rule| fits(rule, head, Some(document)));
    if let Some(rule) = rule {
        if rule.then.value == Reaction::Ignore {
            return None;
        }
        let mut verdict = ruled(rule, Some(head), Some(document), now);
        verdict.wait = verdict.wait.max(head.retry_after(now));
        return Some(verdict);
    }
    // A GraphQL answer with errors may hold data all the same, but never all of it (GraphQL, October
    // 2021, section 7.1).
    let errors = request.graphql.as_ref().and(document.get("errors")?.as_array())?;
    let first = errors.first()?;
    let word = first.get("extensions").and_then(|more| error_word(more, 0));
    let cause = word.map_or("the answer lists errors".to_owned(), |word| {
        format!("the answer lists errors, the first of them {word}")
    });
    Some(Verdict {
        error: Error::new(Code::AppRequestRefused, format!("{} refuses this query", plan.app))
            .cause(cause)
            .fix("check the query in the manifest against the app's documentation; an error that passes needs a rule in `errors`"),
        reaction: Reaction::Stop,
        wait: None,
        outcome: Outcome::Permanent,
        is_ruled: false,
    })
}

/// What the answer to a sign-in means, if one of the manifest's rules for these fits.
pub(crate) fn about_login(
    rules: &[ErrorRule],
    (status, headers): (StatusCode, &HeaderMap),
    document: Option<&Value>,
    now: Timestamp,
) -> Option<Verdict> {
    let head = Head { status: status.as_u16(), headers };
    let speaks = |rule: &&ErrorRule| {
        !status.is_success() || rule.when.status.is_some() || !rule.when.body.is_empty()
    };
    let rule = rules.iter().filter(speaks).find(|rule| fits(rule, head, document))?;
    let mut verdict = ruled(rule, Some(head), document, now);
    verdict.wait = verdict.wait.max(head.retry_after(now));
    Some(of_login(verdict, rule))
}

/// What it means that there was no answer to a sign-in, if a rule says it.
pub(crate) fn no_login(rules: &[ErrorRule], error: &Error) -> Option<Verdict> {
    let verdict = silent(rules, error.clone());
    let rule = rules.iter().find(|rule| is_about_silence(rule)).filter(|_| verdict.is_ruled)?;
    Some(of_login(verdict, rule))
}

/// In the words of a sign-in, where the rule has none of its own.
fn of_login(mut verdict: Verdict, rule: &ErrorRule) -> Verdict {
    let (usual, fix) = match verdict.reaction {
        Reaction::Retry => (Code::AppError, "nothing to do; it is tried again"),
        Reaction::Wait => (Code::AuthLoginRate, "nothing to do; it is tried again"),
        _ => (
            Code::AuthClientInvalid,
            "check the inputs of the connection, and the account at the app",
        ),
    };
    if rule.code.is_none() {
        verdict.error.code = usual;
        verdict.error.retry = usual.default_retry();
    }
    if rule.message.is_none() {
        "the app refuses the sign-in".clone_into(&mut verdict.error.what);
    }
    verdict.error.fix.get_or_insert_with(|| fix.to_owned());
    verdict
}

/// Whether a rule asks for nothing but that there was no answer in time.
fn is_about_silence(rule: &ErrorRule) -> bool {
    rule.when.timeout.as_ref().is_some_and(|timeout| timeout.value)
        && rule.when.status.is_none()
        && rule.when.headers.is_empty()
        && rule.when.body.is_empty()
}

/// What it means that there was no answer: a rule for that, or the failure itself.
pub(super) fn silent(rules: &[ErrorRule], error: Error) -> Verdict {
    let late = error.code == Code::AppTimeout;
    if let Some(rule) = rules.iter().filter(|_| late).find(|rule| is_about_silence(rule)) {
        let mut verdict = ruled(rule, None, None, Timestamp::UNIX_EPOCH);
        if let Some(cause) = &error.cause {
            verdict.error = verdict.error.cause(cause.clone());
        }
        if let Some(place) = &error.place.request {
            verdict.error = verdict.error.in_request(place.clone());
        }
        return verdict;
    }
    let outcome = if error.is_permanent() { Outcome::Permanent } else { Outcome::Transient };
    Verdict { error, reaction: Reaction::Retry, wait: None, outcome, is_ruled: false }
}

fn by_status(plan: &Plan, status: u16, document: Option<&Value>) -> Verdict {
    let said = document.and_then(|document| error_word(document, 0));
    let cause = match said {
        Some(word) => format!("HTTP {status}, {word}"),
        None => format!("HTTP {status}"),
    };
    let app = &plan.app;
    let verdict = |code, what: String, fix: &str, reaction| Verdict {
        error: Error::new(code, what).cause(cause.clone()).fix(fix),
        reaction,
        wait: None,
        outcome: Outcome::Transient,
        is_ruled: false,
    };
    match status {
        401 if plan.auth.has_tokens() => verdict(
            Code::AuthTokenRevoked,
            format!("{app} refuses the access token"),
            "check that the client may use the API, that its sessions are not bound to another address, and run `longshore connect`",
            Reaction::Refresh,
        ),
        401 => verdict(
            Code::AuthClientInvalid,
            format!("{app} refuses the credentials"),
            "check the key",
            Reaction::Stop,
        ),
        403 => verdict(
            Code::PermMissing,
            format!("{app} does not allow this request"),
            "give the account the permission that the manifest's README names for this stream",
            Reaction::Stop,
        ),
        404 | 410 => verdict(
            Code::AppEndpointGone,
            format!("{app} has nothing at this address"),
            "check the path and the API version in the manifest",
            Reaction::Stop,
        ),
        _ if plan.retry_on.iter().any(|pattern| pattern.matches(status)) => {
            let (code, what) = match status {
                429 => (Code::RateLimited, format!("{app} asks us to slow down")),
                408 | 504 => (Code::AppTimeout, format!("{app} did not answer in time")),
                503 => (Code::AppMaintenance, format!("{app} is not available")),
                _ => (Code::AppError, format!("{app} had an internal error")),
            };
            verdict(code, what, "tried again by itself; nothing is lost", Reaction::Retry)
        }
        _ => verdict(
            Code::AppRequestRefused,
            format!("{app} refuses this request"),
            "check the request in the manifest against the app's documentation",
            Reaction::Stop,
        ),
    }
}

fn fits(rule: &ErrorRule, head: Head<'_>, document: Option<&Value>) -> bool {
    let Head { status, headers } = head;
    if rule.when.is_empty() || rule.when.timeout.as_ref().is_some_and(|timeout| timeout.value) {
        return false;
    }
    let status_fits =
        rule.when.status.as_ref().is_none_or(|any| any.0.iter().any(|one| one.matches(status)));
    let headers_fit = rule.when.headers.iter().all(|(name, pattern)| {
        let values = headers.get_all(name.value.as_str()).iter();
        values.filter_map(|value| value.to_str().ok()).any(|value| pattern.is_match(value.trim()))
    });
    let body_fits = rule.when.body.iter().all(|(path, expected)| {
        let expected = expected.to_string();
        document.and_then(|document| path.first(document)).is_some_and(|value| match value {
            Value::String(text) => *text == expected,
            Value::Number(number) => number.to_string() == expected,
            Value::Bool(bool) => bool.to_string() == expected,
            _ => false,
        })
    });
    status_fits && headers_fit && body_fits
}

fn ruled(
    rule: &ErrorRule,
    head: Option<Head<'_>>,
    document: Option<&Value>,
    now: Timestamp,
) -> Verdict {
    let reaction = rule.then.value;
    let usual = match reaction {
        Reaction::Refresh => Code::AuthTokenRevoked,
        Reaction::Retry | Reaction::Wait => Code::AppError,
        Reaction::Stop | Reaction::Ignore => Code::AppRequestRefused,
        Reaction::Skip | Reaction::SkipPage => Code::DataGap,
        Reaction::SplitWindow | Reaction::ShrinkPage => Code::AppTimeout,
        Reaction::RestartWindow => Code::DataCursorExpired,
        Reaction::WaitForQuota => Code::QuotaExceeded,
    };
    let code = rule.code.as_ref().and_then(|code| code.parse().ok()).unwrap_or(usual);
    let words: Vec<_> =
        rule.when.body.iter().map(|(_, expected)| format!(", {expected}")).collect();
    let what = rule.message.clone().unwrap_or_else(|| "the app refuses this request".to_owned());
    let mut error = Error::new(code, what.trim().trim_end_matches('.')).cause(match head {
        Some(head) => format!("HTTP {}{}", head.status, words.concat()),
        None => "there was no answer in time".to_owned(),
    });
    if let Some(fix) = &rule.fix {
        error = error.fix(fix.trim());
    }
    let wait = rule.wait.as_ref().and_then(|wait| waiting(wait, head, document, now));
    Verdict { error, reaction, wait, outcome: Outcome::Transient, is_ruled: true }
}

/// How long a rule says to wait, as far as the answer tells.
fn waiting(
    wait: &Wait,
    head: Option<Head<'_>>,
    document: Option<&Value>,
    now: Timestamp,
) -> Option<Duration> {
    if let Some(fixed) = &wait.fixed {
        return Some(fixed.0);
    }
    let unit = wait.unit.as_ref()?.value;
    let headers = head?.headers;
    let header = |name: &str| headers.get(name)?.to_str().ok();
    // The app's clock set both times, where it tells its own (RFC 9110, section 6.6.1).
    let sent = header("Date").and_then(http_date).unwrap_or(now);
    match (&wait.header, &wait.body) {
        (Some(name), _) => until(header(name)?, unit, sent),
        (None, Some(path)) => match path.first(document?)? {
            Value::String(text) => until(text, unit, sent),
            Value::Number(number) => until(&number.to_string(), unit, sent),
            _ => None,
        },
        (None, None) => None,
    }
}

/// A member of an error document that names the error in one word. Nothing else of the document is
/// ever shown: messages may repeat personal data.
fn error_word(document: &Value, depth: usize) -> Option<String> {
    let word = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let good = (3..=64).contains(&text.len()) && text.bytes().all(plain);
        (good && text.bytes().any(|b| b.is_ascii_alphabetic())).then(|| printable(text, 64))
    };
    if depth > 3 {
        return None;
    }
    match document {
        Value::Array(items) => items.first().and_then(|item| error_word(item, depth + 1)),
        Value::Object(members) => ["errorCode", "error_code", "code", "error", "type", "status"]
            .iter()
            .find_map(|name| members.get(*name).and_then(Value::as_str).and_then(word))
            .or_else(|| members.values().find_map(|value| error_word(value, depth + 1))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_fits_an_answer_that_has_all_of_its_headers() {
        let manifest = include_str!("../../../tests/good/complete.yaml").replace(
            "    then: refresh\n",
            "    then: refresh\n  - when: { status: 403, headers: { X-Left: \"0\", X-SSO: .+ } }\n    then: retry\n",
        );
        let checked =
            longshore_validator::validate(&manifest, &longshore_validator::Options::default())
                .checked;
        let manifest = checked.expect("the manifest is good");
        let rule = manifest
            .errors
            .iter()
            .find(|rule| !rule.when.headers.is_empty())
            .expect("the rule is in the manifest");
        let fit = |status, given: &[(&'static str, &'static str)]| {
            let headers = given.iter().map(|(name, value)| {
                let name = reqwest::header::HeaderName::from_static(name);
                (name, reqwest::header::HeaderValue::from_static(value))
            });
            fits(rule, Head { status, headers: &headers.collect() }, None)
        };
        assert!(fit(403, &[("x-left", "0"), ("x-sso", "required; url=x")]));
        assert!(!fit(403, &[("x-left", "10"), ("x-sso", "required")]));
        assert!(!fit(403, &[("x-left", "0")]));
        assert!(!fit(401, &[("x-left", "0"), ("x-sso", "required")]));
    }
}
