//! How the app tells what is spent of a quota.

use jiff::Timestamp;
use longshore_schema::http::{Quota, QuotaBody, QuotaHeaders, TimeUnit};
use longshore_schema::scalar::HeaderPattern;
use regex::Regex;
use serde_json::Value;

use crate::generic::fixtures::Recorded;
use crate::generic::http::Reply;
use crate::generic::{Unsupported, place, times};

/// How usage is reported.
#[derive(Debug)]
pub(super) enum Report {
    Nothing,
    One { name: String, sample: String, pattern: Regex },
    Several(QuotaHeaders),
    Body(QuotaBody),
}

/// What is reported, in calls or points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) limit: u64,
    pub(super) used: u64,
    /// What the call has cost.
    pub(super) cost: u64,
    /// Now, and when everything is free again, in milliseconds.
    pub(super) now: i64,
    pub(super) reset: i64,
    /// How far the app's clock is ahead: it tells points in time by that.
    pub(super) skew: i64,
}

impl Report {
    pub(super) fn new(
        name: &str,
        quota: &Quota,
        recorded: &[Recorded],
    ) -> Result<Self, Unsupported> {
        if let Some(body) = &quota.body {
            let members = [&body.limit, &body.remaining, &body.used, &body.cost];
            for path in members.into_iter().flatten() {
                place::one(path).map_err(|error| error.within(&format!("quotas.{name}")))?;
            }
            return Ok(Self::Body(body.value.clone()));
        }
        Ok(match (&quota.header, &quota.headers) {
            (Some(header), _) => {
                let pattern = header.pattern.value.regex().clone();
                let sample = sample(&header.name, &header.pattern, recorded)?;
                Self::One { name: header.name.to_ascii_lowercase(), sample, pattern }
            }
            (None, Some(headers)) => Self::Several(headers.value.clone()),
            (None, None) => Self::Nothing,
        })
    }

    /// Whether it tells what is spent of the limit.
    pub(super) fn tells_usage(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::One { .. } | Self::Several(_) => true,
            Self::Body(body) => body.used.is_some() || body.remaining.is_some(),
        }
    }

    /// Whether it tells what a call has cost.
    pub(super) fn tells_cost(&self) -> bool {
        matches!(self, Self::Body(body) if body.cost.is_some())
    }

    pub(super) fn is_in_body(&self) -> bool {
        matches!(self, Self::Body(_))
    }

    /// The headers of an answer.
    pub(super) fn headers(&self, usage: Usage) -> Vec<(String, String)> {
        let Usage { limit, used, now, reset: at, .. } = usage;
        let shown = at + usage.skew;
        let remaining = limit.saturating_sub(used);
        let mut headers = Vec::new();
        match self {
            Self::Nothing | Self::Body(_) => {}
            Self::One { name, sample, pattern } => {
                let mut value = sample.clone();
                let numbers = [("used", used), ("remaining", remaining), ("limit", limit)];
                let Some(captures) = pattern.captures(sample) else { return headers };
                let mut places: Vec<_> = numbers
                    .into_iter()
                    .filter_map(|(group, number)| Some((captures.name(group)?.range(), number)))
                    .collect();
                places.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
                for (range, number) in places {
                    value.replace_range(range, &number.to_string());
                }
                headers.push((name.clone(), value));
            }
            Self::Several(names) => {
                let numbers =
                    [(&names.limit, limit), (&names.remaining, remaining), (&names.used, used)];
                for (name, number) in numbers {
                    if let Some(name) = name {
                        headers.push((name.to_ascii_lowercase(), number.to_string()));
                    }
                }
                if let Some(reset) = &names.reset {
                    let value = match reset.unit.value {
                        TimeUnit::EpochSeconds => shown.div_euclid(1000).to_string(),
                        TimeUnit::EpochMilliseconds => shown.to_string(),
                        TimeUnit::Milliseconds => (at - now).to_string(),
                        TimeUnit::Iso8601 => {
                            Timestamp::from_millisecond(shown).unwrap_or_default().to_string()
                        }
                        TimeUnit::Seconds => (at - now).div_euclid(1000).to_string(),
                        TimeUnit::HttpDate => times::http_date(shown, 0),
                    };
                    headers.push((reset.name.to_ascii_lowercase(), value));
                }
            }
        }
        headers
    }

    /// Writes into the JSON body of an answer; whether that could be done.
    pub(super) fn write(&self, usage: Usage, reply: &mut Reply) -> bool {
        let Self::Body(members) = self else { return false };
        let Ok(mut body @ Value::Object(_)) = serde_json::from_slice(&reply.body) else {
            return false;
        };
        let numbers = [
            (&members.limit, usage.limit),
            (&members.remaining, usage.limit.saturating_sub(usage.used)),
            (&members.used, usage.used),
            (&members.cost, usage.cost),
        ];
        for (path, number) in numbers {
            if let Some(steps) = path.as_ref().and_then(|path| path.steps()) {
                place::set(&mut body, steps, number.into());
            }
        }
        reply.body = body.to_string().into_bytes();
        true
    }
}

fn sample(
    name: &str,
    pattern: &HeaderPattern,
    recorded: &[Recorded],
) -> Result<String, Unsupported> {
    let headers = recorded.iter().flat_map(|recorded| &recorded.headers);
    let mut samples = headers.filter(|(sent, _)| sent.eq_ignore_ascii_case(name));
    let fitting = samples.find(|(_, value)| pattern.regex().is_match(value));
    fitting.map(|(_, value)| value.clone()).ok_or_else(|| {
        Unsupported(format!("no fixture has the header `{name}`, so nothing shows its form"))
    })
}
