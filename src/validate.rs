//! `longshore validate`

use longshore_engine::error::Error;
use longshore_validator::{Options, Profile, Severity, render_text, to_json, validate};
use serde_json::json;

use crate::Exit;
use crate::arguments::{Format, Validate};
use crate::manifests::{collect, not_read, read};
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
    let files = collect(&command.paths, &mut not_checked);
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
