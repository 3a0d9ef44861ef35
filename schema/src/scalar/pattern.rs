//! Regular expressions that find something particular.

use std::sync::OnceLock;

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Scalar, ScalarError, scalar};

/// The largest [`weight`] of an expression that is known to stay below [`SIZE_LIMIT`] without
/// being compiled. One character range makes at most about 600 bytes of it: five sequences of three
/// states; those that make more, because they need four bytes in UTF-8, are wide and thus few.
const LIGHT: usize = 1_700;
/// The largest size of a compiled expression, in bytes (1 MiB).
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression over a response header's value, with the named groups `used` and `limit`,
/// or `remaining` and `limit`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderPattern(Expression);
scalar!(HeaderPattern);

impl HeaderPattern {
    /// The compiled expression.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        self.0.regex()
    }
}

impl Scalar for HeaderPattern {
    const FORMAT: &'static str = "longshore-header-pattern";
    const EXAMPLE: &'static str = r"(?<used>\d+)/(?<limit>\d+)";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let (pattern, groups) = Expression::read(text)?;
        let has = |name| groups.names.iter().any(|group| group == name);
        if !has("limit") || has("used") == has("remaining") {
            return Err(ScalarError::new(
                "the pattern must say which numbers it finds",
                r"name the groups: (?<used>\d+) or (?<remaining>\d+), and (?<limit>\d+)",
            ));
        }
        Ok(Self(pattern))
    }
}

/// A regular expression with one capture group: what it captures is the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture(Expression);
scalar!(Capture);

impl Capture {
    /// The compiled expression.
    #[must_use]
    pub fn regex(&self) -> &Regex {
        self.0.regex()
    }
}

impl Scalar for Capture {
    const FORMAT: &'static str = "longshore-capture";
    const EXAMPLE: &'static str = r"UserID: \[(\w+)\]";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let (pattern, groups) = Expression::read(text)?;
        if groups.count != 1 {
            return Err(ScalarError::new(
                format!("the pattern has {} capture groups", groups.count),
                "put exactly one pair of parentheses around what is wanted; use (?:...) for others",
            ));
        }
        Ok(Self(pattern))
    }
}

/// A regular expression that is known to be one, compiled when it is first used: to compile one
/// takes longer than to check a manifest.
#[derive(Clone, Debug)]
struct Expression {
    text: String,
    regex: OnceLock<Regex>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// The capture groups of an expression, without the whole match.
#[derive(Debug, Default, PartialEq, Eq)]
struct Groups {
    count: usize,
    names: Vec<String>,
}

impl Expression {
    fn read(text: &str) -> Result<(Self, Groups), ScalarError> {
        if let Some(groups) = light(text) {
            return Ok((Self { text: text.to_owned(), regex: OnceLock::new() }, groups));
        }
        let regex = compile(text)?;
        let names = regex.capture_names().flatten().map(str::to_owned).collect();
        let groups = Groups { count: regex.captures_len() - 1, names };
        Ok((Self { text: text.to_owned(), regex: regex.into() }, groups))
    }

    fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| {
            Regex::new(&self.text).expect("the expression was parsed, and is far below any limit")
        })
    }
}

/// The groups of an expression that is well-formed and clearly small; all others are left to the
/// compiler and its messages.
fn light(text: &str) -> Option<Groups> {
    let tree = regex_syntax::parse(text).ok()?;
    let mut groups = Groups::default();
    (weight(&tree, &mut groups) <= LIGHT).then_some(groups)
}

/// How much an expression compiles to at most, in character ranges.
fn weight(tree: &Hir, groups: &mut Groups) -> usize {
    let mut all = |trees: &[Hir]| {
        trees.iter().fold(trees.len(), |sum, tree| sum.saturating_add(weight(tree, groups)))
    };
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            all(std::slice::from_ref(&repetition.sub)).saturating_mul(copies as usize)
        }
        HirKind::Capture(capture) => {
            let weight = all(std::slice::from_ref(&capture.sub));
            groups.count = groups.count.max(capture.index as usize);
            groups.names.extend(capture.name.as_ref().map(ToString::to_string));
            weight
        }
        HirKind::Concat(trees) | HirKind::Alternation(trees) => all(trees),
    }
}

/// A regular expression that a whole text matches, as `match()` of RFC 9535, 2.4.6.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    whole: Expression,
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
        self.whole.regex().is_match(text)
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
        Expression::read(text)?;
        let (whole, _) = Expression::read(&format!("^(?:{text})$"))?;
        Ok(Self { text: text.to_owned(), whole })
    }
}

fn compile(text: &str) -> Result<Regex, ScalarError> {
    regex::RegexBuilder::new(text).size_limit(SIZE_LIMIT).build().map_err(|error| {
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
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &str) {
        let Some(groups) = light(text) else { return };
        let regex = compile(text).unwrap();
        assert_eq!(groups.count, regex.captures_len() - 1, "{text}");
        let names: BTreeSet<_> = groups.names.iter().map(String::as_str).collect();
        // An expression that is repeated no times at all has its names, but never a match.
        let unseen = text.contains("{0}");
        assert!(unseen || names == regex.capture_names().flatten().collect(), "{text}");
    }

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let pattern = Pattern::parse("a|b").unwrap();
        assert!(pattern.is_match("a") && pattern.is_match("b"));
        assert!(!pattern.is_match("ab") && !pattern.is_match("xa") && !pattern.is_match("a\n"));
        assert!(Pattern::parse("a)|(b").is_err());
    }

    #[test]
    fn usual_patterns_are_light_and_heavy_ones_are_compiled() {
        for text in [HeaderPattern::EXAMPLE, Capture::EXAMPLE, r"^(\S+)\s\d{3}$", "(é|[^x]+)"] {
            assert!(light(text).is_some(), "{text}");
            agrees(text);
        }
        for text in [r"\w{9}", "(a{100}){100}", "(", r"(?<a>.)(?<a>.)", r"\pL{200}"] {
            assert!(light(text).is_none(), "{text}");
        }
        assert!(
            HeaderPattern::parse(r"(?<used>\d+)/(?<limit>\d+)").unwrap().regex().is_match("1/2")
        );
        assert!(Capture::parse(r"(\w{2000})").unwrap_err().message.contains("too large"));
    }

    proptest! {
        #[test]
        fn light_patterns_compile_with_the_same_groups(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "a", "é", ".", r"\d", r"\w", r"\s", r"\S", r"\pL", r"\p{Greek}", "[a-z]", "[^a]",
                "(", "(?:", "(?<a>", "(?<b>", "(?i)", ")", "|", "*", "+", "?", "{0}", "{3}",
                "{2,9}", "{50,}", "^", "$", r"\b", "[\u{100}-\u{8000}]", "(?-u:a)",
                "[\u{7f}-\u{10fff0}]", "(?s).",
            ]), 0..12),
        ) {
            agrees(&pieces.concat());
        }
    }
}
