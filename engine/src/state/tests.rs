use std::io::{Seek, SeekFrom, Write};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn an_empty_directory_becomes_the_current_schema_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep").join("state");
    let id = {
        let store = Store::open(&path).unwrap();
        let id = store.stream("acme", "sign_ins").unwrap();
        assert_eq!(store.stream("acme", "sign_ins").unwrap(), id);
        assert_ne!(store.stream("acme", "users").unwrap(), id);
        assert_ne!(store.stream("other", "sign_ins").unwrap(), id);
        id
    };
    let store = Store::open(&path).unwrap();
    assert_eq!(store.stream("acme", "sign_ins").unwrap(), id);
    let setting = |name: &str| {
        store.lock().connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(setting("user_version").unwrap(), schema::VERSION);
    assert_eq!(setting("synchronous").unwrap(), 2);
    assert_eq!(setting("foreign_keys").unwrap(), 1);
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.lock().connection.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.code, Code::StateCorrupt);
    insta::assert_snapshot!(
        error.to_string().replace(&*directory.path().to_string_lossy(), "<state>"),
        @r"
    STATE_CORRUPT: the state database <state>/state.db was written by a newer version
      cause: it has schema version 99; this program knows up to 4
      fix:   run the newer version, or restore the backup made before the upgrade
    "
    );
}

#[test]
fn a_second_opening_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.code, Code::StateLocked);
    insta::assert_snapshot!(
        error.to_string()
            .replace(&*directory.path().to_string_lossy(), "<state>")
            .replace(&std::process::id().to_string(), "<pid>"),
        @r"
    STATE_LOCKED: the state directory <state> is in use by process <pid>
      cause: two processes on one state would deliver events twice and overspend quotas
      fix:   stop the other process, or give this one a state directory of its own
      next:  tried again later
    "
    );
    drop(store);
    Store::open(directory.path()).unwrap();
}

#[test]
fn a_second_process_is_refused_and_a_killed_one_leaves_no_lock() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "state::tests::hold_the_lock", "--nocapture"])
        .env("LONGSHORE_TEST_STATE", directory.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("locked") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut said, &mut line).unwrap(), 0);
    }
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.code, Code::StateLocked);
    assert!(error.what.contains(&child.id().to_string()), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    Store::open(directory.path()).unwrap();
}

/// The other process of the test above: waits with the state open until it is killed.
#[test]
#[ignore = "started by another test"]
fn hold_the_lock() {
    let Some(directory) = std::env::var_os("LONGSHORE_TEST_STATE") else { return };
    let _store = Store::open(Path::new(&directory)).unwrap();
    println!("locked");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn a_damaged_database_is_named_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(DATABASE), "this is not a database at all").unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.code, Code::StateCorrupt);
    insta::assert_snapshot!(
        error.to_string().replace(&*directory.path().to_string_lossy(), "<state>"),
        @r"
    STATE_CORRUPT: the state database <state>/state.db is damaged
      cause: file is not a database, while opening it
      fix:   restore the directory of <state>/state.db from a backup; without one, move it away and start again: every stream then begins with its history, so events that were already delivered are delivered once more
    "
    );
}

#[test]
fn damage_inside_the_database_is_named_when_it_is_met() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.stream("acme", "sign_ins").unwrap();
    drop(store);
    let path = directory.path().join(DATABASE);
    let mut file = File::options().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xA5; length as usize - 4096]).unwrap();
    drop(file);
    let error =
        Store::open(directory.path()).and_then(|store| store.stream("acme", "users")).unwrap_err();
    assert_eq!(error.code, Code::StateCorrupt, "{error}");
    assert!(error.what.contains(DATABASE), "{error}");
}

#[test]
fn a_cursor_that_is_no_cursor_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let stream = store.stream("acme", "sign_ins").unwrap();
    store
        .lock()
        .connection
        .execute("INSERT INTO cursors VALUES (?1, '{\"watermark\":7}')", [stream.0])
        .unwrap();
    assert_eq!(store.cursor(stream).unwrap_err().code, Code::StateCorrupt);
}

#[test]
fn runs_are_remembered_newest_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let stream = store.stream("acme", "sign_ins").unwrap();
    let other = store.stream("acme", "users").unwrap();
    let report = RunReport {
        requests: 3,
        records: 20,
        events: 18,
        duplicates: 2,
        window: Some((at(100), at(200))),
        error: Some(("APP_ERROR".to_owned(), "HTTP 500".to_owned())),
    };
    let first = store.start_run(stream, at(1)).unwrap();
    store.finish_run(first, at(2), RunOutcome::Failed, &report).unwrap();
    let second = store.start_run(other, at(3)).unwrap();
    let runs = store.last_runs(None, 10).unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].id, runs[0].outcome, runs[0].ended), (second, RunOutcome::Running, None));
    let expected = Run {
        id: first,
        connection: "acme".to_owned(),
        stream: "sign_ins".to_owned(),
        started: at(1),
        ended: Some(at(2)),
        outcome: RunOutcome::Failed,
        report,
    };
    assert_eq!(store.last_runs(Some(stream), 10).unwrap(), [expected]);
    assert_eq!(store.last_runs(None, 1).unwrap().len(), 1);

    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.last_runs(Some(other), 1).unwrap()[0].outcome, RunOutcome::Interrupted);
    for start in 0..1100 {
        store.start_run(stream, at(start)).unwrap();
    }
    assert_eq!(store.last_runs(Some(stream), 5000).unwrap().len(), 1000);
    assert_eq!(store.last_runs(Some(other), 5000).unwrap().len(), 1);
}

#[test]
fn a_forgotten_connection_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let stream = store.stream("acme", "sign_ins").unwrap();
    let kept = store.stream("other", "sign_ins").unwrap();
    for stream in [stream, kept] {
        store.start_run(stream, at(1)).unwrap();
        store
            .write("test", |transaction| {
                Cursor::default().store(transaction, stream)?;
                finish_item(transaction, stream, "file", at(1))?;
                let mut keys = KeyWriter::new(transaction, stream)?;
                keys.insert(&[1; 16], 1)?;
                assert!(keys.insert_new(&[[2; 16], [3; 16]], 1)?);
                keys.finish()
            })
            .unwrap();
    }
    for connection in ["acme", "other"] {
        store.store_pause(connection, &[1; 16], 2, 1).unwrap();
    }
    store.forget_connection("acme").unwrap();
    for table in
        ["streams", "cursors", "seen_keys", "seen_blocks", "finished_items", "runs", "pauses"]
    {
        assert_eq!(store.count(table), 1, "{table}");
    }
    assert!(store.is_finished(kept, "file").unwrap());
}

#[test]
fn a_doubtful_commit_is_settled_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.lock().doubtful = true;
    store.stream("acme", "sign_ins").unwrap();
    assert!(!store.lock().doubtful);
}
