//! How requests are sent, what the app lets us spend, and what its answers mean.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::{Duration, HeaderPattern, HostPattern, Pattern, Percent, StatusPattern};
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table, Template};

/// How all requests are sent.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// What the paths of requests are appended to.
    pub base_url: Spanned<Template>,
    /// The hosts that may be called, next links and redirects included. Nothing else ever is.
    pub hosts: Spanned<Vec<Spanned<HostPattern>>>,
    /// How long to wait for the response to start, and for each further piece of it.
    pub timeout: Option<Spanned<Duration>>,
    /// Headers for every request.
    #[serde(default)]
    pub headers: Table<String, Spanned<Template>>,
    /// What is tried again by itself.
    #[serde(default)]
    pub retry: Retry,
    /// The most requests that are sent in a time, so that the app never has to slow us down.
    pub rate: Option<Spanned<Rate>>,
    /// The most requests that are under way at once. Fewer are sent for a while after the app asked
    /// to slow down.
    pub concurrency: Option<Spanned<u64>>,
    /// What particular hosts take, where it is less.
    #[serde(default)]
    pub hosts_rate: Table<HostPattern, HostRate>,
    /// Certificates other than the system's.
    pub tls: Option<Spanned<Tls>>,
}

/// Certificates for the app's hosts; at least one of `client_certificate` and `ca`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate that the connector shows to the app (mutual TLS, RFC 8446, section 4.4.2),
    /// with those that lead to its root, in PEM.
    pub client_certificate: Option<Spanned<Template>>,
    /// The private key of that certificate, in PEM.
    pub client_key: Option<Spanned<Template>>,
    /// Root certificates that are trusted beside those of the system, in PEM.
    pub ca: Option<Spanned<Template>>,
}

/// The most requests that are sent in a time.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many requests.
    pub requests: Spanned<u64>,
    /// In how long.
    pub per: Spanned<Duration>,
}

/// What a host takes. `requests` and `per` belong together.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRate {
    /// How many requests are sent at most in the time `per`.
    pub requests: Option<Spanned<u64>>,
    /// The time for which `requests` holds.
    pub per: Option<Spanned<Duration>>,
    /// The most requests that are under way at once.
    pub concurrency: Option<Spanned<u64>>,
}

/// What is tried again.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The statuses that are worth another attempt. `Retry-After` is obeyed (RFC 9110, 10.2.3).
    #[serde(default = "Retry::default_on")]
    pub on: Vec<Spanned<StatusPattern>>,
    /// The most attempts after the first.
    #[serde(default = "Retry::default_max")]
    pub max: u32,
}

impl Retry {
    fn default_on() -> Vec<Spanned<StatusPattern>> {
        [StatusPattern::Code(408), StatusPattern::Code(429), StatusPattern::Class(5)]
            .map(|status| Spanned::new(status, crate::Span::default()))
            .into()
    }

    fn default_max() -> u32 {
        5
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { on: Self::default_on(), max: Self::default_max() }
    }
}

/// What the app lets the connector spend.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The response header that reports the whole quota.
    pub header: Option<Spanned<QuotaHeader>>,
    /// The response headers that report the quota, one number each.
    pub headers: Option<Spanned<QuotaHeaders>>,
    /// The members of the JSON response that report the quota.
    pub body: Option<Spanned<QuotaBody>>,
    /// The answers that speak of this quota, where the same headers speak of several.
    pub when: Option<Spanned<QuotaResource>>,
    /// The limit, where no answer reports it.
    pub limit: Option<Spanned<u64>>,
    /// The period that the limit is for.
    pub period: Period,
    /// The share that is always left for others.
    pub reserve: Spanned<Percent>,
    /// What is held against the limit; the stricter of two counts.
    pub counts: Spanned<Vec<Spanned<Counted>>>,
    /// The streams whose requests are counted; all of them unless given.
    pub streams: Option<Spanned<Vec<Spanned<String>>>>,
}

/// A header that reports a quota.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaHeader {
    /// The header's name.
    pub name: Spanned<String>,
    /// Where its numbers are.
    pub pattern: Spanned<HeaderPattern>,
}

/// The names of headers that report a quota, one number each.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaHeaders {
    /// The header with the limit.
    pub limit: Option<Spanned<String>>,
    /// The header with what is left of the limit.
    pub remaining: Option<Spanned<String>>,
    /// The header with what is spent of the limit.
    pub used: Option<Spanned<String>>,
    /// The header that tells when a fixed period ends and everything is free again.
    pub reset: Option<Spanned<ResetHeader>>,
}

