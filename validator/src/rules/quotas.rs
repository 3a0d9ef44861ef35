//! Quotas: measured, reserved, and enough for the schedule.

use std::time::Duration;

use longshore_schema::http::{Counted, Period};

use super::Context;
use super::fetch::fetches;
use super::requests;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::{closest, one_of};

/// What is counted can be counted.
pub(crate) fn counts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, quota) in &cx.manifest.quotas {
        let reported = quota.counts.iter().find(|counted| counted.value == Counted::Reported);
        let own = quota.counts.iter().find(|counted| counted.value == Counted::Own);
        let mut report = |span, message: String, help: &str| {
            found.push(Diagnostic::new(&codes::QUOTA_COUNTS, span, message).help(help));
        };
        let headers = quota.headers.as_ref();
        let body = quota.body.as_ref();
        let body_reports = body.is_some_and(|b| b.used.is_some() || b.remaining.is_some());
        let reports_limit = quota.header.is_some()
            || headers.is_some_and(|h| h.limit.is_some())
            || body.is_some_and(|b| b.limit.is_some());
        match (quota.header.is_some() || headers.is_some() || body_reports, reported) {
            (true, None) => report(
                quota.counts.span,
                format!("the quota `{name}` is reported, and what is reported is not counted"),
                "write `counts: [own, reported]`: other clients spend from the same quota",
            ),
            (false, Some(counted)) => report(
                counted.span,
                format!("the quota `{name}` counts what is reported, and no answer reports it"),
                "add `header` with the name and the pattern of the response header, `headers` with the names of several, or `body` with the members of the response; or write `counts: [own]`",
            ),
            _ => {}
        }
        if let Some(headers) = headers.filter(|h| h.used.is_none() && h.remaining.is_none()) {
            report(
                headers.span,
                format!("the headers of the quota `{name}` do not say what is spent of it"),
                "add `remaining` or `used` with the name of the header that does",
            );
        } else if let Some(headers) = headers.filter(|_| !reports_limit && quota.limit.is_none()) {
            let (key, header) = match (&headers.remaining, &headers.used) {
                (Some(remaining), _) => ("remaining", remaining.span),
                (None, used) => ("used", used.as_ref().map_or(headers.span, |used| used.span)),
            };
            report(
                header,
                format!("the quota `{name}` has `{key}` and nothing that it is a part of"),
                "add `limit` beside it with the name of the header that reports the limit, or `limit: 5000` to the quota",
            );
        } else if let Some(body) = body.filter(|b| {
            !reports_limit && quota.limit.is_none() && (b.used.is_some() || b.remaining.is_some())
        }) {
            report(
                body.span,
                format!("the body tells what is spent of the quota `{name}`, and not of how much"),
                "add `limit` beside it with the member that holds the limit, or `limit: 5000` to the quota",
            );
        } else if own.is_some() && !reports_limit && quota.limit.is_none() {
            report(
                name.span,
                format!("the quota `{name}` has no limit to hold our calls against"),
                "add `limit: 100000`, or the `header` that reports it",
            );
        }
        if quota.counts.is_empty() {
            report(
                quota.counts.span,
                format!("the quota `{name}` counts nothing"),
                "write `counts: [own]`, or `counts: [own, reported]` with a header",
            );
        }
        if let Some(limit) = quota.limit.as_ref().filter(|limit| limit.value == 0) {
            report(
                limit.span,
                format!("the quota `{name}` allows no request"),
                "write what the app allows",
            );
        }
        let period = quota.period.length();
        if period.0 == Duration::ZERO {
            report(
                period.span,
                format!("the quota `{name}` is for no time at all"),
                "write its period, such as `rolling: 1d`",
            );
        }
        let reserve = quota.reserve.basis_points;
        if reserve == 10_000 {
            report(
                quota.reserve.span,
                format!("the quota `{name}` reserves everything"),
                "leave something to spend, such as `reserve: 10%`",
            );
        } else if reserve == 0 {
            found.push(
                Diagnostic::new(
                    &codes::NO_RESERVE,
                    quota.reserve.span,
                    format!("the quota `{name}` leaves nothing for others"),
                )
                .help(
                    "reserve a share, such as 10%: the app's other clients stop when it is spent",
                ),
            );
        }
    }
}

/// A period that starts anew does so at a reset that is reported, and each quota is reported once.
pub(crate) fn headers(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, quota) in &cx.manifest.quotas {
        let ways = [
            quota.header.as_ref().map(|header| header.span),
            quota.headers.as_ref().map(|headers| headers.span),
            quota.body.as_ref().map(|body| body.span),
        ];
        let mut ways = ways.into_iter().flatten();
        if let (Some(first), Some(second)) = (ways.next(), ways.next()) {
            found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    second,
                    format!("the quota `{name}` is reported in two ways"),
                )
                .also(first, "the other one")
                .help(
                    "keep `header` if one header has all numbers, `headers` if each has its own, or `body` if they are in the response",
                ),
            );
        }
        let reset = quota.headers.as_ref().and_then(|headers| headers.reset.as_ref());
        match (&quota.period, reset) {
            (Period::Fixed(period), None) => found.push(
                Diagnostic::new(
                    &codes::QUOTA_RESET,
                    period.span,
                    format!("nothing tells when the period of the quota `{name}` starts anew"),
                )
                .help(format!(
                    "add `reset` to its `headers`, or write `rolling: {}`, which is never more than the app allows",
                    period.value
                )),
            ),
            (Period::Rolling(period), Some(reset)) => found.push(
                Diagnostic::new(
                    &codes::QUOTA_RESET,
                    reset.span,
                    format!("the quota `{name}` has a reset, and its period never starts anew"),
                )
                .also(period.span, "a rolling period")
                .help(format!(
                    "write `period: {{ fixed: {} }}` if everything is free again at the reset, or remove `reset`",
                    period.value
                )),
            ),
            _ => {}
        }
    }
}

