//! Being let in: what a request has to carry.

use std::collections::BTreeMap;

use base64::Engine as _;
use longshore_schema::auth::{Auth, JwtAlgorithm, SendValue};
use longshore_schema::manifest::{GrantKind, InputType};
use longshore_schema::template::{Expression, Part};
use longshore_schema::{Manifest, Step, Template};
use serde_json::json;

use super::http::{Call, Reply};
use super::invert::{Captured, Inverse, Known, Place, constant};
use super::model::Asked;
use super::oauth::OAuth;
use super::{Unsupported, place};

/// One of the ways in which an app can be entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The inputs that choose it, with their values.
    pub choices: Vec<(String, String)>,
    /// The OAuth grant.
    pub grant: Option<GrantKind>,
}

/// All ways in which a manifest's app can be entered.
#[must_use]
pub fn ways(manifest: &Manifest) -> Vec<Way> {
    let mut found = Vec::new();
    collect(&manifest.auth.value, &mut Vec::new(), &mut found);
    found.into_iter().map(|(way, _)| way).collect()
}

fn collect<'m>(
    auth: &'m Auth,
    choices: &mut Vec<(String, String)>,
    found: &mut Vec<(Way, &'m Auth)>,
) {
    let way = |grant| Way { choices: choices.clone(), grant };
    match auth {
        Auth::OneOf(one_of) => {
            for (choice, kind) in &one_of.kinds.value {
                choices.push((one_of.input.as_str().to_owned(), choice.value.clone()));
                collect(&kind.value, choices, found);
                choices.pop();
            }
        }
        Auth::OAuth2(oauth) => {
            found.extend(oauth.grants.offered().into_iter().map(|grant| (way(Some(grant)), auth)));
        }
        _ => found.push((way(None), auth)),
    }
}

/// What a manifest says of one way.
fn entered<'m>(manifest: &'m Manifest, way: &Way) -> Result<&'m Auth, Unsupported> {
    let mut found = Vec::new();
    collect(&manifest.auth.value, &mut Vec::new(), &mut found);
    let fitting = found.into_iter().find(|(known, _)| known == way);
    fitting
        .map(|(_, auth)| auth)
        .ok_or_else(|| Unsupported("the manifest offers no such way to sign in".to_owned()))
}

