//! What is asked of an app.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use crate::http::Credential;
use crate::http::hosts::place_of;

/// One request. Its `Debug` shows method, host, path and header names only: everything else may
/// hold a secret.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An https URL on a declared host.
    pub url: Url,
    /// Headers other than credentials. `User-Agent`, `Host` and `Accept-Encoding: gzip` are added.
    pub headers: HeaderMap,
    /// What goes only to the hosts it was issued for, in the order in which it is added.
    pub credentials: Vec<Credential>,
    /// The body, sent as it is.
    pub body: Option<Bytes>,
    /// Longest wait for the head of the response, and for each further piece of its body.
    pub timeout: Duration,
    /// Largest body of the response, in bytes as they come over the wire.
    pub max_body: u64,
    /// Whether redirects are followed; otherwise the redirect itself is the response.
    pub follow_redirects: bool,
}

impl Request {
    /// A request without body that waits 60 s, accepts 1 GiB and follows redirects.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            credentials: Vec::new(),
            body: None,
            timeout: Duration::from_secs(60),
            max_body: 1 << 30,
            follow_redirects: true,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("place", &place_of(&self.url))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("credentials", &self.credentials)
            .field("body", &self.body.as_ref().map(Bytes::len))
            .field("timeout", &self.timeout)
            .field("max_body", &self.max_body)
            .field("follow_redirects", &self.follow_redirects)
            .finish()
    }
}
