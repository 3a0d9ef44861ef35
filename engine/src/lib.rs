//! Runs a checked Longshore manifest: auth, polling, quotas, mapping, delivery.

pub mod auth;
pub mod clock;
pub mod connection;
pub mod decode;
pub mod disk;
pub mod error;
pub mod files;
pub mod http;
pub mod map;
pub mod pace;
pub mod pauses;
pub mod plan;
pub mod poll;
pub mod probe;
#[cfg(test)]
mod properties;
pub mod quota;
pub mod render;
pub mod runner;
pub mod secret;
pub mod sink;
pub mod state;
