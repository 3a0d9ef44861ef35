//! Makes a plan of a stream's mapping.

use foldhash::HashMap;
use jiff::tz::TimeZone;
use longshore_schema::map::{self, Classes, Source, Value};
use longshore_schema::scalar::{OcsfPath, TimeFormat};
use longshore_schema::stream::Stream;
use longshore_schema::{JsonPath, Literal, Spanned, Template};
use longshore_validator::ocsf::{
    Class, EnumId, Primitive, Profile, Requirement, Resolved, Type, table,
};

use super::EventContext;
use super::condition::Conditions;
use super::convert::{Conversion, Enumeration, Target, literal};
use super::datum::{Datum, write_string};
use super::each::Each;
use super::key::{Key, Part};
use super::paths::{Paths, Slot};
use super::plan::{Activity, Case, Field, Finished, Item, Leaf, Object, Origin, ToldBy, Written};
use super::template::{self, Text};
use crate::error::{Code, Error};

/// An attribute of a mapping with where its value comes from.
type Attribute = (Spanned<OcsfPath>, Spanned<Value>);

/// What compiling a mapping gives.
pub(super) struct Plan {
    pub(super) paths: Paths,
    pub(super) cases: Vec<Case>,
    /// The deciding member, and the case and activity for each of its values.
    pub(super) choice: Option<Choice>,
    pub(super) key: Key,
    pub(super) window: Option<(Slot, Conversion)>,
}

/// A case and one of its activities, by their places.
pub(super) type Candidate = (usize, usize);

pub(super) struct Choice {
    /// The member that decides, if one does.
    pub(super) by: Option<Slot>,
    /// The cases for each of its values, in their order.
    pub(super) values: HashMap<Box<str>, Vec<Candidate>>,
    /// The cases for every other value: those that only have conditions.
    pub(super) others: Vec<Candidate>,
    pub(super) otherwise: usize,
}

pub(super) fn compile(stream: &Stream, context: &EventContext) -> Result<Plan, Error> {
    let mut paths = Paths::new(!stream.unmapped);
    for name in &stream.ignore {
        paths.ignore(name);
    }
    if let Some(for_each) = &stream.map.for_each {
        paths.start_part(for_each).ok_or_else(|| {
            fault(
                "for_each",
                format!("`{}` does not select the elements of an array", for_each.value),
            )
        })?;
    }
    let is_record = |path: &JsonPath| path.as_str() == "$";
    let part = |paths: &mut Paths, path: &JsonPath| {
        if is_record(path) { Part::Record } else { Part::Slot(paths.add(path)) }
    };
    let mut parts: Vec<Part> = stream.key.0.iter().map(|path| part(&mut paths, path)).collect();
    // A record that comes again with another time was changed in between: it is another event.
    if let Some(window) = stream.window.as_ref().filter(|_| stream.times_records()) {
        let time = paths.add(&window.on);
        if !parts.contains(&Part::Record) && !parts.contains(&Part::Slot(time)) {
            parts.push(Part::Time(time));
        }
    }
    let window = stream.window.as_ref().map(|window| (&window.on.value, &window.format.value));
    let observables = stream.observables;
    let first = stream.map.cases().next().and_then(|case| table().class(&case.to));
    let class = first.ok_or_else(|| fault("to", "OCSF has no such class"))?;
    let zone = stream.window.as_ref().and_then(|window| window.zone.as_ref());
    let zone = zone.and_then(|zone| zone.time_zone());
    let mut compiler = Compiler { context, window, zone, paths, by: None, class, observables };

    let mut cases = Vec::new();
    let choice = match &stream.map.classes {
        Classes::One(case) => {
            cases.push(compiler.case(case, &[])?.0);
            None
        }
        Classes::Choice(choice) => {
            let by = choice.by.as_ref().map(|by| compiler.paths.add(by));
            compiler.by = by;
            let mut values: HashMap<Box<str>, Vec<Candidate>> = HashMap::default();
            let mut others: Vec<Candidate> = Vec::new();
            for case in &choice.cases {
                let (case_plan, activities) = compiler.case(case, &choice.shared)?;
                let fixed = case.is.iter().map(|value| (value.to_string(), 0));
                let known: Vec<_> = fixed.chain(activities).collect();
                if known.is_empty() {
                    // It is for every value, also for those that other cases are for.
                    let candidate = (cases.len(), 0);
                    for candidates in values.values_mut() {
                        candidates.push(candidate);
                    }
                    others.push(candidate);
                }
                for (value, activity) in known {
                    let candidates = values.entry(value.into()).or_insert_with(|| others.clone());
                    candidates.push((cases.len(), activity));
                }
                cases.push(case_plan);
            }
            let (case_plan, activities) = compiler.case(&choice.otherwise, &choice.shared)?;
            if !activities.is_empty() {
                return Err(fault("activity", "a table has no activity for the values of `else`"));
            }
            cases.push(case_plan);
            Some(Choice { by, values, others, otherwise: cases.len() - 1 })
        }
    };
    let window =
        window.map(|(on, format)| (compiler.paths.add(on), compiler.timestamp(format.clone())));
    let has_parts = compiler.paths.part().is_some()
        && !stream.key.0.iter().any(|path| compiler.paths.is_in_part(path));
    let key = Key::new(&context.connection, &context.stream, parts, has_parts);
    Ok(Plan { paths: compiler.paths, cases, choice, key, window })
}

