//! The JSON Schema of maps.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Case, Condition, Conditions, Map, Source, Value, ValueText};
use crate::json_schema::declare_order;
use crate::scalar::{OcsfPath, Pattern, Scalar};
use crate::verb::Verb;
use crate::{JsonPath, Literal, OneOrMany};

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // `format` speaks of text and the object keywords of objects: no union is needed.
        let mut schema = Source::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["string", "number", "boolean", "object"]));
        schema.insert("format".into(), ValueText::FORMAT.into());
        schema.insert(
            "description".into(),
            "Where the attribute's value comes from: a JSONPath into the record (`$.UserId`), a template over `record.NAME`, a value written out, or a mapping with `from`, `template` or `each` and what to do with what is found there."
                .into(),
        );
        schema
    }
}

fn activity_schema(generator: &mut SchemaGenerator) -> serde_json::Value {
    let mut from = <OneOrMany<JsonPath>>::json_schema(generator);
    let description =
        "The member of the record that decides. Of several paths the first with a value counts.";
    from.insert("description".into(), description.into());
    let schema = serde_json::json!({
        "type": ["string", "object"],
        "properties": {
            "from": from,
            "when": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "Values of the member named in `from`, with their activities.",
            },
            "else": {
                "type": "string",
                "description": "The activity for every other value, often `Other`.",
            },
        },
        "additionalProperties": { "type": "string" },
        "minProperties": 1,
        // With one of these the mapping is by a member; without, it is a table by `by`.
        "if": { "required": ["from"] },
        "then": { "required": ["when", "else"], "maxProperties": 3 },
        "description": "The class's activity by its caption, such as `Logon`; or `from`, `when` and `else` to tell it by a member of the record; or a table from the values of the member named in `by` to captions, which then also says what the case is for.",
    });
    let mut members = members(schema);
    declare_order(generator, &mut members, &["from", "when", "else"]);
    members.into()
}

fn verb_schema(generator: &mut SchemaGenerator) -> serde_json::Value {
    let mut verb = Verb::json_schema(generator);
    let description = "What happens, in a word that is the same for all apps, such as `upload_file`. It stands for `to` and `activity`.";
    verb.insert("description".into(), description.into());
    verb.to_value()
}

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let described = |mut schema: Schema, text: &str| {
            schema.insert("description".into(), text.into());
            schema.to_value()
        };
        let not = <OneOrMany<Literal>>::json_schema(generator);
        let mut schema = json_schema!({
            "type": ["string", "number", "boolean", "array", "object"],
            "items": { "type": ["string", "number", "boolean"] },
            "minItems": 1,
            "properties": {
                "not": described(not, "Values that it is none of."),
                "match": described(
                    Pattern::json_schema(generator),
                    "A regular expression that its whole text matches.",
                ),
                "exists": {
                    "type": "boolean",
                    "description": "Whether it has a value.",
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "description": "What it has to be: a value, one of several, or `not`, `match` or `exists`.",
        });
        if let Some(members) = schema.as_object_mut() {
            declare_order(generator, members, &["not", "match", "exists"]);
        }
        schema
    }
}

fn condition_schema(generator: &mut SchemaGenerator) -> serde_json::Value {
    let mut conditions = Conditions::json_schema(generator);
    let description = "What must hold of the record: members by their paths, with what each has to be. All of it must hold.";
    conditions.insert("description".into(), description.into());
    conditions.to_value()
}

fn members(schema: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    match schema {
        serde_json::Value::Object(members) => members,
        _ => unreachable!("written as an object by the caller"),
    }
}

fn case_schema(generator: &mut SchemaGenerator) -> serde_json::Map<String, serde_json::Value> {
    let value = generator.subschema_for::<Value>();
    members(serde_json::json!({
        "type": "object",
        "properties": {
            "to": {
                "type": "string",
                "description": "The OCSF class, such as `authentication` (https://schema.ocsf.io/1.8.0/classes).",
            },
            "activity": activity_schema(generator),
            "verb": verb_schema(generator),
        },
        "propertyNames": { "format": OcsfPath::FORMAT },
        "additionalProperties": value,
    }))
}

impl JsonSchema for Case {
    fn schema_name() -> Cow<'static, str> {
        "Case".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut members = case_schema(generator);
        members["properties"]["is"] = serde_json::json!({
            "type": ["string", "number", "boolean", "array"],
            "items": { "type": ["string", "number", "boolean"] },
            "description": "The values of the member named in `by` that this case is for. Not needed with a table of activities.",
        });
        members["properties"]["if"] = condition_schema(generator);
        // A verb says class and activity.
        members.insert("if".into(), serde_json::json!({ "required": ["verb"] }));
        members.insert("else".into(), serde_json::json!({ "required": ["to", "activity"] }));
        declare_order(generator, &mut members, &["is", "if", "verb", "to", "activity"]);
        let description = "Events of one class. All keys but `is`, `if`, `verb`, `to` and `activity` are paths to OCSF attributes.";
        members.insert("description".into(), description.into());
        Schema::from(members)
    }
}

impl JsonSchema for Map {
    fn schema_name() -> Cow<'static, str> {
        "Map".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut members = case_schema(generator);
        let case = generator.subschema_for::<Case>();
        let shared = serde_json::json!({
            "type": "object",
            "propertyNames": { "format": OcsfPath::FORMAT },
            "additionalProperties": generator.subschema_for::<Value>(),
            "description": "Attributes that all cases have; a case may set them differently.",
        });
        let mut by = JsonPath::json_schema(generator);
        by.insert(
            "description".into(),
            "The member of the record that decides on the class.".into(),
        );
        let mut for_each = JsonPath::json_schema(generator);
        for_each.insert(
            "description".into(),
            "Where the parts of the record are that become an event each, such as `$.events[*]`. In the map, paths that start with it are about the part at hand.".into(),
        );
        members["properties"]["for_each"] = for_each.to_value();
        members["properties"]["by"] = by.to_value();
        members["properties"]["shared"] = shared;
        members["properties"]["cases"] = serde_json::json!({
            "type": "array",
            "items": case,
            "description": "The classes, each with what it is for.",
        });
        members["properties"]["else"] = case.clone().to_value();
        let order = ["for_each", "by", "shared", "verb", "to", "activity", "cases", "else"];
        declare_order(generator, &mut members, &order);
        // With `by` or `cases` it is a choice of cases, without them one case.
        let choice = serde_json::json!({ "required": ["cases", "else"] });
        members.insert("if".into(), serde_json::json!({ "required": ["by"] }));
        members.insert("then".into(), choice.clone());
        members.insert(
            "else".into(),
            serde_json::json!({
                "if": { "required": ["cases"] },
                "then": choice,
                "else": {
                    "if": { "required": ["verb"] },
                    "else": { "required": ["to", "activity"] },
                },
            }),
        );
        let description = "How a record becomes an OCSF event: `to` and `activity`, or `verb`, for one class, or `cases` and `else` for several, told by `by`, by conditions or by both. All other keys are paths to OCSF attributes.";
        members.insert("description".into(), description.into());
        Schema::from(members)
    }
}
