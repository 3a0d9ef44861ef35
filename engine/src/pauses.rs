//! What an app asked not to be asked for a while: `Retry-After` (RFC 9110, section 10.2.3), and what
//! error rules read in its place.
//!
//! A pause is of one address without its query, and it outlives the process: whoever runs a
//! connection every minute would otherwise come back every minute, whatever the app said.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use url::Url;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::state::Store;

/// The longest pause that is sat out; whoever meets a longer one comes back by its own schedule.
pub(crate) const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// The longest that an address is left alone, whatever the app said: a request a day is no burden,
/// and a mistaken date must not stop a stream for years.
pub(crate) const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// The pauses of a connection.
#[derive(Debug)]
pub struct Pauses {
    store: Arc<Store>,
    connection: String,
    clock: Clock,
    /// By the hash of an address, in milliseconds.
    until: Mutex<BTreeMap<[u8; 16], i64>>,
}

impl Pauses {
    /// The pauses that were stored for a connection. Blocks.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn open(store: Arc<Store>, clock: Clock, connection: &str) -> Result<Self> {
        let stored = store.pauses(connection, clock.now().as_millisecond())?;
        let connection = connection.to_owned();
        Ok(Self { store, connection, clock, until: Mutex::new(stored.into_iter().collect()) })
    }

    /// Waits until an address may be asked again. `paused` is told of a pause before it is waited
    /// for.
    ///
    /// # Errors
    /// Until when it may not be asked, if that is too long to wait for.
    pub async fn passed(&self, url: &Url, paused: impl FnOnce(Timestamp)) -> Result<(), Timestamp> {
        let Some(until) = self.until(url) else { return Ok(()) };
        if until.duration_since(self.clock.now()) > LONGEST_WAIT {
            return Err(until);
        }
        paused(until);
        self.clock.sleep_until(until).await;
        Ok(())
    }

    /// Whether an address may not be asked now.
    pub fn is_paused(&self, url: &Url) -> bool {
        self.until(url).is_some()
    }

    /// Notes that the app does not want to be asked for an address until then.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn note(&self, url: &Url, until: Timestamp) -> Result<()> {
        let now = self.clock.now();
        let latest = now.checked_add(LONGEST_PAUSE).unwrap_or(until);
        let (asked, until) = (address(url), until.min(latest).as_millisecond());
        let now = now.as_millisecond();
        if until <= now {
            return Ok(());
        }
        let until = {
            let mut pauses = self.locked();
            let noted = pauses.entry(asked).or_insert(until);
            // Two requests were under way: the answer to one says nothing about the other.
            let is_believed = *noted <= latest.as_millisecond();
            *noted = if is_believed { until.max(*noted) } else { until };
            *noted
        };
        let (store, connection) = (Arc::clone(&self.store), self.connection.clone());
        tokio::task::spawn_blocking(move || store.store_pause(&connection, &asked, until, now))
            .await
            .unwrap_or_else(|_| Err(Error::new(Code::Internal, "storing a pause was interrupted")))
    }

    fn until(&self, url: &Url) -> Option<Timestamp> {
        let now = self.clock.now().as_millisecond();
        let mut pauses = self.locked();
        // Nearly always there are none.
        if pauses.is_empty() {
            return None;
        }
        // A clock that was set back does not make a pause longer than it can be.
        let latest = now.saturating_add(LONGEST_PAUSE.as_millis() as i64);
        pauses.retain(|_, until| *until > now && *until <= latest);
        Timestamp::from_millisecond(*pauses.get(&address(url))?).ok()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<[u8; 16], i64>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands for an address: paths may name persons, who have no business in the state.
fn address(url: &Url) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(url.host_str().unwrap_or_default());
    hash.update([0]);
    hash.update(url.path());
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn after(minutes: i64) -> Timestamp {
        noon() + SignedDuration::from_mins(minutes)
    }

    fn url(path: &str) -> Url {
        Url::parse(&format!("https://api.example.com{path}")).unwrap()
    }

    #[tokio::test]
    async fn a_pause_outlives_the_process_and_is_of_one_address() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(noon());
        let open = || {
            let store = Arc::new(Store::open(folder.path()).unwrap());
            Pauses::open(store, clock.clone(), "acme").unwrap()
        };
        let pauses = open();
        pauses.note(&url("/users?page=1"), after(2)).await.unwrap();
        pauses.note(&url("/logs"), after(60)).await.unwrap();
        drop(pauses);
        let pauses = open();
        let mut told = None;
        assert_eq!(pauses.passed(&url("/logs"), |_| ()).await, Err(after(60)));
        assert_eq!(pauses.passed(&url("/groups"), |_| ()).await, Ok(()));
        assert_eq!(clock.now(), noon());
        assert_eq!(pauses.passed(&url("/users?page=2"), |until| told = Some(until)).await, Ok(()));
        assert_eq!((clock.now(), told), (after(2), Some(after(2))));
        assert_eq!(pauses.passed(&url("/users"), |_| panic!("it is over")).await, Ok(()));
    }

    #[tokio::test]
    async fn the_longer_of_two_pauses_counts() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(noon());
        let open = || {
            let store = Arc::new(Store::open(folder.path()).unwrap());
            Pauses::open(store, clock.clone(), "acme").unwrap()
        };
        let pauses = open();
        pauses.note(&url("/users?role=all"), after(15)).await.unwrap();
        pauses.note(&url("/users?role=admin"), after(10)).await.unwrap();
        assert_eq!(pauses.passed(&url("/users"), |_| ()).await, Err(after(15)));
        drop(pauses);
        assert_eq!(open().passed(&url("/users"), |_| ()).await, Err(after(15)));
    }

    #[tokio::test]
    async fn no_date_stops_an_address_for_years() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let pauses = Pauses::open(store, Clock::manual(noon()), "acme").unwrap();
        pauses.note(&url("/"), Timestamp::MAX).await.unwrap();
        assert_eq!(pauses.passed(&url("/"), |_| ()).await, Err(after(24 * 60)));
        pauses.note(&url("/"), Timestamp::MIN).await.unwrap();
        assert_eq!(pauses.passed(&url("/"), |_| ()).await, Err(after(24 * 60)));
    }
}
