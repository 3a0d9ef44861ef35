//! Paths find something in what was recorded.

use std::collections::BTreeSet;

use longshore_schema::map::{Activity, Map, Value};
use longshore_schema::scalar::Scalar;
use longshore_schema::stream::{More, Pages};
use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, Span, Spanned, Step, Template};

use super::view::{Record, View};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety, Severity};
use crate::rules::Context;
use crate::rules::fetch::templates;
use crate::rules::sites::{all_attributes, maps};
use crate::samples::{Sample, select, step_of};
use crate::suggest::closest;

/// What becomes of a record without the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// There is no event, or no next record.
    Always,
    /// The event lacks something.
    Mapped,
}

/// Paths into records that are not part of the map: keys, the window's time, what is ignored.
pub(super) fn records(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let nodes = nodes(&view.records);
    let stream = view.stream;
    let mut check = |path: &JsonPath, span: Span, nodes: &[&Node], need| {
        found.extend(absent(view.cx, path, span, nodes, "record", need));
    };
    for key in &stream.key.0 {
        check(&key.value, key.span, &nodes, Need::Always);
    }
    for fetch in view.fetches.iter().filter(|fetch| fetch.step.is_some()) {
        let listed = view.fetched(fetch);
        for key in fetch.key.iter().flat_map(|key| &key.0) {
            check(&key.value, key.span, &self::nodes(&listed), Need::Always);
        }
    }
    if let Some(window) = &stream.window {
        check(&window.on.value, window.on.span, &self::nodes(&view.timed()), Need::Always);
    }
    if let Some(last) = stream.cursor.as_ref().and_then(|cursor| cursor.last.as_ref()) {
        check(&last.value, last.span, &nodes, Need::Always);
    }
    for (path, _) in &stream.privacy {
        check(&path.value, path.span, &nodes, Need::Mapped);
    }
    for path in stream.changes.iter().flat_map(|c| c.compare.iter().chain(&c.ignore)) {
        check(&path.value, path.span, &nodes, Need::Mapped);
    }
    for (path, _) in &stream.unpack {
        check(&path.value, path.span, &nodes, Need::Mapped);
    }
    for fetch in &view.fetches {
        let Some(Pages::Keyset(keyset)) = fetch.pages.map(|pages| &pages.value) else { continue };
        let listed = view.fetched(fetch);
        for (_, path) in &keyset.last.value {
            check(&path.value, path.span, &self::nodes(&listed), Need::Always);
        }
    }
    for name in &stream.ignore {
        let Ok(path) = JsonPath::parse(&format!("$['{}']", name.value)) else { continue };
        if let Some(mut diagnostic) =
            absent(view.cx, &path, name.span, &nodes, "record", Need::Mapped)
        {
            diagnostic.set_message(format!("no recorded record has a member `{}`", name.value));
            diagnostic.fixes.clear();
            found.push(diagnostic);
        }
    }
    references(view, found);
}

/// The members of listed items that the next request is made of.
fn references(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for (at, fetch) in view.fetches.iter().enumerate() {
        let Some(step) = step_of(fetch) else { continue };
        let listed = view.fetched(fetch);
        let listed = nodes(&listed);
        let later = view.fetches[at + 1..].iter().map(|later| later.request);
        let settings = view.fetches[at..].iter().filter_map(|fetch| fetch.settings);
        let cleanups = settings.filter_map(|step| step.cleanup.as_ref());
        for request in later.chain(cleanups) {
            for (template, span, _) in templates(request) {
                in_template(view, template, span, step, &listed, found);
            }
        }
        let next = view.fetches.get(at + 1).and_then(|next| next.settings?.batch.as_ref());
        if let Some(batch) = next {
            let (of, span) = (&batch.of.value, batch.of.span);
            found.extend(absent(view.cx, of, span, &listed, "item", Need::Always));
        }
    }
    for (name, join) in &view.stream.join.value {
        if let Some(select) = &join.select {
            let details = view.samples.responses(view.name, Some(name.as_str()));
            let bodies: Vec<_> = details.filter_map(Sample::answered).collect();
            let (path, span) = (&select.value, select.span);
            found.extend(absent(view.cx, path, span, &bodies, "response", Need::Always));
        }
        for (template, span, _) in templates(&join.request) {
            in_template(view, template, span, "record", &nodes(&view.records), found);
        }
    }
}

