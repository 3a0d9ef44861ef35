use std::cell::Cell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::json_lines::Step;
use super::*;
use crate::error::{Code, Error, Result};
use crate::state::Store;

/// What happens at a step of the next commit of this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An error is returned.
    Fail,
    /// The process is gone: nothing is cleaned up.
    Crash,
    /// The process is gone in the middle of a write.
    Torn,
}

thread_local! {
    static FAULT: Cell<Option<(Step, Fault)>> = const { Cell::new(None) };
}

/// Called by the commit at each of its steps.
pub(super) fn reached(step: Step, mut file: &File) -> Result<()> {
    let Some((at, fault)) = FAULT.get().filter(|(at, _)| *at == step) else { return Ok(()) };
    FAULT.set(None);
    match fault {
        Fault::Fail => return Err(Error::new(Code::SinkUnavailable, format!("at {at:?}"))),
        Fault::Crash => {}
        Fault::Torn => {
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(b"{\"torn\":").unwrap();
        }
    }
    std::panic::resume_unwind(Box::new("crash"));
}

const FILE: &str = "sign_ins.jsonl";

struct Bench {
    state: TempDir,
    output: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), output: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Delivery {
        let store = Arc::new(Store::open(self.state.path()).unwrap());
        Delivery::open(store, self.output.path()).unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.output.path().join(FILE)).unwrap_or_default()
    }
}

