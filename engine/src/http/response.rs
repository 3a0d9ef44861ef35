//! What the app answers: the head at once, the body as it is pulled.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use url::Url;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::http::failure;
use crate::http::hosts::place_of;

/// Longest time spent waiting for the pieces of one body, all waits together. A server that sends
/// a byte now and then would otherwise hold a stream forever; time in which the engine itself does
/// not read is not counted.
const MAX_TOTAL_WAIT: Duration = Duration::from_secs(3600);

/// A response whose body is still on its way. Nothing is read from the socket until
/// [`chunk`](Self::chunk) asks for it, so a slow reader slows the app down.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers. `Content-Encoding` is as sent: nothing is inflated here.
    pub headers: HeaderMap,
    /// Where the response came from, after redirects.
    pub url: Url,
    /// Unique name of the request, as in error messages.
    pub request_id: String,
    place: String,
    body: reqwest::Response,
    received: u64,
    max_body: u64,
    timeout: Duration,
    waited: Duration,
    clock: Clock,
}

impl Response {
    pub(super) fn new(
        mut body: reqwest::Response,
        (url, place, request_id): (Url, String, String),
        max_body: u64,
        timeout: Duration,
        clock: Clock,
    ) -> Self {
        Self {
            status: body.status(),
            headers: std::mem::take(body.headers_mut()),
            url,
            request_id,
            place,
            body,
            received: 0,
            max_body,
            timeout,
            waited: Duration::ZERO,
            clock,
        }
    }

    /// The request in words, for an error's place: method, host and path, request id.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The next piece of the body as it came over the wire; `None` after the last one. A body that
    /// ends before its promised length is an error, never a short body.
    ///
    /// # Errors
    /// [`Code::AppTimeout`], [`Code::DataIncomplete`] (cut off), [`Code::NetUnreachable`] (reset)
    /// or [`Code::DataTooLarge`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if self.body.content_length().is_some_and(|length| length > self.max_body) {
            return Err(self.too_large());
        }
        let started = self.clock.monotonic();
        let answer = self.clock.timeout(self.timeout, self.body.chunk()).await;
        self.waited += self.clock.monotonic().saturating_sub(started);
        let chunk = match answer {
            None => return Err(self.too_slow(self.timeout)),
            Some(Err(error)) => {
                return Err(
                    failure::body(&error, &self.url, self.received).in_request(self.place.clone())
                );
            }
            Some(Ok(None)) => return Ok(None),
            Some(Ok(Some(chunk))) => chunk,
        };
        self.received += chunk.len() as u64;
        if self.received > self.max_body {
            return Err(self.too_large());
        }
        if self.waited > MAX_TOTAL_WAIT {
            return Err(self.too_slow(MAX_TOTAL_WAIT));
        }
        Ok(Some(chunk))
    }

    /// The whole rest of the body, which the request's `max_body` keeps small enough to hold.
    ///
    /// # Errors
    /// As [`chunk`](Self::chunk).
    pub async fn bytes(&mut self) -> Result<Bytes> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let mut all = BytesMut::from(first);
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    fn too_large(&self) -> Error {
        Error::new(
            Code::DataTooLarge,
            format!("the response is larger than {} bytes", self.max_body),
        )
        .cause("the limit protects memory and disk from a runaway response")
        .fix("ask for less at once (a smaller page or window), or raise the limit")
        .in_request(self.place.clone())
    }

    fn too_slow(&self, limit: Duration) -> Error {
        failure::timeout(&self.url, "sending the body", limit).in_request(self.place.clone())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("place", &place_of(&self.url))
            .field("request_id", &self.request_id)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
