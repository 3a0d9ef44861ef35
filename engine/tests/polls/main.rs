//! Polls against a small app on loopback: nothing lost, nothing twice, every failure named.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod ahead;
mod answers;
mod chaos;
mod composition;
mod connection;
mod language;
mod login_rules;
mod pace;
mod paging;
mod replay;
mod requests;
mod schedules;
mod sessions;
mod sign_in;
mod support;
mod watch;
mod windows;
