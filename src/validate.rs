//! `longshore validate`

use std::path::Path;

use longshore_engine::error::Error;
use longshore_validator::{
    Made, Options, Profile, Report, Safety, Severity, mend, render_text, to_json, validate,
    validate_with_fixtures,
};
use serde_json::json;

use crate::Exit;
use crate::arguments::{Fixes, Format, Validate};
use crate::diff::unified;
use crate::fixtures;
use crate::manifests::{collect, not_read, not_written, read};
use crate::summary::plural;
use crate::terminal::{colour, complain, fail, print};
use crate::write::replace;

/// A manifest that was looked at.
struct Checked {
    name: String,
    source: String,
    report: Report,
}

pub(crate) fn run(command: &Validate) -> Exit {
    let profile = if command.extended { Profile::Extended } else { Profile::Strict };
    let options = Options { show_ignored: command.no_inline_ignores, ..Options::new(profile) };
    let mut unreadable = false;
    let mut failed = |error: Error| {
        fail(&error);
        unreadable = true;
    };
    let files = collect(&command.paths, &mut failed);
    let (mut checked, mut errors, mut warnings, mut differ) = (0, 0, 0, false);
    let mut reports = Vec::new();
    // Where the manifest itself goes to standard output, findings go elsewhere.
    let aside = |path: &Path| command.fix.is_some() && !command.diff && path.as_os_str() == "-";
    for path in &files {
        let (name, source) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                failed(not_read(path, &error));
                continue;
            }
        };
        let fixtures = fixtures::beside(path, &mut failed);
        let look = |source: &str| match &fixtures {
            Some(fixtures) => validate_with_fixtures(source, fixtures, &options),
            None => validate(source, &options),
        };
        let Checked { name, source, report } = if command.fix.is_some() || command.diff {
            let safety = match command.fix {
                Some(Fixes::Unsafe) => Safety::Unsafe,
                _ => Safety::Safe,
            };
            let mended = mend(&source, safety, look);
            let changed = mended.source != source;
            differ |= command.diff && changed;
            if command.diff {
                print(&unified(&name, &source, &mended.source));
            } else if path.as_os_str() == "-" {
                print(&mended.source);
            } else if changed && let Err(error) = replace(path, &mended.source) {
                failed(not_written(path, &error));
                continue;
            }
            if !command.diff {
                tell(&name, &mended.made);
            }
            Checked { name, source: mended.source, report: mended.report }
        } else {
            let report = look(&source);
            Checked { name, source, report }
        };
        checked += 1;
        errors += report.count(Severity::Error);
        warnings += report.count(Severity::Warning);
        match command.format {
            _ if command.diff => {}
            Format::Text if aside(path) => {
                complain(render_text(&report, &name, &source, false).trim_end());
            }
            Format::Text => print(&render_text(&report, &name, &source, colour())),
            Format::Json => reports.push(to_json(&report, &name, &source)),
        }
    }
    match command.format {
        _ if command.diff => {}
        Format::Json => {
            let summary = json!({ "files": checked, "errors": errors, "warnings": warnings });
            let document = json!({ "version": 1, "reports": reports, "summary": summary });
            if files.iter().any(|path| aside(path)) {
                complain(&format!("{document:#}"));
            } else {
                print(&format!("{document:#}\n"));
            }
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
    } else if differ || errors > 0 || command.deny_warnings && warnings > 0 {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// Says which fixes were made.
fn tell(name: &str, made: &[Made]) {
    for Made { code, title, line, column } in made {
        complain(&format!("fixed {name}:{line}:{column}: {code}: {title}"));
    }
}
