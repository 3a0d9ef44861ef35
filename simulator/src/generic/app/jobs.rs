//! Whole answers, which the app makes when it is asked: jobs above all, with what is waited for and
//! what is cleared away.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use fastrand::Rng;
use longshore_schema::stream::Wait;
use longshore_schema::{JsonPath, Literal, OneOrMany, Spanned};
use serde_json::Value;

use super::about::{About, fits, mentions};
use super::{App, State, note};
use crate::generic::data::{self, Record};
use crate::generic::faults::Draws;
use crate::generic::http::{Reply, Wire};
use crate::generic::invert::Captured;
use crate::generic::model::{self, Answers, Level};
use crate::generic::{Fault, Misdeed, Witness, encode, place};

/// Everything that the app made.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    made: Vec<Job>,
    /// Items of lists that the connector was told of and has to clear away in the same poll: that, the
    /// stream and the level, and the index.
    owed: BTreeSet<(u64, (usize, usize), usize)>,
    /// Items of lists that the app does not want to be asked about until then.
    left_alone: BTreeMap<((usize, usize), usize), i64>,
    /// What is waited for, by the request.
    waits: BTreeMap<u64, Pending>,
    /// The number of the poll in hand.
    poll: u64,
    /// The polls whose jobs nobody has to clear away.
    excused: BTreeSet<u64>,
}

#[derive(Debug)]
struct Job {
    /// The stream and the level.
    of: (usize, usize),
    /// The request that it was made for.
    request: u64,
    record: Record,
    about: About,
    poll: u64,
    /// Whether the connector was told of it, and has to clear it away.
    owed: bool,
    cleared: bool,
}

/// Something that takes its time.
#[derive(Clone, Copy, Debug)]
struct Pending {
    done: i64,
    fails: bool,
}

/// How far something is that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    Failed,
    Done,
}

impl Jobs {
    /// The next poll begins.
    pub(super) fn begin(&mut self) {
        self.poll += 1;
    }

    /// The poll in hand is killed, or kept from what it has to do.
    pub(super) fn excuse(&mut self) {
        self.excused.insert(self.poll);
    }

    /// What the job is about that a request names.
    pub(super) fn find(
        &self,
        of: (usize, usize),
        step: &str,
        captured: &Captured,
    ) -> Option<About> {
        let mut jobs = self.made.iter().rev();
        let named = |job: &&Job| job.of == of && !job.cleared && fits(&job.record, step, captured);
        jobs.find(named).map(|job| job.about.clone())
    }

    /// The connector is told of items that it has to clear away.
    pub(super) fn told(&mut self, of: (usize, usize), items: &[usize], now: i64) {
        self.left_alone.retain(|_, until| now < *until);
        let items = items.iter().filter(|item| !self.left_alone.contains_key(&(of, **item)));
        self.owed.extend(items.map(|item| (self.poll, of, *item)));
    }

    /// Tells of what was to be cleared away and never was.
    pub(super) fn accuse(&self, names: impl Fn((usize, usize)) -> String, witness: &mut Witness) {
        for (_, of, item) in self.owed.iter().filter(|(poll, ..)| !self.excused.contains(poll)) {
            let what = format!("{}: item {item} was never cleared away", names(*of));
            witness.accuse(Misdeed::LeftBehind, what);
        }
        for job in self.made.iter().filter(|job| job.owed && !self.excused.contains(&job.poll)) {
            let what = format!("{}: {} was never cleared away", names(job.of), job.record.mark);
            witness.accuse(Misdeed::LeftBehind, what);
        }
    }

