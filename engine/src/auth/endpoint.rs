//! The token endpoint: what is asked of it, and when it is asked again.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::auth::answer::{Trouble, passed};
use crate::auth::assertion::Assertion;
use crate::auth::config::{ClientAuth, Grant, OAuthConfig};
use crate::auth::device::no_code;
use crate::auth::refusal::Asked;
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::http::{Client, Request};
use crate::pauses::Pauses;
use crate::secret::Secret;

/// Parameters that are no secrets: what an app says of them may be shown.
const OPEN: [&str; 5] = ["grant_type", "scope", "redirect_uri", "client_id", "username"];
/// The kind of assertion by which a client proves who it is (RFC 7523, section 2.2).
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The authorization server of a connection.
pub(super) struct Endpoint<'a> {
    pub(super) config: &'a OAuthConfig,
    pub(super) http: &'a Client,
    pub(super) clock: &'a Clock,
    pub(super) pauses: &'a Pauses,
}

/// What to ask for tokens with.
pub(super) enum Ask<'a> {
    Code {
        code: &'a Secret,
        verifier: Option<&'a Secret>,
    },
    Refresh(&'a Secret),
    Device(&'a Secret),
    /// What the connection has itself: a secret, a key or a password.
    Own,
}

/// A readable answer with a token in it.
pub(super) struct Answer {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    pub(super) expires_in: Option<Duration>,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) requested_at: Timestamp,
}

/// The parameters of a request.
#[derive(Default)]
pub(super) struct Params(Vec<(String, Secret)>);

