//! OAuth 2.0 and OpenID Connect endpoints.

mod authorize;
mod grants;
mod token;

use std::collections::BTreeMap;

use serde_json::json;

pub(crate) use grants::{Grants, Session};

use super::data::directory::{ORGANIZATION, user_id};
use super::errors::Error;
use super::http::{Call, Reply};
use super::org::Org;
use super::sync::lock;

/// `error` and `error_description`.
type OAuthError = (&'static str, &'static str);

fn refused((error, description): OAuthError) -> Reply {
    Reply::json(400, &json!({"error": error, "error_description": description}))
}

/// The fields of a form body.
fn form(call: &Call) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&call.body).into_owned().collect()
}

fn identity_url(call: &Call) -> String {
    let host = if call.loopback() {
        call.instance_url()
    } else {
        "https://login.salesforce.com".to_owned()
    };
    format!("{host}/id/{ORGANIZATION}/{}", user_id(1))
}

/// Answers everything under `/services/oauth2`, `/id` and `/.well-known`.
pub(crate) fn answer(org: &Org, call: &Call) -> Reply {
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/services/oauth2/authorize") => authorize::authorize(org, call),
        ("POST", "/services/oauth2/authorize") => authorize::submit(org, call),
        ("POST", "/services/oauth2/token") => token::token(org, call),
        ("GET" | "POST", "/services/oauth2/revoke") => revoke(org, call),
        ("GET" | "POST", "/services/oauth2/userinfo") => user_info(org, call),
        ("GET", "/.well-known/openid-configuration") => discovery(call),
        ("GET", path) if path.starts_with("/id/") => identity(org, call),
        _ => Error::not_found().into(),
    }
}

/// The session behind a request's `Authorization` header.
pub(crate) fn session(org: &Org, call: &Call) -> Option<Session> {
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("oauth") {
        return None;
    }
    lock(&org.grants).session(token.trim(), org.config.session_seconds, org.now())
}

fn revoke(org: &Org, call: &Call) -> Reply {
    let token = form(call).remove("token").or_else(|| call.parameter("token"));
    match token {
        Some(token) if lock(&org.grants).revoke(&token) || org.data.posture.revoke(&token) => {
            Reply::empty(200)
        }
        Some(_) => refused(("invalid_token", "invalid token")),
        None => refused(("invalid_request", "missing required parameter: token")),
    }
}

fn user_info(org: &Org, call: &Call) -> Reply {
    if session(org, call).is_none() {
        return Reply::new(403, "text/html;charset=UTF-8", "Bad_OAuth_Token");
    }
    let base = call.instance_url();
    let organization = ORGANIZATION.short();
    let language = &org.config.language;
    Reply::json(
        200,
        &json!({
            "sub": identity_url(call),
            "user_id": user_id(1).to_string(),
            "organization_id": ORGANIZATION.to_string(),
            "preferred_username": org.config.username,
            "nickname": "svc", "name": "Svc User", "given_name": "Svc", "family_name": "User",
            "email": org.config.username, "email_verified": true,
            "zoneinfo": "Europe/Copenhagen", "address": {"country": "DK"},
            "photos": {"picture": format!("{base}/simulated/picture"), "thumbnail": format!("{base}/simulated/thumbnail")},
            "profile": format!("{base}/{}", user_id(1)),
            "picture": format!("{base}/simulated/picture"),
            "is_salesforce_integration_user": false,
            "urls": {
                "enterprise": format!("{base}/services/Soap/c/{{version}}/{organization}"),
                "metadata": format!("{base}/services/Soap/m/{{version}}/{organization}"),
                "partner": format!("{base}/services/Soap/u/{{version}}/{organization}"),
                "rest": format!("{base}/services/data/v{{version}}/"),
                "sobjects": format!("{base}/services/data/v{{version}}/sobjects/"),
                "query": format!("{base}/services/data/v{{version}}/query/"),
                "custom_domain": base,
            },
            "active": true, "user_type": "STANDARD", "language": language, "locale": language,
            "utcOffset": 3_600_000, "updated_at": "2026-01-01T10:00:00Z", "is_app_installed": true,
        }),
    )
}

/// The identity URL of the token response.
fn identity(org: &Org, call: &Call) -> Reply {
    let id = identity_url(call);
    if session(org, call).is_none() || !id.ends_with(&call.path) {
        return Reply::new(403, "text/html;charset=UTF-8", "Bad_OAuth_Token");
    }
    Reply::json(
        200,
        &json!({
            "id": id, "asserted_user": true,
            "user_id": user_id(1).to_string(), "organization_id": ORGANIZATION.to_string(),
            "username": org.config.username, "nick_name": "svc", "display_name": "Svc User",
            "email": org.config.username, "email_verified": true,
            "first_name": "Svc", "last_name": "User", "timezone": "Europe/Copenhagen",
            "active": true, "user_type": "STANDARD",
            "language": org.config.language, "locale": org.config.language,
            "utcOffset": 3_600_000, "is_app_installed": true,
        }),
    )
}

fn discovery(call: &Call) -> Reply {
    let base = if call.loopback() { call.instance_url() } else { format!("https://{}", call.host) };
    let at = |path: &str| format!("{base}/services/oauth2/{path}");
    Reply::json(
        200,
        &json!({
            "issuer": base,
            "authorization_endpoint": at("authorize"),
            "token_endpoint": at("token"),
            "revocation_endpoint": at("revoke"),
            "userinfo_endpoint": at("userinfo"),
            "scopes_supported": ["api", "id", "refresh_token", "offline_access", "full", "openid"],
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code", "refresh_token", "client_credentials",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            ],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }),
    )
}
