//! Polls: from a window of a stream to events on disk.
//!
//! A [`stream::Poll`] is the straight way: range, window, request, page, record, event, commit. What
//! it goes on from is a watermark (`pieces`), a place that the app keeps (`place`) or what the last
//! snapshot showed (`snapshot`); `steps` leads from what is listed to what is read, and `ahead` asks for
//! several items at once.
//! A [`session::Session`] is what the polls of one connection share: credentials, quotas, facts.

mod ahead;
pub mod body;
pub mod build;
mod detail;
pub mod exchange;
mod fact;
pub(crate) mod item;
mod outbox;
mod page;
pub mod pages;
mod pieces;
mod place;
pub mod progress;
mod replay;
pub mod session;
mod snapshot;
mod steps;
pub mod stream;
pub(crate) mod verdict;
pub mod window;
mod zone;

pub use progress::{Observer, Progress, StreamReport};
pub use replay::Replayed;
pub(crate) use replay::replay;
pub use stream::Limits;
