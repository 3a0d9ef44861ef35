//! `longshore lsp`

use std::path::Path;

use longshore_language_server::{Outcome, serve};
use longshore_validator::{Options, Profile};

use crate::Exit;
use crate::arguments::Lsp;
use crate::fixtures;
use crate::terminal::{complain, fail};

/// Speaks the Language Server Protocol over standard input and output. The exit codes are the
/// protocol's: 0 after `shutdown`, otherwise 1.
pub(crate) fn run(command: &Lsp) -> Exit {
    let profile = if command.extended { Profile::Extended } else { Profile::Strict };
    // What was never saved has nothing beside it yet.
    let beside = |manifest: &Path| {
        let unread = &mut |error| _ = fail(&error);
        manifest.is_file().then(|| fixtures::beside(manifest, unread)).flatten()
    };
    match serve(std::io::stdin(), std::io::stdout().lock(), Options::new(profile), &beside) {
        Ok(Outcome::Finished) => Exit::Done,
        Ok(Outcome::Abandoned) => Exit::Findings,
        Err(error) => {
            complain(&format!("error: the editor cannot be understood, or is gone: {error}"));
            Exit::Findings
        }
    }
}
