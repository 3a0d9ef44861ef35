//! Where a `JSONPath` stands in a manifest, and what it finds in the recorded responses beside it.

use longshore_schema::decode::Decode;
use longshore_schema::scalar::Scalar;
use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, Step};
use longshore_validator::samples::{self, JsonType, Owner};
use longshore_validator::schema_at;

use crate::document::Document;
use crate::mapping;

/// The most characters of a recorded value that are shown.
const MAX_SHOWN: usize = 60;

/// What the paths at a place start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// A record.
    Record,
    /// The body of a response.
    Body,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A path to one value.
    Value,
    /// The path that selects the records.
    Records,
    /// The name of a member of the record.
    Member,
}

/// A place where a path may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) form: Form,
    pub(crate) start: Start,
    owner: Owner,
}

/// The place at the end of these keys and indexes, if a path may stand there; `key` asks for paths
/// that are keys of a mapping there.
pub(crate) fn site(root: &Node, path: &[&str], key: bool) -> Option<Site> {
    let schema = schema_at(path.iter().copied())?;
    let format = if key { &schema["propertyNames"]["format"] } else { &schema["format"] };
    let attribute = || {
        mapping::place(path).is_some_and(|place| place.attribute.is_some() && place.rest.is_empty())
    };
    let is_path = format == "longshore-jsonpath" || !key && attribute();
    let (stream, rest) = match *path {
        ["streams", stream, ref rest @ ..] => (stream, rest),
        ["facts", fact, ..] if is_path => {
            let owner = Owner::Fact(fact.to_owned());
            return Some(Site { form: Form::Value, start: Start::Body, owner });
        }
        _ => return None,
    };
    let entry = root.entry("streams")?.value.entry(stream)?;
    let steps = entry.value.entry("steps").map(|steps| steps.value.entries()).unwrap_or_default();
    let (step, rest) = match *rest {
        ["steps", step, ref rest @ ..] => (Some(step), rest),
        _ => (steps.last().map(|step| step.key.as_str()), rest),
    };
    let (form, start) = match *rest {
        ["ignore", _] => (Form::Member, Start::Record),
        ["records"] if is_path => (Form::Records, Start::Body),
        ["pages" | "promise", ..] if is_path => (Form::Value, Start::Body),
        ["key" | "window" | "map", ..] if is_path => (Form::Value, Start::Record),
        _ => return None,
    };
    let owner = Owner::Stream { stream: stream.to_owned(), step: step.map(str::to_owned) };
    Some(Site { form, start, owner })
}

/// The records or bodies that the paths at a place start from.
pub(crate) fn starts(document: &Document, root: &Node, site: &Site) -> Vec<Node> {
    let request = match &site.owner {
        Owner::Fact(_) => None,
        Owner::Stream { stream, step } => {
            let step = step.iter().flat_map(|step| ["steps", step.as_str()]);
            let mut keys = ["streams", stream.as_str()].into_iter().chain(step);
            keys.try_fold(root, |node, key| Some(&node.entry(key)?.value))
        }
    };
    let text = |key| match &request?.entry(key)?.value.content {
        Content::String(text) => Some(text.as_str()),
        _ => None,
    };
    let decode = request.and_then(|request| request.entry("decode"));
    let decode =
        decode.and_then(|entry| longshore_schema::deserialize::from_node(&entry.value).ok());
    let decode: Decode = decode.unwrap_or_default();
    let records = text("records").and_then(|path| JsonPath::parse(path).ok());
    let found = samples::responses(document.fixtures(), &site.owner, &decode, records.as_ref());
    let answered = found.into_iter().filter(|sample| sample.status.value < 400);
    match site.start {
        Start::Record => answered.flat_map(|sample| sample.records).collect(),
        Start::Body => answered.filter_map(|sample| sample.body).collect(),
    }
}

/// What a path finds, in a few words: `string or null, in 3 of 4 records, such as "ada"`.
pub(crate) fn summary(path: &JsonPath, site: &Site, starts: &[Node]) -> String {
    let found: Vec<_> = starts.iter().map(|start| samples::select(path, start)).collect();
    let values: Vec<_> = found.iter().flatten().copied().collect();
    let held = found.iter().filter(|values| !values.is_empty()).count();
    let what = match site.start {
        Start::Record => "records",
        Start::Body => "responses",
    };
    let counted = format!("in {held} of {} {what}", starts.len());
    if values.is_empty() {
        return format!("not recorded: {counted}");
    }
    format!("{}, {counted}{}", kinds(&values), such_as(path, &values))
}

