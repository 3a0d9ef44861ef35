//! The token endpoint ("OAuth Authorization Flows", Salesforce help; RFC 6749; RFC 7636).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::grants::Redeemed;
use super::{OAuthError, form, identity_url, refused};
use crate::salesforce::data::directory::ORGANIZATION;
use crate::salesforce::http::{Call, Reply};
use crate::salesforce::org::Org;
use crate::salesforce::sync::lock;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "api id";
/// Seconds a JWT assertion may be valid: Salesforce documents three minutes, clients send
/// five.
const ASSERTION_LIFETIME: i64 = 300;

type Form = BTreeMap<String, String>;

/// Answers `POST /services/oauth2/token`.
pub(super) fn token(org: &Org, call: &Call) -> Reply {
    let mut form = form(call);
    let basic = basic_credentials(call);
    if let Some((client_id, client_secret)) = basic {
        form.insert("client_id".to_owned(), client_id);
        form.insert("client_secret".to_owned(), client_secret);
    }
    let granted = match form.get("grant_type").map(String::as_str) {
        Some("client_credentials") => client_credentials(org, call, &form),
        Some("authorization_code") => authorization_code(org, &form),
        Some("refresh_token") => refresh_token(org, &form),
        Some(JWT_BEARER) => assertion(org, call, &form),
        Some(_) => Err(("unsupported_grant_type", "grant type not supported")),
        None => Err(("invalid_request", "missing required parameter: grant_type")),
    };
    granted.map_or_else(refused, |granted| answer(org, call, granted))
}

struct Granted {
    family: u64,
    scope: String,
    refresh_token: Option<String>,
}

fn answer(org: &Org, call: &Call, granted: Granted) -> Reply {
    let now = org.clock.now();
    let access_token = lock(&org.grants).issue_access(
        &ORGANIZATION.short(),
        granted.family,
        &granted.scope,
        now.as_second(),
    );
    let issued_at = now.as_millisecond().to_string();
    let id = identity_url(call);
    let mut body = json!({
        "access_token": access_token,
        "signature": signature(&org.config.client_secret, &format!("{id}{issued_at}")),
        "scope": granted.scope,
        "instance_url": call.instance_url(),
        "id": id,
        "token_type": "Bearer",
        "issued_at": issued_at,
    });
    if let Some(token) = granted.refresh_token {
        body["refresh_token"] = token.into();
    }
    Reply::json(200, &body).with("cache-control", "no-cache, no-store")
}

/// Base64 of HMAC-SHA-256 over the identity URL and the time of issue.
fn signature(secret: &str, message: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256)
        .ok()
        .and_then(|signature| URL_SAFE_NO_PAD.decode(signature).ok())
        .map(|bytes| STANDARD.encode(bytes))
        .unwrap_or_default()
}

fn basic_credentials(call: &Call) -> Option<(String, String)> {
    let (scheme, encoded) = call.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, client_secret) = decoded.split_once(':')?;
    // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
    let plain = |text: &str| {
        let pair = format!("x={text}");
        let decoded = url::form_urlencoded::parse(pair.as_bytes())
            .next()
            .map(|(_, value)| value.into_owned());
        decoded.unwrap_or_default()
    };
    Some((plain(client_id), plain(client_secret)))
}

