//! Pages: each is asked for, and the last one is known.

use longshore_schema::stream::{CursorPages, End, KeysetPages, NextUrlPages, Pages, ScrollPages};
use longshore_schema::{JsonPath, Span, Spanned};

use super::Context;
use super::asked::{every_fetch, key_of};
use super::fetch::{Fetch, fetches};
use super::references::{refers, sends};
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
            Pages::Keyset(keyset) => {
                last_is_sent(cx, key, &fetch, keyset, found);
                continue;
            }
            Pages::Scroll(scroll) => {
                scroll_is_sent(cx, scroll, found);
                continue;
            }
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

/// Everything that tells the last record from the others is sent.
fn last_is_sent(
    cx: &Context<'_>,
    key: Span,
    fetch: &Fetch<'_>,
    keyset: &KeysetPages,
    found: &mut Vec<Diagnostic>,
) {
    for (name, path) in &keyset.last.value {
        let wanted = |path: &[String]| match path {
            [page, last, member] => page == "page" && last == "last" && member == name.as_str(),
            _ => false,
        };
        if !refers(cx, fetch.request, wanted) {
            found.push(
                Diagnostic::new(
                    &codes::PAGE_NOT_SENT,
                    path.span,
                    format!("`page.last.{name}` is never sent: the app cannot know where the next page starts"),
                )
                .also(key, "no template in it uses it")
                .help(format!(
                    "send it as the app expects it, such as `query: {{ after: \"{{{{page.last.{name}}}}}\" }}`"
                )),
            );
        }
    }
}

/// A scroll goes on from its cursor.
fn scroll_is_sent(cx: &Context<'_>, scroll: &ScrollPages, found: &mut Vec<Diagnostic>) {
    if !sends(cx, &scroll.next, "page", "cursor") {
        found.push(
            Diagnostic::new(
                &codes::PAGE_NOT_SENT,
                scroll.next.span,
                "`page.cursor` is never sent: the app cannot know which scroll goes on",
            )
            .help(
                "send it as the app expects it, such as `json: { scroll_id: \"{{page.cursor}}\" }`",
            ),
        );
    }
}

/// Which page is the last can be told.
pub(crate) fn page_end(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, fetch) in every_fetch(cx) {
        let Some(pages) = fetch.pages else { continue };
        let (end, told) = match &pages.value {
            Pages::Number(of) => {
                (&of.end, of.more.is_some() || of.pages.is_some() || of.total.is_some())
            }
            Pages::Offset(of) => (&of.end, of.more.is_some() || of.total.is_some()),
            Pages::Keyset(of) => (&of.end, of.more.is_some()),
            Pages::NextUrl(NextUrlPages { at, header, .. }) => {
                one_place(pages.span, at.as_ref(), header.as_ref(), found);
                continue;
            }
            Pages::Cursor(CursorPages { at, header, end, .. }) => {
                one_place(pages.span, at.as_ref(), header.as_ref(), found);
                (end, true)
            }
            Pages::LinkHeader(_) | Pages::Scroll(_) => continue,
        };
        let short = end.as_ref().map_or(!told, |end| end.value == End::Short);
        if short && pages.size().is_none() {
            found.push(
                Diagnostic::new(
                    &codes::PAGE_SIZE,
                    end.as_ref().map_or(pages.span, |end| end.span),
                    "nothing tells which page is the last",
                )
                .help("add `size: 100` if a page with fewer records is the last, `end: empty` if one without a record is, or the member of the response that says so, such as `more: $.has_more`"),
            );
        }
    }
}

/// The next page is named in one place.
fn one_place(
    span: Span,
    at: Option<&Spanned<JsonPath>>,
    header: Option<&Spanned<String>>,
    found: &mut Vec<Diagnostic>,
) {
    match (at, header) {
        (None, None) => found.push(
            Diagnostic::new(
                &codes::CHOOSE_ONE,
                span,
                "it is not said where the next page is named",
            )
            .help("add `at: $.next` for a member of the response, or `header: X-Next`"),
        ),
        (Some(at), Some(header)) => found.push(
            Diagnostic::new(
                &codes::CHOOSE_ONE,
                header.span,
                "the next page is named in two places",
            )
            .also(at.span, "the other one")
            .help("keep `at`, or keep `header`"),
        ),
        _ => {}
    }
}

/// A page is full when it has `size` records, so the app must be asked for pages of that size.
pub(crate) fn page_size(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, fetch) in every_fetch(cx) {
        let Some(size) = fetch.pages.and_then(|pages| pages.size()) else { continue };
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
                .label("what is not asked for is not known")
                .help("send `{{page.size}}` with the request, so that a page has as many records as is said here"),
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
        let total = match &pages.value {
            Pages::Number(numbered) => numbered.total.is_some(),
            Pages::Offset(offset) => offset.total.is_some(),
            _ => false,
        };
        let promised = total
            || fetch
                .promise
                .is_some_and(|promise| promise.total.is_some() || promise.last_page.is_empty());
        if counted && stream.window.is_none() && stream.cursor.is_none() && !promised {
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
            // A place is asked on from until nothing more comes.
            if stream.cursor.is_some() {
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

/// What a scroll's cursor is called where the app holds everything ready until it is freed.
const SCROLL: &str = "scroll";

/// What the app holds ready for a scroll is freed.
pub(crate) fn open_scrolls(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, fetch) in every_fetch(cx) {
        let Some(Pages::Scroll(scroll)) = fetch.pages.map(|pages| &pages.value) else { continue };
        let members = scroll.at.members().unwrap_or_default();
        let held = members.last().is_some_and(|name| name.to_ascii_lowercase().contains(SCROLL));
        if held && scroll.release.is_none() {
            found.push(
                Diagnostic::new(
                    &codes::OPEN_SCROLL,
                    scroll.at.span,
                    "the scroll is never freed: the app holds it open until it expires",
                )
                .help("add `release` with the request that ends it, such as `release: { delete: \"/scroll/{{page.cursor}}\" }`, if the app has one"),
            );
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
