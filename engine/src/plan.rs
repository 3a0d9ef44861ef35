//! A plan: a checked manifest and one connection, compiled into what the engine runs.
//!
//! Compiling happens once. Nothing behind it reads the manifest's text, and nothing in a plan
//! changes while it runs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use longshore_schema::decode::Decode;
use longshore_schema::http::{Counted, ErrorRule, Http, Period, Quota};
use longshore_schema::manifest::Manifest;
use longshore_schema::stream::{Fact, Json, Pages, Priority, Promise, Request, Stream, Window};
use longshore_schema::{JsonPath, Literal, Spanned, Table, Template};
use longshore_validator::Checked;

pub use crate::auth::AuthPlan;
use crate::connection::Connection;
use crate::decode::Opener;
use crate::error::{Code, Error, Result};
use crate::http::{Certificates, Hosts, retry};
use crate::map::{EventContext, Mapper};
use crate::quota::{QuotaBody, QuotaConfig, QuotaHeader, QuotaHeaders, UsageHeaders};
use crate::render::{Scope, Tables, render};
use crate::secret::Secret;

/// Everything that a connection's polls need, compiled.
#[derive(Debug)]
pub struct Plan {
    /// The connection.
    pub connection: Connection,
    /// The app's name, for messages.
    pub app: String,
    /// The hosts that may be called.
    pub hosts: Hosts,
    /// How to sign in.
    pub auth: AuthPlan,
    /// Certificates of the connection's own.
    pub certificates: Certificates,
    /// The base URL of requests.
    pub base_url: Template,
    /// Headers of all requests.
    pub headers: Vec<(String, Template)>,
    /// The longest wait for a response, and for each piece of it.
    pub timeout: Duration,
    /// How often and how patiently failed requests are tried again.
    pub retry: retry::Policy,
    /// The statuses that are worth another attempt.
    pub retry_on: Vec<longshore_schema::scalar::StatusPattern>,
    /// What particular answers mean.
    pub rules: Vec<ErrorRule>,
    /// How fast the app is asked.
    pub http: Http,
    /// What may be spent.
    pub quotas: Vec<QuotaConfig>,
    /// What stands for what, by name.
    pub tables: Tables,
    /// The questions about the tenant, in order.
    pub facts: Vec<(String, Fact)>,
    /// What is read.
    pub streams: Vec<Arc<StreamPlan>>,
}

/// One stream, compiled.
#[derive(Debug)]
pub struct StreamPlan {
    /// The stream's name.
    pub name: String,
    /// What it provides.
    pub provides: longshore_schema::stream::Capability,
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
    /// The step that lists items, with its name and the items' key, for a stream in two steps.
    pub listing: Option<Listing>,
    /// The step that gives the records.
    pub records: StepPlan,
    /// How long keys are remembered, if longer than the overlap.
    pub remember: Option<Duration>,
    /// Whether the time of a record is part of its key.
    pub key_has_time: bool,
    /// How records become events.
    pub mapper: Mapper,
    /// The facts that its templates use.
    pub facts: Vec<String>,
}

/// The step that lists items.
#[derive(Debug)]
pub struct Listing {
    /// The step's name, by which later templates refer to its items.
    pub name: String,
    /// The request and its response.
    pub step: StepPlan,
    /// What tells one version of an item from every other.
    pub key: Vec<JsonPath>,
}

/// A request and how its response is read.
#[derive(Debug)]
pub struct StepPlan {
    /// The request.
    pub request: Request,
    /// How the response is written.
    pub decode: Decode,
    /// Where the records are, in a document.
    pub records: Option<JsonPath>,
    /// The members of its records that hold a document.
    pub unpack: Option<Opener>,
    /// How the next page is found.
    pub pages: Option<Pages>,
    /// What the response says of its own completeness.
    pub promise: Option<Promise>,
}

impl Plan {
    /// Compiles a manifest for a connection.
    ///
    /// # Errors
    /// [`Code::InputMissing`] or [`Code::InputInvalid`] if the connection's inputs do not make
    /// usable URLs and credentials.
    pub fn compile(manifest: &Checked<Manifest>, connection: Connection) -> Result<Self> {
        let hosts = Hosts::new(manifest.http.hosts.iter().map(|host| host.as_str()))?;
        let tables = tables(manifest);
        let scope =
            Scope { inputs: Some(&connection.inputs), tables: Some(&tables), ..Scope::default() };
        let auth = AuthPlan::compile(manifest, &connection, &scope)?;
        let certificates = certificates(manifest, &scope)?;
        let streams = manifest
            .streams
            .iter()
            .map(|(name, stream)| {
                stream_plan(manifest, &connection.name, name.as_str(), stream).map(Arc::new)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            app: manifest.app.name.value.clone(),
            hosts,
            auth,
            certificates,
            base_url: manifest.http.base_url.value.clone(),
            headers: manifest
                .http
                .headers
                .iter()
                .map(|(name, value)| (name.value.clone(), value.value.clone()))
                .collect(),
            timeout: manifest.http.timeout.as_ref().map_or(Duration::from_secs(60), |t| t.0),
            retry: retry::Policy {
                max_attempts: manifest.http.retry.max.saturating_add(1),
                ..retry::Policy::default()
            },
            retry_on: manifest.http.retry.on.iter().map(|status| status.value).collect(),
            rules: manifest.errors.iter().map(|rule| rule.value.clone()).collect(),
            http: manifest.http.clone(),
            quotas: manifest
                .quotas
                .iter()
                .map(|(name, quota)| quota_config(name.as_str(), quota))
                .collect(),
            facts: manifest
                .facts
                .iter()
                .map(|(name, fact)| (name.as_str().to_owned(), fact.clone()))
                .collect(),
            streams,
            tables,
            connection,
        })
    }
}

