//! What a manifest and its fixtures say of an app, in the form that a simulator plays.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use longshore_schema::decode::{Compression, Decode, Dialect, Format};
use longshore_schema::manifest::InputType;
use longshore_schema::stream::{Json, More, Pages, Parameter, Promise, Request, Window};
use longshore_schema::template::{Expression, Part};
use longshore_schema::{JsonPath, Literal, Manifest, OneOrMany, Spanned, Step, Table, Template};
use serde_json::Value;

use super::auth::{self, Way};
use super::fixtures::{Recorded, rows};
use super::invert::{Captured, Inverse, Known, Place};
use super::quotas::Rules;
use super::refusals::Refusals;
use super::times::Written;
use super::{Unsupported, keys, place};

/// An app as a manifest describes it, ready to be played any number of times.
#[derive(Debug)]
pub struct Model {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) streams: Vec<Stream>,
    pub(super) auth: auth::Scheme,
    pub(super) quotas: Vec<Rules>,
    pub(super) refusals: Refusals,
    /// How long the connector waits before it gives up.
    pub(super) timeout: Duration,
    inputs: Vec<Input>,
    way: Way,
}

/// A value for an input of the manifest.
#[derive(Clone, Debug)]
pub struct Input {
    /// The input's name.
    pub name: String,
    /// Its value; of secrets a made-up one.
    pub value: String,
    /// Whether it is a secret, as far as the manifest is concerned.
    pub secret: bool,
}

/// A request that the app answers.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// `users`, `event_log.files` or `facts.interval`.
    pub(super) name: String,
    pub(super) asked: Asked,
    pub(super) answers: Answers,
}

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answers {
    /// One of these bodies, the same always.
    Recorded(Vec<Value>),
    /// Pages of records: of this stream and, of its steps, this one.
    Pages { stream: usize, level: usize },
}

/// What a request looks like.
#[derive(Debug)]
pub(super) struct Asked {
    method: Method,
    url: Address,
    query: Vec<(String, Inverse)>,
    /// A name that is there several times has several values, in this order.
    form: Vec<(String, Inverse)>,
    /// Texts and numbers of a JSON body, by their place.
    json: Vec<(Vec<Step>, Inverse)>,
    text: Option<Inverse>,
    free: bool,
}

#[derive(Debug)]
enum Address {
    /// `https://HOST/PATH`.
    Written(Inverse),
    /// An address that an item of an earlier step holds.
    HandedOut(String),
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) every: Duration,
    pub(super) window: Option<Window>,
    /// The listing steps in order, and at the end the step that gives the records.
    pub(super) levels: Vec<Level>,
}

/// One step of a stream: how its answers look.
#[derive(Debug)]
pub(super) struct Level {
    /// The step's name; empty for a stream without steps.
    pub(super) name: String,
    pub(super) decode: Format,
    pub(super) records: Option<JsonPath>,
    pub(super) pages: Option<Pages>,
    pub(super) promise: Option<Promise>,
    pub(super) samples: Vec<Sample>,
    /// What surrounds the records.
    pub(super) envelope: Value,
    pub(super) content_type: Option<String>,
    /// The places that tell one record from another.
    pub(super) key: Vec<JsonPath>,
    /// The members that hold addresses of further requests.
    pub(super) handed_out: Vec<Vec<String>>,
    /// Members that later requests name it by.
    pub(super) referred: Vec<Vec<String>>,
    /// How the time is written by which the app filters.
    pub(super) time: Option<(JsonPath, Written)>,
}

/// A record of a fixture.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) value: Value,
    /// Which fixture it is from: rows of one answer have the columns of one fixture.
    pub(super) fixture: usize,
}

