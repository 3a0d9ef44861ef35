//! Templates that refer to what is not there, and declarations that nothing refers to.

use longshore_schema::Span;

use crate::base::{Base, Mutant};

/// Every `{{root.name}}` with the place of its text.
fn references(base: &Base) -> Vec<(Span, &str)> {
    let mut found = Vec::new();
    for (open, _) in base.source.match_indices("{{") {
        let inner = &base.source[open + 2..];
        let inner = &inner[..inner.find("}}").unwrap()];
        let mut at = open + 2;
        for word in inner.split(' ') {
            if word.contains('.') && !word.starts_with(['"', '\'']) {
                found.push((Span::new(at, at + word.len()), word));
            }
            at += word.len() + 1;
        }
    }
    found
}

/// The roots under which every name is declared.
const ROOTS: [&str; 6] = ["inputs", "auth", "facts", "window", "page", "action"];

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    let streams =
        |with: &str| -> Vec<Span> { base.at(with).iter().map(|at| base.stream_span(at)).collect() };
    let (windowed, with_cursor) = (streams("streams.*.window"), streams("streams.*.pages.cursor"));
    for (span, reference) in references(base) {
        let (root, name) = reference.split_once('.').unwrap();
        let misspelt = format!("{root}.{}{}", name, &name[name.len() - 1..]);
        // What a record or a listed item has, only samples tell.
        if ROOTS.contains(&root) {
            found.push(base.replace("misspelt reference", span, &misspelt, &[reference]));
            found.push(base.replace(
                "reference to nothing",
                span,
                &format!("{root}.nothing_like_it"),
                &["nothing_like_it"],
            ));
            found.push(base.replace(
                "reference below a value",
                span,
                &format!("{reference}.id"),
                &[reference],
            ));
        }
        found.push(base.replace(
            "misspelt root of a reference",
            span,
            &format!("{root}x.{name}"),
            &[&format!("{root}x")],
        ));
        found.push(base.replace(
            "root of another language",
            span,
            &format!("config.{name}"),
            &["config"],
        ));
        found.push(base.replace(
            "reference without a root",
            span,
            "nothing_like_it",
            &["nothing_like_it"],
        ));
        if root != "record" && root != "item" {
            found.push(base.replace("record outside of map", span, "record.id", &["record.id"]));
        }
        if root == "inputs" {
            let is_in = |streams: &[Span]| {
                streams.iter().any(|stream| stream.range().contains(&span.range().start))
            };
            if !is_in(&with_cursor) {
                found.push(base.replace(
                    "reference to a page where there is none",
                    span,
                    "page.cursor",
                    &["page.cursor"],
                ));
            }
            if !is_in(&windowed) {
                found.push(base.replace(
                    "reference to a window where there is none",
                    span,
                    "window.start",
                    &["window.start"],
                ));
            }
        }
    }
    let asked = base.at("facts.*");
    for (span, reference) in references(base) {
        let fact = asked.iter().find(|fact| {
            base.whole(fact).range().contains(&span.range().start)
                && reference.starts_with("facts.")
        });
        if let Some(fact) = fact {
            let own = format!("facts.{}", fact.entry.key);
            found.push(base.replace("fact that asks for itself", span, &own, &[&fact.entry.key]));
        }
    }
    for at in base.at("inputs.*").into_iter().take(1) {
        found.push(base.before(
            "unused input",
            &at,
            "colour: { type: string, title: Colour }",
            &["colour"],
        ));
    }
    for at in base.at("facts.*").into_iter().take(1) {
        let fact =
            "colour: { request: { get: /colour }, select: $.colour, found: red, missing: blue }";
        found.push(base.before("unused fact", &at, fact, &["colour"]));
    }
    for at in base.at("inputs.*") {
        let uses = base.source.matches(&format!("inputs.{}", at.entry.key)).count();
        if uses == 1 {
            let mut mutant = base.replace(
                "declaration renamed",
                at.entry.key_span,
                "renamed",
                &["renamed", &at.entry.key],
            );
            let (span, _) = references(base)
                .into_iter()
                .find(|(_, text)| text.strip_prefix("inputs.") == Some(at.entry.key.as_str()))
                .unwrap();
            mutant.lines.push(base.line(span.start));
            found.push(mutant);
        }
    }
}
