//! Manifests in their one canonical form: `longshore fmt`.
//!
//! Keys that the language knows stand in the order of the published JSON Schema; keys that the
//! author chooses stay in theirs. Comments move with what they are about. The style is two spaces
//! of indentation, lists indented below their key, quotes only where they are needed, flow style
//! only where it was written and fits in 100 columns, at most one blank line in a row. Texts in
//! block style keep their lines, and no line is wrapped.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::yaml::{self, Content, Document, Node, SyntaxError};

mod order;
mod scalar;
#[cfg(test)]
pub(crate) mod tests;
mod tree;
mod write;

/// The canonical form of a manifest's text. It says the same, with the same comments, and its own
/// canonical form is itself.
///
/// A text whose canonical form cannot be read any more is given back as it is: one that would then
/// be larger, or deeper, than a manifest may be, or with a key too long to stand on one line.
///
/// # Errors
/// What keeps the front end from reading the text; never an empty list. Whether the manifest is
/// valid does not matter.
pub fn format(source: &str) -> Result<String, Vec<SyntaxError>> {
    let (document, formatted) = canonical(source)?;
    match yaml::parse(&formatted) {
        Ok(written) if says_the_same(&document, &written) => Ok(formatted),
        _ => Ok(source.to_owned()),
    }
}

/// What a text says, and its canonical form.
fn canonical(source: &str) -> Result<(Document, String), Vec<SyntaxError>> {
    let mut document = yaml::parse(source)?;
    let text = unix(source);
    if let Cow::Owned(text) = &text {
        document = yaml::parse(text)?;
    }
    let tree = tree::read(&text, &document, order::root());
    let formatted = write::write(&text, &document, &tree);
    Ok((document, formatted))
}

/// The text without a byte order mark, its lines ended by `\n` alone. YAML reads all line breaks as
/// `\n` (YAML 1.2.2, section 5.4).
fn unix(source: &str) -> Cow<'_, str> {
    let text = source.strip_prefix('\u{feff}').unwrap_or(source);
    if text.contains('\r') {
        return text.replace("\r\n", "\n").replace('\r', "\n").into();
    }
    if text.len() < source.len() { text.to_owned().into() } else { text.into() }
}

/// Whether two documents have the same values and comments, whatever the order of their keys.
fn says_the_same(one: &Document, other: &Document) -> bool {
    let comments = |document: &Document| {
        let texts = document.comments.iter().map(|comment| comment.text.trim_end().to_owned());
        let mut texts: Vec<_> = texts.collect();
        texts.sort_unstable();
        texts
    };
    same(&one.root, &other.root) && comments(one) == comments(other)
}

fn same(one: &Node, other: &Node) -> bool {
    match (&one.content, &other.content) {
        (Content::Mapping(ours), Content::Mapping(theirs)) => {
            let theirs: HashMap<&str, &Node> =
                theirs.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
            let known = |key: &str, value| theirs.get(key).is_some_and(|other| same(value, other));
            ours.len() == theirs.len() && ours.iter().all(|entry| known(&entry.key, &entry.value))
        }
        (Content::Sequence(ours), Content::Sequence(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other,
    }
}
