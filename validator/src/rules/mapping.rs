//! Maps: classes, activities and attributes that OCSF has, and all of those that it requires.

use std::collections::{BTreeMap, BTreeSet};

use longshore_schema::map::{Activity, Attributes, Case, Classes, Source, Value};
use longshore_schema::scalar::{OcsfPath, Scalar as _};
use longshore_schema::stream::Stream;
use longshore_schema::yaml::Entry;
use longshore_schema::{Span, Spanned};

use super::Context;
use super::sites::streams;
use super::{sources, values};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ocsf::{self, Class, Constraints, PathError, PathProblem, Requirement, Type, table};
use crate::suggest::{closest, one_of};

/// Attributes that the engine writes, with what to do in place of mapping them.
const ENGINE: &[(&str, &str)] = &[
    ("class_uid", "it follows from `to`"),
    ("class_name", "it follows from `to`"),
    ("category_uid", "it follows from `to`"),
    ("category_name", "it follows from `to`"),
    ("activity_id", "it follows from `activity`"),
    ("activity_name", "it follows from `activity`"),
    ("type_uid", "it follows from `to` and `activity`"),
    ("type_name", "it follows from `to` and `activity`"),
    ("raw_data", "write `raw: true` in the stream"),
    ("metadata.uid", "it is made of the stream's `key`"),
    ("metadata.product", "it is made of `app`"),
    ("metadata.version", "it is the version of OCSF"),
    ("metadata.log_name", "it is the stream's name"),
];

/// Attributes that need not be mapped, since the engine writes them.
const WRITTEN: [&str; 6] =
    ["class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "metadata"];

/// Attributes beside `by`, which belong into `shared` or a case.
fn misplaced<'m>(cx: &Context<'m>, stream: &str) -> Vec<&'m Entry> {
    let Some(map) = cx.entry(&["streams", stream, "map"]) else { return Vec::new() };
    let own = ["for_each", "by", "shared", "cases", "else", "verb", "to", "activity", "is", "if"];
    let entries = map.value.entries().iter();
    entries.filter(|entry| !own.contains(&entry.key.as_str())).collect()
}

/// A map is of one form: one class, or a choice of several.
pub(crate) fn forms(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        let Some(map) = cx.entry(&["streams", name, "map"]) else { continue };
        found.extend(stream.map.for_each.as_ref().and_then(sources::parts));
        let choice = stream.map.choice().is_some();
        for entry in map.value.entries() {
            let help = match (choice, entry.key.as_str()) {
                (true, "to" | "activity" | "is") => {
                    "write it in each case: with `by`, the cases say the class"
                }
                (false, "cases" | "shared") => {
                    "add `by: $.type`, the member that chooses among the cases"
                }
                _ => continue,
            };
            found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    entry.key_span,
                    format!("`{}` has no effect in this map", entry.key),
                )
                .help(help),
            );
        }
        let misplaced = if choice { misplaced(cx, name) } else { Vec::new() };
        if let Some((first, others)) = misplaced.split_first() {
            let message = match others.len() {
                0 => format!("`{}` has no effect beside `by`", first.key),
                more => {
                    format!("`{}` and {more} more attributes have no effect beside `by`", first.key)
                }
            };
            let mut diagnostic = Diagnostic::new(&codes::CONFLICTING_KEYS, first.key_span, message)
                .help("move them into `shared` if all cases have them, or into the cases that do");
            for other in others {
                diagnostic = diagnostic.also(other.key_span, "");
            }
            found.push(diagnostic);
        }
    }
}

/// Every case is of a class that OCSF has, and complete.
pub(crate) fn classes(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        match &stream.map.classes {
            Classes::One(case) => check(cx, stream, case, &Vec::new(), true, found),
            Classes::Choice(choice) => {
                let mut all = Vec::new();
                // What stands beside `by` was meant to be in the cases.
                let complete = misplaced(cx, name).is_empty();
                for case in choice.cases.iter().chain([&choice.otherwise]) {
                    check(cx, stream, case, &choice.shared, complete, &mut all);
                }
                // What is wrong with a shared attribute is wrong in every case of a kind.
                let shared: BTreeSet<_> = choice.shared.iter().map(|(path, _)| path.span).collect();
                let mut seen = BTreeSet::new();
                all.retain(|diagnostic| {
                    let span = diagnostic.span();
                    let within = shared.iter().any(|s| s.start <= span.start && span.end <= s.end);
                    !within || seen.insert((span, diagnostic.code))
                });
                found.extend(all);
            }
        }
    }
}

