//! Values of attributes: of the attribute's type, and captions where OCSF has an enum.

use longshore_schema::map::{Conversion, Source, Value};
use longshore_schema::scalar::OcsfPath;
use longshore_schema::stream::Stream;
use longshore_schema::{JsonPath, Literal, Span, Spanned};

use super::{Context, sources};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::ocsf::{Attribute, Enum, Primitive, Resolved, Type, holds_integer, holds_text, table};
use crate::suggest::{closest, one_of};

/// Checks what is mapped to one attribute.
pub(crate) fn check(
    cx: &Context<'_>,
    stream: &Stream,
    path: &Spanned<OcsfPath>,
    resolved: &Resolved<'_>,
    value: &Spanned<Value>,
    found: &mut Vec<Diagnostic>,
) {
    let mut checker = Checker { stream, path, resolved, found };
    if path.as_str() == "time" {
        checker.time(value);
    }
    checker.paths(cx, value);
    let Some(attribute) = resolved.attribute() else {
        return;
    };
    if let (Some(caption), Some(ids)) = (attribute.sibling, &attribute.enum_) {
        checker.id_attribute(caption, ids, value);
        return;
    }
    match attribute.type_ {
        Type::Object(object) => {
            if table().object(object).is_some_and(|object| !object.is_free_form()) {
                checker.object(object);
            }
        }
        Type::Primitive(primitive) => {
            checker.literals(cx, attribute, primitive, value);
            if let Value::Source(source) = &value.value {
                checker.conversion(cx, stream, primitive, source);
            }
        }
    }
}

struct Checker<'c> {
    stream: &'c Stream,
    path: &'c Spanned<OcsfPath>,
    resolved: &'c Resolved<'c>,
    found: &'c mut Vec<Diagnostic>,
}

