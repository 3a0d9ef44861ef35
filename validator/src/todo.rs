//! Manifests that are still being written: a value that starts with `TODO` is work, not a mistake.
//!
//! Each such value is one finding, `LS0705`, in place of whatever else the rules would say of it.
//! [`todo_list`] turns a report that has any into a list of what is left to do, ordered by how much
//! it matters, with what is ready already.

use std::fmt::Write as _;

use longshore_schema::yaml::{self, Content, Node};
use longshore_schema::{LineIndex, Span};

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::shape::{self, Repair};
use crate::validate::Report;

/// The values to be filled in after which no more are looked for: those behind are mistakes as others
/// are.
const MAX_FOUND: usize = 1_000;

/// The values that are to be filled in.
pub(crate) struct Todos(Vec<Todo>);

struct Todo {
    path: Vec<String>,
    span: Span,
    /// What the author was told of it behind the word.
    note: String,
    /// Whether it is text for people that the manifest runs without.
    optional_prose: bool,
}

impl Todos {
    /// Finds them in a tree as it was written.
    pub(crate) fn of(source: &str, root: &Node) -> Self {
        let mut todos = Vec::new();
        if source.contains("TODO") {
            collect(root, &mut Vec::new(), &mut todos);
        }
        Self(todos)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What lets the rest of the manifest be looked at as if they were filled in. Text for people
    /// stays: a manifest may run with it, and then says `TODO`.
    pub(crate) fn repairs(&self) -> Vec<Repair> {
        let typed = self.0.iter().filter(|todo| !todo.optional_prose);
        typed.map(|todo| Repair::Fill { path: todo.path.clone() }).collect()
    }

    /// Puts one finding for each in place of all findings about it.
    pub(crate) fn replace(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.0.is_empty() {
            return;
        }
        let mut refused = vec![false; self.0.len()];
        diagnostics.retain(|found| {
            let span = found.span();
            // They stand in the order of the text, none within another.
            let behind = self.0.partition_point(|todo| todo.span.start <= span.start);
            let todo = behind.checked_sub(1).filter(|todo| span.end <= self.0[*todo].span.end);
            if let Some(todo) = todo {
                let by_rule = found.code != codes::PLACEHOLDER.id;
                refused[todo] |= by_rule && found.severity == Severity::Error;
            }
            todo.is_none()
        });
        for (todo, refused) in self.0.iter().zip(refused) {
            let optional = todo.optional_prose && !refused;
            let severity = if optional { Severity::Info } else { Severity::Error };
            let found = Diagnostic::new(
                &codes::TO_DO,
                todo.span,
                format!("`{}` is to be filled in", todo.path.join(".")),
            )
            .severity(severity);
            let meaning = shape::summary(&todo.path);
            // The author's own note says more than the language's reference.
            let note = Some(todo.note.clone()).filter(|note| !note.is_empty());
            diagnostics.push(found.maybe_help(note.or(meaning)));
        }
    }
}

fn collect(node: &Node, path: &mut Vec<String>, todos: &mut Vec<Todo>) {
    match &node.content {
        Content::String(text) => {
            let Some(note) = text.strip_prefix("TODO") else { return };
            let is_word = note.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            if is_word || todos.len() >= MAX_FOUND {
                return;
            }
            todos.push(Todo {
                path: path.clone(),
                span: node.span,
                note: note.trim_matches([':', ' ', '(', ')', '-']).to_owned(),
                optional_prose: shape::is_prose(path) && !shape::requires(path),
            });
        }
        Content::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                collect(item, path, todos);
                path.pop();
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                path.push(entry.key.clone());
                collect(&entry.value, path, todos);
                path.pop();
            }
        }
        _ => {}
    }
}

