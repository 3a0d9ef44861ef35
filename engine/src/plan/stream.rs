//! One stream of a plan: its steps, and by what it knows where it stands.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use longshore_schema::decode::Decode;
use longshore_schema::manifest::Manifest;
use longshore_schema::map::Map;
use longshore_schema::scalar::{Scalar as _, Zone};
use longshore_schema::stream::{
    self, Batch, Capability, Cursor, MissingDetail, Pages, Priority, Promise, Request, Stream,
    Wait, Window,
};
use longshore_schema::{JsonPath, Spanned, Table};
use serde_json::Value;

use super::needed_facts;
use crate::decode::Opener;
use crate::error::{Code, Error, Result};
use crate::map::{EventContext, Mapper};

/// The most combinations of partitions: everything is read once for each.
const MAX_COMBINATIONS: usize = 10_000;

/// One stream, compiled.
#[derive(Debug)]
pub struct StreamPlan {
    /// The stream's name.
    pub name: String,
    /// What it provides.
    pub provides: Capability,
    /// How often it is polled.
    pub every: Duration,
    /// Who goes first when what the app lets us spend is scarce.
    pub priority: Priority,
    /// The file that its events go to.
    pub file: String,
    /// The file that records go to which could not be mapped.
    pub rejected_file: String,
    /// The time ranges in which it is read.
    pub window: Option<Window>,
    /// What the zone of its times means, if they are not in UTC.
    pub zone: Option<TimeZone>,
    /// The place that the app keeps for us.
    pub cursor: Option<Cursor>,
    /// What tells changes from one snapshot to the next.
    pub changes: Option<ChangesPlan>,
    /// Every combination of partitions, each an object; empty if there are none.
    pub partitions: Vec<Value>,
    /// The requests: each step runs for every item of the one before, the last one gives the
    /// records. There is at least one.
    pub steps: Vec<StepPlan>,
    /// The step whose items the window is about; none if it is about the records.
    pub timed: Option<usize>,
    /// Details that are asked for with a request for each record.
    pub joins: Vec<JoinPlan>,
    /// How long keys are remembered, if longer than the overlap.
    pub remember: Option<Duration>,
    /// Whether the time of a record is part of its key.
    pub key_has_time: bool,
    /// How records become events.
    pub mapper: Mapper,
    /// The facts that its templates use.
    pub facts: Vec<String>,
}

/// A request and how its response is read.
#[derive(Debug)]
pub struct StepPlan {
    /// Its name, by which later templates refer to its items; empty for a stream without steps.
    pub name: String,
    /// The request.
    pub request: Request,
    /// How the response is written.
    pub decode: Decode,
    /// Where the records are, in a JSON response. Without, the whole answer is one item.
    pub records: Option<JsonPath>,
    /// The members of its records that hold a document.
    pub unpack: Option<Opener>,
    /// How the next page is found.
    pub pages: Option<Pages>,
    /// What the response says of its own completeness.
    pub promise: Option<Promise>,
    /// What tells one version of an item from every other; empty if that is of no interest.
    pub key: Vec<JsonPath>,
    /// How many items of the step before are asked for at the same time.
    pub concurrency: usize,
    /// How many items of the step before go into one request.
    pub batch: Option<Batch>,
    /// How it is asked again until it is done.
    pub wait: Option<Wait>,
    /// What clears away its item.
    pub cleanup: Option<Request>,
}

/// A detail that becomes a member of each record.
#[derive(Debug)]
pub struct JoinPlan {
    /// The member.
    pub name: String,
    /// The request.
    pub request: Request,
    /// What of the answer is wanted; all of it if `None`.
    pub select: Option<JsonPath>,
    /// Whether a record without it is left out.
    pub is_needed: bool,
}

/// What tells changes from one snapshot to the next.
#[derive(Debug)]
pub struct ChangesPlan {
    /// What a record is known by.
    pub key: Vec<JsonPath>,
    /// The members whose change counts; all if empty.
    pub compare: Vec<JsonPath>,
    /// The members whose change does not count.
    pub ignore: Vec<JsonPath>,
    /// How a record that is gone becomes an event, and the paths that this needs.
    pub gone: Option<(Mapper, Vec<JsonPath>)>,
}

