//! The command line: what it says, how it ends, and that it keeps secrets to itself.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use longshore_simulator::salesforce::Config;
use serde_json::Value;
use support::compare::events;
use support::process::{Ran, assert_discreet, longshore, run, signal};
use support::{MANIFEST, Tenant, redact, small, status};

const SECRET: &str = "simulated-client-secret";

/// An org that stopped ten minutes ago: the program runs by the machine's clock.
async fn recent() -> Tenant {
    let now = Timestamp::now().checked_sub(SignedDuration::from_mins(10)).unwrap();
    Tenant::start(Config { now: Some(now), ..small() }).await
}

/// Runs a command with a connection file whose secret is in the variable `ACME_SECRET`.
fn with(connection: &Path, arguments: &[&str]) -> Ran {
    let mut command = longshore([arguments[0]]);
    run(command.arg(connection).args(&arguments[1..]).env("ACME_SECRET", SECRET))
}

/// The connection of a tenant with its secret in a variable.
fn by_variable(tenant: &Tenant) -> std::path::PathBuf {
    let path = tenant.connection();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(SECRET, "{ env: ACME_SECRET }")).unwrap();
    path
}

#[test]
fn help_and_version() {
    let mut shown = String::new();
    let commands = [
        "",
        "validate",
        "fmt",
        "explain",
        "schema",
        "run",
        "replay",
        "check",
        "connect",
        "disconnect",
        "simulate",
        "simulate salesforce",
        "conformance",
        "protocol",
        "protocol airbyte",
        "protocol airbyte read",
        "protocol singer",
        "demo",
    ];
    for command in commands {
        let ran = run(longshore(command.split_whitespace()).arg("--help"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{command}");
        writeln!(shown, "$ longshore {command} --help\n{}", ran.stdout).unwrap();
    }
    insta::assert_snapshot!(shown);
    let ran = run(&mut longshore(["--version"]));
    assert_eq!(ran.stdout, format!("longshore {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage() {
    for arguments in [
        &["validate", "--frobnicate"][..],
        &["validate"],
        &["fmt"],
        &["fmt", "--check", "--diff", "manifests"],
        &["run", "acme.yaml", "--since", "yesterday"],
        &["demo", "--format", "xml"],
        &["frobnicate"],
    ] {
        let ran = run(&mut longshore(arguments));
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
}

#[test]
fn manifests_are_validated() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");
    let mut apps: Vec<_> = std::fs::read_dir(shipped)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    apps.sort();
    // Some apps offer nothing but a key.
    let ran = run(&mut longshore(["validate", "--extended", shipped]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let clean = |app: &String| format!("{shipped}/{app}/manifest.yaml: no findings\n");
    assert_eq!(ran.stdout, apps.iter().map(clean).collect::<String>());

    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("manifest.yaml");
    std::fs::write(&broken, MANIFEST.replace("provides: sign_ins", "provides: sing_ins")).unwrap();
    let ran = run(longshore(["validate"]).arg(folder.path()));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("sing_ins") && ran.stdout.contains("sign_ins"), "{}", ran.stdout);

    let ran = run(longshore(["validate", "--extended", "--format", "json", shipped]).arg(&broken));
    assert_eq!(ran.code, Some(1));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["summary"]["files"], apps.len() + 1);
    assert_eq!(report["summary"]["errors"], 1);

    let missing = folder.path().join("nowhere.yaml");
    let ran = run(longshore(["validate"]).arg(&missing));
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("nowhere.yaml"), "{}", ran.stderr);

    let piped = std::fs::File::open(&broken).unwrap();
    let ran = run(longshore(["validate", "-"]).stdin(piped));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("<stdin>"), "{}", ran.stdout);
}

#[test]
fn manifests_are_formatted() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.yaml");
    let formatted = run(longshore(["fmt", "-"]).stdin(open(MANIFEST))).stdout;
    assert_eq!(run(longshore(["fmt", "-"]).stdin(open(&formatted))).stdout, formatted);
    let untidy = format!("\u{feff}{}", formatted.replace("every: 15m", "every:   '15m'   # often"));
    let tidy = formatted.replace("every: 15m", "every: 15m # often");
    std::fs::write(&file, &untidy).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();

    let ran = run(longshore(["fmt", "--check"]).arg(folder.path()));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.stdout, format!("{}\n", file.display()));
    let ran = run(longshore(["fmt", "--diff"]).arg(&file));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("\n-    every:   '15m'   # often\n+    every: 15m # often\n"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), untidy, "nothing was to be written");

    let link = folder.path().join("link.yaml");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let ran = run(longshore(["fmt"]).arg(&link));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{}", ran.stderr);
    assert_eq!(ran.stderr, format!("formatted {}\n", link.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), tidy);
    assert!(link.is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");

    for arguments in [&["fmt"][..], &["fmt", "--check"], &["fmt", "--diff"]] {
        let ran = run(longshore(arguments).arg(folder.path()));
        let said = (ran.code, ran.stdout.as_str(), ran.stderr.as_str());
        assert_eq!(said, (Some(0), "", ""), "{arguments:?}");
    }

    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o440)).unwrap();
    assert_eq!(run(longshore(["fmt"]).arg(&file)).code, Some(0), "there is nothing to write");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &untidy).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o440)).unwrap();
    let ran = run(longshore(["fmt"]).arg(&file));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), untidy);
}

