//! Permissions, prerequisites and settings: each is needed, and can be found out.

use std::collections::{HashMap, HashSet};

use longshore_schema::probe::{Probe, Settings};
use longshore_schema::scalar::Name;
use longshore_schema::stream::{Capability, Pages};
use longshore_schema::{Span, Spanned};

use super::Context;
use super::asked::{Asked, checks, key_of, probes};
use super::references::MAX_FOUND;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::suggest::{closest, one_of};

/// A requirement can be found out, or it is said why not.
pub(crate) fn answers(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let permissions = cx.manifest.permissions.iter().map(|(name, permission)| {
        ("permission", "permissions", name, &permission.probe, &permission.manual)
    });
    let prerequisites = cx.manifest.prerequisites.iter().map(|(name, prerequisite)| {
        ("prerequisite", "prerequisites", name, &prerequisite.probe, &prerequisite.manual)
    });
    for (kind, table, name, probe, manual) in permissions.chain(prerequisites) {
        match (probe, manual) {
            (None, None) if cx.has_all_keys(&[table, name.as_str()]) => found.push(
                Diagnostic::new(
                    &codes::NO_PROBE,
                    name.span,
                    format!("nothing says how to find out about the {kind} `{name}`"),
                )
                .help("add `probe` with a request that tells, or `manual: why the app cannot be asked`"),
            ),
            (Some(probe), Some(manual)) => found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    key_of(cx, &[table, name.as_str(), "manual"], manual.span),
                    format!("the {kind} `{name}` is found out and cannot be found out"),
                )
                .also(key_of(cx, &[table, name.as_str(), "probe"], probe.span), "how it is found out")
                .help("remove `manual`, or remove `probe`"),
            ),
            _ => {}
        }
    }
}

/// A probe says where it looks, in one way.
pub(crate) fn sources(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let settings: HashMap<_, _> =
        cx.manifest.settings.iter().map(|(name, settings)| (name.as_str(), settings)).collect();
    for asked in probes(cx.manifest) {
        let probe = &asked.probe.value;
        let key =
            |name: &str, otherwise| key_of(cx, &[&asked.keys[..], &[name]].concat(), otherwise);
        let mut given: Vec<(&str, Span)> = Vec::new();
        given.extend(probe.fact.iter().map(|fact| ("fact", key("fact", fact.span))));
        given.extend(probe.settings.iter().map(|name| ("settings", key("settings", name.span))));
        given.extend(probe.request.iter().map(|r| ("request", key("request", r.span))));
        match given.as_slice() {
            [] if cx.has_all_keys(&asked.keys) => found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    key_of(cx, &asked.keys, asked.probe.span),
                    "the probe does not say where the answer is looked for",
                )
                .help("add `request`, `settings` with a name under `settings`, or `fact` with the name of a fact"),
            ),
            [] => {}
            [(source, _)] => {
                source_parts(cx, &asked, source, &key, found);
                let known = probe.settings.as_ref().and_then(|name| settings.get(name.as_str()));
                if let (Some(known), Some(setting), Some(name)) =
                    (known, probe.setting.as_ref(), probe.settings.as_ref())
                    && probe.select.is_none()
                    && known.key.is_none()
                    && cx.has_all_keys(&["settings", name.as_str()])
                {
                    found.push(
                        Diagnostic::new(
                            &codes::CONFLICTING_KEYS,
                            key("setting", setting.span),
                            format!("the settings `{name}` have no `key`, and cannot be named"),
                        )
                        .help("write `select: $.member`, or give the settings `records`, `key` and `value`"),
                    );
                }
            },
            [(first, first_span), (second, span), ..] => found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    *span,
                    format!("the probe looks in two places: `{first}` and `{second}`"),
                )
                .also(*first_span, "the other one")
                .help(format!("keep `{first}`, or keep `{second}`")),
            ),
        }
    }
}