struct Compiler<'c> {
    context: &'c EventContext,
    window: Option<(&'c JsonPath, &'c TimeFormat)>,
    /// Where the stream's times are from that are written without a zone.
    zone: Option<TimeZone>,
    paths: Paths,
    by: Option<Slot>,
    /// The class of the case that is compiled.
    class: &'static Class,
    /// Whether events list what they hold.
    observables: bool,
}

/// Validation refuses manifests with such faults, so they are the engine's own.
fn fault(path: &str, cause: impl Into<String>) -> Error {
    Error::new(Code::Internal, format!("the mapping of `{path}` cannot be compiled"))
        .cause(cause)
        .fix("run `longshore validate` on the manifest; if it passes, please report this")
}

fn quoted(text: &str) -> Vec<u8> {
    let mut json = Vec::new();
    write_string(text, &mut json);
    json
}

/// `"name":"text",`
fn text_member(name: &str, text: &str) -> Vec<u8> {
    [format!("\"{name}\":").as_bytes(), &quoted(text), b","].concat()
}

impl<'c> Compiler<'c> {
    /// Compiles a case; also returns its activity for each value of a table.
    fn case(
        &mut self,
        case: &'c map::Case,
        shared: &'c [Attribute],
    ) -> Result<(Case, Vec<(String, usize)>), Error> {
        let class = table()
            .class(&case.to)
            .ok_or_else(|| fault("to", format!("OCSF has no class `{}`", case.to.value)))?;
        let own = |path: &str| case.attributes.iter().any(|(own, _)| own.as_str() == path);
        let inherited = shared.iter().filter(|(path, _)| !own(path.as_str()));
        let attributes: Vec<_> = inherited.chain(&case.attributes).collect();
        let has = |path: &str| attributes.iter().any(|(known, _)| known.as_str() == path);

        self.class = class;
        let mut root = Object::new("", false);
        let mut unmapped = Object::new("unmapped", false);
        let mut time = None;
        self.metadata(&mut root, class, &has, &attributes);
        for (path, value) in &attributes {
            let path = path.as_str();
            let resolved = class.resolve(path).map_err(|error| fault(path, error.to_string()))?;
            let item = self.attribute(path, &resolved, value)?;
            if path == "time" {
                let Item::Leaf(leaf) = item else {
                    return Err(fault(path, "a literal is no time of an event"));
                };
                time = Some(*leaf);
                continue;
            }
            let in_unmapped = resolved.segments().first().is_some_and(|s| s.name == "unmapped");
            if in_unmapped {
                place(item, &resolved, 1, &mut unmapped);
            } else {
                place(item, &resolved, 0, &mut root);
            }
        }
        if time.is_none()
            && let Some((on, _)) = self.window
        {
            let resolved = class.resolve("time").map_err(|e| fault("time", e.to_string()))?;
            if let Item::Leaf(leaf) = self.attribute("time", &resolved, &Value::Path(on.clone()))? {
                time = Some(*leaf);
            }
        }

        let has_severity = has("severity") || has("severity_id");
        let mut activities = Vec::new();
        let mut by_value = Vec::new();
        let mut told_by = None;
        match &case.activity {
            map::Activity::Fixed(caption) => {
                activities.push(Self::activity(class, caption, has_severity)?);
            }
            map::Activity::Table(_) if self.by.is_none() || !case.is.is_empty() => {
                return Err(fault("activity", "a table needs `by`, and takes the place of `is`"));
            }
            map::Activity::Table(table) => {
                for (value, caption) in table {
                    by_value.push((value.value.clone(), activities.len()));
                    activities.push(Self::activity(class, caption, has_severity)?);
                }
            }
            map::Activity::From(source) => {
                let mut values = HashMap::default();
                for (value, caption) in &source.when {
                    values.insert(value.value.clone(), activities.len());
                    activities.push(Self::activity(class, caption, has_severity)?);
                }
                activities.push(Self::activity(class, &source.otherwise, has_severity)?);
                let slots = source.from.0.iter().map(|path| self.paths.add(path)).collect();
                told_by = Some(ToldBy { slots, values });
            }
        }
        if activities.is_empty() {
            return Err(fault("activity", "the table is empty"));
        }
        let (root, unmapped) = (root.finish(), unmapped.finish());
        let conditions = Conditions::compile(&case.condition, &mut self.paths);
        let is_timed_by_window = self.window.is_some_and(|(on, format)| {
            let (slot, conversion) = (self.paths.add(on), self.timestamp(format.clone()));
            time.as_ref().is_some_and(|time| time.is_plainly(slot, &conversion))
        });
        let case =
            Case { conditions, activities, told_by, time, is_timed_by_window, root, unmapped };
        Ok((case, by_value))
    }

