//! What the app answers: pages of what it holds, and what befalls them.

use fastrand::Rng;
use longshore_schema::http::Reaction;
use longshore_schema::stream::Order;

use super::{App, State, note};
use crate::generic::Fault;
use crate::generic::data::{Asked, Record};
use crate::generic::http::{Call, Reply, Wire};
use crate::generic::invert::Captured;
use crate::generic::model::{Answers, HANDED_OUT};
use crate::generic::pages::{self, Odd};
use crate::generic::times;

impl App {
    /// Answers a request that is admitted.
    pub(super) fn serve_page(
        &self,
        state: &mut State,
        call: &Call,
        (endpoint, captured, fault, request): (usize, Captured, Option<Fault>, u64),
        now: i64,
        rng: &mut Rng,
    ) -> (Reply, Wire) {
        let (stream, level) = match &self.model.endpoints[endpoint].answers {
            Answers::Pages { stream, level } => (*stream, *level),
            Answers::Recorded(bodies) => {
                let body = &bodies[self.nature.seed as usize % bodies.len()];
                return match fault.filter(|fault| fault.befalls_sign_in()) {
                    Some(fault) => self.refuse(state, fault, request, now, rng),
                    None => (Reply::json(200, body), Wire::Whole),
                };
            }
        };
        let described = self.model.level(stream, level);
        let cursor = captured.get("page.cursor").map(|value| value.text.clone());
        let token = call.page_token().map(str::to_owned).or(cursor);
        let position =
            token.and_then(|token| state.positions.get(&token).map(|position| (token, position)));
        let counted = ["page.number", "page.offset"].iter().any(|n| captured.contains_key(*n));
        let later = position.is_some() || counted;
        let is_document = described.decode.is_document();
        let mut odd = Odd::Nothing;
        let mut wire = Wire::Whole;
        let mut shuffled = false;
        let played = match fault {
            Some(Fault::Empty | Fault::Half) if !is_document => false,
            Some(Fault::Html) => {
                note(state, Fault::Html);
                return (Reply::html(200), Wire::Whole);
            }
            Some(Fault::Empty) => {
                note(state, Fault::Empty);
                return (Reply::new(200, "application/json", ""), Wire::Whole);
            }
            Some(
                fault @ (Fault::Throttle | Fault::ServerError | Fault::Timeout | Fault::Reset),
            ) => return self.refuse(state, fault, request, now, rng),
            Some(Fault::CursorExpired) if later && position.is_some() => {
                match self.model.refusals.reply(Reaction::RestartWindow) {
                    Some(reply) => {
                        note(state, Fault::CursorExpired);
                        state.positions.expire();
                        return (reply, Wire::Whole);
                    }
                    None => false,
                }
            }
            Some(Fault::Silence) => set(&mut wire, Wire::Silence { share: rng.f64() }),
            Some(Fault::EndlessBody) => set(&mut wire, Wire::Drip),
            Some(Fault::Cut) => {
                let (share, chunked, reset) = (rng.f64(), rng.bool(), rng.bool());
                set(&mut wire, Wire::Cut { share, chunked, reset })
            }
            Some(Fault::Half) => set(&mut wire, Wire::Half { share: rng.f64() }),
            Some(Fault::GzipCut) => set(&mut wire, Wire::GzipCut { share: rng.f64() }),
            Some(Fault::RepeatedPage) => set(&mut odd, Odd::Repeated),
            Some(Fault::PageLoop) => set(&mut odd, Odd::Loop),
            Some(Fault::EmptyPage) => {
                set(&mut odd, Odd::Empty) && !counted && described.pages.is_some()
            }
            Some(Fault::Reordered) => {
                shuffled = self.order(stream).is_none();
                shuffled && !later
            }
            _ => false,
        };
        if let (true, Some(fault)) = (played, fault) {
            note(state, fault);
        }
        let records = &self.records[stream].0[level];
        let mut found = match &position {
            Some(_) => Vec::new(),
            None => self.select(stream, level, &captured, now),
        };
        if shuffled && !counted {
            rng.shuffle(&mut found);
        }
        if odd == Odd::Empty && counted {
            odd = Odd::Nothing;
        }
        let asked = (endpoint, captured);
        let page = pages::turn(&mut state.positions, described, asked, position, found, odd, rng);
        let values = page.records.iter().map(|index| records[*index].value.clone()).collect();
        (pages::write(described, &page, values, call, rng), wire)
    }

