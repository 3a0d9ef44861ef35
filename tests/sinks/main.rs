//! What arrives at sinks is what the org holds, whatever befalls the program, the sinks and what is
//! between.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "texts here are short")]

mod check;
mod disk;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
#[allow(dead_code, reason = "not every sink is in every build")]
mod line;
mod local;
#[cfg(feature = "nats")]
mod nats;
mod org;
#[cfg(feature = "parquet")]
mod parquet;
#[path = "../../sinks/tests/http/played.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod played;
#[cfg(feature = "postgres")]
mod postgres;
#[path = "../../sinks/tests/http/receiver.rs"]
mod receiver;
mod scenario;
mod spool;
#[path = "../support/mod.rs"]
mod support;
mod syslog;
#[path = "../../sinks/tests/http/wire.rs"]
mod wire;

/// Says why a test does not run; fails where nothing may be skipped.
fn skip(why: &str) {
    assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}
