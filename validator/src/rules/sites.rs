//! Every template of a manifest with where it stands.

use longshore_schema::action::Action;
use longshore_schema::manifest::GrantKind;
use longshore_schema::map::{Attributes, Map, Value};
use longshore_schema::scalar::Name;
use longshore_schema::stream::{Pages, Stream};
use longshore_schema::{Manifest, Span, Template};

use super::asked::probes;
use super::fetch::{Fetch, Part, action_templates, fetches, following, templates};
use super::ways::sign_in_sites;

/// One template.
#[derive(Clone, Copy)]
pub(crate) struct Site<'m> {
    pub(crate) template: &'m Template,
    pub(crate) span: Span,
    pub(crate) place: Place<'m>,
    /// Whether it is of a request for a page behind the first, which `pages` declares.
    pub(crate) following: bool,
}

impl<'m> Site<'m> {
    /// A template that is not of a request for a page behind the first.
    pub(crate) fn new(template: &'m Template, span: Span, place: Place<'m>) -> Self {
        Self { template, span, place, following: false }
    }
}

/// Where a template stands, which says what is in scope there.
#[derive(Clone, Copy)]
pub(crate) enum Place<'m> {
    /// A setting of a way to sign in. `credential` holds for those that are sent in no URL:
    /// identifier, secret, key.
    Auth { way: usize, setting: &'static str, credential: bool },
    /// A setting of one grant.
    Grant { way: usize, kind: GrantKind, setting: &'static str, credential: bool },
    /// A part of the login or logout call of a session, or what is sent in a session: `opened` says
    /// whether the answer to the login is known.
    Session { way: usize, opened: bool, part: Option<Part> },
    /// The text that is signed, or a header with the signature.
    Signed { way: usize, signature: bool },
    /// A setting of `http.tls`.
    Tls,
    /// `http.base_url` or a header in `http.headers`.
    Http,
    /// The request of the fact with this index.
    Fact { index: usize, part: Part },
    /// The request of a stream, or of the step with this index.
    Stream { stream: &'m Stream, fetch: Fetch<'m>, index: usize, part: Part },
    /// The request of a join, or what clears away the item of the step with this index.
    Detail { stream: &'m Stream, step: Option<usize>, part: Part },
    /// `cursor.first`.
    CursorStart,
    /// `window.backfill`.
    Backfill,
    /// An attribute of `map`. With parts, `for_each` says what they are.
    Map { has_parts: bool },
    /// A request for settings or for the answer of a probe.
    Asked { pages: Option<&'m Pages>, part: Part },
    /// A request of an action. `found` says whether what was looked up is known there.
    Action { action: &'m Action, found: bool, pages: Option<&'m Pages>, part: Part },
}

impl Place<'_> {
    /// The way to sign in that it belongs to.
    pub(crate) fn way(&self) -> Option<usize> {
        match self {
            Self::Auth { way, .. }
            | Self::Grant { way, .. }
            | Self::Session { way, .. }
            | Self::Signed { way, .. } => Some(*way),
            _ => None,
        }
    }

    /// Whether what is written there is shown nowhere: secrets may stand in no other place.
    pub(crate) fn takes_secrets(&self) -> bool {
        match self {
            Self::Auth { credential, .. } | Self::Grant { credential, .. } => *credential,
            Self::Session { part, .. } => {
                !matches!(part, Some(Part::Url | Part::BaseUrl | Part::Query))
            }
            Self::Signed { .. } | Self::Tls => true,
            _ => false,
        }
    }
}

/// All templates, in the order in which things happen.
pub(crate) fn sites(manifest: &Manifest) -> Vec<Site<'_>> {
    let mut sites = sign_in_sites(manifest);
    let mut add = |template, span, place| sites.push(Site::new(template, span, place));
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
        for (index, (_, step)) in stream.steps.iter().enumerate() {
            for (template, span, part) in step.cleanup.iter().flat_map(|c| templates(c)) {
                add(template, span, Place::Detail { stream, step: Some(index), part });
            }
        }
        for (_, join) in &stream.join.value {
            for (template, span, part) in templates(&join.request) {
                add(template, span, Place::Detail { stream, step: None, part });
            }
        }
        if let Some(first) = stream.cursor.as_ref().and_then(|cursor| cursor.first.as_ref()) {
            add(&first.value.0, first.span, Place::CursorStart);
        }
        if let Some(window) = &stream.window {
            add(&window.backfill.value, window.backfill.span, Place::Backfill);
        }
        for map in maps(stream) {
            let place = Place::Map { has_parts: map.for_each.is_some() };
            for attributes in all_attributes(map) {
                of_attributes(attributes, &mut |template, span| add(template, span, place));
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
    for (pages, place) in paged(manifest) {
        for request in following(pages) {
            for (template, span, part) in templates(request) {
                sites.push(Site { template, span, place: place(part), following: true });
            }
        }
    }
    sites
}

/// All `pages` with what makes the place of a template in them.
#[allow(clippy::type_complexity, reason = "a name for the closure would say no more")]
fn paged<'m>(manifest: &'m Manifest) -> Vec<(&'m Pages, Box<dyn Fn(Part) -> Place<'m> + 'm>)> {
    let mut all: Vec<(&Pages, Box<dyn Fn(Part) -> Place<'m> + 'm>)> = Vec::new();
    for (_, stream) in &manifest.streams.value {
        for (index, fetch) in fetches(stream).into_iter().enumerate() {
            if let Some(pages) = fetch.pages {
                let place = move |part| Place::Stream { stream, fetch, index, part };
                all.push((&pages.value, Box::new(place)));
            }
        }
    }
    for (_, settings) in &manifest.settings {
        if let Some(pages) = &settings.pages {
            let place = |part| Place::Asked { pages: Some(&pages.value), part };
            all.push((&pages.value, Box::new(place)));
        }
    }
    for (_, action) in &manifest.actions {
        if let Some(pages) = action.find.as_ref().and_then(|find| find.pages.as_ref()) {
            let place =
                move |part| Place::Action { action, found: false, pages: Some(&pages.value), part };
            all.push((&pages.value, Box::new(place)));
        }
    }
    all
}

/// The templates of attributes, those of elements among them.
fn of_attributes<'m>(attributes: &'m Attributes, add: &mut dyn FnMut(&'m Template, Span)) {
    for (_, value) in attributes {
        match &value.value {
            Value::Template(template) => add(template, value.span),
            Value::Source(source) => {
                if let Some(template) = &source.template {
                    add(&template.value, template.span);
                }
                of_attributes(&source.map.0, add);
            }
            Value::Path(_) | Value::Literal(_) => {}
        }
    }
}

/// The attributes of a map: shared ones and those of each case.
pub(crate) fn all_attributes(map: &Map) -> Vec<&Attributes> {
    let shared = map.choice().map(|choice| &choice.shared);
    shared.into_iter().chain(map.cases().map(|case| &case.attributes)).collect()
}

/// The maps of a stream: that of its records, and that of those that are gone.
pub(crate) fn maps(stream: &Stream) -> impl Iterator<Item = &Map> {
    let gone = stream.changes.iter().filter_map(|changes| changes.gone.as_ref());
    std::iter::once(&stream.map.value).chain(gone.map(|gone| &gone.value))
}

/// A map of a stream with the keys that lead to it.
pub(crate) struct Mapping<'m> {
    pub(crate) stream: &'m Stream,
    pub(crate) keys: Vec<&'m str>,
    pub(crate) map: &'m Map,
}

impl Mapping<'_> {
    /// Whether it is for records that are not shown any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.keys.len() > 3
    }
}

/// All maps of all streams.
pub(crate) fn mappings(manifest: &Manifest) -> impl Iterator<Item = Mapping<'_>> {
    streams(manifest).flat_map(|(name, _, stream)| {
        let keys = [vec!["streams", name, "map"], vec!["streams", name, "changes", "gone"]];
        maps(stream).zip(keys).map(move |(map, keys)| Mapping { stream, keys, map })
    })
}

/// The streams with their names as text.
pub(crate) fn streams(manifest: &Manifest) -> impl Iterator<Item = (&str, Span, &Stream)> {
    let entries = manifest.streams.value.iter();
    entries.map(|(name, stream)| (Name::as_str(name), name.span, stream))
}
