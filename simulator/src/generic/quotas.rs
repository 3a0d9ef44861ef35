//! What the app lets its clients spend: counted, reported, and held against the connector.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use longshore_schema::http::{Period, Quota, QuotaHeaders, TimeUnit};
use longshore_schema::scalar::HeaderPattern;
use regex::Regex;

use super::Unsupported;
use super::fixtures::Recorded;
use super::times;

/// A quota as the manifest describes it.
#[derive(Debug)]
pub(super) struct Rules {
    name: String,
    limit: Option<u64>,
    report: Report,
    /// In milliseconds.
    period: i64,
    fixed: bool,
    /// In basis points.
    reserve: u64,
    streams: Option<Vec<String>>,
}

/// How usage is reported.
#[derive(Debug)]
enum Report {
    Nothing,
    One { name: String, sample: String, pattern: Regex },
    Several(QuotaHeaders),
}

impl Rules {
    pub(super) fn new(
        name: &str,
        quota: &Quota,
        recorded: &[Recorded],
    ) -> Result<Self, Unsupported> {
        if quota.body.is_some() || quota.when.is_some() {
            return Err(Unsupported(format!(
                "the simulator cannot report the quota `{name}` in a body, or beside others"
            )));
        }
        let report = match (&quota.header, &quota.headers) {
            (Some(header), _) => {
                let pattern = header.pattern.value.regex().clone();
                let sample = sample(&header.name, &header.pattern, recorded)?;
                Report::One { name: header.name.to_ascii_lowercase(), sample, pattern }
            }
            (None, Some(headers)) => Report::Several(headers.value.clone()),
            (None, None) => Report::Nothing,
        };
        let length = quota.period.length().0;
        Ok(Self {
            name: name.to_owned(),
            limit: quota.limit.as_ref().map(|limit| limit.value),
            report,
            period: i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1),
            fixed: matches!(quota.period, Period::Fixed(_)),
            reserve: quota.reserve.basis_points.into(),
            streams: quota
                .streams
                .as_ref()
                .map(|streams| streams.iter().map(|stream| stream.value.clone()).collect()),
        })
    }

    fn is_reported(&self) -> bool {
        !matches!(self.report, Report::Nothing)
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

/// The account of one quota.
#[derive(Debug)]
pub(super) struct Account {
    limit: u64,
    /// When the connector's own calls were made.
    own: VecDeque<i64>,
    /// What others spent, and when.
    others: Vec<(i64, u64)>,
    /// Up to which entry of `others` each stream has been told.
    told: BTreeMap<String, usize>,
    /// The start of the fixed period in hand.
    period_start: i64,
}

impl Account {
    /// An account, with a limit that is soon reached if `tight`.
    pub(super) fn new(rules: &Rules, now: i64, tight: Option<u64>) -> Self {
        let usual = rules.limit.unwrap_or(1_000_000);
        let limit = tight.filter(|_| rules.is_reported()).map_or(usual, |tight| tight.min(usual));
        Self {
            limit,
            own: VecDeque::new(),
            others: Vec::new(),
            told: BTreeMap::new(),
            period_start: now,
        }
    }

    /// Others spend so many calls, if the app reports that.
    pub(super) fn spend(&mut self, rules: &Rules, now: i64, share: f64) {
        if rules.is_reported() {
            let spendable = self.limit - self.reserved(rules);
            self.others.push((now, (spendable as f64 * share) as u64));
        }
    }

    /// What the connector was told before it was killed it may not know any more.
    pub(super) fn forget_told(&mut self) {
        self.told.clear();
    }

    fn reserved(&self, rules: &Rules) -> u64 {
        (self.limit * rules.reserve).div_ceil(10_000).min(self.limit)
    }

    fn pass(&mut self, rules: &Rules, now: i64) {
        let since = if rules.fixed {
            let periods = (now - self.period_start).max(0) / rules.period;
            self.period_start += periods * rules.period;
            self.period_start
        } else {
            now - rules.period + 1
        };
        while self.own.front().is_some_and(|at| *at < since) {
            self.own.pop_front();
        }
        for (at, calls) in &mut self.others {
            if *at < since {
                *calls = 0;
            }
        }
    }

    /// Counts a call of a stream.
    ///
    /// # Errors
    /// If the call spends the reserve, and the connector could have known: its own calls alone do,
    /// or with what others had spent when this stream was last answered.
    pub(super) fn count(&mut self, rules: &Rules, stream: &str, now: i64) -> Result<(), String> {
        self.pass(rules, now);
        self.own.push_back(now);
        let told = self.told.get(stream).copied().unwrap_or_default();
        let others: u64 = self.others[..told].iter().map(|(_, calls)| calls).sum();
        let used = self.own.len() as u64 + others;
        let spendable = self.limit - self.reserved(rules);
        if used > spendable {
            return Err(format!(
                "call {used} of {spendable} that may be spent of the quota `{}`, {} of others ({} reserved)",
                rules.name,
                others,
                self.reserved(rules)
            ));
        }
        Ok(())
    }

    /// Whether there is nothing left at all.
    pub(super) fn is_spent(&self) -> bool {
        self.used() > self.limit
    }

    fn used(&self) -> u64 {
        self.own.len() as u64 + self.others.iter().map(|(_, calls)| calls).sum::<u64>()
    }

    /// The headers of an answer.
    pub(super) fn report(
        &self,
        rules: &Rules,
        (now, skew): (i64, i64),
        headers: &mut Vec<(String, String)>,
    ) {
        let used = self.used();
        let remaining = self.limit.saturating_sub(used);
        match &rules.report {
            Report::Nothing => {}
            Report::One { name, sample, pattern } => {
                let mut value = sample.clone();
                let numbers = [("used", used), ("remaining", remaining), ("limit", self.limit)];
                let Some(captures) = pattern.captures(sample) else { return };
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
            Report::Several(names) => {
                let numbers = [
                    (&names.limit, self.limit),
                    (&names.remaining, remaining),
                    (&names.used, used),
                ];
                for (name, number) in numbers {
                    if let Some(name) = name {
                        headers.push((name.to_ascii_lowercase(), number.to_string()));
                    }
                }
                if let Some(reset) = &names.reset {
                    let start = if rules.fixed { self.period_start } else { now };
                    let at = start + rules.period;
                    // A point in time is told by the app's clock, a wait by nobody's.
                    let shown = at + skew;
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
    }

    /// A stream was told what others had spent.
    pub(super) fn tell(&mut self, stream: &str) {
        self.told.insert(stream.to_owned(), self.others.len());
    }
}

/// Whether a quota counts the calls of a stream; questions about the tenant are of no stream.
pub(super) fn counts(rules: &Rules, stream: Option<&str>) -> bool {
    match (&rules.streams, stream) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(streams), Some(stream)) => streams.iter().any(|one| one == stream),
    }
}
