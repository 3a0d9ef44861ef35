//! The program as a process.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, without the variables of whoever runs the tests that change what it shows.
pub(crate) fn longshore<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LONGSHORE_KEY"] {
        command.env_remove(name);
    }
    command
}

/// What a run of the program gave.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs to the end. No credential of the simulated org may be shown.
pub(crate) fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_discreet(&stdout);
    assert_discreet(&stderr);
    assert!(!stderr.contains("panicked at"), "{stderr}");
    Ran { code: status.code(), stdout, stderr }
}

/// No secret and no token of a simulated org stands in the text.
pub(crate) fn assert_discreet(text: &str) {
    for secret in ["simulated-client-secret", "simulated-password", "simulated-wrong-secret"] {
        assert!(!text.contains(secret), "a secret is shown:\n{text}");
    }
    // How the org's access tokens go on after its id, and how its refresh tokens and codes start.
    for token in ["!simulated", "5Aep", "aPrx"] {
        assert!(!text.contains(token), "a token is shown:\n{text}");
    }
}

/// Sends a signal by name to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let done = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(done.unwrap().success());
}

/// The whole content of a folder's files that end in `.jsonl`, by name, lines sorted.
pub(crate) fn sorted_lines(folder: &Path) -> Vec<(String, Vec<String>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{name}: the last line has no end");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        files.push((name, lines));
    }
    files.sort();
    files
}
