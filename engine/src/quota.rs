//! Quotas that are really kept: how many calls an app lets us make in a period, and the reserve of
//! it that is always left to others.
//!
//! A call is allowed only if, on every basis that counts, what is spent, what is in flight and the
//! call itself together stay within the limit less its reserve. The check and the reservation are
//! one step, so no interleaving of concurrent streams gets past it. The bases are our own calls
//! within the period, and the usage that the app reports in response headers (which contains the
//! calls of others), with our calls since that report. A rolling period frees each call a period
//! after it was made; a fixed one frees all of them at the reset that the app reports.
//!
//! What was spent is stored in advance of the calls, so a crash forgets none of them.

mod body;
mod headers;
mod ledger;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

pub use body::QuotaBody;
use headers::Unread;
pub use headers::{QuotaHeader, QuotaHeaders, Unreadable, UsageHeaders};
use ledger::{Closed, Ledger, Reading, Rules, Start};
pub use ledger::{Reason, Spending};

use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry, printable};
use crate::state::Store;

/// The rules of one quota of one connection.
#[derive(Debug, Clone)]
pub struct QuotaConfig {
    /// Its name in the manifest, e.g. `daily_api_requests`.
    pub name: String,
    /// Part of the limit that is always left unused, in basis points (1000 is 10 %), rounded up to
    /// whole calls.
    pub reserve: u32,
    /// How long a call counts at most (a period of this length, not a calendar day).
    pub period: Duration,
    /// Whether all calls are free again at the reported reset; needs a reset among the headers.
    pub fixed: bool,
    /// The response headers that report usage.
    pub headers: Option<UsageHeaders>,
    /// The members of the JSON response that report usage.
    pub body: Option<QuotaBody>,
    /// The response header, and the value of it, that tell an answer which speaks of this quota from
    /// those that speak of others; `None` if all do.
    pub resource: Option<(String, String)>,
    /// Whether our own calls are held against the limit.
    pub count_own: bool,
    /// Whether the reported usage is held against the limit; needs `headers`.
    pub count_reported: bool,
    /// The limit, if it is agreed and not reported.
    pub fixed_limit: Option<u64>,
    /// The streams whose calls are counted; `None` for all.
    pub streams: Option<Vec<String>>,
}

/// One quota of one connection; cheap to clone, clones share it.
#[derive(Debug, Clone)]
pub struct Quota(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: QuotaConfig,
    rules: Rules,
    connection: String,
    clock: Clock,
    store: Arc<Store>,
    ledger: Mutex<Ledger>,
    /// Held while a snapshot is stored, so that snapshots are stored in the order they were taken.
    storing: Mutex<()>,
    /// A call ended.
    ended: Notify,
}

impl Quota {
    /// Opens the quota and continues from what was spent before. Blocks.
    ///
    /// # Errors
    /// `INPUT_INVALID` if the rules can protect nothing or allow nothing, and those of the state.
    pub fn open(
        store: Arc<Store>,
        clock: Clock,
        connection: &str,
        config: QuotaConfig,
    ) -> Result<Self> {
        let period = i64::try_from(config.period.as_millis()).unwrap_or(i64::MAX).max(1);
        let rules = Rules {
            period,
            fixed: config.fixed,
            reserve: config.reserve,
            count_own: config.count_own,
            count_reported: config.count_reported,
            fixed_limit: config.fixed_limit,
        };
        validate(&config, rules).map_err(|(cause, fix)| {
            Error::new(Code::InputInvalid, format!("quota {} cannot be kept", config.name))
                .cause(cause)
                .fix(fix)
                .in_connection(connection)
        })?;
        let now = clock.steady().as_millisecond();
        let (snapshot, buckets) =
            store.quota(connection, &config.name, now.saturating_sub(period))?;
        let ledger = Ledger::new(rules, now, snapshot, buckets);
        let was_set_back = ledger.was_set_back();
        let (ledger, connection) = (Mutex::new(ledger), connection.to_owned());
        let shared = Shared {
            config,
            rules,
            connection,
            clock,
            store,
            ledger,
            storing: Mutex::new(()),
            ended: Notify::new(),
        };
        if was_set_back {
            shared.save(0)?;
        }
        Ok(Self(Arc::new(shared)))
    }

