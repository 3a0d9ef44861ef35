//! Streams: one way of reading each, complete.

use std::time::Duration;

use longshore_schema::Span;
use longshore_schema::stream::{Pages, Request, Stream};

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
        let waits = entries.iter().any(|(_, step)| step.wait.is_some());
        if entries.is_empty() || entries.len() == 1 && !waits {
            found.push(
                Diagnostic::new(
                    &codes::STEPS,
                    steps_span,
                    format!("a stepped stream has two steps or more, not {}", entries.len()),
                )
                .help("write one step that lists the items, and one that fetches each of them"),
            );
            continue;
        }
        for (name, _) in entries {
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
        each_step(cx, stream_name, stream, found);
    }
}

/// Each step is about the items of the one before, and they are known again.
fn each_step(cx: &Context<'_>, stream_name: &str, stream: &Stream, found: &mut Vec<Diagnostic>) {
    let entries = &stream.steps.0;
    let mut fault = |span, message, help: String| {
        found.push(Diagnostic::new(&codes::STEPS, span, message).help(help));
    };
    for (index, (name, step)) in entries.iter().enumerate() {
        let last = index + 1 == entries.len();
        let lists = step.records.is_some() || !step.decode.format().is_document();
        if !last && lists && step.key.is_none() && stream.window.is_some() {
            fault(
                name.span,
                format!("the listing step `{name}` has no key"),
                "add `key: $.id`: it remembers which items were fetched already".to_owned(),
            );
        }
        if let Some(key) = step.key.as_ref().filter(|_| last) {
            fault(
                key.span,
                format!("the key of the records stands in the step `{name}`"),
                "move it into the stream: the stream's `key` is about the last step's records"
                    .to_owned(),
            );
        }
        let Some((before, _)) = index.checked_sub(1).map(|before| &entries[before]) else {
            continue;
        };
        let batched = step.batch.is_some();
        let is_item = |root: &str| {
            batched && root == "batch"
                || entries[..index].iter().any(|(earlier, _)| earlier.as_str() == root)
        };
        if !refers(cx, &step.request, |path| is_item(&path[0])) {
            let request = cx.entry(&["streams", stream_name, "steps", name.as_str(), "request"]);
            let item = if batched {
                "name the items in the request, such as `ids: \"{{join batch ','}}\"`".to_owned()
            } else {
                format!("name the item in the request, such as `get: /items/{{{{{before}.id}}}}`")
            };
            fault(
                request.map_or(name.span, |entry| entry.key_span),
                format!("the step `{name}` asks the same for every listed item"),
                item,
            );
        }
    }
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
