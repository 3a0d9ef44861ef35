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

/// A regular expression that a whole text matches, as `match()` of RFC 9535, 2.4.6.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}
scalar!(Pattern);

impl Pattern {
    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches the whole text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Scalar for Pattern {
    const FORMAT: &'static str = "longshore-pattern";
    const EXAMPLE: &'static str = r"[A-Z]{2}\d{6}";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        // By itself, so that a stray parenthesis is not paired with those around it.
        compile(text)?;
        Ok(Self { text: text.to_owned(), regex: compile(&format!("^(?:{text})$"))? })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let pattern = Pattern::parse("a|b").unwrap();
        assert!(pattern.is_match("a") && pattern.is_match("b"));
        assert!(!pattern.is_match("ab") && !pattern.is_match("xa") && !pattern.is_match("a\n"));
        assert!(Pattern::parse("a)|(b").is_err());
    }
}
