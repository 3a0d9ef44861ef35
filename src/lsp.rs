//! `longshore lsp`

use longshore_language_server::{Outcome, serve};
use longshore_validator::{Options, Profile};

use crate::Exit;
use crate::arguments::Lsp;
use crate::terminal::complain;

/// Speaks the Language Server Protocol over standard input and output. The exit codes are the
/// protocol's: 0 after `shutdown`, otherwise 1.
pub(crate) fn run(command: &Lsp) -> Exit {
    let profile = if command.extended { Profile::Extended } else { Profile::Strict };
    match serve(std::io::stdin(), std::io::stdout().lock(), Options::new(profile)) {
        Ok(Outcome::Finished) => Exit::Done,
        Ok(Outcome::Abandoned) => Exit::Findings,
        Err(error) => {
            complain(&format!("error: the editor cannot be understood, or is gone: {error}"));
            Exit::Findings
        }
    }
}
