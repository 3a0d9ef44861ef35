//! What the settings of a way to sign in need of each other.

use longshore_schema::auth::{Auth, ClientAuth, Hmac, OAuth2, OneOf, Session};
use longshore_schema::manifest::InputType;
use longshore_schema::{Span, Spanned, Template};

use super::Context;
use super::is_written;
use super::references::are_clear;
use super::signatures::written;
use super::ways::{Way, ways};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::closest;

/// Each credential is sent in one place.
pub(crate) fn places(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(cx.manifest) {
        match way.auth {
            Auth::ApiKey(keys) => {
                for key in &keys.0 {
                    let places =
                        [("header", &key.header), ("query", &key.query), ("body", &key.body)];
                    found.extend(one_place(key.span, &places));
                }
            }
            Auth::Session(session) => {
                for send in &session.send.0 {
                    let places = [
                        ("header", &send.header),
                        ("cookie", &send.cookie),
                        ("query", &send.query),
                    ];
                    found.extend(one_place(send.span, &places));
                }
            }
            Auth::OAuth2(oauth) => {
                let Some(send) = &oauth.send else { continue };
                found.extend(one_place(
                    send.span,
                    &[("header", &send.header), ("query", &send.query)],
                ));
                if let (Some(prefix), None, Some(query)) = (&send.prefix, &send.header, &send.query)
                {
                    found.push(
                        Diagnostic::new(
                            &codes::CONFLICTING_KEYS,
                            prefix.span,
                            "`prefix` stands before a token in a header, and this one is in the query",
                        )
                        .also(query.span, "sent here")
                        .help("remove `prefix`"),
                    );
                }
            }
            _ => {}
        }
    }
}

fn one_place(span: Span, places: &[(&str, &Option<Spanned<String>>)]) -> Option<Diagnostic> {
    let given: Vec<_> =
        places.iter().filter_map(|(key, name)| Some((*key, name.as_ref()?.span))).collect();
    match given.as_slice() {
        [] if is_written(span) => {
            let keys: Vec<_> = places.iter().map(|(key, _)| format!("`{key}: NAME`")).collect();
            Some(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    span,
                    "nothing says where the credential is sent",
                )
                .help(format!("add {}", keys.join(" or "))),
            )
        }
        [(first, other), (second, at), ..] => Some(
            Diagnostic::new(&codes::CHOOSE_ONE, *at, "the credential is sent in two places")
                .also(*other, "the other one")
                .help(format!("keep `{first}`, or keep `{second}`")),
        ),
        _ => None,
    }
}

/// A client shows who it is with what it has, and the password grant is the last resort.
pub(crate) fn clients(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(cx.manifest) {
        let Some(oauth) = way.oauth() else { continue };
        found.extend(client(cx, &way, oauth));
        if oauth.grants.password.is_some() {
            let place = cx.entry(&way.below(&["oauth2", "grants", "password"]));
            found.push(
                Diagnostic::new(
                    &codes::PASSWORD_GRANT,
                    place.map_or(oauth.grants.span, |entry| entry.key_span),
                    "the app is given an account's password",
                )
                .help("offer `client_credentials`, `jwt_bearer` or `authorization_code` instead, unless the app has none of them"),
            );
        }
    }
}

fn client(cx: &Context<'_>, way: &Way<'_>, oauth: &OAuth2) -> Option<Diagnostic> {
    let signs = oauth.client_auth.value == ClientAuth::PrivateKeyJwt;
    let keys = way.below(&["oauth2"]);
    if signs && oauth.client_key.is_none() && cx.has_all_keys(&keys) {
        return Some(
            Diagnostic::new(
                &codes::CLIENT_SETTINGS,
                oauth.client_auth.span,
                "the client signs, and nothing says with which key",
            )
            .help("add `client_key: { key: \"{{inputs.NAME}}\" }` with an input of `type: secret`"),
        );
    }
    if !signs && let Some(entry) = cx.entry(&way.below(&["oauth2", "client_key"])) {
        let intact = cx.intact(&way.below(&["oauth2", "client_auth"]));
        return intact.then(|| {
            Diagnostic::new(
                &codes::CLIENT_SETTINGS,
                entry.key_span,
                "the client has a key and does not sign with it",
            )
            .help("write `client_auth: private_key_jwt`, or remove `client_key`")
        });
    }
    let grants = &oauth.grants;
    let needs_id = grants.authorization_code.is_some()
        || grants.client_credentials.is_some()
        || grants.device_code.is_some()
        || signs;
    if needs_id && oauth.client_id.is_none() && cx.has_all_keys(&keys) {
        return Some(
            Diagnostic::new(
                &codes::CLIENT_SETTINGS,
                oauth.token_url.span,
                "the client has no identifier",
            )
            .help("add `client_id`: only `jwt_bearer` and `password` can go without"),
        );
    }
    None
}

/// What the app hands out or verifies is sent to it.
pub(crate) fn sent(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(cx.manifest) {
        match way.auth {
            Auth::Hmac(hmac) => found.extend(signature(cx, &way, hmac)),
            Auth::Session(session) => found.extend(session_value(cx, &way, session)),
            _ => {}
        }
    }
}

