//! The streams of a manifest as platforms see them: how they are read, and a JSON Schema of their
//! events.

use longshore_schema::Manifest;
use longshore_schema::stream::Stream;
use longshore_validator::ocsf::{Attribute, Primitive, Type, table};
use serde_json::{Map, Value, json};

/// The member of a record that tells it from all others. It is `metadata.uid` once more: platforms
/// take keys from the top level alone.
pub(super) const KEY: &str = "event_uid";
/// The member that orders records in time.
pub(super) const TIME: &str = "time";

/// Whether a read can go on where the last one ended. What is read whole each time without a look at
/// what changed is given out whole.
pub(super) fn is_incremental(stream: &Stream) -> bool {
    stream.window.is_some() || stream.cursor.is_some() || stream.changes.is_some()
}

/// The streams by name, in the order of the manifest.
pub(super) fn streams(manifest: &Manifest) -> impl Iterator<Item = (&str, &Stream)> {
    manifest.streams.iter().map(|(name, stream)| (name.as_str(), stream))
}

/// A JSON Schema of a stream's events: what their OCSF classes have at the top level, with its type.
/// Everything may be missing but the key and the time, and more may be there.
pub(super) fn schema(stream: &Stream) -> Value {
    let gone = stream.changes.as_ref().and_then(|changes| changes.gone.as_ref());
    let cases = stream.map.cases().chain(gone.into_iter().flat_map(|map| map.cases()));
    let classes = cases.filter_map(|case| table().class(&case.to));
    let mut properties: Map<String, Value> = Map::new();
    for (name, attribute) in classes.flat_map(|class| class.attributes.iter()) {
        let kind = kind(attribute);
        match properties.get_mut(name) {
            None => {
                properties.insert(name.to_owned(), kind);
            }
            // Two classes may disagree: then it is anything.
            Some(known) if *known != kind => *known = json!({}),
            Some(_) => {}
        }
    }
    properties.insert(KEY.to_owned(), json!({ "type": "string" }));
    properties.insert(TIME.to_owned(), json!({ "type": "integer" }));
    properties.insert(
        "metadata".to_owned(),
        json!({
            "type": ["null", "object"],
            "properties": { "uid": { "type": "string" } },
            "additionalProperties": true
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "additionalProperties": true
    })
}

fn kind(attribute: &Attribute) -> Value {
    let name = match attribute.type_ {
        Type::Object(_) => "object",
        Type::Primitive(Primitive::Boolean) => "boolean",
        Type::Primitive(Primitive::Float) => "number",
        Type::Primitive(
            Primitive::Integer | Primitive::Long | Primitive::Port | Primitive::Timestamp,
        ) => "integer",
        Type::Primitive(Primitive::Json) => return json!({}),
        Type::Primitive(_) => "string",
    };
    if attribute.is_array {
        return json!({ "type": ["null", "array"], "items": { "type": ["null", name] } });
    }
    json!({ "type": ["null", name] })
}
