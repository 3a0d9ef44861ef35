//! What goes wrong, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use fastrand::Rng;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// 429, with `Retry-After` in any of its forms, or without.
    Throttle,
    /// 500, 502, 503 or 504, some in a row, with and without a page.
    ServerError,
    /// An HTML page with status 200.
    Html,
    /// Status 200 and nothing.
    Empty,
    /// No answer.
    Timeout,
    /// Silence in the middle of a body.
    Silence,
    /// A body that goes on byte by byte and never ends.
    EndlessBody,
    /// The connection is reset in place of an answer.
    Reset,
    /// The connection ends or is reset in the middle of a body.
    Cut,
    /// Half a body, transferred well.
    Half,
    /// Half a packed body, transferred well.
    GzipCut,
    /// All sessions end, in the middle of pages as well.
    TokenExpired,
    /// The position of the next page is not known any more.
    CursorExpired,
    /// A page comes twice, or begins with the end of the one before.
    RepeatedPage,
    /// A page names itself as the next one, again and again.
    PageLoop,
    /// Pages come in another order, where none is promised.
    Reordered,
    /// A page without records that is not the last.
    EmptyPage,
    /// A page does not name the next one, though the answer promises more by other means.
    NextMissing,
    /// Records are shown long after they happened.
    Late,
    /// Records share their times, across pages as well.
    Ties,
    /// The app's clock is not ours.
    Skew,
    /// Records have members that no manifest knows.
    Drift,
    /// What is waited for fails, or takes longer than anybody waits.
    JobFailed,
    /// Others spend of the quota, and little is left.
    Quota,
    /// The connector is killed at any point and started again.
    Kill,
}

impl Fault {
    /// All faults with their names on the command line.
    pub const ALL: &[(&'static str, Self)] = &[
        ("throttle", Self::Throttle),
        ("server_error", Self::ServerError),
        ("html", Self::Html),
        ("empty", Self::Empty),
        ("timeout", Self::Timeout),
        ("silence", Self::Silence),
        ("endless_body", Self::EndlessBody),
        ("reset", Self::Reset),
        ("cut", Self::Cut),
        ("half", Self::Half),
        ("gzip_cut", Self::GzipCut),
        ("token_expired", Self::TokenExpired),
        ("cursor_expired", Self::CursorExpired),
        ("repeated_page", Self::RepeatedPage),
        ("page_loop", Self::PageLoop),
        ("reordered", Self::Reordered),
        ("empty_page", Self::EmptyPage),
        ("next_missing", Self::NextMissing),
        ("late", Self::Late),
        ("ties", Self::Ties),
        ("skew", Self::Skew),
        ("drift", Self::Drift),
        ("job_failed", Self::JobFailed),
        ("quota", Self::Quota),
        ("kill", Self::Kill),
    ];

    /// Those that befall single requests, each as often as this weight says.
    const OF_REQUESTS: &[(Self, u32)] = &[
        (Self::Throttle, 12),
        (Self::ServerError, 10),
        (Self::Html, 6),
        (Self::Empty, 4),
        (Self::Timeout, 4),
        (Self::Silence, 4),
        (Self::EndlessBody, 1),
        (Self::Reset, 6),
        (Self::Cut, 10),
        (Self::Half, 6),
        (Self::GzipCut, 8),
        (Self::TokenExpired, 8),
        (Self::CursorExpired, 6),
        (Self::RepeatedPage, 10),
        (Self::PageLoop, 4),
        (Self::Reordered, 8),
        (Self::EmptyPage, 6),
        (Self::NextMissing, 8),
    ];

    /// Whether it is a matter of what the app holds and of the seed, not of single requests.
    #[must_use]
    pub fn is_of_seed(self) -> bool {
        !Self::OF_REQUESTS.iter().any(|(fault, _)| *fault == self)
    }

    /// Whether the app is silent for longer than any connector waits. Time passes in it for all
    /// requests that are under way, so it is for connectors that send one at a time.
    #[must_use]
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Timeout | Self::Silence | Self::EndlessBody)
    }

    /// What sign-ins suffer: nothing that costs the only copy of a token, which no connector could
    /// make good.
    pub(super) fn befalls_sign_in(self) -> bool {
        matches!(self, Self::Throttle | Self::ServerError | Self::Reset | Self::Timeout)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(_, fault)| fault == self);
        f.write_str(known.map_or("", |(name, _)| name))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, fault)| *fault).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!("there is no fault `{name}`; the faults are {}", names.join(", "))
        })
    }
}

