use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::watch;

use super::contract::{Doing, Log, Portion, Portioned, Sink, Taken};
use super::{Batch, Commit, Dedupe, Delivery, Forwarder, Polls, Spool};
use crate::clock::Clock;
use crate::error::{Code, Error};
use crate::state::Store;

const STREAMS: [&str; 2] = ["sign_ins", "changes"];

/// What a sink of these tests holds, also while nobody talks to it.
#[derive(Debug, Default)]
struct Held {
    /// All that came, repeats included.
    events: Vec<String>,
    /// What it keeps together with them, if it does.
    positions: std::collections::BTreeMap<String, u64>,
    /// How many of the next deliveries fail, before they are taken or after.
    failing: Vec<Failing>,
    /// It fails until then.
    down_until: Option<Timestamp>,
    attempts: u64,
    largest: usize,
    /// What it says to turns without events, the last first: when it wants the next one.
    rests: Vec<Result<Option<Duration>, ()>>,
    /// When it had such turns.
    rested: Vec<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Failing {
    Before,
    /// It took everything, and nobody heard of that.
    After,
    /// It took the first event alone.
    Half,
    /// The process ends while it delivers.
    Kill,
    No,
}

struct Fake {
    held: Arc<Mutex<Held>>,
    transactional: bool,
    portion: Portion,
    clock: Clock,
}

impl Sink for Fake {
    fn portion(&self) -> Portion {
        self.portion
    }

    fn position<'a>(&'a mut self, log: Log<'a>) -> Doing<'a, Option<u64>> {
        Box::pin(async move {
            let position = self.held.lock().unwrap().positions.get(log.stream).copied();
            Ok(position.filter(|_| self.transactional))
        })
    }

    fn idle<'a>(&'a mut self, _: Log<'a>) -> Doing<'a, Option<Duration>> {
        Box::pin(async move {
            let mut held = self.held.lock().unwrap();
            held.rested.push(self.clock.now());
            let said = held.rests.pop().unwrap_or(Ok(None));
            said.map_err(|()| Error::new(Code::SinkUnavailable, "the file cannot be closed"))
        })
    }

    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(async move {
            let failing = {
                let mut held = self.held.lock().unwrap();
                held.attempts += 1;
                held.largest = held.largest.max(events.lines.len());
                let down = held.down_until.is_some_and(|until| self.clock.now() < until);
                let failing = held.failing.pop().unwrap_or(Failing::No);
                let failing = if down { Failing::Before } else { failing };
                let texts = events.events().map(|event| String::from_utf8(event.to_vec()).unwrap());
                let take = match failing {
                    Failing::No | Failing::After => usize::MAX,
                    Failing::Half if !self.transactional => 1,
                    _ => 0,
                };
                if take == usize::MAX {
                    held.positions.insert(events.log.stream.to_owned(), events.end());
                }
                held.events.extend(texts.take(take));
                failing
            };
            let error = || Error::new(Code::SinkUnavailable, "the sink is down");
            match failing {
                Failing::No => {
                    let refused = events.events().enumerate();
                    let refused = refused.filter(|(_, event)| event.ends_with(b"refused\"}"));
                    let refused = refused.map(|(at, _)| (at, "not this one".to_owned())).collect();
                    Ok(Taken { refused })
                }
                Failing::Kill => std::future::pending().await,
                _ => Err(error()),
            }
        })
    }
}

struct Place {
    folder: TempDir,
    clock: Clock,
    sinks: Vec<(String, Arc<Mutex<Held>>, bool)>,
    most: u64,
}

struct Open {
    spool: Arc<Spool>,
    forwarders: Vec<Forwarder>,
}

