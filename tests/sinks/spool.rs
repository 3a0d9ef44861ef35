//! The spool between polls and sinks has a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Error};
use longshore_engine::sink::{Doing, Portioned, Sink, Taken};

use crate::org::{events, uids};
use crate::support;

/// A sink that takes nothing until it is told to.
#[derive(Clone, Default)]
struct Shy {
    up: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Sink for Shy {
    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(async move {
            if !self.up.load(Ordering::SeqCst) {
                return Err(Error::new(Code::SinkUnavailable, "the sink is away"));
            }
            let mut taken = self.taken.lock().unwrap();
            taken.extend(events.events().map(|event| String::from_utf8(event.to_vec()).unwrap()));
            Ok(Taken::default())
        })
    }
}

/// An hour passes in which one of two sinks takes nothing, polls go on, and the spool is full soon.
#[tokio::test(flavor = "multi_thread")]
async fn the_spool_is_bounded_and_what_was_not_read_for_it_is_read_later() {
    const MOST: u64 = 64 << 10;
    let tenant = support::Tenant::start(support::small()).await;
    let shy = Shy::default();
    let folder = tenant.folder.path().join("up");
    let spool = tenant.folder.path().join("state/spool/acme");
    let open = || {
        let text = format!(
            "{}sinks: {{ up: {{ json_lines: {{ folder: up }} }} }}\n",
            std::fs::read_to_string(tenant.connection()).unwrap()
        );
        let path = tenant.folder.path().join("sinks.yaml");
        std::fs::write(&path, text).unwrap();
        let (file, source) = ConnectionFile::read(&path).unwrap();
        let mut sinks = longshore_sinks::open(&file, &source).unwrap();
        sinks.push(("shy".to_owned(), Box::new(shy.clone())));
        tenant.open().with_sinks(sinks, &tenant.folder.path().join("state/spool"), MOST).unwrap()
    };
    let clock = tenant.clock.clone();
    let passing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            clock.stall(Duration::from_secs(1));
        }
    });
    let started = tenant.clock.now();
    let mut refused = 0;
    while tenant.clock.now().duration_since(started) < SignedDuration::from_hours(1) {
        let reports = tenant.poll_runner(&open(), &[]).await;
        refused += reports.iter().filter(|report| report.error.is_some()).count();
        for error in reports.iter().filter_map(|report| report.error.as_ref()) {
            assert_eq!(error.code, Code::SinkUnavailable, "{error}");
            assert!(error.cause.as_ref().unwrap().contains("the sink is away"), "{error}");
        }
        let files = std::fs::read_dir(&spool).unwrap();
        let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        // And what the polls of the four streams had in hand.
        assert!(size < 4 * MOST, "{size}");
        tenant.clock.sleep(Duration::from_mins(20)).await;
    }
    assert!(refused > 0);
    assert_eq!(shy.taken.lock().unwrap().len(), 0);
    let behind = uids(&events(&folder)).len();
    assert!(behind > 50, "the other one has all that was read, {behind} events");

    shy.up.store(true, Ordering::SeqCst);
    loop {
        let reports = tenant.poll_runner(&open(), &[]).await;
        if reports.iter().all(|report| report.error.is_none()) {
            break;
        }
    }
    passing.abort();
    support::compare::assert_exact(&tenant.org, &folder);
    let shown = std::mem::take(&mut *shy.taken.lock().unwrap());
    let bytes: usize = shown.iter().map(String::len).sum();
    assert!(bytes as u64 > 8 * MOST, "it would have fitted: {bytes}");
    assert_eq!(uids(&[(String::new(), shown)]), uids(&events(&folder)));
}