fn check(
    cx: &Context<'_>,
    stream: &Stream,
    case: &Case,
    shared: &Attributes,
    complete: bool,
    found: &mut Vec<Diagnostic>,
) {
    let Some(class) = table().class(&case.to) else {
        let names: Vec<_> = table().class_names().collect();
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_CLASS,
            case.to.span,
            format!("OCSF {} has no class `{}`", table().version(), case.to.value),
        )
        .help(format!("Longshore maps to {}", one_of(names.iter().copied())));
        if let Some(meant) = class_named(&case.to, &names) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        found.push(diagnostic);
        return;
    };
    activities(class, &case.activity, found);
    let own = |path: &OcsfPath| case.attributes.iter().any(|(known, _)| known.value == *path);
    let inherited = shared.iter().filter(|(path, _)| !own(path));
    let attributes: Vec<_> = case.attributes.iter().chain(inherited).collect();
    let mut tree = Tree::default();
    for (path, value) in attributes {
        match attribute(cx, stream, class, path, value, found) {
            Ok(()) => match &value.value {
                Value::Source(source) if source.each.is_some() => {
                    tree.each(path, source, found);
                }
                _ => tree.add(path, found),
            },
            Err(error) => tree.doubt(path, &error),
        }
    }
    if complete {
        // What is collected without a time of its own is so as of when it was read.
        if class.category_uid == DISCOVERY && stream.window.is_none() {
            tree.below.entry("time".to_owned()).or_default();
        }
        required(class, &tree, case.to.span, found);
    }
}

/// The category of what is collected, not observed: inventories and states (OCSF 1.8, Discovery).
const DISCOVERY: u32 = 5;

/// The class that was meant, also by its caption (`Account Change`) or its uid (`3002`).
fn class_named<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let spelt = name.to_lowercase().replace([' ', '-'], "_");
    let known = table().classes().find(|class| {
        class.caption.eq_ignore_ascii_case(name)
            || class.name == spelt
            || class.uid.to_string() == name
    });
    match known {
        Some(class) => names.iter().copied().find(|known| *known == class.name),
        None => closest(&spelt, names.iter().copied()),
    }
}

fn activities(class: &Class, activity: &Activity, found: &mut Vec<Diagnostic>) {
    let captions: Vec<_> =
        class.activities().filter(|(id, _)| *id != 0).map(|(_, caption)| caption).collect();
    let mut one = |activity: &Spanned<String>| {
        if class.activity_id(activity).is_some() {
            return;
        }
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_ACTIVITY,
            activity.span,
            format!("the class `{}` has no activity `{}`", class.name, activity.value),
        )
        .help(format!("its activities are {}", one_of(captions.iter().copied())));
        let by_id = class.activities().find(|(id, _)| id.to_string() == activity.value);
        let same = captions.iter().copied().find(|caption| caption.eq_ignore_ascii_case(activity));
        let meant = by_id.map(|(_, caption)| caption).or(same);
        if let Some(meant) = meant.or_else(|| closest(activity, captions.iter().copied())) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        found.push(diagnostic);
    };
    match activity {
        Activity::Fixed(activity) => one(activity),
        Activity::Table(table) => table.iter().for_each(|(_, activity)| one(activity)),
        Activity::From(source) => {
            source.when.iter().for_each(|(_, activity)| one(activity));
            one(&source.otherwise);
        }
    }
}

