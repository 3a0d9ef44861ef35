//! A parsed response whose values know the bytes that they were read from.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use longshore_schema::Queryable;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A value of a JSON document (RFC 8259) that borrows the document's bytes. What is in an object or
/// array is found when somebody asks for it, so of a page with a thousand records only what a path
/// looks at is ever taken apart.
#[derive(Clone, Debug, Default)]
pub struct Document<'d> {
    /// The bytes of the value; empty for one that a query made.
    raw: &'d str,
    content: OnceCell<Content<'d>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Content<'d> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number that is not whole, or too large to be looked at as a whole one.
    Float(f64),
    Text(Cow<'d, str>),
    Array(Vec<Document<'d>>),
    Object(Vec<(Cow<'d, str>, Document<'d>)>),
}

impl<'d> Document<'d> {
    /// Checks that the bytes are JSON, and in UTF-8. However deep they are nested: queries may go
    /// down all the way, so the caller sees to it that this is not too deep.
    pub fn parse(bytes: &'d [u8]) -> serde_json::Result<Self> {
        let raw: &RawValue = serde_json::from_slice(bytes)?;
        Ok(raw.into())
    }

    fn made(content: Content<'d>) -> Self {
        Self { raw: "", content: OnceCell::from(content) }
    }

    /// The bytes of the value as the source wrote them.
    #[must_use]
    pub fn raw(&self) -> &'d str {
        self.raw
    }

    /// The value as a tree, without these values of it.
    #[must_use]
    pub fn without(&self, left_out: &[&Self]) -> Value {
        let mut starts: Vec<_> = left_out.iter().map(|value| value.start()).collect();
        starts.sort_unstable();
        self.value_without(&starts)
    }

    /// Where the value starts: no two values of a document that hold something start at one place.
    fn start(&self) -> usize {
        self.raw.as_ptr().addr()
    }

    fn value_without(&self, starts: &[usize]) -> Value {
        let own = self.start()..self.start() + self.raw.len();
        let from = starts.partition_point(|start| *start < own.start);
        let inside = &starts[from..starts.partition_point(|start| *start < own.end)];
        if inside.is_empty() {
            return serde_json::from_str(self.raw).unwrap_or_default();
        }
        let stays = |value: &&Self| inside.binary_search(&value.start()).is_err();
        match self.content() {
            Content::Array(elements) => {
                elements.iter().filter(stays).map(|value| value.value_without(inside)).collect()
            }
            Content::Object(members) => members
                .iter()
                .filter(|(_, value)| stays(&value))
                .map(|(name, value)| (name.clone().into_owned(), value.value_without(inside)))
                .collect(),
            _ => Value::Null,
        }
    }

    fn content(&self) -> &Content<'d> {
        self.content.get_or_init(|| self.read().unwrap_or(Content::Null))
    }

    /// Reads one level; `None` for what no value can hold.
    fn read(&self) -> Option<Content<'d>> {
        let raw = self.raw;
        Some(match raw.as_bytes().first()? {
            b'{' => {
                let Members(members) = serde_json::from_str(raw).ok()?;
                let member = |(name, raw): (_, &'d RawValue)| (name, raw.into());
                Content::Object(members.into_iter().map(member).collect())
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
                Content::Array(elements.into_iter().map(Self::from).collect())
            }
            b'"' => {
                let Text(text) = serde_json::from_str(raw).ok()?;
                Content::Text(text)
            }
            b't' => Content::Boolean(true),
            b'f' => Content::Boolean(false),
            b'-' | b'0'..=b'9' => match raw.parse() {
                Ok(whole) => Content::Integer(whole),
                Err(_) => {
                    Content::Float(raw.parse().ok().filter(|number: &f64| number.is_finite())?)
                }
            },
            _ => return None,
        })
    }
}

impl<'d> From<&'d RawValue> for Document<'d> {
    fn from(raw: &'d RawValue) -> Self {
        Self { raw: raw.get(), content: OnceCell::new() }
    }
}

impl PartialEq for Document<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.content(), other.content()) {
            // The order of members means nothing.
            (Content::Object(own), Content::Object(others)) => {
                own.len() == others.len()
                    && own.iter().all(|(name, value)| other.get(name) == Some(value))
            }
            (own, others) => own == others,
        }
    }
}

