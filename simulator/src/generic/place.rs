//! Writes values into documents, at the places where the manifest reads them.

use longshore_schema::{JsonPath, Step};
use serde_json::{Map, Value};

use super::Unsupported;

/// The steps of a path that can be written to.
pub(super) fn steps(path: &JsonPath) -> Result<&[Step], Unsupported> {
    let searches = |step: &Step| matches!(step, Step::Where { .. });
    path.steps().filter(|steps| !steps.iter().any(searches)).ok_or_else(|| {
        Unsupported(format!("the simulator cannot write to the path `{path}`: it searches"))
    })
}

/// The steps of a path to one place.
pub(super) fn one(path: &JsonPath) -> Result<&[Step], Unsupported> {
    let steps = steps(path)?;
    if steps.contains(&Step::Every) {
        let what = format!("the simulator cannot write one value to `{path}`: it is many places");
        return Err(Unsupported(what));
    }
    Ok(steps)
}

/// Sets the value at one place, and makes what leads there.
pub(super) fn set(document: &mut Value, steps: &[Step], value: Value) {
    *at(document, steps) = value;
}

/// Removes the member or element at one place; `null` in the place of a whole document.
pub(super) fn remove(document: &mut Value, steps: &[Step]) {
    let Some((last, before)) = steps.split_last() else {
        *document = Value::Null;
        return;
    };
    match (last, at(document, before)) {
        (Step::Member(name), Value::Object(members)) => {
            members.remove(name);
        }
        (_, place) => *place = Value::Null,
    }
}

fn at<'d>(document: &'d mut Value, steps: &[Step]) -> &'d mut Value {
    let mut place = document;
    for step in steps {
        place = match step {
            Step::Member(name) => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                match place {
                    Value::Object(members) => members.entry(name.clone()).or_insert(Value::Null),
                    _ => return place,
                }
            }
            Step::Index(index) => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                let index = usize::try_from(*index).unwrap_or_default().min(64);
                match place {
                    Value::Array(items) => {
                        if items.len() <= index {
                            items.resize(index + 1, Value::Null);
                        }
                        &mut items[index]
                    }
                    _ => return place,
                }
            }
            Step::Every | Step::Where { .. } => place,
        };
    }
    place
}

/// Puts `values` where a path selects many. What surrounds each of them is taken from the element
/// that stands there already.
pub(super) fn set_all(document: &mut Value, steps: &[Step], values: Vec<Value>) {
    let Some(every) = steps.iter().position(|step| *step == Step::Every) else {
        // A path to one record, or to a list that is one record: there is nothing to repeat.
        if let Some(value) = values.into_iter().next() {
            set(document, steps, value);
        }
        return;
    };
    let (before, inside) = (&steps[..every], &steps[every + 1..]);
    let list = at(document, before);
    let around = match list {
        Value::Array(items) => items.first().cloned(),
        _ => None,
    };
    let items = values.into_iter().map(|value| {
        let mut item = around.clone().unwrap_or(Value::Null);
        set(&mut item, inside, value);
        item
    });
    *list = Value::Array(items.collect());
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_found_by_its_path() {
        for path in ["$", "$.a", "$.a.b[2].c", "$['x y'][0]"] {
            let path = JsonPath::parse(path).unwrap();
            let mut document = json!({ "other": 1 });
            set(&mut document, one(&path).unwrap(), json!("here"));
            assert_eq!(path.first(&document), Some(&json!("here")), "{path}");
            remove(&mut document, one(&path).unwrap());
            assert!(path.first(&document).is_none_or(Value::is_null), "{path}");
        }
    }

    #[test]
    fn records_go_where_they_are_selected() {
        for path in ["$[*]", "$.data[*]", "$.data.edges[*].node"] {
            let path = JsonPath::parse(path).unwrap();
            let mut document = json!({ "data": { "edges": [{ "cursor": "x", "node": 1 }] } });
            set_all(&mut document, steps(&path).unwrap(), vec![json!(5), json!(6)]);
            assert_eq!(path.select(&document), [&json!(5), &json!(6)], "{path}");
        }
        assert!(steps(&JsonPath::parse("$..a").unwrap()).is_err());
    }
}