impl Model {
    /// Reads a manifest and its fixtures, for one of the [`ways`](super::ways) to sign in.
    ///
    /// # Errors
    /// What of the manifest no simulator can play yet.
    pub fn new(manifest: &Manifest, recorded: &[Recorded], way: &Way) -> Result<Self, Unsupported> {
        let inputs = inputs(manifest, way)?;
        let mut known = Known::new();
        for input in &inputs {
            if let Ok(Value::Object(members)) = serde_json::from_str(&input.value) {
                for (member, value) in members {
                    let value = value.as_str().unwrap_or_default().to_owned();
                    known.insert(format!("inputs.{}.{member}", input.name), value);
                }
            }
            known.insert(format!("inputs.{}", input.name), input.value.clone());
        }
        let auth = auth::Scheme::new(manifest, way, &mut known)?;
        let base = &manifest.http.base_url.value;
        let mut endpoints = Vec::new();
        for (name, fact) in &manifest.facts {
            let name = format!("facts.{name}");
            let bodies: Vec<_> = owned(recorded, &name.replace('.', "/"))
                .filter_map(|(_, recorded)| recorded.body.clone())
                .collect();
            if bodies.is_empty() {
                return Err(Unsupported(format!(
                    "no fixture in fixtures/{} shows how the question is answered",
                    name.replace('.', "/")
                )));
            }
            let asked = Asked::new(&fact.request, base, &known, &[])
                .map_err(|error| error.within(&name))?;
            endpoints.push(Endpoint { name, asked, answers: Answers::Recorded(bodies) });
        }
        let mut streams = Vec::new();
        for (name, stream) in &manifest.streams.value {
            let within = |error: Unsupported| error.within(name.as_str());
            let (stream, requests) = stream_of(name.as_str(), stream, recorded).map_err(within)?;
            let steps: Vec<_> = stream.levels.iter().map(|level| level.name.clone()).collect();
            for (level, request) in requests.into_iter().enumerate() {
                let step = &steps[level];
                let name = if step.is_empty() {
                    stream.name.clone()
                } else {
                    format!("{}.{step}", stream.name)
                };
                let asked = Asked::new(request, base, &known, &steps[..level])
                    .map_err(|error| error.within(&name))?;
                let answers = Answers::Pages { stream: streams.len(), level };
                endpoints.push(Endpoint { name, asked, answers });
            }
            streams.push(stream);
        }
        let quotas = manifest
            .quotas
            .iter()
            .map(|(name, quota)| Rules::new(name.as_str(), quota, recorded))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            endpoints,
            streams,
            auth,
            quotas,
            refusals: Refusals::new(&manifest.errors),
            timeout: manifest.http.timeout.as_ref().map_or(Duration::from_secs(60), |t| t.0),
            inputs,
            way: way.clone(),
        })
    }

    /// The values with which a connection reaches this app.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The way to sign in that is played.
    #[must_use]
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// The names of the streams in the order of the manifest, and how often each is polled.
    pub fn streams(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.streams.iter().map(|stream| (stream.name.as_str(), stream.every))
    }

    /// The longest time that one request covers, of all streams the shortest; `None` if all are
    /// asked for whatever time is due.
    #[must_use]
    pub fn shortest_span(&self) -> Option<Duration> {
        let windows = self.streams.iter().filter_map(|stream| stream.window.as_ref());
        windows.filter_map(|window| window.span.as_ref().map(|span| span.0)).min()
    }

    /// How long the app keeps records, of all streams the shortest.
    #[must_use]
    pub fn shortest_retention(&self) -> Option<Duration> {
        let windows = self.streams.iter().filter_map(|stream| stream.window.as_ref());
        windows.filter_map(|window| window.retention.as_ref().map(|kept| kept.0)).min()
    }

    /// After how long everything that happened is shown to the connector, of all streams the
    /// longest: the lag, the overlap and the resolution of their windows.
    #[must_use]
    pub fn longest_delay(&self) -> Duration {
        let windows = self.streams.iter().filter_map(|stream| stream.window.as_ref());
        let resolution =
            |window: &Window| window.resolution.as_ref().map_or(Duration::ZERO, |r| r.0);
        let longest = |window: &Window| lag(window) + overlap(window) + resolution(window);
        windows.map(longest).max().unwrap_or_default()
    }

    /// The endpoint that a request is for, and what the request carries.
    pub(super) fn find(&self, call: &super::http::Call) -> Option<(usize, Captured)> {
        let fitting = self.endpoints.iter().enumerate().filter_map(|(index, endpoint)| {
            let (score, captured) = endpoint.asked.read(call)?;
            Some((score, index, captured))
        });
        fitting.max_by_key(|(score, ..)| *score).map(|(_, index, captured)| (index, captured))
    }

    pub(super) fn level(&self, stream: usize, level: usize) -> &Level {
        &self.streams[stream].levels[level]
    }
}

pub(super) fn lag(window: &Window) -> Duration {
    window.lag.as_ref().map_or(Duration::ZERO, |lag| lag.0)
}

pub(super) fn overlap(window: &Window) -> Duration {
    window.overlap.as_ref().map_or(Duration::ZERO, |overlap| overlap.0)
}