impl Checker<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// The time of an event comes from its record.
    fn time(&mut self, value: &Spanned<Value>) {
        let what = match &value.value {
            Value::Path(_) | Value::Source(_) => return,
            Value::Literal(_) => "always the same",
            Value::Template(_) => "written by a template",
        };
        self.report(
            Diagnostic::new(
                &codes::VALUE_TYPE,
                value.span,
                format!("the time of an event cannot be {what}"),
            )
            .help("select it from the record: `time: $.created`, or `time: { from: $.created, as: timestamp, format: epoch_s }`"),
        );
    }

    /// A single value is selected by a path that selects at most one.
    fn paths(&mut self, cx: &Context<'_>, value: &Spanned<Value>) {
        let many = self.resolved.is_whole_array() || self.resolved.attribute().is_none();
        let paths: Vec<(&JsonPath, Span)> = match &value.value {
            Value::Path(path) => vec![(path, value.span)],
            Value::Source(source) => {
                source.from.0.iter().map(|from| (&from.value, from.span)).collect()
            }
            Value::Template(_) | Value::Literal(_) => Vec::new(),
        };
        for (path, span) in paths {
            let inner = self.stream.map.in_part(path);
            let one = many || inner.as_ref().unwrap_or(path).means_one();
            let map = &self.stream.map;
            if !one && !sources::has_unclear_parts(cx, map, map.span) {
                self.report(
                    Diagnostic::new(
                        &codes::PATH_NOT_SINGULAR,
                        span,
                        format!(
                            "`{}` holds one value, and `{path}` may select several",
                            self.path.value
                        ),
                    )
                    .help("write member names and indexes alone, such as `$.items[0].name`, or pick an element by a text in it: `$.items[?@.type=='owner'].name`"),
                );
            }
        }
    }

    fn id_attribute(&mut self, caption: &str, ids: &Enum, value: &Spanned<Value>) {
        let text = self.path.as_str();
        let owner = text.rsplit_once('.').map_or(String::new(), |(owner, _)| format!("{owner}."));
        let shown = match &value.value {
            Value::Literal(Literal::Integer(id)) => ids
                .iter()
                .find(|(known, _)| known.to_string() == id.to_string())
                .map(|(_, caption)| caption),
            _ => None,
        };
        let written = shown.map_or_else(
            || format!("write `{owner}{caption}` with a caption"),
            |caption_text| format!("write `{owner}{caption}: {caption_text}`"),
        );
        let help = format!("{written}: the engine sets `{text}` beside it");
        self.report(
            Diagnostic::new(
                &codes::ID_ATTRIBUTE,
                self.path.span,
                format!("`{text}` is the number of a caption, and is not mapped itself"),
            )
            .help(help),
        );
    }

    fn object(&mut self, object: &str) {
        let name = self.path.as_str();
        let brackets = if self.resolved.is_whole_array() { "[]" } else { "" };
        let first = table().object(object).and_then(|object| {
            let named =
                ["uid", "name"].into_iter().find(|name| object.attributes.get(name).is_some());
            named.or_else(|| object.attributes.iter().next().map(|(name, _)| name))
        });
        self.report(
            Diagnostic::new(
                &codes::VALUE_TYPE,
                self.path.span,
                format!("`{name}` is an object (`{object}`), not a single value"),
            )
            .help(format!(
                "map what is in it, such as `{name}{brackets}.{}`",
                first.unwrap_or("name")
            )),
        );
    }

    /// Values that are written out fit the attribute.
    fn literals(
        &mut self,
        cx: &Context<'_>,
        attribute: &Attribute,
        primitive: Primitive,
        value: &Spanned<Value>,
    ) {
        let mut literals: Vec<(&Literal, Span)> = Vec::new();
        match &value.value {
            Value::Literal(literal) => literals.push((literal, value.span)),
            Value::Source(source) => {
                let results = source.when.iter().flatten().map(|(_, to)| (&to.value, to.span));
                literals.extend(results);
                let table =
                    source.lookup.as_ref().and_then(|name| cx.manifest.tables.get(name.as_str()));
                let entries = table.iter().flat_map(|table| table.iter());
                literals.extend(entries.map(|(_, to)| (&to.value, to.span)));
                literals.extend(source.otherwise.iter().map(|other| (&other.value, other.span)));
            }
            Value::Path(_) | Value::Template(_) => {}
        }
        let captions = self.resolved.id().and_then(|(_, id)| id.enum_.as_ref());
        for (literal, span) in literals {
            if let Some(captions) = captions {
                self.caption(captions, literal, span);
            } else if let Some(ids) = &attribute.enum_ {
                self.enum_value(ids, literal, span);
            } else if let Some(wanted) = mismatch(primitive, literal) {
                let mut diagnostic = Diagnostic::new(
                    &codes::VALUE_TYPE,
                    span,
                    format!("`{}` is {wanted}, and `{literal}` is not", self.path.value),
                );
                if wanted == "text" {
                    diagnostic = diagnostic.help(format!("quote it: \"{literal}\""));
                } else {
                    diagnostic =
                        diagnostic.help(format!("write {wanted}, such as `{}`", sample(primitive)));
                }
                self.report(diagnostic);
            }
        }
    }

    fn caption(&mut self, captions: &Enum, literal: &Literal, span: Span) {
        let text = literal.to_string();
        if literal.as_text().is_some() && captions.id(&text).is_some() {
            return;
        }
        let names: Vec<_> = captions.iter().map(|(_, caption)| caption).collect();
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_CAPTION,
            span,
            format!("`{text}` is no caption of `{}`", self.path.value),
        )
        .help(format!("the captions are {}", shorten(&names)));
        let by_id = captions.iter().find(|(id, _)| id.to_string() == text).map(|(_, name)| name);
        let same = names.iter().copied().find(|name| name.eq_ignore_ascii_case(&text));
        if let Some(meant) = by_id.or(same).or_else(|| closest(&text, names.iter().copied())) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        self.report(diagnostic);
    }

    fn enum_value(&mut self, ids: &Enum, literal: &Literal, span: Span) {
        let text = literal.to_string();
        let names: Vec<_> = ids.iter().map(|(id, _)| id.to_string()).collect();
        if names.contains(&text) {
            return;
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut diagnostic = Diagnostic::new(
            &codes::UNKNOWN_CAPTION,
            span,
            format!("`{text}` is no value of `{}`", self.path.value),
        )
        .help(format!("the values are {}", shorten(&names)));
        if let Some(meant) = closest(&text, names.iter().copied()) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        self.report(diagnostic);
    }

    /// What the value is turned into is what the attribute holds.
    fn conversion(
        &mut self,
        cx: &Context<'_>,
        stream: &Stream,
        primitive: Primitive,
        source: &Source,
    ) {
        if let Some(conversion) = &source.conversion
            && !fits(primitive, conversion.value)
        {
            let right = implied(primitive);
            let help = right.map_or_else(
                || "leave out `as`: text is taken as it is".to_owned(),
                |right| format!("write `as: {right}`, or leave it out: the attribute says it"),
            );
            self.report(
                Diagnostic::new(
                    &codes::CONVERSION,
                    conversion.span,
                    format!(
                        "`{}` is {}, not what `as` makes of it",
                        self.path.value,
                        name(primitive)
                    ),
                )
                .help(help),
            );
        }
        if let Some(format) = &source.format
            && primitive != Primitive::Timestamp
        {
            self.report(
                Diagnostic::new(
                    &codes::CONVERSION,
                    format.span,
                    format!("`{}` is not a time, and has no `format`", self.path.value),
                )
                .help("remove `format`"),
            );
        }
        // The event's time and the window's are one: read differently, one of them is wrong.
        if self.path.as_str() == "time"
            && let (Some(format), Some(window)) = (&source.format, &stream.window)
            && source.from.0.iter().any(|from| from.value == window.on.value)
            && format.value != window.format.value
        {
            let declared =
                cx.source.get(window.format.span.range()).is_some_and(|text| !text.is_empty());
            let place = if declared { window.format.span } else { window.on.span };
            self.report(
                Diagnostic::new(
                    &codes::CONVERSION,
                    format.span,
                    "the time is read differently from how the window reads it",
                )
                .also(place, "the window reads the same member by this format")
                .help("write the same `format` in both places"),
            );
        }
    }
}

