//! Holds an event against the table.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::path::similar;
use super::table::{
    Attribute, Attributes, Class, Constraints, Enum, EnumId, Primitive, Profile, Requirement, Type,
    table,
};
use super::violation::{Rule, Violation};

/// OCSF's objects refer to themselves (a process has a parent process), so only this bounds how deep
/// an event may go. Real events stay below ten.
const MAX_DEPTH: usize = 64;

/// The end of the year 9999 in milliseconds. A greater timestamp is in another unit.
const MAX_TIMESTAMP: i64 = 253_402_300_799_999;

/// 1973-03-03 in milliseconds: no service that is asked today was there, while any time of theirs in
/// seconds is smaller.
const MIN_EVENT_TIME: i64 = 100_000_000_000;

/// The id of "Other" in every OCSF enum that has one: its caption is the source's own word.
const OTHER: i64 = 99;

/// Everything that is wrong with an event of any class of the table, sorted by path and rule; empty
/// for a valid event.
///
/// Checked are what <https://schema.ocsf.io/1.8.0> states (attributes, requirements, types, enums,
/// constraints) and what it says in words: that `type_uid` is `class_uid` * 100 + `activity_id`, and
/// that a caption is that of the id beside it unless the id is 99 Other. The requirements of a
/// profile's attributes hold where `metadata.profiles` names the profile. `unmapped` is free-form.
#[must_use]
pub fn check_event(event: &Value) -> Vec<Violation> {
    let mut check = Check::default();
    let Some(event) = event.as_object() else {
        check.report(Rule::NotAnObject, format!("an event is an object, not {}", kind(event)));
        return check.violations;
    };
    let uid = event.get("class_uid").and_then(Value::as_u64);
    let class = uid.and_then(|uid| table().class_by_uid(u32::try_from(uid).ok()?));
    let Some(class) = class else {
        check.path.push_str("class_uid");
        let version = table().version();
        let message = match uid {
            Some(uid) => format!("{uid} is no class of the OCSF {version} table"),
            None => "must be the uid of an OCSF class, which says how to check the rest".to_owned(),
        };
        check.report(Rule::UnknownClass, message);
        return check.violations;
    };
    check.read_profiles(event);
    check.container(&class.attributes, &class.constraints, event, &format!("class {}", class.name));
    check.classification(class, event);
    check.violations.sort_by(|a, b| (&a.path, a.rule).cmp(&(&b.path, b.rule)));
    check.violations
}

#[derive(Default)]
struct Check {
    path: String,
    depth: usize,
    profiles: Vec<Profile>,
    has_datetime: bool,
    violations: Vec<Violation>,
}

impl Check {
    fn report(&mut self, rule: Rule, message: String) {
        self.violations.push(Violation { path: self.path.clone(), rule, message });
    }

    /// Runs `inner` with `name` at the end of the path.
    fn at(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 && !name.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(name);
        inner(self);
        self.path.truncate(length);
    }

    fn read_profiles(&mut self, event: &Map<String, Value>) {
        let names = event.get("metadata").and_then(|metadata| metadata.get("profiles"));
        for (n, name) in names.and_then(Value::as_array).into_iter().flatten().enumerate() {
            match name.as_str() {
                Some("cloud") => self.profiles.push(Profile::Cloud),
                Some("host") => self.profiles.push(Profile::Host),
                Some("datetime") => self.has_datetime = true,
                Some(_) => self.at(&format!("metadata.profiles[{n}]"), |check| {
                    let message = "only the profiles cloud, datetime and host are known";
                    check.report(Rule::UnknownProfile, message.to_owned());
                }),
                // Not a text: the check of `metadata.profiles` as an attribute says so.
                None => {}
            }
        }
    }

