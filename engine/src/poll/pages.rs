//! From one page to the next, with nothing ever taken on trust: a page that was seen before, and a
//! promise that is not kept, end the window by name.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use longshore_schema::stream::{Pages, Promise};
use longshore_schema::{JsonPath, Literal};
use serde_json::Value;
use url::Url;

use crate::error::{Code, Error, Result, Retry};
use crate::http::header::{HeaderMap, LINK};
use crate::render::PageScope;

/// Pages without a record in a row. Some apps look through their data in steps and have nothing to
/// show for a while; more than this is an app that never ends.
const MAX_EMPTY_PAGES: u32 = 1000;

/// Where the paging of one window stands.
#[derive(Debug)]
pub struct Pager<'p> {
    pages: Option<&'p Pages>,
    promise: Option<&'p Promise>,
    /// The values of `page.*` for the next request.
    pub scope: PageScope,
    /// The URL of the next request, if a response named it.
    pub next_url: Option<Url>,
    /// Hashes of the positions, or of the pages where an app counts only.
    seen: HashSet<u64>,
    empty_pages: u32,
    records: u64,
    total: Option<u64>,
}

/// What a page said.
#[derive(Debug)]
pub struct PageRead<'r> {
    /// Where it came from.
    pub url: &'r Url,
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// Its body without the records.
    pub envelope: &'r Value,
    /// How many records it had.
    pub records: u64,
    /// A hash of all its records; needed where [`Pager::compares_pages`].
    pub fingerprint: u64,
}

impl<'p> Pager<'p> {
    /// Before the first page.
    #[must_use]
    pub fn new(pages: Option<&'p Pages>, promise: Option<&'p Promise>) -> Self {
        let mut scope = PageScope::default();
        match pages {
            Some(Pages::Number(numbered)) => {
                scope.number = Some(numbered.first);
                scope.size = Some(numbered.size.value);
            }
            Some(Pages::Offset(offset)) => {
                scope.offset = Some(0);
                scope.size = Some(offset.size.value);
            }
            _ => {}
        }
        Self {
            pages,
            promise,
            scope,
            next_url: None,
            seen: HashSet::new(),
            empty_pages: 0,
            records: 0,
            total: None,
        }
    }

    /// Whether a page that was read before is known by its records only: the app does not say where
    /// the next page is, we count.
    #[must_use]
    pub fn compares_pages(&self) -> bool {
        matches!(self.pages, Some(Pages::Number(_) | Pages::Offset(_)))
    }

    /// Takes a page in; `true` if there is another one.
    ///
    /// # Errors
    /// [`Code::PageLoop`] if paging does not advance, [`Code::DataIncomplete`] if the response
    /// breaks its own promise, [`Code::DataParse`] if the next page cannot be read from it.
    pub fn advance(&mut self, page: &PageRead<'_>) -> Result<bool> {
        self.records += page.records;
        let more = match self.pages {
            None => false,
            Some(Pages::NextUrl(path)) => match text_at(path, page.envelope)? {
                Some(link) => self.follow(page.url, &link)?,
                None => false,
            },
            Some(Pages::LinkHeader(relation)) => match link(page.headers, relation) {
                Some(link) => self.follow(page.url, &link)?,
                None => false,
            },
            Some(Pages::Cursor(path)) => {
                self.scope.cursor = text_at(path, page.envelope)?;
                match self.scope.cursor.clone() {
                    Some(cursor) => self.unseen(&cursor)?,
                    None => false,
                }
            }
            Some(Pages::Number(numbered)) => {
                self.scope.number = self.scope.number.map(|number| number + 1);
                self.full(page, numbered.size.value)?
            }
            Some(Pages::Offset(offset)) => {
                self.scope.offset = self.scope.offset.map(|from| from + page.records);
                self.full(page, offset.size.value)?
            }
        };
        self.check_promise(page.envelope, more)?;
        self.empty_pages = if page.records == 0 { self.empty_pages + 1 } else { 0 };
        if more && self.empty_pages >= MAX_EMPTY_PAGES {
            return Err(looping(format!("{MAX_EMPTY_PAGES} pages in a row had no record")));
        }
        Ok(more)
    }

