//! Inputs and facts: declared sensibly, used, and used only where they may be.

use std::collections::HashSet;

use longshore_schema::Literal;
use longshore_schema::auth::Auth;
use longshore_schema::manifest::{Input, InputType};
use longshore_schema::scalar::{Duration, HostPattern, Name, Scalar};

use super::Context;
use super::asked::probes;
use super::sites::{Place, Site, sites};
use super::ways::{Way, ways};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::closest;

/// Defaults, choices and limits fit the input's type.
pub(crate) fn settings(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, input) in &cx.manifest.inputs {
        if !cx.inputs.contains_key(name.as_str()) {
            continue;
        }
        let mut report = |span, message: String, help: &str| {
            found.push(Diagnostic::new(&codes::INPUT_SETTINGS, span, message).help(help));
        };
        let kind = input.kind.value;
        if kind == InputType::Choice && input.choices.is_empty() {
            let message = format!("the input `{name}` is a choice without choices");
            report(input.kind.span, message, "add `choices: [first, second]`");
        }
        if let Some(choice) = input.choices.first().filter(|_| kind != InputType::Choice) {
            let message = format!("the input `{name}` has choices but is not a choice");
            report(choice.span, message, "write `type: choice`, or remove `choices`");
        }
        if let Some(max) = input.max.as_ref().filter(|_| kind != InputType::Duration) {
            let message =
                format!("the input `{name}` has a longest duration but is not a duration");
            report(max.span, message, "write `type: duration`, or remove `max`");
        }
        if let Some(default) = &input.default {
            if is_secret(input) {
                let message = format!("the secret input `{name}` has a default");
                report(
                    default.span,
                    message,
                    "remove it: a secret belongs to one tenant, and never in a file",
                );
            } else if let Some(wanted) = mismatch(input, &default.value) {
                let message = format!("the default of the input `{name}` is not {wanted}");
                report(default.span, message, "write a default that the input itself would accept");
            } else if let (Some(max), Some(text)) = (&input.max, default.as_text())
                && Duration::parse(text).is_ok_and(|default| default > max.value)
            {
                let message = format!("the default of the input `{name}` is longer than its `max`");
                report(default.span, message, "shorten the default, or raise `max`");
            }
        }
    }
}

/// What a literal should have been to be a value of the input; `None` if it is one.
fn mismatch(input: &Input, value: &Literal) -> Option<&'static str> {
    let text = value.as_text();
    let (fits, wanted) = match input.kind.value {
        InputType::String | InputType::Secret | InputType::SecretJson => (text.is_some(), "text"),
        InputType::Host => (
            text.is_some_and(|text| !text.contains('*') && HostPattern::parse(text).is_ok()),
            "a host name",
        ),
        InputType::Integer => (matches!(value, Literal::Integer(_)), "a whole number"),
        InputType::Boolean => (matches!(value, Literal::Bool(_)), "true or false"),
        InputType::Duration => {
            (text.is_some_and(|text| Duration::parse(text).is_ok()), "a duration such as 60d")
        }
        InputType::Choice => (
            text.is_some_and(|text| input.choices.iter().any(|choice| choice.value == text)),
            "one of its choices",
        ),
    };
    (!fits).then_some(wanted)
}

/// Whether an input is never shown.
pub(super) fn is_secret(input: &Input) -> bool {
    matches!(input.kind.value, InputType::Secret | InputType::SecretJson)
}

/// Secrets stay in the settings of `auth` that are sent in no URL.
pub(crate) fn secrets(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (site, name, input) in uses(cx) {
        if !is_secret(input) || site.place.takes_secrets() {
            continue;
        }
        let span = cx.find(site.span, &format!("inputs.{name}"), 0);
        found.push(
            Diagnostic::new(
                &codes::SECRET_EXPOSED,
                span,
                format!("the secret input `{name}` is used outside the credentials of `auth`"),
            )
            .label("URLs, queries and headers end up in logs")
            .also(input.kind.span, "declared as a secret here")
            .help("let `auth` send it, or declare the input with `type: string` if it is none"),
        );
    }
}

/// The names of the grants that a way to sign in offers, those that could not be read among them.
pub(super) fn grant_names<'m>(cx: &Context<'m>, way: &Way<'m>) -> Vec<&'m str> {
    cx.names(&way.below(&["oauth2", "grants"]))
}