/// The inputs that are private keys.
pub(super) fn key_inputs(manifest: &Manifest, way: &Way) -> BTreeMap<String, JwtAlgorithm> {
    let mut keys = BTreeMap::new();
    let Ok(Auth::OAuth2(oauth)) = entered(manifest, way) else { return keys };
    let jwt = oauth.grants.jwt_bearer.as_ref();
    let jwt = jwt.filter(|_| way.grant == Some(GrantKind::JwtBearer));
    let assertion = jwt.map(|jwt| (&jwt.key, jwt.algorithm));
    let client = oauth.client_key.as_ref().map(|client| (&client.key, client.algorithm));
    for (template, algorithm) in assertion.into_iter().chain(client) {
        for reference in template.references() {
            if reference.path.first().is_some_and(|root| root == "inputs") {
                keys.insert(reference.path[1..].join("."), algorithm);
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

/// How the app lets a connector in.
#[derive(Debug)]
pub(super) enum Scheme {
    OAuth(Box<OAuth>),
    /// These places have these values.
    Sent(Vec<(Carrier, String)>),
    Session(Box<Session>),
    /// These headers are there, written like this.
    Signed(Vec<(String, Inverse)>),
    /// Signature version 4 with this key, for this region and service.
    Aws {
        key_id: String,
        scope: String,
    },
}

/// Where a credential is put.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Header(String),
    Query(String),
    Body(String),
    Cookie(String),
}

impl Carrier {
    fn read<'c>(&self, call: &'c Call) -> Option<std::borrow::Cow<'c, str>> {
        match self {
            Self::Header(name) => call.header(name).map(Into::into),
            Self::Query(name) => call.parameter(name).map(Into::into),
            Self::Body(name) => call.field(name),
            Self::Cookie(name) => call
                .header("cookie")?
                .split(';')
                .filter_map(|cookie| cookie.trim().split_once('='))
                .find(|(sent, _)| sent == name)
                .map(|(_, value)| value.into()),
        }
    }

    /// The query parameter that it is.
    pub(super) fn parameter(&self) -> Option<&str> {
        match self {
            Self::Query(name) => Some(name),
            _ => None,
        }
    }
}

/// Signing in with a call of its own.
#[derive(Debug)]
pub(super) struct Session {
    login: Asked,
    logout: Option<Asked>,
    members: Vec<(Vec<Step>, String)>,
    headers: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    send: Vec<(Carrier, Inverse)>,
    /// In milliseconds.
    lifetime: Option<i64>,
}

impl Scheme {
    /// How a manifest says that the app is entered; what the sign-in tells is added to `known`.
    pub(super) fn new(
        manifest: &Manifest,
        way: &Way,
        known: &mut Known,
    ) -> Result<Self, Unsupported> {
        Ok(match entered(manifest, way)? {
            Auth::OAuth2(oauth) => {
                let grant = way.grant;
                let grant =
                    grant.ok_or_else(|| Unsupported("the manifest offers no grant".to_owned()))?;
                Self::OAuth(Box::new(OAuth::new(manifest, oauth, grant, known)?))
            }
            Auth::ApiKey(keys) => {
                let keys = keys.0.iter().map(|key| {
                    let carrier = match (&key.header, &key.query, &key.body) {
                        (Some(name), ..) => Carrier::Header(name.value.clone()),
                        (_, Some(name), _) => Carrier::Query(name.value.clone()),
                        (.., Some(name)) => Carrier::Body(name.value.clone()),
                        _ => return Err(Unsupported("an API key is sent nowhere".to_owned())),
                    };
                    Ok((carrier, text(&key.value.value, known)?))
                });
                Self::Sent(keys.collect::<Result<_, _>>()?)
            }
            Auth::Basic(basic) => {
                let pair =
                    format!("{}:{}", text(&basic.username, known)?, text(&basic.password, known)?);
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                let carrier = Carrier::Header("authorization".to_owned());
                Self::Sent(vec![(carrier, format!("Basic {pair}"))])
            }
            Auth::Session(session) => {
                Self::Session(Box::new(Session::new(manifest, session, known)?))
            }
            Auth::Hmac(hmac) => {
                let headers = hmac.headers.iter().map(|(name, value)| {
                    Ok((name.value.clone(), Inverse::new(value, known, Place::Elsewhere)?))
                });
                Self::Signed(headers.collect::<Result<_, Unsupported>>()?)
            }
            Auth::AwsSigV4(aws) => Self::Aws {
                key_id: text(&aws.access_key_id, known)?,
                scope: "/aws4_request".to_owned(),
            },
            Auth::OneOf(_) => {
                return Err(Unsupported("a choice of sign-ins within another".to_owned()));
            }
        })
    }

    /// The endpoints that only tokens come from, if there are any.
    pub(super) fn is_sign_in(&self, call: &Call) -> bool {
        match self {
            Self::OAuth(oauth) => oauth.is_token_request(call),
            Self::Session(session) => session.login.read(call).is_some(),
            _ => false,
        }
    }

    /// Answers a request that signs in or out; `None` if it is for something else.
    pub(super) fn answer(
        &self,
        call: &Call,
        tokens: &mut Tokens,
        now: i64,
        lasts: bool,
    ) -> Option<Reply> {
        match self {
            Self::OAuth(oauth) => oauth.answer(call, tokens, now, lasts),
            Self::Session(session) => session.answer(call, tokens, now),
            _ => None,
        }
    }

    /// Whether a request comes from somebody who may enter.
    pub(super) fn admits(&self, call: &Call, tokens: &Tokens, now: i64) -> bool {
        match self {
            Self::OAuth(oauth) => {
                let sent = oauth.sent().read(call);
                let token = sent.as_ref().and_then(|sent| sent.strip_prefix(oauth.prefix()));
                token.is_some_and(|token| tokens.is_good(token, now))
            }
            Self::Sent(values) => values
                .iter()
                .all(|(carrier, value)| carrier.read(call).is_some_and(|sent| sent == *value)),
            Self::Session(session) => session.send.iter().all(|(carrier, written)| {
                let mut found = Captured::new();
                let sent = carrier.read(call);
                let read = sent.and_then(|sent| written.read(&sent, &mut found));
                read.is_some()
                    && found.iter().all(|(reference, value)| {
                        !reference.starts_with("auth.") || tokens.is_good(&value.text, now)
                    })
            }),
            Self::Signed(headers) => headers.iter().all(|(name, written)| {
                let sent = call.header(name);
                sent.is_some_and(|sent| written.read(sent, &mut Captured::new()).is_some())
            }),
            Self::Aws { key_id, scope } => call.header("authorization").is_some_and(|sent| {
                sent.starts_with(&format!("AWS4-HMAC-SHA256 Credential={key_id}/"))
                    && sent.contains(scope.as_str())
                    && sent.split_once("Signature=").is_some_and(|(_, hex)| hex.len() == 64)
            }),
        }
    }

    /// Whether what lets a connector in can become worthless on the way.
    pub(super) fn expires(&self) -> bool {
        matches!(self, Self::OAuth(_) | Self::Session(_))
    }

    /// The query parameters that carry credentials.
    pub(super) fn parameters(&self) -> Vec<&str> {
        let carriers: Vec<&Carrier> = match self {
            Self::OAuth(oauth) => vec![oauth.sent()],
            Self::Sent(values) => values.iter().map(|(carrier, _)| carrier).collect(),
            Self::Session(session) => session.send.iter().map(|(carrier, _)| carrier).collect(),
            Self::Signed(_) | Self::Aws { .. } => Vec::new(),
        };
        carriers.into_iter().filter_map(Carrier::parameter).collect()
    }
}

/// What a template of credentials writes.
pub(super) fn text(template: &Template, known: &Known) -> Result<String, Unsupported> {
    constant(template, known)
        .ok_or_else(|| Unsupported(format!("`{template}` is not made of inputs alone")))
}

impl Session {
    fn new(
        manifest: &Manifest,
        session: &longshore_schema::auth::Session,
        known: &mut Known,
    ) -> Result<Self, Unsupported> {
        let base = &manifest.http.base_url.value;
        let mut members = Vec::new();
        for (name, path) in &session.token {
            let value = value_of(manifest, &format!("auth.{name}"), known);
            members.push((place::one(path)?.to_vec(), value));
        }
        let mut named = |table: &longshore_schema::Table<_, longshore_schema::Spanned<String>>| {
            table
                .iter()
                .map(
                    |(name, sent): &(
                        longshore_schema::Spanned<longshore_schema::scalar::Name>,
                        _,
                    )| {
                        (sent.value.clone(), value_of(manifest, &format!("auth.{name}"), known))
                    },
                )
                .collect::<Vec<_>>()
        };
        let (headers, cookies) = (named(&session.headers), named(&session.cookies));
        let send = session.send.0.iter().map(|sent: &longshore_schema::Spanned<SendValue>| {
            let carrier = match (&sent.header, &sent.cookie, &sent.query) {
                (Some(name), ..) => Carrier::Header(name.value.clone()),
                (_, Some(name), _) => Carrier::Cookie(name.value.clone()),
                (.., Some(name)) => Carrier::Query(name.value.clone()),
                _ => return Err(Unsupported("a session is sent nowhere".to_owned())),
            };
            Ok((carrier, Inverse::new(&sent.value.value, known, Place::Elsewhere)?))
        });
        Ok(Self {
            send: send.collect::<Result<_, _>>()?,
            login: Asked::new(&session.login, base, known, &[])?,
            logout: session
                .logout
                .as_ref()
                .map(|logout| Asked::new(logout, base, known, &[]))
                .transpose()?,
            members,
            headers,
            cookies,
            lifetime: session
                .expires_in
                .as_ref()
                .map(|lasts| i64::try_from(lasts.0.as_millis()).unwrap_or(i64::MAX)),
        })
    }

    fn answer(&self, call: &Call, tokens: &mut Tokens, now: i64) -> Option<Reply> {
        if let Some(logout) = &self.logout
            && logout.read(call).is_some()
        {
            tokens.revoke();
            return Some(Reply::json(200, &json!({})));
        }
        self.login.read(call)?;
        let until = self.lifetime.map_or(i64::MAX, |lasts| now.saturating_add(lasts));
        let mut body = json!({ "ok": true });
        let mut value = |fixed: &str| {
            if fixed.is_empty() { tokens.issue(until) } else { fixed.to_owned() }
        };
        for (steps, fixed) in &self.members {
            place::set(&mut body, steps, value(fixed).into());
        }
        let headers: Vec<_> = self.headers.iter().map(|(name, v)| (name, value(v))).collect();
        let cookies: Vec<_> = self.cookies.iter().map(|(name, v)| (name, value(v))).collect();
        let mut reply = Reply::json(200, &body);
        for (name, value) in headers {
            reply = reply.with(&name.to_ascii_lowercase(), value);
        }
        for (name, value) in cookies {
            reply = reply.with("set-cookie", format!("{name}={value}; Path=/; Secure; HttpOnly"));
        }
        Some(reply)
    }
}

/// The tokens that the app gave out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Good until then.
    access: BTreeMap<String, i64>,
    pub(super) refresh: Option<String>,
    /// Codes with their PKCE challenges.
    pub(super) codes: BTreeMap<String, Option<String>>,
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

    /// A name that nothing else has.
    pub(super) fn next(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("simulated-{kind}-{}", self.count)
    }

    /// A token that is good until then.
    pub(super) fn issue(&mut self, until: i64) -> String {
        let token = self.next("access");
        self.access.insert(token.clone(), until);
        token
    }
}

/// A value that the sign-in tells. Hosts are the same always, and known from then on; of anything
/// else nothing is known, and the text is empty.
pub(super) fn value_of(manifest: &Manifest, reference: &str, known: &mut Known) -> String {
    let value = match role(manifest, reference) {
        Role::Origin => format!("https://{}", host(manifest)),
        Role::Host => host(manifest),
        Role::Other => return String::new(),
    };
    known.insert(reference.to_owned(), value.clone());
    value
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
    let urls = requests.flat_map(|request| request.methods().into_iter().map(|(_, url)| url));
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

/// A made-up value for an input, where nothing in the manifest shows one.
pub(super) fn made_up(name: &str, kind: InputType, manifest: &Manifest) -> String {
    match kind {
        InputType::Integer => "1".to_owned(),
        InputType::Boolean => "true".to_owned(),
        InputType::Duration => "1d".to_owned(),
        InputType::Host => host(manifest),
        _ => format!("simulated-{}", name.replace('_', "-")),
    }
}
