use longshore_engine::error::Code;
use longshore_engine::sink::Log;

use super::*;

fn event(number: usize) -> String {
    let uid = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let uid = format!("{uid:032x}");
    let filler = "x".repeat(700);
    format!(r#"{{"metadata":{{"uid":"{uid}"}},"time":{number},"class_uid":3002,"m":"{filler}"}}"#)
}

fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    database.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn log() -> LogName {
    Log { spool: "s", connection: "acme", stream: "sign_ins" }.into()
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut database = Database::open(&path).unwrap();
    let lines: String = (0..500).map(|number| event(number) + "\n").collect();
    let (first, second) = lines.as_bytes().split_at(event(0).len() + 1);
    database.append(&log(), 0, first).unwrap();
    database.limit_pages(Some(20));
    let error = database.append(&log(), first.len() as u64, second).unwrap_err().explain(&path);
    assert_eq!(error.code, Code::DiskFull, "{error}");
    assert_eq!(count(&database, "events"), 1);
    assert_eq!(database.position(&log()).unwrap(), Some(first.len() as u64));
    database.limit_pages(None);
    database.append(&log(), first.len() as u64, second).unwrap();
    assert_eq!(count(&database, "events"), 500);
    assert_eq!(database.position(&log()).unwrap(), Some(lines.len() as u64));
}

#[test]
fn a_portion_with_a_bad_event_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::open(&folder.path().join("events.db")).unwrap();
    let lines = event(1) + "\n{\"time\":5}\n";
    let error = database.append(&log(), 0, lines.as_bytes()).unwrap_err();
    assert_eq!(error.explain(Path::new("")).code, Code::Internal);
    assert_eq!((count(&database, "events"), count(&database, "positions")), (0, 0));
}

#[test]
fn a_crash_between_writing_and_synchronizing_leaves_whole_portions() {
    // What a crash leaves behind is some beginning of the log that SQLite writes ahead.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut database = Database::open(&path).unwrap();
    let mut ends = vec![0];
    for portion in 0..6 {
        let lines: String = (portion * 9..portion * 9 + 9).map(|n| event(n) + "\n").collect();
        let start = *ends.last().unwrap();
        database.append(&log(), start, lines.as_bytes()).unwrap();
        ends.push(start + lines.len() as u64);
    }
    let wal = std::fs::read(path.with_extension("db-wal")).unwrap();
    let main = std::fs::read(&path).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for length in (0..wal.len()).step_by(3001).chain([wal.len()]) {
        let copy = folder.path().join("copy.db");
        for end in ["db", "db-wal", "db-shm"] {
            let _ = std::fs::remove_file(copy.with_extension(end));
        }
        std::fs::write(&copy, &main).unwrap();
        std::fs::write(copy.with_extension("db-wal"), &wal[..length]).unwrap();
        let copy = Database::open(&copy).unwrap();
        let events = count(&copy, "events") as usize;
        assert_eq!(events % 9, 0);
        assert_eq!(copy.position(&log()).unwrap().unwrap_or(0), ends[events / 9]);
        seen.insert(events);
    }
    assert!(seen.len() > 3 && seen.contains(&54), "{seen:?}");
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| event(number) + "\n").collect()
}

fn indexes(database: &Database) -> Vec<String> {
    let sql = "SELECT name FROM pragma_index_list('events') ORDER BY name";
    let mut statement = database.connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn anew() -> LogName {
    Log { spool: "anew", connection: "acme", stream: "sign_ins" }.into()
}

#[test]
fn uids_are_compared_when_a_stream_is_delivered_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::open(&folder.path().join("events.db")).unwrap();
    database.append(&log(), 0, lines(0..40).as_bytes()).unwrap();
    // Of another stream, which has no earlier log.
    let other = Log { spool: "anew", connection: "acme", stream: "other" }.into();
    database.append(&other, 0, lines(100..110).as_bytes()).unwrap();
    assert_eq!(indexes(&database), ["events_by_class", "events_by_time"]);
    let again = lines(30..50) + &lines(45..50);
    database.append(&anew(), 0, again.as_bytes()).unwrap();
    assert_eq!(count(&database, "events"), 60);
    assert_eq!(indexes(&database), ["events_by_class", "events_by_time", "events_by_uid"]);
    database.append(&anew(), again.len() as u64, lines(0..60).as_bytes()).unwrap();
    assert_eq!(count(&database, "events"), 70);
    assert_eq!(count(&database, "positions"), 3);
}

#[test]
fn a_database_of_version_1_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let first = lines(0..5);
    let old = Connection::open(&path).unwrap();
    let tables = MIGRATIONS[0].replacen("NOT NULL,", "NOT NULL PRIMARY KEY,", 1);
    old.execute_batch(&tables).unwrap();
    for number in 0..5 {
        let event = event(number);
        let uid = Head::read(event.as_bytes()).unwrap().uid().to_owned();
        old.execute(INSERT, params![uid, "acme", "sign_ins", 3002, number as i64, event]).unwrap();
    }
    old.execute(ADVANCE, params!["s", "acme", "sign_ins", first.len() as i64]).unwrap();
    old.pragma_update(None, "application_id", APPLICATION).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let mut database = Database::open(&path).unwrap();
    database.append(&log(), first.len() as u64, lines(5..10).as_bytes()).unwrap();
    database.append(&anew(), 0, lines(0..12).as_bytes()).unwrap();
    assert_eq!(count(&database, "events"), 12);
    let key = "sqlite_autoindex_events_1";
    assert_eq!(indexes(&database), ["events_by_class", "events_by_time", key]);
}
