//! Text that means something: every scalar of the language that is more than a string is parsed
//! here, once, when the manifest is loaded.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Visitor};

mod graphql;
mod network;
mod pattern;
mod time;

pub use graphql::GraphQlQuery;
pub use network::{HostPattern, StatusPattern, WebLink};
pub use pattern::{Capture, HeaderPattern, Pattern};
pub use time::{Duration, TimeFormat, Zone};

/// Why a scalar could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarError {
    /// What is wrong, without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Byte offset in the scalar's text where it went wrong, if known.
    pub offset: Option<usize>,
}

impl ScalarError {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()), offset: None }
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl fmt::Display for ScalarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A type that is written as one YAML scalar.
pub trait Scalar: Sized {
    /// The `format` by which the JSON Schema names this type.
    const FORMAT: &'static str;
    /// What a well-formed one looks like, for hovers and messages.
    const EXAMPLE: &'static str;

    /// Reads the scalar's text.
    ///
    /// # Errors
    /// What is wrong with the text, and how to mend it.
    fn parse(text: &str) -> Result<Self, ScalarError>;
}

/// Gives a [`Scalar`] its serde and JSON Schema halves.
macro_rules! scalar {
    ($type:ty) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::scalar::TextVisitor(std::marker::PhantomData))
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "format": <Self as $crate::scalar::Scalar>::FORMAT,
                    "examples": [<Self as $crate::scalar::Scalar>::EXAMPLE],
                })
            }
        }
    };
}
pub(crate) use scalar;

/// Parses a scalar from the text itself, without a copy of it.
pub(crate) struct TextVisitor<T>(pub(crate) PhantomData<T>);

impl<T: Scalar> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(E::custom)
    }
}

/// A check of one scalar format: name, example, and the parser without its result.
pub struct Format {
    /// The `format` keyword's value in the JSON Schema.
    pub name: &'static str,
    /// A well-formed example.
    pub example: &'static str,
    /// Reads a text for its errors only.
    pub check: fn(&str) -> Result<(), ScalarError>,
}

/// All formats that the JSON Schema names.
#[must_use]
pub fn formats() -> Vec<Format> {
    fn of<T: Scalar>() -> Format {
        Format { name: T::FORMAT, example: T::EXAMPLE, check: |text| T::parse(text).map(|_| ()) }
    }
    vec![
        of::<Duration>(),
        of::<Percent>(),
        of::<Name>(),
        of::<Version>(),
        of::<HostPattern>(),
        of::<StatusPattern>(),
        of::<HeaderPattern>(),
        of::<Capture>(),
        of::<Pattern>(),
        of::<TimeFormat>(),
        of::<Zone>(),
        of::<OcsfPath>(),
        of::<WebLink>(),
        of::<crate::decode::Character>(),
        of::<crate::decode::Quote>(),
        of::<crate::decode::EntryPattern>(),
        of::<crate::JsonPath>(),
        of::<GraphQlQuery>(),
        of::<crate::Template>(),
        of::<crate::map::ValueText>(),
    ]
}

/// A share from `0%` to `100%`, with at most two decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent {
    /// Hundredths of a percent: `10%` is 1000.
    pub basis_points: u32,
}
scalar!(Percent);