impl Place {
    fn new(sinks: &[(&str, bool)], most: u64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::manual("2026-09-30T00:00:00Z".parse().unwrap()),
            sinks: sinks
                .iter()
                .map(|(name, transactional)| ((*name).to_owned(), Arc::default(), *transactional))
                .collect(),
            most,
        }
    }

    fn open(&self, portion: Portion) -> Open {
        let store = Arc::new(Store::open(&self.folder.path().join("state")).unwrap());
        let aside = Delivery::open(Arc::clone(&store), &self.folder.path().join("events")).unwrap();
        let aside = Arc::new(aside);
        let names: Vec<_> = self.sinks.iter().map(|(name, ..)| name.clone()).collect();
        let spool = Spool::open(store, &self.spool_folder(), "acme", &names, self.most).unwrap();
        let spool = Arc::new(spool);
        let forwarders = self.sinks.iter().map(|(name, held, transactional)| {
            let fake = Fake {
                held: Arc::clone(held),
                transactional: *transactional,
                portion,
                clock: self.clock.clone(),
            };
            let sink = (name.clone(), Box::new(fake) as Box<dyn Sink>);
            let places = (Arc::clone(&spool), Arc::clone(&aside));
            Forwarder::new(sink, places, self.clock.clone(), Arc::new(|_, _| {}))
        });
        let forwarders = forwarders.collect();
        Open { spool, forwarders }
    }

    fn spool_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("spool")
    }

    fn held(&self, sink: usize) -> std::sync::MutexGuard<'_, Held> {
        self.sinks[sink].1.lock().unwrap()
    }
}

fn event(stream: &str, number: u32) -> String {
    format!("{{\"id\":\"{stream} {number}\"}}")
}

fn append(spool: &Spool, store: &Store, stream: &str, events: &[String]) {
    let mut batch = Batch::new();
    for text in events {
        batch.push([0; 16], 0, Dedupe::New, text.as_bytes());
    }
    let id = store.stream("acme", stream).unwrap();
    let _ = spool.commit(stream, Commit::events(id, "", &batch)).unwrap();
}

impl Open {
    fn append(&self, stream: &str, numbers: std::ops::Range<u32>) {
        let events: Vec<_> = numbers.map(|number| event(stream, number)).collect();
        append(&self.spool, self.spool.store(), stream, &events);
    }

