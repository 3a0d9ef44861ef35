//! The OCSF table: its types, and how the embedded file becomes them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

const SOURCE: &str = include_str!("../../ocsf/ocsf-1.8.0.json");

/// The OCSF 1.8.0 table, parsed on first use (about a millisecond) and kept.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the table is part of the program")]
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| parse(SOURCE).expect("the embedded OCSF table is well-formed"))
}

pub(super) fn parse(source: &'static str) -> serde_json::Result<Table> {
    let mut table: Table = serde_json::from_str(source)?;
    for (name, class) in &mut table.classes {
        class.name = name;
    }
    for (name, object) in &mut table.objects {
        object.name = name;
    }
    Ok(table)
}

/// Every class, object and primitive type that Longshore knows of one OCSF version.
#[derive(Debug, Deserialize)]
pub struct Table {
    version: &'static str,
    #[serde(borrow = "'static")]
    classes: BTreeMap<&'static str, Class>,
    #[serde(borrow = "'static")]
    objects: HashMap<&'static str, Object>,
    types: HashMap<Primitive, PrimitiveRules>,
}

impl Table {
    /// The OCSF version, as it belongs in `metadata.version`: `1.8.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.version
    }

    /// The class called `name` in OCSF's own spelling, for example `authentication`.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }

    /// The class whose `class_uid` is `uid`, for example 3002.
    #[must_use]
    pub fn class_by_uid(&self, uid: u32) -> Option<&Class> {
        self.classes.values().find(|class| class.uid == uid)
    }

    /// The names of all classes, sorted.
    pub fn class_names(&self) -> impl Iterator<Item = &str> {
        self.classes.keys().copied()
    }

    /// All classes, sorted by name.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.values()
    }

    /// The object called `name`, for example `network_endpoint`.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.objects.get(name)
    }

    /// All objects, in no order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// What OCSF asks of every value of a primitive type; `None` if it asks nothing.
    #[must_use]
    pub fn primitive(&self, primitive: Primitive) -> Option<&PrimitiveRules> {
        self.types.get(&primitive)
    }
}

/// An OCSF event class.
#[derive(Debug, Deserialize)]
pub struct Class {
    /// OCSF's name, for example `account_change`.
    #[serde(skip)]
    pub name: &'static str,
    /// `class_uid`, for example 3001.
    pub uid: u32,
    /// `class_name`, for example `Account Change`.
    pub caption: &'static str,
    /// `category_uid`, for example 3.
    pub category_uid: u32,
    /// `category_name`, for example `Identity & Access Management`.
    pub category_name: &'static str,
    /// The attributes of the class, those of the `host` and `cloud` profiles among them.
    pub attributes: Attributes,
    /// Rules over several attributes.
    #[serde(default)]
    pub constraints: Constraints,
}

impl Class {
    /// The `activity_id` of an activity's exact caption: `Logon` of `authentication` is 1.
    #[must_use]
    pub fn activity_id(&self, caption: &str) -> Option<i64> {
        self.activities().find(|(_, known)| *known == caption).map(|(id, _)| id)
    }

    /// The class's activities as (`activity_id`, caption), `0 Unknown` and `99 Other` among them.
    pub fn activities(&self) -> impl Iterator<Item = (i64, &'static str)> + '_ {
        let ids = self.attributes.get("activity_id").and_then(|id| id.enum_.as_ref());
        ids.into_iter().flat_map(Enum::iter).filter_map(|(id, caption)| match id {
            EnumId::Integer(id) => Some((*id, caption)),
            EnumId::Text(_) => None,
        })
    }
}

/// An OCSF object: a type with attributes of its own.
#[derive(Debug, Deserialize)]
pub struct Object {
    /// OCSF's name, for example `user`; objects of an OCSF extension carry its prefix (`win/reg_key`).
    #[serde(skip)]
    pub name: &'static str,
    /// The name people read, for example `User`.
    pub caption: &'static str,
    /// The object's attributes.
    pub attributes: Attributes,
    /// Rules over several attributes.
    #[serde(default)]
    pub constraints: Constraints,
}

impl Object {
    /// Whether the object takes any keys: OCSF's `object`, the type of `unmapped`.
    #[must_use]
    pub fn is_free_form(&self) -> bool {
        self.attributes.is_empty()
    }
}

/// The attributes of a class or object, sorted by name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Attributes {
    #[serde(borrow = "'static")]
    by_name: BTreeMap<&'static str, Attribute>,
}

