//! Cases of a map: each is for some records, and no two are for the same.

use std::collections::BTreeMap;

use longshore_schema::Span;
use longshore_schema::map::{Activity, Case, Classes};

use super::Context;
use super::sites::mappings;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// The cases of a choice are for different values, and each is for some.
pub(crate) fn cases(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for mapping in mappings(cx.manifest) {
        let choice = match &mapping.map.classes {
            Classes::Choice(choice) => choice,
            Classes::One(case) => {
                if let Activity::Table(activities) = &case.activity {
                    let span = activities.iter().next().map_or(case.to.span, |(key, _)| key.span);
                    found.push(
                        Diagnostic::new(&codes::CASE_VALUES, span, "a table of activities without `by`")
                            .help("write one activity, or choose among cases: `by: $.type`, `cases` and `else`"),
                    );
                }
                continue;
            }
        };
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut told: Vec<(&Case, Vec<(String, Span)>)> = Vec::new();
        let mut forgot_by = false;
        for case in &choice.cases {
            let listed = case.is.iter().map(|value| (value.to_string(), value.span));
            let tabled = match &case.activity {
                Activity::Fixed(_) | Activity::From(_) => None,
                Activity::Table(activities) => Some(activities),
            };
            if let (Some(first), Some(_)) = (case.is.first(), tabled) {
                found.push(
                    Diagnostic::new(
                        &codes::CASE_VALUES,
                        first.span,
                        "the case lists its values twice",
                    )
                    .help("remove `is`: the table of activities says what the case is for"),
                );
            }
            let keys = tabled.into_iter().flatten().map(|(key, _)| (key.value.clone(), key.span));
            let values: Vec<_> = if tabled.is_some() { keys.collect() } else { listed.collect() };
            if values.is_empty() && case.condition.is_empty() {
                let help = match &choice.by {
                    Some(by) => format!(
                        "add `is: [...]` with values of `{}`, or a table of activities, or conditions under `if`",
                        by.value
                    ),
                    None => {
                        "add what must hold of its records: `if: { $.type: [a, b] }`".to_owned()
                    }
                };
                found.push(
                    Diagnostic::new(&codes::CASE_VALUES, case.to.span, "the case is for no value")
                        .help(help),
                );
            }
            forgot_by |= choice.by.is_none() && !values.is_empty();
            found.extend(same_conditions(&told, case, &values));
            // With conditions, a later case may be for the same value.
            let always = case.condition.is_empty();
            if !always {
                told.push((case, values.clone()));
            }
            for (value, span) in values {
                if let Some(first) = seen.get(&value) {
                    found.push(
                        Diagnostic::new(
                            &codes::DUPLICATE_CASE,
                            span,
                            format!("the value `{value}` has a case already"),
                        )
                        .also(*first, "the first case for it")
                        .help("keep it in one case: only the first would ever count"),
                    );
                } else if always {
                    seen.insert(value, span);
                }
            }
        }
        if let Some(map) = cx.entry(&mapping.keys).filter(|_| forgot_by) {
            found.push(
                Diagnostic::new(
                    &codes::MISSING_KEY,
                    map.key_span,
                    format!("`by` is missing in `{}`", mapping.keys.join(".")),
                )
                .help("add `by: $.member`: the member of the record that has the values of the cases; or say what they are for with `if`"),
            );
        }
        if let Activity::Table(activities) = &choice.otherwise.activity {
            let first = activities.iter().next();
            found.push(
                Diagnostic::new(
                    &codes::CASE_VALUES,
                    first.map_or(choice.otherwise.to.span, |(key, _)| key.span),
                    "a table of activities in `else`, which is for every other value",
                )
                .help(
                    "write one activity such as `Other`, and move the table into a case of its own",
                ),
            );
        }
        if let Some(first) = choice.otherwise.is.first() {
            found.push(
                Diagnostic::new(&codes::CASE_VALUES, first.span, "`else` is for every other value")
                    .help("remove `is`, or make it a case of its own"),
            );
        }
    }
}

/// A case whose records are all of an earlier one.
fn same_conditions(
    told: &[(&Case, Vec<(String, Span)>)],
    case: &Case,
    values: &[(String, Span)],
) -> Option<Diagnostic> {
    let (path, _) = case.condition.iter().next()?;
    let names = |values: &[(String, Span)]| -> Vec<String> {
        values.iter().map(|(value, _)| value.clone()).collect()
    };
    let same = |(earlier, of): &&(&Case, Vec<(String, Span)>)| {
        earlier.condition == case.condition && names(of) == names(values)
    };
    let (earlier, _) = told.iter().find(same)?;
    let (first, _) = earlier.condition.iter().next()?;
    Some(
        Diagnostic::new(
            &codes::DUPLICATE_CASE,
            path.span,
            "the same conditions have a case already",
        )
        .also(first.span, "the first case for them")
        .help("keep one of the two: only the first would ever count"),
    )
}
