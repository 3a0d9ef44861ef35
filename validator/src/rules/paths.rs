//! Paths into JSON: those that must lead to one value do, those that must lead to many can.

use longshore_schema::map::{Activity, Map, Value};
use longshore_schema::stream::{More, Pages, Stream};
use longshore_schema::{JsonPath, Span, Spanned, Step};

use super::Context;
use super::asked::{every_fetch, probes};
use super::fetch::{Fetch, fetches};
use super::sites::{all_attributes, maps, streams};
use super::ways::ways;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// Paths that stand for one value select at most one.
pub(crate) fn singular(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut one = |path: &JsonPath, span: Span, what: &str| {
        if !path.is_singular() {
            found.push(
                Diagnostic::new(
                    &codes::PATH_NOT_SINGULAR,
                    span,
                    format!("{what} is one value, and `{path}` may select several"),
                )
                .help("write member names and indexes alone, such as `$.id` or `$.items[0].id`"),
            );
        }
    };
    for (_, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            for key in fetch.key.iter().flat_map(|key| &key.0) {
                one(&key.value, key.span, "a part of the key");
            }
            if let Some(pages) = fetch.pages {
                for (path, what) in pages.paths() {
                    one(&path.value, path.span, what);
                }
                for (path, span) in pages.more().map(More::paths).unwrap_or_default() {
                    one(path, span, "what says that there is another page");
                }
                if let Pages::Keyset(keyset) = &pages.value {
                    for (_, path) in &keyset.last.value {
                        one(&path.value, path.span, "what is sent of the last record");
                    }
                }
            }
            if let Some(promise) = fetch.promise {
                for (path, _) in &promise.last_page {
                    one(&path.value, path.span, "a promise");
                }
                if let Some(total) = &promise.total {
                    one(&total.value, total.span, "the total");
                }
            }
        }
        for key in stream.key.0.iter().filter(|_| stream.request.is_none()) {
            one(&key.value, key.span, "a part of the key");
        }
        if let Some(window) = &stream.window {
            one(&window.on.value, window.on.span, "the time of a record");
        }
        if let Some(cursor) = &stream.cursor {
            for path in cursor.next.iter().chain(&cursor.last) {
                one(&path.value, path.span, "the place to go on from");
            }
        }
        for (_, join) in &stream.join.value {
            if let Some(select) = &join.select {
                one(&select.value, select.span, "a detail of a record");
            }
        }
        for (_, step) in &stream.steps.value {
            if let Some(batch) = &step.batch {
                one(&batch.of.value, batch.of.span, "what of an item goes into a batch");
            }
            let waits = step.wait.iter().flat_map(|wait| wait.until.iter().chain(&wait.failed));
            for (path, _) in waits {
                one(&path.value, path.span, "what tells whether it is done");
            }
        }
    }
    for (_, settings) in &cx.manifest.settings {
        for path in settings.key.iter().chain(&settings.value) {
            one(&path.value, path.span, "a part of a setting");
        }
    }
    let probed = probes(cx.manifest).into_iter().filter_map(|a| a.probe.empty_when.as_ref());
    let verified = cx.manifest.actions.iter().filter_map(|(_, a)| a.verify.empty_when.as_ref());
    for (path, _) in probed.chain(verified).flat_map(|condition| &condition.body) {
        one(&path.value, path.span, "a condition on the body");
    }
    for rule in &cx.manifest.errors {
        for (path, _) in &rule.when.body {
            one(&path.value, path.span, "a condition on the body");
        }
        if let Some(path) = rule.wait.as_ref().and_then(|wait| wait.body.as_ref()) {
            one(&path.value, path.span, "how long to wait");
        }
    }
    for body in cx.manifest.quotas.iter().filter_map(|(_, quota)| quota.body.as_ref()) {
        for path in [&body.limit, &body.remaining, &body.used, &body.cost].into_iter().flatten() {
            one(&path.value, path.span, "a number of the quota");
        }
    }
    for way in ways(cx.manifest) {
        let oauth = way.oauth();
        let named = oauth.map(|oauth| &oauth.token).or(way.session().map(|session| &session.token));
        for (name, path) in named.into_iter().flatten() {
            one(&path.value, path.span, &format!("`auth.{name}`"));
        }
        let response = oauth.map(|oauth| &oauth.response);
        let members = response.into_iter().flat_map(|response| {
            [&response.access_token, &response.refresh_token, &response.expires_in, &response.error]
        });
        for path in members.flatten() {
            one(&path.value, path.span, "a part of the token response");
        }
    }
}

