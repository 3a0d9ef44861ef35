//! What an app's OAuth needs to be told, with everything filled in.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use longshore_schema::JsonPath;
use longshore_schema::http::ErrorRule;
use longshore_schema::scalar::Scalar as _;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use url::Url;

use crate::secret::Secret;

/// OAuth of one connection.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// The token endpoint (RFC 6749, section 3.2).
    pub token_url: Url,
    /// The authorization endpoint (section 3.1); needed for [`Grant::AuthorizationCode`] only.
    pub authorize_url: Option<Url>,
    /// The revocation endpoint (RFC 7009), if the app has one.
    pub revoke_url: Option<Url>,
    /// The client id; [`Grant::JwtBearer`] needs none.
    pub client_id: Option<String>,
    /// The client secret; a public client has none.
    pub client_secret: Option<Secret>,
    /// How the client proves at the token endpoint who it is.
    pub client_auth: ClientAuth,
    /// How tokens are obtained.
    pub grant: Grant,
    /// Where the token response has what.
    pub response: ResponsePaths,
    /// Members of the token response to keep, under our names. Texts, numbers and booleans are kept,
    /// the tokens themselves never.
    pub token_fields: BTreeMap<String, JsonPath>,
    /// How long an access token lives if the response does not say.
    pub expires_default: Option<Duration>,
    /// True if every refresh replaces the refresh token and makes the old one invalid.
    pub refresh_rotates: bool,
    /// Further parameters of the authorization URL.
    pub authorize_params: BTreeMap<String, String>,
    /// Further parameters of every token request; one of the standard's name takes its place.
    pub token_params: BTreeMap<String, Secret>,
    /// Further headers of every token request.
    pub token_headers: HeaderMap,
    /// Whether the parameters are written as a JSON object instead of a form.
    pub token_as_json: bool,
    /// How the access token is sent.
    pub send: SendToken,
    /// What particular answers to token requests mean.
    pub rules: Vec<ErrorRule>,
}

/// How a client authenticates at the token endpoint (RFC 6749, section 2.3).
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form body.
    Body,
    /// HTTP Basic authentication.
    Basic,
    /// An assertion (RFC 7523, section 2.2) signed with this key.
    PrivateKeyJwt {
        /// The key.
        key: SigningKey,
        /// The `aud` claim, usually the token endpoint's URL.
        audience: String,
        /// How far `exp` lies ahead.
        lifetime: Duration,
    },
}

/// A private key for assertions.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// The private key, PEM.
    pub pem: Secret,
    /// The name under which the app knows it: the `kid` header (RFC 7515, section 4.1.4).
    pub id: Option<String>,
    /// How to sign.
    pub algorithm: Algorithm,
}

/// How tokens are obtained.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A person signs in and agrees (RFC 6749, section 4.1); refreshed without them from then on.
    AuthorizationCode {
        /// Our callback address, exactly as registered at the app.
        redirect_url: String,
        /// The scopes to ask for.
        scopes: Vec<String>,
        /// Whether to prove with S256 that code and token request come from the same client (PKCE,
        /// RFC 7636).
        pkce: bool,
    },
    /// The client acts for itself (section 4.4).
    ClientCredentials {
        /// The scopes to ask for.
        scopes: Vec<String>,
        /// The name of the grant where it is not the standard's.
        grant_type: Option<String>,
    },
    /// A signed assertion instead of a secret (RFC 7523, section 2.1).
    JwtBearer {
        /// The `iss` claim, usually the client id.
        issuer: String,
        /// The `sub` claim: the account to act for.
        subject: Option<String>,
        /// The `aud` claim, usually the login host's URL.
        audience: String,
        /// The key.
        key: SigningKey,
        /// How far `exp` lies ahead; apps commonly accept at most 3 to 5 minutes.
        lifetime: Duration,
        /// The scopes to ask for in the `scope` claim.
        scopes: Vec<String>,
        /// Further claims.
        claims: BTreeMap<String, String>,
    },
    /// A person enters a code at the app (RFC 8628); refreshed without them from then on.
    DeviceCode {
        /// The device authorization endpoint (section 3.1).
        device_url: Url,
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
    /// The name and password of an account (RFC 6749, section 4.3).
    Password {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
        /// The scopes to ask for.
        scopes: Vec<String>,
    },
}

impl Grant {
    /// Whether a person signs in, once.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        matches!(self, Self::AuthorizationCode { .. } | Self::DeviceCode { .. })
    }
}

/// Where a token response has what.
#[derive(Clone)]
pub struct ResponsePaths {
    /// The access token.
    pub access_token: JsonPath,
    /// The refresh token.
    pub refresh_token: JsonPath,
    /// The life of the access token in seconds.
    pub expires_in: JsonPath,
    /// The name of what is wrong. If the manifest says where it stands, an answer that has it is a
    /// refusal even if it has a token.
    pub error: Option<JsonPath>,
}

impl Default for ResponsePaths {
    fn default() -> Self {
        let member = |path| JsonPath::parse(path).expect("a member's name is a path");
        Self {
            access_token: member("$.access_token"),
            refresh_token: member("$.refresh_token"),
            expires_in: member("$.expires_in"),
            error: None,
        }
    }
}

impl fmt::Debug for ResponsePaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponsePaths")
            .field("access_token", &self.access_token.as_str())
            .field("error", &self.error.as_ref().map(JsonPath::as_str))
            .finish_non_exhaustive()
    }
}

/// How an access token is sent.
#[derive(Debug, Clone)]
pub enum SendToken {
    /// In this header, behind this text.
    Header(HeaderName, String),
    /// In the query parameter of this name.
    Query(String),
}

impl Default for SendToken {
    /// As a bearer token (RFC 6750, section 2.1).
    fn default() -> Self {
        Self::Header(AUTHORIZATION, "Bearer ".to_owned())
    }
}

/// A signature algorithm of RFC 7518, section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; what most apps want.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}
