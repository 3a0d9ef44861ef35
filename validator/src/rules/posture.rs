//! Posture checks: what they earn, what they say, and what mending them would break.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use longshore_schema::posture::{Check, Severity};
use longshore_schema::probe::{Probe, Test};
use longshore_schema::requirement::Prerequisite;
use longshore_schema::scalar::Name;
use longshore_schema::{Span, Spanned};

use super::asked::{checks, is_needed_by, key_of};
use super::expectations::{cover_everything, disjoint, mixed, place, within};
use super::requirements::undeclared;
use super::{Context, is_written};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};

/// A check earns points, unless it only informs.
pub(crate) fn weights(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut report = |span: Span, message: String, help: &str| {
        found.push(Diagnostic::new(&codes::CHECK_WEIGHT, span, message).help(help));
    };
    let mut all = 0;
    let mut informational = 0;
    for (name, check) in checks(cx.manifest) {
        all += 1;
        if !is_written(check.severity.span) {
            continue;
        }
        let informs = check.severity.value == Severity::Informational;
        informational += usize::from(informs);
        match &check.weight {
            Some(weight) if informs => report(
                weight.span,
                format!("the check `{name}` only informs, and has a weight"),
                "remove `weight`, or write how bad it is if it fails: `severity: low`",
            ),
            Some(weight) if weight.value == 0 => report(
                weight.span,
                format!("the check `{name}` counts for nothing"),
                "write the points that it earns, or `severity: informational` without a weight",
            ),
            None if !informs && cx.has_all_keys(&["posture", "checks", name.as_str()]) => report(
                name.span,
                format!("the check `{name}` has no weight"),
                "add `weight: 5`, the points that it earns; or write `severity: informational`",
            ),
            _ => {}
        }
    }
    if all > 0
        && all == informational
        && let Some(posture) = &cx.manifest.posture
        && cx.intact(&["posture"])
    {
        report(
            key_of(cx, &["posture", "checks"], posture.span),
            "no check has a weight: there is nothing to score".to_owned(),
            "write how bad it is that a check fails, and give it a weight",
        );
    }
}

/// It is said what it means that there is no answer.
pub(crate) fn unknown(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let explained: HashSet<_> = cx
        .manifest
        .settings
        .iter()
        .filter(|(_, settings)| settings.unknown.is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    let read: HashSet<_> = cx.manifest.settings.iter().map(|(name, _)| name.as_str()).collect();
    for (name, check) in checks(cx.manifest) {
        let settings = check.probe.settings.as_ref().map(|name| name.as_str());
        // Settings that are not there, or cannot be read, are reported as such.
        let shared = settings.is_some_and(|name| explained.contains(name) || !read.contains(name));
        if check.unknown.is_none()
            && !shared
            && cx.has_all_keys(&["posture", "checks", name.as_str()])
        {
            found.push(
                Diagnostic::new(
                    &codes::UNKNOWN_UNSAID,
                    name.span,
                    format!("nothing says what it means that the check `{name}` has no answer"),
                )
                .help("add `unknown: why the app may not answer`, to the check or to its settings: no answer is neither good nor bad"),
            );
        }
    }
}

/// What passes, what passes in part and what fails are three things.
pub(crate) fn tiers(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, check) in checks(cx.manifest) {
        let pass = &check.probe.expect;
        let mut report =
            |test: &Spanned<Test>, other: &Spanned<Test>, message: String, help: &str| {
                found.push(
                    Diagnostic::new(&codes::TIERS, place(test), message)
                        .also(place(other), "the other test")
                        .help(help),
                );
            };
        // What is expected is filled in where it cannot be read.
        if !is_written(pass.span) {
            continue;
        }
        if let Some(partial) = &check.partial {
            if mixed(partial, pass) {
                report(
                    partial,
                    pass,
                    format!(
                        "`partial` of `{name}` counts values and `expect` does not, or the other way round"
                    ),
                    "test the same in both: `count`, or the value itself",
                );
            } else if within(partial, pass) {
                report(
                    partial,
                    pass,
                    format!("`partial` of `{name}` is never reached: all of it passes already"),
                    "write what is weaker than `expect`, and still better than nothing",
                );
            } else if within(pass, partial) && matches!(partial.value, Test::Not(_)) {
                // Everything but one value: the weaker tier, as it should be.
            } else if cover_everything(pass, partial) {
                report(
                    partial,
                    pass,
                    format!("nothing fails in `{name}`: what does not pass is partial"),
                    "bound `partial` on the other side, such as `between: { from: 5, to: 8 }`",
                );
            }
        }
        let Some(fail) = &check.fail else { continue };
        for (tier, test) in [("expect", Some(pass)), ("partial", check.partial.as_ref())] {
            let Some(test) = test else { continue };
            if mixed(fail, test) {
                report(
                    fail,
                    test,
                    format!(
                        "`fail` of `{name}` counts values and `{tier}` does not, or the other way round"
                    ),
                    "test the same in both: `count`, or the value itself",
                );
                break;
            }
            let listed = matches!(fail.value, Test::Equals(_) | Test::In(_));
            if within(fail, test) || listed && !disjoint(fail, test) {
                report(
                    fail,
                    test,
                    format!("`fail` of `{name}` has what `{tier}` has"),
                    "write each value in one of `expect`, `partial` and `fail`",
                );
                break;
            }
        }
    }
}