/// Paths into responses: the next page and what is promised.
pub(super) fn responses(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for fetch in &view.fetches {
        let bodies = view.bodies(fetch);
        let mut check = |path: &JsonPath, span: Span, need| {
            found.extend(absent(view.cx, path, span, &bodies, "response", need));
        };
        let pages = fetch.pages.map(|pages| &pages.value);
        for (path, _) in pages.map(Pages::paths).unwrap_or_default() {
            check(&path.value, path.span, Need::Mapped);
        }
        for (path, span) in pages.and_then(Pages::more).map(More::paths).unwrap_or_default() {
            check(path, span, Need::Mapped);
        }
        if let Some(promise) = fetch.promise {
            for (path, _) in &promise.last_page {
                check(&path.value, path.span, Need::Always);
            }
            if let Some(total) = &promise.total {
                check(&total.value, total.span, Need::Always);
            }
        }
        let wait = fetch.settings.and_then(|step| step.wait.as_ref());
        for (path, _) in wait.iter().flat_map(|wait| wait.until.iter()) {
            check(&path.value, path.span, Need::Always);
        }
        let cursor = view.stream.cursor.as_ref().filter(|_| fetch.step.is_none());
        if let Some(next) = cursor.and_then(|cursor| cursor.next.as_ref()) {
            check(&next.value, next.span, Need::Always);
        }
        // What failed was perhaps never recorded; a path that is almost right is not.
        for (path, _) in wait.iter().flat_map(|wait| wait.failed.iter()) {
            let unlike = absent(view.cx, &path.value, path.span, &bodies, "response", Need::Mapped);
            let meant = unlike.filter(|found| !found.fixes.is_empty());
            let other = |(until, _): &(Spanned<JsonPath>, _)| until.value == path.value;
            let known = wait.iter().any(|wait| wait.until.iter().any(other));
            found.extend(meant.filter(|_| !known));
        }
    }
}

/// Paths of the map.
pub(super) fn map(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let all = nodes(&view.records);
    // What is inside of a member that is not there is not known.
    let is_there = |path: &JsonPath| all.iter().any(|node| !select(path, node).is_empty());
    if view.stream.unpack.iter().any(|(path, _)| !is_there(path)) {
        return;
    }
    for map in maps(view.stream) {
        if let Some(parts) = &map.for_each {
            found.extend(absent(view.cx, &parts.value, parts.span, &all, "record", Need::Mapped));
        }
    }
    for map in maps(view.stream) {
        let Some(parts) = &map.for_each else { continue };
        let items: Vec<_> = all.iter().flat_map(|node| select(&parts.value, node)).collect();
        for (_, value) in all_attributes(map).into_iter().flatten() {
            let (template, span) = match &value.value {
                Value::Template(template) => (template, value.span),
                Value::Source(source) => match &source.template {
                    Some(template) => (&template.value, template.span),
                    None => continue,
                },
                Value::Path(_) | Value::Literal(_) => continue,
            };
            in_template(view, template, span, "item", &items, found);
        }
    }
    let gone = maps(view.stream).skip(1).flat_map(Map::cases);
    for case in gone {
        in_attributes(view, &case.attributes, &all, found);
    }
    if let Some(by) = view.stream.map.choice().and_then(|choice| choice.by.as_ref()) {
        found.extend(absent(view.cx, &by.value, by.span, &all, "record", Need::Always));
    }
    let alike = alike(&all);
    for case in view.cases() {
        // Records of other cases may lack what this case's have.
        if case.records.is_empty() && !alike {
            continue;
        }
        if let Activity::From(source) = &case.case.activity {
            for from in &source.from.0 {
                found.extend(absent(view.cx, &from.value, from.span, &all, "record", Need::Mapped));
            }
        }
        for (path, _) in &case.case.condition {
            found.extend(absent(view.cx, &path.value, path.span, &all, "record", Need::Mapped));
        }
        in_attributes(view, &case.case.attributes, &all, found);
    }
    if let Some(choice) = view.stream.map.choice() {
        in_attributes(view, &choice.shared, &all, found);
    }
}

