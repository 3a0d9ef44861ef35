//! From all that a request selects to one page of it, with the way to the next.

use std::collections::BTreeMap;

use fastrand::Rng;
use longshore_schema::stream::{End, More, Pages};
use longshore_schema::{JsonPath, Literal};
use serde_json::Value;

use super::http::{Call, Reply};
use super::invert::{Captured, percent_encode};
use super::model::{self, Level};
use super::{encode, place};

/// The parameter that links of the app carry.
pub(super) const TOKEN: &str = "simulated_page";

/// A position that the app handed out.
#[derive(Clone, Debug)]
pub(super) struct Position {
    pub(super) endpoint: usize,
    /// What the first request carried.
    pub(super) captured: Captured,
    /// What was found then, in order.
    found: Vec<usize>,
    /// The next of it.
    at: usize,
    /// Leads to itself for so many times.
    turns: u64,
}

/// The positions that the app handed out.
#[derive(Debug, Default)]
pub(super) struct Positions {
    known: BTreeMap<String, Position>,
    count: u64,
}

/// What is odd about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    Nothing,
    Repeated,
    Loop,
    Empty,
    /// It does not name the next one.
    Unnamed,
}

/// A page to be written.
pub(super) struct Page {
    /// The records that are on it.
    pub(super) records: Vec<usize>,
    next: Option<String>,
    last: bool,
    pub(super) total: usize,
    size: usize,
}

impl Page {
    /// Whether there is more, and nothing to find it by.
    pub(super) fn leads_nowhere(&self) -> bool {
        !self.last && self.next.is_none()
    }

    /// All that was found, on a page that is the `last` or not.
    pub(super) fn whole(records: Vec<usize>, last: bool) -> Self {
        let total = records.len();
        Self { records, next: None, last, total, size: total }
    }
}

impl Positions {
    pub(super) fn get(&self, token: &str) -> Option<Position> {
        self.known.get(token).cloned()
    }

    /// Forgets all positions.
    pub(super) fn expire(&mut self) {
        self.known.clear();
    }

    /// Forgets one position; whether it was known.
    pub(super) fn forget(&mut self, token: &str) -> bool {
        self.known.remove(token).is_some()
    }

    /// Whether the app handed out this position at some time.
    pub(super) fn handed_out(&self, token: &str) -> bool {
        let number = token.strip_prefix("simulated+").and_then(|rest| rest.split_once('/'));
        number.and_then(|(number, _)| number.parse().ok()).is_some_and(|n: u64| n <= self.count)
    }

    fn keep(&mut self, position: Position) -> String {
        self.count += 1;
        // Characters that have to be encoded in URLs and are not always.
        let token = format!("simulated+{}/=&", self.count);
        self.known.insert(token.clone(), position);
        token
    }
}

/// Whether a connector counts the pages itself, so that the app keeps no positions.
pub(super) fn is_counted(pages: Option<&Pages>) -> bool {
    matches!(pages, Some(Pages::Number(_) | Pages::Offset(_) | Pages::Keyset(_)))
}

/// Whether a page may be empty that is not the last.
pub(super) fn may_be_empty(pages: Option<&Pages>) -> bool {
    match pages {
        Some(Pages::NextUrl(_) | Pages::LinkHeader(_)) => true,
        Some(Pages::Cursor(pages)) => pages.end.is_none(),
        Some(Pages::Scroll(pages)) => pages.more.is_some(),
        Some(Pages::Number(_) | Pages::Offset(_) | Pages::Keyset(_)) | None => false,
    }
}

/// Whether an answer says by other means too that there is more than its page.
pub(super) fn promises_more(level: &Level) -> bool {
    let is_named = match &level.pages {
        Some(Pages::NextUrl(_) | Pages::LinkHeader(_)) => true,
        Some(Pages::Cursor(pages)) => pages.end.is_none(),
        _ => false,
    };
    let has_flag = level.pages.as_ref().is_some_and(|pages| pages.more().is_some());
    is_named && (has_flag || level.promise.is_some())
}

/// Of how many pages a page that says where the next one is can be the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The one that names no other.
    Unnamed,
    /// The first with fewer records than this; every page names another.
    Short(usize),
    /// The first without a record; every page names another.
    Empty,
}

