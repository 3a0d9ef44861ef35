//! Recorded responses, read: what an app answered, by stream and step, with the place of every
//! value.
//!
//! [`Samples::read`] takes the files beside a manifest. [`Samples::records`] are the records that a
//! stream's `records` path selects in them, [`Samples::select`] what a JSONPath finds in those, and
//! [`types`] which JSON types that are: what an editor completes and shows.

pub(crate) mod privacy;
mod read;
mod select;
mod text;

use longshore_schema::yaml::Node;
use longshore_schema::{JsonPath, Manifest, Spanned};

use crate::diagnostic::Diagnostic;
use crate::rules::fetch::{Fetch, fetches};

pub use select::{JsonType, select, types};

/// A file beside a manifest that holds one recorded response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Its path from the manifest's folder, with `/` between the parts:
    /// `fixtures/sign_ins/success.json`.
    pub path: String,
    /// What it holds.
    pub text: String,
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
}

impl Sample {
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
    /// Reads fixtures; those that cannot be read, or belong to nothing in the manifest, are left
    /// out.
    #[must_use]
    pub fn read(manifest: &Manifest, fixtures: &[Fixture]) -> Self {
        Self::read_with_findings(manifest, fixtures, &|_| false).0
    }

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
            found.extend(own.into_iter().map(|diagnostic| (index, diagnostic)));
        }
        (Self { samples }, found)
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

    /// The records that become events: those of the stream's one request, or of its last step.
    #[must_use]
    pub fn records<'s>(&'s self, manifest: &Manifest, stream: &str) -> Vec<&'s Node> {
        let named = manifest.streams.value.iter().find(|(name, _)| name.as_str() == stream);
        let all = named.map(|(_, stream)| fetches(stream)).unwrap_or_default();
        let Some(last) = all.last() else { return Vec::new() };
        self.responses(stream, step_of(last)).flat_map(|sample| &sample.records).collect()
    }

    /// What a path finds in the records of a stream, in order; JSON null is found too.
    #[must_use]
    pub fn select<'s>(
        &'s self,
        manifest: &Manifest,
        stream: &str,
        path: &JsonPath,
    ) -> Vec<&'s Node> {
        let records = self.records(manifest, stream);
        records.into_iter().flat_map(|record| select(path, record)).collect()
    }
}

/// The name of a fetch's step.
pub(crate) fn step_of<'m>(fetch: &Fetch<'m>) -> Option<&'m str> {
    fetch.step.map(|name| name.as_str())
}