/// Checks the client; `secret` says whether it must prove itself.
fn client(org: &Org, form: &Form, secret: bool) -> Result<(), OAuthError> {
    if form.get("client_id") != Some(&org.config.client_id) {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    match form.get("client_secret") {
        Some(given) if *given == org.config.client_secret => Ok(()),
        None if !secret => Ok(()),
        _ => Err(("invalid_client", "invalid client credentials")),
    }
}

fn client_credentials(org: &Org, call: &Call, form: &Form) -> Result<Granted, OAuthError> {
    if !call.loopback() && !call.host.ends_with(".my.salesforce.com") {
        return Err(("invalid_grant", "request not supported on this domain"));
    }
    client(org, form, true)?;
    let family = lock(&org.grants).family();
    Ok(Granted { family, scope: SCOPE.to_owned(), refresh_token: None })
}

fn authorization_code(org: &Org, form: &Form) -> Result<Granted, OAuthError> {
    let code = form.get("code").ok_or(("invalid_request", "missing required parameter: code"))?;
    // A public client proves itself by PKCE instead of by its secret.
    client(org, form, !form.contains_key("code_verifier"))?;
    let mut grants = lock(&org.grants);
    let authorization = match grants.redeem(code, org.now()) {
        Redeemed::Grant(authorization) => authorization,
        Redeemed::Expired => return Err(("invalid_grant", "expired authorization code")),
        Redeemed::Unknown => return Err(("invalid_grant", "invalid authorization code")),
    };
    if form.get("redirect_uri") != Some(&authorization.redirect_uri) {
        return Err(("redirect_uri_mismatch", "redirect_uri must match configuration"));
    }
    let proof = form.get("code_verifier").map(|verifier| challenge(verifier));
    if proof != authorization.challenge {
        return Err(("invalid_grant", "invalid code verifier"));
    }
    let family = grants.family();
    let lasting = authorization
        .scope
        .split(' ')
        .any(|scope| matches!(scope, "refresh_token" | "offline_access" | "full"));
    let refresh_token = lasting.then(|| grants.issue_refresh(family, &authorization.scope));
    Ok(Granted { family, scope: authorization.scope, refresh_token })
}

/// The S256 challenge of a verifier (RFC 7636, section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn refresh_token(org: &Org, form: &Form) -> Result<Granted, OAuthError> {
    client(org, form, false)?;
    let token = form
        .get("refresh_token")
        .ok_or(("invalid_request", "missing required parameter: refresh_token"))?;
    let rotate = org.config.refresh_token_rotation;
    let mut grants = lock(&org.grants);
    let (family, scope) =
        grants.refresh(token, rotate).ok_or(("invalid_grant", "expired access/refresh token"))?;
    let refresh_token = rotate.then(|| grants.issue_refresh(family, &scope));
    Ok(Granted { family, scope, refresh_token })
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
}

fn assertion(org: &Org, call: &Call, form: &Form) -> Result<Granted, OAuthError> {
    let assertion = form
        .get("assertion")
        .ok_or(("invalid_request", "missing required parameter: assertion"))?;
    let key = org
        .config
        .jwt_public_key
        .as_ref()
        .and_then(|pem| DecodingKey::from_rsa_pem(pem.as_bytes()).ok());
    let key = key.ok_or(("invalid_grant", "user hasn't approved this consumer"))?;
    let mut validation = Validation::new(Algorithm::RS256);
    // The org's own clock and names decide below.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation)
        .map_err(|_| ("invalid_grant", "invalid assertion"))?
        .claims;
    if claims.iss != org.config.client_id {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    if claims.sub != org.config.username {
        return Err(("invalid_grant", "user hasn't approved this consumer"));
    }
    let audiences = [
        "https://login.salesforce.com",
        "https://test.salesforce.com",
        "https://demo.my.salesforce.com",
    ];
    if !audiences.contains(&claims.aud.as_str()) && claims.aud != call.instance_url() {
        return Err(("invalid_grant", "audience is invalid"));
    }
    let left = claims.exp - org.now();
    if left <= 0 || left > ASSERTION_LIFETIME {
        return Err(("invalid_grant", "token validity expired"));
    }
    let family = lock(&org.grants).family();
    Ok(Granted { family, scope: SCOPE.to_owned(), refresh_token: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_the_one_of_the_rfc() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_signature_is_standard_base64_of_a_sha256_hmac() {
        // RFC 4231, test case 2.
        assert_eq!(
            STANDARD.decode(signature("Jefe", "what do ya want for nothing?")).unwrap()[..4],
            [0x5b, 0xdc, 0xc1, 0x46]
        );
    }
}
