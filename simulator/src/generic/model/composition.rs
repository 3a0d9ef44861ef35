//! What puts a stream together: partitions, jobs, batches and details.

use std::collections::{BTreeMap, BTreeSet};

use longshore_schema::stream::{Batch, Join, MissingDetail, Request, Step, Stream, Wait};
use longshore_schema::{JsonPath, Template};
use serde_json::Value;

use super::level::owned;
use super::{Answers, Asked, Endpoint};
use crate::generic::fixtures::Recorded;
use crate::generic::invert::Known;
use crate::generic::{Unsupported, place};

/// One value of each partition, by its name.
pub(crate) type Combination = BTreeMap<String, String>;

/// The most forms that one request may have for the partitions of its stream: each is looked at for
/// every request that comes.
const MOST_FORMS: usize = 500;

/// What a step has that others have not.
#[derive(Debug, Default)]
pub(crate) struct Special {
    /// The whole answer is one item, and is made when it is asked for.
    pub(crate) whole: bool,
    /// Each call makes another one.
    pub(crate) makes: bool,
    pub(crate) wait: Option<Wait>,
    pub(crate) batch: Option<Batch>,
    /// Its item is cleared away by a request of its own.
    pub(crate) cleans: bool,
    /// So many items may be asked for at the same time.
    pub(crate) at_once: u64,
}

impl Special {
    pub(crate) fn new(step: &Step, is_last: bool) -> Result<Self, Unsupported> {
        let whole = !is_last && step.records.is_none() && step.decode.format().is_document();
        if whole && step.pages.is_some() {
            return Err(Unsupported("the simulator has no pages of whole answers".to_owned()));
        }
        if let Some(wait) = &step.wait {
            for (path, _) in wait.until.iter().chain(&wait.failed) {
                place::one(path)?;
            }
        }
        if let Some(batch) = &step.batch {
            place::one(&batch.of)?;
        }
        let gets = step.request.method().is_some_and(|(method, _)| method == "get");
        Ok(Self {
            whole,
            makes: whole && !gets && step.wait.is_none(),
            wait: step.wait.as_ref().map(|wait| wait.value.clone()),
            batch: step.batch.as_ref().map(|batch| batch.value.clone()),
            cleans: step.cleanup.is_some(),
            at_once: step.concurrency.as_ref().map_or(1, |most| most.value),
        })
    }
}

/// A detail that is asked for with a request for each record.
#[derive(Debug)]
pub(crate) struct Detail {
    pub(crate) name: String,
    /// What of the answer is the detail; all of it if `None`.
    pub(crate) select: Option<JsonPath>,
    /// Whether a record without it is left out.
    pub(crate) needed: bool,
    pub(crate) samples: Vec<Value>,
}

impl Detail {
    fn new(
        stream: &str,
        name: &str,
        join: &Join,
        recorded: &[Recorded],
    ) -> Result<Self, Unsupported> {
        let folder = format!("{stream}/{name}");
        let samples: Vec<_> =
            owned(recorded, &folder).filter_map(|(_, recorded)| recorded.body.clone()).collect();
        if samples.is_empty() {
            return Err(Unsupported(format!("no fixture in fixtures/{folder} shows the detail")));
        }
        Ok(Self {
            name: name.to_owned(),
            select: join.select.as_ref().map(|path| path.value.clone()),
            needed: join.missing.value == MissingDetail::Skip,
            samples,
        })
    }
}

/// The details of a stream.
pub(crate) fn details(
    name: &str,
    stream: &Stream,
    recorded: &[Recorded],
) -> Result<Vec<Detail>, Unsupported> {
    let all = stream.join.iter();
    all.map(|(join_name, join)| Detail::new(name, join_name.as_str(), join, recorded)).collect()
}

/// Every combination of the partitions of a stream; one without any if it has none.
pub(crate) fn combinations(stream: &Stream) -> Vec<Combination> {
    let mut all = vec![Combination::new()];
    for (name, values) in stream.partitions.iter() {
        let mut wider = Vec::with_capacity(all.len() * values.len());
        for known in &all {
            for value in values.iter() {
                let mut known = known.clone();
                known.insert(name.as_str().to_owned(), value.value.to_string());
                wider.push(known);
            }
        }
        all = wider;
    }
    all
}

/// A request of a stream, and how it is answered.
pub(crate) struct Declared<'m> {
    pub(crate) name: String,
    pub(crate) request: &'m Request,
    /// What its templates can name of what came before.
    pub(crate) named: Vec<String>,
    pub(crate) answers: Answers,
}

impl Declared<'_> {
    /// The endpoints of the request: one for each combination of the partitions that it names.
    pub(crate) fn endpoints(
        &self,
        base: &Template,
        known: &Known,
        combinations: &[Combination],
    ) -> Result<Vec<Endpoint>, Unsupported> {
        let within = |error: Unsupported| error.within(&self.name);
        self.check_headers().map_err(within)?;
        let named: BTreeSet<String> = self
            .request
            .templates()
            .into_iter()
            .flat_map(Template::references)
            .filter(|reference| reference.path.first().is_some_and(|root| root == "partition"))
            .filter_map(|reference| reference.path.get(1).cloned())
            .collect();
        let of = |all: &Combination| -> Combination {
            let own = all.iter().filter(|(name, _)| named.contains(*name));
            own.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let forms: BTreeSet<Combination> = combinations.iter().map(of).collect();
        if forms.len() > MOST_FORMS {
            return Err(within(Unsupported(format!(
                "the simulator plays at most {MOST_FORMS} combinations of partitions"
            ))));
        }
        forms
            .into_iter()
            .map(|partition| {
                let mut known = known.clone();
                let values = partition.iter();
                known.extend(
                    values.map(|(name, value)| (format!("partition.{name}"), value.clone())),
                );
                let asked = Asked::new(self.request, base, &known, &self.named).map_err(within)?;
                let answers = self.answers.clone();
                Ok(Endpoint { name: self.name.clone(), asked, answers, partition })
            })
            .collect()
    }

    /// Headers are not read, so that what they name would be missed.
    fn check_headers(&self) -> Result<(), Unsupported> {
        let mut references =
            self.request.headers.iter().flat_map(|(_, value)| value.value.references());
        let names = |root: &String| self.named.contains(root) || root == "partition";
        match references.find(|reference| reference.path.first().is_some_and(names)) {
            Some(reference) => {
                Err(Unsupported(format!("the simulator does not read `{reference}` in a header")))
            }
            None => Ok(()),
        }
    }
}
