//! One stream with what was recorded of it.

use std::collections::HashSet;

use longshore_schema::map::{Activity, Attributes, Case, Classes, Condition, Conditions};
use longshore_schema::stream::Stream;
use longshore_schema::yaml::{Content, Node};
use longshore_schema::{Literal, Span, Spanned};

use crate::rules::Context;
use crate::rules::fetch::{Fetch, fetches};
use crate::rules::sites::streams;
use crate::samples::{Fixture, Sample, Samples, select, step_of};

/// A recorded record with where it stands.
#[derive(Clone, Copy)]
pub(super) struct Record<'v> {
    pub(super) fixture: usize,
    pub(super) node: &'v Node,
}

/// One stream with what was recorded of it.
pub(super) struct View<'v> {
    pub(super) cx: &'v Context<'v>,
    pub(super) fixtures: &'v [Fixture],
    pub(super) samples: &'v Samples,
    pub(super) name: &'v str,
    pub(super) name_span: Span,
    pub(super) stream: &'v Stream,
    pub(super) fetches: Vec<Fetch<'v>>,
    /// The records that become events.
    pub(super) records: Vec<Record<'v>>,
}

/// The records of one case of a map, with the attributes that they get.
pub(super) struct CaseView<'v> {
    pub(super) case: &'v Case,
    pub(super) shared: Option<&'v Attributes>,
    pub(super) records: Vec<Record<'v>>,
}

impl<'v> View<'v> {
    pub(super) fn all(
        cx: &'v Context<'v>,
        fixtures: &'v [Fixture],
        samples: &'v Samples,
    ) -> impl Iterator<Item = Self> {
        streams(cx.manifest).map(move |(name, name_span, stream)| {
            let fetches = fetches(stream);
            let last = fetches.last().and_then(step_of);
            let records = samples.responses(name, last).flat_map(records_of).collect();
            Self { cx, fixtures, samples, name, name_span, stream, fetches, records }
        })
    }

    /// The responses to one of the stream's requests.
    pub(super) fn responses(&self, fetch: &Fetch<'v>) -> impl Iterator<Item = &'v Sample> {
        self.samples.responses(self.name, step_of(fetch))
    }

    /// The records that a request lists or fetches.
    pub(super) fn fetched(&self, fetch: &Fetch<'v>) -> Vec<Record<'v>> {
        self.responses(fetch).flat_map(records_of).collect()
    }

    /// The records or items that the window is about.
    pub(super) fn timed(&self) -> Vec<Record<'v>> {
        match self.stream.timed_step().and_then(|at| self.fetches.get(at)) {
            Some(fetch) => self.fetched(fetch),
            None => self.records.clone(),
        }
    }

    /// The documents that answered a request well.
    pub(super) fn bodies(&self, fetch: &Fetch<'v>) -> Vec<&'v Node> {
        self.responses(fetch).filter_map(Sample::answered).collect()
    }

    /// Where something stands in a fixture: `fixtures/sign_ins/success.json:12`.
    pub(super) fn place(&self, fixture: usize, span: Span) -> String {
        let Some(fixture) = self.fixtures.get(fixture) else { return String::new() };
        let before = fixture.text().bytes().take(span.start as usize);
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", fixture.path())
    }

    /// The cases of the map with their records.
    pub(super) fn cases(&self) -> Vec<CaseView<'v>> {
        let choice = match &self.stream.map.classes {
            Classes::One(case) => {
                return vec![CaseView { case, shared: None, records: self.records.clone() }];
            }
            Classes::Choice(choice) => choice,
        };
        let cases: Vec<&Case> = choice.cases.iter().map(|case| &case.value).collect();
        let mut views: Vec<_> = cases
            .iter()
            .copied()
            .chain([&choice.otherwise.value])
            .map(|case| CaseView { case, shared: Some(&choice.shared), records: Vec::new() })
            .collect();
        let values: Vec<HashSet<String>> =
            cases.iter().map(|case| values_of(case).collect()).collect();
        for record in &self.records {
            let by = choice.by.as_ref();
            let value = by.and_then(|by| text_of(select(by, record.node).first()?));
            let is_of = |index: &usize| {
                let known = &values[*index];
                let listed = known.is_empty() || value.as_ref().is_some_and(|v| known.contains(v));
                let conditions = &cases[*index].condition;
                let told = !known.is_empty() || !conditions.is_empty();
                told && listed && all_hold(conditions, record.node)
            };
            let index = (0..cases.len()).find(is_of);
            if let Some(view) = views.get_mut(index.unwrap_or(cases.len())) {
                view.records.push(*record);
            }
        }
        views
    }
}

/// Whether all conditions hold of a record, as the engine decides it.
pub(super) fn all_hold(conditions: &Conditions, record: &Node) -> bool {
    conditions.iter().all(|(path, condition)| {
        let found = select(path, record);
        let node = found.into_iter().find(|node| node.content != Content::Null);
        let text = node.and_then(text_of);
        let listed = |values: &[Spanned<Literal>]| {
            let text = text.as_deref();
            text.is_some_and(|text| values.iter().any(|value| value.to_string() == text))
        };
        match &condition.value {
            Condition::Is(values) => listed(values),
            Condition::Not(values) => !listed(values),
            Condition::Match(pattern) => text.is_some_and(|text| pattern.is_match(&text)),
            Condition::Exists(wanted) => node.is_some() == *wanted,
        }
    })
}

fn records_of(sample: &Sample) -> impl Iterator<Item = Record<'_>> {
    sample.records.iter().map(|node| Record { fixture: sample.fixture, node })
}

/// The values of the deciding member that a case is for.
pub(super) fn values_of(case: &Case) -> impl Iterator<Item = String> {
    let table = match &case.activity {
        Activity::Table(table) => Some(table),
        Activity::Fixed(_) | Activity::From(_) => None,
    };
    let listed = case.is.iter().map(ToString::to_string);
    listed.chain(table.into_iter().flatten().map(|(key, _)| key.value.clone()))
}

/// The text of a value as the engine compares it; none for null, arrays and objects.
pub(super) fn text_of(node: &Node) -> Option<String> {
    match &node.content {
        Content::String(text) => Some(text.clone()),
        Content::Bool(value) => Some(value.to_string()),
        Content::Integer(number) => Some(number.to_string()),
        Content::Float(number) => Some(number.to_string()),
        Content::Null | Content::Sequence(_) | Content::Mapping(_) => None,
    }
}
