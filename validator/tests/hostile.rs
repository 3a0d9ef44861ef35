//! Inputs made to break a reader: each is answered, by every report and by the formatter, with
//! findings that can be shown, in a time that grows no faster than the input.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use longshore_schema::Span;
use longshore_schema::format::format;
use longshore_schema::yaml::{MAX_SOURCE_BYTES, parse};
use longshore_validator::{
    Diagnostic, Fixture, Options, Report, Safety, Validated, mend, render_concise, render_github,
    render_json, render_junit, render_sarif, render_text, validate, validate_with_fixtures,
};

const GOOD: &str = include_str!("../../tests/good/minimal.yaml");

/// A debug build on a loaded machine; the release build takes a fraction of a second.
const BOUND: Duration = Duration::from_secs(20);
/// What takes less than this says nothing about how time grows.
const NOISE: Duration = Duration::from_millis(400);
/// The longest text of a finding, in characters.
const LONGEST: usize = 400;

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

#[test]
fn deep_nesting_ends_at_the_limit() {
    for depth in [100, 1_000, 10_000, 100_000] {
        let flow = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        finds("flow sequences", &name_is(&flow), "LS0006");
        finds("unclosed flow sequences", &name_is(&"[".repeat(depth)), "LS0006");
        let flow = format!("{}1{}", "{a: ".repeat(depth), "}".repeat(depth));
        finds("flow mappings", &name_is(&flow), "LS0006");
        answered("flow mappings without values", &name_is(&"{".repeat(depth)));
        let flow = format!("{}{}", "[{a: ".repeat(depth), "}]".repeat(depth));
        finds("flow sequences and mappings", &name_is(&flow), "LS0006");
        finds("compact sequences", &format!("{}a", "- ".repeat(depth)), "LS0006");
        answered("explicit keys", &format!("{}a", "? ".repeat(depth)));
        answered("closing brackets", &name_is(&"]}".repeat(depth)));
    }
    for depth in [100, 1_000] {
        let mut mappings = String::new();
        let mut sequences = String::new();
        for level in 0..depth {
            let _ = writeln!(mappings, "{:level$}a:", "");
            let _ = writeln!(sequences, "{:level$}-", "");
        }
        finds("block mappings", &mappings, "LS0006");
        finds("block sequences", &sequences, "LS0006");
    }
    grows_with_its_size("indented ever more and then not", 400, |depth| {
        let mut text = String::new();
        for _ in 0..2 {
            for level in 0..depth / 10 {
                let _ = writeln!(text, "{:1$}a{level}:", "", level % 60);
            }
        }
        text
    });
}

#[test]
fn huge_scalars_and_keys() {
    const SIZE: usize = 16_000;
    let scalars: [(&str, &str, &str); 9] = [
        ("plain", "x", ""),
        ("plain words", "x ", "x"),
        ("quotes in quotes", "''", ""),
        ("escapes", "\\n", ""),
        ("four bytes", "\u{1f600}", ""),
        ("combining", "e\u{301}", ""),
        ("blanks", " ", "x"),
        ("colons", "::", "x"),
        ("hashes", "##", "x"),
    ];
    for (name, piece, last) in scalars {
        let text = |bytes: usize| format!("{}{last}", piece.repeat(bytes / piece.len()));
        grows_with_its_size(name, SIZE, |size| name_is(&text(size)));
        grows_with_its_size(name, SIZE, |size| name_is(&format!("\"{}\"", text(size))));
        grows_with_its_size(name, SIZE, |size| name_is(&format!("'{}'", text(size))));
        grows_with_its_size(name, SIZE, |size| name_is(&format!("'{}", text(size))));
        grows_with_its_size(name, SIZE, |size| name_is(&format!("|\n    {}", text(size))));
        grows_with_its_size(name, SIZE, |size| name_is(&format!(">-\n    {}", text(size))));
        grows_with_its_size(name, SIZE, |size| name_is(&format!("x # {}", text(size))));
        grows_with_its_size(name, SIZE, |size| format!("{}: 1\n{GOOD}", text(size)));
        grows_with_its_size(name, SIZE, |size| format!("\"{}\": 1\n{GOOD}", text(size)));
        grows_with_its_size(name, SIZE, |size| format!("? {}\n: 1\n{GOOD}", text(size)));
        let half = |size: usize| text(size / 2);
        grows_with_its_size(name, SIZE, |size| {
            format!("\"{0}\": 1\n\"{0}\": 1\n{GOOD}", half(size))
        });
    }
}