/// The members of a JSON response that report a quota.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaBody {
    /// The limit.
    pub limit: Option<Spanned<JsonPath>>,
    /// What is left of the limit.
    pub remaining: Option<Spanned<JsonPath>>,
    /// What is spent of the limit.
    pub used: Option<Spanned<JsonPath>>,
    /// What this request has cost.
    pub cost: Option<Spanned<JsonPath>>,
}

/// The answers that speak of a quota, where the same headers speak of several.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaResource {
    /// The response header that names the quota.
    pub header: Spanned<String>,
    /// The name.
    pub is: Spanned<String>,
}

/// The header that tells when a fixed period ends.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetHeader {
    /// The header's name.
    pub name: Spanned<String>,
    /// How its value is read: under the same name some apps send a time and others a wait, and a
    /// wait taken for a time has long passed.
    pub unit: Spanned<TimeUnit>,
}

/// How a time or a wait is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// A time, in seconds since 1970.
    EpochSeconds,
    /// A time, in milliseconds since 1970.
    EpochMilliseconds,
    /// A wait, in seconds from now.
    Seconds,
    /// A wait, in milliseconds from now.
    Milliseconds,
    /// A time, written as an HTTP date (RFC 9110, 5.6.7).
    HttpDate,
    /// A time, written as in RFC 3339.
    Iso8601,
}

/// The period of a quota: one of these.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// What was spent this long ago is free again.
    Rolling(Spanned<Duration>),
    /// Everything is free again at the reset that a header reports, this long after the start.
    Fixed(Spanned<Duration>),
}

impl Period {
    /// How long it is.
    #[must_use]
    pub fn length(&self) -> &Spanned<Duration> {
        match self {
            Self::Rolling(length) | Self::Fixed(length) => length,
        }
    }
}

/// What is held against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Our own calls.
    Own,
    /// What the app reports, other clients' calls included.
    Reported,
}

/// What a particular answer means.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The answer. All conditions must hold.
    pub when: Condition,
    /// What to do.
    pub then: Spanned<Reaction>,
    /// How long to wait before the request is sent again. `Retry-After` is obeyed in any case.
    pub wait: Option<Spanned<Wait>>,
    /// The stable code under which it is reported, such as `PERM_API_DISABLED_ORG`.
    pub code: Option<Spanned<String>>,
    /// What happened, in words for the admin.
    pub message: Option<String>,
    /// How to mend it, in words for the admin.
    pub fix: Option<String>,
}

/// How long to wait: one of `header`, `body` and `for`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The response header that tells.
    pub header: Option<Spanned<String>>,
    /// The member of the JSON body that tells.
    pub body: Option<Spanned<JsonPath>>,
    /// How the header or member is written: a time is not a wait, and under the same name some apps
    /// send one and others the other.
    pub unit: Option<Spanned<TimeUnit>>,
    /// This long, whatever the answer says.
    #[serde(rename = "for")]
    pub fixed: Option<Spanned<Duration>>,
}

/// Conditions on an answer; at least one.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The status is one of these.
    pub status: Option<OneOrMany<StatusPattern>>,
    /// Headers have values that match these patterns as a whole.
    #[serde(default)]
    pub headers: Table<String, Spanned<Pattern>>,
    /// Members of the JSON body have these values.
    #[serde(default)]
    pub body: Table<JsonPath, Literal>,
    /// There was no answer in time.
    pub timeout: Option<Spanned<bool>>,
    /// `true`: the answer is one of the token endpoint, or of the login call of a session. Other rules
    /// say nothing of these.
    pub login: Option<Spanned<bool>>,
}

impl Condition {
    /// Whether it is about the answers to sign-ins, and not about all others.
    #[must_use]
    pub fn is_login(&self) -> bool {
        self.login.as_ref().is_some_and(|login| login.value)
    }

    /// Whether it asks for nothing, but perhaps for whose answers it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_none()
            && self.headers.is_empty()
            && self.body.is_empty()
            && self.timeout.is_none()
    }
}

/// What to do about an answer. `retry`, `wait` and `stop` may be done about one to a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Refresh the access token and send the request once more.
    Refresh,
    /// Try again with growing delays.
    Retry,
    /// Try again when the time has come that `wait` tells, or the answer's `Retry-After`.
    Wait,
    /// The quota is spent: wait until it is not.
    WaitForQuota,
    /// Stop the stream and report it: a person must mend it.
    Stop,
    /// Leave this listed item out, and report the gap.
    Skip,
    /// Leave this page out, report the gap, and go on with the next one. For pages that are counted.
    SkipPage,
    /// There is nothing to read here, and that is no error: take the answer for an empty one, or
    /// for what it is if it was successful.
    Ignore,
    /// The page is too large for the app: ask for half as many records, and for more again later.
    ShrinkPage,
    /// Fetch the window again in two halves.
    SplitWindow,
    /// Fetch the window again from its start.
    RestartWindow,
}
