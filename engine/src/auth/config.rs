//! What an app's OAuth needs to be told, with everything filled in.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// The client id.
    pub client_id: String,
    /// The client secret; a public client has none.
    pub client_secret: Option<Secret>,
    /// How the client shows its secret at the token endpoint.
    pub client_auth: ClientAuth,
    /// How tokens are obtained.
    pub grant: Grant,
    /// Members of the token response to keep: our name, and either the member's name or, beginning
    /// with `/`, a JSON Pointer (RFC 6901) to it. Texts, numbers and booleans are kept, the tokens
    /// themselves never.
    pub token_fields: BTreeMap<String, String>,
    /// How long an access token lives if the response does not say.
    pub expires_default: Option<Duration>,
    /// True if every refresh replaces the refresh token and makes the old one invalid.
    pub refresh_rotates: bool,
    /// Further parameters of the authorization URL.
    pub authorize_params: BTreeMap<String, String>,
    /// Further parameters of every token request.
    pub token_params: BTreeMap<String, String>,
}

/// How a client authenticates at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form body.
    Body,
    /// HTTP Basic authentication.
    Basic,
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
    },
    /// A signed assertion instead of a secret (RFC 7523, section 2.1).
    JwtBearer {
        /// The `iss` claim, usually the client id.
        issuer: String,
        /// The `sub` claim: the account to act for.
        subject: String,
        /// The `aud` claim, usually the login host's URL.
        audience: String,
        /// The private key, PEM.
        key_pem: Secret,
        /// How to sign.
        algorithm: Algorithm,
        /// How far `exp` lies ahead; apps commonly accept at most 3 to 5 minutes.
        lifetime: Duration,
    },
}

/// A signature algorithm of RFC 7518, section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; what most apps want.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}