fn attribute(
    cx: &Context<'_>,
    stream: &Stream,
    class: &Class,
    path: &Spanned<OcsfPath>,
    value: &Spanned<Value>,
    found: &mut Vec<Diagnostic>,
) -> Result<(), PathError> {
    let text = path.as_str();
    let engine = ENGINE.iter().find(|(name, _)| {
        text == *name || text.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
    });
    if let Some((name, instead)) = engine {
        found.push(
            Diagnostic::new(
                &codes::ENGINE_ATTRIBUTE,
                path.span,
                format!("`{name}` is written by the engine"),
            )
            .help(format!("remove it: {instead}")),
        );
        return Ok(());
    }
    let resolved = match class.resolve(text) {
        Ok(resolved) => resolved,
        Err(error) => {
            let whole = cx.find(path.span, text, 0);
            let start = whole.start as usize + error.offset;
            let end = start + error.segment.len();
            let exact = whole.end as usize - whole.start as usize == text.len() && end > start;
            let span = if exact { Span::new(start, end) } else { path.span };
            let mut diagnostic =
                Diagnostic::new(&codes::UNKNOWN_ATTRIBUTE, span, error.to_string());
            if error.problem == PathProblem::UnknownAttribute {
                diagnostic = diagnostic.help(
                    "write an attribute that OCSF has here, or leave it out: what is not mapped is kept under `unmapped`",
                );
            }
            found.push(diagnostic);
            return Err(error);
        }
    };
    if let Value::Source(source) = &value.value {
        sources::check(path, source, found);
        if source.each.is_some() {
            each(cx, stream, class, path, &resolved, source, found);
            return Ok(());
        }
    }
    values::check(cx, stream, path, &resolved, value, found);
    Ok(())
}

/// An array of objects made of elements: each of its members is an attribute of the object.
fn each(
    cx: &Context<'_>,
    stream: &Stream,
    class: &Class,
    path: &Spanned<OcsfPath>,
    resolved: &ocsf::Resolved<'_>,
    source: &Source,
    found: &mut Vec<Diagnostic>,
) {
    let of_objects = resolved.attribute().is_some_and(
        |attribute| matches!(attribute.type_, Type::Object(name) if table().object(name).is_some()),
    );
    if !(resolved.is_whole_array() && of_objects) {
        let name = path.as_str().trim_end_matches("[]");
        let whole = class.resolve(name).is_ok_and(|resolved| resolved.is_whole_array());
        let help = if whole && of_objects {
            format!("write `{name}`, without brackets: the array as a whole")
        } else {
            "map an array of objects, such as `resources`; for an array of texts write `from: $.items[*].name`".to_owned()
        };
        found.push(
            Diagnostic::new(
                &codes::VALUE_TYPE,
                path.span,
                format!("`{}` is not an array of objects, which `each` makes", path.value),
            )
            .help(help),
        );
        return;
    }
    for (inner, value) in &source.map {
        let whole = inner_path(path, inner);
        // What leads nowhere is reported there; nothing is required of these attributes together.
        let _ = attribute(cx, stream, class, &whole, value, found);
    }
}

/// The path of a member of the objects in an array, as it is written in `map`.
fn inner_path(array: &OcsfPath, inner: &Spanned<OcsfPath>) -> Spanned<OcsfPath> {
    let text = format!("{}[].{}", array.as_str(), inner.as_str());
    let path = OcsfPath::parse(&text).unwrap_or_else(|_| inner.value.clone());
    Spanned::new(path, inner.span)
}

/// The attributes that a case maps, as a tree of names.
#[derive(Default)]
struct Tree {
    span: Option<Span>,
    /// Whether a value is mapped to this attribute itself.
    whole: bool,
    below: BTreeMap<String, Tree>,
    /// What unknown attributes here were perhaps meant to be; reported once, as unknown.
    doubts: Option<Vec<String>>,
}

