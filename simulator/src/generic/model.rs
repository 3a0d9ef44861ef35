//! What a manifest and its fixtures say of an app, in the form that a simulator plays.

mod asked;
mod composition;
mod inputs;
mod level;
mod stream;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use longshore_schema::stream::Window;
use longshore_schema::{Literal, Manifest};
use serde_json::Value;

use self::level::owned;
use super::Unsupported;
use super::auth::{self, Way};
use super::fixtures::Recorded;
use super::http::Call;
use super::invert::{Captured, Known};
use super::quotas::Rules;
use super::refusals::Refusals;

pub(super) use self::asked::{Asked, HANDED_OUT};
pub(super) use self::composition::{Combination, Detail};
pub use self::inputs::Input;
pub(super) use self::level::{Level, Sample};
pub(super) use self::stream::Stream;

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

/// A request that the app answers.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// `users`, `event_log.files` or `facts.interval`.
    pub(super) name: String,
    pub(super) asked: Asked,
    pub(super) answers: Answers,
    /// The partition that it is about, as far as the request names it.
    pub(super) partition: Combination,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(super) enum Answers {
    /// One of these bodies, the same always.
    Recorded(Vec<Value>),
    /// Pages of records: of this stream and, of its steps, this one.
    Pages { stream: usize, level: usize },
    /// A further page of a scroll, by the position that the page before named.
    Next { stream: usize, level: usize },
    /// Nothing, and the position of a scroll is forgotten.
    Release { stream: usize },
    /// The item of this step is cleared away.
    Cleared { stream: usize, level: usize },
    /// This detail of a record.
    Detail { stream: usize, detail: usize },
}

impl Answers {
    /// The stream that is read; questions about the tenant are of none.
    pub(super) fn stream(&self) -> Option<usize> {
        match self {
            Self::Recorded(_) => None,
            Self::Pages { stream, .. }
            | Self::Next { stream, .. }
            | Self::Release { stream }
            | Self::Cleared { stream, .. }
            | Self::Detail { stream, .. } => Some(*stream),
        }
    }
}

impl Model {
    /// Where the clocks hang by which the app writes times, of streams that have such.
    pub fn zones(&self) -> impl Iterator<Item = &TimeZone> {
        self.streams.iter().filter_map(|stream| stream.zone.as_ref())
    }

    /// Reads a manifest and its fixtures, for one of the [`ways`](super::ways) to sign in.
    ///
    /// # Errors
    /// What of the manifest no simulator can play yet.
    pub fn new(manifest: &Manifest, recorded: &[Recorded], way: &Way) -> Result<Self, Unsupported> {
        let inputs = inputs::inputs(manifest, way)?;
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
        for (table, values) in &manifest.tables {
            let values = values.iter();
            known.extend(
                values.map(|(key, value)| (format!("tables.{table}.{key}"), value.to_string())),
            );
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
            let answers = Answers::Recorded(bodies);
            endpoints.push(Endpoint { name, asked, answers, partition: Combination::new() });
        }
        let mut streams = Vec::new();
        for (name, stream) in &manifest.streams.value {
            let within = |error: Unsupported| error.within(name.as_str());
            let (stream, requests) =
                stream::stream_of(name.as_str(), stream, streams.len(), recorded)
                    .map_err(within)?;
            for request in &requests {
                endpoints.extend(request.endpoints(base, &known, &stream.combinations)?);
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

    /// The connection file of a connector that reads from the app at `address`.
    #[must_use]
    pub fn connection(&self, manifest: &str, address: SocketAddr) -> String {
        // A JSON text is a YAML text in quotes.
        let quoted = |text: &str| Value::from(text).to_string();
        let manifest = quoted(manifest);
        let mut text = format!("name: simulated\nmanifest: {manifest}\nconnect_to: {address}\n");
        if let Some(grant) = self.way.grant {
            let _ = writeln!(text, "grant: {grant}");
        }
        text.push_str(if self.inputs.is_empty() { "inputs: {}\n" } else { "inputs:\n" });
        for input in &self.inputs {
            let _ = writeln!(text, "  {}: {}", input.name, quoted(&input.value));
        }
        text
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

    /// Whether a connector may send several requests of one stream at once.
    #[must_use]
    pub fn is_asked_at_once(&self) -> bool {
        let mut levels = self.streams.iter().flat_map(|stream| &stream.levels);
        levels.any(|level| level.special.at_once > 1)
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
    pub(super) fn find(&self, call: &Call) -> Option<(usize, Captured)> {
        let fitting = self.endpoints.iter().enumerate().filter_map(|(index, endpoint)| {
            let (score, captured) = endpoint.asked.read(call)?;
            Some((score, index, captured))
        });
        fitting.max_by_key(|(score, ..)| *score).map(|(_, index, captured)| (index, captured))
    }

    /// The most that a request costs of a quota.
    pub(super) fn highest_cost(&self, rules: &Rules) -> u64 {
        let costs =
            self.endpoints.iter().filter_map(|endpoint| endpoint.asked.costs.get(&rules.name));
        costs.copied().max().unwrap_or(1)
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
