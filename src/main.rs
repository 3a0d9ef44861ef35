//! The command line of Longshore.

mod arguments;
mod base;
mod browser;
mod check;
mod conformance;
mod connect;
mod demo;
mod diff;
mod disconnect;
mod explain;
mod fixtures;
mod format;
mod init;
mod live;
mod lsp;
mod manifests;
mod open;
mod protocol;
mod replay;
mod run;
mod schema;
mod settings;
mod simulate;
mod summary;
mod terminal;
mod validate;
mod watch;
mod write;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use terminal::complain;

/// Gives memory back to the system, whichever thread gave it up.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How a command ended. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Everything is well.
    Done = 0,
    /// There are findings, or a stream failed.
    Findings = 1,
    /// Wrong usage that is found only when the command runs.
    Usage = 2,
    /// Something could not be read, opened or started.
    Failed = 3,
    /// Stopped by Ctrl-C. Nothing is lost. 128 + SIGINT.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn main() -> ExitCode {
    let exit = match Arguments::read().command {
        Command::Validate(command) if command.watch => wait(watch::run(&command)),
        Command::Validate(command) => validate::run(&command),
        Command::Init(command) => init::run(&command),
        Command::Fmt(command) => format::run(&command),
        Command::Explain(command) => explain::run(&command),
        Command::Schema(command) => schema::run(&command),
        Command::Lsp(command) => lsp::run(&command),
        Command::Run(command) => wait(run::run(&command)),
        Command::Replay(command) => wait(replay::replay(&command)),
        Command::Check(command) => wait(check::run(&command)),
        Command::Connect(command) => wait(connect::run(&command)),
        Command::Disconnect(command) => wait(disconnect::run(&command)),
        Command::Simulate(command) => wait(simulate::run(&command)),
        Command::Protocol(command) => wait(protocol::run(&command)),
        Command::Conformance(command) => conformance::run(&command),
        Command::Demo(command) => wait(demo::run(&command)),
    };
    exit.into()
}

/// Runs a command that needs threads and sockets; checking a manifest does not.
fn wait(command: impl Future<Output = Exit>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: the program could not start its threads: {error}"));
            return Exit::Failed;
        }
    };
    let exit = runtime.block_on(command);
    // What was begun is at its end here. A runtime that is shut down makes connections that are
    // still being closed panic; one that is left alone ends with the process.
    std::mem::forget(runtime);
    exit
}
