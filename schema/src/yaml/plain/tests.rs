//! The short way against the whole parser, over all manifests in `tests/` and changed ones.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::parse;
use super::tree;

fn sources() -> &'static [String] {
    static SOURCES: OnceLock<Vec<String>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let mut files: Vec<_> = ["tests/good", "tests/broken", "manifests/salesforce"]
            .iter()
            .flat_map(|folder| std::fs::read_dir(format!("{root}/{folder}")).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    })
}

/// Says whether the short way was taken.
fn agrees(source: &str) -> bool {
    let Some(tree) = tree(source) else { return false };
    assert_eq!(Ok(&tree), parse(source).as_ref().map(|document| &document.root), "{source}");
    true
}

#[test]
fn manifests_are_read_the_short_way_with_the_same_result() {
    let taken = sources().iter().filter(|source| agrees(source)).count();
    assert!(taken * 10 > sources().len() * 8, "{taken} of {}", sources().len());
    let complete = include_str!("../../../../tests/good/complete.yaml");
    assert!(tree(complete).is_some());
}

#[test]
fn what_is_unusual_is_left_to_the_whole_parser() {
    for text in [
        "",
        "a",
        "a: *b",
        "a: &b c",
        "a: !b c",
        "a: no",
        "a: 1\na: 2",
        "a:\tb",
        "---\na: b",
        "a: b\n...\n",
        "a: b\n c",
        "a: {{b}}",
        "a: [b\n]",
        "a: \"\\n\"",
        "a: 'b''c'",
        "? a",
        "- a",
        "a: b: c",
        "a: 0x1f",
        "<<: a",
        "a: >+\n  b\n",
        "a: |2\n  b\n",
    ] {
        assert!(tree(text).is_none(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn changed_manifests_have_the_same_tree(
        source in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), 0..3_usize, any::<Index>()), 1..4),
    ) {
        let pieces = [
            "", " ", "  ", "\n", "\n\n", "\n  ", "\n    ", ":", ": ", "- ", "-", "#", " #", "# ", "[", "]",
            "{", "}", ",", ", ", "\"", "'", "|", ">", "|-\n", ">-\n", "|\n  ", "a", "1", "null", "~",
            "a: b", "\n- a", "\n# x\n", "é", "\\", "*", "&", "!", "?", "%", "@", "`", "---", "...",
            "\t", "\r", "0", ".", "- - a", "{a: b}", "[a, b]", "\n      ", "$", "<<", "a:\n",
        ];
        let mut text = source.get(sources()).clone();
        // Long ones are only slower to compare.
        if text.len() > 8_000 {
            text.truncate(text[..8_000].rfind('\n').unwrap());
        }
        for (at, length, piece) in changes {
            let mut characters: Vec<_> = text.chars().collect();
            if characters.is_empty() {
                break;
            }
            let at = at.index(characters.len());
            let end = (at + length).min(characters.len());
            characters.splice(at..end, pieces[piece.index(pieces.len())].chars());
            text = characters.into_iter().collect();
        }
        agrees(&text);
    }

    #[test]
    fn small_texts_have_the_same_tree(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "a", "b", "c: ", "d:", "e: f", "\n", "\n", "\n  ", "\n  ", "\n    ", " ", "- ", "- g", "[",
            "]", "{", "}", ", ", "\"h\"", "'i'", " # j", "# k", "|", "|-", ">", ">-", "1", "null", ".",
            "-", ":", "l: m", "{n: o}", "[p]", "\"q\": r", "$.s", "...", "---", "é",
        ]), 0..14),
    ) {
        agrees(&format!("x: {}", pieces.concat()));
        agrees(&pieces.concat());
    }
}