impl Params {
    fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), Secret::new(value)));
    }

    fn push_scopes(&mut self, scopes: &[String]) {
        if !scopes.is_empty() {
            self.push("scope", &scopes.join(" "));
        }
    }

    /// Adds parameters of the app's own, which take the place of the standard's.
    fn replace(&mut self, params: &BTreeMap<String, Secret>) {
        self.0.retain(|(name, _)| !params.contains_key(name));
        self.0.extend(params.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    fn secrets(&self) -> impl Iterator<Item = Secret> {
        let hidden = self.0.iter().filter(|(name, _)| !OPEN.contains(&name.as_str()));
        hidden.map(|(_, value)| value.clone())
    }
}

impl Endpoint<'_> {
    /// Asks for tokens, and asks again as long as that is safe and may help.
    pub(super) async fn obtain(&self, ask: Ask<'_>) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            passed(self.pauses, &self.config.token_url).await?;
            let trouble = match self.once(&ask).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if trouble.lost {
                match ask {
                    Ask::Refresh(_) if self.config.refresh_rotates => {
                        return Err(lost_refresh(&trouble.error));
                    }
                    Ask::Code { .. } => return Err(lost_code(&trouble.error)),
                    _ => {}
                }
            }
            trouble.wait(attempt, &self.config.token_url, self.clock, self.pauses).await?;
            attempt += 1;
        }
    }

    /// One request for tokens.
    pub(super) async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let now = self.clock.now();
        let (asked, mut params) = self.asks(ask, now).map_err(Trouble::permanent)?;
        params.replace(&self.config.token_params);
        // An assertion stands for the client too (RFC 7521, section 4.1).
        let authenticates = asked != Asked::Assertion;
        let (request, secrets) = self
            .request(&self.config.token_url, params, authenticates, now)
            .map_err(Trouble::permanent)?;
        self.tokens(request, asked, &secrets, now).await
    }

    /// Asks for a code that a person enters at the app (RFC 8628, section 3.1).
    pub(super) async fn device(
        &self,
        url: &Url,
        scopes: &[String],
    ) -> Result<(Map<String, Value>, String), Trouble> {
        let mut params = Params::default();
        params.push_scopes(scopes);
        let (request, secrets) =
            self.request(url, params, true, self.clock.now()).map_err(Trouble::permanent)?;
        let answer = self.post(request, Asked::Device, &secrets).await;
        answer.map_err(|mut trouble| {
            // Nobody refused; somebody else answered.
            if trouble.said.is_none()
                && matches!(trouble.error.code, Code::AuthResponseInvalid | Code::AppEndpointGone)
            {
                trouble.error = no_code(trouble.error);
            }
            trouble
        })
    }

    /// Revokes a refresh token, or an access token (RFC 7009). That a token is not valid any more is no
    /// error (section 2.2), though some apps make it one.
    pub(super) async fn revoke(&self, url: &Url, token: &Secret, hint: &str) -> Result<()> {
        let mut params = Params::default();
        params.push("token", token.expose());
        params.push("token_type_hint", hint);
        let (request, secrets) = self.request(url, params, true, self.clock.now())?;
        let sent = self.post(request, Asked::Revocation, &secrets).await;
        match sent {
            Err(trouble) if trouble.said.as_deref() != Some("invalid_token") => {
                Err(not_ended(&trouble.error))
            }
            _ => Ok(()),
        }
    }

    /// What is asked for, and with which parameters.
    fn asks(&self, ask: &Ask<'_>, now: Timestamp) -> Result<(Asked, Params)> {
        let mut params = Params::default();
        let asked = match (ask, &self.config.grant) {
            (Ask::Code { code, verifier }, grant) => {
                params.push("grant_type", "authorization_code");
                params.push("code", code.expose());
                if let Grant::AuthorizationCode { redirect_url, .. } = grant {
                    params.push("redirect_uri", redirect_url);
                }
                if let Some(verifier) = verifier {
                    params.push("code_verifier", verifier.expose());
                }
                Asked::Code
            }
            (Ask::Refresh(token), _) => {
                params.push("grant_type", "refresh_token");
                params.push("refresh_token", token.expose());
                Asked::Refresh
            }
            (Ask::Device(code), _) => {
                params.push("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
                params.push("device_code", code.expose());
                Asked::Device
            }
            (Ask::Own, Grant::ClientCredentials { scopes, grant_type }) => {
                let name = grant_type.as_deref().unwrap_or("client_credentials");
                params.push("grant_type", name);
                params.push_scopes(scopes);
                Asked::ClientCredentials
            }
            (Ask::Own, Grant::Password { username, password, scopes }) => {
                params.push("grant_type", "password");
                params.push("username", username);
                params.push("password", password.expose());
                params.push_scopes(scopes);
                Asked::Password
            }
            (
                Ask::Own,
                Grant::JwtBearer { issuer, subject, audience, key, lifetime, scopes, claims },
            ) => {
                let mut claims = claims.clone();
                if !scopes.is_empty() {
                    claims.entry("scope".to_owned()).or_insert_with(|| scopes.join(" "));
                }
                let (subject, lifetime) = (subject.as_deref(), *lifetime);
                let claims = &claims;
                let assertion = Assertion { issuer, subject, audience, lifetime, claims };
                let assertion = assertion.sign(key, now)?;
                params.push("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                params.push("assertion", assertion.expose());
                Asked::Assertion
            }
            (Ask::Own, Grant::AuthorizationCode { .. } | Grant::DeviceCode { .. }) => {
                return Err(Error::new(Code::Internal, "a sign-in without a person"));
            }
        };
        Ok((asked, params))
    }

    /// A request with these parameters, and the secrets in it.
    fn request(
        &self,
        url: &Url,
        mut params: Params,
        authenticates: bool,
        now: Timestamp,
    ) -> Result<(Request, Vec<Secret>)> {
        let mut request = Request::new(Method::POST, url.clone());
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if authenticates {
            self.authenticate(&mut request, &mut params, now)?;
        }
        request.headers.extend(self.config.token_headers.clone());
        let (kind, body) = if self.config.token_as_json {
            let members = params.0.iter();
            let members: Map<_, _> =
                members.map(|(name, value)| (name.clone(), value.expose().into())).collect();
            ("application/json", Value::Object(members).to_string())
        } else {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(params.0.iter().map(|(name, value)| (name, value.expose())));
            ("application/x-www-form-urlencoded", form.finish())
        };
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        request.body = Some(Bytes::from(body));
        let secrets = params.secrets().chain(self.config.client_secret.clone()).collect();
        Ok((request, secrets))
    }

    /// The client shows who it is (RFC 6749, section 2.3). What `token_request` says of its
    /// parameters stays.
    fn authenticate(
        &self,
        request: &mut Request,
        params: &mut Params,
        now: Timestamp,
    ) -> Result<()> {
        let config = self.config;
        let mut add = |name: &str, value: &str| {
            if !params.0.iter().any(|(known, _)| known == name) {
                params.push(name, value);
            }
        };
        let id = config.client_id.as_deref();
        match (&config.client_auth, &config.client_secret) {
            (ClientAuth::Basic, Some(secret)) => {
                // Both are form-encoded before they are joined (section 2.3.1).
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair =
                    format!("{}:{}", encode(id.unwrap_or_default()), encode(secret.expose()));
                let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(pair)))
                    .map_err(|_| Error::new(Code::Internal, "base64 is not a header"))?;
                value.set_sensitive(true);
                request.headers.insert(AUTHORIZATION, value);
            }
            (ClientAuth::PrivateKeyJwt { key, audience, lifetime }, _) => {
                let issuer = id.unwrap_or_default();
                let claims = &BTreeMap::new();
                let lifetime = *lifetime;
                let assertion =
                    Assertion { issuer, subject: Some(issuer), audience, lifetime, claims };
                add("client_id", issuer);
                add("client_assertion_type", CLIENT_ASSERTION);
                add("client_assertion", assertion.sign(key, now)?.expose());
            }
            (ClientAuth::Body, Some(secret)) => {
                add("client_id", id.unwrap_or_default());
                add("client_secret", secret.expose());
            }
            (ClientAuth::Body | ClientAuth::Basic, None) => {
                if let Some(id) = id {
                    add("client_id", id);
                }
            }
        }
        Ok(())
    }
}

fn lost_refresh(error: &Error) -> Error {
    let mut lost = Error::new(
        Code::AuthRefreshLost,
        "the answer to a token refresh was lost, so the refresh token may be used up",
    )
    .cause(format!("{}: {}", error.code, error.what))
    .fix(
        "not tried again by itself, because the app accepts each refresh token once and may revoke \
         the access of whoever sends one twice: run `longshore connect`, or restart to try the old token once",
    );
    lost.place.clone_from(&error.place);
    lost
}

/// The tokens are still good for something at the app.
pub(super) fn not_ended(error: &Error) -> Error {
    let mut kept = Error::new(error.code, "the app did not end the access; the tokens are kept");
    kept.cause = Some(match &error.cause {
        Some(cause) => format!("{}: {cause}", error.what),
        None => error.what.clone(),
    });
    kept.place.clone_from(&error.place);
    kept.retry(Retry::Never).fix(
        "try again; if that is of no use, end the access at the app, and delete the connection's \
         file in `secrets` of the state directory",
    )
}

fn lost_code(error: &Error) -> Error {
    let mut lost = error.clone().retry(Retry::Never);
    lost.fix = Some("start the sign-in again: an authorization code works once".to_owned());
    lost
}
