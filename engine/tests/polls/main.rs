//! Polls against a small app on loopback: nothing lost, nothing twice, every failure named.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod chaos;
mod answers;
mod connection;
mod language;
mod paging;
mod pace;
mod requests;
mod support;
mod watch;
mod windows;