/// The certificates, those without a value left out.
fn certificates(manifest: &Manifest, scope: &Scope<'_>) -> Result<Certificates> {
    let Some(tls) = &manifest.http.tls else { return Ok(Certificates::default()) };
    let value = |template: &Option<Spanned<Template>>| -> Result<Option<Secret>> {
        let text = template.as_ref().map_or(Ok(None), |template| render(template, scope))?;
        Ok(text.map(Secret::new))
    };
    let client = value(&tls.client_certificate)?.zip(value(&tls.client_key)?);
    Ok(Certificates { client, ca: value(&tls.ca)? })
}

fn tables(manifest: &Manifest) -> Tables {
    let rows = |table: &Table<String, Spanned<Literal>>| {
        table.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect()
    };
    let named = manifest.tables.iter();
    named.map(|(name, table)| (name.as_str().to_owned(), rows(table))).collect()
}

fn stream_plan(
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
    let step = |request: &Spanned<Request>,
                decode: &Decode,
                records: &Option<Spanned<JsonPath>>,
                pages: &Option<Spanned<Pages>>,
                promise: &Option<Spanned<Promise>>| StepPlan {
        request: request.value.clone(),
        decode: decode.clone(),
        records: records.as_ref().map(|path| path.value.clone()),
        unpack: None,
        pages: pages.as_ref().map(|pages| pages.value.clone()),
        promise: promise.as_ref().map(|promise| promise.value.clone()),
    };
    let unchecked = || {
        Error::new(Code::Internal, format!("the stream `{name}` has no request"))
            .cause("the validator lets such a manifest pass")
            .fix("report this as a bug, with the manifest")
    };
    refuse_unfinished(name, stream)?;
    let (listing, mut records) = match (&stream.request, stream.steps.0.as_slice()) {
        (Some(request), _) => {
            (None, step(request, &stream.decode, &stream.records, &stream.pages, &stream.promise))
        }
        (None, [(list_name, list), (_, fetch)]) => (
            Some(Listing {
                name: list_name.as_str().to_owned(),
                step: step(&list.request, &list.decode, &list.records, &list.pages, &list.promise),
                key: list
                    .key
                    .iter()
                    .flat_map(|key| key.value.0.iter().map(|path| path.value.clone()))
                    .collect(),
            }),
            step(&fetch.request, &fetch.decode, &fetch.records, &fetch.pages, &fetch.promise),
        ),
        _ => return Err(unchecked()),
    };
    records.unpack = Opener::new(
        stream
            .unpack
            .iter()
            .map(|(path, steps)| (&path.value, steps.iter().map(|step| step.value).collect())),
    );
    let mut templates = request_templates(&records.request);
    if let Some(listing) = &listing {
        templates.extend(request_templates(&listing.step.request));
    }
    if let Some(window) = &stream.window {
        templates.push(&window.backfill.value);
    }
    let facts = needed_facts(manifest, &templates);
    let looked_up = with_tables(stream, manifest);
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
        remember: stream.remember.as_ref().map(|remember| remember.0),
        key_has_time: stream.window.is_some() && stream.times_records()
            || stream.key.value.0.iter().any(|path| path.as_str() == "$"),
        mapper: Mapper::compile(&looked_up, &context)?,
        facts,
        listing,
        records,
    })
}

/// The stream with tables in the place of their names in its map.
fn with_tables<'s>(stream: &'s Stream, manifest: &Manifest) -> Cow<'s, Stream> {
    if manifest.tables.is_empty() {
        return Cow::Borrowed(stream);
    }
    let mut stream = stream.clone();
    stream.map.value = stream.map.value.with_tables(&manifest.tables);
    Cow::Owned(stream)
}

