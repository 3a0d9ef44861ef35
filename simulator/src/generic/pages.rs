//! From all that a request selects to one page of it, with the way to the next.

use std::collections::BTreeMap;

use fastrand::Rng;
use longshore_schema::stream::{More, Pages};
use longshore_schema::{JsonPath, Literal, Spanned};
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
}

/// A page to be written.
pub(super) struct Page {
    /// The records that are on it.
    pub(super) records: Vec<usize>,
    next: Option<String>,
    last: bool,
    total: usize,
    size: usize,
}

impl Positions {
    pub(super) fn get(&self, token: &str) -> Option<Position> {
        self.known.get(token).cloned()
    }

    /// Forgets all positions.
    pub(super) fn expire(&mut self) {
        self.known.clear();
    }

    fn keep(&mut self, position: Position) -> String {
        self.count += 1;
        // Characters that have to be encoded in URLs and are not always.
        let token = format!("simulated+{}/=&", self.count);
        self.known.insert(token.clone(), position);
        token
    }
}

/// The page that a request asks for, of all that it selects. `position` is where a link or cursor
/// leads, if the request has one; otherwise `found` is all there is.
pub(super) fn turn(
    positions: &mut Positions,
    level: &Level,
    (endpoint, captured): (usize, Captured),
    position: Option<(String, Position)>,
    found: Vec<usize>,
    odd: Odd,
    rng: &mut Rng,
) -> Page {
    let number = |name: &str| captured.get(name).and_then(|value| value.text.parse::<usize>().ok());
    let total = found.len();
    let part = |from: usize, size: usize| found.iter().skip(from).take(size).copied().collect();
    let size = |size: Option<&Spanned<u64>>| {
        size.map_or(7, |size| usize::try_from(size.value).unwrap_or(usize::MAX)).max(1)
    };
    match &level.pages {
        None => Page { records: found, next: None, last: true, total, size: total },
        Some(Pages::Number(pages)) => {
            let (first, size) =
                (usize::try_from(pages.first).unwrap_or(1), size(pages.size.as_ref()));
            let page = number("page.number").unwrap_or(first).saturating_sub(first);
            let page = match odd {
                Odd::Loop => 0,
                Odd::Repeated => page.saturating_sub(1),
                _ => page,
            };
            let last = (page + 1) * size >= total;
            Page { records: part(page * size, size), next: None, last, total, size }
        }
        Some(Pages::Offset(pages)) => {
            let size = size(pages.size.as_ref());
            let first = usize::try_from(pages.first).unwrap_or(0);
            let from = number("page.offset").unwrap_or(first).saturating_sub(first);
            let from = match odd {
                Odd::Loop => 0,
                Odd::Repeated => from.saturating_sub(size),
                _ => from,
            };
            Page { records: part(from, size), next: None, last: from + size >= total, total, size }
        }
        // A model is not made of a manifest with the last two.
        Some(
            Pages::NextUrl(_)
            | Pages::Cursor(_)
            | Pages::LinkHeader(_)
            | Pages::Keyset(_)
            | Pages::Scroll(_),
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
            let mut size = left.div_ceil(rng.usize(1..=4)).max(1);
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
            let more = after < total;
            let next = more.then(|| {
                let turns = if odd == Odd::Loop { 50 } else { 0 };
                positions.keep(Position { at: after, turns, ..here })
            });
            Page { records, last: next.is_none(), next, total, size }
        }
    }
}

/// Writes a page. `ways` draws among the forms that mean the same.
pub(super) fn write(
    level: &Level,
    page: &Page,
    records: Vec<Value>,
    call: &Call,
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
        Some(Pages::Keyset(_) | Pages::Scroll(_)) | None => {}
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
    let mut reply = encode::page(level, envelope, records);
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
