//! `longshore check`

use longshore_engine::clock::Clock;
use longshore_engine::error::Error;
use longshore_engine::probe::{Seen, probe};
use longshore_engine::runner::Runner;
use serde_json::json;

use crate::Exit;
use crate::arguments::{Connection, Format};
use crate::live::Live;
use crate::open::open;
use crate::summary::{self, minute, number};
use crate::terminal::{complain, print};

pub(crate) async fn run(command: &Connection) -> Exit {
    let live = Live::new();
    let runner = match open(&command.connection, None, Clock::system(), live.observer()) {
        Ok(runner) => runner,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Failed;
        }
    };
    report(&runner, command.format).await
}

/// Reads a little of each stream and shows what there is.
pub(crate) async fn report(runner: &Runner, format: Format) -> Exit {
    let mut seen = Vec::new();
    for stream in &runner.plan().streams {
        seen.push((stream, probe(runner.session(), stream).await));
    }
    match format {
        Format::Json => {
            let streams: Vec<_> = seen
                .iter()
                .map(|(stream, seen)| {
                    json!({
                        "stream": stream.name,
                        "provides": stream.provides.to_string(),
                        "records": seen.as_ref().ok().map(|seen| seen.records),
                        "more": seen.as_ref().ok().map(|seen| seen.more),
                        "error": seen.as_ref().err().map(|error| json!({
                            "code": error.code.as_str(), "message": error.what,
                            "cause": error.cause, "fix": error.fix,
                        })),
                    })
                })
                .collect();
            print(&format!("{:#}\n", json!({ "version": 1, "streams": streams })));
        }
        Format::Text => {
            let rows: Vec<_> = seen
                .iter()
                .map(|(stream, seen)| {
                    vec![stream.name.clone(), stream.provides.to_string(), words(seen)]
                })
                .collect();
            print(&summary::table(&["stream", "provides", "visible"], &rows, &[false; 3]));
            print(&summary::quotas(runner.session()));
        }
    }
    let mut exit = Exit::Done;
    for (_, seen) in seen {
        if let Err(error) = seen {
            complain(&format!("\nerror: {error}"));
            exit = Exit::Findings;
        }
    }
    exit
}

fn words(seen: &Result<Seen, Error>) -> String {
    match seen {
        Ok(Seen { range, records, more }) => {
            let count = number(*records);
            let count = if *more { format!("{count} and more") } else { count };
            match range {
                Some((start, end)) => {
                    format!("{count} from {} to {}", minute(*start), minute(*end))
                }
                None => count,
            }
        }
        Err(error) => format!("no: {}", error.code),
    }
}