/// The types of values: `string or null`.
fn kinds(values: &[&Node]) -> String {
    let types = samples::types(values.iter().copied());
    // What is null here is something else elsewhere as a rule, and that is what matters.
    let (null, other): (Vec<_>, Vec<_>) =
        types.into_iter().partition(|type_| *type_ == JsonType::Null);
    let words: Vec<_> = other.iter().chain(&null).map(JsonType::to_string).collect();
    words.join(" or ")
}

/// One of the values that a path found, as JSON; nothing if one of them is private, or if that
/// cannot be told.
fn such_as(path: &JsonPath, values: &[&Node]) -> String {
    let Some(steps) = path.steps() else { return String::new() };
    let members: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    // The member that `*` stands for is not known.
    let every = steps.last() == Some(&Step::Every);
    let private = |value: &&Node| matches!(&value.content, Content::String(text) if samples::is_private(&members, text));
    if every || values.iter().any(private) {
        return String::new();
    }
    let plain = |value: &&&Node| {
        !matches!(value.content, Content::Null | Content::Sequence(_) | Content::Mapping(_))
    };
    let Some(value) = values.iter().find(plain) else { return String::new() };
    let text = value.to_json().to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!(", such as {}…", &text[..end]),
        None => format!(", such as {text}"),
    }
}

/// A member that a path may go on with.
pub(crate) struct Member {
    pub(crate) name: String,
    /// The path that leads to it.
    pub(crate) path: String,
    /// What it is and one value.
    pub(crate) detail: String,
    /// Whether it is an object wherever it is not null.
    pub(crate) object: bool,
    /// Whether it is an array somewhere.
    pub(crate) array: bool,
}

/// What may follow a path that ends before a dot, such as `$` or `$.actor`, in the order in which
/// it was recorded.
pub(crate) fn members(before: &str, starts: &[Node]) -> Vec<Member> {
    let Ok(path) = JsonPath::parse(before) else { return Vec::new() };
    let mut names: Vec<&str> = Vec::new();
    for owner in starts.iter().flat_map(|start| samples::select(&path, start)) {
        for entry in owner.entries() {
            if !names.contains(&entry.key.as_str()) {
                names.push(&entry.key);
            }
        }
    }
    let member = |name: &str| {
        let text = format!("{before}{}", segment(name));
        let path = JsonPath::parse(&text).ok()?;
        let values: Vec<_> = starts.iter().flat_map(|s| samples::select(&path, s)).collect();
        let types = samples::types(values.iter().copied());
        Some(Member {
            name: name.to_owned(),
            detail: format!("{}{}", kinds(&values), such_as(&path, &values)),
            object: types.contains(&JsonType::Object)
                && types.iter().all(|t| matches!(t, JsonType::Object | JsonType::Null)),
            array: types.contains(&JsonType::Array),
            path: text,
        })
    };
    names.into_iter().filter_map(member).collect()
}

/// The path to a member of a record.
pub(crate) fn member(name: &str) -> String {
    format!("${}", segment(name))
}

/// The segment for a member: `.name` where that may be written (RFC 9535, section 2.5.1.1), else in
/// brackets.
fn segment(name: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    if name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return format!(".{name}");
    }
    format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use longshore_schema::yaml;
    use longshore_validator::Fixture;

    use super::*;
    use crate::text::{Encoding, Text};

    const MANIFEST: &str = "streams:
  s:
    records: $.rows[*]
    key: $.id
    map: { to: authentication }
  t:
    steps:
      list: { records: '$.files[*]', key: $.id }
      rows: { decode: csv }
    key: $.ID
