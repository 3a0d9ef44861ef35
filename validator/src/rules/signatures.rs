//! Signatures, sessions and keys: made of what is sent, and sent where there is a place for them.

use longshore_schema::auth::{Auth, Hmac, KeyEncoding, Session};
use longshore_schema::stream::Request;
use longshore_schema::template::Part as Piece;
use longshore_schema::{Span, Spanned, Template};

use super::Context;
use super::asked::{every_fetch, key_of, single_requests};
use super::fetch::templates;
use super::references::{are_clear, refers};
use super::sites::sites;
use super::ways::{Way, ways};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::scope::kept;

/// What the app needs to verify a signature is sent, and what could be changed is signed.
pub(crate) fn signatures(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(cx.manifest) {
        let Auth::Hmac(hmac) = way.auth else { continue };
        // What is wrong with a reference is reported as such.
        if cx.intact(&way.below(&["hmac"])) {
            let faults = unsent(hmac).into_iter().chain(unsigned(cx, hmac));
            found.extend(faults.filter(|_| are_clear(cx, &written(hmac))));
        }
        found.extend(undecodable(hmac));
    }
}

/// What is signed, and what is sent with the signature.
pub(super) fn written(hmac: &Hmac) -> Vec<&Template> {
    let headers = hmac.headers.iter().map(|(_, header)| &header.value);
    std::iter::once(&hmac.string.value).chain(headers).collect()
}

fn uses(template: &Template, name: &str) -> bool {
    template.references().iter().any(|reference| reference.path == ["request", name])
}

/// A time or nonce that is signed, and that the app cannot know.
fn unsent(hmac: &Hmac) -> Option<Diagnostic> {
    let unsent = |name: &&str| {
        uses(&hmac.string, name) && !hmac.headers.iter().any(|(_, header)| uses(header, name))
    };
    let name = ["time", "nonce"].into_iter().find(unsent)?;
    Some(
        Diagnostic::new(
            &codes::UNVERIFIABLE_SIGNATURE,
            hmac.string.span,
            format!("`request.{name}` is signed, and no header has it: the app cannot verify that"),
        )
        .help(format!(
            "send it in `headers` as the app expects it, such as `X-{}: \"{{{{request.{name}}}}}\"`",
            if name == "time" { "Time" } else { "Nonce" }
        )),
    )
}

/// What is sent with a signature and is not a part of it.
fn unsigned(cx: &Context<'_>, hmac: &Hmac) -> Option<Diagnostic> {
    let warn = |span: Span, message: String, help: &str| {
        Diagnostic::new(&codes::SIGNATURE_LEAVES_OUT, span, message).help(help)
    };
    let sent = |name: &str| hmac.headers.iter().find(|(_, header)| uses(header, name));
    for name in ["time", "nonce"] {
        if let (Some((_, header)), false) = (sent(name), uses(&hmac.string, name)) {
            return Some(
                warn(
                    hmac.string.span,
                    format!("`request.{name}` is sent, and not signed"),
                    "sign it too, as the app does: otherwise a request can be sent again by who has seen it",
                )
                .also(header.span, "sent here"),
            );
        }
    }
    if uses(&hmac.string, "body") || uses(&hmac.string, "body_hash") {
        return None;
    }
    let fetched = every_fetch(cx).into_iter().map(|(_, fetch)| fetch.request);
    let body = fetched
        .chain(single_requests(cx).into_iter().map(|(_, request)| request))
        .find_map(|request| body(request))?;
    Some(
        warn(
            hmac.string.span,
            "the body of requests is not signed".to_owned(),
            "add `{{request.body_hash}}` or `{{request.body}}` where the app's documentation has it",
        )
        .also(body, "a request with a body"),
    )
}

fn body(request: &Request) -> Option<Span> {
    let form = request.form.iter().next().map(|(name, _)| name.span);
    let json = request.json.as_ref().map(|json| json.span);
    let graphql = request.graphql.as_ref().map(|query| query.query.span);
    form.or(json).or(graphql).or(request.text.as_ref().map(|text| text.span))
}

