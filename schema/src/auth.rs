//! How a connector signs in.

mod oauth2;
mod signing;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::{Duration, Name};
use crate::stream::Request;
use crate::{JsonPath, OneOrMany, Spanned, Table, Template};

pub use oauth2::{
    AuthorizationCode, ClientAuth, ClientCredentials, ClientKey, DeviceCode, Grants, JwtAlgorithm,
    JwtBearer, OAuth2, Password, Pkce, Refresh, SendToken, TokenEncoding, TokenRequest,
    TokenResponse,
};
pub use signing::{AwsSigV4, HashEncoding, Hmac, HmacAlgorithm, KeyEncoding};

/// How the connector signs in: one of these.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// OAuth 2.0 (RFC 6749). The access token is sent as a bearer token (RFC 6750) unless `send`
    /// says otherwise.
    #[serde(rename = "oauth2")]
    OAuth2(Box<OAuth2>),
    /// A fixed key, or several that are sent together. The strict profile refuses it: every app in
    /// it must offer OAuth.
    ApiKey(OneOrMany<Spanned<ApiKey>>),
    /// A name and a password with every request (RFC 7617). The strict profile refuses it.
    Basic(Basic),
    /// A login call whose answer has the token or cookie for all others. The strict profile refuses
    /// it.
    Session(Box<Session>),
    /// A keyed hash over each request. The strict profile refuses it.
    Hmac(Box<Hmac>),
    /// AWS Signature Version 4 over each request. The strict profile refuses it.
    #[serde(rename = "aws_sigv4")]
    AwsSigV4(Box<AwsSigV4>),
    /// One of several ways, which the admin chooses.
    OneOf(Box<OneOf>),
}

impl Auth {
    /// The way to sign in that is chosen by the values of inputs; `None` if nothing is.
    #[must_use]
    pub fn chosen<'a>(&'a self, value: impl Fn(&str) -> Option<&'a str>) -> Option<&'a Self> {
        let mut auth = self;
        while let Self::OneOf(one_of) = auth {
            auth = one_of.kinds.get(value(one_of.input.as_str())?)?;
        }
        Some(auth)
    }

    /// The ways to sign in that there are to choose from: itself, or those of `one_of`, each with
    /// the choices that lead to it.
    #[must_use]
    pub fn ways(&self) -> Vec<(Vec<&str>, &Self)> {
        match self {
            Self::OneOf(one_of) => one_of
                .kinds
                .iter()
                .flat_map(|(choice, auth)| {
                    auth.ways().into_iter().map(|(mut choices, way)| {
                        choices.insert(0, choice.value.as_str());
                        (choices, way)
                    })
                })
                .collect(),
            way => vec![(Vec::new(), way)],
        }
    }
}

/// A fixed key; one of `header`, `query` and `body`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ApiKey {
    /// In the header of this name.
    pub header: Option<Spanned<String>>,
    /// In the query parameter of this name.
    pub query: Option<Spanned<String>>,
    /// In the member of this name of the form or JSON object that a request sends.
    pub body: Option<Spanned<String>>,
    /// What is sent, such as `Token {{inputs.key}}`.
    pub value: Spanned<Template>,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The name.
    pub username: Spanned<Template>,
    /// The password.
    pub password: Spanned<Template>,
}

/// A session: opened by a login call, kept until the app ends it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The login call.
    pub login: Spanned<Request>,
    /// Members of the JSON answer to it that are kept, as `auth.NAME`.
    #[serde(default)]
    pub token: Table<Name, Spanned<JsonPath>>,
    /// Headers of the answer to it that are kept, as `auth.NAME`.
    #[serde(default)]
    pub headers: Table<Name, Spanned<String>>,
    /// Cookies of the answer to it that are kept, as `auth.NAME`.
    #[serde(default)]
    pub cookies: Table<Name, Spanned<String>>,
    /// What is sent with every other request.
    pub send: Spanned<OneOrMany<Spanned<SendValue>>>,
    /// How long a session lasts. Without it only a refused request tells.
    pub expires_in: Option<Spanned<Duration>>,
    /// The call that ends a session.
    pub logout: Option<Spanned<Request>>,
}

/// What is sent with every request; one of `header`, `cookie` and `query`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct SendValue {
    /// In the header of this name.
    pub header: Option<Spanned<String>>,
    /// In the cookie of this name.
    pub cookie: Option<Spanned<String>>,
    /// In the query parameter of this name.
    pub query: Option<Spanned<String>>,
    /// What is sent, such as `{{auth.token}}`.
    pub value: Spanned<Template>,
}

/// One of several ways to sign in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneOf {
    /// The input, of the type `choice`, with which the admin chooses.
    pub input: Spanned<Name>,
    /// How to sign in with each of its choices.
    pub kinds: Spanned<Table<String, Spanned<Auth>>>,
}

/// Whether a request is sent with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestAuth {
    /// Without any: the URL was signed beforehand.
    None,
}
