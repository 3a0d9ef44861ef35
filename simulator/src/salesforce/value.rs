//! Field values and how they are written in JSON.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::ids::{Id, shorten};

/// The value of one field of one record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(Cow<'static, str>),
    /// A record id. Compared case-sensitively, unlike text.
    Id(Id),
    /// Milliseconds since the Unix epoch.
    DateTime(i64),
}

impl Value {
    pub(crate) fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A date-time from whole seconds.
    pub(crate) const fn seconds(seconds: i64) -> Self {
        Self::DateTime(seconds * 1000)
    }

    pub(crate) fn or_null(value: Option<Value>) -> Self {
        value.unwrap_or(Self::Null)
    }

    /// The order SOQL sorts by: nulls first, text without regard to case.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            (Self::Boolean(left), Self::Boolean(right)) => left.cmp(right),
            (Self::DateTime(left), Self::DateTime(right))
            | (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            (Self::Id(left), Self::Id(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => compare_text(left, right),
            (Self::Id(left), Self::Text(right)) => {
                left.short().as_str().cmp(shorten(right).unwrap_or(right))
            }
            (Self::Text(left), Self::Id(right)) => {
                shorten(left).unwrap_or(left).cmp(right.short().as_str())
            }
            _ => match (self.number(), other.number()) {
                (Some(left), Some(right)) => left.total_cmp(&right),
                _ => Ordering::Equal,
            },
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }
}

fn compare_text(left: &str, right: &str) -> Ordering {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    if left.is_ascii() && right.is_ascii() {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        return left.bytes().map(lower).cmp(right.bytes().map(lower));
    }
    fold(left).cmp(&fold(right))
}

/// A date-time as the REST API writes it: `2026-10-01T10:00:00.000+0000`.
pub(crate) fn datetime(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S.%3f+0000")
        .to_string()
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Id(value) => serializer.collect_str(value),
            Self::DateTime(value) => serializer.serialize_str(&datetime(*value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_have_no_colon_in_the_offset() {
        assert_eq!(datetime(1_790_848_800_123), "2026-10-01T10:00:00.123+0000");
    }

    #[test]
    fn text_sorts_without_case_and_ids_with() {
        assert_eq!(Value::text("Ada").order(&Value::text("ADA")), Ordering::Equal);
        assert_eq!(
            Value::Id(Id::new(*b"005", 10)).order(&Value::Id(Id::new(*b"005", 36))),
            Ordering::Less
        );
        assert_eq!(Value::Null.order(&Value::Boolean(false)), Ordering::Less);
    }
}
