//! Places that the app keeps, and snapshots that are compared.

use longshore_schema::http::Reaction;
use longshore_schema::stream::{Cursor, Expired, Stream};
use longshore_schema::template::{Expression, Helper, Part as Piece};
use longshore_schema::{JsonPath, Span, Spanned, Step, Template};

use super::Context;
use super::asked::key_of;
use super::fetch::{Fetch, Part, fetches, following, templates};
use super::references::sends;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A stream is read in one way, and its place is found in one place.
pub(crate) fn cursors(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        let mut beside = |first: &'static str, second: &'static str, help: &str| {
            let key = |key| key_of(cx, &["streams", name, key], stream.key.span);
            found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    key(second),
                    format!("`{second}` stands beside `{first}` in the stream `{name}`"),
                )
                .also(key(first), "the other one")
                .help(help),
            );
        };
        match (&stream.window, &stream.cursor, &stream.changes) {
            (Some(_), Some(_), _) => beside(
                "window",
                "cursor",
                "keep `cursor` if the app keeps a place to go on from, or `window` if it filters by time",
            ),
            (Some(_), None, Some(_)) => beside(
                "window",
                "changes",
                "keep `window` if the app shows what happened in a time, or `changes` if it shows all there is every time",
            ),
            (None, Some(_), Some(_)) => beside(
                "cursor",
                "changes",
                "keep `cursor` if the app tells changes itself, or `changes` if it shows all there is every time",
            ),
            _ => {}
        }
        let Some(cursor) = &stream.cursor else { continue };
        let keys = ["streams", name, "cursor"];
        match (&cursor.next, &cursor.last) {
            (None, None) if cx.has_all_keys(&keys) => found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    key_of(cx, &keys, cursor.span),
                    "nothing says where the place to go on from is found",
                )
                .help("add `next: $.next_position` for a member of the response, or `last: $.id` for an id of the records that only grows"),
            ),
            (Some(next), Some(last)) => found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    last.span,
                    "the place to go on from is found in two places",
                )
                .also(next.span, "the other one")
                .help("keep `next` if the app names the place, or `last` if it is the greatest id"),
            ),
            _ => {}
        }
    }
}

/// The place that is kept is sent, and there is one to start from where there must be.
pub(crate) fn positions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        let Some(cursor) = &stream.cursor else { continue };
        let all = fetches(stream);
        let sent = all.iter().any(|fetch| {
            let next = fetch.pages.map(|pages| following(pages)).unwrap_or_default();
            sends(cx, fetch.request, "cursor", "value")
                || next.into_iter().any(|request| sends(cx, request, "cursor", "value"))
        });
        if let (false, Some(first)) = (sent, all.first()) {
            found.push(
                Diagnostic::new(
                    &codes::PLACE_NOT_SENT,
                    cx.request_key(name, first),
                    "`cursor.value` is never sent: every poll would start anew",
                )
                .also(cursor.span, "the place that is kept")
                .help("send it as the app expects it, such as `query: { since: \"{{cursor.value}}\" }`"),
            );
        } else if cursor.first.is_none()
            && let Some(span) = all.iter().find_map(needs_first)
        {
            found.push(
                Diagnostic::new(
                    &codes::PLACE,
                    span,
                    "the first request cannot be written: `cursor.value` has no value yet",
                )
                .also(cursor.span, "there is no `first`")
                .help("add `first` with the place to start from, such as `first: \"0\"`; only a parameter or header can be left out"),
            );
        }
        if let Some(next) = cursor.next.as_ref().filter(|_| stream.request.is_some()) {
            found.extend(of_record(stream, next));
        }
        expiry(cx, stream, cursor, found);
    }
}

/// A place that is looked for in one of the records.
fn of_record(stream: &Stream, next: &Spanned<JsonPath>) -> Option<Diagnostic> {
    let records = stream.records.as_ref()?;
    let list = records.steps()?.strip_suffix(&[Step::Every])?;
    let [Step::Index(_), ..] = next.steps()?.strip_prefix(list)? else { return None };
    Some(
        Diagnostic::new(
            &codes::PLACE,
            next.span,
            format!("`{}` is of one record, whichever comes first", next.value),
        )
        .also(records.span, "the records")
        .help("write `last` with the path in a record, such as `last: $.id`, for the greatest of all; `next` is for a member beside the records"),
    )
}

