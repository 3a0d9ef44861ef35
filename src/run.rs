//! `longshore run`

use longshore_engine::poll::Limits;
use serde_json::json;

use crate::Exit;
use crate::arguments::{Format, Run};
use crate::live::Live;
use crate::open::{open_streams, unless_interrupted};
use crate::summary;
use crate::terminal::{complain, fail, print};

const STOPPED: &str =
    "stopped; everything delivered so far stays delivered, the rest is read next time";

pub(crate) async fn run(command: &Run) -> Exit {
    let live = if command.watch { Live::watching() } else { Live::new() };
    let output = command.output.as_deref();
    let (runner, streams) = match open_streams(&command.connection, output, &command.stream, &live)
    {
        Ok(opened) => opened,
        Err(error) => return fail(&error),
    };
    let limits = Limits { since: command.since, until: command.until };
    let reports = if command.watch {
        unless_interrupted(&runner, runner.watch(&streams, limits)).await;
        None
    } else {
        unless_interrupted(&runner, runner.once(&streams, limits)).await
    };
    let Some(reports) = reports else {
        live.clear();
        complain(STOPPED);
        return if command.watch { Exit::Done } else { Exit::Interrupted };
    };
    live.clear();
    let sinks = runner.sinks();
    match command.format {
        Format::Json => {
            let mut report = json!({ "version": 1, "streams": summary::json(&reports) });
            if !sinks.is_empty() {
                report["sinks"] = summary::sinks_json(&sinks);
            }
            print(&format!("{report:#}\n"));
        }
        Format::Text => {
            print(&summary::streams(&reports));
            print(&summary::quotas(runner.session()));
            print(&summary::sinks(&sinks));
        }
    }
    let errors = reports.iter().filter_map(|report| report.error.as_ref());
    summary::complain_about(errors.chain(sinks.iter().filter_map(|sink| sink.error.as_ref())))
}