/// What stands beside the source of a probe belongs to it, and is complete.
fn source_parts(
    cx: &Context<'_>,
    asked: &Asked<'_>,
    source: &str,
    key: &impl Fn(&str, Span) -> Span,
    found: &mut Vec<Diagnostic>,
) {
    let probe: &Probe = asked.probe;
    let mut conflict = |name: &str, span: Span, message: String, help: &str| {
        found.push(Diagnostic::new(&codes::CONFLICTING_KEYS, key(name, span), message).help(help));
    };
    if let Some(select) = &probe.select
        && (source == "fact" || probe.setting.is_some() && source == "settings")
    {
        let (by, help) = if source == "fact" {
            ("a fact is one value", "remove `select`: the fact has looked already")
        } else {
            ("`setting` names what is looked at", "remove `select`, or remove `setting`")
        };
        conflict("select", select.span, format!("`select` has nothing to do: {by}"), help);
    }
    if let Some(setting) = probe.setting.as_ref().filter(|_| source != "settings") {
        let message = format!("`setting` stands beside `{source}`");
        conflict(
            "setting",
            setting.span,
            message,
            "write `settings` with the name of a list of settings",
        );
    }
    if let Some(condition) = probe.empty_when.as_ref().filter(|_| source != "request") {
        let message = format!("`empty_when` stands beside `{source}`");
        conflict(
            "empty_when",
            condition.span,
            message,
            "remove it: it is about the answer to `request`",
        );
    }
    let complete = source == "fact" || probe.select.is_some() || probe.setting.is_some();
    if !complete && cx.has_all_keys(&asked.keys) {
        let (what, help) = if source == "request" {
            ("select", "add `select: $.member`: what is looked at in the response")
        } else {
            ("select` or `setting", "add `setting: NAME`, or `select: $.member`")
        };
        found.push(
            Diagnostic::new(
                &codes::CHOOSE_ONE,
                key_of(cx, &asked.keys, asked.probe.span),
                format!("the probe does not say what it looks at: it has no `{what}`"),
            )
            .help(help),
        );
    }
}

/// Names of facts and settings in probes are declared.
pub(crate) fn named_sources(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let settings = cx.names(&["settings"]);
    let known: HashSet<_> = settings.iter().copied().collect();
    let facts = cx.names(&["facts"]);
    for asked in probes(cx.manifest) {
        if found.len() >= MAX_FOUND {
            return;
        }
        let unread = |table| cx.unread(&[table]);
        if let Some(name) = asked.probe.settings.as_ref().filter(|n| !known.contains(n.as_str()))
            && !unread("settings")
        {
            found.push(undeclared(
                &codes::UNKNOWN_SETTINGS,
                name,
                &format!("there are no settings `{name}`"),
                &settings,
                format!("declare `{name}` under `settings`, with the request that reads them"),
            ));
        }
        if let Some(name) = asked.probe.fact.as_ref().filter(|n| !cx.declares("facts", n.as_str()))
        {
            found.push(undeclared(
                &codes::UNKNOWN_REFERENCE,
                name,
                &format!("there is no fact `{name}`"),
                &facts,
                format!("declare `{name}` under `facts`"),
            ));
        }
    }
}

/// A name that is not declared, with the one that was meant.
pub(crate) fn undeclared(
    code: &'static codes::Code,
    name: &Spanned<Name>,
    message: &str,
    known: &[&str],
    help: String,
) -> Diagnostic {
    let diagnostic = Diagnostic::new(code, name.span, message).help(help);
    match closest(name.as_str(), known.iter().copied()) {
        Some(meant) => diagnostic.label(format!("did you mean `{meant}`?")).fix(
            Safety::Unsafe,
            format!("write `{meant}`"),
            name.span,
            meant,
        ),
        None => diagnostic,
    }
}