    /// Follows a link that may be relative to the page it stands on (RFC 3986, section 5).
    fn follow(&mut self, base: &Url, link: &str) -> Result<bool> {
        let next = base.join(link).map_err(|error| {
            Error::new(Code::DataParse, "the link to the next page is not a URL")
                .cause(error.to_string())
                .fix("check where the manifest's `pages` looks for it")
        })?;
        self.seen.insert(hash(base.as_str()));
        let more = self.unseen(next.as_str())?;
        self.next_url = Some(next);
        Ok(more)
    }

    fn unseen(&mut self, position: &str) -> Result<bool> {
        if self.seen.insert(hash(position)) {
            return Ok(true);
        }
        Err(looping("the app named a page that had been read already".to_owned()))
    }

    /// Whether a page is full, so that there may be another one.
    fn full(&mut self, page: &PageRead<'_>, size: u64) -> Result<bool> {
        if page.records > 0 && !self.seen.insert(page.fingerprint) {
            return Err(looping(
                "a page had the same records as one before it: the app ignores the page parameter, or starts over after its last page"
                    .to_owned(),
            )
            .fix("check the name of the parameter that sends `page.number` or `page.offset`"));
        }
        Ok(page.records >= size.max(1))
    }

    fn check_promise(&mut self, envelope: &Value, more: bool) -> Result<()> {
        let Some(promise) = self.promise else { return Ok(()) };
        let broken = |cause: String| {
            Err(Error::new(Code::DataIncomplete, "the response does not keep its own promise")
                .cause(cause)
                .fix("nothing is lost, the window is read again; if it stays, check `pages` and `promise` in the manifest"))
        };
        for (path, expected) in &promise.last_page {
            let found = path.first(envelope);
            let last = found.is_some_and(|value| same(value, expected));
            let shown = found.map_or("missing".to_owned(), shape);
            if last == more {
                return broken(if more {
                    format!("`{path}` is {shown} as on the last page, but a next page is named")
                } else {
                    format!("`{path}` is {shown}, so there is more, but no next page is named")
                });
            }
        }
        if let Some(path) = &promise.total {
            let total = path.first(envelope).and_then(Value::as_u64);
            // The app counts once; later pages may repeat the number or not.
            self.total = self.total.or(total);
            let Some(total) = self.total else {
                return broken(format!("`{path}` does not hold the number of records"));
            };
            if !more && total != self.records {
                return broken(format!(
                    "`{path}` promised {total} records, but all pages together had {}",
                    self.records
                ));
            }
        }
        Ok(())
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn looping(cause: String) -> Error {
    Error::new(Code::PageLoop, "paging did not advance")
        .cause(cause)
        .fix("nothing is lost, the window is read again; if it stays, report it to the app's support")
        .retry(Retry::Later(None))
}

fn same(value: &Value, expected: &Literal) -> bool {
    match (value, expected) {
        (Value::Bool(a), Literal::Bool(b)) => a == b,
        (Value::String(a), Literal::Text(b)) => a == b,
        (Value::Number(a), b) => *b.to_string() == a.to_string(),
        _ => false,
    }
}

/// A value of a response in words that reveal nothing but its form.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The text or number at a path; `None` if there is nothing, null or an empty text.
fn text_at(path: &JsonPath, document: &Value) -> Result<Option<String>> {
    match path.first(document) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => {
            Err(Error::new(Code::DataParse, "the position of the next page cannot be read")
                .cause(format!("`{path}` holds {}", shape(other)))
                .fix("check where the manifest's `pages` looks for it"))
        }
    }
}

/// The target of the first link with a relation (RFC 8288, section 3).
fn link(headers: &HeaderMap, relation: &str) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        let mut rest = value;
        while let Some(start) = rest.find('<') {
            let end = start + rest[start..].find('>')?;
            let target = &rest[start + 1..end];
            let parameters = &rest[end + 1..];
            let until = parameters.find(',').map_or(parameters.len(), |comma| {
                // A comma inside a quoted parameter does not end the link.
                let quoted = parameters[..comma].matches('"').count() % 2 == 1;
                if quoted {
                    parameters.find("\",").map_or(parameters.len(), |at| at + 1)
                } else {
                    comma
                }
            });
            let mine = parameters[..until].split(';').any(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split_whitespace()
                        .any(|rel| rel.eq_ignore_ascii_case(relation))
            });
            if mine {
                return Some(target.to_owned());
            }
            rest = &parameters[until..];
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_schema::yaml;
    use serde_json::json;

