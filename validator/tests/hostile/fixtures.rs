//! Recorded responses that were not recorded.

use std::time::Instant;

use longshore_schema::yaml::MAX_SOURCE_BYTES;
use longshore_validator::{Fixture, Options, validate_with_fixtures};

use super::{BOUND, GOOD, rendered, with};

fn with_fixture(name: &str, path: &str, text: String) -> usize {
    let start = Instant::now();
    let fixture = Fixture::new(path, text);
    let report = validate_with_fixtures(GOOD, &[fixture], &Options::default());
    let validated = start.elapsed();
    let count = report.fixtures.iter().map(|fixture| fixture.diagnostics.len()).sum();
    rendered(name, GOOD, report);
    let took = start.elapsed();
    println!("{name:?}: {count} findings, {validated:?}, {took:?}");
    assert!(took < BOUND, "{name}: {validated:?}, {took:?}");
    count
}

#[test]
fn hostile_fixtures() {
    const PATH: &str = "fixtures/users/success.json";
    let response = |body: &str| format!("{{\"status\": 200, \"body\": {body}}}");
    let records = |record: &str, count: usize| {
        response(&format!("{{\"users\": [{}]}}", vec![record; count].join(", ")))
    };
    let broken = [
        ("empty", String::new()),
        ("not JSON", "{".to_owned()),
        ("YAML", "status: 200\n".to_owned()),
        ("a mark", format!("\u{feff}{}", response("{}"))),
        ("nothing but brackets", "[".repeat(200_000)),
        ("deep arrays", response(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))),
        (
            "arrays as deep as JSON goes",
            response(&format!("{}{}", "[".repeat(100), "]".repeat(100))),
        ),
        ("deep objects", response(&format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)))),
        ("duplicate members", "{\"status\": 200, \"status\": 200, \"body\": {}}".to_owned()),
        ("duplicates within", response(&format!("{{{}\"a\": 1}}", "\"a\": 1, ".repeat(50_000)))),
        (
            "duplicate huge names",
            response(&format!("{{\"{0}\": 1, \"{0}\": 1}}", "n".repeat(100_000))),
        ),
        ("too long", response(&format!("\"{}\"", "x".repeat(MAX_SOURCE_BYTES)))),
        ("an array", "[200]".to_owned()),
        ("no status", "{}".to_owned()),
        ("a huge status", "{\"status\": 99999999999999999999999999999999}".to_owned()),
        ("a fraction of a status", "{\"status\": 2e2}".to_owned()),
        ("huge number", response(&format!("[{}]", "9".repeat(400)))),
        ("too large a number", response("[1e400]")),
        ("a huge unknown member", format!("{{\"status\": 200, \"{}\": 1}}", "b".repeat(100_000))),
        (
            "many unknown members",
            format!(
                "{{{}\"status\": 200}}",
                (0..40_000).map(|n| format!("\"k{n}\": 1, ")).collect::<String>()
            ),
        ),
        ("a hidden member", "{\"status\": 200, \"bo\u{202e}dy\": 1}".to_owned()),
        ("a control character", "{\"status\": 200, \"bo\u{1}dy\": 1}".to_owned()),
        ("an escape", "{\"status\": 200, \"bo\\u0000\\u001b\\ndy\": 1}".to_owned()),
        ("half a surrogate", response("\"\\ud83d\"")),
        ("tabs", "\t{\t\"status\":\t2000\t}\t".to_owned()),
        (
            "a huge header",
            format!("{{\"status\": 200, \"headers\": {{\"{}\": 1}}}}", "h".repeat(100_000)),
        ),
        (
            "many headers",
            format!(
                "{{\"status\": 200, \"headers\": {{{}\"a\": 1}}}}",
                (0..20_000).map(|n| format!("\"h{n}\": 1, ")).collect::<String>()
            ),
        ),
    ];
    for (name, text) in broken {
        assert_ne!(with_fixture(name, PATH, text), 0, "{name}");
    }
    let record = "{\"id\": \"a\", \"updated\": \"2026-01-01T00:00:00Z\"}";
    for (name, text) in [
        ("many records", records(record, 12_000)),
        ("many times that are none", records(&record.replace("2026", "yesterday"), 12_000)),
        ("empty records", records("{}", 40_000)),
        ("nulls", records("null", 80_000)),
        (
            "a huge value",
            records(&record.replace("\"a\"", &format!("\"{}\"", "x".repeat(100_000))), 1),
        ),
        ("a huge time", records(&record.replace("2026", &"9".repeat(100_000)), 1)),
        ("hidden time", records(&record.replace("2026", "\u{202e}\\u0000\\n"), 1)),
        ("many addresses", records("{\"id\": \"a@example.org\"}", 12_000)),
        ("an endless address", records(&format!("{{\"id\": \"{}\"}}", "a@".repeat(100_000)), 1)),
        ("endless hosts", records(&format!("{{\"id\": \"a@{}\"}}", "b.".repeat(100_000)), 1)),
        ("endless digits", records(&format!("{{\"id\": \"{}\"}}", "1.".repeat(100_000)), 1)),
        ("an endless token", records(&format!("{{\"id\": \"eyJ{}\"}}", "a.".repeat(100_000)), 1)),
        (
            "many types",
            response(&format!(
                "{{\"users\": [{{{}\"a\": 1}}, {{{}\"a\": 1}}]}}",
                (0..20_000).map(|n| format!("\"m{n}\": 1, ")).collect::<String>(),
                (0..20_000).map(|n| format!("\"m{n}\": true, ")).collect::<String>(),
            )),
        ),
        (
            "many members below a huge name",
            records(
                &format!(
                    "{{\"{}\": {{{}\"a\": [\"b\"]}}}}",
                    "n".repeat(400_000),
                    (0..20_000).map(|n| format!("\"m{n}\": [{{}}], ")).collect::<String>()
                ),
                1,
            ),
        ),
        (
            "many lists below a huge name",
            response(&format!(
                "{{\"{}\": {{{}\"a\": [{{}}]}}}}",
                "n".repeat(400_000),
                (0..20_000).map(|n| format!("\"m{n}\": [{{}}], ")).collect::<String>()
            )),
        ),
        (
            "many texts below a huge name",
            response(&format!(
                "{{\"{}token\": [{}\"a\"]}}",
                "n".repeat(400_000),
                "\"0a1b2c3d4e5f6a7b8\", ".repeat(20_000)
            )),
        ),
        ("many words", records(&format!("{{\"id\": \"{}\"}}", "Bearer ".repeat(100_000)), 1)),
    ] {
        with_fixture(name, PATH, text);
    }
    for path in [
        "",
        "/",
        "fixtures",
        "fixtures/",
        "fixtures//",
        "fixtures/users/",
        "../users/a.json",
        "fixtures/\u{202e}\n/a.json",
        "fixtures/facts/a/b.json",
    ] {
        with_fixture(path, path, response("{}"));
    }
    with_fixture(
        "a long path",
        &format!("fixtures/{}/a.json", "u".repeat(100_000)),
        response("{}"),
    );
    with_fixture(
        "a deep path",
        &format!("fixtures/{}a.json", "u/".repeat(100_000)),
        response("{}"),
    );
}

