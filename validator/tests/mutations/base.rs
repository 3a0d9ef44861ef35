//! A good manifest with its tree, and what is made of it by one edit.

use longshore_schema::Span;
use std::path::Path;

use longshore_schema::yaml::{Content, Entry, Node, parse};
use longshore_validator::samples::Fixture;
use serde_json::Value;

/// A good manifest.
pub(crate) struct Base {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) root: Node,
    /// The responses recorded beside it.
    pub(crate) fixtures: Vec<Fixture>,
    schema: Value,
}

/// A manifest with one mistake.
pub(crate) struct Mutant {
    /// What kind of mistake.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// The lines where it may be reported; the first is where it was made.
    pub(crate) lines: Vec<usize>,
    /// What a report may name it by.
    pub(crate) names: Vec<String>,
    /// Whether only the recorded responses show it.
    pub(crate) sampled: bool,
}

/// An entry of a mapping with the way to it.
pub(crate) struct At<'b> {
    pub(crate) path: Vec<&'b str>,
    pub(crate) entry: &'b Entry,
    /// The mapping that holds it.
    pub(crate) owner: &'b Node,
    /// Where the key of the mapping that holds it stands.
    pub(crate) owner_key: Span,
}

impl At<'_> {
    /// Where its value stands.
    pub(crate) fn value(&self) -> Span {
        self.entry.value.span
    }

    /// The index of the entry in the mapping that holds it.
    fn index(&self) -> usize {
        let mut entries = self.owner.entries().iter();
        entries.position(|entry| std::ptr::eq(entry, self.entry)).unwrap()
    }

    /// Its value, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.entry.value.content {
            Content::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A replacement of a span of the source.
pub(crate) type Edit = (Span, String);