    /// The members that every event of an activity starts with.
    fn activity(class: &Class, caption: &str, has_severity: bool) -> Result<Activity, Error> {
        let mut known = class.activities();
        let (id, caption) =
            known.find(|(_, known)| known.eq_ignore_ascii_case(caption)).ok_or_else(|| {
                fault("activity", format!("{} has no activity `{caption}`", class.name))
            })?;
        let mut head = format!("{{\"activity_id\":{id},\"activity_name\":").into_bytes();
        let mut rest = format!(",\"category_uid\":{},", class.category_uid).into_bytes();
        rest.extend(text_member("category_name", class.category_name));
        rest.extend(format!("\"class_uid\":{},", class.uid).bytes());
        rest.extend(text_member("class_name", class.caption));
        rest.extend(format!("\"type_uid\":{},", i64::from(class.uid) * 100 + id).bytes());
        rest.extend(text_member("type_name", &format!("{}: {caption}", class.caption)));
        if !has_severity {
            rest.extend_from_slice(b"\"severity_id\":1,\"severity\":\"Informational\",");
        }
        if id == 99 {
            return Ok(Activity { head: head.into(), behind_word: Some(rest.into()) });
        }
        head.extend(quoted(caption));
        head.extend(rest);
        Ok(Activity { head: head.into(), behind_word: None })
    }

