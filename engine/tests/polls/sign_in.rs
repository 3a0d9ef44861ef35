//! Signing in, in the ways that are no plain OAuth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use longshore_engine::error::Code;
use longshore_engine::poll::Limits;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, Asked, NOON, Tenant, json, snapshot, status};

/// The way of signing in of the manifest that tests begin with.
const KEY: &str = r#"  api_key: { header: X-Api-Key, value: "{{inputs.key}}" }"#;

fn tenant(app: &App, auth: &str) -> Tenant {
    Tenant::new(app, &snapshot("", "")).edit(KEY, auth)
}

fn records() -> Response {
    json(&json!({ "records": [record(NOON)] }))
}

const SESSION: &str = r#"  session:
    login:
      post: /login
      form: { user: svc, password: "{{inputs.key}}" }
    token: { token: $.session.id }
    cookies: { cookie: SID }
    send:
      - { header: X-Session, value: "{{auth.token}}" }
      - { cookie: SID, value: "{{auth.cookie}}" }"#;

/// An app with sessions, of which each lasts for so many requests.
fn sessions(lasts: usize) -> impl Fn(Asked) -> Response + Clone + Send + Sync + 'static {
    let (logins, used) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    move |asked| {
        if asked.path == "/v1/login" {
            assert_eq!(asked.method, "POST");
            if asked.body != "user=svc&password=simulated-key" {
                return status(401, &json!({ "message": format!("wrong: {}", asked.body) }));
            }
            used.store(0, Ordering::SeqCst);
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            let mut answer = json(&json!({ "session": { "id": format!("simulated-{number}") } }));
            let cookie = format!("SID=\"simulated-c{number}\"; Path=/; HttpOnly");
            answer.headers_mut().insert("set-cookie", cookie.parse().unwrap());
            return answer;
        }
        let number = logins.load(Ordering::SeqCst);
        let good = asked.headers.get("x-session") == Some(&format!("simulated-{number}"))
            && asked.headers.get("cookie") == Some(&format!("SID=simulated-c{number}"));
        if !good || used.fetch_add(1, Ordering::SeqCst) >= lasts {
            return status(401, &json!({}));
        }
        if asked.path == "/v1/users" {
            return json(&json!({ "users": [] }));
        }
        records()
    }
}

