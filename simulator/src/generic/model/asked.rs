//! What a request looks like.

use std::collections::BTreeMap;

use axum::http::Method;
use longshore_schema::stream::{Json, Parameter, Request};
use longshore_schema::template::{Expression, Part};
use longshore_schema::{OneOrMany, Spanned, Step, Table, Template};
use serde_json::Value;

use crate::generic::http::Call;
use crate::generic::invert::{self, Captured, Inverse, Known, Place};
use crate::generic::{Unsupported, pages};

/// What a request looks like.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    url: Address,
    query: Vec<(String, Inverse)>,
    /// A name that is there several times has several values, in this order.
    form: Vec<(String, Inverse)>,
    /// Texts and numbers of a JSON body, by their place.
    json: Vec<(Vec<Step>, Inverse)>,
    text: Option<Inverse>,
    free: bool,
    /// What it costs of quotas that count more than calls, by their names.
    pub(crate) costs: BTreeMap<String, u64>,
}

#[derive(Debug)]
enum Address {
    /// `https://HOST/PATH`.
    Written(Inverse),
    /// An address that an item of an earlier step holds.
    HandedOut(String),
}

impl Asked {
    /// How a request looks whose relative paths are below `base`.
    pub(crate) fn new(
        request: &Request,
        base: &Template,
        known: &Known,
        steps: &[String],
    ) -> Result<Self, Unsupported> {
        let nothing = || Unsupported("a request has no URL".to_owned());
        let (method, template) = request.method().ok_or_else(nothing)?;
        let method = method.to_ascii_uppercase().parse().map_err(|_| nothing())?;
        let base = request.base_url.as_ref().map_or(base, |base| &base.value);
        let parameters = |table: &Table<String, OneOrMany<Spanned<Parameter>>>| {
            let all = table.iter().flat_map(|(name, values)| {
                values.0.iter().map(move |value| (name.value.clone(), value))
            });
            all.map(|(name, value)| {
                Ok((name, Inverse::new(&value.value.0, known, Place::Elsewhere)?))
            })
            .collect::<Result<Vec<_>, Unsupported>>()
        };
        let (url, mut query) = address(&template.value, base, known, steps)?;
        query.extend(parameters(&request.query)?);
        let mut json = Vec::new();
        if let Some(body) = &request.json {
            written_json(&body.value, known, &mut Vec::new(), &mut json)?;
        }
        if let Some(graphql) = &request.graphql {
            let parts = [Part::Text(graphql.query.value.to_string())];
            let query = Inverse::of(&parts, known, Place::Elsewhere)?;
            json.push((vec![Step::Member("query".to_owned())], query));
            for (name, value) in &graphql.variables {
                let place = ["variables".to_owned(), name.value.clone()];
                let mut place = place.map(Step::Member).to_vec();
                written_json(&value.value, known, &mut place, &mut json)?;
            }
        }
        let text = request
            .text
            .as_ref()
            .map(|text| Inverse::new(&text.value, known, Place::Elsewhere))
            .transpose()?;
        let free = request.auth.is_some();
        let costs = request.cost.iter().map(|(name, cost)| (name.value.to_string(), cost.value));
        let costs = costs.collect();
        Ok(Self { method, url, query, form: parameters(&request.form)?, json, text, free, costs })
    }

    /// Whether it carries no credentials.
    pub(crate) fn is_free(&self) -> bool {
        self.free
    }

    /// How many parts of a request are as they should be, and what it carries; `None` if it is
    /// another one.
    pub(crate) fn read(&self, call: &Call) -> Option<(usize, Captured)> {
        if call.method != self.method {
            return None;
        }
        let mut captured = Captured::new();
        let mut score = 1;
        match &self.url {
            Address::Written(inverse) => {
                inverse.read(&call.address(), &mut captured)?;
                score += usize::from(inverse.is_constant());
            }
            Address::HandedOut(step) => {
                // It is a path below that of the base URL.
                let (_, rest) = call.path.split_once(HANDED_OUT)?;
                let key = rest.strip_prefix(step.as_str())?.strip_prefix('/')?;
                let value = invert::Value { text: key.to_owned(), time: None, local: false };
                captured.insert(format!("{step}.{HANDED_OUT}"), value);
            }
        }
        for (declared, sent) in [(&self.query, &call.query), (&self.form, &call.form)] {
            let mut read: BTreeMap<&str, usize> = BTreeMap::new();
            for (name, inverse) in declared {
                let nth = read.entry(name.as_str()).or_default();
                let Some((_, value)) = sent.iter().filter(|(sent, _)| sent == name).nth(*nth)
                else {
                    if inverse.optional || call.page_token().is_some() {
                        continue;
                    }
                    return None;
                };
                *nth += 1;
                inverse.read(value, &mut captured)?;
                score += 1 + usize::from(inverse.is_constant());
            }
        }
        for (place, inverse) in &self.json {
            let found = found_at(call.json.as_ref()?, place);
            let text = match found {
                None | Some(Value::Null) if inverse.optional => continue,
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => return None,
            };
            inverse.read(&text, &mut captured)?;
            score += 1 + usize::from(inverse.is_constant());
        }
        if let Some(text) = &self.text {
            text.read(std::str::from_utf8(&call.body).ok()?, &mut captured)?;
        }
        Some((score, captured))
    }

