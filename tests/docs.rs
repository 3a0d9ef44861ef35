//! The book says what is so: its examples are accepted, its tables complete, its links alive.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Retry};
use longshore_validator::{Options, Profile, Severity, render_text, validate};
use regex::Regex;

const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All chapters and the pages beside the code that people read first.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    let manifests = std::fs::read_dir(root.join("manifests")).unwrap();
    pages.extend(manifests.map(|entry| entry.unwrap().path().join("README.md")));
    pages.extend(chapters());
    pages
}

fn chapters() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "manifest", "rules", "sinks"].map(|name| Path::new(BOOK).join(name)) {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    found.sort();
    found
}

/// The YAML blocks of a page, without the indentation of a list that they stand in.
fn examples(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.find("```yaml") else { continue };
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        let block: Vec<_> = block.map(|line| line.get(indent..).unwrap_or("")).collect();
        blocks.push(block.join("\n") + "\n");
    }
    blocks
}

/// The entries of a mapping that is indented by `indent`, with their keys.
fn entries(yaml: &str, indent: usize) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in yaml.lines() {
        let depth = line.len() - line.trim_start().len();
        let (key, _) = line.trim().split_once(':').unwrap_or_default();
        if depth == indent && !key.is_empty() && !key.starts_with(['#', '-']) {
            found.push((key.to_owned(), String::new()));
        }
        if let Some((_, text)) = found.last_mut() {
            let _ = writeln!(text, "{line}");
        }
    }
    found
}

/// The manifest with the sections of a fragment in place of its own. Streams are put beside those
/// that it has, under other names, because a profile wants several.
fn spliced(manifest: &str, fragment: &str) -> String {
    let mut sections = entries(manifest, 0);
    for (key, text) in entries(fragment, 0) {
        match sections.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) if key == "streams" => {
                let own =
                    entries(known, 2).into_iter().map(|(_, text)| format!("  own_{}", &text[2..]));
                let given = entries(&text, 2).into_iter().map(|(_, text)| text);
                *known = format!("streams:\n{}", own.chain(given).collect::<String>());
            }
            Some((_, known)) => *known = text,
            None => sections.push((key, text)),
        }
    }
    sections.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn every_example_of_the_manifest_chapters_is_accepted() {
    let whole = examples(&read(format!("{BOOK}/manifest/overview.md"))).remove(0);
    let mut seen = 0;
    for path in chapters().iter().filter(|path| path.parent().unwrap().ends_with("manifest")) {
        for example in examples(&read(path)) {
            seen += 1;
            let manifest = if example.contains("\nmanifest: ") {
                example
            } else {
                assert!(longshore_schema::yaml::parse(&example).is_ok(), "{example}");
                spliced(&whole, &example)
            };
            let report = validate(&manifest, &Options::new(Profile::Extended));
            let shown = render_text(&report, &path.display().to_string(), &manifest, false);
            assert_eq!(report.count(Severity::Error), 0, "{shown}");
        }
    }
    assert!(seen > 12, "only {seen} examples were found");
}

#[test]
fn every_example_of_a_connection_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for page in pages() {
        for example in examples(&read(&page)).iter().filter(|text| text.starts_with("name:")) {
            seen += 1;
            let path = folder.path().join("connection.yaml");
            std::fs::write(&path, example).unwrap();
            if let Err(error) = ConnectionFile::read(&path) {
                panic!("{}: {error}", page.display());
            }
        }
    }
    assert!(seen > 3, "only {seen} examples were found");
}

/// The anchors of a page, as mdBook and GitHub make them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn no_link_is_dead() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut dead = Vec::new();
    for page in pages() {
        let text = read(&page);
        for (_, [target]) in link.captures_iter(&text).map(|found| found.extract()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let alive =
                path.exists() && (anchor.is_empty() || anchors(&read(&path)).contains(anchor));
            if !alive {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_summary_lists_every_chapter() {
    let summary = read(format!("{BOOK}/SUMMARY.md"));
    for chapter in chapters() {
        let name = chapter.strip_prefix(BOOK).unwrap().display().to_string();
        let listed = summary.contains(&format!("]({name})"));
        assert_eq!(listed, name != "SUMMARY.md", "{name}");
    }
}

#[test]
fn every_error_code_has_its_row() {
    let page = read(format!("{BOOK}/errors.md"));
    for code in Code::ALL {
        let then = match code.default_retry() {
            Retry::Never => "stops",
            Retry::Later(_) => "tries again later",
            Retry::Now => "goes on at once",
        };
        let row = page.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let row = row.unwrap_or_else(|| panic!("errors.md has no row for {code}"));
        assert!(row.contains(&format!("| {then} |")), "{row}");
    }
    let (page, _) = page.split_once("\n## Warnings\n").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Code::ALL.len(), "errors.md has rows for codes that do not exist");
}

#[test]
fn every_option_of_the_command_line_is_described() {
    let page = read(format!("{BOOK}/cli.md"));
    let option = Regex::new(r"--[a-z][a-z-]+").unwrap();
    let row = Regex::new(r"(?m)^\| `(--[a-z-]+)").unwrap();
    let commands = [
        "init",
        "validate",
        "fmt",
        "explain",
        "schema",
        "run",
        "replay",
        "check",
        "connect",
        "disconnect",
        "simulate",
        "simulate salesforce",
        "conformance",
        "protocol airbyte",
        "protocol singer",
        "demo",
    ];
    for command in commands {
        let heading = format!("\n## longshore {command}\n");
        let start = page.find(&heading).unwrap_or_else(|| panic!("no section on {command}"));
        let section = &page[start + heading.len()..];
        let section = &section[..section.find("\n## ").unwrap_or(section.len())];
        let mut program = Command::new(env!("CARGO_BIN_EXE_longshore"));
        let help = program.args(command.split(' ')).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let options: BTreeSet<_> = option.find_iter(&help).map(|found| found.as_str()).collect();
        assert!(options.contains("--help"), "{help}");
        for name in options.into_iter().filter(|name| *name != "--help") {
            assert!(section.contains(&format!("`{name}")), "{command}: {name} is not described");
        }
        for (_, [name]) in row.captures_iter(section).map(|found| found.extract()) {
            assert!(help.contains(name), "{command}: there is no {name}");
        }
    }
}
