//! What the body of a response says of a quota: points and credits of GraphQL answers, mostly.

use longshore_schema::JsonPath;
use serde_json::Value;

use super::ledger::Reading;

/// The members of a JSON response that report usage.
#[derive(Debug, Clone, Default)]
pub struct QuotaBody {
    /// The limit.
    pub limit: Option<JsonPath>,
    /// What is left of it.
    pub remaining: Option<JsonPath>,
    /// What is spent of it.
    pub used: Option<JsonPath>,
    /// What the request has cost.
    pub cost: Option<JsonPath>,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) cost: Option<u64>,
    pub(super) reading: Option<Reading>,
    /// The first member that should be there and is not.
    pub(super) missing: Option<String>,
}

impl QuotaBody {
    /// Whether it tells what is spent of a limit, not only what a request cost.
    pub(super) fn tells_usage(&self) -> bool {
        self.used.is_some() || self.remaining.is_some()
    }

    pub(super) fn read(&self, document: &Value, fixed_limit: Option<u64>) -> Read {
        let mut missing = None;
        // What is spent is rounded up, what is left is rounded down.
        let mut number = |path: &Option<JsonPath>, round: fn(f64) -> f64| {
            let path = path.as_ref()?;
            let value = path
                .first(document)
                .and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()));
            let value = value.filter(|value| value.is_finite() && *value >= 0.0);
            if value.is_none() {
                missing.get_or_insert_with(|| path.to_string());
            }
            // A number above the largest whole one becomes that.
            value.map(|value| round(value) as u64)
        };
        let limit = number(&self.limit, f64::floor);
        let left = number(&self.remaining, f64::floor);
        let used = number(&self.used, f64::ceil);
        let cost = number(&self.cost, f64::ceil);
        let spent = limit.or(fixed_limit).zip(left).map(|(limit, left)| limit.saturating_sub(left));
        let reading = used.max(spent).map(|used| Reading { used, limit, reset: None });
        Read { cost, reading, missing }
    }
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;
    use serde_json::json;

    use super::*;

    #[test]
    fn points_are_read_on_the_safe_side() {
        let path = |text| Some(JsonPath::parse(text).unwrap());
        let body = QuotaBody {
            limit: path("$.cost.limit"),
            remaining: path("$.cost.left"),
            used: None,
            cost: path("$.cost.actual"),
        };
        let answer = json!({ "cost": { "limit": 1000.0, "left": 899.5, "actual": "11.2" } });
        let read = body.read(&answer, None);
        assert_eq!(read.cost, Some(12));
        assert_eq!(read.reading, Some(Reading { used: 101, limit: Some(1000), reset: None }));
        assert_eq!(read.missing, None);
        let silent = body.read(&json!({ "cost": { "limit": 1000, "left": -1 } }), None);
        assert_eq!((silent.reading, silent.cost), (None, None));
        assert_eq!(silent.missing.as_deref(), Some("$.cost.left"));
    }
}