    /// What the engine itself knows of an event.
    fn metadata(
        &self,
        root: &mut Object,
        class: &Class,
        has: &impl Fn(&str) -> bool,
        attributes: &[&Attribute],
    ) {
        let context = self.context;
        let metadata = root.at(&[("metadata", false)]);
        metadata.constant(&text_member("version", table().version()));
        metadata.items.push(Item::Uid);
        if !has("metadata.log_name") {
            metadata.constant(&text_member("log_name", &context.stream));
        }
        if let (Some(tenant), false) = (&context.tenant, has("metadata.tenant_uid")) {
            metadata.constant(&text_member("tenant_uid", tenant));
        }
        let mapped = |name: &str| {
            attributes
                .iter()
                .any(|(path, _)| path.segments().next().is_some_and(|(first, _)| first == name))
        };
        // A profile is named if the event has its attributes, and all that it requires.
        let complete = |profile: Profile| {
            let of_profile =
                || class.attributes.iter().filter(move |(_, a)| a.profile == Some(profile));
            of_profile().any(|(name, _)| mapped(name))
                && of_profile()
                    .filter(|(_, attribute)| attribute.requirement == Requirement::Required)
                    .all(|(name, _)| mapped(name))
        };
        let profiles: Vec<_> = [Profile::Cloud, Profile::Host]
            .into_iter()
            .filter(|profile| complete(*profile))
            .map(|profile| format!("\"{}\"", profile.name()))
            .collect();
        if !profiles.is_empty() && !has("metadata.profiles") {
            metadata.constant(format!("\"profiles\":[{}],", profiles.join(",")).as_bytes());
        }
        let product = metadata.at(&[("product", false)]);
        if !has("metadata.product.name") {
            product.constant(&text_member("name", &context.product));
        }
        if !has("metadata.product.vendor_name") {
            product.constant(&text_member("vendor_name", &context.vendor));
        }
        if let (Some(by), false) = (self.by, has("metadata.event_code")) {
            root.at(&[("metadata", false)]).items.push(Item::Leaf(Box::new(Leaf {
                field: Field {
                    open: b"\"event_code\":".as_slice().into(),
                    close: b",",
                    target: Target::Text(None),
                    is_whole: false,
                },
                origin: Origin::Slots(vec![by]),
                observable: None,
                conditions: None,
                capture: None,
                when: None,
                conversion: None,
                otherwise: None,
            })));
        }
    }

    /// What an attribute's value is listed as among the observables, up to the value itself.
    fn observable(&self, path: &str, resolved: &Resolved<'_>) -> Option<Box<[u8]>> {
        let id = resolved.attribute()?.observable.filter(|_| self.observables)?;
        let types = table().object("observable")?.attributes.get("type_id")?.enum_.as_ref()?;
        let caption = types.caption(&EnumId::Integer(id.into()))?;
        let mut open = b"{\"name\":".to_vec();
        open.extend(quoted(path));
        open.extend(format!(",\"type_id\":{id},").bytes());
        open.extend(text_member("type", caption));
        open.extend_from_slice(b"\"value\":");
        Some(open.into())
    }

    /// An array of objects made of elements.
    fn each(
        &mut self,
        path: &str,
        resolved: &Resolved<'_>,
        each: &JsonPath,
        source: &Source,
    ) -> Result<Item, Error> {
        if !resolved.is_whole_array() {
            return Err(fault(path, "`each` makes an array of objects, and this is none"));
        }
        let array = self.paths.add_all(each);
        let conditions = self.conditions(source);
        // In an element, `$` is the element.
        let record = std::mem::replace(&mut self.paths, Paths::new(false));
        let mut object = Object::new("", false);
        let done: Result<(), Error> = source.map.iter().try_for_each(|(inner, value)| {
            let whole = format!("{path}[].{}", inner.as_str());
            let resolved =
                self.class.resolve(&whole).map_err(|error| fault(&whole, error.to_string()))?;
            let item = self.attribute(&whole, &resolved, value)?;
            place(item, &resolved, path.split('.').count(), &mut object);
            Ok(())
        });
        let paths = std::mem::replace(&mut self.paths, record);
        done?;
        let open = format!("\"{}\":[", resolved.last().name).into_bytes().into();
        let object = object.finish();
        Ok(Item::Each(Box::new(Each { open, array, conditions, paths, object })))
    }

    fn conditions(&mut self, source: &Source) -> Option<Conditions> {
        (!source.condition.is_empty())
            .then(|| Conditions::compile(&source.condition, &mut self.paths))
    }

