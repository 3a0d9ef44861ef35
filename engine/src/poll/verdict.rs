//! What an unsuccessful answer means: what the manifest says, or what HTTP says.

use longshore_schema::http::{ErrorRule, Reaction};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::{Code, Error, printable};
use crate::http::Response;
use crate::plan::Plan;
use crate::poll::body::whole;

/// The longest error body that is read for its meaning.
const MAX_ERROR_BODY: u64 = 64 << 10;

/// What an answer means, and what to do about it.
pub(super) struct Verdict {
    pub(super) error: Error,
    pub(super) reaction: Reaction,
}

/// What an unsuccessful answer means: the first of the manifest's rules that fits, or what HTTP
/// says.
pub(super) async fn judge(plan: &Plan, response: &mut Response) -> Verdict {
    let status = response.status.as_u16();
    // The status says enough if the body cannot be read.
    let body = whole(response, MAX_ERROR_BODY).await.unwrap_or_default();
    let document: Option<Value> = serde_json::from_slice(&body).ok();
    for rule in &plan.rules {
        if fits(rule, status, &response.headers, document.as_ref()) {
            return ruled(rule, status);
        }
    }
    by_status(plan, status, document.as_ref())
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

fn fits(rule: &ErrorRule, status: u16, headers: &HeaderMap, document: Option<&Value>) -> bool {
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

fn ruled(rule: &ErrorRule, status: u16) -> Verdict {
    let reaction = rule.then.value;
    let usual = match reaction {
        Reaction::Refresh => Code::AuthTokenRevoked,
        Reaction::Retry | Reaction::Wait => Code::AppError,
        Reaction::Stop => Code::AppRequestRefused,
        Reaction::Skip | Reaction::SkipPage => Code::DataGap,
        Reaction::Ignore => Code::AppRequestRefused,
        Reaction::SplitWindow | Reaction::ShrinkPage => Code::AppTimeout,
        Reaction::RestartWindow => Code::DataCursorExpired,
        Reaction::WaitForQuota => Code::QuotaExceeded,
    };
    let code = rule.code.as_ref().and_then(|code| code.parse().ok()).unwrap_or(usual);
    let words: Vec<_> =
        rule.when.body.iter().map(|(_, expected)| format!(", {expected}")).collect();
    let what = rule.message.clone().unwrap_or_else(|| "the app refuses this request".to_owned());
    let mut error = Error::new(code, what.trim().trim_end_matches('.'))
        .cause(format!("HTTP {status}{}", words.concat()));
    if let Some(fix) = &rule.fix {
        error = error.fix(fix.trim());
    }
    Verdict { error, reaction }
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
            fits(rule, status, &headers.collect(), None)
        };
        assert!(fit(403, &[("x-left", "0"), ("x-sso", "required; url=x")]));
        assert!(!fit(403, &[("x-left", "10"), ("x-sso", "required")]));
        assert!(!fit(403, &[("x-left", "0")]));
        assert!(!fit(401, &[("x-left", "0"), ("x-sso", "required")]));
    }
}
