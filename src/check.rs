//! `longshore check`

use std::sync::Arc;

use longshore_engine::clock::Clock;
use longshore_engine::error::Error;
use longshore_engine::plan::StreamPlan;
use longshore_engine::probe::{Seen, probe};
use longshore_engine::runner::Runner;
use longshore_engine::sink::Contact;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Exit;
use crate::arguments::{Connection, Format};
use crate::live::Live;
use crate::open::open;
use crate::summary::{self, minute, number};
use crate::terminal::{fail, print};

pub(crate) type Probed = (Arc<StreamPlan>, Result<Seen, Error>);

/// A sink by name, and what asking it came to.
type Asked = (String, Result<Contact, Error>);

pub(crate) async fn run(command: &Connection) -> Exit {
    let live = Live::new();
    match open(&command.connection, None, Clock::system(), live.observer()) {
        Ok(runner) => report(&runner, &live, command.format).await,
        Err(error) => fail(&error),
    }
}

/// Reads a little of each stream, asks each sink where it stands, and shows what there is.
pub(crate) async fn report(runner: &Runner, live: &Live, format: Format) -> Exit {
    let (probed, sinks) = tokio::join!(probe_all(runner), runner.ask_sinks());
    live.clear();
    match format {
        Format::Json => {
            let streams: Vec<_> = probed.iter().map(stream_json).collect();
            let mut report = json!({ "version": 1, "streams": streams });
            if !sinks.is_empty() {
                report["sinks"] = sinks.iter().map(sink_json).collect();
            }
            print(&format!("{report:#}\n"));
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
            if !sinks.is_empty() {
                let rows: Vec<_> = sinks.iter().map(sink_row).collect();
                print(&format!("\n{}", summary::table(&["sink", "state"], &rows, &[false; 2])));
            }
        }
    }
    let errors = probed.iter().filter_map(|(_, seen)| seen.as_ref().err());
    summary::complain_about(
        errors.chain(sinks.iter().filter_map(|(_, asked)| asked.as_ref().err())),
    )
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

fn sink_row((name, asked): &Asked) -> Vec<String> {
    let state = match asked {
        Ok(contact) => contact_name(*contact).to_owned(),
        Err(error) => error.code.to_string(),
    };
    vec![name.clone(), state]
}

fn sink_json((name, asked): &Asked) -> serde_json::Value {
    json!({
        "sink": name,
        "state": asked.as_ref().ok().map(|contact| contact_name(*contact)),
        "error": asked.as_ref().err().map(summary::error_json),
    })
}

fn contact_name(contact: Contact) -> &'static str {
    match contact {
        Contact::Answers => "answers",
        Contact::Opened => "opened",
    }
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