#[test]
fn as_many_fixtures_as_are_read() {
    let fixture = |n: usize| {
        Fixture::new(
            format!("fixtures/users/f{n}.json"),
            "{\"status\": 200, \"bdy\": {}}".to_owned(),
        )
    };
    let fixtures: Vec<_> = (0..1_000).map(fixture).collect();
    let start = Instant::now();
    let report = validate_with_fixtures(GOOD, &fixtures, &Options::default());
    rendered("many fixtures", GOOD, report);
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
}

/// Validates a changed manifest with one response to the request for users.
fn answers(name: &str, source: &str, text: String) -> Vec<&'static str> {
    let start = Instant::now();
    let fixture = Fixture::new("fixtures/users/success.json", text);
    let report = validate_with_fixtures(source, &[fixture], &Options::default());
    let codes = report.diagnostics.iter().map(|found| found.code).collect();
    rendered(name, source, report);
    let took = start.elapsed();
    println!("{name:?}: {codes:?} {took:?}");
    assert!(took < BOUND, "{name}: {took:?}");
    codes
}

#[test]
fn searches_take_time_by_the_size_of_what_is_searched() {
    let records = vec!["{\"id\": 1}"; 12_000].join(", ");
    let text = format!("{{\"status\": 200, \"body\": {{\"users\": [{records}]}}}}");
    for path in ["$..*", "$.users[?@.id == 1]", "$.users[0:12000]", "$..users[*]"] {
        answers(path, &with("records: $.users[*]", &format!("records: {path:?}")), text.clone());
    }
}

#[test]
fn a_column_with_a_huge_name_is_no_column() {
    let source = with("records: $.users[*]", "decode: csv");
    let name = "n".repeat(100_000);
    let text = format!("{name},id\\n{}", "a,b\\n".repeat(100_000));
    let text = format!("{{\"status\": 200, \"text\": \"{text}\"}}");
    answers("a huge column", &source, text);
}

#[test]
fn of_many_findings_in_a_fixture_a_thousand_are_given() {
    let member = "\"ada@harbor-office.com\"";
    let text = |count: usize| {
        let all = vec![member; count].join(", ");
        format!("{{\"status\": 200, \"body\": [{all}]}}")
    };
    assert_eq!(with_fixture("few", "fixtures/users/a.json", text(999)), 999);
    assert_eq!(with_fixture("many", "fixtures/users/a.json", text(40_000)), 1_000);
}
