//! `longshore validate`

use std::io::Read;
use std::path::{Path, PathBuf};

use longshore_engine::error::{Code, Error};
use longshore_validator::{Options, Profile, Severity, render_text, to_json, validate};
use serde_json::json;

use crate::Exit;
use crate::arguments::{Format, Validate};
use crate::summary::plural;
use crate::terminal::{colour, complain, fail, print};

pub(crate) fn run(command: &Validate) -> Exit {
    let options =
        Options { profile: if command.extended { Profile::Extended } else { Profile::Strict } };
    let mut unreadable = false;
    let mut not_checked = |error: Error| {
        fail(&error);
        unreadable = true;
    };
    let mut files = Vec::new();
    for path in &command.paths {
        match manifests(path) {
            Ok(found) if found.is_empty() => not_checked(
                Error::new(Code::InputInvalid, format!("no manifest.yaml in {}", path.display()))
                    .fix("name the file itself if it is called otherwise"),
            ),
            Ok(found) => files.extend(found),
            Err(error) => not_checked(not_read(path, &error)),
        }
    }
    let (mut checked, mut errors, mut warnings, mut reports) = (0, 0, 0, Vec::new());
    for path in &files {
        let (name, source) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                not_checked(not_read(path, &error));
                continue;
            }
        };
        let report = validate(&source, &options);
        checked += 1;
        errors += report.count(Severity::Error);
        warnings += report.count(Severity::Warning);
        match command.format {
            Format::Text => print(&render_text(&report, &name, &source, colour())),
            Format::Json => reports.push(to_json(&report, &name, &source)),
        }
    }
    match command.format {
        Format::Json => {
            let summary = json!({ "files": checked, "errors": errors, "warnings": warnings });
            let document = json!({ "version": 1, "reports": reports, "summary": summary });
            print(&format!("{document:#}\n"));
        }
        Format::Text if checked > 1 => complain(&format!(
            "{} checked: {}, {}",
            plural(checked, "manifest"),
            plural(errors, "error"),
            plural(warnings, "warning")
        )),
        Format::Text => {}
    }
    if unreadable {
        Exit::Failed
    } else if errors > 0 || command.deny_warnings && warnings > 0 {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// The file itself, or every `manifest.yaml` below a folder, in order.
fn manifests(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.as_os_str() == "-" || !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // Links are not followed: a link to a parent would never end.
            let kind = entry.file_type()?;
            if kind.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
                folders.push(entry.path());
            } else if ["manifest.yaml", "manifest.yml"]
                .iter()
                .any(|name| entry.file_name() == *name)
            {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn not_read(path: &Path, error: &std::io::Error) -> Error {
    let (cause, fix) = match error.kind() {
        std::io::ErrorKind::InvalidData => {
            ("it is not text in UTF-8".to_owned(), "give a manifest, saved as UTF-8")
        }
        _ => (error.to_string(), "check the path, and that this user may read it"),
    };
    let what = format!("{} could not be read", path.display());
    Error::new(Code::InputInvalid, what).cause(cause).fix(fix)
}

fn read(path: &Path) -> std::io::Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut source = String::new();
        std::io::stdin().lock().read_to_string(&mut source)?;
        return Ok(("<stdin>".to_owned(), source));
    }
    Ok((path.display().to_string(), std::fs::read_to_string(path)?))
}
