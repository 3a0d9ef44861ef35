//! What the app lets its clients spend: counted, reported, and held against the connector.

mod report;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use longshore_schema::http::{Period, Quota};

use self::report::{Report, Usage};
use super::Unsupported;
use super::fixtures::Recorded;
use super::http::Reply;

/// A quota as the manifest describes it.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) name: String,
    limit: Option<u64>,
    report: Report,
    /// The header that names the quota an answer speaks of, and the name of this one, where the
    /// same headers speak of several.
    resource: Option<(String, String)>,
    /// In milliseconds.
    period: i64,
    fixed: bool,
    /// In basis points.
    reserve: u64,
    streams: Option<Vec<String>>,
}

impl Rules {
    pub(super) fn new(
        name: &str,
        quota: &Quota,
        recorded: &[Recorded],
    ) -> Result<Self, Unsupported> {
        let report = Report::new(name, quota, recorded)?;
        let length = quota.period.length().0;
        let resource = quota.when.as_ref();
        Ok(Self {
            name: name.to_owned(),
            limit: quota.limit.as_ref().map(|limit| limit.value),
            report,
            resource: resource
                .map(|when| (when.header.to_ascii_lowercase(), when.is.value.clone())),
            period: i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1),
            fixed: matches!(quota.period, Period::Fixed(_)),
            reserve: quota.reserve.basis_points.into(),
            streams: quota
                .streams
                .as_ref()
                .map(|streams| streams.iter().map(|stream| stream.value.clone()).collect()),
        })
    }
}

/// One call of the connector.
#[derive(Debug)]
struct Own {
    at: i64,
    stream: String,
    /// What it costs by the manifest.
    declared: u64,
    /// What it has cost.
    cost: u64,
    /// What of that the connector can know.
    known: u64,
    number: u64,
}

/// The account of one quota.
#[derive(Debug)]
pub(super) struct Account {
    limit: u64,
    /// The connector's own calls.
    own: VecDeque<Own>,
    /// How many calls there were.
    calls: u64,
    /// What others spent, and when.
    others: Vec<(i64, u64)>,
    /// Up to which entry of `others` each stream has been told.
    told: BTreeMap<String, usize>,
    /// The start of the fixed period in hand.
    period_start: i64,
}

impl Account {
    /// An account, with a limit that is soon reached if `tight`. `most` is the highest price of a
    /// call.
    pub(super) fn new(rules: &Rules, now: i64, tight: Option<u64>, most: u64) -> Self {
        let usual = rules.limit.unwrap_or(1_000_000);
        let tight = tight.filter(|_| rules.report.tells_usage());
        Self {
            limit: tight.map_or(usual, |tight| tight.saturating_mul(most).min(usual)),
            own: VecDeque::new(),
            calls: 0,
            others: Vec::new(),
            told: BTreeMap::new(),
            period_start: now,
        }
    }

    /// Others spend so many calls, if the app reports that.
    pub(super) fn spend(&mut self, rules: &Rules, now: i64, share: f64) {
        if rules.report.tells_usage() {
            self.pass(rules, now);
            let spendable = self.limit - self.reserved(rules);
            // Beyond its limit the app lets nobody spend, and its report could not tell.
            let left = self.limit.saturating_sub(self.used());
            self.others.push((now, ((spendable as f64 * share) as u64).min(left)));
        }
    }

    /// What the connector was told before it was killed it may not know any more: what others had
    /// spent, and what the last call of each stream has cost. With the next one it noted that.
    pub(super) fn forget_told(&mut self) {
        self.told.clear();
        let mut last_of = BTreeSet::new();
        for own in self.own.iter_mut().rev() {
            let most = if last_of.insert(&*own.stream) { own.declared } else { own.known };
            own.known = most.min(own.cost);
        }
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
        while self.own.front().is_some_and(|own| own.at < since) {
            self.own.pop_front();
        }
        for (at, calls) in &mut self.others {
            if *at < since {
                *calls = 0;
            }
        }
    }

    /// Counts a call of a stream; gives the call's number.
    ///
    /// # Errors
    /// If the call spends the reserve, and the connector could have known: its own calls alone do,
    /// or with what others had spent when this stream was last answered.
    fn count(
        &mut self,
        rules: &Rules,
        stream: &str,
        now: i64,
        price: Price,
    ) -> Result<u64, String> {
        self.pass(rules, now);
        let told = self.told.get(stream).copied().unwrap_or_default();
        let others: u64 = self.others[..told].iter().map(|(_, calls)| calls).sum();
        let alone: u64 = self.own.iter().map(|own| own.known).sum();
        // What the app says was spent holds the true costs of calls whose answers never came, too.
        let told: u64 = self.own.iter().map(|own| own.known.min(own.cost)).sum();
        let used = alone.max(told + others) + price.declared;
        self.calls += 1;
        let number = self.calls;
        let Price { declared, charged } = price;
        // A call that there is no room for is refused and spends what is left: a report that says
        // what remains could not tell more.
        let cost = charged.min(self.limit.saturating_sub(self.used()));
        let stream = stream.to_owned();
        self.own.push_back(Own { at: now, stream, declared, cost, known: declared, number });
        let spendable = self.limit - self.reserved(rules);
        if used > spendable {
            return Err(format!(
                "call {used} of {spendable} that may be spent of the quota `{}`, {others} of others ({} reserved)",
                rules.name,
                self.reserved(rules)
            ));
        }
        Ok(number)
    }