fn in_attributes(
    view: &View<'_>,
    attributes: &longshore_schema::map::Attributes,
    all: &[&Node],
    found: &mut Vec<Diagnostic>,
) {
    for (attribute, value) in attributes {
        let time = attribute.as_str() == "time";
        let one =
            |path: &JsonPath, span: Span, need| absent(view.cx, path, span, all, "record", need);
        match &value.value {
            Value::Path(path) => {
                let need = if time { Need::Always } else { Need::Mapped };
                found.extend(one(path, value.span, need));
            }
            Value::Source(source) => {
                if let Some(template) = &source.template {
                    in_template(view, &template.value, template.span, "record", all, found);
                }
                if let Some(path) = &source.each {
                    found.extend(one(&path.value, path.span, Need::Mapped));
                    let elements: Vec<_> =
                        all.iter().flat_map(|record| select(&path.value, record)).collect();
                    in_attributes(view, &source.map.0, &elements, found);
                }
                for (path, _) in &source.condition {
                    found.extend(one(&path.value, path.span, Need::Mapped));
                }
                let only = source.from.0.len() == 1 && source.otherwise.is_none();
                let need = if time && only { Need::Always } else { Need::Mapped };
                let from = source.from.0.iter();
                found.extend(from.filter_map(|from| one(&from.value, from.span, need)));
            }
            Value::Template(template) => {
                in_template(view, template, value.span, "record", all, found);
            }
            Value::Literal(_) => {}
        }
    }
}

/// References such as `record.user.name` in a template.
fn in_template(
    view: &View<'_>,
    template: &Template,
    span: Span,
    root: &str,
    nodes: &[&Node],
    found: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeSet::new();
    for reference in template.references() {
        let Some((first, rest)) = reference.path.split_first() else { continue };
        let text = reference.to_string();
        if first != root || rest.is_empty() || !seen.insert(text.clone()) {
            continue;
        }
        let steps: Vec<_> = rest.iter().cloned().map(Step::Member).collect();
        let Ok(path) = JsonPath::parse(&written(&steps)) else { continue };
        let place = view.cx.find(span, &text, 0);
        // What has a default, or is asked for, may be missing.
        let need = if root == "record" { Need::Mapped } else { Need::Always };
        if let Some(mut diagnostic) = absent(view.cx, &path, place, nodes, "record", need) {
            diagnostic.set_message(diagnostic.message.replace(path.as_str(), &text));
            diagnostic.fixes.clear();
            found.push(diagnostic);
        }
    }
}

/// A path that finds nothing in any of the nodes; null is found too.
pub(super) fn absent(
    cx: &Context<'_>,
    path: &JsonPath,
    span: Span,
    nodes: &[&Node],
    what: &str,
    need: Need,
) -> Option<Diagnostic> {
    if nodes.is_empty() || nodes.iter().any(|node| !select(path, node).is_empty()) {
        return None;
    }
    let counted = match nodes.len() {
        1 => format!("the recorded {what}"),
        many => format!("any of {many} recorded {what}s"),
    };
    let message = format!("`{path}` finds nothing in {counted}");
    let mut diagnostic = Diagnostic::new(&codes::PATH_NOT_IN_SAMPLES, span, message);
    if need == Need::Mapped {
        diagnostic = diagnostic.severity(Severity::Warning);
    }
    let Some((meant, same)) = meant(path, nodes) else {
        let what = "write a path to what the app answers, or record a response in which it finds something";
        return Some(diagnostic.help(what));
    };
    diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
    let place = cx.find(span, path.as_str(), 0);
    if place.range().len() == path.as_str().len() {
        let safety = if same { Safety::Safe } else { Safety::Unsafe };
        diagnostic = diagnostic.fix(safety, format!("write `{meant}`"), place, meant.clone());
    }
    Some(diagnostic.help(format!("write `{meant}`, or record a response in which it is")))
}

