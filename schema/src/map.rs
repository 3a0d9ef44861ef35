//! How a record becomes an OCSF event.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::json_schema::declare_order;
use crate::scalar::{Capture, OcsfPath, Scalar, ScalarError, TimeFormat, scalar};
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table, Template};

/// How a record becomes an event of one class, or of one of several classes chosen by a member of
/// the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Map {
    /// Every record becomes an event of one class.
    One(Box<Case>),
    /// The class depends on the record.
    Choice(Box<Choice>),
}

/// A choice of classes by a member of the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The member that decides.
    pub by: Spanned<JsonPath>,
    /// Attributes that all cases have; a case may set them differently.
    pub shared: Attributes,
    /// The cases.
    pub cases: Vec<Spanned<Case>>,
    /// The case for every other value.
    pub otherwise: Spanned<Case>,
}

/// The events of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The values of the deciding member that this case is for. Empty if the table of activities
    /// says so, or if there is no choice.
    pub is: Vec<Spanned<Literal>>,
    /// The OCSF class, such as `authentication`.
    pub to: Spanned<String>,
    /// The class's activity, such as `Logon`.
    pub activity: Activity,
    /// The other attributes.
    pub attributes: Attributes,
}

/// Where an event's activity comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// Always the same.
    Fixed(Spanned<String>),
    /// By the value of the deciding member.
    Table(Table<String, Spanned<String>>),
    /// By the value of any member.
    From(Box<ActivityFrom>),
}

/// An activity by the value of a member of the record.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityFrom {
    /// The member that decides. Of several paths the first with a value counts.
    pub from: OneOrMany<Spanned<JsonPath>>,
    /// Its values with their activities.
    pub when: Table<String, Spanned<String>>,
    /// The activity for every other value.
    pub otherwise: Spanned<String>,
}

/// Attributes with where their values come from, in source order.
pub type Attributes = Vec<(Spanned<OcsfPath>, Spanned<Value>)>;

/// Where an attribute's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Selected from the record.
    Path(JsonPath),
    /// Written by a template over `record.NAME`.
    Template(Template),
    /// Always the same.
    Literal(Literal),
    /// Selected, and then changed.
    Source(Box<Source>),
}

/// A value that is selected from the record and then changed, in this order: `match`, `when`,
/// `as`, `else`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where the value is in the record. Of several paths the first with a value counts.
    pub from: Spanned<OneOrMany<Spanned<JsonPath>>>,
    /// What part of the text is wanted. Without a match there is no value.
    #[serde(rename = "match")]
    pub capture: Option<Spanned<Capture>>,
    /// Replacements for particular values.
    pub when: Option<Table<String, Spanned<Literal>>>,
    /// What kind of value it is.
    #[serde(rename = "as")]
    pub conversion: Option<Spanned<Conversion>>,
    /// How a time is written, with `as: timestamp`.
    pub format: Option<Spanned<TimeFormat>>,
    /// The value if there is none, or none that `when` knows or `as` can read.
    #[serde(rename = "else")]
    pub otherwise: Option<Spanned<Literal>>,
}

/// What a value is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// Text.
    String,
    /// A whole number; also from text.
    Integer,
    /// A number; also from text.
    Float,
    /// A truth value; also from `true`, `false`, `1` and `0` as text.
    Boolean,
    /// A point in time, in milliseconds since 1970.
    Timestamp,
    /// An IP address; anything else is no value.
    Ip,
}

/// The text form of an attribute's value: a JSONPath if it starts with `$`, a template if it has
/// `{{`, otherwise itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueText(Value);
scalar!(ValueText);

impl Scalar for ValueText {
    const FORMAT: &'static str = "longshore-value";
    const EXAMPLE: &'static str = "$.UserId";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let value = if text.starts_with('$') {
            Value::Path(JsonPath::parse(text)?)
        } else if text.contains("{{") {
            Value::Template(Template::parse(text)?)
        } else {
            Value::Literal(Literal::Text(text.to_owned()))
        };
        Ok(Self(value))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, a template, a value, or a mapping with `from`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                ValueText::parse(text).map(|text| text.0).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Literal(Literal::Integer(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Literal(Literal::Float(number)))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Literal(Literal::Bool(value)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                let source = Source::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Value::Source(Box::new(source)))
            }
        }

        deserializer.deserialize_any(ValueVisitor)
    }
}

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
            "Where the attribute's value comes from: a JSONPath into the record (`$.UserId`), a template over `record.NAME`, a value written out, or a mapping with `from` and what to do with what is found there."
                .into(),
        );
        schema
    }
}

