//! A plan: a checked manifest and one connection, compiled into what the engine runs.
//!
//! Compiling happens once. Nothing behind it reads the manifest's text, and nothing in a plan
//! changes while it runs.

use std::sync::Arc;
use std::time::Duration;

use longshore_schema::http::{Counted, ErrorRule, Http, Period, Quota};
use longshore_schema::manifest::Manifest;
use longshore_schema::stream::Fact;
use longshore_schema::{JsonPath, Literal, Spanned, Table, Template};
use longshore_validator::Checked;

pub use crate::auth::AuthPlan;
use crate::connection::Connection;
use crate::error::Result;
use crate::http::{Certificates, Hosts, retry};
use crate::quota::{QuotaBody, QuotaConfig, QuotaHeader, QuotaHeaders, UsageHeaders};
use crate::render::{Scope, Tables, render};
use crate::secret::Secret;

mod stream;

use stream::stream_plans;
pub use stream::{ChangesPlan, JoinPlan, StepPlan, StreamPlan};

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
    /// What particular answers mean, those to sign-ins aside.
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
        let streams = stream_plans(manifest, &connection.name)?;
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
            rules: rules(manifest, false),
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

/// The error rules about the answers to sign-ins, or about all others.
pub(crate) fn rules(manifest: &Manifest, login: bool) -> Vec<ErrorRule> {
    let all = manifest.errors.iter().map(|rule| &rule.value);
    all.filter(|rule| rule.when.is_login() == login).cloned().collect()
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
            needed.extend(used(&fact.request.templates()));
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
