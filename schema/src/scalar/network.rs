//! Hosts, statuses and links.

use std::fmt;

use super::{Scalar, ScalarError, scalar};

/// A host that may be called: a host name, or `*.` and a domain for every host below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    text: String,
}
scalar!(HostPattern);

impl HostPattern {
    /// The pattern as written, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a host name (lower case, without port) is covered.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self.text.strip_prefix('*') {
            // `*.example.com` covers hosts below example.com, not example.com itself.
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == self.text,
        }
    }
}

impl Scalar for HostPattern {
    const FORMAT: &'static str = "longshore-host";
    const EXAMPLE: &'static str = "*.example.com";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.contains("://") || text.contains('/') {
            return Err(ScalarError::new(
                format!("`{text}` is a URL, not a host"),
                "write the host alone, such as api.example.com: only https is ever used",
            ));
        }
        if text.contains(':') {
            return Err(ScalarError::new(
                format!("`{text}` names a port"),
                "write the host alone: https on port 443 is used",
            ));
        }
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        let label_ok = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.contains('*') {
            return Err(ScalarError::new(
                format!("`{text}` has a `*` in the middle"),
                "a `*` may only stand for everything before the first dot: *.example.com",
            ));
        }
        if name.len() > 253 || !name.split('.').all(label_ok) {
            return Err(ScalarError::new(
                format!("`{text}` is not a host name"),
                "write a host such as api.example.com, or *.example.com for every host below it",
            ));
        }
        if lower.starts_with('*') && !name.contains('.') {
            return Err(ScalarError::new(
                format!("`{text}` covers a whole top-level domain"),
                "name the domain that belongs to the app, such as *.example.com",
            ));
        }
        Ok(Self { text: lower })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An HTTP status code (`429`) or a whole class of them (`5xx`). RFC 9110, section 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusPattern {
    /// One code.
    Code(u16),
    /// All codes with this first digit.
    Class(u16),
}

impl StatusPattern {
    /// Whether a response status is meant.
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl Scalar for StatusPattern {
    const FORMAT: &'static str = "longshore-status";
    const EXAMPLE: &'static str = "5xx";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        if let Some(class) = class.filter(|class| (1..=5).contains(class)) {
            return Ok(Self::Class(class));
        }
        match text.parse() {
            Ok(code) if (100..=599).contains(&code) => Ok(Self::Code(code)),
            _ => Err(ScalarError::new(
                format!("`{text}` is not an HTTP status"),
                "write a code such as 429, or a class such as 5xx",
            )),
        }
    }
}

impl<'de> serde::Deserialize<'de> for StatusPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let literal = crate::Literal::deserialize(deserializer)?;
        Self::parse(&literal.to_string()).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for StatusPattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["integer", "string"],
            "minimum": 100,
            "maximum": 599,
            "format": Self::FORMAT,
            "examples": [429, "5xx"],
        })
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

/// A link for people: an `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebLink(String);
scalar!(WebLink);

impl WebLink {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for WebLink {
    const FORMAT: &'static str = "longshore-link";
    const EXAMPLE: &'static str = "https://developer.example.com/api";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let host = text.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next());
        match host.flatten() {
            Some(host)
                if HostPattern::parse(host).is_ok() && !text.contains(char::is_whitespace) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(ScalarError::new(
                format!("`{text}` is not a link"),
                "write a full https URL, such as https://developer.example.com/api",
            )),
        }
    }
}