/// What the language can say and this engine cannot do yet.
fn refuse_unfinished(name: &str, stream: &Stream) -> Result<()> {
    let window = stream.window.as_ref();
    let step = |is: fn(&longshore_schema::stream::Step) -> bool| {
        stream.steps.iter().any(|(_, step)| is(step))
    };
    let unfinished = [
        ("cursor", stream.cursor.is_some()),
        ("changes", stream.changes.is_some()),
        ("partitions", !stream.partitions.is_empty()),
        ("join", !stream.join.is_empty()),
        ("steps beyond the second", stream.steps.0.len() > 2),
        ("batch", step(|step| step.batch.is_some())),
        ("wait", step(|step| step.wait.is_some())),
        ("cleanup", step(|step| step.cleanup.is_some())),
        (
            "a listing step without a key",
            stream.steps.0.len() == 2 && stream.steps.0[0].1.key.is_none(),
        ),
        (
            "a window of the records of a step",
            window.is_some() && !stream.steps.is_empty() && stream.times_records(),
        ),
        (
            "window.filter: here",
            window.is_some_and(|w| w.filter.value == longshore_schema::stream::Filter::Here),
        ),
        (
            "window.order: descending",
            window.is_some_and(|w| {
                w.order
                    .as_ref()
                    .is_some_and(|o| o.value == longshore_schema::stream::Order::Descending)
            }),
        ),
        ("window.most", window.is_some_and(|w| w.most.is_some())),
        ("window.zone", window.is_some_and(|w| w.zone.is_some())),
    ];
    match unfinished.iter().find(|(_, used)| *used) {
        None => Ok(()),
        Some((what, _)) => Err(Error::new(
            Code::InputInvalid,
            format!("this engine cannot read the stream `{name}` yet"),
        )
        .cause(format!("the manifest uses `{what}`"))
        .fix("use a newer version of longshore")),
    }
}

/// The templates of a request.
fn request_templates(request: &Request) -> Vec<&Template> {
    let urls = request.methods().into_iter().map(|(_, url)| &url.value);
    let parameters = request.query.iter().chain(&request.form);
    let parameters = parameters.flat_map(|(_, values)| values.0.iter().map(|one| &one.value.0));
    let headers = request.headers.iter().map(|(_, value)| value);
    let others = headers.chain(&request.base_url).chain(&request.text).map(|text| &text.value);
    let variables = request.graphql.iter().flat_map(|query| &query.variables);
    let json = request.json.iter().chain(variables.map(|(_, value)| value));
    let json = json.flat_map(|json| Json::templates(json).into_iter().map(|(text, _)| text));
    urls.chain(parameters).chain(others).chain(json).collect()
}

/// The facts that templates use, and those that these facts' own requests use, in manifest order.
fn needed_facts(manifest: &Manifest, templates: &[&Template]) -> Vec<String> {
    let used = |templates: &[&Template]| -> Vec<String> {
        let references = templates.iter().flat_map(|template| template.references());
        references
            .filter(|reference| reference.path.first().is_some_and(|first| first == "facts"))
            .filter_map(|reference| reference.path.get(1).cloned())
            .collect()
    };
    let mut needed = used(templates);
    // A fact may use facts declared before it only, so one pass from the back finds them all.
    for (name, fact) in manifest.facts.0.iter().rev() {
        if needed.iter().any(|needed| needed == name.as_str()) {
            needed.extend(used(&request_templates(&fact.request)));
        }
    }
    let names = manifest.facts.iter().map(|(name, _)| name.as_str());
    names.filter(|name| needed.iter().any(|needed| needed == name)).map(str::to_owned).collect()
}

fn quota_config(name: &str, quota: &Quota) -> QuotaConfig {
    let counts = |counted| quota.counts.iter().any(|one| one.value == counted);
    let one = quota.header.as_ref().map(|header| {
        UsageHeaders::One(QuotaHeader {
            name: header.name.value.clone(),
            pattern: header.pattern.regex().clone(),
        })
    });
    let several = quota.headers.as_ref().map(|headers| {
        let name =
            |header: &Option<Spanned<String>>| header.as_ref().map(|name| name.value.clone());
        UsageHeaders::Several(QuotaHeaders {
            limit: name(&headers.limit),
            remaining: name(&headers.remaining),
            used: name(&headers.used),
            reset: headers.reset.as_ref().map(|reset| (reset.name.value.clone(), reset.unit.value)),
        })
    });
    QuotaConfig {
        name: name.to_owned(),
        reserve: quota.reserve.basis_points,
        period: quota.period.length().0,
        fixed: matches!(quota.period, Period::Fixed(_)),
        headers: one.or(several),
        body: quota.body.as_ref().map(|body| {
            let path =
                |path: &Option<Spanned<JsonPath>>| path.as_ref().map(|path| path.value.clone());
            QuotaBody {
                limit: path(&body.limit),
                remaining: path(&body.remaining),
                used: path(&body.used),
                cost: path(&body.cost),
            }
        }),
        resource: quota
            .when
            .as_ref()
            .map(|when| (when.header.value.clone(), when.is.value.clone())),
        count_own: counts(Counted::Own),
        count_reported: counts(Counted::Reported),
        fixed_limit: quota.limit.as_ref().map(|limit| limit.value),
        streams: quota
            .streams
            .as_ref()
            .map(|streams| streams.iter().map(|stream| stream.value.clone()).collect()),
    }
}