impl StreamPlan {
    /// Whether some of what is read has a place in time of its own, beside that of the stream:
    /// partitions, and items that are read again in every window.
    #[must_use]
    pub fn has_units(&self) -> bool {
        let before = self.timed.unwrap_or(self.steps.len() - 1);
        !self.partitions.is_empty() || self.steps[..before].iter().any(|step| !step.key.is_empty())
    }

    /// Whether the times of the window are those of what the first request lists, one page after
    /// the other.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        self.partitions.is_empty() && self.timed.unwrap_or(self.steps.len() - 1) == 0
    }

    /// The step whose items or records the window is about.
    #[must_use]
    pub fn windowed(&self) -> usize {
        self.timed.unwrap_or(self.steps.len() - 1)
    }
}

pub(super) fn stream_plan(
    manifest: &Manifest,
    connection: &str,
    name: &str,
    stream: &Stream,
) -> Result<StreamPlan> {
    let context = EventContext {
        connection: connection.to_owned(),
        stream: name.to_owned(),
        product: manifest.app.name.value.clone(),
        vendor: manifest.app.vendor.value.clone(),
        tenant: None,
    };
    let stream = &*with_tables(stream, manifest);
    let mut steps = steps(stream);
    if let Some(last) = steps.last_mut() {
        let packed = stream.unpack.iter();
        last.unpack = Opener::new(
            packed
                .map(|(path, steps)| (&path.value, steps.iter().map(|step| step.value).collect())),
        );
    }
    if steps.is_empty() {
        return Err(Error::new(Code::Internal, format!("the stream `{name}` has no request"))
            .cause("the validator lets such a manifest pass")
            .fix("report this as a bug, with the manifest"));
    }
    let zone = stream.window.as_ref().and_then(|window| window.zone.as_ref());
    let zone = zone.map(|zone| time_zone(name, zone)).transpose()?;
    let joins: Vec<_> = stream
        .join
        .iter()
        .map(|(name, join)| JoinPlan {
            name: name.as_str().to_owned(),
            request: join.request.value.clone(),
            select: join.select.as_ref().map(|path| path.value.clone()),
            is_needed: join.missing.value == MissingDetail::Skip,
        })
        .collect();
    let requests = steps
        .iter()
        .flat_map(|step| [Some(&step.request), step.cleanup.as_ref()])
        .flatten()
        .chain(joins.iter().map(|join| &join.request));
    let mut templates: Vec<_> = requests.flat_map(Request::templates).collect();
    templates.extend(stream.window.iter().map(|window| &window.backfill.value));
    let first = stream.cursor.iter().filter_map(|cursor| cursor.first.as_ref());
    templates.extend(first.map(|first| &first.value.0));
    let facts = needed_facts(manifest, &templates);
    Ok(StreamPlan {
        name: name.to_owned(),
        provides: stream.provides.value,
        every: stream.every.0,
        priority: stream
            .priority
            .as_ref()
            .map_or_else(|| stream.provides.priority(), |priority| priority.value),
        file: format!("{name}.jsonl"),
        rejected_file: format!("{name}.rejected.jsonl"),
        window: stream.window.as_ref().map(|window| window.value.clone()),
        cursor: stream.cursor.as_ref().map(|cursor| cursor.value.clone()),
        changes: changes(stream, &context)?,
        partitions: combinations(name, stream)?,
        timed: stream.timed_step(),
        joins,
        remember: stream.remember.as_ref().map(|remember| remember.0),
        key_has_time: stream.window.is_some() && stream.times_records()
            || stream.key.value.0.iter().any(|path| path.as_str() == "$"),
        mapper: Mapper::compile(stream, &context)?,
        zone,
        facts,
        steps,
    })
}

/// The stream with tables in the place of their names in its maps.
fn with_tables<'s>(stream: &'s Stream, manifest: &Manifest) -> Cow<'s, Stream> {
    if manifest.tables.is_empty() {
        return Cow::Borrowed(stream);
    }
    let mut stream = stream.clone();
    stream.map.value = stream.map.value.with_tables(&manifest.tables);
    if let Some(gone) = stream.changes.as_mut().and_then(|changes| changes.value.gone.as_mut()) {
        gone.value = gone.value.clone().with_tables(&manifest.tables);
    }
    Cow::Owned(stream)
}