impl Last {
    fn of(pages: &Pages, size: usize) -> Self {
        match pages {
            Pages::Cursor(pages) => match pages.end.as_deref() {
                None => Self::Unnamed,
                Some(End::Short) => Self::Short(size),
                Some(End::Empty) => Self::Empty,
            },
            Pages::Scroll(pages) if pages.more.is_none() => Self::Empty,
            _ => Self::Unnamed,
        }
    }
}

/// The page that a request asks for, of all that it selects. `position` is where a link or cursor
/// leads, if the request has one; otherwise `found` is all there is, and its first `behind` records
/// are up to the one that the request starts behind.
pub(super) fn turn(
    positions: &mut Positions,
    level: &Level,
    (endpoint, captured): (usize, Captured),
    position: Option<(String, Position)>,
    (found, behind): (Vec<usize>, usize),
    odd: Odd,
    rng: &mut Rng,
) -> Page {
    let number = |name: &str| captured.get(name).and_then(|value| value.text.parse::<usize>().ok());
    let total = found.len();
    let part = |from: usize, size: usize| found.iter().skip(from).take(size).copied().collect();
    let declared = level.pages.as_ref().and_then(Pages::size);
    let declared = declared.map_or(7, |size| usize::try_from(size.value).unwrap_or(usize::MAX));
    let size = number("page.size").unwrap_or(declared).max(1);
    let counted = |from: usize| {
        let from = match odd {
            Odd::Loop => 0,
            Odd::Repeated => from.saturating_sub(size),
            _ => from,
        };
        let last = from.saturating_add(size) >= total;
        Page { records: part(from, size), next: None, last, total, size }
    };
    match &level.pages {
        None => Page::whole(found, true),
        Some(Pages::Number(pages)) => {
            let first = usize::try_from(pages.first).unwrap_or(1);
            let page = number("page.number").unwrap_or(first).saturating_sub(first);
            counted(page.saturating_mul(size))
        }
        Some(Pages::Offset(pages)) => {
            let first = usize::try_from(pages.first).unwrap_or(0);
            counted(number("page.offset").unwrap_or(first).saturating_sub(first))
        }
        Some(Pages::Keyset(_)) => counted(behind),
        Some(
            pages
            @ (Pages::NextUrl(_) | Pages::Cursor(_) | Pages::LinkHeader(_) | Pages::Scroll(_)),
        ) => {
            let (token, mut here) = match position {
                Some((token, position)) => (Some(token), position),
                None => (None, Position { endpoint, captured, found, at: 0, turns: 0 }),
            };
            let total = here.found.len();
            let left = total - here.at;
            if here.turns > 0
                && let Some(token) = token
            {
                here.turns -= 1;
                let records = here.found[here.at..].iter().take(3).copied().collect();
                positions.known.insert(token.clone(), here);
                return Page { records, next: Some(token), last: false, total, size: 3 };
            }
            let ends = Last::of(pages, size);
            let mut size = match ends {
                Last::Short(size) => size,
                _ => left.div_ceil(rng.usize(1..=4)).max(1),
            };
            if odd == Odd::Empty {
                size = 0;
            }
            let end = (here.at + size).min(total);
            let records = here.found[here.at..end].to_vec();
            let after = match odd {
                // The page again, or the end of it.
                Odd::Repeated if rng.bool() => here.at,
                Odd::Repeated => end.saturating_sub(1),
                _ => end,
            };
            let last = match ends {
                Last::Unnamed => after >= total,
                Last::Short(size) => records.len() < size,
                Last::Empty => records.is_empty(),
            };
            // Where another page is always named, the last one may name itself.
            let named = (!last || ends != Last::Unnamed) && odd != Odd::Unnamed;
            let next = match token {
                Some(token) if last && named && rng.bool() => Some(token),
                _ => named.then(|| {
                    let turns = if odd == Odd::Loop { 50 } else { 0 };
                    positions.keep(Position { at: after, turns, ..here })
                }),
            };
            Page { records, next, last, total, size }
        }
    }
}

