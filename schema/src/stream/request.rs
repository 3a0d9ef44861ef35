//! What is asked: method, address, parameters and body of a request.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::auth::RequestAuth;
use crate::scalar::{GraphQlQuery, Name, Scalar};
use crate::{Literal, OneOrMany, Spanned, Table, Template};

/// One request; exactly one of the methods, and at most one of the bodies `json`, `form`,
/// `graphql` and `text`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// A GET request for this path below `http.base_url`, or for this whole URL.
    pub get: Option<Spanned<Template>>,
    /// A POST request to this path below `http.base_url`, or to this whole URL.
    pub post: Option<Spanned<Template>>,
    /// A PUT request to this path or URL.
    pub put: Option<Spanned<Template>>,
    /// A PATCH request to this path or URL (RFC 5789).
    pub patch: Option<Spanned<Template>>,
    /// A DELETE request to this path or URL.
    pub delete: Option<Spanned<Template>>,
    /// A HEAD request for this path or URL. Its answer has no body (RFC 9110, 9.3.2).
    pub head: Option<Spanned<Template>>,
    /// What the path is appended to in place of `http.base_url`: another version of the API, or
    /// another of the app's hosts.
    pub base_url: Option<Spanned<Template>>,
    /// Query parameters, percent-encoded by the engine. A list repeats the parameter. One whose
    /// template has a reference without a value is left out.
    #[serde(default)]
    pub query: Table<String, OneOrMany<Spanned<Parameter>>>,
    /// Headers for this request.
    #[serde(default)]
    pub headers: Table<String, Spanned<Template>>,
    /// Form fields of the body (`application/x-www-form-urlencoded`). A list repeats the field.
    #[serde(default)]
    pub form: Table<String, OneOrMany<Spanned<Parameter>>>,
    /// The body, as JSON. What has no value is left out.
    pub json: Option<Spanned<Json>>,
    /// A GraphQL query in the body.
    pub graphql: Option<Spanned<GraphQl>>,
    /// The body as plain text, of the kind that the header `Content-Type` names.
    pub text: Option<Spanned<Template>>,
    /// `none` for a request that needs no credentials, such as a URL that the app signed.
    pub auth: Option<Spanned<RequestAuth>>,
    /// What the request spends of quotas that are counted in more than calls, by their names; 1
    /// unless given.
    #[serde(default)]
    pub cost: Table<Name, Spanned<u64>>,
}

impl Request {
    /// The methods with their URLs; one in a manifest that was validated.
    #[must_use]
    pub fn methods(&self) -> Vec<(&'static str, &Spanned<Template>)> {
        let methods = [
            ("get", &self.get),
            ("post", &self.post),
            ("put", &self.put),
            ("patch", &self.patch),
            ("delete", &self.delete),
            ("head", &self.head),
        ];
        methods.into_iter().filter_map(|(name, url)| Some((name, url.as_ref()?))).collect()
    }

    /// The method in lower case with its URL; `None` in a manifest that was not validated.
    #[must_use]
    pub fn method(&self) -> Option<(&'static str, &Spanned<Template>)> {
        self.methods().first().copied()
    }

    /// All its templates.
    #[must_use]
    pub fn templates(&self) -> Vec<&Template> {
        let urls = self.methods().into_iter().map(|(_, url)| &url.value);
        let parameters = self.query.iter().chain(&self.form);
        let parameters = parameters.flat_map(|(_, values)| values.0.iter().map(|one| &one.value.0));
        let headers = self.headers.iter().map(|(_, value)| value);
        let others = headers.chain(&self.base_url).chain(&self.text).map(|text| &text.value);
        let variables = self.graphql.iter().flat_map(|query| &query.variables);
        let json = self.json.iter().chain(variables.map(|(_, value)| value));
        let json = json.flat_map(|json| Json::templates(json).into_iter().map(|(text, _)| text));
        urls.chain(parameters).chain(others).chain(json).collect()
    }

    /// Whether one of its templates has a reference that begins with `root`.
    #[must_use]
    pub fn refers_to(&self, root: &str) -> bool {
        let refers = |template: &&Template| {
            template.references().iter().any(|found| found.path.first().is_some_and(|p| p == root))
        };
        self.templates().iter().any(refers)
    }
}

/// A template, or a number or truth value written as such.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter(pub Template);

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let literal = Literal::deserialize(deserializer)?;
        Template::parse(&literal.to_string()).map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for Parameter {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"], "format": Template::FORMAT })
    }
}

/// A GraphQL query (GraphQL over HTTP, section 5.4): sent as a JSON body with `query`,
/// `variables` and `operationName`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphQl {
    /// The query, as it is: values go in `variables`.
    pub query: Spanned<GraphQlQuery>,
    /// The values of the query's variables. What has no value is left out.
    #[serde(default)]
    pub variables: Table<String, Spanned<Json>>,
    /// The operation to run, if the query holds several.
    pub operation: Option<Spanned<String>>,
}

/// JSON with templates for its texts.
///
/// A text that is one reference alone, such as `{{page.size}}`, becomes the value that it refers
/// to: a number, a truth value, a list or an object stays one. Any other text becomes a text. A
/// member or item whose template has no value is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Nothing.
    Null,
    /// A number or truth value.
    Literal(Literal),
    /// A text.
    Template(Template),
    /// A list.
    Array(Vec<Spanned<Json>>),
    /// An object.
    Object(Table<String, Spanned<Json>>),
}

impl Json {
    /// All templates in it with the places where they are written, in source order.
    #[must_use]
    pub fn templates(this: &Spanned<Self>) -> Vec<(&Template, crate::Span)> {
        let mut found = Vec::new();
        let mut left = vec![this];
        while let Some(json) = left.pop() {
            match &json.value {
                Self::Null | Self::Literal(_) => {}
                Self::Template(template) => found.push((template, json.span)),
                Self::Array(items) => left.extend(items.iter().rev()),
                Self::Object(members) => left.extend(members.0.iter().rev().map(|(_, json)| json)),
            }
        }
        found
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonVisitor;

        impl<'de> Visitor<'de> for JsonVisitor {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
                Template::parse(text).map(Json::Template).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Json, E> {
                Ok(Json::Literal(Literal::Integer(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json, E> {
                Ok(Json::Literal(Literal::Float(number)))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Literal(Literal::Bool(value)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(Table(members)))
            }
        }

        deserializer.deserialize_any(JsonVisitor)
    }
}

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inner = generator.subschema_for::<Self>();
        // Any type will do; `format` speaks of texts alone.
        json_schema!({
            "description": "JSON whose texts are templates.",
            "format": Template::FORMAT,
            "items": inner,
            "additionalProperties": inner,
        })
    }
}
