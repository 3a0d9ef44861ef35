//! How the answers to one request look.

use longshore_schema::JsonPath;
use longshore_schema::decode::{Decode, Format};
use longshore_schema::stream::{More, Pages, Promise};
use serde_json::Value;

use super::composition::Special;
use crate::generic::fixtures::Recorded;
use crate::generic::members::Packed;
use crate::generic::tables::Style;
use crate::generic::times::Written;
use crate::generic::{Unsupported, place, xml};

/// One step of a stream: how its answers look.
#[derive(Debug)]
pub(crate) struct Level {
    /// The step's name; empty for a stream without steps.
    pub(crate) name: String,
    pub(crate) decode: Format,
    /// All that is said of how it is written.
    pub(crate) written: Decode,
    /// How it is written if it is a table.
    pub(crate) table: Style,
    /// The members of a record that hold a document; in samples and records they are open.
    pub(crate) unpack: Vec<Packed>,
    pub(crate) records: Option<JsonPath>,
    pub(crate) pages: Option<Pages>,
    pub(crate) promise: Option<Promise>,
    pub(crate) samples: Vec<Sample>,
    /// What surrounds the records.
    pub(crate) envelope: Value,
    pub(crate) content_type: Option<String>,
    /// The places that tell one record from another.
    pub(crate) key: Vec<JsonPath>,
    /// The members that hold addresses of further requests.
    pub(crate) handed_out: Vec<Vec<String>>,
    /// Members that later requests name it by.
    pub(crate) referred: Vec<Vec<String>>,
    /// How the time is written by which the app filters.
    pub(crate) time: Option<(JsonPath, Written)>,
    pub(crate) special: Special,
}

/// A record of a fixture.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) value: Value,
    /// Which fixture it is from: rows of one answer have the columns of one fixture.
    pub(crate) fixture: usize,
}

/// What the manifest says of one answer.
pub(crate) struct Form<'m> {
    pub(crate) name: &'m str,
    pub(crate) decode: &'m Decode,
    pub(crate) records: Option<&'m JsonPath>,
    pub(crate) pages: Option<&'m Pages>,
    pub(crate) promise: Option<&'m Promise>,
    pub(crate) key: Vec<JsonPath>,
    pub(crate) unpack: Vec<Packed>,
}

/// Reads how one answer looks, from what the manifest says of it and from the fixtures of `owner`.
pub(crate) fn level(
    owner: &str,
    form: Form<'_>,
    recorded: &[Recorded],
) -> Result<Level, Unsupported> {
    let decode = form.decode.format();
    if decode == Format::Xml && form.records.is_none() {
        return Err(Unsupported("the simulator has no XML that is one record".to_owned()));
    }
    let table = Style::new(form.decode);
    let mut samples = Vec::new();
    let mut envelope: Option<Value> = None;
    let mut content_type = None;
    for (fixture, recorded) in owned(recorded, owner) {
        let found: Vec<Value> = match (decode, &recorded.body, &recorded.text) {
            (Format::Json, Some(body), _) => {
                envelope = Some(larger(envelope, body.clone()));
                match form.records {
                    Some(path) => path.select(body).into_iter().cloned().collect(),
                    None => vec![body.clone()],
                }
            }
            (Format::Xml, _, Some(text)) => {
                let mut document = xml::read(text)?;
                let path = form.records;
                if let Some(path) = path {
                    xml::as_list(&mut document, path);
                }
                let found = path.map(|path| path.select(&document)).unwrap_or_default();
                let found = found.into_iter().cloned().collect();
                envelope = Some(larger(envelope, document));
                found
            }
            (Format::Csv | Format::Tsv, _, Some(text)) => {
                table.read(text)?.into_iter().map(Value::Object).collect()
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
        for mut value in found {
            for packed in &form.unpack {
                packed.open(&mut value)?;
            }
            samples.push(Sample { value, fixture });
        }
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
    if let Some(pages) = form.pages {
        for (path, _) in pages.paths() {
            place::one(path)?;
        }
        for (path, _) in pages.more().map(More::paths).unwrap_or_default() {
            place::one(path)?;
        }
    }
    for path in &form.key {
        place::one(path)?;
    }
    Ok(Level {
        name: form.name.to_owned(),
        decode,
        written: form.decode.clone(),
        table,
        unpack: form.unpack,
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
        special: Special::default(),
    })
}

/// Of two documents the one that shows more.
fn larger(known: Option<Value>, other: Value) -> Value {
    match known {
        Some(known) if known.to_string().len() >= other.to_string().len() => known,
        _ => other,
    }
}

impl Level {
    /// Whether its records can have a member of which the manifest knows nothing.
    pub(crate) fn is_open(&self) -> bool {
        !self.decode.is_table() || self.table.columns.is_empty()
    }
}

/// The fixtures of a request with their numbers, those of success only.
pub(crate) fn owned<'r>(
    recorded: &'r [Recorded],
    owner: &str,
) -> impl Iterator<Item = (usize, &'r Recorded)> {
    let owner = owner.to_owned();
    let all = recorded.iter().enumerate();
    all.filter(move |(_, recorded)| recorded.owner == owner && recorded.is_success())
}
