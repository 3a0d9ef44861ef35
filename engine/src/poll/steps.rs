//! From one step to the next: what each lists is what the next one is called for.

use std::pin::Pin;

use jiff::Timestamp;
use longshore_schema::JsonPath;
use longshore_schema::stream::{Batch, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::map::Record;
use crate::plan::StepPlan;
use crate::poll::exchange::Attempts;
use crate::poll::item::{Items, item_key, item_time};
use crate::poll::pages::Pager;
use crate::poll::session::Refused;
use crate::poll::stream::Poll;
use crate::poll::window::{Range, Settings};
use crate::state::Known;

/// One call of a step: which, for what, and for which time.
#[derive(Clone, Copy)]
pub(super) struct Call<'c> {
    /// The step's number.
    pub(super) index: usize,
    /// What its templates can name: items of earlier steps, the partition, the batch.
    pub(super) named: &'c [(&'c str, &'c Value)],
    /// The part of the window that is read.
    pub(super) range: Option<Range>,
    /// Whether that begins before what the stream as a whole reads: an item is new, or was away.
    pub(super) reaches_back: bool,
    /// What the items are known by for whom this is called.
    pub(super) chain: Option<Known>,
}

type Reading<'f> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'f>>;

/// What is still to be read for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Whole,
    Range(Range),
}

/// By what an item is known to have been read.
enum Mark {
    /// It is not remembered.
    None,
    /// Its version, which is read once, and its time.
    Version(String, Option<Timestamp>),
    /// Itself: it is read again and again.
    Item(Known),
}

