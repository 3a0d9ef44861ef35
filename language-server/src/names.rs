//! Names that the author gives and uses again: where they are defined and where they are used.

use std::ops::Range;

use longshore_schema::yaml::{Content, Entry, Node};

use crate::document::Document;
use crate::template;

/// What a name is the name of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `inputs.NAME`
    Input,
    /// `facts.NAME`
    Fact,
    /// `auth.NAME`, a member of the token response.
    Token,
    /// A stream, used where it says what needs or lacks something.
    Stream,
    /// A step of the stream of this name.
    Step(String),
    /// A permission.
    Permission,
    /// Settings of the app that are read.
    Settings,
    /// A check of settings.
    Check,
    /// An action, used by the one that it takes back.
    Action,
    /// `action.NAME`, an input of the action of this name.
    Given(String),
}

impl Kind {
    /// What it is called in messages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Fact => "fact",
            Self::Token => "member of the token response",
            Self::Stream => "stream",
            Self::Step(_) => "step",
            Self::Permission => "permission",
            Self::Settings => "entry of `settings`",
            Self::Check => "check",
            Self::Action => "action",
            Self::Given(_) => "input of an action",
        }
    }
}

/// One place of a name.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence<'t> {
    pub(crate) kind: Kind,
    pub(crate) name: &'t str,
    /// The bytes of the name alone.
    pub(crate) bytes: Range<usize>,
    /// The entry that defines it, if this is its definition.
    pub(crate) definition: Option<&'t Entry>,
}

/// All names of a document, in the order in which they stand.
pub(crate) fn occurrences(document: &Document) -> Vec<Occurrence<'_>> {
    let Some(root) = document.tree() else { return Vec::new() };
    let mut found = Vec::new();
    walk(document.source(), root, root, &mut Vec::new(), &mut found);
    found
}

/// The name at a byte, at its end too.
pub(crate) fn at(document: &Document, offset: usize) -> Option<Occurrence<'_>> {
    let touches = |found: &Occurrence<'_>| found.bytes.start <= offset && offset <= found.bytes.end;
    occurrences(document).into_iter().find(touches)
}

/// What the author named so.
pub(crate) fn defined<'t>(root: &'t Node, kind: &Kind) -> &'t [Entry] {
    let path: &[&str] = match kind {
        Kind::Input => &["inputs"],
        Kind::Fact => &["facts"],
        Kind::Token => &["auth", "oauth2", "token"],
        Kind::Stream => &["streams"],
        Kind::Step(stream) => &["streams", stream, "steps"],
        Kind::Permission => &["permissions"],
        Kind::Settings => &["settings"],
        Kind::Check => &["posture", "checks"],
        Kind::Action => &["actions"],
        Kind::Given(action) => &["actions", action, "inputs"],
    };
    let node = path.iter().try_fold(root, |node, key| Some(&node.entry(key)?.value));
    node.map(Node::entries).unwrap_or_default()
}

fn walk<'t>(
    source: &'t str,
    root: &'t Node,
    node: &'t Node,
    path: &mut Vec<&'t str>,
    found: &mut Vec<Occurrence<'t>>,
) {
    match &node.content {
        Content::Mapping(entries) => {
            let kind = defines(path);
            for entry in entries {
                if let Some(kind) = &kind {
                    found.push(Occurrence {
                        kind: kind.clone(),
                        name: &entry.key,
                        bytes: unquoted(source, entry.key_span.range()),
                        definition: Some(entry),
                    });
                }
                path.push(&entry.key);
                walk(source, root, &entry.value, path, found);
                path.pop();
            }
        }
        Content::Sequence(items) => {
            for item in items {
                path.push("*");
                walk(source, root, item, path, found);
                path.pop();
            }
        }
        Content::String(text) => {
            if let Some(kind) = uses(path)
                && (kind != Kind::Stream || defined(root, &kind).iter().any(|e| e.key == *text))
            {
                let bytes = unquoted(source, node.span.range());
                found.push(Occurrence { kind, name: text, bytes, definition: None });
            }
            if text.contains("{{") {
                in_template(source, root, node.span.range(), path, found);
            }
        }
        _ => {}
    }
}

