//! Windows: sent, bounded, and without gaps between them.

use std::time::Duration;

use longshore_schema::scalar::{Duration as Length, Scalar, TimeFormat};
use longshore_schema::stream::{Bounds, Filter, Stream, Window};
use longshore_schema::template::Expression;
use longshore_schema::{Literal, Span, Spanned};

use super::Context;
use super::fetch::fetches;
use super::references::sends;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// The windows of all streams.
pub(super) fn windows<'m>(
    cx: &Context<'m>,
) -> impl Iterator<Item = (&'m Stream, &'m Spanned<Window>)> {
    streams(cx.manifest).filter_map(|(_, _, stream)| Some((stream, stream.window.as_ref()?)))
}

/// The request asks for the window.
pub(crate) fn sent(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        // Beside a cursor or changes it is reported as such.
        let alone = stream.cursor.is_none() && stream.changes.is_none();
        let Some(window) = stream.window.as_ref().filter(|_| alone) else { continue };
        let all = fetches(stream);
        // The step that asks for the window; the first one is blamed if none does.
        let asking = all.iter().find(|fetch| fetch.request.refers_to("window"));
        let Some(first) = asking.or(all.first()).copied() else { continue };
        let start = sends(cx, first.request, "window", "start");
        let end = sends(cx, first.request, "window", "end");
        if window.filter.value == Filter::Here {
            continue;
        }
        let blame = |code, message| {
            Diagnostic::new(code, cx.request_key(name, &first), message)
                .also(window.on.span, "the window")
        };
        match (start, end) {
            (true, true) => {}
            (false, false) => found.push(
                blame(&codes::WINDOW_NOT_SENT, "the request does not ask for the window")
                    .label("every poll would read everything")
                    .help("send `{{window.start}}` and `{{window.end}}` as the app's filter wants them, or remove `window`"),
            ),
            (true, false) => found.push(
                blame(&codes::WINDOW_OPEN_END, "the request has the window's start and no end")
                    .help("send `{{window.end}}` too: what arrives while pages are read shifts them"),
            ),
            (false, true) => found.push(
                blame(&codes::WINDOW_NOT_SENT, "the request has the window's end and no start")
                    .help("send `{{window.start}}` too: otherwise every poll reads from the beginning"),
            ),
        }
    }
}

/// Whether an overlap is shorter than the span.
fn is_within(overlap: &Length, window: &Window) -> bool {
    window.span.as_ref().is_none_or(|span| *overlap < span.value)
}

/// The lengths of a window fit together.
pub(crate) fn lengths(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        let mut report = |span, message: String, other: Option<(Span, &str)>, help: &str| {
            let mut diagnostic = Diagnostic::new(&codes::WINDOW_LENGTHS, span, message).help(help);
            if let Some((span, text)) = other {
                diagnostic = diagnostic.also(span, text);
            }
            found.push(diagnostic);
        };
        if let Some(span) = &window.value.span
            && span.0 == Duration::ZERO
        {
            report(span.span, "a window of no length".to_owned(), None, "write a span such as 1d");
        } else if let (Some(span), Some(overlap)) = (&window.value.span, &window.overlap)
            && !is_within(overlap, window)
        {
            report(
                overlap.span,
                format!(
                    "the overlap ({}) is not shorter than the span ({})",
                    overlap.value, span.value
                ),
                Some((span.span, "the span")),
                "a window that reaches back over all of the one before it never gets on: shorten `overlap`, or lengthen `span`",
            );
        }
        if let Some(resolution) = &window.resolution
            && resolution.0 == Duration::ZERO
        {
            report(
                resolution.span,
                "a resolution of nothing".to_owned(),
                None,
                "write the finest difference that the app tells apart, such as 1s or 1ms",
            );
        }
        let Some(retention) = &window.retention else { continue };
        for (length, name) in [(&window.lag, "lag"), (&window.overlap, "overlap")] {
            let too_long = |length: &&Spanned<Length>| length.value >= retention.value;
            // Longer than the span as well, it is reported already.
            let fits = |length: &&Spanned<Length>| name == "lag" || is_within(length, window);
            if let Some(length) = length.as_ref().filter(too_long).filter(fits) {
                let message = format!(
                    "the {name} ({}) is not shorter than the retention ({})",
                    length.value, retention.value
                );
                let kept = Some((retention.span, "kept this long"));
                report(
                    length.span,
                    message,
                    kept,
                    "what is asked for that late is gone: shorten it",
                );
            }
        }
        if stream.every.value >= retention.value {
            let message = format!(
                "the stream is polled every {}, and the app keeps records for {}",
                stream.every.value, retention.value
            );
            report(
                stream.every.span,
                message,
                Some((retention.span, "kept this long")),
                "poll more often: records would be gone before they are read",
            );
        }
    }
}

