//! `longshore init`

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};

use longshore_engine::error::{Code, Error};
use longshore_schema::scalar::{Name, Scalar};

use crate::Exit;
use crate::arguments::Init;
use crate::terminal::{complain, fail, misused, print};

/// A manifest with what every app needs, and `TODO` where the app's own facts belong.
const SCAFFOLD: &str = include_str!("scaffold.yaml");

pub(crate) fn run(command: &Init) -> Exit {
    let name = command.id.as_str();
    if let Err(error) = Name::parse(name) {
        return misused(&error.message, error.help.as_deref().unwrap_or("choose another id"));
    }
    let folder = command.directory.clone().unwrap_or_default().join(name);
    let path = folder.join("manifest.yaml");
    let written = DirBuilder::new()
        .recursive(true)
        .create(folder.join("fixtures"))
        .and_then(|()| File::create_new(&path))
        .and_then(|mut file| file.write_all(scaffold(name).as_bytes()));
    if let Err(error) = written {
        let (cause, fix) = match error.kind() {
            ErrorKind::AlreadyExists => (
                "it is there already".to_owned(),
                "choose another id or directory; nothing was changed",
            ),
            _ => (error.to_string(), "check the directory, and that this user may write to it"),
        };
        let message = format!("{} cannot be written", path.display());
        return fail(&Error::new(Code::InputInvalid, message).cause(cause).fix(fix));
    }
    print(&format!("{}\n", path.display()));
    complain(&format!("next: longshore validate {}", path.display()));
    Exit::Done
}

fn scaffold(id: &str) -> String {
    SCAFFOLD.replacen("id: ID", &format!("id: {id}"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_validator::{Options, todo_list, validate};

    #[test]
    fn the_scaffold_is_a_list_of_what_is_to_do_and_nothing_else() {
        let source = scaffold("acme");
        let report = validate(&source, &Options::default());
        let other: Vec<_> = report.diagnostics.iter().filter(|d| d.code != "LS0705").collect();
        assert!(other.is_empty(), "{other:?}");
        let list = todo_list(&report, &source).unwrap();
        assert!(list.blocking.len() > 20 && list.should.is_empty(), "{list:?}");
        assert_eq!(list.readiness.len(), 3);
    }

    #[test]
    fn the_scaffold_is_in_canonical_form() {
        let source = scaffold("acme");
        assert_eq!(longshore_schema::format::format(&source).unwrap(), source);
    }
}
