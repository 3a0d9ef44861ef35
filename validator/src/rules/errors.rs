//! Rules about the app's answers: each can apply, and each can be reported.

use longshore_schema::auth::Auth;
use longshore_schema::http::{Condition, Reaction};
use longshore_schema::scalar::StatusPattern;

use super::Context;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A rule has a condition.
pub(crate) fn conditions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for rule in &cx.manifest.errors {
        if rule.when.status.is_none() && rule.when.body.is_empty() {
            let place = cx.find(rule.span, "when", 0);
            found.push(
                Diagnostic::new(&codes::EMPTY_CONDITION, place, "the rule has no condition")
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
        if rule.when.status.is_none() && rule.when.body.is_empty() {
            continue;
        }
        let earlier = rules[..n].iter().find(|earlier| covers(&earlier.when, &rule.when));
        if let Some(earlier) = earlier {
            found.push(
                Diagnostic::new(
                    &codes::UNREACHABLE_RULE,
                    cx.find(rule.span, "when", 0),
                    "the rule is never reached",
                )
                .also(cx.find(earlier.span, "when", 0), "an earlier rule takes all of its answers")
                .help("put the more particular rule first"),
            );
        }
    }
}

/// Whether every answer that satisfies `inner` satisfies `outer`.
fn covers(outer: &Condition, inner: &Condition) -> bool {
    if outer.status.is_none() && outer.body.is_empty() {
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
    let same = |(path, value): &(
        longshore_schema::Spanned<longshore_schema::JsonPath>,
        longshore_schema::Literal,
    )| {
        inner.body.iter().any(|(known, literal)| known.value == path.value && literal == value)
    };
    statuses && outer.body.iter().all(same)
}

/// An access token that the app no longer takes is refreshed.
pub(crate) fn expired_token(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Auth::OAuth2(oauth) = &cx.manifest.auth.value else { return };
    let explained = cx.manifest.errors.iter().any(|rule| {
        let statuses = rule.when.status.iter().flat_map(|statuses| &statuses.0);
        statuses.into_iter().any(|status| status.matches(401))
            || rule.then.value == Reaction::Refresh
    });
    if !explained {
        found.push(
            Diagnostic::new(
                &codes::EXPIRED_TOKEN,
                oauth.token_url.span,
                "no rule says what a 401 means: a revoked token would stop every stream without a reason",
            )
            .help("add `- { when: { status: 401 }, then: refresh }` to `errors`"),
        );
    }
}
