//! Maps: classes, activities and attributes that OCSF has, and all of those that it requires.

use std::borrow::Cow;
use std::collections::BTreeSet;

use longshore_schema::map::{Activity, Attributes, Case, Classes, Map, Source, Value};
use longshore_schema::scalar::{OcsfPath, Scalar as _};
use longshore_schema::stream::Stream;
use longshore_schema::yaml::{Content, Entry, Node};
use longshore_schema::{Span, Spanned};

use super::Context;
use super::is_written;
use super::required::{Tree, required};
use super::sites::{Mapping, all_attributes, mappings};
use super::{sources, values};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ocsf::{self, Class, PathError, PathProblem, Type, table};
use crate::suggest::{closest, near, one_of};

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

/// Attributes beside `by`, which belong into `shared` or a case.
fn misplaced<'m>(cx: &Context<'m>, mapping: &Mapping<'_>) -> Vec<&'m Entry> {
    let Some(map) = cx.entry(&mapping.keys) else { return Vec::new() };
    let entries = map.value.entries().iter();
    entries.filter(|entry| !OWN.contains(&entry.key.as_str())).collect()
}

/// The keys of a map that are no attributes.
const OWN: [&str; 10] =
    ["for_each", "by", "shared", "cases", "else", "verb", "to", "activity", "is", "if"];

/// A map as it is written, with its cases.
fn cases_of(map: &Node) -> Vec<&Node> {
    let cases = map.entry("cases").map(|cases| &cases.value.content);
    let items = match cases {
        Some(Content::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    let otherwise = map.entry("else").map(|entry| &entry.value);
    std::iter::once(map).chain(items).chain(otherwise).collect()
}

/// A verb with the class or activity that it stands for beside it.
fn said_twice(case: &Node) -> Option<Diagnostic> {
    let verb = case.entry("verb")?;
    let other = case.entry("to").or_else(|| case.entry("activity"))?;
    Some(
        Diagnostic::new(
            &codes::CONFLICTING_KEYS,
            other.key_span,
            format!("`{}` stands beside `verb`, which says it already", other.key),
        )
        .also(verb.key_span, "the verb")
        .help("keep `verb`, or keep `to` and `activity`"),
    )
}

/// What decides is one value: of the record, or of each of its parts.
fn deciding(cx: &Context<'_>, mapping: &Mapping<'_>, found: &mut Vec<Diagnostic>) {
    let map = mapping.map;
    let Some(by) = map.choice().and_then(|choice| choice.by.as_ref()) else { return };
    let inner = map.in_part(by);
    let path = inner.as_ref().unwrap_or(by);
    if path.is_singular() {
        return;
    }
    let outside = map.for_each.as_ref().filter(|_| inner.is_none());
    let diagnostic = if let Some(parts) = outside.filter(|parts| sources::parts(parts).is_none()) {
        let message = format!("the member that decides, `{by}`, is not one of the parts `{parts}`");
        // What the other paths are about tells which of the two is wrong.
        let (wrong, right) =
            if has_paths_in_parts(map) { (by.span, parts.span) } else { (parts.span, by.span) };
        Diagnostic::new(&codes::PATH_NOT_SINGULAR, wrong, message)
            .also(right, "the other one")
            .help("start both alike, such as `for_each: $.events[*]` with `by: $.events[*].type`")
    } else if sources::has_unclear_parts(cx, map, mapping.stream.map.span) {
        return;
    } else {
        let message =
            format!("the member that decides is one value, and `{path}` may select several");
        Diagnostic::new(&codes::PATH_NOT_SINGULAR, by.span, message)
            .help("write member names and indexes alone, such as `$.id` or `$.items[0].id`")
    };
    found.push(diagnostic);
}

/// Whether an attribute is selected from the parts of a record.
fn has_paths_in_parts(map: &Map) -> bool {
    let mut values = all_attributes(map).into_iter().flatten();
    values.any(|(_, value)| match &value.value {
        Value::Path(path) => map.in_part(path).is_some(),
        Value::Source(source) => source.from.0.iter().any(|from| map.in_part(from).is_some()),
        Value::Template(_) | Value::Literal(_) => false,
    })
}

/// A map is of one form: one class, or a choice of several.
pub(crate) fn forms(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for mapping in mappings(cx.manifest) {
        let Some(map) = cx.entry(&mapping.keys) else { continue };
        found.extend(mapping.map.for_each.as_ref().and_then(sources::parts));
        deciding(cx, &mapping, found);
        found.extend(cases_of(&map.value).into_iter().filter_map(said_twice));
        let choice = mapping.map.choice().is_some();
        for entry in map.value.entries() {
            let help = match (choice, entry.key.as_str()) {
                (true, "to" | "activity" | "verb" | "is") => {
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
        let misplaced = if choice { misplaced(cx, &mapping) } else { Vec::new() };
        if let Some((first, others)) = misplaced.split_first() {
            let message = match others.len() {
                0 => format!("`{}` has no effect beside `by`", first.key),
                more => {
                    format!("`{}` and {more} more attributes have no effect beside `by`", first.key)
                }
            };
            let mut diagnostic = Diagnostic::new(&codes::CONFLICTING_KEYS, first.key_span, message);
            if let Some(meant) = near(&first.key, OWN) {
                diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            }
            diagnostic = diagnostic
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
    for mapping in mappings(cx.manifest) {
        let stream = if mapping.is_gone() {
            let map = Spanned::new(mapping.map.clone(), mapping.stream.map.span);
            Cow::Owned(Stream { map, ..mapping.stream.clone() })
        } else {
            Cow::Borrowed(mapping.stream)
        };
        let case = |case, shared, complete, found: &mut Vec<Diagnostic>| {
            check(cx, &stream, case, shared, (complete, mapping.is_gone()), found);
        };
        match &mapping.map.classes {
            Classes::One(one) => case(one, &Vec::new(), true, found),
            Classes::Choice(choice) => {
                let mut all = Vec::new();
                // What stands beside `by` was meant to be in the cases.
                let complete = misplaced(cx, &mapping).is_empty();
                for one in choice.cases.iter().chain([&choice.otherwise]) {
                    case(one, &choice.shared, complete, &mut all);
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
    (complete, gone): (bool, bool),
    found: &mut Vec<Diagnostic>,
) {
    // A verb or class that could not be read is reported as such.
    if !is_written(case.to.span) {
        return;
    }
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
        // What is collected without a time of its own is so as of when it was read, and what is gone
        // as of when that was noticed.
        if gone || class.category_uid == DISCOVERY && stream.window.is_none() {
            tree.fill("time");
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
