//! Inputs made to break a reader: each is answered, by every report and by the formatter, with
//! findings that can be shown, in a time that grows no faster than the input.
#![allow(clippy::format_collect, reason = "inputs are built once, and read more easily so")]

mod characters;
mod fixtures;
mod text;
mod values;

use std::path::Path;
use std::time::{Duration, Instant};

use longshore_schema::Span;
use longshore_schema::format::format;
use longshore_schema::yaml::{MAX_SOURCE_BYTES, parse};
use longshore_validator::{
    Diagnostic, Options, Report, Safety, Validated, mend, render_concise, render_github,
    render_json, render_junit, render_sarif, render_text, validate,
};

const GOOD: &str = include_str!("../../../tests/good/minimal.yaml");

/// A debug build on a loaded machine; the release build takes a fraction of a second.
const BOUND: Duration = Duration::from_secs(20);
/// What takes less than this says nothing about how time grows.
const NOISE: Duration = Duration::from_millis(400);
/// The longest text of a finding, in characters.
const LONGEST: usize = 640;

/// A character that is seen as something else than it is, or not at all.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

fn shown(name: &str, text: &str) {
    let length = text.chars().count();
    assert!(length <= LONGEST, "{name}: {length} characters: {}", &text[..100]);
    assert!(!text.contains(is_hidden), "{name}: {text:?}");
}

fn sane(name: &str, source: &str, diagnostics: &[Diagnostic]) {
    let within = |span: Span| {
        assert!(source.get(span.range()).is_some(), "{name}: {span:?} is not within the text");
    };
    for found in diagnostics {
        assert!(!found.message.is_empty() && !found.labels.is_empty(), "{name}: {found:?}");
        shown(name, &found.message);
        found.help.iter().for_each(|help| shown(name, help));
        for label in &found.labels {
            within(label.span);
            shown(name, &label.text);
        }
        for fix in &found.fixes {
            shown(name, &fix.title);
            fix.edits.iter().for_each(|edit| within(edit.span));
        }
    }
}

/// Renders a report in every way, and checks what it says.
fn rendered(name: &str, source: &str, report: Report) {
    sane(name, source, &report.diagnostics);
    for fixture in &report.fixtures {
        sane(name, &fixture.text, &fixture.diagnostics);
    }
    let text = render_text(&report, "manifest.yaml", source, false);
    let misleads = |c: &char| c.is_control() || "\u{202a}\u{202e}\u{2066}\u{2069}".contains(*c);
    let hidden = text.chars().find(|c| *c != '\n' && misleads(c));
    assert_eq!(hidden, None, "{name}: {text}");
    let concise = render_concise(&report, "manifest.yaml", source);
    let in_fixtures: usize = report.fixtures.iter().map(|fixture| fixture.diagnostics.len()).sum();
    let count = report.diagnostics.len() + in_fixtures;
    assert_eq!(concise.lines().count(), count, "{name}: {concise}");
    let file = "manifest.yaml".to_owned();
    let validated = Validated { file, source: source.to_owned(), report, failed: count > 0 };
    assert_eq!(render_github(&validated).lines().count(), count, "{name}");
    let all = [validated];
    let junit = render_junit(&all);
    let refused = |character: char| {
        (character.is_control() && character != '\n') || "\u{fffe}\u{ffff}".contains(character)
    };
    assert!(!junit.contains(refused), "{name}: XML has no such character");
    for json in [render_json(&all), render_sarif(&all, Path::new("."))] {
        let read: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert!(read.is_object(), "{name}");
    }
}

/// Validates, renders, formats and mends a text; gives the codes of what was found, without
/// duplicates, and how long it took.
fn answered(name: &str, source: &str) -> (Vec<&'static str>, Duration) {
    let start = Instant::now();
    let options = Options::default();
    let report = validate(source, &options);
    let validated = start.elapsed();
    let mut codes: Vec<_> = report.diagnostics.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    rendered(name, source, report);
    let shown = start.elapsed();
    if let Ok(formatted) = format(source) {
        assert!(parse(&formatted).is_ok(), "{name}");
    }
    let formatted = start.elapsed();
    let _ = mend(source, Safety::Unsafe, |text| validate(text, &options));
    let took = start.elapsed();
    println!("{name:?}: {codes:?} {validated:?} {shown:?} {formatted:?} {took:?}");
    assert!(took < BOUND, "{name}: {validated:?} {shown:?} {formatted:?} {took:?}");
    (codes, took)
}

/// Whether twice the size takes at most thrice the time. A busy machine gets three tries.
fn grows_with_its_size(name: &str, size: usize, make: impl Fn(usize) -> String) {
    let (small, large) = (make(size), make(size * 2));
    assert!(large.len() <= MAX_SOURCE_BYTES, "{name}: {}", large.len());
    let mut times = Vec::new();
    for _ in 0..3 {
        let one = answered(name, &small).1;
        let two = answered(name, &large).1;
        if two <= NOISE || two <= one * 3 {
            return;
        }
        times.push((one, two));
    }
    panic!("{name}: {times:?}");
}

/// The good manifest with one text in place of another.
fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

fn name_is(value: &str) -> String {
    with("name: Acme\n", &format!("name: {value}\n"))
}

fn finds(name: &str, source: &str, code: &str) {
    let (codes, _) = answered(name, source);
    assert!(codes.contains(&code), "{name}: {codes:?}");
}
