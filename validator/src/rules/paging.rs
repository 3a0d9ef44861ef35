//! Pages: each is asked for, and the last one is known.

use longshore_schema::stream::Pages;

use super::Context;
use super::fetch::{fetches, sends};
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// What tells one page from the next is sent; otherwise the first page comes forever.
pub(crate) fn page_is_sent(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream_name, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            let Some(pages) = fetch.pages else { continue };
            let name = match &pages.value {
                Pages::Cursor(_) => "cursor",
                Pages::Number(_) => "number",
                Pages::Offset(_) => "offset",
                Pages::NextUrl(_) | Pages::LinkHeader(_) => continue,
            };
            if sends(fetch.request, "page", name) {
                continue;
            }
            found.push(
                Diagnostic::new(
                    &codes::PAGE_NOT_SENT,
                    pages.span,
                    format!("`page.{name}` is never sent: the app would return its first page forever"),
                )
                .also(cx.request_key(stream_name, &fetch), "no template in it uses it")
                .help(format!(
                    "send it under the name that the app expects, such as `query: {{ {name}: \"{{{{page.{name}}}}}\" }}`"
                )),
            );
        }
    }
}

/// A page is full when it has `size` records, so the app must be asked for pages of that size.
pub(crate) fn page_size(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
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
            } else if !sends(fetch.request, "page", "size") {
                found.push(
                    Diagnostic::new(
                        &codes::PAGE_SIZE_NOT_SENT,
                        size.span,
                        format!("the app is not asked for pages of {}", size.value),
                    )
                    .label("a page with fewer records counts as the last")
                    .help(
                        "send `{{page.size}}` with the request, so that a short page means the end",
                    ),
                );
            }
        }
    }
}

/// A promise promises something.
pub(crate) fn promises(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            let Some(promise) = fetch.promise else { continue };
            if promise.last_page.is_empty() && promise.total.is_none() {
                found.push(
                    Diagnostic::new(&codes::EMPTY_PROMISE, promise.span, "the promise is empty")
                        .help("say what the app says: `last_page: { $.done: true }`, or `total: $.totalSize`"),
                );
            }
        }
    }
}
