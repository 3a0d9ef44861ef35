//! Streams over a real store and a real socket, polled again and again: some polls fail, some are
//! killed at any request, and what is in hand is committed in between at times.
//!
//! `PROPERTY_CASES` says how many schedules are tried.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::Duration;

use longshore_engine::clock::Clock;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::composition::stream;
use crate::paging::record;
use crate::support::{App, Asked, NOON, Tenant, json, status};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Fewer than elsewhere: each case is a dozen polls with all that belongs to them.
fn cases() -> ProptestConfig {
    let wanted = std::env::var("PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: wanted.unwrap_or(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// How a poll ends, at the request of this number.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Well,
    Fails(u64),
    Killed(u64),
}

/// How a poll goes: how it ends, and before which requests so much time passes that what is in hand
/// is committed.
#[derive(Clone, Debug)]
struct Going {
    ending: Ending,
    commits: u8,
}

fn goings() -> impl Strategy<Value = Going> {
    let ending = prop_oneof![
        3 => Just(Ending::Well),
        1 => (1..6_u64).prop_map(Ending::Fails),
        2 => (1..6_u64).prop_map(Ending::Killed),
    ];
    (ending, any::<u8>()).prop_map(|(ending, commits)| Going { ending, commits })
}

/// What the app does with the requests of the poll in hand.
#[derive(Debug)]
struct Weather {
    clock: OnceLock<Clock>,
    going: Mutex<Going>,
    asked: AtomicU64,
    kill: Notify,
}

impl Weather {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: OnceLock::new(),
            going: Mutex::new(Going { ending: Ending::Well, commits: 0 }),
            asked: AtomicU64::new(0),
            kill: Notify::new(),
        })
    }

    /// Notes a request; whether it is refused.
    fn refuses(&self) -> bool {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let Going { ending, commits } = self.going.lock().unwrap().clone();
        if number < 8 && commits >> number & 1 == 1 {
            self.clock.get().unwrap().stall(Duration::from_secs(3));
        }
        match ending {
            Ending::Killed(at) if at == number => self.kill.notify_one(),
            _ => {}
        }
        matches!(ending, Ending::Fails(at) if at == number)
    }

    /// Polls so; whether that was complete.
    async fn poll(&self, tenant: &Tenant, going: &Going) -> bool {
        self.clock.get_or_init(|| tenant.clock.clone());
        tenant.advance(900).await;
        *self.going.lock().unwrap() = going.clone();
        self.asked.store(0, Ordering::SeqCst);
        let report = tenant.poll_until(self.kill.notified()).await;
        if report.is_none() {
            tenant.is_free().await;
        }
        // A poll may have been over before the kill.
        *self.going.lock().unwrap() = Going { ending: Ending::Well, commits: 0 };
        let _ = tokio::time::timeout(Duration::ZERO, self.kill.notified()).await;
        report.is_some_and(|report| report.error.is_none())
    }
}

/// The delivered events of each record, in order: what the event says, and whether it is the one
/// that the record is gone.
fn told(tenant: &Tenant) -> BTreeMap<String, Vec<(String, bool)>> {
    let path = tenant.folder.path().join("events/events.jsonl");
    let mut told: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let is_gone = event["activity_name"] == "Logoff";
        let of = told.entry(text(&event["user"]["uid"])).or_default();
        of.push((text(&event["message"]), is_gone));
    }
    told
}

const PEOPLE: usize = 6;

const SNAPSHOT: &str = r#"request: { get: /users, query: { page: "{{page.number}}" } }
records: $.records[*]
pages: { number: { size: 2 } }
key: $.id
changes:
  ignore: [$.seen]
  gone:
    to: authentication
    activity: Logoff
    message: $.name
    user.uid: $.id
    status: Success
    service.name: Tester"#;

/// People with the version of each, or nothing where there is none.
type People = [Option<u8>; PEOPLE];

fn people() -> impl Strategy<Value = People> {
    prop::array::uniform6(prop::option::weighted(0.8, 0..3_u8))
}

fn snapshot_app(
    shown: &Arc<Mutex<People>>,
    weather: &Arc<Weather>,
) -> impl Fn(Asked) -> axum::response::Response + Clone + Send + Sync + 'static {
    let (shown, weather) = (Arc::clone(shown), Arc::clone(weather));
    move |asked| {
        if weather.refuses() {
            return status(400, &json!({}));
        }
        let all = *shown.lock().unwrap();
        let person = |(id, version): (usize, Option<u8>)| {
            let mut record = record(NOON + id as i64);
            record["name"] = format!("version {}", version?).into();
            record["seen"] = asked.number("page")?.into();
            Some(record)
        };
        let all: Vec<_> = all.into_iter().enumerate().filter_map(person).collect();
        let from = (asked.number("page").unwrap() as usize - 1) * 2;
        let records: Vec<_> = all.iter().skip(from).take(2).collect();
        json(&json!({ "records": records }))
    }
}

