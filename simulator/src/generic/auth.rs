//! Signing in: what an app hands out, and what it lets in.

use std::collections::BTreeMap;

use base64::Engine as _;
use longshore_schema::auth::{Auth, ClientAuth, JwtAlgorithm, OAuth2, Pkce};
use longshore_schema::manifest::GrantKind;
use longshore_schema::template::{Expression, Part};
use longshore_schema::{Manifest, Step, Template};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{Call, Reply};
use super::invert::{Known, constant};
use super::{Unsupported, place};

/// How long an access token is good for, in milliseconds, where the app says so.
const LIFETIME: i64 = 2 * 3_600_000;

/// How the app lets a connector in.
#[derive(Debug)]
pub(super) enum Scheme {
    OAuth(Box<OAuth>),
    /// These headers have these values.
    Headers(Vec<(String, String)>),
}

#[derive(Debug)]
pub(super) struct OAuth {
    token_url: String,
    authorize_url: Option<String>,
    revoke_url: Option<String>,
    client_id: String,
    client_secret: Option<String>,
    client_auth: ClientAuth,
    grant: GrantKind,
    pkce: bool,
    /// Members of the token response besides those of RFC 6749.
    members: Vec<(Vec<Step>, Value)>,
    rotates: bool,
}

/// The grant to play: the chosen one, or the first that needs no browser.
pub(super) fn grant(manifest: &Manifest, chosen: Option<GrantKind>) -> Option<GrantKind> {
    let Auth::OAuth2(oauth) = &manifest.auth.value else { return None };
    let offered = oauth.grants.offered();
    let silent = offered.iter().find(|grant| **grant != GrantKind::AuthorizationCode);
    chosen.filter(|chosen| offered.contains(chosen)).or(silent.or(offered.first()).copied())
}

/// The inputs that are private keys.
pub(super) fn key_inputs(
    manifest: &Manifest,
    grant: Option<GrantKind>,
) -> BTreeMap<String, JwtAlgorithm> {
    let mut keys = BTreeMap::new();
    if let (Auth::OAuth2(oauth), Some(GrantKind::JwtBearer)) = (&manifest.auth.value, grant)
        && let Some(jwt) = &oauth.grants.jwt_bearer
    {
        for reference in jwt.key.references() {
            if let [root, name] = reference.path.as_slice()
                && root == "inputs"
            {
                keys.insert(name.clone(), jwt.algorithm);
            }
        }
    }
    keys
}

/// A host on which the app may live.
pub(super) fn host(manifest: &Manifest) -> String {
    let patterns: Vec<_> = manifest.http.hosts.iter().map(|host| host.as_str()).collect();
    let wild = patterns.iter().find_map(|pattern| pattern.strip_prefix("*."));
    match (wild, patterns.first()) {
        (Some(domain), _) => format!("simulated.{domain}"),
        (None, Some(host)) => (*host).to_owned(),
        (None, None) => "simulated.example".to_owned(),
    }
}

impl Scheme {
    /// How a manifest says that the app is entered; what the sign-in tells is added to `known`.
    pub(super) fn new(
        manifest: &Manifest,
        grant: Option<GrantKind>,
        known: &mut Known,
    ) -> Result<Self, Unsupported> {
        match &manifest.auth.value {
            Auth::OAuth2(oauth) => {
                let grant =
                    grant.ok_or_else(|| Unsupported("the manifest offers no grant".to_owned()))?;
                OAuth::new(manifest, oauth, grant, known).map(|oauth| Self::OAuth(Box::new(oauth)))
            }
            Auth::ApiKey(key) => {
                let header = (key.header.value.clone(), text(&key.value, known)?);
                Ok(Self::Headers(vec![header]))
            }
        }
    }

    /// The OAuth endpoints, if there are any.
    pub(super) fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::OAuth(oauth) => Some(oauth),
            Self::Headers(_) => None,
        }
    }

    /// Whether a request comes from somebody who may enter.
    pub(super) fn admits(&self, call: &Call, tokens: &Tokens, now: i64) -> bool {
        match self {
            Self::OAuth(_) => call
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "))
                .is_some_and(|token| tokens.is_good(token, now)),
            Self::Headers(headers) => {
                headers.iter().all(|(name, value)| call.header(name) == Some(value))
            }
        }
    }

    /// Whether what lets a connector in can become worthless on the way.
    pub(super) fn expires(&self) -> bool {
        matches!(self, Self::OAuth(_))
    }
}