/// At most a dozen names.
fn shorten(names: &[&str]) -> String {
    let list = one_of(names.iter().copied().take(12));
    if names.len() > 12 { format!("{list}, and {} more", names.len() - 12) } else { list }
}

fn name(primitive: Primitive) -> &'static str {
    use Primitive::{
        Boolean, Bytestring, Datetime, Email, Float, Integer, Ip, Json, Long, Mac, Port, Timestamp,
        Uuid,
    };
    match primitive {
        Boolean => "true or false",
        Float => "a number",
        Integer | Long | Port => "a whole number",
        Timestamp => "a time",
        Ip => "an IP address",
        Json => "any JSON",
        Email => "an email address",
        Mac => "a MAC address",
        Uuid => "a UUID",
        Datetime => "an RFC 3339 time",
        Bytestring => "base64",
        _ => "text",
    }
}

/// What a literal should have been; `None` if it fits.
fn mismatch(primitive: Primitive, literal: &Literal) -> Option<&'static str> {
    use Primitive::{Boolean, Float, Integer, Json, Long, Port, Timestamp};
    let fits = match primitive {
        Json => true,
        Boolean => matches!(literal, Literal::Bool(_)),
        Float => match literal {
            Literal::Float(number) => number.is_finite(),
            other => matches!(other, Literal::Integer(_)),
        },
        Integer | Long | Timestamp | Port => {
            matches!(literal, Literal::Integer(number) if holds_integer(primitive, *number))
        }
        _ => literal.as_text().is_some_and(|text| holds_text(primitive, text)),
    };
    (!fits).then(|| name(primitive))
}

fn sample(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Boolean => "true",
        Primitive::Float => "0.5",
        Primitive::Port => "443",
        Primitive::Ip => "203.0.113.7",
        Primitive::Email => "ann@example.com",
        Primitive::Mac => "00:00:5e:00:53:01",
        Primitive::Uuid => "00000000-0000-0000-0000-000000000000",
        Primitive::Datetime => "2026-10-01T10:00:00Z",
        Primitive::Bytestring => "bG9uZw==",
        _ => "1",
    }
}

/// Whether a conversion makes what an attribute of this type holds.
fn fits(primitive: Primitive, conversion: Conversion) -> bool {
    use Primitive::{Boolean, Float, Integer, Ip, Json, Long, Port, Timestamp};
    match primitive {
        Json => true,
        Boolean => conversion == Conversion::Boolean,
        Float => matches!(conversion, Conversion::Float | Conversion::Integer),
        Integer | Long | Port => conversion == Conversion::Integer,
        Timestamp => conversion == Conversion::Timestamp,
        Ip => conversion == Conversion::Ip,
        // What is not told by the attribute's type is text.
        _ => !matches!(
            conversion,
            Conversion::Integer | Conversion::Float | Conversion::Boolean | Conversion::Timestamp
        ),
    }
}

/// The conversion that an attribute's type asks for by itself.
fn implied(primitive: Primitive) -> Option<&'static str> {
    use Primitive::{Boolean, Float, Integer, Ip, Long, Port, Timestamp};
    match primitive {
        Boolean => Some("boolean"),
        Float => Some("float"),
        Integer | Long | Port => Some("integer"),
        Timestamp => Some("timestamp"),
        Ip => Some("ip"),
        _ => None,
    }
}
