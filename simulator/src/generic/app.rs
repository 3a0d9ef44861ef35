//! One tenant of an app: what it holds, and how it answers.

mod about;
mod jobs;
mod serve;
mod single;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use longshore_schema::http::Reaction;

use self::jobs::Jobs;
use super::auth::Tokens;
use super::data::{Records, Span, Volume};
use super::faults::Draws;
use super::http::{Call, Reply, Wire};
use super::model::Model;
use super::pages::Positions;
use super::quotas::{self, Account, Spending};
use super::times::{self, Time, Twice};
use super::truth::Truth;
use super::{Fault, Misdeed, Weather, Witness};

/// What a tenant is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The same seed gives the same records and the same faults.
    pub seed: u64,
    /// When the first record happens.
    pub from: Timestamp,
    /// When the last one has happened.
    pub until: Timestamp,
    /// How many records each stream has, or items where it lists items first.
    pub records: usize,
    /// What is wrong with the tenant itself; faults of requests are a matter of the
    /// [weather](App::begin).
    pub faults: BTreeSet<Fault>,
}

/// The longest that a slow app takes to answer, in milliseconds: long enough that what is in hand is
/// delivered in the middle of a window, and nobody gives up on it.
const LONGEST_ANSWER: u64 = 3_000;

/// One tenant of an app.
pub struct App {
    model: Arc<Model>,
    time: Time,
    records: Vec<Records>,
    /// Ways of being that differ from seed to seed.
    nature: Nature,
    state: Mutex<State>,
    /// Called with the number of each request since the weather changed, before it is answered.
    hook: Mutex<Option<Hook>>,
}

/// A wait for which nobody waits to clear something away, in milliseconds.
const LONG_WAIT: i64 = 300_000;

type Hook = Box<dyn Fn(u64) + Send>;

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
struct Nature {
    seed: u64,
    exact: bool,
    /// Whether tokens end by themselves.
    tokens_last: bool,
    /// Whether requests are kept for a moment, so that several are under way.
    lingers: bool,
    /// How long an answer takes at most, in milliseconds, if that is worth telling.
    slow: Option<u64>,
    descending: bool,
    twice: Twice,
    /// How far the app's clock is ahead, in milliseconds.
    skew: i64,
}

#[derive(Debug)]
struct State {
    tokens: Tokens,
    positions: Positions,
    accounts: Vec<Account>,
    jobs: Jobs,
    /// For streams that start with what comes, how much there was when they last started.
    began: BTreeMap<usize, usize>,
    draws: Draws,
    witness: Witness,
    /// When a request may come again that was asked to wait.
    not_before: BTreeMap<u64, i64>,
    asked: u64,
    /// How long answers take.
    pauses: Rng,
}

impl App {
    /// A tenant with records of its own.
    #[must_use]
    pub fn new(model: Arc<Model>, settings: &Settings, time: Time) -> Arc<Self> {
        let mut rng = Rng::with_seed(settings.seed);
        let has = |fault| settings.faults.contains(&fault);
        let span = Span {
            from: settings.from.as_millisecond(),
            until: settings.until.as_millisecond().max(settings.from.as_millisecond() + 1),
        };
        let tight = (has(Fault::Quota) && rng.bool()).then(|| rng.u64(30..150));
        let nature = Nature {
            seed: settings.seed,
            exact: rng.bool(),
            tokens_last: rng.bool(),
            lingers: tight.is_some(),
            slow: (rng.u8(..3) == 0).then_some(LONGEST_ANSWER),
            descending: rng.bool(),
            twice: [Twice::First, Twice::Second, Twice::Unknown][(settings.seed / 2 % 3) as usize],
            skew: if has(Fault::Skew) { rng.i64(-90_000..90_000) } else { 0 },
        };
        let volume = Volume {
            records: settings.records,
            late: has(Fault::Late),
            ties: has(Fault::Ties),
            drift: has(Fault::Drift),
            // What a slow clock stamps seems to come late.
            behind: (-nature.skew).max(0),
            burst: rng.u8(..4) == 0,
        };
        let records = model.make(span, volume, &mut rng);
        let now = time.millis().div_euclid(1000) * 1000;
        let account = |rules| Account::new(rules, now, tight, model.highest_cost(rules));
        let accounts = model.quotas.iter().map(account).collect();
        let state = State {
            tokens: Tokens::default(),
            positions: Positions::default(),
            accounts,
            jobs: Jobs::default(),
            began: BTreeMap::new(),
            draws: Draws::new(settings.seed),
            witness: Witness::default(),
            not_before: BTreeMap::new(),
            asked: 0,
            pauses: Rng::with_seed(settings.seed),
        };
        Arc::new(Self {
            model,
            time,
            records,
            nature,
            state: Mutex::new(state),
            hook: Mutex::new(None),
        })
    }

