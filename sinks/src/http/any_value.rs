//! JSON as the `AnyValue` of OpenTelemetry, in its JSON encoding (opentelemetry-proto, `common.proto`;
//! numbers of 64 bits are texts, as in the `ProtoJSON` format). It is written while it is read, so
//! that nothing is held of it.

use std::fmt;

use longshore_engine::error::{Code, Error, Result};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Appends a JSON document as an `AnyValue`.
///
/// # Errors
/// [`Code::Internal`] if it is not JSON, or is nested more than 128 deep: no event is.
pub(super) fn append(body: &mut Vec<u8>, json: &[u8]) -> Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    AnyValue(body).deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| {
        Error::new(Code::Internal, "an event of the spool is not JSON")
            .cause(error.to_string())
            .fix("report this as a bug, with the manifest")
    })
}

struct AnyValue<'b>(&'b mut Vec<u8>);

impl AnyValue<'_> {
    fn put(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn text<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        // Nearly all texts can be written as they are.
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.0.push(b'"');
            self.put(text);
            self.0.push(b'"');
            return Ok(());
        }
        serde_json::to_writer(&mut *self.0, text).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// No value at all stands for null.
    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.put("{}");
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        self.put(if value { "{\"boolValue\":true}" } else { "{\"boolValue\":false}" });
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        self.put("{\"intValue\":\"");
        serde_json::to_writer(&mut *self.0, &value).map_err(E::custom)?;
        self.put("\"}");
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        self.put("{\"doubleValue\":");
        serde_json::to_writer(&mut *self.0, &value).map_err(E::custom)?;
        self.put("}");
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(mut self, value: &str) -> Result<(), E> {
        self.put("{\"stringValue\":");
        self.text(value)?;
        self.put("}");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.put("{\"arrayValue\":{\"values\":[");
        let first = self.0.len();
        while items.next_element_seed(AnyValue(self.0))?.is_some() {
            self.put(",");
        }
        self.without_comma(first);
        self.put("]}}");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.put("{\"kvlistValue\":{\"values\":[");
        let first = self.0.len();
        while members.next_key_seed(Key(self.0))?.is_some() {
            members.next_value_seed(AnyValue(self.0))?;
            self.put("},");
        }
        self.without_comma(first);
        self.put("]}}");
        Ok(())
    }
}

impl AnyValue<'_> {
    /// Removes the comma behind the last one of a list that began at `first`.
    fn without_comma(&mut self, first: usize) {
        if self.0.len() > first {
            self.0.pop();
        }
    }
}

/// The beginning of a `KeyValue`, up to its value.
struct Key<'b>(&'b mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<(), E> {
        let mut body = AnyValue(self.0);
        body.put("{\"key\":");
        body.text(name)?;
        body.put(",\"value\":");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> String {
        let mut body = Vec::new();
        append(&mut body, json.as_bytes()).unwrap();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn every_kind_of_value_has_its_own() {
        for (json, expected) in [
            ("null", "{}"),
            ("true", r#"{"boolValue":true}"#),
            ("-5", r#"{"intValue":"-5"}"#),
            ("9223372036854775807", r#"{"intValue":"9223372036854775807"}"#),
            ("9223372036854775808", r#"{"doubleValue":9.223372036854776e+18}"#),
            ("1.5", r#"{"doubleValue":1.5}"#),
            (r#""a\"\u0001é""#, r#"{"stringValue":"a\"\u0001é"}"#),
            ("[]", r#"{"arrayValue":{"values":[]}}"#),
            (r"[1,null]", r#"{"arrayValue":{"values":[{"intValue":"1"},{}]}}"#),
            ("{}", r#"{"kvlistValue":{"values":[]}}"#),
            (
                r#"{"a\n":{"b":[{}]},"c":1}"#,
                r#"{"kvlistValue":{"values":[{"key":"a\n","value":{"kvlistValue":{"values":[{"key":"b","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[]}}]}}}]}}},{"key":"c","value":{"intValue":"1"}}]}}"#,
            ),
        ] {
            assert_eq!(written(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_not_json_or_too_deep_is_refused() {
        for wrong in ["", "{", "{} {}", &"[".repeat(1000)] {
            assert_eq!(append(&mut Vec::new(), wrong.as_bytes()).unwrap_err().code, Code::Internal);
        }
    }
}