/// A list of settings is told apart by `key`, and has values.
pub(crate) fn settings(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, settings) in &cx.manifest.settings {
        let Settings { records, key, value, pages, .. } = settings;
        if !cx.has_all_keys(&["settings", name.as_str()]) {
            continue;
        }
        let span =
            |word: &str, otherwise| key_of(cx, &["settings", name.as_str(), word], otherwise);
        let mut alone = |word: &str, at: Span, missing: &str| {
            found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    span(word, at),
                    format!("the settings `{name}` have a `{word}` and no `{missing}`"),
                )
                .help(format!("add `{missing}`, or remove `{word}`: a list of settings has `records`, `key` and `value`")),
            );
        };
        match (key, value) {
            (Some(key), None) => alone("key", key.span, "value"),
            (None, Some(value)) => alone("value", value.span, "key"),
            (Some(key), Some(_)) if records.is_none() => alone("key", key.span, "records"),
            _ => {}
        }
        if let Some(pages) = pages
            && records.is_none()
            && matches!(
                pages.value,
                Pages::Number(_) | Pages::Offset(_) | Pages::Keyset(_) | Pages::Scroll(_)
            )
        {
            found.push(
                Diagnostic::new(
                    &codes::RECORDS,
                    span("pages", pages.span),
                    format!("the last page of the settings `{name}` cannot be told: there are no `records`"),
                )
                .help("add `records: $.items[*]`: a page with fewer of them is the last"),
            );
        }
    }
}

/// Every source of settings is looked into.
pub(crate) fn unused_settings(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let probes = probes(cx.manifest);
    let used = probes.iter().filter_map(|asked| asked.probe.settings.as_ref());
    let used = meant(used.map(|name| name.as_str()), &cx.names(&["settings"]));
    for (name, _) in &cx.manifest.settings {
        if !used.contains(name.as_str()) {
            found.push(
                Diagnostic::new(
                    &codes::UNUSED_SETTINGS,
                    name.span,
                    format!("no probe looks into the settings `{name}`"),
                )
                .help(format!(
                    "look into them with `probe: {{ settings: {name}, ... }}`, or remove them"
                )),
            );
        }
    }
}

/// The declared names that these names are, or were surely meant to be.
fn meant<'m>(names: impl Iterator<Item = &'m str>, declared: &[&'m str]) -> HashSet<&'m str> {
    let known: HashSet<_> = declared.iter().copied().collect();
    let (mut used, unknown): (HashSet<_>, HashSet<_>) =
        names.partition(|name| known.contains(name));
    let guesses = unknown.into_iter().take(MAX_FOUND);
    used.extend(guesses.filter_map(|name| closest(name, declared.iter().copied())));
    used
}

/// `needed_by` and `affects` name what there is.
pub(crate) fn parts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let needed = cx.manifest.permissions.iter().flat_map(|(_, permission)| &permission.needed_by);
    let affected = cx.manifest.prerequisites.iter().filter_map(|(_, known)| known.affects.as_ref());
    let affected = affected.flat_map(|affects| &affects.0);
    let names = || {
        let provided: HashSet<_> =
            streams(cx.manifest).map(|(_, _, stream)| stream.provides.value).collect();
        let mut known: Vec<_> = cx.names(&["streams"]);
        for (name, capability) in Capability::ALL {
            if provided.contains(capability) {
                known.push(name);
            }
        }
        known.extend(cx.manifest.posture.is_some().then_some("posture"));
        known.extend((!cx.manifest.actions.is_empty()).then_some("actions"));
        known.sort_unstable();
        known.dedup();
        known
    };
    let written = |name: &str| cx.written.entry(name).is_some();
    let mut listed: Option<(Vec<&str>, HashSet<&str>)> = None;
    for name in needed.chain(affected) {
        if found.len() >= MAX_FOUND {
            return;
        }
        let (known, set) = listed.get_or_insert_with(|| {
            let known = names();
            let set = known.iter().copied().collect();
            (known, set)
        });
        let text = name.as_str();
        // What could not be read is there all the same.
        let unread = matches!(text, "posture" | "actions") && written(text)
            || cx.names(&["streams"]).is_empty()
            || Capability::named(text).is_some() && !cx.intact(&["streams"]);
        if set.contains(text) || unread {
            continue;
        }
        let message = if Capability::named(text).is_some() {
            format!("no stream provides `{name}`")
        } else {
            format!("`{name}` is neither a stream nor a capability")
        };
        let help = format!("write {}", one_of(known.iter().copied().take(12)));
        found.push(undeclared(&codes::UNKNOWN_PART, name, &message, known, help));
    }
}

