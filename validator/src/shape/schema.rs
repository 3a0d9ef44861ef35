//! Look-ups in the published JSON Schema.

use std::sync::OnceLock;

use longshore_schema::yaml::{Content, Node};
use serde_json::Value;

use super::repair::NOWHERE;

/// The published schema.
pub(super) fn root() -> &'static Value {
    static ROOT: OnceLock<Value> = OnceLock::new();
    ROOT.get_or_init(|| {
        serde_json::from_str(longshore_schema::json_schema::PUBLISHED)
            .expect("the published schema is JSON")
    })
}

fn target(schema: &'static Value) -> &'static Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root().pointer(pointer)).unwrap_or(schema)
}

/// The schema for the place that these keys and indexes lead to.
pub(super) fn at<'p>(path: impl IntoIterator<Item = &'p str>) -> Option<&'static Value> {
    path.into_iter().try_fold(root(), |schema, key| {
        let named = schema["properties"].get(key);
        let other = || schema.get("additionalProperties").filter(|inner| inner.is_object());
        let items = || schema.get("items").filter(|_| key.bytes().all(|b| b.is_ascii_digit()));
        named.or_else(items).or_else(other).map(target)
    })
}

/// A value that satisfies the schema at a place and says nothing; `None` where a choice would have
/// to be made.
pub(super) fn filling<'p>(path: impl IntoIterator<Item = &'p str>) -> Option<Node> {
    let schema = at(path)?;
    let types = &schema["type"];
    let content = match types.as_str().or_else(|| types[0].as_str())? {
        "string" => {
            let example = schema["examples"].get(0).or_else(|| schema["enum"].get(0));
            let text = match schema["format"].as_str() {
                // A reference would be looked up.
                Some("longshore-template") => None,
                _ => example.and_then(Value::as_str),
            };
            Content::String(text.unwrap_or("https://longshore.invalid").to_owned())
        }
        "integer" | "number" => Content::Integer(1),
        "boolean" => Content::Bool(false),
        "array" if schema["minItems"].is_null() => Content::Sequence(Vec::new()),
        "object" if schema["required"].is_null() && schema["minProperties"].is_null() => {
            Content::Mapping(Vec::new())
        }
        _ => return None,
    };
    Some(Node { span: NOWHERE, content })
}

/// Whether the schema at a place requires a key.
pub(super) fn is_required(owner: &[String], key: &str) -> bool {
    let schema = at(owner.iter().map(String::as_str));
    let required = schema.and_then(|schema| schema["required"].as_array());
    required.is_some_and(|required| required.iter().any(|name| name == key))
}

/// The names of a schema's own properties.
pub(super) fn properties(schema: &'static Value) -> impl Iterator<Item = &'static str> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str())
}

/// What a property is for: its description, or that of what it refers to, up to the full stop.
pub(super) fn summary(schema: &'static Value, property: &str) -> Option<String> {
    let inner = &schema["properties"][property];
    let text = inner["description"].as_str().or_else(|| target(inner)["description"].as_str())?;
    let text = text.replace('\n', " ");
    let end = text.find(". ").unwrap_or(text.len());
    Some(text[..end].trim_end_matches('.').to_owned())
}

/// The choices of a property that is one of several words.
pub(super) fn choices(schema: &'static Value, property: &str) -> Option<Vec<&'static str>> {
    let inner = &schema["properties"][property];
    let inner = if inner["$ref"].is_string() { target(inner) } else { inner };
    Some(inner["enum"].as_array()?.iter().filter_map(Value::as_str).collect())
}

/// The first property that must be given and is one of several words: its name, its summary and
/// the words.
pub(super) fn required_choice(
    schema: &'static Value,
) -> Option<(&'static str, String, Vec<&'static str>)> {
    let required = schema["required"].as_array()?.iter().filter_map(Value::as_str);
    let mut found =
        required.filter_map(|key| Some((key, summary(schema, key)?, choices(schema, key)?)));
    found.find(|(_, _, words)| words.len() > 1)
}

/// A line that shows how a property is written, such as `version: 1.0.0`.
pub(super) fn example(schema: &'static Value, property: &str) -> String {
    let inner = &schema["properties"][property];
    let inner = if inner["$ref"].is_string() { target(inner) } else { inner };
    // The example of a format may be of another use than this key's.
    let general = match inner["format"].as_str() {
        Some("longshore-jsonpath") if property != "records" => Some("$.member"),
        Some("longshore-template") if !property.ends_with("url") => Some("\"{{inputs.NAME}}\""),
        _ => None,
    };
    let value = if let Some(general) = general {
        general.to_owned()
    } else if let Some(example) = inner["examples"].get(0) {
        plain(example)
    } else if let Some(choice) = inner["enum"].get(0) {
        plain(choice)
    } else {
        match inner["type"].as_str().or_else(|| inner["type"][0].as_str()) {
            Some("array") => "[...]".to_owned(),
            Some("object") => return format!("{property}:"),
            Some("integer" | "number") => "100".to_owned(),
            Some("boolean") => "true".to_owned(),
            _ => "...".to_owned(),
        }
    };
    format!("{property}: {value}")
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.starts_with("{{") || text.starts_with('*') { format!("\"{text}\"") } else { text }
}

/// Every place in the language where a key may stand, as (key, path of its owner); names that the
/// author chooses are `*` in the path.
pub(super) fn owners() -> &'static [(&'static str, Vec<&'static str>)] {
    static OWNERS: OnceLock<Vec<(&'static str, Vec<&'static str>)>> = OnceLock::new();
    OWNERS.get_or_init(|| {
        let mut owners = Vec::new();
        collect(root(), &mut Vec::new(), &mut owners);
        owners
    })
}

fn collect(
    schema: &'static Value,
    path: &mut Vec<&'static str>,
    owners: &mut Vec<(&'static str, Vec<&'static str>)>,
) {
    // The language is not recursive; this bounds a schema that would be.
    if path.len() > 12 {
        return;
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        owners.push((name, path.clone()));
        path.push(name);
        collect(target(inner), path, owners);
        path.pop();
    }
    for keyword in ["additionalProperties", "items"] {
        if let Some(inner) = schema.get(keyword).filter(|inner| inner.is_object()) {
            path.push("*");
            collect(target(inner), path, owners);
            path.pop();
        }
    }
}