fn logins(app: &App) -> usize {
    app.requests().iter().filter(|path| *path == "/v1/login").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_opened_once_and_again_when_the_app_ends_it() {
    let app = App::start(sessions(2)).await;
    let tenant = tenant(&app, SESSION).edit("    then: stop\n", "    then: refresh\n");
    for _ in 0..2 {
        tenant.completes().await;
        tenant.advance(900).await;
    }
    // The next process goes on in the same session.
    assert_eq!(logins(&app), 1);
    tenant.completes().await;
    assert_eq!(logins(&app), 2);
    let stored = tenant.folder.path().join("state/secrets/test.tokens");
    let stored = std::fs::read(stored).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("simulated"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_streams_share_one_login() {
    let app = App::start(sessions(1000)).await;
    let tenant = tenant(&app, SESSION);
    let runner = tenant.open();
    let streams = runner.select(&["events".to_owned(), "users".to_owned()]).unwrap();
    let reports = runner.once(&streams, Limits::default()).await;
    assert!(reports.iter().all(|report| report.error.is_none()), "{reports:?}");
    assert_eq!(logins(&app), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_not_repeated_and_says_nothing_of_the_password() {
    let app = App::start(sessions(2)).await;
    let mut tenant = tenant(&app, SESSION);
    tenant.inputs = "{ key: simulated-wrong }".to_owned();
    let runner = tenant.open();
    let streams = runner.select(&[]).unwrap();
    for _ in 0..3 {
        for report in runner.once(&streams, Limits::default()).await {
            let error = report.error.unwrap();
            assert_eq!(error.code, Code::AuthClientInvalid, "{error}");
            assert!(!error.to_string().contains("simulated"), "{error}");
        }
        tenant.advance(60).await;
    }
    assert_eq!(logins(&app), 1);
    // A person may have mended it, but not every minute.
    tenant.advance(15 * 60).await;
    runner.once(&streams, Limits::default()).await;
    assert_eq!(logins(&app), 2);
    tenant.advance(20 * 60).await;
    runner.once(&streams, Limits::default()).await;
    assert_eq!(logins(&app), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_without_a_session_says_what_is_missing() {
    let app = App::start(|_| json(&json!({ "session": { "note": "simulated" } }))).await;
    let error = tenant(&app, SESSION).poll().await.error.unwrap();
    assert_eq!(error.code, Code::AuthResponseInvalid);
    let shown = error.to_string();
    assert!(shown.contains("no `$.session.id` in its body"), "{shown}");
    assert!(!shown.contains("simulated"), "{shown}");
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_the_query_is_sent_and_never_shown() {
    let app = App::start(|asked| {
        assert_eq!(asked.query.get("api_key").map(String::as_str), Some("simulated-key"));
        match asked.query.get("page").map(String::as_str) {
            // Apps make links of the request, the key included.
            None => json(&json!({
                "records": [record(NOON)],
                "next": "/v1/events?api_key=simulated-key&page=2",
            })),
            _ => status(403, &json!({})),
        }
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", "pages: { next_url: $.next }"))
        .edit(KEY, r#"  api_key: { query: api_key, value: "{{inputs.key}}" }"#);
    let report = tenant.poll().await;
    let error = report.error.unwrap();
    assert_eq!(error.code, Code::PermMissing);
    let told = format!("{error} {error:?} {:?}", tenant.told.lock().unwrap());
    assert!(!told.contains("simulated-key"), "{told}");
    assert_eq!(app.requests()[1], "/v1/events?page=2&api_key=simulated-key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_and_a_password_go_with_every_request() {
    let app = App::start(|asked| {
        let expected = format!("Basic {}", BASE64.encode("svc:simulated-key"));
        assert_eq!(asked.headers.get("authorization"), Some(&expected));
        records()
    })
    .await;
    let auth = r#"  basic: { username: svc, password: "{{inputs.key}}" }"#;
    tenant(&app, auth).completes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_needs_no_credentials_has_none() {
    let app = App::start(|asked| {
        let expected = (asked.path != "/v1/events").then_some("simulated-key");
        assert_eq!(asked.key.as_deref(), expected);
        records()
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", ""))
        .edit("get: /events, query: {  }", "get: /events, auth: none");
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_chooses_how_to_sign_in_and_is_asked_for_no_more() {
    let app = App::start(|asked| {
        assert_eq!(asked.key.as_deref(), Some("Token simulated-key"));
        records()
    })
    .await;
    let auth = r#"  one_of:
    input: way
    kinds:
      token:
        api_key: { header: Authorization, value: "Token {{inputs.key}}" }
      oauth:
        oauth2:
          token_url: https://api.tester.test/token
          client_id: "{{inputs.client_id}}"
          client_secret: "{{inputs.client_secret}}"
          grants: { client_credentials: {} }"#;
    let mut tenant = tenant(&app, auth).edit(
        "inputs:\n",
        "inputs:\n  way: { type: choice, title: Way, choices: [token, oauth] }\n  client_id: { type: string, title: ID }\n  client_secret: { type: secret, title: Secret }\n",
    );
    tenant.inputs = "{ way: token, key: simulated-key }".to_owned();
    tenant.completes().await;
}

/// The members of a form.
fn form(body: &str) -> std::collections::BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_has_a_token_endpoint_of_its_own() {
    let app = App::start(|asked| {
        if asked.path == "/token" {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let expected = json!({ "grant_type": "account_credentials", "account_id": "simulated-key", "scope": "audit" });
            assert_eq!(body, expected);
            let basic = format!("Basic {}", BASE64.encode("svc:simulated-key"));
            assert_eq!(asked.headers.get("authorization"), Some(&basic));
            assert_eq!(asked.headers.get("x-tenant").map(String::as_str), Some("one"));
            return json(&json!({ "ok": true, "data": { "token": "simulated-token", "ttl": "60" } }));
        }
        assert_eq!(asked.query.get("access_token").map(String::as_str), Some("simulated-token"));
        records()
    })
    .await;
    let auth = r#"  oauth2:
    token_url: https://api.tester.test/token
    client_id: svc
    client_secret: "{{inputs.key}}"
    client_auth: basic
    grants:
      client_credentials:
        scopes: { audit: Reads the audit log. }
        grant_type: account_credentials
        params: { account_id: "{{inputs.key}}" }
    token_request: { headers: { X-Tenant: one }, encoding: json }
    response: { access_token: $.data.token, expires_in: $.data.ttl, error: $.error }
    send: { query: access_token }"#;
    let tenant = tenant(&app, auth);
    tenant.completes().await;
    tenant.advance(30).await;
    tenant.completes().await;
    let asked = |app: &App| app.requests().iter().filter(|path| *path == "/token").count();
    assert_eq!(asked(&app), 1);
    tenant.advance(60).await;
    tenant.completes().await;
    assert_eq!(asked(&app), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_with_status_200_is_one() {
    let app = App::start(|_| {
        json(&json!({ "ok": false, "error": "invalid_client", "access_token": "simulated-x" }))
    })
    .await;
    let auth = r#"  oauth2:
    token_url: https://api.tester.test/token
    client_id: svc
    grants: { password: { username: svc, password: "{{inputs.key}}" } }
    response: { error: $.error }"#;
    let error = tenant(&app, auth).poll().await.error.unwrap();
    assert_eq!(error.code, Code::AuthClientInvalid);
    assert!(!error.to_string().contains("simulated"), "{error}");
    assert_eq!(app.requests(), ["/token"]);
}

const SERVICE_ACCOUNT: &str = r#"  oauth2:
    token_url: https://api.tester.test/token
    grants:
      jwt_bearer:
        issuer: "{{inputs.key.client_email}}"
        subject: admin@tester.test
        audience: "{{inputs.key.token_uri}}"
        key: "{{inputs.key.private_key}}"
        key_id: "{{inputs.key.private_key_id}}"
        scopes: { audit.readonly: Reads the audit log. }
        claims: { tier: gold }"#;

/// A connection whose key is a file as apps hand them out.
fn service_account(app: &App, pem: &str) -> Tenant {
    let mut tenant = tenant(app, SERVICE_ACCOUNT).edit("type: secret,", "type: secret_json,");
    let document = json!({
        "client_email": "svc@tester.test",
        "private_key_id": "7",
        "private_key": pem,
        "token_uri": "https://api.tester.test/token",
    });
    std::fs::write(tenant.folder.path().join("key.json"), document.to_string()).unwrap();
    "{ key: { file: key.json } }".clone_into(&mut tenant.inputs);
    tenant
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_signs_for_a_subject() {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    let app = App::start(|asked| {
        if asked.path != "/token" {
            assert_eq!(asked.key.as_deref(), Some("Bearer simulated-token"));
            return records();
        }
        let form = form(&asked.body);
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!(form.len(), 2);
        let parts: Vec<Value> = form["assertion"]
            .split('.')
            .take(2)
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
            .map(|part| serde_json::from_slice(&part).unwrap())
            .collect();
        assert_eq!((&parts[0]["alg"], &parts[0]["kid"]), (&json!("RS256"), &json!("7")));
        for (claim, value) in [
            ("iss", "svc@tester.test"),
            ("sub", "admin@tester.test"),
            ("aud", "https://api.tester.test/token"),
            ("scope", "audit.readonly"),
            ("tier", "gold"),
        ] {
            assert_eq!(parts[1][claim], value, "{claim}");
        }
        assert_eq!(parts[1]["exp"], NOON + 180);
        json(&json!({ "access_token": "simulated-token", "expires_in": 3600 }))
    })
    .await;
    let size = aws_lc_rs::rsa::KeySize::Rsa2048;
    let pair = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let body = BASE64.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    service_account(&app, &pem).completes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_sign_is_not_shown() {
    let app = App::start(|_| records()).await;
    let error = service_account(&app, "simulated-pem").poll().await.error.unwrap();
    assert_eq!(error.code, Code::InputInvalid);
    assert!(!error.to_string().contains("simulated"), "{error}");
    assert!(app.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_signed() {
    let app = App::start(|asked| {
        let signed = format!("GET\napi.tester.test\n/v1/events\na=b&z=1\n{NOON}");
        let expected = hmac(&signed);
        assert_eq!(asked.headers.get("authorization"), Some(&format!("HMAC svc:{expected}")));
        assert_eq!(asked.headers.get("x-time"), Some(&NOON.to_string()));
        records()
    })
    .await;
    let auth = r#"  hmac:
    key: "{{inputs.key}}"
    algorithm: sha256
    encoding: base64
    string: |-
      {{request.method}}
      {{request.host}}
      {{request.path}}
      {{request.sorted_query}}
      {{epoch request.time "s"}}
    headers:
      Authorization: HMAC svc:{{auth.signature}}
      X-Time: '{{epoch request.time "s"}}'"#;
    let tenant = Tenant::new(&app, &snapshot("z: 1, a: b", "")).edit(KEY, auth);
    tenant.completes().await;
}

/// HMAC-SHA-256 with the key of the connection, as RFC 2104 writes it.
fn hmac(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let mut key = [0_u8; 64];
    key[..13].copy_from_slice(b"simulated-key");
    let padded = |pad: u8| key.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    BASE64.encode(Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize())
}