    fn pages(text: &str) -> Pages {
        let document = yaml::parse(text).unwrap();
        longshore_schema::deserialize::from_node(&document.root).unwrap()
    }

    fn promise(text: &str) -> Promise {
        let document = yaml::parse(text).unwrap();
        longshore_schema::deserialize::from_node(&document.root).unwrap()
    }

    fn read(pager: &mut Pager<'_>, envelope: &Value, records: u64) -> Result<bool> {
        let url = Url::parse("https://a.example.com/q/1?x=1").unwrap();
        let headers = HeaderMap::new();
        let fingerprint = envelope.to_string().len() as u64;
        pager.advance(&PageRead { url: &url, headers: &headers, envelope, records, fingerprint })
    }

    #[test]
    fn a_relative_link_is_followed_once() {
        let pages = pages("next_url: $.next");
        let mut pager = Pager::new(Some(&pages), None);
        assert!(read(&mut pager, &json!({"next": "/q/2"}), 1).unwrap());
        assert_eq!(pager.next_url.as_ref().unwrap().as_str(), "https://a.example.com/q/2");
        let again = read(&mut pager, &json!({"next": "/q/2"}), 1).unwrap_err();
        assert_eq!(again.code, Code::PageLoop);
    }

    #[test]
    fn a_link_to_its_own_page_is_not_followed() {
        let pages = pages("next_url: $.next");
        let mut pager = Pager::new(Some(&pages), None);
        let itself = json!({"next": "/q/1?x=1"});
        assert_eq!(read(&mut pager, &itself, 1).unwrap_err().code, Code::PageLoop);
    }

    #[test]
    fn more_promised_and_no_next_page_is_an_error() {
        let pages = pages("next_url: $.next");
        let promise = promise("last_page: { $.done: true }\ntotal: $.totalSize");
        let mut pager = Pager::new(Some(&pages), Some(&promise));
        let error = read(&mut pager, &json!({"done": false, "totalSize": 9}), 3).unwrap_err();
        assert_eq!(error.code, Code::DataIncomplete);
        let mut pager = Pager::new(Some(&pages), Some(&promise));
        let error = read(&mut pager, &json!({"done": true, "totalSize": 9}), 3).unwrap_err();
        assert!(error.cause.clone().unwrap().contains("promised 9 records"));
        let mut pager = Pager::new(Some(&pages), Some(&promise));
        assert!(!read(&mut pager, &json!({"done": true, "totalSize": 3}), 3).unwrap());
    }

    #[test]
    fn a_short_page_is_the_last_and_a_repeated_one_an_error() {
        let pages = pages("number: { size: 2 }");
        let mut pager = Pager::new(Some(&pages), None);
        assert!(read(&mut pager, &json!({"a": 1}), 2).unwrap());
        assert_eq!(pager.scope.number, Some(2));
        assert!(!read(&mut pager, &json!({"a": 1, "b": 2}), 1).unwrap());
        let mut pager = Pager::new(Some(&pages), None);
        assert!(read(&mut pager, &json!({"a": 1}), 2).unwrap());
        assert_eq!(read(&mut pager, &json!({"a": 2}), 2).unwrap_err().code, Code::PageLoop);
    }

    #[test]
    fn link_headers_are_searched_by_relation() {
        let mut headers = HeaderMap::new();
        let value = r#"<https://a/1>; rel="prev first"; title="a, b", <https://a/3>; rel=next"#;
        headers.insert(LINK, value.parse().unwrap());
        assert_eq!(link(&headers, "next").as_deref(), Some("https://a/3"));
        assert_eq!(link(&headers, "first").as_deref(), Some("https://a/1"));
        assert_eq!(link(&headers, "last"), None);
    }
}
