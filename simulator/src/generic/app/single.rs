//! Answers that are one document: to what is made, cleared away, or asked for one record.

use std::hash::{DefaultHasher, Hash, Hasher};

use fastrand::Rng;
use longshore_schema::http::Reaction;
use serde_json::Value;

use super::about::{fits, mentions};
use super::{App, State, note};
use crate::generic::data::MARK;
use crate::generic::http::{Reply, Wire};
use crate::generic::invert::Captured;
use crate::generic::model::{Answers, Detail};
use crate::generic::truth::Truth;
use crate::generic::{Fault, place};

impl App {
    /// Answers a request whose answer is one document.
    pub(super) fn serve_single(
        &self,
        state: &mut State,
        (endpoint, captured, fault, request): (usize, Captured, Option<Fault>, u64),
        now: i64,
        rng: &mut Rng,
    ) -> (Reply, Wire) {
        let asked = &self.model.endpoints[endpoint];
        let wire = match self.spoil(state, fault, request, now, rng) {
            Ok(wire) => wire,
            Err(spoilt) => return spoilt,
        };
        match asked.answers {
            Answers::Recorded(ref bodies) => {
                (Reply::json(200, &bodies[self.nature.seed as usize % bodies.len()]), wire)
            }
            Answers::Release { .. } => {
                let token = captured.get("page.cursor").map_or("", |value| value.text.as_str());
                if state.positions.forget(token) {
                    return (Reply::json(200, &serde_json::json!({})), wire);
                }
                (self.refuse_position(state, endpoint, token), Wire::Whole)
            }
            Answers::Pages { stream, level } | Answers::Next { stream, level } => {
                let partition = asked.partition.clone();
                match self.about(&state.jobs, (stream, level), captured, partition) {
                    Ok(about) => self.serve_whole(state, ((stream, level), about, wire), now, rng),
                    Err(what) => self.deny(state, endpoint, &what),
                }
            }
            Answers::Cleared { stream, level } => {
                match self.clear(state, (stream, level), &captured) {
                    Ok(()) if rng.bool() => (Reply::new(204, "application/json", ""), Wire::Whole),
                    Ok(()) => (Reply::json(200, &serde_json::json!({})), wire),
                    Err(what) => self.deny(state, endpoint, &what),
                }
            }
            Answers::Detail { stream, detail } => {
                let records = self.records[stream].last().iter();
                let named = mentions(&captured, "record");
                let mut shown = records.filter(|record| named && record.shown <= now);
                match shown.find(|record| fits(record, "record", &captured)) {
                    Some(record) => (self.detail(stream, detail, &record.mark), wire),
                    None => self.deny(state, endpoint, "the app has no such record"),
                }
            }
        }
    }

    /// What befalls an answer with a document: how it is brought onto the wire, or what comes in its
    /// place.
    fn spoil(
        &self,
        state: &mut State,
        fault: Option<Fault>,
        request: u64,
        now: i64,
        rng: &mut Rng,
    ) -> Result<Wire, (Reply, Wire)> {
        let wire = match fault {
            Some(fault) if fault.befalls_sign_in() => {
                return Err(self.refuse(state, fault, request, now, rng));
            }
            Some(Fault::Html) => {
                note(state, Fault::Html);
                return Err((Reply::html(200), Wire::Whole));
            }
            Some(Fault::Empty) => {
                note(state, Fault::Empty);
                return Err((Reply::new(200, "application/json", ""), Wire::Whole));
            }
            Some(Fault::Silence) => Wire::Silence { share: rng.f64() },
            Some(Fault::EndlessBody) => Wire::Drip,
            Some(Fault::Cut) => {
                Wire::Cut { share: rng.f64(), chunked: rng.bool(), reset: rng.bool() }
            }
            Some(Fault::Half) => Wire::Half { share: rng.f64() },
            Some(Fault::GzipCut) => Wire::GzipCut { share: rng.f64() },
            _ => return Ok(Wire::Whole),
        };
        if let Some(fault) = fault {
            note(state, fault);
        }
        Ok(wire)
    }

    /// The answer with a detail of the record of this mark.
    fn detail(&self, stream: usize, detail: usize, mark: &str) -> Reply {
        let described = &self.model.streams[stream].details[detail];
        let drawn = self.drawn(stream, described, mark);
        let mut body = described.samples[drawn as usize % described.samples.len()].clone();
        let selected = described.select.as_ref().and_then(|path| place::one(path).ok());
        let steps = selected.unwrap_or_default();
        if !self.has_detail(stream, described, mark) {
            return match self.model.refusals.reply(Reaction::Skip) {
                Some(reply) if steps.is_empty() || drawn.is_multiple_of(2) => reply,
                _ => {
                    place::set(&mut body, steps, Value::Null);
                    Reply::json(200, &body)
                }
            };
        }
        if holds_mark(described) {
            let mut steps = steps.to_vec();
            steps.push(longshore_schema::Step::Member(MARK.to_owned()));
            place::set(&mut body, &steps, mark.into());
        }
        Reply::json(200, &body)
    }

    /// Whether the app has a detail of a record, which is so for good.
    fn has_detail(&self, stream: usize, detail: &Detail, mark: &str) -> bool {
        let can_be_null = detail
            .select
            .as_ref()
            .is_some_and(|path| place::one(path).is_ok_and(|steps| !steps.is_empty()));
        let can_miss = can_be_null || self.model.refusals.reply(Reaction::Skip).is_some();
        !can_miss || !(self.drawn(stream, detail, mark) / 8).is_multiple_of(4)
    }

    /// A number that is the same for a detail always.
    fn drawn(&self, stream: usize, detail: &Detail, mark: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.nature.seed, stream, &detail.name, mark).hash(&mut hasher);
        hasher.finish()
    }

    /// Adds to what must be delivered of a stream what its details are.
    pub(super) fn with_details(&self, stream: usize, mut truth: Truth) -> Truth {
        for detail in &self.model.streams[stream].details {
            for (mark, due) in &mut truth.records {
                let has = self.has_detail(stream, detail, mark);
                *due &= has || !detail.needed;
                if holds_mark(detail) {
                    let details = truth.details.entry(mark.clone()).or_default();
                    details.insert(detail.name.clone(), has);
                }
            }
        }
        truth
    }
}

/// Whether a detail is an object, which can hold a mark.
fn holds_mark(detail: &Detail) -> bool {
    let Some(path) = &detail.select else { return detail.samples.iter().all(Value::is_object) };
    let selects = |sample: &Value| path.first(sample).is_some_and(Value::is_object);
    place::one(path).is_ok() && detail.samples.iter().all(selects)
}
