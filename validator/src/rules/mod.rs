//! What a manifest must satisfy beyond its shape: one module for each family of rules.
//!
//! A rule sees the typed manifest through a [`Context`] and pushes what it finds. Rules know
//! nothing of each other; a manifest from which something was left out is given to all but those
//! that need the whole of it.
//!
//! A thousand manifests are to be checked in about a second, so a rule does nothing dear for what is
//! in order: no regular expression, table or parse of its own for each manifest (compile once, in a
//! `OnceLock`; the loader has parsed every template, path and pattern), no text made, no
//! [`Context::find`] and no suggestion before there is something to report, and one pass over
//! [`sites::sites`] or the tree instead of one for each name. `benches/validate.sh` tells.

mod actions;
mod asked;
mod auth;
mod errors;
mod expectations;
pub(crate) mod fetch;
mod helpers;
mod hosts;
mod inputs;
mod mapping;
mod paging;
mod paths;
mod posture;
mod privacy;
mod profiles;
mod quotas;
mod references;
mod requirements;
pub(crate) mod samples;
mod sites;
mod streams;
mod values;
mod windows;

use std::collections::{HashMap, HashSet};

use longshore_schema::manifest::Input;
use longshore_schema::yaml::{Entry, Node};
use longshore_schema::{Manifest, Span};

use crate::diagnostic::Diagnostic;
use crate::options::Options;

/// What a rule sees.
pub(crate) struct Context<'m> {
    pub(crate) source: &'m str,
    /// The tree that the manifest was loaded from.
    pub(crate) root: &'m Node,
    /// The tree as it was written, with what had to be left out.
    pub(crate) written: &'m Node,
    pub(crate) manifest: &'m Manifest,
    pub(crate) options: &'m Options,
    /// The inputs that could be read, by name.
    pub(crate) inputs: HashMap<&'m str, &'m Input>,
    /// All names under `inputs` and `facts`, those of entries that could not be read among them.
    declared: [HashSet<&'m str>; 2],
}

