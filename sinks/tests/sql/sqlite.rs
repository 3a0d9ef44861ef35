//! The sink `sqlite`, its file read by another program.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use longshore_engine::error::Code;

use crate::events::{lines, starts, uid, uids};
use crate::{deliver, log, shown, sink, skip};

const CONFIG: &str = "sqlite: { file: data/events.db }";
const FILE: &str = "data/events.db";

/// What another program reads from the file: a line per row.
fn query(folder: &Path, sql: &str) -> Vec<String> {
    const PYTHON: &str = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print('|'.join(map(str, row)))";
    let path = folder.join(FILE);
    let shell = Command::new("sqlite3").args(["-batch", "-noheader"]).arg(&path).arg(sql).output();
    let output = shell.unwrap_or_else(|_| {
        Command::new("python3").args(["-c", PYTHON]).arg(&path).arg(sql).output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn stored(folder: &Path) -> Vec<String> {
    query(folder, "SELECT uid FROM events ORDER BY uid")
}

#[tokio::test]
async fn events_are_read_back_by_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), CONFIG).unwrap();
    assert_eq!(sink.position(log("s")).await.unwrap(), None);
    let given = lines(0..300);
    deliver(&mut *sink, "s", 0, &given).await.unwrap();
    assert_eq!(sink.position(log("s")).await.unwrap(), Some(given.len() as u64));
    // While it is still open.
    let events = query(folder.path(), "SELECT event FROM events ORDER BY time");
    assert_eq!(events, String::from_utf8(given).unwrap().lines().collect::<Vec<_>>());
    let heads = query(
        folder.path(),
        "SELECT uid, connection, stream, class_uid, time, json_extract(event, '$.user.name')
         FROM events ORDER BY time LIMIT 1",
    );
    let first = uid(0);
    assert_eq!(heads, [format!("{first}|acme|sign_ins|3002|1760000000000|user0@acme.example")]);
    assert_eq!(query(folder.path(), "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(query(folder.path(), "PRAGMA journal_mode"), ["wal"]);
    assert_eq!(query(folder.path(), "PRAGMA page_size"), ["16384"]);
    #[cfg(unix)]
    for name in ["data", "data/events.db", "data/events.db-wal", "data/events.db-shm"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_is_not_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let all = lines(0..400);
    let at = starts(&all);
    deliver(&mut *sink(folder.path(), CONFIG).unwrap(), "s", 0, &all[..at[100]]).await.unwrap();
    // The process ended before it was acknowledged: the same again, more, less, and the rest.
    for end in [100, 250, 50, 250] {
        let mut sink = sink(folder.path(), CONFIG).unwrap();
        deliver(&mut *sink, "s", 0, &all[..at[end]]).await.unwrap();
    }
    let mut sink = sink(folder.path(), CONFIG).unwrap();
    deliver(&mut *sink, "s", at[200], &all[at[200]..]).await.unwrap();
    assert_eq!(stored(folder.path()), uids(0..400));
    assert_eq!(sink.position(log("s")).await.unwrap(), Some(all.len() as u64));
    // A spool that was made anew begins at zero and has some of the events.
    let again = lines(300..500);
    assert_eq!(sink.position(log("anew")).await.unwrap(), None);
    deliver(&mut *sink, "anew", 0, &again).await.unwrap();
    assert_eq!(stored(folder.path()), uids(0..500));
    assert_eq!(sink.position(log("anew")).await.unwrap(), Some(again.len() as u64));
}

#[tokio::test]
async fn two_at_once_do_not_double_events() {
    let folder = tempfile::tempdir().unwrap();
    let all = lines(0..1000);
    let at = starts(&all);
    let work = async |step: usize| {
        let mut sink = sink(folder.path(), CONFIG).unwrap();
        for from in (0..1000).step_by(step) {
            let to = (from + step).min(1000);
            deliver(&mut *sink, "s", at[from], &all[at[from]..at[to]]).await.unwrap();
        }
    };
    // Both open the new database, too. The slower one is behind, never ahead of the database.
    tokio::join!(work(7), work(10), work(100));
    assert_eq!(stored(folder.path()), uids(0..1000));
    assert_eq!(
        query(folder.path(), "SELECT position FROM positions"),
        [all.len().to_string()],
        "one position"
    );
}

#[tokio::test]
async fn a_database_that_was_put_back_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), CONFIG).unwrap();
    let all = lines(0..10);
    let at = starts(&all);
    deliver(&mut *sink, "s", 0, &all[..at[4]]).await.unwrap();
    let gap = deliver(&mut *sink, "s", at[5], &all[at[5]..]).await.unwrap_err();
    let folder_name = folder.path().display().to_string();
    insta::assert_snapshot!(shown(&gap, &[(&folder_name, "FOLDER")]));
    assert_eq!(stored(folder.path()), uids(0..4));
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), CONFIG).unwrap();
    let all = lines(0..10);
    let at = starts(&all);
    deliver(&mut *sink, "s", 0, &all[..at[4]]).await.unwrap();
    std::fs::rename(folder.path().join("data"), folder.path().join("moved")).unwrap();
    deliver(&mut *sink, "s", at[4], &all[at[4]..]).await.unwrap();
    assert_eq!(stored(folder.path()), uids(4..10));
    assert_eq!(sink.position(log("s")).await.unwrap(), Some(all.len() as u64));
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().display().to_string();
    let refused = async |config: &str| {
        let mut sink = sink(folder.path(), config).unwrap();
        let error = deliver(&mut *sink, "s", 0, &lines(0..2)).await.unwrap_err();
        assert!(sink.position(log("s")).await.is_err());
        shown(&error, &[(&name, "FOLDER")])
    };
    std::fs::write(folder.path().join("notes.txt"), "not a database, but long enough to be one")
        .unwrap();
    insta::assert_snapshot!(refused("sqlite: { file: notes.txt }").await);
    std::fs::create_dir(folder.path().join("data")).unwrap();
    query(folder.path(), "CREATE TABLE events (id)");
    insta::assert_snapshot!(refused(CONFIG).await);
    query(folder.path(), "DROP TABLE events");
    deliver(&mut *sink(folder.path(), CONFIG).unwrap(), "s", 0, &lines(0..2)).await.unwrap();
    query(folder.path(), "PRAGMA user_version = 7");
    insta::assert_snapshot!(refused(CONFIG).await);
    insta::assert_snapshot!(refused("sqlite: { file: notes.txt/events.db }").await);
}

