//! What an answer about the tenant says.

use longshore_schema::stream::Fact;
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::poll::steps::text;

/// The value of a fact whose question was answered with this document: what the manifest says if
/// something is found or nothing is, the best of a list, those of a list that exist, or what was
/// found itself.
pub(super) fn value(fact: &Fact, document: &Value) -> Result<Value> {
    let found: Vec<_> =
        fact.select.select(document).into_iter().filter(|value| !value.is_null()).collect();
    // A version may be a number in one place and a text in another.
    let is_there = |wanted: &Value| found.iter().any(|value| text(value) == text(wanted));
    let answer = if !fact.prefer.is_empty() {
        fact.prefer.iter().map(|one| one.value.to_json()).find(is_there)
    } else if !fact.among.is_empty() {
        let those: Vec<_> =
            fact.among.iter().map(|one| one.value.to_json()).filter(is_there).collect();
        (!those.is_empty()).then_some(Value::Array(those))
    } else {
        let said = fact.found.as_ref().map(|found| found.value.to_json());
        found.first().map(|value| said.unwrap_or_else(|| (*value).clone()))
    };
    let missing = || fact.missing.as_ref().map(|missing| missing.value.to_json());
    answer.or_else(missing).ok_or_else(|| {
        let wanted = match (fact.prefer.first(), fact.among.first()) {
            (Some(_), _) => "none of the preferred values is among what was found",
            (_, Some(_)) => "none of the wanted values is among what was found",
            _ => "nothing was found",
        };
        Error::new(Code::AppRequestRefused, "the app does not have what this connector needs")
            .cause(format!("`{}` in the answer: {wanted}", fact.select))
            .fix("use a newer connector; whoever maintains it can add `missing` to the fact")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fact(settings: &Value) -> Fact {
        let mut fact = json!({ "request": { "get": "/x" }, "select": "$.versions[*].name" });
        fact.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let document = longshore_schema::yaml::parse(&fact.to_string()).unwrap();
        longshore_schema::deserialize::from_node(&document.root).unwrap()
    }

    #[test]
    fn the_best_of_what_is_there_is_chosen() {
        let document =
            json!({ "versions": [{ "name": "v65.0" }, { "name": "v66.0" }, { "name": 3 }] });
        for (settings, expected) in [
            (json!({ "prefer": ["v67.0", "v66.0", "v65.0"] }), Some(json!("v66.0"))),
            (json!({ "prefer": ["v67.0"], "missing": "v60.0" }), Some(json!("v60.0"))),
            (json!({ "prefer": ["v67.0"] }), None),
            (json!({ "prefer": ["3"] }), Some(json!("3"))),
            (json!({ "among": ["v66.0", "x", "v65.0"] }), Some(json!(["v66.0", "v65.0"]))),
            (json!({ "among": ["x"] }), None),
            (json!({ "found": "yes", "missing": "no" }), Some(json!("yes"))),
            (json!({}), Some(json!("v65.0"))),
        ] {
            assert_eq!(value(&fact(&settings), &document).ok(), expected, "{settings}");
        }
        let none = value(&fact(&json!({ "found": 1, "missing": 0 })), &json!({}));
        assert_eq!(none.unwrap(), json!(0));
    }
}
