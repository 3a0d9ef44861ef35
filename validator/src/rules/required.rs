//! What a class and the objects of an event require is mapped, and each attribute once.

use std::collections::BTreeMap;

use longshore_schema::map::{Source, Value};
use longshore_schema::scalar::OcsfPath;
use longshore_schema::{Span, Spanned};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ocsf::{self, Class, Constraints, PathError, Requirement, Type, table};
use crate::suggest::one_of;

/// Attributes that need not be mapped, since the engine writes them.
const WRITTEN: [&str; 6] =
    ["class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "metadata"];

/// The attributes that a case maps, as a tree of names.
#[derive(Default)]
pub(super) struct Tree {
    span: Option<Span>,
    /// Whether a value is mapped to this attribute itself.
    whole: bool,
    below: BTreeMap<String, Tree>,
    /// What unknown attributes here were perhaps meant to be; reported once, as unknown.
    doubts: Option<Vec<String>>,
}

impl Tree {
    pub(super) fn add(&mut self, path: &Spanned<OcsfPath>, found: &mut Vec<Diagnostic>) {
        let mut node = self;
        for (name, indexed) in path.segments() {
            node = node.below.entry(name.to_owned()).or_default();
            let above = node.whole.then_some(node.span).flatten();
            if let Some(above) = above {
                let (message, help) = if path.segments().last() == Some((name, indexed)) {
                    (format!("`{}` is mapped twice", path.value), "keep one of the two")
                } else {
                    (
                        format!(
                            "`{}` lies below an attribute that is mapped as a whole",
                            path.value
                        ),
                        "map the whole, or its parts",
                    )
                };
                found.push(
                    Diagnostic::new(&codes::ATTRIBUTE_CONFLICT, path.span, message)
                        .also(above, "mapped here")
                        .help(help),
                );
                return;
            }
            node.span.get_or_insert(path.span);
        }
        if let Some(below) = node.below.values().find_map(|below| below.span) {
            found.push(
                Diagnostic::new(
                    &codes::ATTRIBUTE_CONFLICT,
                    path.span,
                    format!("`{}` is mapped as a whole and in parts", path.value),
                )
                .also(below, "a part of it")
                .help("map the whole, or its parts"),
            );
        }
        node.whole = true;
    }

    /// Adds an array of objects with what its objects have.
    pub(super) fn each(
        &mut self,
        path: &Spanned<OcsfPath>,
        source: &Source,
        found: &mut Vec<Diagnostic>,
    ) {
        let before = found.len();
        self.add(path, found);
        if found.len() > before {
            return;
        }
        let mut node = self;
        for (name, _) in path.segments() {
            node = node.below.entry(name.to_owned()).or_default();
        }
        // What is in the objects was said: they are not mapped as a whole.
        node.whole = false;
        for (inner, value) in &source.map {
            match &value.value {
                Value::Source(source) if source.each.is_some() => node.each(inner, source, found),
                _ => node.add(inner, found),
            }
        }
    }

    /// Notes that a path leads nowhere, in the object that it fails in.
    pub(super) fn doubt(&mut self, path: &Spanned<OcsfPath>, error: &PathError) {
        let mut node = self;
        let known = path.as_str().get(..error.offset).unwrap_or_default();
        for name in known.split('.').filter(|name| !name.is_empty()) {
            let name = name.trim_end_matches("[]").to_owned();
            node = node.below.entry(name).or_default();
            node.span.get_or_insert(path.span);
        }
        node.doubts.get_or_insert_default().extend(error.suggestions.iter().cloned());
    }

    /// Notes that the engine has a value for an attribute of the event where none is mapped.
    pub(super) fn fill(&mut self, name: &str) {
        self.below.entry(name.to_owned()).or_default();
    }

    /// Whether an attribute is mapped, or perhaps meant to be.
    fn has(&self, name: &str) -> bool {
        let doubts = self.doubts.iter().flatten();
        self.below.contains_key(name) || doubts.into_iter().any(|doubt| doubt == name)
    }
}

/// What the class, and each object that is mapped in part, requires is mapped.
pub(super) fn required(class: &Class, tree: &Tree, to: Span, found: &mut Vec<Diagnostic>) {
    let owner = format!("the class `{}`", class.name);
    container(&class.attributes, &class.constraints, tree, &owner, "", to, found);
}

fn container(
    attributes: &ocsf::Attributes,
    constraints: &Constraints,
    tree: &Tree,
    owner: &str,
    prefix: &str,
    span: Span,
    found: &mut Vec<Diagnostic>,
) {
    let path =
        |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    for (name, attribute) in attributes.iter() {
        let written = prefix.is_empty() && WRITTEN.contains(&name);
        let caption = attribute.sibling.filter(|_| attribute.enum_.is_some());
        let mapped = tree.has(name) || caption.is_some_and(|caption| tree.has(caption));
        let wanted = attribute.requirement == Requirement::Required && attribute.profile.is_none();
        if wanted && !written && !mapped {
            let name = caption.unwrap_or(name);
            let example = example(&path(name), attribute);
            found.push(
                Diagnostic::new(
                    &codes::MISSING_ATTRIBUTE,
                    span,
                    format!("{owner} requires `{}`, which is not mapped", path(name)),
                )
                .help(format!("add `{example}`")),
            );
        }
        let below = tree.below.get(name).filter(|below| !below.whole);
        if let (Some(below), Type::Object(object)) = (below, attribute.type_)
            && !(prefix.is_empty() && WRITTEN.contains(&name))
            && let Some(object) = table().object(object).filter(|object| !object.is_free_form())
        {
            let owner = format!("the object `{}`", path(name));
            let brackets = if attribute.is_array { "[]" } else { "" };
            let prefix = format!("{}{brackets}", path(name));
            let span = below.span.unwrap_or(span);
            container(&object.attributes, &object.constraints, below, &owner, &prefix, span, found);
        }
    }
    let mapped = |names: &[&str]| names.iter().filter(|name| tree.has(name)).count();
    for (names, exact) in [(&constraints.at_least_one, false), (&constraints.just_one, true)] {
        let count = mapped(names);
        let doubtful = tree.doubts.is_some() && !prefix.is_empty();
        if names.is_empty() || doubtful || count == 1 || (count > 1 && !exact) {
            continue;
        }
        let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
        let how = if exact { "just one" } else { "at least one" };
        found.push(
            Diagnostic::new(
                &codes::MISSING_ATTRIBUTE,
                span,
                format!("{owner} requires {how} of {}", one_of(paths.iter().map(String::as_str))),
            )
            .help(if count == 0 {
                "map one of them, or an attribute below it".to_owned()
            } else {
                format!("{count} of them are mapped: keep one")
            }),
        );
    }
}

/// A line that maps an attribute.
fn example(path: &str, attribute: &ocsf::Attribute) -> String {
    match (attribute.type_, &attribute.enum_) {
        (_, Some(ids)) if attribute.sibling.is_some() => {
            let caption =
                ids.iter().map(|(_, caption)| caption).find(|caption| *caption != "Unknown");
            format!("{path}: {}", caption.unwrap_or("Other"))
        }
        (Type::Object(object), _) => {
            let object = table().object(object);
            let name = object.and_then(|object| {
                let required = object
                    .attributes
                    .iter()
                    .find(|(_, inner)| inner.requirement == Requirement::Required);
                required
                    .map(|(name, _)| name)
                    .or_else(|| object.attributes.get_key_value("uid").map(|(name, _)| name))
            });
            let brackets = if attribute.is_array { "[]" } else { "" };
            format!("{path}{brackets}.{}: $.member", name.unwrap_or("name"))
        }
        _ => format!("{path}: $.member"),
    }
}
