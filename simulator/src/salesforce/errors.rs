//! Error answers of the REST API: a JSON array of `{message, errorCode}`
//! (Salesforce REST API Developer Guide, "Status Codes and Error Responses").

use serde_json::json;

/// An error the REST API answers with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The same error for a user with this language; only the message depends on it.
    pub(crate) fn in_language(mut self, language: &str) -> Self {
        if !language.starts_with("en") {
            self.message = format!("[{language}] {}", self.message);
        }
        self
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> Vec<u8> {
        json!([{"message": self.message, "errorCode": self.code}]).to_string().into_bytes()
    }

    pub(crate) fn session() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn method_not_allowed(method: &str, allowed: &str) -> Self {
        Self::new(
            405,
            "METHOD_NOT_ALLOWED",
            format!("HTTP Method '{method}' not allowed. Allowed are {allowed}"),
        )
    }

    pub(crate) fn total_requests() -> Self {
        Self::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    pub(crate) fn concurrent_requests() -> Self {
        Self::new(
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        )
    }

    pub(crate) fn insufficient_access() -> Self {
        Self::new(403, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
    }

    pub(crate) fn locator() -> Self {
        Self::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MALFORMED_QUERY", message)
    }
}
