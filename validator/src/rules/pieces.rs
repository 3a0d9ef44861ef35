//! Windows in pieces: who leaves out what lies outside, when reading stops, how a window is halved,
//! and by which zone its times are read.

use std::time::Duration;

use longshore_schema::Span;
use longshore_schema::scalar::{TimeFormat, Zone};
use longshore_schema::stream::{Filter, Order, Stream};
use longshore_schema::template::{Expression, Helper, Part};
use longshore_schema::time::has_zone;

use super::Context;
use super::fetch::{Fetch, fetches};
use super::sites::streams;
use super::windows::windows;
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::suggest::near;

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

/// A zone is for times without one, and has a name that is known.
pub(crate) fn zones(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        let Some(zone) = &window.zone else { continue };
        if let Zone::Named(name) = &zone.value
            && !is_known(name)
        {
            found.push(unknown(name, zone.span));
            continue;
        }
        let own = match &window.format.value {
            TimeFormat::EpochSeconds | TimeFormat::EpochMillis | TimeFormat::EpochMicros => {
                Some("counts from a moment that is the same in all zones")
            }
            TimeFormat::Pattern(pattern) if has_zone(pattern) => Some("has the zone in it"),
            TimeFormat::Pattern(_) | TimeFormat::Iso8601 => None,
        };
        let Some(own) = own.filter(|_| !writes_local_times(stream)) else { continue };
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

/// The names of the IANA time zone database, release 2025b, in order.
const NAMES: &str = include_str!("../zones.txt");

/// Whether a zone is in the list, or in this machine's database, which may be newer.
fn is_known(name: &str) -> bool {
    NAMES.lines().any(|known| known == name)
        || Zone::Named(name.to_owned()).time_zone().is_some_and(|zone| {
            // The database is looked up whatever the case of letters.
            zone.iana_name() == Some(name)
        })
}

fn unknown(name: &str, span: Span) -> Diagnostic {
    let message = format!("there is no time zone `{name}`");
    let unknown = Diagnostic::new(&codes::UNKNOWN_ZONE, span, message);
    let (area, place) = name.split_once('/').unwrap_or(("", name));
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let here = NAMES.lines().filter(|known| known.split('/').next().is_some_and(|a| same(a, area)));
    let elsewhere = NAMES.lines().filter(|known| known.ends_with(&format!("/{place}")));
    match near(name, here).or_else(|| elsewhere.min_by_key(|known| known.len())) {
        Some(known) => unknown
            .help(format!("write `{known}`"))
            .fix(Safety::Unsafe, format!("write `{known}`"), span, known),
        None => unknown.help("write an offset such as +02:00, or a name of the IANA time zone database, such as Europe/Berlin"),
    }
}

/// Whether a request of a stream writes times without a zone.
fn writes_local_times(stream: &Stream) -> bool {
    let all = fetches(stream);
    let templates = all.iter().flat_map(|fetch| fetch.request.templates());
    templates.flat_map(longshore_schema::Template::parts).any(part_is_local)
}

fn part_is_local(part: &Part) -> bool {
    match part {
        Part::Text(_) => false,
        Part::Expression(expression) => is_local(expression),
        Part::If { then, otherwise, .. } => then.iter().chain(otherwise).any(part_is_local),
    }
}

fn is_local(expression: &Expression) -> bool {
    let Expression::Call { helper, arguments } = expression else { return false };
    let date = |argument: &Expression| matches!(argument, Expression::Literal(format) if !has_zone(&format.to_string()));
    *helper == Helper::Date && arguments.get(1).is_some_and(date) || arguments.iter().any(is_local)
}
