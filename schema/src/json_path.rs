//! JSONPath (RFC 9535), parsed at load, with the common cases as plain steps.

use std::fmt;

use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

use crate::scalar::{Scalar, ScalarError, scalar};

/// A query that selects from a JSON document.
#[derive(Clone, Debug)]
pub struct JsonPath {
    text: String,
    steps: Option<Vec<Step>>,
    query: JpQuery,
}
scalar!(JsonPath);

/// A step that needs no search: most paths in manifests consist of these alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member with this name.
    Member(String),
    /// The element at this index; negative counts from the end.
    Index(i64),
    /// Every element, or every member's value.
    Every,
}

impl JsonPath {
    /// The path as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as plain steps, unless it has filters, slices, unions or descendants.
    #[must_use]
    pub fn steps(&self) -> Option<&[Step]> {
        self.steps.as_deref()
    }

    /// Whether the path selects at most one value (RFC 9535, section 2.3.5.1: a singular query).
    #[must_use]
    pub fn is_singular(&self) -> bool {
        self.steps.as_ref().is_some_and(|steps| !steps.contains(&Step::Every))
    }

    /// The names of a path that consists of members only, `[]` for `$`.
    #[must_use]
    pub fn members(&self) -> Option<Vec<&str>> {
        let steps = self.steps.as_ref()?;
        steps
            .iter()
            .map(|step| match step {
                Step::Member(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// All values selected from a document, in document order.
    #[must_use]
    pub fn select<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        if let Some(steps) = &self.steps {
            let mut found = Vec::new();
            walk(steps, document, &mut found);
            return found;
        }
        js_path_process(&self.query, document)
            .map(|found| found.into_iter().map(jsonpath_rust::query::QueryRef::val).collect())
            .unwrap_or_default()
    }

    /// The first value selected, JSON `null` included; `None` if there is none.
    #[must_use]
    pub fn first<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.select(document).into_iter().next()
    }
}

fn walk<'v>(steps: &[Step], value: &'v Value, found: &mut Vec<&'v Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match (step, value) {
        (Step::Member(name), Value::Object(members)) => {
            if let Some(value) = members.get(name) {
                walk(rest, value, found);
            }
        }
        (Step::Index(index), Value::Array(items)) => {
            let at = if *index < 0 { items.len() as i64 + index } else { *index };
            if let Some(value) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
                walk(rest, value, found);
            }
        }
        (Step::Every, Value::Array(items)) => items.iter().for_each(|v| walk(rest, v, found)),
        (Step::Every, Value::Object(members)) => {
            members.values().for_each(|v| walk(rest, v, found));
        }
        _ => {}
    }
}

impl Scalar for JsonPath {
    const FORMAT: &'static str = "longshore-jsonpath";
    const EXAMPLE: &'static str = "$.records[*]";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.len() > 1024 {
            return Err(ScalarError::new("the path is longer than 1024 bytes", "select with less"));
        }
        let query = match parse_json_path(text) {
            // The parser takes a trailing blank, RFC 9535 does not.
            Ok(query) if !text.ends_with(char::is_whitespace) => query,
            _ => return Err(explain(text)),
        };
        let steps = query
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Selector(Selector::Name(name)) => unquote(name).map(Step::Member),
                Segment::Selector(Selector::Index(index)) => Some(Step::Index(*index)),
                Segment::Selector(Selector::Wildcard) => Some(Step::Every),
                _ => None,
            })
            .collect();
        Ok(Self { text: text.to_owned(), steps, query })
    }
}

/// A member name without the quotes of `['name']`; names with escapes are left to the full query.
fn unquote(name: &str) -> Option<String> {
    let inner = ['\'', '"']
        .iter()
        .find_map(|quote| name.strip_prefix(*quote).and_then(|rest| rest.strip_suffix(*quote)))
        .unwrap_or(name);
    (!inner.contains('\\')).then(|| inner.to_owned())
}

/// Names the usual reasons; the parser's own message speaks of its grammar.
fn explain(text: &str) -> ScalarError {
    let message = format!("`{text}` is not a JSONPath");
    if !text.starts_with('$') {
        let bare = text.trim_start_matches(['.', '/']).replace('/', ".");
        return ScalarError::new(
            message,
            format!("a path starts at the document's root: write `$.{bare}` (RFC 9535)"),
        )
        .at(0);
    }
    if let Some(at) = text.find("()") {
        return ScalarError::new(
            message,
            "paths have no methods; `length()` and the like exist only inside filters (RFC 9535, 2.4)",
        )
        .at(at);
    }
    if let Some(at) = text.find("=~") {
        let help = "write `search(@.name, 'pattern')` instead of `=~` (RFC 9535, 2.4.7)";
        return ScalarError::new(message, help).at(at);
    }
    let opened = text.matches('[').count();
    if opened != text.matches(']').count() {
        return ScalarError::new(message, "a `[` has no matching `]`").at(text.len());
    }
    let odd = |c: char| !(c.is_alphanumeric() || "_.$[]*'\"?@".contains(c));
    if let Some(at) = text.find(odd) {
        let start = text[..at].rfind('.').map_or(1, |dot| dot + 1);
        let end = text[at..].find(['.', '[']).map_or(text.len(), |end| at + end);
        let name = &text[start..end];
        return ScalarError::new(
            message,
            format!("quote names with other characters than letters, digits and `_`: ['{name}']"),
        )
        .at(at);
    }
    ScalarError::new(message, "write members as `.name` and elements as `[0]` or `[*]` (RFC 9535)")
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for JsonPath {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for JsonPath {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_steps_agree_with_the_full_query() {
        let document = json!({"a": [{"b": 1, "c d": null}, {"b": 2}], "x": {"y": "z"}});
        for text in
            ["$", "$.a", "$.a[*].b", "$.a[0].b", "$.a[-1].b", "$['a'][0]['c d']", "$.x.*", "$.no"]
        {
            let path = JsonPath::parse(text).unwrap();
            let full: Vec<_> = js_path_process(&path.query, &document)
                .unwrap()
                .into_iter()
                .map(jsonpath_rust::query::QueryRef::val)
                .collect();
            assert!(path.steps().is_some(), "{text}");
            assert_eq!(path.select(&document), full, "{text}");
        }
    }

    #[test]
    fn filters_fall_back_to_the_full_query() {
        let path = JsonPath::parse("$.fields[?@.name == 'Sequence'].name").unwrap();
        let document = json!({"fields": [{"name": "Id"}, {"name": "Sequence"}]});
        assert_eq!(path.first(&document), Some(&json!("Sequence")));
        assert!(path.steps().is_none() && !path.is_singular());
    }

    #[test]
    fn usual_mistakes_are_explained() {
        let help = |text| JsonPath::parse(text).unwrap_err().help.unwrap();
        assert!(help("records[*]").contains("`$.records[*]`"));
        assert!(help("$.a.length()").contains("no methods"));
        assert!(help("$.a.b-c").contains("['b-c']"), "{}", help("$.a.b-c"));
        assert!(help("$.a[0").contains("matching"));
        assert!(JsonPath::parse("$.a ").is_err());
    }
}