#[test]
fn what_is_not_yaml_is_not_formatted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.yaml");
    std::fs::write(&file, "manifest: longshore/v1\nid: {{id}}\n").unwrap();
    let ran = run(longshore(["fmt"]).arg(&file));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("manifest.yaml:2:5"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "manifest: longshore/v1\nid: {{id}}\n");
    assert_eq!(run(longshore(["fmt"]).arg(folder.path().join("nowhere"))).code, Some(3));
}

/// A file with this text, to be read from its start.
fn open(text: &str) -> std::fs::File {
    use std::io::{Seek, Write};

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn the_schema_is_the_committed_one() {
    let ran = run(&mut longshore(["schema"]));
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/manifest.schema.json");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout == std::fs::read_to_string(committed).unwrap(), "write it anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_early() {
    let tenant = recent().await;
    let connection = by_variable(&tenant);
    let broken = tenant.folder.path().join("broken.yaml");
    std::fs::write(&broken, "manifest: longshore/v1\n").unwrap();
    let connection = connection.to_str().unwrap();
    for arguments in [
        &["schema"][..],
        &["--help"],
        &["validate", broken.to_str().unwrap()],
        &["check", connection],
        &["run", connection, "--stream", "users", "--format", "json"],
    ] {
        let mut command = longshore(arguments);
        command.env("ACME_SECRET", SECRET).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(output.status.code().is_some_and(|code| code < 100), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_cannot_be_opened() {
    let tenant = Tenant::start(small()).await;
    let path = by_variable(&tenant);
    let good = std::fs::read_to_string(&path).unwrap();
    let folder = tenant.folder.path().to_str().unwrap().to_owned();
    let mut shown = String::new();
    let mut refused = |what: &str, text: &str, arguments: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let mut command = longshore(["run"]);
        let ran = run(command.arg(&path).args(arguments));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{what}: {}", ran.stderr);
        let said = ran.stderr.replace(&folder, "FOLDER");
        writeln!(shown, "# {what}\n{}", redact(&said)).unwrap();
    };
    refused("a variable that is not set", &good, &[]);
    let open = good.replace("{ env: ACME_SECRET }", "{ file: nowhere.secret }");
    refused("a file that is not there", &open, &[]);
    let open = good.replace("{ env: ACME_SECRET }", "simulated-wrong-secret");
    refused("an input that nobody asked for", &format!("{open}  clientid: x\n"), &[]);
    refused("a stream that is not there", &open, &["--stream", "sign_in"]);
    refused("a bad duration", &open.replace("6d", "simulated-wrong-secret"), &[]);
    refused("no host", &open.replace("demo.my.salesforce.com", "simulated_wrong_secret"), &[]);
    refused("too long a history", &open.replace("6d", "200d"), &[]);
    let elsewhere = open.replace("demo.my.salesforce.com", "salesforce.com.elsewhere.example");
    refused("a host that is not declared", &elsewhere, &[]);
    refused("no secret", &open.replace("  client_secret: simulated-wrong-secret\n", ""), &[]);
    refused("a grant that is not offered", &open.replace("client_credentials", "password"), &[]);
    refused("an address that is not here", &open.replace("127.0.0.1", "192.0.2.1"), &[]);
    refused("no manifest", &open.replace("manifest.yaml", "nowhere.yaml"), &[]);
    refused("no YAML", "name: [", &[]);
    refused("another key", &format!("{open}colour: red\n"), &[]);
    insta::assert_snapshot!(shown);
    assert!(shown.contains("ACME_SECRET"));
    // Values may be secrets in the wrong place.
    assert!(!shown.contains("wrong_secret"), "{shown}");
}

/// A simulated org in a process of its own.
struct Org(Child);

impl Drop for Org {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_simulated_org_is_checked() {
    let mut command =
        longshore(["simulate", "salesforce", "--listen", "127.0.0.1:0", "--days", "5"]);
    let mut org = Org(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(org.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.rsplit_once("http://").unwrap().1.to_owned();

    let folder = tempfile::tempdir().unwrap();
    let connection = folder.path().join("connection.yaml");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/salesforce/manifest.yaml");
    let text = format!(
        "name: acme\nmanifest: {manifest}\ngrant: client_credentials\nconnect_to: {address}\ninputs:\n  login_host: demo.my.salesforce.com\n  client_id: simulated-client-id\n  client_secret: {{ env: ACME_SECRET }}\n"
    );
    std::fs::write(&connection, text).unwrap();
    let ran = with(&connection, &["check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for stream in ["sign_ins", "setup_audit_trail", "event_log", "users"] {
        let line = ran.stdout.lines().find(|line| line.starts_with(stream));
        assert!(line.is_some_and(|line| !line.contains("no: ")), "{stream}: {}", ran.stdout);
    }
    assert!(ran.stdout.contains("quota daily_api_requests: ours 6"), "{}", ran.stdout);
    assert!(!folder.path().join("events/sign_ins.jsonl").exists(), "a check delivers nothing");

    let ran = with(&connection, &["check", "--format", "json"]);
    let seen: Value = serde_json::from_str(&ran.stdout).unwrap();
    let users = seen["streams"].as_array().unwrap().iter().find(|s| s["stream"] == "users");
    assert_eq!(users.unwrap()["records"], 200);

    // A fresh state, so that the good token of the first check is not at hand.
    std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    let mut wrong = longshore(["check"]);
    let ran = run(wrong.arg(&connection).env("ACME_SECRET", "simulated-wrong-secret"));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("AUTH_CLIENT_INVALID"), "{}", ran.stderr);

    signal("INT", org.0.id());
    assert_eq!(org.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_simulated_org_listens_on_this_machine_only() {
    let ran = run(&mut longshore(["simulate", "salesforce", "--listen", "0.0.0.0:0"]));
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("loopback") && ran.stderr.contains("fix:"), "{}", ran.stderr);
}

#[test]
fn the_app_of_a_manifest_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let connection = folder.path().join("okta.yaml");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/okta/manifest.yaml");
    let mut command = longshore(["simulate", manifest, "--listen", "127.0.0.1:0"]);
    command.args(["--grant", "client_credentials", "--connection"]).arg(&connection);
    let mut app = Org(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(app.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("a simulated Okta listens on http://127.0.0.1:"), "{first}");
    assert!(lines.next().unwrap().unwrap().starts_with("read it with: longshore run "));

    let ran = with(&connection, &["run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let events = std::fs::read_to_string(folder.path().join("events/users.jsonl")).unwrap();
    assert!(events.lines().count() > 10, "{}", ran.stdout);

    signal("INT", app.0.id());
    assert_eq!(app.0.wait().unwrap().code(), Some(0));
    let seen: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(seen[0].ends_with(" requests") && seen.len() == 1, "{seen:?}");
}

#[test]
fn an_app_that_cannot_be_played_is_refused_with_the_reason() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/okta/manifest.yaml");
    let refused = |arguments: &[&str]| {
        let ran = run(longshore(["simulate"]).args(arguments));
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        ran.stderr
    };
    assert!(refused(&["nowhere.yaml"]).contains("nowhere.yaml could not be read"));
    let wrong = refused(&[manifest, "--listen", "127.0.0.1:0", "--grant", "password"]);
    assert!(wrong.contains("fix:   it offers "), "{wrong}");
    assert!(refused(&[manifest, "--listen", "0.0.0.0:0"]).contains("loopback"));
}

/// What is given back is good for nothing any more, and nothing of it stays on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_ended() {
    let tenant = recent().await;
    let connection = by_variable(&tenant);
    let tokens = tenant.folder.path().join("state/secrets/acme.tokens");
    // A fault that befalls nobody counts the requests.
    tenant.break_path("/oauth2/revoke", u64::MAX, 1, status(503, "{}"));
    let revoked = || tenant.org.faults()[0].seen;

    assert_eq!(with(&connection, &["run", "--stream", "sign_ins"]).code, Some(0));
    assert!(tokens.exists());
    let ran = with(&connection, &["disconnect"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, "acme: Salesforce ended the access; the tokens are deleted\n");
    assert!(!tokens.exists());
    assert_eq!(revoked(), 1);

    let ran = with(&connection, &["disconnect", "--format", "json"]);
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &said["access"], &said["version"]), (Some(0), &"none".into(), &1.into()));
    assert_eq!(revoked(), 1, "there was nothing to give back");

    // The stream goes on where it stood: nothing is delivered twice.
    let before = events(&tenant.events(), "sign_ins").len();
    assert_eq!(with(&connection, &["run", "--stream", "sign_ins"]).code, Some(0));
    assert_eq!(events(&tenant.events(), "sign_ins").len(), before);

    // An app out of reach keeps the tokens, so that they can still be given back.
    let text = std::fs::read_to_string(&connection).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = tenant.org.address().to_string();
    std::fs::write(&connection, text.replace(&address, &closed.to_string())).unwrap();
    let ran = with(&connection, &["disconnect", "--format", "json"]);
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &said["access"]), (Some(1), &Value::Null), "{}", ran.stderr);
    assert_eq!(said["error"]["code"], "NET_UNREACHABLE");
    assert!(ran.stderr.contains("the tokens are kept"), "{}", ran.stderr);
    assert!(tokens.exists());

    let manifest = tenant.folder.path().join("manifest.yaml");
    let silent = MANIFEST.lines().filter(|line| !line.trim_start().starts_with("revoke_url:"));
    std::fs::write(&manifest, silent.collect::<Vec<_>>().join("\n")).unwrap();
    let ran = with(&connection, &["disconnect"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("has no call that ends the access"), "{}", ran.stdout);
    assert!(!tokens.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_repeats_nothing() {
    let tenant = recent().await;
    let connection = by_variable(&tenant);
    let first = with(&connection, &["run"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    tenant.assert_exact();
    let second = with(&connection, &["run", "--format", "json"]);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let report: Value = serde_json::from_str(&second.stdout).unwrap();
    for stream in report["streams"].as_array().unwrap() {
        assert_eq!((&stream["events"], &stream["error"]), (&0.into(), &Value::Null), "{stream}");
    }
    tenant.assert_exact();
    // Nobody else may read what was written.
    for path in ["events/sign_ins.jsonl", "state"] {
        let metadata = tenant.folder.path().join(path).metadata().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_respected() {
    let tenant = recent().await;
    let connection = by_variable(&tenant);
    let hours = |hours| {
        let time = tenant.org.clock().now().checked_sub(SignedDuration::from_hours(hours)).unwrap();
        Timestamp::from_second(time.as_second()).unwrap()
    };
    let (since, until) = (hours(50), hours(20));
    let output = tenant.folder.path().join("elsewhere");
    let range = ["--since", &since.to_string(), "--until", &until.to_string()];
    let place = ["--stream", "sign_ins", "--output", output.to_str().unwrap()];
    let ran = with(&connection, &[&["run"], &range[..], &place[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let part = events(&output, "sign_ins");
    let times: Vec<_> = part.iter().map(|event| event["time"].as_i64().unwrap()).collect();
    let within = since.as_millisecond()..until.as_millisecond();
    assert!(times.iter().all(|time| within.contains(time)), "{times:?}");
    assert!(!times.is_empty());

    // All of the range, by a connection that reads everything.
    let whole = recent_copy(&tenant);
    let ran = with(&whole, &["run", "--stream", "sign_ins"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let all = events(&whole.parent().unwrap().join("events"), "sign_ins");
    let all = all.iter().filter(|event| within.contains(&event["time"].as_i64().unwrap()));
    assert_eq!(all.count(), part.len());
}

/// The same connection with a state and events of its own.
fn recent_copy(tenant: &Tenant) -> std::path::PathBuf {
    let folder = tenant.folder.path().join("copy");
    std::fs::create_dir(&folder).unwrap();
    for name in ["connection.yaml", "manifest.yaml"] {
        std::fs::copy(tenant.folder.path().join(name), folder.join(name)).unwrap();
    }
    folder.join("connection.yaml")
}

/// Whether some are there already. They may be on their way into the file, so nothing is read.
fn has_events(tenant: &Tenant) -> bool {
    std::fs::metadata(tenant.events().join("users.jsonl")).is_ok_and(|file| file.len() > 0)
}

/// Starts `run`, interrupts it when some events are there, and gives what it said and its code.
fn interrupted(tenant: &Tenant, connection: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = longshore(["run"]);
    command.arg(connection).args(arguments).env("ACME_SECRET", SECRET);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_events(tenant) {
        assert!(Instant::now() < deadline, "no events after a minute");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    signal("INT", child.id());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_discreet(&said);
    assert!(!said.contains("panicked"), "{said}");
    (said, status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupting_loses_nothing() {
    for (arguments, code) in [(&["--watch"][..], 0), (&[], 130)] {
        let tenant = recent().await;
        let connection = by_variable(&tenant);
        let (said, found) = interrupted(&tenant, &connection, arguments);
        assert_eq!(found, Some(code), "{said}");
        assert!(!said.contains("trying again"), "{said}");
        assert!(said.contains("stopped; everything delivered so far stays delivered"), "{said}");
        let ran = with(&connection, &["run"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        tenant.assert_exact();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time() {
    let tenant = recent().await;
    let connection = by_variable(&tenant);
    let mut command = longshore(["run"]);
    command.arg(&connection).arg("--watch").env("ACME_SECRET", SECRET);
    let mut first = Org(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_events(&tenant) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = with(&connection, &["run"]);
    assert_eq!(second.code, Some(3));
    assert!(second.stderr.contains("STATE_LOCKED"), "{}", second.stderr);
    signal("INT", first.0.id());
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    assert_eq!(with(&connection, &["run"]).code, Some(0));
    tenant.assert_exact();
}
