//! Every template of a manifest with where it stands.

use longshore_schema::action::Action;
use longshore_schema::auth::Auth;
use longshore_schema::manifest::GrantKind;
use longshore_schema::map::{Attributes, Map, Value};
use longshore_schema::scalar::Name;
use longshore_schema::stream::{Pages, Stream};
use longshore_schema::{Manifest, Span, Template};

use super::asked::probes;
use super::fetch::{Fetch, Part, action_templates, fetches, templates};

/// One template.
pub(crate) struct Site<'m> {
    pub(crate) template: &'m Template,
    pub(crate) span: Span,
    pub(crate) place: Place<'m>,
}

/// Where a template stands, which says what is in scope there.
#[derive(Clone, Copy)]
pub(crate) enum Place<'m> {
    /// A setting of `auth` that all grants share. `credential` holds for those that are sent in no
    /// URL: identifier, secret, key.
    Auth { setting: &'static str, credential: bool },
    /// A setting of one grant.
    Grant { kind: GrantKind, credential: bool },
    /// `http.base_url` or a header in `http.headers`.
    Http,
    /// The request of the fact with this index.
    Fact { index: usize, part: Part },
    /// The request of a stream, or of the step with this index.
    Stream { stream: &'m Stream, fetch: Fetch<'m>, index: usize, part: Part },
    /// `window.backfill`.
    Backfill,
    /// An attribute of `map`.
    Map,
    /// A request for settings or for the answer of a probe.
    Asked { pages: Option<&'m Pages>, part: Part },
    /// A request of an action. `found` says whether what was looked up is known there.
    Action { action: &'m Action, found: bool, pages: Option<&'m Pages>, part: Part },
}

/// All templates, in the order in which things happen.
pub(crate) fn sites(manifest: &Manifest) -> Vec<Site<'_>> {
    let mut sites = Vec::new();
    let mut add = |template, span, place| sites.push(Site { template, span, place });
    match &manifest.auth.value {
        Auth::OAuth2(oauth) => {
            let shared = |setting, credential| Place::Auth { setting, credential };
            add(&oauth.token_url.value, oauth.token_url.span, shared("token_url", false));
            if let Some(url) = &oauth.revoke_url {
                add(&url.value, url.span, shared("revoke_url", false));
            }
            add(&oauth.client_id.value, oauth.client_id.span, shared("client_id", true));
            if let Some(secret) = &oauth.client_secret {
                add(&secret.value, secret.span, shared("client_secret", true));
            }
            if let Some(grant) = &oauth.grants.authorization_code {
                let kind = GrantKind::AuthorizationCode;
                let place = Place::Grant { kind, credential: false };
                add(&grant.authorize_url.value, grant.authorize_url.span, place);
            }
            if let Some(grant) = &oauth.grants.jwt_bearer {
                let place = Place::Grant { kind: GrantKind::JwtBearer, credential: true };
                for template in [&grant.issuer, &grant.subject, &grant.audience, &grant.key] {
                    add(&template.value, template.span, place);
                }
            }
        }
        Auth::ApiKey(key) => {
            let place = Place::Auth { setting: "value", credential: true };
            add(&key.value.value, key.value.span, place);
        }
    }
    add(&manifest.http.base_url.value, manifest.http.base_url.span, Place::Http);
    for (_, header) in &manifest.http.headers {
        add(&header.value, header.span, Place::Http);
    }
    for (index, (_, fact)) in manifest.facts.iter().enumerate() {
        for (template, span, part) in templates(&fact.request) {
            add(template, span, Place::Fact { index, part });
        }
    }
    for (_, stream) in &manifest.streams.value {
        for (index, fetch) in fetches(stream).into_iter().enumerate() {
            for (template, span, part) in templates(fetch.request) {
                add(template, span, Place::Stream { stream, fetch, index, part });
            }
        }
        if let Some(window) = &stream.window {
            add(&window.backfill.value, window.backfill.span, Place::Backfill);
        }
        for attributes in all_attributes(&stream.map) {
            for (_, value) in attributes {
                if let Value::Template(template) = &value.value {
                    add(template, value.span, Place::Map);
                }
            }
        }
    }
    for (_, settings) in &manifest.settings {
        let pages = settings.pages.as_ref().map(|pages| &pages.value);
        for (template, span, part) in templates(&settings.request) {
            add(template, span, Place::Asked { pages, part });
        }
    }
    for asked in probes(manifest) {
        for (template, span, part) in asked.probe.request.iter().flat_map(|r| templates(r)) {
            add(template, span, Place::Asked { pages: None, part });
        }
    }
    for (_, action) in &manifest.actions {
        let place = |found, pages, part| Place::Action { action, found, pages, part };
        if let Some(find) = &action.find {
            let pages = find.pages.as_ref().map(|pages| &pages.value);
            for (template, span, part) in templates(&find.request) {
                add(template, span, place(false, pages, part));
            }
        }
        let found = action.find.is_some();
        let verify = templates(&action.verify.request);
        for (template, span, part) in action_templates(&action.request).into_iter().chain(verify) {
            add(template, span, place(found, None, part));
        }
    }
    sites
}

/// The attributes of a map: shared ones and those of each case.
pub(crate) fn all_attributes(map: &Map) -> Vec<&Attributes> {
    match map {
        Map::One(case) => vec![&case.attributes],
        Map::Choice(choice) => {
            let cases = choice.cases.iter().map(|case| &case.attributes);
            let otherwise = std::iter::once(&choice.otherwise.attributes);
            std::iter::once(&choice.shared).chain(cases).chain(otherwise).collect()
        }
    }
}

/// The streams with their names as text.
pub(crate) fn streams(manifest: &Manifest) -> impl Iterator<Item = (&str, Span, &Stream)> {
    let entries = manifest.streams.value.iter();
    entries.map(|(name, stream)| (Name::as_str(name), name.span, stream))
}
