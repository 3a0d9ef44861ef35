//! Rules about the app's answers: each can apply, and each can be reported.

use longshore_schema::http::{Condition, ErrorRule, Reaction};
use longshore_schema::map::Value;
use longshore_schema::scalar::{Pattern, StatusPattern};
use longshore_schema::yaml::Content;
use longshore_schema::{JsonPath, Literal, Span, Spanned, Step};

use super::Context;
use super::sites::{all_attributes, streams};
use super::ways::ways;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// Where the condition of the rule with this index stands.
fn when(cx: &Context<'_>, index: usize) -> Span {
    let rules = cx.entry(&["errors"]).map(|entry| &entry.value.content);
    let rule = match rules {
        Some(Content::Sequence(rules)) => rules.get(index),
        _ => None,
    };
    let entry = rule.and_then(|rule| rule.entry("when"));
    entry.map_or(cx.manifest.id.span, |entry| entry.key_span)
}

/// The rules that are not about sign-ins.
fn ordinary<'m>(cx: &Context<'m>) -> impl Iterator<Item = &'m Spanned<ErrorRule>> {
    cx.manifest.errors.iter().filter(|rule| !rule.when.is_login())
}

/// What is done about the answer to a sign-in is something that can be done about one, and there are
/// sign-ins.
pub(crate) fn logins(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let signs_in = !cx.intact(&["auth"])
        || ways(cx.manifest).iter().any(|way| way.oauth().is_some() || way.session().is_some());
    for rule in &cx.manifest.errors {
        let Some(login) = rule.when.login.as_ref().filter(|login| login.value) else { continue };
        let then = &rule.then;
        let possible = matches!(then.value, Reaction::Retry | Reaction::Wait | Reaction::Stop);
        if !signs_in {
            found.push(
                Diagnostic::new(
                    &codes::LOGIN_RULE,
                    login.span,
                    "the rule is about sign-ins, and nothing here signs in by a call",
                )
                .help("remove `login`: keys and signatures go with each request, and other rules say what its answer means"),
            );
        } else if !possible {
            let named = cx.source.get(then.span.range()).unwrap_or_default();
            found.push(
                Diagnostic::new(
                    &codes::LOGIN_RULE,
                    then.span,
                    format!("`{named}` is nothing that can be done about a sign-in"),
                )
                .help("write `retry`, `wait` or `stop`; a grant that only a person can renew is `stop` with `code: AUTH_TOKEN_REVOKED`"),
            );
        }
    }
}

/// A rule has a condition.
pub(crate) fn conditions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (n, rule) in cx.manifest.errors.iter().enumerate() {
        if rule.when.is_empty() {
            found.push(
                Diagnostic::new(&codes::EMPTY_CONDITION, when(cx, n), "the rule has no condition")
                    .help("add `status: 429`, or `body: { $.error: ... }`: without it every answer would be an error"),
            );
        }
    }
}

/// Codes have one shape, and what a person must mend has one.
pub(crate) fn codes(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for rule in &cx.manifest.errors {
        if let Some(code) = &rule.code {
            let good = code.starts_with(|c: char| c.is_ascii_uppercase())
                && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            if !good {
                let upper: String = code
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                    .collect();
                found.push(
                    Diagnostic::new(
                        &codes::ERROR_CODE_SHAPE,
                        code.span,
                        format!("`{}` is not an error code", code.value),
                    )
                    .help(format!(
                        "write capitals, digits and `_`, such as `{}`",
                        upper.trim_matches('_')
                    )),
                );
            }
        } else if rule.then.value == Reaction::Stop {
            found.push(
                Diagnostic::new(
                    &codes::STOP_WITHOUT_WORDS,
                    rule.then.span,
                    "the rule stops the stream and does not say why",
                )
                .help("add `code`, `message` and `fix`: the admin reads them when it happens"),
            );
        }
    }
}

/// The most rules that are compared with each other; manifests have a dozen.
const MAX_COMPARED: usize = 500;

/// No rule stands behind one that takes all its answers.
pub(crate) fn reachable(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let rules = &cx.manifest.errors;
    // Each is compared with all before it.
    for (n, rule) in rules.iter().enumerate().take(MAX_COMPARED) {
        if rule.when.is_empty() {
            continue;
        }
        let earlier = rules[..n].iter().position(|earlier| {
            earlier.when.is_login() == rule.when.is_login() && covers(&earlier.when, &rule.when)
        });
        if let Some(earlier) = earlier {
            found.push(
                Diagnostic::new(&codes::UNREACHABLE_RULE, when(cx, n), "the rule is never reached")
                    .also(when(cx, earlier), "an earlier rule takes all of its answers")
                    .help("put the more particular rule first"),
            );
        }
    }
}

/// Whether every answer that satisfies `inner` satisfies `outer`.
fn covers(outer: &Condition, inner: &Condition) -> bool {
    if outer.is_empty() {
        return false;
    }
    let statuses = match (&outer.status, &inner.status) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => inner.0.iter().all(|inner| {
            outer.0.iter().any(|outer| match (outer, inner) {
                (outer, StatusPattern::Code(code)) => outer.matches(*code),
                (outer, inner) => outer == inner,
            })
        }),
    };
    let same = |(path, value): &(Spanned<JsonPath>, Literal)| {
        inner.body.iter().any(|(known, literal)| known.value == path.value && literal == value)
    };
    let headers = outer.headers.iter().all(|(name, pattern)| {
        let found = |(known, inner): &(Spanned<String>, Spanned<Pattern>)| {
            known.value.eq_ignore_ascii_case(&name.value) && inner.value == pattern.value
        };
        inner.headers.iter().any(found)
    });
    statuses && headers && outer.body.iter().all(same)
}

