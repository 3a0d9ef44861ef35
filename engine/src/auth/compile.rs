//! What a manifest and a connection's inputs say of signing in, with everything filled in.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use longshore_schema::auth::{
    self as schema, Auth, Hmac, HmacAlgorithm, JwtAlgorithm, KeyEncoding, OAuth2, Pkce,
    TokenEncoding,
};
use longshore_schema::http::ErrorRule;
use longshore_schema::manifest::{GrantKind, Manifest};
use longshore_schema::stream::Parameter;
use longshore_schema::{Spanned, Table, Template};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use url::Url;

use super::config::{
    Algorithm, ClientAuth, Grant, OAuthConfig, ResponsePaths, SendToken, SigningKey,
};
use super::sign::{AwsSigner, Encoding, Hash, HmacSigner, Signer};
use super::tokens::Tokens;
use crate::connection::Connection;
use crate::error::{Code, Error, Result};
use crate::http::{Credential, Hosts};
use crate::plan::rules;
use crate::render::{Scope, render, render_all};
use crate::secret::Secret;

/// How long an assertion is good for if the manifest does not say.
const LIFETIME: Duration = Duration::from_secs(180);

/// How a connection signs in.
#[derive(Debug)]
pub enum AuthPlan {
    /// OAuth 2.0.
    OAuth(Box<OAuthConfig>),
    /// The same with every request: keys, or a name and a password.
    Fixed(Vec<(Slot, Secret)>),
    /// A login call whose answer has what is sent with every other request.
    Session(Box<SessionPlan>),
    /// A signature over every request.
    Signed(Signer),
}

/// Where a credential is put.
#[derive(Debug, Clone)]
pub enum Slot {
    /// In this header.
    Header(HeaderName),
    /// In the query parameter of this name.
    Query(String),
    /// In the cookie of this name.
    Cookie(String),
    /// In this member of the form or JSON object that is sent.
    Body(String),
}

/// A session: what opens it and what is sent in it.
#[derive(Debug)]
pub struct SessionPlan {
    /// The manifest's word on it.
    pub declared: schema::Session,
    /// What is sent with every request, and where.
    pub send: Vec<(Slot, Template)>,
    /// What particular answers to the login call mean.
    pub rules: Vec<ErrorRule>,
}

impl Slot {
    fn credential(&self, value: &Secret, home: Hosts) -> Result<Credential> {
        match self {
            Self::Header(name) => Credential::new(name.clone(), value, home),
            Self::Cookie(name) => Credential::cookie(name, value, home),
            Self::Query(name) => Ok(Credential::query(name, value.clone(), home)),
            Self::Body(name) => Ok(Credential::body(name, value.clone(), home)),
        }
    }
}

impl AuthPlan {
    /// How a connection signs in, as its inputs have it.
    ///
    /// # Errors
    /// [`Code::InputMissing`] or [`Code::InputInvalid`] if the inputs do not make usable URLs and
    /// credentials.
    pub fn compile(
        manifest: &Manifest,
        connection: &Connection,
        scope: &Scope<'_>,
    ) -> Result<Self> {
        let chosen = manifest.auth.chosen(|input| connection.inputs.get(input));
        let chosen = chosen.ok_or_else(|| {
            Error::new(Code::InputMissing, "it is not chosen how the connection signs in")
                .fix("give the input that `auth.one_of` of the manifest names")
        })?;
        let secret = |template: &Spanned<Template>| render_all(template, scope).map(Secret::new);
        Ok(match chosen {
            Auth::OAuth2(oauth) => {
                let mut config = Compiler { oauth, connection, scope }.config()?;
                config.rules = rules(manifest, true);
                Self::OAuth(Box::new(config))
            }
            Auth::ApiKey(keys) => Self::Fixed(
                keys.0
                    .iter()
                    .map(|key| {
                        let slot = slot([&key.header, &key.query, &None, &key.body])?;
                        Ok((slot, secret(&key.value.value)?))
                    })
                    .collect::<Result<_>>()?,
            ),
            Auth::Basic(basic) => {
                let pair = format!(
                    "{}:{}",
                    render_all(&basic.username, scope)?,
                    render_all(&basic.password, scope)?
                );
                let value = Secret::new(format!("Basic {}", BASE64.encode(pair)));
                Self::Fixed(vec![(Slot::Header(AUTHORIZATION), value)])
            }
            Auth::Session(session) => Self::Session(Box::new(SessionPlan {
                declared: session.as_ref().clone(),
                rules: rules(manifest, true),
                send: session
                    .send
                    .0
                    .iter()
                    .map(|one| {
                        let slot = slot([&one.header, &one.query, &one.cookie, &None])?;
                        Ok((slot, one.value.value.value.clone()))
                    })
                    .collect::<Result<_>>()?,
            })),
            Auth::Hmac(hmac) => Self::Signed(hmac_signer(hmac, connection, scope)?),
            Auth::AwsSigV4(keys) => Self::Signed(Signer::Aws(Arc::new(AwsSigner {
                access_key_id: render_all(&keys.access_key_id, scope)?,
                secret_access_key: secret(&keys.secret_access_key)?,
                session_token: match &keys.session_token {
                    Some(token) => render(token, scope)?.map(Secret::new),
                    None => None,
                },
                region: keys.region.as_ref().map(|text| render_all(text, scope)).transpose()?,
                service: keys.service.as_ref().map(|text| render_all(text, scope)).transpose()?,
            }))),
            Auth::OneOf(_) => {
                return Err(Error::new(Code::Internal, "a choice was not made"));
            }
        })
    }

