//! Disks without room: what is on them is named, and once there is room everything is there, once.

use std::path::Path;
use std::process::Command;

use crate::local::table;
use crate::org::{Org, by_uid, events, uids};
use crate::scenario::compare;
use crate::skip;
use crate::support::process::assert_discreet;

/// Runs the program with a folder on a disk of its own of so many bytes, and once more when there is
/// room and `hindrance` is gone; gives what the first run said, and leaves the folder as it was then.
/// `None`, said aloud, where a user may not make a disk.
fn run_on_a_small_disk(
    org: &Org,
    connection: &Path,
    folder: &Path,
    size: &str,
    hindrance: &Path,
) -> Option<String> {
    // A file system of its own, which is gone with the process.
    const SCRIPT: &str = r#"
        folder=$1 size=$2 hindrance=$3; shift 3
        mkdir -p "$folder" && mount -t tmpfs -o "size=$size" tmpfs "$folder" || exit 77
        "$@"; echo "full: $?"
        rm -f "$hindrance"
        mount -o remount,size=64m "$folder" && "$@" && cp -a "$folder" "$folder.kept"
    "#;
    let program = org.command(connection);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
    command.arg(folder).arg(size).arg(hindrance);
    let output = command.arg(program.get_program()).args(program.get_args()).output();
    let Ok(output) = output else {
        skip("there is no `unshare` to make a small disk with");
        return None;
    };
    let stdout = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(77) {
        skip(&format!("this system lets no user make a small disk: {said}"));
        return None;
    }
    assert_discreet(&stdout);
    assert_discreet(&said);
    assert!(stdout.contains("full: 1\n"), "{stdout}{said}");
    assert!(output.status.success(), "{stdout}{said}");
    std::fs::remove_dir(folder).unwrap();
    let mut kept = folder.as_os_str().to_owned();
    kept.push(".kept");
    std::fs::rename(kept, folder).unwrap();
    Some(said)
}

/// The errors that the first run ended with.
fn errors(said: &str, folder: &Path) {
    println!("{said}");
    let errors: Vec<_> = said.split("\nerror: ").skip(1).collect();
    let full = |error: &&&str| {
        error.starts_with("DISK_FULL: ") && error.contains(folder.to_str().unwrap())
    };
    assert!(errors.iter().any(|error| full(&error)), "{said}");
    assert!(
        errors.iter().all(|error| error.contains("  cause: ") && error.contains("  fix: ")),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_lines_on_a_full_disk() {
    let mut org = Org::start().await;
    let truth = org.truth();
    let sinks = "sinks:\n  beside: { json_lines: { folder: beside } }\n  tried: { json_lines: { folder: small } }\n";
    let connection = org.connection("tried", sinks);
    let folder = org.path("small");
    let none = org.path("none");
    let Some(said) = run_on_a_small_disk(&org, &connection, &folder, "100k", &none) else { return };
    errors(&said, &folder);
    assert!(events(&org.path("beside")) == truth);
    assert!(events(&folder) == truth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_on_a_full_disk() {
    let mut org = Org::start().await;
    let truth = uids(&org.truth());
    let sinks = "sinks:\n  beside: { json_lines: { folder: beside } }\n  tried: { sqlite: { file: small/events.db } }\n";
    let connection = org.connection("tried", sinks);
    let folder = org.path("small");
    let none = org.path("none");
    let Some(said) = run_on_a_small_disk(&org, &connection, &folder, "400k", &none) else { return };
    errors(&said, &folder);
    let given = by_uid(&org.path("beside"));
    assert!(given.keys().eq(&truth));
    assert_eq!(compare(&given, &table(&folder.join("events.db"))), 0);
}

#[cfg(feature = "parquet")]
#[tokio::test(flavor = "multi_thread")]
async fn parquet_on_a_full_disk() {
    let Some(python) = crate::parquet::python() else { return };
    let mut org = Org::start().await;
    let truth = uids(&org.truth());
    let sinks = "sinks:\n  beside: { json_lines: { folder: beside } }\n  tried: { parquet: { to: small/lake } }\n";
    let connection = org.connection("tried", sinks);
    let folder = org.path("small");
    let none = org.path("none");
    let Some(said) = run_on_a_small_disk(&org, &connection, &folder, "60k", &none) else { return };
    errors(&said, &folder);
    let given = by_uid(&org.path("beside"));
    assert!(given.keys().eq(&truth));
    crate::parquet::check(&python, &folder.join("lake"), None, &given);
}

/// A sink is down, and there is no room for what waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_spool_on_a_full_disk() {
    let mut org = Org::start().await;
    let truth = org.truth();
    let sinks = "sinks:\n  beside: { json_lines: { folder: beside } }\n  tried: { json_lines: { folder: there } }\n";
    let connection = org.connection("tried", sinks);
    let folder = org.path("tried/state");
    // There is a file where the folder should be.
    let hindrance = org.path("there");
    std::fs::write(&hindrance, "").unwrap();
    let Some(said) = run_on_a_small_disk(&org, &connection, &folder, "500k", &hindrance) else {
        return;
    };
    errors(&said, &folder);
    for sink in ["beside", "there"] {
        assert!(events(&org.path(sink)) == truth, "{sink}");
    }
}