    fn container(
        &mut self,
        attributes: &Attributes,
        constraints: &Constraints,
        value: &Map<String, Value>,
        owner: &str,
    ) {
        for (name, value) in value {
            self.at(name, |check| match attributes.get(name) {
                Some(attribute) => check.attribute(attribute, value),
                None => check.unknown(attributes, name, value, owner),
            });
        }
        for (name, attribute) in attributes.iter() {
            if self.is_required(attribute) && !value.contains_key(name) {
                self.at(name, |check| {
                    check.report(Rule::MissingAttribute, format!("{owner} requires it"));
                });
            }
            if let (Some(ids), Some(sibling)) = (&attribute.enum_, attribute.sibling)
                && let (Some(id), Some(caption)) = (value.get(name), value.get(sibling))
            {
                self.at(sibling, |check| check.captions(ids, name, id, caption));
            }
        }
        self.constraints(constraints, value, owner);
    }

    fn is_required(&self, attribute: &Attribute) -> bool {
        attribute.requirement == Requirement::Required
            && attribute.profile.is_none_or(|profile| self.profiles.contains(&profile))
    }

    fn constraints(&mut self, rules: &Constraints, value: &Map<String, Value>, owner: &str) {
        let present = |names: &[&str]| names.iter().filter(|n| value.contains_key(**n)).count();
        if !rules.at_least_one.is_empty() && present(&rules.at_least_one) == 0 {
            let names = rules.at_least_one.join(", ");
            self.report(Rule::AtLeastOne, format!("{owner} needs at least one of {names}"));
        }
        if !rules.just_one.is_empty() && present(&rules.just_one) != 1 {
            let names = rules.just_one.join(", ");
            self.report(Rule::JustOne, format!("{owner} needs just one of {names}"));
        }
    }

    fn unknown(&mut self, attributes: &Attributes, name: &str, value: &Value, owner: &str) {
        let base = name.strip_suffix("_dt").and_then(|base| attributes.get(base));
        if base.is_some_and(|base| base.type_ == Type::Primitive(Primitive::Timestamp)) {
            if self.has_datetime {
                self.primitive(Primitive::Datetime, value);
            } else {
                let message = "belongs to the datetime profile; name it in metadata.profiles";
                self.report(Rule::UnknownAttribute, message.to_owned());
            }
            return;
        }
        let mut message = format!("{owner} has no such attribute; put it under unmapped");
        if let Some(known) = similar(name, attributes).first() {
            message = format!("{owner} has no such attribute; did you mean {known}?");
        }
        self.report(Rule::UnknownAttribute, message);
    }

    fn attribute(&mut self, attribute: &Attribute, value: &Value) {
        if !attribute.is_array {
            return self.value(attribute, value);
        }
        let Some(values) = value.as_array() else {
            return self.wrong_type("an array", value);
        };
        for (n, value) in values.iter().enumerate() {
            self.at(&format!("[{n}]"), |check| check.value(attribute, value));
        }
    }

    fn value(&mut self, attribute: &Attribute, value: &Value) {
        match attribute.type_ {
            Type::Primitive(primitive) => {
                let is_valid = self.primitive(primitive, value);
                if let (true, Some(ids)) = (is_valid, &attribute.enum_) {
                    self.enum_value(ids, value);
                }
                if self.path == "time"
                    && value.as_i64().is_some_and(|time| (0..MIN_EVENT_TIME).contains(&time))
                {
                    let message = "lies before 1973-03-03; a timestamp is in milliseconds";
                    self.report(Rule::OutOfRange, message.to_owned());
                }
            }
            Type::Object(object) => self.object(object, value),
        }
    }

    fn object(&mut self, name: &str, value: &Value) {
        let Some(value) = value.as_object() else {
            return self.wrong_type(&format!("an object ({name})"), value);
        };
        let Some(object) = table().object(name).filter(|object| !object.is_free_form()) else {
            return;
        };
        if self.depth == MAX_DEPTH {
            let message = format!("the event is nested deeper than {MAX_DEPTH} objects");
            return self.report(Rule::TooDeep, message);
        }
        self.depth += 1;
        self.container(&object.attributes, &object.constraints, value, &format!("object {name}"));
        self.depth -= 1;
    }

    fn wrong_type(&mut self, expected: &str, value: &Value) {
        let hint = if value.is_null() { "; leave the attribute out" } else { "" };
        self.report(Rule::WrongType, format!("must be {expected}, not {}{hint}", kind(value)));
    }

