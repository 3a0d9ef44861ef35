//! What a check tells of sinks.

use serde_json::Value;

use crate::org::{Org, events};
use crate::support;
use crate::support::process::{Ran, longshore, run};

const SINKS: &str = "sinks:\n  archive: { json_lines: { folder: archive } }\n  files: { json_lines: { folder: files } }\n  table: { sqlite: { file: events.db } }\n  collector: { http: { url: 'http://127.0.0.1:1/' } }\n";

/// The table of sinks.
fn shown(ran: &Ran) -> &str {
    &ran.stdout[ran.stdout.find("\nsink ").unwrap() + 1..]
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_are_asked_where_they_stand_and_given_nothing() {
    let org = Org::start().await;
    let connection = org.connection("checked", SINKS);
    let check = |format: &str| run(longshore(["check", "--format", format]).arg(&connection));
    let ran = check("text");
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    insta::assert_snapshot!(shown(&ran), @r"
    sink       state
    archive    answers
    files      answers
    table      answers
    collector  opened
    ");
    for folder in ["archive", "files", "checked/events"] {
        assert!(events(&org.path(folder)).is_empty(), "{folder}");
    }

    // There is a file where a folder should be, and a folder where a file should be.
    std::fs::remove_dir(org.path("files")).unwrap();
    std::fs::write(org.path("files"), "").unwrap();
    std::fs::remove_file(org.path("events.db")).unwrap();
    std::fs::create_dir(org.path("events.db")).unwrap();
    let ran = check("text");
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(shown(&ran).to_owned() + &support::redact(&ran.stderr));
    let ran = check("json");
    assert_eq!(ran.code, Some(1));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let sinks = support::redact(&serde_json::to_string_pretty(&report["sinks"]).unwrap());
    insta::assert_snapshot!("sinks_for_programs", sinks);
}