    /// Delivers everything, for as long as it takes; `false` if a kill came in between.
    fn drain(&mut self) -> bool {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (_polls, over) = watch::channel(Polls::Over);
        runtime.block_on(async {
            let mut all_done = true;
            for forwarder in &mut self.forwarders {
                // What is not over soon is a delivery that hangs: the process is killed there.
                let done = forwarder.run(over.clone());
                all_done &= tokio::time::timeout(Duration::from_millis(200), done).await.is_ok();
            }
            all_done
        })
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

fn all(numbers: u32) -> BTreeSet<String> {
    STREAMS.iter().flat_map(|stream| (0..numbers).map(|n| event(stream, n))).collect()
}

#[test]
fn a_sink_that_is_down_for_an_hour_holds_back_nobody_but_itself() {
    let place = Place::new(&[("up", true), ("down", false)], 64 << 20);
    let mut open = place.open(Portion { bytes: 100, age: Duration::ZERO });
    let until = place.clock.now() + Duration::from_hours(1);
    place.held(1).down_until = Some(until);
    open.append("sign_ins", 0..50);
    open.append("changes", 0..50);
    assert!(open.drain());
    assert_eq!(place.held(0).events.len(), 100);
    assert_eq!(place.held(1).events.len(), 0);
    let report = open.forwarders[1].report();
    assert!(report.lock().unwrap().error.is_some());
    assert_eq!(report.lock().unwrap().waiting, open.spool.size());

    place.clock.stall(Duration::from_hours(1));
    open.append("changes", 50..60);
    open.append("sign_ins", 50..60);
    assert!(open.drain());
    for sink in [0, 1] {
        let held = place.held(sink);
        assert_eq!(held.events.iter().cloned().collect::<BTreeSet<_>>(), all(60));
        assert_eq!(held.events.len(), 120);
        assert!(held.largest <= 100, "{}", held.largest);
    }
    assert_eq!(report.lock().unwrap().error, None);
    assert_eq!(report.lock().unwrap().waiting, 0);
}

#[test]
fn what_all_sinks_have_is_removed_and_a_full_spool_says_so() {
    let place = Place::new(&[("quick", false), ("slow", false)], 64 << 10);
    let mut open = place.open(Portion::default());
    place.held(1).down_until = Some(place.clock.now() + Duration::from_hours(1));
    let mut written = 0;
    while !open.spool.is_full() {
        open.append("sign_ins", written..written + 10);
        written += 10;
        assert!(written < 10_000);
    }
    assert!(open.drain());
    assert!(open.spool.is_full(), "the slow one has nothing");
    insta::assert_snapshot!(open.spool.overflow(), @"
    SINK_UNAVAILABLE: the spool holds 65590 bytes, and may hold no more
      cause: the sink `slow` takes no events: the sink is down
      fix:   mend what that sink complains about; reading goes on by itself then
      next:  tried again later
    ");
    place.held(1).down_until = None;
    assert!(open.drain());
    assert!(!open.spool.is_full());
    assert!(bytes_in(&place.spool_folder()) < 4 << 10, "{}", bytes_in(&place.spool_folder()));
    let slow: Vec<_> = (0..written).map(|number| event("sign_ins", number)).collect();
    assert_eq!(place.held(1).events, slow, "in order");
}

#[test]
fn what_a_sink_refuses_is_set_aside_once_with_the_reason() {
    let place = Place::new(&[("one", false)], 1 << 20);
    let mut open = place.open(Portion::default());
    let events = [event("sign_ins", 1), "{\"id\":\"refused\"}".to_owned(), event("sign_ins", 2)];
    append(&open.spool, open.spool.store(), "sign_ins", &events);
    assert!(open.drain());
    let aside = place.folder.path().join("events/sign_ins.refused.jsonl");
    assert_eq!(
        std::fs::read_to_string(aside).unwrap(),
        "{\"event\":\"{\\\"id\\\":\\\"refused\\\"}\",\"reason\":\"not this one\",\"sink\":\"one\",\"stream\":\"sign_ins\"}\n"
    );
    let report = open.forwarders[0].report();
    let report = report.lock().unwrap();
    assert_eq!((report.delivered, report.refused, report.waiting), (2, 1, 0));
}

#[test]
fn a_portion_is_delivered_when_it_is_large_or_old_enough() {
    let place = Place::new(&[("one", true)], 1 << 20);
    let mut open = place.open(Portion { bytes: 60, age: Duration::from_secs(300) });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    open.append("sign_ins", 0..5);
    let (_polls, on) = watch::channel(Polls::GoOn);
    let forwarder = &mut open.forwarders[0];
    runtime.block_on(async {
        let _ = tokio::time::timeout(Duration::from_millis(100), forwarder.run(on)).await;
    });
    // A clock that jumps when somebody waits: the last ones were delivered for their age.
    assert_eq!(place.held(0).events.len(), 5);
    assert_eq!(place.held(0).attempts, 2);
    assert!(place.clock.now() >= "2026-09-30T00:05:00Z".parse::<Timestamp>().unwrap());
}

#[test]
fn a_sink_has_turns_without_events_when_it_wants_them() {
    const HOUR: Duration = Duration::from_hours(1);
    let place = Place::new(&[("one", true)], 1 << 20);
    let mut open = place.open(Portion::default());
    let started = place.clock.now();
    open.append("sign_ins", 0..5);
    // In a run that ends nobody waits for the hour to pass.
    place.held(0).rests = vec![Ok(Some(HOUR))];
    assert!(open.drain());
    assert_eq!(place.held(0).rested, [started]);
    assert!(open.drain());
    assert_eq!(place.held(0).rested, [started], "it is not time yet");

    // In one that goes on, it has its turn after an hour, and again until it does what is due.
    place.held(0).rests = vec![Ok(None), Err(()), Ok(Some(HOUR))];
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (polls, on) = watch::channel(Polls::GoOn);
    let report = open.forwarders[0].report();
    let forwarder = &mut open.forwarders[0];
    runtime.block_on(async {
        let until_done = async {
            while place.held(0).rested.len() < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            polls.send(Polls::Over).unwrap();
        };
        tokio::join!(forwarder.run(on), until_done);
    });
    let again = started + 2 * HOUR;
    let after_pause = again + Duration::from_secs(1);
    assert_eq!(place.held(0).rested[1..], [started + HOUR, again, after_pause]);
    assert_eq!(report.lock().unwrap().error, None);

    // One that fails is named, and given up for this run after three times.
    open.append("sign_ins", 5..6);
    place.held(0).rests = vec![Err(()), Err(()), Err(())];
    assert!(open.drain());
    assert_eq!(place.held(0).rested.len(), 7);
    assert_eq!(place.held(0).events.len(), 6);
    assert!(report.lock().unwrap().error.is_some());
    assert!(open.drain());
    assert_eq!(report.lock().unwrap().error, None);
    assert_eq!(place.held(0).events.len(), 6);
}

#[test]
fn a_sink_that_lacks_one_stream_is_not_well_because_it_takes_another() {
    let place = Place::new(&[("one", true)], 1 << 20);
    let mut open = place.open(Portion::default());
    open.append("changes", 0..5);
    open.append("sign_ins", 0..5);
    // Both fail in turns, and the second stream is taken in the end.
    place.held(0).failing = [vec![Failing::No], vec![Failing::Before; 5]].concat();
    assert!(open.drain());
    assert_eq!(place.held(0).events.len(), 5);
    let report = open.forwarders[0].report();
    assert!(report.lock().unwrap().error.is_some());
    assert!(report.lock().unwrap().waiting > 0);
    assert!(open.drain());
    assert_eq!(place.held(0).events.len(), 10);
    assert_eq!(report.lock().unwrap().error, None);
}

#[test]
fn events_that_are_gone_are_not_passed_over() {
    let place = Place::new(&[("one", true)], 1 << 20);
    let open = place.open(Portion::default());
    open.append("sign_ins", 0..5);
    drop(open);
    let file = std::fs::read_dir(place.spool_folder()).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&file).unwrap();
    let store = Arc::new(Store::open(&place.folder.path().join("state")).unwrap());
    let opened = Spool::open(store, &place.spool_folder(), "acme", &["one".to_owned()], 1 << 20);
    assert_eq!(opened.unwrap_err().code, Code::StateCorrupt);
}

#[test]
fn a_state_folder_may_be_moved() {
    let place = Place::new(&[("one", false)], 1 << 20);
    let mut open = place.open(Portion::default());
    open.append("sign_ins", 0..5);
    assert!(open.drain());
    open.append("sign_ins", 5..9);
    drop(open);
    let folder = tempfile::tempdir().unwrap();
    std::fs::rename(place.folder.path().join("state"), folder.path().join("state")).unwrap();
    // A copy, with what a crash left behind the last commit.
    std::fs::create_dir(folder.path().join("spool")).unwrap();
    for file in std::fs::read_dir(place.spool_folder()).unwrap() {
        let file = file.unwrap();
        let mut text = std::fs::read_to_string(file.path()).unwrap();
        text.push_str("{\"torn");
        std::fs::write(folder.path().join("spool").join(file.file_name()), text).unwrap();
    }
    let moved = Place { folder, ..place };
    let mut open = moved.open(Portion::default());
    open.append("sign_ins", 9..10);
    assert!(open.drain());
    let all: Vec<_> = (0..10).map(|number| event("sign_ins", number)).collect();
    assert_eq!(moved.held(0).events, all);
}

#[test]
fn a_new_sink_starts_with_what_is_there() {
    let mut place = Place::new(&[("one", true)], 1 << 20);
    let mut open = place.open(Portion::default());
    open.append("sign_ins", 0..5);
    assert!(open.drain());
    drop(open);
    place.sinks.push(("two".to_owned(), Arc::default(), false));
    let mut open = place.open(Portion::default());
    open.append("sign_ins", 5..7);
    assert!(open.drain());
    assert_eq!(place.held(0).events.len(), 7);
    assert_eq!(place.held(1).events.len(), 7);
}

/// Polls append while sinks take everything at once: what is removed is never what is written to.
#[test]
fn appending_and_removing_at_the_same_time_lose_nothing() {
    let place = Place::new(&[("one", false)], 4 << 10);
    let Open { spool, mut forwarders } = place.open(Portion::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (polls, over) = watch::channel(Polls::GoOn);
    let writers: Vec<_> = STREAMS
        .map(|stream| {
            let spool = Arc::clone(&spool);
            std::thread::spawn(move || {
                for number in 0..150 {
                    append(&spool, spool.store(), stream, &[event(stream, number)]);
                }
            })
        })
        .into();
    runtime.block_on(async {
        let forwarding = forwarders[0].run(over);
        let writing = async {
            tokio::task::spawn_blocking(|| writers.into_iter().for_each(|one| one.join().unwrap()))
                .await
                .unwrap();
            polls.send(Polls::Over).unwrap();
        };
        tokio::join!(forwarding, writing);
    });
    let held = place.held(0);
    assert_eq!(held.events.len(), 300);
    assert_eq!(held.events.iter().cloned().collect::<BTreeSet<_>>(), all(150));
}

#[derive(Clone, Debug)]
enum Act {
    Append(usize, u32),
    Drain(Vec<Failing>, Vec<Failing>),
    Restart,
}

fn failing() -> impl Strategy<Value = Vec<Failing>> {
    let one = prop_oneof![
        Just(Failing::Before),
        Just(Failing::After),
        Just(Failing::Half),
        Just(Failing::Kill),
        Just(Failing::No)
    ];
    prop::collection::vec(one, 0..4)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..2_usize, 1..40_u32).prop_map(|(stream, count)| Act::Append(stream, count)),
        2 => (failing(), failing()).prop_map(|(one, two)| Act::Drain(one, two)),
        1 => Just(Act::Restart),
    ]
}

fn cases() -> u32 {
    std::env::var("PROPERTY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Whatever fails or is killed: all sinks end up with the same set, in order for each stream, and
    /// those that keep their position have each event once.
    #[test]
    fn every_sink_gets_everything(
        acts in prop::collection::vec(act(), 1..12),
        bytes in 1..400_usize,
        most in 1_u64..20_000,
    ) {
        let place = Place::new(&[("transactional", true), ("plain", false)], most);
        let portion = Portion { bytes, age: Duration::from_secs(2) };
        let mut open = place.open(portion);
        let mut written = [0; 2];
        for act in acts {
            match act {
                Act::Append(stream, count) => {
                    open.append(STREAMS[stream], written[stream]..written[stream] + count);
                    written[stream] += count;
                }
                Act::Drain(one, two) => {
                    place.held(0).failing = one;
                    place.held(1).failing = two;
                    if !open.drain() {
                        drop(open);
                        open = place.open(portion);
                    }
                }
                Act::Restart => {
                    drop(open);
                    open = place.open(portion);
                }
            }
        }
        for sink in [0, 1] {
            place.held(sink).failing.clear();
        }
        prop_assert!(open.drain());
        let expected: Vec<BTreeSet<String>> = (0..2)
            .map(|stream| (0..written[stream]).map(|n| event(STREAMS[stream], n)).collect())
            .collect();
        let expected: BTreeSet<String> = expected.into_iter().flatten().collect();
        for sink in [0, 1] {
            let held = place.held(sink);
            let set: BTreeSet<String> = held.events.iter().cloned().collect();
            prop_assert_eq!(&set, &expected);
            if sink == 0 {
                prop_assert_eq!(held.events.len(), set.len());
            }
        }
        // All have everything: of each stream the last file is left.
        let left = std::fs::read_dir(place.spool_folder()).unwrap().count();
        prop_assert!(left <= STREAMS.len(), "{left} files");
    }
}
