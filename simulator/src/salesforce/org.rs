//! One simulated org: its configuration, clock, records and everything that changes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use super::clock::Clock;
use super::config::Config;
use super::data::Data;
use super::data::catalogue::Catalogue;
use super::faults::Faults;
use super::limits::Usage;
use super::oauth::Grants;
use super::query::Locators;
use super::sync::lock;

#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) catalogue: Catalogue,
    pub(crate) data: Data,
    pub(crate) usage: Mutex<Usage>,
    pub(crate) grants: Mutex<Grants>,
    pub(crate) locators: Mutex<Locators>,
    pub(crate) faults: Mutex<Faults>,
    /// Requests served, by kind of path.
    pub(crate) served: Mutex<BTreeMap<&'static str, u64>>,
}

impl Org {
    pub(crate) fn new(config: Config) -> Self {
        let now = config.now.unwrap_or_else(Timestamp::now);
        Self {
            clock: Clock::new(now, config.frozen),
            catalogue: Catalogue::new(&config),
            data: Data::new(&config, now.as_second()),
            usage: Mutex::new(Usage::new(config.api_requests_used)),
            grants: Mutex::default(),
            locators: Mutex::default(),
            faults: Mutex::default(),
            served: Mutex::default(),
            config,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.second()
    }

    pub(crate) fn count_served(&self, class: &'static str) {
        *lock(&self.served).entry(class).or_default() += 1;
    }
}
