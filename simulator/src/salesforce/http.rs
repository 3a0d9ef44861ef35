//! Requests and answers, between the socket and the org.

use std::io::Write;

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::data::log_files::LogFile;
use super::errors::Error;

/// A request, read to its end.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The `Host` header, port included.
    pub(crate) host: String,
    /// Without a trailing slash.
    pub(crate) path: String,
    /// As it was sent, without the question mark.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A query parameter, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the client reached the org by a loopback address.
    pub(crate) fn loopback(&self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        name == "localhost"
            || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The org's own address as this client must use it.
    pub(crate) fn instance_url(&self) -> String {
        if self.loopback() {
            format!("http://{}", self.host)
        } else {
            "https://demo.my.salesforce.com".to_owned()
        }
    }

    pub(crate) fn accepts_gzip(&self) -> bool {
        self.header("accept-encoding").is_some_and(|value| {
            value.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0"));
                name.eq_ignore_ascii_case("gzip") && !refused
            })
        })
    }
}

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// A log file, written while it is sent.
    Log(LogFile),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
}

impl Reply {
    pub(crate) fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", media_type.to_owned())],
            content: Content::Bytes(body.into()),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(Vec::new()) }
    }

    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        // Every body is made of strings, numbers, lists and maps with string keys.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self::new(status, "application/json;charset=UTF-8", body)
    }

    pub(crate) fn html(status: u16, body: String) -> Self {
        Self::new(status, "text/html; charset=UTF-8", body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Self::new(error.status, "application/json;charset=UTF-8", error.body())
    }
}

/// The body in gzip coding.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