fn key(number: u32) -> [u8; 16] {
    // Spread like a hash, so that the order of keys is not the order of events.
    (u128::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()
}

fn batch(numbers: impl IntoIterator<Item = u32>, dedupe: Dedupe) -> Batch {
    let mut batch = Batch::new();
    for number in numbers {
        let document = format!("{{\"id\":{number}}}");
        batch.push(key(number), i64::from(number), dedupe, document.as_bytes());
    }
    batch
}

fn lines(numbers: impl IntoIterator<Item = u32>) -> String {
    let lines: Vec<String> =
        numbers.into_iter().map(|number| format!("{{\"id\":{number}}}\n")).collect();
    lines.concat()
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

fn commit<'a>(delivery: &Delivery, batch: &'a Batch, cursor: Option<&'a Cursor>) -> Commit<'a> {
    let stream = delivery.store().stream("acme", "sign_ins").unwrap();
    Commit { cursor, ..Commit::events(stream, FILE, batch) }
}

fn deliver(delivery: &Delivery, batch: &Batch) -> Result<Committed> {
    delivery.commit(commit(delivery, batch, None))
}

#[test]
fn a_batch_keeps_each_document_on_one_line() {
    let mut batch = Batch::new();
    batch.push([1; 16], 0, Dedupe::New, b"{\n  \"a\": 1\n}\n");
    batch.buffer().extend_from_slice(b"{\"half");
    batch.abandon_event();
    batch.buffer().extend_from_slice(b"{}");
    batch.end_event([2; 16], 0, Dedupe::New);
    assert_eq!(batch.bytes, b"{   \"a\": 1 }\n{}\n");
    assert_eq!((batch.len(), batch.size()), (2, 16));
    batch.clear();
    assert!(batch.is_empty());
}

#[test]
fn kept_lines_are_few_long_slices() {
    let batch = batch(0..4, Dedupe::Check);
    assert_eq!(batch.kept(&[]).len(), 1);
    assert_eq!(batch.kept(&[false; 4]).len(), 1);
    assert_eq!(batch.kept(&[true; 4]).len(), 0);
    assert_eq!(batch.kept(&[false, true, false, false]).concat(), lines([0, 2, 3]).as_bytes());
    assert_eq!(batch.kept(&[true, false, false, true]), [lines([1, 2]).as_bytes()]);
}

#[test]
fn known_keys_are_dropped_also_within_a_batch_and_after_a_restart() {
    let bench = Bench::new();
    let delivery = bench.open();
    let committed = deliver(&delivery, &batch([3, 1, 3, 2, 1], Dedupe::Check)).unwrap();
    assert_eq!((committed.delivered, committed.duplicates), (3, 2));
    drop(delivery);
    let delivery = bench.open();
    let committed = deliver(&delivery, &batch([2, 4], Dedupe::Check)).unwrap();
    assert_eq!((committed.delivered, committed.duplicates), (1, 1));
    let again = deliver(&delivery, &batch([4, 2], Dedupe::New)).unwrap();
    assert_eq!((again.delivered, again.duplicates), (2, 0));
    assert_eq!(bench.text(), lines([3, 1, 2, 4, 4, 2]));
}

#[test]
fn keys_of_one_stream_mean_nothing_to_another() {
    let bench = Bench::new();
    let delivery = bench.open();
    let batch = batch([1], Dedupe::Check);
    assert_eq!(deliver(&delivery, &batch).unwrap().delivered, 1);
    let other = delivery.store().stream("acme", "users").unwrap();
    let commit = Commit { stream: other, file: "users.jsonl", ..commit(&delivery, &batch, None) };
    assert_eq!(delivery.commit(commit).unwrap().delivered, 1);
}

#[test]
fn cursor_and_finished_items_are_stored_with_the_events() {
    let bench = Bench::new();
    let delivery = bench.open();
    let cursor = Cursor {
        watermark: Some(at(5)),
        window: Some((at(5), at(9))),
        position: Some("opaque".to_owned()),
        completed_at: None,
        ..Cursor::default()
    };
    let finished = [("file-1".to_owned(), at(1)), ("file-2".to_owned(), at(2))];
    let events = batch([1], Dedupe::Check);
    let stream = delivery.store().stream("acme", "sign_ins").unwrap();
    assert_eq!(delivery.store().cursor(stream).unwrap(), None);
    let first = Commit { finished: &finished, ..commit(&delivery, &events, Some(&cursor)) };
    let _ = delivery.commit(first).unwrap();
    assert_eq!(delivery.store().cursor(stream).unwrap(), Some(cursor));
    assert!(delivery.store().is_finished(stream, "file-1").unwrap());
    assert!(!delivery.store().is_finished(stream, "file-3").unwrap());

    let nothing = Batch::new();
    let moved = Cursor { watermark: Some(at(9)), ..Cursor::default() };
    let second =
        Commit { forget_finished_before: Some(at(2)), ..commit(&delivery, &nothing, Some(&moved)) };
    let _ = delivery.commit(second).unwrap();
    assert_eq!(delivery.store().cursor(stream).unwrap(), Some(moved));
    assert!(!delivery.store().is_finished(stream, "file-1").unwrap());
    assert!(delivery.store().is_finished(stream, "file-2").unwrap());
    assert_eq!(bench.text(), lines([1]));
}

#[test]
fn old_keys_are_forgotten_and_refreshed_ones_kept() {
    let bench = Bench::new();
    let delivery = bench.open();
    let store = delivery.store();
    let _ = deliver(&delivery, &batch(0..3000, Dedupe::Check)).unwrap();
    assert_eq!(store.count_keys(), 3000);
    // Key 7 is seen again, much later.
    let mut again = Batch::new();
    again.push(key(7), 5000, Dedupe::Check, b"{}");
    let prune = Commit { forget_keys_before: Some(at(2000)), ..commit(&delivery, &again, None) };
    assert_eq!(delivery.commit(prune).unwrap().duplicates, 1);
    assert_eq!(store.count_keys(), 1001);
    let again = deliver(&delivery, &batch([6, 7, 1999, 2000], Dedupe::Check)).unwrap();
    assert_eq!((again.delivered, again.duplicates), (2, 2));

    // Steady state: as many keys come as go, and the table stays small.
    let mut most = 0;
    for start in (3000..40_000).step_by(500) {
        let events = batch(start..start + 500, Dedupe::Check);
        let before = Some(at(i64::from(start) - 500));
        let step = Commit { forget_keys_before: before, ..commit(&delivery, &events, None) };
        assert_eq!(delivery.commit(step).unwrap().delivered, 500);
        most = most.max(store.count_keys());
    }
    assert!(most <= 4000, "{most} keys");
}

#[test]
fn keys_that_a_commit_forgets_at_once_are_looked_up_and_not_stored() {
    let bench = Bench::new();
    let delivery = bench.open();
    let _ = deliver(&delivery, &batch([3], Dedupe::Check)).unwrap();
    // 3 was delivered before, 4 comes twice, 8 is still of use, and 5 comes with two times.
    let mut events = batch([3, 4, 4, 8], Dedupe::Check);
    events.push(key(5), 5, Dedupe::Check, b"{\"id\":5}");
    events.push(key(5), 9, Dedupe::Check, b"{\"id\":5}");
    let forget = Commit { forget_keys_before: Some(at(8)), ..commit(&delivery, &events, None) };
    assert_eq!(delivery.commit(forget).unwrap().duplicates, 3);
    assert_eq!(bench.text(), lines([3, 4, 8, 5]));
    // 3 stays until the next pass over the table; 4 was never there.
    assert_eq!(delivery.store().count_keys(), 3);
}

#[test]
fn a_failure_at_any_step_leaves_nothing_and_can_be_repeated() {
    for step in [Step::KeysStored, Step::LinesSynced, Step::BeforeCommit] {
        let bench = Bench::new();
        let delivery = bench.open();
        let cursor = Cursor { watermark: Some(at(1)), ..Cursor::default() };
        let _ = deliver(&delivery, &batch([1], Dedupe::Check)).unwrap();
        let events = batch([1, 2], Dedupe::Check);
        FAULT.set(Some((step, Fault::Fail)));
        let error = delivery.commit(commit(&delivery, &events, Some(&cursor))).unwrap_err();
        assert_eq!(error.code, Code::SinkUnavailable);
        assert_eq!(bench.text(), lines([1]), "{step:?}");
        let stream = delivery.store().stream("acme", "sign_ins").unwrap();
        assert_eq!(delivery.store().cursor(stream).unwrap(), None);
        let committed = delivery.commit(commit(&delivery, &events, Some(&cursor))).unwrap();
        assert_eq!((committed.delivered, committed.duplicates), (1, 1));
        assert_eq!(delivery.store().cursor(stream).unwrap(), Some(cursor));
        assert_eq!(bench.text(), lines([1, 2]));
    }
}

/// Commits `numbers` with a cursor that says how far we are, crashing as told; true if it crashed.
fn crash(delivery: &Delivery, numbers: &[u32], upto: i64, fault: Option<(Step, Fault)>) -> bool {
    let events = batch(numbers.iter().copied(), Dedupe::Check);
    let cursor = Cursor { watermark: Some(at(upto)), ..Cursor::default() };
    FAULT.set(fault);
    let result = catch_unwind(AssertUnwindSafe(|| {
        delivery.commit(commit(delivery, &events, Some(&cursor)))
    }));
    FAULT.set(None);
    result.map_or(true, |committed| committed.is_err())
}

#[test]
fn a_crash_at_any_step_is_all_or_nothing() {
    for fault in [Fault::Crash, Fault::Torn] {
        for step in [Step::KeysStored, Step::LinesSynced, Step::BeforeCommit, Step::Committed] {
            for first_commit in [true, false] {
                let bench = Bench::new();
                let delivery = bench.open();
                let mut expected = String::new();
                if !first_commit {
                    assert!(!crash(&delivery, &[1, 2], 1, None));
                    expected = lines([1, 2]);
                }
                assert!(crash(&delivery, &[2, 3], 2, Some((step, fault))));
                drop(delivery);
                let delivery = bench.open();
                let stream = delivery.store().stream("acme", "sign_ins").unwrap();
                let watermark = delivery.store().cursor(stream).unwrap().map(|c| c.watermark);
                if step == Step::Committed {
                    expected = if first_commit { lines([2, 3]) } else { lines([1, 2, 3]) };
                    assert_eq!(watermark, Some(Some(at(2))));
                } else {
                    assert_eq!(watermark, (!first_commit).then_some(Some(at(1))));
                }
                assert_eq!(bench.text(), expected, "{step:?} {fault:?} {first_commit}");
                let repeated = deliver(&delivery, &batch([2, 3], Dedupe::Check)).unwrap();
                assert_eq!(repeated.warning, None);
                let all = if first_commit { lines([2, 3]) } else { lines([1, 2, 3]) };
                assert_eq!(bench.text(), all);
            }
        }
    }
}

#[test]
fn a_tail_is_removed_by_the_next_commit_even_without_a_restart() {
    let bench = Bench::new();
    let delivery = bench.open();
    assert!(crash(&delivery, &[1], 1, Some((Step::BeforeCommit, Fault::Torn))));
    assert!(bench.text().ends_with("torn\":"));
    let _ = deliver(&delivery, &batch([2], Dedupe::Check)).unwrap();
    assert_eq!(bench.text(), lines([2]));
}

fn steps() -> impl Strategy<Value = Option<(Step, Fault)>> {
    let step = prop_oneof![
        Just(Step::KeysStored),
        Just(Step::LinesSynced),
        Just(Step::BeforeCommit),
        Just(Step::Committed)
    ];
    let fault = prop_oneof![Just(Fault::Fail), Just(Fault::Crash), Just(Fault::Torn)];
    proptest::option::of((step, fault))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A source of 40 records read in overlapping pages, by a process that fails, crashes and
    /// restarts anywhere: the file ends with each record once, in the order of the source.
    #[test]
    fn any_sequence_of_crashes_gives_each_line_once(
        faults in proptest::collection::vec((steps(), any::<bool>(), 1_u32..9, 0_u32..6), 1..24)
    ) {
        let bench = Bench::new();
        let mut delivery = bench.open();
        let mut faults = faults.into_iter();
        loop {
            let stream = delivery.store().stream("acme", "sign_ins").unwrap();
            let cursor = delivery.store().cursor(stream).unwrap().unwrap_or_default();
            let start = cursor.watermark.map_or(0, Timestamp::as_millisecond) as u32;
            if start == 40 {
                break;
            }
            let (fault, reopen, size, overlap) = faults.next().unwrap_or((None, false, 7, 3));
            let end = (start + size).min(40);
            let page: Vec<u32> = (start.saturating_sub(overlap)..end).collect();
            crash(&delivery, &page, i64::from(end), fault);
            if reopen {
                drop(delivery);
                delivery = bench.open();
            }
        }
        drop(delivery);
        drop(bench.open());
        prop_assert_eq!(bench.text(), lines(0..40));
    }
}

/// The other process of the test below: delivers until it is killed.
#[test]
#[ignore = "started by another test"]
fn deliver_until_killed() {
    let Some(root) = std::env::var_os("LONGSHORE_TEST_ROOT") else { return };
    let root = Path::new(&root);
    let store = Arc::new(Store::open(&root.join("state")).unwrap());
    let delivery = Delivery::open(store, &root.join("output")).unwrap();
    let stream = delivery.store().stream("acme", "sign_ins").unwrap();
    loop {
        let cursor = delivery.store().cursor(stream).unwrap().unwrap_or_default();
        let start = cursor.watermark.map_or(0, Timestamp::as_millisecond) as u32;
        let page: Vec<u32> = (start.saturating_sub(20)..start + 100).collect();
        assert!(!crash(&delivery, &page, i64::from(start) + 100, None));
    }
}

#[test]
fn a_killed_process_loses_and_repeats_nothing() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..8_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "sink::tests::deliver_until_killed"])
            .env("LONGSHORE_TEST_ROOT", root.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150 + 37 * round));
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let store = Arc::new(Store::open(&root.path().join("state")).unwrap());
    let delivery = Delivery::open(store, &root.path().join("output")).unwrap();
    let stream = delivery.store().stream("acme", "sign_ins").unwrap();
    let watermark = delivery.store().cursor(stream).unwrap().unwrap().watermark.unwrap();
    let upto = watermark.as_millisecond() as u32;
    assert!(upto > 1000, "only {upto} delivered");
    let text = std::fs::read_to_string(root.path().join("output").join(FILE)).unwrap();
    assert!(text == lines(0..upto), "not each line once up to {upto}");
}

