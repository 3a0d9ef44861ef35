//! Asking ahead: while one item of a step is read, the requests for the next ones are under way.
//!
//! Only asking is done side by side. The items are read one after the other, in the order in which
//! they were listed, so that the order of events, and what is known after a kill, is the same as if
//! each had been asked for in its turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll as Polled};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::error::Result;
use crate::plan::StepPlan;
use crate::poll::build::Target;
use crate::poll::exchange::{Answer, Attempts};
use crate::poll::pages::Pager;
use crate::poll::session::{Refused, Session};
use crate::poll::steps::Call;
use crate::poll::stream::Poll;
use crate::poll::window::Range;
use crate::render::Scope;

/// The most bytes of an answer, as they were sent, that wait until it is their turn. Items whose
/// answers are longer are asked for one after the other.
const MAX_WAITING: usize = 1 << 20;

/// How long answers are waited for that are not needed any more.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// A response, as far as it was read before its turn.
pub(super) struct Arriving<'s> {
    pub(super) answer: Answer<'s>,
    chunks: VecDeque<Bytes>,
    /// Whether there is nothing behind the chunks, or why there is nothing.
    ended: Option<Result<()>>,
}

impl<'s> Arriving<'s> {
    /// A response of which nothing was read.
    pub(super) fn new(answer: Answer<'s>) -> Self {
        Self { answer, chunks: VecDeque::new(), ended: None }
    }

    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    /// Why it broke off.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Ok(Some(chunk));
        }
        match self.ended.take() {
            Some(ended) => ended.map(|()| None),
            None => self.answer.response.chunk().await,
        }
    }

    /// Reads it to its end; false if it is too long for that.
    async fn read(&mut self) -> bool {
        let mut bytes = 0;
        let ended = loop {
            match self.answer.response.chunk().await {
                Ok(Some(chunk)) => {
                    bytes += chunk.len();
                    if bytes > MAX_WAITING {
                        return false;
                    }
                    self.chunks.push_back(chunk);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.ended = Some(ended);
        // Whoever waits for its turn must not keep the one whose turn it is from being asked for.
        self.answer.has_arrived();
        true
    }
}

/// What came of a request that was sent before its turn.
pub(super) struct Ahead<'s> {
    /// The number of the step, and the part of the window.
    of: (usize, Option<Range>),
    pub(super) attempts: Attempts,
    pub(super) outcome: Result<Arriving<'s>, Refused>,
}

/// What came of asking for an item.
enum Early<'s> {
    /// The answer is too long to wait.
    TooLong,
    Here(Box<Ahead<'s>>),
}

/// What is under way, and what waits for its turn: by the place of the item in its list.
struct UnderWay<'s, F> {
    requests: Vec<(usize, Pin<Box<F>>)>,
    waiting: BTreeMap<usize, Early<'s>>,
}

impl<'s, F: Future<Output = Early<'s>>> UnderWay<'s, F> {
    /// Lets all that is under way go on.
    fn go_on(&mut self, context: &mut Context<'_>) {
        let waiting = &mut self.waiting;
        self.requests.retain_mut(|(at, request)| match request.as_mut().poll(context) {
            Polled::Ready(early) => {
                waiting.insert(*at, early);
                false
            }
            Polled::Pending => true,
        });
    }

    /// What came of the request for an item, as soon as it came.
    async fn turn(&mut self, at: usize) -> Early<'s> {
        poll_fn(|context| {
            self.go_on(context);
            self.waiting.remove(&at).map_or(Polled::Pending, Polled::Ready)
        })
        .await
    }

    /// Lets everything that is under way come to its end.
    async fn all(&mut self) {
        poll_fn(|context| {
            self.go_on(context);
            if self.requests.is_empty() { Polled::Ready(()) } else { Polled::Pending }
        })
        .await;
    }

    /// Does `work` while the requests go on.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                self.go_on(context);
            }
            done
        })
        .await
    }
}

