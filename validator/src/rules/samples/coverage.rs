//! Every stream has a recorded success, an empty answer and an error; errors are explained.

use std::collections::BTreeSet;

use longshore_schema::http::ErrorRule;
use longshore_schema::yaml::Node;

use super::paths::{Need, absent};
use super::view::{View, text_of};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::rules::Context;
use crate::samples::{Kind, Sample, Samples, select, step_of};

/// Whether each stream has a response of each kind.
pub(super) fn kinds(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let all: Vec<_> = view.fetches.iter().flat_map(|fetch| view.responses(fetch)).collect();
    let mut missing = Vec::new();
    for fetch in &view.fetches {
        if view.responses(fetch).all(|sample| sample.kind() != Kind::Success && !sample.unread) {
            missing.push(match step_of(fetch) {
                Some(step) => format!("with records for the step `{step}`"),
                None => "with records".to_owned(),
            });
        }
    }
    for (join, _) in &view.stream.join.value {
        let mut all = view.samples.responses(view.name, Some(join.as_str()));
        if all.all(|sample| sample.answered().is_none()) {
            missing.push(format!("for the detail `{join}`"));
        }
    }
    for (kind, name) in [(Kind::Empty, "without records"), (Kind::Error, "of an error")] {
        let is = |sample: &&Sample| sample.kind() == kind || sample.unread && kind == Kind::Empty;
        if !all.iter().any(is) {
            missing.push(name.to_owned());
        }
    }
    let Some((last, rest)) = missing.split_last() else { return };
    let list = if rest.is_empty() {
        last.clone()
    } else {
        format!("{}, nor one {last}", rest.join(", nor one "))
    };
    found.push(
        Diagnostic::new(
            &codes::FIXTURE_COVERAGE,
            view.name_span,
            format!("the stream `{}` has no recorded response {list}", view.name),
        )
        .help(format!("record one and put it under fixtures/{}/", view.name)),
    );
}

/// That nothing is recorded at all.
pub(super) fn none(cx: &Context<'_>) -> Option<Diagnostic> {
    let streams = cx.entry(&["streams"])?;
    Some(
        Diagnostic::new(
            &codes::NO_FIXTURES,
            streams.key_span,
            "no response is recorded beside this manifest",
        )
        .help("put an answer of the app for each stream under fixtures/STREAM/NAME.json: its paths and types are checked against it"),
    )
}

/// Every recorded error is explained by a rule, or tried again.
pub(super) fn errors(cx: &Context<'_>, samples: &Samples) -> Vec<(usize, Diagnostic)> {
    let http = &cx.manifest.http;
    let errors = samples.all().iter().filter(|sample| sample.kind() == Kind::Error);
    errors
        .filter(|sample| {
            let status = sample.status.value;
            let retried = http.retry.on.iter().any(|pattern| pattern.matches(status));
            !retried && !cx.manifest.errors.iter().any(|rule| explains(rule, sample))
        })
        .map(|sample| {
            let message = format!("no error rule says what this {} means", sample.status.value);
            let diagnostic =
                Diagnostic::new(&codes::UNEXPLAINED_ERROR, sample.status.span, message).help(
                    format!(
                        "add a rule under `errors`: `when: {{ status: {} }}` with what to do then",
                        sample.status.value
                    ),
                );
            (sample.fixture, diagnostic)
        })
        .collect()
}

/// Whether a rule's conditions hold for a response, as the engine decides it.
fn explains(rule: &ErrorRule, sample: &Sample) -> bool {
    let status = sample.status.value;
    let fits = |path, expected: &longshore_schema::Literal| {
        let body = sample.body.as_ref();
        let value = body.and_then(|body| select(path, body).first().and_then(|node| text_of(node)));
        value.is_some_and(|value| value == expected.to_string())
    };
    rule.when.status.as_ref().is_none_or(|any| any.0.iter().any(|one| one.matches(status)))
        && rule.when.headers.iter().all(|(name, pattern)| {
            let mut headers = sample.headers.iter();
            headers.any(|(own, value)| {
                own.eq_ignore_ascii_case(&name.value) && pattern.is_match(&value.value)
            })
        })
        && rule.when.body.iter().all(|(path, expected)| fits(&path.value, expected))
}

/// What quotas look for in bodies is there in some answer.
pub(super) fn quotas(cx: &Context<'_>, samples: &Samples, found: &mut Vec<Diagnostic>) {
    let answered = samples.all().iter().filter(|sample| sample.status.value < 400);
    let bodies: Vec<&Node> = answered.filter_map(|sample| sample.body.as_ref()).collect();
    for body in cx.manifest.quotas.iter().filter_map(|(_, quota)| quota.body.as_ref()) {
        for path in [&body.limit, &body.remaining, &body.used, &body.cost].into_iter().flatten() {
            found.extend(absent(cx, &path.value, path.span, &bodies, "response", Need::Mapped));
        }
    }
}

/// What error rules look for in bodies is there in some recorded error.
pub(super) fn conditions(cx: &Context<'_>, samples: &Samples, found: &mut Vec<Diagnostic>) {
    // Some apps say in a successful answer what went wrong.
    let errors = samples.all().iter().filter(|sample| {
        sample.kind() == Kind::Error || cx.manifest.errors.iter().any(|rule| explains(rule, sample))
    });
    let bodies: Vec<&Node> = errors.filter_map(|sample| sample.body.as_ref()).collect();
    let mut seen = BTreeSet::new();
    for rule in &cx.manifest.errors {
        for (path, _) in &rule.when.body {
            if !seen.insert(path.as_str()) {
                continue;
            }
            let absent = absent(cx, &path.value, path.span, &bodies, "error", Need::Mapped);
            if let Some(mut diagnostic) = absent {
                diagnostic.code = codes::UNSEEN_CONDITION.id;
                found.push(diagnostic.severity(Severity::Info));
            }
        }
    }
}
