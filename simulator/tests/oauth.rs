//! The OAuth flows, with the login pages filled in like a person would.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use longshore_simulator::salesforce::{Config, Running};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Client, config, http, post, start};

const REDIRECT: &str = "http://127.0.0.1:8400/callback";
const VERIFIER: &str = "simulated-verifier-simulated-verifier-simulated";

/// Opens the login page and gives its hidden field.
async fn open(org: &Running, extra: &[(&str, &str)]) -> reqwest::Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", "simulated-client-id")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", "api refresh_token")
        .append_pair("state", "s&t=1")
        .extend_pairs(extra);
    let address = format!("{}/services/oauth2/authorize?{}", org.url(), query.finish());
    http().get(address).send().await.unwrap()
}

fn hidden(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"login\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn submit(org: &Running, fields: &[(&str, &str)]) -> reqwest::Response {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    http()
        .post(format!("{}/services/oauth2/authorize", org.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap()
}

/// Logs in and decides; gives the parameters that come back to the app.
async fn decide(org: &Running, extra: &[(&str, &str)], decision: &str) -> Vec<(String, String)> {
    let login = hidden(&open(org, extra).await.text().await.unwrap());
    let login = ("login", login.as_str());
    let page = submit(org, &[login, ("username", "svc@example.test"), ("password", "wrong")]).await;
    assert!(page.text().await.unwrap().contains("Please check your username and password."));
    let page =
        submit(org, &[login, ("username", "svc@example.test"), ("password", "simulated-password")])
            .await;
    assert!(page.text().await.unwrap().contains("value=\"allow\""));
    let back = submit(org, &[login, ("decision", decision)]).await;
    assert_eq!(back.status(), 302);
    let location = back.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(REDIRECT));
    url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

async fn token(org: &Running, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut all =
        vec![("client_id", "simulated-client-id"), ("client_secret", "simulated-client-secret")];
    all.extend_from_slice(fields);
    post(&format!("{}/services/oauth2/token", org.url()), &all).await
}

async fn exchange(org: &Running, code: &str, verifier: &str) -> (u16, Value) {
    let grant = ("grant_type", "authorization_code");
    let fields = [grant, ("code", code), ("redirect_uri", REDIRECT), ("code_verifier", verifier)];
    token(org, &fields).await
}

async fn refresh(org: &Running, token_text: &str) -> (u16, Value) {
    token(org, &[("grant_type", "refresh_token"), ("refresh_token", token_text)]).await
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

async fn works(org: &Running, access_token: &Value) -> bool {
    let client =
        Client { http: http(), base: org.url(), token: access_token.as_str().unwrap().to_owned() };
    client.get("/services/data/v67.0/limits").await.status() == 200
}

#[tokio::test]
async fn a_person_approves_with_pkce() {
    let org = start(config()).await;
    let challenge = challenge();
    // Some clients send no method; the challenge counts all the same.
    for method in [&[("code_challenge_method", "S256")][..], &[]] {
        let mut extra = vec![("code_challenge", challenge.as_str())];
        extra.extend_from_slice(method);
        let back = decide(&org, &extra, "allow").await;
        assert_eq!(back[1], ("state".to_owned(), "s&t=1".to_owned()));
        let code = &back[0].1;
        assert!(code.ends_with("=="));
        let (status, body) = exchange(&org, code, VERIFIER).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["instance_url"], org.url());
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["issued_at"], "1790848800000");
        assert_eq!(body["scope"], "api refresh_token");
        assert!(body.get("expires_in").is_none());
        assert!(body["access_token"].as_str().unwrap().contains('!'));
        assert!(works(&org, &body["access_token"]).await);
        let (status, body) = exchange(&org, code, VERIFIER).await;
        assert_eq!(
            (status, &body["error_description"]),
            (400, &json!("expired authorization code"))
        );
    }
}

#[tokio::test]
async fn a_wrong_or_missing_verifier_is_refused() {
    let org = start(config()).await;
    let challenge = challenge();
    let extra = [("code_challenge", challenge.as_str())];
    for fields in [vec![("code_verifier", "another-verifier")], Vec::new()] {
        let back = decide(&org, &extra, "allow").await;
        let mut all = vec![
            ("grant_type", "authorization_code"),
            ("code", back[0].1.as_str()),
            ("redirect_uri", REDIRECT),
        ];
        all.extend(fields);
        let (status, body) = token(&org, &all).await;
        assert_eq!((status, &body["error_description"]), (400, &json!("invalid code verifier")));
    }
}

#[tokio::test]
async fn a_person_denies() {
    let org = start(config()).await;
    let back = decide(&org, &[], "deny").await;
    assert_eq!(back[0], ("error".to_owned(), "access_denied".to_owned()));
    assert_eq!(
        back[1],
        ("error_description".to_owned(), "end-user denied authorization".to_owned())
    );
}

#[tokio::test]
async fn an_uninstalled_app_is_blocked() {
    let mut strict = config();
    strict.permissions.remove("PermissionsCanApproveUninstalledApps");
    let org = start(strict).await;
    let back = open(&org, &[]).await;
    assert_eq!(back.status(), 302);
    let location = back.headers()["location"].to_str().unwrap();
    assert!(
        location.contains("error=invalid_client&error_description=app+must+be+installed+into+org"),
        "{location}"
    );
}

#[tokio::test]
async fn a_foreign_redirect_gets_no_answer() {
    let org = start(config()).await;
    let address = format!(
        "{}/services/oauth2/authorize?response_type=code&client_id=simulated-client-id&redirect_uri=https://elsewhere.example/",
        org.url()
    );
    let page = http().get(address).send().await.unwrap();
    assert_eq!(page.status(), 400);
    assert!(page.text().await.unwrap().contains("redirect_uri_mismatch"));
}

#[tokio::test]
async fn rotation_detects_reuse() {
    let org = start(Config { refresh_token_rotation: true, ..config() }).await;
    let back = decide(&org, &[], "allow").await;
    let (_, first) = token(
        &org,
        &[("grant_type", "authorization_code"), ("code", &back[0].1), ("redirect_uri", REDIRECT)],
    )
    .await;
    let old = first["refresh_token"].as_str().unwrap();
    let (status, second) = refresh(&org, old).await;
    assert_eq!(status, 200);
    let new = second["refresh_token"].as_str().unwrap();
    assert_ne!(old, new);
    assert!(works(&org, &second["access_token"]).await);
    let (status, body) = refresh(&org, old).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(body["error_description"], "expired access/refresh token");
    assert_eq!(refresh(&org, new).await.0, 400);
    assert!(!works(&org, &second["access_token"]).await);
    assert_eq!((org.truth().access_tokens, org.truth().refresh_tokens), (0, 0));
}

#[tokio::test]
async fn clients_prove_themselves() {
    let org = start(config()).await;
    let address = format!("{}/services/oauth2/token", org.url());
    let grant = ("grant_type", "client_credentials");
    let (status, body) = post(&address, &[grant, ("client_id", "nobody")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client_id")));
    let known = ("client_id", "simulated-client-id");
    let (status, body) = post(&address, &[grant, known, ("client_secret", "wrong")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
    let (status, body) = token(&org, &[("grant_type", "wish")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
    let basic = STANDARD.encode("simulated-client-id:simulated-client-secret");
    let request = |host: &str| {
        http()
            .post(&address)
            .header("authorization", format!("Basic {basic}"))
            .header("host", host)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
    };
    let response = request("demo.my.salesforce.com").await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(body["instance_url"], "https://demo.my.salesforce.com");
    assert!(body.get("refresh_token").is_none());
    let response = request("login.salesforce.com").await.unwrap();
    assert!(response.text().await.unwrap().contains("request not supported on this domain"));
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn jwt_bearer_checks_every_claim() {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let jwt_public_key = Some(pem("PUBLIC KEY", public.as_ref()));
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
    let org = start(Config { jwt_public_key, ..config() }).await;
    let good = json!({
        "iss": "simulated-client-id", "sub": "svc@example.test",
        "aud": "https://login.salesforce.com", "exp": 1_790_848_800 + 180,
    });
    let send = async |claims: Value| {
        let assertion =
            jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap();
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let address = format!("{}/services/oauth2/token", org.url());
        post(&address, &[("grant_type", grant), ("assertion", &assertion)]).await
    };
    let (status, body) = send(good.clone()).await;
    assert_eq!(status, 200, "{body}");
    assert!(works(&org, &body["access_token"]).await);
    for (claim, value, expected) in [
        ("iss", json!("nobody"), "client identifier invalid"),
        ("sub", json!("ada@example.test"), "user hasn't approved this consumer"),
        ("aud", json!("https://elsewhere.example"), "audience is invalid"),
        ("exp", json!(1_790_848_799), "token validity expired"),
        ("exp", json!(1_790_848_800 + 3600), "token validity expired"),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let (status, body) = send(claims).await;
        assert_eq!((status, &body["error_description"]), (400, &json!(expected)));
    }
}

#[tokio::test]
async fn sessions_end_by_time_by_revocation_and_by_hand() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let limits = "/services/data/v67.0/limits";
    assert_eq!(client.get(limits).await.status(), 200);
    client.admin("clock", r#"{"advance_seconds": 7200}"#).await;
    let response = client.get(limits).await;
    assert_eq!(response.status(), 401);
    assert!(!response.headers().contains_key("sforce-limit-info"));
    assert_eq!(
        response.text().await.unwrap(),
        r#"[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]"#
    );
    let client = Client::signed_in(&org).await;
    let address = format!("{}/services/oauth2/revoke", org.url());
    assert_eq!(post(&address, &[("token", &client.token)]).await.0, 200);
    assert_eq!(client.get(limits).await.status(), 401);
    let client = Client::signed_in(&org).await;
    client.admin("revoke", "").await;
    assert_eq!(client.get(limits).await.status(), 401);
}

#[tokio::test]
async fn userinfo_names_the_user() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let user = client.json("/services/oauth2/userinfo").await;
    assert_eq!(user["preferred_username"], "svc@example.test");
    assert_eq!(user["user_id"], "005Dn0000000001IAA");
    assert_eq!(user["organization_id"], "00DDn0000000001MAA");
    assert_eq!(user["language"], "en_US");
    let path = user["sub"].as_str().unwrap().strip_prefix(&org.url()).unwrap();
    assert_eq!(client.json(path).await["username"], "svc@example.test");
}
