//! Names of headers, wherever one is named.

use longshore_schema::auth::Auth;
use longshore_schema::stream::Pages;
use longshore_schema::{Span, Spanned};

use super::Context;
use super::asked::every_fetch;
use super::requests::requests;
use super::ways::ways;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// Names of headers are such as can be sent (RFC 9110, section 5.1).
pub(crate) fn names(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, span) in all(cx).into_iter().filter(|(name, _)| !is_token(name)) {
        let mut diagnostic = Diagnostic::new(
            &codes::HEADER_NAME,
            span,
            format!("`{name}` is not the name of a header"),
        )
        .help("write letters, digits and hyphens alone, such as `X-Request-Id` (RFC 9110, section 5.1)");
        let meant = name.trim().trim_end_matches(':').replace(' ', "-");
        if is_token(&meant) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        found.push(diagnostic);
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of)
}

/// Every name of a header with its place.
fn all<'m>(cx: &Context<'m>) -> Vec<(&'m str, Span)> {
    let manifest = cx.manifest;
    let mut all: Vec<(&str, Span)> = Vec::new();
    let mut add = |name: &'m Spanned<String>| all.push((&name.value, name.span));
    manifest.http.headers.iter().for_each(|(name, _)| add(name));
    let (read, freeing) = requests(cx);
    for request in read.into_iter().chain(freeing) {
        request.headers.iter().for_each(|(name, _)| add(name));
    }
    for (_, action) in &manifest.actions {
        action.request.headers.iter().for_each(|(name, _)| add(name));
    }
    for way in ways(manifest) {
        match way.auth {
            Auth::OAuth2(oauth) => {
                oauth.token_request.headers.iter().for_each(|(name, _)| add(name));
                oauth.send.iter().filter_map(|send| send.header.as_ref()).for_each(&mut add);
            }
            Auth::ApiKey(keys) => {
                keys.0.iter().filter_map(|key| key.header.as_ref()).for_each(&mut add);
            }
            Auth::Session(session) => {
                session.headers.iter().for_each(|(_, name)| add(name));
                let sent = session.send.0.iter();
                sent.filter_map(|send| send.header.as_ref()).for_each(&mut add);
            }
            Auth::Hmac(hmac) => hmac.headers.iter().for_each(|(name, _)| add(name)),
            Auth::Basic(_) | Auth::AwsSigV4(_) | Auth::OneOf(_) => {}
        }
    }
    for (_, fetch) in every_fetch(cx) {
        let header = match fetch.pages.map(|pages| &pages.value) {
            Some(Pages::NextUrl(pages)) => pages.header.as_ref(),
            Some(Pages::Cursor(pages)) => pages.header.as_ref(),
            _ => None,
        };
        header.into_iter().for_each(&mut add);
    }
    for (_, quota) in &manifest.quotas {
        quota.header.iter().for_each(|header| add(&header.name));
        quota.when.iter().for_each(|when| add(&when.header));
        if let Some(headers) = &quota.headers {
            let numbers = [&headers.limit, &headers.remaining, &headers.used];
            numbers.into_iter().flatten().for_each(&mut add);
            headers.reset.iter().for_each(|reset| add(&reset.name));
        }
    }
    for rule in &manifest.errors {
        rule.when.headers.iter().for_each(|(name, _)| add(name));
        let wait = rule.wait.iter().filter_map(|wait| wait.header.as_ref());
        wait.for_each(&mut add);
    }
    all
}
