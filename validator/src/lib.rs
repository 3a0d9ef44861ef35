//! Rules and diagnostics for Longshore manifests.