/// The keys of a mapping that are not attributes.
#[derive(Default)]
struct Parts {
    by: Option<Spanned<JsonPath>>,
    shared: Option<Case>,
    cases: Option<Vec<Spanned<Case>>>,
    otherwise: Option<Spanned<Case>>,
    is: Option<OneOrMany<Spanned<Literal>>>,
    to: Option<Spanned<String>>,
    activity: Option<Activity>,
    attributes: Attributes,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartsVisitor;

        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = Parts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                let mut parts = Parts::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.as_str() {
                        "by" => parts.by = Some(map.next_value()?),
                        "shared" => {
                            let shared: Parts = map.next_value()?;
                            parts.shared = Some(Case {
                                is: Vec::new(),
                                to: Spanned::default(),
                                activity: Activity::Fixed(Spanned::default()),
                                attributes: shared.attributes,
                            });
                        }
                        "cases" => parts.cases = Some(map.next_value()?),
                        "else" => parts.otherwise = Some(map.next_value()?),
                        "is" => parts.is = Some(map.next_value()?),
                        "to" => parts.to = Some(map.next_value()?),
                        "activity" => parts.activity = Some(map.next_value()?),
                        _ => {
                            let path = OcsfPath::parse(&key.value).map_err(de::Error::custom)?;
                            let value = map.next_value()?;
                            parts.attributes.push((Spanned::new(path, key.span), value));
                        }
                    }
                }
                Ok(parts)
            }
        }

        deserializer.deserialize_map(PartsVisitor)
    }
}

impl<'de> Deserialize<'de> for Case {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        let missing = |field| <D::Error as de::Error>::missing_field(field);
        Ok(Self {
            is: parts.is.map(|is| is.0).unwrap_or_default(),
            to: parts.to.ok_or_else(|| missing("to"))?,
            activity: parts.activity.ok_or_else(|| missing("activity"))?,
            attributes: parts.attributes,
        })
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        let missing = |field| <D::Error as de::Error>::missing_field(field);
        let Some(by) = parts.by else {
            return Ok(Self::One(Box::new(Case {
                is: Vec::new(),
                to: parts.to.ok_or_else(|| missing("to"))?,
                activity: parts.activity.ok_or_else(|| missing("activity"))?,
                attributes: parts.attributes,
            })));
        };
        Ok(Self::Choice(Box::new(Choice {
            by,
            shared: parts.shared.map(|shared| shared.attributes).unwrap_or_default(),
            cases: parts.cases.ok_or_else(|| missing("cases"))?,
            otherwise: parts.otherwise.ok_or_else(|| missing("else"))?,
        })))
    }
}

impl<'de> Deserialize<'de> for Activity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Form {
            Text(String),
            Table(Table<String, Spanned<String>>),
            From(Box<ActivityFrom>),
        }

        struct FormVisitor;

        impl<'de> Visitor<'de> for FormVisitor {
            type Value = Form;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an activity, or a table of activities")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
                Ok(Form::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form, A::Error> {
                let (mut from, mut when, mut otherwise) = (None, None, None);
                let mut table = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.as_str() {
                        "from" => from = Some(map.next_value()?),
                        "when" => when = Some(map.next_value()?),
                        "else" => otherwise = Some(map.next_value()?),
                        _ => table.push((key, map.next_value()?)),
                    }
                }
                let Some(from) = from else { return Ok(Form::Table(Table(table))) };
                Ok(Form::From(Box::new(ActivityFrom {
                    from,
                    when: when.ok_or_else(|| de::Error::missing_field("when"))?,
                    otherwise: otherwise.ok_or_else(|| de::Error::missing_field("else"))?,
                })))
            }
        }

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FormVisitor)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value {
            Form::Text(text) => Self::Fixed(Spanned::new(text, form.span)),
            Form::Table(table) => Self::Table(table),
            Form::From(from) => Self::From(from),
        })
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
        members.insert("required".into(), serde_json::json!(["to", "activity"]));
        declare_order(generator, &mut members, &["is", "to", "activity"]);
        let description = "Events of one class. All keys but `is`, `to` and `activity` are paths to OCSF attributes.";
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
        members["properties"]["by"] = by.to_value();
        members["properties"]["shared"] = shared;
        members["properties"]["cases"] = serde_json::json!({
            "type": "array",
            "items": case,
            "description": "The classes, each with what it is for.",
        });
        members["properties"]["else"] = case.clone().to_value();
        let order = ["by", "shared", "to", "activity", "cases", "else"];
        declare_order(generator, &mut members, &order);
        // With `by` it is a choice of cases, without it one case.
        members.insert("if".into(), serde_json::json!({ "required": ["by"] }));
        members.insert("then".into(), serde_json::json!({ "required": ["cases", "else"] }));
        members.insert("else".into(), serde_json::json!({ "required": ["to", "activity"] }));
        let description = "How a record becomes an OCSF event: `to` and `activity` for one class, or `by`, `cases` and `else` for several. All other keys are paths to OCSF attributes.";
        members.insert("description".into(), description.into());
        Schema::from(members)
    }
}
