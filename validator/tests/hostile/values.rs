//! Values that are little languages of their own: patterns, paths, templates, numbers.

use std::fmt::Write as _;
use std::time::Instant;

use longshore_validator::{Fixture, Options, validate_with_fixtures};

use super::{BOUND, answered, grows_with_its_size, name_is, rendered, with};

#[test]
fn patterns_are_compiled_within_bounds() {
    let slots: [(&str, &str); 3] = [
        ("  client_id: { type: string,", "  client_id: { type: string, pattern: {},"),
        ("user.uid: $.id", "user.uid: { from: $.id, match: {} }"),
        ("    counts: [own]", "    counts: [own]\n    header: { name: X-Limit, pattern: {} }"),
    ];
    let patterns = [
        "(a+)+$".to_owned(),
        "(a|a)*b".to_owned(),
        "a{1000000}".to_owned(),
        "(a{1000}){1000}".to_owned(),
        "((a{100}){100}){100}".to_owned(),
        "(?:){4294967295}".to_owned(),
        "(?:(?:){1000000}){1000000}".to_owned(),
        "a{99999999999999999999}".to_owned(),
        r"\pL{1000}".to_owned(),
        format!("({})", r"\w*".repeat(1_000)),
        format!("{}{}", "(".repeat(100), ")*".repeat(100)),
        format!("{}a{}", "(?:".repeat(100_000), ")*".repeat(100_000)),
        format!("a{}", "{2}".repeat(1_000)),
        format!("(?:a{})", "?".repeat(100_000)),
        "(".repeat(100_000),
        "[".repeat(100_000),
        "[[a]--".repeat(10_000),
        "(?i)".repeat(10_000),
        "(?<a>.)".repeat(10_000),
        "a|".repeat(100_000),
        "(?:|a)".repeat(20_000),
        format!("({})", "x".repeat(100_000)),
        r"(?<used>\d+)/(?<limit>(\d+)+)".to_owned(),
    ];
    for (old, new) in slots {
        for pattern in &patterns {
            answered(
                &pattern[..pattern.len().min(20)],
                &with(old, &new.replacen("{}", &format!("'{pattern}'"), 1)),
            );
        }
        grows_with_its_size("alternatives", 100_000, |size| {
            with(old, &new.replacen("{}", &format!("'{}'", "a|".repeat(size / 2)), 1))
        });
        grows_with_its_size("many patterns", 40, |count| {
            let mut pattern = String::new();
            for n in 0..count {
                let _ = write!(pattern, "(?<a{n}>[a-z]+{n})");
            }
            with(old, &new.replacen("{}", &format!("'{pattern}'"), 1))
        });
    }
    // Each is heavy by itself; together they may take no more than many light ones.
    let mut inputs = "  client_id: {".to_owned();
    for n in 0..200 {
        inputs.insert_str(
            0,
            &format!("  p{n}: {{ type: string, title: t, pattern: '\\w{{20}}' }}\n"),
        );
    }
    answered("heavy patterns", &with("  client_id: {", &inputs));
}

#[test]
fn patterns_match_in_linear_time() {
    let evil = "(a+)+$";
    let source = with("user.uid: $.id", &format!("user.uid: {{ from: $.id, match: '{evil}' }}"));
    let fixture = |size: usize| {
        Fixture::new(
            "fixtures/users/success.json".to_owned(),
            format!(
                "{{\"status\": 200, \"body\": {{\"users\": [{{\"id\": \"{}!\"}}]}}}}",
                "a".repeat(size)
            ),
        )
    };
    let start = Instant::now();
    let report = validate_with_fixtures(&source, &[fixture(500_000)], &Options::default());
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    rendered("match", &source, report);
}

#[test]
fn paths_are_read_within_bounds() {
    let paths = [
        format!("${}", ".a".repeat(10_000)),
        format!("${}", ".a".repeat(500)),
        format!("${}", "[0]".repeat(300)),
        format!("${}", "..*".repeat(300)),
        format!("${}", "..a".repeat(10_000)),
        format!("${}", "[*]".repeat(10_000)),
        format!("${}@.a{}", "[?".repeat(100), "]".repeat(100)),
        format!("${}@.a{}", "[?@".repeat(250), "]".repeat(250)),
        format!("$[?{}@.a{}]", "(".repeat(500), ")".repeat(500)),
        format!("$[?{}@.a]", "!".repeat(1_000)),
        format!("$[?{}]", ["@.a == 1"; 80].join(" && ")),
        format!("$[?{}]", ["@.a == 1"; 80].join(" || ")),
        format!("$[?{}@.a{}]", "length(".repeat(100), ")".repeat(100)),
        format!("$[?{}@.a{} == 1]", "count(@".repeat(100), ")".repeat(100)),
        format!("$[?match(@.a, '{}')]", "(a+)+".repeat(150)),
        "$[?match(@.a, 'a{1000000}')]".to_owned(),
        "$[?match(@.a, '(a{1000}){1000}')]".to_owned(),
        format!("$[{}0]", "0,".repeat(400)),
        "$[99999999999999999999999999999999]".to_owned(),
        "$[-9223372036854775808]".to_owned(),
        "$[0:9223372036854775807:1]".to_owned(),
        "$[::0]".to_owned(),
        format!("$['{}']", "\\u0000".repeat(100)),
        "$['\\ud83d']".to_owned(),
        "$[".repeat(500),
    ];
    for path in &paths {
        let quoted = serde_json::to_string(path).expect("a text is JSON");
        for (old, new) in [("key: $.id", "key: "), ("records: $.users[*]", "records: ")] {
            answered(&path[..path.len().min(20)], &with(old, &format!("{new}{quoted}")));
        }
    }
}

