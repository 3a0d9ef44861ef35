//! What the app answers: pages of what it holds, and what befalls them.

use fastrand::Rng;
use longshore_schema::http::Reaction;
use longshore_schema::stream::{Order, Pages};

use super::about::About;
use super::jobs::{Stage, asked_for, shown, stage_of, waited};
use super::{App, State, note};
use crate::generic::data::{Asked, Record, resolution, text};
use crate::generic::http::{Call, Reply, Wire};
use crate::generic::invert::{Captured, Value};
use crate::generic::logs::From;
use crate::generic::model::Answers;
use crate::generic::pages::{self, Odd};
use crate::generic::times::{self, Twice};
use crate::generic::{Fault, Misdeed};

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
        let asked = &self.model.endpoints[endpoint];
        let is_whole = |stream, level| self.model.level(stream, level).special.whole;
        let (stream, level) = match asked.answers {
            Answers::Pages { stream, level } if !is_whole(stream, level) => (stream, level),
            Answers::Next { stream, level } => (stream, level),
            _ => {
                let asked = (endpoint, captured, fault, request);
                return self.serve_single(state, asked, now, rng);
            }
        };
        let described = self.model.level(stream, level);
        let pages = described.pages.as_ref();
        let cursor = captured.get("page.cursor").map(|value| value.text.clone());
        let log = self.model.streams[stream].log.as_ref();
        let is_shared = log.is_some_and(|log| log.shared);
        let token = call.page_token().map(str::to_owned).or(cursor.filter(|_| !is_shared));
        let position =
            token.as_ref().and_then(|token| Some((token.clone(), state.positions.get(token)?)));
        let asks_on = matches!(self.model.endpoints[endpoint].answers, Answers::Next { .. });
        if let (Some(token), None) = (&token, &position)
            && (asks_on || state.positions.handed_out(token))
        {
            return (self.refuse_position(state, endpoint, token), Wire::Whole);
        }
        let records = &self.records[stream].0[level];
        let from = match log.map(|log| log.from(&captured, records)).transpose() {
            Ok(from) => from,
            Err(what) => return self.deny(state, endpoint, &what),
        };
        let counted = pages::is_counted(pages);
        let later = position.is_some() || counted;
        let is_document = described.decode.is_document();
        let mut odd = Odd::Nothing;
        let mut wire = Wire::Whole;
        let mut stage = Stage::Done;
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
            // A place is forgotten only where that is no loss.
            Some(Fault::CursorExpired)
                if position.is_some()
                    || (log.is_some_and(|log| log.restarts)
                        && from.is_some_and(|from| from != From::Place(0))) =>
            {
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
            Some(Fault::RepeatedPage | Fault::PageLoop) if log.is_some() && pages.is_none() => {
                false
            }
            Some(Fault::RepeatedPage | Fault::PageLoop | Fault::EmptyPage) if is_shared => false,
            Some(Fault::RepeatedPage) => set(&mut odd, Odd::Repeated),
            Some(Fault::PageLoop) => set(&mut odd, Odd::Loop),
            Some(Fault::EmptyPage) if pages::may_be_empty(pages) => set(&mut odd, Odd::Empty),
            Some(Fault::NextMissing) if log.is_none() && pages::promises_more(described) => {
                odd = Odd::Unnamed;
                // Unless the page is the last.
                false
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
        let (mut found, mut behind, mut is_cut) = (Vec::new(), 0, false);
        if position.is_none() {
            let partition = asked.partition.clone();
            let about = self.about(&state.jobs, (stream, level), captured.clone(), partition);
            let about = match about {
                Ok(about) => about,
                Err(what) => return self.deny(state, endpoint, &what),
            };
            if described.special.wait.is_some() && !later {
                let request = asked_for((stream, level), &about.captured);
                stage = stage_of(state, (described, request), now, rng);
                if stage == Stage::Done && wire == Wire::Whole {
                    waited(state, request, &about);
                }
            }
            if stage == Stage::Done {
                found = self.select(stream, level, &about, now);
            }
            if let Some(from) = from {
                is_cut = self.cut(state, (stream, from), &mut found, rng);
            }
            if shuffled && !counted {
                rng.shuffle(&mut found);
            }
            behind = match self.behind(stream, level, &about, &found) {
                Ok(behind) => behind,
                Err(what) => return self.deny(state, endpoint, &what),
            };
        }
        let asked = (endpoint, captured);
        let found = (found, behind);
        let page = if is_shared {
            pages::Page::whole(found.0, !is_cut)
        } else {
            pages::turn(&mut state.positions, described, asked, position, found, odd, rng)
        };
        if odd == Odd::Unnamed && page.leads_nowhere() {
            note(state, Fault::NextMissing);
        }
        if described.special.cleans && wire == Wire::Whole && stage == Stage::Done {
            state.jobs.told((stream, level), &page.records, now);
        }
        // What vanished since the first page is not there any more.
        let values = page.records.iter().filter_map(|index| records[*index].value(now)).collect();
        let place = log.and_then(|log| {
            let start = match from? {
                From::Place(place) => place,
                From::Now => state.began.get(&stream).copied().unwrap_or_default(),
            };
            Some((log.next.as_ref()?, log.place(start + page.total)))
        });
        let reply = pages::write(described, &page, values, call, place, rng);
        match &described.special.wait {
            Some(wait) => (shown(reply, wait, stage, rng), wire),
            None => (reply, wire),
        }
    }

    /// Leaves of what a log has what comes behind a place, and of that as much as fits into an
    /// answer. Whether there is more.
    fn cut(
        &self,
        state: &mut State,
        (stream, from): (usize, From),
        found: &mut Vec<usize>,
        rng: &mut Rng,
    ) -> bool {
        let start = match from {
            From::Place(place) => place,
            From::Now => {
                state.began.insert(stream, found.len());
                found.len()
            }
        };
        found.retain(|index| *index >= start);
        let described = &self.model.streams[stream];
        let pages = described.levels.last().and_then(|level| level.pages.as_ref());
        if pages.is_none() || described.log.as_ref().is_some_and(|log| log.shared) {
            let size = pages.and_then(Pages::size).map(|size| size.value as usize);
            let size = size.unwrap_or_else(|| rng.usize(1..=9)).max(1);
            let is_cut = found.len() > size;
            found.truncate(size);
            return is_cut;
        }
        false
    }

    /// Denies what a request asks for that there is not.
    pub(super) fn deny(&self, state: &mut State, endpoint: usize, what: &str) -> (Reply, Wire) {
        let what = format!("{}: {what}", self.model.endpoints[endpoint].name);
        state.witness.accuse(Misdeed::Unknown, what);
        (Reply::error(400, "there is nothing like this"), Wire::Whole)
    }

    /// Refuses a position that is not known: not any more, or it never was one.
    pub(super) fn refuse_position(&self, state: &mut State, endpoint: usize, token: &str) -> Reply {
        if !state.positions.handed_out(token) {
            let asked = &self.model.endpoints[endpoint].name;
            let what = format!("{asked}: the app never handed out the position `{token}`");
            state.witness.accuse(Misdeed::Unknown, what);
        }
        let expired = self.model.refusals.reply(Reaction::RestartWindow);
        expired.unwrap_or_else(|| Reply::error(404, "no such position"))
    }

    /// How many of what was found come up to the record that a request starts behind.
    ///
    /// # Errors
    /// If there is no record with what the request names.
    fn behind(
        &self,
        stream: usize,
        level: usize,
        about: &About,
        found: &[usize],
    ) -> Result<usize, String> {
        let Some(Pages::Keyset(keyset)) = &self.model.level(stream, level).pages else {
            return Ok(0);
        };
        let named: Vec<_> = keyset
            .last
            .iter()
            .filter_map(|(name, path)| {
                Some((path, about.captured.get(&format!("page.last.{name}"))?))
            })
            .collect();
        if named.is_empty() {
            return Ok(0);
        }
        let records = &self.records[stream].0[level];
        let is_it = |record: &Record| {
            named.iter().all(|(path, value)| {
                let found = path.first(&record.value).map(text).unwrap_or_default();
                found == value.text
                    || (value.time.is_some() && times::rfc3339(&found) == value.time)
            })
        };
        let all = self.ordered(stream, level, about, |_| true);
        let last = all.iter().rposition(|index| is_it(&records[*index]));
        let last = last.ok_or("it starts behind a record that the app does not have")?;
        Ok(found.iter().filter(|index| all[..=last].contains(index)).count())
    }

    fn order(&self, stream: usize) -> Option<Order> {
        let window = self.model.streams[stream].window.as_ref()?;
        window.order.as_ref().map(|order| order.value)
    }

    /// The records that a request selects, in the app's order.
    fn select(&self, stream: usize, level: usize, about: &About, now: i64) -> Vec<usize> {
        let described = &self.model.streams[stream];
        let (window, zone) = (described.window.as_ref(), described.zone.as_ref());
        let twice = self.nature.twice;
        let sent = |name: &str| about.captured.get(name);
        let bounds = ["window.start", "window.end"].map(sent);
        let by_wall = twice == Twice::Unknown && bounds.iter().flatten().all(|bound| bound.local);
        let zone_of_bounds = zone.filter(|_| !by_wall);
        let [start, end] = bounds.map(|bound| {
            let Value { time, local, .. } = bound?;
            match zone_of_bounds.filter(|_| *local) {
                Some(zone) => times::instant(zone, (*time)?, twice),
                None => *time,
            }
        });
        let asked = Asked { start, end };
        // What the app never shows, however much there is.
        let most = window.and_then(|window| window.most.as_ref()).map(|most| most.value as usize);
        let most = most.filter(|_| level == self.model.streams[stream].counted);
        let most = most.unwrap_or(usize::MAX);
        self.ordered(stream, level, about, |record| {
            let in_window = match (window, record.at) {
                (Some(window), Some(at)) => {
                    // An app compares times as finely as it has them, or as it takes them.
                    let exact = self.nature.exact;
                    let at = if exact { at } else { times::floor(zone, at, resolution(window)) };
                    asked.includes(window, if by_wall { times::shown(zone, at) } else { at })
                }
                _ => true,
            };
            record.value(about.settled.unwrap_or(now)).is_some() && in_window
        })
        .into_iter()
        .take(most)
        .collect()
    }

    /// The records of what a request is about, in the app's order; those that `wanted` lets through.
    fn ordered(
        &self,
        stream: usize,
        level: usize,
        about: &About,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<usize> {
        let levels = &self.records[stream].0;
        let wanted = |record: &Record| {
            wanted(record) && about.shows(record, &self.model.streams[stream].combinations)
        };
        let all = levels[level].iter().enumerate();
        let mut found: Vec<usize> =
            all.filter(|(_, record)| wanted(record)).map(|(index, _)| index).collect();
        let zone = self.model.streams[stream].zone.as_ref();
        let zone = zone.filter(|_| self.nature.twice == Twice::Unknown);
        let time = |index: usize| levels[level][index].at.map(|at| times::shown(zone, at));
        found.sort_by_key(|index| (time(*index), *index));
        let newest_first = match self.order(stream) {
            None => self.nature.descending && self.model.streams[stream].log.is_none(),
            Some(order) => order == Order::Descending,
        };
        if newest_first {
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