/// Inputs that only some grants ask for are used only with these.
pub(crate) fn grants(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let ways = ways(cx.manifest);
    let offered: Vec<_> = ways
        .iter()
        .map(|way| way.oauth().map(|o| o.grants.offered()).unwrap_or_default())
        .collect();
    let written: Vec<_> = ways.iter().flat_map(|way| grant_names(cx, way)).collect();
    // That there is none at all is reported there.
    let restricted = cx.manifest.inputs.iter().filter(|_| !written.is_empty());
    for (name, input) in restricted {
        let named = input.grants.iter().flat_map(|grants| &grants.0);
        for kind in named {
            let text = kind.to_string();
            if written.contains(&text.as_str()) {
                continue;
            }
            let place = cx.entry(&["inputs", name.as_str(), "grants"]);
            let span = place.map_or(name.span, |entry| cx.find(entry.value.span, &text, 0));
            let mut diagnostic = Diagnostic::new(
                &codes::GRANT_MISMATCH,
                span,
                format!("the input `{name}` is for the grant `{text}`, which is not offered"),
            )
            .help("offer the grant in `auth.oauth2.grants`, or remove it here");
            if let Some(meant) = closest(&text, written.iter().copied()) {
                diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            }
            found.push(diagnostic);
        }
    }
    for (site, name, input) in uses(cx) {
        let Some(only) = &input.grants else { continue };
        let needed: Vec<_> = match site.place {
            // Without a value it is left out, as the grants that have no secret want it.
            Place::Auth { setting: "client_secret" | "client_key" | "token_request", .. } => {
                continue;
            }
            Place::Grant { kind, .. } => vec![kind],
            Place::Auth { way, .. } | Place::Session { way, .. } | Place::Signed { way, .. } => {
                offered[way].clone()
            }
            _ => offered.concat(),
        };
        if let Some(without) = needed.iter().find(|kind| !only.0.contains(kind)) {
            let span = cx.find(site.span, &format!("inputs.{name}"), 0);
            found.push(
                Diagnostic::new(
                    &codes::GRANT_MISMATCH,
                    span,
                    format!("the input `{name}` has no value with the grant `{without}`"),
                )
                .help(format!("add `{without}` to the input's `grants`, or remove `grants` there")),
            );
        }
    }
}

/// Every use of an input that could be read.
fn uses<'m>(cx: &Context<'m>) -> Vec<(Site<'m>, &'m str, &'m Input)> {
    let mut uses = Vec::new();
    for site in sites(cx.manifest) {
        let names: HashSet<_> = site
            .template
            .references()
            .into_iter()
            .filter(|reference| reference.path.len() >= 2 && reference.path[0] == "inputs")
            .map(|reference| reference.path[1].as_str())
            .collect();
        for name in names {
            if let Some(input) = cx.inputs.get(name).copied() {
                uses.push((site, name, input));
            }
        }
    }
    uses
}

/// The inputs with which the admin chooses how to sign in.
fn choosers(auth: &Auth) -> Vec<&str> {
    let Auth::OneOf(one_of) = auth else { return Vec::new() };
    let below = one_of.kinds.iter().flat_map(|(_, auth)| choosers(auth));
    std::iter::once(one_of.input.as_str()).chain(below).collect()
}

/// What is asked for is used.
pub(crate) fn unused(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let all = sites(cx.manifest);
    let mut used: HashSet<(&str, &str)> = all
        .iter()
        .flat_map(|site| site.template.references())
        .filter_map(|reference| match reference.path.as_slice() {
            [root, name, ..] => Some((root.as_str(), name.as_str())),
            _ => None,
        })
        .collect();
    let probes = probes(cx.manifest);
    let probed = probes.iter().filter_map(|asked| asked.probe.fact.as_ref());
    used.extend(probed.map(|name| ("facts", name.as_str())));
    used.extend(choosers(&cx.manifest.auth).into_iter().map(|name| ("inputs", name)));
    for (name, _) in &cx.manifest.inputs {
        if !used.contains(&("inputs", Name::as_str(name))) {
            found.push(
                Diagnostic::new(
                    &codes::UNUSED_INPUT,
                    name.span,
                    format!("the input `{name}` is never used"),
                )
                .help(format!("use it as `{{{{inputs.{name}}}}}`, or do not ask the admin for it")),
            );
        }
    }
    for (name, _) in &cx.manifest.facts {
        if !used.contains(&("facts", Name::as_str(name))) {
            found.push(
                Diagnostic::new(
                    &codes::UNUSED_FACT,
                    name.span,
                    format!("the fact `{name}` is never used"),
                )
                .help(format!(
                    "use it as `{{{{facts.{name}}}}}`, or remove it: each run asks for it"
                )),
            );
        }
    }
}
