//! `longshore disconnect`

use longshore_engine::auth::Revocation;
use longshore_engine::clock::Clock;
use longshore_engine::error::Error;
use serde_json::json;

use crate::Exit;
use crate::arguments::{Connection, Format};
use crate::live::Live;
use crate::open::{open, unless_interrupted};
use crate::summary;
use crate::terminal::{fail, print};

pub(crate) async fn run(command: &Connection) -> Exit {
    let live = Live::new();
    let runner = match open(&command.connection, None, Clock::system(), live.observer()) {
        Ok(runner) => runner,
        Err(error) => return fail(&error),
    };
    let ended = match runner.session().authenticator() {
        Some(authenticator) => unless_interrupted(&runner, authenticator.revoke()).await,
        None => Some(Ok(Revocation::Nothing)),
    };
    live.clear();
    let Some(ended) = ended else { return Exit::Interrupted };
    let name = &runner.plan().connection.name;
    match command.format {
        Format::Json => print(&format!("{:#}\n", json(name, &ended))),
        Format::Text => {
            if let Ok(revocation) = &ended {
                print(&words(name, &runner.plan().app, *revocation));
            }
        }
    }
    summary::complain_about(ended.as_ref().err())
}

fn json(name: &str, ended: &Result<Revocation, Error>) -> serde_json::Value {
    let access = ended.as_ref().ok().map(|revocation| match revocation {
        Revocation::Nothing => "none",
        Revocation::Revoked => "ended",
        Revocation::Forgotten => "forgotten",
    });
    json!({
        "version": 1,
        "connection": name,
        "access": access,
        "error": ended.as_ref().err().map(summary::error_json),
    })
}

fn words(name: &str, app: &str, revocation: Revocation) -> String {
    match revocation {
        Revocation::Nothing => format!("{name}: nothing is kept that could be given back\n"),
        Revocation::Revoked => {
            format!("{name}: {app} ended the access; the tokens are deleted\n")
        }
        Revocation::Forgotten => format!(
            "{name}: the tokens are deleted, but {app} has no call that ends the access: end it there\n"
        ),
    }
}
