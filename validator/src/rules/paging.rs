//! Pages: each is asked for, and the last one is known.

use longshore_schema::stream::Pages;

use super::Context;
use super::asked::{every_fetch, key_of};
use super::fetch::fetches;
use super::references::sends;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// What tells one page from the next is sent; otherwise the first page comes forever.
pub(crate) fn page_is_sent(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (key, fetch) in every_fetch(cx) {
        let Some(pages) = fetch.pages else { continue };
        let name = match &pages.value {
            Pages::Cursor(_) => "cursor",
            Pages::Number(_) => "number",
            Pages::Offset(_) => "offset",
            Pages::NextUrl(_) | Pages::LinkHeader(_) => continue,
        };
        if sends(cx, fetch.request, "page", name) {
            continue;
        }
        found.push(
            Diagnostic::new(
                &codes::PAGE_NOT_SENT,
                pages.span,
                format!("`page.{name}` is never sent: the app would return its first page forever"),
            )
            .also(key, "no template in it uses it")
            .help(format!(
                "send it under the name that the app expects, such as `query: {{ {name}: \"{{{{page.{name}}}}}\" }}`"
            )),
        );
    }
}

/// A page is full when it has `size` records, so the app must be asked for pages of that size.
pub(crate) fn page_size(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, fetch) in every_fetch(cx) {
        let size = match fetch.pages.map(|pages| &pages.value) {
            Some(Pages::Number(pages)) => &pages.size,
            Some(Pages::Offset(pages)) => &pages.size,
            _ => continue,
        };
        if size.value == 0 {
            found.push(
                Diagnostic::new(&codes::PAGE_SIZE, size.span, "a page of no records")
                    .help("write the most records that the app returns on a page"),
            );
        } else if !sends(cx, fetch.request, "page", "size") {
            found.push(
                Diagnostic::new(
                    &codes::PAGE_SIZE_NOT_SENT,
                    size.span,
                    format!("the app is not asked for pages of {}", size.value),
                )
                .label("a page with fewer records counts as the last")
                .help("send `{{page.size}}` with the request, so that a short page means the end"),
            );
        }
    }
}

/// Pages that are counted are counted over a set that stands still.
pub(crate) fn moving_set(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        let Some(fetch) = fetches(stream).into_iter().next() else { continue };
        let Some(pages) = fetch.pages else { continue };
        let counted = matches!(pages.value, Pages::Number(_) | Pages::Offset(_));
        // An empty promise is reported as such.
        let promised = fetch
            .promise
            .is_some_and(|promise| promise.total.is_some() || promise.last_page.is_empty());
        if counted && stream.window.is_none() && !promised {
            found.push(
                Diagnostic::new(
                    &codes::MOVING_SET,
                    pages.span,
                    "a record that goes while pages are counted takes another one with it",
                )
                .help("if the app offers a cursor or a next link, use it; otherwise declare `promise: { total: $.PATH }`, so that a record that was missed is noticed"),
            );
        }
    }
}

/// Query parameters that ask for a page of some size.
const PAGE_PARAMETERS: [&str; 14] = [
    "limit",
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "page",
    "max_results",
    "maxresults",
    "offset",
    "cursor",
    "page_token",
    "pagetoken",
    "$top",
    "$skip",
];

/// What is asked for in pages is read beyond the first.
pub(crate) fn single_page(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream_name, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            if fetch.pages.is_some() {
                continue;
            }
            if let Some(promise) = fetch.promise.filter(|promise| !promise.last_page.is_empty()) {
                found.push(
                    Diagnostic::new(
                        &codes::SINGLE_PAGE,
                        key_of(cx, &["streams", stream_name, "promise"], promise.span),
                        "the promise tells the last page, and nothing says how the next is found",
                    )
                    .label("only the first page would ever be read")
                    .help("add `pages`, such as `pages: { next_url: $.next }`; or promise a `total` if the app answers in one piece"),
                );
                continue;
            }
            let asks = fetch.request.query.iter().find(|(name, _)| {
                PAGE_PARAMETERS.iter().any(|known| name.value.eq_ignore_ascii_case(known))
            });
            if let Some((name, _)) = asks {
                found.push(
                    Diagnostic::new(
                        &codes::SINGLE_PAGE,
                        name.span,
                        format!("`{}` asks for a page, and nothing says how the next is found", name.value),
                    )
                    .label("only the first page would ever be read")
                    .help("add `pages`, such as `pages: { next_url: $.next }`; or remove the parameter if the app answers in one piece"),
                );
            }
        }
    }
}

/// A promise promises something.
pub(crate) fn promises(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, fetch) in every_fetch(cx) {
        let Some(promise) = fetch.promise else { continue };
        if promise.last_page.is_empty() && promise.total.is_none() {
            found.push(
                Diagnostic::new(&codes::EMPTY_PROMISE, promise.span, "the promise is empty").help(
                    "say what the app says: `last_page: { $.done: true }`, or `total: $.totalSize`",
                ),
            );
        }
    }
}
