//! Any bytes: read as YAML, every place within the text, then loaded as a manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_schema::Span;
use longshore_schema::yaml::{Content, Node, parse};

fn within(source: &str, span: Span) {
    assert!(source.get(span.range()).is_some(), "{span:?} is not within the text");
}

fn places(source: &str, node: &Node) {
    within(source, node.span);
    match &node.content {
        Content::Sequence(items) => items.iter().for_each(|item| places(source, item)),
        Content::Mapping(entries) => {
            for entry in entries {
                within(source, entry.key_span);
                places(source, &entry.value);
            }
        }
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    match parse(source) {
        Ok(document) => {
            places(source, &document.root);
            for comment in &document.comments {
                within(source, comment.span);
            }
            let _ = longshore_schema::load(&document);
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                within(source, error.span);
                assert!(!error.message.is_empty());
            }
        }
    }
});
