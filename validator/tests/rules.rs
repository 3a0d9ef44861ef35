//! Every rule has a page, an example that it finds and one in which nothing is found; the pages of
//! the book are those of `explain`.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fmt::Write as _;
use std::path::Path;

use longshore_validator::{Diagnostic, Explanation, Part, codes, explain, render_text};

const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_rule_finds_its_bad_examples_and_nothing_in_its_good_ones() {
    let mut wrong = Vec::new();
    let ids: Vec<_> = codes::ALL.iter().map(|code| code.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "the table is in order and every code its own");
    for code in codes::ALL.iter() {
        let page = Explanation::of(code);
        if !matches!(page.parts.first(), Some(Part::Prose(_))) {
            wrong.push(format!("{} does not start with the reason for the rule", code.id));
        }
        for bad in [true, false] {
            if !page.examples().any(|example| example.bad == bad) {
                let kind = if bad { "bad" } else { "good" };
                wrong.push(format!("{} has no {kind} example", code.id));
            }
        }
        for example in page.examples() {
            let report = example.report();
            let shown = render_text(&report, code.id, &example.manifest, false);
            let in_fixtures = report.fixtures.iter().flat_map(|fixture| &fixture.diagnostics);
            let all: Vec<_> = report.diagnostics.iter().chain(in_fixtures).collect();
            let found: Vec<_> = all.iter().filter(|found| found.code == code.id).collect();
            if !example.bad && !all.is_empty() {
                wrong.push(format!("{}: its good example has findings:\n{shown}", code.id));
            }
            if example.bad && found.is_empty() {
                wrong.push(format!("{}: its bad example is not found:\n{shown}", code.id));
            }
            // What may not be ignored is found itself, too.
            let alone = code.name == "forbidden-ignore" || found.len() == all.len();
            if example.bad && !alone {
                wrong.push(format!("{}: its bad example has other faults:\n{shown}", code.id));
            }
            let lines = example.shown.len() as u32;
            let within = |found: &Diagnostic| found.code == code.id && found.span().start > lines;
            let shown_in = |path: &str| example.fixtures.iter().any(|shown| shown.path() == path);
            let unseen = report.diagnostics.iter().any(within)
                || report.fixtures.iter().any(|fixture| !shown_in(&fixture.path));
            if example.bad && unseen {
                wrong.push(format!("{}: the fault is not in what is shown:\n{shown}", code.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pages_of_the_book_are_those_of_the_rules() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut old = Vec::new();
    for code in codes::ALL.iter() {
        let path = Path::new(BOOK).join("rules").join(format!("{}.md", code.id));
        let page = explain(code);
        if update {
            std::fs::write(&path, &page).unwrap();
        }
        if std::fs::read_to_string(&path).ok().as_deref() != Some(page.as_str()) {
            old.push(code.id);
        }
    }
    assert!(old.is_empty(), "old: {old:?}; run this test with UPDATE_DOCS=1");
    let codes: Vec<_> = codes::ALL.iter().map(|code| format!("{}.md", code.id)).collect();
    let strays: Vec<_> = std::fs::read_dir(Path::new(BOOK).join("rules"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md" && !codes.contains(name))
        .collect();
    assert!(strays.is_empty(), "{strays:?} belong to no rule");
}

/// The table of all codes, as `docs/rules/README.md` has it.
fn rules() -> String {
    let mut page = read(&format!("{BOOK}/rules/README.md"));
    page.truncate(page.find("\n## ").map_or(page.len(), |at| at + 1));
    for family in codes::FAMILIES {
        let _ = write!(
            page,
            "## {}\n\n| Code | Name | Severity | What it finds |\n|---|---|---|---|\n",
            family.title
        );
        for code in family.codes {
            let summary = code.summary.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| [{0}]({0}.md) | {1} | {2} | {summary} |",
                code.id, code.name, code.severity
            );
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// The summary with an entry for each rule below the chapter on rules.
fn summary() -> String {
    let page = read(&format!("{BOOK}/SUMMARY.md"));
    let mut summary = String::new();
    for line in page.lines().filter(|line| !line.contains("](rules/LS")) {
        let _ = writeln!(summary, "{line}");
        if line.contains("](rules/README.md)") {
            for code in codes::ALL.iter() {
                let _ = writeln!(summary, "  - [{0}: {1}](rules/{0}.md)", code.id, code.name);
            }
        }
    }
    summary
}

#[test]
fn the_rules_are_all_listed() {
    for (name, made) in [("rules/README.md", rules()), ("SUMMARY.md", summary())] {
        let path = format!("{BOOK}/{name}");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        assert!(made == read(&path), "docs/{name} is old: run this test with UPDATE_DOCS=1");
    }
}
