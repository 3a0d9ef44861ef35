//! Steps: each is about the items of the one before, and comes to an end.

use std::time::Duration;

use longshore_schema::scalar::Name;
use longshore_schema::stream::{Step, Stream, Wait};
use longshore_schema::{Span, Spanned};

use super::Context;
use super::asked::key_of;
use super::references::{ROOTS, refers};
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

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
            if batched {
                return root == "batch";
            }
            entries[..index].iter().any(|(earlier, _)| earlier.as_str() == root)
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

/// The steps of all streams, each with its stream's name and its number.
fn all_steps<'m>(
    cx: &Context<'m>,
) -> impl Iterator<Item = (&'m str, &'m Stream, usize, &'m Spanned<Name>, &'m Step)> {
    streams(cx.manifest).flat_map(|(stream_name, _, stream)| {
        let steps = stream.steps.iter().enumerate();
        steps.map(move |(at, (name, step))| (stream_name, stream, at, name, step))
    })
}

/// Items that go into a request together fit into it.
pub(crate) fn batches(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, _, at, name, step) in all_steps(cx) {
        let Some(batch) = &step.batch else { continue };
        let mut report = |span, message: String, help: &str| {
            found.push(Diagnostic::new(&codes::BATCH, span, message).help(help));
        };
        if at == 0 {
            let keys = ["streams", stream, "steps", name.as_str(), "batch"];
            report(
                key_of(cx, &keys, batch.span),
                format!("the step `{name}` is the first one: there are no items to put together"),
                "move `batch` to the step that is done for the listed items",
            );
        } else if batch.size.value == 0 {
            report(
                batch.size.span,
                "a batch of no items".to_owned(),
                "write the most items that the app takes in one request",
            );
        } else if let Some(bytes) = batch.bytes.as_ref().filter(|b| b.value < batch.size.value) {
            report(
                bytes.span,
                format!(
                    "{} items do not fit into {} bytes, whatever they are",
                    batch.size.value, bytes.value
                ),
                "write how many bytes the values may have together, or leave `bytes` out",
            );
        }
    }
}

/// What is waited for comes in time, and is told from what failed.
pub(crate) fn waits(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, _, _, name, step) in all_steps(cx) {
        let Some(wait) = &step.wait else { continue };
        let keys = ["streams", stream, "steps", name.as_str(), "wait"];
        let mut report = |span, message: String, help: &str| {
            found.push(Diagnostic::new(&codes::WAIT, span, message).help(help));
        };
        if !step.decode.format().is_document() {
            let format = step.decode.format();
            report(
                key_of(cx, &keys, wait.span),
                format!(
                    "{} {} answer has no members to wait for",
                    format.article(),
                    format.title()
                ),
                "move `wait` into the step that asks for the state",
            );
            continue;
        }
        if wait.until.is_empty() && cx.intact(&[&keys[..], &["until"]].concat()) {
            report(
                wait.until.span,
                "nothing is waited for".to_owned(),
                "name the member that tells, with its value when it is done: `until: { $.status: done }`",
            );
        }
        if wait.every.0 == Duration::ZERO {
            report(
                wait.every.span,
                "the app would be asked again without a pause".to_owned(),
                "write how long to wait before asking again, such as `every: 10s`",
            );
        } else if wait.every.value >= wait.timeout.value {
            found.push(
                Diagnostic::new(
                    &codes::WAIT,
                    wait.timeout.span,
                    format!("after {} the app is asked once, and never again", wait.timeout.value),
                )
                .also(wait.every.span, "the pause is as long")
                .help("write a `timeout` that is many times as long as `every`"),
            );
        }
        found.extend(done_and_failed(wait));
    }
}

/// A value that means both that it is done and that it has failed.
fn done_and_failed(wait: &Wait) -> Option<Diagnostic> {
    wait.failed.iter().find_map(|(path, values)| {
        let (other, done) = wait.until.iter().find(|(other, _)| other.value == path.value)?;
        let both = values.0.iter().find(|value| done.0.contains(value))?;
        Some(
            Diagnostic::new(
                &codes::WAIT,
                path.span,
                format!("`{}` is {both} when it is done, and when it has failed", path.value),
            )
            .also(other.span, "when it is done")
            .help("write in `failed` the values that the app has for what went wrong"),
        )
    })
}

/// A cleanup is for what was made.
pub(crate) fn cleanups(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, of, at, name, step) in all_steps(cx) {
        let Some(cleanup) = &step.cleanup else { continue };
        let keys = ["streams", stream, "steps", name.as_str(), "cleanup"];
        if at + 1 == of.steps.len() {
            found.push(
                Diagnostic::new(
                    &codes::CLEANUP,
                    key_of(cx, &keys, cleanup.span),
                    format!("the step `{name}` gives the records, and makes nothing to clear away"),
                )
                .help("move `cleanup` to the step that makes what it clears away"),
            );
            continue;
        }
        if let Some(("get" | "head", url)) = cleanup.method() {
            found.push(
                Diagnostic::new(
                    &codes::CLEANUP,
                    url.span,
                    "a request that only reads clears nothing away",
                )
                .help("write `delete`, or `post` to what the app has for it: GET changes nothing (RFC 9110, 9.2.1)"),
            );
            continue;
        }
        let known = &of.steps.0[..=at];
        let names_item = |path: &[String]| known.iter().any(|(name, _)| name.as_str() == path[0]);
        if refers(cx, cleanup, names_item) {
            continue;
        }
        found.push(
            Diagnostic::new(
                &codes::CLEANUP,
                key_of(cx, &keys, cleanup.span),
                format!("the cleanup of the step `{name}` is the same whatever the step made"),
            )
            .help(format!(
                "name what is to be cleared away, such as `cleanup: {{ delete: \"/items/{{{{{name}.id}}}}\" }}`"
            )),
        );
    }
}

/// As many items in flight as requests may be under way.
pub(crate) fn at_once(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, _, at, name, step) in all_steps(cx) {
        let Some(own) = &step.concurrency else { continue };
        let keys = ["streams", stream, "steps", name.as_str(), "concurrency"];
        let mut report = |span, message: String, other: Option<Span>, help: String| {
            let mut diagnostic = Diagnostic::new(&codes::PACE, span, message).help(help);
            if let Some(other) = other {
                diagnostic = diagnostic.also(other, "for all requests");
            }
            found.push(diagnostic);
        };
        if at == 0 {
            report(
                key_of(cx, &keys, own.span),
                format!("the step `{name}` is the first one: there is one request at a time"),
                None,
                "move `concurrency` to the step that is done for the listed items".to_owned(),
            );
        } else if own.value == 0 {
            report(
                own.span,
                "no item at all may be in flight".to_owned(),
                None,
                "write at least 1, or leave it out".to_owned(),
            );
        } else if let Some(all) = &cx.manifest.http.concurrency
            && all.value > 0
            && own.value > all.value
        {
            report(
                own.span,
                format!("{} items at a time never get {} requests", own.value, own.value),
                Some(all.span),
                format!("write at most {}, which is `http.concurrency`", all.value),
            );
        }
    }
}
