//! A code that a person enters at the app (RFC 8628).

use std::sync::OnceLock;

use super::*;

fn device() -> OAuthConfig {
    let device_url = Url::parse("https://login.example.com/device").unwrap();
    let mut oauth = config(Grant::DeviceCode { device_url, scopes: vec!["api".to_owned()] });
    oauth.client_secret = None;
    oauth
}

fn code(more: &Value) -> Value {
    let mut answer = json!({
        "device_code": "simulated-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://login.example.com/enter",
        "verification_uri_complete": "https://login.example.com/enter?code=WDJB-MJHT",
        "expires_in": 900,
        "interval": 5,
    });
    let members = answer.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    answer
}

/// An app that gives a code, and answers what is asked afterwards one after the other; the last
/// answer for ever. Also the seconds after the start at which it was asked.
async fn asked(more: Value, answers: Vec<(u16, Value)>) -> (Bed, Arc<Mutex<Vec<i64>>>) {
    let clock = Arc::new(OnceLock::<Clock>::new());
    let times = Arc::new(Mutex::new(Vec::new()));
    let (shown, seen_at) = (Arc::clone(&clock), Arc::clone(&times));
    let bed = Bed::new(device(), move |seen| {
        if seen.path == "/device" {
            assert_eq!(seen.body, "scope=api&client_id=simulated+client");
            return json_answer(200, &code(&more));
        }
        let mut times = seen_at.lock().unwrap();
        let (status, body) = &answers[times.len().min(answers.len() - 1)];
        times.push(shown.get().unwrap().now().duration_since(now()).as_secs());
        let mut answer = json_answer(*status, body);
        if let Some(wait) = body["wait"].as_str() {
            answer.headers_mut().insert("retry-after", wait.parse().unwrap());
        }
        answer
    })
    .await;
    clock.set(bed.clock.clone()).unwrap_or_else(|_| panic!("it is set once"));
    (bed, times)
}

async fn entered(bed: &Bed) -> Result<Arc<Tokens>, Error> {
    let authenticator = bed.authenticator();
    let request = authenticator.device_authorization().await?;
    authenticator.wait_for_device(request).await
}

fn refused(name: &str) -> (u16, Value) {
    (400, json!({ "error": name, "error_description": "simulated-device-code" }))
}

fn granted() -> (u16, Value) {
    (200, json!({ "access_token": "simulated-access", "refresh_token": "simulated-refresh" }))
}

/// RFC 8628, section 3.5: each `slow_down` adds five seconds, for all questions after it.
#[tokio::test]
async fn patience_grows_with_what_the_app_asks_for() {
    let answers = ["authorization_pending", "slow_down", "authorization_pending", "slow_down"];
    let answers = answers.map(refused).into_iter().chain([granted()]).collect();
    let (bed, times) = asked(json!({}), answers).await;
    let tokens = entered(&bed).await.unwrap();
    assert_eq!(*times.lock().unwrap(), [5, 10, 20, 30, 45]);
    assert_eq!(tokens.refresh.as_ref().unwrap().expose(), "simulated-refresh");
    assert_eq!(bed.store().load("acme").unwrap().as_ref(), Some(&*tokens));
    let form = bed.form(1);
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(form["device_code"], "simulated-device-code");
    assert_eq!(form["client_id"], "simulated client");
}

#[tokio::test]
async fn an_interval_is_obeyed_as_it_is_written() {
    for (interval, expected) in
        [(json!(null), 5), (json!(9), 9), (json!("9"), 9), (json!(-9), 5), (json!(1e300), 60)]
    {
        let (bed, times) = asked(json!({ "interval": interval }), vec![granted()]).await;
        entered(&bed).await.unwrap();
        assert_eq!(*times.lock().unwrap(), [expected], "{interval}");
    }
}

/// Trouble at the token endpoint is none of the person's, who may be typing.
#[tokio::test]
async fn trouble_that_passes_ends_no_sign_in() {
    let throttled = (429, json!({ "wait": "120" }));
    let broken = (502, json!({}));
    let (bed, times) = asked(json!({}), vec![throttled, broken, granted()]).await;
    entered(&bed).await.unwrap();
    // Asked to come back in two minutes, then with patience.
    assert_eq!(*times.lock().unwrap(), [5, 125, 140]);
}

#[tokio::test]
async fn every_end_has_its_name() {
    for (name, expected) in [
        ("expired_token", Code::AuthTimeout),
        ("access_denied", Code::AuthDenied),
        ("invalid_client", Code::AuthClientInvalid),
        ("something_new", Code::AuthResponseInvalid),
    ] {
        let answers = vec![refused("authorization_pending"), refused(name)];
        let (bed, times) = asked(json!({}), answers).await;
        let error = entered(&bed).await.unwrap_err();
        assert_eq!(error.code, expected, "{error}");
        assert_eq!(*times.lock().unwrap(), [5, 10], "{name}");
        assert!(error.fix.is_some() && error.place.request.is_some(), "{error}");
        assert!(!error.to_string().contains("simulated"), "{error}");
        assert_eq!(bed.store().load("acme").unwrap(), None);
    }
}

#[tokio::test]
async fn a_code_that_nobody_enters_is_waited_for_until_it_expires() {
    // What an app says may be absurd; nobody waits for more than half an hour.
    for (lasts, last) in
        [(json!(60), 60), (json!("60"), 60), (json!(-1), 1800), (json!(1e300), 1800)]
    {
        let answers = vec![refused("authorization_pending")];
        let (bed, times) = asked(json!({ "expires_in": lasts }), answers).await;
        let error = entered(&bed).await.unwrap_err();
        assert_eq!(error.code, Code::AuthTimeout, "{error}");
        assert_eq!(times.lock().unwrap().last(), Some(&last), "{lasts}");
        assert!(!error.to_string().contains("simulated"), "{error}");
    }
    let answers = vec![refused("slow_down")];
    let (bed, times) = asked(json!({}), answers).await;
    assert_eq!(entered(&bed).await.unwrap_err().code, Code::AuthTimeout);
    assert!(times.lock().unwrap().len() < 20, "{times:?}");
}

#[tokio::test]
async fn an_app_that_gives_no_code_is_named() {
    let bad: [(u16, String); 9] = [
        (200, "<html>simulated</html>".to_owned()),
        (200, String::new()),
        (200, "[]".to_owned()),
        (200, r#"{"device_code": "simulated"#.to_owned()),
        (404, "<html>simulated</html>".to_owned()),
        (302, String::new()),
        (200, code(&json!({ "device_code": null })).to_string()),
        (200, code(&json!({ "user_code": "" })).to_string()),
        (200, code(&json!({ "verification_uri": {} })).to_string()),
    ];
    for (status, body) in bad {
        let answer = body.clone();
        let bed = Bed::new(device(), move |_| {
            (StatusCode::from_u16(status).unwrap(), answer.clone()).into_response()
        })
        .await;
        let error = entered(&bed).await.unwrap_err();
        assert_eq!(error.what, "the app gave no code to enter", "{status} {body}");
        assert!(error.cause.is_some(), "{error}");
        assert!(error.fix.as_deref().unwrap().contains("device_url"), "{error}");
        assert!(error.place.request.as_deref().unwrap().contains("/device"), "{error}");
        assert!(!error.to_string().contains("simulated"), "{error}");
        assert_eq!(bed.requests(), 1);
    }
    let refuse = |_: &Seen| json_answer(401, &json!({ "error": "invalid_client" }));
    let error = entered(&Bed::new(device(), refuse).await).await.unwrap_err();
    assert_eq!(error.code, Code::AuthClientInvalid, "{error}");
}
