//! Sends requests, and follows redirects as far as they are allowed to lead.

use std::fmt;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST,
    HeaderValue, LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use reqwest::{Method, StatusCode, redirect};
use url::Position;

use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry, printable};
use crate::http::certificates::Certificates;
use crate::http::credential::Outgoing;
use crate::http::failure::{self, Failure, Resolver};
use crate::http::hosts::{Hosts, place_of};
use crate::http::request::Request;
use crate::http::response::Response;

/// Longest wait for a TCP and TLS connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// How we introduce ourselves.
const USER_AGENT: &str = concat!("Longshore/", env!("CARGO_PKG_VERSION"));

/// Connection pools and trusted certificates, shared by all connections of the process. Honours
/// `HTTPS_PROXY` and `NO_PROXY`.
#[derive(Clone)]
pub struct Transport {
    http: reqwest::Client,
    clock: Clock,
}

impl Transport {
    /// Reads the system's proxy settings and trusted certificates.
    ///
    /// # Errors
    /// [`Code::NetTls`] if the system has no usable certificates.
    pub fn new() -> Result<Self> {
        Self::with_certificates(&Certificates::default())
    }

    /// The same with certificates of a connection's own.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Code::InputInvalid`] if the certificates cannot be used.
    pub fn with_certificates(certificates: &Certificates) -> Result<Self> {
        Self::built(base(), certificates)
    }

    fn built(builder: reqwest::ClientBuilder, certificates: &Certificates) -> Result<Self> {
        let http = build(certificates.apply(builder)?).map_err(|error| {
            match certificates.client {
            Some(_) => Error::new(Code::InputInvalid, "the client certificate cannot be used")
                .cause("its private key does not belong to it, or is of a kind that is not known")
                .fix(
                    "give the certificate and the private key that it was issued for, in PEM form",
                ),
            None => error,
        }
        })?;
        Ok(Self { http, clock: Clock::system() })
    }

    /// The same, with another clock to tell how long the app takes.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Sends `request` once to an address that the operator chose, such as that of a sink: to any host,
    /// and in plain http too. A redirect is not followed: it is the answer. Credentials of the request
    /// belong to declared hosts and are not sent.
    ///
    /// # Errors
    /// `NET_*` and [`Code::AppTimeout`] with the layer that failed.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let Request { method, url, headers, body, timeout, max_body, .. } = request;
        let request_id = next_request_id();
        let place = format!("{method} {} (request {request_id})", place_of(&url));
        let mut attempt = self.http.request(method, url.clone()).headers(headers);
        if let Some(body) = body {
            attempt = attempt.body(body);
        }
        let failed = |error: Error, sent| Failure { error: error.in_request(&*place), sent };
        match self.clock.timeout(timeout, attempt.send()).await {
            Some(Ok(answer)) => {
                let origin = (url, place, request_id);
                Ok(Response::new(answer, origin, max_body, timeout, self.clock.clone()))
            }
            Some(Err(error)) => {
                let sent = !(error.is_connect() || failure::is_stranger(&error));
                Err(failed(failure::head(&error, &url, CONNECT_TIMEOUT), sent))
            }
            None => Err(failed(failure::timeout(&url, "answering", timeout), true)),
        }
    }

    /// Without the system's proxy, which must not decide the result of a test.
    #[cfg(test)]
    pub(crate) fn without_proxy(certificates: &Certificates) -> Result<Self> {
        Self::built(base().no_proxy(), certificates)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// What one connection may do over HTTP: call its declared hosts.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    clock: Clock,
    hosts: Hosts,
    connect_to: Option<SocketAddr>,
}

impl Client {
    /// A client for the declared `hosts`.
    ///
    /// With `connect_to`, for development and tests, every request goes in plain http to that
    /// loopback address, with the `Host` it would have had. Everything else stays in force: URLs
    /// are https, and hosts must be declared.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if `connect_to` is not a loopback address.
    pub fn new(
        transport: &Transport,
        hosts: Hosts,
        connect_to: Option<SocketAddr>,
    ) -> Result<Self> {
        let http = match connect_to {
            None => transport.http.clone(),
            // A proxy has no business between us and ourselves.
            Some(address) if address.ip().is_loopback() => build(base().no_proxy())?,
            Some(address) => {
                return Err(Error::new(
                    Code::InputInvalid,
                    format!("requests cannot be sent to {address} instead of the app"),
                )
                .cause("they would travel unencrypted, and this is not a loopback address")
                .fix("use an address of this machine, such as 127.0.0.1:8080 or [::1]:8080"));
            }
        };
        Ok(Self { http, clock: transport.clock.clone(), hosts, connect_to })
    }