#[test]
fn huge_texts_in_every_kind_of_value() {
    const SIZE: usize = 12_000;
    let slots = [
        ("id: acme", "id: \"{}\""),
        ("version: 1.0.0", "version: \"{}\""),
        ("api: https://developer.acme.test/api", "api: \"{}\""),
        ("  client_id: {", "  \"{}\": {"),
        ("{ type: string,", "{ type: \"{}\","),
        ("token_url: https://api.acme.test/oauth/token", "token_url: \"{}\""),
        ("client_id: \"{{inputs.client_id}}\"", "client_id: \"{}\""),
        ("client_id: \"{{inputs.client_id}}\"", "client_id: \"{{inputs.{}}}\""),
        ("client_credentials: {}", "\"{}\": {}"),
        ("hosts: [api.acme.test]", "hosts: [\"{}\"]"),
        ("rolling: 1d", "rolling: \"{}\""),
        ("reserve: 10%", "reserve: \"{}\""),
        ("counts: [own]", "counts: [\"{}\"]"),
        ("status: 401", "status: \"{}\""),
        ("status: 401", "status: 401, body: { \"{}\": 1 }"),
        ("then: refresh", "then: \"{}\""),
        ("code: PERM_MISSING", "code: \"{}\""),
        ("provides: users", "provides: \"{}\""),
        ("every: 1d", "every: \"{}\""),
        ("get: /users", "get: \"{}\""),
        ("records: $.users[*]", "records: \"{}\""),
        ("key: $.id", "key: \"{}\""),
        ("to: user_inventory", "to: \"{}\""),
        ("activity: Logon", "activity: \"{}\""),
        ("user.uid: $.id", "\"{}\": $.id"),
        ("as: ip", "as: \"{}\""),
        ("ok: Success", "ok: \"{}\""),
    ];
    for (old, new) in slots {
        for piece in ["a", "9", "/", ".", "[", "$..a", "{{", "é", "%", "a.b-", "\u{202e}"] {
            let make =
                |size: usize| with(old, &new.replacen("{}", &piece.repeat(size / piece.len()), 1));
            if piece == "a" {
                grows_with_its_size(old, SIZE, make);
            } else {
                answered(old, &make(SIZE / 2));
            }
        }
    }
}

#[test]
fn many_lines_and_long_lines() {
    const LINES: usize = 60_000;
    for (name, line) in [("blank", "\n"), ("comments", "#\n"), ("dashes", "-\n"), ("colons", ":\n")]
    {
        grows_with_its_size(name, LINES / line.len(), |lines| line.repeat(lines));
        grows_with_its_size(name, LINES / line.len(), |lines| {
            format!("{}{GOOD}", line.repeat(lines))
        });
    }
    // Where a mistake stands on a line must not take longer to tell the longer the line is.
    for (name, piece) in [
        ("ambiguous", "no, "),
        ("templates", "{{a}}, "),
        ("templates that go on", "{{a}}/b, "),
        ("aliases", "*a, "),
        ("anchors", "&a b, "),
        ("tags", "!a b, "),
        ("unknown", "{a: {}}, "),
        ("openings", "{{"),
        ("mixed", "{\"a\": 1, \"a\": 2}, "),
    ] {
        let count = |bytes: usize| bytes / piece.len();
        grows_with_its_size(name, 120_000, |size| {
            name_is(&format!("[{}]", piece.repeat(count(size))))
        });
    }
    grows_with_its_size("unknown keys on one line", 20_000, |count| {
        let keys: Vec<_> = (0..count).map(|n| format!("k{n}: 1")).collect();
        name_is(&format!("{{{}}}", keys.join(", ")))
    });
    grows_with_its_size("comments that hide findings", 12_000, |count| {
        format!("{GOOD}{}", "# longshore: ignore LS0101\n".repeat(count))
    });
    grows_with_its_size("ignores that nobody knows", 12_000, |count| {
        format!("{GOOD}# longshore: ignore {}\n", "LS9999, ".repeat(count))
    });
    grows_with_its_size("things left to do", 12_000, |count| {
        let mut text = GOOD.to_owned();
        for n in 0..count {
            let _ = write!(text, "\n  s{n}: TODO");
        }
        text
    });
}