    /// Reserves one call, or tells why not. Blocks for a write to the state every few calls.
    pub fn acquire(&self) -> Result<Permit, Refused> {
        let spending = Spending::default();
        loop {
            match self.attempt(spending) {
                Some(decided) => return decided.map_err(Refused::Paused),
                None => self.0.save(spending.cost).map_err(Refused::Failed)?,
            }
        }
    }

    /// Reserves one call as soon as it is allowed; `paused` hears of every wait.
    pub async fn acquired(
        &self,
        spending: Spending,
        mut paused: impl FnMut(&Paused),
    ) -> Result<Permit> {
        loop {
            // Listening starts before the attempt, so that no call can end unheard between them.
            let mut ended = std::pin::pin!(self.0.ended.notified());
            ended.as_mut().enable();
            match self.attempt(spending) {
                Some(Ok(permit)) => return Ok(permit),
                Some(Err(pause)) => {
                    paused(&pause);
                    tokio::select! {
                        biased;
                        () = ended => {}
                        () = self.0.clock.sleep_until(pause.until) => {}
                    }
                }
                None => {
                    let shared = Arc::clone(&self.0);
                    let cost = spending.cost;
                    tokio::task::spawn_blocking(move || shared.save(cost)).await.map_err(
                        |error| {
                            Error::new(Code::Internal, "storing a quota was cut short")
                                .cause(error.to_string())
                        },
                    )??;
                }
            }
        }
    }

    /// Its name in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// Whether the calls of this stream are counted.
    #[must_use]
    pub fn is_for(&self, stream: &str) -> bool {
        let streams = self.0.config.streams.as_ref();
        streams.is_none_or(|streams| streams.iter().any(|one| one == stream))
    }

    /// Whether usage is read from what the document of a response says.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.0.config.body.is_some()
    }

    /// What is spent now.
    #[must_use]
    pub fn status(&self) -> QuotaStatus {
        let ledger = self.0.ledger();
        let limit = ledger.reported_limit();
        QuotaStatus {
            own: ledger.own(),
            own_limit: ledger.own_limit(),
            reported: ledger.is_reported().then(|| ledger.reported_use()),
            limit,
            reserve: limit.map(|limit| self.0.rules.reserved(limit)),
            in_flight: ledger.in_flight(),
        }
    }

    /// Decides without blocking; `None` if the state has to be stored first.
    fn attempt(&self, spending: Spending) -> Option<Result<Permit, Paused>> {
        let spending = Spending { cost: spending.cost.max(1), ..spending };
        let now = self.0.now();
        match self.0.ledger().start(now, spending) {
            Ok(Start::StoreFirst) => None,
            Ok(Start::Allowed) => Some(Ok(Permit {
                quota: self.clone(),
                started: now,
                cost: spending.cost,
                open: true,
            })),
            Err(closed) => Some(Err(self.0.paused(closed, now))),
        }
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.steady().as_millisecond()
    }

    /// Stores what is spent, and pays for the next calls, if one of them costs something.
    fn save(&self, cost: u64) -> Result<()> {
        let ahead = cost > 0;
        let _in_order = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        let (prepaid, over, (snapshot, buckets)) = {
            let ledger = self.ledger();
            if ahead && ledger.is_prepaid(cost) {
                return Ok(()); // Another thread did it while we waited.
            }
            let prepaid = if ahead { ledger.advance_payment(cost) } else { 0 };
            (prepaid, ledger.over(), ledger.snapshot(prepaid))
        };
        let Self { connection, config, store, .. } = self;
        store
            .store_quota(connection, &config.name, &snapshot, &buckets, over)
            .map_err(|error| error.in_connection(connection))?;
        self.ledger().stored(prepaid, &buckets);
        Ok(())
    }

    fn end(&self, started: i64, cost: (u64, u64), reading: Option<Reading>) {
        self.ledger().end((started, self.now()), cost, reading);
        self.ended.notify_waiters();
    }

    fn paused(&self, closed: Closed, now: i64) -> Paused {
        let wait = SignedDuration::from_millis(closed.until.saturating_sub(now));
        Paused {
            quota: self.config.name.clone(),
            until: self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX),
            reason: closed.reason,
            used: closed.used,
            limit: closed.limit,
            own: closed.own,
            reserve: closed.limit.map(|limit| self.rules.reserved(limit)),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What was paid for and not used is given back; if that fails, it just stays spent.
        let _ = self.save(0);
    }
}