fn in_template<'t>(
    source: &'t str,
    root: &'t Node,
    span: Range<usize>,
    path: &[&'t str],
    found: &mut Vec<Occurrence<'t>>,
) {
    for reference in template::references(source.get(span.clone()).unwrap_or_default()) {
        let start = span.start + reference.bytes.start;
        let (first, rest) = reference.text.split_once('.').unwrap_or((reference.text, ""));
        let kind = match (first, path) {
            ("inputs", _) => Kind::Input,
            ("facts", _) => Kind::Fact,
            ("auth", _) => Kind::Token,
            ("action", ["actions", action, ..]) => Kind::Given((*action).to_owned()),
            (step, ["streams", stream, ..]) => {
                let kind = Kind::Step((*stream).to_owned());
                if defined(root, &kind).iter().any(|entry| entry.key == step) {
                    let bytes = start..start + step.len();
                    found.push(Occurrence { kind, name: step, bytes, definition: None });
                }
                continue;
            }
            _ => continue,
        };
        let name = rest.split('.').next().unwrap_or_default();
        if !name.is_empty() {
            let start = start + first.len() + 1;
            let bytes = start..start + name.len();
            found.push(Occurrence { kind, name, bytes, definition: None });
        }
    }
}

/// What the keys of the mapping at a path are names of.
fn defines(path: &[&str]) -> Option<Kind> {
    Some(match path {
        ["inputs"] => Kind::Input,
        ["facts"] => Kind::Fact,
        ["auth", "oauth2", "token"] => Kind::Token,
        ["streams"] => Kind::Stream,
        ["streams", stream, "steps"] => Kind::Step((*stream).to_owned()),
        ["permissions"] => Kind::Permission,
        ["settings"] => Kind::Settings,
        ["posture", "checks"] => Kind::Check,
        ["actions"] => Kind::Action,
        ["actions", action, "inputs"] => Kind::Given((*action).to_owned()),
        _ => return None,
    })
}

/// What the text at a path is the name of; items of lists are `*` in the path.
pub(crate) fn uses(path: &[&str]) -> Option<Kind> {
    Some(match path {
        ["actions", _, "permissions", "*"]
        | ["posture", "checks", _, "permissions", "*"]
        | ["permissions", _, "or", "*"] => Kind::Permission,
        ["permissions", _, "needed_by", "*"]
        | ["prerequisites", _, "affects"]
        | ["prerequisites", _, "affects", "*"] => Kind::Stream,
        ["posture", "checks", _, "conflicts_with", "*"] => Kind::Check,
        ["actions", _, "revert"] => Kind::Action,
        ["permissions" | "prerequisites" | "posture" | "actions", .., "fact"] => Kind::Fact,
        ["permissions" | "prerequisites" | "posture" | "actions", .., "settings"] => Kind::Settings,
        _ => return None,
    })
}

/// Bytes without the quotes around them.
fn unquoted(source: &str, bytes: Range<usize>) -> Range<usize> {
    let text = source.get(bytes.clone()).unwrap_or_default();
    if text.len() >= 2 && text.starts_with(['"', '\'']) && text.ends_with(['"', '\'']) {
        bytes.start + 1..bytes.end - 1
    } else {
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Encoding, Text};

    #[test]
    fn definitions_and_uses_are_told_apart() {
        let source = "inputs:\n  host: {}\nauth:\n  oauth2:\n    token:\n      base: $.b\nfacts:\n  f: {}\n\
            streams:\n  s:\n    steps:\n      list: {}\n      rows: { get: '{{list.Id}}{{auth.base}}' }\n\
            \x20   q: >-\n      {{inputs.host}} {{facts.f}} {{record.x}}\n\
            actions:\n  a: { revert: b, inputs: { u: 1 }, x: \"{{action.u}}\", permissions: [p] }\n  b: {}\n\
            permissions:\n  p: { needed_by: [s, users], probe: { fact: f } }\n";
        let text = Text::new(source.to_owned(), Encoding::Utf16);
        let document = Document::new("file:///manifest.yaml".into(), 1, text);
        let found = occurrences(&document);
        for one in &found {
            assert_eq!(&source[one.bytes.clone()], one.name, "{one:?}");
        }
        let uses: Vec<_> = found
            .iter()
            .filter(|one| one.definition.is_none())
            .map(|one| (one.kind.word(), one.name))
            .collect();
        assert_eq!(
            uses,
            [
                ("step", "list"),
                ("member of the token response", "base"),
                ("input", "host"),
                ("fact", "f"),
                ("action", "b"),
                ("input of an action", "u"),
                ("permission", "p"),
                ("stream", "s"),
                ("fact", "f"),
            ]
        );
        for one in found.iter().filter(|one| one.definition.is_none()) {
            let is_it = |d: &&Occurrence<'_>| {
                d.definition.is_some() && (&d.kind, d.name) == (&one.kind, one.name)
            };
            assert_eq!(found.iter().filter(is_it).count(), 1, "{one:?}");
        }
    }
}
