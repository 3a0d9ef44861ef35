//! How the app says no: answers that the manifest's error rules read as what they are.

use longshore_schema::http::{Condition, ErrorRule, Reaction};
use longshore_schema::scalar::StatusPattern;
use longshore_schema::{OneOrMany, Spanned};
use serde_json::Value;

use super::http::Reply;
use super::{model, place};

/// The answers that the manifest has rules for.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    rules: Vec<(Condition, Reaction)>,
}

impl Refusals {
    pub(super) fn new(rules: &[Spanned<ErrorRule>]) -> Self {
        let rules = rules.iter().map(|rule| (rule.when.clone(), rule.then.value));
        Self { rules: rules.collect() }
    }

    /// An answer to which the connector reacts like this; `None` if no rule says so, or if it
    /// cannot be written.
    pub(super) fn reply(&self, reaction: Reaction) -> Option<Reply> {
        let wanted = self.rules.iter().enumerate().filter(|(_, (_, then))| *then == reaction);
        wanted.filter_map(|(index, (when, _))| Some((index, written(when)?))).find_map(
            |(index, (reply, body))| {
                let first = self.rules.iter().position(|(when, _)| fits(when, &reply, &body));
                (first == Some(index)).then_some(reply)
            },
        )
    }
}

/// An answer that fulfils a condition, and its body.
fn written(when: &Condition) -> Option<(Reply, Value)> {
    if when.timeout.is_some() {
        return None;
    }
    let status = match &when.status {
        None => 400,
        Some(OneOrMany(statuses)) => match statuses.first()? {
            StatusPattern::Code(code) => *code,
            StatusPattern::Class(class) => *class * 100,
        },
    };
    let mut body = serde_json::json!({ "message": "simulated" });
    for (path, value) in &when.body {
        place::set(&mut body, place::one(path).ok()?, model::literal(value));
    }
    let mut reply = Reply::json(status, &body);
    for (name, pattern) in &when.headers {
        let samples = [pattern.as_str(), "0", "1", "30", "true", "simulated"];
        let sample = samples.into_iter().find(|sample| pattern.is_match(sample))?;
        reply = reply.with(&name.to_ascii_lowercase(), sample);
    }
    Some((reply, body))
}

fn fits(when: &Condition, reply: &Reply, body: &Value) -> bool {
    let status = when
        .status
        .as_ref()
        .is_none_or(|statuses| statuses.0.iter().any(|status| status.matches(reply.status)));
    let headers = when.headers.iter().all(|(name, pattern)| {
        let sent = reply.headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name));
        sent.is_some_and(|(_, value)| pattern.is_match(value))
    });
    let members = when.body.iter().all(|(path, expected)| {
        path.first(body).is_some_and(|found| *found == model::literal(expected))
    });
    status && headers && members && when.timeout.is_none()
}
