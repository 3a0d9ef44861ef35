//! Recorded responses, read: what an app answered, by stream and step, with the place of every
//! value.
//!
//! [`responses`] are those to one request, [`select`] is what a JSONPath finds in them, [`types`] are
//! the JSON types of that, and [`is_private`] says what of it must not be shown: what an editor
//! completes and explains.

pub(crate) mod privacy;
mod read;
mod select;
mod text;

use std::collections::HashMap;
use std::sync::OnceLock;

use longshore_schema::decode::Decode;
use longshore_schema::yaml::{Content, Entry, Node};
use longshore_schema::{JsonPath, Manifest, Spanned};

use crate::diagnostic::Diagnostic;
use crate::rules::fetch::{Fetch, fetches};

use read::Parsed;

pub use privacy::is_private;
pub use select::{JsonType, select, types};

/// The most findings of a kind in one fixture.
pub(crate) const MAX_FOUND: usize = 1_000;

/// A file beside a manifest that holds one recorded response.
///
/// What its text alone says is found out once, however often the manifest beside it changes.
#[derive(Clone, Debug)]
pub struct Fixture {
    path: String,
    text: String,
    parsed: OnceLock<Parsed>,
}

impl Fixture {
    /// A fixture by its path from the manifest's folder, with `/` between the parts, such as
    /// `fixtures/sign_ins/success.json`, and what it holds.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), parsed: OnceLock::new() }
    }

    /// Its path from the manifest's folder.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it holds.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn parsed(&self) -> &Parsed {
        self.parsed.get_or_init(|| Parsed::new(&self.text))
    }
}

/// What a recorded response answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The request of a stream, or of one of its steps.
    Stream {
        /// The stream's name.
        stream: String,
        /// The step's name.
        step: Option<String>,
    },
    /// The question of a fact.
    Fact(String),
}

impl Owner {
    /// The folder of its recorded responses, from the manifest's: `fixtures/sign_ins`.
    #[must_use]
    pub fn folder(&self) -> String {
        match self {
            Self::Stream { stream, step: None } => format!("fixtures/{stream}"),
            Self::Stream { stream, step: Some(step) } => format!("fixtures/{stream}/{step}"),
            Self::Fact(fact) => format!("fixtures/facts/{fact}"),
        }
    }
}

/// What is recorded in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Records.
    Success,
    /// No records, and no error.
    Empty,
    /// A status of 400 or more.
    Error,
}

/// One recorded response.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Which of the given fixtures it is.
    pub fixture: usize,
    /// What it answers.
    pub owner: Owner,
    /// The HTTP status.
    pub status: Spanned<u16>,
    /// The headers, as far as they were recorded.
    pub headers: Vec<(Spanned<String>, Spanned<String>)>,
    /// The JSON document of the body; none for CSV, other text or no body.
    pub body: Option<Node>,
    /// The records in it: what `records` selects, or the rows of a CSV text as mappings of texts,
    /// an empty field being null. None in an error.
    pub records: Vec<Node>,
    /// How many fields the longest row of a table has whose columns the manifest names.
    pub(crate) fields: usize,
    /// Whether only the engine can read its records: those of XML, of NDJSON that is recorded as
    /// text, and those in which something is packed.
    pub unread: bool,
}

impl Sample {
    /// The document of an answer that is no error.
    #[must_use]
    pub fn answered(&self) -> Option<&Node> {
        self.body.as_ref().filter(|_| self.status.value < 400)
    }

    /// What is recorded.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.status.value, self.records.is_empty()) {
            (400.., _) => Kind::Error,
            (_, true) => Kind::Empty,
            (_, false) => Kind::Success,
        }
    }
}

/// All recorded responses of one manifest.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    samples: Vec<Sample>,
}

impl Samples {
    /// Reads fixtures, and says what is wrong with their form, each finding with the number of its
    /// fixture. `left_out` knows the streams that had to be left out of the manifest.
    pub(crate) fn read_with_findings(
        manifest: &Manifest,
        fixtures: &[Fixture],
        left_out: &dyn Fn(&str) -> bool,
    ) -> (Self, Vec<(usize, Diagnostic)>) {
        let mut samples = Vec::new();
        let mut found = Vec::new();
        for (index, fixture) in fixtures.iter().enumerate() {
            let mut own = Vec::new();
            samples.extend(read::read(manifest, index, fixture, left_out, &mut own));
            let mut counts = HashMap::new();
            own.retain(|diagnostic| {
                let count = counts.entry(diagnostic.code).or_insert(0);
                *count += 1;
                *count <= MAX_FOUND
            });
            found.extend(own.into_iter().map(|diagnostic| (index, diagnostic)));
        }
        let mut samples = Self { samples };
        samples.join(manifest);
        (samples, found)
    }

    /// Makes details members of the records that they are for, as the engine does: what is recorded of
    /// one record's detail stands for all. Where none is recorded the records are not known.
    fn join(&mut self, manifest: &Manifest) {
        for (name, stream) in &manifest.streams.value {
            if stream.join.is_empty() {
                continue;
            }
            let details: Option<Vec<_>> = stream
                .join
                .iter()
                .map(|(join, _)| {
                    let mut all = self.responses(name.as_str(), Some(join.as_str()));
                    let detail = all.find_map(|sample| sample.records.first())?.clone();
                    Some((join.as_str(), detail))
                })
                .collect();
            let step = fetches(stream).last().and_then(step_of).map(str::to_owned);
            let owner = Owner::Stream { stream: name.to_string(), step };
            for sample in self.samples.iter_mut().filter(|sample| sample.owner == owner) {
                let Some(details) = &details else {
                    sample.unread |= !sample.records.is_empty();
                    sample.records.clear();
                    continue;
                };
                for record in &mut sample.records {
                    let span = record.span;
                    let Content::Mapping(members) = &mut record.content else { continue };
                    for (name, detail) in details {
                        if members.iter().all(|member| member.key != *name) {
                            let (key, mut value) = ((*name).to_owned(), detail.clone());
                            read::at(&mut value, span);
                            members.push(Entry { key, key_span: span, value });
                        }
                    }
                }
            }
        }
    }

    /// All responses in the order of their fixtures.
    #[must_use]
    pub fn all(&self) -> &[Sample] {
        &self.samples
    }

    /// The responses to a stream's request, or to that of one of its steps.
    pub fn responses(&self, stream: &str, step: Option<&str>) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| match &sample.owner {
            Owner::Stream { stream: own, step: own_step } => {
                own == stream && own_step.as_deref() == step
            }
            Owner::Fact(_) => false,
        })
    }
}

/// The recorded responses to the request of one owner, whatever else the manifest says: half a
/// manifest has them too. `records` selects the records in each. Fixtures that cannot be read are
/// left out.
#[must_use]
pub fn responses(
    fixtures: &[Fixture],
    owner: &Owner,
    decode: &Decode,
    records: Option<&JsonPath>,
) -> Vec<Sample> {
    let folder = owner.folder();
    let own = fixtures.iter().enumerate().filter(|(_, fixture)| {
        fixture.path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder)
    });
    own.filter_map(|(index, fixture)| {
        read::response(index, fixture, owner.clone(), decode, records, &mut Vec::new())
    })
    .collect()
}

/// The name of a fetch's step.
pub(crate) fn step_of<'m>(fetch: &Fetch<'m>) -> Option<&'m str> {
    fetch.step.map(|name| name.as_str())
}