impl Attributes {
    /// The attribute called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.by_name.get(name)
    }

    /// The attribute called `name`, with the name as the table keeps it.
    #[must_use]
    pub fn get_key_value(&self, name: &str) -> Option<(&'static str, &Attribute)> {
        self.by_name.get_key_value(name).map(|(name, attribute)| (*name, attribute))
    }

    /// All attributes as (name, attribute), sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Attribute)> {
        self.by_name.iter().map(|(name, attribute)| (*name, attribute))
    }

    /// The attribute that holds the id of the caption attribute `caption`: `status_id` of `status`,
    /// `activity_id` of `activity_name`. `None` if `caption` is not the sibling of an enum.
    #[must_use]
    pub fn id_of(&self, caption: &str) -> Option<(&'static str, &Attribute)> {
        self.iter().find(|(_, attribute)| attribute.sibling == Some(caption))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// One attribute of a class or object.
#[derive(Debug, Deserialize)]
pub struct Attribute {
    /// What one value is.
    #[serde(rename = "type")]
    pub type_: Type,
    /// Whether the attribute holds an array of such values.
    #[serde(default)]
    pub is_array: bool,
    /// Whether an event must have it.
    #[serde(default)]
    pub requirement: Requirement,
    /// The values the attribute may take, with their captions.
    #[serde(default, rename = "enum")]
    pub enum_: Option<Enum>,
    /// The attribute of the same class or object that holds the caption of this id: `status` of
    /// `status_id`.
    #[serde(default)]
    pub sibling: Option<&'static str>,
    /// The `observable.type_id` of the attribute's values, where they are observables.
    #[serde(default)]
    pub observable: Option<u32>,
    /// The profile that brings the attribute. It may be present without; its requirement holds only
    /// where `metadata.profiles` names the profile.
    #[serde(default)]
    pub profile: Option<Profile>,
}

/// What a value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A JSON scalar, or any JSON for [`Primitive::Json`].
    Primitive(Primitive),
    /// A JSON object: the name of an [`Object`] of the table.
    Object(&'static str),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(primitive) => f.write_str(primitive.name()),
            Self::Object(name) => f.write_str(name),
        }
    }
}

impl<'de: 'static> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <&'static str>::deserialize(deserializer)?;
        Ok(Primitive::from_name(name).map_or(Self::Object(name), Self::Primitive))
    }
}

