//! From what does not satisfy the schema to diagnostics with places and fixes, in the manifest's
//! words instead of the schema's.

use std::collections::BTreeSet;

use longshore_schema::Span;
use longshore_schema::scalar::formats;
use longshore_schema::yaml::{Content, Entry, Node};
use serde_json::Value;

use super::place::{Place, belongs, inside};
use super::repair::Repair;
use super::walk::{Kind, Mismatch};
use super::{Found, schema};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::suggest::{all_of, closest, joined, near};

/// The tables whose entries stand for themselves: one that cannot be read is left out.
const TABLES: [&str; 10] = [
    "inputs",
    "quotas",
    "errors",
    "tables",
    "facts",
    "streams",
    "permissions",
    "prerequisites",
    "settings",
    "actions",
];

/// How many keys lead to an entry of such a table, or of the checks.
fn entry_depth(path: &[String]) -> Option<usize> {
    match path {
        [table, _, ..] if TABLES.contains(&table.as_str()) => Some(2),
        [posture, checks, _, ..] if posture == "posture" && checks == "checks" => Some(3),
        _ => None,
    }
}

pub(super) struct Translation<'s> {
    source: &'s str,
    root: &'s Node,
    /// Whether the author knows that an unknown key, which stands there, is not read.
    unread: &'s dyn Fn(Span) -> bool,
    found: Vec<Diagnostic>,
    repairs: BTreeSet<Repair>,
    /// Required keys that are missing: (owner's path, key). Reported last, since a misspelt key
    /// may be the missing one.
    missing: Vec<(Vec<String>, String)>,
    /// Keys that a misspelt one was surely meant to be: (owner's path, key).
    meant: BTreeSet<(Vec<String>, String)>,
}

