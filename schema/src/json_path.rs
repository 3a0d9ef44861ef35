//! JSONPath (RFC 9535), parsed at load, with the common cases as plain steps.

use std::fmt;

use jsonpath_rust::parser::model::{
    self, Comparable, Comparison, Filter, FilterAtom, JpQuery, Segment, Selector, SingularQuery,
    SingularQuerySegment,
};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
pub use jsonpath_rust::query::queryable::Queryable;
use serde_json::Value;

use crate::scalar::{Scalar, ScalarError, scalar};

/// A query that selects from a JSON document.
#[derive(Clone, Debug)]
pub struct JsonPath {
    text: String,
    selection: Selection,
}
scalar!(JsonPath);

/// What a path selects, as far as it is known without a document.
#[derive(Clone, Debug)]
enum Selection {
    Steps(Vec<Step>),
    Search(JpQuery),
}

/// A step that needs no search: most paths in manifests consist of these alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member with this name.
    Member(String),
    /// The element at this index; negative counts from the end.
    Index(i64),
    /// Every element, or every member's value.
    Every,
    /// The elements with this text under these nested member names: `[?@.name == 'x']`.
    Where {
        /// The names that lead to the text.
        member: Vec<String>,
        /// The text.
        is: String,
    },
}

impl JsonPath {
    /// The path as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as plain steps, unless it has slices, unions, descendants, or filters other than for
    /// a member's text.
    #[must_use]
    pub fn steps(&self) -> Option<&[Step]> {
        match &self.selection {
            Selection::Steps(steps) => Some(steps),
            Selection::Search(_) => None,
        }
    }

    /// Whether the path selects at most one value (RFC 9535, section 2.3.5.1: a singular query).
    #[must_use]
    pub fn is_singular(&self) -> bool {
        let is_singular = |step: &Step| matches!(step, Step::Member(_) | Step::Index(_));
        self.steps().is_some_and(|steps| steps.iter().all(is_singular))
    }

    /// Whether the path means one value: by names and indexes, or by a member's text, as in
    /// `$.parameters[?@.name=='owner'].value`, of which the first that fits counts.
    #[must_use]
    pub fn means_one(&self) -> bool {
        self.steps().is_some_and(|steps| !steps.contains(&Step::Every))
    }

    /// The names of a path that consists of members only, `[]` for `$`.
    #[must_use]
    pub fn members(&self) -> Option<Vec<&str>> {
        let steps = self.steps()?;
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
    pub fn select<'v, T: Queryable>(&self, document: &'v T) -> Vec<&'v T> {
        match &self.selection {
            Selection::Steps(steps) => {
                let mut found = Vec::new();
                walk(steps, document, &mut found);
                found
            }
            Selection::Search(query) => js_path_process(query, document)
                .map(|found| found.into_iter().map(jsonpath_rust::query::QueryRef::val).collect())
                .unwrap_or_default(),
        }
    }

    /// The first value selected, JSON `null` included; `None` if there is none.
    #[must_use]
    pub fn first<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.select(document).into_iter().next()
    }
}

fn walk<'v, T: Queryable>(steps: &[Step], value: &'v T, found: &mut Vec<&'v T>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match step {
        Step::Member(name) => {
            if let Some(value) = value.get(name) {
                walk(rest, value, found);
            }
        }
        Step::Index(index) => {
            let Some(items) = value.as_array() else { return };
            let at = if *index < 0 { items.len() as i64 + index } else { *index };
            if let Some(value) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
                walk(rest, value, found);
            }
        }
        Step::Every => children(value).for_each(|v| walk(rest, v, found)),
        Step::Where { member, is } => {
            let fits = |item: &&T| text_at(*item, member) == Some(is);
            children(value).filter(fits).for_each(|v| walk(rest, v, found));
        }
    }
}

/// The elements of an array, or the values of an object's members.
fn children<T: Queryable>(value: &T) -> impl Iterator<Item = &T> {
    let members = value.as_object().into_iter().flatten().map(|(_, value)| value);
    value.as_array().into_iter().flatten().chain(members)
}

fn text_at<'v, T: Queryable>(value: &'v T, names: &[String]) -> Option<&'v str> {
    names.iter().try_fold(value, |value, name| value.get(name))?.as_str()
}

impl Scalar for JsonPath {
    const FORMAT: &'static str = "longshore-jsonpath";
    const EXAMPLE: &'static str = "$.records[*]";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.len() > 1024 {
            return Err(ScalarError::new("the path is longer than 1024 bytes", "select with less"));
        }
        let selection = match plain_steps(text) {
            Some(steps) => Selection::Steps(steps),
            None => by_grammar(text).ok_or_else(|| explain(text))?,
        };
        Ok(Self { text: text.to_owned(), selection })
    }
}

/// What a path selects, by the grammar of RFC 9535; `None` if it is no path.
fn by_grammar(text: &str) -> Option<Selection> {
    // The parser takes a trailing blank, RFC 9535 does not.
    let query = parse_json_path(text).ok().filter(|_| !text.ends_with(char::is_whitespace))?;
    let steps = query.segments.iter().map(|segment| match segment {
        Segment::Selector(Selector::Name(name)) => unquote(name).map(Step::Member),
        Segment::Selector(Selector::Index(index)) => Some(Step::Index(*index)),
        Segment::Selector(Selector::Wildcard) => Some(Step::Every),
        Segment::Selector(Selector::Filter(filter)) => by_text(filter),
        _ => None,
    });
    Some(match steps.collect() {
        Some(steps) => Selection::Steps(steps),
        None => Selection::Search(query),
    })
}

