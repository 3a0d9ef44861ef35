//! A disk without room.

use std::os::unix::fs::symlink;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use longshore_engine::error::Code;
use longshore_simulator::salesforce::Config;

use crate::support::compare::events;
use crate::support::process::{longshore, run};
use crate::support::{Tenant, redacted, small};

#[tokio::test(flavor = "multi_thread")]
async fn no_room_for_events() {
    let tenant = Tenant::start(small()).await;
    let output = tenant.events();
    std::fs::create_dir(&output).unwrap();
    // The device that is always full.
    symlink("/dev/full", output.join("sign_ins.jsonl")).unwrap();
    let reports = tenant.poll().await;
    for report in &reports {
        let expected = (report.stream == "sign_ins").then_some(Code::DiskFull);
        let found = report.error.as_ref().map(|error| error.code);
        assert_eq!(found, expected, "{}: {:?}", report.stream, report.error);
    }
    let failed = reports.iter().find(|report| report.stream == "sign_ins").unwrap();
    assert_eq!(failed.delivered, 0);
    let watermark = failed.watermark;
    redacted(failed.error.as_ref().unwrap());
    std::fs::remove_file(output.join("sign_ins.jsonl")).unwrap();
    tenant.completes().await;
    // Days without sign-ins may be done with; nothing else may.
    let events = events(&output, "sign_ins");
    let first = events.iter().filter_map(|event| event["time"].as_i64()).min().unwrap();
    let first = Timestamp::from_millisecond(first).unwrap();
    assert!(watermark.is_none_or(|watermark| watermark <= first), "{watermark:?}, {first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_room_for_anything() {
    // The program runs by the machine's clock; the org stopped a while ago.
    let now = Timestamp::now().checked_sub(SignedDuration::from_mins(10)).unwrap();
    let tenant = Tenant::start(Config { now: Some(now), ..small() }).await;
    let connection = tenant.connection();
    // No file may grow beyond so many blocks of 512 bytes; writing more fails.
    for blocks in [1, 100, 300] {
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run \"$1\"");
        let ran = run(Command::new("sh")
            .args(["-c", &limit, env!("CARGO_BIN_EXE_longshore")])
            .arg(&connection));
        assert!(matches!(ran.code, Some(1 | 3)), "{blocks}: {:?} {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("error: "), "{blocks}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("  cause: ") && ran.stderr.contains("  fix: "),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("STATE_CORRUPT"), "{blocks}: {}", ran.stderr);
    }
    let ran = run(longshore(["run"]).arg(&connection));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    tenant.assert_exact();
}
