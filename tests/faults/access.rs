//! Credentials, tokens, hosts and permissions.

use longshore_engine::error::Code;
use longshore_simulator::salesforce::{Config, Fault};

use crate::support::{MANIFEST, Tenant, redacted, small, status};
use crate::{LATER, SIGN_INS, named};

/// An org that is signed in to with the authorization code grant.
async fn connected(config: Config) -> Tenant {
    let mut tenant = Tenant::start(config).await;
    tenant.grant = "authorization_code";
    tenant.sign_in().await.unwrap();
    tenant
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_secret() {
    let mut tenant = Tenant::start(small()).await;
    tenant.client_secret = "simulated-wrong-secret";
    let error = tenant.failure("sign_ins").await;
    assert_eq!(error.code, Code::AuthClientInvalid);
    insta::assert_snapshot!(redacted(&error));
    assert!(!format!("{error:?}{error}").contains("simulated-wrong-secret"));
    tenant.client_secret = "simulated-client-secret";
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_id() {
    let mut tenant = Tenant::start(small()).await;
    tenant.client_id = "simulated-other-client";
    let error = tenant.failure("sign_ins").await;
    assert_eq!(error.code, Code::AuthClientInvalid);
    insta::assert_snapshot!(redacted(&error));
    tenant.client_id = "simulated-client-id";
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_signed_in() {
    let mut tenant = Tenant::start(small()).await;
    tenant.grant = "authorization_code";
    let error = tenant.failure("users").await;
    assert_eq!(error.code, Code::AuthRequired);
    insta::assert_snapshot!(redacted(&error));
    tenant.sign_in().await.unwrap();
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_are_renewed() {
    let mut tenant = Tenant::start(small()).await;
    for grant in ["client_credentials", "authorization_code"] {
        tenant.grant = grant;
        if grant == "authorization_code" {
            tenant.sign_in().await.unwrap();
        }
        tenant.completes().await;
        tenant.org.end_sessions();
        let before = tenant.org.truth().requests["oauth"];
        tenant.advance(3600).await;
        tenant.completes().await;
        let after = tenant.org.truth().requests["oauth"];
        assert_eq!(after, before + 1, "{grant}: four streams share one renewal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_session_is_renewed() {
    let tenant = connected(small()).await;
    tenant.break_query(SIGN_INS, LATER, 1, Fault::SessionExpired);
    tenant.break_path("/LogFile", 40, 1, Fault::SessionExpired);
    tenant.completes().await;
    assert_eq!(tenant.hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_always_refused() {
    named("sessions_that_are_always_refused", Code::AuthTokenRevoked, Fault::SessionExpired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_refresh_token() {
    let tenant = connected(small()).await;
    tenant.poll_streams(&["sign_ins"]).await;
    tenant.org.revoke();
    let reports = tenant.poll().await;
    for report in &reports {
        let error = report.error.as_ref().unwrap_or_else(|| panic!("{} passed", report.stream));
        assert_eq!(error.code, Code::AuthTokenRevoked, "{}", report.stream);
    }
    insta::assert_snapshot!(redacted(reports[0].error.as_ref().unwrap()));
    tenant.sign_in().await.unwrap();
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_refresh_tokens_last_over_many_polls() {
    let tenant = connected(Config { refresh_token_rotation: true, ..small() }).await;
    for _ in 0..6 {
        tenant.org.end_sessions();
        tenant.advance(1800).await;
        tenant.completes().await;
    }
    let truth = tenant.org.truth();
    assert_eq!(truth.refresh_tokens, 1, "the family of tokens is not alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_host_that_is_not_declared() {
    let fault = Fault::RedirectTo { host: "https://elsewhere.example".to_owned() };
    named("a_redirect_to_a_host_that_is_not_declared", Code::NetHostBlocked, fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_on_a_host_that_is_not_declared() {
    let tenant = Tenant::start(small()).await;
    let token = r#"{"access_token":"simulated-token","instance_url":"https://elsewhere.example","id":"https://login.salesforce.com/id/1/2","token_type":"Bearer"}"#;
    tenant.break_path("/services/oauth2/token", 0, 0, status(200, token));
    let error = tenant.failure("sign_ins").await;
    assert_eq!(error.code, Code::NetHostBlocked, "{error}");
    insta::assert_snapshot!(redacted(&error));
    tenant.org.clear_faults();
    // The tokens in the store still name that host; the next poll asks for others.
    tenant.completes().await;
    let (started, ended) = (tenant.org.truth().requests["oauth"], tenant.completes().await);
    assert!(ended.iter().all(|report| report.error.is_none()));
    assert_eq!(tenant.org.truth().requests["oauth"], started);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_one_stream_lacks() {
    named("a_permission_that_one_stream_lacks", Code::PermMissing, Fault::MissingPermission).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_without_api() {
    let body = r#"[{"message":"The REST API is not enabled for this Organization.","errorCode":"API_DISABLED_FOR_ORG"}]"#;
    named("an_org_without_api", Code::PermApiDisabledOrg, status(403, body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_field() {
    let body = r#"[{"message":"No such column 'TlsProtocol' on entity 'LoginHistory'.","errorCode":"INVALID_FIELD"}]"#;
    named("a_hidden_field", Code::PermFieldHidden, status(400, body)).await;
    // What the org says is never repeated: it may hold personal data.
    let shown = insta_text("a_hidden_field");
    assert!(!shown.contains("TlsProtocol"), "{shown}");
}

fn insta_text(name: &str) -> String {
    let path = format!("{}/tests/faults/snapshots/faults__{name}.snap", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_shipped_manifest_declares_salesforce_hosts_only() {
    assert!(MANIFEST.contains(r#"hosts: ["*.salesforce.com", "*.force.com"]"#));
}
