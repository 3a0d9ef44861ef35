//! The canonical order of keys: that of the properties in the published JSON Schema.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What the order of keys needs of a schema.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Schema {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    #[serde(default)]
    properties: Properties,
    /// The schema of keys that the author chooses, where there are any.
    #[serde(default, rename = "additionalProperties", deserialize_with = "schema_or_bool")]
    rest: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
}

/// `true` and `false` are schemas too; they say nothing of keys.
fn schema_or_bool<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<Schema>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Schema(Box<Schema>),
        Bool(bool),
    }

    Ok(match Either::deserialize(deserializer)? {
        Either::Schema(schema) => Some(schema),
        Either::Bool(true | false) => None,
    })
}

/// Schemas by name, with the place of each.
#[derive(Debug, Default)]
struct Properties(HashMap<String, (usize, Schema)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("schemas by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut properties = HashMap::new();
                while let Some((name, schema)) = map.next_entry()? {
                    properties.insert(name, (properties.len(), schema));
                }
                Ok(Properties(properties))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[derive(Deserialize)]
struct Published {
    #[serde(flatten)]
    root: Schema,
    #[serde(rename = "$defs")]
    definitions: HashMap<String, Schema>,
}

static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
    serde_json::from_str(crate::json_schema::PUBLISHED).expect("the published schema is a schema")
});

/// The schema of a whole manifest.
pub(super) fn root() -> &'static Schema {
    &PUBLISHED.root
}

impl Schema {
    /// The schema of the value under a key.
    pub(super) fn under(&'static self, key: &str) -> Option<&'static Self> {
        let named = self.properties.0.get(key).map(|(_, schema)| schema);
        named.or(self.rest.as_deref()).map(Self::target)
    }

    /// The schema of a list's items.
    pub(super) fn items(&'static self) -> Option<&'static Self> {
        self.items.as_deref().map(Self::target)
    }

    fn target(&'static self) -> &'static Self {
        let name = self.reference.as_deref().and_then(|path| path.strip_prefix("#/$defs/"));
        name.and_then(|name| PUBLISHED.definitions.get(name)).unwrap_or(self)
    }

    /// Ranks keys that stand in this order: the lower comes first, and equal ones stay as they are.
    ///
    /// Keys that the language knows come in its order. Keys that the author chooses come after
    /// them. A key that does not belong here, such as a misspelt one, stays with the known key
    /// before it.
    pub(super) fn ranks<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Vec<usize> {
        let free = self.rest.is_some();
        let mut last = 0;
        let rank = |key| match self.properties.0.get(key) {
            Some((place, _)) => {
                last = place + 1;
                last
            }
            None if free => usize::MAX,
            None => last,
        };
        keys.map(rank).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_types() {
        let keys = ["streams", "app", "manifest", "http", "id", "facts"];
        let ranks = root().ranks(keys.into_iter());
        let mut sorted: Vec<_> = ranks.iter().zip(keys).collect();
        sorted.sort();
        let sorted: Vec<_> = sorted.into_iter().map(|(_, key)| key).collect();
        assert_eq!(sorted, ["manifest", "id", "app", "http", "facts", "streams"]);
    }

    #[test]
    fn references_lists_and_tables_are_followed() {
        let stream = root().under("streams").and_then(|streams| streams.under("any")).unwrap();
        assert_eq!(stream.ranks(["provides", "description"].into_iter()), [2, 1]);
        let rule = root().under("errors").and_then(Schema::items).unwrap();
        assert_eq!(rule.ranks(["then", "mesage", "when"].into_iter()), [2, 2, 1]);
        let map = stream.under("map").unwrap();
        let keys = ["user.uid", "activity", "time", "to"];
        assert_eq!(map.ranks(keys.into_iter()), [usize::MAX, 6, usize::MAX, 5]);
    }
}