    /// How far something is that is asked for until it is done. What fails, or takes longer than
    /// anybody waits, does so in bad weather only.
    fn stage(
        &mut self,
        request: u64,
        wait: &Wait,
        now: i64,
        draws: &Draws,
        rng: &mut Rng,
    ) -> (Stage, bool) {
        let every = data::millis(wait.every.0).max(1);
        let timeout = data::millis(wait.timeout.0);
        let mut befell = false;
        let pending = *self.waits.entry(request).or_insert_with(|| {
            let soon = [0, rng.i64(0..every * 4)][rng.usize(..2)].min(timeout / 2);
            befell = draws.befalls(Fault::JobFailed, rng);
            match befell.then(|| rng.bool() && !wait.failed.is_empty()) {
                None => Pending { done: now + soon, fails: false },
                Some(true) => Pending { done: now + soon, fails: true },
                Some(false) => Pending { done: now + timeout * 2, fails: false },
            }
        });
        let stage = match pending {
            Pending { done, .. } if now < done => Stage::Running,
            Pending { fails: true, .. } => Stage::Failed,
            Pending { .. } => Stage::Done,
        };
        if stage == Stage::Failed {
            // Asked for again, it is tried again.
            self.waits.remove(&request);
        }
        (stage, befell)
    }
}

/// How far a request for something that takes its time has come.
pub(super) fn stage_of(
    state: &mut State,
    (level, request): (&Level, u64),
    now: i64,
    rng: &mut Rng,
) -> Stage {
    let Some(wait) = &level.special.wait else { return Stage::Done };
    let (stage, befell) = state.jobs.stage(request, wait, now, &state.draws, rng);
    if befell {
        note(state, Fault::JobFailed);
    }
    stage
}

/// The next time it is asked for, what was waited for has to be waited for again.
pub(super) fn waited(state: &mut State, request: u64, about: &About) {
    if about.settled.is_none() {
        state.jobs.waits.remove(&request);
    }
}

impl App {
    /// Answers with a whole document.
    pub(super) fn serve_whole(
        &self,
        state: &mut State,
        (of, about, wire): ((usize, usize), About, Wire),
        now: i64,
        rng: &mut Rng,
    ) -> (Reply, Wire) {
        let level = self.model.level(of.0, of.1);
        let request = asked_for(of, &about.captured);
        let stage = stage_of(state, (level, request), now, rng);
        let at = match state.jobs.made.iter().rposition(|job| job.request == request) {
            Some(at) if !level.special.makes && !state.jobs.made[at].cleared => at,
            _ => {
                let made = self.make(state, (of, request), about.clone(), now, rng);
                state.jobs.made.push(made);
                state.jobs.made.len() - 1
            }
        };
        let job = &mut state.jobs.made[at];
        job.poll = state.jobs.poll;
        let whole = wire == Wire::Whole;
        let mut value = job.record.value.clone();
        if stage == Stage::Done {
            job.owed |= whole && level.special.cleans;
        } else {
            // What is there when it is done is not there before.
            for members in level.referred.iter().chain(&level.handed_out) {
                let path = members.iter().map(|name| longshore_schema::Step::Member(name.clone()));
                place::remove(&mut value, &path.collect::<Vec<_>>());
            }
        }
        if let Some(wait) = &level.special.wait {
            show(&mut value, wait, stage, rng);
            if whole && stage == Stage::Done {
                waited(state, request, &about);
            }
        }
        (encode::page(level, Value::Null, vec![value], rng), wire)
    }

    /// Notes that something is to be cleared away: whoever is refused has done what could be done.
    pub(super) fn tried(&self, state: &mut State, endpoint: usize, captured: &Captured) {
        let Answers::Cleared { stream, level } = self.model.endpoints[endpoint].answers else {
            return;
        };
        let step = &self.model.level(stream, level).name;
        let named = |job: &&mut Job| job.of == (stream, level) && fits(&job.record, step, captured);
        for job in state.jobs.made.iter_mut().filter(named) {
            job.owed = false;
        }
        let items = &self.records[stream].0[level];
        let now = state.jobs.poll;
        state.jobs.owed.retain(|(poll, of, item)| {
            *poll != now || *of != (stream, level) || !fits(&items[*item], step, captured)
        });
    }