    /// Whether a value is of a primitive type; reports it if not.
    fn primitive(&mut self, primitive: Primitive, value: &Value) -> bool {
        let before = self.violations.len();
        match primitive {
            Primitive::Json => {}
            Primitive::Boolean if value.is_boolean() => {}
            Primitive::Boolean => self.wrong_type("true or false", value),
            Primitive::Float if value.is_number() => {}
            Primitive::Float => self.wrong_type("a number", value),
            Primitive::Integer | Primitive::Long | Primitive::Port | Primitive::Timestamp => {
                self.integer(primitive, value);
            }
            _ => match value.as_str() {
                Some(text) => self.text(primitive, text),
                None => self.wrong_type(&format!("a text ({})", primitive.name()), value),
            },
        }
        self.violations.len() == before
    }

    fn integer(&mut self, primitive: Primitive, value: &Value) {
        let name = primitive.name();
        let (min, max) = integers(primitive).into_inner();
        match value.as_i64() {
            Some(number) if holds_integer(primitive, number) => {}
            None if !value.is_u64() => self.wrong_type(&format!("an integer ({name})"), value),
            _ => {
                let mut message = format!("must lie between {min} and {max} ({name})");
                if primitive == Primitive::Timestamp {
                    message.push_str("; a timestamp is in milliseconds");
                }
                self.report(Rule::OutOfRange, message);
            }
        }
    }

    fn text(&mut self, primitive: Primitive, text: &str) {
        let name = primitive.name();
        if let Some(max) = too_long(primitive, text) {
            return self.report(Rule::TooLong, format!("may have {max} characters ({name})"));
        }
        if !has_form(primitive, text) {
            let caption = table().primitive(primitive).map_or(name, |rules| &rules.caption);
            self.report(Rule::WrongFormat, format!("is not of the form of {name} ({caption})"));
        }
    }

    fn enum_value(&mut self, ids: &Enum, value: &Value) {
        if caption_of(ids, value).is_none() {
            let mut known: Vec<_> = ids.iter().take(20).map(|(id, _)| id.to_string()).collect();
            if ids.iter().nth(20).is_some() {
                known.push("...".to_owned());
            }
            let known = known.join(", ");
            self.report(Rule::UnknownEnumId, format!("is not in the enum: {known}"));
        }
    }

    fn captions(&mut self, ids: &Enum, id_name: &str, id: &Value, caption: &Value) {
        if let (Some(ids_given), Some(captions)) = (id.as_array(), caption.as_array()) {
            if ids_given.len() != captions.len() {
                let message = format!("must have one caption for each of {id_name}");
                return self.report(Rule::CaptionMismatch, message);
            }
            for (n, (id, caption)) in ids_given.iter().zip(captions).enumerate() {
                self.at(&format!("[{n}]"), |check| check.caption(ids, id_name, id, caption));
            }
            return;
        }
        self.caption(ids, id_name, id, caption);
    }

    fn caption(&mut self, ids: &Enum, id_name: &str, id: &Value, caption: &Value) {
        let (Some(number), Some(caption)) = (id.as_i64(), caption.as_str()) else { return };
        if let Some(expected) = caption_of(ids, id)
            && number != OTHER
            && caption != expected
        {
            let message = format!("must be \"{expected}\", the caption of {id_name} {number}");
            self.report(Rule::CaptionMismatch, message);
        }
    }

