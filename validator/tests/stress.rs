//! The largest manifests that are read, made of what costs the most to look up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use longshore_validator::{Options, render_text, validate};

const GOOD: &str = include_str!("../../tests/good/minimal.yaml");

/// A debug build on a loaded machine; what grows with the square of the size takes minutes.
const BOUND: Duration = Duration::from_secs(20);

fn answered(name: &str, source: &str) {
    assert!(source.len() <= longshore_schema::yaml::MAX_SOURCE_BYTES, "{name}: {}", source.len());
    let start = Instant::now();
    let report = validate(source, &Options::default());
    let checked = start.elapsed();
    let text = render_text(&report, name, source, false);
    let rendered = start.elapsed();
    println!("{name}: {} findings, {checked:?}, {rendered:?}", report.diagnostics.len());
    assert!(rendered < BOUND && !text.is_empty(), "{name}: {checked:?}, {rendered:?}");
}

/// The good manifest with `lines` written for each number after the line `key:`.
fn with(key: &str, count: usize, line: impl Fn(usize) -> String) -> String {
    let at = GOOD.find(key).expect("the good manifest has the line") + key.len();
    let mut lines = String::new();
    for n in 0..count {
        let _ = write!(lines, "\n{}", line(n));
    }
    format!("{}{lines}{}", &GOOD[..at], &GOOD[at..])
}

#[test]
fn many_inputs_and_as_many_misspelt_references() {
    let source = with("inputs:", 11_000, |n| format!("  in{n}: {{ type: string, title: t }}"));
    let mut headers = String::new();
    for n in 0..11_000 {
        let _ = write!(headers, "\n    h{n}: \"{{{{inputs.im{n}}}}}\"");
    }
    answered("references", &source.replace("\nhttp:", &format!("\nhttp:\n  headers:{headers}")));
}

#[test]
fn many_streams_that_cannot_be_read() {
    answered(
        "streams",
        &with("streams:", 13_000, |n| format!("  s{n}: {{ provides: x, evry: 1, windw: {{}} }}")),
    );
}

#[test]
fn many_keys_in_one_mapping() {
    answered("keys", &with("inputs:", 45_000, |n| format!("  k{n}: 1")));
}

#[test]
fn many_duplicate_keys() {
    answered("duplicates", &with("inputs:", 90_000, |_| "  k: 1".to_owned()));
}

#[test]
fn many_hosts_and_error_rules() {
    let source = with("  hosts: [api.acme.test", 10_000, |n| format!("      , h{n}.acme.test"));
    answered("hosts", &source);
    let rules = with("errors:", 11_000, |n| {
        format!("  - {{ when: {{ status: 4xx, body: {{ $.e: {n} }} }}, then: stop }}")
    });
    answered("rules", &rules);
}

#[test]
fn many_attributes_and_cases() {
    let source =
        with("      service.name: Acme", 14_000, |n| format!("      unmapped.a{n}: $.b{n}"));
    answered("attributes", &source);
    let cases = GOOD.replace("      to: authentication\n      activity: Logon\n", &{
        let mut text = "      by: $.t\n      cases:\n".to_owned();
        for n in 0..11_000 {
            let _ = writeln!(text, "        - {{ is: {n}, to: authentication, activity: X }}");
        }
        text + "      else: { to: authentication, activity: Logon }\n"
    });
    answered("cases", &cases);
}
