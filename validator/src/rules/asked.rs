//! What is asked of the app outside of streams: settings, probes, and what actions look up.

use longshore_schema::decode::Decode;
use longshore_schema::posture::Check;
use longshore_schema::probe::Probe;
use longshore_schema::scalar::Name;
use longshore_schema::stream::Request;
use longshore_schema::{Manifest, Span, Spanned};

use super::Context;
use super::fetch::{Fetch, fetches};
use super::sites::streams;
use super::ways::ways;

/// A probe with the keys that lead to it.
pub(crate) struct Asked<'m> {
    pub(crate) keys: Vec<&'m str>,
    pub(crate) probe: &'m Spanned<Probe>,
}

/// All checks of the posture in order.
pub(crate) fn checks(manifest: &Manifest) -> impl Iterator<Item = &(Spanned<Name>, Check)> {
    manifest.posture.iter().flat_map(|posture| &posture.checks.value)
}

/// Whether a permission says that this is what needs it.
pub(crate) fn is_needed_by(manifest: &Manifest, part: &str) -> bool {
    let mut named = manifest.permissions.iter().flat_map(|(_, permission)| &permission.needed_by);
    named.any(|name| name.as_str() == part)
}

/// All probes in order.
pub(crate) fn probes(manifest: &Manifest) -> Vec<Asked<'_>> {
    let mut all = Vec::new();
    let mut add = |keys: &[&'static str; 2], name, probe| {
        let [first, last] = *keys;
        all.push(Asked { keys: vec![first, name, last], probe });
    };
    for (name, permission) in &manifest.permissions {
        if let Some(probe) = &permission.probe {
            add(&["permissions", "probe"], name.as_str(), probe);
        }
    }
    for (name, prerequisite) in &manifest.prerequisites {
        if let Some(probe) = &prerequisite.when {
            add(&["prerequisites", "when"], name.as_str(), probe);
        }
        if let Some(probe) = &prerequisite.probe {
            add(&["prerequisites", "probe"], name.as_str(), probe);
        }
    }
    for (name, check) in checks(manifest) {
        let keys = ["posture", "checks", name.as_str()];
        if let Some(probe) = &check.applies_when {
            all.push(Asked { keys: [&keys[..], &["applies_when"]].concat(), probe });
        }
        all.push(Asked { keys: [&keys[..], &["probe"]].concat(), probe: &check.probe });
    }
    all
}

/// Whatever is fetched with pages, each with the key of its request: streams, settings, and what
/// actions look up.
pub(crate) fn every_fetch<'m>(cx: &Context<'m>) -> Vec<(Span, Fetch<'m>)> {
    let mut all = Vec::new();
    for (name, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            all.push((cx.request_key(name, &fetch), fetch));
        }
    }
    for (name, settings) in &cx.manifest.settings {
        let fetch = Fetch {
            step: None,
            request: &settings.request,
            decode: &Decode::JSON,
            records: settings.records.as_ref(),
            pages: settings.pages.as_ref(),
            promise: settings.promise.as_ref(),
            key: None,
            settings: None,
        };
        all.push((key_of(cx, &["settings", name.as_str(), "request"], fetch.request.span), fetch));
    }
    for (name, action) in &cx.manifest.actions {
        let Some(find) = &action.find else { continue };
        let fetch = Fetch {
            step: None,
            request: &find.request,
            decode: &Decode::JSON,
            records: Some(&find.records),
            pages: find.pages.as_ref(),
            promise: find.promise.as_ref(),
            key: None,
            settings: None,
        };
        let keys = ["actions", name.as_str(), "find", "request"];
        all.push((key_of(cx, &keys, fetch.request.span), fetch));
    }
    all
}

/// The requests whose answer is one document, each with its key: logins, details of records, those
/// of probes, and those that verify actions.
pub(crate) fn single_requests<'m>(cx: &Context<'m>) -> Vec<(Span, &'m Spanned<Request>)> {
    let mut all = Vec::new();
    for way in ways(cx.manifest) {
        let Some(session) = way.session() else { continue };
        let keys = way.below(&["session", "login"]);
        // Of what could not be read, nothing is known.
        if !cx.intact(&keys) {
            continue;
        }
        all.push((key_of(cx, &keys, session.login.span), &session.login));
    }
    for (stream_name, _, stream) in streams(cx.manifest) {
        for (name, join) in &stream.join.value {
            let keys = ["streams", stream_name, "join", name.as_str(), "request"];
            all.push((key_of(cx, &keys, join.request.span), &join.request));
        }
    }
    for asked in probes(cx.manifest) {
        let Some(request) = &asked.probe.request else { continue };
        let keys = [&asked.keys[..], &["request"]].concat();
        all.push((key_of(cx, &keys, request.span), request));
    }
    for (name, action) in &cx.manifest.actions {
        let request = &action.verify.request;
        let keys = ["actions", name.as_str(), "verify", "request"];
        all.push((key_of(cx, &keys, request.span), request));
    }
    all
}

/// The requests that end or clear away something, each with its key: nothing of their answer is read.
pub(crate) fn closing_requests<'m>(cx: &Context<'m>) -> Vec<(Span, &'m Spanned<Request>)> {
    let mut all = Vec::new();
    for way in ways(cx.manifest) {
        let Some(logout) = way.session().and_then(|session| session.logout.as_ref()) else {
            continue;
        };
        let keys = way.below(&["session", "logout"]);
        if cx.intact(&keys) {
            all.push((key_of(cx, &keys, logout.span), logout));
        }
    }
    for (stream_name, _, stream) in streams(cx.manifest) {
        for (name, step) in &stream.steps.value {
            let Some(cleanup) = &step.cleanup else { continue };
            let keys = ["streams", stream_name, "steps", name.as_str(), "cleanup"];
            all.push((key_of(cx, &keys, cleanup.span), cleanup));
        }
    }
    all
}

/// The place of the last of these keys, or another place if it cannot be found.
pub(crate) fn key_of(cx: &Context<'_>, keys: &[&str], otherwise: Span) -> Span {
    cx.entry(keys).map_or(otherwise, |entry| entry.key_span)
}
