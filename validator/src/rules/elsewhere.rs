//! Why a reference that means something elsewhere has no value at a place.

use longshore_schema::stream::Pages;

use super::sites::{Place, Site};

/// What to do about a reference of this root, where only `roots` have values.
pub(super) fn why(root: &str, site: &Site<'_>, roots: &[&str]) -> Option<&'static str> {
    match (root, site.place) {
        ("window", Place::Stream { .. }) => Some("add `window` to the stream to read it by time"),
        ("cursor", Place::Stream { .. }) => {
            Some("add `cursor` to the stream: it says where the app's place is found")
        }
        ("partition", Place::Stream { .. }) => {
            Some("add `partitions` to the stream: `partition.NAME` is one value of the list NAME")
        }
        ("batch", Place::Stream { .. }) => {
            Some("add `batch` to the step: it says what of each item goes into the list")
        }
        ("page", Place::Stream { fetch, .. }) => match fetch.pages.map(|pages| &pages.value) {
            Some(Pages::Scroll(_)) => Some(
                "the first page has no cursor yet: `page.cursor` belongs in the scroll's `next` and `release`",
            ),
            Some(_) => Some(
                "with `pages: next_url` or `link_header` the app's own link asks for the next page: remove the reference",
            ),
            None => Some("say how the next page is found: add `pages`"),
        },
        ("auth", Place::Auth { .. } | Place::Grant { .. } | Place::Session { .. } | Place::Tls) => {
            Some("`auth.NAME` comes from the answer to the sign-in, which is not there yet")
        }
        ("auth", Place::Signed { .. }) => {
            Some("`auth.signature` is made of this text, and goes into `headers`")
        }
        ("auth", _) if roots.contains(&"inputs") => {
            Some("`auth.NAME` comes from the answer to a sign-in; a fixed key has none")
        }
        ("request", _) if roots.contains(&"inputs") => {
            Some("only what is signed sees the request: `auth.hmac.string` and its `headers`")
        }
        ("facts", _) if roots.contains(&"inputs") => {
            Some("facts are asked after signing in; only streams and later facts can use them")
        }
        ("record", Place::Stream { .. }) => {
            Some("`record.NAME` belongs in `map`; in a request write STEP.NAME for a listed item")
        }
        ("window", Place::Asked { .. } | Place::Action { .. }) => {
            Some("only streams are read by time")
        }
        ("record", Place::Action { .. }) => {
            Some("`record.NAME` belongs in `map`; what `find` found is `found.NAME`")
        }
        ("found", Place::Action { action, .. }) => Some(if action.find.is_some() {
            "`found.NAME` is known after `find`, not in it"
        } else {
            "add `find` to the action: `found.NAME` is a member of the record that it finds"
        }),
        ("action" | "found", _) if !matches!(site.place, Place::Map { .. }) => {
            Some("only the requests of an action have it")
        }
        (_, Place::Map { .. }) => {
            Some("a template in `map` sees the record alone: write `record.NAME`")
        }
        _ => None,
    }
}
