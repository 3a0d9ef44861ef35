//! The org's API budget: a rolling 24 hours, shared by all apps
//! (Salesforce Developer Limits Quick Reference, "API Request Limits and Allocations").

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::config::{Config, LimitHeader};

const WINDOW: i64 = 24 * 60;

/// Requests counted against the org.
#[derive(Debug)]
pub(crate) struct Usage {
    /// What other apps have used; they go on using as much as leaves the window.
    pub(crate) others: u64,
    /// Own requests by minute.
    own: VecDeque<(i64, u64)>,
    /// Requests counted since the start.
    pub(crate) counted: u64,
    /// Requests refused because nothing was left.
    pub(crate) refused: u64,
    /// The most the org had used at any counted request.
    pub(crate) peak: u64,
}

impl Usage {
    pub(crate) fn new(others: u64) -> Self {
        Self { others, own: VecDeque::new(), counted: 0, refused: 0, peak: others }
    }

    /// Own requests in the 24 hours before `now` (seconds).
    pub(crate) fn own(&mut self, now: i64) -> u64 {
        // A minute leaves when its last second does.
        let oldest = now.div_euclid(60) - WINDOW;
        while self.own.front().is_some_and(|(minute, _)| *minute < oldest) {
            self.own.pop_front();
        }
        self.own.iter().map(|(_, count)| count).sum()
    }

    pub(crate) fn used(&mut self, now: i64) -> u64 {
        self.others.saturating_add(self.own(now))
    }

    /// Counts a request, or refuses it if `config` has no more.
    pub(crate) fn take(&mut self, config: &Config, now: i64) -> bool {
        let used = self.used(now);
        if used >= config.daily_api_requests && config.limit_header != LimitHeader::Bursts {
            self.refused += 1;
            return false;
        }
        let minute = now.div_euclid(60);
        match self.own.back_mut() {
            // A request that was on its way while the clock was moved may be a little behind.
            Some((last, count)) if *last >= minute => *count += 1,
            _ => self.own.push_back((minute, 1)),
        }
        self.counted += 1;
        self.peak = self.peak.max(used + 1);
        true
    }

    /// `Sforce-Limit-Info`, this request included.
    pub(crate) fn header(&mut self, config: &Config, now: i64) -> String {
        let (used, own, limit) = (self.used(now), self.own(now), config.daily_api_requests);
        match config.limit_header {
            LimitHeader::Plain => format!("api-usage={used}/{limit}"),
            LimitHeader::PerApp => format!(
                "api-usage={used}/{limit}; per-app-api-usage={own}/{limit}(appName=simulated-connector)"
            ),
            LimitHeader::Bursts => format!("api-usage={used}/{limit}; api-bursts=1/750"),
        }
    }

    /// The body of `/limits`.
    pub(crate) fn resource(&mut self, config: &Config, now: i64) -> Value {
        let limit = config.daily_api_requests;
        let left = limit.saturating_sub(self.used(now));
        let full = |amount: u64| json!({"Max": amount, "Remaining": amount});
        json!({
            "DailyApiRequests": {
                "Max": limit, "Remaining": left,
                "Ant Migration Tool": full(0), "Simulated Connector": full(0),
            },
            "DailyBulkApiBatches": full(15_000),
            "DailyBulkV2QueryJobs": full(10_000),
            "DailyBulkV2QueryFileStorageMB": full(976_562),
            "ConcurrentSyncReportRuns": full(20),
            "HourlySyncReportRuns": full(500),
            "DataStorageMB": {"Max": 1024, "Remaining": 1000},
            "FileStorageMB": {"Max": 10_240, "Remaining": 9_800},
            "DailyStreamingApiEvents": full(10_000),
            "SingleEmail": full(15),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_leave_the_window_after_a_day() {
        let config = Config { daily_api_requests: 12, ..Config::default() };
        let mut usage = Usage::new(10);
        assert!(usage.take(&config, 0));
        assert!(usage.take(&config, 600));
        assert!(!usage.take(&config, 700));
        assert!(!usage.take(&config, 86_400));
        assert!(usage.take(&config, 86_460));
        assert_eq!((usage.counted, usage.refused, usage.peak), (3, 2, 12));
    }

    #[test]
    fn the_header_has_three_forms() {
        let mut shown = Vec::new();
        for limit_header in [LimitHeader::Plain, LimitHeader::PerApp, LimitHeader::Bursts] {
            let config = Config { daily_api_requests: 100, limit_header, ..Config::default() };
            let mut usage = Usage::new(99);
            usage.take(&config, 0);
            usage.take(&config, 0);
            shown.push(usage.header(&config, 0));
        }
        insta::assert_snapshot!(shown.join("\n"));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_limit(steps in prop::collection::vec(0_i64..7200, 1..300)) {
            let config = Config { daily_api_requests: 20, ..Config::default() };
            let mut usage = Usage::new(0);
            let mut now = 0;
            let mut served = Vec::new();
            for step in steps {
                now += step;
                if usage.take(&config, now) {
                    served.push(now);
                }
                let recent = served.iter().filter(|at| **at > now - 86_400).count();
                prop_assert!(recent <= 20);
            }
        }
    }
}