fn text(template: &Template, known: &Known) -> Result<String, Unsupported> {
    constant(template, known)
        .ok_or_else(|| Unsupported(format!("`{template}` is not made of inputs alone")))
}

/// The tokens that the app gave out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Good until then.
    access: BTreeMap<String, i64>,
    refresh: Option<String>,
    /// Codes with their PKCE challenges.
    codes: BTreeMap<String, Option<String>>,
    count: u64,
}

impl Tokens {
    fn is_good(&self, token: &str, now: i64) -> bool {
        self.access.get(token).is_some_and(|until| now < *until)
    }

    /// Ends every session.
    pub(super) fn revoke(&mut self) {
        self.access.clear();
    }

    fn next(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("simulated-{kind}-{}", self.count)
    }
}

impl OAuth {
    fn new(
        manifest: &Manifest,
        oauth: &OAuth2,
        grant: GrantKind,
        known: &mut Known,
    ) -> Result<Self, Unsupported> {
        let origin = format!("https://{}", host(manifest));
        let mut members = Vec::new();
        for (name, path) in &oauth.token {
            let reference = format!("auth.{name}");
            let value = match role(manifest, &reference) {
                Role::Origin => origin.clone(),
                Role::Host => host(manifest),
                Role::Other => format!("simulated-{name}"),
            };
            members.push((place::one(path)?.to_vec(), Value::String(value.clone())));
            known.insert(reference, value);
        }
        let code = oauth.grants.authorization_code.as_ref();
        Ok(Self {
            token_url: text(&oauth.token_url, known)?,
            authorize_url: code.map(|code| text(&code.authorize_url, known)).transpose()?,
            revoke_url: oauth.revoke_url.as_ref().map(|url| text(url, known)).transpose()?,
            client_id: text(&oauth.client_id, known)?,
            // Some grants have none.
            client_secret: oauth.client_secret.as_ref().and_then(|s| constant(s, known)),
            client_auth: oauth.client_auth,
            grant,
            pkce: code.is_some_and(|code| code.pkce.value == Pkce::S256),
            members,
            rotates: oauth.refresh.rotates,
        })
    }

    /// Whether a request is for the endpoint that hands out tokens.
    pub(super) fn is_token_request(&self, call: &Call) -> bool {
        call.address() == self.token_url
    }

    /// Answers a request to an OAuth endpoint; `None` if it is for another one. `lasts` says
    /// whether tokens end by themselves, and say so.
    pub(super) fn answer(
        &self,
        call: &Call,
        tokens: &mut Tokens,
        now: i64,
        lasts: bool,
    ) -> Option<Reply> {
        let address = call.address();
        if address == self.token_url {
            return Some(self.token(call, tokens, now, lasts));
        }
        if self.revoke_url.as_ref() == Some(&address) {
            tokens.access.clear();
            tokens.refresh = None;
            return Some(Reply::json(200, &json!({})));
        }
        if self.authorize_url.as_ref() == Some(&address) {
            return Some(self.authorize(call, tokens));
        }
        None
    }

    /// The admin agrees at once (RFC 6749, section 4.1.2).
    fn authorize(&self, call: &Call, tokens: &mut Tokens) -> Reply {
        let challenge = call.parameter("code_challenge").map(str::to_owned);
        let s256 = call.parameter("code_challenge_method") == Some("S256");
        let whole = call.parameter("client_id") == Some(&self.client_id)
            && call.parameter("response_type") == Some("code")
            && (!self.pkce || (challenge.is_some() && s256));
        let (true, Some(back)) = (whole, call.parameter("redirect_uri")) else {
            return Reply::error(400, "invalid_request");
        };
        let code = tokens.next("code");
        tokens.codes.insert(code.clone(), challenge);
        let mut answer = url::form_urlencoded::Serializer::new(String::new());
        answer.append_pair("code", &code);
        answer.append_pair("state", call.parameter("state").unwrap_or_default());
        let separator = if back.contains('?') { '&' } else { '?' };
        Reply::new(302, "text/plain", "")
            .with("location", format!("{back}{separator}{}", answer.finish()))
    }