#[tokio::test]
async fn who_locks_the_database_is_named() {
    const PYTHON: &str = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\ndb.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\nsys.stdin.read()";
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), CONFIG).unwrap();
    let all = lines(0..10);
    let at = starts(&all);
    deliver(&mut *sink, "s", 0, &all[..at[4]]).await.unwrap();
    let mut other = Command::new("python3")
        .args(["-c", PYTHON])
        .arg(folder.path().join(FILE))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(other.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "locked");
    let error = deliver(&mut *sink, "s", at[4], &all[at[4]..]).await.unwrap_err();
    assert_eq!(error.code, Code::SinkUnavailable);
    if cfg!(target_os = "linux") {
        let process = format!("process {} (python3", other.id());
        assert!(error.fix.as_ref().unwrap().contains(&process), "{error}");
    }
    // Positions can be read all the while.
    assert_eq!(sink.position(log("s")).await.unwrap(), Some(at[4] as u64));
    drop(other.stdin.take());
    other.wait().unwrap();
    deliver(&mut *sink, "s", at[4], &all[at[4]..]).await.unwrap();
    assert_eq!(stored(folder.path()), uids(0..10));
}

/// This program again, running one of the ignored tests on `folder`.
fn again(test: &str, folder: &Path, before: &[&str]) -> Child {
    let this = std::env::current_exe().unwrap();
    let mut command = before.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    command.push(this.display().to_string());
    Command::new(&command[0])
        .args(&command[1..])
        .args(["--exact", &format!("sqlite::{test}"), "--ignored", "--nocapture"])
        .env("SQLITE_FOLDER", folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "run by another test, which ends it"]
async fn delivers_until_it_is_killed() {
    let folder = std::env::var("SQLITE_FOLDER").unwrap();
    let all = lines(0..20_000);
    let at = starts(&all);
    let mut sink = sink(Path::new(&folder), CONFIG).unwrap();
    let position = sink.position(log("s")).await.unwrap().unwrap_or(0) as usize;
    let mut next = at.binary_search(&position).unwrap();
    while next < 20_000 {
        let end = (next + 50).min(20_000);
        deliver(&mut *sink, "s", at[next], &all[at[next]..at[end]]).await.unwrap();
        println!("delivered {end}");
        next = end;
    }
}

#[test]
fn a_killed_process_leaves_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut kills = 0;
    loop {
        let mut process = again("delivers_until_it_is_killed", folder.path(), &[]);
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        // Later each time, so that there is an end; somewhere in the middle of a portion.
        let delivered = said.by_ref().filter(|line| line.contains("delivered"));
        let last = delivered.take(15 + kills).last();
        std::thread::sleep(std::time::Duration::from_micros(kills as u64 * 177));
        process.kill().unwrap();
        process.wait().unwrap();
        let last: usize = last.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        let stored = stored(folder.path());
        assert!(stored.len() >= last, "what was taken is there");
        assert_eq!(stored, uids(0..stored.len()));
        if stored.len() == 20_000 {
            break;
        }
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
}

#[tokio::test]
#[ignore = "run by another test, on a small disk"]
async fn delivers_to_a_full_disk() {
    let folder = std::env::var("SQLITE_FOLDER").unwrap();
    let folder = Path::new(&folder);
    let filler = folder.join("filler");
    let all = lines(0..1500);
    let at = starts(&all);
    let mut sink = sink(folder, CONFIG).unwrap();
    for next in (0..1500).step_by(50) {
        let portion = &all[at[next]..at[next + 50]];
        if next % 500 == 250 {
            let mut file = File::create(&filler).unwrap();
            while file.write(&[b'x'; 4096]).is_ok() {}
            for _ in 0..3 {
                let error = deliver(&mut *sink, "s", at[next], portion).await.unwrap_err();
                assert_eq!(error.code, Code::DiskFull, "{error}");
                let stored = stored(folder);
                assert_eq!(stored, uids(0..next), "what was taken before is there, and no more");
            }
            std::fs::remove_file(&filler).unwrap();
        }
        deliver(&mut *sink, "s", at[next], portion).await.unwrap();
    }
    assert_eq!(stored(folder), uids(0..1500));
    println!("all is there");
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    const DISK: &str =
        r#"mount -t tmpfs -o size=32m tmpfs "$SQLITE_FOLDER" && echo mounted && exec "$0" "$@""#;
    let folder = tempfile::tempdir().unwrap();
    let before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", DISK];
    if Command::new("unshare").arg("--version").output().is_err() {
        return skip("there is no `unshare` to make a small disk with");
    }
    let process = again("delivers_to_a_full_disk", folder.path(), &before);
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if !said.contains("mounted") {
        return skip("this system lets no user make a small disk");
    }
    assert!(output.status.success() && said.contains("all is there"), "{said}");
}