/// What a probe looks at, if two probes can be told to look at the same.
fn looks_at(probe: &Probe) -> Option<String> {
    let at = match (&probe.setting, &probe.select) {
        (Some(setting), None) => format!("setting {}", setting.value),
        (None, Some(select)) => format!("select {}", select.value),
        _ => return None,
    };
    match (&probe.settings, &probe.request) {
        (Some(settings), None) => Some(format!("settings {settings} {at}")),
        (None, Some(request)) => {
            let (method, url) = request.method()?;
            let mut text = format!("{method} {} {at}", url.source());
            for (name, values) in request.query.iter().chain(&request.form) {
                for value in &values.0 {
                    let _ = write!(text, " {name}={}", value.0.source());
                }
            }
            // What else a request says is not compared, so such requests are taken for different.
            let own = [request.json.is_some(), request.graphql.is_some(), request.text.is_some()];
            if own.contains(&true) || request.base_url.is_some() {
                return None;
            }
            Some(text)
        }
        _ => None,
    }
}

/// Checks of one setting agree with each other.
pub(crate) fn contradictions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<String, (&str, &Check)> = HashMap::new();
    for (name, check) in checks(cx.manifest).filter(|(_, check)| check.applies_when.is_none()) {
        let Some(key) = looks_at(&check.probe) else { continue };
        let Some((first_name, first)) = seen.get(&key) else {
            seen.insert(key, (name.as_str(), check));
            continue;
        };
        if disjoint(&first.probe.expect, &check.probe.expect) {
            found.push(
                Diagnostic::new(
                    &codes::CONTRADICTING_CHECKS,
                    place(&check.probe.expect),
                    format!("the checks `{first_name}` and `{name}` cannot both pass: they look at the same"),
                )
                .also(place(&first.probe.expect), "what the other one expects")
                .help("expect the same in both, remove one, or say with `applies_when` where each is right"),
            );
        }
    }
}

/// A check whose remedy would break the connection says so.
pub(crate) fn conflicts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let names = cx.names(&["prerequisites"]);
    let known: HashSet<_> = names.iter().copied().collect();
    let unread = cx.unread(&["prerequisites"]);
    let mut needed: HashMap<String, Vec<(&Spanned<Name>, &Prerequisite)>> = HashMap::new();
    for (name, prerequisite) in &cx.manifest.prerequisites {
        if let Some(key) = prerequisite.probe.as_ref().and_then(|probe| looks_at(probe)) {
            needed.entry(key).or_default().push((name, prerequisite));
        }
    }
    for (name, check) in checks(cx.manifest) {
        let unknown = check.conflicts_with.iter().filter(|name| !known.contains(name.as_str()));
        for unknown in unknown.filter(|_| !unread) {
            let message = format!("there is no prerequisite `{unknown}`");
            let help = format!("declare `{unknown}` under `prerequisites`, or remove it here");
            found.push(undeclared(&codes::UNKNOWN_PREREQUISITE, unknown, &message, &names, help));
        }
        // One that is misspelt is reported as such.
        if check.conflicts_with.iter().any(|name| !known.contains(name.as_str())) {
            continue;
        }
        let Some(key) = looks_at(&check.probe) else { continue };
        for (prerequisite, needs) in needed.get(&key).into_iter().flatten() {
            let Some(probe) = &needs.probe else { continue };
            let said = check.conflicts_with.iter().any(|said| said.value == prerequisite.value);
            if said || !disjoint(&probe.expect, &check.probe.expect) {
                continue;
            }
            let mut diagnostic = Diagnostic::new(
                &codes::UNDECLARED_CONFLICT,
                place(&check.probe.expect),
                format!("passing the check `{name}` breaks the prerequisite `{prerequisite}`"),
            )
            .also(place(&probe.expect), "what the connection needs")
            .help(format!(
                "add `conflicts_with: [{prerequisite}]` to the check, so that its remedy is told with what it breaks"
            ));
            let at = ["posture", "checks", name.as_str(), "probe"];
            if let Some(entry) = cx.entry(&at).filter(|_| check.conflicts_with.is_empty()) {
                let start = entry.key_span.start as usize;
                let line = cx.source[..start].rsplit('\n').next().unwrap_or_default();
                let apart =
                    if line.trim().is_empty() { format!("\n{line}") } else { ", ".to_owned() };
                diagnostic = diagnostic.fix(
                    Safety::Unsafe,
                    format!("add `conflicts_with: [{prerequisite}]`"),
                    Span::new(start, start),
                    format!("conflicts_with: [{prerequisite}]{apart}"),
                );
            }
            found.push(diagnostic);
        }
    }
}

/// That nothing is found is good news only to an account that sees everything.
pub(crate) fn absence(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let shared = is_needed_by(cx.manifest, "posture");
    for (name, check) in checks(cx.manifest) {
        let test = &check.probe.expect;
        let Test::Count(count) = &test.value else { continue };
        let none =
            count.at_least.as_ref().is_none_or(|least| least.value == 0) && count.at_most.is_some();
        // Without any permissions declared their absence says nothing of this check's.
        if none && check.permissions.is_empty() && !shared {
            found.push(
                Diagnostic::new(
                    &codes::ABSENCE_UNPROVED,
                    place(test),
                    format!("the check `{name}` passes when nothing is found, also by an account that may not see it"),
                )
                .help("name the permissions without which the app shows less: `permissions: [...]`; without them the answer is then unknown"),
            );
        }
    }
}