/// Names of permissions are declared.
pub(crate) fn permission_names(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let names = cx.names(&["permissions"]);
    let known: HashSet<_> = names.iter().copied().collect();
    for (own, permission) in &cx.manifest.permissions {
        for name in permission.or.iter().filter(|name| name.value == own.value) {
            found.push(
                Diagnostic::new(
                    &codes::UNKNOWN_PERMISSION,
                    name.span,
                    format!("the permission `{own}` stands in for itself"),
                )
                .help("name another permission that does as well, or remove `or`"),
            );
        }
    }
    let unread = cx.unread(&["permissions"]);
    let named = named_permissions(cx).filter(|_| !unread);
    let unknown = named.filter(|name| !known.contains(name.as_str()));
    for name in unknown.take(MAX_FOUND) {
        let message = format!("there is no permission `{name}`");
        let help = format!("declare `{name}` under `permissions`, with its name in the app");
        found.push(undeclared(&codes::UNKNOWN_PERMISSION, name, &message, &names, help));
    }
}

/// Every name of a permission: in `or`, in checks and in actions.
fn named_permissions<'m>(cx: &Context<'m>) -> impl Iterator<Item = &'m Spanned<Name>> {
    let manifest = cx.manifest;
    let others = manifest.permissions.iter().flat_map(|(_, permission)| &permission.or);
    let checks = checks(manifest);
    let checks = checks.flat_map(|(_, check)| &check.permissions);
    let actions = manifest.actions.iter().flat_map(|(_, action)| &action.permissions);
    others.chain(checks).chain(actions)
}

/// Every permission is needed by something.
pub(crate) fn unused(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let named = named_permissions(cx).map(|name| name.as_str());
    let named = meant(named, &cx.names(&["permissions"]));
    for (name, permission) in &cx.manifest.permissions {
        if permission.needed_by.is_empty() && !named.contains(name.as_str()) {
            found.push(
                Diagnostic::new(
                    &codes::UNUSED_PERMISSION,
                    name.span,
                    format!("nothing needs the permission `{name}`"),
                )
                .help("say what does, in `needed_by`; or remove it: each permission is a risk to the app's owner"),
            );
        }
    }
}

/// Where permissions are declared, everything that is read or judged names those that it needs.
pub(crate) fn traced(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.manifest.permissions.is_empty() {
        return;
    }
    let needed = cx.manifest.permissions.iter().flat_map(|(_, permission)| &permission.needed_by);
    let mut known = cx.names(&["streams"]);
    let names: HashSet<_> = known.iter().copied().collect();
    known.extend(Capability::ALL.iter().map(|(name, _)| *name));
    let needed = meant(needed.map(|name| name.as_str()), &known);
    let all_checks = needed.contains("posture");
    // A stream of the name goes before the capability, as in `Manifest::part`.
    let covered = |name: &str, provides: Capability| {
        let provides = provides.to_string();
        needed.contains(name)
            || needed.contains(provides.as_str()) && !names.contains(provides.as_str())
    };
    let all = streams(cx.manifest).filter(|(name, _, s)| !covered(name, s.provides.value));
    for (name, span, _) in all {
        found.push(
            Diagnostic::new(
                &codes::UNTRACED,
                span,
                format!("no permission says that the stream `{name}` needs it"),
            )
            .help(format!(
                "add `{name}` to `needed_by` of each permission without which it cannot be read"
            )),
        );
    }
    let all = checks(cx.manifest);
    for (name, check) in all.filter(|(_, check)| !all_checks && check.permissions.is_empty()) {
        found.push(
            Diagnostic::new(
                &codes::UNTRACED,
                name.span,
                format!("no permission says that the check `{name}` needs it"),
            )
            .help(if check.probe.settings.is_some() {
                "add `posture` to `needed_by` of the permission without which settings cannot be read, or name it in the check's `permissions`"
            } else {
                "name the permission without which its answer is not to be believed: `permissions: [...]`"
            }),
        );
    }
}
