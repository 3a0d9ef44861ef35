//! From one page to the next, with nothing ever taken on trust: a page that was seen before, and a
//! promise that is not kept, end the window by name.

mod answer;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use longshore_schema::stream::{End, KeysetPages, Pages, Promise, Request};
use serde_json::Value;
use url::Url;

use crate::error::{Code, Error, Result, Retry};
use crate::http::header::HeaderMap;
use crate::http::link;
use crate::render::PageScope;
use answer::{Flag, flag, header, number_at, same, shape, text_at};

/// Pages without a record in a row. Some apps look through their data in steps and have nothing to
/// show for a while; more than this is an app that never ends.
const MAX_EMPTY_PAGES: u32 = 1000;
/// Pages in a row that may be left out because the app cannot give them; more than this is an app
/// that cannot give any.
const MAX_SKIPPED_PAGES: u32 = 10;

/// Pages that must be read at a smaller size before a larger one is asked for.
const CALM_PAGES: u32 = 8;

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
    skipped_pages: u32,
    /// How many pages were read.
    read: u64,
    records: u64,
    /// The number of records that the app promised first, and what it said last.
    promised: Option<u64>,
    total: Option<u64>,
    /// Whether an answer had the member that says whether there is another page.
    flagged: bool,
    /// How many pages were read since they were made smaller.
    calm: u32,
    /// Whether pages were left out, so that no total adds up.
    has_gaps: bool,
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
    /// Its last record; needed where [`Pager::wants_last`].
    pub last: Option<&'r Value>,
}

impl<'p> Pager<'p> {
    /// Before the first page.
    #[must_use]
    pub fn new(pages: Option<&'p Pages>, promise: Option<&'p Promise>) -> Self {
        let mut scope = PageScope {
            size: pages.and_then(Pages::size).map(|size| size.value),
            ..PageScope::default()
        };
        match pages {
            Some(Pages::Number(numbered)) => scope.number = Some(numbered.first),
            Some(Pages::Offset(offset)) => scope.offset = Some(offset.first),
            _ => {}
        }
        Self {
            pages,
            promise,
            scope,
            next_url: None,
            seen: HashSet::new(),
            empty_pages: 0,
            skipped_pages: 0,
            read: 0,
            records: 0,
            promised: None,
            total: None,
            flagged: false,
            calm: 0,
            has_gaps: false,
        }
    }

    /// Whether no page was read yet.
    #[must_use]
    pub fn is_at_start(&self) -> bool {
        self.read == 0
    }

    /// Whether a page that was read before is known by its records only: the app does not say where
    /// the next page is, we count; or it says the same each time.
    #[must_use]
    pub fn compares_pages(&self) -> bool {
        matches!(self.pages, Some(Pages::Number(_) | Pages::Offset(_) | Pages::Scroll(_)))
    }

    /// Whether the next page starts behind the last record of this one.
    #[must_use]
    pub fn wants_last(&self) -> bool {
        matches!(self.pages, Some(Pages::Keyset(_)))
    }