/// How bad it is for a while.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weather {
    /// The share of requests that suffer, between 0 and 1.
    pub chance: f64,
    /// What they suffer from.
    pub faults: BTreeSet<Fault>,
}

/// Draws what befalls each request. The same request of the same poll suffers the same, whatever
/// is asked beside it.
#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    poll: u64,
    weather: Weather,
    /// Requests so far, by endpoint.
    asked: BTreeMap<usize, u64>,
    /// What goes on, and for how many more requests.
    going_on: BTreeMap<usize, (Fault, u64)>,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            poll: 0,
            weather: Weather::default(),
            asked: BTreeMap::new(),
            going_on: BTreeMap::new(),
        }
    }

    pub(super) fn begin(&mut self, weather: Weather) {
        self.poll += 1;
        self.weather = weather;
        self.asked.clear();
        self.going_on.clear();
    }

    /// Whether something befalls what was just asked for, that is not a matter of the request.
    pub(super) fn befalls(&self, fault: Fault, rng: &mut Rng) -> bool {
        self.weather.faults.contains(&fault) && rng.f64() < self.weather.chance / 2.0
    }

    /// What befalls the next request to an endpoint, and the randomness of its answer.
    pub(super) fn next(&mut self, endpoint: usize) -> (Option<Fault>, Rng) {
        let number = self.asked.entry(endpoint).or_default();
        *number += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.poll, endpoint, *number).hash(&mut hasher);
        let mut rng = Rng::with_seed(hasher.finish());
        if let Some((fault, left)) = self.going_on.get_mut(&endpoint) {
            let fault = *fault;
            *left -= 1;
            if *left == 0 {
                self.going_on.remove(&endpoint);
            }
            return (Some(fault), rng);
        }
        if rng.f64() >= self.weather.chance {
            return (None, rng);
        }
        let possible: Vec<_> = Fault::OF_REQUESTS
            .iter()
            .filter(|(fault, _)| self.weather.faults.contains(fault))
            .collect();
        let all: u32 = possible.iter().map(|(_, weight)| weight).sum();
        if all == 0 {
            return (None, rng);
        }
        let mut at = rng.u32(..all);
        let drawn = possible.into_iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let Some((fault, _)) = drawn else { return (None, rng) };
        let more = match rng.u8(..10) {
            0..6 => 0,
            6..9 => rng.u64(1..3),
            _ => rng.u64(3..8),
        };
        // These cost a lot of time each.
        let lasting = !matches!(fault, Fault::EndlessBody | Fault::Timeout | Fault::Silence);
        if more > 0 && lasting {
            self.going_on.insert(endpoint, (*fault, more));
        }
        (Some(*fault), rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        for (name, fault) in Fault::ALL {
            assert_eq!((name.parse(), fault.to_string().as_str()), (Ok(*fault), *name));
        }
        assert!("rain".parse::<Fault>().unwrap_err().contains("throttle"));
    }

    #[test]
    fn a_seed_gives_the_same_faults_however_requests_are_mixed() {
        let faults = Fault::ALL.iter().map(|(_, fault)| *fault).collect::<BTreeSet<_>>();
        let weather = Weather { chance: 0.5, faults };
        let drawn = |order: &[usize]| {
            let mut draws = Draws::new(7);
            draws.begin(weather.clone());
            let mut all: Vec<_> = order.iter().map(|one| (*one, draws.next(*one).0)).collect();
            all.sort_by_key(|(endpoint, _)| *endpoint);
            all
        };
        assert_eq!(drawn(&[0, 1, 0, 1, 0, 1]), drawn(&[0, 0, 0, 1, 1, 1]));
        assert!(drawn(&[0; 40]).iter().any(|(_, fault)| fault.is_some()));
    }
}
