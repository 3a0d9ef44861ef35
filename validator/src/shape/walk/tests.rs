//! The walk against a JSON Schema checker, over all manifests in `tests/` and changed ones.

use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use longshore_schema::yaml::{self, Content, Node};
use longshore_schema::{Span, scalar};
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::schema;
use super::{Kind, mismatches};

fn checker() -> &'static jsonschema::Validator {
    static CHECKER: OnceLock<jsonschema::Validator> = OnceLock::new();
    CHECKER.get_or_init(|| {
        let mut options = jsonschema::draft202012::options().should_validate_formats(true);
        for format in scalar::formats() {
            options =
                options.with_format(format.name, move |text: &str| (format.check)(text).is_ok());
        }
        options.build(schema::root()).unwrap()
    })
}

/// What the checker finds, in the walk's words, sorted.
fn by_checker(root: &Node) -> Vec<String> {
    let json = root.to_json();
    let mut found: Vec<_> = checker()
        .iter_errors(&json)
        .map(|error| {
            let what = match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    let mut keys = unexpected.clone();
                    keys.sort();
                    format!("unknown {keys:?}")
                }
                ValidationErrorKind::Required { property } => {
                    format!("missing {:?}", property.as_str().unwrap())
                }
                ValidationErrorKind::PropertyNames { error } => {
                    format!("name {:?}", error.instance().as_str().unwrap())
                }
                ValidationErrorKind::Format { format } => format!("format {format}"),
                ValidationErrorKind::Minimum { limit } => {
                    format!("minimum {:?}", limit.as_f64().unwrap())
                }
                ValidationErrorKind::Maximum { limit } => {
                    format!("maximum {:?}", limit.as_f64().unwrap())
                }
                ValidationErrorKind::MinProperties { .. }
                | ValidationErrorKind::MaxProperties { .. } => "count".to_owned(),
                other => other.keyword().to_owned(),
            };
            format!("{}: {what}", error.instance_path())
        })
        .collect();
    found.sort();
    found
}

/// What the walk finds, sorted.
fn by_walk(root: &Node) -> Vec<String> {
    let mut found: Vec<_> = mismatches(root, usize::MAX)
        .into_iter()
        .map(|mismatch| {
            let what = match mismatch.kind {
                Kind::Unknown(mut keys) => {
                    keys.sort();
                    format!("unknown {keys:?}")
                }
                Kind::Missing(key) => format!("missing {key:?}"),
                Kind::Type => "type".to_owned(),
                Kind::Choice(_) => "enum".to_owned(),
                Kind::Format(format) => format!("format {format}"),
                Kind::Name(name, _) => format!("name {name:?}"),
                Kind::Count => "count".to_owned(),
                Kind::Empty => "minItems".to_owned(),
                Kind::Minimum(limit) => format!("minimum {limit:?}"),
                Kind::Maximum(limit) => format!("maximum {limit:?}"),
            };
            let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
            let path: Vec<_> = mismatch.path.iter().map(escaped).collect();
            let lead = if path.is_empty() { "" } else { "/" };
            format!("{lead}{}: {what}", path.join("/"))
        })
        .collect();
    found.sort();
    found
}

fn trees() -> &'static [Node] {
    static TREES: OnceLock<Vec<Node>> = OnceLock::new();
    TREES.get_or_init(|| {
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");
        let mut files: Vec<_> = ["good", "broken"]
            .iter()
            .flat_map(|folder| std::fs::read_dir(format!("{tests}/{folder}")).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        files
            .iter()
            .filter_map(|path| yaml::parse(&std::fs::read_to_string(path).unwrap()).ok())
            .map(|document| document.root)
            .collect()
    })
}

#[test]
fn the_walk_agrees_with_a_checker_on_all_manifests() {
    assert!(trees().len() > 50, "{}", trees().len());
    let mut mismatched = 0;
    for tree in trees() {
        let found = by_walk(tree);
        mismatched += usize::from(!found.is_empty());
        assert_eq!(found, by_checker(tree));
    }
    assert!(mismatched > 30, "{mismatched}");
}