    /// Parameters that a request has and that the manifest does not write.
    pub(crate) fn unknown<'c>(&self, call: &'c Call) -> Vec<&'c str> {
        let sent = call.query.iter().map(|(name, _)| name.as_str());
        let known = |name: &&str| self.query.iter().any(|(declared, _)| declared == name);
        sent.filter(|name| !known(name) && *name != pages::TOKEN).collect()
    }
}

/// The places of a JSON body with what is written there.
fn written_json(
    json: &Json,
    known: &Known,
    place: &mut Vec<Step>,
    found: &mut Vec<(Vec<Step>, Inverse)>,
) -> Result<(), Unsupported> {
    match json {
        Json::Null => {}
        Json::Literal(literal) => {
            let parts = [Part::Text(literal.to_string())];
            found.push((place.clone(), Inverse::of(&parts, known, Place::Elsewhere)?));
        }
        Json::Template(template) => {
            found.push((place.clone(), Inverse::new(template, known, Place::Elsewhere)?));
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                place.push(Step::Index(index as i64));
                written_json(&item.value, known, place, found)?;
                place.pop();
            }
        }
        Json::Object(members) => {
            for (name, member) in members {
                place.push(Step::Member(name.value.clone()));
                written_json(&member.value, known, place, found)?;
                place.pop();
            }
        }
    }
    Ok(())
}

fn found_at<'v>(document: &'v Value, place: &[Step]) -> Option<&'v Value> {
    place.iter().try_fold(document, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Index(index) => value.get(usize::try_from(*index).ok()?),
        Step::Every | Step::Where { .. } => None,
    })
}

/// The path below which handed out addresses lie.
pub(crate) const HANDED_OUT: &str = "/simulated/items/";

/// Where a request goes, and the parameters that its URL itself has.
fn address(
    template: &Template,
    base: &Template,
    known: &Known,
    steps: &[String],
) -> Result<(Address, Vec<(String, Inverse)>), Unsupported> {
    if let [Part::Expression(Expression::Reference(reference)), ..] = template.parts()
        && let Some(step) = reference.path.first().filter(|first| steps.contains(first))
    {
        return Ok((Address::HandedOut(step.clone()), Vec::new()));
    }
    let mut parts = Vec::new();
    if template.source().starts_with('/') {
        parts.extend_from_slice(base.parts());
        if let Some(Part::Text(text)) = parts.last_mut() {
            text.truncate(text.trim_end_matches('/').len());
        }
    }
    let mut query = Vec::new();
    let mut own = template.parts().iter();
    for part in own.by_ref() {
        match part {
            Part::Text(text) if text.contains('?') => {
                let (path, rest) = text.split_once('?').unwrap_or((text, ""));
                parts.push(Part::Text(path.to_owned()));
                query.push(Part::Text(rest.to_owned()));
                break;
            }
            part => parts.push(part.clone()),
        }
    }
    query.extend(own.cloned());
    // A value at the start is a whole origin, and one behind `https://` a host: both are known.
    let inverse = origin(&parts, known)?;
    Ok((Address::Written(inverse), parameters_of(&query, known)?))
}

fn origin(parts: &[Part], known: &Known) -> Result<Inverse, Unsupported> {
    let mut plain = Vec::new();
    let mut rest = parts;
    let mut written = String::new();
    while let Some((part, after)) = rest.split_first() {
        let in_path = written.strip_prefix("https://").is_some_and(|rest| rest.contains('/'));
        if in_path {
            break;
        }
        match part {
            Part::Text(text) => written.push_str(text),
            Part::Expression(Expression::Reference(reference)) => {
                let Some(value) = known.get(&reference.to_string()) else {
                    return Err(Unsupported(format!(
                        "the host of a request is made of `{reference}`, which is not known"
                    )));
                };
                written.push_str(value);
            }
            _ => return Err(Unsupported("the host of a request is computed".to_owned())),
        }
        rest = after;
    }
    // A known origin may end like the path begins.
    if matches!(rest.first(), Some(Part::Text(text)) if text.starts_with('/')) {
        written.truncate(written.trim_end_matches('/').len());
    }
    plain.push(Part::Text(written));
    plain.extend_from_slice(rest);
    Inverse::of(&plain, known, Place::Path)
}

/// The parameters of a query that is written in a URL's own template.
fn parameters_of(parts: &[Part], known: &Known) -> Result<Vec<(String, Inverse)>, Unsupported> {
    let mut parameters: Vec<(String, Vec<Part>)> = Vec::new();
    for part in parts {
        let Part::Text(text) = part else {
            let Some((_, value)) = parameters.last_mut() else {
                return Err(Unsupported("a query in a URL starts with a value".to_owned()));
            };
            value.push(part.clone());
            continue;
        };
        for (index, piece) in text.split('&').enumerate() {
            match (index, parameters.last_mut()) {
                (0, Some((_, value))) => value.push(Part::Text(piece.to_owned())),
                _ if piece.is_empty() => {}
                _ => {
                    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                    parameters.push((name.to_owned(), vec![Part::Text(value.to_owned())]));
                }
            }
        }
    }
    let inverse = |(name, value): (String, Vec<Part>)| {
        Ok((name, Inverse::of(&value, known, Place::Elsewhere)?))
    };
    parameters.into_iter().map(inverse).collect()
}
