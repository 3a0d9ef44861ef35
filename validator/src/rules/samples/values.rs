//! Recorded values fit what the manifest makes of them.

use std::collections::BTreeSet;

use longshore_schema::map::{Activity, Source, Value};
use longshore_schema::scalar::OcsfPath;
use longshore_schema::yaml::Node;
use longshore_schema::{Span, Spanned, time};

use super::flow::{Flow, Outcome, formats};
use super::view::{CaseView, Record, View, text_of, values_of};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::ocsf::{Class, Primitive, Requirement, Resolved, Type, table};
use crate::samples::{JsonType, select, types};
use crate::suggest::one_of;

/// The window's time is written as the window says.
pub(super) fn window(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let Some(window) = &view.stream.window else { return };
    let records = view.timed();
    let texts: Vec<_> = records
        .iter()
        .filter_map(|record| Some((*record, text_of(select(&window.on, record.node).first()?)?)))
        .collect();
    let unread = texts.iter().find(|(_, text)| time::parse(text, &window.format).is_none());
    let Some((record, text)) = unread else { return };
    let declared = view.cx.source.get(window.format.span.range()).is_some_and(|t| !t.is_empty());
    let span = if declared { window.format.span } else { window.on.span };
    let all: Vec<_> = texts.iter().map(|(_, text)| text.clone()).collect();
    let message = format!("the window's time is not written like {}", shown(text));
    let diagnostic = Diagnostic::new(&codes::SAMPLE_TIME, span, message);
    let insert = Span::new(window.on.span.end as usize, window.on.span.end as usize);
    let edit =
        if declared { Some(span) } else { flow_style(view, window.on.span).then_some(insert) };
    found.push(with_format(view, diagnostic, &all, *record, edit, declared));
}

/// Whether what stands at a span is part of a mapping in braces, so that a key can be put behind it.
fn flow_style(view: &View<'_>, span: Span) -> bool {
    let before = view.cx.source.get(..span.start as usize).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.contains('{'))
}

fn with_format(
    view: &View<'_>,
    diagnostic: Diagnostic,
    texts: &[String],
    record: Record<'_>,
    edit: Option<Span>,
    replaces: bool,
) -> Diagnostic {
    let place = view.place(record.fixture, record.node.span);
    let formats = formats(texts);
    let Some(first) = formats.first() else {
        return diagnostic
            .help(format!("write the `format` of the time at {place}, with strptime conversions"));
    };
    let quoted = quoted(first);
    let diagnostic = diagnostic.help(match formats.as_slice() {
        [_] => format!("write `format: {quoted}`, which reads the time at {place}"),
        several => format!(
            "write a `format` that reads the time at {place}: {}",
            one_of(several.iter().copied())
        ),
    });
    let Some(edit) = edit else { return diagnostic };
    let safety = if formats.len() == 1 { Safety::Safe } else { Safety::Unsafe };
    let text = if replaces { quoted.clone() } else { format!(", format: {quoted}") };
    diagnostic.fix(safety, format!("write `format: {quoted}`"), edit, text)
}

/// A format as YAML takes it: a text cannot start with `%` there.
fn quoted(format: &str) -> String {
    if format.contains('%') { format!("\"{format}\"") } else { format.to_owned() }
}

/// A recorded time as it is shown; times are no secrets.
fn shown(text: &str) -> String {
    let plain = text.len() <= 40 && text.chars().any(|c| c.is_ascii_digit());
    if plain { format!("`{text}`") } else { "the recorded one".to_owned() }
}

/// What is mapped to attributes.
pub(super) fn attributes(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for case in view.cases() {
        if case.records.is_empty() {
            continue;
        }
        let Some(class) = table().class(&case.case.to) else { continue };
        let own =
            |path: &OcsfPath| case.case.attributes.iter().any(|(known, _)| known.value == *path);
        let shared = case.shared.into_iter().flatten().filter(|(path, _)| !own(path));
        let attributes: Vec<_> = case.case.attributes.iter().chain(shared).collect();
        for (path, value) in &attributes {
            let Ok(resolved) = class.resolve(path.as_str()) else { continue };
            let Some(flow) = Flow::new(&value.value, &resolved, view.stream.window.as_deref())
            else {
                continue;
            };
            Checker { view, case: &case, path, value, resolved: &resolved, flow: &flow }
                .check(found);
        }
        required(view, &case, class, &attributes, found);
    }
    activities(view, found);
    cases(view, found);
}

struct Checker<'c, 'v> {
    view: &'c View<'v>,
    case: &'c CaseView<'v>,
    path: &'c Spanned<OcsfPath>,
    value: &'c Spanned<Value>,
    resolved: &'c Resolved<'c>,
    flow: &'c Flow<'c>,
}

