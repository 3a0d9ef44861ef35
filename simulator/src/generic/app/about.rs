//! What a request is about: the items, jobs and partitions that it names.

use std::collections::BTreeSet;

use serde_json::Value;

use super::App;
use super::jobs::Jobs;
use crate::generic::data::{Record, text};
use crate::generic::invert::Captured;
use crate::generic::model::{Combination, HANDED_OUT};

/// What a request is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// What it carries, and what the requests carried that made the jobs which it names.
    pub(super) captured: Captured,
    partition: Combination,
    /// The level, and which of its items.
    items: Option<(usize, BTreeSet<usize>)>,
    /// When it was settled what it shows; otherwise that is now.
    pub(super) settled: Option<i64>,
}

impl About {
    /// Takes over what a job is about.
    fn take(&mut self, job: &Self) {
        for (reference, value) in &job.captured {
            if !reference.starts_with("page.") {
                self.captured.entry(reference.clone()).or_insert_with(|| value.clone());
            }
        }
        for (name, value) in &job.partition {
            self.partition.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self.items = self.items.take().or_else(|| job.items.clone());
        self.settled = self.settled.or(job.settled);
    }

    /// Whether it shows a record of an item, as far as that is not a matter of time.
    pub(super) fn shows(&self, record: &Record, combinations: &[Combination]) -> bool {
        let combination = combinations.get(record.partition);
        let in_partition = self
            .partition
            .iter()
            .all(|(name, value)| combination.and_then(|all| all.get(name)) == Some(value));
        let of_item = self.items.as_ref().is_none_or(|(_, chosen)| chosen.contains(&record.parent));
        in_partition && of_item
    }
}

impl App {
    /// What a request for a level of a stream is about.
    ///
    /// # Errors
    /// What it names that there is not, or that it must not.
    pub(super) fn about(
        &self,
        jobs: &Jobs,
        (stream, level): (usize, usize),
        captured: Captured,
        partition: Combination,
    ) -> Result<About, String> {
        let described = &self.model.streams[stream];
        let mut about = About { captured, partition, ..About::default() };
        for above in (0..level).rev().filter(|above| described.levels[*above].special.whole) {
            let step = &described.levels[above].name;
            if mentions(&about.captured, step) {
                let job = jobs.find((stream, above), step, &about.captured).ok_or_else(|| {
                    format!(
                        "nothing is there that `{step}` gave: it never did, or it is cleared away"
                    )
                })?;
                about.take(&job);
            }
        }
        let Some(parents) = described.parents_of(level) else {
            about.items = None;
            return Ok(about);
        };
        let listed = self.listed(stream, level, &about.captured)?;
        let records = &self.records[stream];
        let fits = |index: usize| {
            let item = &records.0[parents][index];
            if let (Some((of, values)), true) = (&listed, level == parents + 1) {
                let found = of.first(&item.value).map(text);
                if found.is_none_or(|found| !values.contains(&found)) {
                    return false;
                }
            }
            let mut at = index;
            records.chain(described, parents, item).all(|(level, one)| {
                let chosen = about.items.as_ref().filter(|(chosen, _)| *chosen == level);
                let is_chosen = chosen.is_none_or(|(_, chosen)| chosen.contains(&at));
                at = one.parent;
                is_chosen && fits(one, &described.levels[level].name, &about.captured)
            })
        };
        let chosen: BTreeSet<usize> =
            (0..records.0[parents].len()).filter(|index| fits(*index)).collect();
        if let Some((_, values)) = &listed
            && chosen.len() != values.len()
        {
            let (values, found) = (values.len(), chosen.len());
            return Err(format!("a batch of {values} names {found} items"));
        }
        about.items = Some((parents, chosen));
        Ok(about)
    }

    /// The values of a batch, and where in the items they stand.
    fn listed(
        &self,
        stream: usize,
        level: usize,
        captured: &Captured,
    ) -> Result<Option<(&longshore_schema::JsonPath, BTreeSet<String>)>, String> {
        let Some(batch) = &self.model.level(stream, level).special.batch else { return Ok(None) };
        let list = captured.get("batch").map_or("[]", |value| value.text.as_str());
        let values: Vec<Value> = serde_json::from_str(list)
            .map_err(|_| format!("`{list}` is no list of what a batch is of"))?;
        let texts: BTreeSet<String> = values.iter().map(text).collect();
        if texts.is_empty() || texts.len() < values.len() {
            return Err(format!("the batch {list} is empty, or has something twice"));
        }
        let bytes: usize = texts.iter().map(String::len).sum();
        if texts.len() as u64 > batch.size.value {
            return Err(format!(
                "a batch of {} where {} are allowed",
                texts.len(),
                batch.size.value
            ));
        }
        let most = batch.bytes.as_ref().map(|bytes| bytes.value);
        if texts.len() > 1 && most.is_some_and(|most| bytes as u64 > most) {
            return Err(format!("a batch of {bytes} bytes, which is more than `bytes` allows"));
        }
        Ok(Some((&batch.of.value, texts)))
    }
}

/// What a request carries of a step: each member and its text.
fn carried<'c>(captured: &'c Captured, step: &'c str) -> impl Iterator<Item = (&'c str, &'c str)> {
    captured.iter().filter_map(move |(reference, value)| {
        let member = reference.strip_prefix(step)?.strip_prefix('.')?;
        Some((member, value.text.as_str()))
    })
}

/// Whether a request carries something of a step.
pub(super) fn mentions(captured: &Captured, step: &str) -> bool {
    carried(captured, step).next().is_some()
}

/// Whether all that a request carries of a step is this item's.
pub(super) fn fits(item: &Record, step: &str, captured: &Captured) -> bool {
    carried(captured, step).all(|(member, sent)| {
        if member == HANDED_OUT {
            return item.mark.rsplit('-').next() == Some(sent);
        }
        let found = item.value.pointer(&format!("/{}", member.replace('.', "/")));
        found.is_some_and(|found| text(found) == sent)
    })
}
