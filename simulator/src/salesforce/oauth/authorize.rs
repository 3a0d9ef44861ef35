//! The pages a person sees: login, consent, and the way back to the app.

use super::grants::Authorization;
use super::{OAuthError, form};
use crate::salesforce::http::{Call, Reply};
use crate::salesforce::org::Org;
use crate::salesforce::sync::lock;

/// Answers `GET /services/oauth2/authorize`: the login page, or an error page when there is
/// no address to send an error to.
pub(super) fn authorize(org: &Org, call: &Call) -> Reply {
    if call.parameter("client_id").as_ref() != Some(&org.config.client_id) {
        return error_page(("invalid_client_id", "client identifier invalid"));
    }
    let redirect_uri = match call.parameter("redirect_uri") {
        Some(address) if redirect_allowed(org, &address) => address,
        _ => return error_page(("redirect_uri_mismatch", "redirect_uri must match configuration")),
    };
    let state = call.parameter("state");
    if call.parameter("response_type").as_deref() != Some("code") {
        return send_back(
            &redirect_uri,
            state.as_deref(),
            &[
                ("error", "unsupported_response_type"),
                ("error_description", "response type not supported"),
            ],
        );
    }
    if !org.config.granted("PermissionsCanApproveUninstalledApps")
        && !org.config.granted("PermissionsUseAnyApiAuth")
    {
        return send_back(
            &redirect_uri,
            state.as_deref(),
            &[("error", "invalid_client"), ("error_description", "app must be installed into org")],
        );
    }
    let authorization = Authorization {
        redirect_uri,
        state,
        scope: call.parameter("scope").unwrap_or_else(|| "api id refresh_token".to_owned()),
        challenge: call.parameter("code_challenge"),
        signed_in: false,
    };
    let number = lock(&org.grants).start_login(authorization);
    login_page(number, "")
}

fn redirect_allowed(org: &Org, address: &str) -> bool {
    if !org.config.redirect_uris.is_empty() {
        return org.config.redirect_uris.iter().any(|allowed| allowed == address);
    }
    url::Url::parse(address).is_ok_and(|address| match address.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    })
}

/// Answers the forms of both pages.
pub(super) fn submit(org: &Org, call: &Call) -> Reply {
    let form = form(call);
    let gone = ("invalid_request", "this login has ended; start again from the app");
    let Some(number) = form.get("login").and_then(|login| login.parse().ok()) else {
        return error_page(gone);
    };
    let mut grants = lock(&org.grants);
    let Some(login) = grants.login(number) else { return error_page(gone) };
    if !login.signed_in {
        if form.get("username") != Some(&org.config.username)
            || form.get("password") != Some(&org.config.password)
        {
            return login_page(
                number,
                "<p role=\"alert\">Please check your username and password.</p>\n",
            );
        }
        login.signed_in = true;
        return consent_page(number, &login.scope);
    }
    let decision = form.get("decision").map(String::as_str);
    if !matches!(decision, Some("allow" | "deny")) {
        return consent_page(number, &login.scope);
    }
    let Some(authorization) = grants.end_login(number) else { return error_page(gone) };
    let (address, state) = (authorization.redirect_uri.clone(), authorization.state.clone());
    if decision == Some("deny") {
        let answer =
            [("error", "access_denied"), ("error_description", "end-user denied authorization")];
        return send_back(&address, state.as_deref(), &answer);
    }
    let code = grants.issue_code(authorization, org.now());
    send_back(&address, state.as_deref(), &[("code", &code)])
}

fn send_back(address: &str, state: Option<&str>, answer: &[(&str, &str)]) -> Reply {
    let Ok(mut location) = url::Url::parse(address) else {
        return error_page(("redirect_uri_mismatch", "redirect_uri must match configuration"));
    };
    location
        .query_pairs_mut()
        .extend_pairs(answer)
        .extend_pairs(state.map(|state| ("state", state)));
    Reply::empty(302).with("location", location.as_str())
}

fn page(status: u16, title: &str, body: &str) -> Reply {
    Reply::html(
        status,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
        ),
    )
}

fn login_page(number: u64, alert: &str) -> Reply {
    page(
        200,
        "Log in to the simulated org",
        &format!(
            "{alert}<form method=\"post\" action=\"/services/oauth2/authorize\">\n<input type=\"hidden\" name=\"login\" value=\"{number}\">\n<p><label>Username <input type=\"text\" name=\"username\" autocomplete=\"username\" required></label></p>\n<p><label>Password <input type=\"password\" name=\"password\" autocomplete=\"current-password\" required></label></p>\n<p><button type=\"submit\">Log In</button></p>\n</form>\n"
        ),
    )
}

fn consent_page(number: u64, scope: &str) -> Reply {
    let mut scopes = String::new();
    for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
        scopes.push_str("<li>");
        scopes.push_str(&escape(scope));
        scopes.push_str("</li>\n");
    }
    page(
        200,
        "Allow access?",
        &format!(
            "<p>The app asks for:</p>\n<ul>\n{scopes}</ul>\n<form method=\"post\" action=\"/services/oauth2/authorize\">\n<input type=\"hidden\" name=\"login\" value=\"{number}\">\n<p><button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n<button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button></p>\n</form>\n"
        ),
    )
}

fn error_page((error, description): OAuthError) -> Reply {
    page(
        400,
        "The app cannot be connected",
        &format!("<p>error={error}&amp;error_description={description}</p>\n"),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
