//! The published JSON Schema (draft 2020-12), made from the Rust types.
//!
//! Every object is closed and no `oneOf` is used: a choice among variants is one object with one
//! property, a shorthand is several types in one schema. That gives checkers and editors one
//! exact message for each mistake.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::Manifest;

/// The schema as it is published: what [`json_schema_text`] wrote.
pub const PUBLISHED: &str = include_str!("../manifest.schema.json");

/// The schema as a JSON value.
#[must_use]
pub fn json_schema() -> Value {
    generate(SchemaSettings::draft2020_12())
}

fn generate(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.transforms.push(Box::new(RecursiveTransform(no_null)));
        settings.transforms.push(Box::new(Choices));
    });
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<Manifest>();
    schema.insert("title".into(), "Longshore manifest, version 1".into());
    schema.to_value()
}

/// The schema as the text that is published in `schema/manifest.schema.json`. Properties stand in
/// the order in which the Rust types declare them.
#[must_use]
pub fn json_schema_text() -> String {
    // JSON objects have no order here, lists have: what a serialized value always has is a list of
    // all its properties, as they are declared.
    let order = generate(SchemaSettings::draft2020_12().for_serialize());
    let schema = InOrder { schema: &json_schema(), order: &order };
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Declares the order of a schema's properties where it is not derived from a type.
pub(crate) fn declare_order(
    generator: &SchemaGenerator,
    schema: &mut Map<String, Value>,
    names: &[&str],
) {
    if generator.contract().is_serialize() {
        schema.insert("required".to_owned(), json!(names));
    }
}

/// A schema that is written with its properties in order.
struct InOrder<'v> {
    schema: &'v Value,
    /// The same schema for serialized values.
    order: &'v Value,
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(members) = self.schema else { return self.schema.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (keyword, schema) in members {
            let order = &self.order[keyword];
            match (keyword.as_str(), schema) {
                ("properties", Value::Object(table)) => {
                    let declared = self.order["required"].as_array().map_or(&[][..], Vec::as_slice);
                    map.serialize_entry(keyword, &Properties { table, order, declared })?;
                }
                ("$defs", Value::Object(table)) => {
                    map.serialize_entry(keyword, &Properties { table, order, declared: &[] })?;
                }
                _ => map.serialize_entry(keyword, &Self { schema, order })?,
            }
        }
        map.end()
    }
}

/// Schemas by name: those that are declared in their order, then the others.
struct Properties<'v> {
    table: &'v Map<String, Value>,
    order: &'v Value,
    declared: &'v [Value],
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = |name: &&String| self.declared.iter().any(|other| other == name.as_str());
        let declared =
            self.declared.iter().filter_map(|name| self.table.get_key_value(name.as_str()?));
        let others = self.table.iter().filter(|(name, _)| !known(name));
        serializer.collect_map(
            declared.chain(others).map(|(name, schema)| {
                (name, InOrder { schema, order: &self.order[name.as_str()] })
            }),
        )
    }
}

/// An optional key is left out; it is never null.
fn no_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option != &json!({ "type": "null" }));
        if let [Value::Object(one)] = options.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            for (key, value) in one {
                schema.ensure_object().entry(key).or_insert(value);
            }
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

/// Rewrites the `oneOf` of an enum: unit variants become one `enum`, variants with settings become
/// the properties of one closed object.
#[derive(Clone)]
struct Choices;

impl Transform for Choices {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(Value::Array(options)) = schema.get("oneOf") else { return };
        if let Some(names) = options.iter().map(unit_variant).collect::<Option<Vec<_>>>() {
            let hovers: Vec<_> =
                options.iter().map(|option| option["description"].clone()).collect();
            schema.remove("oneOf");
            schema.insert("type".into(), "string".into());
            schema.insert("enum".into(), names.into());
            // Understood by the YAML and JSON language servers.
            schema.insert("markdownEnumDescriptions".into(), hovers.into());
            return;
        }
        let Some(properties) = options.iter().map(variant).collect::<Option<Map<_, _>>>() else {
            return;
        };
        schema.remove("oneOf");
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        schema.insert("additionalProperties".into(), false.into());
        schema.insert("minProperties".into(), 1.into());
        schema.insert("maxProperties".into(), 1.into());
    }
}

fn unit_variant(option: &Value) -> Option<Value> {
    option.get("const").cloned()
}

fn variant(option: &Value) -> Option<(String, Value)> {
    let (name, inner) = option.get("properties")?.as_object()?.iter().next()?;
    let mut inner = inner.clone();
    if let (Some(text), Some(inner)) = (option.get("description"), inner.as_object_mut()) {
        inner.insert("description".to_owned(), text.clone());
    }
    Some((name.clone(), inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run with `UPDATE_SCHEMA=1` to write the file anew.
    #[test]
    fn the_published_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.schema.json");
        let current = json_schema_text();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == current,
            "schema/manifest.schema.json is stale: run `UPDATE_SCHEMA=1 cargo test -p longshore-schema`"
        );
    }

    #[test]
    fn every_property_is_described_and_every_object_closed() {
        fn walk(schema: &Value, root: &Value, path: &str, faults: &mut Vec<String>) {
            let Some(members) = schema.as_object() else { return };
            for (keyword, value) in members {
                let known = [
                    "$schema",
                    "$defs",
                    "$ref",
                    "title",
                    "description",
                    "type",
                    "properties",
                    "additionalProperties",
                    "propertyNames",
                    "required",
                    "items",
                    "minItems",
                    "minProperties",
                    "maxProperties",
                    "enum",
                    "format",
                    "examples",
                    "default",
                    "minimum",
                    "maximum",
                    "if",
                    "then",
                    "else",
                    "markdownEnumDescriptions",
                    "const",
                ];
                if !known.contains(&keyword.as_str()) {
                    faults.push(format!("{path}: keyword {keyword} {value}"));
                }
            }
            if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                if !members.contains_key("additionalProperties") {
                    faults.push(format!("{path}: open object"));
                }
                for (name, inner) in properties {
                    let target = inner["$ref"].as_str().map_or(inner, |reference| {
                        root.pointer(reference.trim_start_matches('#')).unwrap()
                    });
                    if inner["description"].is_null() && target["description"].is_null() {
                        faults.push(format!("{path}.{name}: no description"));
                    }
                    walk(inner, root, &format!("{path}.{name}"), faults);
                }
            }
            for (name, inner) in
                members.get("$defs").and_then(Value::as_object).into_iter().flatten()
            {
                walk(inner, root, name, faults);
            }
            for keyword in ["items", "additionalProperties"] {
                if let Some(inner) = members.get(keyword) {
                    walk(inner, root, &format!("{path}[]"), faults);
                }
            }
        }
        let schema = json_schema();
        let mut faults = Vec::new();
        walk(&schema, &schema, "manifest", &mut faults);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
