//! Lists in templates, facts whose answer is one, and tables that know every choice.

use std::collections::HashSet;

use longshore_schema::manifest::InputType;
use longshore_schema::template::{Expression, Helper, Part as Piece, Reference};
use longshore_schema::{Literal, Template};

use super::Context;
use super::asked::key_of;
use super::fetch::fetches;
use super::helpers::calls;
use super::signatures::texts;
use super::sites::{sites, streams};
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A fact has one answer.
pub(crate) fn facts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, fact) in &cx.manifest.facts {
        let all = [
            ("found", fact.found.is_some()),
            ("prefer", !fact.prefer.is_empty()),
            ("among", !fact.among.is_empty()),
        ];
        let mut given = all.into_iter().filter(|(_, given)| *given).map(|(key, _)| key);
        let (Some(first), Some(second)) = (given.next(), given.next()) else { continue };
        let place = |key| key_of(cx, &["facts", name.as_str(), key], name.span);
        found.push(
            Diagnostic::new(
                &codes::CONFLICTING_KEYS,
                place(second),
                format!("`{second}` stands beside `{first}`: both say what the fact `{name}` is"),
            )
            .also(place(first), "the other one")
            .help("keep `found` for a value of your own, `prefer` for the best of several, or `among` for all that there are"),
        );
    }
}

/// A list is put together before it is written into a text.
pub(crate) fn written(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let lists: HashSet<&str> = cx
        .manifest
        .facts
        .iter()
        .filter(|(_, fact)| !fact.among.is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    for (_, _, stream) in streams(cx.manifest) {
        for fetch in fetches(stream) {
            let batched = fetch.settings.is_some_and(|step| step.batch.is_some());
            if lists.is_empty() && !batched {
                continue;
            }
            let is_list = |reference: &Reference| match reference.path.as_slice() {
                [root] => batched && root == "batch",
                [root, name] => root == "facts" && lists.contains(name.as_str()),
                _ => false,
            };
            for (template, span) in texts(fetch.request) {
                let Some(reference) = bare(template.parts(), &is_list) else { continue };
                let text = reference.to_string();
                found.push(
                    Diagnostic::new(
                        &codes::LIST_AS_TEXT,
                        cx.find(span, &text, 0),
                        format!("`{text}` is a list, and is written as `[\"a\",\"b\"]` here"),
                    )
                    .help(format!(
                        "write `{{{{join {text} \",\"}}}}` with what the app wants between the values, or `{{{{json {text}}}}}` if it wants JSON"
                    )),
                );
            }
        }
    }
}

/// A list that is written as it is.
fn bare<'t>(pieces: &'t [Piece], is_list: &dyn Fn(&Reference) -> bool) -> Option<&'t Reference> {
    pieces.iter().find_map(|piece| match piece {
        Piece::Expression(Expression::Reference(reference)) if is_list(reference) => {
            Some(reference)
        }
        Piece::If { then, otherwise, .. } => {
            bare(then, is_list).or_else(|| bare(otherwise, is_list))
        }
        Piece::Expression(_) | Piece::Text(_) => None,
    })
}

/// A table knows every choice that is looked up in it.
pub(crate) fn choices(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.manifest.tables.is_empty() {
        return;
    }
    let mut seen = HashSet::new();
    for site in sites(cx.manifest) {
        for (helper, arguments) in with_fallbacks(site.template) {
            let [Expression::Literal(Literal::Text(table)), Expression::Reference(reference)] =
                arguments
            else {
                continue;
            };
            let [root, input] = reference.path.as_slice() else { continue };
            let known = (helper == Helper::Lookup && root == "inputs").then_some(());
            let Some(input) = known.and_then(|()| cx.inputs.get(input.as_str())) else { continue };
            let Some(entries) = cx.manifest.tables.get(table) else { continue };
            if input.kind.value != InputType::Choice || !cx.intact(&["tables", table]) {
                continue;
            }
            let missing = input.choices.iter().find(|choice| entries.get(choice).is_none());
            if let Some(choice) = missing.filter(|choice| seen.insert((table, choice.as_str()))) {
                let misspelt = entries
                    .iter()
                    .find(|(key, _)| !input.choices.iter().any(|choice| choice.value == key.value));
                let mut diagnostic = Diagnostic::new(
                    &codes::LOOKUP_GAP,
                    misspelt
                        .map_or(key_of(cx, &["tables", table], entries.span), |(key, _)| key.span),
                    format!("the table `{table}` has no entry for the choice `{choice}`"),
                )
                .also(choice.span, "can be chosen")
                .help(format!("add `{choice}` to the table, or remove the choice"));
                if let Some((key, _)) = misspelt {
                    diagnostic = diagnostic.label(format!("nobody can choose `{}`", key.value));
                }
                found.push(diagnostic);
            }
        }
    }
}

/// The calls of a template, if it has no fallback for one that gives nothing.
fn with_fallbacks(template: &Template) -> Vec<(Helper, &[Expression])> {
    let calls = calls(template);
    if calls.iter().any(|(helper, _)| *helper == Helper::Default) { Vec::new() } else { calls }
}
