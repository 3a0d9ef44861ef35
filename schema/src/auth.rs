//! How a connector signs in.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::manifest::GrantKind;
use crate::scalar::{Duration, Name};
use crate::{JsonPath, Spanned, Table, Template};

/// How the connector signs in: one of these.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// OAuth 2.0 (RFC 6749). The access token is sent as a bearer token (RFC 6750).
    #[serde(rename = "oauth2")]
    OAuth2(Box<OAuth2>),
    /// A fixed key in a request header. The strict profile refuses it: every app in it must offer
    /// OAuth.
    ApiKey(ApiKey),
}

/// OAuth 2.0 as the app offers it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens are asked for.
    pub token_url: Spanned<Template>,
    /// Where tokens are given back (RFC 7009).
    pub revoke_url: Option<Spanned<Template>>,
    /// The client identifier.
    pub client_id: Spanned<Template>,
    /// The client secret, if the client has one.
    pub client_secret: Option<Spanned<Template>>,
    /// Where the client's credentials are put in a token request (RFC 6749, section 2.3.1).
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The grants that the app offers. The connection chooses one of them.
    pub grants: Spanned<Grants>,
    /// Members of the token response that later templates need, as `auth.NAME`.
    #[serde(default)]
    pub token: Table<Name, Spanned<JsonPath>>,
    /// How long an access token is good for if the response does not say (`expires_in`).
    pub expires_in: Option<Spanned<Duration>>,
    /// How tokens are refreshed.
    #[serde(default)]
    pub refresh: Refresh,
}

/// Where the client's credentials go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the form, as `client_id` and `client_secret`.
    #[default]
    Body,
    /// In the `Authorization` header (RFC 7617).
    Basic,
}

/// The grants that an app offers; at least one.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// The admin signs in with a browser and consents (RFC 6749, section 4.1).
    pub authorization_code: Option<AuthorizationCode>,
    /// The client signs in for itself (RFC 6749, section 4.4).
    pub client_credentials: Option<ClientCredentials>,
    /// The client presents an assertion that it signed (RFC 7523).
    pub jwt_bearer: Option<JwtBearer>,
}

impl Grants {
    /// The grants on offer, the interactive one first.
    #[must_use]
    pub fn offered(&self) -> Vec<GrantKind> {
        [
            (self.authorization_code.is_some(), GrantKind::AuthorizationCode),
            (self.client_credentials.is_some(), GrantKind::ClientCredentials),
            (self.jwt_bearer.is_some(), GrantKind::JwtBearer),
        ]
        .into_iter()
        .filter_map(|(offered, kind)| offered.then_some(kind))
        .collect()
    }
}

/// The authorization code grant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationCode {
    /// The page where the admin signs in.
    pub authorize_url: Spanned<Template>,
    /// Proof Key for Code Exchange (RFC 7636). Turn it off only for apps that refuse it.
    #[serde(default)]
    pub pkce: Spanned<Pkce>,
    /// The scopes to ask for, each with what it is needed for, in words for the admin.
    #[serde(default)]
    pub scopes: Table<String, Spanned<String>>,
}

/// The PKCE methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Pkce {
    /// The SHA-256 challenge.
    #[default]
    S256,
    /// No PKCE.
    #[serde(rename = "off")]
    Off,
}

/// The client credentials grant.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// The scopes to ask for, each with what it is needed for.
    #[serde(default)]
    pub scopes: Table<String, Spanned<String>>,
}

/// The JWT bearer grant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtBearer {
    /// The `iss` claim.
    pub issuer: Spanned<Template>,
    /// The `sub` claim: the account to act as.
    pub subject: Spanned<Template>,
    /// The `aud` claim.
    pub audience: Spanned<Template>,
    /// The private key, in PEM.
    pub key: Spanned<Template>,
    /// The signature algorithm (RFC 7518, section 3.1).
    #[serde(default)]
    pub algorithm: JwtAlgorithm,
    /// How long an assertion is good for.
    pub lifetime: Option<Spanned<Duration>>,
}

/// The signature algorithms for assertions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum JwtAlgorithm {
    /// RSA with SHA-256.
    #[default]
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
}

/// How tokens are refreshed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Whether a refresh may return a new refresh token that replaces the old one.
    #[serde(default)]
    pub rotates: bool,
}

/// A fixed key.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The header's name.
    pub header: Spanned<String>,
    /// The header's value, such as `Token {{inputs.key}}`.
    pub value: Spanned<Template>,
}