    /// The request of the next page, if it is another one than that of the first.
    #[must_use]
    pub fn request(&self) -> Option<&'p Request> {
        match self.pages {
            Some(Pages::Scroll(scroll)) if self.read > 0 => Some(&scroll.next.value),
            _ => None,
        }
    }

    /// The request that frees what the pages left open at the app, if they did.
    #[must_use]
    pub fn release(&self) -> Option<&'p Request> {
        match self.pages {
            Some(Pages::Scroll(scroll)) if self.scope.cursor.is_some() => {
                scroll.release.as_ref().map(|request| &request.value)
            }
            _ => None,
        }
    }

    /// The cursor that the app named last, be it on the last page.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.scope.cursor.as_deref()
    }

    /// Takes a page in; `true` if there is another one.
    ///
    /// # Errors
    /// [`Code::PageLoop`] if paging does not advance, [`Code::DataIncomplete`] if the response
    /// breaks its own promise, [`Code::DataParse`] if the next page cannot be read from it.
    pub fn advance(&mut self, page: &PageRead<'_>) -> Result<bool> {
        self.records += page.records;
        self.read += 1;
        self.skipped_pages = 0;
        let more = match self.pages {
            None => false,
            Some(pages) => {
                let said = pages.more().map(|more| flag(&more.value, page.envelope)).transpose()?;
                self.next(pages, page, said)?
            }
        };
        self.check_promise(page.envelope, more)?;
        self.empty_pages = if page.records == 0 { self.empty_pages + 1 } else { 0 };
        if more && self.empty_pages >= MAX_EMPTY_PAGES {
            return Err(looping(format!("{MAX_EMPTY_PAGES} pages in a row had no record")));
        }
        self.grow();
        Ok(more)
    }

    /// Whether there is another page, and where. `said` is what the response says of that, if it is
    /// asked.
    fn next(&mut self, pages: &Pages, page: &PageRead<'_>, said: Option<Flag>) -> Result<bool> {
        let envelope = page.envelope;
        let seen_before = self.flagged;
        self.flagged |= matches!(said, Some(Flag::More | Flag::Last));
        match pages {
            Pages::NextUrl(next) => {
                let at = place(next.at.as_deref(), next.header.as_deref(), page)?;
                match named(at, said, seen_before)? {
                    Some(link) => self.follow(page.url, &link),
                    None => Ok(false),
                }
            }
            Pages::LinkHeader(relation) => match link::target(page.headers, relation) {
                Some(link) => self.follow(page.url, &link),
                None => Ok(false),
            },
            Pages::Cursor(next) => {
                let at = place(next.at.as_deref(), next.header.as_deref(), page)?;
                let stop = next.stop.as_ref().map(std::string::ToString::to_string);
                let at = at.filter(|at| Some(at) != stop.as_ref());
                let before = self.scope.cursor.take();
                self.scope.cursor.clone_from(&at);
                let said = match next.end.as_deref() {
                    Some(end) if self.is_last(*end, page) => Some(Flag::Last),
                    _ => said,
                };
                if let Some(cursor) = named(at, said, seen_before)? {
                    self.unseen(&cursor)
                } else {
                    // What reads on from here another time does so from the last one named.
                    self.scope.cursor = self.scope.cursor.take().or(before);
                    Ok(false)
                }
            }
            Pages::Number(numbered) => {
                self.scope.number = self.scope.number.map(|number| number.saturating_add(1));
                self.unrepeated(page)?;
                let all = numbered.pages.as_ref().map(|path| number_at(path, envelope));
                let all = all.transpose()?.map(|all| counted(all, page, "pages")).transpose()?;
                let next = self.scope.number.unwrap_or_default().saturating_sub(numbered.first);
                let by_pages = all.map(|all| next < all);
                let total = numbered.total.as_deref();
                self.counted_more(
                    page,
                    (said, seen_before),
                    by_pages,
                    total,
                    numbered.end.as_deref(),
                )
            }
            Pages::Offset(offset) => {
                let from = self.scope.offset.unwrap_or_default();
                self.scope.offset = Some(from.saturating_add(page.records));
                self.unrepeated(page)?;
                let total = offset.total.as_deref();
                let end = offset.end.as_deref();
                let more = self.counted_more(page, (said, seen_before), None, total, end)?;
                if more && page.records == 0 {
                    return Err(standing(page));
                }
                Ok(more)
            }
            Pages::Keyset(keyset) => {
                let end = keyset.end.as_deref();
                let more = self.counted_more(page, (said, seen_before), None, None, end)?;
                if more { self.behind_last(keyset, page) } else { Ok(false) }
            }
            Pages::Scroll(scroll) => {
                self.unrepeated(page)?;
                let cursor = text_at(&scroll.at, envelope)?;
                let is_named = cursor.is_some();
                // Some apps name it once.
                self.scope.cursor = cursor.or(self.scope.cursor.take());
                let more = match said {
                    Some(Flag::More) => true,
                    Some(Flag::Last) => false,
                    Some(Flag::Missing) if seen_before => false,
                    _ => page.records > 0 && (is_named || self.read > 1),
                };
                if more && self.scope.cursor.is_none() {
                    return Err(broken(format!(
                        "the response says that there is more, but `{}` has no cursor",
                        scroll.at.value
                    )));
                }
                Ok(more)
            }
        }
    }

    /// Whether a page is the last by the number of its records.
    fn is_last(&self, end: End, page: &PageRead<'_>) -> bool {
        match end {
            End::Empty => page.records == 0,
            End::Short => self.scope.size.is_some_and(|size| page.records < size.max(1)),
        }
    }

    /// Whether there is another page, of an app whose pages we count.
    fn counted_more(
        &mut self,
        page: &PageRead<'_>,
        (said, seen_before): (Option<Flag>, bool),
        by_pages: Option<bool>,
        total: Option<&longshore_schema::JsonPath>,
        end: Option<&End>,
    ) -> Result<bool> {
        let short = self.scope.size.is_some_and(|size| page.records < size.max(1));
        let total = total.map(|path| number_at(path, page.envelope)).transpose()?;
        let before = self.total;
        let total = total.map(|now| counted(now.or(before), page, "records")).transpose()?;
        self.total = total;
        let by_total = total.map(|total| self.records < total);
        let by_end = end.map(|end| !self.is_last(*end, page));
        let by_flag = match said {
            Some(Flag::More) => Some(true),
            Some(Flag::Last) => Some(false),
            Some(Flag::Missing) if seen_before || short || page.records == 0 => Some(false),
            Some(Flag::Missing) if by_pages.or(by_total).or(by_end).is_none() => {
                return Err(broken(
                    "the response does not say whether there is another page, where the manifest looks for it"
                        .to_owned(),
                ));
            }
            Some(Flag::Missing) | None => None,
        };
        let more = by_flag.or(by_pages).or(by_total).or(by_end).unwrap_or(!short);
        let missing = total.filter(|total| self.records < *total && !self.has_gaps);
        if let Some(total) = missing
            && (!more || page.records == 0)
        {
            return Err(broken(format!(
                "{total} records were promised, and the pages end after {}",
                self.records
            )));
        }
        Ok(more)
    }

    /// Notes what the next page starts behind.
    fn behind_last(&mut self, keyset: &KeysetPages, page: &PageRead<'_>) -> Result<bool> {
        let Some(record) = page.last.filter(|_| page.records > 0) else {
            return Err(standing(page));
        };
        let mut last = BTreeMap::new();
        for (name, path) in &keyset.last.value {
            let value = path.first(record).filter(|value| !value.is_null()).ok_or_else(|| {
                Error::new(Code::DataParse, "the position of the next page cannot be read")
                    .cause(format!("the last record of a page has nothing at `{}`", path.value))
                    .fix("check `pages.keyset.last` in the manifest against a record of the app")
            })?;
            last.insert(name.as_str().to_owned(), value.clone());
        }
        let position: Value =
            last.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        self.scope.last = last;
        self.unseen(&position.to_string())
    }

    /// Goes on with the page behind the next one, which the app cannot give. `false` if only the
    /// app knows where that is, or if it could not give those before either.
    pub fn skip(&mut self) -> bool {
        self.skipped_pages += 1;
        if self.skipped_pages > MAX_SKIPPED_PAGES {
            return false;
        }
        match (self.pages, self.scope.size) {
            (Some(Pages::Number(_)), _) => {
                self.scope.number = self.scope.number.map(|number| number.saturating_add(1));
            }
            (Some(Pages::Offset(_)), Some(size)) => {
                self.scope.offset = self.scope.offset.map(|from| from.saturating_add(size));
            }
            _ => return false,
        }
        self.has_gaps = true;
        true
    }

    /// Asks for half as many records a page from now on. `false` if they cannot be fewer.
    pub fn shrink(&mut self) -> bool {
        let Some(size) = self.scope.size else { return false };
        // A page by number must start where one of the smaller pages does.
        let whole = size % 2 == 0 || !matches!(self.pages, Some(Pages::Number(_)));
        self.calm = 0;
        size > 1 && whole && self.resize(size / 2)
    }

    /// Asks for more records a page again, some time after pages were shrunk.
    fn grow(&mut self) {
        let declared = self.pages.and_then(Pages::size).map(|size| size.value);
        let (Some(size), Some(declared)) = (self.scope.size, declared) else { return };
        if size >= declared {
            return;
        }
        self.calm += 1;
        // Where a page by number does not start where one of the larger does, the next one may.
        if self.calm >= CALM_PAGES && self.resize(size.saturating_mul(2).min(declared)) {
            self.calm = 0;
        }
    }

    /// Changes the size, and the number of the next page with it.
    fn resize(&mut self, size: u64) -> bool {
        if let (Some(Pages::Number(numbered)), Some(number), Some(old)) =
            (self.pages, self.scope.number, self.scope.size)
        {
            let start = number.saturating_sub(numbered.first).saturating_mul(old);
            if !start.is_multiple_of(size) {
                return false;
            }
            self.scope.number = Some(numbered.first.saturating_add(start / size));
        }
        self.scope.size = Some(size);
        true
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

    /// Refuses a page with the same records as one before.
    fn unrepeated(&mut self, page: &PageRead<'_>) -> Result<()> {
        if page.records == 0 || self.seen.insert(page.fingerprint) {
            return Ok(());
        }
        Err(looping(
            "a page had the same records as one before it: the app ignores the page parameter, or starts over after its last page"
                .to_owned(),
        )
        .fix("check the name of the parameter that sends `page.number`, `page.offset` or `page.cursor`"))
    }

    fn check_promise(&mut self, envelope: &Value, more: bool) -> Result<()> {
        let Some(promise) = self.promise else { return Ok(()) };
        for (path, expected) in &promise.last_page {
            let found = path.first(envelope);
            let last = found.is_some_and(|value| same(value, expected));
            let shown = found.map_or("missing".to_owned(), shape);
            if last == more {
                return Err(broken(if more {
                    format!("`{path}` is {shown} as on the last page, but a next page is named")
                } else {
                    format!("`{path}` is {shown}, so there is more, but no next page is named")
                }));
            }
        }
        if let Some(path) = &promise.total {
            // The app counts once; later pages may repeat the number or not.
            self.promised = self.promised.or(number_at(path, envelope)?);
            let Some(total) = self.promised else {
                return Err(broken(format!("`{path}` does not hold the number of records")));
            };
            if !more && total != self.records && !self.has_gaps {
                return Err(broken(format!(
                    "`{path}` promised {total} records, but all pages together had {}",
                    self.records
                )));
            }
        }
        Ok(())
    }
}