async fn snapshots(schedule: &[(People, Going)]) -> Result<(), TestCaseError> {
    let (shown, weather) = (Arc::new(Mutex::new([None; PEOPLE])), Weather::new());
    let app = App::start(snapshot_app(&shown, &weather)).await;
    let map = stream(SNAPSHOT).replace("message: $.id", "message: $.name");
    let tenant = Tenant::new(&app, &map);
    let last =
        schedule.last().map(|(people, _)| (*people, Going { ending: Ending::Well, commits: 0 }));
    for (people, going) in schedule.iter().cloned().chain(last) {
        *shown.lock().unwrap() = people;
        let complete = weather.poll(&tenant, &going).await;
        let told = told(&tenant);
        for events in told.values() {
            let doubled = events.windows(2).find(|pair| pair[0] == pair[1]);
            prop_assert!(doubled.is_none(), "{doubled:?} of {told:?}");
            prop_assert!(!events[0].1, "gone before it was there: {told:?}");
        }
        // An app that shows nothing at all is not believed.
        if !complete || people.iter().all(Option::is_none) {
            continue;
        }
        for (id, version) in people.iter().enumerate() {
            let last = told.get(&(NOON + id as i64).to_string()).and_then(|events| events.last());
            let last = last.filter(|(_, is_gone)| !is_gone).map(|(name, _)| name.as_str());
            let expected = version.map(|version| format!("version {version}"));
            prop_assert_eq!(last, expected.as_deref(), "{} of {:?}", id, told);
        }
    }
    Ok(())
}

const PLACE: &str = r#"request: { get: /events, query: { after: "{{cursor.value}}" } }
records: $.records[*]
key: $.id
cursor: { next: $.place, first: now, expired: restart }"#;

/// What happens before a poll of a log, and how the poll goes.
#[derive(Clone, Debug)]
struct Turn {
    /// So many records come.
    more: u64,
    /// The app forgets all places that it named.
    expires: bool,
    going: Going,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (0..9_u64, prop::bool::weighted(0.15), goings());
    let turn = turn.prop_map(|(more, expires, going)| Turn { more, expires, going });
    prop::collection::vec(turn, 1..10)
}

/// A log that hands out places which say nothing, up to three records at a time.
struct Log {
    held: u64,
    /// The names of places begin with this.
    age: u64,
    /// From where a connector started that asked for what comes.
    starts: Vec<u64>,
}

async fn log(schedule: &[Turn]) -> Result<(), TestCaseError> {
    let weather = Weather::new();
    let held = Arc::new(Mutex::new(Log { held: 0, age: 0, starts: Vec::new() }));
    let (holds, refuses) = (Arc::clone(&held), Arc::clone(&weather));
    let app = App::start(move |asked| {
        if refuses.refuses() {
            return status(400, &json!({}));
        }
        let mut log = holds.lock().unwrap();
        let after = &asked.query["after"];
        let known = after.strip_prefix(&format!("{}-", log.age));
        let from = match known.and_then(|place| place.parse().ok()) {
            Some(place) => place,
            None if after == "now" => {
                let held = log.held;
                log.starts.push(held);
                held
            }
            None => return status(410, &json!({ "error": "place unknown" })),
        };
        let to = log.held.min(from + 3);
        let records: Vec<_> = (from..to).map(|at| record(NOON + at as i64)).collect();
        json(&json!({ "records": records, "place": format!("{}-{to}", log.age) }))
    })
    .await;
    let gone = "errors:\n  - when: { status: 410 }\n    then: restart_window\n";
    let tenant = Tenant::new(&app, &stream(PLACE)).edit("errors:\n", gone);
    let last = Turn { more: 0, expires: false, going: Going { ending: Ending::Well, commits: 0 } };
    // So many records are due: all up to here that lie behind where it last started.
    let (mut due, mut skipped) = (0, Vec::new());
    for turn in schedule.iter().chain([&last, &last]) {
        let before = {
            let mut log = held.lock().unwrap();
            log.held += turn.more;
            log.age += u64::from(turn.expires);
            log.starts.len()
        };
        let complete = weather.poll(&tenant, &turn.going).await;
        let log = held.lock().unwrap();
        for start in &log.starts[before..] {
            // What it did not read by then it cannot read any more.
            skipped.push(due..*start);
            due = due.max(*start);
        }
        if complete {
            due = log.held;
        }
        drop(log);
        let told = told(&tenant);
        let repeated = told.iter().find(|(_, events)| events.len() > 1);
        prop_assert!(repeated.is_none(), "{repeated:?}");
        for at in (0..due).filter(|_| complete) {
            let is_due = !skipped.iter().any(|skipped| skipped.contains(&at));
            let id = (NOON + at as i64).to_string();
            prop_assert!(!is_due || told.contains_key(&id), "{at} of {due} is lost");
        }
    }
    prop_assert_eq!(due, held.lock().unwrap().held);
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    /// Whatever fails or is killed: a change is told once, and after every snapshot that is complete
    /// the last event of each record says how it is.
    #[test]
    fn snapshots_tell_every_change_once(
        schedule in prop::collection::vec((people(), goings()), 1..10)
    ) {
        RUNTIME.block_on(snapshots(&schedule))?;
    }

    /// Whatever fails, is killed or expires: no record comes twice, and none is left out but those
    /// that came before the stream had to start again.
    #[test]
    fn a_log_is_read_whole_and_once(schedule in turns()) {
        RUNTIME.block_on(log(&schedule))?;
    }
}