    /// Whether requests need tokens, which can be renewed when the app refuses them.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        matches!(self, Self::OAuth(_) | Self::Session(_))
    }

    /// What goes with a request to one of the hosts `home`. `scope` is that of the request, with the
    /// answer to the sign-in.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if a credential cannot be sent where it belongs.
    pub fn credentials(
        &self,
        tokens: Option<&Tokens>,
        scope: &Scope<'_>,
        home: &Hosts,
    ) -> Result<Vec<Credential>> {
        match (self, tokens) {
            (Self::OAuth(config), Some(tokens)) => {
                let token = &tokens.access;
                Ok(vec![match &config.send {
                    SendToken::Header(name, prefix) => {
                        let value = Secret::new(format!("{prefix}{}", token.expose()));
                        Credential::new(name.clone(), &value, home.clone())?
                    }
                    SendToken::Query(name) => Credential::query(name, token.clone(), home.clone()),
                }])
            }
            (Self::Session(session), Some(_)) => session
                .send
                .iter()
                .map(|(slot, template)| {
                    let value = Secret::new(render_all(template, scope)?);
                    slot.credential(&value, home.clone())
                })
                .collect(),
            (Self::OAuth(_) | Self::Session(_), None) => Ok(Vec::new()),
            (Self::Fixed(fixed), _) => {
                fixed.iter().map(|(slot, value)| slot.credential(value, home.clone())).collect()
            }
            (Self::Signed(signer), _) => {
                let now = scope.now.unwrap_or_else(Timestamp::now);
                Ok(vec![Credential::signature(signer.clone(), now, home.clone())])
            }
        }
    }
}

/// The place of a credential: the one of `header`, `query`, `cookie` and `body` that is given.
fn slot(places: [&Option<Spanned<String>>; 4]) -> Result<Slot> {
    let [header, query, cookie, body] =
        places.map(|place| place.as_ref().map(|name| name.value.clone()));
    match (header, query, cookie, body) {
        (Some(name), None, None, None) => Ok(Slot::Header(header_name(&name)?)),
        (None, Some(name), None, None) => Ok(Slot::Query(name)),
        (None, None, Some(name), None) => Ok(Slot::Cookie(name)),
        (None, None, None, Some(name)) => Ok(Slot::Body(name)),
        _ => Err(Error::new(Code::Internal, "it is not said where a credential goes")
            .cause("the validator lets such a manifest pass")
            .fix("report this as a bug, with the manifest")),
    }
}

fn header_name(name: &str) -> Result<HeaderName> {
    name.parse().map_err(|_| {
        Error::new(Code::InputInvalid, format!("`{name}` is not a header name"))
            .fix("use letters, digits and hyphens")
    })
}

