//! Sessions: when they are opened, how long they are used, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use longshore_engine::auth::Revocation;
use longshore_engine::error::Code;
use serde_json::{Value, json};

use crate::paging::record;
use crate::support::{App, Asked, NOON, Tenant, json, snapshot, status};

const KEY: &str = r#"  api_key: { header: X-Api-Key, value: "{{inputs.key}}" }"#;

/// A session that lives in a header, and is ended by a call.
const BY_TOKEN: &str = r#"  session:
    login: { post: /login, json: { user: svc, password: "{{inputs.key}}" } }
    token: { id: $.session.id }
    send: { header: X-Session, value: "{{auth.id}}" }
    expires_in: 30m
    logout: { delete: "/sessions/{{auth.id}}" }"#;

/// A session that lives in a cookie alone.
const BY_COOKIE: &str = r#"  session:
    login: { post: /login, json: { user: svc, password: "{{inputs.key}}" } }
    cookies: { id: SID }
    send: { cookie: SID, value: "{{auth.id}}" }
    expires_in: 30m
    logout: { post: /logout }"#;

fn tenant(app: &App, auth: &str) -> Tenant {
    Tenant::new(app, &snapshot("", ""))
        .edit(KEY, auth)
        .edit("    then: stop\n", "    then: refresh\n")
}

/// An app that keeps one session at a time, and says in which way.
fn app(cookie: bool) -> impl Fn(Asked) -> Response + Clone + Send + Sync + 'static {
    let logins = Arc::new(AtomicUsize::new(0));
    move |asked| {
        if asked.path == "/v1/login" {
            assert_eq!(asked.json(), json!({ "user": "svc", "password": "simulated-key" }));
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            let id = format!("simulated-{number}");
            let body = if cookie { json!({}) } else { json!({ "session": { "id": id } }) };
            let mut answer = json(&body);
            let cookies = ["theme=dark; Path=/".to_owned(), format!("SID={id}; Path=/; Secure")];
            for set in cookies.iter().filter(|_| cookie) {
                answer.headers_mut().append("set-cookie", set.parse().unwrap());
            }
            return answer;
        }
        let id = format!("simulated-{}", logins.load(Ordering::SeqCst));
        let good = if cookie {
            asked.headers.get("cookie") == Some(&format!("SID={id}"))
        } else {
            asked.headers.get("x-session") == Some(&id)
        };
        let ends = asked.path == "/v1/logout" || asked.path == format!("/v1/sessions/{id}");
        match (good, ends) {
            (false, _) => status(401, &json!({})),
            (true, true) => {
                logins.fetch_add(1, Ordering::SeqCst);
                Response::builder().status(204).body(axum::body::Body::empty()).unwrap()
            }
            (true, false) => json(&json!({ "records": [record(NOON)] })),
        }
    }
}

fn count(app: &App, path: &str) -> usize {
    app.requests().iter().filter(|asked| asked.starts_with(path)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_used_as_long_as_it_lasts_and_ended_when_the_connection_is() {
    for (auth, cookie, logout) in
        [(BY_TOKEN, false, "/v1/sessions/simulated-"), (BY_COOKIE, true, "/v1/logout")]
    {
        let app = App::start(app(cookie)).await;
        let tenant = tenant(&app, auth);
        for minutes in [0, 10, 15] {
            tenant.advance(minutes * 60).await;
            tenant.completes().await;
        }
        // Each was a process of its own; an app that counts sessions has seen one.
        assert_eq!(count(&app, "/v1/login"), 1, "{:?}", app.requests());
        tenant.advance(5 * 60).await;
        tenant.completes().await;
        assert_eq!(count(&app, "/v1/login"), 2, "{:?}", app.requests());
        assert_eq!(count(&app, logout), 0);

        let revoke = || async {
            let runner = tenant.open();
            runner.session().authenticator().unwrap().revoke().await
        };
        assert_eq!(revoke().await.unwrap(), Revocation::Revoked);
        assert_eq!(count(&app, logout), 1, "{:?}", app.requests());
        assert!(!tenant.folder.path().join("state/secrets/test.tokens").exists());
        // There is nothing left to end.
        assert_eq!(revoke().await.unwrap(), Revocation::Nothing);
        assert_eq!(count(&app, logout), 1);
        tenant.completes().await;
        assert_eq!(count(&app, "/v1/login"), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_not_ended_is_kept() {
    for (answer, ended) in [
        (200, true),
        (302, true),
        (401, true),
        (404, true),
        (400, false),
        (429, false),
        (503, false),
    ] {
        let app = App::start(move |asked| match asked.path.as_str() {
            "/v1/login" => json(&json!({ "session": { "id": "simulated-1" } })),
            "/v1/events" => json(&json!({ "records": [record(NOON)] })),
            _ => status(answer, &json!({ "message": "simulated-1" })),
        })
        .await;
        let tenant = tenant(&app, BY_TOKEN);
        tenant.completes().await;
        let runner = tenant.open();
        let outcome = runner.session().authenticator().unwrap().revoke().await;
        assert_eq!(outcome.is_ok(), ended, "{answer} {outcome:?}");
        let kept = tenant.folder.path().join("state/secrets/test.tokens").exists();
        assert_eq!(kept, !ended, "{answer}");
        if let Err(error) = outcome {
            let shown = error.to_string();
            assert!(shown.contains(&format!("HTTP {answer}")), "{shown}");
            assert!(shown.contains("the tokens are kept"), "{shown}");
            assert!(error.fix.is_some() && !shown.contains("simulated-1\""), "{shown}");
            assert!(!shown.contains("tried again"), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_session_is_named_and_not_shown() {
    let body = |value: Value| json!({ "session": { "id": value } }).to_string();
    for (auth, answer, expected) in [
        (BY_TOKEN, "<html>simulated-x</html>".to_owned(), "it is not JSON, but a body of 24 bytes"),
        (BY_TOKEN, String::new(), "it is not JSON, but the body is empty"),
        (BY_TOKEN, r#"{"session": {"id": "simulated-x"#.to_owned(), "it is not JSON"),
        (BY_TOKEN, "{}".to_owned(), "no `$.session.id` in its body"),
        (BY_TOKEN, body(json!("")), "no `$.session.id` in its body"),
        (BY_TOKEN, body(json!(" ")), "no `$.session.id` in its body"),
        (BY_TOKEN, body(json!(null)), "no `$.session.id` in its body"),
        (BY_TOKEN, body(json!(["simulated-x"])), "no `$.session.id` in its body"),
        (BY_TOKEN, body(json!("simulated-x\nb")), "a control character in `$.session.id`"),
        (BY_COOKIE, body(json!("simulated-x")), "no cookie `SID`"),
    ] {
        let text = answer.clone();
        let app = App::start(move |_| Response::new(text.clone().into())).await;
        let error = tenant(&app, auth).poll().await.error.unwrap();
        assert_eq!(error.code, Code::AuthResponseInvalid, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(expected), "{answer} {shown}");
        assert!(!shown.contains("simulated"), "{shown}");
        assert!(error.place.request.as_deref().unwrap().contains("/v1/login"), "{error}");
        assert_eq!(app.requests(), ["/v1/login"], "it is not tried again: apps lock accounts");
    }
}
