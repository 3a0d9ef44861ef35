//! OAuth 2.0 as an authorization server plays it (RFC 6749, 7009, 7523, 7636, 8628).

use base64::Engine as _;
use longshore_schema::auth::{ClientAuth, OAuth2, Pkce};
use longshore_schema::manifest::GrantKind;
use longshore_schema::{JsonPath, Manifest, Spanned, Step};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::auth::{Carrier, Tokens, text, value_of};
use super::http::{Call, Reply};
use super::invert::{Known, constant};
use super::{Unsupported, place};

/// How long an access token is good for, in milliseconds, where the app says so.
const LIFETIME: i64 = 2 * 3_600_000;

#[derive(Debug)]
pub(super) struct OAuth {
    token_url: String,
    authorize_url: Option<String>,
    revoke_url: Option<String>,
    device_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_auth: ClientAuth,
    grant: GrantKind,
    /// The name of the client credentials grant at this app.
    client_credentials: String,
    password: Option<(String, String)>,
    pkce: bool,
    /// Where the token response has what RFC 6749 names.
    access_token: Vec<Step>,
    refresh_token: Vec<Step>,
    expires_in: Vec<Step>,
    /// Members of the token response besides those.
    members: Vec<(Vec<Step>, Value)>,
    rotates: bool,
    sent: Carrier,
    prefix: String,
}

impl OAuth {
    pub(super) fn new(
        manifest: &Manifest,
        oauth: &OAuth2,
        grant: GrantKind,
        known: &mut Known,
    ) -> Result<Self, Unsupported> {
        let mut members = Vec::new();
        for (name, path) in &oauth.token {
            let reference = format!("auth.{name}");
            let mut value = value_of(manifest, &reference, known);
            if value.is_empty() {
                value = format!("simulated-{name}");
                known.insert(reference, value.clone());
            }
            members.push((place::one(path)?.to_vec(), Value::String(value)));
        }
        let code = oauth.grants.authorization_code.as_ref();
        let client = oauth.grants.client_credentials.as_ref();
        let password = oauth.grants.password.as_ref().filter(|_| grant == GrantKind::Password);
        let device = oauth.grants.device_code.as_ref();
        let named = |path: &Option<Spanned<JsonPath>>, usual: &str| match path {
            Some(path) => place::one(path).map(<[Step]>::to_vec),
            None => Ok(vec![Step::Member(usual.to_owned())]),
        };
        let send = oauth.send.as_ref();
        let header = send.and_then(|send| send.header.as_ref());
        let query = send.and_then(|send| send.query.as_ref());
        let prefix = send.and_then(|send| send.prefix.as_ref()).map(|prefix| prefix.value.clone());
        let usual = if query.is_some() { "" } else { "Bearer " };
        Ok(Self {
            token_url: text(&oauth.token_url, known)?,
            authorize_url: code.map(|code| text(&code.authorize_url, known)).transpose()?,
            revoke_url: oauth.revoke_url.as_ref().map(|url| text(url, known)).transpose()?,
            device_url: device.map(|device| text(&device.device_url, known)).transpose()?,
            client_id: oauth.client_id.as_ref().and_then(|id| constant(id, known)),
            // Some grants have none.
            client_secret: oauth.client_secret.as_ref().and_then(|s| constant(s, known)),
            client_auth: oauth.client_auth.value,
            grant,
            client_credentials: client
                .and_then(|client| client.grant_type.as_ref())
                .map_or_else(|| "client_credentials".to_owned(), |name| name.value.clone()),
            password: password
                .map(|p| {
                    Ok::<_, Unsupported>((text(&p.username, known)?, text(&p.password, known)?))
                })
                .transpose()?,
            pkce: code.is_some_and(|code| code.pkce.value == Pkce::S256),
            access_token: named(&oauth.response.access_token, "access_token")?,
            refresh_token: named(&oauth.response.refresh_token, "refresh_token")?,
            expires_in: named(&oauth.response.expires_in, "expires_in")?,
            members,
            rotates: oauth.refresh.rotates,
            sent: match (header, query) {
                (_, Some(query)) => Carrier::Query(query.value.clone()),
                (Some(header), _) => Carrier::Header(header.value.clone()),
                (None, None) => Carrier::Header("authorization".to_owned()),
            },
            prefix: prefix.unwrap_or_else(|| usual.to_owned()),
        })
    }