/// Why the rules cannot be kept, and what to do about it.
fn validate(config: &QuotaConfig, rules: Rules) -> Result<(), (&'static str, &'static str)> {
    let body_reports = config.body.as_ref().is_some_and(QuotaBody::tells_usage);
    if config.count_reported && config.headers.is_none() && !body_reports {
        return Err(("it counts reported usage and has no header", "declare the header"));
    }
    if config.headers.is_none() && !body_reports && config.fixed_limit.is_none() {
        return Err(("it has neither a header nor a limit", "declare one of them"));
    }
    if !config.count_own && !config.count_reported {
        return Err(("it counts neither own calls nor reported usage", "count at least one"));
    }
    if config.reserve >= 10_000
        || config.fixed_limit.is_some_and(|limit| rules.spendable(limit) == 0)
    {
        return Err((
            "its reserve leaves nothing to spend",
            "lower the reserve or raise the limit",
        ));
    }
    let Some(headers) = &config.headers else {
        return if config.fixed { Err(NO_RESET) } else { Ok(()) };
    };
    if config.fixed && !headers.tell_reset() {
        return Err(NO_RESET);
    }
    headers.validate(config.fixed_limit.is_some())
}

const NO_RESET: (&str, &str) = (
    "nothing tells when its period starts anew",
    "declare the reset among the headers, or a rolling period, which is the stricter",
);

/// The right to make one call, already counted as spent. Dropping it without
/// [`complete`](Self::complete) means that the call may have been made and told us nothing.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    quota: Quota,
    started: i64,
    cost: u64,
    open: bool,
}

impl Permit {
    /// Whether the body of the response tells what is spent: then the call ends with
    /// [`settle`](Self::settle).
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.quota.0.config.body.is_some()
    }

    /// Ends the call with the document that its response held. Returns a warning if that should have
    /// told the usage and did not; the call is counted anyway.
    #[must_use = "a warning means that the quota is not kept as declared"]
    pub fn settle(mut self, document: &serde_json::Value) -> Option<QuotaWarning> {
        self.open = false;
        let shared = &self.quota.0;
        let Some(body) = &shared.config.body else {
            shared.end(self.started, (self.cost, self.cost), None);
            return None;
        };
        let read = body.read(document, shared.config.fixed_limit);
        let spent = read.cost.unwrap_or(self.cost);
        shared.end(self.started, (self.cost, spent), read.reading);
        let missing = read.missing?;
        Some(QuotaWarning::HeaderMissing { quota: shared.config.name.clone(), header: missing })
    }

    /// Ends the call with the headers of its response, by name; a call without a response has none.
    /// Returns a warning if the headers should have told the usage and did not; the call is counted
    /// anyway.
    #[must_use = "a warning means that the quota is not kept as declared"]
    pub fn complete<'h>(
        mut self,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<QuotaWarning> {
        self.open = false;
        let shared = &self.quota.0;
        let cost = (self.cost, self.cost);
        if let Some((name, value)) = &shared.config.resource
            && let Some(other) = header(name).filter(|other| other.trim() != value)
        {
            // The app says that it took this call for another quota's, unless it says nothing.
            let spent = if other.trim().is_empty() { self.cost } else { 0 };
            shared.end(self.started, (self.cost, spent), None);
            return None;
        }
        let Some(headers) = &shared.config.headers else {
            shared.end(self.started, cost, None);
            return None;
        };
        let read = headers.read(header, &shared.config, shared.clock.now());
        shared.end(self.started, cost, read.as_ref().ok().copied());
        let quota = shared.config.name.clone();
        Some(match read.err()? {
            Unread::Missing { header } => QuotaWarning::HeaderMissing { quota, header },
            Unread::Unreadable { header, value, reason } => {
                let value = printable(&value, 80);
                QuotaWarning::HeaderUnreadable { quota, header, value, reason }
            }
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.open {
            self.quota.0.end(self.started, (self.cost, self.cost), None);
        }
    }
}

/// No call now; the stream waits and loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Name of the quota.
    pub quota: String,
    /// When to ask again; calls in flight that end may allow it earlier.
    pub until: Timestamp,
    /// What closed it.
    pub reason: Reason,
    /// Spent on the basis that closed it, in calls; may exceed the limit.
    pub used: u64,
    /// The limit in calls, if it is known.
    pub limit: Option<u64>,
    /// Our own calls within the period.
    pub own: u64,
    /// Calls that are always left unused, if the limit is known.
    pub reserve: Option<u64>,
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, until, reason, used, limit, own, reserve } = self;
        let known =
            |calls: &Option<u64>| calls.map_or("an unknown number".to_owned(), |n| n.to_string());
        match reason {
            Reason::Own => write!(f, "quota {quota}: our own calls reached the reserve")?,
            Reason::Reported => {
                write!(f, "quota {quota}: all calls to the app reached the reserve")?;
            }
            Reason::AwaitingFirstReport => {
                return write!(f, "quota {quota}: waiting for the first report of its usage");
            }
        }
        write!(
            f,
            " ({used} of {} spent, {own} of them ours, {} reserved); paused until {until:.0}",
            known(limit),
            known(reserve)
        )
    }
}

