//! Streams: one way of reading each, complete.

use std::time::Duration;

use longshore_schema::Span;
use longshore_schema::stream::{Pages, Request};

use super::Context;
use super::asked::{every_fetch, single_requests};
use super::fetch::{Fetch, fetches, following};
use super::paths::of;
use super::references::{ROOTS, refers};
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
    for (key, request) in single_requests(cx) {
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

/// A stream has a request, or a listing step and a fetching step.
pub(crate) fn steps(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream_name, name_span, stream) in streams(cx.manifest) {
        let key_span = |key: &str| cx.entry(&["streams", stream_name, key]).map(|e| e.key_span);
        let steps_span = key_span("steps");
        let Some(steps_span) = steps_span else {
            if stream.request.is_none() {
                found.push(
                    Diagnostic::new(
                        &codes::CHOOSE_ONE,
                        name_span,
                        format!("the stream `{stream_name}` requests nothing"),
                    )
                    .help("add `request`, or `steps` for records that are listed first and fetched then"),
                );
            }
            continue;
        };
        for key in ["request", "records", "pages", "promise", "decode"] {
            if let Some(span) = key_span(key) {
                found.push(
                    Diagnostic::new(
                        &codes::CONFLICTING_KEYS,
                        span,
                        format!("`{key}` stands beside `steps` in the stream `{stream_name}`"),
                    )
                    .also(steps_span, "the steps")
                    .help(format!("move `{key}` into the step that it is about")),
                );
            }
        }
        let entries = &stream.steps.0;
        let [(listing_name, listing), (fetching_name, fetching)] = entries.as_slice() else {
            found.push(
                Diagnostic::new(
                    &codes::STEPS,
                    steps_span,
                    format!("a stepped stream has two steps, not {}", entries.len()),
                )
                .help("write one step that lists the items, and one that fetches each of them"),
            );
            continue;
        };
        for name in [listing_name, fetching_name] {
            if ROOTS.contains(&name.as_str()) {
                found.push(
                    Diagnostic::new(
                        &codes::STEPS,
                        name.span,
                        format!("a step cannot be called `{name}`"),
                    )
                    .help(format!(
                        "`{name}.NAME` means something else in templates: choose another name"
                    )),
                );
            }
        }
        if listing.key.is_none() {
            found.push(
                Diagnostic::new(
                    &codes::STEPS,
                    listing_name.span,
                    format!("the listing step `{listing_name}` has no key"),
                )
                .help("add `key: $.id`: it remembers which items were fetched already"),
            );
        }
        if let Some(key) = &fetching.key {
            found.push(
                Diagnostic::new(
                    &codes::STEPS,
                    key.span,
                    format!("the key of the records stands in the step `{fetching_name}`"),
                )
                .help(
                    "move it into the stream: the stream's `key` is about the last step's records",
                ),
            );
        }
        let request =
            cx.entry(&["streams", stream_name, "steps", fetching_name.as_str(), "request"]);
        let request_key = request.map_or(fetching_name.span, |entry| entry.key_span);
        if !refers(cx, &fetching.request, |path| path[0] == listing_name.as_str()) {
            found.push(
                Diagnostic::new(
                    &codes::STEPS,
                    request_key,
                    format!("the step `{fetching_name}` asks the same for every listed item"),
                )
                .help(format!(
                    "name the item in the request, such as `get: /items/{{{{{listing_name}.id}}}}`"
                )),
            );
        }
    }
}

/// Documents say where their records are; rows and lines are records themselves.
pub(crate) fn records(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, name_span, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            pages_of_lines(&fetch, found);
            let span = fetch.step.map_or(name_span, |name| name.span);
            let format = fetch.decode.format();
            match (format.is_document(), fetch.records) {
                (true, None) => found.push(
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
        let whole = stream.window.is_none() && stream.steps.is_empty();
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
