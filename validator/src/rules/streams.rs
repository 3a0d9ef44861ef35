//! Streams: one way of reading each, complete.

use std::time::Duration;

use longshore_schema::Span;
use longshore_schema::stream::{Pages, Request};

use super::Context;
use super::asked::{closing_requests, every_fetch, single_requests};
use super::fetch::{Fetch, fetches, following};
use super::paths::of;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A request has one method, and a body only with POST.
pub(crate) fn requests(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut check = |request: &Request, span: Span| {
        let bodies = bodies(request);
        match (request.methods().as_slice(), bodies.as_slice()) {
            ([], _) => found.push(
                Diagnostic::new(&codes::CHOOSE_ONE, span, "the request has no method")
                    .help("add `get: /path`, or `post: /path`"),
            ),
            ([(first, first_url), (second, url), ..], _) => found.push(
                Diagnostic::new(&codes::CHOOSE_ONE, url.span, "the request has two methods")
                    .also(first_url.span, "the other one")
                    .help(format!("keep `{first}`, or keep `{second}`")),
            ),
            ([(method @ ("get" | "head" | "delete"), _)], [(body, at), ..]) => found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    *at,
                    format!("a {} request has no {body}", method.to_uppercase()),
                )
                .help(format!(
                    "move what it says to `query`, or write `post` in place of `{method}`"
                )),
            ),
            (_, [(first, other), (second, at), ..]) => found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    *at,
                    format!("the request has two bodies: `{first}` and `{second}`"),
                )
                .also(*other, "the other one")
                .help(format!("keep `{first}`, or keep `{second}`")),
            ),
            _ => {}
        }
    };
    for (name, fact) in &cx.manifest.facts {
        let entry = cx.entry(&["facts", name.as_str(), "request"]);
        check(&fact.request, entry.map_or(name.span, |entry| entry.key_span));
    }
    for (key, fetch) in every_fetch(cx) {
        check(fetch.request, key);
        for request in fetch.pages.map(|pages| following(pages)).unwrap_or_default() {
            check(request, request.span);
        }
    }
    for (key, request) in single_requests(cx).into_iter().chain(closing_requests(cx)) {
        check(request, key);
    }
}

/// The bodies of a request, by key, with their places.
fn bodies(request: &Request) -> Vec<(&'static str, Span)> {
    let form = request.form.iter().next().map(|(name, _)| ("form", name.span));
    let json = request.json.as_ref().map(|json| ("json", json.span));
    let graphql = request.graphql.as_ref().map(|query| ("graphql", query.query.span));
    let text = request.text.as_ref().map(|text| ("text", text.span));
    [form, json, graphql, text].into_iter().flatten().collect()
}

/// Documents say where their records are; rows and lines are records themselves.
pub(crate) fn records(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, name_span, stream) in streams(cx.manifest) {
        let all = fetches(stream);
        for (index, fetch) in all.iter().copied().enumerate() {
            pages_of_lines(&fetch, found);
            // What is not the last step may give one whole answer, such as a job.
            let whole = index + 1 < all.len();
            let span = fetch.step.map_or(name_span, |name| name.span);
            let format = fetch.decode.format();
            match (format.is_document(), fetch.records) {
                (true, None) if !whole => found.push(
                    Diagnostic::new(
                        &codes::RECORDS,
                        span,
                        format!("{} does not say where its records are", of(&fetch)),
                    )
                    .help("add `records: $.items[*]`, with the path of the list in the response"),
                ),
                (false, Some(records)) => found.push(
                    Diagnostic::new(
                        &codes::RECORDS,
                        records.span,
                        format!("{} {} response has no paths", format.article(), format.title()),
                    )
                    .help(format!("remove `records`: every {} is a record", format.record())),
                ),
                _ => {}
            }
        }
    }
}

/// Rows and lines have no member around them that could hold a link, a cursor or a promise.
fn pages_of_lines(fetch: &Fetch<'_>, found: &mut Vec<Diagnostic>) {
    let format = fetch.decode.format();
    if format.is_document() {
        return;
    }
    let reads = |pages: &Pages| !pages.paths().is_empty() || pages.more().is_some();
    let pages = fetch.pages.filter(|pages| reads(pages));
    let spans = pages.map(|pages| pages.span).into_iter().chain(fetch.promise.map(|p| p.span));
    for span in spans {
        found.push(
            Diagnostic::new(
                &codes::RECORDS,
                span,
                format!("{} {} response has no paths", format.article(), format.title()),
            )
            .help(format!(
                "remove it; pages of {} are found by a header, or counted",
                format.title()
            )),
        );
    }
}

/// How often everything may be read again, in seconds.
const FULL_AGAIN: Duration = Duration::from_secs(3_600);

/// What is read whole is not read every few minutes.
pub(crate) fn full_again(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        let every = &stream.every;
        let whole = stream.window.is_none() && stream.cursor.is_none() && stream.steps.is_empty();
        if whole && every.0 >= Duration::from_secs(60) && every.0 < FULL_AGAIN {
            found.push(
                Diagnostic::new(
                    &codes::FULL_AGAIN,
                    every.span,
                    format!("the stream `{name}` reads everything again every {}", every.value),
                )
                .help("add `window` if the app can filter by time, or poll at most every hour (`every: 1d` is usual)"),
            );
        }
    }
}

/// Polling more often than each minute spends requests and finds nothing.
pub(crate) fn schedule(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        let every = &stream.every;
        if every.0 == Duration::ZERO {
            found.push(
                Diagnostic::new(
                    &codes::NO_INTERVAL,
                    every.span,
                    format!("the stream `{name}` would be polled without a pause"),
                )
                .help("write how often it is polled, such as `every: 15m`"),
            );
        } else if every.0 < Duration::from_secs(60) {
            found.push(
                Diagnostic::new(
                    &codes::POLLED_OFTEN,
                    every.span,
                    format!("the stream `{name}` is polled more than once a minute"),
                )
                .help("write at least 1m: quotas are for days, and logs are minutes late"),
            );
        }
    }
}
