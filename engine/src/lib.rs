//! Runs a checked Longshore manifest: auth, polling, quotas, mapping, delivery.

pub mod error;
pub mod sink;
pub mod state;
pub mod auth;
pub mod clock;
pub mod http;
pub mod secret;
