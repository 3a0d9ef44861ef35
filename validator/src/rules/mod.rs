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
mod cases;
mod decoding;
mod elsewhere;
mod errors;
mod expectations;
pub(crate) mod fetch;
mod headers;
mod helpers;
mod hosts;
mod inputs;
mod lists;
mod mapping;
mod paging;
mod parts;
mod paths;
mod pieces;
mod places;
mod posture;
mod privacy;
mod profiles;
mod quotas;
mod references;
mod requests;
mod required;
mod requirements;
pub(crate) mod samples;
mod sign_in;
mod signatures;
pub(crate) mod sites;
mod sources;
mod steps;
mod streams;
mod values;
pub(crate) mod versions;
mod ways;
mod windows;

use std::collections::{HashMap, HashSet};

use longshore_schema::manifest::Input;
use longshore_schema::yaml::{Content, Entry, Node};
use longshore_schema::{Manifest, Span};

use crate::diagnostic::Diagnostic;
use crate::options::Options;
use crate::shape;

pub(crate) use references::SIGNED;
pub use ways::unasked;

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
    paging::page_end,
    paging::page_size,
    paging::promises,
    paging::moving_set,
    paging::single_page,
    paging::open_scrolls,
    paths::singular,
    paths::records,
    paths::csv_members,
    paths::ignored,
    sources::private,
    sources::tables,
    privacy::values,
    decoding::settings,
    decoding::columns,
    decoding::unpacked,
    streams::requests,
    requests::graphql_variables,
    requests::bodies,
    requests::costs,
    requests::waits,
    headers::names,
    requests::page_reactions,
    requests::pace,
    quotas::bursts,
    steps::steps,
    steps::batches,
    steps::waits,
    steps::cleanups,
    steps::at_once,
    places::cursors,
    places::positions,
    places::changes,
    parts::partitions,
    parts::details,
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
    pieces::filters,
    pieces::orders,
    pieces::splits,
    pieces::zones,
    hosts::urls,
    mapping::forms,
    mapping::classes,
    cases::cases,
    quotas::counts,
    quotas::headers,
    quotas::of_streams,
    errors::conditions,
    errors::codes,
    errors::reachable,
    errors::logins,
    errors::localized,
    errors::messages,
    auth::sign_in,
    auth::credentials,
    auth::scopes,
    auth::refresh_token,
    sign_in::places,
    sign_in::clients,
    sign_in::sent,
    sign_in::choices,
    sign_in::certificates,
    signatures::signatures,
    signatures::logins,
    signatures::body_keys,
    lists::facts,
    lists::written,
    lists::choices,
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

/// Rules about what is missing: they would mistake what was left out for that.
const RULES_FOR_THE_WHOLE: &[Rule] = &[
    quotas::declared,
    quotas::schedule,
    errors::expired_token,
    errors::unexplained,
    parts::gone_details,
    profiles::prerequisites,
    profiles::links,
    posture::absence,
];

/// Rules about what nothing uses or names: an error may be all that is left of the use.
const RULES_WITHOUT_ERRORS: &[Rule] = &[
    inputs::unused,
    hosts::unused,
    requests::unused_tables,
    signatures::unused_tokens,
    requirements::unused,
    requirements::unused_settings,
    requirements::traced,
    actions::unused_inputs,
    actions::permissions,
];

/// Runs all rules but those of [`unused`]. `whole` says that nothing was left out of the manifest.
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

/// Runs the rules for a manifest from which nothing was left out, and in which there is no error.
pub(crate) fn unused(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for rule in RULES_WITHOUT_ERRORS {
        rule(cx, found);
    }
}

/// Whether what stands at a place was written: what is filled in for what could not be read is not.
pub(crate) fn is_written(span: Span) -> bool {
    span != shape::NOWHERE
}

impl<'m> Context<'m> {
    pub(crate) fn new(
        source: &'m str,
        root: &'m Node,
        written: &'m Node,
        manifest: &'m Manifest,
        options: &'m Options,
    ) -> Self {
        // Of an input whose type could not be read nothing is known.
        let read = manifest.inputs.iter().filter(|(_, input)| is_written(input.kind.span));
        let inputs = read.map(|(name, input)| (name.as_str(), input)).collect();
        let cx =
            Self { source, root, written, manifest, options, inputs, declared: Default::default() };
        let declared = ["inputs", "facts"].map(|table| cx.names(&[table]).into_iter().collect());
        Self { declared, ..cx }
    }

    /// Whether an input or fact has this name, or may have it.
    pub(crate) fn declares(&self, table: &str, name: &str) -> bool {
        let [inputs, facts] = &self.declared;
        let known = match table {
            "inputs" => inputs.contains(name),
            "facts" => facts.contains(name),
            _ => return false,
        };
        known || self.unread(&[table])
    }

    /// The entry that these keys lead to.
    pub(crate) fn entry(&self, keys: &[&str]) -> Option<&'m Entry> {
        let (last, owner) = keys.split_last()?;
        at(self.root, owner)?.entry(last)
    }

    /// Whether what these keys lead to was loaded as it was written.
    pub(crate) fn intact(&self, keys: &[&str]) -> bool {
        at(self.root, keys) == at(self.written, keys)
    }

    /// Whether the mapping that these keys lead to has all the keys that were written.
    pub(crate) fn has_all_keys(&self, keys: &[&str]) -> bool {
        let (Some(kept), Some(written)) = (at(self.root, keys), at(self.written, keys)) else {
            return false;
        };
        let (kept, written) = (kept.entries(), written.entries());
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

    /// The keys of the mapping that these keys lead to, in the order in which they are written, those
    /// of entries that could not be read among them.
    pub(crate) fn names(&self, keys: &[&str]) -> Vec<&'m str> {
        // A misspelt key leads to nothing in what was written.
        let mapping = at(self.written, keys).or_else(|| at(self.root, keys));
        let entries = mapping.map(Node::entries).unwrap_or_default();
        let mut names: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
        if !std::ptr::eq(self.root, self.written) {
            let read = at(self.root, keys).map(Node::entries).unwrap_or_default();
            let known: HashSet<_> = names.iter().copied().collect();
            let renamed = read.iter().map(|entry| entry.key.as_str());
            names.extend(renamed.filter(|name| !known.contains(name)));
        }
        names
    }

    /// Whether something stands under these keys, be it what could not be read.
    pub(crate) fn stands(&self, keys: &[&str]) -> bool {
        at(self.written, keys).or_else(|| at(self.root, keys)).is_some()
    }

    /// Whether something stands under these keys that could not be read as a mapping: no one knows
    /// what it was to declare.
    pub(crate) fn unread(&self, keys: &[&str]) -> bool {
        at(self.written, keys).is_some_and(|node| !matches!(node.content, Content::Mapping(_)))
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

/// What these keys lead to.
fn at<'n>(root: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    keys.iter().try_fold(root, |node, key| Some(&node.entry(key)?.value))
}