/// Where the next page is, as the response says in its body or in a header.
fn place(
    at: Option<&longshore_schema::JsonPath>,
    name: Option<&String>,
    page: &PageRead<'_>,
) -> Result<Option<String>> {
    match (at, name) {
        (Some(path), _) => text_at(path, page.envelope),
        (None, Some(name)) => Ok(header(page.headers, name)),
        (None, None) => Ok(None),
    }
}

/// Where the next page is, of an app that names it: the position, unless the app says that there is
/// none.
fn named(at: Option<String>, said: Option<Flag>, seen_before: bool) -> Result<Option<String>> {
    match (said, at) {
        (Some(Flag::Last), _) => Ok(None),
        // Some apps leave out what is false.
        (Some(Flag::Missing), Some(_)) if seen_before => Ok(None),
        (Some(Flag::More), None) => Err(broken(
            "the response says that there is more, but no next page is named".to_owned(),
        )),
        (_, at) => Ok(at),
    }
}

/// A number of which the response should say something; that it does not is an error, but for a
/// page without a record, which may say nothing else either.
fn counted(number: Option<u64>, page: &PageRead<'_>, what: &str) -> Result<u64> {
    match number {
        Some(number) => Ok(number),
        None if page.records == 0 => Ok(0),
        None => Err(broken(format!("the response does not say how many {what} there are"))),
    }
}

/// What stands for an address or a cursor that was seen, in less room.
pub(super) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn broken(cause: String) -> Error {
    Error::new(Code::DataIncomplete, "the response does not keep its own promise")
        .cause(cause)
        .fix("nothing is lost, the window is read again; if it stays, check `pages` and `promise` in the manifest")
}

fn looping(cause: String) -> Error {
    Error::new(Code::PageLoop, "paging did not advance")
        .cause(cause)
        .fix("nothing is lost, the window is read again; if it stays, report it to the app's support")
        .retry(Retry::Later(None))
}

/// A page without a record leaves nothing to go on from.
fn standing(page: &PageRead<'_>) -> Error {
    let records = page.records;
    looping(format!("the app says that there is more, and gave {records} records to go on from"))
}
