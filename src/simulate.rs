//! `longshore simulate`

mod app;
mod salesforce;

use std::net::SocketAddr;

use longshore_engine::error::{Code, Error, Result};

use crate::Exit;
use crate::arguments::{App, Simulate};

pub(crate) async fn run(command: &Simulate) -> Exit {
    match &command.app {
        Some(App::Salesforce(org)) => salesforce::run(org).await,
        None => app::run(&command.simulated).await,
    }
}

/// Refuses addresses that others can reach.
fn only_here(listen: SocketAddr) -> Result<()> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    Err(Error::new(Code::InputInvalid, format!("{listen} is not a loopback address"))
        .cause("a simulated app accepts credentials that everybody knows")
        .fix("listen on 127.0.0.1 or [::1]"))
}

/// Why an address cannot be listened on.
fn taken(listen: SocketAddr, error: &std::io::Error) -> Error {
    Error::new(Code::InputInvalid, format!("no server could be started on {listen}"))
        .cause(error.to_string())
        .fix("end the program that uses the address, or choose another with --listen")
}