/// Where the place stands in what cannot be left out.
fn needs_first(fetch: &Fetch<'_>) -> Option<Span> {
    let all = templates(fetch.request);
    let fixed = all.iter().filter(|(_, _, part)| matches!(part, Part::Url | Part::Text));
    fixed.into_iter().find(|(template, _, _)| is_needed(template)).map(|(_, span, _)| *span)
}

/// Whether a template has no value before there is a place.
fn is_needed(template: &Template) -> bool {
    fn refers(expression: &Expression) -> bool {
        match expression {
            Expression::Reference(reference) => reference.path[0] == "cursor",
            Expression::Literal(_) | Expression::Call { helper: Helper::Default, .. } => false,
            Expression::Call { arguments, .. } => arguments.iter().any(refers),
        }
    }
    let pieces = template.parts().iter();
    pieces.clone().any(|piece| matches!(piece, Piece::Expression(expression) if refers(expression)))
}

/// A place that is forgotten was asked for often enough, and that it is forgotten can be told.
fn expiry(
    cx: &Context<'_>,
    stream: &Stream,
    cursor: &Spanned<Cursor>,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(expires) = cursor.expires.as_ref().filter(|e| e.value <= stream.every.value) {
        found.push(
            Diagnostic::new(
                &codes::PLACE,
                expires.span,
                format!(
                    "the app forgets the place after {}, before it is asked for",
                    expires.value
                ),
            )
            .also(stream.every.span, format!("polled every {}", stream.every.value))
            .help("poll several times as often as the app forgets places"),
        );
    }
    let told = cursor.expires.is_some()
        || cx.manifest.errors.iter().any(|rule| rule.then.value == Reaction::RestartWindow);
    if cursor.expired.value == Expired::Restart && !told {
        found.push(
            Diagnostic::new(
                &codes::PLACE,
                cursor.expired.span,
                "nothing tells that the app does not know the place any more",
            )
            .help("add `expires` with how long the app knows a place, or an error rule with `then: restart_window` for the answer that says so"),
        );
    }
}

/// What changes can be seen, and is not what the record is known by.
pub(crate) fn changes(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        let Some(changes) = &stream.changes else { continue };
        if let (Some(compare), Some(ignore)) = (changes.compare.first(), changes.ignore.first()) {
            found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    ignore.span,
                    "`ignore` has no effect beside `compare`: nothing else is compared",
                )
                .also(compare.span, "what is compared")
                .help("keep `compare` to name what counts, or `ignore` to name what does not"),
            );
        }
        if let Some(whole) = stream.key.0.iter().find(|path| path.value.as_str() == "$") {
            found.push(
                Diagnostic::new(
                    &codes::CHANGES,
                    whole.span,
                    "a record that is known by all of it never changes: it goes, and another one comes",
                )
                .also(changes.span, "what is to be seen")
                .help("write what stays the same when a record changes, such as `key: $.id`"),
            );
        }
        for path in changes.compare.iter().chain(&changes.ignore) {
            found.extend(seen(stream, path));
        }
        for path in &changes.ignore {
            if path.value.members().is_none_or(|members| members.is_empty()) {
                found.push(
                    Diagnostic::new(
                        &codes::CHANGES,
                        path.span,
                        format!(
                            "`{}` is no member, and would be compared all the same",
                            path.value
                        ),
                    )
                    .help("write member names alone, such as `$.last_seen` or `$.stats.visits`"),
                );
            }
        }
    }
}

/// A member that is compared, or not, while it is a part of the key.
fn seen(stream: &Stream, path: &Spanned<JsonPath>) -> Option<Diagnostic> {
    let known = stream.key.0.iter().find(|known| known.value == path.value)?;
    Some(
        Diagnostic::new(
            &codes::CHANGES,
            path.span,
            format!(
                "records are known by `{}`: one with another value is another record",
                path.value
            ),
        )
        .also(known.span, "records are known by it")
        .help("remove it here, or from the key if it changes"),
    )
}