/// What is left to do on a manifest, and what is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TodoList {
    /// What stops the manifest from running.
    pub blocking: Vec<TodoItem>,
    /// What it runs without, and should have.
    pub should: Vec<TodoItem>,
    /// What would be good to have.
    pub nice: Vec<TodoItem>,
    /// The profiles and capabilities that the manifest claims.
    pub readiness: Vec<Readiness>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TodoItem {
    /// The line, from 1.
    pub line: usize,
    /// The rule that asks for it.
    pub code: &'static str,
    /// What is to be done.
    pub text: String,
    /// How.
    pub help: Option<String>,
}

/// How far a profile or a capability is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Its name.
    pub name: String,
    /// How many blocking things stand in its own streams, or in the checks of the profile.
    pub own: usize,
    /// How many blocking things stand in what all streams need: signing in, HTTP, inputs.
    pub shared: usize,
}

impl Readiness {
    /// Whether nothing blocks it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.own + self.shared == 0
    }
}

/// What is left to do, if the manifest has values that are still to be filled in.
#[must_use]
pub fn todo_list(report: &Report, source: &str) -> Option<TodoList> {
    if report.diagnostics.iter().all(|found| found.code != codes::TO_DO.id) {
        return None;
    }
    let lines = LineIndex::new(source);
    let of = |severity| {
        let items = report.diagnostics.iter().filter(|found| found.severity == severity);
        items.map(|found| item(found, source, &lines)).collect()
    };
    Some(TodoList {
        blocking: of(Severity::Error),
        should: of(Severity::Warning),
        nice: of(Severity::Info),
        readiness: readiness(report, source),
    })
}

fn item(found: &Diagnostic, source: &str, lines: &LineIndex) -> TodoItem {
    let (line, _) = lines.position(source, found.span().start);
    TodoItem { line, code: found.code, text: found.message.clone(), help: found.help.clone() }
}

/// The sections that belong to nobody else: what stands there blocks one profile alone.
const POSTURE: [&str; 2] = ["posture", "settings"];

fn readiness(report: &Report, source: &str) -> Vec<Readiness> {
    let Ok(document) = yaml::parse_values(source) else { return Vec::new() };
    let root = &document.root;
    let text = |node: &Node| match &node.content {
        Content::String(text) => text.clone(),
        _ => String::new(),
    };
    let blocking: Vec<_> = report
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| found.span().start)
        .collect();
    let streams = root.entry("streams").map(|entry| entry.value.entries()).unwrap_or_default();
    let within = |from: Span, to: Span| {
        blocking.iter().filter(|at| from.start <= **at && **at < to.end.max(from.end)).count()
    };
    let of_stream = |entry: &yaml::Entry| within(entry.key_span, entry.value.span);
    let in_streams: usize = streams.iter().map(of_stream).sum();
    let in_posture: usize = POSTURE
        .iter()
        .filter_map(|name| root.entry(name))
        .map(|entry| within(entry.key_span, entry.value.span))
        .sum();
    let shared = blocking.len() - in_streams - in_posture;

    let mut capabilities: Vec<Readiness> = Vec::new();
    for entry in streams {
        let name =
            entry.value.entry("provides").map_or_else(String::new, |entry| text(&entry.value));
        if name.is_empty() || name.starts_with("TODO") {
            continue;
        }
        match capabilities.iter_mut().find(|known| known.name == name) {
            Some(known) => known.own += of_stream(entry),
            None => capabilities.push(Readiness { name, own: of_stream(entry), shared }),
        }
    }
    let profiles = root.entry("profiles").map(|entry| &entry.value.content);
    let mut readiness = Vec::new();
    if let Some(Content::Sequence(profiles)) = profiles {
        for name in profiles.iter().map(text).filter(|name| !name.starts_with("TODO")) {
            let own = if name == "posture" { in_posture } else { in_streams };
            readiness.push(Readiness { name, own, shared });
        }
    }
    readiness.append(&mut capabilities);
    readiness
}

