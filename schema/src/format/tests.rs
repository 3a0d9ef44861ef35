use std::fmt::Write as _;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Every value with the keys and indexes that lead to it, in an order of their own.
fn leaves(root: &Node) -> Vec<String> {
    fn walk(node: &Node, path: &str, found: &mut Vec<String>) {
        match &node.content {
            Content::Mapping(entries) if !entries.is_empty() => {
                for entry in entries {
                    walk(&entry.value, &format!("{path}/{:?}", entry.key), found);
                }
            }
            Content::Sequence(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}/{index}"), found);
                }
            }
            content => found.push(format!("{path} = {content:?}")),
        }
    }
    let mut found = Vec::new();
    walk(root, "", &mut found);
    found.sort();
    found
}

fn comments(document: &Document) -> Vec<String> {
    let mut texts: Vec<_> =
        document.comments.iter().map(|comment| comment.text.trim_end().to_owned()).collect();
    texts.sort();
    texts
}

/// What holds for every text that can be read. `false` if this one cannot.
fn holds(source: &str) -> bool {
    let Ok((before, text)) = canonical(source) else { return false };
    let after =
        yaml::parse(&text).unwrap_or_else(|errors| panic!("{source}\n->\n{text}\n{errors:?}"));
    assert_eq!(leaves(&before.root), leaves(&after.root), "{source}\n->\n{text}");
    assert_eq!(comments(&before), comments(&after), "{source}\n->\n{text}");
    assert_eq!(format(source).unwrap(), text, "{source}");
    let again = format(&text).unwrap();
    let other = again.lines().zip(text.lines()).position(|(one, other)| one != other);
    assert!(again == text, "line {other:?} changes:\n{source}\n->\n{text}\n->\n{again}");
    assert!(text.ends_with('\n') && !text.contains('\r'), "{text:?}");
    if after.block_scalars.is_empty() {
        assert!(
            !text.contains("\n\n\n") && !text.contains(" \n") && !text.ends_with("\n\n"),
            "{text}"
        );
    }
    true
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn broken() -> PathBuf {
    repository().join("tests/broken")
}

/// Every manifest of the repository, broken ones too.
pub(crate) fn manifests() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        ["manifests", "tests/good", "tests/broken"].map(|name| repository().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_manifest_of_the_repository_keeps_what_it_says() {
    let readable = manifests().iter().filter(|(_, text)| holds(text)).count();
    assert!(readable > 80, "only {readable} manifests can be read");
}

/// Texts with their canonical forms.
fn becomes(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(format(source).as_deref(), Ok(*expected), "{source}");
        assert!(holds(source));
    }
}

#[test]
fn known_keys_are_sorted_and_the_authors_are_not() {
    becomes(&[
        (
            "streams:\n  b: { every: 1h, provides: users }\n  a:\n    map: { user.uid: $.b, to: x, a: b }\nid: x\n",
            "id: x\n\nstreams:\n  b: { provides: users, every: 1h }\n  a:\n    map: { to: x, user.uid: $.b, a: b }\n",
        ),
        // A key that does not belong here stays with the one before it.
        (
            "http: x\nhttps: d\nid: a\nversions: b\nversion: c\n",
            "id: a\nversions: b\nversion: c\nhttp: x\nhttps: d\n",
        ),
        ("strange:\n  z: 1\n  a: 2\n", "strange:\n  z: 1\n  a: 2\n"),
    ]);
}

#[test]
fn comments_stay_with_what_they_are_about() {
    becomes(&[
        (
            "# yaml-language-server: $schema=s.json\n# About the id.\nid: a # beside the id\nmanifest: b\n",
            "# yaml-language-server: $schema=s.json\nmanifest: b\n# About the id.\nid: a # beside the id\n",
        ),
        (
            "# The licence.\n\n# About the id.\nid: a\n# About the manifest.\nmanifest: b\n# The end.\n",
            "# The licence.\n\n# About the manifest.\nmanifest: b\n# About the id.\nid: a\n# The end.\n",
        ),
        (
            "http: # how\n    # About the time.\n    timeout: 1m\n    base_url: x\n    # The end of the section.\n  # And more.\n# About the app.\napp:\n  name: x\n",
            "# About the app.\napp:\n  name: x\n\nhttp: # how\n  base_url: x\n  # About the time.\n  timeout: 1m\n  # The end of the section.\n  # And more.\n",
        ),
        (
            "errors:\n# First.\n- then: stop   # at once\n  # Which.\n  when: {status: 401}\n# About the next section.\nfacts: {}\n",
            "errors:\n  # First.\n  # Which.\n  - when: { status: 401 }\n    then: stop # at once\n# About the next section.\nfacts: {}\n",
        ),
        (
            "app: { # what\n  name: a, # its name\n  # who\n  vendor: b } # beside\n",
            "app: # beside\n  # what\n  name: a # its name\n  # who\n  vendor: b\n",
        ),
        ("a: | # header\n    text\n", "a: | # header\n  text\n"),
        ("- # about it\n  a: 1\n- - # deeper\n    b\n", "# about it\n- a: 1\n- - b # deeper\n"),
    ]);
}

#[test]
fn blank_lines_and_breaks() {
    becomes(&[
        ("\u{feff}a: 1\r\n\r\n\r\nb: 2   \r\n\r\n", "a: 1\n\nb: 2\n"),
        ("a:\n\n  b: 1\n\n\n  c: 2\n\nd: 3", "a:\n  b: 1\n\n  c: 2\n\nd: 3\n"),
        // Sections that become neighbours are parted.
        (
            "http:\n  timeout: 1m\nid: a\napp:\n  name: b\n",
            "id: a\napp:\n  name: b\n\nhttp:\n  timeout: 1m\n",
        ),
        ("---\na: 1\n...\n", "a: 1\n"),
    ]);
}

#[test]
fn scalars_are_written_in_one_way() {
    becomes(&[
        (
            "a: \"Harbor, Inc.\"\nb: 'true'\nc: '12'\nd: ''\n",
            "a: Harbor, Inc.\nb: \"true\"\nc: \"12\"\nd: \"\"\n",
        ),
        (
            "a: '{{inputs.a}}'\nb: \"[)\"\nc: '(\\d+)'\n",
            "a: \"{{inputs.a}}\"\nb: \"[)\"\nc: '(\\d+)'\n",
        ),
        ("a: \"say \\\"so\\\"\"\nb: 'it''s \"so\"'\n", "a: 'say \"so\"'\nb: 'it''s \"so\"'\n"),
        ("a: \"tab\\tand\\nline\"\n", "a: \"tab\\tand\\nline\"\n"),
        ("a: \"2026-10-01\"\nb: 2026-10-01\n", "a: \"2026-10-01\"\nb: 2026-10-01\n"),
        (
            "\"a\": True\n'1': ~\non: Null\n\"on \": \n",
            "a: true\n\"1\": null\non: null\n\"on \":\n",
        ),
        (
            "a:    plain\n      text\nb: 'two\n\n    lines'\n",
            "a: plain\n  text\nb: 'two\n\n  lines'\n",
        ),
        (
            "a:\n    - >-\n       one\n         two\n\n       three\n    - |+\n       x\n\n",
            "a:\n  - >-\n    one\n      two\n\n    three\n  - |+\n    x\n\n",
        ),
        ("a: |1\n   deeper\n  text\n", "a: |2\n    deeper\n   text\n"),
    ]);
}

#[test]
fn flow_style_is_kept_where_it_fits() {
    let long = "x".repeat(40);
    becomes(&[
        ("a: {b: c,\n  d: [e,f , {g: }]}\n", "a: { b: c, d: [e, f, { g: null }] }\n"),
        ("a:\n- {}\n- [ ]\n- {a: b}\n", "a:\n  - {}\n  - []\n  - { a: b }\n"),
        (
            &std::format!("a: [{long}, {long}, {{ b: 1 }}]\n"),
            &std::format!("a: [{long}, {long}, {{ b: 1 }}]\n"),
        ),
        (
            &std::format!("a: [{long}, {long}, {{ bcdefghi: 1 }}]\n"),
            &std::format!("a:\n  - {long}\n  - {long}\n  - {{ bcdefghi: 1 }}\n"),
        ),
        (
            &std::format!("- {{ a: \"b[]\", {long}: 1, {long}: 2, long: enough }}\n")
                .replacen(&long, "c", 1),
            &std::format!("- {{ a: \"b[]\", c: 1, {long}: 2, long: enough }}\n"),
        ),
    ]);
}

#[test]
fn what_cannot_be_read_again_is_left_as_it_is() {
    // A key of more than 1024 characters needs a `?` (YAML 1.2.2, section 7.4.2).
    let source = std::format!("? {}\n:   1\n", "k".repeat(1100));
    assert_eq!(format(&source), Ok(source));
    let errors = format("a: {{b}}\n").unwrap_err();
    assert_eq!(errors[0].span.start, 3);
}

#[test]
fn the_manifests_that_are_an_example_are_formatted() {
    let examples = manifests().into_iter().filter(|(path, _)| !path.starts_with(broken()));
    let untidy: Vec<_> = examples
        .filter(|(_, text)| format(text).as_ref() != Ok(text))
        .map(|found| found.0)
        .collect();
    assert!(untidy.is_empty(), "run `longshore fmt` on {untidy:?}");
}

/// What generated documents are made of.
struct Maker<'c> {
    choices: std::slice::Iter<'c, u8>,
    out: String,
    keys: usize,
}

