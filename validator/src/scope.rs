//! What templates can refer to at a place, told from the tree alone: editors ask while the manifest
//! is not complete. `rules::references` decides what is right; a test holds the two together.

use std::collections::HashSet;

use longshore_schema::yaml::{Content, Entry, Node};

use crate::rules::SIGNED;

/// The first part of references that mean something at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The first part, such as `inputs`.
    pub root: String,
    /// What may stand behind its dot; `None` if that is for the app to say: members of a record.
    pub names: Option<Vec<String>>,
}

/// What templates can refer to in the value that these keys and indexes lead to. Empty where no
/// template can stand.
#[must_use]
pub fn variables(root: &Node, path: &[&str]) -> Vec<Variable> {
    let inputs = || keys("inputs", root.entry("inputs"));
    let auth = || {
        let tables = kept(root);
        let names = tables.iter().flat_map(|table| table.value.entries());
        let mut names: Vec<_> = names.map(|entry| entry.key.clone()).collect();
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        signs_in(&root.entry("auth")?.value)
            .then_some(Variable { root: "auth".to_owned(), names: Some(names) })
    };
    let facts = || keys("facts", root.entry("facts"));
    match path {
        ["auth", "one_of", "kinds", _, below @ ..] | ["auth", below @ ..] => {
            std::iter::once(inputs()).chain(signing(root, path, below)).collect()
        }
        ["http", "tls", ..] => vec![inputs()],
        ["http", ..] => std::iter::once(inputs()).chain(auth()).collect(),
        ["facts", name, ..] => {
            let mut earlier = facts();
            if let Some(names) = &mut earlier.names {
                let own = names.iter().position(|known| known == name);
                names.truncate(own.unwrap_or(names.len()));
            }
            std::iter::once(inputs()).chain(auth()).chain([earlier]).collect()
        }
        ["streams", _, "window", ..] | ["streams", _, "cursor", "first"] => vec![inputs(), facts()],
        ["streams", _, "changes", "gone", ..] => {
            vec![Variable { root: "record".to_owned(), names: None }]
        }
        ["streams", name, "map", ..] => {
            let map = root.entry("streams").and_then(|streams| {
                streams.value.entry(name)?.value.entry("map").map(|map| &map.value)
            });
            let has_parts = map.is_some_and(|map| map.entry("for_each").is_some());
            let roots = if has_parts { &["record", "item"][..] } else { &["record"] };
            let variable = |root: &&str| Variable { root: (*root).to_owned(), names: None };
            roots.iter().map(variable).collect()
        }
        ["streams", name, rest @ ..] => {
            let stream = root.entry("streams").and_then(|streams| streams.value.entry(name));
            let mut found: Vec<_> = std::iter::once(inputs()).chain(auth()).collect();
            found.push(facts());
            found.extend(page(root, path));
            if let Some(stream) = stream {
                found.extend(fetched(&stream.value, rest));
            }
            found
        }
        ["actions" | "settings" | "permissions" | "prerequisites" | "posture", ..] => {
            let mut found: Vec<_> = std::iter::once(inputs()).chain(auth()).collect();
            found.push(facts());
            found.extend(page(root, path));
            if let ["actions", name, rest @ ..] = path {
                let action = root.entry("actions").and_then(|actions| actions.value.entry(name));
                let given = action.and_then(|action| action.value.entry("inputs"));
                found.push(keys("action", given));
                let looked_up = action.is_some_and(|action| action.value.entry("find").is_some());
                if looked_up && rest.first() != Some(&"find") {
                    found.push(Variable { root: "found".to_owned(), names: None });
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

/// What is in scope in a setting of a way to sign in beyond inputs: `below` leads to it from there.
fn signing(root: &Node, path: &[&str], below: &[&str]) -> Vec<Variable> {
    let fixed = |root: &str, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Variable { root: root.to_owned(), names: Some(names) }
    };
    match below {
        ["one_of", "kinds", _, below @ ..] => signing(root, path, below),
        ["session", "send" | "logout", ..] => {
            let way = &path[..path.len() - below.len()];
            let way = way.iter().try_fold(root, |node, key| Some(&node.entry(key)?.value));
            let mut names = Vec::new();
            for table in way.map(tables).unwrap_or_default() {
                names.extend(table.value.entries().iter().map(|entry| entry.key.clone()));
            }
            vec![Variable { root: "auth".to_owned(), names: Some(names) }]
        }
        ["hmac", "string", ..] => vec![fixed("request", &SIGNED)],
        ["hmac", "headers", ..] => vec![fixed("request", &SIGNED), fixed("auth", &["signature"])],
        _ => Vec::new(),
    }
}

/// The tables in which the ways to sign in say what they keep of the answer, as `auth.NAME`.
pub(crate) fn kept(root: &Node) -> Vec<&Entry> {
    root.entry("auth").map(|auth| tables(&auth.value)).unwrap_or_default()
}

fn tables(auth: &Node) -> Vec<&Entry> {
    let mut tables = Vec::new();
    if let Some(oauth) = auth.entry("oauth2") {
        tables.extend(oauth.value.entry("token"));
    }
    if let Some(session) = auth.entry("session") {
        let kinds = ["token", "headers", "cookies"];
        tables.extend(kinds.iter().filter_map(|kind| session.value.entry(kind)));
    }
    for kind in choices(auth) {
        tables.extend(self::tables(&kind.value));
    }
    tables
}

/// Whether one of the ways to sign in has an answer from which something can be kept.
fn signs_in(auth: &Node) -> bool {
    auth.entry("oauth2").is_some()
        || auth.entry("session").is_some()
        || choices(auth).iter().any(|kind| signs_in(&kind.value))
}

fn choices(auth: &Node) -> &[Entry] {
    let kinds = auth.entry("one_of").and_then(|one_of| one_of.value.entry("kinds"));
    kinds.map(|kinds| kinds.value.entries()).unwrap_or_default()
}

/// What is in scope in one request of a stream beyond what all have.
fn fetched(stream: &Node, rest: &[&str]) -> Vec<Variable> {
    let mut found = Vec::new();
    let steps = stream.entry("steps").map(|steps| steps.value.entries()).unwrap_or_default();
    let step = match rest {
        ["steps", name, ..] => steps.iter().position(|entry| entry.key == *name),
        _ => None,
    };
    let named = |root: &str, names: &[&str]| Variable {
        root: root.to_owned(),
        names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    if stream.entry("window").is_some() {
        found.push(named("window", &["start", "end"]));
    }
    if stream.entry("cursor").is_some() {
        found.push(named("cursor", &["value"]));
    }
    let partitions = stream.entry("partitions");
    if partitions.is_some_and(|table| !table.value.entries().is_empty()) {
        found.push(keys("partition", partitions));
    }
    let open = |root: &str| Variable { root: root.to_owned(), names: None };
    let known = match (rest, step) {
        (["join", ..], _) => {
            found.push(open("record"));
            steps.len().saturating_sub(1)
        }
        (["steps", _, "cleanup", ..], Some(step)) => step + 1,
        (_, Some(step)) if steps[step].value.entry("batch").is_some() => {
            found.push(open("batch"));
            step.saturating_sub(1)
        }
        (_, step) => step.unwrap_or(0),
    };
    found.extend(steps.iter().take(known).map(|entry| open(&entry.key)));
    found
}

/// What the request that a path leads into can say of the page that it asks for.
fn page(root: &Node, path: &[&str]) -> Option<Variable> {
    if let Some(scroll) = path.iter().position(|key| *key == "scroll") {
        // The requests behind the first page.
        let names = vec!["cursor".to_owned()];
        return path
            .get(scroll + 1)
            .filter(|key| matches!(**key, "next" | "release"))
            .map(|_| Variable { root: "page".to_owned(), names: Some(names) });
    }
    let request = path.iter().position(|key| *key == "request")?;
    let owner = path[..request].iter().try_fold(root, |node, key| match &node.content {
        Content::Sequence(items) => items.get(key.parse::<usize>().ok()?),
        _ => Some(&node.entry(key)?.value),
    })?;
    let [Entry { key, value: pages, .. }, ..] = owner.entry("pages")?.value.entries() else {
        return None;
    };
    let own = match key.as_str() {
        "cursor" | "number" | "offset" => Some(key.clone()),
        "keyset" => Some("last".to_owned()),
        _ => None,
    };
    let size = pages.entry("size").map(|_| "size".to_owned());
    let names: Vec<_> = own.into_iter().chain(size).collect();
    if names.is_empty() {
        return None;
    }
    Some(Variable { root: "page".to_owned(), names: Some(names) })
}

/// The keys of a table as what may stand behind a dot.
fn keys(root: &str, table: Option<&Entry>) -> Variable {
    let names = match table.map(|table| &table.value.content) {
        Some(Content::Mapping(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        _ => Vec::new(),
    };
    Variable { root: root.to_owned(), names: Some(names) }
}

#[cfg(test)]
mod tests {
    use longshore_schema::Span;
    use longshore_schema::yaml;

    use super::*;
    use crate::options::Options;
    use crate::rules::scope_of_each_template;

    /// The keys and indexes that lead to the scalar at a span.
    fn path_to(node: &Node, span: Span) -> Option<Vec<String>> {
        if node.span == span && !matches!(node.content, Content::Mapping(_) | Content::Sequence(_))
        {
            return Some(Vec::new());
        }
        let below = |key: String, inner: &Node| {
            let mut path = path_to(inner, span)?;
            path.insert(0, key);
            Some(path)
        };
        match &node.content {
            Content::Mapping(entries) => {
                entries.iter().find_map(|entry| below(entry.key.clone(), &entry.value))
            }
            Content::Sequence(items) => {
                items.iter().enumerate().find_map(|(at, item)| below(at.to_string(), item))
            }
            _ => None,
        }
    }

    #[test]
    fn the_tree_tells_the_same_scope_as_the_rules() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/");
        let mut templates = 0;
        for app in std::fs::read_dir(folder).unwrap() {
            let source =
                std::fs::read_to_string(app.unwrap().path().join("manifest.yaml")).unwrap();
            let root = yaml::parse(&source).unwrap().root;
            for (span, scope) in scope_of_each_template(&source, &Options::default()) {
                let path = path_to(&root, span).unwrap();
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                let mut told: Vec<_> = variables(&root, &path)
                    .into_iter()
                    .map(|variable| (variable.root, variable.names.unwrap_or_default()))
                    .collect();
                told.sort();
                assert_eq!(told, scope, "{}", path.join("."));
                templates += 1;
            }
        }
        assert!(templates > 10, "{templates}");
    }
}
