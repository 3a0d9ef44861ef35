//! Signing in: by OAuth, with PKCE, and with credentials that are not in the file.

use longshore_schema::auth::{Auth, Pkce};
use longshore_schema::manifest::InputType;
use longshore_schema::{Span, Template};

use super::Context;
use super::inputs::GRANTS;
use super::sites::{Place, sites};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::options::Profile;

/// The app is signed in to as its class of connectors demands.
pub(crate) fn sign_in(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let oauth = match &cx.manifest.auth.value {
        Auth::OAuth2(oauth) => oauth,
        Auth::ApiKey(_) => {
            let place = cx.entry(&["auth", "api_key"]);
            let span = place.map_or(cx.manifest.auth.span, |entry| entry.key_span);
            let (severity, help) = match cx.options.profile {
                Profile::Strict => (
                    Severity::Error,
                    "use `auth.oauth2`; for an app that offers no OAuth, validate with the extended profile",
                ),
                Profile::Extended => (
                    Severity::Warning,
                    "prefer `auth.oauth2` where the app offers it: a key has no scopes and never expires",
                ),
            };
            found.push(
                Diagnostic::new(
                    &codes::OAUTH_REQUIRED,
                    span,
                    "the app is signed in to with a fixed key",
                )
                .help(help)
                .severity(severity),
            );
            return;
        }
    };
    if cx.names(&GRANTS).is_empty() {
        found.push(
            Diagnostic::new(&codes::NO_GRANT, oauth.grants.span, "no grant is offered")
                .help("add one of `authorization_code`, `client_credentials` and `jwt_bearer`"),
        );
    }
    if let Some(grant) = &oauth.grants.authorization_code
        && grant.pkce.value == Pkce::Off
    {
        found.push(
            Diagnostic::new(&codes::PKCE_OFF, grant.pkce.span, "PKCE is turned off")
                .help("remove `pkce: \"off\"` unless the app refuses PKCE: it keeps stolen codes worthless (RFC 7636)"),
        );
    }
}

/// Credentials are asked of the admin, never written in the manifest.
pub(crate) fn credentials(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut secret = |template: &Template, span: Span, what: &str| {
        let references = template.references();
        let inputs: Vec<_> = references
            .iter()
            .filter(|reference| reference.path[0] == "inputs")
            .filter_map(|reference| cx.inputs.get(reference.path.get(1)?.as_str()).copied())
            .collect();
        if references.is_empty() {
            found.push(
                Diagnostic::new(&codes::LITERAL_CREDENTIAL, span, format!("{what} is written in the manifest"))
                    .help("ask the admin for it: `\"{{inputs.NAME}}\"` with an input of `type: secret`; and revoke this one, it has been seen"),
            );
        } else if !inputs.is_empty()
            && inputs.iter().all(|input| input.kind.value != InputType::Secret)
        {
            let input = inputs[0];
            found.push(
                Diagnostic::new(
                    &codes::LITERAL_CREDENTIAL,
                    input.kind.span,
                    format!("the input for {what} is not a secret"),
                )
                .also(span, "used here")
                .help("write `type: secret`: it is then encrypted, and never shown"),
            );
        }
    };
    match &cx.manifest.auth.value {
        Auth::OAuth2(oauth) => {
            if let Some(template) = &oauth.client_secret {
                secret(&template.value, template.span, "the client secret");
            }
            if let Some(grant) = &oauth.grants.jwt_bearer {
                secret(&grant.key.value, grant.key.span, "the private key");
            }
        }
        Auth::ApiKey(key) => secret(&key.value.value, key.value.span, "the key"),
    }
    for site in sites(cx.manifest) {
        let Place::Http = site.place else { continue };
        let literal = site.template.as_literal().unwrap_or_default();
        if ["Bearer ", "Basic ", "Token "].iter().any(|scheme| literal.starts_with(scheme)) {
            found.push(
                Diagnostic::new(&codes::LITERAL_CREDENTIAL, site.span, "a credential is written in the manifest")
                    .help("remove the header: `auth` sends the credential; and revoke this one, it has been seen"),
            );
        }
    }
}

/// Words in a scope that stand for more than reading.
const BROAD: [&str; 11] = [
    "admin",
    "full",
    "write",
    "manage",
    "delete",
    "root",
    "owner",
    "superuser",
    "impersonate",
    "impersonation",
    "everything",
];

/// Scopes are as narrow as reading needs, and each is explained to the admin.
pub(crate) fn scopes(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Auth::OAuth2(oauth) = &cx.manifest.auth.value else { return };
    let code = oauth.grants.authorization_code.iter().flat_map(|grant| grant.scopes.iter());
    let client = oauth.grants.client_credentials.iter().flat_map(|grant| grant.scopes.iter());
    for (scope, reason) in code.chain(client) {
        if is_broad(&scope.value) {
            found.push(
                Diagnostic::new(
                    &codes::BROAD_SCOPE,
                    scope.span,
                    format!("the scope `{}` allows more than reading", scope.value),
                )
                .help("ask for the narrowest scope that reads what the streams read"),
            );
        }
        if !reason.value.trim().contains(' ') {
            found.push(
                Diagnostic::new(
                    &codes::SCOPE_WITHOUT_REASON,
                    reason.span,
                    format!("nothing says why the scope `{}` is needed", scope.value),
                )
                .help(
                    "say in a sentence what it is needed for: the admin reads it before consenting",
                ),
            );
        }
    }
}

fn is_broad(scope: &str) -> bool {
    let mut words = Vec::new();
    for word in scope.split(|c: char| !c.is_ascii_alphanumeric()) {
        // `Mail.ReadWrite` is two words.
        let mut start = 0;
        for (at, _) in word.match_indices(|c: char| c.is_ascii_uppercase()).skip(1) {
            words.push(word[start..at].to_ascii_lowercase());
            start = at;
        }
        words.push(word[start..].to_ascii_lowercase());
    }
    let has = |known: &str| words.iter().any(|word| word == known);
    let only_reads = (has("read") || has("readonly")) && !has("write");
    scope == "*" || !only_reads && BROAD.iter().any(|known| has(known))
}

/// The scopes that ask for a refresh token: OpenID Connect Core 1.0, section 11, and those of apps
/// that have their own name for it.
const REFRESH_SCOPES: [&str; 4] = ["offline_access", "refresh_token", "offline", "offline.access"];

/// Who signs in once is not asked again when the access token expires.
pub(crate) fn refresh_token(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Auth::OAuth2(oauth) = &cx.manifest.auth.value else { return };
    let Some(grant) = &oauth.grants.authorization_code else { return };
    let asked =
        grant.scopes.iter().any(|(scope, _)| REFRESH_SCOPES.contains(&scope.value.as_str()));
    if asked || cx.stands(&["auth", "oauth2", "refresh"]) {
        return;
    }
    let place = cx.entry(&["auth", "oauth2", "grants", "authorization_code"]);
    found.push(
        Diagnostic::new(
            &codes::NO_REFRESH_TOKEN,
            place.map_or(oauth.grants.span, |entry| entry.key_span),
            "nothing says that the app gives a refresh token",
        )
        .label("the admin would have to sign in again whenever the access token expires")
        .help("ask for it with the app's scope, such as `offline_access`; if the app gives one unasked, say `refresh: { rotates: false }`, or `true` if each refresh gives a new one"),
    );
}