const KEYS: [&str; 18] = [
    "streams",
    "manifest",
    "id",
    "app",
    "http",
    "map",
    "to",
    "activity",
    "by",
    "cases",
    "user.uid",
    "request",
    "every",
    "on",
    "401",
    "a b",
    "$[0].code",
    "links",
];
const PLAIN: [&str; 14] = [
    "text",
    "two words",
    "12",
    "1.5e3",
    "true",
    "null",
    "~",
    "https://a.test/b?c=d#e",
    "$.a[*]",
    "it's",
    "a:b",
    "-x",
    "2026-10-01",
    "{{",
];
const QUOTED: [&str; 16] = [
    "''",
    "\"\"",
    "'plain'",
    "\"true\"",
    "'{{inputs.a}}'",
    "\"a: b\"",
    "'a # b'",
    "\"tab\\tline\\n\"",
    "'it''s'",
    "\" blank \"",
    "\"\\u2028\"",
    "'^(\\w+)\"$'",
    "\"12:30\"",
    "'[)'",
    "\"- a\"",
    "'a, b'",
];
const LINES: [&str; 8] =
    ["one", "  deeper", "", "two words", "# no comment", "- no list", "k: v", "   "];

impl Maker<'_> {
    /// A number below `most`; nothing but zeros when the choices are spent.
    fn choice(&mut self, most: usize) -> usize {
        usize::from(*self.choices.next().unwrap_or(&0)) % most
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.choice(from.len())]
    }

    fn blanks(&mut self, indentation: usize) {
        for _ in 0..self.choice(6).saturating_sub(3) {
            let width = if self.choice(4) == 3 { 3 } else { 0 };
            writeln!(self.out, "{:width$}", "").unwrap();
        }
        for _ in 0..self.choice(6).saturating_sub(3) {
            let width = [indentation, indentation, 0, indentation + 2, 1][self.choice(5)];
            let text = self.pick(&["# about it", "#", "#close  ", "# - a: b"]);
            writeln!(self.out, "{:width$}{text}", "").unwrap();
            if self.choice(4) == 3 {
                self.out.push('\n');
            }
        }
    }

    fn end_of_line(&mut self) {
        let end = self.pick(&["", "", "", "", " # beside", "   #  far ", "  ", " # x\n# below"]);
        self.out.push_str(end);
        self.out.push('\n');
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        let key = self.pick(&KEYS);
        let key = if self.choice(2) == 0 { key.to_owned() } else { format!("{key}{}", self.keys) };
        match self.choice(5) {
            3 => format!("'{key}'"),
            4 => format!("\"{key}\""),
            _ => key,
        }
    }

    fn mapping(&mut self, indentation: usize, depth: usize, mut inline: bool) {
        for _ in 0..=self.choice(4) {
            if !std::mem::take(&mut inline) {
                self.blanks(indentation);
                write!(self.out, "{:indentation$}", "").unwrap();
            }
            let key = self.key();
            if self.choice(12) == 11 {
                write!(self.out, "? {key}\n{:indentation$}:", "").unwrap();
            } else {
                write!(self.out, "{key}:").unwrap();
            }
            self.value(indentation, depth, true);
        }
    }

    fn sequence(&mut self, indentation: usize, depth: usize, mut inline: bool) {
        for _ in 0..=self.choice(4) {
            if !std::mem::take(&mut inline) {
                self.blanks(indentation);
                write!(self.out, "{:indentation$}", "").unwrap();
            }
            self.out.push('-');
            self.value(indentation, depth, false);
        }
    }

    /// A value behind its key or dash, to the end of its last line.
    fn value(&mut self, indentation: usize, depth: usize, has_key: bool) {
        let kinds = if depth < 4 { 14 } else { 8 };
        match self.choice(kinds) {
            0 | 1 => {
                let text = self.pick(&PLAIN);
                write!(self.out, " {text}").unwrap();
                self.end_of_line();
            }
            2 => {
                let text = self.pick(&QUOTED);
                write!(self.out, "  {text}").unwrap();
                self.end_of_line();
            }
            3 => self.end_of_line(),
            4 => {
                let header = self.pick(&["|", "|-", "|+", ">", ">-", ">+", "> # folded", "|-  #"]);
                writeln!(self.out, " {header}").unwrap();
                let width = indentation + 1 + self.choice(4);
                for number in 0..=self.choice(5) {
                    let line = if number == 0 { "first" } else { self.pick(&LINES) };
                    writeln!(self.out, "{:width$}{line}", "").unwrap();
                }
            }
            5 => {
                let inner = indentation + 2;
                let lines = self.pick(&["a|b", "'a|b'", "\"a\\|  b\"", "'a||b'", "a||b c|d"]);
                let lines = lines.replace('|', &format!("\n{:inner$}", ""));
                write!(self.out, " {lines}").unwrap();
                self.end_of_line();
            }
            6 | 7 => {
                self.out.push(' ');
                self.flow(indentation + 2, depth);
                self.end_of_line();
            }
            8..=10 if has_key => {
                self.end_of_line();
                let deeper = indentation + 1 + self.choice(4);
                self.mapping(deeper, depth + 1, false);
            }
            11 | 12 if has_key => {
                self.end_of_line();
                let deeper = indentation + self.choice(3);
                self.sequence(deeper, depth + 1, false);
            }
            8..=10 => {
                let pad = self.choice(3);
                if pad == 2 {
                    self.end_of_line();
                    self.mapping(indentation + 2, depth + 1, false);
                } else {
                    write!(self.out, " {:pad$}", "").unwrap();
                    self.mapping(indentation + 2 + pad, depth + 1, true);
                }
            }
            11 | 12 => {
                self.out.push(' ');
                self.sequence(indentation + 2, depth + 1, true);
            }
            _ => {
                self.end_of_line();
                let text = self.pick(&PLAIN);
                let inner = indentation + 3;
                write!(self.out, "{:inner$}{text}", "").unwrap();
                self.end_of_line();
            }
        }
    }

    fn flow(&mut self, indentation: usize, depth: usize) {
        let mapping = self.choice(2) == 0;
        let spread = self.choice(3) == 2;
        self.out.push(if mapping { '{' } else { '[' });
        for number in 0..self.choice(6) {
            if number > 0 {
                self.out.push(',');
            }
            if spread {
                self.end_of_line();
                write!(self.out, "{:indentation$}", "").unwrap();
            } else {
                self.out.push(' ');
            }
            if mapping {
                let key = self.key().replace(['[', ']'], "");
                write!(self.out, "{key}: ").unwrap();
            }
            match self.choice(if depth < 4 { 8 } else { 6 }) {
                0..=2 => {
                    let text = self.pick(&["text", "$.a", "12", "true", "a b", "null", "a:b"]);
                    self.out.push_str(text);
                }
                3 => {
                    let text = self.pick(&["a long text, as long as it has to be", "'it''s'"]);
                    self.out.push_str(if text.contains(',') {
                        "'a long text, as long'"
                    } else {
                        text
                    });
                }
                4 => {
                    let text = self.pick(&QUOTED);
                    self.out.push_str(text);
                }
                5 if mapping => {}
                5 => self.out.push_str("a: b"),
                _ => self.flow(indentation + 2, depth + 1),
            }
        }
        if spread {
            self.end_of_line();
            write!(self.out, "{:indentation$}", "").unwrap();
        }
        self.out.push(if mapping { '}' } else { ']' });
    }
}

