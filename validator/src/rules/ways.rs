//! The ways to sign in, with where each is written and what templates it has.

use std::collections::HashSet;

use longshore_schema::auth::{Auth, Grants, Hmac, OAuth2, Session};
use longshore_schema::manifest::GrantKind;
use longshore_schema::stream::Parameter;
use longshore_schema::{Manifest, Span, Spanned, Table, Template};

use super::fetch::templates;
use super::sites::{Place, Site, sites};

/// One way to sign in.
pub(crate) struct Way<'m> {
    /// The keys that lead to it: `auth`, and below `one_of` further ones.
    pub(crate) keys: Vec<&'m str>,
    pub(crate) auth: &'m Auth,
}

impl<'m> Way<'m> {
    /// The keys that lead to what is below it.
    pub(crate) fn below(&self, keys: &[&'m str]) -> Vec<&'m str> {
        [&self.keys, keys].concat()
    }

    pub(crate) fn oauth(&self) -> Option<&'m OAuth2> {
        match self.auth {
            Auth::OAuth2(oauth) => Some(oauth),
            _ => None,
        }
    }

    pub(crate) fn session(&self) -> Option<&'m Session> {
        match self.auth {
            Auth::Session(session) => Some(session),
            _ => None,
        }
    }
}

/// All ways to sign in that the admin can choose from.
pub(crate) fn ways(manifest: &Manifest) -> Vec<Way<'_>> {
    let ways = manifest.auth.ways().into_iter().map(|(choices, auth)| {
        let chosen = choices.into_iter().flat_map(|choice| ["one_of", "kinds", choice]);
        Way { keys: std::iter::once("auth").chain(chosen).collect(), auth }
    });
    ways.collect()
}

/// The inputs that nothing needs when one of several ways to sign in is chosen: those that only the
/// others use.
#[must_use]
pub fn unasked<'m>(manifest: &'m Manifest, chosen: &Auth) -> HashSet<&'m str> {
    let mut others = Sites(Vec::new());
    let mut needed = Sites(Vec::new());
    for (at, (_, way)) in manifest.auth.ways().into_iter().enumerate() {
        let sites = if std::ptr::eq(way, chosen) { &mut needed } else { &mut others };
        sites.way(at, way);
    }
    let mut unasked = used(&others.0);
    if !unasked.is_empty() {
        let all = sites(manifest);
        let elsewhere = all.into_iter().filter(|site| site.place.way().is_none()).collect();
        let needed = used(&[needed.0, elsewhere].concat());
        unasked.retain(|name| !needed.contains(name));
    }
    unasked
}

/// The inputs that templates use.
fn used<'m>(sites: &[Site<'m>]) -> HashSet<&'m str> {
    let references = sites.iter().flat_map(|site| site.template.references());
    references
        .filter_map(|reference| match reference.path.as_slice() {
            [root, name, ..] if root == "inputs" => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// The templates of all ways to sign in.
pub(crate) fn sign_in_sites(manifest: &Manifest) -> Vec<Site<'_>> {
    let mut sites = Sites(Vec::new());
    for (way, (_, auth)) in manifest.auth.ways().into_iter().enumerate() {
        sites.way(way, auth);
    }
    if let Some(tls) = &manifest.http.tls {
        let all = [&tls.client_certificate, &tls.client_key, &tls.ca];
        sites.add(all.into_iter().flatten(), Place::Tls);
    }
    sites.0
}

struct Sites<'m>(Vec<Site<'m>>);

impl<'m> Sites<'m> {
    fn add(
        &mut self,
        templates: impl IntoIterator<Item = &'m Spanned<Template>>,
        place: Place<'m>,
    ) {
        let sites = templates.into_iter();
        self.0.extend(sites.map(|one| Site::new(&one.value, one.span, place)));
    }

    fn params(&mut self, params: &'m Table<String, Spanned<Parameter>>, place: Place<'m>) {
        let sites = params.iter().map(|(_, one)| (&one.value.0, one.span));
        self.0.extend(sites.map(|(template, span): (_, Span)| Site::new(template, span, place)));
    }