    fn token(&self, call: &Call, tokens: &mut Tokens, now: i64, lasts: bool) -> Reply {
        if call.method != axum::http::Method::POST {
            return Reply::error(405, "invalid_request");
        }
        if !self.knows_client(call) {
            return Reply::error(401, "invalid_client");
        }
        let mut refreshable = false;
        let granted = match call.field("grant_type") {
            Some("authorization_code") => {
                let challenge = call.field("code").and_then(|code| tokens.codes.remove(code));
                refreshable = true;
                challenge.is_some_and(|challenge| {
                    let verifier = call.field("code_verifier").unwrap_or_default();
                    challenge.is_none_or(|challenge| challenge == s256(verifier))
                })
            }
            Some("refresh_token") => {
                refreshable = true;
                let shown = call.field("refresh_token");
                shown.is_some() && shown == tokens.refresh.as_deref()
            }
            Some("client_credentials") => self.grant == GrantKind::ClientCredentials,
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
                let parts = call.field("assertion").unwrap_or_default().split('.').count();
                self.grant == GrantKind::JwtBearer && parts == 3
            }
            _ => return Reply::error(400, "unsupported_grant_type"),
        };
        if !granted {
            return Reply::error(400, "invalid_grant");
        }
        let access = tokens.next("access");
        let until = if lasts { now + LIFETIME } else { i64::MAX };
        tokens.access.insert(access.clone(), until);
        let mut body = json!({ "access_token": access, "token_type": "Bearer" });
        if lasts {
            body["expires_in"] = (LIFETIME / 1000).into();
        }
        if refreshable {
            let known = tokens.refresh.clone().filter(|_| !self.rotates);
            let told = known.is_none();
            let refresh = known.unwrap_or_else(|| tokens.next("refresh"));
            if told {
                body["refresh_token"] = refresh.clone().into();
            }
            tokens.refresh = Some(refresh);
        }
        for (steps, value) in &self.members {
            place::set(&mut body, steps, value.clone());
        }
        Reply::json(200, &body).with("cache-control", "no-store")
    }

    fn knows_client(&self, call: &Call) -> bool {
        if matches!(self.grant, GrantKind::JwtBearer) {
            return true;
        }
        let secret = self.client_secret.as_deref();
        match (self.client_auth, secret) {
            (ClientAuth::Basic, Some(secret)) => {
                let encode = |text: &str| {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let pair = format!("{}:{}", encode(&self.client_id), encode(secret));
                let expected = base64::engine::general_purpose::STANDARD.encode(pair);
                call.header("authorization") == Some(&format!("Basic {expected}"))
            }
            (ClientAuth::Body, Some(secret)) => {
                call.field("client_id") == Some(&self.client_id)
                    && call.field("client_secret") == Some(secret)
            }
            (_, None) => call.field("client_id") == Some(&self.client_id),
        }
    }
}

fn s256(verifier: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// What a value of the token response is used for.
enum Role {
    /// The scheme and host that requests go to.
    Origin,
    /// The host that requests go to.
    Host,
    Other,
}

fn role(manifest: &Manifest, reference: &str) -> Role {
    let streams = manifest.streams.iter().flat_map(|(_, stream)| {
        let steps = stream.steps.iter().map(|(_, step)| &step.request);
        stream.request.iter().chain(steps)
    });
    let requests = streams.chain(manifest.facts.iter().map(|(_, fact)| &fact.request));
    let urls = requests.flat_map(|request| request.get.iter().chain(&request.post));
    let templates = urls.map(|url| &url.value).chain([&manifest.http.base_url.value]);
    for template in templates {
        let is_it = |part: &Part| matches!(part, Part::Expression(Expression::Reference(found)) if found.to_string() == reference);
        match template.parts() {
            [first, ..] if is_it(first) => return Role::Origin,
            [Part::Text(text), second, ..] if text == "https://" && is_it(second) => {
                return Role::Host;
            }
            _ => {}
        }
    }
    Role::Other
}
