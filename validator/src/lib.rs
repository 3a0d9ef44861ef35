//! Rules and diagnostics for Longshore manifests.

pub mod ocsf;
