//! What a manifest says that the answers to sign-ins mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use longshore_engine::error::{Code, Error, Retry};
use longshore_engine::poll::Limits;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, NOON, Tenant, json, snapshot, status};

const KEY: &str = r#"  api_key: { header: X-Api-Key, value: "{{inputs.key}}" }"#;

const SESSION: &str = r#"  session:
    login: { post: https://api.tester.test/login, form: { user: svc, password: "{{inputs.key}}" } }
    token: { id: $.token }
    send: { header: X-Session, value: "{{auth.id}}" }"#;

const CLIENT: &str = r#"  oauth2:
    token_url: https://api.tester.test/login
    client_id: svc
    client_secret: "{{inputs.key}}"
    grants: { client_credentials: {} }
    response: { access_token: $.token }"#;

/// Rules about sign-ins, and behind them one that would misunderstand their answers.
const RULES: &str = r"errors:
  - when: { login: true, status: 400, body: { $.reason: consent_withdrawn } }
    then: stop
    code: AUTH_TOKEN_REVOKED
    message: The administrator withdrew the consent.
    fix: Consent again under Admin > Apps.
  - when: { login: true, body: { $.ok: false, $.reason: frozen } }
    then: stop
    code: AUTH_USER_INACTIVE
    message: The account is frozen.
    fix: Unfreeze it.
  - when: { login: true, body: { $.reason: too_many } }
    then: wait
    wait: { body: $.free_at, unit: epoch_seconds }
  - when: { login: true, status: 409 }
    then: retry
  - when: { login: true, headers: { X-Refused: '.+' } }
    then: stop
  - when: { status: [400, 403] }
    then: stop
    code: PERM_MISSING
    message: The account may not read the audit log.
    fix: Give it the role Auditor.
";

/// An app whose sign-in answers like this, one answer after the other, the last for ever; and the
/// connection to it.
async fn signing_in(auth: &str, answers: Vec<Response>) -> (App, Tenant) {
    let answers: Arc<Vec<(u16, axum::http::HeaderMap, axum::body::Bytes)>> = {
        let mut all = Vec::new();
        for answer in answers {
            let (head, body) = answer.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            all.push((head.status.as_u16(), head.headers, body));
        }
        Arc::new(all)
    };
    let count = Arc::new(AtomicUsize::new(0));
    let app = App::start(move |asked| {
        if asked.path != "/login" {
            return json(&json!({ "records": [record(NOON)] }));
        }
        let number = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let (status, headers, body) = answers[number].clone();
        let mut answer = Response::new(axum::body::Body::from(body));
        *answer.status_mut() = axum::http::StatusCode::from_u16(status).unwrap();
        *answer.headers_mut() = headers;
        answer
    })
    .await;
    let tenant = Tenant::new(&app, &snapshot("", "")).edit(KEY, auth).edit("errors:\n", RULES);
    (app, tenant)
}

fn logins(app: &App) -> usize {
    app.requests().iter().filter(|path| *path == "/login").count()
}

fn granted() -> Response {
    json(&json!({ "ok": true, "token": "simulated-token", "expires_in": 3600 }))
}

fn refused(code: u16, reason: &str, more: &Value) -> Response {
    let mut body = json!({ "ok": false, "reason": reason, "echo": "simulated-key" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut answer = status(code, &body);
    // Times are told by the app's clock.
    answer.headers_mut().insert("date", "Thu, 01 Oct 2026 12:00:00 GMT".parse().unwrap());
    answer
}

fn says(error: &Error, code: Code, what: &str, cause: &str, fix: &str) {
    assert_eq!((error.code, error.retry), (code, Retry::Never), "{error}");
    assert_eq!(error.what, what, "{error}");
    assert_eq!(error.cause.as_deref(), Some(cause), "{error}");
    assert_eq!(error.fix.as_deref(), Some(fix), "{error}");
    assert!(error.place.request.as_deref().unwrap().contains("/login"), "{error}");
    assert!(!format!("{error} {error:?}").contains("simulated"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_means_what_the_manifest_says() {
    for auth in [SESSION, CLIENT] {
        let withdrawn = refused(400, "consent_withdrawn", &json!({}));
        let (app, tenant) = signing_in(auth, vec![withdrawn]).await;
        let error = tenant.poll().await.error.unwrap();
        says(
            &error,
            Code::AuthTokenRevoked,
            "The administrator withdrew the consent",
            "HTTP 400, consent_withdrawn",
            "Consent again under Admin > Apps.",
        );
        assert_eq!(logins(&app), 1, "apps lock accounts");

        // With status 200, and with a token in it.
        let frozen = refused(200, "frozen", &json!({ "token": "simulated-token" }));
        let (app, tenant) = signing_in(auth, vec![frozen]).await;
        let runner = tenant.open();
        let streams = runner.select(&["events".to_owned()]).unwrap();
        for _ in 0..3 {
            let report = runner.once(&streams, Limits::default()).await.remove(0);
            says(
                &report.error.unwrap(),
                Code::AuthUserInactive,
                "The account is frozen",
                "HTTP 200, false, frozen",
                "Unfreeze it.",
            );
            tenant.advance(60).await;
        }
        assert_eq!(app.requests(), ["/login"], "it is tried no more for a while");

        // In words that are not the rule's.
        let mut answer = refused(418, "other", &json!({}));
        answer.headers_mut().insert("x-refused", "simulated".parse().unwrap());
        let (_, tenant) = signing_in(auth, vec![answer]).await;
        says(
            &tenant.poll().await.error.unwrap(),
            Code::AuthClientInvalid,
            "the app refuses the sign-in",
            "HTTP 418",
            "check the inputs of the connection, and the account at the app",
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_rules_say_nothing_of_sign_ins_and_these_nothing_of_others() {
    for auth in [SESSION, CLIENT] {
        let (_, tenant) = signing_in(auth, vec![refused(403, "other", &json!({}))]).await;
        let error = tenant.poll().await.error.unwrap();
        assert_ne!(error.code, Code::PermMissing, "{error}");

        let app = App::start(|asked| match asked.path.as_str() {
            "/login" => granted(),
            _ => refused(400, "consent_withdrawn", &json!({})),
        })
        .await;
        let tenant = Tenant::new(&app, &snapshot("", "")).edit(KEY, auth).edit("errors:\n", RULES);
        assert_eq!(tenant.poll().await.error.unwrap().code, Code::PermMissing);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_tried_again_where_and_when_the_manifest_says() {
    for auth in [SESSION, CLIENT] {
        let (app, tenant) =
            signing_in(auth, vec![refused(409, "busy", &json!({})), granted()]).await;
        tenant.completes().await;
        assert_eq!(logins(&app), 2);

        let free = json!({ "free_at": NOON + 40 });
        let (app, tenant) =
            signing_in(auth, vec![refused(200, "too_many", &free), granted()]).await;
        tenant.completes().await;
        assert_eq!(logins(&app), 2);
        assert!(tenant.clock.now().as_second() >= NOON + 40, "{}", tenant.clock.now());

        // Too long to wait for: whoever comes next does not ask before.
        let free = json!({ "free_at": NOON + 7200 });
        let (app, tenant) =
            signing_in(auth, vec![refused(403, "too_many", &free), granted()]).await;
        for _ in 0..2 {
            let error = tenant.poll().await.error.unwrap();
            assert_eq!(error.code, Code::AuthLoginRate, "{error}");
            let Retry::Later(Some(at)) = error.retry else { panic!("{error}") };
            assert_eq!(at.as_second(), NOON + 7200, "{error}");
            assert_eq!(logins(&app), 1);
        }
        tenant.advance(7200).await;
        tenant.completes().await;

        let (app, tenant) = signing_in(auth, vec![refused(409, "busy", &json!({}))]).await;
        let error = tenant.poll().await.error.unwrap();
        assert_eq!((error.code, error.retry), (Code::AppError, Retry::Later(None)), "{error}");
        assert!((2..10).contains(&logins(&app)), "{}", logins(&app));
    }
}
