//! What every sink has to come through, from the org to what another program reads.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

use fastrand::Rng;
use longshore_validator::ocsf::check_event;
use serde_json::Value;

use crate::line::{Bytes, Line, PATIENCE};
use crate::org::{Org, by_uid, uid, uids};

/// No server answers shorter, in bytes.
const SHORT: u64 = 40;
/// Fewer bytes than are sent to any of them for what waits at the least.
const PART: u64 = 5000;

/// A place that events are delivered to, and how to harm it.
pub(crate) trait Place {
    /// The sink's section of a connection file; paths in it start at the org's folder.
    fn section(&mut self, org: &Org) -> String;

    /// How much has arrived; it grows with every event that does.
    fn arrived(&mut self) -> u64;

    /// Ends the server in the middle of what it does.
    fn kill(&mut self) {}

    /// Starts the server that was killed.
    fn start(&mut self) {}

    /// The way to the server, if it is one that can be cut, and what is said on it to which the answer
    /// is that events are taken.
    fn line(&self) -> Option<(&Line, &'static [u8])> {
        None
    }

    /// Compares what another program reads with the events that were given to the sink, and gives how
    /// many came more than once.
    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize;
}

/// Lets everything befall a delivery to a place, and gives how many events came more than once: the
/// server is killed and started again, the network is cut, the program is killed, all of it when a part
/// was delivered and the app has more. Then a run without faults must bring what is missing.
pub(crate) async fn survive(place: &mut dyn Place) -> usize {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let mut org = Org::start().await;
    let truth = uids(&org.truth());
    let section = place.section(&org);
    let sinks = format!(
        "sinks:\n  beside: {{ json_lines: {{ folder: beside }} }}\n  tried: {{ {section} }}\n"
    );
    let connection = org.connection("tried", &sinks);

    // The server is killed when it has a part. The app is read on meanwhile.
    org.hold_after(35);
    let mut program = org.begin(&connection);
    org.line.wait_held(&mut program);
    wait_for_more(place, 0, &mut program);
    let before = place.arrived();
    place.kill();
    org.hold_after(25);
    org.line.wait_held(&mut program);
    // It is delivered to again without further ado; then the program is killed.
    if let Some((line, _)) = place.line() {
        line.cut_and_hold(Bytes::Sent, random.u64(1..PART));
    }
    place.start();
    match place.line() {
        Some((line, _)) => line.wait_held(&mut program),
        None => wait_for_more(place, before, &mut program),
    }
    // Who takes events for delivered before they are has time to.
    pause(&mut random);
    kill(&mut program, place);

    // The network is cut before an answer, and before everything was sent; the program is killed
    // before it hears what was taken.
    org.hold_after(15);
    if let Some((line, question)) = place.line() {
        line.hold(Bytes::Answered, random.u64(..SHORT));
        program = org.begin(&connection);
        line.wait_held(&mut program);
        pause(&mut random);
        line.cut_and_hold(Bytes::Sent, random.u64(1..PART));
        line.wait_held(&mut program);
        pause(&mut random);
        line.cut_and_hold_answers_to(question);
        line.wait_held(&mut program);
    } else {
        let before = place.arrived();
        program = org.begin(&connection);
        org.line.wait_held(&mut program);
        wait_for_more(place, before, &mut program);
        // Nobody is there when the program is killed.
        place.kill();
        org.hold_after(18);
        org.line.wait_held(&mut program);
    }
    pause(&mut random);
    kill(&mut program, place);
    if place.line().is_none() {
        place.start();
    }

    org.line.cut();
    let ran = org.run(&connection);
    assert_eq!(ran.code, Some(0), "seed {seed}: {}", ran.stderr);
    let given = by_uid(&org.path("beside"));
    assert!(given.keys().eq(&truth), "seed {seed}: {} of {} events", given.len(), truth.len());
    let repeats = place.check(&given);
    println!("seed {seed}: {} events, {repeats} repeats", truth.len());
    repeats
}

fn pause(random: &mut Rng) {
    std::thread::sleep(Duration::from_millis(random.u64(..400)));
}

fn wait_for_more(place: &mut dyn Place, before: u64, program: &mut Child) {
    let begun = Instant::now();
    while place.arrived() <= before {
        assert!(program.try_wait().unwrap().is_none(), "the program ended before it delivered");
        assert!(begun.elapsed() < PATIENCE, "nothing arrives");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill(program: &mut Child, place: &dyn Place) {
    program.kill().unwrap();
    program.wait().unwrap();
    if let Some((line, _)) = place.line() {
        line.cut();
    }
}

/// Holds events that were read against those that were given: the same ones, each of them an event of
/// OCSF and equal to what was given however often it is there. Gives how many are there again.
pub(crate) fn compare(given: &BTreeMap<String, Value>, read: &[Value]) -> usize {
    let mut missing = given.clone();
    for event in read {
        assert_eq!(given.get(uid(event)), Some(event), "it is not what was given");
        if missing.remove(uid(event)).is_some() {
            let violations = check_event(event);
            assert!(violations.is_empty(), "{violations:?}: {event}");
        }
    }
    let few: Vec<_> = missing.keys().take(5).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {few:?}", missing.len(), given.len());
    read.len() - given.len()
}
