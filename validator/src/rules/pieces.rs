//! Windows in pieces: who leaves out what lies outside, when reading stops, how a window is halved,
//! and by which zone its times are read.

use std::time::Duration;

use longshore_schema::Span;
use longshore_schema::scalar::TimeFormat;
use longshore_schema::stream::{Filter, Order};

use super::Context;
use super::fetch::{Fetch, fetches};
use super::sites::streams;
use super::windows::windows;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// The engine filters where the app does not.
pub(crate) fn filters(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, _, stream) in streams(cx.manifest) {
        let Some(window) = &stream.window else { continue };
        if window.filter.value == Filter::App {
            continue;
        }
        let both = |fetch: &Fetch<'_>| {
            let sent = |name: &str| {
                let wanted = |path: &[String]| *path == ["window", name];
                let all = fetch.request.templates();
                all.iter().flat_map(|t| t.references()).any(|found| wanted(&found.path))
            };
            sent("start") && sent("end")
        };
        let span = window.value.span.as_ref().map(|span| ("span", span.span));
        let most = window.most.as_ref().map(|most| ("most", most.span));
        if let Some(fetch) = fetches(stream).iter().find(|fetch| both(fetch)) {
            found.push(
                Diagnostic::new(
                    &codes::WINDOW_FILTER,
                    window.filter.span,
                    "the request asks for the window, so the app filters by it",
                )
                .also(fetch.request.span, "sends the window's start and end")
                .help("remove `filter: here`: with it long times are never read piece by piece"),
            );
        } else {
            for (key, span) in span.into_iter().chain(most) {
                found.push(
                    Diagnostic::new(
                        &codes::WINDOW_FILTER,
                        span,
                        format!(
                            "`{key}` has no effect: the app shows the same whatever the window is"
                        ),
                    )
                    .also(window.filter.span, "the engine filters")
                    .help(format!("remove `{key}`")),
                );
            }
        }
    }
}

/// Where records come newest first, there are pages that need not be read.
pub(crate) fn orders(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        let Some(order) = &window.order else { continue };
        let all = fetches(stream);
        let about = stream.timed_step().or(all.len().checked_sub(1)).and_then(|at| all.get(at));
        let paged = about.is_none_or(|fetch| fetch.pages.is_some());
        if order.value == Order::Descending && !paged {
            found.push(
                Diagnostic::new(
                    &codes::ONE_PAGE_ORDER,
                    order.span,
                    "reading stops at the first page that is too old, and there is one page",
                )
                .help("say with `pages` how the next page is found, or remove `order`"),
            );
        }
    }
}

/// A window that reaches the most records that the app shows can be read in halves.
pub(crate) fn splits(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        let Some(most) = &window.most else { continue };
        let mut report = |span, message: String, other: Option<(Span, &str)>, help: &str| {
            let mut diagnostic = Diagnostic::new(&codes::CANNOT_SPLIT, span, message).help(help);
            if let Some((span, text)) = other {
                diagnostic = diagnostic.also(span, text);
            }
            found.push(diagnostic);
        };
        let sizes = fetches(stream).into_iter().filter_map(|fetch| fetch.pages?.size());
        let page = sizes.into_iter().find(|size| size.value > most.value);
        if most.value == 0 {
            report(
                most.span,
                "an app that never shows a record".to_owned(),
                None,
                "write the most records that the app shows for one window, such as 10000",
            );
        } else if let Some(page) = page {
            report(
                most.span,
                format!("a page has more records than the app ever shows: {}", page.value),
                Some((page.span, "the size of a page")),
                "write the most records on all pages together, or ask for smaller pages",
            );
        } else if let (Some(resolution), Some(span)) = (&window.resolution, &window.value.span)
            && resolution.0 > Duration::ZERO
            && resolution.0.saturating_mul(2) > span.0
            && resolution.0 <= span.0
        {
            report(
                most.span,
                format!("windows of {} have no halves that the app can tell apart", span.value),
                Some((resolution.span, "the resolution")),
                "lengthen `span`, or declare a finer `resolution` if the app has one",
            );
        }
    }
}

/// A zone is for times without one.
pub(crate) fn zones(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, window) in windows(cx) {
        let Some(zone) = &window.zone else { continue };
        let own = match &window.format.value {
            TimeFormat::EpochSeconds | TimeFormat::EpochMillis | TimeFormat::EpochMicros => {
                Some("counts from a moment that is the same in all zones")
            }
            TimeFormat::Pattern(pattern) if bears_offset(pattern) => Some("has the zone in it"),
            TimeFormat::Pattern(_) | TimeFormat::Iso8601 => None,
        };
        let Some(own) = own else { continue };
        found.push(
            Diagnostic::new(
                &codes::ZONE,
                zone.span,
                format!("the zone `{}` has no effect: the format {own}", zone.value),
            )
            .also(window.format.span, "the format")
            .help("remove `zone`"),
        );
    }
}

/// Whether times of a pattern say how far they are from UTC.
fn bears_offset(pattern: &str) -> bool {
    let mut conversions = pattern.split('%').skip(1);
    conversions.any(|part| {
        part.chars()
            .find(char::is_ascii_alphabetic)
            .is_some_and(|c| matches!(c, 'z' | 'Z' | 's' | 'Q'))
    })
}