";

    fn document(fixtures: &[(&str, &str)]) -> Document {
        let text = Text::new(MANIFEST.to_owned(), Encoding::Utf16);
        let mut document = Document::new("file:///manifest.yaml".into(), 1, text);
        let fixture = |(path, text): &(&str, &str)| Fixture::new(format!("fixtures/{path}"), *text);
        document.set_fixtures(Some(fixtures.iter().map(fixture).collect()));
        document
    }

    #[test]
    fn places_of_paths_are_told_from_others() {
        use Form::{Member, Records, Value};
        use Start::{Body, Record};
        let root = yaml::parse(MANIFEST).unwrap().root;
        let at = |path: &str, key| {
            let path: Vec<_> = path.split('/').collect();
            site(&root, &path, key).map(|site| (site.form, site.start, site.owner.folder()))
        };
        for (path, form, start, folder) in [
            ("streams/s/records", Records, Body, "fixtures/s"),
            ("streams/s/key", Value, Record, "fixtures/s"),
            ("streams/s/key/0", Value, Record, "fixtures/s"),
            ("streams/s/window/on", Value, Record, "fixtures/s"),
            ("streams/s/pages/cursor", Value, Body, "fixtures/s"),
            ("streams/s/pages/next_url", Value, Body, "fixtures/s"),
            ("streams/s/promise/total", Value, Body, "fixtures/s"),
            ("streams/s/ignore/0", Member, Record, "fixtures/s"),
            ("streams/s/map/status_detail", Value, Record, "fixtures/s"),
            ("streams/s/map/user.name/from", Value, Record, "fixtures/s"),
            ("streams/s/map/user.name/from/1", Value, Record, "fixtures/s"),
            ("streams/s/map/by", Value, Record, "fixtures/s"),
            ("streams/s/map/activity/from", Value, Record, "fixtures/s"),
            ("streams/s/map/cases/0/status_detail", Value, Record, "fixtures/s"),
            ("streams/t/key", Value, Record, "fixtures/t/rows"),
            ("streams/t/steps/list/key", Value, Record, "fixtures/t/list"),
            ("streams/t/steps/list/records", Records, Body, "fixtures/t/list"),
            ("facts/f/select", Value, Body, "fixtures/facts/f"),
        ] {
            assert_eq!(at(path, false), Some((form, start, folder.to_owned())), "{path}");
        }
        let last_page = at("streams/s/promise/last_page", true);
        assert_eq!(last_page, Some((Value, Body, "fixtures/s".to_owned())));
        for path in ["streams/s/every", "streams/s/map/to", "streams/s/map/user.name/else", "x"] {
            assert_eq!(at(path, false), None, "{path}");
        }
    }

    #[test]
    fn members_come_with_their_types_and_a_value_that_may_be_shown() {
        let address = format!("ada@{}.com", "harbor-office");
        let body = format!(
            r#"{{"status": 200, "body": {{"more": false, "rows": [
                {{"id": 1, "name": null, "mail": "{address}", "a b": true, "user": {{"x": 1.5}}}},
                {{"id": 2, "name": "Ada", "mail": "ada@example.com", "tags": ["q"], "user": null}}
            ]}}}}"#
        );
        let error = r#"{"status": 403, "body": {"no": "right"}}"#;
        let document =
            document(&[("s/page.json", &body), ("s/error.json", error), ("t/page.json", &body)]);
        let root = document.tree().unwrap();
        let at = |path: &[&str]| {
            let site = site(root, path, false).unwrap();
            let starts = starts(&document, root, &site);
            (site, starts)
        };
        let (site, records) = at(&["streams", "s", "key"]);
        let shown = |before: &str, starts: &[Node]| -> Vec<String> {
            let found = members(before, starts).into_iter();
            found.map(|member| format!("{} {}", member.path, member.detail)).collect()
        };
        assert_eq!(
            shown("$", &records),
            [
                "$.id integer, such as 1",
                "$.name string or null, such as \"Ada\"",
                "$.mail string",
                "$['a b'] boolean, such as true",
                "$.user object or null",
                "$.tags array",
            ]
        );
        assert_eq!(shown("$.user", &records), ["$.user.x number, such as 1.5"]);
        assert_eq!(shown("$.id", &records), [""; 0]);
        let told = |path: &str| summary(&JsonPath::parse(path).unwrap(), &site, &records);
        assert_eq!(told("$.name"), "string or null, in 2 of 2 records, such as \"Ada\"");
        assert_eq!(told("$.mail"), "string, in 2 of 2 records");
        assert_eq!(told("$..mail"), "string, in 2 of 2 records");
        assert_eq!(told("$.tags[0]"), "string, in 1 of 2 records, such as \"q\"");
        assert_eq!(told("$.gone"), "not recorded: in 0 of 2 records");
        let (_, bodies) = at(&["streams", "s", "records"]);
        assert_eq!(shown("$", &bodies), ["$.more boolean, such as false", "$.rows array"]);
    }

    #[test]
    fn rows_of_csv_are_records_of_the_last_step() {
        let rows = r#"{"status": 200, "text": ["ID,AT", "7,now"]}"#;
        let document = document(&[("t/rows/rows.json", rows)]);
        let root = document.tree().unwrap();
        let site = site(root, &["streams", "t", "key"], false).unwrap();
        let starts = starts(&document, root, &site);
        let names: Vec<_> = members("$", &starts).into_iter().map(|m| m.path).collect();
        assert_eq!(names, ["$.ID", "$.AT"]);
    }
}
