//! Runs a checked Longshore manifest: auth, polling, quotas, mapping, delivery.

pub mod error;