/// The fixtures of a request with their numbers, those of success only.
fn owned<'r>(recorded: &'r [Recorded], owner: &str) -> impl Iterator<Item = (usize, &'r Recorded)> {
    let owner = owner.to_owned();
    let all = recorded.iter().enumerate();
    all.filter(move |(_, recorded)| recorded.owner == owner && recorded.is_success())
}

fn inputs(manifest: &Manifest, way: &Way) -> Result<Vec<Input>, Unsupported> {
    let mut inputs = Vec::new();
    let keys = auth::key_inputs(manifest, way);
    for (name, input) in &manifest.inputs {
        let asked = match (&input.grants, way.grant) {
            (Some(grants), Some(grant)) => grants.0.contains(&grant),
            _ => true,
        };
        if !asked {
            continue;
        }
        let kind = input.kind.value;
        let secret = matches!(kind, InputType::Secret | InputType::SecretJson);
        let chosen = way.choices.iter().find(|(input, _)| input == name.as_str());
        let example = input.examples.first().filter(|_| !secret).map(ToString::to_string);
        let value = if let Some((_, choice)) = chosen {
            choice.clone()
        } else if let Some(algorithm) = keys.get(name.as_str()) {
            keys::private_pem(*algorithm)?
        } else if kind == InputType::SecretJson {
            document(manifest, name.as_str(), &keys)?
        } else if let Some(default) = &input.default {
            default.to_string()
        } else if let (InputType::Choice, Some(first)) = (kind, input.choices.first()) {
            first.value.clone()
        } else {
            example.unwrap_or_else(|| auth::made_up(name.as_str(), kind, manifest))
        };
        inputs.push(Input { name: name.as_str().to_owned(), value, secret });
    }
    Ok(inputs)
}

/// A JSON document with all members that templates use of an input.
fn document(
    manifest: &Manifest,
    input: &str,
    keys: &BTreeMap<String, longshore_schema::auth::JwtAlgorithm>,
) -> Result<String, Unsupported> {
    let mut document = serde_json::json!({});
    let text = format!("{:?}", manifest.auth.value);
    // Whatever a template of the sign-in names: `inputs.NAME.member`.
    let pattern = regex::Regex::new(&format!(r"inputs\.{input}\.(\w+)"))
        .map_err(|_| Unsupported(format!("the input `{input}` has an odd name")))?;
    for found in pattern.captures_iter(&text) {
        let member = &found[1];
        let value = match keys.get(&format!("{input}.{member}")) {
            Some(algorithm) => keys::private_pem(*algorithm)?,
            None => format!("simulated-{}", member.replace('_', "-")),
        };
        document[member] = value.into();
    }
    Ok(document.to_string())
}

/// A stream and its requests, a request for each level.
/// What of a stream no simulator can play yet: to pass it over would prove what was not tried.
fn not_played(stream: &longshore_schema::stream::Stream) -> Option<&'static str> {
    let step = |is: fn(&longshore_schema::stream::Step) -> bool| {
        stream.steps.iter().any(|(_, step)| is(step))
    };
    let filters_here = stream.window.as_ref().is_some_and(|window| {
        window.filter.value == longshore_schema::stream::Filter::Here || window.most.is_some()
    });
    let found = [
        ("cursor", stream.cursor.is_some()),
        ("changes", stream.changes.is_some()),
        ("partitions", !stream.partitions.is_empty()),
        ("join", !stream.join.is_empty()),
        ("window.filter: here, or window.most", filters_here),
        ("batch", step(|step| step.batch.is_some())),
        ("wait", step(|step| step.wait.is_some())),
        ("cleanup", step(|step| step.cleanup.is_some())),
    ];
    found.into_iter().find_map(|(what, is)| is.then_some(what))
}