/// The first poll reaches back by a duration, and not further than the app keeps records.
pub(crate) fn backfill(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, window) in windows(cx) {
        let template = &window.backfill;
        let mut lengths: Vec<(Length, Span)> = Vec::new();
        let mut bad = |span, message: &str, help: &str| {
            found.push(Diagnostic::new(&codes::BACKFILL, span, message).help(help));
        };
        let usage = "write a duration such as 30d, or one reference to an input of type duration";
        if let Some(text) = template.as_literal() {
            match Length::parse(text) {
                Ok(length) => lengths.push((length, template.span)),
                Err(_) => bad(template.span, "the backfill is not a duration", usage),
            }
        } else if let Some(Expression::Reference(reference)) = template.as_expression() {
            let mut literal = |literal: &Literal, span: Span| match literal
                .as_text()
                .and_then(|text| Length::parse(text).ok())
            {
                Some(length) => lengths.push((length, span)),
                None => bad(span, "the backfill takes this value, and it is not a duration", usage),
            };
            match reference.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["inputs", name] => {
                    use longshore_schema::manifest::InputType::Duration as Wanted;
                    let Some(input) = cx.inputs.get(name) else { continue };
                    if input.kind.value != Wanted {
                        let help = "write `type: duration` for the input";
                        bad(template.span, &format!("the input `{name}` is not a duration"), help);
                        continue;
                    }
                    let default = input.default.iter();
                    lengths.extend(default.filter_map(|default| {
                        Some((Length::parse(default.as_text()?).ok()?, default.span))
                    }));
                    lengths.extend(input.max.as_ref().map(|max| (max.value, max.span)));
                }
                ["facts", name] => {
                    let Some(fact) = cx.manifest.facts.get(name) else { continue };
                    for value in fact.found.iter().chain(&fact.missing) {
                        literal(&value.value, value.span);
                    }
                }
                _ => {}
            }
        } else {
            bad(template.span, "the backfill is put together from parts", usage);
        }
        let Some(retention) = &window.retention else { continue };
        for (length, span) in lengths.into_iter().filter(|(length, _)| *length > retention.value) {
            found.push(
                Diagnostic::new(
                    &codes::RETENTION,
                    span,
                    format!("{length} reaches further back than the app keeps records"),
                )
                .also(retention.span, format!("kept for {}", retention.value))
                .help(format!("write at most {}", retention.value)),
            );
        }
    }
}

/// Times are written finely enough to tell one window from the next.
pub(crate) fn time_format(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, window) in windows(cx) {
        let unit = granularity(&window.format);
        let declared = window.resolution.as_ref();
        if let Some(resolution) = declared.filter(|resolution| resolution.0 < unit.0) {
            found.push(
                Diagnostic::new(
                    &codes::COARSE_TIME,
                    window.format.span,
                    format!(
                        "the format writes times in steps of {unit}, the resolution is {}",
                        resolution.value
                    ),
                )
                .also(resolution.span, "finer than the format can say")
                .help(format!("use a finer format, or write `resolution: {unit}`")),
            );
        } else if declared.is_none() && unit.0 > Duration::from_secs(1) {
            found.push(
                Diagnostic::new(
                    &codes::COARSE_TIME,
                    window.format.span,
                    format!(
                        "the format writes times in steps of {unit} and no resolution is declared"
                    ),
                )
                .help(format!(
                    "use a finer format, or declare `resolution: {unit}` if the app knows no better"
                )),
            );
        }
        if let Some(span) = window.value.span.as_ref().filter(|span| span.0 < unit.0) {
            found.push(
                Diagnostic::new(
                    &codes::COARSE_TIME,
                    span.span,
                    format!("windows of {} cannot be written in steps of {unit}", span.value),
                )
                .also(window.format.span, "the format")
                .help(format!("write a span of at least {unit}, or use a finer format")),
            );
        }
    }
}

