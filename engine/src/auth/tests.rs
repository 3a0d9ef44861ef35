//! The authenticator against a token endpoint on the loopback interface.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response as Outgoing};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use longshore_schema::JsonPath;
use longshore_schema::scalar::Scalar as _;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{Url, form_urlencoded};

use crate::auth::{
    Algorithm, Authenticator, ClientAuth, Grant, OAuthConfig, ResponsePaths, SendToken, SigningKey,
    Tokens,
};
use crate::clock::Clock;
use crate::error::{Code, Error, Retry};
use crate::http::tests::{Seen, client, serve};
use crate::pauses::Pauses;
use crate::secret::{Secret, SecretStore};
use crate::state::Store;

mod answers;
mod client_key;
mod device;

const CALLBACK: &str = "https://longshore.example.com/callback";

fn config(grant: Grant) -> OAuthConfig {
    let url = |path| Url::parse("https://login.example.com").unwrap().join(path).unwrap();
    OAuthConfig {
        token_url: url("/token"),
        authorize_url: Some(url("/authorize")),
        revoke_url: Some(url("/revoke")),
        client_id: Some("simulated client".to_owned()),
        client_secret: Some(Secret::new("simulated-secret+/")),
        client_auth: ClientAuth::Body,
        grant,
        response: ResponsePaths::default(),
        token_fields: [
            ("base_url", "$.instance_url"),
            ("account", "$.user.id"),
            ("leak", "$.id_token"),
        ]
        .map(|(name, path)| (name.to_owned(), JsonPath::parse(path).unwrap()))
        .into(),
        expires_default: None,
        refresh_rotates: true,
        authorize_params: [("prompt".to_owned(), "consent".to_owned())].into(),
        token_params: [("audience".to_owned(), Secret::new("everything"))].into(),
        token_headers: HeaderMap::new(),
        token_as_json: false,
        send: SendToken::default(),
        rules: Vec::new(),
    }
}

fn sign_in() -> OAuthConfig {
    let scopes = vec!["api".to_owned(), "refresh_token".to_owned()];
    config(Grant::AuthorizationCode { redirect_url: CALLBACK.to_owned(), scopes, pkce: true })
}

fn client_credentials() -> OAuthConfig {
    config(Grant::ClientCredentials { scopes: Vec::new(), grant_type: None })
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A connection `acme` with its store, and a token endpoint.
struct Bed {
    directory: TempDir,
    config: OAuthConfig,
    clock: Clock,
    http: crate::http::Client,
    log: Arc<Mutex<Vec<Seen>>>,
    /// Processes that were started.
    started: AtomicU32,
}

impl Bed {
    async fn new(
        config: OAuthConfig,
        answer: impl Fn(&Seen) -> Outgoing + Clone + Send + Sync + 'static,
    ) -> Self {
        let (address, log) = serve(answer).await;
        let directory = tempfile::tempdir().unwrap();
        let http = client(&["login.example.com"], address);
        let (clock, started) = (Clock::manual(now()), AtomicU32::new(0));
        Self { directory, config, clock, http, log, started }
    }

    fn store(&self) -> SecretStore {
        let key = Secret::new(BASE64.encode([7; 32]));
        SecretStore::with_key(self.directory.path(), &key).unwrap()
    }

    fn authenticator(&self) -> Authenticator {
        let (http, clock) = (self.http.clone(), self.clock.clone());
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let state = self.directory.path().join(format!("state-{number}"));
        let state = Arc::new(Store::open(&state).unwrap());
        let pauses = Arc::new(Pauses::open(state, clock.clone(), "acme").unwrap());
        Authenticator::new("acme", self.config.clone(), http, self.store(), clock, pauses)
    }

    /// A connected one, with tokens of generation 1.
    fn connected(&self) -> Authenticator {
        let tokens = Tokens {
            access: Secret::new("simulated-access-0"),
            refresh: Some(Secret::new("simulated-refresh-0")),
            expires_at: None,
            fields: [("base_url".to_owned(), "https://old.example.com".to_owned())].into(),
            obtained_at: now(),
            generation: 1,
        };
        self.store().save("acme", &tokens).unwrap();
        self.authenticator()
    }

    fn requests(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    fn form(&self, index: usize) -> BTreeMap<String, String> {
        let body = self.log.lock().unwrap()[index].body.clone();
        form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    }
}

fn json_answer(status: u16, body: &Value) -> Outgoing {
    let kind = [(HeaderName::from_static("content-type"), "application/json")];
    (StatusCode::from_u16(status).unwrap(), kind, body.to_string()).into_response()
}

/// Answers with tokens numbered by the request, and rotates the refresh token.
fn rotating() -> impl Fn(&Seen) -> Outgoing + Clone + Send + Sync + 'static {
    let count = Arc::new(AtomicU32::new(0));
    move |seen| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let expected = format!("refresh_token=simulated-refresh-{number}");
        if seen.body.contains("grant_type=refresh_token") && !seen.body.contains(&expected) {
            return json_answer(400, &json!({ "error": "invalid_grant" }));
        }
        let number = number + 1;
        json_answer(
            200,
            &json!({
                "access_token": format!("simulated-access-{number}"),
                "refresh_token": format!("simulated-refresh-{number}"),
                "id_token": "simulated-id-token",
                "instance_url": "https://acme.example.com",
                "user": { "id": 42 },
                "issued_at": "1795315148034",
            }),
        )
    }
}

