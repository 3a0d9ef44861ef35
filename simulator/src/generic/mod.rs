//! A server that plays the app of any manifest: its sign-in, its pages, windows and quotas, over
//! records made from the manifest's fixtures, with faults on demand.
//!
//! [`Model`] is what a manifest says, read once. [`App`] is one tenant of it: a seed decides what it
//! holds and what goes wrong. It keeps its own [truth](App::truth) of what a connector must
//! deliver, and a record of what the connector did [wrong](App::witness). Nothing of the engine is
//! used: requests are read by inverting the manifest's templates.

mod app;
mod auth;
mod data;
mod encode;
mod faults;
mod fixtures;
mod http;
mod invert;
mod keys;
mod lists;
mod lives;
mod logs;
mod members;
mod model;
mod oauth;
mod packing;
mod pages;
mod place;
mod quotas;
mod refusals;
mod server;
mod tables;
mod times;
mod truth;
mod witness;
mod xml;

pub use app::{App, Settings};
pub use auth::{Way, ways};
pub use data::MARK;
pub use faults::{Fault, Weather};
pub use fixtures::Recorded;
pub use model::{Input, Model};
pub use server::Running;
pub use times::Time;
pub use truth::{Lives, Shown, Truth};
pub use witness::{Misdeed, Witness};

/// What of a manifest no simulator can play yet, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub(crate) String);

impl Unsupported {
    fn within(self, place: &str) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}