/// The finest difference that a format can write.
fn granularity(format: &TimeFormat) -> Length {
    let seconds = match format {
        TimeFormat::EpochMillis | TimeFormat::EpochMicros | TimeFormat::Iso8601 => {
            return Length(Duration::from_millis(1));
        }
        TimeFormat::EpochSeconds => 1,
        TimeFormat::Pattern(pattern) => {
            // The conversions by what they end with: `%-H` and `%.3f` have flags and widths.
            let used: String = pattern
                .split('%')
                .skip(1)
                .filter_map(|part| part.chars().find(char::is_ascii_alphabetic))
                .collect();
            let has = |letters: &str| used.contains(|c| letters.contains(c));
            if has("fN") {
                return Length(Duration::from_millis(1));
            }
            if has("STscrX") {
                1
            } else if has("MR") {
                60
            } else if has("HIkl") {
                3_600
            } else {
                86_400
            }
        }
    };
    Length::seconds(seconds)
}

/// What lies on the boundary of two windows is fetched, and counted once.
pub(crate) fn bounds(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        let overlaps = window.overlap.as_ref().is_some_and(|overlap| overlap.0 > Duration::ZERO);
        match window.bounds.value {
            Bounds::StartOnly => {}
            Bounds::EndOnly | Bounds::Neither => {
                if window.resolution.is_none() && !overlaps {
                    found.push(
                        Diagnostic::new(
                            &codes::BOUNDS_RESOLUTION,
                            window.bounds.span,
                            "records on the start of a window may never be fetched",
                        )
                        .label("the start is not included")
                        .help("declare the app's `resolution`, such as 1s: the start is moved back by it"),
                    );
                }
            }
            Bounds::Both => {
                if stream.remember.is_none() && !overlaps {
                    found.push(
                        Diagnostic::new(
                            &codes::BOUNDARY_REPEATS,
                            window.bounds.span,
                            "records on a boundary come twice, and are dropped once by their key",
                        )
                        .help("declare an `overlap` to say how long keys are remembered"),
                    );
                }
            }
        }
    }
}

/// Records that the app shows late are caught.
pub(crate) fn late_records(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        if window.lag.is_none() && window.overlap.is_none() {
            found.push(
                Diagnostic::new(
                    &codes::LATE_RECORDS,
                    window.on.span,
                    "neither `lag` nor `overlap`: a record that the app shows late is never fetched",
                )
                .help("declare how late the app's records are: `lag: 1m`, and `overlap: 10m` for stragglers"),
            );
        }
        if let (Some(remember), Some(overlap)) = (&stream.remember, &window.overlap)
            && remember.value < overlap.value
            && is_within(overlap, window)
            && window.retention.as_ref().is_none_or(|retention| overlap.value < retention.value)
        {
            found.push(
                Diagnostic::new(
                    &codes::FORGOTTEN_KEYS,
                    remember.span,
                    format!(
                        "keys are forgotten after {}, before the overlap of {} is over",
                        remember.value, overlap.value
                    ),
                )
                .also(overlap.span, "the overlap")
                .help(format!("remember them for at least {}", overlap.value)),
            );
        }
    }
}

/// Records that share their time are told apart.
pub(crate) fn tie_break(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (stream, window) in windows(cx) {
        if let [key] = stream.key.value.0.as_slice()
            && key.value == window.on.value
        {
            found.push(
                Diagnostic::new(
                    &codes::KEY_IS_TIME,
                    key.span,
                    "two records of the same time would count as one",
                )
                .also(window.on.span, "the time of a record")
                .help("take the record's id, or several members: `key: [$.time, $.user_id]`"),
            );
        }
    }
}