fn stream_of<'m>(
    name: &str,
    stream: &'m longshore_schema::stream::Stream,
    recorded: &[Recorded],
) -> Result<(Stream, Vec<&'m Request>), Unsupported> {
    if let Some(what) = not_played(stream) {
        return Err(Unsupported(format!("the stream `{name}`: `{what}` is not played yet")));
    }
    let key: Vec<_> = stream.key.value.0.iter().map(|path| path.value.clone()).collect();
    let mut levels = Vec::new();
    let mut requests = Vec::new();
    if let Some(request) = &stream.request {
        let form = Form {
            name: "",
            decode: &stream.decode,
            records: stream.records.as_ref().map(|path| &path.value),
            pages: stream.pages.as_ref().map(|pages| &pages.value),
            promise: stream.promise.as_ref().map(|promise| &promise.value),
            key,
        };
        levels.push(level(name, form, recorded)?);
        requests.push(&request.value);
    } else {
        let last = stream.steps.len().saturating_sub(1);
        for (index, (step_name, step)) in stream.steps.iter().enumerate() {
            let own = step.key.iter().flat_map(|key| &key.value.0).map(|path| path.value.clone());
            let form = Form {
                name: step_name.as_str(),
                decode: &step.decode,
                records: step.records.as_ref().map(|path| &path.value),
                pages: step.pages.as_ref().map(|pages| &pages.value),
                promise: step.promise.as_ref().map(|promise| &promise.value),
                key: if index == last { key.clone() } else { own.collect() },
            };
            levels.push(level(&format!("{name}/{step_name}"), form, recorded)?);
            requests.push(&step.request.value);
        }
    }
    for at in 0..levels.len() {
        let step = levels[at].name.clone();
        for request in &requests[at + 1..] {
            for template in templates(request) {
                note_references(template, &step, &mut levels[at]);
            }
        }
    }
    let window = stream.window.as_ref().map(|window| window.value.clone());
    if let (Some(window), Some(first)) = (&window, levels.first_mut()) {
        let path = &window.on.value;
        let sample = first.samples.iter().find_map(|sample| path.first(&sample.value));
        let Some(sample) = sample else {
            return Err(Unsupported(format!(
                "no record of a fixture has the time `{path}` by which the app filters"
            )));
        };
        place::one(path)?;
        first.time = Some((path.clone(), Written::like(&window.format.value, sample)));
    }
    let stream = Stream { name: name.to_owned(), every: stream.every.0, window, levels };
    Ok((stream, requests))
}

/// What the manifest says of one answer.
struct Form<'m> {
    name: &'m str,
    decode: &'m Decode,
    records: Option<&'m JsonPath>,
    pages: Option<&'m Pages>,
    promise: Option<&'m Promise>,
    key: Vec<JsonPath>,
}

fn level(owner: &str, form: Form<'_>, recorded: &[Recorded]) -> Result<Level, Unsupported> {
    let decode = form.decode.format();
    let odd = form.decode.dialect() != Dialect::default()
        || form.decode.charset.is_some()
        || form.decode.inside.is_some()
        || !matches!(
            form.decode.compression(),
            Compression::Detect | Compression::None | Compression::Gzip
        );
    if odd || decode == Format::Xml {
        return Err(Unsupported(format!(
            "the simulator cannot write {} like this",
            decode.title()
        )));
    }
    let mut samples = Vec::new();
    let mut envelope: Option<Value> = None;
    let mut content_type = None;
    for (fixture, recorded) in owned(recorded, owner) {
        let found: Vec<Value> = match (decode, &recorded.body, &recorded.text) {
            (Format::Json, Some(body), _) => {
                let more = envelope
                    .as_ref()
                    .is_none_or(|known| known.to_string().len() < body.to_string().len());
                if more {
                    envelope = Some(body.clone());
                }
                match form.records {
                    Some(path) => path.select(body).into_iter().cloned().collect(),
                    None => vec![body.clone()],
                }
            }
            (Format::Csv | Format::Tsv, _, Some(text)) => {
                let separator = if decode == Format::Csv { ',' } else { '\t' };
                rows(text, separator)?.into_iter().map(Value::Object).collect()
            }
            (Format::Ndjson, _, Some(text)) => {
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
            }
            _ => Vec::new(),
        };
        if !found.is_empty() {
            let mut sent = recorded.headers.iter();
            let found = sent.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            content_type = found.map(|(_, value)| value.clone());
        }
        samples.extend(found.into_iter().map(|value| Sample { value, fixture }));
    }
    if samples.is_empty() {
        return Err(Unsupported(format!("no fixture in fixtures/{owner} has a record to show")));
    }
    if !samples.iter().all(|sample| sample.value.is_object()) {
        return Err(Unsupported(format!("records in fixtures/{owner} are not all objects")));
    }
    if let Some(path) = form.records {
        place::steps(path)?;
    }
    match form.pages {
        Some(Pages::Keyset(_) | Pages::Scroll(_)) => {
            return Err(Unsupported(
                "the simulator cannot turn keyset and scroll pages".to_owned(),
            ));
        }
        Some(pages) => {
            for (path, _) in pages.paths() {
                place::one(path)?;
            }
            for (path, _) in pages.more().map(More::paths).unwrap_or_default() {
                place::one(path)?;
            }
        }
        None => {}
    }
    for path in &form.key {
        place::one(path)?;
    }
    Ok(Level {
        name: form.name.to_owned(),
        decode,
        records: form.records.cloned(),
        pages: form.pages.cloned(),
        promise: form.promise.cloned(),
        samples,
        envelope: envelope.unwrap_or(Value::Null),
        content_type,
        key: form.key,
        handed_out: Vec::new(),
        referred: Vec::new(),
        time: None,
    })
}

