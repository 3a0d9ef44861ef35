//! What the files of a class hold, as OCSF says: one column for each attribute, whatever the events.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_validator::ocsf::{Attribute, Class, Primitive, Profile, Table, Type, table};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{Type as Column, TypePtr};

/// The column for a whole event that has something no other column takes.
pub(super) const EVENT_JSON: &str = "event_json";

/// The folder of an event's class says it, as it does for Hive.
pub(super) const PARTITION: &str = "class_uid";

/// How deep objects are taken apart: `src_endpoint.location.city` has a column of its own, and what is
/// an object there is JSON.
const DEPTH: usize = 2;

/// Objects that describe machines, malware and the like. Apps say little of them, and each would add
/// tens of columns wherever it occurs, so they are JSON.
const WHOLE: [&str; 23] = [
    "agent",
    "attack",
    "campaign",
    "d3fend",
    "device",
    "device_hw_info",
    "encryption_details",
    "enrichment",
    "evidences",
    "image",
    "kill_chain_phase",
    "logger",
    "malware",
    "malware_scan_info",
    "network_interface",
    "network_proxy",
    "os",
    "process",
    "related_event",
    "threat_intelligence",
    "timespan",
    "transformation_info",
    "vulnerability",
];

/// What a column holds.
#[derive(Debug)]
pub(super) enum Kind {
    Boolean,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    Float,
    /// Milliseconds since 1970.
    Timestamp,
    Text,
    /// The text of any JSON value.
    Json,
    Group(Vec<Field>),
}

/// An attribute as a column, or as a group of them.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it holds several values; never for JSON, which may be an array itself.
    pub(super) list: bool,
}

/// What the files of a class hold.
#[derive(Debug)]
pub(super) struct Schema {
    /// `class_uid`, and 0 (OCSF's Base Event) for what all classes have in common.
    pub(super) class: u32,
    /// The attributes, by name.
    pub(super) fields: Vec<Field>,
    /// The same for Parquet, and [`EVENT_JSON`] behind them.
    pub(super) root: TypePtr,
}

impl Schema {
    /// The schema for events that say this `class_uid`.
    ///
    /// # Errors
    /// None that depend on the argument: those of a schema that Parquet would not take.
    pub(super) fn of(class_uid: Option<i64>) -> Result<Self> {
        let table = table();
        let class = class_uid.and_then(known);
        let attributes = class.map_or_else(|| common(table), attributes);
        let fields = fields(table, attributes.into_iter(), &mut Vec::new());
        let mut columns = fields.iter().map(Field::column).collect::<Result<Vec<_>>>()?;
        columns.push(Arc::new(text(EVENT_JSON, Repetition::OPTIONAL).build()?));
        let root = Column::group_type_builder("event").with_fields(columns).build()?;
        Ok(Self { class: class.map_or(0, |class| class.uid), fields, root: Arc::new(root) })
    }
}

/// Whether there is a class of this `class_uid`.
pub(super) fn is_known(class_uid: i64) -> bool {
    known(class_uid).is_some()
}

fn known(class_uid: i64) -> Option<&'static Class> {
    table().class_by_uid(class_uid.try_into().ok()?)
}

fn attributes(class: &'static Class) -> BTreeMap<&'static str, &'static Attribute> {
    class.attributes.iter().filter(|(name, _)| *name != PARTITION).collect()
}

/// What every class has, which is what can be said of a class that is not known.
fn common(table: &'static Table) -> BTreeMap<&'static str, &'static Attribute> {
    let mut classes = table.classes();
    let mut common = classes.next().map(attributes).unwrap_or_default();
    for class in classes {
        let alike = |name: &str, known: &Attribute| {
            let other = class.attributes.get(name);
            other.is_some_and(|it| it.type_ == known.type_ && it.is_array == known.is_array)
        };
        common.retain(|name, known| alike(name, known));
    }
    common
}

/// `inside` are the objects around the attributes.
fn fields(
    table: &'static Table,
    attributes: impl Iterator<Item = (&'static str, &'static Attribute)>,
    inside: &mut Vec<&'static str>,
) -> Vec<Field> {
    let mut fields = Vec::new();
    for (name, attribute) in attributes {
        let kind = match attribute.type_ {
            Type::Primitive(primitive) => scalar(primitive),
            Type::Object(object) => {
                let whole = WHOLE.contains(&object)
                    || inside.contains(&object)
                    || inside.len() >= DEPTH
                    || attribute.profile == Some(Profile::Host);
                match table.object(object) {
                    Some(known) if !whole && !known.is_free_form() => {
                        inside.push(object);
                        let group = fields_of(table, known, inside);
                        inside.pop();
                        Kind::Group(group)
                    }
                    _ => Kind::Json,
                }
            }
        };
        let list = attribute.is_array && !matches!(kind, Kind::Json);
        fields.push(Field { name, kind, list });
    }
    fields
}

fn fields_of(
    table: &'static Table,
    object: &'static longshore_validator::ocsf::Object,
    inside: &mut Vec<&'static str>,
) -> Vec<Field> {
    fields(table, object.attributes.iter(), inside)
}

fn scalar(primitive: Primitive) -> Kind {
    match primitive {
        Primitive::Boolean => Kind::Boolean,
        Primitive::Integer | Primitive::Port => Kind::Integer,
        Primitive::Long => Kind::Long,
        Primitive::Float => Kind::Float,
        Primitive::Timestamp => Kind::Timestamp,
        Primitive::Json => Kind::Json,
        _ => Kind::Text,
    }
}

impl Field {
    /// The field as Parquet has it. Everything may be missing, elements of lists apart
    /// (<https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists>).
    fn column(&self) -> Result<TypePtr> {
        if !self.list {
            return self.value(self.name, Repetition::OPTIONAL);
        }
        let element = self.value("element", Repetition::REQUIRED)?;
        let list = Column::group_type_builder("list")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![element])
            .build()?;
        let column = Column::group_type_builder(self.name)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(LogicalType::List))
            .with_fields(vec![Arc::new(list)])
            .build()?;
        Ok(Arc::new(column))
    }

    fn value(&self, name: &str, repetition: Repetition) -> Result<TypePtr> {
        let plain =
            |physical| Column::primitive_type_builder(name, physical).with_repetition(repetition);
        let column = match &self.kind {
            Kind::Boolean => plain(Physical::BOOLEAN).build(),
            Kind::Integer => plain(Physical::INT32).build(),
            Kind::Long => plain(Physical::INT64).build(),
            Kind::Float => plain(Physical::DOUBLE).build(),
            Kind::Timestamp => {
                let utc = LogicalType::timestamp(true, TimeUnit::MILLIS);
                plain(Physical::INT64).with_logical_type(Some(utc)).build()
            }
            Kind::Text | Kind::Json => text(name, repetition).build(),
            Kind::Group(fields) => Column::group_type_builder(name)
                .with_repetition(repetition)
                .with_fields(fields.iter().map(Self::column).collect::<Result<_>>()?)
                .build(),
        };
        Ok(Arc::new(column?))
    }
}

fn text(name: &str, repetition: Repetition) -> parquet::schema::types::PrimitiveTypeBuilder<'_> {
    Column::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_repetition(repetition)
        .with_logical_type(Some(LogicalType::String))
}
