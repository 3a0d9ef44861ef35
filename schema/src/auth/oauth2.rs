//! OAuth 2.0 (RFC 6749) as apps offer it, with what they add to it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::manifest::GrantKind;
use crate::scalar::{Duration, Name};
use crate::stream::Parameter;
use crate::{JsonPath, Spanned, Table, Template};

/// OAuth 2.0 as the app offers it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens are asked for.
    pub token_url: Spanned<Template>,
    /// Where tokens are given back (RFC 7009).
    pub revoke_url: Option<Spanned<Template>>,
    /// The client identifier. Only the JWT bearer grant goes without one.
    pub client_id: Option<Spanned<Template>>,
    /// The client secret, if the client has one.
    pub client_secret: Option<Spanned<Template>>,
    /// How the client proves in a token request who it is (RFC 6749, section 2.3).
    #[serde(default)]
    pub client_auth: Spanned<ClientAuth>,
    /// The key that the client signs with, for `client_auth: private_key_jwt`.
    pub client_key: Option<Spanned<ClientKey>>,
    /// The grants that the app offers. The connection chooses one of them.
    pub grants: Spanned<Grants>,
    /// What the app wants in a token request beside what the standard says.
    #[serde(default)]
    pub token_request: TokenRequest,
    /// Where the token response has what, if its members have other names than in RFC 6749.
    #[serde(default)]
    pub response: TokenResponse,
    /// Members of the token response that later templates need, as `auth.NAME`.
    #[serde(default)]
    pub token: Table<Name, Spanned<JsonPath>>,
    /// How long an access token is good for if the response does not say (`expires_in`).
    pub expires_in: Option<Spanned<Duration>>,
    /// How the access token is sent, if not as a bearer token in the header `Authorization`
    /// (RFC 6750).
    pub send: Option<Spanned<SendToken>>,
    /// How tokens are refreshed.
    #[serde(default)]
    pub refresh: Refresh,
}

/// How the client proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// With its secret in the form, as `client_id` and `client_secret`.
    #[default]
    Body,
    /// With its secret in the `Authorization` header (RFC 7617).
    Basic,
    /// With an assertion that it signs with its key (RFC 7523, section 2.2).
    PrivateKeyJwt,
}

/// The key that a client signs its assertions with.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientKey {
    /// The private key, in PEM.
    pub key: Spanned<Template>,
    /// The key's name at the app: the `kid` header (RFC 7515, section 4.1.4).
    pub key_id: Option<Spanned<Template>>,
    /// The signature algorithm (RFC 7518, section 3.1).
    #[serde(default)]
    pub algorithm: JwtAlgorithm,
    /// The `aud` claim; the token URL if not given.
    pub audience: Option<Spanned<Template>>,
    /// How long an assertion is good for.
    pub lifetime: Option<Spanned<Duration>>,
}

/// What the app wants in every token request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Further parameters. One whose template has a reference without a value is left out.
    #[serde(default)]
    pub params: Table<String, Spanned<Parameter>>,
    /// Further headers.
    #[serde(default)]
    pub headers: Table<String, Spanned<Template>>,
    /// How the parameters are written.
    #[serde(default)]
    pub encoding: TokenEncoding,
}

/// How the parameters of a token request are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenEncoding {
    /// As a form (RFC 6749, appendix B).
    #[default]
    Form,
    /// As a JSON object of texts.
    Json,
}

/// Where a token response has what. Each is what RFC 6749 says unless given.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenResponse {
    /// The access token; `$.access_token` unless given.
    pub access_token: Option<Spanned<JsonPath>>,
    /// The refresh token; `$.refresh_token` unless given.
    pub refresh_token: Option<Spanned<JsonPath>>,
    /// The access token's life in seconds; `$.expires_in` unless given.
    pub expires_in: Option<Spanned<JsonPath>>,
    /// The name of what is wrong; `$.error` unless given. An answer that has it is a refusal,
    /// whatever its status.
    pub error: Option<Spanned<JsonPath>>,
}

/// How an access token is sent; one of `header` and `query`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendToken {
    /// In the header of this name.
    pub header: Option<Spanned<String>>,
    /// What stands before the token in the header. Unless given it is `"Bearer "` in
    /// `Authorization`, and nothing in others.
    pub prefix: Option<Spanned<String>>,
    /// In the query parameter of this name.
    pub query: Option<Spanned<String>>,
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
    /// The admin enters a code on a page of the app, with a browser on any machine (RFC 8628).
    pub device_code: Option<DeviceCode>,
    /// The client sends an account's name and password (RFC 6749, section 4.3). Only for apps that
    /// offer nothing better.
    pub password: Option<Password>,
}

impl Grants {
    /// The grants on offer, in the order of preference.
    #[must_use]
    pub fn offered(&self) -> Vec<GrantKind> {
        [
            (self.authorization_code.is_some(), GrantKind::AuthorizationCode),
            (self.client_credentials.is_some(), GrantKind::ClientCredentials),
            (self.jwt_bearer.is_some(), GrantKind::JwtBearer),
            (self.device_code.is_some(), GrantKind::DeviceCode),
            (self.password.is_some(), GrantKind::Password),
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
    /// Further parameters of the page's URL.
    #[serde(default)]
    pub params: Table<String, Spanned<Parameter>>,
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
    /// The name of the grant where it has one of the app's own; `client_credentials` unless given.
    pub grant_type: Option<Spanned<String>>,
    /// Further parameters of the token request with this grant.
    #[serde(default)]
    pub params: Table<String, Spanned<Parameter>>,
}

/// The JWT bearer grant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtBearer {
    /// The `iss` claim.
    pub issuer: Spanned<Template>,
    /// The `sub` claim: the account to act as. Without it the issuer acts for itself.
    pub subject: Option<Spanned<Template>>,
    /// The `aud` claim.
    pub audience: Spanned<Template>,
    /// The private key, in PEM.
    pub key: Spanned<Template>,
    /// The key's name at the app: the `kid` header (RFC 7515, section 4.1.4).
    pub key_id: Option<Spanned<Template>>,
    /// The signature algorithm (RFC 7518, section 3.1).
    #[serde(default)]
    pub algorithm: JwtAlgorithm,
    /// How long an assertion is good for.
    pub lifetime: Option<Spanned<Duration>>,
    /// The scopes to ask for in the `scope` claim, each with what it is needed for.
    #[serde(default)]
    pub scopes: Table<String, Spanned<String>>,
    /// Further claims, as texts.
    #[serde(default)]
    pub claims: Table<String, Spanned<Parameter>>,
    /// Further parameters of the token request with this grant.
    #[serde(default)]
    pub params: Table<String, Spanned<Parameter>>,
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

/// The device code grant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceCode {
    /// Where a code is asked for: the device authorization endpoint.
    pub device_url: Spanned<Template>,
    /// The scopes to ask for, each with what it is needed for, in words for the admin.
    #[serde(default)]
    pub scopes: Table<String, Spanned<String>>,
}

/// The resource owner password grant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Password {
    /// The account's name.
    pub username: Spanned<Template>,
    /// The account's password.
    pub password: Spanned<Template>,
    /// The scopes to ask for, each with what it is needed for.
    #[serde(default)]
    pub scopes: Table<String, Spanned<String>>,
    /// Further parameters of the token request with this grant.
    #[serde(default)]
    pub params: Table<String, Spanned<Parameter>>,
}

/// How tokens are refreshed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Whether a refresh may return a new refresh token that replaces the old one.
    #[serde(default)]
    pub rotates: bool,
}
