//! `longshore conformance`

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use longshore_conformance::{
    Limits, Options, Report, SeedReport, Subject, render_html, render_json, render_text,
    run as play,
};
use longshore_simulator::generic::Fault;

use crate::Exit;
use crate::arguments::{Conformance, ProofFormat};
use crate::terminal::{complain, live, print, stopped};

/// The longest that one seed may take, in real time.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(command: &Conformance) -> Exit {
    let stop = Arc::new(AtomicBool::new(false));
    watch(&stop);
    let mut reports = Vec::new();
    let mut unplayed = false;
    for path in &command.manifests {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let subject = match Subject::read(path) {
            Ok(subject) => subject,
            Err(error) => {
                complain(&format!("error: {error}"));
                unplayed = true;
                continue;
            }
        };
        match play(&subject, &options(command), &stop, &progress(command, &subject, &stop)) {
            Ok(report) => reports.push(report),
            Err(error) => {
                complain(&format!("error: the machine gives no threads: {error}"));
                return Exit::Failed;
            }
        }
    }
    let text = match command.format {
        ProofFormat::Text => reports.iter().map(render_text).collect::<String>(),
        ProofFormat::Json => render_json(&reports),
        ProofFormat::Html => render_html(&reports),
    };
    match &command.output {
        None => print(&text),
        Some(path) => {
            if let Err(error) = std::fs::write(path, text) {
                complain(&format!("error: {} could not be written: {error}", path.display()));
                return Exit::Failed;
            }
        }
    }
    match (unplayed, reports.iter().any(|report| report.failures > 0)) {
        (_, true) => Exit::Findings,
        (true, _) => Exit::Failed,
        _ if !reports.iter().all(Report::holds) => Exit::Interrupted,
        _ => Exit::Done,
    }
}

fn options(command: &Conformance) -> Options {
    let all = || Fault::ALL.iter().map(|(_, fault)| *fault).collect::<BTreeSet<_>>();
    let chosen = command.faults.iter().copied().collect::<BTreeSet<_>>();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Options {
        first: command.seed.unwrap_or(1),
        seeds: if command.seed.is_some() { 1 } else { command.seeds },
        jobs: command.jobs.unwrap_or(cores),
        limits: Limits {
            faults: if chosen.is_empty() { all() } else { chosen },
            length: Duration::from_secs(u64::from(command.days) * 86_400),
            records: 30,
            patience: PATIENCE,
        },
    }
}

/// Tells of each seed with findings, of where it stands, and of all that happens in a single seed.
fn progress<'a>(
    command: &Conformance,
    subject: &Subject,
    stop: &'a AtomicBool,
) -> impl Fn(&SeedReport) + Sync + use<'a> {
    let (id, single, seeds) = (subject.id.clone(), command.seed.is_some(), command.seeds);
    let (done, fail_fast) = (AtomicU64::new(0), command.fail_fast);
    move |seed: &SeedReport| {
        let number = done.fetch_add(1, Ordering::Relaxed) + 1;
        if single {
            complain(&seed.story.join("\n"));
        }
        if !seed.holds() {
            let what = seed.findings.first().map_or("", String::as_str);
            complain(&format!("{id}: seed {}: {what}", seed.seed));
            if fail_fast {
                stop.store(true, Ordering::Relaxed);
            }
        }
        if live() && !single && number.is_multiple_of(50) {
            complain(&format!("{id}: {number} of {seeds} seeds"));
        }
    }
}

/// Ends the run early at Ctrl-C; what is known by then is reported.
fn watch(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(stopped());
            stop.store(true, Ordering::Relaxed);
        }
    });
}