    /// The declared hosts.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Sends `request` and returns the head of the response, whatever its status. Redirects are
    /// followed (at most five), each checked against the declared hosts.
    ///
    /// # Errors
    /// `NET_*` and [`Code::AppTimeout`] with the layer that failed; [`Code::NetHostBlocked`] if the
    /// URL or a redirect leaves the declared hosts.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let request_id = next_request_id();
        let Request { method, url, headers, credentials, body, timeout, .. } = request;
        let mut hop = Outgoing { method, url, headers, body };
        let mut sent = false;
        for _ in 0..=MAX_REDIRECTS {
            let place = format!("{} {} (request {request_id})", hop.method, place_of(&hop.url));
            let failed = |error: Error, sent| Failure { error: error.in_request(&*place), sent };
            self.hosts.check(&hop.url).map_err(|error| failed(error, sent))?;

            let mut outgoing = hop.clone();
            for credential in &credentials {
                credential.apply(&mut outgoing).map_err(|error| failed(error, sent))?;
            }
            let attempt = self.attempt(outgoing).map_err(|error| failed(error, sent))?;
            tracing::debug!(request = %place, "send");
            let answer = match self.clock.timeout(timeout, attempt).await {
                Some(Ok(answer)) => answer,
                Some(Err(error)) => {
                    let sent = sent || !(error.is_connect() || failure::is_stranger(&error));
                    let error = failure::head(&error, &hop.url, CONNECT_TIMEOUT);
                    return Err(failed(self.at_stand_in(error), sent));
                }
                None => {
                    return Err(failed(failure::timeout(&hop.url, "answering", timeout), true));
                }
            };
            tracing::debug!(request = %place, status = answer.status().as_u16(), "answer");
            sent = true;
            let location = answer.headers().get(LOCATION).filter(|_| request.follow_redirects);
            match location {
                Some(location) if is_redirect(answer.status()) => {
                    hop = hop
                        .follow(answer.status(), location)
                        .map_err(|error| failed(error, true))?;
                }
                _ => {
                    let origin = (hop.url, place, request_id);
                    let clock = self.clock.clone();
                    return Ok(Response::new(answer, origin, request.max_body, timeout, clock));
                }
            }
        }
        let error = Error::new(
            Code::AppError,
            format!("more than {MAX_REDIRECTS} redirects, the last to {}", place_of(&hop.url)),
        )
        .cause("the app sends us in circles")
        .fix("check the base URL of the manifest and the host of the connection")
        .retry(Retry::Never);
        Err(Failure { error, sent: true })
    }

    /// Where a stand-in does not answer, the app's host is not to blame.
    fn at_stand_in(&self, error: Error) -> Error {
        match self.connect_to {
            Some(address) if error.code == Code::NetUnreachable => error.fix(format!(
                "`connect_to` sends every request to {address}: start a simulator there, or \
                 correct or remove `connect_to`"
            )),
            _ => error,
        }
    }

    /// One request on the wire.
    fn attempt(
        &self,
        outgoing: Outgoing,
    ) -> Result<impl Future<Output = reqwest::Result<reqwest::Response>> + use<>> {
        let Outgoing { method, mut url, mut headers, body } = outgoing;
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        if let Some(address) = self.connect_to {
            let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
            let scheme = url.scheme().to_owned();
            let rewritten = host.ok().filter(|_| {
                url.set_scheme("http").is_ok()
                    && url.set_ip_host(address.ip()).is_ok()
                    && url.set_port(Some(address.port())).is_ok()
            });
            let host = rewritten.ok_or_else(|| {
                Error::new(Code::Internal, format!("{scheme} cannot be sent to {address}"))
            })?;
            headers.insert(HOST, host);
        }
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        Ok(request.send())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("hosts", &self.hosts)
            .field("connect_to", &self.connect_to)
            .finish_non_exhaustive()
    }
}

impl Outgoing {
    /// The request that follows a redirect (RFC 9110, section 15.4).
    fn follow(mut self, status: StatusCode, location: &HeaderValue) -> Result<Self> {
        let next = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| self.url.join(location).ok())
            .ok_or_else(|| {
                Error::new(Code::AppError, "the app redirected us to something that is not a URL")
                    .cause("the Location header cannot be read")
                    .fix("report this to the app's vendor")
            })?;
        let same_host = next.host() == self.url.host()
            && next.port_or_known_default() == self.url.port_or_known_default();
        // Only 307 and 308 promise to keep the method; the others turn a POST into a GET, as
        // everybody does, and 303 turns everything but HEAD into one.
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            for header in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
                self.headers.remove(header);
            }
        }
        if !same_host {
            if self.body.is_some() {
                return Err(Error::new(
                    Code::NetHostBlocked,
                    format!("the app wants the request sent again to {}", place_of(&next)),
                )
                .cause(format!(
                    "its body may hold what only {} may see",
                    printable(&place_of(&self.url), 300)
                ))
                .fix("call that host directly, if it is the app's"));
            }
            for header in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                self.headers.remove(header);
            }
        }
        self.url = next;
        Ok(self)
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn base() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .dns_resolver(Resolver)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| {
        Error::new(Code::NetTls, "HTTP cannot be set up")
            .cause(printable(&error.without_url().to_string(), 300))
            .fix("check the proxy variables, and that the system's CA certificates are installed")
    })
}

/// A name for a request that no other request of any process has: random per process, then a count.
fn next_request_id() -> String {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| super::retry::random() as u32);
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:08x}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}
