//! Polls: from a window of a stream to events on disk.
//!
//! A [`stream::Poll`] is the straight way: range, window, request, page, record, event, commit.
//! A [`session::Session`] is what the polls of one connection share: credentials, quotas, facts.

pub mod body;
pub mod build;
pub mod exchange;
mod fact;
pub(crate) mod item;
mod outbox;
mod page;
pub mod pages;
pub mod progress;
pub mod session;
pub mod stream;
mod verdict;
pub mod window;

pub use progress::{Observer, Progress, StreamReport};
pub use stream::Limits;
