//! The program inside other platforms: what it answers them, and that states and records fit
//! together whatever happens.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "protocol/platform.rs"]
mod platform;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use longshore_simulator::salesforce::{Config, Fault};
use platform::{Platform, Read, STREAMS};
use serde_json::{Value, json};
use support::process::{Ran, longshore, run, signal};
use support::{MANIFEST, Tenant, redact, small, status};

/// The JSON messages of a program.
fn messages(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A platform does not send what it does not keep again: it keeps what comes, records over records
/// of the same stream.
fn all(reads: &[&Read]) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for read in reads {
        for (stream, records) in &read.records {
            // What is read whole each time takes the place of what was there.
            if stream == "users" {
                all.remove(stream);
            }
            all.entry(stream.clone()).or_default().extend(records.iter().cloned());
        }
    }
    all
}

#[test]
fn a_specification_and_a_catalog_need_no_app() {
    let manifest =
        |app: &str| format!("{}/manifests/{app}/manifest.yaml", env!("CARGO_MANIFEST_DIR"));
    let airbyte = |app: &str, step: &str| {
        let path = manifest(app);
        let ran = run(&mut longshore(["protocol", "airbyte", "--manifest", &path, step]));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{app}");
        let mut messages = messages(&ran);
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    };
    insta::assert_snapshot!("spec", format!("{:#}", airbyte("salesforce", "spec")));
    let catalog = airbyte("salesforce", "discover");
    insta::assert_snapshot!("catalog", format!("{:#}", catalog["catalog"]["streams"][0]));
    // Also for every other app that is shipped, and as Singer has it.
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests")).unwrap() {
        let app = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(airbyte(&app, "spec")["type"], "SPEC");
        let streams = airbyte(&app, "discover")["catalog"]["streams"].as_array().unwrap().clone();
        let path = manifest(&app);
        let ran = run(&mut longshore(["protocol", "singer", "--manifest", &path, "--discover"]));
        let singer: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(!streams.is_empty());
        for (airbyte, singer) in streams.iter().zip(singer["streams"].as_array().unwrap()) {
            assert_eq!(airbyte["name"], singer["tap_stream_id"]);
            assert_eq!(airbyte["json_schema"], singer["schema"]);
            assert_eq!(airbyte["json_schema"]["properties"]["time"]["type"], "integer");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_checked() {
    let platform = Platform::start().await;
    let check = |config: &Value| {
        platform.write("other.json", &config.to_string());
        let ran = platform.airbyte(&["check", "--config", "other.json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let mut messages = messages(&ran);
        let last = messages.pop().unwrap();
        assert_eq!(last["type"], "CONNECTION_STATUS");
        (last["connectionStatus"].clone(), messages)
    };
    assert_eq!(check(&platform.config()), (json!({ "status": "SUCCEEDED" }), vec![]));
    for (member, value, told) in [
        ("client_secret", json!("simulated-wrong-secret"), "AUTH_"),
        ("client_secret", json!(null), "`client_secret` is missing"),
        ("grant", json!(null), "`refresh_token` is missing"),
        ("client_idd", json!("x"), "`client_idd`"),
        ("login_host", json!("example.com"), "NET_HOST_BLOCKED"),
    ] {
        let mut config = platform.config();
        config[member] = value;
        let (status, _) = check(&config);
        assert_eq!(status["status"], "FAILED", "{member}");
        let message = status["message"].as_str().unwrap();
        assert!(message.contains(told) && message.contains("fix:"), "{message}");
    }
    // What one stream may not see is no reason to refuse all others.
    platform.tenant.break_query("FROM SetupAuditTrail", 0, 0, status(403, "[]"));
    let (status, said) = check(&platform.config());
    assert_eq!(status, json!({ "status": "SUCCEEDED" }));
    assert_eq!(said.len(), 1);
    assert!(said[0]["log"]["message"].as_str().unwrap().contains("setup_audit_trail"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reads_have_everything_once() {
    let platform = Platform::start().await;
    let first = platform.read(&BTreeMap::new());
    assert_eq!((first.code, first.said.as_str()), (Some(0), ""), "{:?}", first.errors);
    platform.assert_exact(&all(&[&first]));
    for stream in STREAMS {
        assert_eq!(first.statuses[stream], ["STARTED", "RUNNING", "COMPLETE"], "{stream}");
    }
    // What is read whole each time has no state.
    assert_eq!(
        first.state.keys().collect::<Vec<_>>(),
        ["event_log", "setup_audit_trail", "sign_ins"]
    );
    let standing = &first.state["sign_ins"]["stream"]["stream_state"]["standing"];
    assert!(!standing["keys"][0][1].as_str().unwrap().is_empty(), "nothing is asked for twice");

    platform.more(7, 3);
    let second = platform.read(&first.state);
    assert_eq!(second.code, Some(0), "{:?}", second.errors);
    let counts = ["sign_ins", "setup_audit_trail"].map(|stream| second.records[stream].len());
    assert_eq!(counts, [7, 3]);
    platform.assert_exact(&all(&[&first, &second]));
    let spent = |read: &Read| {
        let standing = &read.state["sign_ins"]["stream"]["stream_state"]["standing"];
        let buckets = standing["quotas"][0]["buckets"].as_array().unwrap();
        let settled: i64 = buckets.iter().map(|bucket| bucket[2].as_i64().unwrap()).sum();
        settled + standing["quotas"][0]["snapshot"]["unsettled"].as_i64().unwrap()
    };
    assert!(0 < spent(&first) && spent(&first) < spent(&second), "what was spent is forgotten");
    let third = platform.read(&second.state);
    assert_eq!(third.records.keys().collect::<Vec<_>>(), ["users"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_configured_is_read() {
    let platform = Platform::start().await;
    platform.catalog(&["users", "sign_ins", "users"]);
    let read = platform.read(&BTreeMap::new());
    assert_eq!(read.records.keys().collect::<Vec<_>>(), ["sign_ins", "users"]);
    platform.catalog(&[]);
    let read = platform.read(&BTreeMap::new());
    assert_eq!((read.code, read.records.len(), read.state.len()), (Some(0), 0, 0));
    // Asked for everything, a stream does not go on.
    let full =
        json!({ "streams": [{ "stream": { "name": "sign_ins" }, "sync_mode": "full_refresh" }] });
    platform.catalog(&["sign_ins"]);
    let first = platform.read(&BTreeMap::new());
    platform.write("catalog.json", &full.to_string());
    let again = platform.read(&first.state);
    assert_eq!(again.uids("sign_ins"), first.uids("sign_ins"));
    assert!(!again.uids("sign_ins").is_empty() && again.state.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_read_loses_nothing() {
    let platform = Platform::start().await;
    let mut state = BTreeMap::new();
    let mut reads: Vec<Read> = Vec::new();
    let mut kills = 0;
    // Later and later, until one comes to its end.
    for lines in [1, 20, 150, 400, usize::MAX] {
        let arguments = platform.reading(&state);
        let mut command = platform.command("airbyte", &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut read = Read::default();
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 {
            // A line that was cut off is none.
            if line.ends_with('\n') {
                read.take(&line);
            }
            line.clear();
            if read.records.values().map(Vec::len).sum::<usize>() + read.states >= lines
                && child.try_wait().unwrap().is_none()
            {
                child.kill().unwrap();
            }
        }
        read.code = child.wait().unwrap().code();
        kills += u32::from(read.code.is_none());
        state.extend(read.state.clone());
        reads.push(read);
    }
    assert!(kills > 0, "no read was killed");
    assert_eq!(reads.last().unwrap().code, Some(0));
    // What came after the last state comes again, as the same event.
    let mut once: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    for (stream, records) in reads.iter().flat_map(|read| &read.records) {
        for record in records {
            let uid = format!("{stream} {}", record["metadata"]["uid"]);
            let mut same = record.clone();
            same["metadata"].as_object_mut().unwrap().remove("logged_time");
            same["metadata"].as_object_mut().unwrap().remove("processed_time");
            match seen.insert(uid.clone(), same.clone()) {
                None => once.entry(stream.clone()).or_default().push(record.clone()),
                Some(before) => assert_eq!(before, same, "{uid}"),
            }
        }
    }
    platform.assert_exact(&once);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_read_says_where_it_stands() {
    let platform = Platform::start().await;
    // The log waits long for its next answer.
    let slow = Fault::SlowBody { milliseconds: 1000, bytes: 1 };
    platform.tenant.break_path("/LogFile", 3, 0, slow);
    let arguments = platform.reading(&BTreeMap::new());
    let mut command = platform.command("airbyte", &arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut first = Read::default();
    let deadline = Instant::now() + Duration::from_secs(60);
    while first.statuses.values().filter(|all| all.iter().any(|one| one == "COMPLETE")).count() < 3
    {
        assert!(Instant::now() < deadline, "{:?}", first.statuses);
        first.take(&lines.next().unwrap().unwrap());
    }
    signal("TERM", child.id());
    lines.for_each(|line| first.take(&line.unwrap()));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(first.statuses["event_log"].last().unwrap(), "INCOMPLETE");
    assert!(first.uncounted.iter().all(|(name, count)| name == "users" || *count == 0));
    platform.tenant.org.clear_faults();
    let second = platform.read(&first.state);
    assert_eq!(second.code, Some(0));
    platform.assert_exact(&all(&[&first, &second]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_does_not_stop_the_others() {
    let platform = Platform::start().await;
    let body = r#"[{"errorCode":"INSUFFICIENT_ACCESS","message":"no"}]"#;
    platform.tenant.break_query("FROM SetupAuditTrail", 0, 0, status(403, body));
    let first = platform.read(&BTreeMap::new());
    assert_eq!(first.code, Some(1));
    assert_eq!(first.errors.len(), 1);
    let error = &first.errors[0];
    assert_eq!(error["stream_descriptor"]["name"], "setup_audit_trail");
    assert_eq!(error["failure_type"], "config_error");
    assert!(error["message"].as_str().unwrap().contains("fix:"), "{error}");
    assert_eq!(first.statuses["setup_audit_trail"].last().unwrap(), "INCOMPLETE");
    assert_eq!(first.statuses["sign_ins"].last().unwrap(), "COMPLETE");
    platform.tenant.org.clear_faults();
    let second = platform.read(&first.state);
    assert_eq!(second.code, Some(0));
    platform.assert_exact(&all(&[&first, &second]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_with_is_named() {
    let platform = Platform::start().await;
    let good = platform.read(&BTreeMap::new()).state;
    let mut shown = String::new();
    let mut refused = |what: &str, state: &Value| {
        platform.reading(&good);
        platform.write("state.json", &state.to_string());
        let arguments = platform.reading(&BTreeMap::new());
        platform.write("state.json", &state.to_string());
        let ran = platform.airbyte(&arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{what}");
        let messages = messages(&ran);
        assert_eq!(messages.len(), 1, "{what}");
        let error = &messages[0]["trace"]["error"];
        assert_eq!(error["failure_type"], "config_error", "{what}");
        writeln!(shown, "# {what}\n{}\n", redact(error["message"].as_str().unwrap())).unwrap();
    };
    let mut foreign = good["sign_ins"].clone();
    foreign["stream"]["stream_state"] = json!({ "LastModifiedDate": "2026-01-01" });
    refused("a state of another connector", &json!([foreign]));
    let mut damaged = good["sign_ins"].clone();
    damaged["stream"]["stream_state"]["standing"]["keys"] = json!([[1, "YWJj"]]);
    refused("a damaged state", &json!([good["event_log"], damaged]));
    let mut newer = good["sign_ins"].clone();
    newer["stream"]["stream_state"]["standing"]["version"] = 2.into();
    refused("a newer state", &json!([newer]));
    let mut swapped = good["sign_ins"].clone();
    swapped["stream"]["stream_descriptor"]["name"] = "event_log".into();
    refused("a state of another stream", &json!([swapped]));
    refused("a global state", &json!([{ "type": "GLOBAL", "global": {} }]));
    refused("no list of states", &json!({ "sign_ins": {} }));
    platform.catalog(&["sign_in"]);
    refused("a stream that is not there", &json!([]));
    platform.write("catalog.json", "{}");
    refused("no catalog", &json!([]));
    platform.write("catalog.json", "{ simulated-wrong-secret");
    refused("no JSON", &json!([]));
    std::fs::remove_file(platform.path("catalog.json")).unwrap();
    refused("no file", &json!([]));
    insta::assert_snapshot!("refusals", shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_stands_for_a_person() {
    let platform = Platform::start().await;
    let mut tenant = Tenant::start(Config {
        now: Some(platform.tenant.org.clock().now()),
        refresh_token_rotation: true,
        ..small()
    })
    .await;
    tenant.grant = "authorization_code";
    tenant.sign_in().await.unwrap();
    let runner = tenant.open();
    let tokens = runner.session().authenticator().unwrap().token().await.unwrap();
    let refresh = tokens.refresh.clone().unwrap();
    let mut config = platform.config();
    config["grant"] = "authorization_code".into();
    config["refresh_token"] = refresh.expose().into();
    config["connect_to"] = tenant.org.address().to_string().into();
    platform.write("config.json", &config.to_string());
    platform.catalog(&["sign_ins"]);
    let read = platform.read(&BTreeMap::new());
    assert_eq!((read.code, read.errors.len()), (Some(0), 0), "{:?}", read.errors);
    assert!(!read.uids("sign_ins").is_empty());
    // The app took the token away that is configured.
    let used_up = read.logs.iter().any(|said| said.contains("a new refresh token"));
    assert!(used_up, "{:?}", read.logs);

    // Some apps give none: then the access token is all there is.
    platform.write(
        "manifest.yaml",
        &MANIFEST.replace("{{auth.base_url}}", "https://{{inputs.login_host}}"),
    );
    drop(runner);
    tenant.sign_in().await.unwrap();
    let runner = tenant.open();
    let tokens = runner.session().authenticator().unwrap().token().await.unwrap();
    config.as_object_mut().unwrap().remove("refresh_token");
    config["access_token"] = tokens.access.expose().into();
    platform.write("config.json", &config.to_string());
    let read = platform.read(&BTreeMap::new());
    assert_eq!((read.code, read.errors.len()), (Some(0), 0), "{:?}", read.errors);
    assert!(!read.uids("sign_ins").is_empty() && read.logs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_read() {
    let platform = Platform::start().await;
    let arguments = platform.reading(&BTreeMap::new());
    let mut command = platform.command("airbyte", &arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!String::from_utf8(output.stderr).unwrap().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_are_the_same_in_every_read() {
    let platform = Platform::start().await;
    let hashing =
        MANIFEST.replacen("    key: $.Id\n", "    key: $.Id\n    privacy: { $.UserId: hash }\n", 1);
    platform.write("manifest.yaml", &hashing);
    platform.catalog(&["sign_ins"]);
    let refused = platform.read(&BTreeMap::new());
    assert_eq!((refused.code, refused.records.len()), (Some(3), 0));
    let message = refused.errors[0]["message"].as_str().unwrap();
    assert!(message.contains("LONGSHORE_KEY is not set") && message.contains("sign_ins"));
    let arguments = platform.reading(&BTreeMap::new());
    let hashed = || {
        let mut command = platform.command("airbyte", &arguments);
        let key = "c2ltdWxhdGVkLWtleS1zaW11bGF0ZWQta2V5LXNpbXU=";
        let ran = run(command.env("LONGSHORE_KEY", key));
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        let mut read = Read::default();
        ran.stdout.lines().for_each(|line| read.take(line));
        let record =
            |record: &Value| (record["metadata"]["uid"].to_string(), record["user"].to_string());
        read.records["sign_ins"].iter().map(record).collect::<BTreeMap<_, _>>()
    };
    let first = hashed();
    assert!(first.len() > 50);
    // The ids of users begin with 005.
    assert!(first.values().all(|user| user.contains("\"uid\":") && !user.contains("\"005")));
    assert_eq!(first, hashed());
}

/// The records of Singer by stream, and the last state.
fn tapped(ran: &Ran) -> (BTreeMap<String, Vec<Value>>, Value) {
    let (mut records, mut state) = (BTreeMap::<String, Vec<Value>>::new(), Value::Null);
    let mut described = BTreeSet::new();
    // Targets give out a state when no record follows it.
    assert_eq!(messages(ran).last().unwrap()["type"], "STATE");
    for mut message in messages(ran) {
        let stream = message["stream"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str().unwrap() {
            "SCHEMA" => {
                assert_eq!(message["key_properties"], json!(["event_uid"]));
                assert!(message["schema"]["properties"]["event_uid"].is_object());
                described.insert(stream);
            }
            "RECORD" => {
                assert!(described.contains(&stream), "{stream}");
                let mut record = message["record"].take();
                assert_eq!(record["event_uid"], record["metadata"]["uid"]);
                assert!(message["time_extracted"].as_str().unwrap().parse::<Timestamp>().is_ok());
                record.as_object_mut().unwrap().remove("event_uid");
                records.entry(stream).or_default().push(record);
            }
            "STATE" => state = message["value"].take(),
            other => panic!("{other}"),
        }
    }
    (records, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_goes_on_from_its_state() {
    let platform = Platform::start().await;
    let ran = platform.singer(&["--config", "config.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (mut records, state) = tapped(&ran);
    platform.assert_exact(&records);
    assert_eq!(state["bookmarks"].as_object().unwrap().len(), 3);

    platform.more(7, 3);
    platform.write("state.json", &state.to_string());
    let ran = platform.singer(&["--config", "config.json", "--state", "state.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (more, state) = tapped(&ran);
    assert_eq!((more["sign_ins"].len(), more["setup_audit_trail"].len()), (7, 3));
    records.remove("users");
    for (stream, more) in more {
        records.entry(stream).or_default().extend(more);
    }
    platform.assert_exact(&records);

    // One stream of a catalog; where the others stand is kept.
    let ran = platform.singer(&["--discover"]);
    let mut catalog: Value = serde_json::from_str(&ran.stdout).unwrap();
    for stream in catalog["streams"].as_array_mut().unwrap() {
        stream["metadata"][0]["metadata"]["selected"] = (stream["stream"] == "sign_ins").into();
    }
    platform.write("catalog.json", &catalog.to_string());
    platform.write("state.json", &state.to_string());
    let arguments =
        ["--config", "config.json", "--state", "state.json", "--catalog", "catalog.json"];
    let ran = platform.singer(&arguments);
    let (more, last) = tapped(&ran);
    assert_eq!((ran.code, more.len()), (Some(0), 0));
    assert_eq!(last["bookmarks"]["event_log"], state["bookmarks"]["event_log"]);
    assert_eq!(ran.stdout.matches(r#""type":"SCHEMA""#).count(), 1);

    platform.write("state.json", r#"{ "bookmarks": { "sign_ins": { "updated": 7 } } }"#);
    let ran = platform.singer(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""));
    assert!(ran.stderr.contains("`sign_ins`"), "{}", ran.stderr);
}
