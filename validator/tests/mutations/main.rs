//! Every kind of mistake, at every place of good manifests where it is possible: each is reported
//! on its own line, in words that name it, and nothing else is.
//!
//! Of kinds that are possible at hundreds of places (a key with a capital), [`PLACES`] are tried in
//! each manifest, spread over all of it: about 5,000 mutants of 20,000. `MUTATION=kind cargo test
//! --test mutations` tries one kind at every place, `MUTATION=all` all of them.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod base;
mod composed;
mod keys;
mod mapping;
mod references;
mod samples;
mod sections;
mod security;
mod signing;
mod streams;
mod values;
mod yaml;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base::{Base, Mutant};
use longshore_validator::{Options, Report, render_text, validate, validate_with_fixtures};

/// What authors of connectors like these do wrong, and is accepted elsewhere or blamed on something
/// else; with the kinds that stand for it here.
const MISTAKES: &[(&str, &[&str])] = &[
    ("an optional key is misspelt", &["key with a letter missing", "key with letters swapped"]),
    (
        "a key of paging is misspelt, and the first page comes forever",
        &["pages that are never asked for", "key in the plural"],
    ),
    ("a required key is misspelt or missing", &["required key missing", "key with a capital"]),
    (
        "a value is of another type",
        &["list for one value", "mapping for one value", "text for a list"],
    ),
    ("a word is none of the choices", &["misspelt choice", "choice that does not exist"]),
    ("a kind of paging does not exist", &["key with a letter missing", "two kinds of pages"]),
    ("a way of signing in does not exist", &["way of signing in that does not exist"]),
    ("a status or reaction does not exist", &["status in words", "status that does not exist"]),
    (
        "the page size is missing where it is needed",
        &["required key missing", "page of no records"],
    ),
    ("an input is misspelt where it is used", &["misspelt reference", "declaration renamed"]),
    ("an input is used and never declared", &["reference to nothing"]),
    ("a variable is not declared", &["reference without a root", "root of another language"]),
    (
        "a function or filter does not exist",
        &["helper that does not exist", "template with a filter"],
    ),
    (
        "a template is not closed",
        &["template that is not closed", "empty template", "unquoted template"],
    ),
    (
        "the path of the records is wrong",
        &["records path that finds nothing", "records is the list itself"],
    ),
    ("a reference leads nowhere or in a circle", &["alias", "fact that asks for itself"]),
    (
        "a stream is named that does not exist",
        &["quota for a stream that is not declared", "requirement of nothing that there is"],
    ),
    ("what a listed item is asked for by is wrong", &["item member that finds nothing"]),
    (
        "the member with the time is wrong",
        &["window time that finds nothing", "window on many values"],
    ),
    ("the key of a record is not there", &["key that finds nothing", "key of many values"]),
    (
        "the time format is wrong",
        &["time format that recorded times are not in", "time format of another language"],
    ),
    ("the path to the next page is misspelt", &["next page that finds nothing", "pages left out"]),
    ("the text is not YAML", &["unclosed brace", "unclosed bracket", "unclosed quote", "tab"]),
    ("a key is set twice", &["duplicate key"]),
    ("a key is unknown and ignored", &["unknown key", "key with dashes", "key in camel case"]),
    ("a step is referred to that does not exist", &["misspelt root of a reference"]),
    ("paging is nested at the wrong level", &["pages in the request", "key of another place"]),
    (
        "a condition looks for what no answer has",
        &[
            "status that does not exist",
            "error rule without a condition",
            "rule that is never reached",
        ],
    ),
    (
        "the manifest is of another version of the language, or another kind of file",
        &["language of another version"],
    ),
    ("a placeholder was left in", &["placeholder", "placeholder in a URL"]),
    ("only the first page is read", &["pages left out", "pages that are never asked for"]),
    ("a window is open at both ends", &["window open at both ends"]),
    ("a window is closed at both ends", &["window closed at both ends"]),
    ("the time format is coarser than the window", &["time format too coarse"]),
    ("a window has a start and no end", &["window without its end", "window without its start"]),
    ("there is no window", &["everything again", "reference to a window where there is none"]),
    (
        "truth values and numbers are written as text",
        &["number in quotes", "truth value in quotes"],
    ),
    ("a secret is put into a header or a URL", &["secret in a header", "secret in a URL"]),
    ("a mapped member does not exist", &["mapped path that finds nothing", "misspelt attribute"]),
];

/// The manifests that are mutated: two that are shipped and quite different, and those that use
/// what neither needs.
const MANIFESTS: [&str; 5] = [
    "manifests/salesforce/manifest.yaml",
    "manifests/github/manifest.yaml",
    "tests/good/complete.yaml",
    "tests/good/composition.yaml",
    "tests/good/signing.yaml",
];

/// At how many places of a manifest a kind is tried.
const PLACES: usize = 20;

/// Collects the mutants of a manifest.
type Kinds = fn(&Base, &mut Vec<Mutant>);

const FAMILIES: [Kinds; 11] = [
    yaml::mutants,
    keys::mutants,
    values::mutants,
    references::mutants,
    streams::mutants,
    mapping::mutants,
    security::mutants,
    sections::mutants,
    samples::mutants,
    composed::mutants,
    signing::mutants,
];