#[test]
fn a_file_that_was_shipped_away_starts_anew() {
    let bench = Bench::new();
    let delivery = bench.open();
    let _ = deliver(&delivery, &batch([1], Dedupe::Check)).unwrap();
    let path = bench.output.path().join(FILE);
    std::fs::rename(&path, bench.output.path().join("shipped")).unwrap();
    let committed = deliver(&delivery, &batch([1, 2], Dedupe::Check)).unwrap();
    assert_eq!(committed.warning.unwrap().code(), "SINK_FILE_MISSING");
    assert_eq!(bench.text(), lines([2]));
    let committed = deliver(&delivery, &batch([3], Dedupe::Check)).unwrap();
    assert_eq!(committed.warning, None);
    assert_eq!(bench.text(), lines([2, 3]));
}

#[test]
fn a_shortened_file_is_continued_at_its_end() {
    let bench = Bench::new();
    let delivery = bench.open();
    let _ = deliver(&delivery, &batch([1, 2], Dedupe::Check)).unwrap();
    let path = bench.output.path().join(FILE);
    File::options().write(true).open(&path).unwrap().set_len(12).unwrap();
    drop(delivery);
    let delivery = bench.open();
    let committed = deliver(&delivery, &batch([3], Dedupe::Check)).unwrap();
    let warning = committed.warning.unwrap();
    assert_eq!(warning.code(), "SINK_FILE_SHORTER");
    insta::assert_snapshot!(
        warning.to_string().replace(&*bench.output.path().to_string_lossy(), "<output>"),
        @"SINK_FILE_SHORTER: <output>/sign_ins.jsonl has 12 bytes, but 18 were delivered; delivery continued at its end. If nothing else empties this file, check the disk"
    );
    assert_eq!(bench.text(), "{\"id\":1}\n{\"i\n{\"id\":3}\n");
}