    /// Expects no more that what a request names is cleared away: the app itself does not want to
    /// be asked about it for long, but `until` then.
    pub(super) fn leave_alone(
        &self,
        state: &mut State,
        (endpoint, captured): (usize, &Captured),
        until: i64,
    ) {
        let stream = self.model.endpoints[endpoint].answers.stream();
        for job in state.jobs.made.iter_mut().filter(|job| Some(job.of.0) == stream) {
            let step = &self.model.level(job.of.0, job.of.1).name;
            if mentions(captured, step) && fits(&job.record, step, captured) {
                job.owed = false;
            }
        }
        let Some(stream) = stream else { return };
        for (level, described) in self.model.streams[stream].levels.iter().enumerate() {
            let step = &described.name;
            if !described.special.cleans || !mentions(captured, step) {
                continue;
            }
            let items = self.records[stream].0[level].iter().enumerate();
            for (item, _) in items.filter(|(_, item)| fits(item, step, captured)) {
                let of = (stream, level);
                state.jobs.owed.remove(&(state.jobs.poll, of, item));
                state.jobs.left_alone.insert((of, item), until);
            }
        }
    }

    fn make(
        &self,
        state: &State,
        (of, request): ((usize, usize), u64),
        mut about: About,
        now: i64,
        rng: &mut Rng,
    ) -> Job {
        let (stream, level) = (&self.model.streams[of.0], self.model.level(of.0, of.1));
        let sample = &level.samples[rng.usize(..level.samples.len())];
        let key = (of.1, state.jobs.made.len());
        let record = data::record(stream, level, sample, key, (None, now), false, rng);
        if level.special.makes {
            about.settled = Some(now);
        }
        let poll = state.jobs.poll;
        Job { of, request, record, about, poll, owed: false, cleared: false }
    }

    /// Clears away what a step made.
    ///
    /// # Errors
    /// If there is nothing that it names.
    pub(super) fn clear(
        &self,
        state: &mut State,
        of: (usize, usize),
        captured: &Captured,
    ) -> Result<(), String> {
        let level = self.model.level(of.0, of.1);
        if !level.special.whole {
            let mut items = self.records[of.0].0[of.1].iter();
            let found = items.any(|item| fits(item, &level.name, captured));
            return if found && mentions(captured, &level.name) { Ok(()) } else { Err(nothing()) };
        }
        let mut jobs = state.jobs.made.iter_mut().rev();
        let named = |job: &&mut Job| {
            job.of == of && !job.cleared && fits(&job.record, &level.name, captured)
        };
        jobs.find(named).ok_or_else(nothing)?.cleared = true;
        Ok(())
    }
}

fn nothing() -> String {
    "there is nothing to clear away that it names".to_owned()
}

/// What makes a request for a level the same one when it comes again.
pub(super) fn asked_for(of: (usize, usize), captured: &Captured) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    for (reference, value) in captured {
        (reference, &value.text).hash(&mut hasher);
    }
    hasher.finish()
}

/// Writes how far something is into an answer.
pub(super) fn show(document: &mut Value, wait: &Wait, stage: Stage, rng: &mut Rng) {
    type Entry = (Spanned<JsonPath>, OneOrMany<Literal>);
    let mut set = |(path, values): &Entry, holds: bool| {
        let (Some(first), Some(steps)) = (values.0.first(), path.steps()) else { return };
        let value = if holds { model::literal(first) } else { model::another(first) };
        place::set(document, steps, value);
    };
    // Where both look at the same place, what is there is what counts.
    let failed: Vec<_> = wait.failed.iter().collect();
    for entry in &failed {
        set(entry, false);
    }
    for entry in wait.until.iter() {
        set(entry, stage == Stage::Done);
    }
    if stage == Stage::Failed && !failed.is_empty() {
        set(failed[rng.usize(..failed.len())], true);
    }
}

/// An answer with a JSON document in which it says how far something is.
pub(super) fn shown(mut reply: Reply, wait: &Wait, stage: Stage, rng: &mut Rng) -> Reply {
    if let Ok(mut document) = serde_json::from_slice(&reply.body) {
        show(&mut document, wait, stage, rng);
        reply.body = document.to_string().into_bytes();
    }
    reply
}
