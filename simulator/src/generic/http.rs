//! Requests and answers, between the socket and the app.

use std::borrow::Cow;

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use serde_json::Value;

use super::packing::Packing;
use super::pages;

/// A request, read to its end.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The host that it would have gone to.
    pub(super) host: String,
    /// As it was sent, percent-encoded.
    pub(super) path: String,
    /// Decoded.
    pub(super) query: Vec<(String, String)>,
    /// The fields of a form, decoded; empty if the body is none.
    pub(super) form: Vec<(String, String)>,
    /// The body, if it is JSON.
    pub(super) json: Option<Value>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Path and query as they were sent.
    pub(super) target: String,
}

impl Call {
    pub(super) fn address(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A field of a form, or a member of a JSON body.
    pub(super) fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some((_, value)) = self.form.iter().find(|(field, _)| field == name) {
            return Some(value.into());
        }
        match self.json.as_ref()?.get(name)? {
            Value::String(text) => Some(text.into()),
            other => Some(other.to_string().into()),
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The position in a link that the app wrote.
    pub(super) fn page_token(&self) -> Option<&str> {
        self.parameter(pages::TOKEN)
    }

    pub(super) fn accepts_gzip(&self) -> bool {
        self.header("accept-encoding").is_some_and(|value| value.contains("gzip"))
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// What becomes of the body before it is sent.
    pub(super) packing: Option<Packing>,
}

impl Reply {
    pub(super) fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { status, headers, body: body.into(), packing: None }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(super) fn error(status: u16, text: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": text }))
    }

    pub(super) fn html(status: u16) -> Self {
        let page = "<!DOCTYPE html><html><head><title>Sorry</title></head><body><h1>We'll be back \
                    soon</h1><p>Simulated maintenance, with a <b>page</b>, \"quotes\", and commas.</p>\
                    </body></html>\n";
        Self::new(status, "text/html; charset=utf-8", page)
    }

    /// The answer with the bytes that are sent.
    pub(super) fn packed(mut self) -> Self {
        if let Some(packing) = self.packing.take() {
            self.body = packing.pack(&self.body);
        }
        self
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// The pairs of a form or query.
pub(super) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// How an answer is brought onto the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire {
    /// Whole, packed if that is wanted.
    Whole,
    /// The connection ends after a part of the body, a share between 0 and 1.
    Cut { share: f64, chunked: bool, reset: bool },
    /// A packed body that ends too early although HTTP ends well.
    GzipCut { share: f64 },
    /// A body that ends too early although HTTP ends well, not packed.
    Half { share: f64 },
    /// Silence after a part of the body.
    Silence { share: f64 },
    /// A byte now and then, without end.
    Drip,
    /// The connection is reset before anything is answered.
    Reset,
    /// Nothing is answered.
    Nothing,
}

impl Wire {
    /// Whether the head of the answer arrives for certain.
    pub(super) fn is_heard(self) -> bool {
        !matches!(self, Self::Nothing | Self::Reset | Self::Cut { reset: true, .. })
    }
}
