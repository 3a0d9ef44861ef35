//! Questions whose answers decide something: where the answer is looked for, and what it has to be.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::http::Condition;
use crate::scalar::{Name, Pattern};
use crate::stream::{Pages, Promise, Request};
use crate::{JsonPath, Literal, Spanned};

/// An answer of the app about this tenant that several probes look into. It is asked for once per
/// check of the connection, and only if a probe needs it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the answer holds, in a sentence for the admin.
    pub description: Option<String>,
    /// The request.
    pub request: Spanned<Request>,
    /// How the next page is found. What is selected on all pages counts together.
    pub pages: Option<Spanned<Pages>>,
    /// What the response says of its own completeness. A promise not kept is no answer.
    pub promise: Option<Spanned<Promise>>,
    /// Where the records are in the response, if it is a list.
    pub records: Option<Spanned<JsonPath>>,
    /// For a list of settings: a record's own name in the app, such as `$.DurableId`, never a text
    /// that the app translates. Probes then name settings by it, with `setting`, and one that no
    /// check names is reported as not yet assessed.
    pub key: Option<Spanned<JsonPath>>,
    /// With `key`: where a setting's value is in its record, such as `$.OrgValueRaw`.
    pub value: Option<Spanned<JsonPath>>,
    /// What it means that the app gives no answer, in words for the admin; for all checks of these
    /// settings that do not say so themselves.
    pub unknown: Option<Spanned<String>>,
}

/// A question that is answered by yes, by no, or not at all; exactly one of `fact`, `settings` and
/// `request` says where the answer is looked for.
///
/// An answer in which nothing is found is *unknown*: neither yes nor no. Only `count` takes nothing
/// for an answer.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The fact whose value is the answer.
    pub fact: Option<Spanned<Name>>,
    /// The settings in which the answer is looked for, by their name under `settings`.
    pub settings: Option<Spanned<Name>>,
    /// With `settings` that have a `key`: which of them.
    pub setting: Option<Spanned<String>>,
    /// The request in whose JSON response the answer is looked for.
    pub request: Option<Spanned<Request>>,
    /// What is looked at in the response; of several pages, in each.
    pub select: Option<Spanned<JsonPath>>,
    /// With `request`: the answer of the app that means that there is nothing to select.
    pub empty_when: Option<Spanned<Condition>>,
    /// What the answer has to be.
    pub expect: Spanned<Test>,
}

/// What a value has to be. A text, number or truth value alone stands for `equals`.
///
/// Values are compared as they are written, so that the text `true` equals true; numbers are
/// compared as numbers, also those written as text. Of several selected values every one must
/// pass. JSON `null` is no value.
// The derived reader is of the mapping; the trait's own also reads a value alone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Test {
    /// It is this.
    Equals(Spanned<Literal>),
    /// It is anything but this.
    Not(Spanned<Literal>),
    /// It is one of these.
    In(Spanned<Vec<Spanned<Literal>>>),
    /// It is a number, this or larger.
    AtLeast(Spanned<f64>),
    /// It is a number, this or smaller.
    AtMost(Spanned<f64>),
    /// It is a number in this range.
    Between(Spanned<Between>),
    /// It is a text that matches this pattern as a whole.
    Matches(Spanned<Pattern>),
    /// So many values are selected.
    Count(Spanned<Count>),
}

/// A range of numbers, both ends included.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The smallest.
    pub from: Spanned<f64>,
    /// The largest.
    pub to: Spanned<f64>,
}

/// How many values are selected; at least one bound.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// So many or more.
    pub at_least: Option<Spanned<u64>>,
    /// So many or fewer. That nothing is found counts as none, so be sure that the account sees
    /// everything: name the `permissions` that it takes.
    pub at_most: Option<Spanned<u64>>,
}

/// What stands where a test is expected.
enum Written {
    Alone(Literal),
    Mapping(Test),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WrittenVisitor;

        impl<'de> Visitor<'de> for WrittenVisitor {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or a mapping with one test")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Alone(Literal::Text(text.to_owned())))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Written, E> {
                Ok(Written::Alone(Literal::Integer(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Written, E> {
                Ok(Written::Alone(Literal::Float(number)))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Written, E> {
                Ok(Written::Alone(Literal::Bool(value)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Test::deserialize(de::value::MapAccessDeserializer::new(map)).map(Written::Mapping)
            }
        }

        deserializer.deserialize_any(WrittenVisitor)
    }
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, span } = Spanned::<Written>::deserialize(deserializer)?;
        Ok(match value {
            Written::Alone(literal) => Self::Equals(Spanned::new(literal, span)),
            Written::Mapping(test) => test,
        })
    }
}

impl JsonSchema for Test {
    fn schema_name() -> Cow<'static, str> {
        "Test".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let literal = Literal::json_schema(generator);
        let between = generator.subschema_for::<Between>();
        let count = generator.subschema_for::<Count>();
        // The keywords of objects say nothing of a value alone: no union is needed.
        json_schema!({
            "type": ["string", "number", "boolean", "object"],
            "properties": {
                "equals": described(&literal, "It is this. The same as the value alone."),
                "not": described(&literal, "It is anything but this."),
                "in": {
                    "type": "array",
                    "items": literal,
                    "minItems": 1,
                    "description": "It is one of these.",
                },
                "at_least": { "type": "number", "description": "It is a number, this or larger." },
                "at_most": { "type": "number", "description": "It is a number, this or smaller." },
                "between": between,
                "matches": described(
                    &Pattern::json_schema(generator),
                    "It is a text that matches this pattern as a whole.",
                ),
                "count": count,
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "description": "What the value has to be: a value alone, or one test. Values are compared as they are written: the text `true` equals true, and a number may be written as text. Of several values every one must pass.",
        })
    }
}

fn described(schema: &Schema, text: &str) -> Schema {
    let mut schema = schema.clone();
    schema.insert("description".into(), text.into());
    schema
}

impl Test {
    /// The name of the test, as it is written in a manifest.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::Not(_) => "not",
            Self::In(_) => "in",
            Self::AtLeast(_) => "at_least",
            Self::AtMost(_) => "at_most",
            Self::Between(_) => "between",
            Self::Matches(_) => "matches",
            Self::Count(_) => "count",
        }
    }
}
