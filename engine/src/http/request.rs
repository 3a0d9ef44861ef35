//! What is asked of an app.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::error::{Code, Error, Result};
use crate::http::hosts::{Hosts, place_of};
use crate::secret::Secret;

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
    /// Headers that go only to the hosts they were issued for.
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

/// A header with a secret value, and the hosts it may be sent to. On a redirect to any other host
/// the request goes on without it.
#[derive(Clone)]
pub struct Credential {
    header: HeaderName,
    value: HeaderValue,
    hosts: Hosts,
}

impl Credential {
    /// A credential in any header, e.g. `X-Api-Key`.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if the value cannot stand in a header.
    pub fn new(header: HeaderName, value: &Secret, hosts: Hosts) -> Result<Self> {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
            Error::new(Code::InputInvalid, format!("the credential for `{header}` is not usable"))
                .cause("it contains a line break or another character no header can carry")
                .fix("enter it again, without anything before or after it")
        })?;
        value.set_sensitive(true);
        Ok(Self { header, value, hosts })
    }

    /// An access token in the `Authorization` header (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if the token cannot stand in a header.
    pub fn bearer(token: &Secret, hosts: Hosts) -> Result<Self> {
        Self::new(AUTHORIZATION, &Secret::new(format!("Bearer {}", token.expose())), hosts)
    }

    /// Adds the header if `url` is on one of the credential's hosts.
    pub(super) fn apply(&self, url: &Url, headers: &mut HeaderMap) {
        if self.hosts.allows(url) {
            headers.insert(self.header.clone(), self.value.clone());
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}: ***, {})", self.header, self.hosts)
    }
}