fn hmac_signer(hmac: &Hmac, connection: &Connection, scope: &Scope<'_>) -> Result<Signer> {
    let text = render_all(&hmac.key, scope)?;
    let unreadable = |form: &str| {
        Error::new(Code::InputInvalid, "the signing key cannot be read")
            .cause(format!("the app hands it out in {form}, and this is not"))
            .fix("enter the key again, without anything before or after it")
    };
    let key = match hmac.key_encoding {
        KeyEncoding::Text => text.into_bytes(),
        KeyEncoding::Base64 => BASE64.decode(text.trim()).map_err(|_| unreadable("base64"))?,
        KeyEncoding::Hex => super::unhex(text.trim()).ok_or_else(|| unreadable("hexadecimal"))?,
    };
    let hash = match hmac.algorithm {
        HmacAlgorithm::Sha1 => Hash::Sha1,
        HmacAlgorithm::Sha256 => Hash::Sha256,
        HmacAlgorithm::Sha512 => Hash::Sha512,
    };
    let encoding = match hmac.encoding {
        schema::HashEncoding::Hex => Encoding::Hex,
        schema::HashEncoding::Base64 => Encoding::Base64,
    };
    let headers = hmac
        .headers
        .iter()
        .map(|(name, value)| Ok((header_name(name)?, value.value.clone())))
        .collect::<Result<_>>()?;
    let inputs = connection.inputs.clone();
    let string = hmac.string.value.clone();
    Ok(Signer::Hmac(Arc::new(HmacSigner::new(&key, (hash, encoding), string, headers, inputs))))
}

struct Compiler<'a> {
    oauth: &'a OAuth2,
    connection: &'a Connection,
    scope: &'a Scope<'a>,
}