/// A rule: looks at the manifest and pushes what it finds.
type Rule = fn(&Context<'_>, &mut Vec<Diagnostic>);

const RULES: &[Rule] = &[
    references::resolve,
    helpers::arguments,
    inputs::settings,
    inputs::secrets,
    inputs::grants,
    paging::page_is_sent,
    paging::page_size,
    paging::promises,
    paging::moving_set,
    paging::single_page,
    paths::singular,
    paths::records,
    paths::csv_members,
    paths::ignored,
    streams::requests,
    streams::steps,
    streams::records,
    streams::schedule,
    streams::full_again,
    windows::sent,
    windows::lengths,
    windows::backfill,
    windows::time_format,
    windows::bounds,
    windows::late_records,
    windows::tie_break,
    hosts::urls,
    mapping::forms,
    mapping::classes,
    mapping::cases,
    quotas::counts,
    quotas::headers,
    quotas::of_streams,
    errors::conditions,
    errors::codes,
    errors::reachable,
    errors::localized,
    errors::messages,
    auth::sign_in,
    auth::credentials,
    auth::scopes,
    auth::refresh_token,
    profiles::placeholders,
    requirements::answers,
    requirements::sources,
    requirements::named_sources,
    requirements::settings,
    requirements::parts,
    requirements::permission_names,
    expectations::possible,
    expectations::localized,
    posture::weights,
    posture::unknown,
    posture::tiers,
    posture::contradictions,
    posture::conflicts,
    actions::requests,
    actions::input_settings,
    actions::open_inputs,
    actions::ways_back,
    actions::reverts,
    actions::verifications,
    privacy::published,
];

/// Rules about what is missing or unused: they would mistake what was left out for that.
const RULES_FOR_THE_WHOLE: &[Rule] = &[
    inputs::unused,
    hosts::unused,
    quotas::declared,
    quotas::schedule,
    errors::expired_token,
    errors::unexplained,
    profiles::prerequisites,
    profiles::links,
    requirements::unused,
    requirements::unused_settings,
    requirements::traced,
    posture::absence,
    actions::unused_inputs,
    actions::permissions,
];

/// Runs all rules. `whole` says that nothing was left out of the manifest.
pub(crate) fn run(cx: &Context<'_>, whole: bool, found: &mut Vec<Diagnostic>) {
    for rule in RULES {
        rule(cx, found);
    }
    if whole {
        for rule in RULES_FOR_THE_WHOLE {
            rule(cx, found);
        }
    }
}

/// Of each template what can be referred to in it, sorted: first parts with the names behind them,
/// where the language has a say in these.
#[cfg(test)]
pub(crate) fn scope_of_each_template(
    source: &str,
    options: &Options,
) -> Vec<(Span, references::Scope)> {
    let document = longshore_schema::yaml::parse(source).expect("it is YAML");
    let manifest = longshore_schema::load(&document).expect("it is a manifest");
    let cx = Context::new(source, &document.root, &document.root, &manifest, options);
    references::scopes(&cx)
}

impl<'m> Context<'m> {
    pub(crate) fn new(
        source: &'m str,
        root: &'m Node,
        written: &'m Node,
        manifest: &'m Manifest,
        options: &'m Options,
    ) -> Self {
        let inputs = manifest.inputs.iter().map(|(name, input)| (name.as_str(), input)).collect();
        let cx =
            Self { source, root, written, manifest, options, inputs, declared: Default::default() };
        let declared = ["inputs", "facts"].map(|table| cx.names(table).into_iter().collect());
        Self { declared, ..cx }
    }

    /// Whether an input or fact has this name.
    pub(crate) fn declares(&self, table: &str, name: &str) -> bool {
        let [inputs, facts] = &self.declared;
        match table {
            "inputs" => inputs.contains(name),
            "facts" => facts.contains(name),
            _ => false,
        }
    }

    /// The entry that these keys lead to.
    pub(crate) fn entry(&self, keys: &[&str]) -> Option<&'m Entry> {
        let (last, owner) = keys.split_last()?;
        owner.iter().try_fold(self.root, |node, key| Some(&node.entry(key)?.value))?.entry(last)
    }

    /// Whether what these keys lead to was loaded as it was written.
    pub(crate) fn intact(&self, keys: &[&str]) -> bool {
        let at =
            |root: &'m Node| keys.iter().try_fold(root, |node, key| Some(&node.entry(key)?.value));
        at(self.root) == at(self.written)
    }

    /// Whether the mapping that these keys lead to has all the keys that were written.
    pub(crate) fn has_all_keys(&self, keys: &[&str]) -> bool {
        let at = |root: &'m Node| {
            let node = keys.iter().try_fold(root, |node, key| Some(&node.entry(key)?.value))?;
            Some(node.entries())
        };
        let (Some(kept), Some(written)) = (at(self.root), at(self.written)) else { return false };
        kept.len() == written.len() && kept.iter().zip(written).all(|(a, b)| a.key == b.key)
    }

    /// The key of a fetch's request.
    pub(crate) fn request_key(&self, stream: &str, fetch: &fetch::Fetch<'_>) -> Span {
        let entry = match fetch.step {
            None => self.entry(&["streams", stream, "request"]),
            Some(step) => self.entry(&["streams", stream, "steps", step.as_str(), "request"]),
        };
        entry.map_or(fetch.request.span, |entry| entry.key_span)
    }

    /// The keys of the mapping that a key of the manifest holds, those of entries that could not be
    /// read among them.
    pub(crate) fn names(&self, table: &str) -> Vec<&'m str> {
        let table = self.written.entry(table).map(|entry| entry.value.entries());
        table.into_iter().flatten().map(|entry| entry.key.as_str()).collect()
    }

    /// The place of `text` in the source at `span`, from the `from`-th byte of it on; the whole
    /// span if it is not there verbatim.
    pub(crate) fn find(&self, span: Span, text: &str, from: usize) -> Span {
        let whole = self.source.get(span.range()).unwrap_or_default();
        let is_name = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let bytes = whole.as_bytes();
        whole
            .match_indices(text)
            .map(|(at, _)| at)
            .filter(|at| *at >= from && !text.is_empty())
            .find(|at| {
                let before = at.checked_sub(1).and_then(|before| bytes.get(before));
                !is_name(before) && !is_name(bytes.get(at + text.len()))
            })
            .map_or(span, |at| {
                let start = span.start as usize + at;
                Span::new(start, start + text.len())
            })
    }
}