impl From<Paused> for Error {
    fn from(paused: Paused) -> Self {
        let code = match paused.reason {
            Reason::Own | Reason::AwaitingFirstReport => Code::QuotaReserveReached,
            Reason::Reported => Code::QuotaExhaustedByOthers,
        };
        Error::new(code, paused.to_string())
            .fix("nothing to do, nothing is lost; to be faster, raise the app's limit")
            .retry(Retry::Later(Some(paused.until)))
    }
}

/// A call could not be reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Not now.
    Paused(Paused),
    /// The call could not be stored as spent.
    Failed(Error),
}

/// The app did not tell its usage as declared, so only our own count protects the quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaWarning {
    /// A response came without the header.
    HeaderMissing {
        /// Name of the quota.
        quota: String,
        /// Name of the header.
        header: String,
    },
    /// A header does not say what it was declared to say.
    HeaderUnreadable {
        /// Name of the quota.
        quota: String,
        /// Name of the header.
        header: String,
        /// Start of its value.
        value: String,
        /// What is wrong with it.
        reason: Unreadable,
    },
}

impl QuotaWarning {
    /// Stable name of the warning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::HeaderMissing { .. } => "QUOTA_HEADER_MISSING",
            Self::HeaderUnreadable { .. } => "QUOTA_HEADER_UNREADABLE",
        }
    }
}

impl fmt::Display for QuotaWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderMissing { quota, header } => {
                write!(f, "{}: a response had no {header} header for quota {quota}", self.code())
            }
            Self::HeaderUnreadable { quota, header, value, reason } => {
                let code = self.code();
                match reason {
                    Unreadable::Pattern => write!(
                        f,
                        "{code}: the pattern of quota {quota} finds no usage in `{header}: \
                         {value}`; correct the pattern in the manifest"
                    ),
                    Unreadable::Number => write!(
                        f,
                        "{code}: `{header}: {value}` is not the number of calls that quota {quota} \
                         takes it for; correct the quota's `headers` in the manifest"
                    ),
                    Unreadable::Reset => write!(
                        f,
                        "{code}: `{header}: {value}` does not lie within a period of quota {quota} \
                         from now; correct the `unit` of its reset, or its `period`, in the manifest"
                    ),
                }
            }
        }
    }
}

/// What is spent of a quota, in calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaStatus {
    /// Our calls within the period, those in flight included.
    pub own: u64,
    /// The limit they are held against, if it is known.
    pub own_limit: Option<u64>,
    /// Usage as last reported and our calls since; `None` before the first report.
    pub reported: Option<u64>,
    /// The limit it is held against, if it is known.
    pub limit: Option<u64>,
    /// The part of that limit that is never spent.
    pub reserve: Option<u64>,
    /// Our calls in flight.
    pub in_flight: u64,
}

#[cfg(test)]
mod tests;
