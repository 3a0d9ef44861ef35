//! Whatever is written, the validator answers, in bounded time and without contradicting itself.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use longshore_validator::{Options, Profile, Report, Severity, render_text, to_json, validate};
use proptest::prelude::*;

const GOOD: &str = include_str!("../../tests/good/minimal.yaml");

/// A debug build under load; the release build takes milliseconds.
const BOUND: Duration = Duration::from_secs(5);

fn holds(source: &str) {
    let start = Instant::now();
    let report = validate(source, &Options::default());
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    assert_eq!(report.checked.is_some(), report.count(Severity::Error) == 0, "{report:?}");
    for diagnostic in &report.diagnostics {
        assert!(!diagnostic.message.is_empty() && !diagnostic.labels.is_empty(), "{diagnostic:?}");
        for label in &diagnostic.labels {
            assert!(source.get(label.span.range()).is_some(), "{label:?}");
        }
    }
    let spans: Vec<_> = report.diagnostics.iter().map(|d| d.span().start).collect();
    assert!(spans.is_sorted());
    let _ = render_text(&report, "manifest.yaml", source, true);
    let _ = to_json(&report, "manifest.yaml", source);
}

/// A change to one line of a good manifest.
#[derive(Clone, Debug)]
enum Change {
    Delete(usize),
    Duplicate(usize),
    Swap(usize, usize),
    Indent(usize, usize),
    Cut(usize, usize),
    Insert(usize, usize, String),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..200_usize;
    let piece = prop_oneof![
        "[a-z_.$*{}\\[\\]:,\"'#&|>% -]{0,8}",
        proptest::sample::select(vec![
            "{{",
            "}}",
            ": ",
            "null",
            "-1",
            "1.0",
            "[]",
            "{}",
            "99999999999999999999",
            "$..a",
            "\t",
            "é",
            "\u{feff}",
            "\u{0}",
            "{{#if a}}",
            "when: ",
            "else: ",
            "by: $.a",
            "0.1",
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        at.clone().prop_map(Change::Delete),
        at.clone().prop_map(Change::Duplicate),
        (at.clone(), at.clone()).prop_map(|(a, b)| Change::Swap(a, b)),
        (at.clone(), 0..6_usize).prop_map(|(a, b)| Change::Indent(a, b)),
        (at.clone(), 0..60_usize).prop_map(|(a, b)| Change::Cut(a, b)),
        (at, 0..60_usize, piece).prop_map(|(a, b, text)| Change::Insert(a, b, text)),
    ]
}

fn apply(lines: &mut Vec<String>, change: Change) {
    let place = |line: &str, column: usize| {
        line.char_indices().map(|(at, _)| at).nth(column).unwrap_or(line.len())
    };
    let count = lines.len().max(1);
    if lines.is_empty() {
        lines.push(String::new());
    }
    match change {
        Change::Delete(at) => drop(lines.remove(at % count)),
        Change::Duplicate(at) => lines.insert(at % count, lines[at % count].clone()),
        Change::Swap(a, b) => lines.swap(a % count, b % count),
        Change::Indent(at, by) => lines[at % count].insert_str(0, &" ".repeat(by)),
        Change::Cut(at, column) => {
            let line = &mut lines[at % count];
            line.truncate(place(line, column));
        }
        Change::Insert(at, column, text) => {
            let line = &mut lines[at % count];
            line.insert_str(place(line, column), &text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,400}") {
        holds(&text);
    }

    #[test]
    fn any_mistake_in_a_good_manifest_is_answered(changes in prop::collection::vec(change(), 1..5)) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        for change in changes {
            apply(&mut lines, change);
        }
        holds(&lines.join("\n"));
    }
}

#[test]
fn large_and_deep_texts_are_answered() {
    let mut streams = GOOD.to_owned();
    for n in 0..2_000 {
        let _ = write!(streams, "\n  s{n}: {{ provides: x, wat: 1, windw: {{}} }}");
    }
    let deep = format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let templates = format!("{GOOD}# {}", "{{".repeat(100_000));
    let wide = format!("manifest: longshore/v1\ninputs: {{{}}}", "a: 1, ".repeat(5_000));
    for source in [streams, deep, templates, wide, "x".repeat(2 << 20), "- ".repeat(20_000)] {
        holds(&source);
    }
}

#[test]
fn windows_line_endings_change_nothing() {
    let report = validate(&GOOD.replace('\n', "\r\n"), &Options::default());
    assert!(report.checked.is_some(), "{:?}", report.diagnostics);
}

#[test]
fn only_the_extended_profile_takes_a_fixed_key() {
    let source = include_str!("../../tests/broken/api_key.yaml");
    let codes = |report: &Report| -> Vec<_> {
        report.diagnostics.iter().map(|d| (d.code, d.severity)).collect()
    };
    let strict = validate(source, &Options::new(Profile::Strict));
    assert_eq!(codes(&strict), [("LS0601", Severity::Error)]);
    assert!(strict.checked.is_none());
    let extended = validate(source, &Options::new(Profile::Extended));
    assert_eq!(codes(&extended), [("LS0601", Severity::Warning)]);
    assert!(extended.checked.is_some());
}

#[test]
fn the_json_report_is_stable() {
    let source = include_str!("../../tests/broken/backfill_past_retention.yaml");
    let report = validate(source, &Options::default());
    let json = to_json(&report, "manifest.yaml", source);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn colours_are_added_on_request() {
    let source = include_str!("../../tests/broken/bad_duration.yaml");
    let report = validate(source, &Options::default());
    assert!(render_text(&report, "manifest.yaml", source, true).contains("\u{1b}["));
    assert!(!render_text(&report, "manifest.yaml", source, false).contains('\u{1b}'));
}