impl<'s> Translation<'s> {
    pub(super) fn new(source: &'s str, root: &'s Node, unread: &'s dyn Fn(Span) -> bool) -> Self {
        Self {
            source,
            root,
            unread,
            found: Vec::new(),
            repairs: BTreeSet::new(),
            missing: Vec::new(),
            meant: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, mismatch: &Mismatch) {
        let Some(place) = Place::find(self.root, mismatch.path.clone()) else { return };
        match &mismatch.kind {
            Kind::Unknown(keys) => {
                for key in keys {
                    self.unknown_key(&place, key);
                }
            }
            Kind::Missing(key) => self.missing.push((place.path, (*key).to_owned())),
            Kind::Type => self.wrong_type(&place),
            Kind::Choice(options) => self.unknown_choice(&place, options),
            Kind::Format(format) => self.malformed(&place, format),
            Kind::Name(name, format) => self.malformed_name(&place, name, *format),
            Kind::Count => self.choose_one(&place),
            Kind::Empty | Kind::Minimum(_) | Kind::Maximum(_) => {
                self.out_of_range(&place, &mismatch.kind);
            }
        }
    }

    pub(super) fn finish(mut self) -> Found {
        let mut missing = std::mem::take(&mut self.missing);
        missing.retain(|pair| !self.meant.contains(pair));
        missing.dedup();
        for (path, key) in &missing {
            self.missing_key(path, key);
        }
        Found {
            diagnostics: self.found,
            repairs: self.repairs.into_iter().collect(),
            complete: true,
        }
    }

    fn unknown_key(&mut self, place: &Place<'_>, key: &str) {
        let Some(entry) = place.node.entry(key) else { return };
        let owner = schema::at(place.keys());
        let allowed: Vec<_> = owner.into_iter().flat_map(schema::properties).collect();
        let free: Vec<_> =
            allowed.iter().copied().filter(|name| place.node.entry(name).is_none()).collect();
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_KEY,
            entry.key_span,
            format!("unknown key `{key}`{}", place.within()),
        );
        if (self.unread)(entry.key_span) {
            let mut path = place.path.clone();
            path.push(key.to_owned());
            self.repairs.insert(Repair::Remove { path });
            self.found.push(diagnostic);
            return;
        }
        let reads = key == "get"
            && matches!(place.path.as_slice(), [actions, _, request] if actions == "actions" && request == "request");
        let elsewhere = belongs(key, place).filter(|_| !reads);
        if let Some(meant) = near(key, free.iter().copied()) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?")).fix(
                Safety::Safe,
                format!("rename `{key}` to `{meant}`"),
                entry.key_span,
                meant,
            );
            if let Some(summary) = owner.and_then(|owner| schema::summary(owner, meant)) {
                diagnostic = diagnostic.help(format!("write `{meant}`: {}", lower_first(&summary)));
            }
            self.meant.insert((place.path.clone(), meant.to_owned()));
            self.repairs.insert(Repair::Rename {
                owner: place.path.clone(),
                from: key.to_owned(),
                to: meant,
            });
        } else {
            if reads {
                diagnostic = diagnostic
                    .label("a GET request only reads")
                    .help("write `post`, `put`, `patch` or `delete`: an action changes something, and GET does not (RFC 9110, 9.2.1)");
            } else if let Some(owner) = elsewhere {
                diagnostic = diagnostic.label(format!("it belongs in `{owner}`"));
                diagnostic = diagnostic.help(format!("move `{key}` into `{owner}`"));
            } else if let Some(meant) = closest(key, free.iter().copied()) {
                diagnostic = diagnostic.label(format!("did you mean `{meant}`?")).fix(
                    Safety::Unsafe,
                    format!("rename `{key}` to `{meant}`"),
                    entry.key_span,
                    meant,
                );
                // The pair of a missing key and one that contains it is one mistake.
                if schema::is_required(&place.path, meant) {
                    self.meant.insert((place.path.clone(), meant.to_owned()));
                }
            } else if !free.is_empty() {
                diagnostic = diagnostic.help(format!(
                    "remove it; the keys that may still be added here: {}",
                    all_of(free.iter().copied())
                ));
            } else if !allowed.is_empty() {
                diagnostic =
                    diagnostic.help("remove it: every key that may stand here is there already");
            }
            let mut path = place.path.clone();
            path.push(key.to_owned());
            self.repairs.insert(Repair::Remove { path });
        }
        self.found.push(diagnostic);
    }

    fn missing_key(&mut self, path: &[String], key: &str) {
        let Some(place) = Place::find(self.root, path.to_vec()) else { return };
        let node = place.node;
        // Without `by` a map is taken for one class; with cases in it, `by` is what is missing.
        let forgot_by = ["cases", "else"].iter().any(|part| node.entry(part).is_some())
            && node.entry("by").is_none();
        let key = match key {
            "activity" if forgot_by && node.entry("to").is_none() => return,
            "to" | "activity" if forgot_by => "by",
            _ => key,
        };
        let told = ["to", "activity"].iter().any(|key| node.entry(key).is_some());
        if matches!(key, "to" | "activity") && !told {
            // Any other key is taken for an attribute.
            let verb = node.entries().iter().find(|entry| {
                near(entry.key.split('.').next().unwrap_or_default(), ["verb"]).is_some()
            });
            if let Some(verb) = verb {
                if key == "to" {
                    self.found.push(misspelt_verb(verb));
                }
                let mut path = path.to_vec();
                path.push(key.to_owned());
                self.give_up(&path);
                return;
            }
        }
        let owner = schema::at(place.keys());
        let mut diagnostic = Diagnostic::new(
            &codes::MISSING_KEY,
            place.label_span(self.source),
            format!("`{key}` is missing{}", place.within()),
        );
        if let Some(owner) = owner {
            let example = schema::example(owner, key);
            diagnostic = match schema::summary(owner, key) {
                Some(summary) => {
                    let choices = schema::choices(owner, key);
                    let choices = choices
                        .map(|all| format!("; the choices are {}", all_of(all.iter().copied())));
                    diagnostic.help(format!(
                        "add `{example}`: {}{}",
                        lower_first(&summary),
                        choices.unwrap_or_default()
                    ))
                }
                None => diagnostic.help(format!("add `{example}`")),
            };
        }
        self.found.push(diagnostic);
        let mut path = path.to_vec();
        path.push(key.to_owned());
        self.give_up(&path);
    }

    fn wrong_type(&mut self, place: &Place<'_>) {
        let expected = schema::at(place.keys());
        let types: Vec<_> = match expected.map(|schema| &schema["type"]) {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let wants = |name: &str| types.contains(&name);
        let names: Vec<_> = types.iter().map(|name| type_name(name)).collect();
        let wanted = joined(&names, "or").unwrap_or_else(|| "something else".to_owned());
        let span = if matches!(place.node.content, Content::Null) {
            place.key_span.unwrap_or(place.node.span)
        } else {
            place.head(self.source)
        };
        let written = self.source.get(place.node.span.range()).unwrap_or_default();
        let what = content_name(&place.node.content);
        let mut diagnostic = Diagnostic::new(
            &codes::WRONG_TYPE,
            span,
            format!("{} must be {wanted}, not {what}", place.name()),
        );
        let choices: Vec<_> = expected.into_iter().flat_map(schema::properties).collect();
        diagnostic = match &place.node.content {
            Content::Null => diagnostic.help("give it a value, or remove the key"),
            Content::Integer(_) | Content::Float(_) | Content::Bool(_) if wants("string") => {
                let format = expected.and_then(|schema| schema["format"].as_str());
                let format = format.and_then(|name| formats().into_iter().find(|f| f.name == name));
                match format.map(|format| (format.check)(written)) {
                    Some(Err(error)) => diagnostic.maybe_help(error.help),
                    _ => diagnostic
                        .label(format!("quote it: \"{written}\""))
                        .help(format!("write \"{written}\": without quotes YAML reads {what}"))
                        .fix(Safety::Safe, "put it in quotes", span, format!("\"{written}\"")),
                }
            }
            Content::String(text) if wants("integer") && text.parse::<i64>().is_ok() => diagnostic
                .help(format!("write {text} without quotes"))
                .fix(Safety::Safe, "take the quotes away", place.node.span, text),
            Content::String(text)
                if wants("boolean") && matches!(text.as_str(), "true" | "false") =>
            {
                diagnostic.help(format!("write {text} without quotes")).fix(
                    Safety::Safe,
                    "take the quotes away",
                    place.node.span,
                    text,
                )
            }
            Content::String(_) if wants("array") && written.len() <= 60 => diagnostic
                .help(format!("write a list: [{written}]"))
                .fix(Safety::Safe, "make it a list", place.node.span, format!("[{written}]")),
            _ if wants("object") && !choices.is_empty() => {
                let choose = expected.is_some_and(|schema| schema.get("maxProperties").is_some());
                let lead = if choose { "write one of the keys" } else { "the keys are" };
                // A choice that must be made is made by who knows what hangs on it.
                let made = expected.and_then(schema::required_choice).map(|(key, summary, all)| {
                    format!(
                        "; `{key}` is one of {}: {}",
                        all_of(all.iter().copied()),
                        lower_first(&summary)
                    )
                });
                let made = made.filter(|_| !choose).unwrap_or_default();
                diagnostic.help(format!("{lead} {}{made}", all_of(choices.iter().copied())))
            }
            Content::Sequence(_) if wants("object") => {
                diagnostic.help("write `name:` and its settings below, without the dash")
            }
            Content::Sequence(_) => diagnostic.help("write one value, without brackets"),
            Content::Mapping(_) => diagnostic.help("write one value, without keys"),
            _ if wants("integer") || wants("number") => {
                diagnostic.help("write a number, such as 100")
            }
            _ => diagnostic,
        };
        self.found.push(diagnostic);
        self.give_up(&place.path);
    }

    fn unknown_choice(&mut self, place: &Place<'_>, options: &[&str]) {
        // A value of another type is reported as such.
        let Content::String(text) = &place.node.content else { return };
        let shown: String = text.chars().take(40).collect();
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_CHOICE,
            place.node.span,
            format!("`{shown}` is not a choice{}", place.at()),
        )
        .help(format!("the choices are {}", all_of(options.iter().copied())));
        if let Some(meant) = closest(text, options.iter().copied()) {
            let safety = Safety::of_suggestion(text, meant);
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?")).fix(
                safety,
                format!("write `{meant}`"),
                place.node.span,
                meant,
            );
        }
        self.found.push(diagnostic);
        self.give_up(&place.path);
    }

    fn malformed(&mut self, place: &Place<'_>, format: &str) {
        let Content::String(text) = &place.node.content else { return };
        let Some(format) = formats().into_iter().find(|known| known.name == format) else { return };
        let Err(error) = (format.check)(text) else { return };
        let span = inside(self.source, place.node.span, text, error.offset);
        self.found.push(
            Diagnostic::new(
                &codes::MALFORMED_VALUE,
                span,
                format!("{}{}", place.lead(), error.message),
            )
            .maybe_help(error.help),
        );
        self.give_up(&place.path);
    }

    fn malformed_name(&mut self, place: &Place<'_>, name: &str, format: Option<&str>) {
        let Some(entry) = place.node.entry(name) else { return };
        let format =
            format.and_then(|format| formats().into_iter().find(|known| known.name == format));
        let shown: String = name.chars().take(80).collect();
        let mut diagnostic = Diagnostic::new(
            &codes::MALFORMED_NAME,
            entry.key_span,
            format!("`{shown}` cannot be a key{}", place.within()),
        );
        if let Some(Err(error)) = format.map(|format| (format.check)(name)) {
            diagnostic.set_message(format!("{}{}", error.message, place.within()));
            diagnostic = diagnostic.maybe_help(error.help);
            diagnostic.labels[0].span = inside(self.source, entry.key_span, name, error.offset);
        }
        self.found.push(diagnostic);
        let mut path = place.path.clone();
        path.push(name.to_owned());
        self.repairs.insert(Repair::Remove { path: path.clone() });
        self.give_up(&path);
    }

    fn choose_one(&mut self, place: &Place<'_>) {
        let choices: Vec<_> =
            schema::at(place.keys()).into_iter().flat_map(schema::properties).collect();
        let entries = place.node.entries();
        let known: Vec<_> =
            entries.iter().filter(|entry| choices.contains(&entry.key.as_str())).collect();
        // One choice and unknown keys beside it: the unknown keys are the mistake.
        if known.len() == 1 && entries.len() > 1 {
            return;
        }
        let name = place.path.last().map_or("this", String::as_str);
        let mut diagnostic = Diagnostic::new(
            &codes::CHOOSE_ONE,
            place.label_span(self.source),
            if choices.is_empty() {
                format!("`{name}` is empty")
            } else {
                format!("`{name}` takes exactly one choice, not {}", known.len())
            },
        );
        diagnostic = if choices.is_empty() {
            diagnostic.help("add an entry, or remove the key")
        } else {
            diagnostic.help(format!("choose one of {}", all_of(choices.iter().copied())))
        };
        for entry in known {
            diagnostic = diagnostic.also(entry.key_span, "a choice");
        }
        self.found.push(diagnostic);
        self.give_up(&place.path);
    }

    fn out_of_range(&mut self, place: &Place<'_>, kind: &Kind) {
        let name = place.name();
        let (message, help) = match kind {
            Kind::Minimum(limit) => {
                (format!("{name} must be at least {limit}"), "write a larger number")
            }
            Kind::Maximum(limit) => {
                (format!("{name} must be at most {limit}"), "write a smaller number")
            }
            _ => (format!("{name} is an empty list"), "add an entry, or remove the key"),
        };
        self.found.push(
            Diagnostic::new(&codes::OUT_OF_RANGE, place.head(self.source), message).help(help),
        );
        self.give_up(&place.path);
    }

    /// Leaves out the smallest part around a place without which the rest can be read, or fills in
    /// what cannot be left out.
    fn give_up(&mut self, path: &[String]) {
        if let Some(depth) = entry_depth(path) {
            let (entry, inner) = path.split_at(depth);
            // Rules about what an entry has would miss what was taken out of it.
            let attribute = inner.iter().any(|key| key == "map");
            let required = path.split_last().is_some_and(|(last, owner)| {
                !inner.is_empty() && (attribute || schema::is_required(owner, last))
            });
            let fits = schema::filling(path.iter().map(String::as_str)).is_some();
            self.repairs.insert(if required && fits {
                Repair::Fill { path: path.to_vec() }
            } else {
                Repair::Remove { path: entry.to_vec() }
            });
            return;
        }
        for length in (1..=path.len()).rev() {
            let (owner, key) = (&path[..length - 1], &path[length - 1]);
            let path = path[..length].to_vec();
            if !schema::is_required(owner, key) {
                self.repairs.insert(Repair::Remove { path });
                return;
            }
            if schema::filling(path.iter().map(String::as_str)).is_some() {
                self.repairs.insert(Repair::Fill { path });
                return;
            }
        }
    }
}

/// An attribute that was meant to be the verb.
fn misspelt_verb(entry: &Entry) -> Diagnostic {
    Diagnostic::new(
        &codes::UNKNOWN_KEY,
        entry.key_span,
        format!("`{}` says neither the class nor the activity", entry.key),
    )
    .label("did you mean `verb`?")
    .help("write `verb` with a word that is the same for all apps, or `to` and `activity`")
    .fix(Safety::Unsafe, format!("rename `{}` to `verb`", entry.key), entry.key_span, "verb")
}

fn lower_first(text: &str) -> String {
    let second_is_lower = text.chars().nth(1).is_some_and(|c| c.is_lowercase() || c == ' ');
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if second_is_lower => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

fn content_name(content: &Content) -> &'static str {
    match content {
        Content::Null => "nothing",
        Content::Bool(_) => "true or false",
        Content::Integer(_) | Content::Float(_) => "a number",
        Content::String(_) => "text",
        Content::Sequence(_) => "a list",
        Content::Mapping(_) => "a mapping",
    }
}