impl Compiler<'_> {
    fn config(&self) -> Result<OAuthConfig> {
        let oauth = self.oauth;
        let mut authorize_url = None;
        let mut authorize_params = BTreeMap::new();
        let mut token_params = self.secrets(&oauth.token_request.params)?;
        let grants = &oauth.grants.value;
        let not_offered = || {
            Error::new(Code::InputInvalid, "the connection's grant is not offered by the app")
                .fix("choose a grant that the manifest declares")
        };
        let grant = match self.connection.grant.ok_or_else(not_offered)? {
            GrantKind::AuthorizationCode => {
                let code = grants.authorization_code.as_ref().ok_or_else(not_offered)?;
                authorize_url = Some(self.url(&code.authorize_url)?);
                authorize_params = self.texts(&code.params)?;
                Grant::AuthorizationCode {
                    redirect_url: self.connection.redirect_url.clone(),
                    scopes: names(&code.scopes),
                    pkce: code.pkce.value == Pkce::S256,
                }
            }
            GrantKind::ClientCredentials => {
                let client = grants.client_credentials.as_ref().ok_or_else(not_offered)?;
                token_params.extend(self.secrets(&client.params)?);
                Grant::ClientCredentials {
                    scopes: names(&client.scopes),
                    grant_type: client.grant_type.as_ref().map(|name| name.value.clone()),
                }
            }
            GrantKind::JwtBearer => {
                let jwt = grants.jwt_bearer.as_ref().ok_or_else(not_offered)?;
                token_params.extend(self.secrets(&jwt.params)?);
                Grant::JwtBearer {
                    issuer: self.text(&jwt.issuer)?,
                    subject: self.optional(jwt.subject.as_ref())?,
                    audience: self.text(&jwt.audience)?,
                    key: SigningKey {
                        pem: Secret::new(self.text(&jwt.key)?),
                        id: self.optional(jwt.key_id.as_ref())?,
                        algorithm: algorithm(jwt.algorithm),
                    },
                    lifetime: jwt.lifetime.as_ref().map_or(LIFETIME, |lifetime| lifetime.0),
                    scopes: names(&jwt.scopes),
                    claims: self.texts(&jwt.claims)?,
                }
            }
            GrantKind::DeviceCode => {
                let device = grants.device_code.as_ref().ok_or_else(not_offered)?;
                Grant::DeviceCode {
                    device_url: self.url(&device.device_url)?,
                    scopes: names(&device.scopes),
                }
            }
            GrantKind::Password => {
                let password = grants.password.as_ref().ok_or_else(not_offered)?;
                token_params.extend(self.secrets(&password.params)?);
                Grant::Password {
                    username: self.text(&password.username)?,
                    password: Secret::new(self.text(&password.password)?),
                    scopes: names(&password.scopes),
                }
            }
        };
        let token_url = self.url(&oauth.token_url)?;
        Ok(OAuthConfig {
            client_auth: self.client_auth(&token_url)?,
            token_url,
            authorize_url,
            revoke_url: oauth.revoke_url.as_ref().map(|url| self.url(url)).transpose()?,
            client_id: self.optional(oauth.client_id.as_ref())?,
            client_secret: self.optional(oauth.client_secret.as_ref())?.map(Secret::new),
            grant,
            response: self.response(),
            token_fields: oauth
                .token
                .iter()
                .map(|(name, path)| (name.as_str().to_owned(), path.value.clone()))
                .collect(),
            expires_default: oauth.expires_in.as_ref().map(|expires| expires.0),
            refresh_rotates: oauth.refresh.rotates,
            authorize_params,
            token_params,
            token_headers: self.headers()?,
            token_as_json: oauth.token_request.encoding == TokenEncoding::Json,
            send: self.send()?,
            rules: Vec::new(),
        })
    }

    fn client_auth(&self, token_url: &Url) -> Result<ClientAuth> {
        let client_auth = match self.oauth.client_auth.value {
            schema::ClientAuth::Body => return Ok(ClientAuth::Body),
            schema::ClientAuth::Basic => return Ok(ClientAuth::Basic),
            schema::ClientAuth::PrivateKeyJwt => self.oauth.client_key.as_ref(),
        };
        // A grant whose inputs have no key signs in without.
        let Some(client) = client_auth else { return Ok(ClientAuth::Body) };
        let Some(pem) = self.optional(Some(&client.key))? else { return Ok(ClientAuth::Body) };
        Ok(ClientAuth::PrivateKeyJwt {
            key: SigningKey {
                pem: Secret::new(pem),
                id: self.optional(client.key_id.as_ref())?,
                algorithm: algorithm(client.algorithm),
            },
            audience: self
                .optional(client.audience.as_ref())?
                .unwrap_or_else(|| token_url.to_string()),
            lifetime: client.lifetime.as_ref().map_or(LIFETIME, |lifetime| lifetime.0),
        })
    }

    fn response(&self) -> ResponsePaths {
        let declared = &self.oauth.response;
        let mut paths = ResponsePaths::default();
        if let Some(path) = &declared.access_token {
            paths.access_token = path.value.clone();
        }
        if let Some(path) = &declared.refresh_token {
            paths.refresh_token = path.value.clone();
        }
        if let Some(path) = &declared.expires_in {
            paths.expires_in = path.value.clone();
        }
        paths.error = declared.error.as_ref().map(|path| path.value.clone());
        paths
    }

    fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.oauth.token_request.headers {
            let Some(text) = render(template, self.scope)? else { continue };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                Error::new(
                    Code::InputInvalid,
                    format!("the value for the header `{name}` is not usable"),
                )
                .cause("it has a line break or another character that no header can carry")
                .fix("check the inputs that it is made of")
            })?;
            value.set_sensitive(true);
            headers.insert(header_name(name)?, value);
        }
        Ok(headers)
    }

    fn send(&self) -> Result<SendToken> {
        let Some(send) = &self.oauth.send else { return Ok(SendToken::default()) };
        Ok(match slot([&send.header, &send.query, &None, &None])? {
            Slot::Query(name) | Slot::Cookie(name) | Slot::Body(name) => SendToken::Query(name),
            Slot::Header(name) => {
                let usual = if name == AUTHORIZATION { "Bearer " } else { "" };
                let prefix = send.prefix.as_ref().map_or(usual, |prefix| prefix.as_str());
                SendToken::Header(name, prefix.to_owned())
            }
        })
    }

    fn url(&self, template: &Spanned<Template>) -> Result<Url> {
        Url::parse(&self.text(template)?).map_err(|error| {
            Error::new(Code::InputInvalid, format!("`{}` does not make a URL", template.value))
                .cause(error.to_string())
                .fix("check the inputs that it is made of")
        })
    }

    fn text(&self, template: &Spanned<Template>) -> Result<String> {
        render_all(template, self.scope)
    }

    fn optional(&self, template: Option<&Spanned<Template>>) -> Result<Option<String>> {
        template.map_or(Ok(None), |template| render(template, self.scope))
    }

    /// Parameters, those without a value left out.
    fn texts(&self, table: &Table<String, Spanned<Parameter>>) -> Result<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        for (name, template) in table {
            if let Some(text) = render(&template.value.0, self.scope)? {
                texts.insert(name.value.clone(), text);
            }
        }
        Ok(texts)
    }

    fn secrets(
        &self,
        table: &Table<String, Spanned<Parameter>>,
    ) -> Result<BTreeMap<String, Secret>> {
        let texts = self.texts(table)?.into_iter();
        Ok(texts.map(|(name, text)| (name, Secret::new(text))).collect())
    }
}

fn names(scopes: &Table<String, Spanned<String>>) -> Vec<String> {
    scopes.iter().map(|(name, _)| name.value.clone()).collect()
}

fn algorithm(declared: JwtAlgorithm) -> Algorithm {
    match declared {
        JwtAlgorithm::RS256 => Algorithm::Rs256,
        JwtAlgorithm::ES256 => Algorithm::Es256,
    }
}
