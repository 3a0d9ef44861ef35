//! A client that proves who it is with an assertion that it signs (RFC 7523, section 2.2).

use std::collections::BTreeSet;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{DecodingKey, Validation, decode};

use super::*;

fn signs(mut oauth: OAuthConfig, pem: Secret, algorithm: Algorithm) -> OAuthConfig {
    oauth.client_secret = None;
    oauth.client_auth = ClientAuth::PrivateKeyJwt {
        key: SigningKey { pem, id: Some("key-1".to_owned()), algorithm },
        audience: "https://login.example.com/token".to_owned(),
        lifetime: Duration::from_secs(60),
    };
    oauth
}

fn p256() -> (Secret, Vec<u8>) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der = pair.to_pkcs8v1().unwrap();
    let body = BASE64.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    (Secret::new(pem), pair.public_key().as_ref().to_vec())
}

/// A token endpoint that takes assertions of the client which are made with this key, for itself, in
/// force, and each once.
fn verifying(
    algorithm: jsonwebtoken::Algorithm,
    key: DecodingKey,
    clock: Arc<std::sync::OnceLock<Clock>>,
) -> impl Fn(&Seen) -> Outgoing + Clone + Send + Sync + 'static {
    let used = Arc::new(Mutex::new(BTreeSet::new()));
    let tokens = rotating();
    move |seen| {
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        let refuse = |why: &str| {
            let assertion = form.get("client_assertion").map_or("", String::as_str);
            let description = format!("{why}: {assertion}");
            json_answer(
                401,
                &json!({ "error": "invalid_client", "error_description": description }),
            )
        };
        if form.get("client_assertion_type").map(String::as_str)
            != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        {
            return refuse("type");
        }
        if form.contains_key("client_secret") || seen.header("authorization").is_some() {
            return refuse("two ways at once");
        }
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_audience(&["https://login.example.com/token"]);
        validation.set_issuer(&["simulated client"]);
        validation.sub = Some("simulated client".to_owned());
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        let Ok(assertion) = decode::<Value>(&form["client_assertion"], &key, &validation) else {
            return refuse("signature or claims");
        };
        let claims = assertion.claims;
        let now = clock.get().unwrap().now().as_second();
        let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        if issued > now || expires <= now || expires > now + 60 {
            return refuse("times");
        }
        if assertion.header.kid.as_deref() != Some("key-1") {
            return refuse("key");
        }
        if !used.lock().unwrap().insert(claims["jti"].as_str().unwrap().to_owned()) {
            return refuse("used before");
        }
        tokens(seen)
    }
}

async fn app(oauth: OAuthConfig, algorithm: jsonwebtoken::Algorithm, key: DecodingKey) -> Bed {
    let clock = Arc::new(std::sync::OnceLock::new());
    let bed = Bed::new(oauth, verifying(algorithm, key, Arc::clone(&clock))).await;
    clock.set(bed.clock.clone()).unwrap_or_else(|_| panic!("it is set once"));
    bed
}

#[tokio::test]
async fn each_request_has_an_assertion_of_its_own() {
    let (rsa, rsa_public) = key();
    let (ec, ec_public) = p256();
    let ways = [
        (
            rsa,
            Algorithm::Rs256,
            jsonwebtoken::Algorithm::RS256,
            DecodingKey::from_rsa_der(&rsa_public),
        ),
        (
            ec,
            Algorithm::Es256,
            jsonwebtoken::Algorithm::ES256,
            DecodingKey::from_ec_der(&ec_public),
        ),
    ];
    for (pem, algorithm, verified, public) in ways {
        let bed = app(signs(sign_in(), pem, algorithm), verified, public).await;
        let authenticator = bed.authenticator();
        let request = authenticator.authorization_request().unwrap();
        let back = callback(&[("code", "x"), ("state", request.state.expose())]);
        authenticator.exchange(request, &back).await.unwrap();
        for generation in 1..=3 {
            bed.clock.sleep(Duration::from_secs(3600)).await;
            authenticator.refresh(generation).await.unwrap();
        }
        assert_eq!(bed.requests(), 4);
        assert_eq!(bed.form(1)["client_id"], "simulated client");
    }
}

#[tokio::test]
async fn an_assertion_that_is_not_accepted_is_no_matter_of_a_secret() {
    let ((pem, _), (_, other)) = (key(), key());
    let oauth = signs(client_credentials(), pem, Algorithm::Rs256);
    let key = DecodingKey::from_rsa_der(&other);
    let mut bed = app(oauth, jsonwebtoken::Algorithm::RS256, key).await;
    // The answer has this machine's time.
    bed.clock = Clock::system();
    let error = bed.authenticator().token().await.unwrap_err();
    assert_eq!(error.code, Code::AuthClientInvalid);
    assert!(error.cause.as_deref().unwrap().contains("signature or claims: ***"), "{error}");
    assert_eq!(error.what, "the app does not accept our signed assertion");
    assert!(error.fix.as_deref().unwrap().contains("public key"), "{error}");
    bed.clock = Clock::starting_at(Timestamp::now() + Duration::from_secs(600));
    let error = bed.authenticator().token().await.unwrap_err();
    assert_eq!(error.code, Code::AuthClockSkew, "{error}");
}
