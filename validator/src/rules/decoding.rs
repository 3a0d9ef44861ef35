//! How responses are written, and what is packed into records.

use std::collections::HashMap;

use longshore_schema::decode::{Compression, Decode, Format, Unpacking};
use longshore_schema::{Span, Spanned, Step};

use super::Context;
use super::fetch::{Fetch, fetches};
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// One format, and settings that it has.
pub(crate) fn settings(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            formats(fetch.decode, found);
            entry(fetch.decode, found);
            characters(fetch.decode, found);
            elements(&fetch, found);
        }
    }
}

fn formats(decode: &Decode, found: &mut Vec<Diagnostic>) {
    let mut all: Vec<(&str, Span)> = Vec::new();
    all.extend(decode.format.as_ref().map(|format| ("format", format.span)));
    all.extend(decode.csv.as_ref().map(|csv| ("csv", csv.span)));
    all.extend(decode.tsv.as_ref().map(|tsv| ("tsv", tsv.span)));
    if let [(first, at), (second, span), ..] = all.as_slice() {
        found.push(
            Diagnostic::new(&codes::DECODE, *span, "the response has two formats")
                .also(*at, "the other one")
                .help(format!("keep `{first}`, or keep `{second}`")),
        );
    }
}

fn entry(decode: &Decode, found: &mut Vec<Diagnostic>) {
    let zip = matches!(decode.compression(), Compression::Zip | Compression::Detect);
    let Some(inside) = decode.inside.as_ref().filter(|_| !zip) else { return };
    found.push(
        Diagnostic::new(&codes::DECODE, inside.span, "only a zip archive has files inside")
            .help("remove `inside`, or write `compression: zip`"),
    );
}

fn characters(decode: &Decode, found: &mut Vec<Diagnostic>) {
    let dialect = decode.dialect();
    let usual = match decode.format() {
        Format::Tsv => (b'\t', None),
        _ => (b',', Some(b'"')),
    };
    let delimiter = dialect.delimiter.as_ref().map_or(usual.0, |delimiter| delimiter.0);
    let quote = dialect.quote.as_ref().map_or(usual.1, |quote| quote.0);
    let mut same = |span: Span, what: &str, other: &str| {
        found.push(
            Diagnostic::new(&codes::DECODE, span, format!("{what} is {other}"))
                .help("write the characters that the app's files have"),
        );
    };
    if quote == Some(delimiter) {
        let written = dialect.quote.as_ref().map(|quote| quote.span);
        let span = written.or(dialect.delimiter.as_ref().map(|delimiter| delimiter.span));
        same(span.unwrap_or_default(), "the quote", "the delimiter");
    }
    if let Some(comment) = &dialect.comment {
        if comment.0 == delimiter {
            same(comment.span, "the sign of a comment", "the delimiter");
        } else if Some(comment.0) == quote {
            same(comment.span, "the sign of a comment", "the quote");
        }
    }
}

/// The records of XML are elements, which have names.
fn elements(fetch: &Fetch<'_>, found: &mut Vec<Diagnostic>) {
    let Some(records) = fetch.records.filter(|_| fetch.decode.format() == Format::Xml) else {
        return;
    };
    let steps = records.steps().unwrap_or_default();
    let named = steps.windows(2).all(|pair| *pair != [Step::Every, Step::Every]);
    let is_name = |step: &Step| matches!(step, Step::Member(_) | Step::Every);
    let starts = matches!(steps.first(), Some(Step::Member(_)));
    if starts && named && steps.iter().all(is_name) {
        return;
    }
    found.push(
        Diagnostic::new(
            &codes::XML_PATH,
            records.span,
            format!("`{}` does not lead to elements by their names", records.value),
        )
        .help("name the elements from the root on, such as `$.feed.entry[*]`"),
    );
}

/// Every column has a name of its own.
pub(crate) fn columns(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            let Some(dialect) = fetch.decode.csv.as_ref().or(fetch.decode.tsv.as_ref()) else {
                continue;
            };
            if !dialect.header.value && dialect.columns.is_empty() {
                found.push(
                    Diagnostic::new(&codes::COLUMNS, dialect.header.span, "nothing names the columns")
                        .help("add `columns: [time, user, address]` with their names in order, or remove `header: false`"),
                );
            }
            let mut known: HashMap<&str, Span> = HashMap::new();
            for name in dialect.columns.iter() {
                if let Some(first) = known.insert(&name.value, name.span) {
                    found.push(
                        Diagnostic::new(
                            &codes::COLUMNS,
                            name.span,
                            format!("two columns have the name `{}`", name.value),
                        )
                        .also(first, "the other one")
                        .help("give each column a name of its own"),
                    );
                }
            }
        }
    }
}

/// Members are opened by name, and in an order that can be followed.
pub(crate) fn unpacked(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        let mut known: Vec<&Spanned<longshore_schema::JsonPath>> = Vec::new();
        for (path, steps) in &stream.unpack {
            let members = path.members().unwrap_or_default();
            if members.is_empty() {
                found.push(
                    Diagnostic::new(
                        &codes::UNPACK,
                        path.span,
                        format!("`{}` is no member of a record", path.value),
                    )
                    .help("write the member's name, such as `$.payload` or `$.event.detail`"),
                );
                continue;
            }
            let inside = |outer: &[&str], inner: &[&str]| inner.starts_with(outer);
            let other = known.iter().find(|other| {
                let others = other.members().unwrap_or_default();
                inside(&others, &members) || inside(&members, &others)
            });
            if let Some(other) = other {
                found.push(
                    Diagnostic::new(
                        &codes::UNPACK,
                        path.span,
                        format!("`{}` and `{}` overlap", other.value, path.value),
                    )
                    .also(other.span, "the other one")
                    .help("open each member once; what was inside is a part of the record then"),
                );
            }
            known.push(path);
            order(path, steps, found);
        }
    }
}

fn order(
    path: &Spanned<longshore_schema::JsonPath>,
    steps: &Spanned<Vec<Spanned<Unpacking>>>,
    found: &mut Vec<Diagnostic>,
) {
    if steps.is_empty() {
        found.push(
            Diagnostic::new(&codes::UNPACK, steps.span, "nothing says how it is opened")
                .help("write the steps in order, such as `[base64, json]`"),
        );
    }
    let mut bytes = false;
    for (at, step) in steps.iter().enumerate() {
        let last = at + 1 == steps.len();
        match step.value {
            Unpacking::Base64 => bytes = true,
            Unpacking::Json if !last => found.push(
                Diagnostic::new(
                    &codes::UNPACK,
                    step.span,
                    "what follows `json` has no text to open",
                )
                .help("move `json` to the end"),
            ),
            Unpacking::Gzip | Unpacking::Deflate | Unpacking::Zstd if !bytes => {
                found.push(
                    Diagnostic::new(
                        &codes::UNPACK,
                        step.span,
                        format!("`{}` is text, which is never compressed data", path.value),
                    )
                    .help("write `base64` before it: compressed data stand in JSON as Base64"),
                );
                return;
            }
            _ => {}
        }
    }
}
