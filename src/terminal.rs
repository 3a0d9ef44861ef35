//! Standard output and standard error. Results go to the first, everything else to the second; a
//! reader that closes the pipe early ends nothing and disturbs nobody.

use std::io::{IsTerminal, Write};

use longshore_engine::error::{Error, Retry};

use crate::Exit;

/// Writes a result.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe has read enough. The exit code still says how it went.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a message for the person in front of the screen.
pub(crate) fn complain(text: &str) {
    let mut err = std::io::stderr().lock();
    // If standard error is closed there is nobody to tell.
    let _ = writeln!(err, "{text}");
}

/// Says why the command cannot do its work.
pub(crate) fn fail(error: &Error) -> Exit {
    complain(&format!("error: {}", once(error.clone())));
    Exit::Failed
}

/// Says what is wrong with how the command was called, and how to call it.
pub(crate) fn misused(what: &str, fix: &str) -> Exit {
    complain(&format!("error: {what}\n  fix:   {fix}"));
    Exit::Usage
}

/// The error of a command that ends with it: nothing is tried again unless it is started again.
pub(crate) fn once(mut error: Error) -> Error {
    if !matches!(error.retry, Retry::Later(Some(_))) {
        error.retry = Retry::Never;
    }
    error
}

/// Ends when the person (Ctrl-C) or the service manager (SIGTERM) wants the program to stop.
pub(crate) async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without a signal handler there is only the end of the process to wait for.
    let _ = tokio::signal::ctrl_c().await;
}

/// Whether results may be coloured: on a terminal, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
pub(crate) fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !refused
}

/// Whether messages go to a terminal that can be redrawn.
pub(crate) fn live() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