/// `records` selects the records, not the list that holds them.
pub(crate) fn records(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fetched = every_fetch(cx);
    let stepped = streams(cx.manifest)
        .filter(|(_, _, stream)| stream.request.is_none())
        .filter_map(|(_, _, stream)| stream.records.as_ref());
    for records in fetched.iter().filter_map(|(_, fetch)| fetch.records).chain(stepped) {
        if records.is_singular() {
            found.push(
                Diagnostic::new(
                    &codes::RECORDS_NOT_PLURAL,
                    records.span,
                    format!("`{}` selects one value, not the records", records.value),
                )
                .label(format!("did you mean `{}[*]`?", records.value))
                .help(format!(
                    "write `{}[*]` for every element of the list: without it the whole list would be one record",
                    records.value
                )),
            );
        }
    }
}

/// A row of a table has members and nothing below them, but for what is unpacked.
pub(crate) fn csv_members(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        if fetches(stream).last().is_none_or(|fetch| !fetch.decode.format().is_table()) {
            continue;
        }
        for path in record_paths(stream) {
            let unpacked = |name: &str| {
                let mut opened = stream.unpack.iter().filter_map(|(path, _)| path.members());
                opened.any(|members| members == [name])
            };
            let inside = path
                .steps()
                .and_then(|steps| steps.first())
                .is_some_and(|first| matches!(first, Step::Member(name) if unpacked(name)));
            if !inside && path.members().is_none_or(|members| members.len() > 1) {
                found.push(
                    Diagnostic::new(
                        &codes::CSV_PATH,
                        path.span,
                        format!("`{}` finds nothing in a CSV row", path.value),
                    )
                    .label("a row has columns and nothing below them")
                    .help("write the column's name, such as `$.USER_ID` or `$['User ID']`"),
                );
            }
        }
    }
}

/// What is mapped as it is, is not ignored.
pub(crate) fn ignored(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for name in &stream.ignore {
            let mapped = all_attributes(&stream.map).into_iter().flatten().find(|(_, value)| {
                matches!(&value.value, Value::Path(path) if path.members().as_deref() == Some(&[name.as_str()]))
            });
            if let Some((attribute, value)) = mapped {
                found.push(
                    Diagnostic::new(
                        &codes::IGNORED_AND_USED,
                        name.span,
                        format!("`{}` is ignored, and mapped to `{}`", name.value, attribute.value),
                    )
                    .also(value.span, "mapped here")
                    .help("remove it from `ignore`: what is mapped as it is, is not kept again"),
                );
            }
        }
    }
}

/// Every path into a record of the stream.
fn record_paths(stream: &Stream) -> Vec<Spanned<JsonPath>> {
    let mut paths: Vec<_> = stream.key.0.clone();
    let window = stream.window.iter().filter(|_| stream.times_records());
    paths.extend(window.map(|window| window.on.clone()));
    paths.extend(stream.privacy.iter().map(|(path, _)| path.clone()));
    if let Some(changes) = &stream.changes {
        paths.extend(changes.compare.iter().chain(&changes.ignore).cloned());
    }
    paths.extend(maps(stream).filter_map(|map| map.choice()?.by.clone()));
    for case in maps(stream).flat_map(Map::cases) {
        paths.extend(case.condition.iter().map(|(path, _)| path.clone()));
        if let Activity::From(source) = &case.activity {
            paths.extend(source.from.0.iter().cloned());
        }
    }
    for (_, value) in maps(stream).flat_map(all_attributes).flatten() {
        match &value.value {
            Value::Path(path) => paths.push(Spanned::new(path.clone(), value.span)),
            Value::Source(source) => {
                paths.extend(source.from.0.iter().cloned());
                paths.extend(source.condition.iter().map(|(path, _)| path.clone()));
                paths.extend(source.each.clone());
            }
            Value::Template(_) | Value::Literal(_) => {}
        }
    }
    paths
}

/// The name of a fetch for messages.
pub(crate) fn of(fetch: &Fetch<'_>) -> String {
    fetch.step.map_or_else(|| "the stream".to_owned(), |name| format!("the step `{name}`"))
}