impl Checker<'_, '_> {
    fn check(&self, found: &mut Vec<Diagnostic>) {
        let records = &self.case.records;
        let outcomes: Vec<_> = records
            .iter()
            .map(|record| (*record, self.flow.of(record.node, self.resolved)))
            .filter(|(_, outcome)| !matches!(outcome, Outcome::Missing))
            .collect();
        if outcomes.is_empty() {
            return;
        }
        if let Some(source) = self.flow.source {
            self.capture(source, &outcomes, found);
            self.table(source, &outcomes, found);
        }
        self.held(&outcomes, found);
    }

    fn capture(
        &self,
        source: &Source,
        outcomes: &[(Record<'_>, Outcome<'_>)],
        found: &mut Vec<Diagnostic>,
    ) {
        let Some(capture) = &source.capture else { return };
        let unmatched = |(_, outcome): &(_, Outcome<'_>)| matches!(outcome, Outcome::Unmatched(_));
        if !outcomes.iter().all(unmatched) {
            return;
        }
        let Some((record, Outcome::Unmatched(node))) = outcomes.first() else { return };
        let message = match outcomes.len() {
            1 => "the pattern does not match the recorded value".to_owned(),
            many => format!("the pattern matches none of {many} recorded values"),
        };
        let place = self.view.place(record.fixture, node.span);
        found.push(Diagnostic::new(&codes::MATCH_NEVER, capture.span, message).help(format!(
            "compare it with the value at {place}, or record a value that it matches"
        )));
    }

    fn table(
        &self,
        source: &Source,
        outcomes: &[(Record<'_>, Outcome<'_>)],
        found: &mut Vec<Diagnostic>,
    ) {
        let Some(when) = &source.when else { return };
        let known: BTreeSet<&str> = outcomes
            .iter()
            .filter_map(|(_, outcome)| match outcome {
                Outcome::Replaced(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let unknown: BTreeSet<&str> = outcomes
            .iter()
            .filter_map(|(_, outcome)| match outcome {
                Outcome::Unknown(text) | Outcome::Held(Some(text)) | Outcome::Refused(_, text) => {
                    Some(text.as_str())
                }
                _ => None,
            })
            .collect();
        let keys: Vec<_> = when.iter().map(|(key, _)| (key.value.as_str(), key.span)).collect();
        misspelt(&keys, &known, &unknown, &self.flow.from[0].to_string(), found);
    }

    /// Values that are neither replaced nor held.
    fn held(&self, outcomes: &[(Record<'_>, Outcome<'_>)], found: &mut Vec<Diagnostic>) {
        let refused: Vec<_> = outcomes
            .iter()
            .filter_map(|(record, outcome)| match outcome {
                Outcome::Refused(node, text) => Some((*record, *node, text.clone())),
                _ => None,
            })
            .collect();
        let Some((record, node, text)) = refused.first() else { return };
        let held = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Held(..)));
        // A record without its own time makes no event; of other attributes one value may be odd.
        let matters = self.path.as_str() == "time";
        if held && !matters {
            return;
        }
        if self.flow.is_time() {
            if !self.flow.of_window {
                self.time(*record, text, &refused, found);
            }
            return;
        }
        let source = self.flow.source;
        let conversion = source.and_then(|source| source.conversion.as_ref());
        let span = conversion.map_or(self.span(), |conversion| conversion.span);
        let place = self.view.place(record.fixture, node.span);
        let is = list(&types(refused.iter().map(|(_, node, _)| *node)));
        let what = self.holds();
        let message = match refused.len() {
            1 => format!("`{}` is {what}, and the recorded {is} is not", self.path.value),
            many => {
                format!("`{}` is {what}, and none of {many} recorded values is", self.path.value)
            }
        };
        let mut diagnostic = Diagnostic::new(&codes::SAMPLE_TYPE, span, message);
        let shown = format!("{is} at {place}");
        diagnostic = if span == self.span() {
            diagnostic.label(shown)
        } else {
            diagnostic.also(self.span(), shown)
        };
        found.push(diagnostic.help(
            "select the member that holds such a value, or make one of it with `match` or `when`",
        ));
    }

    fn time(
        &self,
        record: Record<'_>,
        text: &str,
        refused: &[(Record<'_>, &Node, String)],
        found: &mut Vec<Diagnostic>,
    ) {
        let texts: Vec<_> = refused.iter().map(|(_, _, text)| text.clone()).collect();
        let source = self.flow.source;
        let format = source.and_then(|source| source.format.as_ref());
        let span = format.map_or(self.span(), |format| format.span);
        let said = if format.is_some() {
            "`format` does not read"
        } else {
            "as ISO 8601 the engine cannot read"
        };
        let message = format!("{said} {}, and `{}` is a time", shown(text), self.path.value);
        let diagnostic = Diagnostic::new(&codes::SAMPLE_TIME, span, message);
        let view = self.view;
        let at = |end: u32| Span::new(end as usize, end as usize);
        let flow = |source: &Source| flow_style(view, source.from.span);
        match (source, format) {
            (_, Some(format)) => {
                found.push(with_format(view, diagnostic, &texts, record, Some(format.span), true));
            }
            (Some(source), None) => {
                // The last of what belongs to the value stands in front of the brace.
                let end = source.conversion.as_ref().map_or(source.from.span.end, |c| c.span.end);
                let edit = flow(source).then(|| at(end.max(source.from.span.end)));
                found.push(with_format(view, diagnostic, &texts, record, edit, false));
            }
            (None, None) => {
                let mut diagnostic = with_format(view, diagnostic, &texts, record, None, false);
                let formats = formats(&texts);
                if let Some(first) = formats.first() {
                    let format = quoted(first);
                    let written = view.cx.source.get(self.value.span.range()).unwrap_or_default();
                    let text = format!("{{ from: {written}, as: timestamp, format: {format} }}");
                    let safety = if formats.len() == 1 { Safety::Safe } else { Safety::Unsafe };
                    diagnostic = diagnostic.help(format!("write `{text}`")).fix(
                        safety,
                        format!("write `{text}`"),
                        self.value.span,
                        text.clone(),
                    );
                }
                found.push(diagnostic);
            }
        }
    }

    fn span(&self) -> Span {
        path_span(self.value)
    }

    fn holds(&self) -> &'static str {
        let Some(attribute) = self.resolved.attribute() else { return "any JSON" };
        if self.resolved.id().is_some() || attribute.enum_.is_some() {
            return "one of OCSF's captions";
        }
        match attribute.type_ {
            Type::Primitive(primitive) => name(primitive),
            Type::Object(_) => "an object",
        }
    }
}

/// The place of a value's first path.
fn path_span(value: &Spanned<Value>) -> Span {
    match &value.value {
        Value::Source(source) => source.from.0.first().map_or(value.span, |from| from.span),
        _ => value.span,
    }
}

fn name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Boolean => "true or false",
        Primitive::Float => "a number",
        Primitive::Integer | Primitive::Long => "a whole number",
        Primitive::Port => "a port from 0 to 65535",
        Primitive::Timestamp => "a time",
        Primitive::Ip => "an IP address",
        Primitive::Json => "any JSON",
        _ => "text",
    }
}

fn list(types: &BTreeSet<JsonType>) -> String {
    types.iter().map(JsonType::to_string).collect::<Vec<_>>().join(" or ")
}

/// The longest key and the most keys and values that are compared letter by letter: each comparison
/// costs the product of two lengths.
const MAX_COMPARED: (usize, usize) = (64, 200);

/// Keys of a table that no recorded value is, while one is written almost the same; or a table that
/// knows no recorded value at all.
fn misspelt(
    keys: &[(&str, Span)],
    known: &BTreeSet<&str>,
    unknown: &BTreeSet<&str>,
    member: &str,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(slip) = slip(keys, known, unknown, member) {
        found.push(slip);
    } else if known.is_empty() && !unknown.is_empty() && !keys.is_empty() {
        found.push(
            Diagnostic::new(
                &codes::WHEN_NEVER,
                keys[0].1,
                format!("the table knows none of the recorded values of `{member}`"),
            )
            .help("write the values that the app uses, or record a response with one that is here"),
        );
    }
}

/// A value that is asked for and never recorded, while one is that is written almost the same.
pub(super) fn slip(
    keys: &[(&str, Span)],
    known: &BTreeSet<&str>,
    unknown: &BTreeSet<&str>,
    member: &str,
) -> Option<Diagnostic> {
    let same = |key: &str, value: &str| {
        key.eq_ignore_ascii_case(value)
            || ((4..=MAX_COMPARED.0).contains(&key.len())
                && key.len().abs_diff(value.len()) <= 4
                && strsim::damerau_levenshtein(key, value) == 1)
    };
    let unused = keys.iter().filter(|(key, _)| !known.contains(key));
    let (key, span, value) = unused.take(MAX_COMPARED.1).find_map(|(key, span)| {
        let near = unknown.iter().take(MAX_COMPARED.1).find(|value| same(key, value));
        near.map(|value| (*key, *span, *value))
    })?;
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && value.starts_with(|c: char| c.is_ascii_alphabetic());
    let text = if plain { value.to_owned() } else { format!("\"{value}\"") };
    Some(
        Diagnostic::new(
            &codes::WHEN_NEVER,
            span,
            format!("no recorded value of `{member}` is `{key}`"),
        )
        .label(format!("did you mean `{value}`?"))
        .help("values are compared to the letter, in the case in which the app writes them")
        .fix(Safety::Unsafe, format!("write `{value}`"), span, text),
    )
}

/// Activities that a member of the record tells.
fn activities(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for case in view.cases() {
        let Activity::From(source) = &case.case.activity else { continue };
        let named: BTreeSet<&str> = source.when.iter().map(|(key, _)| key.value.as_str()).collect();
        let mut known = BTreeSet::new();
        let mut unknown = BTreeSet::new();
        for record in &case.records {
            let from = source.from.0.iter();
            let Some(text) =
                from.flat_map(|from| select(&from.value, record.node)).find_map(text_of)
            else {
                continue;
            };
            if named.contains(text.as_str()) {
                known.insert(text)
            } else {
                unknown.insert(text)
            };
        }
        let keys: Vec<_> =
            source.when.iter().map(|(key, _)| (key.value.as_str(), key.span)).collect();
        let member = source.from.0.first().map_or(String::new(), |from| from.value.to_string());
        misspelt(&keys, &borrowed(&known), &borrowed(&unknown), &member, found);
    }
}

fn borrowed(texts: &BTreeSet<String>) -> BTreeSet<&str> {
    texts.iter().map(String::as_str).collect()
}

/// The cases of a choice know recorded values of the deciding member.
fn cases(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let Some(choice) = view.stream.map.choice() else { return };
    let Some(by) = &choice.by else { return };
    let texts: BTreeSet<String> = view
        .records
        .iter()
        .filter_map(|record| text_of(select(by, record.node).first()?))
        .collect();
    let mut keys: Vec<(String, Span)> = Vec::new();
    for case in &choice.cases {
        let listed = case.is.iter().map(|value| value.span);
        let tabled = match &case.activity {
            Activity::Table(table) => table.iter().map(|(key, _)| key.span).collect(),
            Activity::Fixed(_) | Activity::From(_) => Vec::new(),
        };
        keys.extend(values_of(case).zip(listed.chain(tabled)));
    }
    let keys: Vec<_> = keys.iter().map(|(key, span)| (key.as_str(), *span)).collect();
    let named: BTreeSet<&str> = keys.iter().map(|(key, _)| *key).collect();
    let (known, unknown) = texts.iter().map(String::as_str).partition(|text| named.contains(text));
    misspelt(&keys, &known, &unknown, &by.value.to_string(), found);
}

/// Every record has what its class requires.
fn required(
    view: &View<'_>,
    case: &CaseView<'_>,
    class: &Class,
    attributes: &[&(Spanned<OcsfPath>, Spanned<Value>)],
    found: &mut Vec<Diagnostic>,
) {
    for (name, attribute) in class.attributes.iter() {
        if attribute.requirement != Requirement::Required || attribute.profile.is_some() {
            continue;
        }
        let is_it = |path: &OcsfPath| {
            let first = path.segments().next().map(|(first, _)| first);
            first == Some(name) || (first.is_some() && first == attribute.sibling)
        };
        let mapped: Vec<_> = attributes.iter().filter(|(path, _)| is_it(path)).collect();
        let Some((path, value)) = mapped.first() else { continue };
        let gives = |record: &Record<'_>| {
            mapped.iter().any(|(path, value)| match &value.value {
                Value::Literal(_) => mapped.len() == 1,
                Value::Template(_) => true,
                Value::Source(source) if source.otherwise.is_some() => true,
                Value::Path(_) | Value::Source(_) => {
                    class.resolve(path.as_str()).is_ok_and(|resolved| {
                        let flow =
                            Flow::new(&value.value, &resolved, view.stream.window.as_deref());
                        flow.is_none_or(|flow| {
                            let outcome = flow.of(record.node, &resolved);
                            // What is there and does not fit is reported as that.
                            !matches!(outcome, Outcome::Missing | Outcome::Unmatched(_))
                        })
                    })
                }
            })
        };
        let Some(record) = case.records.iter().find(|record| !gives(record)) else { continue };
        let place = view.place(record.fixture, record.node.span);
        let help = if path.as_str() == "time" {
            "select a member that every record has: without a time there is no event".to_owned()
        } else {
            format!("say what stands for it: `{}: {{ from: ..., else: unknown }}`", path.value)
        };
        found.push(
            Diagnostic::new(
                &codes::REQUIRED_MISSING,
                path_span(value),
                format!(
                    "a recorded record has no value for `{}`, which `{}` requires",
                    path.value, class.name
                ),
            )
            .label(format!("nothing at {place}"))
            .help(help),
        );
    }
}