/// All values below a node, itself included, as mutable places: visits the `at`-th one.
fn visit(node: &mut Node, at: &mut usize, change: &mut dyn FnMut(&mut Node)) -> bool {
    if *at == 0 {
        change(node);
        return true;
    }
    *at -= 1;
    match &mut node.content {
        Content::Sequence(items) => items.iter_mut().any(|item| visit(item, at, change)),
        Content::Mapping(entries) => {
            entries.iter_mut().any(|entry| visit(&mut entry.value, at, change))
        }
        _ => false,
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.content {
        Content::Sequence(items) => items.iter().map(size).sum(),
        Content::Mapping(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    }
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Content),
    /// Takes out an entry or item.
    Remove(Index),
    /// Gives an entry another key.
    Rename(Index, String),
    /// Puts a copy of the value itself below this key, or behind the other items.
    Nest(String),
}

fn content() -> impl Strategy<Value = Content> {
    let text = prop_oneof![
        proptest::sample::select(vec![
            "",
            "1d",
            "10%",
            "$.a",
            "$.a[?@.b == 1]",
            "{{inputs.a}}",
            "{{",
            "$..",
            "users",
            "a.b",
            "1.0.0",
            "5xx",
            "(",
            "(a)",
            "iso8601",
            "%Y",
            "*.a.test",
            "https://a.test",
            "json",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9$.%{}*_\\[\\]() -]{0,12}",
    ];
    prop_oneof![
        Just(Content::Null),
        any::<bool>().prop_map(Content::Bool),
        (-3_i64..1_000).prop_map(Content::Integer),
        any::<i64>().prop_map(Content::Integer),
        (-4_i32..400).prop_map(|quarters| Content::Float(f64::from(quarters) / 4.0)),
        text.prop_map(Content::String),
        Just(Content::Sequence(Vec::new())),
        Just(Content::Mapping(Vec::new())),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let key = || {
        prop_oneof![
            proptest::sample::select(vec![
                "by", "is", "to", "cases", "else", "shared", "from", "when", "then", "activity",
                "get", "post", "records", "key", "map", "a.b", "$.a", "X-A", "a/b", "a~b",
            ])
            .prop_map(str::to_owned),
            "[a-zA-Z0-9$._/~ -]{0,8}",
        ]
    };
    prop_oneof![
        3 => content().prop_map(Change::Replace),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), key()).prop_map(|(at, key)| Change::Rename(at, key)),
        1 => key().prop_map(Change::Nest),
    ]
}

fn apply(node: &mut Node, change: &Change) {
    let copy = node.clone();
    match (change, &mut node.content) {
        (Change::Replace(content), _) => node.content = content.clone(),
        (Change::Remove(at), Content::Sequence(items)) if !items.is_empty() => {
            items.remove(at.index(items.len()));
        }
        (Change::Remove(at), Content::Mapping(entries)) if !entries.is_empty() => {
            entries.remove(at.index(entries.len()));
        }
        (Change::Rename(at, key), Content::Mapping(entries))
            if !entries.is_empty() && entries.iter().all(|entry| entry.key != *key) =>
        {
            let at = at.index(entries.len());
            entries[at].key.clone_from(key);
        }
        (Change::Nest(_), Content::Sequence(items)) => items.push(copy),
        (Change::Nest(key), Content::Mapping(entries))
            if entries.iter().all(|entry| entry.key != *key) =>
        {
            let key_span = Span::default();
            entries.push(yaml::Entry { key: key.clone(), key_span, value: copy });
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_walk_agrees_with_a_checker_on_changed_manifests(
        tree in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), change()), 1..6),
    ) {
        let mut root = tree.get(trees()).clone();
        for (at, change) in changes {
            let mut at = at.index(size(&root));
            visit(&mut root, &mut at, &mut |node| apply(node, &change));
        }
        prop_assert_eq!(by_walk(&root), by_checker(&root));
    }
}
