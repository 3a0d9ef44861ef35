//! A simulated Salesforce org: OAuth, REST queries, describe calls and event log files over
//! HTTP, with a clock that can be moved and faults on demand.
//!
//! What it holds follows from a seed. What it answers follows Salesforce's documentation;
//! where real clients are known to stumble, it behaves like the real thing.

mod actions;
mod admin;
mod clock;
mod config;
mod data;
mod describe;
mod errors;
mod event_log;
mod faults;
mod http;
mod ids;
mod limits;
mod oauth;
mod org;
mod query;
mod random;
mod rest;
mod server;
mod soql;
mod sync;
mod truth;
mod value;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use admin::{Added, Events, EventsError, LogRows, Moment};
pub use clock::Clock;
pub use config::{Config, EventMonitoring, LimitHeader, PERMISSIONS, Volume};
pub use faults::{Active, Fault, Match, Rule};
pub use ids::{Id, suffix};
pub use truth::{LogFileTruth, LogTruth, Records, Truth, UsageTruth};

use org::Org;
use sync::lock;

/// Starts simulated orgs.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Starts an org on `address`; port 0 takes a free one. Needs a Tokio runtime.
    pub async fn start(config: Config, address: SocketAddr) -> io::Result<Running> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let org = Arc::new(Org::new(config));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server::serve(Arc::clone(&org), listener, async {
            // An error means that the sender is gone, which stops the server too.
            let _ = stopped.await;
        }));
        Ok(Running { address, org, _stop: stop, task })
    }
}

/// Serves an org on `listener` for good. Returns when the listener fails.
pub async fn serve(config: Config, listener: TcpListener) -> io::Result<()> {
    server::serve(Arc::new(Org::new(config)), listener, std::future::pending()).await
}

/// A running org. Stops when dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    org: Arc<Org>,
    _stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The org's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.org.clock
    }

    /// What the org holds and has served, at its present time.
    #[must_use]
    pub fn truth(&self) -> Truth {
        truth::truth(&self.org)
    }

    /// The CSV text of a log file that can be read now, without counting a request.
    #[must_use]
    pub fn log_file(&self, id: &str) -> Option<String> {
        truth::log_file(&self.org, id)
    }

    /// Adds a fault rule. Past a thousand rules nothing is added.
    pub fn add_fault(&self, rule: Rule) {
        lock(&self.org.faults).add(rule);
    }

    /// The fault rules and how often each has struck.
    #[must_use]
    pub fn faults(&self) -> Vec<Active> {
        lock(&self.org.faults).list().to_vec()
    }

    /// Takes all fault rules away.
    pub fn clear_faults(&self) {
        lock(&self.org.faults).clear();
    }

    /// Ends all access and refresh tokens.
    pub fn revoke(&self) {
        lock(&self.org.grants).clear();
    }

    /// Ends all access tokens; refresh tokens stay good.
    pub fn end_sessions(&self) {
        lock(&self.org.grants).end_sessions();
    }

    /// Sets what other apps have used of the API budget.
    pub fn set_others_usage(&self, used: u64) {
        lock(&self.org.usage).others = used;
    }

    /// Adds late data; gives what the admin surface answers.
    pub fn add_events(&self, events: &Events) -> Result<Added, EventsError> {
        admin::add_events(&self.org, events)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
