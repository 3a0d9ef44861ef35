//! Regular expressions that find something particular.

use regex::Regex;

use super::{Scalar, ScalarError, scalar};

/// A regular expression over a response header's value, with the named groups `used` and `limit`,
/// or `remaining` and `limit`.
#[derive(Clone, Debug)]
pub struct HeaderPattern(pub Regex);
scalar!(HeaderPattern);

impl Scalar for HeaderPattern {
    const FORMAT: &'static str = "longshore-header-pattern";
    const EXAMPLE: &'static str = r"(?<used>\d+)/(?<limit>\d+)";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let regex = compile(text)?;
        let has = |name| regex.capture_names().flatten().any(|group| group == name);
        if !has("limit") || has("used") == has("remaining") {
            return Err(ScalarError::new(
                "the pattern must say which numbers it finds",
                r"name the groups: (?<used>\d+) or (?<remaining>\d+), and (?<limit>\d+)",
            ));
        }
        Ok(Self(regex))
    }
}

/// A regular expression with one capture group: what it captures is the value.
#[derive(Clone, Debug)]
pub struct Capture(pub Regex);
scalar!(Capture);

impl Scalar for Capture {
    const FORMAT: &'static str = "longshore-capture";
    const EXAMPLE: &'static str = r"UserID: \[(\w+)\]";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let regex = compile(text)?;
        if regex.captures_len() != 2 {
            return Err(ScalarError::new(
                format!("the pattern has {} capture groups", regex.captures_len() - 1),
                "put exactly one pair of parentheses around what is wanted; use (?:...) for others",
            ));
        }
        Ok(Self(regex))
    }
}

fn compile(text: &str) -> Result<Regex, ScalarError> {
    regex::RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|error| {
        let reason = if let regex::Error::CompiledTooBig(_) = error {
            "it is too large".to_owned()
        } else {
            // The crate's message is a drawing over several lines; the last one is the reason.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        };
        ScalarError::new(
            format!("not a regular expression: {reason}"),
            "the syntax is that of RE2 (no look-around, no back-references)",
        )
    })
}
