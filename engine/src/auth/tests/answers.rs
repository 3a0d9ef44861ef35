//! Answers that are none, whatever was asked.

use super::*;

fn grants() -> Vec<(&'static str, OAuthConfig)> {
    let (pem, _) = key();
    let password = Grant::Password {
        username: "svc".to_owned(),
        password: Secret::new("simulated-password"),
        scopes: Vec::new(),
    };
    vec![
        ("client_credentials", client_credentials()),
        ("jwt_bearer", assertion(pem)),
        ("password", config(password)),
        ("refresh", sign_in()),
    ]
}

/// What comes of a request for tokens.
async fn obtain(name: &str, bed: &Bed) -> Result<Arc<Tokens>, Error> {
    if name == "refresh" {
        bed.connected().refresh(1).await
    } else {
        bed.authenticator().token().await
    }
}

#[tokio::test]
async fn an_answer_without_a_token_is_an_error_for_every_grant() {
    let page = "<!DOCTYPE html><title>simulated</title>".to_owned();
    let long = format!("{{\"access_token\": \"simulated{}\"}}", "x".repeat(1 << 20));
    for (name, oauth) in grants() {
        for (kind, body) in [
            ("text/html", page.clone()),
            ("application/json", page.clone()),
            ("application/json", r#"{"access_token": "simulated"#.to_owned()),
            ("application/json", "\"simulated\"".to_owned()),
            ("application/json", "null".to_owned()),
            ("application/json", "{}".to_owned()),
            ("application/json", r#"{"access_token": ""}"#.to_owned()),
            ("application/json", r#"{"access_token": "  "}"#.to_owned()),
            ("application/json", r#"{"access_token": null, "x": "simulated"}"#.to_owned()),
            ("application/json", r#"{"access_token": {"simulated": 1}}"#.to_owned()),
            ("application/json", r#"{"access_token": ["simulated"]}"#.to_owned()),
            ("application/json", r#"{"access_token": "simulated\nX-Evil: 1"}"#.to_owned()),
            ("application/json", r#"{"access_token": "simulated\u0000"}"#.to_owned()),
            ("application/json", "[".repeat(60_000)),
            ("application/json", long.clone()),
        ] {
            let answer = body.clone();
            let bed = Bed::new(oauth.clone(), move |_| {
                let kind = [(HeaderName::from_static("content-type"), kind)];
                (kind, answer.clone()).into_response()
            })
            .await;
            let error = obtain(name, &bed).await.unwrap_err();
            let short: String = body.chars().take(80).collect();
            // A refresh token that was shown once may be used up.
            let expected = match name {
                "refresh" => Code::AuthRefreshLost,
                _ => Code::AuthResponseInvalid,
            };
            assert_eq!(error.code, expected, "{name} {short} {error}");
            assert!(error.cause.is_some() && error.fix.is_some(), "{error}");
            assert!(error.place.request.as_deref().unwrap().contains("/token"), "{error}");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("simulated"), "{name} {short} {told}");
            assert!(bed.requests() <= 6, "{name} {short} {}", bed.requests());
            let stored = bed.store().load("acme").unwrap();
            assert_eq!(stored.map_or(0, |tokens| tokens.generation), u64::from(name == "refresh"));
        }
    }
}

/// A life that cannot be one is as good as none: the default holds, or a refused request tells.
#[tokio::test]
async fn a_life_that_makes_no_sense_is_not_believed() {
    let noon = |seconds: i64| Some(now() + jiff::SignedDuration::from_secs(seconds));
    for (said, expected) in [
        (json!(3600), noon(3600)),
        (json!("3600"), noon(3600)),
        (json!(3600.9), noon(3600)),
        (json!(null), None),
        (json!(0), None),
        (json!(-1), None),
        (json!("-1"), None),
        (json!(-1e300), None),
        (json!("never"), None),
        (json!(""), None),
        (json!(true), None),
        (json!([3600]), None),
        (json!(u64::MAX), Some(Timestamp::MAX)),
        (json!(1e300), Some(Timestamp::MAX)),
        (json!("99999999999999999999999"), None),
    ] {
        for default in [None, Some(Duration::from_secs(60))] {
            let answer = json!({ "access_token": "simulated", "expires_in": said });
            let mut oauth = client_credentials();
            oauth.expires_default = default;
            let bed = Bed::new(oauth, move |_| json_answer(200, &answer)).await;
            let authenticator = bed.authenticator();
            let tokens = authenticator.token().await.unwrap();
            let expected = expected.or_else(|| noon(default?.as_secs() as i64));
            assert_eq!(tokens.expires_at, expected, "{said} {default:?}");
            assert_eq!(*authenticator.token().await.unwrap(), *tokens, "it is used");
            assert_eq!(bed.requests(), 1, "{said} {default:?}");
        }
    }
}
