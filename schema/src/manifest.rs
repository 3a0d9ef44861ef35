//! The manifest as a whole: what the app is, what is asked of the admin, and the parts that make
//! the connector.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::Action;
use crate::auth::Auth;
use crate::http::{ErrorRule, Http, Quota};
use crate::map::Tables;
use crate::posture::Posture;
use crate::probe::Settings;
use crate::requirement::{Permission, Prerequisite};
use crate::scalar::{Duration, Name, Version, WebLink};
use crate::stream::{Fact, Stream};
use crate::{Literal, OneOrMany, Spanned, Table};

/// A Longshore manifest: everything the engine needs to connect to one SaaS app, read from it and
/// normalize what it reads.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The language and its version: `longshore/v1`.
    pub manifest: Spanned<Language>,
    /// The connector's name in catalogs, commands and events, such as `salesforce`.
    pub id: Spanned<Name>,
    /// The connector's version. Raise it with every change, as in Semantic Versioning.
    pub version: Spanned<Version>,
    /// The app that the connector reads from.
    pub app: App,
    /// What the connector is for. Each profile has prerequisites that the validator checks.
    pub profiles: Spanned<Vec<Spanned<Profile>>>,
    /// What the admin is asked for when connecting; templates use them as `inputs.NAME`.
    #[serde(default)]
    pub inputs: Table<Name, Input>,
    /// How the connector signs in.
    pub auth: Spanned<Auth>,
    /// How all requests are sent.
    pub http: Http,
    /// What the app lets the connector spend, by name.
    #[serde(default)]
    pub quotas: Table<Name, Quota>,
    /// What particular answers of the app mean. The first rule that fits counts.
    #[serde(default)]
    pub errors: Vec<Spanned<ErrorRule>>,
    /// What stands for what, by name, such as the host of each region; templates look up in them
    /// with `{{lookup "NAME" inputs.region}}`.
    #[serde(default)]
    pub tables: Tables,
    /// Questions about this tenant, asked once per run in this order before the streams that use
    /// the answers; templates use them as `facts.NAME`.
    #[serde(default)]
    pub facts: Table<Name, Fact>,
    /// What is read, by name.
    pub streams: Spanned<Table<Name, Stream>>,
    /// What the account behind the connection must be allowed, by name.
    #[serde(default)]
    pub permissions: Table<Name, Permission>,
    /// What else must be so in the app, and how to make it so, by name.
    #[serde(default)]
    pub prerequisites: Table<Name, Prerequisite>,
    /// Answers about this tenant that permissions, prerequisites and checks look into, by name.
    #[serde(default)]
    pub settings: Table<Name, Settings>,
    /// What is judged of the app's security settings.
    pub posture: Option<Spanned<Posture>>,
    /// What can be done in the app on behalf of the security team, by name.
    #[serde(default)]
    pub actions: Table<Name, Action>,
}

/// The languages that a manifest can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Language {
    /// The first version of the Longshore manifest language.
    #[serde(rename = "longshore/v1")]
    V1,
}

/// The app and who stands behind it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The app's name as its users know it.
    pub name: Spanned<String>,
    /// The company that makes the app.
    pub vendor: Spanned<String>,
    /// What kind of app it is, such as `crm`; for searching in catalogs.
    #[serde(default)]
    pub categories: Vec<Spanned<Name>>,
    /// Pages about the app that this manifest relies on, such as `api`, `audit` or `limits`.
    #[serde(default)]
    pub links: Table<Name, Spanned<WebLink>>,
}

/// What a connector is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Who did what: needs user accounts and at least one audit log.
    ThreatProtection,
    /// Which settings are weak: needs security settings and checks of them.
    Posture,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThreatProtection => "threat_protection",
            Self::Posture => "posture",
        })
    }
}

/// Something the admin is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub kind: Spanned<InputType>,
    /// The label that the admin sees.
    pub title: Spanned<String>,
    /// What it is and where to find it.
    pub description: Option<String>,
    /// The value if the admin gives none. An input without one must be given.
    pub default: Option<Spanned<Literal>>,
    /// Values that show what is meant.
    #[serde(default)]
    pub examples: Vec<Literal>,
    /// The values to choose from, for the type `choice`.
    #[serde(default)]
    pub choices: Vec<Spanned<String>>,
    /// The largest accepted value, for the type `duration`.
    pub max: Option<Spanned<Duration>>,
    /// The OAuth grants that need this input; it is asked for with those alone.
    // A name and a list of names cannot share one schema without a union.
    #[schemars(with = "Option<Vec<GrantKind>>")]
    pub grants: Option<OneOrMany<GrantKind>>,
}

/// The kinds of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// Text.
    String,
    /// Text that is never shown, logged or stored unencrypted.
    Secret,
    /// A JSON object that is kept like a secret, such as the key file of a service account.
    /// Templates use its members as `inputs.NAME.member`.
    SecretJson,
    /// A host name. It must be covered by `http.hosts`.
    Host,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A duration such as `60d`.
    Duration,
    /// One of `choices`.
    Choice,
}

/// The OAuth 2.0 grants by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// The admin signs in with a browser (RFC 6749, section 4.1).
    AuthorizationCode,
    /// The connector signs in with its own id and secret (RFC 6749, section 4.4).
    ClientCredentials,
    /// The connector signs an assertion with its own key (RFC 7523, section 2.1).
    JwtBearer,
    /// The admin enters a code at the app (RFC 8628).
    DeviceCode,
    /// The connector sends an account's name and password (RFC 6749, section 4.3).
    Password,
}

impl fmt::Display for GrantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
            Self::DeviceCode => "device_code",
            Self::Password => "password",
        })
    }
}
