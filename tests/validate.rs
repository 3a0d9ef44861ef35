//! `longshore validate`: what it shows, what it mends, and how it ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(dead_code, reason = "other tests use more of the support")]

#[path = "support/process.rs"]
mod process;

use std::path::{Path, PathBuf};

use process::{Ran, longshore, run};
use tempfile::TempDir;

const GOOD: &str = include_str!("good/minimal.yaml");

/// A folder with a manifest.
fn folder(manifest: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.yaml");
    std::fs::write(&path, manifest).unwrap();
    (folder, path)
}

fn validate(folder: &Path, arguments: &[&str]) -> Ran {
    run(longshore(["validate"]).args(arguments).current_dir(folder))
}

fn piped(text: &str, arguments: &[&str]) -> Ran {
    let (folder, path) = folder(text);
    let file = std::fs::File::open(&path).unwrap();
    run(longshore(["validate"]).args(arguments).stdin(file).current_dir(&folder))
}

fn misspelt() -> String {
    GOOD.replacen("records:", "recods:", 1)
}

#[test]
fn fixes_are_made_in_the_file() {
    let (folder, path) = folder(&misspelt().replace('\n', "\r\n"));
    let ran = validate(folder.path(), &["--fix", "manifest.yaml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "manifest.yaml: no findings\n");
    let line = misspelt().lines().position(|line| line.contains("recods:")).unwrap() + 1;
    let fixed = format!("fixed manifest.yaml:{line}:5: LS0101: rename `recods` to `records`\n");
    assert_eq!(ran.stderr, fixed);
    assert_eq!(std::fs::read_to_string(path).unwrap(), GOOD.replace('\n', "\r\n"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_difference_is_shown_and_not_made() {
    let (folder, path) = folder(&misspelt());
    let ran = validate(folder.path(), &["--diff", "manifest.yaml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let changed: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(
        changed,
        [
            "--- a/manifest.yaml",
            "+++ b/manifest.yaml",
            "-    recods: $.users[*]",
            "+    records: $.users[*]",
        ]
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), misspelt());
    let good = GOOD.as_bytes();
    std::fs::write(folder.path().join("manifest.yaml"), good).unwrap();
    let ran = validate(folder.path(), &["--diff", "manifest.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
}

#[test]
fn standard_input_is_mended_to_standard_output() {
    let ran = piped(&misspelt(), &["--fix", "-"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), GOOD));
    assert!(ran.stderr.ends_with("<stdin>: no findings\n"), "{}", ran.stderr);
    // What cannot be mended is passed on as it is.
    let broken = GOOD.replace("key: $.id", "key: $.[");
    let ran = piped(&broken, &["--fix", "-"]);
    assert_eq!((ran.code, ran.stdout), (Some(1), broken));
}

#[test]
fn a_file_that_cannot_be_written_is_left_alone() {
    let (folder, path) = folder(&misspelt());
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let ran = validate(folder.path(), &["--fix", "manifest.yaml"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    assert!(ran.stderr.contains("manifest.yaml could not be written"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(path).unwrap(), misspelt());
}

#[test]
fn ignores_hide_findings_unless_they_are_asked_for() {
    let source =
        GOOD.replacen("  users:\n", "  users:\n    wat: 1 # longshore: ignore[LS0101] ours\n", 1);
    let (folder, _) = folder(&source);
    assert_eq!(validate(folder.path(), &["."]).code, Some(0));
    let ran = validate(folder.path(), &["--no-inline-ignores", "."]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("error[LS0101]"), "{}", ran.stdout);
}
