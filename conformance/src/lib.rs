//! Proves a connector: the engine runs a manifest against a simulated app, through faults, kills
//! and virtual days, and what it delivered is compared with what the app held.
//!
//! A *seed* is one such life of a connection: [`play`] runs one, [`run`] many. Everything in it is
//! drawn from the seed: the app's records, the faults of each request, the times of polls and kills.
//! What several streams do at the same moment is up to the machine's scheduler.

mod compare;
mod lives;
mod report;
mod run;
mod seed;
mod subject;

pub use report::{Report, render_html, render_json, render_text};
pub use run::{Options, run};
pub use seed::{Limits, SeedReport, play};
pub use subject::{Error, Subject};