/// The path that was probably meant, and whether it differs only in how its names are spelt.
fn meant(path: &JsonPath, nodes: &[&Node]) -> Option<(String, bool)> {
    let steps = path.steps()?;
    // How far the path leads, and which members there are where it ends.
    let mut deepest = 0;
    let mut members: BTreeSet<&str> = BTreeSet::new();
    for node in nodes {
        follow(steps, node, 0, &mut deepest, &mut members);
    }
    let Some(Step::Member(missing)) = steps.get(deepest) else { return None };
    if let Some(known) = closest(missing, members.iter().copied()) {
        let mut steps = steps.to_vec();
        steps[deepest] = Step::Member(known.to_owned());
        let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
        return Some((written(&steps), plain(missing) == plain(known)));
    }
    // The same name somewhere else.
    let Some(Step::Member(last)) = steps.last() else { return None };
    let mut way = Vec::new();
    nodes.iter().find_map(|node| elsewhere(node, last, &mut way)).map(|path| (path, false))
}

fn follow<'n>(
    steps: &[Step],
    node: &'n Node,
    depth: usize,
    deepest: &mut usize,
    members: &mut BTreeSet<&'n str>,
) {
    let Some(step) = steps.get(depth) else { return };
    match (step, &node.content) {
        (Step::Member(name), Content::Mapping(entries)) => {
            if let Some(entry) = node.entry(name) {
                follow(steps, &entry.value, depth + 1, deepest, members);
                return;
            }
            if depth > *deepest {
                members.clear();
                *deepest = depth;
            }
            if depth == *deepest {
                members.extend(entries.iter().map(|entry| entry.key.as_str()));
            }
        }
        (Step::Every | Step::Index(_) | Step::Where { .. }, Content::Sequence(items)) => {
            for item in items {
                follow(steps, item, depth + 1, deepest, members);
            }
        }
        _ => {}
    }
}

/// The path to a member of this name, at most four members deep.
fn elsewhere(node: &Node, name: &str, way: &mut Vec<Step>) -> Option<String> {
    if way.len() > 3 {
        return None;
    }
    for entry in node.entries() {
        way.push(Step::Member(entry.key.clone()));
        let found = if entry.key.eq_ignore_ascii_case(name) {
            Some(written(way))
        } else {
            elsewhere(&entry.value, name, way)
        };
        way.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A path as it is written (RFC 9535, 2.3.1: what a name in quotes has to escape).
pub(super) fn written(steps: &[Step]) -> String {
    let mut text = "$".to_owned();
    for step in steps {
        match step {
            Step::Member(name) => {
                let mut letters = name.chars();
                let plain = letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
                    && letters.all(|c| c.is_alphanumeric() || c == '_');
                if plain {
                    text.push('.');
                    text.push_str(name);
                } else {
                    text.push_str("['");
                    for c in name.chars() {
                        match c {
                            '\'' | '\\' => text.extend(['\\', c]),
                            '\0'..='\u{1f}' => {
                                text.extend(["\\u", &format!("{:04x}", u32::from(c))]);
                            }
                            c => text.push(c),
                        }
                    }
                    text.push_str("']");
                }
            }
            Step::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
            Step::Every => text.push_str("[*]"),
            Step::Where { member, is } => {
                let names: Vec<_> = member.iter().cloned().map(Step::Member).collect();
                let quoted = is.replace('\\', "\\\\").replace('\'', "\\'");
                text.extend(["[?@", &written(&names)[1..], "=='", &quoted, "']"]);
            }
        }
    }
    text
}

/// Whether all nodes have the same members.
fn alike(nodes: &[&Node]) -> bool {
    let names = |node: &Node| -> BTreeSet<String> {
        node.entries().iter().map(|entry| entry.key.clone()).collect()
    };
    let first = nodes.first().map(|node| names(node));
    nodes.iter().all(|node| Some(names(node)) == first)
}

pub(super) fn nodes<'v>(records: &[Record<'v>]) -> Vec<&'v Node> {
    records.iter().map(|record| record.node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_path() {
        for name in ["id", "first name", "it's", "a\\b", "a\nb", "9"] {
            let text = written(&[Step::Member(name.to_owned()), Step::Every]);
            assert!(JsonPath::parse(&text).is_ok(), "{text}");
        }
        assert_eq!(written(&[Step::Member("it's".to_owned())]), r"$['it\'s']");
    }
}