fn mutants(base: &Base) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for family in FAMILIES {
        family(base, &mut mutants);
    }
    mutants
}

/// What is tried: all of the kind `only`, or of each kind some places, the first and last among
/// them.
fn chosen(mutants: Vec<Mutant>, only: Option<&str>) -> Vec<Mutant> {
    let mut by_kind: BTreeMap<&str, Vec<Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_kind.entry(mutant.kind).or_default().push(mutant);
    }
    let all = by_kind
        .into_iter()
        .filter(|(kind, _)| only.is_none_or(|only| ["all", kind].contains(&only)));
    let some = |(_, mutants): (&str, Vec<Mutant>)| {
        let step = if only.is_some() { 1 } else { (mutants.len() - 1) / (PLACES - 1) };
        let last = mutants.len() - 1;
        let places = mutants.into_iter().enumerate();
        places.filter(move |(n, _)| *n == last || n % step.max(1) == 0).map(|(_, mutant)| mutant)
    };
    all.flat_map(some).collect()
}

fn report(base: &Base, mutant: &Mutant) -> Report {
    let options = Options::default();
    if mutant.sampled {
        return validate_with_fixtures(&mutant.text, &base.fixtures, &options);
    }
    validate(&mutant.text, &options)
}

/// What is wrong with the report on a mutant, if anything.
fn fault(base: &Base, mutant: &Mutant) -> Option<String> {
    let report = report(base, mutant);
    let show = |what: &str| {
        let shown = render_text(&report, &base.name, &mutant.text, false);
        let line = mutant.text.lines().nth(mutant.lines[0] - 1).unwrap_or_default();
        let lines = &mutant.lines;
        Some(format!(
            "== {}: {what}\n   {lines:?}: {line}\n   {}\n{shown}",
            mutant.kind,
            mutant.names.join("|")
        ))
    };
    if report.diagnostics.is_empty() {
        return show("is not reported");
    }
    let line_of = |at: u32| mutant.text[..at as usize].matches('\n').count() + 1;
    let elsewhere = |found: &longshore_validator::Diagnostic| {
        !mutant.lines.contains(&line_of(found.span().start))
    };
    if report.diagnostics.iter().any(elsewhere) || !report.fixtures.is_empty() {
        return show("is reported elsewhere");
    }
    let named = report.diagnostics.iter().any(|found| {
        let labels = found.labels.iter().map(|label| label.text.as_str());
        let words = [found.message.as_str(), found.help.as_deref().unwrap_or_default()];
        let text: String = words.into_iter().chain(labels).collect::<Vec<_>>().join("\n");
        mutant.names.iter().any(|name| text.contains(name.as_str()))
    });
    if named { None } else { show("is not named") }
}

#[test]
fn every_mistake_is_reported_at_its_line_and_nothing_else() {
    let only = std::env::var("MUTATION").ok();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in MANIFESTS {
        let base = Base::read(name);
        assert!(validate(&base.source, &Options::default()).diagnostics.is_empty(), "{name}");
        let mutants = chosen(mutants(&base), only.as_deref());
        let halves = mutants.split_at(mutants.len() / 2);
        let check = |mutants: &[Mutant]| -> Vec<(&'static str, Option<String>)> {
            mutants.iter().map(|mutant| (mutant.kind, fault(&base, mutant))).collect()
        };
        let checked = std::thread::scope(|scope| {
            let first = scope.spawn(|| check(halves.0));
            let second = check(halves.1);
            let mut all = first.join().unwrap();
            all.extend(second);
            all
        });
        for (kind, fault) in checked {
            *counts.entry(kind).or_default() += 1;
            faults.entry(kind).or_default().extend(fault);
        }
    }
    let total: usize = counts.values().sum();
    let mut summary = format!("{} kinds, {total} mutants\n", counts.len());
    for (kind, count) in &counts {
        let wrong = faults[kind].len();
        let _ = writeln!(
            summary,
            "{count:5} {kind}{}",
            if wrong > 0 { format!(": {wrong} WRONG") } else { String::new() }
        );
    }
    println!("{summary}");
    let wrong: usize = faults.values().map(Vec::len).sum();
    let shown: Vec<_> = faults.values().flat_map(|faults| faults.iter().take(3)).cloned().collect();
    assert!(wrong == 0, "{}\n{summary}{wrong} of {total} wrong", shown.join("\n"));
    if only.is_none() {
        assert!(counts.len() >= 150, "only {} kinds of mistake", counts.len());
        assert!(total >= 4_000, "only {total} mutants");
    }
}

#[test]
fn every_known_mistake_is_among_the_kinds() {
    let bases = MANIFESTS.map(Base::read);
    let all: Vec<_> = bases.iter().flat_map(mutants).collect();
    for (mistake, kinds) in MISTAKES {
        assert!(!kinds.is_empty(), "{mistake}");
        for kind in *kinds {
            assert!(all.iter().any(|mutant| mutant.kind == *kind), "{mistake}: no {kind}");
        }
    }
}