impl<'p> Poll<'p> {
    /// How many items of a list may be asked for at once by the step behind.
    pub(super) fn at_once(&self, call: &Call<'_>) -> usize {
        let next = &self.plan.steps[call.index + 1];
        // Two calls that make something each have to be told of both before one is given up; and
        // what an answer tells of a quota in its body is to be known before the next call.
        let in_turn = next.cleanup.is_some()
            || self.answers_are_long.contains(&(call.index + 1))
            || self
                .session
                .quotas()
                .iter()
                .any(|quota| quota.is_for(&self.plan.name) && quota.reads_body());
        if in_turn { 1 } else { next.concurrency }
    }

    /// Calls the next step for the items of a page, and asks for so many of them at once.
    pub(super) async fn side_by_side(
        &mut self,
        list: &[Value],
        call: &Call<'_>,
        at_once: usize,
    ) -> Result<(), Refused> {
        let (session, plan) = (self.session, self.plan);
        let (index, name) = (call.index + 1, plan.steps[call.index].name.as_str());
        let step = &plan.steps[index];
        let facts = Arc::clone(&self.facts);
        // So many items were looked at, and for these a request was sent.
        let (mut asked, mut sent) = (0, BTreeSet::new());
        let mut under_way = UnderWay { requests: Vec::new(), waiting: BTreeMap::new() };
        for (at, item) in list.iter().enumerate() {
            let is_long = self.answers_are_long.contains(&index);
            let most = if is_long { asked } else { list.len().min(at + at_once) };
            for (place, item) in list.iter().enumerate().take(most).skip(asked) {
                let Some(Call { range, .. }) = self.first_call(item, call) else { continue };
                let mut named = call.named.to_vec();
                named.push((name, item));
                let scope = self.scope(range, &facts);
                let ask = ask(session, (&plan.name, step, index), (named, range), scope);
                under_way.requests.push((place, Box::pin(ask)));
                self.report.requests += 1;
                sent.insert(place);
            }
            asked = asked.max(most);
            if sent.remove(&at) {
                match self.meanwhile(under_way.turn(at)).await? {
                    Early::Here(ahead) => self.ahead = Some(*ahead),
                    Early::TooLong => {
                        self.answers_are_long.insert(index);
                    }
                }
            }
            let outcome = under_way.beside(self.item(item, call)).await;
            // Whatever comes next, this is no answer to it.
            self.ahead = None;
            if let Err(refused) = outcome {
                // What the app says of a pause has to be heard, though its answers are of no use.
                let heard = session.clock.timeout(LAST_ANSWERS, under_way.all());
                self.meanwhile(heard).await?;
                return Err(refused);
            }
        }
        Ok(())
    }

    /// What was asked for before its turn, if it is this.
    pub(super) fn take_ahead(&mut self, call: &Call<'_>, pager: &Pager<'_>) -> Option<Ahead<'p>> {
        let of = (call.index, call.range);
        self.ahead.take_if(|ahead| pager.is_at_start() && ahead.of == of)
    }
}

/// Sends the first request of a step for one item, and reads the answer.
async fn ask<'s>(
    session: &'s Session,
    (stream, step, index): (&str, &StepPlan, usize),
    (named, range): (Vec<(&str, &Value)>, Option<Range>),
    scope: Scope<'_>,
) -> Early<'s> {
    let page = Pager::new(step.pages.as_ref(), step.promise.as_ref()).scope;
    let scope = Scope { page: Some(&page), named: &named, ..scope };
    let (target, mut attempts) = (Target::Declared(&step.request), Attempts::default());
    let outcome = match session.fetch(stream, &target, &scope, &mut attempts).await {
        Ok(answer) => {
            let mut arriving = Arriving::new(answer);
            if !arriving.read().await {
                return Early::TooLong;
            }
            Ok(arriving)
        }
        Err(refused) => Err(refused),
    };
    Early::Here(Box::new(Ahead { of: (index, range), attempts, outcome }))
}