/// Notes what a template takes from items of `step`.
fn note_references(template: &Template, step: &str, level: &mut Level) {
    let starts = match template.parts().first() {
        Some(Part::Expression(Expression::Reference(reference))) => Some(reference),
        _ => None,
    };
    for reference in template.references() {
        if reference.path.first().is_none_or(|first| first != step) || reference.path.len() < 2 {
            continue;
        }
        let member = reference.path[1..].to_vec();
        let whole = starts == Some(reference) && template.parts().len() == 1;
        let list = if whole && is_address(&member, level) {
            &mut level.handed_out
        } else {
            &mut level.referred
        };
        if !list.contains(&member) {
            list.push(member);
        }
    }
}

/// Whether what a member holds is an address, by what the fixtures show.
fn is_address(member: &[String], level: &Level) -> bool {
    level.samples.iter().any(|sample| {
        let pointer = format!("/{}", member.join("/"));
        let text = sample.value.pointer(&pointer).and_then(Value::as_str);
        text.is_some_and(|text| text.starts_with("https://") || text.starts_with('/'))
    })
}

/// All templates of a request.
fn templates(request: &Request) -> Vec<&Template> {
    let urls = request.methods().into_iter().map(|(_, url)| &url.value);
    let tables = request.query.iter().chain(&request.form);
    let parameters = tables.flat_map(|(_, values)| values.0.iter().map(|value| &value.value.0));
    let json = request.json.iter().flat_map(Json::templates).map(|(template, _)| template);
    let variables = request.graphql.iter().flat_map(|graphql| &graphql.variables);
    let variables =
        variables.flat_map(|(_, json)| Json::templates(json)).map(|(template, _)| template);
    let text = request.text.iter().map(|text| &text.value);
    urls.chain(parameters).chain(json).chain(variables).chain(text).collect()
}

impl Asked {
    /// How a request looks whose relative paths are below `base`.
    pub(super) fn new(
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
        Ok(Self { method, url, query, form: parameters(&request.form)?, json, text, free })
    }

    /// Whether it carries no credentials.
    pub(super) fn is_free(&self) -> bool {
        self.free
    }

    /// How many parts of a request are as they should be, and what it carries; `None` if it is
    /// another one.
    pub(super) fn read(&self, call: &super::http::Call) -> Option<(usize, Captured)> {
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
                let rest = call.path.strip_prefix(HANDED_OUT)?;
                let key = rest.strip_prefix(step.as_str())?.strip_prefix('/')?;
                let value = super::invert::Value { text: key.to_owned(), time: None };
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
    pub(super) fn unknown<'c>(&self, call: &'c super::http::Call) -> Vec<&'c str> {
        let sent = call.query.iter().map(|(name, _)| name.as_str());
        let known = |name: &&str| self.query.iter().any(|(declared, _)| declared == name);
        sent.filter(|name| !known(name) && *name != super::pages::TOKEN).collect()
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
pub(super) const HANDED_OUT: &str = "/simulated/items/";

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
    plain.push(Part::Text(
        written.trim_end_matches('/').to_owned()
            + if written.ends_with('/') && !rest.is_empty() { "/" } else { "" },
    ));
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

/// A literal as the value that is found there.
pub(super) fn literal(literal: &Literal) -> Value {
    literal.to_json()
}

/// A value that is not this one, of the same type.
pub(super) fn another(literal: &Literal) -> Value {
    match literal {
        Literal::Bool(value) => Value::Bool(!value),
        Literal::Integer(number) => Value::from(number.wrapping_add(1)),
        Literal::Float(number) => Value::from(number + 1.0),
        Literal::Text(text) => Value::String(format!("not-{text}")),
    }
}
