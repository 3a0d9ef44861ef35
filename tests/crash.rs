//! Killed at any moment, the program loses nothing and repeats nothing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use support::process::{longshore, run, sorted_lines};

const KILLS: u32 = 20;
/// The latest kill after the sign-in, in milliseconds. Batches are committed when they are large or
/// two seconds old, so some runs die before, some within and some after their commits.
const LATEST: u64 = 3500;

#[test]
fn twenty_kills_change_nothing() {
    let whole = tempfile::tempdir().unwrap();
    let ran = run(longshore(["demo", "--format", "json", "--directory"]).arg(whole.path()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let whole = sorted_lines(&whole.path().join("events"));
    assert_eq!(whole.len(), 4);

    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let (mut kills, mut kept) = (0, 0);
    // A folder is done when a run comes to its end; then the next one is begun.
    for folder in 1.. {
        let directory = tempfile::tempdir().unwrap();
        let mut killed = 0;
        loop {
            let last = kills == KILLS;
            let moment = (!last).then(|| Duration::from_millis(rng.u64(..LATEST)));
            match one(directory.path(), moment) {
                None => {
                    kills += 1;
                    killed += 1;
                    kept += u32::from(size(directory.path()) > 0);
                    println!("folder {folder}, kill {kills}: {moment:?} after the sign-in");
                }
                Some(status) => {
                    assert!(status.success(), "folder {folder} after {killed} kills: {status}");
                    break;
                }
            }
        }
        let events = sorted_lines(&directory.path().join("events"));
        for ((name, whole), (other, pieces)) in whole.iter().zip(&events) {
            assert_eq!(name, other);
            assert!(
                whole == pieces,
                "seed {seed}, folder {folder}, {name}: {} lines in one run, {} in {killed} killed ones",
                whole.len(),
                pieces.len()
            );
        }
        assert_eq!(whole.len(), events.len());
        if kills == KILLS {
            break;
        }
    }
    // Otherwise the kills came too early to mean anything.
    assert!(kept > 2, "only {kept} of {KILLS} kills left events behind");
}

/// Runs the demo; `None` if it was killed, a while after it had signed in.
fn one(directory: &Path, moment: Option<Duration>) -> Option<ExitStatus> {
    let mut demo = longshore(["demo", "--format", "json", "--directory"]);
    let demo = demo.arg(directory).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo: Child = demo.spawn().unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let signed_in =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("Signed in")));
    assert!(signed_in.is_some(), "the demo did not sign in");
    // Whoever writes to a pipe that nobody empties waits.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let status = match moment {
        None => Some(demo.wait().unwrap()),
        Some(moment) => {
            let deadline = Instant::now() + moment;
            loop {
                if let Some(status) = demo.try_wait().unwrap() {
                    break Some(status);
                }
                if Instant::now() >= deadline {
                    demo.kill().unwrap();
                    demo.wait().unwrap();
                    break None;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    };
    let said = rest.join().unwrap();
    assert!(said.iter().all(|line| !line.contains("panicked")), "{said:?}");
    status
}

/// Bytes of events.
fn size(directory: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(directory.join("events")) else { return 0 };
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
