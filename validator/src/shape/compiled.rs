//! The published JSON Schema, prepared once for many walks.
//!
//! Only the keywords that the manifest language uses are known here (JSON Schema 2020-12,
//! <https://json-schema.org/draft/2020-12/json-schema-validation>); any other one is an error, so
//! that a keyword is never published without being checked.

use std::collections::HashMap;
use std::sync::OnceLock;

use longshore_schema::scalar::{Format, formats};
use longshore_schema::yaml::Content;
use serde_json::Value;

use super::schema;

/// A place in the list of all schemas.
pub(super) type Id = usize;

/// One schema object.
#[derive(Default)]
pub(super) struct Schema {
    /// The schema that `$ref` names.
    pub(super) reference: Option<Id>,
    /// The allowed types; none if all are.
    pub(super) types: Option<u8>,
    /// The named properties, sorted by name.
    properties: Vec<(&'static str, Id)>,
    /// What holds for all other properties; without it they are free.
    pub(super) additional: Additional,
    pub(super) property_names: Option<Id>,
    pub(super) required: Vec<&'static str>,
    pub(super) min_properties: usize,
    pub(super) max_properties: Option<usize>,
    pub(super) items: Option<Id>,
    pub(super) min_items: usize,
    pub(super) choices: Option<Vec<&'static str>>,
    pub(super) format: Option<Format>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) condition: Option<Id>,
    pub(super) then: Option<Id>,
    pub(super) otherwise: Option<Id>,
}

/// What holds for properties that are not named.
#[derive(Clone, Copy, Default)]
pub(super) enum Additional {
    #[default]
    Free,
    None,
    Like(Id),
}

impl Schema {
    /// The schema of a named property.
    pub(super) fn property(&self, name: &str) -> Option<Id> {
        let at = self.properties.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(self.properties[at].1)
    }

    /// Whether a value is of one of the allowed types. A number without a fraction is an integer.
    pub(super) fn allows(&self, content: &Content) -> bool {
        let Some(types) = self.types else { return true };
        let kind = match content {
            Content::Null => NULL,
            Content::Bool(_) => BOOLEAN,
            Content::Integer(_) => INTEGER | NUMBER,
            Content::Float(value) if value.fract() == 0.0 => INTEGER | NUMBER,
            Content::Float(_) => NUMBER,
            Content::String(_) => STRING,
            Content::Sequence(_) => ARRAY,
            Content::Mapping(_) => OBJECT,
        };
        types & kind != 0
    }
}

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const INTEGER: u8 = 4;
const NUMBER: u8 = 8;
const STRING: u8 = 16;
const ARRAY: u8 = 32;
const OBJECT: u8 = 64;

/// All schemas; the root is the last.
pub(super) fn schemas() -> &'static [Schema] {
    static SCHEMAS: OnceLock<Vec<Schema>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let mut compiler = Compiler { schemas: Vec::new(), by_pointer: HashMap::new() };
        compiler.definitions();
        compiler
            .schema(schema::root())
            .expect("the published schema uses the keywords known here, as a test makes sure");
        compiler.schemas
    })
}

struct Compiler {
    schemas: Vec<Schema>,
    by_pointer: HashMap<String, Id>,
}

impl Compiler {
    /// Reserves the places of all definitions, which may refer to each other, and fills them.
    fn definitions(&mut self) {
        let definitions: Vec<_> =
            schema::root()["$defs"].as_object().into_iter().flatten().collect();
        for (at, (name, _)) in definitions.iter().enumerate() {
            self.by_pointer.insert(format!("#/$defs/{name}"), at);
            self.schemas.push(Schema::default());
        }
        for (at, (_, definition)) in definitions.into_iter().enumerate() {
            self.schemas[at] = self
                .compile(definition)
                .expect("the published schema uses the keywords known here, as a test makes sure");
        }
    }

    fn schema(&mut self, source: &'static Value) -> Result<Id, String> {
        let schema = self.compile(source)?;
        self.schemas.push(schema);
        Ok(self.schemas.len() - 1)
    }

    fn compile(&mut self, source: &'static Value) -> Result<Schema, String> {
        let mut schema = Schema::default();
        let members = source.as_object().ok_or_else(|| format!("not an object: {source}"))?;
        for (keyword, value) in members {
            let wrong = || format!("`{keyword}` has an unexpected value: {value}");
            let number = || value.as_u64().map(|number| number as usize).ok_or_else(wrong);
            match keyword.as_str() {
                "$schema"
                | "$defs"
                | "title"
                | "description"
                | "examples"
                | "default"
                | "markdownEnumDescriptions" => {}
                "$ref" => {
                    let target = value.as_str().and_then(|name| self.by_pointer.get(name));
                    schema.reference = Some(*target.ok_or_else(wrong)?);
                }
                "type" => schema.types = Some(types(value).ok_or_else(wrong)?),
                "properties" => {
                    for (name, inner) in value.as_object().ok_or_else(wrong)? {
                        let inner = self.schema(inner)?;
                        schema.properties.push((name, inner));
                    }
                    schema.properties.sort_unstable();
                }
                "additionalProperties" => {
                    schema.additional = match value {
                        Value::Bool(false) => Additional::None,
                        inner => Additional::Like(self.schema(inner)?),
                    };
                }
                "propertyNames" => schema.property_names = Some(self.schema(value)?),
                "required" => schema.required = texts(value).ok_or_else(wrong)?,
                "minProperties" => schema.min_properties = number()?,
                "maxProperties" => schema.max_properties = Some(number()?),
                "items" => schema.items = Some(self.schema(value)?),
                "minItems" => schema.min_items = number()?,
                "enum" => schema.choices = Some(texts(value).ok_or_else(wrong)?),
                "format" => {
                    // Other formats (`uint64`) are annotations.
                    schema.format = formats().into_iter().find(|format| format.name == value);
                }
                "minimum" => schema.minimum = Some(value.as_f64().ok_or_else(wrong)?),
                "maximum" => schema.maximum = Some(value.as_f64().ok_or_else(wrong)?),
                "if" => schema.condition = Some(self.schema(value)?),
                "then" => schema.then = Some(self.schema(value)?),
                "else" => schema.otherwise = Some(self.schema(value)?),
                other => return Err(format!("the keyword `{other}` is not known")),
            }
        }
        Ok(schema)
    }
}

fn texts(value: &'static Value) -> Option<Vec<&'static str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn types(value: &Value) -> Option<u8> {
    let names = match value {
        Value::Array(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    names.iter().try_fold(0, |types, name| {
        let one = match name.as_str()? {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            "number" => NUMBER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => return None,
        };
        Some(types | one)
    })
}
