//! `longshore fmt`

use longshore_engine::error::Error;
use longshore_schema::format::format;
use longshore_validator::{Options, render_text, validate};

use crate::Exit;
use crate::arguments::Fmt;
use crate::diff::unified;
use crate::manifests::{collect, not_read, not_written, read};
use crate::terminal::{colour, complain, fail, print};
use crate::write::replace;

pub(crate) fn run(command: &Fmt) -> Exit {
    let mut failed = false;
    let mut not_done = |error: Error| {
        fail(&error);
        failed = true;
    };
    let mut findings = false;
    for path in &collect(&command.paths, &mut not_done) {
        let (name, source) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                not_done(not_read(path, &error));
                continue;
            }
        };
        let Ok(formatted) = format(&source) else {
            // What is not YAML has no other findings.
            let report = validate(&source, &Options::default());
            complain(render_text(&report, &name, &source, colour()).trim_end());
            findings = true;
            continue;
        };
        let changes = formatted != source;
        if command.check {
            findings |= changes;
            if changes {
                print(&format!("{name}\n"));
            }
        } else if command.diff {
            findings |= changes;
            print(&unified(&name, &source, &formatted));
        } else if path.as_os_str() == "-" {
            print(&formatted);
        } else if changes {
            match replace(path, &formatted) {
                Ok(()) => complain(&format!("formatted {name}")),
                Err(error) => not_done(not_written(path, &error)),
            }
        }
    }
    if failed {
        Exit::Failed
    } else if findings {
        Exit::Findings
    } else {
        Exit::Done
    }
}