#[test]
fn aliases_are_never_followed() {
    let mut laughs = String::from("a0: &a0 [lol, lol]\n");
    for level in 1..1_000 {
        let _ = writeln!(
            laughs,
            "a{level}: &a{level} [{}]",
            vec![format!("*a{}", level - 1); 9].join(", ")
        );
    }
    finds("billion laughs", &laughs, "LS0005");
    finds("a value within itself", "a: &a [*a]\n", "LS0005");
    finds("an alias of nothing", "a: *b\n", "LS0005");
    let mut merged = String::from("m0: &m0 { a: 1 }\n");
    for level in 1..1_000 {
        let _ = writeln!(merged, "m{level}: &m{level} {{ <<: [*m{0}, *m{0}] }}", level - 1);
    }
    finds("merge keys", &merged, "LS0005");
    finds("a merge key without an alias", &format!("{GOOD}<<: {{ id: x }}\n"), "LS0005");
    grows_with_its_size("anchors", 20_000, |count| {
        let mut text = String::new();
        for n in 0..count {
            let _ = writeln!(text, "k{n}: &a{n} *a{}", n / 2);
        }
        text
    });
}

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
    let fixture = |size: usize| Fixture {
        path: "fixtures/users/success.json".to_owned(),
        text: format!(
            "{{\"status\": 200, \"body\": {{\"users\": [{{\"id\": \"{}!\"}}]}}}}",
            "a".repeat(size)
        ),
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

#[test]
fn characters_that_are_not_what_they_seem() {
    let pieces = [
        "\u{0}",
        "\u{1}",
        "\u{7}",
        "\u{8}",
        "\u{b}",
        "\u{c}",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "\u{9b}",
        "\u{a0}",
        "\u{ad}",
        "\u{61c}",
        "\u{200b}",
        "\u{200d}",
        "\u{200e}",
        "\u{200f}",
        "\u{2028}",
        "\u{2029}",
        "\u{202a}",
        "\u{202e}",
        "\u{2060}",
        "\u{2066}",
        "\u{2069}",
        "\u{feff}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "e\u{301}",
        "\u{301}",
        "\u{1f600}",
        "\u{10ffff}",
        "\u{e000}",
        "\t",
        "\r",
        "\r\n",
        "\u{1f468}\u{200d}\u{1f469}",
    ];
    // Before, within and after every kind of token of a short manifest, valid or not.
    let short = "a: [b, \"c\", 'd'] # e\nf: {g: no}\n\"h\": |\n  i\nj:\n- k: {{l}}\n- *m\n";
    for piece in pieces {
        for at in 0..=short.len() {
            let text = format!("{}{piece}{}", &short[..at], &short[at..]);
            let report = validate(&text, &Options::default());
            sane(&text, &text, &report.diagnostics);
            let formatted = format(&text);
            assert!(
                formatted.is_err() || parse(&formatted.unwrap_or_default()).is_ok(),
                "{text:?}"
            );
        }
        for (old, new) in [
            ("manifest:", "{}manifest:"),
            ("id: acme", "id: ac{}me"),
            ("id: acme", "id: \"ac{}me\""),
            ("id: acme", "i{}d: acme"),
            ("id: acme", "id: acme # {}"),
            ("streams:", "str{}eams:"),
            ("\nhttp:", "\n{}\nhttp:"),
            ("records: $.users[*]", "records: \"$.us{}ers[*]\""),
            ("{{page.cursor}}", "{{page.cur{}sor}}"),
            ("client_credentials: {}", "\"{}\": {}"),
            ("  sign_ins:", "  \"{}\":"),
            ("get: /users", "get: /users{}"),
            ("api.acme.test]", "\"api.acme.test{}\"]"),
            ("when: { status: 401 }", "when: { status: \"401{}\" }"),
        ] {
            answered(new, &with(old, &new.replacen("{}", piece, 1)));
        }
        // As an escape the text is YAML, and what it stands for is not to be shown as it is.
        let escape: String =
            piece.chars().map(|character| format!("\\U{:08x}", u32::from(character))).collect();
        answered("escape in a key", &format!("{GOOD}\"a{escape}b\": 1\n"));
        answered("escape in a value", &with("id: acme", &format!("id: \"ac{escape}me\"")));
        answered("escape in a type", &with("type: string", &format!("type: \"str{escape}ing\"")));
        answered(
            "escape in a pattern",
            &with("type: string", &format!("type: string, pattern: \"({escape}\"")),
        );
        answered("escape in a duplicate", &format!("{GOOD}\"a{escape}b\": 1\n\"a{escape}b\": 1\n"));
    }
    // Each line ended in another way.
    for end in ["\r\n", "\r", "\u{85}", "\u{2028}", "\n\r", "\n\n\t", "\0\n", " \t \n"] {
        answered("line ends", &GOOD.replace('\n', end));
    }
    answered("tabs", &GOOD.replace("  ", "\t"));
    answered("tabs between", &GOOD.replace(": ", ":\t"));
    answered("no-break spaces", &GOOD.replace(' ', "\u{a0}"));
}

#[test]
fn a_byte_order_mark_is_no_mistake_at_the_start() {
    let (codes, _) = answered("mark", &format!("\u{feff}{GOOD}"));
    assert_eq!(codes, [""; 0]);
    // Each document may start with one, an empty one too (YAML 1.2.2, section 9.1.1).
    answered("two marks", &format!("\u{feff}\u{feff}{GOOD}"));
    answered("a mark within", &with("app:", "\u{feff}app:"));
    answered("mark alone", "\u{feff}");
    answered("mark and break", "\u{feff}\n");
}

#[test]
fn what_else_yaml_has() {
    for directive in
        ["%YAML 1.1\n---\n", "%YAML 9.9\n---\n", "%TAG ! tag:a,2000:\n---\n", "%a\n", "%"]
    {
        finds("directive", &format!("{directive}{GOOD}"), "LS0005");
    }
    let (codes, _) = answered("markers", &format!("---\n{GOOD}...\n"));
    assert_eq!(codes, [""; 0]);
    finds("two documents", &format!("{GOOD}---\n{GOOD}"), "LS0007");
    finds("many documents", &"---\na: 1\n".repeat(50_000), "LS0007");
    for text in
        ["", " ", "\n", "#", "# a\n# b\n", "---", "---\n...\n", "...", "---\n---\n", "...\n...\n"]
    {
        let (codes, _) = answered(text, text);
        assert_ne!(codes, [""; 0], "{text:?}");
    }
    for text in [
        "? a\n: b\n",
        "? [a]\n: b\n",
        "? {a: b}\n: c\n",
        "? |\n  a\n: b\n",
        "?",
        "? \n? \n",
        "? a\n? b\n",
        "[a]: b\n",
        "{a: b}: c\n",
        "? - a\n  - b\n: - c\n",
        "{? a : b}\n",
        "{a, b}\n",
        "[a: b]\n",
        "{: a}\n",
        ": a\n",
        "-",
        "- ",
        "a:",
        "a: |",
        "a: >9\n",
        "a: |0\n b\n",
        "a: |-+\n b\n",
        "a: \"",
        "a: '",
        "!",
        "&",
        "*",
        "!!",
        "!<",
        "!<>",
        "!<a",
        "& a",
        "* a",
        "a: ! b",
        "a: !!binary \"!\"",
        "a: !!float x",
        "@",
        "`",
        "a: \"\\x",
        "a: \"\\ud800\"",
        "a: \"\\uZZZZ\"",
        "a: \"\\U00110000\"",
        "a: \"\\q\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "[,]",
        "{,}",
        "[a,,b]",
        "a: b: c: d",
        "a:\n b:\n  c:\n d:\n e",
        "a: - b",
        "- a: b\n c: d",
    ] {
        answered(text, text);
        answered(text, &format!("{GOOD}{text}"));
    }
}

#[test]
fn one_byte_too_many() {
    let fill = |length: usize| format!("{GOOD}#{}", "x".repeat(length - GOOD.len() - 1));
    let (codes, _) = answered("as long as may be", &fill(MAX_SOURCE_BYTES));
    assert_eq!(codes, [""; 0]);
    finds("one more", &fill(MAX_SOURCE_BYTES + 1), "LS0006");
    finds("much more", &"é".repeat(MAX_SOURCE_BYTES * 4), "LS0006");
}

fn with_fixture(name: &str, path: &str, text: String) -> usize {
    let start = Instant::now();
    let fixture = Fixture { path: path.to_owned(), text };
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
                (0..2_000).map(|n| format!("\"h{n}\": 1, ")).collect::<String>()
            ),
        ),
    ];
    for (name, text) in broken {
        assert_ne!(with_fixture(name, PATH, text), 0, "{name}");
    }
    let record = "{\"id\": \"a\", \"updated\": \"2026-01-01T00:00:00Z\"}";
    for (name, text) in [
        ("many records", records(record, 1_000)),
        ("many times that are none", records(&record.replace("2026", "yesterday"), 1_000)),
        ("empty records", records("{}", 4_000)),
        ("nulls", records("null", 8_000)),
        (
            "a huge value",
            records(&record.replace("\"a\"", &format!("\"{}\"", "x".repeat(100_000))), 1),
        ),
        ("a huge time", records(&record.replace("2026", &"9".repeat(100_000)), 1)),
        ("hidden time", records(&record.replace("2026", "\u{202e}\\u0000\\n"), 1)),
        ("many addresses", records("{\"id\": \"a@example.org\"}", 1_000)),
        ("an endless address", records(&format!("{{\"id\": \"{}\"}}", "a@".repeat(100_000)), 1)),
        ("endless hosts", records(&format!("{{\"id\": \"a@{}\"}}", "b.".repeat(100_000)), 1)),
        ("endless digits", records(&format!("{{\"id\": \"{}\"}}", "1.".repeat(100_000)), 1)),
        ("an endless token", records(&format!("{{\"id\": \"eyJ{}\"}}", "a.".repeat(100_000)), 1)),
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
    let fixture = |n: usize| Fixture {
        path: format!("fixtures/users/f{n}.json"),
        text: "{\"status\": 200, \"bdy\": {}}".to_owned(),
    };
    let fixtures: Vec<_> = (0..1_000).map(fixture).collect();
    let start = Instant::now();
    let report = validate_with_fixtures(GOOD, &fixtures, &Options::default());
    rendered("many fixtures", GOOD, report);
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
}