    /// What an attribute is written from.
    fn attribute(
        &mut self,
        path: &str,
        resolved: &Resolved<'_>,
        value: &Value,
    ) -> Result<Item, Error> {
        if let Value::Source(source) = value
            && let Some(each) = &source.each
        {
            return self.each(path, resolved, each, source);
        }
        let field = field(path, resolved)?;
        let is_whole = field.is_whole;
        let severity = matches!(path, "severity" | "severity_id");
        let source = match value {
            Value::Literal(value) => return constant(path, &field, value),
            Value::Template(text) => {
                if let Some(value) = template::as_literal(text) {
                    return constant(path, &field, &value);
                }
                let text = self.text(path, text)?;
                return Ok(Item::Leaf(Box::new(Leaf {
                    conversion: self.implied(&field, None, None),
                    otherwise: fallback(path, &field, None, severity)?,
                    observable: self.observable(path, resolved),
                    field,
                    origin: Origin::Text(text),
                    conditions: None,
                    capture: None,
                    when: None,
                })));
            }
            Value::Path(from) => {
                return Ok(Item::Leaf(Box::new(Leaf {
                    conversion: self.implied(&field, Some(from), None),
                    otherwise: fallback(path, &field, None, severity)?,
                    observable: self.observable(path, resolved),
                    field,
                    origin: Origin::Slots(vec![self.slot(from, is_whole)]),
                    conditions: None,
                    capture: None,
                    when: None,
                })));
            }
            Value::Source(source) => &**source,
        };
        if source.lookup.is_some() {
            return Err(fault(path, "`lookup` names no table under `tables`"));
        }
        let conversion = self.conversion(&field, source);
        let when = source.when.as_ref().map(|table| {
            let finished = |value: &Literal| finished(&field, value, conversion.as_ref());
            table.iter().map(|(text, value)| (text.as_str().into(), finished(value))).collect()
        });
        Ok(Item::Leaf(Box::new(Leaf {
            otherwise: fallback(path, &field, source.otherwise.as_deref(), severity)?,
            observable: self.observable(path, resolved),
            field,
            origin: match &source.template {
                Some(text) => Origin::Text(self.text(path, text)?),
                None => {
                    Origin::Slots(source.from.0.iter().map(|p| self.slot(p, is_whole)).collect())
                }
            },
            conditions: self.conditions(source),
            capture: source.capture.as_ref().map(|capture| capture.regex().clone()),
            when,
            conversion,
        })))
    }

    /// The slot of a path; for an array as a whole, that of all that the path selects.
    fn slot(&mut self, path: &JsonPath, is_whole: bool) -> Slot {
        if is_whole && !path.means_one() { self.paths.add_all(path) } else { self.paths.add(path) }
    }

    fn text(&mut self, path: &str, text: &Template) -> Result<Text, Error> {
        Text::compile(text, &mut self.paths, self.zone.as_ref())
            .map_err(|part| fault(path, format!("`{part}` has no place in a mapping")))
    }

    fn conversion(&self, field: &Field, source: &Source) -> Option<Conversion> {
        let from = source.from.0.first().map(|path| &path.value);
        let format = source.format.as_deref();
        match source.conversion.as_deref() {
            None => self.implied(field, from, format),
            Some(map::Conversion::Timestamp) => Some(self.timestamp(self.format(from, format))),
            Some(to) => Some((*to).into()),
        }
    }

    /// The conversion that follows from the attribute's type.
    fn implied(
        &self,
        field: &Field,
        from: Option<&JsonPath>,
        format: Option<&TimeFormat>,
    ) -> Option<Conversion> {
        matches!(field.target, Target::Timestamp).then(|| self.timestamp(self.format(from, format)))
    }

    /// How a time is written: as said; like the window's time if it is that; otherwise ISO 8601.
    fn format(&self, from: Option<&JsonPath>, format: Option<&TimeFormat>) -> TimeFormat {
        let of_window =
            || self.window.filter(|(on, _)| Some(*on) == from).map(|(_, format)| format);
        format.or_else(of_window).cloned().unwrap_or_default()
    }