/// An access token that the app no longer takes is refreshed.
pub(crate) fn expired_token(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let ends = ways(cx.manifest).into_iter().find_map(|way| {
        let oauth = way.oauth().map(|oauth| oauth.token_url.span);
        oauth.or(way.session().map(|session| session.login.span))
    });
    let Some(span) = ends else { return };
    let explained = ordinary(cx).any(|rule| {
        let statuses = rule.when.status.iter().flat_map(|statuses| &statuses.0);
        statuses.into_iter().any(|status| status.matches(401))
            || rule.then.value == Reaction::Refresh
    });
    if !explained {
        found.push(
            Diagnostic::new(
                &codes::EXPIRED_TOKEN,
                span,
                "no rule says what a 401 means: a revoked token would stop every stream without a reason",
            )
            .help("add `- { when: { status: 401 }, then: refresh }` to `errors`"),
        );
    }
}

/// A missing permission, a throttled client and an outage each have a meaning.
pub(crate) fn unexplained(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let explained = |status| {
        let named = ordinary(cx).filter_map(|rule| rule.when.status.as_ref());
        named.flat_map(|statuses| &statuses.0).any(|pattern| pattern.matches(status))
    };
    // A rule without a condition, which may be the one, is reported as such.
    let unclear = cx.manifest.errors.iter().any(|rule| rule.when.is_empty());
    if !explained(403) && !unclear {
        let place = cx.entry(&["errors"]).or_else(|| cx.entry(&["http"]));
        found.push(
            Diagnostic::new(
                &codes::UNEXPLAINED_STATUS,
                place.map_or(cx.manifest.http.base_url.span, |entry| entry.key_span),
                "no rule says what a 403 means: a missing permission would stop a stream without a reason",
            )
            .help("add `- { when: { status: 403 }, then: stop, code: PERM_MISSING, message: ..., fix: ... }` to `errors`"),
        );
    }
    let Some(retried) = cx.entry(&["http", "retry", "on"]) else { return };
    for (status, written, meaning) in [
        (429, "429", "that the app asks to slow down"),
        (503, "5xx", "that the app is not available"),
    ] {
        let retry = cx.manifest.http.retry.on.iter().any(|pattern| pattern.matches(status));
        if !retry && !explained(status) {
            found.push(
                Diagnostic::new(
                    &codes::UNEXPLAINED_STATUS,
                    retried.key_span,
                    format!("nothing is done about a {written}, which says {meaning}"),
                )
                .help(format!("add {written} to `on`, or a rule for it to `errors`")),
            );
        }
    }
}

/// What members that are written for people are called.
const FOR_PEOPLE: [&str; 10] = [
    "message",
    "msg",
    "error_description",
    "errormessage",
    "error_message",
    "description",
    "detail",
    "title",
    "label",
    "display_name",
];

/// The last member of a path, if it is one that is written for people.
pub(super) fn for_people(path: &JsonPath) -> Option<&str> {
    let Some(Step::Member(name)) = path.steps()?.last() else { return None };
    FOR_PEOPLE.iter().any(|known| name.eq_ignore_ascii_case(known)).then_some(name.as_str())
}

/// Decisions hang on codes, not on sentences.
pub(crate) fn localized(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut report = |span, name: &str| {
        found.push(
            Diagnostic::new(
                &codes::LOCALIZED_TEXT,
                span,
                format!("`{name}` is text for people, and a decision hangs on it"),
            )
            .help("decide by a code or a number of the app: text changes with the account's language and with releases"),
        );
    };
    for rule in &cx.manifest.errors {
        for (path, wanted) in &rule.when.body {
            let is_code = |text: &str| {
                text.contains('_')
                    || text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
            };
            if let Some(name) = for_people(&path.value)
                && wanted.as_text().is_some_and(|text| !is_code(text))
            {
                report(path.span, name);
            }
        }
    }
    for (_, _, stream) in streams(cx.manifest) {
        if let Some(by) = stream.map.choice().and_then(|choice| choice.by.as_ref())
            && let Some(name) = for_people(&by.value)
        {
            report(by.span, name);
        }
        for attributes in all_attributes(&stream.map) {
            for (_, value) in attributes {
                let Value::Source(source) = &value.value else { continue };
                let paths = source.when.iter().flat_map(|_| &source.from.value.0);
                for path in paths {
                    if let Some(name) = for_people(&path.value) {
                        report(path.span, name);
                    }
                }
            }
        }
    }
}

/// What a message says that says nothing, in lower case and without its full stop.
const EMPTY_WORDS: [&str; 12] = [
    "error",
    "an error occurred",
    "an error has occurred",
    "something went wrong",
    "unknown error",
    "request failed",
    "the request failed",
    "failed",
    "bad request",
    "forbidden",
    "unauthorized",
    "access denied",
];

/// A message says what failed and why.
pub(crate) fn messages(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for rule in &cx.manifest.errors {
        let Some(message) = &rule.message else { continue };
        let words = message.trim().trim_end_matches(['.', '!']).to_lowercase();
        if EMPTY_WORDS.contains(&words.as_str()) {
            found.push(
                Diagnostic::new(
                    &codes::GENERIC_MESSAGE,
                    cx.find(rule.span, message, 0),
                    format!("`{message}` does not say what failed"),
                )
                .help("say what the app refused and why, as far as this answer tells"),
            );
        }
    }
}
