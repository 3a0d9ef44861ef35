//! What is read in parts, and what is asked for beside the records.

use longshore_schema::http::Reaction;
use longshore_schema::stream::Stream;
use longshore_schema::{Literal, Span};

use super::Context;
use super::asked::key_of;
use super::fetch::{fetches, following};
use super::references::{refers, sends};
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// The most combinations of partitions that the engine reads.
const MAX_COMBINATIONS: usize = 10_000;

/// Partitions have values, each once, and are asked for.
pub(crate) fn partitions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream_name, _, stream) in streams(cx.manifest) {
        let mut combinations = 1_usize;
        for (name, values) in &stream.partitions.value {
            let mut report = |span, message: String, help: &str| {
                found.push(Diagnostic::new(&codes::PARTITION_VALUES, span, message).help(help));
            };
            if values.is_empty() {
                report(
                    values.span,
                    format!("the partition `{name}` has no values: nothing is ever read"),
                    "list the values that the app takes, or remove the partition",
                );
            }
            let before = combinations;
            combinations = combinations.saturating_mul(values.len().max(1));
            if before <= MAX_COMBINATIONS && combinations > MAX_COMBINATIONS {
                report(
                    values.span,
                    format!("{combinations} combinations of partitions are more than are read"),
                    "list fewer values: everything is read once for each combination, at most 10000 times",
                );
            }
            let mut seen: Vec<(&Literal, Span)> = Vec::new();
            for value in values.iter().take(MAX_COMBINATIONS) {
                match seen.iter().find(|(known, _)| **known == value.value) {
                    Some((_, first)) => {
                        found.push(
                            Diagnostic::new(
                                &codes::PARTITION_VALUES,
                                value.span,
                                format!("the partition `{name}` has `{}` twice", value.value),
                            )
                            .also(*first, "the first one")
                            .help("keep one: everything would be read twice"),
                        );
                        break;
                    }
                    None => seen.push((&value.value, value.span)),
                }
            }
            if !is_asked_for(cx, stream, name.as_str()) {
                found.push(
                    Diagnostic::new(
                        &codes::PARTITION_NOT_SENT,
                        key_of(cx, &["streams", stream_name, "partitions", name.as_str()], name.span),
                        format!("`partition.{name}` is never sent: the same is read {} times", values.len()),
                    )
                    .help(format!(
                        "send it as the app expects it, such as `query: {{ {name}: \"{{{{partition.{name}}}}}\" }}`, or remove it"
                    )),
                );
            }
        }
    }
}

fn is_asked_for(cx: &Context<'_>, stream: &Stream, name: &str) -> bool {
    let all = fetches(stream);
    // A stream that requests nothing is reported as such.
    all.is_empty()
        || all.iter().any(|fetch| {
            let next = fetch.pages.map(|pages| following(pages)).unwrap_or_default();
            sends(cx, fetch.request, "partition", name)
                || next.into_iter().any(|request| sends(cx, request, "partition", name))
        })
}

/// A detail that the app does not have is no reason to stop.
pub(crate) fn gone_details(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let skipped = cx.manifest.errors.iter().any(|rule| {
        let status = rule.when.status.as_ref();
        !rule.when.is_login()
            && matches!(rule.then.value, Reaction::Skip | Reaction::Ignore)
            && status.is_none_or(|any| any.0.iter().any(|one| one.matches(404)))
    });
    let joins = streams(cx.manifest).flat_map(|(_, _, stream)| &stream.join.value);
    if let Some((name, _)) = joins.into_iter().next().filter(|_| !skipped) {
        found.push(
            Diagnostic::new(
                &codes::DETAIL_GONE,
                name.span,
                format!("a record without a `{name}` stops the stream: no rule says what a 404 means"),
            )
            .help("add `- { when: { status: 404 }, then: skip, code: DETAIL_GONE }` to `errors`; `missing` then says what becomes of the record"),
        );
    }
}

/// A detail is asked for by the record that it is for.
pub(crate) fn details(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, _, of) in streams(cx.manifest) {
        for (name, join) in &of.join.value {
            if refers(cx, &join.request, |path| path[0] == "record") {
                continue;
            }
            let keys = ["streams", stream, "join", name.as_str(), "request"];
            found.push(
                Diagnostic::new(
                    &codes::DETAIL,
                    key_of(cx, &keys, join.request.span),
                    format!("the request for `{name}` is the same for every record"),
                )
                .help("name the record in it, such as `get: \"/users/{{record.id}}\"`; what is the same for all is a fact"),
            );
        }
    }
}
