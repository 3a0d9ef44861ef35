//! Texts of any form and size: nesting, huge scalars, long lines, aliases, all that YAML has.

use std::fmt::Write as _;

use longshore_schema::yaml::MAX_SOURCE_BYTES;

use super::{GOOD, answered, finds, grows_with_its_size, name_is, with};

#[test]
fn deep_nesting_ends_at_the_limit() {
    for depth in [100, 1_000, 10_000, 100_000] {
        let flow = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        finds("flow sequences", &name_is(&flow), "LS0006");
        let (codes, _) = answered("unclosed flow sequences", &name_is(&"[".repeat(depth)));
        assert!(matches!(codes[..], ["LS0001" | "LS0006"]), "{codes:?}");
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
    const SIZE: usize = 120_000;
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
    const SIZE: usize = 20_000;
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
    grows_with_its_size("ignores with reasons", 10_000, |count| {
        format!("{GOOD}{}a: 1\n", "# longshore: ignore[LS0101] why\n".repeat(count))
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
