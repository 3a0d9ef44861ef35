//! Servers that play a SaaS app, for tests, demos and manifest authors.
//!
//! A simulator knows nothing of the engine. It keeps its own truth about what
//! the app holds, so a test can compare it with what a connector delivered.

pub mod generic;
pub mod salesforce;
mod wire;