    fn order(&self, stream: usize) -> Option<Order> {
        let window = self.model.streams[stream].window.as_ref()?;
        window.order.as_ref().map(|order| order.value)
    }

    /// The records that a request selects, in the app's order.
    fn select(&self, stream: usize, level: usize, captured: &Captured, now: i64) -> Vec<usize> {
        let described = &self.model.streams[stream];
        let levels = &self.records[stream].0;
        let time = |name: &str| captured.get(name).and_then(|value| value.time);
        let asked = Asked {
            start: time("window.start"),
            end: time("window.end"),
            exact: self.nature.exact,
        };
        let parent = (level > 0).then(|| {
            let step = &described.levels[level - 1].name;
            levels[level - 1].iter().position(|item| names(item, step, captured))
        });
        let shown = |record: &Record| {
            let in_window = match (&described.window, record.at) {
                (Some(window), Some(at)) => asked.includes(window, at),
                _ => true,
            };
            record.shown <= now
                && in_window
                && parent.is_none_or(|parent| parent == Some(record.parent))
        };
        let all = levels[level].iter().enumerate();
        let mut found: Vec<usize> =
            all.filter(|(_, record)| shown(record)).map(|(index, _)| index).collect();
        found.sort_by_key(|index| (levels[level][*index].at, *index));
        if self.order(stream).is_none() && self.nature.descending {
            found.reverse();
        }
        found
    }

    /// Refuses a request before anything is done for it.
    pub(super) fn refuse(
        &self,
        state: &mut State,
        fault: Fault,
        request: u64,
        now: i64,
        rng: &mut Rng,
    ) -> (Reply, Wire) {
        note(state, fault);
        match fault {
            Fault::Timeout => (Reply::error(504, "late"), Wire::Nothing),
            Fault::Reset => (Reply::error(500, "reset"), Wire::Reset),
            Fault::ServerError => {
                let status = [500, 502, 503, 504][rng.usize(..4)];
                if rng.bool() {
                    (Reply { status, ..Reply::html(status) }, Wire::Whole)
                } else {
                    (Reply::error(status, "simulated trouble"), Wire::Whole)
                }
            }
            _ => {
                let reply = Reply::error(429, "too many requests");
                let wait = [1, 2, 5, 30, 120, 900][rng.usize(..6)] * 1000;
                let until = now + wait;
                // What a date says is meant by the app's clock, in whole seconds.
                let date = (until + self.nature.skew).div_euclid(1000) * 1000;
                let header = match rng.u8(..9) {
                    0..3 => Some((until, (wait / 1000).to_string())),
                    form @ 3..6 => Some((date.min(until), times::http_date(date, form))),
                    6 => Some((now, times::http_date(now - 3_600_000, 0))),
                    7 => Some((now, "soon".to_owned())),
                    _ => None,
                };
                let Some((until, value)) = header else { return (reply, Wire::Whole) };
                state.not_before.insert(request, until);
                (reply.with("retry-after", value), Wire::Whole)
            }
        }
    }
}

fn set<T>(place: &mut T, value: T) -> bool {
    *place = value;
    true
}

/// Whether what a request carries of a step is this item's.
fn names(item: &Record, step: &str, captured: &Captured) -> bool {
    let mut any = false;
    let all = captured.iter().filter_map(|(reference, value)| {
        Some((reference.strip_prefix(step)?.strip_prefix('.')?, &value.text))
    });
    for (member, text) in all {
        any = true;
        let fits = if member == HANDED_OUT {
            item.mark.rsplit('-').next() == Some(text)
        } else {
            let found = item.value.pointer(&format!("/{}", member.replace('.', "/")));
            found.is_some_and(|found| match found.as_str() {
                Some(found) => found == text,
                None => found.to_string().as_str() == text.as_str(),
            })
        };
        if !fits {
            return false;
        }
    }
    any
}