    /// Where access tokens are sent.
    pub(super) fn sent(&self) -> &Carrier {
        &self.sent
    }

    /// What stands before an access token.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
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
            tokens.revoke();
            tokens.refresh = None;
            return Some(Reply::json(200, &json!({})));
        }
        if self.authorize_url.as_ref() == Some(&address) {
            return Some(self.authorize(call, tokens));
        }
        if self.device_url.as_ref() == Some(&address) {
            let code = tokens.next("device");
            tokens.codes.insert(code.clone(), None);
            let verification = format!("https://{}/simulated/device", call.host);
            return Some(Reply::json(
                200,
                &json!({
                    "device_code": code,
                    "user_code": "SIMULATED",
                    "verification_uri": verification,
                    "expires_in": 900,
                    "interval": 1,
                }),
            ));
        }
        None
    }

    /// The admin agrees at once (RFC 6749, section 4.1.2).
    fn authorize(&self, call: &Call, tokens: &mut Tokens) -> Reply {
        let challenge = call.parameter("code_challenge").map(str::to_owned);
        let s256 = call.parameter("code_challenge_method") == Some("S256");
        let whole = call.parameter("client_id") == self.client_id.as_deref()
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
        let field = |name: &str| call.field(name).unwrap_or_default().into_owned();
        let granted = match field("grant_type").as_str() {
            "authorization_code" => {
                let challenge = tokens.codes.remove(&field("code"));
                refreshable = true;
                challenge.is_some_and(|challenge| {
                    challenge.is_none_or(|challenge| challenge == s256(&field("code_verifier")))
                })
            }
            "refresh_token" => {
                refreshable = true;
                Some(field("refresh_token")) == tokens.refresh
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                refreshable = true;
                tokens.codes.remove(&field("device_code")).is_some()
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                self.grant == GrantKind::JwtBearer && field("assertion").split('.').count() == 3
            }
            "password" => {
                refreshable = true;
                Some((field("username"), field("password"))) == self.password
            }
            kind if kind == self.client_credentials => self.grant == GrantKind::ClientCredentials,
            _ => return Reply::error(400, "unsupported_grant_type"),
        };
        if !granted {
            return Reply::error(400, "invalid_grant");
        }
        let access = tokens.issue(if lasts { now + LIFETIME } else { i64::MAX });
        let mut body = json!({ "token_type": "Bearer", "ok": true });
        place::set(&mut body, &self.access_token, access.into());
        if lasts {
            place::set(&mut body, &self.expires_in, (LIFETIME / 1000).into());
        }
        if refreshable {
            let known = tokens.refresh.clone().filter(|_| !self.rotates);
            let told = known.is_none();
            let refresh = known.unwrap_or_else(|| tokens.next("refresh"));
            if told {
                place::set(&mut body, &self.refresh_token, refresh.clone().into());
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
        let field = |name: &str| call.field(name).map(std::borrow::Cow::into_owned);
        match (self.client_auth, &self.client_id, &self.client_secret) {
            (ClientAuth::PrivateKeyJwt, ..) => {
                let assertion = field("client_assertion").unwrap_or_default();
                assertion.split('.').count() == 3
                    && field("client_assertion_type").as_deref()
                        == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            }
            (ClientAuth::Basic, Some(id), Some(secret)) => {
                let encode = |text: &str| {
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let pair = format!("{}:{}", encode(id), encode(secret));
                let expected = base64::engine::general_purpose::STANDARD.encode(pair);
                call.header("authorization") == Some(&format!("Basic {expected}"))
            }
            (ClientAuth::Body, Some(id), Some(secret)) => {
                field("client_id").as_ref() == Some(id)
                    && field("client_secret").as_ref() == Some(secret)
            }
            (_, Some(id), None) => field("client_id").as_ref() == Some(id),
            (_, None, _) => true,
        }
    }
}

fn s256(verifier: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}