/// Writes a page. `ways` draws among the forms that mean the same.
pub(super) fn write(
    level: &Level,
    page: &Page,
    records: Vec<Value>,
    call: &Call,
    place: Option<(&JsonPath, Value)>,
    ways: &mut Rng,
) -> Reply {
    let mut envelope = level.envelope.clone();
    let last = page.last;
    let mut headers = Vec::new();
    match &level.pages {
        Some(Pages::NextUrl(named)) => {
            let value = page.next.as_ref().map(|token| link(call, token, ways.bool()));
            let place = (named.at.as_deref(), named.header.as_deref());
            follow(&mut envelope, &mut headers, place, value, None, ways);
        }
        Some(Pages::Cursor(named)) => {
            let place = (named.at.as_deref(), named.header.as_deref());
            let stop = named.stop.as_ref().map(|stop| &stop.value);
            follow(&mut envelope, &mut headers, place, page.next.clone(), stop, ways);
        }
        Some(Pages::LinkHeader(relation)) => {
            let first = format!("<https://{}/first>; rel=\"first\"", call.host);
            let own = page.next.as_ref().map(|token| {
                let link = link(call, token, ways.bool());
                format!("<{link}>; rel=\"{}\"", relation.value)
            });
            let all: Vec<_> = own.into_iter().chain(ways.bool().then_some(first)).collect();
            if !all.is_empty() {
                headers.push(("link".to_owned(), all.join(", ")));
            }
        }
        Some(Pages::Number(pages)) => {
            let all = page.total.div_ceil(page.size.max(1));
            tell(&mut envelope, pages.pages.as_deref(), all);
            tell(&mut envelope, pages.total.as_deref(), page.total);
        }
        Some(Pages::Offset(pages)) => tell(&mut envelope, pages.total.as_deref(), page.total),
        Some(Pages::Scroll(scroll)) => {
            // With a flag beside it, the last page may name a position too.
            let next = page.next.clone();
            follow(&mut envelope, &mut headers, (Some(&*scroll.at), None), next, None, ways);
        }
        Some(Pages::Keyset(_)) | None => {}
    }
    match level.pages.as_ref().and_then(Pages::more).map(|more| &more.value) {
        Some(More::Flag(path)) => {
            place::set(&mut envelope, path.steps().unwrap_or_default(), (!last).into());
        }
        Some(More::Members(members)) => {
            for (path, value) in members {
                let value = if last { model::another(value) } else { model::literal(value) };
                place::set(&mut envelope, path.steps().unwrap_or_default(), value);
            }
        }
        None => {}
    }
    if let Some(promise) = &level.promise {
        for (path, expected) in &promise.last_page {
            let value = if last { model::literal(expected) } else { model::another(expected) };
            place::set(&mut envelope, path.steps().unwrap_or_default(), value);
        }
        if let Some(path) = &promise.total {
            place::set(&mut envelope, path.steps().unwrap_or_default(), page.total.into());
        }
    }
    if let Some((path, place)) = place {
        place::set(&mut envelope, path.steps().unwrap_or_default(), place);
    }
    let mut reply = encode::page(level, envelope, records, ways);
    reply.headers.extend(headers);
    reply
}

fn tell(envelope: &mut Value, path: Option<&JsonPath>, number: usize) {
    if let Some(path) = path {
        place::set(envelope, path.steps().unwrap_or_default(), number.into());
    }
}

/// Writes where the next page is; on the last page in one of the ways that say that there is none.
fn follow(
    envelope: &mut Value,
    headers: &mut Vec<(String, String)>,
    (path, header): (Option<&JsonPath>, Option<&String>),
    next: Option<String>,
    stop: Option<&Literal>,
    ways: &mut Rng,
) {
    if let (Some(name), Some(next)) = (header, &next) {
        headers.push((name.to_ascii_lowercase(), next.clone()));
    }
    let Some(steps) = path.and_then(JsonPath::steps) else { return };
    match (next, stop, ways.u8(..3)) {
        (Some(next), ..) => place::set(envelope, steps, next.into()),
        (None, Some(stop), _) => place::set(envelope, steps, model::literal(stop)),
        (None, None, 0) => place::set(envelope, steps, Value::Null),
        (None, None, 1) => place::set(envelope, steps, "".into()),
        (None, None, _) => place::remove(envelope, steps),
    }
}

/// The address of the next page: what was asked for, and the position.
fn link(call: &Call, token: &str, whole: bool) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in call.query.iter().filter(|(name, _)| name != TOKEN) {
        query.append_pair(name, value);
    }
    let mut query = query.finish();
    if !query.is_empty() {
        query.push('&');
    }
    let origin = if whole { format!("https://{}", call.host) } else { String::new() };
    format!("{origin}{}?{query}{TOKEN}={}", call.path, percent_encode(token))
}
