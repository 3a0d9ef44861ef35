//! HTTP as a connection speaks it: only to declared hosts, bounded in time and size, with errors
//! that name the layer that failed.
//!
//! A [`Transport`] is shared by the whole process. A [`Client`] is what one connection may do with
//! it. Whether a failed request is tried again is decided elsewhere, with the [`retry`] policy:
//! the answer depends on quotas and on the manifest.

mod certificates;
mod client;
mod credential;
mod failure;
mod hosts;
pub mod link;
mod request;
mod response;
pub mod retry;

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod tls_tests;

pub use certificates::Certificates;
pub use client::{Client, Transport};
pub use credential::Credential;
pub(crate) use credential::Outgoing;
pub use failure::Failure;
pub use hosts::{Hosts, place_of};
pub use request::Request;
pub use reqwest::header;
pub use reqwest::{Method, StatusCode};
pub use response::Response;