    /// Changes the weather. `others` is the share of what may be spent that others spend now.
    /// `hook` is called with the number of each request from here on, before it is answered.
    pub fn begin(&self, weather: Weather, others: f64, hook: impl Fn(u64) + Send + 'static) {
        let mut state = self.state();
        state.draws.begin(weather);
        state.jobs.begin();
        state.asked = 0;
        if others > 0.0 {
            let now = self.time.millis();
            for (account, rules) in state.accounts.iter_mut().zip(&self.model.quotas) {
                account.spend(rules, now, others);
            }
        }
        drop(state);
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// The connector was killed: what it was told it may not know any more.
    pub fn killed(&self) {
        let mut state = self.state();
        state.not_before.clear();
        state.jobs.excuse();
        state.accounts.iter_mut().for_each(Account::forget_told);
    }

    /// What a connector must have delivered that read, without trouble, what was due at `now`.
    #[must_use]
    pub fn truth(&self, now: Timestamp) -> Vec<Truth> {
        let streams = self.model.streams.iter().zip(&self.records).enumerate();
        let truth = |(index, (stream, records)): (usize, (_, &Records))| {
            let mut truth = records.truth(stream, now.as_millisecond());
            let began = self.state().began.get(&index).copied().unwrap_or_default();
            for record in &records.last()[..began] {
                truth.records.insert(record.mark.clone(), false);
            }
            self.with_details(index, truth)
        };
        streams.map(truth).collect()
    }

    /// What the app saw so far.
    #[must_use]
    pub fn witness(&self) -> Witness {
        let state = self.state();
        let mut witness = state.witness.clone();
        let name = |(stream, level): (usize, usize)| {
            let stream = &self.model.streams[stream];
            format!("{}.{}", stream.name, stream.levels[level].name)
        };
        state.jobs.accuse(name, &mut witness);
        witness
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a part of the connector's patience pass, and then some.
    pub(super) fn stall(&self, share: f64) {
        (self.time.stall)(self.model.timeout.mul_f64(share));
    }

    /// Keeps a request for a moment, if that is how this tenant is.
    pub(super) async fn linger(&self) {
        if let Some(longest) = self.nature.slow {
            let millis = self.state().pauses.u64(..=longest);
            (self.time.stall)(Duration::from_millis(millis));
        }
        if self.nature.lingers {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Answers a request.
    pub(super) fn answer(&self, call: &Call) -> (Reply, Wire) {
        let number = {
            let mut state = self.state();
            state.asked += 1;
            state.witness.requests += 1;
            state.asked
        };
        if let Some(hook) = &*self.hook.lock().unwrap_or_else(PoisonError::into_inner) {
            hook(number);
        }
        let now = self.time.millis();
        let mut state = self.state();
        let (mut reply, wire) = self.decide(&mut state, call, now);
        reply = reply.packed().with("date", times::http_date(now + self.nature.skew, 0));
        (reply, wire)
    }

    fn decide(&self, state: &mut State, call: &Call, now: i64) -> (Reply, Wire) {
        let request = identity(call);
        if let Some(until) = state.not_before.remove(&request)
            && now < until
        {
            let what = format!(
                "{} {} came {} ms before the time that `Retry-After` named",
                call.method,
                call.path,
                until - now
            );
            state.witness.accuse(Misdeed::Impatience, what);
        }
        if self.model.auth.is_sign_in(call) {
            let (fault, mut rng) = state.draws.next(usize::MAX);
            if let Some(fault) = fault.filter(|fault| fault.befalls_sign_in()) {
                // Without a session nothing can be cleared away.
                state.jobs.excuse();
                return self.refuse(state, fault, request, now, &mut rng);
            }
        }
        let lasts = self.nature.tokens_last;
        if let Some(reply) = self.model.auth.answer(call, &mut state.tokens, now, lasts) {
            return (reply, Wire::Whole);
        }
        let token = call.page_token().and_then(|token| Some((token, state.positions.get(token)?)));
        let found = match token {
            Some((_, position)) => Some((position.endpoint, position.captured)),
            None => self.model.find(call),
        };
        let Some((endpoint, captured)) = found else {
            let what = format!("{} {} is no request of the manifest", call.method, call.target);
            // An expired link has a position that nobody knows any more.
            if call.page_token().is_none() {
                state.witness.accuse(Misdeed::Unknown, what);
            }
            let expired = self.model.refusals.reply(Reaction::RestartWindow);
            return (expired.unwrap_or_else(|| Reply::error(404, "not found")), Wire::Whole);
        };
        self.tried(state, endpoint, &captured);
        let credentials = self.model.auth.parameters();
        let mut unknown = self.model.endpoints[endpoint].asked.unknown(call);
        unknown.retain(|name| !credentials.contains(name));
        if let Some(name) = unknown.first() {
            let asked = &self.model.endpoints[endpoint].name;
            let what = format!("{asked}: the parameter `{name}` is not declared");
            state.witness.accuse(Misdeed::Unknown, what);
            return (Reply::error(400, "unknown parameter"), Wire::Whole);
        }
        let (fault, mut rng) = state.draws.next(endpoint);
        if fault == Some(Fault::TokenExpired) && self.can_refuse_session() {
            note(state, Fault::TokenExpired);
            state.tokens.revoke();
        }
        let free = self.model.endpoints[endpoint].asked.is_free();
        if !free && !self.model.auth.admits(call, &state.tokens, now) {
            let refused = self.model.refusals.reply(Reaction::Refresh);
            return (refused.unwrap_or_else(|| Reply::error(401, "unauthorized")), Wire::Whole);
        }
        let stream = self.model.endpoints[endpoint].answers.stream();
        let stream = stream.map(|stream| self.model.streams[stream].name.as_str());
        let costs = &self.model.endpoints[endpoint].asked.costs;
        let spending = Spending { stream, costs, now, skew: self.nature.skew };
        let quotas = &self.model.quotas;
        let counted = quotas::count(quotas, &mut state.accounts, spending, &mut rng);
        for what in &counted.wrong {
            state.witness.accuse(Misdeed::Reserve, what.clone());
        }
        let (mut reply, wire) = if counted.spent {
            let refused = self.model.refusals.reply(Reaction::WaitForQuota);
            (refused.unwrap_or_else(|| Reply::error(429, "too many requests")), Wire::Whole)
        } else {
            let asked = (endpoint, captured.clone(), fault, request);
            let served = self.serve_page(state, call, asked, now, &mut rng);
            let until = state.not_before.get(&request).copied();
            if let Some(until) = until.filter(|until| until - now > LONG_WAIT) {
                self.leave_alone(state, (endpoint, &captured), until);
            }
            served
        };
        let arrives = (wire.is_heard(), wire == Wire::Whole);
        quotas::report(quotas, &mut state.accounts, spending, counted, &mut reply, arrives);
        (reply, wire)
    }

    /// Whether the app can say that a session has ended, so that the connector understands.
    fn can_refuse_session(&self) -> bool {
        self.model.auth.expires() && self.model.refusals.reply(Reaction::Refresh).is_some()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("nature", &self.nature).finish_non_exhaustive()
    }
}

fn note(state: &mut State, fault: Fault) {
    *state.witness.faults.entry(fault).or_default() += 1;
}

/// What makes a request the same one when it comes again.
fn identity(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    (call.method.as_str(), &call.host, &call.target, &call.body).hash(&mut hasher);
    hasher.finish()
}