#[test]
fn templates_are_read_within_bounds() {
    let templates = [
        "{{a}}".repeat(10_000),
        "{{a}}".repeat(800),
        "{{inputs.client_id}}".repeat(200),
        "{{".repeat(10_000),
        "}}".repeat(10_000),
        "{{{".repeat(1_000),
        format!("{}a{}", "{{#if a}}".repeat(200), "{{/if}}".repeat(200)),
        "{{#if a}}".repeat(400),
        "{{/if}}".repeat(400),
        "{{else}}".repeat(400),
        format!("{{{{{}a{}}}}}", "(json ".repeat(300), ")".repeat(300)),
        format!("{{{{json {}}}}}", "(".repeat(2_000)),
        format!("{{{{json {}}}}}", "a ".repeat(1_500)),
        format!("{{{{json {}}}}}", "a=b ".repeat(900)),
        format!("{{{{{}}}}}", "a.".repeat(1_900)),
        format!("{{{{{}}}}}", "../".repeat(1_300)),
        format!("{{{{json {}1{}}}}}", "[".repeat(1_900), "]".repeat(1_900)),
        format!("{{{{json {}}}}}", "9".repeat(400)),
        "{{json 1e400}}".to_owned(),
        format!("{{{{date window.start \"{}\"}}}}", "%Y".repeat(1_900)),
        "{{date window.start \"%999999999Y\"}}".to_owned(),
        format!("{{{{ago \"{}d\"}}}}", "9".repeat(400)),
        "{{> a}}{{#> b}}{{/b}}{{* c}}{{#* d}}{{/d}}".to_owned(),
        "{{! a comment }}{{!-- }} --}}".to_owned(),
        "{{~a~}}\\{{a}}\\\\{{a}}".to_owned(),
        "{{\u{202e}a}}{{é}}{{\u{1f600}}}{{a\u{0}b}}".to_owned(),
    ];
    for template in &templates {
        let name: String = template.chars().take(12).collect();
        let quoted = serde_json::to_string(template).expect("a text is JSON");
        for (old, new) in [
            ("cursor: \"{{page.cursor}}\"", "cursor: "),
            ("client_id: \"{{inputs.client_id}}\"", "client_id: "),
            ("get: /users", "get: "),
            ("service.name: Acme", "service.name: "),
        ] {
            answered(&name, &with(old, &format!("{new}{quoted}")));
        }
        answered(&name, &name_is(template));
    }
    grows_with_its_size("many templates", 5_000, |count| {
        let mut headers = String::from("\nhttp:\n  headers:");
        for n in 0..count {
            let _ = write!(headers, "\n    h{n}: \"{{{{json (default inputs.a{n} \\\"b\\\")}}}}\"");
        }
        with("\nhttp:", &headers)
    });
}

#[test]
fn numbers_of_any_size() {
    let numbers = [
        "9".repeat(30),
        "9".repeat(400),
        format!("-{}", "9".repeat(400)),
        format!("0.{}1", "0".repeat(400)),
        format!("1{}.5", "0".repeat(400)),
        "9223372036854775807".to_owned(),
        "9223372036854775808".to_owned(),
        "-9223372036854775808".to_owned(),
        "-9223372036854775809".to_owned(),
        "18446744073709551616".to_owned(),
        "1e400".to_owned(),
        "-1e400".to_owned(),
        "1e-400".to_owned(),
        "1e99999999999999999999".to_owned(),
        ".nan".to_owned(),
        ".inf".to_owned(),
        "-.INF".to_owned(),
        "NaN".to_owned(),
        "inf".to_owned(),
        "-0".to_owned(),
        "0x".to_owned() + &"f".repeat(400),
    ];
    let durations = [
        "9".repeat(400) + "d",
        "99999999999999999999d".to_owned(),
        "9223372036854775807s".to_owned(),
        "18446744073709551615d".to_owned(),
        "4294967296w".to_owned(),
        "-1d".to_owned(),
        "0s".to_owned(),
        "1e400d".to_owned(),
    ];
    for (old, new) in [
        ("limit: 100000", "limit: "),
        ("version: 1.0.0", "version: "),
        ("rolling: 1d", "rolling: "),
        ("status: 401", "status: "),
        ("overlap: 10m", "overlap: "),
        ("backfill: 30d", "backfill: "),
        ("retention: 90d", "retention: "),
        ("every: 15m", "every: "),
        ("reserve: 10%", "reserve: "),
        ("service.name: Acme", "service.name: "),
        ("service.name: Acme", "service.version: "),
        ("ok: Success", "ok: "),
        ("status: 401", "status: 401, body: { $.a: 1 }, retries: "),
    ] {
        for number in numbers.iter().chain(&durations) {
            answered(new, &with(old, &format!("{new}{number}")));
            answered(new, &with(old, &format!("{new}{number}%")));
        }
    }
}