impl Queryable for Document<'_> {
    fn get(&self, key: &str) -> Option<&Self> {
        let Content::Object(members) = self.content() else { return None };
        // Of several with one name the last counts, as everywhere.
        members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn as_array(&self) -> Option<&Vec<Self>> {
        match self.content() {
            Content::Array(elements) => Some(elements),
            _ => None,
        }
    }

    fn as_object(&self) -> Option<Vec<(&str, &Self)>> {
        match self.content() {
            Content::Object(members) => {
                Some(members.iter().map(|(name, value)| (&**name, value)).collect())
            }
            _ => None,
        }
    }

    fn as_str(&self) -> Option<&str> {
        match self.content() {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self.content() {
            Content::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self.content() {
            Content::Integer(number) => Some(*number as f64),
            Content::Float(number) => Some(*number),
            _ => None,
        }
    }

    fn as_bool(&self) -> Option<bool> {
        match self.content() {
            Content::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    fn null() -> Self {
        Self::made(Content::Null)
    }
}

impl From<&str> for Document<'_> {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Document<'_> {
    fn from(text: String) -> Self {
        Self::made(Content::Text(text.into()))
    }
}

impl From<bool> for Document<'_> {
    fn from(truth: bool) -> Self {
        Self::made(Content::Boolean(truth))
    }
}

impl From<i64> for Document<'_> {
    fn from(number: i64) -> Self {
        Self::made(Content::Integer(number))
    }
}

impl From<f64> for Document<'_> {
    fn from(number: f64) -> Self {
        Self::made(Content::Float(number))
    }
}

impl From<Vec<Self>> for Document<'_> {
    fn from(elements: Vec<Self>) -> Self {
        Self::made(Content::Array(elements))
    }
}

/// A text, borrowed unless it has escapes.
struct Text<'d>(Cow<'d, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

/// The members of an object as they stand there.
struct Members<'d>(Vec<(Cow<'d, str>, &'d RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use longshore_schema::JsonPath;
    use longshore_schema::scalar::Scalar as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selected_values_are_as_the_source_wrote_them_and_left_out_of_the_rest() {
        let text = r#"{ "n": 2, "items": [ {"b": 1.50, "a": "x"}, {"c": "\u00e9"}, 7 ], "z": {} }"#;
        let document = Document::parse(text.as_bytes()).unwrap();
        let found = JsonPath::parse("$.items[?@.a || @.c]").unwrap().select(&document);
        let raw: Vec<_> = found.iter().map(|value| value.raw()).collect();
        assert_eq!(raw, [r#"{"b": 1.50, "a": "x"}"#, r#"{"c": "\u00e9"}"#]);
        let rest = serde_json::json!({ "n": 2, "items": [7], "z": {} });
        assert_eq!(document.without(&found), rest);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            (-3_i32..3).prop_map(|number| Value::from(f64::from(number) / 2.0)),
            "[ab\"\\\\\u{e9}]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let names = prop_oneof![Just("a"), Just("b"), Just("c d"), Just("\"")];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names, inner, 0..4).prop_map(|members| {
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest! {
        /// A query finds the same in both kinds of tree.
        #[test]
        fn agrees_with_the_parsed_tree(document in json()) {
            let text = document.to_string();
            let lazy = Document::parse(text.as_bytes()).unwrap();
            for path in [
                "$", "$.a", "$..a", "$.*", "$..*", "$[-1]", "$[0:2]", "$['c d', 'b']", "$[*].a",
                "$[?@.a]", "$[?@.a == 1]", "$[?@.a < @.b]", "$[?@ == 'a']", "$[?@.a == @.b]",
                "$[?length(@) > 1]", "$[?match(@.a, 'a.*')]", "$[?@.a == null || !@.b]",
                "$[?@.a == 'a'].b", "$[?count(@.*) == 2]", "$['\"']",
            ] {
                let path = JsonPath::parse(path).unwrap();
                let expected: Vec<_> =
                    path.select(&document).into_iter().map(ToString::to_string).collect();
                let found: Vec<_> = path.select(&lazy).into_iter().map(Document::raw).collect();
                prop_assert_eq!(found, expected, "{} of {}", path, text);
            }
            prop_assert_eq!(lazy.without(&[]), document);
        }
    }
}
