//! Text that means something: every scalar of the language that is more than a string is parsed
//! here, once, when the manifest is loaded.

use std::fmt;
use std::time::Duration as StdDuration;

use regex::Regex;

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
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                <Self as $crate::scalar::Scalar>::parse(&text).map_err(serde::de::Error::custom)
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
        of::<TimeFormat>(),
        of::<OcsfPath>(),
        of::<WebLink>(),
        of::<crate::JsonPath>(),
        of::<crate::Template>(),
        of::<crate::map::ValueText>(),
    ]
}

/// A length of time: a whole number and a unit, `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub StdDuration);
scalar!(Duration);

impl Duration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(StdDuration::from_secs(seconds))
    }
}

impl Scalar for Duration {
    const FORMAT: &'static str = "longshore-duration";
    const EXAMPLE: &'static str = "15m";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => {
                return Err(ScalarError::new(
                    format!("`{text}` is not a duration"),
                    "write a whole number and a unit: 500ms, 30s, 15m, 1h or 60d",
                )
                .at(digits));
            }
        };
        let number: u64 = number.parse().map_err(|_| {
            ScalarError::new(
                format!("`{text}` is not a duration"),
                "write a whole number before the unit: 500ms, 30s, 15m, 1h or 60d",
            )
        })?;
        // A century is past every retention there is, and keeps date arithmetic in range.
        match number.checked_mul(millis) {
            Some(total) if total <= 36_525 * 86_400_000 => {
                Ok(Self(StdDuration::from_millis(total)))
            }
            _ => Err(ScalarError::new(
                format!("`{text}` is longer than a hundred years"),
                "check the unit: ms, s, m, h or d",
            )),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        for (size, unit) in units {
            if millis >= size && millis.is_multiple_of(size) {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        if millis == 0 { f.write_str("0s") } else { write!(f, "{millis}ms") }
    }
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
        if let Some(class) = text.strip_suffix("xx").and_then(|digit| digit.parse().ok()) {
            if (1..=5).contains(&class) {
                return Ok(Self::Class(class));
            }
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
        let reason = match &error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            // The crate's message is a drawing over several lines; the last one is the reason.
            _ => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim_start_matches("error: ").to_owned()
            }
        };
        ScalarError::new(
            format!("not a regular expression: {reason}"),
            "the syntax is that of RE2 (no look-around, no back-references)",
        )
    })
}

/// How a time is written in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// ISO 8601 / RFC 3339 date and time; the offset may lack its colon (`+0000`), a missing
    /// offset means UTC.
    Iso8601,
    /// Whole or decimal seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    EpochMillis,
    /// A `strptime` pattern; a pattern without an offset means UTC.
    Pattern(String),
}
scalar!(TimeFormat);

impl Default for TimeFormat {
    fn default() -> Self {
        Self::Iso8601
    }
}

impl Scalar for TimeFormat {
    const FORMAT: &'static str = "longshore-time-format";
    const EXAMPLE: &'static str = "iso8601";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        match text {
            "iso8601" => Ok(Self::Iso8601),
            "epoch_s" => Ok(Self::EpochSeconds),
            "epoch_ms" => Ok(Self::EpochMillis),
            _ if text.contains('%') => {
                let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
                let shown = jiff::fmt::strtime::format(text, &sample).map_err(|error| {
                    ScalarError::new(
                        format!("not a time pattern: {error}"),
                        "use strptime conversions, such as %Y-%m-%dT%H:%M:%S",
                    )
                })?;
                let mut back = jiff::fmt::strtime::parse(text, &shown).map_err(|error| {
                    ScalarError::new(
                        format!("the pattern cannot be read back: {error}"),
                        "use strptime conversions, such as %Y-%m-%dT%H:%M:%S",
                    )
                })?;
                if back.offset().is_none() {
                    back.set_offset(Some(jiff::tz::Offset::UTC));
                }
                if back.to_timestamp().is_err() && back.to_date().is_err() {
                    return Err(ScalarError::new(
                        format!("`{text}` does not name a whole date"),
                        "a time needs year, month and day: %Y-%m-%d, or %s",
                    ));
                }
                Ok(Self::Pattern(text.to_owned()))
            }
            _ => Err(ScalarError::new(
                format!("`{text}` is not a time format"),
                "use iso8601, epoch_s, epoch_ms, or a strptime pattern such as %Y%m%d%H%M%S",
            )),
        }
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