/// The step that a filter for a member's text is.
fn by_text(filter: &Filter) -> Option<Step> {
    let Filter::Atom(FilterAtom::Comparison(comparison)) = filter else { return None };
    let Comparison::Eq(
        Comparable::SingularQuery(SingularQuery::Current(segments)),
        Comparable::Literal(model::Literal::String(is)),
    ) = &**comparison
    else {
        return None;
    };
    let name = |segment: &SingularQuerySegment| match segment {
        SingularQuerySegment::Name(name) => unquote(name),
        SingularQuerySegment::Index(_) => None,
    };
    let member: Vec<_> = segments.iter().map(name).collect::<Option<_>>()?;
    (!member.is_empty()).then(|| Step::Where { member, is: is.clone() })
}

/// The steps of a path of the simplest forms, `$.a[0].b[*]['c d']`, read many times faster than by
/// the whole grammar; `None` says nothing about the path.
fn plain_steps(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        if let Some(name) = rest.strip_prefix('.') {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = name.bytes().take_while(|byte| is_name(byte)).count();
            if length == 0 || name.as_bytes()[0].is_ascii_digit() {
                return None;
            }
            step = Step::Member(name[..length].to_owned());
            rest = &name[length..];
        } else {
            let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
            step = if inner == "*" {
                Step::Every
            } else if let Some(name) = inner.strip_prefix('\'').and_then(|n| n.strip_suffix('\'')) {
                let is_plain =
                    |byte: u8| byte.is_ascii_alphanumeric() || b" _.-@:/".contains(&byte);
                if name.is_empty() || !name.bytes().all(is_plain) {
                    return None;
                }
                Step::Member(name.to_owned())
            } else {
                let digits = inner.bytes().all(|byte| byte.is_ascii_digit());
                if !digits || inner.len() > 9 || (inner.starts_with('0') && inner != "0") {
                    return None;
                }
                Step::Index(inner.parse().ok()?)
            };
            rest = after;
        }
        steps.push(step);
    }
    Some(steps)
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
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn agrees(text: &str) {
        if let Some(steps) = plain_steps(text) {
            match by_grammar(text) {
                Some(Selection::Steps(known)) => assert_eq!(steps, known, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn plain_paths_are_read_without_the_grammar() {
        for text in ["$", "$.a_1.B", "$.a[*].b", "$[0]['c d'][10]", "$['a.b@c/d:e-f']"] {
            assert!(plain_steps(text).is_some(), "{text}");
            agrees(text);
        }
        for text in ["", "a", "$.", "$.1", "$[01]", "$['']", "$..a", "$.a[?@.b]", "$[0,1]", "$.é"]
        {
            assert!(plain_steps(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn plain_steps_agree_with_the_grammar(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                ".", "[", "]", "'", "\"", "*", "[*]", "['", "']", ".a", "b1", "_", "0", "1", "12",
                "-1", " ", "-", "@", "é", "\\", ":", "/", "true", "null", "length", "999999999",
                "[0]", "$", "(", ")", "\n", ",",
            ]), 0..8),
        ) {
            agrees(&format!("${}", pieces.concat()));
        }
    }

    #[test]
    fn plain_steps_agree_with_the_full_query() {
        let document = json!({"a": [{"b": 1, "c d": null}, {"b": 2}], "x": {"y": "z"}});
        for text in
            ["$", "$.a", "$.a[*].b", "$.a[0].b", "$.a[-1].b", "$['a'][0]['c d']", "$.x.*", "$.no"]
        {
            let path = JsonPath::parse(text).unwrap();
            let query = parse_json_path(text).unwrap();
            let full: Vec<_> = js_path_process(&query, &document)
                .unwrap()
                .into_iter()
                .map(jsonpath_rust::query::QueryRef::val)
                .collect();
            assert!(path.steps().is_some(), "{text}");
            assert_eq!(path.select(&document), full, "{text}");
        }
    }

    #[test]
    fn a_filter_for_a_text_is_a_step_and_others_fall_back_to_the_full_query() {
        let document = json!({"fields": [{"name": "Id", "n": 1}, {"name": "Sequence", "n": 2}]});
        for (text, is_step) in [
            ("$.fields[?@.name == 'Sequence'].name", true),
            ("$.fields[?@['name']=='Sequence'].name", true),
            ("$.fields[?@.n == 2].name", false),
            ("$.fields[?@.name != 'Id'].name", false),
        ] {
            let path = JsonPath::parse(text).unwrap();
            assert_eq!(path.first(&document), Some(&json!("Sequence")), "{text}");
            assert_eq!(path.steps().is_some(), is_step, "{text}");
            assert_eq!(path.means_one(), is_step, "{text}");
            assert!(!path.is_singular());
            let query = parse_json_path(text).unwrap();
            assert_eq!(js_path_process(&query, &document).unwrap().len(), 1, "{text}");
        }
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