    /// Whether there was no room for the last call.
    fn refuses(&self, price: Price) -> bool {
        self.own.back().is_some_and(|own| own.cost < price.charged)
    }

    fn used(&self) -> u64 {
        let own: u64 = self.own.iter().map(|own| own.cost).sum();
        own + self.others.iter().map(|(_, calls)| calls).sum::<u64>()
    }

    fn usage(&self, rules: &Rules, Spending { now, skew, .. }: Spending<'_>) -> Usage {
        let start = if rules.fixed { self.period_start } else { now };
        Usage {
            limit: self.limit,
            used: self.used(),
            cost: self.own.back().map_or(0, |own| own.cost),
            now,
            reset: start + rules.period,
            skew,
        }
    }

    /// A stream was told what others had spent, and what its call has cost.
    fn tell(&mut self, rules: &Rules, stream: &str, number: u64) {
        if rules.report.tells_usage() {
            self.told.insert(stream.to_owned(), self.others.len());
        }
        if let Some(own) = self.own.iter_mut().find(|own| own.number == number) {
            own.known = own.cost;
        }
    }
}

/// What a call costs.
#[derive(Clone, Copy, Debug)]
struct Price {
    /// By the manifest.
    declared: u64,
    charged: u64,
}

/// A call that was counted on some accounts.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By the number of the account, the number of the call there.
    calls: Vec<(usize, u64)>,
    /// What it did wrong, in words.
    pub(super) wrong: Vec<String>,
    /// Whether there is nothing left on one of them.
    pub(super) spent: bool,
    /// Headers about a quota that the manifest does not describe.
    elsewhere: Vec<(String, String)>,
}

/// A call of a stream, and what it costs by the manifest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spending<'c> {
    pub(super) stream: Option<&'c str>,
    pub(super) costs: &'c BTreeMap<String, u64>,
    pub(super) now: i64,
    /// How far the app's clock is ahead.
    pub(super) skew: i64,
}

/// Counts a call on all accounts that it is for.
pub(super) fn count(
    all: &[Rules],
    accounts: &mut [Account],
    spending: Spending<'_>,
    rng: &mut Rng,
) -> Counted {
    let mut counted = Counted::default();
    let stream = spending.stream.unwrap_or("");
    let mut spoken_of: Vec<&str> = Vec::new();
    for (index, (rules, account)) in all.iter().zip(accounts).enumerate() {
        if !counts(rules, spending.stream) {
            continue;
        }
        if let Some((header, _)) = &rules.resource {
            // An answer speaks of one quota: of the first that counts, or of one that the manifest
            // does not know. The others are not charged.
            if spoken_of.contains(&header.as_str()) {
                continue;
            }
            spoken_of.push(header);
            if rng.u8(..8) == 0 {
                let limit = rng.u64(1..100);
                let used = rng.u64(..=limit);
                let Spending { now, skew, .. } = spending;
                let reset = now + rules.period;
                let usage = Usage { limit, used, cost: 1, now, reset, skew };
                counted.elsewhere.extend(rules.report.headers(usage));
                counted.elsewhere.push((header.clone(), "simulated-other".to_owned()));
                continue;
            }
        }
        let declared = spending.costs.get(&rules.name).copied().unwrap_or(1);
        let charged = if rules.report.tells_cost() { rng.u64(1..=declared * 2) } else { declared };
        let price = Price { declared, charged };
        match account.count(rules, stream, spending.now, price) {
            Ok(number) => counted.calls.push((index, number)),
            Err(what) => {
                counted.calls.push((index, account.calls));
                counted.wrong.push(what);
            }
        }
        counted.spent |= account.refuses(price);
    }
    counted
}

/// Writes what was spent into an answer, and notes what the connector can know of it from now on:
/// all of it if the `whole` answer arrives, what its head says if that is `heard`.
pub(super) fn report(
    all: &[Rules],
    accounts: &mut [Account],
    spending: Spending<'_>,
    counted: Counted,
    reply: &mut Reply,
    (heard, whole): (bool, bool),
) {
    let stream = spending.stream.unwrap_or("");
    let mut headers = counted.elsewhere;
    for (index, number) in counted.calls {
        let (rules, account) = (&all[index], &mut accounts[index]);
        let usage = account.usage(rules, spending);
        let told = if rules.report.is_in_body() {
            // A refusal need not be read that far.
            rules.report.write(usage, reply) && whole && reply.status == 200
        } else {
            headers.extend(rules.report.headers(usage));
            if let Some((header, name)) = &rules.resource {
                headers.push((header.clone(), name.clone()));
            }
            heard
        };
        if told {
            account.tell(rules, stream, number);
        }
    }
    reply.headers.retain(|(name, _)| !headers.iter().any(|(own, _)| own == name));
    reply.headers.extend(headers);
}

/// Whether a quota counts the calls of a stream; questions about the tenant are of no stream.
fn counts(rules: &Rules, stream: Option<&str>) -> bool {
    match (&rules.streams, stream) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(streams), Some(stream)) => streams.iter().any(|one| one == stream),
    }
}