fn callback(query: &[(&str, &str)]) -> Url {
    Url::parse_with_params(CALLBACK, query).unwrap()
}

#[tokio::test]
async fn a_sign_in_becomes_tokens() {
    let bed = Bed::new(sign_in(), rotating()).await;
    let authenticator = bed.authenticator();
    assert_eq!(authenticator.token().await.unwrap_err().code, Code::AuthRequired);

    let request = authenticator.authorization_request().unwrap();
    let url = Url::parse(request.url.expose()).unwrap();
    assert!(url.as_str().starts_with("https://login.example.com/authorize?"));
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let verifier = request.verifier.clone().unwrap();
    let challenge = digest(&SHA256, verifier.expose().as_bytes());
    assert!((43..=128).contains(&verifier.expose().len()));
    let expected = [
        ("response_type", "code"),
        ("client_id", "simulated client"),
        ("redirect_uri", CALLBACK),
        ("scope", "api refresh_token"),
        ("state", request.state.expose()),
        ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
    ];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let back = callback(&[("code", "simulated=="), ("state", request.state.expose())]);
    let tokens = authenticator.exchange(request, &back).await.unwrap();
    let form = bed.form(0);
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "simulated=="),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier.expose()),
        ("client_id", "simulated client"),
        ("client_secret", "simulated-secret+/"),
        ("audience", "everything"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(tokens.access.expose(), "simulated-access-1");
    assert_eq!(tokens.expires_at, None);
    assert_eq!(tokens.generation, 1);
    let fields = [("account", "42"), ("base_url", "https://acme.example.com")];
    assert_eq!(
        tokens.fields,
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
    assert_eq!(bed.store().load("acme").unwrap().as_ref(), Some(&*tokens));
    assert_eq!(authenticator.token().await.unwrap(), tokens);
    assert_eq!(bed.requests(), 1);
}

#[tokio::test]
async fn a_callback_must_belong_to_its_request() {
    let bed = Bed::new(sign_in(), rotating()).await;
    let authenticator = bed.authenticator();
    let request = authenticator.authorization_request().unwrap();
    let state = request.state.expose();
    let cases: [(&[(&str, &str)], Code); 9] = [
        (&[("code", "x"), ("state", "other")], Code::AuthStateMismatch),
        (&[("code", "x"), ("state", "")], Code::AuthStateMismatch),
        (&[("code", "x")], Code::AuthStateMismatch),
        (&[("state", state)], Code::AuthStateMismatch),
        (&[("code", "x"), ("code", "y"), ("state", state)], Code::AuthStateMismatch),
        (&[("error", "access_denied"), ("state", "other")], Code::AuthStateMismatch),
        (&[("error", "access_denied"), ("state", state)], Code::AuthDenied),
        (&[("error", "redirect_uri_mismatch")], Code::AuthRedirectMismatch),
        (
            &[("error", "invalid_client"), ("error_description", "app must be installed into org")],
            Code::AuthAppNotInstalled,
        ),
    ];
    for (query, code) in cases {
        let error = authenticator.exchange(request.clone(), &callback(query)).await.unwrap_err();
        assert_eq!((error.code, error.retry), (code, Retry::Never), "{query:?}");
        assert_eq!(error.place.connection.as_deref(), Some("acme"));
    }
    bed.clock.sleep(Duration::from_secs(601)).await;
    let late = callback(&[("code", "x"), ("state", state)]);
    let error = authenticator.exchange(request.clone(), &late).await.unwrap_err();
    assert_eq!(error.code, Code::AuthTimeout);
    assert_eq!(bed.requests(), 0);
}

#[tokio::test]
async fn a_client_authenticates_in_the_body_or_the_header() {
    let mut oauth = client_credentials();
    oauth.client_auth = ClientAuth::Basic;
    let bed = Bed::new(oauth, rotating()).await;
    bed.authenticator().token().await.unwrap();
    // RFC 6749, section 2.3.1: both are form-encoded before they are joined.
    let basic = BASE64.encode("simulated+client:simulated-secret%2B%2F");
    let seen = bed.log.lock().unwrap()[0].clone();
    assert_eq!(seen.header("authorization"), Some(&*format!("Basic {basic}")));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert!(!seen.body.contains("client_secret"), "{}", seen.body);
    assert_eq!(bed.form(0)["grant_type"], "client_credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_callers_cause_one_refresh() {
    let bed = Bed::new(sign_in(), rotating()).await;
    let authenticator = bed.connected();
    assert_eq!(authenticator.token().await.unwrap().generation, 1);
    for generation in 1..=3 {
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let authenticator = authenticator.clone();
                tokio::spawn(async move { authenticator.refresh(generation).await.unwrap() })
            })
            .collect();
        for caller in callers {
            let tokens = caller.await.unwrap();
            assert_eq!(tokens.generation, generation + 1);
            assert_eq!(tokens.access.expose(), format!("simulated-access-{generation}"));
        }
        assert_eq!(bed.requests() as u64, generation);
    }
    // A caller who comes late with an old generation gets what is there.
    assert_eq!(authenticator.refresh(1).await.unwrap().generation, 4);
    assert_eq!(bed.requests(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_callers_share_one_refusal() {
    let bed = Bed::new(sign_in(), |_| {
        // Long enough for all callers to be waiting.
        std::thread::sleep(Duration::from_millis(200));
        json_answer(
            400,
            &json!({
                "error": "invalid_grant",
                "error_description": "expired access/refresh token simulated-refresh-0",
            }),
        )
    })
    .await;
    let authenticator = bed.connected();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let authenticator = authenticator.clone();
            tokio::spawn(async move { authenticator.refresh(1).await.unwrap_err() })
        })
        .collect();
    for caller in callers {
        let error = caller.await.unwrap();
        assert_eq!((error.code, error.retry), (Code::AuthTokenRevoked, Retry::Never));
        assert!(!error.to_string().contains("simulated-refresh"), "{error}");
    }
    assert_eq!(bed.requests(), 1);
}

#[tokio::test]
async fn a_rotated_token_is_on_disk_before_anybody_uses_it() {
    let bed = Bed::new(sign_in(), rotating()).await;
    let tokens = bed.connected().refresh(1).await.unwrap();
    assert_eq!(bed.store().load("acme").unwrap().as_ref(), Some(&*tokens));
    // The process ends; the next one goes on with the rotated token.
    let next = bed.authenticator().refresh(2).await.unwrap();
    assert_eq!(bed.form(1)["refresh_token"], "simulated-refresh-1");
    assert_eq!((next.generation, next.access.expose()), (3, "simulated-access-2"));
}

#[tokio::test]
async fn an_authenticator_left_behind_takes_what_another_one_stored() {
    let bed = Bed::new(sign_in(), rotating()).await;
    let (one, other) = (bed.connected(), bed.authenticator());
    one.token().await.unwrap();
    let tokens = other.refresh(1).await.unwrap();
    assert_eq!(one.refresh(1).await.unwrap(), tokens);
    assert_eq!(bed.requests(), 1);
}

#[tokio::test]
async fn tokens_that_cannot_be_saved_are_given_to_nobody_and_not_lost() {
    let directory = Arc::new(Mutex::new(None::<std::path::PathBuf>));
    let (gone, answer) = (Arc::clone(&directory), rotating());
    // The disk fails while the app answers.
    let bed = Bed::new(sign_in(), move |seen| {
        if let Some(path) = gone.lock().unwrap().take() {
            std::fs::remove_dir_all(path).unwrap();
        }
        answer(seen)
    })
    .await;
    let authenticator = bed.connected();
    *directory.lock().unwrap() = Some(bed.directory.path().to_owned());
    for _ in 0..2 {
        let error = authenticator.refresh(1).await.unwrap_err();
        assert_eq!(error.code, Code::SecretStoreUnavailable);
    }
    std::fs::create_dir(bed.directory.path()).unwrap();
    let tokens = authenticator.refresh(1).await.unwrap();
    assert_eq!((tokens.generation, tokens.access.expose()), (2, "simulated-access-1"));
    assert_eq!(bed.store().load("acme").unwrap().as_ref(), Some(&*tokens));
    assert_eq!(bed.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_does_not_take_the_token_along() {
    let answer = rotating();
    let bed = Bed::new(sign_in(), move |seen| {
        std::thread::sleep(Duration::from_millis(100));
        answer(seen)
    })
    .await;
    let authenticator = bed.connected();
    let impatient = tokio::time::timeout(Duration::from_millis(20), authenticator.refresh(1)).await;
    assert!(impatient.is_err(), "the refresh was faster than the server");
    let tokens = authenticator.refresh(1).await.unwrap();
    assert_eq!(tokens.generation, 2);
    assert_eq!(bed.requests(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_rotating_refresh_is_not_asked_for_again() {
    for gateway in [502, 504] {
        let bed = Bed::new(sign_in(), move |_| json_answer(gateway, &json!({}))).await;
        let authenticator = bed.connected();
        for _ in 0..3 {
            let error = authenticator.refresh(1).await.unwrap_err();
            assert_eq!((error.code, error.retry), (Code::AuthRefreshLost, Retry::Never));
        }
        assert_eq!(bed.requests(), 1);
        // The access token, as far as we know, still works.
        assert_eq!(authenticator.token().await.unwrap().generation, 1);
        // A person connects again.
        let request = authenticator.authorization_request().unwrap();
        let back = callback(&[("code", "x"), ("state", request.state.expose())]);
        let error = authenticator.exchange(request, &back).await.unwrap_err();
        assert_eq!((error.code, error.retry), (Code::AppError, Retry::Never));
        assert_eq!(bed.requests(), 2);
    }
    // An unreadable success is lost as well.
    let bed = Bed::new(sign_in(), |_| "<html>simulated</html>".into_response()).await;
    let error = bed.connected().refresh(1).await.unwrap_err();
    assert_eq!((error.code, bed.requests()), (Code::AuthRefreshLost, 1));

    let mut not_rotating = sign_in();
    not_rotating.refresh_rotates = false;
    let bed = Bed::new(not_rotating, |_| json_answer(502, &json!({}))).await;
    assert_eq!(bed.connected().refresh(1).await.unwrap_err().code, Code::AppError);
    assert_eq!(bed.requests(), 5);
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for() {
    let count = Arc::new(AtomicU32::new(0));
    let tokens = rotating();
    let bed = Bed::new(sign_in(), move |seen| match count.fetch_add(1, Ordering::SeqCst) {
        0 => json_answer(503, &json!({})),
        1 => {
            let mut slow = json_answer(400, &json!({ "error": "rate_limit_exceeded" }));
            slow.headers_mut().insert("retry-after", "30".parse().unwrap());
            slow
        }
        _ => tokens(seen),
    })
    .await;
    let authenticator = bed.connected();
    assert_eq!(authenticator.refresh(1).await.unwrap().generation, 2);
    assert_eq!(bed.requests(), 3);
    assert!(bed.clock.now().duration_since(now()).as_secs() >= 30);
}

async fn refusal(status: u16, body: &'static str, kind: &'static str) -> Error {
    let mut oauth = client_credentials();
    oauth.refresh_rotates = false;
    let bed = Bed::new(oauth, move |_| {
        let kind = [(HeaderName::from_static("content-type"), kind)];
        (StatusCode::from_u16(status).unwrap(), kind, body).into_response()
    })
    .await;
    bed.authenticator().token().await.unwrap_err()
}

#[tokio::test]
async fn every_shape_of_refusal_has_a_name() {
    let described = |name: &str, description: &str| {
        json!({ "error": name, "error_description": description }).to_string().leak()
            as &'static str
    };
    let cases = [
        (400, r#"{"error":"invalid_client"}"#, Code::AuthClientInvalid),
        (400, r#"{"error":"invalid_client_id"}"#, Code::AuthClientInvalid),
        (401, "", Code::AuthClientInvalid),
        (400, r#"{"error":"inactive_user"}"#, Code::AuthUserInactive),
        (400, r#"{"error":"inactive_org"}"#, Code::AuthOrgInactive),
        (400, described("invalid_grant", "ip restricted"), Code::AuthIpRestricted),
        (400, described("invalid_grant", "inactive user"), Code::AuthUserInactive),
        (
            400,
            described("invalid_grant", "user is not admin approved to access this app"),
            Code::AuthUserNotApproved,
        ),
        (400, described("invalid_grant", "no client credentials user enabled"), Code::AuthNoRunAs),
        (200, r#"{"ok":false,"error":"invalid_scope"}"#, Code::AuthScopeInsufficient),
        (400, r#"{"error":"something_new"}"#, Code::AuthResponseInvalid),
        (400, "<html>", Code::AuthResponseInvalid),
        (200, "<html>", Code::AuthResponseInvalid),
        (200, "", Code::AuthResponseInvalid),
        (200, "[]", Code::AuthResponseInvalid),
        (200, r#"{"access_token":""}"#, Code::AuthResponseInvalid),
        (200, r#"{"access_token":null}"#, Code::AuthResponseInvalid),
        (302, "", Code::AuthResponseInvalid),
        (404, "<html>", Code::AppEndpointGone),
        (429, "", Code::AuthLoginRate),
        (500, "<html>", Code::AppError),
    ];
    for (status, body, code) in cases {
        let error = refusal(status, body, "text/html").await;
        assert_eq!(error.code, code, "{status} {body} {error}");
        assert!(error.cause.is_some() && error.place.request.is_some(), "{error}");
    }
    let error = refusal(400, described("invalid_client", "no \u{1b}[31msuch\nclient"), "x/y").await;
    let place = error.place.request.clone().unwrap();
    let (_, id) = place.rsplit_once(' ').unwrap();
    insta::assert_snapshot!(error.to_string().replace(id, "ID)"), @r"
    AUTH_CLIENT_INVALID: the client id or secret is not recognized for this grant
      where: connection acme, request POST https://login.example.com/token (request ID)
      cause: the app said: invalid_client: no [31msuch client
      fix:   check client id and secret, that the app allows this grant, and that login.example.com is the right login host (sandbox or production); a new client can take minutes to work
    ");
    let error = refusal(200, "<html>simulated</html>", "text/html; charset=utf-8").await;
    let place = error.place.request.clone().unwrap();
    let (_, id) = place.rsplit_once(' ').unwrap();
    insta::assert_snapshot!(error.to_string().replace(id, "ID)"), @r"
    AUTH_RESPONSE_INVALID: the token endpoint did not answer with a token
      where: connection acme, request POST https://login.example.com/token (request ID)
      cause: a body of 22 bytes, Content-Type text/html; charset=utf-8
      fix:   check that the token URL leads to the app, and that no proxy or portal answers for it
      next:  tried again later
    ");
}

#[tokio::test]
async fn an_expiring_token_is_renewed_before_it_is_used() {
    let count = Arc::new(AtomicU32::new(0));
    let bed = Bed::new(client_credentials(), move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let access = format!("simulated-{number}");
        json_answer(200, &json!({ "access_token": access, "expires_in": "3600" }))
    })
    .await;
    let authenticator = bed.authenticator();
    let first = authenticator.token().await.unwrap();
    assert_eq!(first.expires_at.unwrap().to_string(), "2026-03-01T13:00:00Z");
    bed.clock.sleep(Duration::from_secs(3530)).await;
    assert_eq!(authenticator.token().await.unwrap().generation, 1);
    bed.clock.sleep(Duration::from_secs(11)).await;
    assert_eq!(authenticator.token().await.unwrap().generation, 2);
    // What the store holds is used as long as it is fresh, and not a second longer.
    assert_eq!(bed.authenticator().token().await.unwrap().generation, 2);
    bed.clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(bed.authenticator().token().await.unwrap().generation, 3);
    assert_eq!(bed.requests(), 3);
}

fn key() -> (Secret, Vec<u8>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64.encode(der.as_ref())
    );
    (Secret::new(pem), pair.public_key().as_ref().to_vec())
}

fn assertion(pem: Secret) -> OAuthConfig {
    let mut oauth = config(Grant::JwtBearer {
        issuer: "simulated client".to_owned(),
        subject: Some("svc@example.com".to_owned()),
        audience: "https://login.example.com".to_owned(),
        key: SigningKey { pem, id: None, algorithm: Algorithm::Rs256 },
        lifetime: Duration::from_secs(180),
        scopes: Vec::new(),
        claims: BTreeMap::new(),
    });
    oauth.client_secret = None;
    oauth
}

#[tokio::test]
async fn an_assertion_is_signed_and_says_who() {
    let (pem, public) = key();
    let bed = Bed::new(assertion(pem), rotating()).await;
    bed.authenticator().token().await.unwrap();
    let form = bed.form(0);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form["audience"], "everything");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&["https://login.example.com"]);
    let key = jsonwebtoken::DecodingKey::from_rsa_der(&public);
    let mut claims = jsonwebtoken::decode::<Value>(&form["assertion"], &key, &validation).unwrap();
    let issued = now().as_second();
    let unique = claims.claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(unique.as_str().unwrap().len(), 32);
    assert_eq!(
        claims.claims,
        json!({
            "iss": "simulated client",
            "sub": "svc@example.com",
            "aud": "https://login.example.com",
            "iat": issued,
            "exp": issued + 180,
        })
    );
}

#[tokio::test]
async fn a_refused_assertion_is_checked_against_the_clock() {
    let (pem, _) = key();
    let refuse = |_: &Seen| json_answer(400, &json!({ "error": "invalid_grant" }));
    let mut bed = Bed::new(assertion(pem), refuse).await;
    bed.clock = Clock::system();
    let error = bed.authenticator().token().await.unwrap_err();
    assert_eq!(error.code, Code::AuthClientInvalid);
    bed.clock = Clock::starting_at(Timestamp::now() + Duration::from_secs(600));
    let error = bed.authenticator().token().await.unwrap_err();
    assert_eq!(error.code, Code::AuthClockSkew);
    assert!(error.what.contains("s ahead of the app's"), "{error}");

    let bed = Bed::new(assertion(Secret::new("simulated, not a key")), refuse).await;
    let error = bed.authenticator().token().await.unwrap_err();
    assert_eq!((error.code, bed.requests()), (Code::InputInvalid, 0));
}

#[tokio::test]
async fn a_revoked_connection_is_forgotten() {
    let bed = Bed::new(sign_in(), |_| ().into_response()).await;
    let authenticator = bed.connected();
    authenticator.revoke().await.unwrap();
    assert_eq!(bed.form(0)["token"], "simulated-refresh-0");
    assert_eq!(bed.log.lock().unwrap()[0].path, "/revoke");
    assert_eq!(bed.store().load("acme").unwrap(), None);
    assert_eq!(authenticator.token().await.unwrap_err().code, Code::AuthRequired);
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let (pem, _) = key();
    let bed = Bed::new(sign_in(), rotating()).await;
    let authenticator = bed.connected();
    let tokens = authenticator.refresh(1).await.unwrap();
    let request = authenticator.authorization_request().unwrap();
    let mut config = assertion(pem);
    config.client_secret = Some(Secret::new("simulated-secret"));
    config.client_id = None;
    if let Grant::JwtBearer { issuer, .. } = &mut config.grant {
        issuer.clear();
    }
    let store = bed.store();
    let printed = format!("{tokens:?} {request:?} {config:?} {authenticator:?} {store:?}");
    for secret in ["simulated", "PRIVATE KEY", request.state.expose()] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