    /// The conversion of a time of the stream's records.
    fn timestamp(&self, format: TimeFormat) -> Conversion {
        Conversion { zone: self.zone.clone(), ..timestamp(format) }
    }
}

/// Puts an item at its place below an object that stands so deep in the event.
fn place(item: Item, resolved: &Resolved<'_>, depth: usize, object: &mut Object) {
    let mut steps: Vec<_> = resolved
        .segments()
        .iter()
        .map(|segment| (segment.name, segment.index.is_some()))
        .chain(resolved.free_form().iter().map(|key| (key.as_str(), false)))
        .skip(depth)
        .collect();
    steps.pop();
    let object = object.at(&steps);
    match item {
        Item::Constant(members) => object.constant(&members),
        item => object.items.push(item),
    }
}

fn timestamp(format: TimeFormat) -> Conversion {
    Conversion { to: map::Conversion::Timestamp, format, zone: None }
}

/// The finished attribute if there is no value.
fn fallback(
    path: &str,
    field: &Field,
    otherwise: Option<&Literal>,
    severity: bool,
) -> Result<Option<Finished>, Error> {
    let informational = Literal::Text("Informational".to_owned());
    // OCSF requires a severity of every event.
    let Some(value) = otherwise.or(severity.then_some(&informational)) else { return Ok(None) };
    let members = finished(field, value, None)
        .or_else(|| finished(field, value, Some(&timestamp(TimeFormat::Iso8601))));
    members
        .map(Some)
        .ok_or_else(|| fault(path, "`else` has a value that the attribute cannot hold"))
}

fn constant(path: &str, field: &Field, value: &Literal) -> Result<Item, Error> {
    fallback(path, field, Some(value), false)?
        .map(|members| Item::Constant(members.into_vec()))
        .ok_or_else(|| fault(path, "the attribute cannot hold this value"))
}

/// A literal as the finished attribute; `None` if the attribute cannot hold it.
fn finished(field: &Field, value: &Literal, conversion: Option<&Conversion>) -> Option<Finished> {
    let [mut text, mut converted, mut checked] = [const { String::new() }; 3];
    let value: Datum<'_> = literal(value, &mut text);
    let mut members = Vec::new();
    let written = field.write(value, conversion, [&mut converted, &mut checked], &mut members);
    (written == Written::Whole).then(|| members.into())
}

fn field(path: &str, resolved: &Resolved<'_>) -> Result<Field, Error> {
    let last = resolved.last();
    let Some(attribute) = resolved.attribute() else {
        let name = resolved.free_form().last().map_or(last.name, String::as_str);
        let open = [quoted(name), b":".to_vec()].concat().into();
        return Ok(Field { open, close: b",", target: Target::Json, is_whole: false });
    };
    let is_array = attribute.is_array;
    let by_caption = resolved.id().and_then(|(id, attribute)| {
        let values = attribute.enum_.as_ref()?;
        Some(Enumeration::new(id, Some(last.name), values, attribute.is_array, false))
    });
    let by_id = || {
        let values = attribute.enum_.as_ref()?;
        Some(Enumeration::new(last.name, attribute.sibling, values, is_array, true))
    };
    let target = match by_caption.or_else(by_id) {
        Some(values) => Target::Enum(Box::new(values)),
        None => Target::of(attribute).ok_or_else(|| {
            let name = match attribute.type_ {
                Type::Object(name) => name,
                Type::Primitive(_) => Primitive::Json.name(),
            };
            fault(path, format!("it is an object ({name}); map the attributes below it"))
        })?,
    };
    let open = format!("\"{}\":{}", last.name, if is_array { "[" } else { "" });
    Ok(Field {
        open: open.into_bytes().into(),
        close: if is_array { b"]," } else { b"," },
        target,
        is_whole: resolved.is_whole_array(),
    })
}
