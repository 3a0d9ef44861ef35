//! Many seeds, on all cores.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::report::Report;
use crate::seed::{Limits, SeedReport, play};
use crate::subject::Subject;

/// What is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub seeds: u64,
    /// How many at a time.
    pub jobs: usize,
    /// What each life is limited to.
    pub limits: Limits,
}

/// Plays seeds until all are played or `stop` is set; `progress` hears of each as it ends. Blocks.
///
/// # Errors
/// If the machine gives no threads.
pub fn run(
    subject: &Subject,
    options: &Options,
    stop: &AtomicBool,
    progress: &(dyn Fn(&SeedReport) + Sync),
) -> std::io::Result<Report> {
    let report = Mutex::new(Report::new(subject, options));
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                let worked = work(subject, options, stop, &next, |seed| {
                    progress(&seed);
                    report.lock().unwrap_or_else(PoisonError::into_inner).add(seed);
                });
                if let Err(error) = worked {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn work(
    subject: &Subject,
    options: &Options,
    stop: &AtomicBool,
    next: &AtomicU64,
    done: impl Fn(SeedReport),
) -> std::io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.seeds {
            break;
        }
        let seed = options.first.wrapping_add(number);
        done(runtime.block_on(play(subject, seed, &options.limits)));
    }
    runtime.shutdown_background();
    Ok(())
}
