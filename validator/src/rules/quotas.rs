//! Quotas: measured, reserved, and enough for the schedule.

use std::time::Duration;

use longshore_schema::http::{Counted, Period};

use super::Context;
use super::fetch::fetches;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// What is counted can be counted.
pub(crate) fn counts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, quota) in &cx.manifest.quotas {
        let reported = quota.counts.iter().find(|counted| counted.value == Counted::Reported);
        let own = quota.counts.iter().find(|counted| counted.value == Counted::Own);
        let mut report = |span, message: String, help: &str| {
            found.push(Diagnostic::new(&codes::QUOTA_COUNTS, span, message).help(help));
        };
        match (&quota.header, reported) {
            (Some(header), None) => report(
                quota.counts.span,
                format!(
                    "the quota `{name}` has the header `{}` and does not count what it reports",
                    header.name.value
                ),
                "write `counts: [own, reported]`: other clients spend from the same quota",
            ),
            (None, Some(counted)) => report(
                counted.span,
                format!("the quota `{name}` counts what is reported, and no header reports it"),
                "add `header` with the name and the pattern of the response header, or write `counts: [own]`",
            ),
            _ => {}
        }
        if own.is_some() && quota.header.is_none() && quota.limit.is_none() {
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
        let Period::Rolling(period) = &quota.period;
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

/// Some quota is declared.
pub(crate) fn declared(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.manifest.quotas.is_empty() {
        let place = cx.entry(&["http"]).map_or(cx.manifest.id.span, |entry| entry.key_span);
        found.push(
            Diagnostic::new(&codes::NO_QUOTA, place, "no quota is declared: nothing limits the calls")
                .help("declare what the app allows: `quotas: { daily: { limit: 100000, period: { rolling: 1d }, reserve: 10%, counts: [own] } }`"),
        );
    }
}

/// The schedule alone does not spend the quota.
pub(crate) fn schedule(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    // Fractions of a call add up; a day has 86,400 seconds and no stream polls faster than that.
    let per_second: f64 = streams(cx.manifest)
        .filter(|(_, _, stream)| stream.every.0 > Duration::ZERO)
        .map(|(_, _, stream)| {
            // A stepped stream may find nothing to fetch: only its listing is certain.
            fetches(stream).len().min(1) as f64 / stream.every.0.as_secs_f64()
        })
        .sum();
    for (name, quota) in &cx.manifest.quotas {
        let Some(limit) = quota.limit.as_ref().filter(|limit| limit.value > 0) else { continue };
        let Period::Rolling(period) = &quota.period;
        let needed = (per_second * period.0.as_secs_f64()).ceil();
        let share = f64::from(10_000 - quota.reserve.basis_points) / 10_000.0;
        let usable = (limit.value as f64 * share).floor();
        if usable > 0.0 && needed > usable {
            found.push(
                Diagnostic::new(
                    &codes::SCHEDULE_OVER_QUOTA,
                    limit.span,
                    format!("the streams need at least {needed} requests in {}, the quota `{name}` leaves {usable}", period.value),
                )
                .label(format!("less {} in reserve", quota.reserve.value))
                .help("poll less often (`every`), or correct the limit: pages, retries and backfill come on top"),
            );
        }
    }
}
