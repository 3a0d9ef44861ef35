//! Both of our readers against one that has nothing in common with them: `serde_norway`, which
//! reads with a translation of libyaml and resolves scalars by its own rules. `granit-parser`
//! descends from yaml-rust, and so shares no code with it; most programs that would read a manifest
//! beside us use libyaml.
//!
//! Whatever we accept, the other accepts with the same keys and the same values of the same types.
//! What it would read otherwise we refuse, except for what [`known`] lists.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Content, Node, parse, plain};
use crate::format::tests::{any_manifest, document, mangled, manifests};

/// A document without places, as both readers see it. Keys are text to both: manifests give them no
/// types, and programs that read into named members do not either.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    String(String),
    Sequence(Vec<Value>),
    Mapping(Vec<(String, Value)>),
}

impl From<&Node> for Value {
    fn from(node: &Node) -> Self {
        match &node.content {
            Content::Null => Self::Null,
            Content::Bool(value) => Self::Bool(*value),
            Content::Integer(value) => Self::Integer((*value).into()),
            Content::Float(value) => Self::Float(*value),
            Content::String(text) => Self::String(text.clone()),
            Content::Sequence(items) => Self::Sequence(items.iter().map(Self::from).collect()),
            Content::Mapping(entries) => {
                let pair = |entry: &super::Entry| (entry.key.clone(), Self::from(&entry.value));
                Self::Mapping(entries.iter().map(pair).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Integer(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Integer(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
                Ok(Value::Integer(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::String(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut read = Vec::new();
                while let Some(item) = items.next_element()? {
                    read.push(item);
                }
                Ok(Value::Sequence(read))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut read = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    read.push(entry);
                }
                Ok(Value::Mapping(read))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn other(source: &str) -> Result<Value, String> {
    serde_norway::from_str(source).map_err(|error| error.to_string())
}

/// A text without what libyaml reads otherwise than YAML 1.2.2 says, and we do not follow.
fn prepared(source: &str) -> String {
    // It takes the mark for a column of the first line, and so for its indentation.
    let mut text = source.strip_prefix('\u{feff}').unwrap_or(source).to_owned();
    // Without a line break at its end, a text in block style has none there; with YAML 1.2.2
    // (section 8.1.1.2) and its tests (L24T) it has. Editors, and our formatter, write one.
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What libyaml does not read at all and YAML 1.2 does, by what it says. Nobody misreads what is
/// refused.
const REFUSED: &[(&str, &str)] = &[
    // `[:a]`: YAML 1.2.2, section 7.3.3, rule ns-plain-first.
    ("did not find expected node content", "a plain scalar in flow style may start with a colon"),
    // `[a:]`: the same section, rule ns-plain-safe.
    ("found unexpected ':'", "a colon in front of a bracket ends a key"),
    // YAML 1.2.2, section 6.2: separation is spaces and tabs.
    ("found character that cannot start any token", "a tab may stand in front of a token"),
    // YAML 1.2.2, section 6.6: a line of blanks alone is a comment, and so no part of a scalar.
    ("found a tab character that violates indentation", "an empty line may hold tabs"),
    // YAML 1.2.2, section 8.1.1.1: behind the indentation a tab is content.
    (
        "found a tab character where an indentation space is expected",
        "the first line of a text in block style may start with a tab",
    ),
];

/// Why the other reader may differ about a text.
fn known(ours: &Value, theirs: &Result<Value, String>) -> Option<&'static str> {
    if matches!(ours, Value::String(_)) {
        // YAML 1.2.2, section 9.1.3: below `|` at the root no indentation is needed.
        return Some("libyaml wants a text in block style indented, and no manifest is one text");
    }
    let error = theirs.as_ref().err()?;
    REFUSED.iter().find(|(message, _)| error.contains(message)).map(|(_, reason)| *reason)
}

/// Whether a text is accepted, and then by both of our readers as by the other.
fn agrees(source: &str) -> bool {
    let source = &prepared(source);
    let Ok(document) = parse(source) else {
        assert_eq!(plain::tree(source), None, "{source:?}");
        return false;
    };
    let ours = Value::from(&document.root);
    if let Some(tree) = plain::tree(source) {
        assert_eq!(Value::from(&tree), ours, "{source:?}");
    }
    let theirs = other(source);
    let same = theirs.as_ref() == Ok(&ours) || known(&ours, &theirs).is_some();
    assert!(same, "{source:?}\nours: {ours:?}\nthe other: {theirs:?}");
    true
}

/// The fenced YAML of the repository's pages.
fn examples() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut found = Vec::new();
    for folder in ["validator/rules", "docs"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let page = std::fs::read_to_string(path).unwrap();
                let blocks = page.split("\n```yaml").skip(1);
                let inner =
                    blocks.filter_map(|block| block.split_once('\n')?.1.split_once("\n```"));
                found.extend(inner.map(|(text, _)| format!("{text}\n")));
            }
        }
    }
    found
}

#[test]
fn manifests_and_examples_are_read_alike() {
    let texts = manifests().into_iter().map(|(_, text)| text);
    let accepted = texts.filter(|text| agrees(text)).count();
    assert!(accepted > 80, "{accepted}");
    let accepted = examples().iter().filter(|text| agrees(text)).count();
    assert!(accepted > 200, "{accepted}");
}

/// Plain scalars that some reader takes for something else than text.
const SCALARS: &[&str] = &[
    "null",
    "Null",
    "NULL",
    "nULL",
    "~",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "false",
    "False",
    "FALSE",
    "yes",
    "Yes",
    "no",
    "NO",
    "on",
    "Off",
    "y",
    "N",
    "0",
    "-0",
    "+0",
    "00",
    "-00",
    "0.0",
    "-0.0",
    "+0.0",
    "1",
    "+1",
    "-1",
    "--1",
    "+-1",
    "1.",
    ".1",
    "-.1",
    "+.1",
    ".",
    "-.",
    "+.",
    "..",
    "...a",
    "1.0",
    "+1.0",
    "01",
    "-01",
    "+01",
    "01.5",
    "-01.5",
    "007",
    "08",
    "09.5",
    "0o7",
    "-0o7",
    "+0o7",
    "0o",
    "0o8",
    "0x1f",
    "-0x1f",
    "+0x1f",
    "0X1F",
    "0x",
    "0b11",
    "-0b11",
    "+0b1",
    "0b",
    "0b2",
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "1e",
    "e3",
    "1e3.5",
    ".e3",
    "1.e3",
    ".5e3",
    "+1e3",
    "-1e3",
    "+e3",
    "1e400",
    "-1e400",
    "1e-400",
    "01e3",
    "00e0",
    "0e0",
    "1_000",
    "1_000.5",
    "_1",
    "1_",
    "1__0",
    "0x_1",
    "1,000",
    "12:30",
    "12:30:45",
    "1:60",
    "190:20:30",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    ".inf",
    "-.inf",
    "+.inf",
    ".Inf",
    ".INF",
    ".iNF",
    "inf",
    "Inf",
    "infinity",
    "nan",
    "NaN",
    ".nan",
    ".NaN",
    ".NAN",
    "-.nan",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "1.0.0",
    "1-1",
    "1+1",
    "1e3e3",
    "=",
    "<<",
    "a=b",
    "0.",
    "-0.",
    "1.5e",
    "1.5e+",
    "٣",
    "１",
];

#[test]
fn scalars_are_of_the_same_type_or_refused() {
    let mut accepted = 0;
    for scalar in SCALARS {
        for text in [
            format!("a: {scalar}\n"),
            format!("a:\n  - {scalar}\n"),
            format!("a: [{scalar}]\n"),
            format!("{{a: {scalar}}}\n"),
            format!("a: '{scalar}'\n"),
            format!("a: \"{scalar}\"\n"),
            format!("{scalar}: a\n"),
            format!("{scalar}\n"),
        ] {
            accepted += usize::from(agrees(&text));
        }
    }
    assert!(accepted > SCALARS.len() * 4, "{accepted}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_documents_are_read_alike(choices in vec(any::<u8>(), 0..400)) {
        agrees(&document(&choices));
    }

    #[test]
    fn numbers_are_read_alike(text in "[-+]?[0-9._eExob:-]{1,8}") {
        agrees(&format!("a: {text}\n"));
        agrees(&format!("[{text}]"));
    }

    #[test]
    fn small_texts_are_read_alike(
        pieces in vec(proptest::sample::select(vec![
            "a", "b", "c: ", "d:", "e: f", "\n", "\n", "\n  ", "\n  ", "\n    ", " ", "- ", "- g", "[",
            "]", "{", "}", ", ", "\"h\"", "'i'", " # j", "# k", "|", "|-", ">", ">-", "1", "null", ".",
            "-", ":", "l: m", "{n: o}", "[p]", "\"q\": r", "$.s", "...", "---", "é", "\t", "\\n", "? ",
            "|+", ">2", "''", "\"\"", "\r\n", "\u{85}", "\u{2028}", "%", "@",
        ]), 0..14),
    ) {
        agrees(&format!("x: {}", pieces.concat()));
        agrees(&pieces.concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_manifests_are_read_alike(
        lines in any_manifest(),
        changes in vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..6),
    ) {
        agrees(&mangled(lines, &changes));
    }
}