impl Poll<'_> {
    /// Reads one piece: for every partition, from the first step to the last.
    pub(super) async fn read(&mut self, piece: Option<Range>) -> Result<(), Refused> {
        self.seen.start_reading();
        let plan = self.plan;
        let place = self.place.as_ref().map(|value| serde_json::json!({ "value": value }));
        let mut named: Vec<_> = place.iter().map(|place| ("cursor", place)).collect();
        let first = Call { index: 0, named: &[], range: piece, reaches_back: false, chain: None };
        if plan.partitions.is_empty() {
            return self.call(Call { named: &named, ..first }).await;
        }
        for combination in &plan.partitions {
            let unit = known(None, &combination.to_string());
            named.push(("partition", combination));
            let call = Call { named: &named, chain: Some(unit), ..first };
            let due = self.due(&unit, piece)?;
            self.units(&[unit], due, call).await?;
            named.pop();
        }
        Ok(())
    }

    /// Calls a step: all its pages, and for every item on them the steps behind it.
    fn call<'f>(&'f mut self, call: Call<'f>) -> Reading<'f> {
        Box::pin(async move {
            let plan = self.plan;
            let step = &plan.steps[call.index];
            let is_last = call.index + 1 == plan.steps.len();
            if is_last {
                self.start_range(&call);
            }
            // What is looked at as a whole before it counts is collected.
            let collects = !is_last || !plan.joins.is_empty() || step.wait.is_some();
            let mut pager = Pager::new(step.pages.as_ref(), step.promise.as_ref());
            let outcome = self.all_pages(step, &mut pager, &call, collects).await;
            self.release(&pager, &call).await?;
            outcome
        })
    }

    /// Reads the pages of a step one after the other.
    async fn all_pages<'s>(
        &mut self,
        step: &'s StepPlan,
        pager: &mut Pager<'s>,
        call: &Call<'_>,
        collects: bool,
    ) -> Result<(), Refused> {
        let mut records = 0;
        loop {
            let mut items = collects.then(Items::default);
            let outcome = self.one_page(step, pager, call, items.as_mut(), &mut records).await;
            // However that ended, and as far as the app told of it.
            if let (Some(request), Some(items)) = (&step.cleanup, &items) {
                self.clear_away(request, &items.list, call).await;
            }
            let more = outcome?;
            if !more || self.is_past(call) {
                return Ok(());
            }
        }
    }

    /// Reads one page, and for every item on it the steps behind. Returns whether there is another
    /// page. `records` is how many came so far.
    async fn one_page<'s>(
        &mut self,
        step: &'s StepPlan,
        pager: &mut Pager<'s>,
        call: &Call<'_>,
        mut items: Option<&mut Items>,
        records: &mut u64,
    ) -> Result<bool, Refused> {
        let plan = self.plan;
        let more = match (&step.wait, items.as_deref_mut()) {
            (Some(wait), Some(items)) if pager.is_at_start() => {
                self.waited(wait, step, call, pager, items).await?
            }
            (_, items) => self.page(step, pager, call, items).await?,
        };
        *records += self.seen.page.records;
        if call.index == plan.windowed() {
            self.check_most(*records)?;
        }
        if let Some(items) = items {
            if call.index + 1 == plan.steps.len() {
                self.details(&items.list, call).await?;
            } else {
                self.items(&items.list, call).await?;
            }
        }
        Ok(more)
    }

    /// An app that never shows more than so many records has perhaps not shown all of them.
    fn check_most(&self, records: u64) -> Result<(), Refused> {
        let Some(most) = self.settings.as_ref().and_then(|settings| settings.most) else {
            return Ok(());
        };
        if records < most {
            return Ok(());
        }
        Err(Refused::SplitWindow(
            Error::new(Code::DataIncomplete, "the app shows no more records for this time")
                .cause(format!(
                    "{records} came, and `most` says that there may be more than {most}"
                ))
                .fix("nothing is lost: the window is read in halves"),
        ))
    }

    /// Whether a page of a feed that begins with the newest is wholly older than the window.
    fn is_past(&self, call: &Call<'_>) -> bool {
        let Some((range, settings)) = call.range.zip(self.settings.as_ref()) else { return false };
        settings.descending
            && call.index == self.plan.windowed()
            && self.seen.page.is_before(settings.told(range).start)
    }

    /// Calls the next step for the items of a page.
    async fn items(&mut self, list: &[Value], call: &Call<'_>) -> Result<(), Refused> {
        let next = &self.plan.steps[call.index + 1];
        if let Some(batch) = &next.batch {
            return self.batches(list, batch, call).await;
        }
        let at_once = self.at_once(call);
        if at_once > 1 && list.len() > 1 {
            return self.side_by_side(list, call, at_once).await;
        }
        for item in list {
            self.item(item, call).await?;
        }
        Ok(())
    }

    /// The call with the part of the window for which an item is asked for first; `None` if it is
    /// not asked for.
    pub(super) fn first_call<'c>(&self, item: &Value, call: &Call<'c>) -> Option<Call<'c>> {
        // What is wrong with an item is told when its turn comes.
        let due = match self.mark(&self.plan.steps[call.index], item, call).ok()? {
            Mark::None => Due::Whole,
            Mark::Version(key, time) => {
                let outside =
                    call.range.zip(time).is_some_and(|(range, time)| self.leaves_out(range, time));
                if outside || self.outbox.is_finished(&key).ok()? {
                    Due::Nothing
                } else {
                    Due::Whole
                }
            }
            Mark::Item(unit) => self.due(&unit, call.range).ok()?,
        };
        match (due, &self.settings) {
            (Due::Nothing, _) | (Due::Range(_), None) => None,
            (Due::Whole, _) => Some(*call),
            (Due::Range(range), Some(settings)) => {
                let range = Some(settings.piece(range, range.start, settings.span()));
                Some(Call { range, ..*call })
            }
        }
    }

    /// Calls the next step for one item, unless it was read before.
    pub(super) async fn item(&mut self, item: &Value, call: &Call<'_>) -> Result<(), Refused> {
        let step = &self.plan.steps[call.index];
        let mark = self.mark(step, item, call)?;
        if let Mark::Version(key, time) = &mark {
            if call.range.zip(*time).is_some_and(|(range, time)| self.leaves_out(range, time)) {
                return Ok(());
            }
            if self.outbox.is_finished(key)? {
                if self.plan.window.is_none() {
                    self.outbox.finish_item(key.clone(), None);
                }
                return Ok(());
            }
        }
        let mut named = call.named.to_vec();
        named.push((step.name.as_str(), item));
        let below = Call { index: call.index + 1, named: &named, ..*call };
        let outcome = match &mark {
            Mark::Item(unit) => {
                let due = self.due(unit, call.range)?;
                if due == Due::Nothing {
                    return Ok(());
                }
                self.units(&[*unit], due, Call { chain: Some(*unit), ..below }).await
            }
            Mark::None | Mark::Version(..) => self.call(below).await,
        };
        if let Some(error) = given_up(outcome)? {
            self.leave_out(&[item], &error);
            if let Mark::Item(unit) = &mark {
                self.reach(&[*unit], call.range);
            }
        }
        if let Mark::Version(key, time) = mark {
            self.arrived(time);
            self.outbox.finish_item(key, time);
        }
        self.commit_if_due()?;
        Ok(())
    }

    /// Calls the next step for many items at once.
    async fn batches(
        &mut self,
        list: &[Value],
        batch: &Batch,
        call: &Call<'_>,
    ) -> Result<(), Refused> {
        let step = &self.plan.steps[call.index];
        let mut waiting: Vec<(&Value, Value, Option<Known>, Due)> = Vec::new();
        let mut bytes = 0;
        for item in list {
            let Some(value) = batch.of.first(item).filter(|value| !value.is_null()) else {
                return Err(Error::new(
                    Code::DataMapping,
                    "a listed item lacks what a batch is of",
                )
                .cause(format!("`{}` finds nothing", batch.of.value))
                .fix("compare `batch.of` with a response of the app")
                .into());
            };
            let (unit, due) = match self.mark(step, item, call)? {
                Mark::Item(unit) => (Some(unit), self.due(&unit, call.range)?),
                Mark::None => (None, call.range.map_or(Due::Whole, Due::Range)),
                Mark::Version(key, _) => {
                    let done = self.outbox.is_finished(&key)?;
                    (None, if done { Due::Nothing } else { Due::Whole })
                }
            };
            if due == Due::Nothing {
                continue;
            }
            let size = text(value).len();
            let full = waiting.len() as u64 >= batch.size.value
                || batch.bytes.as_ref().is_some_and(|most| bytes + size as u64 > most.value)
                || waiting.first().is_some_and(|(_, _, _, first)| *first != due);
            if full && !waiting.is_empty() {
                self.batch(std::mem::take(&mut waiting), call).await?;
                bytes = 0;
            }
            bytes += size as u64;
            waiting.push((item, value.clone(), unit, due));
        }
        if waiting.is_empty() { Ok(()) } else { self.batch(waiting, call).await }
    }

    async fn batch(
        &mut self,
        items: Vec<(&Value, Value, Option<Known>, Due)>,
        call: &Call<'_>,
    ) -> Result<(), Refused> {
        let step = &self.plan.steps[call.index];
        let Some(due) = items.first().map(|(_, _, _, due)| *due) else { return Ok(()) };
        let values: Value = items.iter().map(|(_, value, _, _)| value.clone()).collect();
        let units: Vec<_> = items.iter().filter_map(|(_, _, unit, _)| *unit).collect();
        let mut named = call.named.to_vec();
        named.push(("batch", &values));
        let below = Call { index: call.index + 1, named: &named, ..*call };
        let outcome = if units.is_empty() {
            self.call(below).await
        } else {
            self.units(&units, due, below).await
        };
        let items: Vec<_> = items.iter().map(|(item, ..)| *item).collect();
        if let Some(error) = given_up(outcome)? {
            self.leave_out(&items, &error);
            self.reach(&units, call.range);
        }
        for item in items {
            if let Mark::Version(key, time) = self.mark(step, item, call)? {
                self.arrived(time);
                self.outbox.finish_item(key, time);
            }
        }
        self.commit_if_due()?;
        Ok(())
    }

    /// By what an item is known.
    fn mark(&self, step: &StepPlan, item: &Value, call: &Call<'_>) -> Result<Mark> {
        let plan = self.plan;
        if step.key.is_empty() || plan.timed.is_some_and(|timed| call.index > timed) {
            return Ok(Mark::None);
        }
        let key = item_key(&step.key, item)?;
        let is_timed = plan.timed == Some(call.index);
        if !is_timed && (plan.window.is_some() || plan.changes.is_some()) {
            return Ok(Mark::Item(known(call.chain, &key)));
        }
        let time = match plan.window.as_ref().filter(|_| is_timed) {
            Some(window) => item_time(window, plan.zone.as_ref(), item)?,
            None => None,
        };
        let key = match call.chain {
            None => key,
            Some(_) => hexadecimal(&known(call.chain, &key)),
        };
        Ok(Mark::Version(key, time))
    }

    /// What is still to be read for an item or a partition.
    fn due(&self, unit: &Known, range: Option<Range>) -> Result<Due> {
        let reached = self.outbox.reached(unit)?;
        if let Some(snapshot) = self.snapshot {
            return Ok(if reached >= Some(snapshot) { Due::Nothing } else { Due::Whole });
        }
        let (Some(range), Some(settings)) = (range, &self.settings) else {
            return Ok(Due::Whole);
        };
        let reached = reached.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let due = settings.of_item(range, reached, self.started, self.since);
        Ok(due.map_or(Due::Nothing, Due::Range))
    }

    /// Reads what is due for items that stand at the same place, piece by piece.
    async fn units(&mut self, units: &[Known], due: Due, call: Call<'_>) -> Result<(), Refused> {
        let (Due::Range(range), Some(settings)) = (due, self.settings.clone()) else {
            if due == Due::Whole {
                self.call(call).await?;
                self.reach(units, None);
            }
            return Ok(());
        };
        let own_start = call.range.map_or(range.start, |own| own.start);
        let (mut at, mut span) = (range.start, settings.span());
        while at < range.end {
            let piece = settings.piece(range, at, span);
            let reaches_back = call.reaches_back || range.start < own_start;
            self.begin(units, &settings, piece, reaches_back);
            match self.call(Call { range: Some(piece), reaches_back, ..call }).await {
                Ok(()) => {
                    at = piece.end;
                    self.reach(units, Some(piece));
                    self.commit_if_due()?;
                    span = settings.wider(span);
                }
                Err(Refused::SplitWindow(error)) => {
                    span = Some(self.narrower(&settings, piece, error)?);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Notes that a range of items is going to be read.
    fn begin(&mut self, units: &[Known], settings: &Settings, range: Range, reaches_back: bool) {
        let begun = settings.begun(range, self.started, reaches_back);
        for unit in units {
            self.outbox.begin(*unit, begun);
        }
    }

    /// Notes that items are read: to the end of a range, or for this snapshot.
    fn reach(&mut self, units: &[Known], range: Option<Range>) {
        let up_to = self.snapshot.or(range.map(|range| range.end.as_millisecond()));
        if let Some(up_to) = up_to {
            for unit in units {
                self.outbox.reach(*unit, up_to);
            }
        }
    }

    /// Sets items aside that the app does not have any more.
    fn leave_out(&mut self, items: &[&Value], error: &Error) {
        self.report.gaps += 1;
        self.cursor.snapshot_has_gaps |= self.snapshot.is_some();
        for item in items {
            self.outbox.leave_out(item, &error.what);
        }
        self.warn(format!(
            "{}: {}; the item is set aside in {}",
            error.code, error.what, self.plan.rejected_file
        ));
    }

    /// The range of a call that gives records, for what has to be known of their times.
    fn start_range(&mut self, call: &Call<'_>) {
        let settings = self.settings.as_ref().filter(|_| self.plan.timed.is_none());
        let (Some(range), Some(settings)) = (call.range, settings) else {
            return self.outbox.start_range(None, None);
        };
        let asked = (!call.reaches_back).then(|| settings.asked(range));
        self.outbox
            .start_range(asked, settings.taken(range, self.plan.has_units(), call.reaches_back));
    }

    /// Clears away what a step made, item by item. Those of another time stay: it is not their turn.
    async fn clear_away(&mut self, request: &Request, list: &[Value], call: &Call<'_>) {
        let step = &self.plan.steps[call.index];
        // An app that does not answer is asked patiently once, and not for every item.
        let mut attempts = Attempts::default();
        for item in list {
            let is_of_another_time = |range| match self.mark(step, item, call) {
                Ok(Mark::Version(_, Some(time))) => self.leaves_out(range, time),
                _ => false,
            };
            if call.range.is_some_and(is_of_another_time) {
                continue;
            }
            let mut named = call.named.to_vec();
            named.push((step.name.as_str(), item));
            self.clean_up(request, &Call { named: &named, ..*call }, &mut attempts).await;
        }
    }

    /// Whether an item is outside of a range that the app did not filter by.
    fn leaves_out(&self, range: Range, time: Timestamp) -> bool {
        let filters = self.settings.as_ref().filter(|settings| settings.filters);
        let told = filters.map(|settings| settings.told(range));
        told.is_some_and(|told| !(told.start <= time && time < told.end))
    }

    /// Takes records that were collected, with their details.
    async fn details(&mut self, list: &[Value], call: &Call<'_>) -> Result<(), Refused> {
        for record in list {
            if let Some(whole) = self.joined(record, call).await? {
                self.record(Record::Json(whole.to_string().as_bytes()));
                self.commit_if_due()?;
            }
        }
        Ok(())
    }
}

/// The error of an item that is left out; other errors go on.
fn given_up(outcome: Result<(), Refused>) -> Result<Option<Error>, Refused> {
    match outcome {
        Ok(()) => Ok(None),
        Err(Refused::Skip(error)) => Ok(Some(error)),
        Err(other) => Err(other),
    }
}

/// What an item is known by among those of one stream.
fn known(chain: Option<Known>, key: &str) -> Known {
    let mut hash = Sha256::new();
    hash.update(chain.unwrap_or_default());
    hash.update(key.as_bytes());
    let mut known = Known::default();
    known.copy_from_slice(&hash.finalize()[..16]);
    known
}

fn hexadecimal(known: &Known) -> String {
    format!("{:032x}", u128::from_be_bytes(*known))
}

/// A value as it is written into a request.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a path finds, as text; `None` if there is nothing.
pub(super) fn text_at(path: &JsonPath, document: &Value) -> Option<String> {
    path.first(document).filter(|value| !value.is_null()).map(text)
}