/// A quota is for streams that there are.
pub(crate) fn of_streams(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let streams = cx.names(&["streams"]);
    for (name, quota) in &cx.manifest.quotas {
        let Some(of) = &quota.streams else { continue };
        if of.is_empty() {
            found.push(
                Diagnostic::new(
                    &codes::QUOTA_STREAM,
                    of.span,
                    format!("the quota `{name}` is for no stream"),
                )
                .help("name the streams that it is for, or remove `streams` if it is for all"),
            );
        }
        // Streams that are missing altogether are reported as such.
        let named = of.iter().filter(|_| !streams.is_empty());
        for stream in named.filter(|stream| !streams.contains(&stream.value.as_str())) {
            let mut diagnostic = Diagnostic::new(
                &codes::QUOTA_STREAM,
                stream.span,
                format!(
                    "the quota `{name}` is for the stream `{}`, which is not declared",
                    stream.value
                ),
            )
            .help(format!("the streams are {}", one_of(streams.iter().copied())));
            if let Some(meant) = closest(&stream.value, streams.iter().copied()) {
                diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            }
            found.push(diagnostic);
        }
    }
}

/// Some quota is declared.
pub(crate) fn declared(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    // What costs of a quota that is not there is reported there.
    if cx.manifest.quotas.is_empty() && !requests::cost(cx) {
        let place = cx.entry(&["http"]).map_or(cx.manifest.id.span, |entry| entry.key_span);
        found.push(
            Diagnostic::new(&codes::NO_QUOTA, place, "no quota is declared: nothing limits the calls")
                .help("declare what the app allows: `quotas: { daily: { limit: 100000, period: { rolling: 1d }, reserve: 10%, counts: [own] } }`"),
        );
    }
}

/// A rate does not let through at once what a quota never allows.
pub(crate) fn bursts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(rate) = &cx.manifest.http.rate else { return };
    for (name, quota) in &cx.manifest.quotas {
        let Some(limit) = quota.limit.as_ref().filter(|limit| limit.value > 0) else { continue };
        let share = f64::from(10_000 - quota.reserve.basis_points) / 10_000.0;
        let usable = (limit.value as f64 * share).floor();
        let within = rate.per.0 > Duration::ZERO && rate.per.0 <= quota.period.length().0;
        if within && usable > 0.0 && quota.streams.is_none() && rate.requests.value as f64 > usable
        {
            found.push(
                Diagnostic::new(
                    &codes::PACE,
                    rate.requests.span,
                    format!(
                        "{} requests in {} spend more than the quota `{name}` leaves in {}: {usable}",
                        rate.requests.value,
                        rate.per.value,
                        quota.period.length().value
                    ),
                )
                .also(limit.span, "the quota")
                .help("write a rate that the quota allows, or correct the limit"),
            );
        }
    }
}

/// The most streams whose share of the arithmetic is shown.
const MAX_SHOWN: usize = 8;

/// The schedule alone does not spend the quota.
pub(crate) fn schedule(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, quota) in &cx.manifest.quotas {
        let Some(limit) = quota.limit.as_ref().filter(|limit| limit.value > 0) else { continue };
        let period = quota.period.length();
        let counted = |stream: &str| {
            quota.streams.as_ref().is_none_or(|of| of.iter().any(|one| one.value == stream))
        };
        let seconds = period.0.as_secs_f64();
        // A stepped stream may find nothing to fetch: only its listing is certain.
        let calls: Vec<_> = streams(cx.manifest)
            .filter(|(name, _, stream)| stream.every.0 > Duration::ZERO && counted(name))
            .filter(|(_, _, stream)| !fetches(stream).is_empty())
            .map(|(name, _, stream)| (name, stream, seconds / stream.every.0.as_secs_f64()))
            .collect();
        // Fractions of a call add up; a day has 86,400 seconds and no stream polls faster than that.
        let needed = calls.iter().map(|(_, _, calls)| calls).sum::<f64>().ceil();
        let share = f64::from(10_000 - quota.reserve.basis_points) / 10_000.0;
        let usable = (limit.value as f64 * share).floor();
        if usable <= 0.0 || needed <= usable {
            continue;
        }
        let mut diagnostic = Diagnostic::new(
            &codes::SCHEDULE_OVER_QUOTA,
            limit.span,
            format!(
                "the streams need at least {needed} requests in {}, the quota `{name}` leaves {usable}",
                period.value
            ),
        )
        .label(format!("{} less {} in reserve are {usable}", limit.value, quota.reserve.value))
        .help("poll less often (`every`), or correct the limit: pages, retries and backfill come on top");
        for (stream, at, calls) in calls.iter().take(MAX_SHOWN) {
            let text = format!("`{stream}`: {} / {} = {calls:.1}", period.value, at.every.value);
            diagnostic = diagnostic.also(at.every.span, text.trim_end_matches(".0"));
        }
        found.push(diagnostic);
    }
}