/// A document of the kind that people write, made of choices.
pub(crate) fn document(choices: &[u8]) -> String {
    let mut maker = Maker { choices: choices.iter(), out: String::new(), keys: 0 };
    let start = maker.pick(&[
        "",
        "",
        "",
        "# yaml-language-server: $schema=a.json\n",
        "--- # start\n",
        "\u{feff}",
    ]);
    maker.out.push_str(start);
    match maker.choice(8) {
        6 => maker.sequence(0, 0, false),
        7 => {
            maker.flow(1, 0);
            maker.end_of_line();
        }
        _ => maker.mapping(0, 0, false),
    }
    maker.blanks(0);
    let text = maker.out;
    match choices.len() % 7 {
        0 => text.replace('\n', "\r\n"),
        1 => text.trim_end().to_owned(),
        _ => text,
    }
}

/// A manifest whose lines were thrown about.
pub(crate) fn mangled(mut lines: Vec<String>, changes: &[(usize, u8, u8)]) -> String {
    for (place, kind, width) in changes {
        let place = place % lines.len();
        let width = usize::from(width % 8);
        match kind % 9 {
            0 => lines.insert(place, format!("{:width$}# about the next line", "")),
            1 => lines.insert(place, String::new()),
            2 => lines[place].push_str(" # beside"),
            3 => {
                let other = (place + 1) % lines.len();
                lines.swap(place, other);
            }
            4 => lines[place].insert_str(0, "  "),
            5 => {
                let line = lines[place].trim_start().to_owned();
                lines[place] = format!("{:width$}{line}", "");
            }
            6 => lines[place] = lines[place].replacen(": ", ":   ", 1),
            7 => {
                let line = lines.remove(place);
                lines.push(line);
            }
            _ => {
                let colon = lines[place].find(": ").map_or(0, |at| at + 2);
                let (key, value) = lines[place].split_at(colon);
                lines[place] = format!("{key}{{ a: {value}, b: [{value}] }}");
            }
        }
        if lines.is_empty() {
            return String::new();
        }
    }
    lines.join("\n")
}

pub(crate) fn any_manifest() -> impl Strategy<Value = Vec<String>> {
    let texts: Vec<Vec<String>> = manifests()
        .into_iter()
        .filter(|(path, _)| !path.starts_with(broken()))
        .map(|(_, text)| text.lines().map(str::to_owned).collect())
        .collect();
    proptest::sample::select(texts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn generated_documents_keep_what_they_say(choices in vec(any::<u8>(), 0..400)) {
        prop_assume!(holds(&document(&choices)));
    }

    #[test]
    fn any_text_is_formatted_once_or_refused(text in r#"([a-c'"{}\[\],:#&*!|>%@?. \t\r\n-]|é){0,60}"#) {
        if let Ok(formatted) = format(&text) {
            prop_assert_eq!(format(&formatted).unwrap(), formatted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn mangled_manifests_keep_what_they_say(
        lines in any_manifest(),
        changes in vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6),
    ) {
        prop_assume!(holds(&mangled(lines, &changes)));
    }
}
