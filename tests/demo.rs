//! The demo is the whole product: everything that the org holds, once, as valid OCSF events.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use longshore_simulator::salesforce::{Config, Simulator, Volume};
use longshore_validator::ocsf::check_event;
use serde_json::Value;
use support::compare::{assert_rows, assert_same, events, ids, rows};
use support::noon;
use support::process::{longshore, run};

const STREAMS: [&str; 4] = ["sign_ins", "setup_audit_trail", "event_log", "users"];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_delivers_what_the_org_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = longshore(["demo", "--format", "json", "--directory"]);
    let ran = run(demo.arg(folder.path()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);

    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let compared = report["compared"].as_array().unwrap();
    assert_eq!(compared.len(), STREAMS.len());
    for stream in compared {
        assert_eq!(stream["held"], stream["delivered"], "{stream}");
        assert!(stream["held"].as_u64().unwrap() > 0, "{stream}");
    }
    for stream in report["streams"].as_array().unwrap() {
        assert!(stream["error"].is_null(), "{stream}");
        assert_eq!(stream["rejected"], 0, "{stream}");
        assert_eq!(stream["repeats"], 0, "{stream}");
        assert_eq!(stream["gaps"], 0, "{stream}");
    }

    let output = folder.path().join("events");
    let mut uids = BTreeSet::new();
    let mut violations: BTreeMap<String, u64> = BTreeMap::new();
    let mut names: Vec<_> = std::fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected: BTreeSet<_> = STREAMS.iter().map(|stream| format!("{stream}.jsonl")).collect();
    assert_eq!(names, expected.into_iter().collect::<Vec<_>>());
    for stream in STREAMS {
        for event in events(&output, stream) {
            let uid = event["metadata"]["uid"].as_str().unwrap().to_owned();
            assert!(uids.insert(uid), "{stream}: a uid occurs twice: {event}");
            for violation in check_event(&event) {
                let activity = event["type_name"].as_str().unwrap_or("?");
                *violations.entry(format!("{stream}, {activity}: {violation}")).or_default() += 1;
            }
        }
    }
    let first: Vec<_> =
        violations.iter().take(20).map(|(what, n)| format!("{n} x {what}")).collect();
    assert!(violations.is_empty(), "{} kinds:\n{}", violations.len(), first.join("\n"));

    // A second org of the same seed and start is the same org, so its word counts for the first.
    let config = Config {
        now: Some(noon()),
        frozen: true,
        volume: Volume { days: 59, ..Volume::default() },
        ..Config::default()
    };
    let org = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let truth = org.truth();
    let held = [
        ("sign_ins", &truth.sign_ins.ids),
        ("setup_audit_trail", &truth.setup_audit.ids),
        ("users", &truth.users.ids),
    ];
    for (stream, held) in held {
        assert_same(stream, held, &ids(&events(&output, stream)));
    }
    // Files of the retention's first two minutes were gone when the demo's later clock asked.
    let log = report["streams"].as_array().unwrap().iter().find(|s| s["stream"] == "event_log");
    let from = log.unwrap()["from"].as_str().unwrap().parse().unwrap();
    assert_rows(&rows(&org, &truth, |created| created >= from), &events(&output, "event_log"));
}
