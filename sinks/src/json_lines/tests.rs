use std::collections::BTreeMap;
use std::io::Read as _;

use longshore_engine::sink::{Log, Portioned};
use tempfile::TempDir;

use super::*;

const LOG: Log<'_> = Log { spool: "s1", connection: "acme", stream: "sign_ins" };

fn sink(folder: &TempDir, size: Option<u64>, compression: Option<Compression>) -> JsonLinesSink {
    JsonLinesSink {
        folder: folder.path().join("events"),
        size,
        every: None,
        compression,
        notes: BTreeMap::new(),
    }
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    let lines: Vec<_> = numbers.map(|number| format!("{{\"id\":{number:04}}}\n")).collect();
    lines.concat()
}

/// All lines of all files, sorted; unpacked by libraries that did not pack them where there is one.
fn delivered(folder: &TempDir) -> Vec<String> {
    let mut all = String::new();
    for entry in fs::read_dir(folder.path().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let file = File::open(&path).unwrap();
        match path.extension().unwrap().to_str().unwrap() {
            "jsonl" => BufReader::new(file).read_to_string(&mut all).unwrap(),
            "gz" => flate2::read::GzDecoder::new(file).read_to_string(&mut all).unwrap(),
            "zst" => ruzstd::decoding::StreamingDecoder::new(file)
                .unwrap()
                .read_to_string(&mut all)
                .unwrap(),
            _ => 0,
        };
    }
    let mut all: Vec<_> = all.lines().map(str::to_owned).collect();
    all.sort();
    all
}

fn expected(count: u32) -> Vec<String> {
    lines(0..count).lines().map(str::to_owned).collect()
}

fn deliver(sink: &mut JsonLinesSink, start: u32, end: u32) -> Result<Taken> {
    let text = lines(start..end);
    let start = u64::from(start) * lines(0..1).len() as u64;
    sink.append(Portioned { log: LOG, start, lines: text.as_bytes() })
}

#[test]
fn a_killed_process_repeats_nothing_wherever_it_stopped() {
    let line = lines(0..1).len() as u64;
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let compression = [None, Some(Compression::Gzip), Some(Compression::Zstd)][rng.usize(..3)];
        let folder = tempfile::tempdir().unwrap();
        let mut next = 0;
        while next < 60 {
            // Each process starts with nothing but what is on the disk.
            let mut sink = sink(&folder, Some(line * 10), compression);
            let position = sink.recover(LOG).unwrap();
            assert_eq!(position.unwrap_or(0), u64::from(next) * line, "seed {seed}");
            for _ in 0..rng.usize(1..4) {
                let end = next + rng.u32(1..8);
                deliver(&mut sink, next, end).unwrap();
                next = end;
            }
            let events = folder.path().join("events");
            let path = events.join("sign_ins.jsonl");
            match rng.u8(..5) {
                // It died while it wrote the lines,
                0 if path.exists() => {
                    let mut file = files::open_private(&path).unwrap();
                    file.seek(SeekFrom::End(0)).unwrap();
                    file.write_all(b"{\"id\":00").unwrap();
                }
                // before it gave a file its last name,
                1 => {
                    let note_path = sink.note_path("sign_ins");
                    let mut note = sink.notes[&note_path].clone();
                    if note.length > 0 {
                        note.closing = Some(sink.closed_name("sign_ins").unwrap());
                        store(&note_path, &note).unwrap();
                        if rng.bool() {
                            fs::rename(&path, events.join(note.closing.unwrap())).unwrap();
                        }
                    }
                }
                // or with a note half written.
                2 => fs::write(events.join(".sign_ins.new"), b"{\"spool").unwrap(),
                // A person shipped the file away.
                3 if path.exists() => {
                    fs::rename(&path, events.join(format!("shipped-{next}.jsonl"))).unwrap();
                }
                _ => {}
            }
        }
        let mut sink = sink(&folder, None, compression);
        sink.recover(LOG).unwrap();
        assert_eq!(delivered(&folder), expected(next), "seed {seed}");
    }
}

#[test]
fn a_file_that_is_closed_is_compressed_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(&folder, Some(100), Some(Compression::Gzip));
    sink.recover(LOG).unwrap();
    deliver(&mut sink, 0, 12).unwrap();
    deliver(&mut sink, 12, 14).unwrap();
    let names = fs::read_dir(folder.path().join("events")).unwrap();
    let mut names: Vec<_> =
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!((&*names[0], &*names[2]), (".sign_ins.delivered", "sign_ins.jsonl"));
    assert!(names[1].starts_with("sign_ins.2") && names[1].ends_with("Z.jsonl.gz"), "{names:?}");
    assert_eq!(delivered(&folder), expected(14));
}

/// The first event of the file came longer ago than it did.
fn age(sink: &JsonLinesSink, by: Duration) {
    let note_path = sink.note_path("sign_ins");
    let note = &sink.notes[&note_path];
    let since = note.since.unwrap().checked_sub(by).unwrap();
    store(&note_path, &Note { since: Some(since), ..note.clone() }).unwrap();
}