#[test]
fn a_file_of_somebody_else_is_never_truncated() {
    let bench = Bench::new();
    let delivery = bench.open();
    let _ = deliver(&delivery, &batch([1], Dedupe::Check)).unwrap();
    drop(delivery);
    let path = bench.output.path().join(FILE);
    std::fs::rename(&path, bench.output.path().join("shipped")).unwrap();
    std::fs::write(&path, "somebody else's long line\n").unwrap();
    let delivery = bench.open();
    let committed = deliver(&delivery, &batch([2], Dedupe::Check)).unwrap();
    assert_eq!(committed.warning.unwrap().code(), "SINK_FILE_FOREIGN");
    assert_eq!(bench.text(), "somebody else's long line\n{\"id\":2}\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_delivery_goes_on_when_there_is_room() {
    let bench = Bench::new();
    let delivery = bench.open();
    let path = bench.output.path().join(FILE);
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let events = batch([1, 2], Dedupe::Check);
    let error = deliver(&delivery, &events).unwrap_err();
    assert_eq!(error.code, Code::DiskFull);
    assert!(error.what.contains(FILE), "{error}");
    assert!(error.cause.as_ref().unwrap().contains("free space: "), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(deliver(&delivery, &events).unwrap().delivered, 2);
    assert_eq!(bench.text(), lines([1, 2]));
}

#[test]
fn a_full_disk_under_the_state_loses_nothing() {
    let bench = Bench::new();
    let delivery = bench.open();
    let _ = deliver(&delivery, &batch([0], Dedupe::Check)).unwrap();
    delivery.store().limit_pages(Some(0));
    let events = batch(1..5000, Dedupe::Check);
    let error = deliver(&delivery, &events).unwrap_err();
    assert_eq!(error.code, Code::DiskFull, "{error}");
    assert_eq!(bench.text(), lines([0]));
    delivery.store().limit_pages(None);
    assert_eq!(deliver(&delivery, &events).unwrap().delivered, 4999);
    assert_eq!(bench.text(), lines(0..5000));
}

#[cfg(unix)]
#[test]
fn delivered_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let delivery = bench.open();
    let _ = deliver(&delivery, &batch([1], Dedupe::New)).unwrap();
    let metadata = std::fs::metadata(bench.output.path().join(FILE)).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_name_cannot_leave_the_directory() {
    let bench = Bench::new();
    let delivery = bench.open();
    let events = batch([1], Dedupe::New);
    for file in ["../x", "/tmp/x", "a/b", "", "..", ".", "a\\b", "a/"] {
        let commit = Commit { file, ..commit(&delivery, &events, None) };
        assert_eq!(delivery.commit(commit).unwrap_err().code, Code::Internal, "{file}");
    }
}

#[test]
fn streams_commit_from_many_threads() {
    let bench = Bench::new();
    let delivery = bench.open();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let delivery = &delivery;
            scope.spawn(move || {
                let stream = delivery.store().stream("acme", &format!("stream {thread}")).unwrap();
                let own = format!("{thread}.jsonl");
                for page in 0..10_u32 {
                    let events = batch(page * 50..page * 50 + 60, Dedupe::Check);
                    for file in [own.as_str(), "shared.jsonl"] {
                        let numbers =
                            (page * 10..page * 10 + 10).map(|n| 10_000 + n + thread * 100);
                        let shared = batch(numbers, Dedupe::Check);
                        let batch = if file == own { &events } else { &shared };
                        let commit = Commit { stream, file, ..commit(delivery, batch, None) };
                        assert_eq!(delivery.commit(commit).unwrap().warning, None);
                    }
                }
            });
        }
    });
    let read = |name: &str| std::fs::read_to_string(bench.output.path().join(name)).unwrap();
    for thread in 0..4 {
        assert_eq!(read(&format!("{thread}.jsonl")), lines(0..510));
    }
    let text = read("shared.jsonl");
    let mut shared: Vec<&str> = text.lines().collect();
    shared.sort_unstable();
    let expected = lines(10_000..10_400);
    assert_eq!(shared, expected.lines().collect::<Vec<_>>());
}