    /// The attributes that follow from the class and the activity.
    fn classification(&mut self, class: &Class, event: &Map<String, Value>) {
        let activity = event.get("activity_id").and_then(Value::as_i64);
        let type_uid =
            activity.and_then(|id| i64::from(class.uid).checked_mul(100)?.checked_add(id));
        let uids = [("category_uid", Some(i64::from(class.category_uid))), ("type_uid", type_uid)];
        for (name, expected) in uids {
            let given = event.get(name).and_then(Value::as_i64);
            if let (Some(given), Some(expected)) = (given, expected)
                && given != expected
            {
                let message = format!("must be {expected}, not {given}");
                self.at(name, |check| check.report(Rule::InconsistentUid, message));
            }
        }

        let activity_caption = class
            .activities()
            .find(|(id, _)| Some(*id) == activity)
            .map(|(_, caption)| format!("{}: {caption}", class.caption));
        let captions = [
            ("class_name", Some(class.caption.to_owned())),
            ("category_name", Some(class.category_name.to_owned())),
            ("type_name", activity_caption),
        ];
        for (name, expected) in captions {
            let given = event.get(name).and_then(Value::as_str);
            let (Some(given), Some(expected)) = (given, expected) else { continue };
            let own_word = name == "type_name"
                && activity == Some(OTHER)
                && given.strip_prefix(class.caption).is_some_and(|rest| rest.starts_with(": "));
            if given != expected && !own_word {
                let message = format!("must be \"{expected}\"");
                self.at(name, |check| check.report(Rule::CaptionMismatch, message));
            }
        }
    }
}

fn caption_of(ids: &Enum, value: &Value) -> Option<&'static str> {
    match value {
        Value::String(text) => ids.iter().find_map(|(id, caption)| match id {
            EnumId::Text(known) if known == text => Some(caption),
            _ => None,
        }),
        _ => ids.caption(&EnumId::Integer(value.as_i64()?)),
    }
}

/// Whether an attribute of a type that is text can hold this one.
pub(crate) fn holds_text(primitive: Primitive, text: &str) -> bool {
    too_long(primitive, text).is_none() && has_form(primitive, text)
}

/// Whether an attribute of a type that is a whole number can hold this one.
pub(crate) fn holds_integer(primitive: Primitive, number: i64) -> bool {
    integers(primitive).contains(&number)
}

fn integers(primitive: Primitive) -> RangeInclusive<i64> {
    match primitive {
        // OCSF gives `long_t` eight bytes and `integer_t` no width; four is what columnar
        // readers of OCSF give it.
        Primitive::Integer => i64::from(i32::MIN)..=i64::from(i32::MAX),
        Primitive::Timestamp => 0..=MAX_TIMESTAMP,
        _ => {
            let range = table().primitive(primitive).and_then(|rules| rules.range);
            range.map_or(i64::MIN..=i64::MAX, |(min, max)| min..=max)
        }
    }
}

/// The most characters that an attribute holds, if the text has more.
fn too_long(primitive: Primitive, text: &str) -> Option<usize> {
    let max = table().primitive(primitive).and_then(|rules| rules.max_len)?;
    text.chars().nth(max).map(|_| max)
}

fn has_form(primitive: Primitive, text: &str) -> bool {
    match primitive {
        Primitive::Ip => is_ip(text),
        _ => patterns().get(&primitive).is_none_or(|pattern| pattern.is_match(text)),
    }
}

/// Whether `text` is an IP address, an IPv6 zone (RFC 4007) and white space at the ends allowed as in
/// OCSF's pattern. The pattern itself also takes `1a2b3c4`: its dots are not escaped.
fn is_ip(text: &str) -> bool {
    let text = text.trim();
    match text.split_once('%') {
        Some((address, zone)) => !zone.is_empty() && matches!(address.parse(), Ok(IpAddr::V6(_))),
        None => text.parse::<IpAddr>().is_ok(),
    }
}

/// The compiled patterns of the types that have one, [`is_ip`]'s aside.
fn patterns() -> &'static HashMap<Primitive, Regex> {
    static PATTERNS: OnceLock<HashMap<Primitive, Regex>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let types = Primitive::ALL.iter().filter(|primitive| **primitive != Primitive::Ip);
        types
            .filter_map(|primitive| {
                // OCSF's patterns mean ASCII digits.
                let pattern =
                    table().primitive(*primitive)?.regex.as_ref()?.replace("\\d", "[0-9]");
                let regex =
                    Regex::new(&pattern).expect("the patterns of the embedded table compile");
                Some((*primitive, regex))
            })
            .collect()
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
