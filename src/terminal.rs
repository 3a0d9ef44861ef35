//! Standard output and standard error. Results go to the first, everything else to the second; a
//! reader that closes the pipe early ends the program quietly.

use std::io::{IsTerminal, Write};

/// Writes a result. Returns `false` if nobody reads it any more.
pub(crate) fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Writes a message for the person in front of the screen.
pub(crate) fn complain(text: &str) {
    let mut err = std::io::stderr().lock();
    // If standard error is closed there is nobody to tell.
    let _ = writeln!(err, "{text}");
}

/// Whether results may be coloured: on a terminal, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && !refused()
}

/// Whether messages go to a terminal that can be redrawn.
pub(crate) fn live() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
