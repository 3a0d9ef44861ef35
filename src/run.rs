//! `longshore run`

use longshore_engine::clock::Clock;
use longshore_engine::poll::Limits;
use serde_json::json;

use crate::Exit;
use crate::arguments::{Format, Run};
use crate::live::Live;
use crate::open::open;
use crate::summary;
use crate::terminal::{complain, print};

pub(crate) async fn run(command: &Run) -> Exit {
    let live = Live::new();
    let opened =
        open(&command.connection, command.output.as_deref(), Clock::system(), live.observer());
    let selected = opened.and_then(|runner| Ok((runner.select(&command.stream)?, runner)));
    let (streams, runner) = match selected {
        Ok(selected) => selected,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Failed;
        }
    };
    let limits = Limits { since: command.since, until: command.until };
    if command.watch {
        tokio::select! {
            () = runner.watch(&streams, limits) => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        live.clear();
        complain(
            "stopped; everything delivered so far stays delivered, the rest is read next time",
        );
        return Exit::Done;
    }
    let reports = tokio::select! {
        reports = runner.once(&streams, limits) => reports,
        _ = tokio::signal::ctrl_c() => {
            live.clear();
            complain("stopped; everything delivered so far stays delivered, the rest is read next time");
            return Exit::Interrupted;
        }
    };
    live.clear();
    match command.format {
        Format::Json => {
            print(&format!("{:#}\n", json!({ "version": 1, "streams": summary::json(&reports) })));
        }
        Format::Text => {
            print(&summary::streams(&reports));
            print(&summary::quotas(runner.session()));
        }
    }
    let mut exit = Exit::Done;
    for error in reports.iter().filter_map(|report| report.error.as_ref()) {
        complain(&format!("\nerror: {error}"));
        exit = Exit::Findings;
    }
    exit
}
