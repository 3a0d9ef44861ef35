//! Signing in: by OAuth, with PKCE, and with credentials that are not in the file.

use longshore_schema::auth::{Auth, Pkce};
use longshore_schema::stream::Request;
use longshore_schema::{Manifest, Spanned, Template};

use super::Context;
use super::inputs::{grant_names, is_secret};
use super::sites::{Place, sites};
use super::ways::{Way, ways};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::options::Profile;

/// The app is signed in to as its class of connectors demands.
pub(crate) fn sign_in(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let ways = ways(cx.manifest);
    if let Some(way) = ways.first()
        && ways.iter().all(|way| way.oauth().is_none())
    {
        found.push(without_oauth(cx, way));
    }
    for way in &ways {
        let Some(oauth) = way.oauth() else { continue };
        if grant_names(cx, way).is_empty() {
            found.push(
                Diagnostic::new(&codes::NO_GRANT, oauth.grants.span, "no grant is offered")
                    .help("add one of `authorization_code`, `client_credentials`, `jwt_bearer` and `device_code`"),
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
}

fn without_oauth(cx: &Context<'_>, way: &Way<'_>) -> Diagnostic {
    let (key, what, why) = match way.auth {
        Auth::OAuth2(_) | Auth::ApiKey(_) | Auth::OneOf(_) => {
            ("api_key", "a fixed key", "a key has no scopes and never expires")
        }
        Auth::Basic(_) => ("basic", "a password", "a password opens all that its account may do"),
        Auth::Session(_) => {
            ("session", "a login call", "a login opens all that its account may do")
        }
        Auth::Hmac(_) => ("hmac", "a signing key", "a key has no scopes and never expires"),
        Auth::AwsSigV4(_) => {
            ("aws_sigv4", "a signing key", "a key has no scopes and never expires")
        }
    };
    let place = cx.entry(&way.below(&[key]));
    let span = place.map_or(cx.manifest.auth.span, |entry| entry.key_span);
    let (severity, help) = match cx.options.profile {
        Profile::Strict => (
            Severity::Error,
            "use `auth.oauth2`; for an app that offers no OAuth, validate with the extended profile"
                .to_owned(),
        ),
        Profile::Extended => {
            (Severity::Warning, format!("prefer `auth.oauth2` where the app offers it: {why}"))
        }
    };
    let message = format!("the app is signed in to with {what}");
    Diagnostic::new(&codes::OAUTH_REQUIRED, span, message).help(help).severity(severity)
}

/// Credentials are asked of the admin, never written in the manifest.
pub(crate) fn credentials(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (template, what) in secrets(cx.manifest) {
        let references = template.references();
        let inputs: Vec<_> = references
            .iter()
            .filter(|reference| reference.path[0] == "inputs")
            .filter_map(|reference| cx.inputs.get(reference.path.get(1)?.as_str()).copied())
            .collect();
        if references.is_empty() {
            found.push(
                Diagnostic::new(
                    &codes::LITERAL_CREDENTIAL,
                    template.span,
                    format!("{what} is written in the manifest"),
                )
                .help("ask the admin for it: `\"{{inputs.NAME}}\"` with an input of `type: secret`; and revoke this one, it has been seen"),
            );
        } else if !inputs.is_empty() && !inputs.iter().any(|input| is_secret(input)) {
            let input = inputs[0];
            found.push(
                Diagnostic::new(
                    &codes::LITERAL_CREDENTIAL,
                    input.kind.span,
                    format!("the input for {what} is not a secret"),
                )
                .also(template.span, "used here")
                .help("write `type: secret`: it is then encrypted, and never shown"),
            );
        }
    }
    for way in ways(cx.manifest) {
        // Of what could not be read, nothing is known.
        let login = way.session().map(|session| &session.login);
        let login = login.filter(|_| cx.intact(&way.below(&["session", "login"])));
        found.extend(login.and_then(|login| open_login(cx, login)));
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

/// What the name of an input for a secret often has in it.
const SECRET_NAMES: [&str; 5] = ["pass", "secret", "token", "key", "pin"];

/// A login with nothing that is kept secret.
fn open_login(cx: &Context<'_>, login: &Request) -> Option<Diagnostic> {
    let all = login.templates();
    let references = all.iter().flat_map(|template| template.references());
    let names: Option<Vec<_>> = references
        .map(|reference| match reference.path.as_slice() {
            [root, name, ..] if root == "inputs" && cx.intact(&["inputs", name]) => {
                Some((name, *cx.inputs.get(name.as_str())?))
            }
            _ => None,
        })
        .collect();
    let names = names.filter(|all| !all.iter().any(|(_, input)| is_secret(input)))?;
    let named = names.iter().find(|(name, _)| SECRET_NAMES.iter().any(|part| name.contains(part)));
    let (name, input) = named.or(names.last())?;
    Some(
        Diagnostic::new(
            &codes::LITERAL_CREDENTIAL,
            input.kind.span,
            format!("the input `{name}` for the login is not a secret"),
        )
        .help("write `type: secret`: it is then encrypted, and never shown"),
    )
}

/// The templates of what nobody may see, with what it is.
fn secrets(manifest: &Manifest) -> Vec<(&Spanned<Template>, &'static str)> {
    let mut secrets = Vec::new();
    for (_, way) in manifest.auth.ways() {
        match way {
            Auth::OAuth2(oauth) => {
                let grants = &oauth.grants;
                secrets.extend(oauth.client_secret.iter().map(|one| (one, "the client secret")));
                let client = oauth.client_key.iter().map(|client| &client.key);
                let jwt = grants.jwt_bearer.iter().map(|grant| &grant.key);
                secrets.extend(client.chain(jwt).map(|one| (one, "the private key")));
                let password = grants.password.iter().map(|grant| &grant.password);
                secrets.extend(password.map(|one| (one, "the password")));
            }
            Auth::ApiKey(keys) => {
                // Of several, one may well be a name that goes with the key.
                let open = |template: &Template| template.references().is_empty();
                let several = keys.0.len() > 1;
                let keys = keys.0.iter().map(|key| &key.value.value);
                secrets.extend(
                    keys.filter(|key| !(several && open(&key.value))).map(|one| (one, "the key")),
                );
            }
            Auth::Basic(basic) => secrets.push((&basic.password, "the password")),
            Auth::Hmac(hmac) => secrets.push((&hmac.key, "the key")),
            Auth::AwsSigV4(keys) => secrets.push((&keys.secret_access_key, "the secret key")),
            Auth::Session(_) | Auth::OneOf(_) => {}
        }
    }
    let tls = manifest.http.tls.iter().filter_map(|tls| tls.client_key.as_ref());
    secrets.extend(tls.map(|one| (one, "the private key")));
    secrets
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
    let ways = ways(cx.manifest);
    let grants = ways.iter().filter_map(Way::oauth).map(|oauth| &oauth.grants);
    let scopes = grants.flat_map(|grants| {
        [
            grants.authorization_code.as_ref().map(|grant| &grant.scopes),
            grants.client_credentials.as_ref().map(|grant| &grant.scopes),
            grants.jwt_bearer.as_ref().map(|grant| &grant.scopes),
            grants.device_code.as_ref().map(|grant| &grant.scopes),
            grants.password.as_ref().map(|grant| &grant.scopes),
        ]
    });
    for (scope, reason) in scopes.flatten().flat_map(|scopes| scopes.iter()) {
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
    for way in ways(cx.manifest) {
        let Some(oauth) = way.oauth() else { continue };
        let grants = [
            ("authorization_code", oauth.grants.authorization_code.as_ref().map(|g| &g.scopes)),
            ("device_code", oauth.grants.device_code.as_ref().map(|g| &g.scopes)),
        ];
        if cx.stands(&way.below(&["oauth2", "refresh"])) {
            continue;
        }
        for (name, scopes) in grants {
            let Some(scopes) = scopes else { continue };
            if scopes.iter().any(|(scope, _)| REFRESH_SCOPES.contains(&scope.value.as_str())) {
                continue;
            }
            let place = cx.entry(&way.below(&["oauth2", "grants", name]));
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
    }
}
