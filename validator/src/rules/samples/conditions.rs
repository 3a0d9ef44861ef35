//! Conditions on records, against the values that were recorded.

use std::collections::BTreeSet;

use longshore_schema::map::{Condition, Conditions, Value};

use super::values::slip;
use super::view::{View, text_of};
use crate::diagnostic::Diagnostic;
use crate::rules::sites::{all_attributes, maps};
use crate::samples::select;

/// No value is asked for that is recorded in almost the same letters.
pub(super) fn values(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for map in maps(view.stream) {
        for case in map.cases() {
            listed(view, &case.condition, found);
        }
        for (_, value) in all_attributes(map).into_iter().flatten() {
            if let Value::Source(source) = &value.value {
                listed(view, &source.condition, found);
            }
        }
    }
}

fn listed(view: &View<'_>, conditions: &Conditions, found: &mut Vec<Diagnostic>) {
    for (path, condition) in conditions {
        let (Condition::Is(values) | Condition::Not(values)) = &condition.value else { continue };
        let texts: BTreeSet<String> = view
            .records
            .iter()
            .flat_map(|record| select(&path.value, record.node))
            .filter_map(text_of)
            .collect();
        let written: Vec<_> = values.iter().map(|value| (value.to_string(), value.span)).collect();
        let keys: Vec<_> = written.iter().map(|(text, span)| (text.as_str(), *span)).collect();
        let named: BTreeSet<&str> = keys.iter().map(|(text, _)| *text).collect();
        let (known, unknown) =
            texts.iter().map(String::as_str).partition(|text| named.contains(text));
        found.extend(slip(&keys, &known, &unknown, &path.value.to_string()));
    }
}