fn uses_auth(template: &Template) -> bool {
    template.references().iter().any(|reference| reference.path[0] == "auth")
}

fn signature(cx: &Context<'_>, way: &Way<'_>, hmac: &Hmac) -> Option<Diagnostic> {
    let keys = way.below(&["hmac", "headers"]);
    let is_sent = hmac.headers.iter().any(|(_, value)| uses_auth(value));
    if !cx.intact(&keys) || is_sent || !are_clear(cx, &written(hmac)) {
        return None;
    }
    Some(
        Diagnostic::new(
            &codes::UNSENT_CREDENTIAL,
            cx.entry(&keys)?.key_span,
            "no header has the signature",
        )
        .help("write it into the header that the app looks at: `Authorization: HMAC {{auth.signature}}`"),
    )
}

fn session_value(cx: &Context<'_>, way: &Way<'_>, session: &Session) -> Option<Diagnostic> {
    let keys = way.below(&["session", "send"]);
    let values: Vec<_> = session.send.0.iter().map(|send| &send.value.value.value).collect();
    let is_sent = values.iter().any(|value| uses_auth(value));
    if !cx.intact(&keys) || is_sent || !are_clear(cx, &values) {
        return None;
    }
    Some(
        Diagnostic::new(
            &codes::UNSENT_CREDENTIAL,
            cx.entry(&keys)?.key_span,
            "nothing that the login gave is sent",
        )
        .help("keep a member, header or cookie of its answer, and send it: `value: \"{{auth.NAME}}\"`"),
    )
}

/// Each choice leads to a way to sign in.
pub(crate) fn choices(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut left = vec![(vec!["auth"], &cx.manifest.auth.value)];
    while let Some((keys, auth)) = left.pop() {
        let Auth::OneOf(one_of) = auth else { continue };
        found.extend(choice(cx, &[&keys[..], &["one_of", "kinds"]].concat(), one_of));
        left.extend(one_of.kinds.iter().map(|(name, auth)| {
            ([&keys[..], &["one_of", "kinds", name.as_str()]].concat(), &auth.value)
        }));
    }
}

fn choice(cx: &Context<'_>, kinds: &[&str], one_of: &OneOf) -> Vec<Diagnostic> {
    let name = &one_of.input;
    let Some(input) = cx.inputs.get(name.as_str()) else {
        if cx.declares("inputs", name.as_str()) {
            return Vec::new();
        }
        let message = format!("there is no input `{name}`");
        let mut diagnostic = Diagnostic::new(&codes::UNKNOWN_REFERENCE, name.span, message);
        if let Some(meant) = closest(name.as_str(), cx.inputs.keys().copied()) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        let help = format!("declare it: `{name}: {{ type: choice, title: ..., choices: [...] }}`");
        return vec![diagnostic.help(help)];
    };
    if input.kind.value != InputType::Choice {
        return vec![
            Diagnostic::new(
                &codes::SIGN_IN_CHOICE,
                name.span,
                format!("the input `{name}` is no choice"),
            )
            .also(input.kind.span, "declared here")
            .help("write `type: choice` for the input, with the keys of `kinds` as `choices`"),
        ];
    }
    let mut found = Vec::new();
    let written = cx.names(kinds);
    for choice in &input.choices {
        if !written.contains(&choice.as_str()) {
            found.push(
                Diagnostic::new(
                    &codes::SIGN_IN_CHOICE,
                    choice.span,
                    format!("the choice `{choice}` leads to no way to sign in"),
                )
                .also(one_of.kinds.span, "the ways there are")
                .help(format!("add `{choice}` to `kinds`, or remove it here")),
            );
        }
    }
    for (kind, _) in &one_of.kinds.value {
        if !input.choices.iter().any(|choice| choice.value == kind.value) {
            found.push(
                Diagnostic::new(
                    &codes::SIGN_IN_CHOICE,
                    kind.span,
                    format!("nobody can choose `{kind}`"),
                )
                .help(format!("add `{kind}` to the choices of the input `{name}`")),
            );
        }
    }
    found
}

/// A certificate goes with its key.
pub(crate) fn certificates(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(tls) = &cx.manifest.http.tls else { return };
    if !cx.has_all_keys(&["http", "tls"]) {
        return;
    }
    let (span, what, missing) = match (&tls.client_certificate, &tls.client_key) {
        (Some(certificate), None) => (certificate.span, "certificate", "client_key"),
        (None, Some(key)) => (key.span, "private key", "client_certificate"),
        (None, None) if tls.ca.is_none() => {
            found.push(
                Diagnostic::new(&codes::CHOOSE_ONE, tls.span, "no certificate is named")
                    .help("add `client_certificate` and `client_key`, or `ca`"),
            );
            return;
        }
        _ => return,
    };
    found.push(
        Diagnostic::new(
            &codes::HALF_A_CERTIFICATE,
            span,
            format!("the client's {what} is of no use alone"),
        )
        .help(format!("add `{missing}`")),
    );
}