impl Scalar for Percent {
    const FORMAT: &'static str = "longshore-percent";
    const EXAMPLE: &'static str = "10%";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let bad = || {
            ScalarError::new(
                format!("`{text}` is not a percentage from 0% to 100%"),
                "write a number and a percent sign, such as 10% or 2.5%",
            )
        };
        let number = text.strip_suffix('%').ok_or_else(bad)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 3
            || fraction.len() > 2
            || !digits(whole)
            || !digits(fraction)
        {
            return Err(bad());
        }
        let hundredths: u32 = format!("{fraction:0<2}").parse().map_err(|_| bad())?;
        let whole: u32 = whole.parse().map_err(|_| bad())?;
        let basis_points = whole * 100 + hundredths;
        if basis_points > 10_000 { Err(bad()) } else { Ok(Self { basis_points }) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.basis_points / 100, self.basis_points % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            _ => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

/// A name given in the manifest: lower case letters, digits and `_`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);
scalar!(Name);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Name {
    const FORMAT: &'static str = "longshore-name";
    const EXAMPLE: &'static str = "sign_ins";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let rest_ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let good = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(rest_ok);
        if good && text.len() <= 64 {
            return Ok(Self(text.to_owned()));
        }
        let suggestion: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        Err(ScalarError::new(
            format!("`{text}` is not a name"),
            format!(
                "names are lower case letters, digits and `_`, start with a letter and have at most 64 characters, such as `{}`",
                suggestion.trim_matches('_')
            ),
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version: three numbers, as in Semantic Versioning 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Raised by incompatible changes.
    pub major: u32,
    /// Raised by additions.
    pub minor: u32,
    /// Raised by corrections.
    pub patch: u32,
}
scalar!(Version);

impl Scalar for Version {
    const FORMAT: &'static str = "longshore-version";
    const EXAMPLE: &'static str = "1.0.0";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let mut parts = text.split('.').map(|part| match part {
            "0" => Some(0),
            _ if part.starts_with(['0', '+']) => None,
            _ => part.parse::<u32>().ok(),
        });
        match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten(), parts.next())
        {
            (Some(major), Some(minor), Some(patch), None) => Ok(Self { major, minor, patch }),
            _ => Err(ScalarError::new(
                format!("`{text}` is not a version"),
                "write three numbers, such as 1.0.0 (https://semver.org)",
            )),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A path to an attribute of an OCSF event: names joined by dots, `[]` behind an array's name for
/// its one element (`resources[].name`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OcsfPath {
    text: String,
}
scalar!(OcsfPath);

impl OcsfPath {
    /// The path as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names from the event down, each with whether it is followed by `[]`.
    pub fn segments(&self) -> impl Iterator<Item = (&str, bool)> {
        self.text.split('.').map(|segment| match segment.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (segment, false),
        })
    }
}

impl Scalar for OcsfPath {
    const FORMAT: &'static str = "longshore-ocsf-path";
    const EXAMPLE: &'static str = "src_endpoint.ip";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let name_ok = |segment: &str| {
            let name = segment.strip_suffix("[]").unwrap_or(segment);
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if text.split('.').all(name_ok) && text.len() <= 200 {
            Ok(Self { text: text.to_owned() })
        } else {
            Err(ScalarError::new(
                format!("`{text}` is not a path to an OCSF attribute"),
                "write lower case names joined by dots, such as src_endpoint.ip",
            ))
        }
    }
}

impl fmt::Display for OcsfPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_well_formed() {
        for format in formats() {
            assert_eq!((format.check)(format.example), Ok(()), "{}", format.name);
        }
    }

    #[test]
    fn durations_round_trip() {
        for text in ["0s", "500ms", "30s", "15m", "1h", "60d"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "15", "m", "15 m", "-1s", "1h30m", "99999999999999999999d", "40000d"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_keep_two_decimals() {
        assert_eq!(Percent::parse("10%").unwrap().basis_points, 1_000);
        assert_eq!(Percent::parse("2.5%").unwrap().basis_points, 250);
        for text in ["10", "101%", "-1%", "1.234%", "%", ".5%", "1e1%"] {
            assert!(Percent::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcard_hosts_cover_hosts_below_only() {
        let pattern = HostPattern::parse("*.Example.com").unwrap();
        assert!(pattern.matches("a.example.com") && pattern.matches("a.b.example.com"));
        assert!(!pattern.matches("example.com") && !pattern.matches("badexample.com"));
        for text in ["*.com", "https://a.b", "a.b:443", "a.*.b", "", "a..b", "-a.b"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn header_patterns_name_their_numbers() {
        assert!(HeaderPattern::parse(r"(?<remaining>\d+) of (?<limit>\d+)").is_ok());
        for text in [r"(\d+)/(\d+)", r"(?<used>\d+)", r"(?<used>\d+)(?<remaining>)(?<limit>)", "("]
        {
            assert!(HeaderPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_patterns_name_a_whole_date() {
        assert!(TimeFormat::parse("%Y%m%d%H%M%S%.f").is_ok());
        assert!(TimeFormat::parse("%Y-%m-%d").is_ok());
        for text in ["%H:%M", "rfc", "%Q", "%Y"] {
            assert!(TimeFormat::parse(text).is_err(), "{text}");
        }
    }
}