fn time_zone(stream: &str, zone: &Zone) -> Result<TimeZone> {
    zone.time_zone().ok_or_else(|| {
        Error::new(Code::InputInvalid, format!("the times of `{stream}` cannot be read"))
            .cause(format!("this machine's time zone database has no `{zone}`, or there is none"))
            .fix("install or update the system's time zone database (the package `tzdata`), or say with TZDIR where it is")
    })
}

fn paths<'p>(paths: impl IntoIterator<Item = &'p Spanned<JsonPath>>) -> Vec<JsonPath> {
    paths.into_iter().map(|path| path.value.clone()).collect()
}

fn steps(stream: &Stream) -> Vec<StepPlan> {
    let own = stream.request.as_ref().map(|request| StepPlan {
        name: String::new(),
        request: request.value.clone(),
        decode: stream.decode.value.clone(),
        records: stream.records.as_ref().map(|path| path.value.clone()),
        unpack: None,
        pages: stream.pages.as_ref().map(|pages| pages.value.clone()),
        promise: stream.promise.as_ref().map(|promise| promise.value.clone()),
        key: Vec::new(),
        concurrency: 1,
        batch: None,
        wait: None,
        cleanup: None,
    });
    let step = |(name, step): &(Spanned<_>, stream::Step)| {
        let name: &longshore_schema::scalar::Name = name;
        StepPlan {
            name: name.as_str().to_owned(),
            request: step.request.value.clone(),
            decode: step.decode.value.clone(),
            records: match &step.records {
                Some(path) => Some(path.value.clone()),
                None if step.decode.format().is_document() => JsonPath::parse("$").ok(),
                None => None,
            },
            unpack: None,
            pages: step.pages.as_ref().map(|pages| pages.value.clone()),
            promise: step.promise.as_ref().map(|promise| promise.value.clone()),
            key: paths(step.key.iter().flat_map(|key| &key.value.0)),
            concurrency: step.concurrency.as_ref().map_or(1, |most| most.value.max(1) as usize),
            batch: step.batch.as_ref().map(|batch| batch.value.clone()),
            wait: step.wait.as_ref().map(|wait| wait.value.clone()),
            cleanup: step.cleanup.as_ref().map(|cleanup| cleanup.value.clone()),
        }
    };
    own.into_iter().chain(stream.steps.iter().map(step)).collect()
}

fn changes(stream: &Stream, context: &EventContext) -> Result<Option<ChangesPlan>> {
    let Some(changes) = &stream.changes else { return Ok(None) };
    let gone = |map: &Spanned<Map>| {
        // What is kept of a record is without what is private already.
        let privacy = Table::default();
        let gone = Stream { map: map.clone(), raw: false, privacy, ..stream.clone() };
        let mapper = Mapper::compile(&gone, context)?;
        let needed = mapper.paths();
        Ok::<_, Error>((mapper, needed))
    };
    Ok(Some(ChangesPlan {
        key: paths(&stream.key.value.0),
        compare: paths(&changes.compare),
        ignore: paths(&changes.ignore),
        gone: changes.gone.as_ref().map(gone).transpose()?,
    }))
}

/// Every combination of partitions, the last list running fastest.
fn combinations(name: &str, stream: &Stream) -> Result<Vec<Value>> {
    let mut all = vec![serde_json::Map::new()];
    for (partition, values) in stream.partitions.iter() {
        if all.len().saturating_mul(values.len()) > MAX_COMBINATIONS {
            return Err(Error::new(
                Code::InputInvalid,
                format!("the partitions of `{name}` have too many combinations"),
            )
            .cause(format!("more than {MAX_COMBINATIONS}; everything is read once for each"))
            .fix("list fewer values in the manifest"));
        }
        all = all
            .iter()
            .flat_map(|known| {
                values.iter().map(move |value| {
                    let mut known = known.clone();
                    known.insert(partition.as_str().to_owned(), value.value.to_json());
                    known
                })
            })
            .collect();
    }
    if stream.partitions.is_empty() {
        return Ok(Vec::new());
    }
    Ok(all.into_iter().map(Value::Object).collect())
}

/// Makes a plan of each stream of a manifest.
pub(super) fn stream_plans(manifest: &Manifest, connection: &str) -> Result<Vec<Arc<StreamPlan>>> {
    let plan = |name: &str, stream| stream_plan(manifest, connection, name, stream).map(Arc::new);
    manifest.streams.iter().map(|(name, stream)| plan(name.as_str(), stream)).collect()
}
