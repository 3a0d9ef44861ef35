//! `longshore check`

use std::sync::Arc;

use longshore_engine::clock::Clock;
use longshore_engine::error::Error;
use longshore_engine::plan::StreamPlan;
use longshore_engine::probe::{Seen, probe};
use longshore_engine::runner::Runner;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Exit;
use crate::arguments::{Connection, Format};
use crate::live::Live;
use crate::open::open;
use crate::summary::{self, minute, number};
use crate::terminal::{fail, print};

pub(crate) type Probed = (Arc<StreamPlan>, Result<Seen, Error>);

pub(crate) async fn run(command: &Connection) -> Exit {
    let live = Live::new();
    match open(&command.connection, None, Clock::system(), live.observer()) {
        Ok(runner) => report(&runner, &live, command.format).await,
        Err(error) => fail(&error),
    }
}

/// Reads a little of each stream and shows what there is.
pub(crate) async fn report(runner: &Runner, live: &Live, format: Format) -> Exit {
    let probed = probe_all(runner).await;
    live.clear();
    match format {
        Format::Json => {
            let streams: Vec<_> = probed.iter().map(stream_json).collect();
            print(&format!("{:#}\n", json!({ "version": 1, "streams": streams })));
        }
        Format::Text => {
            let rows: Vec<_> = probed
                .iter()
                .map(|(stream, seen)| {
                    vec![stream.name.clone(), stream.provides.to_string(), words(seen)]
                })
                .collect();
            print(&summary::table(&["stream", "provides", "visible"], &rows, &[false; 3]));
            print(&summary::quotas(runner.session()));
        }
    }
    summary::complain_about(probed.iter().filter_map(|(_, seen)| seen.as_ref().err()))
}

/// All streams at the same time, so that an app out of reach is waited for once.
pub(crate) async fn probe_all(runner: &Runner) -> Vec<Probed> {
    let mut probes = JoinSet::new();
    for (index, stream) in runner.plan().streams.iter().enumerate() {
        let (runner, stream) = (runner.clone(), Arc::clone(stream));
        probes.spawn(async move {
            let seen = probe(runner.session(), &stream).await;
            (index, (stream, seen))
        });
    }
    let mut probed = probes.join_all().await;
    probed.sort_by_key(|(index, _)| *index);
    probed.into_iter().map(|(_, probed)| probed).collect()
}

fn stream_json((stream, seen): &Probed) -> serde_json::Value {
    let (seen, error) = (seen.as_ref().ok(), seen.as_ref().err());
    json!({
        "stream": stream.name,
        "provides": stream.provides.to_string(),
        "records": seen.map(|seen| seen.records),
        "more": seen.map(|seen| seen.more),
        "error": error.map(summary::error_json),
    })
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
