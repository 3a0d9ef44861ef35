//! Values that are made: of one thing each, with the keys that go with it.

use longshore_schema::map::{Attributes, Map, Privacy, Source, Value};
use longshore_schema::scalar::{OcsfPath, Scalar as _};
use longshore_schema::{JsonPath, Span, Spanned};

use super::Context;
use super::sites::{all_attributes, maps, streams};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::closest;

/// What is dropped or masked is not what records are known by, and can be found step by step.
pub(crate) fn private(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for (path, privacy) in &stream.privacy {
            let Some(steps) = path.steps().filter(|steps| !steps.is_empty()) else {
                found.push(
                    Diagnostic::new(
                        &codes::PRIVATE_PATH,
                        path.span,
                        format!("`{}` does not lead to private members step by step", path.value),
                    )
                    .help("write member names, indexes, `[*]`, or a filter for a text: `$.fields[?@.name=='phone'].value`"),
                );
                continue;
            };
            let on =
                stream.window.iter().filter(|_| stream.times_records()).map(|window| &window.on);
            let last = stream.cursor.iter().filter_map(|cursor| cursor.last.as_ref());
            // A hash keeps records apart; times and places have an order.
            let key = stream.key.0.iter().filter(|_| privacy.value != Privacy::Hash);
            let known_by = key.chain(on).chain(last);
            let below = |known: &&Spanned<JsonPath>| {
                known.steps().is_some_and(|known| known.starts_with(steps))
            };
            if let Some(known) = known_by.into_iter().find(below) {
                found.push(
                    Diagnostic::new(
                        &codes::PRIVATE_PATH,
                        path.span,
                        format!(
                            "records are known by `{}`, which does not stay as it is",
                            known.value
                        ),
                    )
                    .also(known.span, "records are known by it")
                    .help("for a key write `hash`, which keeps records apart; a time or place has to stay"),
                );
            }
        }
    }
}

/// Values are looked up in tables that there are.
pub(crate) fn tables(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.unread(&["tables"]) {
        return;
    }
    for (_, _, stream) in streams(cx.manifest) {
        for attributes in maps(stream).flat_map(all_attributes) {
            looked_up(cx, attributes, found);
        }
    }
}

fn looked_up(cx: &Context<'_>, attributes: &Attributes, found: &mut Vec<Diagnostic>) {
    for (_, value) in attributes {
        let Value::Source(source) = &value.value else { continue };
        looked_up(cx, &source.map.0, found);
        let Some(lookup) = &source.lookup else { continue };
        let names = cx.names(&["tables"]);
        if names.contains(&lookup.as_str()) {
            continue;
        }
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_TABLE,
            lookup.span,
            format!("there is no table `{}`", lookup.value),
        );
        if let Some(meant) = closest(lookup.as_str(), names.iter().copied()) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        found.push(diagnostic.help(format!(
            "add it: `tables: {{ {}: {{ \"1\": Windows }} }}`, or write its entries here under `when`",
            lookup.value
        )));
    }
}

/// The parts of a record are the elements of an array.
pub(super) fn parts(path: &Spanned<JsonPath>) -> Option<Diagnostic> {
    let is_array = path
        .as_str()
        .strip_suffix("[*]")
        .is_some_and(|array| JsonPath::parse(array).is_ok_and(|array| array.is_singular()));
    if is_array {
        return None;
    }
    let diagnostic = Diagnostic::new(
        &codes::RECORDS_NOT_PLURAL,
        path.span,
        format!("`{}` does not select the elements of one array", path.value),
    )
    .help("write member names, and `[*]` at the end: `$.events[*]`");
    Some(if path.is_singular() {
        diagnostic.label(format!("did you mean `{}[*]`?", path.value))
    } else {
        diagnostic
    })
}

/// Whether it is not clear what the parts of a record are, which is reported: paths may be into them.
pub(super) fn has_unclear_parts(cx: &Context<'_>, map: &Map, written: Span) -> bool {
    match &map.for_each {
        Some(parts) => {
            let by = map.choice().and_then(|choice| choice.by.as_ref());
            let outside = |by: &Spanned<JsonPath>| !by.is_singular() && map.in_part(by).is_none();
            self::parts(parts).is_some() || by.is_some_and(outside)
        }
        // What could not be read, or was misspelt, stands in the text all the same.
        None => cx.source.get(written.range()).is_some_and(|text| text.contains("for_each")),
    }
}

/// A value is selected, written by a template, or an array made of elements.
pub(super) fn check(path: &Spanned<OcsfPath>, source: &Source, found: &mut Vec<Diagnostic>) {
    let from = source.from.0.first().map(|_| ("from", source.from.span));
    let template = source.template.as_ref().map(|template| ("template", template.span));
    let each = source.each.as_ref().map(|each| ("each", each.span));
    let origins: Vec<_> = [from, template, each].into_iter().flatten().collect();
    match origins.as_slice() {
        [] => {
            found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    path.span,
                    format!("it is not said what `{}` is made of", path.value),
                )
                .help("add `from: $.member`, or `template: \"{{record.member}}\"`, or `each: $.items[*]` with `map`"),
            );
            return;
        }
        [_] => {}
        [(first, place), (second, span), ..] => {
            found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    *span,
                    format!("`{second}` stands beside `{first}`"),
                )
                .also(*place, format!("`{first}`"))
                .help("keep one of them: a value is made of one thing"),
            );
            return;
        }
    }
    let first_of_map = source.map.iter().next().map(|(inner, _)| inner.span);
    if source.each.is_none() {
        if let Some(span) = first_of_map {
            found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    span,
                    "`map` has no effect without `each`",
                )
                .help("add `each: $.items[*]`: the elements that become an object each"),
            );
        }
        if let (Some(lookup), Some(when)) = (&source.lookup, &source.when) {
            let span = when.iter().next().map_or(lookup.span, |(key, _)| key.span);
            found.push(
                Diagnostic::new(&codes::CONFLICTING_KEYS, span, "`when` stands beside `lookup`")
                    .also(lookup.span, "`lookup`")
                    .help("keep one of them: both are tables of replacements"),
            );
        }
        return;
    }
    if first_of_map.is_none() {
        let span = source.each.as_ref().map_or(path.span, |each| each.span);
        found.push(Diagnostic::new(&codes::MISSING_KEY, span, "`each` has no `map`").help(
            "add `map: { name: $.name }`: the attributes of each object; `$` is the element there",
        ));
    }
    let others: [(&str, Option<Span>); 6] = [
        ("match", source.capture.as_ref().map(|other| other.span)),
        ("lookup", source.lookup.as_ref().map(|other| other.span)),
        ("when", source.when.as_ref().and_then(|t| Some(t.iter().next()?.0.span))),
        ("as", source.conversion.as_ref().map(|other| other.span)),
        ("format", source.format.as_ref().map(|other| other.span)),
        ("else", source.otherwise.as_ref().map(|other| other.span)),
    ];
    for (key, span) in others {
        let Some(span) = span else { continue };
        found.push(
            Diagnostic::new(
                &codes::CONFLICTING_KEYS,
                span,
                format!("`{key}` has no effect beside `each`"),
            )
            .help("move it to the attributes under `map` that it is for"),
        );
    }
}
