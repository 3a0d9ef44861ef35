//! Where a mapping to OCSF stands in a manifest, and which classes it maps to.

use longshore_schema::yaml::{Content, Node};
use longshore_validator::ocsf::{self, Attribute, Attributes, Class, Enum, Requirement, Type};
use longshore_validator::schema_at;

/// Where in a mapping a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place<'p> {
    /// The attribute whose value it is; `None` at the mapping itself.
    pub(crate) attribute: Option<&'p str>,
    /// The path within the attribute's value.
    pub(crate) rest: Vec<&'p str>,
    /// The path of the mapping.
    pub(crate) owner: Vec<&'p str>,
}

/// The mapping to OCSF that a path leads into.
pub(crate) fn place<'p>(path: &[&'p str]) -> Option<Place<'p>> {
    let is_mapping = |length: usize| {
        let schema = schema_at(path[..length].iter().copied());
        schema.is_some_and(|schema| schema["propertyNames"]["format"] == "longshore-ocsf-path")
    };
    let length = (0..=path.len()).rev().find(|length| is_mapping(*length))?;
    let (owner, rest) = path.split_at(length);
    let own = |key: &&&str| {
        let schema = schema_at(owner.iter().copied());
        schema.is_none_or(|schema| schema["properties"].get(**key).is_none())
    };
    let attribute = rest.first().filter(own).copied();
    let rest = rest.get(usize::from(attribute.is_some())..).unwrap_or_default();
    Some(Place { attribute, rest: rest.to_vec(), owner: owner.to_vec() })
}

/// The classes of the mapping at a path: its own, or for what cases share those of all cases.
pub(crate) fn classes(root: &Node, owner: &[&str]) -> Vec<&'static Class> {
    let node = owner.iter().try_fold(root, |node, key| match &node.content {
        Content::Sequence(items) => items.get(key.parse::<usize>().ok()?),
        _ => Some(&node.entry(key)?.value),
    });
    let class = |node: &Node| match &node.entry("to")?.value.content {
        Content::String(name) => ocsf::table().class(name),
        _ => None,
    };
    if let Some(one) = node.and_then(class) {
        return vec![one];
    }
    let Some((&"shared", map)) = owner.split_last() else { return Vec::new() };
    let map = map.iter().try_fold(root, |node, key| Some(&node.entry(key)?.value));
    let cases = map.and_then(|map| map.entry("cases")).map(|cases| &cases.value.content);
    let cases = match cases {
        Some(Content::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    let otherwise = map.and_then(|map| map.entry("else")).map(|entry| &entry.value);
    let mut classes: Vec<_> = cases.iter().chain(otherwise).filter_map(class).collect();
    classes.sort_by_key(|class| class.uid);
    classes.dedup_by_key(|class| class.uid);
    classes
}

/// The attributes below a dotted path that ends with a dot, or of the class for an empty one.
pub(crate) fn attributes<'c>(class: &'c Class, prefix: &str) -> Option<&'c Attributes> {
    let mut owner = &class.attributes;
    for segment in prefix.split_terminator('.') {
        let name = segment.split('[').next().unwrap_or_default();
        let Type::Object(object) = owner.get(name)?.type_ else { return None };
        owner = &ocsf::table().object(object)?.attributes;
    }
    Some(owner)
}

/// The captions that an attribute may have.
pub(crate) fn captions(class: &'static Class, path: &str) -> Option<&'static Enum> {
    let resolved = class.resolve(path).ok()?;
    let id = resolved.id().and_then(|(_, attribute)| attribute.enum_.as_ref());
    id.or_else(|| resolved.attribute()?.enum_.as_ref())
}

/// Whether the engine writes an attribute of its own accord.
pub(crate) fn is_written(attributes: &Attributes, name: &str, attribute: &Attribute) -> bool {
    let of_event = attributes.get("class_uid").is_some()
        && matches!(
            name,
            "activity_name"
                | "category_name"
                | "category_uid"
                | "class_name"
                | "class_uid"
                | "type_name"
                | "type_uid"
                | "unmapped"
                | "raw_data"
        );
    of_event || attribute.sibling.is_some()
}

/// What an attribute is, in a few words: `required, ip_t`.
pub(crate) fn summary(attribute: &Attribute) -> String {
    let requirement = match attribute.requirement {
        Requirement::Required => "required",
        Requirement::Recommended => "recommended",
        Requirement::Optional => "optional",
    };
    let list = if attribute.is_array { "list of " } else { "" };
    format!("{requirement}, {list}{}", attribute.type_)
}
