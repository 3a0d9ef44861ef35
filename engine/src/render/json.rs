//! Writes JSON whose texts are templates.

use longshore_schema::stream::Json;
use longshore_schema::template::Expression;
use serde_json::{Map, Value};

use super::{Scope, evaluate, render};
use crate::error::Result;

/// Writes JSON; `None` if it refers to something that has no value here. Members and items without
/// a value are left out.
///
/// A text that is one expression alone becomes the value of that expression: a number stays one.
///
/// # Errors
/// As [`render`].
pub fn render_json(json: &Json, scope: &Scope<'_>) -> Result<Option<Value>> {
    Ok(Some(match json {
        Json::Null => Value::Null,
        Json::Literal(literal) => literal.to_json(),
        Json::Template(template) => {
            let Some(expression) = template.as_expression() else {
                return Ok(render(template, scope)?.map(Value::String));
            };
            // An input is kept as text; its type is the manifest's.
            if let Expression::Reference(reference) = expression
                && let [root, name] = reference.path.as_slice()
                && root == "inputs"
            {
                return Ok(scope.inputs.and_then(|inputs| inputs.json(name)));
            }
            return Ok(evaluate(expression, scope, template)?.map(|value| value.json()));
        }
        Json::Array(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.extend(render_json(&item.value, scope)?);
            }
            Value::Array(list)
        }
        Json::Object(members) => {
            let mut object = Map::with_capacity(members.len());
            for (name, member) in members {
                if let Some(value) = render_json(&member.value, scope)? {
                    object.insert(name.value.clone(), value);
                }
            }
            Value::Object(object)
        }
    }))
}

#[cfg(test)]
mod tests {
    use longshore_schema::{deserialize, yaml};
    use serde_json::json;

    use super::*;
    use crate::render::PageScope;

    #[test]
    fn values_keep_their_types_and_what_has_none_is_left_out() {
        let document = yaml::parse(
            "{ size: '{{page.size}}', text: 'n={{page.size}}', cursor: '{{page.cursor}}', \
             ids: ['{{step.ids}}', '{{step.none}}', 7], flag: true, nothing: null, \
             since: '{{epoch step.at \"ms\"}}' }",
        )
        .unwrap();
        let json: Json = deserialize::from_node(&document.root).unwrap();
        let page = PageScope { size: Some(100), ..PageScope::default() };
        let item = json!({ "ids": [1, 2], "at": "1970-01-01T00:00:01Z" });
        let scope = Scope { page: Some(&page), named: &[("step", &item)], ..Scope::default() };
        let written = render_json(&json, &scope).unwrap().unwrap();
        assert_eq!(
            written,
            json!({
                "size": 100,
                "text": "n=100",
                "ids": [[1, 2], 7],
                "flag": true,
                "nothing": null,
                "since": 1000,
            })
        );
    }
}