/// A key of which a part can be no part of a key so written.
fn undecodable(hmac: &Hmac) -> Option<Diagnostic> {
    let (name, is_of): (_, fn(char) -> bool) = match hmac.key_encoding {
        KeyEncoding::Text => return None,
        KeyEncoding::Hex => ("hex", |c| c.is_ascii_hexdigit()),
        KeyEncoding::Base64 => {
            ("base64", |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
        }
    };
    let odd = hmac.key.parts().iter().find_map(|piece| match piece {
        Piece::Text(text) => text.chars().find(|c| !is_of(*c)),
        _ => None,
    })?;
    Some(
        Diagnostic::new(
            &codes::KEY_ENCODING,
            hmac.key.span,
            format!("the key is read as {name}, which has no `{odd}`"),
        )
        .help("write `key_encoding: text` if the text itself is the key, or the input alone: `key: \"{{inputs.key}}\"`"),
    )
}

/// A login says who signs in.
pub(crate) fn logins(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(cx.manifest) {
        let Some(session) = way.session() else { continue };
        if !names_input(cx, &way, session) {
            let keys = way.below(&["session", "login"]);
            found.push(
                Diagnostic::new(
                    &codes::UNSENT_CREDENTIAL,
                    key_of(cx, &keys, session.login.span),
                    "the login says nothing of who signs in",
                )
                .help("send what the admin was asked for: `form: { user: \"{{inputs.user}}\", password: \"{{inputs.password}}\" }`"),
            );
        }
    }
}

fn names_input(cx: &Context<'_>, way: &Way<'_>, session: &Session) -> bool {
    let keys = way.below(&["session", "login"]);
    !cx.intact(&keys) || refers(cx, &session.login, |path| path[0] == "inputs")
}

/// A key that goes into the body is for requests that have one.
pub(crate) fn body_keys(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(cx.manifest) {
        let Auth::ApiKey(keys) = way.auth else { continue };
        let Some(body) = keys.0.iter().find_map(|key| key.body.as_ref()) else { continue };
        let fetched = every_fetch(cx).into_iter().map(|(_, fetch)| &fetch.request.value);
        let facts = cx.manifest.facts.iter().map(|(_, fact)| &fact.request.value);
        let without = fetched.chain(facts).find(|request| has_no_place(request));
        let Some((method, url)) = without.and_then(Request::method) else { continue };
        found.push(
            Diagnostic::new(
                &codes::KEY_WITHOUT_BODY,
                body.span,
                format!("the key goes into the body, and this {} request has none", method.to_uppercase()),
            )
            .also(url.span, "sent without the key")
            .help("write `header` or `query` with the name that the app expects there, or `post` with `form` or `json` for the request"),
        );
    }
}

fn has_no_place(request: &Request) -> bool {
    request.auth.is_none() && matches!(request.method(), Some(("get" | "head", _)))
}

/// What a sign-in gives is used. `account` tells whose data it is.
pub(crate) fn unused_tokens(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let tables = kept(cx.root);
    if tables.is_empty() {
        return;
    }
    let all = sites(cx.manifest);
    let used = |name: &str| {
        let references = all.iter().flat_map(|site| site.template.references());
        references.into_iter().any(|reference| match reference.path.as_slice() {
            [root, own] => root == "auth" && own == name,
            _ => false,
        })
    };
    for entry in tables.iter().flat_map(|table| table.value.entries()) {
        if entry.key == "account" || used(&entry.key) {
            continue;
        }
        found.push(
            Diagnostic::new(
                &codes::UNUSED_TOKEN,
                entry.key_span,
                format!("`auth.{}` is kept and never used", entry.key),
            )
            .help(format!(
                "send it where it is needed: `\"{{{{auth.{}}}}}\"`, or remove it",
                entry.key
            )),
        );
    }
}

/// A request's templates with where they stand; only those that write text.
pub(super) fn texts(request: &Spanned<Request>) -> Vec<(&Template, Span)> {
    use super::fetch::Part;
    let all = templates(request).into_iter();
    // In JSON a reference alone keeps the type of its value.
    all.filter(|(template, _, part)| *part != Part::Json || template.as_expression().is_none())
        .map(|(template, span, _)| (template, span))
        .collect()
}