impl Base {
    pub(crate) fn read(name: &str) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let source = std::fs::read_to_string(format!("{root}/{name}")).unwrap();
        let schema =
            std::fs::read_to_string(format!("{root}/schema/manifest.schema.json")).unwrap();
        let document = parse(&source).unwrap();
        let schema = serde_json::from_str(&schema).unwrap();
        let mut fixtures = Vec::new();
        let folder = Path::new(root).join(name);
        // Beside `x.yaml` of a folder of many lies what belongs to it in `x/fixtures/`.
        let folder = match folder.file_name() {
            Some(name) if name == "manifest.yaml" => folder.with_file_name("fixtures"),
            _ => folder.with_extension("").join("fixtures"),
        };
        collect_fixtures(&folder, "fixtures", &mut fixtures);
        Self { name: name.to_owned(), source, root: document.root, fixtures, schema }
    }

    /// All entries of all mappings, in order.
    pub(crate) fn entries(&self) -> Vec<At<'_>> {
        let mut found = Vec::new();
        collect(&self.root, &mut Vec::new(), Span::default(), &mut found);
        found
    }

    /// The entries that a pattern of keys leads to; `*` is any one key or index, a leading `**` any
    /// way.
    pub(crate) fn at(&self, pattern: &str) -> Vec<At<'_>> {
        let wanted: Vec<_> = pattern.split('.').collect();
        let fits = |path: &[&str]| {
            let (path, wanted) = match wanted.as_slice() {
                ["**", rest @ ..] if path.len() >= rest.len() => {
                    (&path[path.len() - rest.len()..], rest)
                }
                all => (path, all),
            };
            path.len() == wanted.len()
                && path.iter().zip(wanted).all(|(key, wanted)| *wanted == "*" || key == wanted)
        };
        self.entries().into_iter().filter(|at| fits(&at.path)).collect()
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        &self.source[span.range()]
    }

    /// Whether the mapping is written in braces.
    pub(crate) fn is_flow(&self, node: &Node) -> bool {
        self.text(node.span).starts_with(['{', '['])
    }

    /// The schema of what these keys lead to.
    pub(crate) fn schema(&self, path: &[&str]) -> Option<&Value> {
        path.iter()
            .try_fold(&self.schema, |schema, key| {
                let schema = self.resolved(schema);
                let known = schema.get("properties").and_then(|properties| properties.get(key));
                known.or_else(|| schema.get("items")).or_else(|| {
                    schema.get("additionalProperties").filter(|schema| schema.is_object())
                })
            })
            .map(|schema| self.resolved(schema))
    }

    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.schema["$defs"][name])
    }

    /// Whether the mapping that these keys lead to takes no other keys than those it knows.
    pub(crate) fn is_closed(&self, path: &[&str]) -> bool {
        self.schema(path).is_some_and(|schema| schema["additionalProperties"] == false)
    }

    /// The lines of an entry, its comments not among them; in braces the entry with its comma.
    pub(crate) fn whole(&self, at: &At<'_>) -> Span {
        let entries = at.owner.entries();
        let index = at.index();
        let start = at.entry.key_span.start as usize;
        let end = |value: &Node, key: Span| self.end(value).max(key.end) as usize;
        if self.is_flow(at.owner) {
            return match (entries.get(index + 1), index.checked_sub(1)) {
                (Some(next), _) => Span::new(start, next.key_span.start as usize),
                (None, Some(last)) => Span::new(
                    end(&entries[last].value, entries[last].key_span),
                    end(&at.entry.value, at.entry.key_span),
                ),
                (None, None) => Span::new(start, end(&at.entry.value, at.entry.key_span)),
            };
        }
        let line = self.source[..start].rfind('\n').map_or(0, |at| at + 1);
        if self.source[line..start].contains('-') {
            // The first entry of a sequence's item leaves its dash to the next one.
            if let Some(next) = entries.get(index + 1) {
                return Span::new(start, next.key_span.start as usize);
            }
        }
        let start = if self.source[line..start].contains('-') { start } else { line };
        let last = end(&at.entry.value, at.entry.key_span);
        let last = if self.source[..last].ends_with('\n') { last - 1 } else { last };
        let last = self.source[last..].find('\n').map_or(self.source.len(), |n| last + n + 1);
        Span::new(start, last)
    }

    /// The end of a value.
    fn end(&self, value: &Node) -> u32 {
        if self.is_flow(value) {
            return value.span.end;
        }
        match &value.content {
            Content::Mapping(entries) => entries.iter().map(|entry| self.end(&entry.value)).max(),
            Content::Sequence(items) => items.iter().map(|item| self.end(item)).max(),
            _ => None,
        }
        .unwrap_or(value.span.end)
    }

    /// The line of a place.
    pub(crate) fn line(&self, at: u32) -> usize {
        self.source[..at as usize].matches('\n').count() + 1
    }

    /// Whether a value is one scalar, or a collection in brackets, on the line of its key.
    pub(crate) fn is_inline(&self, at: &At<'_>) -> bool {
        let lines = &self.source[at.entry.key_span.end as usize..at.value().end as usize];
        !lines.contains('\n')
    }

    /// A text as it must be written as the value of an entry.
    pub(crate) fn scalar(&self, at: &At<'_>, text: &str) -> String {
        let quoted = text.starts_with(['"', '\'', '{', '[']);
        if !quoted && self.is_flow(at.owner) && text.contains(['[', ']', '{', '}', ',']) {
            return format!("\"{text}\"");
        }
        text.to_owned()
    }

    /// The entry that is the only one at a pattern of keys.
    pub(crate) fn one(&self, pattern: &str) -> Option<At<'_>> {
        let mut all = self.at(pattern);
        if all.len() == 1 { all.pop() } else { None }
    }

    /// The column of an entry's key.
    pub(crate) fn indent(&self, at: &At<'_>) -> usize {
        let start = at.entry.key_span.start as usize;
        start - self.source[..start].rfind('\n').map_or(0, |at| at + 1)
    }

    /// A mutant by edits that do not overlap. It is blamed on the places in `blame`: offsets of the
    /// source, moved along with the edits before them.
    pub(crate) fn mutant(
        &self,
        kind: &'static str,
        mut edits: Vec<Edit>,
        blame: &[u32],
        names: &[&str],
    ) -> Mutant {
        edits.sort_by_key(|(span, _)| span.start);
        let mut text = String::new();
        let mut from = 0;
        for (span, new) in &edits {
            text.push_str(&self.source[from..span.start as usize]);
            text.push_str(new);
            from = span.end as usize;
        }
        text.push_str(&self.source[from..]);
        let moved = |at: u32| {
            let mut moved = at as usize;
            for (span, new) in edits.iter().filter(|(span, _)| span.end <= at && span.start < at) {
                moved = moved + new.len() - (span.end - span.start) as usize;
            }
            moved.min(text.len())
        };
        let line = |at: u32| text[..moved(at)].matches('\n').count() + 1;
        let lines = blame.iter().map(|at| line(*at)).collect();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Mutant { kind, lines, names, text, sampled: false }
    }

    /// A mutant by one replacement, blamed on its first line.
    pub(crate) fn replace(
        &self,
        kind: &'static str,
        span: Span,
        new: &str,
        names: &[&str],
    ) -> Mutant {
        self.mutant(kind, vec![(span, new.to_owned())], &[span.start], names)
    }

    /// A mutant without an entry, blamed on the key of the mapping that held it and on the line
    /// where the entry's owner starts.
    pub(crate) fn without(&self, kind: &'static str, at: &At<'_>, names: &[&str]) -> Mutant {
        let owner = [at.owner_key.start, at.owner.span.start];
        self.mutant(kind, vec![(self.whole(at), String::new())], &owner, names)
    }

    /// A mutant with a line, or an entry in braces, before an entry; blamed on it.
    pub(crate) fn before(
        &self,
        kind: &'static str,
        at: &At<'_>,
        new: &str,
        names: &[&str],
    ) -> Mutant {
        let start = at.entry.key_span.start;
        let text = if self.is_flow(at.owner) {
            format!("{new}, ")
        } else {
            format!("{new}\n{}", " ".repeat(self.indent(at)))
        };
        let span = Span { start, end: start };
        self.mutant(kind, vec![(span, text)], &[start], names)
    }
}

fn collect_fixtures(folder: &Path, name: &str, found: &mut Vec<Fixture>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect_fixtures(&path, &name, found);
        } else {
            found.push(Fixture::new(name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn collect<'b>(node: &'b Node, path: &mut Vec<&'b str>, owner_key: Span, found: &mut Vec<At<'b>>) {
    match &node.content {
        Content::Mapping(entries) => {
            for entry in entries {
                path.push(&entry.key);
                found.push(At { path: path.clone(), entry, owner: node, owner_key });
                collect(&entry.value, path, entry.key_span, found);
                path.pop();
            }
        }
        Content::Sequence(items) => {
            for item in items {
                path.push("0");
                collect(item, path, Span { start: item.span.start, end: item.span.start }, found);
                path.pop();
            }
        }
        _ => {}
    }
}
