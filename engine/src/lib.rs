//! Runs a checked Longshore manifest: auth, polling, quotas, mapping, delivery.

pub mod auth;
pub mod clock;
pub mod decode;
pub mod error;
pub mod http;
pub mod quota;
pub mod secret;
pub mod sink;
pub mod state;