impl TodoList {
    /// The list for a person.
    #[must_use]
    pub fn to_text(&self, file: &str) -> String {
        let total = self.blocking.len() + self.should.len() + self.nice.len();
        let mut text = format!("{file}: a draft, {total} {} to do\n", plural(total, "thing"));
        for (title, items) in [
            ("Blocking: the manifest does not run without", &self.blocking),
            ("Should be done", &self.should),
            ("Nice to have", &self.nice),
        ] {
            if items.is_empty() {
                continue;
            }
            let _ = write!(text, "\n{title}\n");
            let width = items.iter().map(|item| item.line).max().unwrap_or(1).to_string().len();
            for item in items {
                let _ = write!(text, "  [ ] line {:width$}  {}", item.line, item.text);
                if item.code != codes::TO_DO.id {
                    let _ = write!(text, " [{}]", item.code);
                }
                text.push('\n');
                if let Some(help) = &item.help {
                    let _ = writeln!(text, "            {:width$}{help}", "");
                }
            }
        }
        if !self.readiness.is_empty() {
            text.push_str("\nReadiness\n");
        }
        for part in &self.readiness {
            let state = match (part.own, part.shared) {
                (0, 0) => "ready".to_owned(),
                (own, 0) => format!("{own} to do"),
                (0, shared) => format!("{shared} to do in what all streams need"),
                (own, shared) => format!("{own} to do, and {shared} in what all streams need"),
            };
            let _ = writeln!(text, "  {:<20}{state}", part.name);
        }
        text
    }
}

fn plural(count: usize, one: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, validate};

    const DRAFT: &str = include_str!("../../tests/draft.yaml");

    fn list(source: &str) -> TodoList {
        let report = validate(source, &Options::default());
        todo_list(&report, source).expect("there is something to do")
    }

    #[test]
    fn a_draft_is_a_list_of_what_is_left_to_do() {
        insta::assert_snapshot!(list(DRAFT).to_text("manifest.yaml"));
    }

    #[test]
    fn a_value_to_fill_in_is_one_finding_and_causes_no_other() {
        let good = include_str!("../../tests/good/minimal.yaml");
        for (written, todo) in [
            ("https://api.acme.test/oauth/token", "TODO"),
            ("[api.acme.test]", "[TODO]"),
            ("provides: users", "provides: TODO"),
            ("every: 15m", "every: TODO how often it is polled"),
            ("records: $.events[*]", "records: TODO"),
            ("to: authentication", "to: TODO"),
            ("get: /users", "get: TODO"),
            ("key: $.id", "key: \"TODO: the record's id\""),
            ("vendor: Acme, Inc.", "vendor: TODO"),
            ("version: 1.0.0", "version: TODO"),
        ] {
            let source = good.replacen(written, todo, 1);
            assert_ne!(source, good, "{written}");
            let report = validate(&source, &Options::default());
            let codes: Vec<_> = report.diagnostics.iter().map(|found| found.code).collect();
            assert_eq!(codes, [codes::TO_DO.id], "{todo}: {:?}", report.diagnostics);
            assert!(report.checked.is_none(), "{todo}");
        }
    }

    #[test]
    fn what_is_optional_blocks_nothing() {
        let good = include_str!("../../tests/good/minimal.yaml");
        let source = good.replace("provides: users", "provides: users\n    description: TODO");
        let list = list(&source);
        assert!(list.blocking.is_empty() && list.should.is_empty());
        assert_eq!(list.nice.len(), 1);
        assert!(list.readiness.iter().all(Readiness::is_ready), "{:?}", list.readiness);
    }

    #[test]
    fn a_manifest_without_todos_has_no_list() {
        let good = include_str!("../../tests/good/minimal.yaml");
        assert_eq!(todo_list(&validate(good, &Options::default()), good), None);
        // A word that merely starts like it is none.
        let source = good.replace("vendor: Acme, Inc.", "vendor: TODOS");
        assert_eq!(todo_list(&validate(&source, &Options::default()), &source), None);
    }
}