impl Tree {
    fn add(&mut self, path: &Spanned<OcsfPath>, found: &mut Vec<Diagnostic>) {
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
    fn each(&mut self, path: &Spanned<OcsfPath>, source: &Source, found: &mut Vec<Diagnostic>) {
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
    fn doubt(&mut self, path: &Spanned<OcsfPath>, error: &PathError) {
        let mut node = self;
        let known = path.as_str().get(..error.offset).unwrap_or_default();
        for name in known.split('.').filter(|name| !name.is_empty()) {
            let name = name.trim_end_matches("[]").to_owned();
            node = node.below.entry(name).or_default();
            node.span.get_or_insert(path.span);
        }
        node.doubts.get_or_insert_default().extend(error.suggestions.iter().cloned());
    }

    /// Whether an attribute is mapped, or perhaps meant to be.
    fn has(&self, name: &str) -> bool {
        let doubts = self.doubts.iter().flatten();
        self.below.contains_key(name) || doubts.into_iter().any(|doubt| doubt == name)
    }
}

/// What the class, and each object that is mapped in part, requires is mapped.
fn required(class: &Class, tree: &Tree, to: Span, found: &mut Vec<Diagnostic>) {
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

/// The cases of a choice are for different values, and each is for some.
pub(crate) fn cases(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _, stream) in streams(cx.manifest) {
        let choice = match &stream.map.classes {
            Classes::Choice(choice) => choice,
            Classes::One(case) => {
                if let Activity::Table(activities) = &case.activity {
                    let span = activities.iter().next().map_or(case.to.span, |(key, _)| key.span);
                    found.push(
                        Diagnostic::new(&codes::CASE_VALUES, span, "a table of activities without `by`")
                            .help("write one activity, or choose among cases: `by: $.type`, `cases` and `else`"),
                    );
                }
                continue;
            }
        };
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut forgot_by = false;
        for case in &choice.cases {
            let listed = case.is.iter().map(|value| (value.to_string(), value.span));
            let tabled = match &case.activity {
                Activity::Fixed(_) | Activity::From(_) => None,
                Activity::Table(activities) => Some(activities),
            };
            if let (Some(first), Some(_)) = (case.is.first(), tabled) {
                found.push(
                    Diagnostic::new(
                        &codes::CASE_VALUES,
                        first.span,
                        "the case lists its values twice",
                    )
                    .help("remove `is`: the table of activities says what the case is for"),
                );
            }
            let keys = tabled.into_iter().flatten().map(|(key, _)| (key.value.clone(), key.span));
            let values: Vec<_> = if tabled.is_some() { keys.collect() } else { listed.collect() };
            if values.is_empty() && case.condition.is_empty() {
                let help = match &choice.by {
                    Some(by) => format!(
                        "add `is: [...]` with values of `{}`, or a table of activities, or conditions under `if`",
                        by.value
                    ),
                    None => {
                        "add what must hold of its records: `if: { $.type: [a, b] }`".to_owned()
                    }
                };
                found.push(
                    Diagnostic::new(&codes::CASE_VALUES, case.to.span, "the case is for no value")
                        .help(help),
                );
            }
            forgot_by |= choice.by.is_none() && !values.is_empty();
            // With conditions, another case may be for the same value.
            let values = if case.condition.is_empty() { values } else { Vec::new() };
            for (value, span) in values {
                if let Some(first) = seen.get(&value) {
                    found.push(
                        Diagnostic::new(
                            &codes::DUPLICATE_CASE,
                            span,
                            format!("the value `{value}` has a case already"),
                        )
                        .also(*first, "the first case for it")
                        .help("keep it in one case: only the first would ever count"),
                    );
                } else {
                    seen.insert(value, span);
                }
            }
        }
        if let Some(map) = cx.entry(&["streams", name, "map"]).filter(|_| forgot_by) {
            found.push(
                Diagnostic::new(
                    &codes::MISSING_KEY,
                    map.key_span,
                    format!("`by` is missing in `streams.{name}.map`"),
                )
                .help("add `by: $.member`: the member of the record that has the values of the cases; or say what they are for with `if`"),
            );
        }
        if let Activity::Table(activities) = &choice.otherwise.activity
            && let Some((key, _)) = activities.iter().next()
        {
            found.push(
                Diagnostic::new(
                    &codes::CASE_VALUES,
                    key.span,
                    "a table of activities in `else`, which is for every other value",
                )
                .help(
                    "write one activity such as `Other`, and move the table into a case of its own",
                ),
            );
        }
        if let Some(first) = choice.otherwise.is.first() {
            found.push(
                Diagnostic::new(&codes::CASE_VALUES, first.span, "`else` is for every other value")
                    .help("remove `is`, or make it a case of its own"),
            );
        }
    }
}
