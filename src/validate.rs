//! `longshore validate`

use std::io::Read;
use std::path::{Path, PathBuf};

use longshore_validator::{Options, Profile, Severity, render_text, to_json, validate};
use serde_json::json;

use crate::Exit;
use crate::arguments::{Format, Validate};
use crate::terminal::{colour, complain, print};

pub(crate) fn run(command: &Validate) -> Exit {
    let options =
        Options { profile: if command.extended { Profile::Extended } else { Profile::Strict } };
    let mut unreadable = false;
    let mut files = Vec::new();
    for path in &command.paths {
        match manifests(path) {
            Ok(found) if found.is_empty() => {
                unreadable = true;
                complain(&format!(
                    "error: no manifest.yaml in {}\n  fix: name the file itself if it is called otherwise",
                    path.display()
                ));
            }
            Ok(found) => files.extend(found),
            Err(error) => {
                unreadable = true;
                complain(&format!("error: {} could not be read: {error}", path.display()));
            }
        }
    }
    let (mut errors, mut warnings, mut reports) = (0, 0, Vec::new());
    for path in &files {
        let (name, source) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                unreadable = true;
                complain(&format!("error: {} could not be read: {error}", path.display()));
                continue;
            }
        };
        let report = validate(&source, &options);
        errors += report.count(Severity::Error);
        warnings += report.count(Severity::Warning);
        match command.format {
            Format::Text => {
                if !print(&render_text(&report, &name, &source, colour())) {
                    return Exit::Done;
                }
            }
            Format::Json => reports.push(to_json(&report, &name, &source)),
        }
    }
    match command.format {
        Format::Json => {
            let summary = json!({ "files": reports.len(), "errors": errors, "warnings": warnings });
            let document = json!({ "version": 1, "reports": reports, "summary": summary });
            print(&format!("{document:#}\n"));
        }
        Format::Text => {
            let count =
                |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
            complain(&format!(
                "{} checked: {}, {}",
                count(files.len(), "manifest"),
                count(errors, "error"),
                count(warnings, "warning")
            ));
        }
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

fn read(path: &Path) -> std::io::Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut source = String::new();
        std::io::stdin().lock().read_to_string(&mut source)?;
        return Ok(("<stdin>".to_owned(), source));
    }
    Ok((path.display().to_string(), std::fs::read_to_string(path)?))
}
