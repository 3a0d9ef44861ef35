//! `longshore replay`

use longshore_engine::poll::Replayed;
use serde_json::json;

use crate::Exit;
use crate::arguments::{Format, Replay};
use crate::live::Live;
use crate::open::open_streams;
use crate::summary::{self, number};
use crate::terminal::{fail, print};

pub(crate) async fn replay(command: &Replay) -> Exit {
    let live = Live::new();
    let output = command.output.as_deref();
    let (runner, streams) = match open_streams(&command.connection, output, &command.stream, &live)
    {
        Ok(opened) => opened,
        Err(error) => return fail(&error),
    };
    let replayed = match runner.replay(&streams).await {
        Ok(replayed) => replayed,
        Err(error) => return fail(&error),
    };
    live.clear();
    let sinks = runner.sinks();
    match command.format {
        Format::Json => {
            let mut report = json!({
                "version": 1,
                "streams": replayed.iter().map(json).collect::<Vec<_>>(),
            });
            if !sinks.is_empty() {
                report["sinks"] = summary::sinks_json(&sinks);
            }
            print(&format!("{report:#}\n"));
        }
        Format::Text => {
            print(&text(&replayed));
            print(&summary::sinks(&sinks));
        }
    }
    let exit = summary::complain_about(sinks.iter().filter_map(|sink| sink.error.as_ref()));
    if replayed.iter().any(|stream| stream.left > 0) { Exit::Findings } else { exit }
}

fn text(replayed: &[Replayed]) -> String {
    let any = |stream: &&Replayed| stream.delivered + stream.duplicates + stream.left > 0;
    let rows: Vec<Vec<String>> = replayed
        .iter()
        .filter(any)
        .map(|stream| {
            vec![
                stream.stream.clone(),
                number(stream.delivered),
                number(stream.duplicates),
                number(stream.left),
                stream.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "nothing is set aside\n".to_owned();
    }
    let header = ["stream", "events", "repeats", "left", "why"];
    summary::table(&header, &rows, &[false, true, true, true, false])
}

fn json(stream: &Replayed) -> serde_json::Value {
    json!({
        "stream": stream.stream,
        "delivered": stream.delivered,
        "duplicates": stream.duplicates,
        "left": stream.left,
        "reason": stream.reason,
    })
}