macro_rules! primitives {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// OCSF's primitive types (<https://schema.ocsf.io/1.8.0/data_types>).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Primitive {
            $($(#[$doc])* $variant,)*
        }

        impl Primitive {
            /// Every primitive type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// OCSF's name of the type, for example `timestamp_t`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The type with OCSF's name `name`.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

primitives! {
    /// `true` or `false`.
    Boolean = "boolean_t",
    /// Base64 text.
    Bytestring = "bytestring_t",
    /// RFC 3339 text.
    Datetime = "datetime_t",
    /// An email address.
    Email = "email_t",
    /// A hash or other fingerprint of data.
    Fingerprint = "file_hash_t",
    /// A file name without its path.
    FileName = "file_name_t",
    /// A file's full path.
    FilePath = "file_path_t",
    /// A floating-point number.
    Float = "float_t",
    /// A host name or FQDN.
    Hostname = "hostname_t",
    /// A signed integer, 32 bits wide.
    Integer = "integer_t",
    /// An IPv4 or IPv6 address.
    Ip = "ip_t",
    /// Any JSON value.
    Json = "json_t",
    /// A signed integer, 64 bits wide.
    Long = "long_t",
    /// A MAC address.
    Mac = "mac_t",
    /// A TCP or UDP port, 0 to 65535.
    Port = "port_t",
    /// The name of a process.
    ProcessName = "process_name_t",
    /// The path of a Windows registry key.
    RegistryKeyPath = "reg_key_path_t",
    /// The unique identifier of a resource.
    ResourceUid = "resource_uid_t",
    /// Text.
    String = "string_t",
    /// A subnet in CIDR notation.
    Subnet = "subnet_t",
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp = "timestamp_t",
    /// A URL.
    Url = "url_t",
    /// A user name.
    Username = "username_t",
    /// A UUID.
    Uuid = "uuid_t",
}

impl<'de> Deserialize<'de> for Primitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <&str>::deserialize(deserializer)?;
        Self::from_name(name).ok_or_else(|| D::Error::unknown_variant(name, &[]))
    }
}

/// What OCSF asks of every value of a primitive type.
#[derive(Debug, Deserialize)]
pub struct PrimitiveRules {
    /// The name people read, for example `IP Address`.
    pub caption: String,
    /// The most characters a text may have.
    #[serde(default)]
    pub max_len: Option<usize>,
    /// The least and the greatest number.
    #[serde(default)]
    pub range: Option<(i64, i64)>,
    /// A pattern that is found in every valid text.
    #[serde(default)]
    pub regex: Option<String>,
}

/// How strongly OCSF asks for an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// An event without it is invalid.
    Required,
    /// An event should have it.
    Recommended,
    /// An event may have it.
    #[default]
    Optional,
}

/// A profile whose attributes the table keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// `cloud`: `api`, `cloud` and details of cloud resources.
    Cloud,
    /// `host`: `actor` and `device`.
    Host,
}

impl Profile {
    /// The name in `metadata.profiles`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Host => "host",
        }
    }
}

/// Rules over several attributes of a class or object.
#[derive(Debug, Default, Deserialize)]
pub struct Constraints {
    /// At least one of these is present; empty if there is no such rule.
    #[serde(borrow = "'static", default)]
    pub at_least_one: Vec<&'static str>,
    /// Exactly one of these is present; empty if there is no such rule.
    #[serde(borrow = "'static", default)]
    pub just_one: Vec<&'static str>,
}

/// The values an attribute may take, with their captions.
#[derive(Debug)]
pub struct Enum {
    values: Vec<(EnumId, &'static str)>,
}

impl Enum {
    /// All values as (id, caption): integers ascending, then texts.
    pub fn iter(&self) -> impl Iterator<Item = (&EnumId, &'static str)> {
        self.values.iter().map(|(id, caption)| (id, *caption))
    }

    /// The id of an exact caption: `Failure` of `status_id` is 2.
    #[must_use]
    pub fn id(&self, caption: &str) -> Option<&EnumId> {
        self.iter().find(|(_, known)| *known == caption).map(|(id, _)| id)
    }

    /// The caption of an id.
    #[must_use]
    pub fn caption(&self, id: &EnumId) -> Option<&'static str> {
        let position = self.values.binary_search_by(|(known, _)| known.cmp(id)).ok()?;
        Some(self.values[position].1)
    }
}

impl<'de: 'static> Deserialize<'de> for Enum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de: 'static> Visitor<'de> for Values {
            type Value = Enum;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of id to caption")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Enum, A::Error> {
                let mut values = Vec::new();
                while let Some((key, caption)) = map.next_entry::<&'static str, &'static str>()? {
                    values.push((key.parse().map_or(EnumId::Text(key), EnumId::Integer), caption));
                }
                values.sort_unstable();
                Ok(Enum { values })
            }
        }
        deserializer.deserialize_map(Values)
    }
}

/// A value of an enum, as it stands in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnumId {
    /// The usual form: `status_id`.
    Integer(i64),
    /// A few text attributes are enums too: `http_method`.
    Text(&'static str),
}

impl fmt::Display for EnumId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(id) => write!(f, "{id}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests;