#[test]
fn a_file_whose_time_has_come_is_closed_without_events() {
    const DAY: Duration = Duration::from_hours(24);
    for compression in [None, Some(Compression::Gzip)] {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events");
        let open = || JsonLinesSink { every: Some(DAY), ..sink(&folder, None, compression) };
        let mut before = open();
        assert_eq!(before.look_after(LOG).unwrap(), None, "nothing came yet");
        deliver(&mut before, 0, 3).unwrap();
        let left = before.look_after(LOG).unwrap().unwrap();
        assert!(left > Duration::ZERO && left <= DAY, "{left:?}");
        assert!(events.join("sign_ins.jsonl").exists());
        age(&before, DAY);
        drop(before);

        // Another process, which crashes after it has renamed the file.
        let mut killed = open();
        killed.recover(LOG).unwrap();
        let note_path = killed.note_path("sign_ins");
        let closing = Some(killed.closed_name("sign_ins").unwrap());
        let note = Note { closing, ..killed.notes[&note_path].clone() };
        store(&note_path, &note).unwrap();
        fs::rename(events.join("sign_ins.jsonl"), events.join(note.closing.unwrap())).unwrap();
        drop(killed);

        let mut after = open();
        assert_eq!(after.look_after(LOG).unwrap(), None);
        assert!(!events.join("sign_ins.jsonl").exists());
        assert_eq!(fs::read_dir(&events).unwrap().count(), 2, "a note and a closed file");
        assert_eq!(delivered(&folder), expected(3));
        deliver(&mut after, 3, 4).unwrap();
        age(&after, DAY);
        let mut last = open();
        assert_eq!(last.look_after(LOG).unwrap(), None);
        assert_eq!(fs::read_dir(&events).unwrap().count(), 3, "a note and two closed files");
        assert_eq!(last.recover(LOG).unwrap(), Some(4 * lines(0..1).len() as u64));
        assert_eq!(delivered(&folder), expected(4));
    }
}

#[test]
fn a_file_that_could_not_be_closed_is_closed_later() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events");
    let every = Some(Duration::from_hours(1));
    let mut sink = JsonLinesSink { every, ..sink(&folder, None, Some(Compression::Zstd)) };
    sink.recover(LOG).unwrap();
    deliver(&mut sink, 0, 3).unwrap();
    age(&sink, Duration::from_hours(2));
    sink.recover(LOG).unwrap();
    // There is no room for the note.
    let fresh = events.join(".sign_ins.new");
    std::os::unix::fs::symlink("/dev/full", &fresh).unwrap();
    assert_eq!(sink.look_after(LOG).unwrap_err().code, Code::DiskFull);
    assert!(events.join("sign_ins.jsonl").exists());
    fs::remove_file(&fresh).unwrap();
    assert_eq!(sink.look_after(LOG).unwrap(), None);
    assert!(!events.join("sign_ins.jsonl").exists());
    assert_eq!(delivered(&folder), expected(3));
}

#[test]
fn a_file_of_somebody_else_is_continued_and_a_shortened_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(&folder, None, None);
    let path = folder.path().join("events/sign_ins.jsonl");
    fs::create_dir(folder.path().join("events")).unwrap();
    fs::write(&path, "not ended").unwrap();
    sink.recover(LOG).unwrap();
    deliver(&mut sink, 0, 2).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("not ended\n{}", lines(0..2)));
    File::options().write(true).open(&path).unwrap().set_len(3).unwrap();
    let error = deliver(&mut sink, 2, 3).unwrap_err();
    assert_eq!(error.code, Code::StateCorrupt);
    fs::remove_file(&path).unwrap();
    sink.recover(LOG).unwrap();
    deliver(&mut sink, 2, 3).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), lines(2..3));
}

#[test]
fn a_folder_belongs_to_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = sink(&folder, None, None);
    first.recover(LOG).unwrap();
    deliver(&mut first, 0, 1).unwrap();
    let mut second = sink(&folder, None, None);
    let error = second.recover(Log { connection: "other", ..LOG }).unwrap_err();
    assert_eq!(error.code, Code::InputInvalid);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_or_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(&folder, None, None);
    sink.recover(LOG).unwrap();
    deliver(&mut sink, 0, 5).unwrap();
    // The note cannot be replaced: as if there were no room for it.
    let fresh = folder.path().join("events/.sign_ins.new");
    std::os::unix::fs::symlink("/dev/full", &fresh).unwrap();
    let error = deliver(&mut sink, 5, 9).unwrap_err();
    assert_eq!(error.code, Code::DiskFull, "{error}");
    fs::remove_file(&fresh).unwrap();
    let position = sink.recover(LOG).unwrap();
    assert_eq!(position, Some(5 * lines(0..1).len() as u64));
    deliver(&mut sink, 5, 9).unwrap();
    assert_eq!(delivered(&folder), expected(9));
}
