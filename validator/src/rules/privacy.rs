//! What a manifest must not publish, tokens anywhere in it and personal data in its comments and
//! examples; and what is left of private members for the map.

use longshore_schema::map::{Case, Conversion, Map, Privacy, Source, Value};
use longshore_schema::scalar::OcsfPath;
use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, Span, Step};

use super::Context;
use super::sites::{maps, streams};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ocsf::{Primitive, Type, table};
use crate::samples::privacy::{scan, secrets};

/// Looks at the whole text once for tokens, and at comments and examples for the rest.
pub(crate) fn published(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut own = Vec::new();
    secrets(cx.source, &mut |leak, range| own.push(leak.at(Span::new(range.start, range.end))));
    let mut at = 0;
    for line in cx.source.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if line[indent..].starts_with('#') {
            look(line, at, &mut own);
        }
        at += line.len();
    }
    for input in cx.entry(&["inputs"]).map(|inputs| inputs.value.entries()).unwrap_or_default() {
        for key in ["examples", "default"] {
            if let Some(entry) = input.value.entry(key) {
                texts_of(cx, &entry.value, &mut own);
            }
        }
    }
    for diagnostic in own {
        let span = diagnostic.span();
        let known =
            |known: &Diagnostic| known.span().start < span.end && span.start < known.span().end;
        if !found.iter().any(known) {
            found.push(diagnostic);
        }
    }
}

fn texts_of(cx: &Context<'_>, node: &Node, found: &mut Vec<Diagnostic>) {
    match &node.content {
        Content::String(_) => {
            let text = cx.source.get(node.span.range()).unwrap_or_default();
            look(text, node.span.start as usize, found);
        }
        Content::Sequence(items) => {
            for item in items {
                texts_of(cx, item, found);
            }
        }
        _ => {}
    }
}

fn look(text: &str, start: usize, found: &mut Vec<Diagnostic>) {
    scan(text, "", &mut |leak, range| {
        found.push(leak.at(Span::new(start + range.start, start + range.end)));
    });
}

/// What is left of a private member is what is read of it.
pub(crate) fn values(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for (path, privacy) in &stream.privacy {
            // What is not to be private at all is reported as such.
            if found.iter().any(|known| known.span() == path.span) {
                continue;
            }
            let Some(private) = path.steps().filter(|steps| !steps.is_empty()) else { continue };
            let misread = maps(stream).find_map(|map| misread(map, private, privacy.value));
            let Some((span, what)) = misread else { continue };
            let left = match privacy.value {
                Privacy::Drop => "nothing",
                Privacy::Mask => "its first character",
                Privacy::Hash => "a hash",
            };
            found.push(
                Diagnostic::new(
                    &codes::PRIVATE_VALUE,
                    privacy.span,
                    format!("{left} is left of `{}`, which is {what}", path.value),
                )
                .also(span, "read here")
                .help("leave it out of the map, or keep as much of it as is read: `mask` keeps the network of an address"),
            );
        }
    }
}

/// Where a map reads of a private member what is not left of it, and as what.
fn misread(map: &Map, private: &[Step], privacy: Privacy) -> Option<(Span, &'static str)> {
    let reads = |path: &JsonPath| path.steps().is_some_and(|steps| steps.starts_with(private));
    if let Some(by) = map.choice().and_then(|choice| choice.by.as_ref()).filter(|by| reads(by)) {
        return Some((by.span, "what decides among the cases"));
    }
    let shared = map.choice().map(|choice| &choice.shared);
    map.cases().find_map(|case| {
        let all = [Some(&case.attributes), shared].into_iter().flatten().flatten();
        all.into_iter().find_map(|(attribute, value)| match &value.value {
            Value::Path(path) if reads(path) => {
                let what = held(case, attribute, None, privacy)?;
                Some((value.span, what))
            }
            Value::Source(source) => {
                let from = source.from.0.iter().find(|from| reads(from))?;
                let what = if source.capture.is_some() {
                    Some("matched with a pattern")
                } else if source.when.is_some() || source.lookup.is_some() {
                    Some("looked up in a table")
                } else {
                    held(case, attribute, Some(source), privacy)
                };
                Some((from.span, what?))
            }
            _ => None,
        })
    })
}

/// What a value is to be that a private one is not.
fn held(
    case: &Case,
    attribute: &OcsfPath,
    source: Option<&Source>,
    privacy: Privacy,
) -> Option<&'static str> {
    if privacy == Privacy::Drop {
        return Some("mapped");
    }
    let explicit = source.and_then(|source| source.conversion.as_deref().copied());
    let conversion = explicit.or_else(|| {
        let resolved = table().class(&case.to)?.resolve(attribute.as_str()).ok()?;
        match resolved.attribute()?.type_ {
            Type::Primitive(Primitive::Timestamp) => Some(Conversion::Timestamp),
            Type::Primitive(Primitive::Ip) => Some(Conversion::Ip),
            Type::Primitive(Primitive::Boolean) => Some(Conversion::Boolean),
            Type::Primitive(Primitive::Integer | Primitive::Long | Primitive::Port) => {
                Some(Conversion::Integer)
            }
            _ => None,
        }
    })?;
    match conversion {
        Conversion::Ip if privacy == Privacy::Mask => None,
        Conversion::Ip => Some("read as an IP address"),
        Conversion::Timestamp => Some("read as a time"),
        Conversion::Integer | Conversion::Float => Some("read as a number"),
        Conversion::Boolean => Some("read as a truth value"),
        Conversion::Url => Some("read as a URL"),
        Conversion::Country => Some("read as a country"),
        Conversion::UserAgent | Conversion::Browser | Conversion::Os | Conversion::DeviceType => {
            Some("read as a User-Agent header")
        }
        _ => None,
    }
}