    fn way(&mut self, way: usize, auth: &'m Auth) {
        let setting = |setting| Place::Auth { way, setting, credential: true };
        match auth {
            Auth::OAuth2(oauth) => self.oauth(way, oauth),
            Auth::ApiKey(keys) => {
                self.add(keys.0.iter().map(|key| &key.value.value), setting("value"));
            }
            Auth::Basic(basic) => {
                self.add([&basic.username], setting("username"));
                self.add([&basic.password], setting("password"));
            }
            Auth::Session(session) => self.session(way, session),
            Auth::Hmac(hmac) => self.hmac(way, hmac),
            Auth::AwsSigV4(keys) => {
                self.add([&keys.access_key_id], setting("access_key_id"));
                self.add([&keys.secret_access_key], setting("secret_access_key"));
                self.add(&keys.session_token, setting("session_token"));
                self.add(&keys.region, setting("region"));
                self.add(&keys.service, setting("service"));
            }
            // Its ways are given one by one.
            Auth::OneOf(_) => {}
        }
    }

    fn oauth(&mut self, way: usize, oauth: &'m OAuth2) {
        let url = |setting| Place::Auth { way, setting, credential: false };
        let setting = |setting| Place::Auth { way, setting, credential: true };
        self.add([&oauth.token_url], url("token_url"));
        self.add(&oauth.revoke_url, url("revoke_url"));
        self.add(&oauth.client_id, setting("client_id"));
        self.add(&oauth.client_secret, setting("client_secret"));
        if let Some(client) = &oauth.client_key {
            // Without a value it is left out, as the grants that have no key want it.
            self.add([&client.key], setting("client_key"));
            self.add(client.key_id.iter().chain(&client.audience), setting("client_key"));
        }
        self.params(&oauth.token_request.params, setting("token_request"));
        self.add(oauth.token_request.headers.iter().map(|(_, one)| one), setting("token_request"));
        self.grants(way, &oauth.grants);
    }

    fn grants(&mut self, way: usize, grants: &'m Grants) {
        let url = |kind, setting| Place::Grant { way, kind, setting, credential: false };
        let setting = |kind, setting| Place::Grant { way, kind, setting, credential: true };
        if let Some(grant) = &grants.authorization_code {
            let kind = GrantKind::AuthorizationCode;
            self.add([&grant.authorize_url], url(kind, "authorize_url"));
            self.params(&grant.params, url(kind, "params"));
        }
        if let Some(grant) = &grants.client_credentials {
            self.params(&grant.params, setting(GrantKind::ClientCredentials, "params"));
        }
        if let Some(grant) = &grants.jwt_bearer {
            let place = |name| setting(GrantKind::JwtBearer, name);
            self.add([&grant.issuer], place("issuer"));
            self.add(&grant.subject, place("subject"));
            self.add([&grant.audience], place("audience"));
            self.add([&grant.key], place("key"));
            self.add(&grant.key_id, place("key_id"));
            self.params(&grant.claims, place("claims"));
            self.params(&grant.params, place("params"));
        }
        if let Some(grant) = &grants.device_code {
            self.add([&grant.device_url], url(GrantKind::DeviceCode, "device_url"));
        }
        if let Some(grant) = &grants.password {
            self.add([&grant.username], setting(GrantKind::Password, "username"));
            self.add([&grant.password], setting(GrantKind::Password, "password"));
            self.params(&grant.params, setting(GrantKind::Password, "params"));
        }
    }

    fn session(&mut self, way: usize, session: &'m Session) {
        for (template, span, part) in templates(&session.login) {
            let place = Place::Session { way, opened: false, part: Some(part) };
            self.0.push(Site::new(template, span, place));
        }
        let values = session.send.0.iter().map(|one| &one.value.value);
        self.add(values, Place::Session { way, opened: true, part: None });
        for (template, span, part) in session.logout.iter().flat_map(|logout| templates(logout)) {
            let place = Place::Session { way, opened: true, part: Some(part) };
            self.0.push(Site::new(template, span, place));
        }
    }

    fn hmac(&mut self, way: usize, hmac: &'m Hmac) {
        self.add([&hmac.key], Place::Auth { way, setting: "key", credential: true });
        self.add([&hmac.string], Place::Signed { way, signature: false });
        let headers = hmac.headers.iter().map(|(_, one)| one);
        self.add(headers, Place::Signed { way, signature: true });
    }
}
